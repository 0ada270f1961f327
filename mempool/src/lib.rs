//! Admitted transactions, batches and lanes: a pure machine that says who holds what.
//!
//! [`Mempool::step`] takes the time, one [`Input`] and a place for [`Output`]s. The rules are those of
//! `docs/spec/consensus.md`, cited by number where they are carried out. Invariants:
//!
//! 1. The machine does no I/O, reads no clock, draws no randomness and iterates nothing in an order that depends on
//!    the process; the same inputs give the same outputs.
//! 2. A batch of our own is durable before its first byte leaves (D6), and a batch is durable before it is
//!    acknowledged, judged as held or served (D5, L5). The machine itself holds these back.
//! 3. Our own lane never holds two batches for one place, across crashes. Where that cannot be known the lane is
//!    silent for the rest of the epoch.
//! 4. Everything that is kept is bounded in count and in bytes: the pool by [`POOL_BYTES_MAX`] and
//!    [`POOL_TRANSACTIONS_MAX`], a lane by [`LANE_BATCHES_MAX`] and [`LANE_BYTES_MAX`], what blocks name by
//!    [`CHECKS_MAX`] and [`NAMED_BYTES_MAX`].
//! 5. An admitted transaction is never put out for another; it leaves by a batch, by its time, or because it was
//!    decided elsewhere.
//! 6. A lane is pruned on finality only, never because it was proposed (L10).
//! 7. Nothing that a peer sends makes it panic, and a wrong answer never takes the place of a right one (L5).
//!
//! It deliberately verifies no signature while it steps. What enters was verified by [`check_batch`] or by
//! `SignedTransaction::verify`, which the caller runs on other threads; the types say so. It knows neither views nor
//! votes, and not the state: whether a sender can pay is decided by execution.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]

mod acks;
mod batch;
mod build;
mod candidate;
mod config;
mod epoch;
mod fetch;
mod input;
mod journal;
mod judge;
mod lane;
mod message;
mod output;
mod own;
mod peers;
mod pool;
mod prune;
mod receive;
mod recover;
mod serve;
mod standing;
mod state;
mod step;
mod underway;

#[cfg(test)]
mod tests;

pub use batch::{BatchError, CheckedBatch, Fault, RejectedBatch, check_batch, check_batches};
pub use candidate::{AdmitError, Candidate, DropReason, Known, NextSequence};
pub use config::{
    CHECKS_MAX, Config, LANE_BATCHES_MAX, LANE_BYTES_MAX, NAMED_BYTES_MAX, POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX,
    SENDER_SEQUENCES_MAX, Share, Signer,
};
pub use input::{Check, Input};
pub use journal::Lsn;
pub use message::{ANSWER_BYTES_MAX, Acks, BATCHES_MAX, DataMessage, FRAME_BYTES_MAX, Range, SharedBatch};
pub use output::Output;
pub use recover::RecoverError;
pub use state::{LaneSnapshot, Mempool, Snapshot};
