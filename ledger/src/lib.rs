//! The replicated state: executes final blocks, commits each in one atomic write, answers reads with proofs.
//!
//! # What is here
//!
//! [`Ledger`] is the one writer. It takes final blocks with all batches that they order, in the order of their heights,
//! executes them through `althing_contracts`, and writes everything that follows in one commit of the store.
//! [`Reader`]s stand beside it, any number of them, and read by height. Whoever audits a chain executes it again with
//! [`Ledger::replay`], in a store that keeps nothing but what the next block needs.
//!
//! # What this room guarantees
//!
//! 1. What is in the store is a pure function of genesis and of the final blocks that were committed with their
//!    Finalizations, but for what a [`Pruner`] removed. Two ledgers that were given the same hold the same bytes.
//! 2. A block is committed whole or not at all. What was committed before a crash is there after it, and a block that
//!    is handed over again changes nothing.
//! 3. What a reader returns belongs to one height. It never sees a block before that is durable.
//! 4. The state root is a pure function of the keys and values of the state.
//! 5. What comes from the store and does not decode is an error, never another value. The one exception is a balance or
//!    an account that execution reads: `althing_contracts` then panics, and the process must end.
//!
//! # What it deliberately does not do
//!
//! It verifies no signature and judges no block: that a block is final and that its transactions were verified is the
//! caller's to know. It starts no thread but to share the hashing of one block, and reads no clock. It removes nothing
//! unless a [`Pruner`] is told to. Contracts in WebAssembly are the matter of `althing_contracts`.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        reason = "a test that goes wrong should stop where it does"
    )
)]

mod admission;
mod block;
mod commit;
mod error;
mod execute;
mod genesis_state;
mod head;
mod ledger;
mod order;
mod overlay;
mod prune;
mod reader;
mod record;
mod snapshot;
mod space;
#[cfg(test)]
mod tests;
mod tree;

pub use admission::LatestState;
pub use block::{Committed, FinalBlock, Included, OrderedBatch, PassedOver, Skipped};
pub use error::{BatchFault, LedgerError};
pub use head::Head;
pub use ledger::{Ledger, Replayed, replay_spaces};
pub use overlay::StateChange;
pub use prune::{Pruner, RETAINED_BLOCKS_MIN, Retention, WINDOW_BLOCKS_DEFAULT};
pub use reader::{
    BALANCES_MAX, EvidenceCursor, EvidenceEntry, EvidencePage, HistoryCursor, HistoryEntry, HistoryPage,
    LocatedTransaction, PAGE_MAX, PROVEN_KEYS_MAX, ProvenRange, ProvenReceipt, ProvenState, ProvenTransaction,
    RUN_BLOCKS_MAX, RUN_LINK_MAX, Reader, Run, StoredResults,
};
pub use record::Place;
pub use snapshot::{
    Accusation, PlacedReceipt, RECEIPTS_MAX, Restoration, RestoreError, Restored, SnapshotBase, StateChunk, StateEntry,
    snapshot_ranges, tree_key_above,
};
pub use space::{SCHEMA_VERSION, SPACES};
#[cfg(any(test, feature = "oracle"))]
pub use tree::JmtTree;
pub use tree::{PagedTree, StateTree, TreeOptions};
