//! Agreement on the next block: a pure machine that turns inputs into outputs and touches nothing else.
//!
//! [`Core::step`] takes the time, one [`Input`] and a place for [`Output`]s. The rules are those of
//! `docs/spec/consensus.md`, cited by number where they are carried out. Invariants:
//!
//! 1. The machine does no I/O, reads no clock, draws no randomness and iterates nothing in an order that depends on
//!    the process; the same inputs give the same outputs.
//! 2. A vote of our own is sent, counted and put into certificates only once its record is durable (rule D9); the
//!    machine itself holds it back, so the shell cannot send it early.
//! 3. Per view it signs at most one Notarize and at most one of Finalize and Nullify, across crashes (`safety`).
//!    Whoever may have forgotten a vote signs nothing where it can have cast one (`amnesia`).
//! 4. Every table is bounded: by the number of validators, by [`VIEWS_AHEAD_MAX`], or by what a quorum certified.
//! 5. Nothing that a peer sends makes it panic; a broken invariant of its own does.
//!
//! It deliberately does not know batches or transactions: whether a block's data is here is for the data plane to say.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]

mod amnesia;
mod chain;
mod config;
mod core;
mod epoch;
mod evidence;
mod fetch;
mod finality;
mod fork;
mod history;
mod input;
mod journal;
mod judge;
mod message;
mod output;
mod peers;
mod propose;
mod record;
mod recover;
mod results;
mod round;
mod safety;
mod snapshot;
mod step;
mod sync;
mod timeless;
mod timers;
mod view;
mod votes;

#[cfg(test)]
mod tests;

pub use amnesia::LaneLicence;
pub use chain::Anchor;
pub use config::{Config, Keys, Now, VIEWS_AHEAD_MAX};
pub use core::Core;
pub use epoch::{EpochRecord, Opening};
pub use input::Input;
pub use message::{
    CERTIFICATES_MAX, Envelope, Memory, Message, Proposal, RUN_BLOCKS_MAX, RUN_LINK_MAX, Run, ViewProof,
};
pub use output::{Alarm, Output, Recipient};
pub use record::{Lsn, Record, Standing};
pub use recover::{RecoverError, refuse_log_behind};
pub use snapshot::{Lack, PeerSnapshot, Snapshot};
