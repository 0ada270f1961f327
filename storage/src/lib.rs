//! Bytes on disk: an append-only log and an ordered store behind traits, each with a twin in memory that fails on
//! purpose.
//!
//! # What is here
//!
//! [`AppendLog`] is one door. Behind it stand [`SegmentedLog`], which keeps records in segment files and survives
//! power loss, and [`FaultyLog`], which keeps them in memory and loses, on request, exactly what a disk may lose.
//!
//! [`OrderedStore`] is the other: keys and values in order, in keyspaces, changed by atomic batches. Behind it stand
//! [`RocksStore`], which keeps them in RocksDB, and [`FaultyStore`], its twin in memory. What a process has promised to
//! others goes to a log, where one sync costs least; what it can look up goes to the store.
//!
//! # What this room guarantees
//!
//! 1. A record is durable once [`AppendLog::sync`] has returned its position or a later one, and not before. A batch is
//!    durable once [`OrderedStore::commit`] has returned; after a crash it is there as a whole or not at all.
//! 2. Opening a log returns every durable record, in order and unchanged, or an error. A hole in the middle is never
//!    skipped in silence. A store answers with what was committed or with an error; the one kind of damage that it
//!    cannot see, close to the end of its newest write-ahead log, looks as if the last batches had not been committed,
//!    so that its user compares what it finds with a record of its own.
//! 3. After a failed write or sync the handle refuses every later one: the kernel may have dropped what it could not
//!    write and marked it clean, so that a second try would report success for data that is gone. The process has to
//!    stop.
//! 4. Compaction leaves, at whatever moment the power goes, the old log or the new one.
//! 5. Two processes never write to one log or store. A log is never opened for another identity than its own, a store
//!    never with other keyspaces than its own.
//!
//! # What this room deliberately does not do
//!
//! It does not know what a record, a key or a value means, repeat what has failed, read a clock, or decide when to sync
//! or to compact a log. It starts no threads of its own; RocksDB has two, which flush and merge.

mod error;
mod faulty;
mod faulty_store;
mod log;
mod lsn;
#[cfg(feature = "rocks")]
mod rocks;
mod segmented;
mod store;

pub use error::LogError;
pub use faulty::{FaultPlan, FaultyLog, Unsynced};
pub use faulty_store::{FaultyStore, StoreFaultPlan};
pub use log::{AppendLog, PENDING_BYTES_MAX, RECORD_BYTES_MAX, TOTAL_BYTES_DEFAULT};
pub use lsn::Lsn;
#[cfg(feature = "rocks")]
pub use rocks::{RocksOptions, RocksStore, StoreContent, StoreUsage};
pub use segmented::{Options, SEGMENT_BYTES_DEFAULT, SegmentedLog};
pub use store::{Entry, Order, OrderedStore, SCAN_ENTRIES_MAX, Scan, Space, SpaceOptions, StoreError, WriteBatch};
