//! Bytes on disk: an append-only log behind a trait, with a twin in memory that fails on purpose.
//!
//! # What is here
//!
//! [`AppendLog`] is the door. Behind it stand [`SegmentedLog`], which keeps records in segment files and survives
//! power loss, and [`FaultyLog`], which keeps them in memory and loses, on request, exactly what a disk may lose.
//! The ordered store of the replicated state joins this room.
//!
//! # What this room guarantees
//!
//! 1. A record is durable once [`AppendLog::sync`] has returned its position or a later one, and not before.
//! 2. Opening a log returns every durable record, in order and unchanged, or an error. A hole in the middle is never
//!    skipped in silence.
//! 3. After a failed write or sync the handle refuses everything: the kernel may have dropped what it could not write
//!    and marked it clean, so that a second try would report success for data that is gone. The process has to stop.
//! 4. Compaction leaves, at whatever moment the power goes, the old log or the new one.
//! 5. Two processes never write to one log, and a log is never opened for another identity than its own.
//!
//! # What this room deliberately does not do
//!
//! It does not know what a record means, retry, start threads, read a clock, or decide when to sync or to compact.

mod error;
mod faulty;
mod log;
mod lsn;
mod segmented;

pub use error::LogError;
pub use faulty::{FaultPlan, FaultyLog, Unsynced};
pub use log::{AppendLog, PENDING_BYTES_MAX, RECORD_BYTES_MAX, TOTAL_BYTES_DEFAULT};
pub use lsn::Lsn;
pub use segmented::{Options, SEGMENT_BYTES_DEFAULT, SegmentedLog};
