//! Why the ledger refuses: the disk, a store that is not what it has to be, a caller's mistake, or a question that has
//! no answer yet.

use althing_storage::StoreError;
use althing_types::{Hash, Height};
use thiserror::Error;

/// What can go wrong with the ledger.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The store failed. After a failed commit the process has to stop; a failed read changes nothing.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The store, or a block, is of another chain.
    #[error("of the chain with genesis {found}, this one has genesis {expected}")]
    OtherChain {
        /// The genesis hash that was found.
        found: Hash,
        /// The genesis hash of this chain.
        expected: Hash,
    },

    /// The store was written in another form than this version reads.
    #[error("the store has the form {found}, this version reads the form {expected}")]
    Version {
        /// The form of the store.
        found: u32,
        /// The form that this version reads and writes.
        expected: u32,
    },

    /// Something that has to be in the store is missing or does not decode.
    ///
    /// Remedy: as for damage that the store itself finds: check the disk and restore the whole folder.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// What is missing or does not decode.
        what: &'static str,
    },

    /// Another block is final at this height here. One of the two is not of this chain, or the protocol is broken.
    #[error("at height {height} the block {committed} is committed, and {given} is given")]
    Fork {
        /// The height.
        height: Height,
        /// The id of the committed block.
        committed: Hash,
        /// The id of the other one.
        given: Hash,
    },

    /// The block does not follow the last one; blocks below it are missing.
    #[error("a block of height {given} is given, the next one is {expected}")]
    Gap {
        /// The block's height.
        given: Height,
        /// The height that comes next.
        expected: Height,
    },

    /// The block's lanes, results or evidence are not what its header commits to. A fault of the caller, who did not
    /// judge it.
    #[error("the body of the block of height {height} does not belong to its header")]
    Body {
        /// The block's height.
        height: Height,
    },

    /// The batches are not exactly those that the block orders. A fault of the caller.
    #[error("the batches are not those that the block of height {height} orders: {fault}")]
    Batches {
        /// The block's height.
        height: Height,
        /// What is wrong.
        fault: BatchFault,
    },

    /// The height was not committed yet.
    #[error("the height {height} is not committed, the last one is {head}")]
    HeightInFuture {
        /// The height that was asked for.
        height: Height,
        /// The last committed height.
        head: Height,
    },

    /// What belongs to this height was removed, because the operator keeps less.
    #[error("what belongs to height {height} is not kept any more, the lowest height here is {earliest}")]
    Pruned {
        /// The height that was asked for.
        height: Height,
        /// The lowest height that can be asked for.
        earliest: Height,
    },

    /// No certificate covers the results of this height yet. Later there may be one.
    #[error("no certificate covers the results of height {height} yet")]
    ProofUnavailable {
        /// The height that was asked for, or the last committed one.
        height: Height,
    },

    /// More is asked for at once than is answered.
    #[error("{given} items are asked for, at most {max} are answered at once")]
    TooMany {
        /// Items that were asked for.
        given: usize,
        /// Items at most.
        max: usize,
    },
}

/// What is wrong with the batches of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BatchFault {
    /// There are more or fewer than the block orders.
    #[error("{given} batches are given, {expected} are ordered")]
    Count {
        /// Batches that are given.
        given: usize,
        /// Batches that the block orders.
        expected: u64,
    },
    /// A batch is missing, is not linked to the one before in its lane, or is of another epoch or chain.
    #[error("batch {seq} of lane {lane} is missing or does not follow the one before")]
    Link {
        /// The lane.
        lane: u32,
        /// The batch's number.
        seq: u64,
    },
    /// The last batch of a lane is not the one that the block names.
    #[error("the last batch of lane {lane} is not the one that the block names")]
    Tip {
        /// The lane.
        lane: u32,
    },
    /// The transactions or ids that go with a batch are more or fewer than its own.
    #[error("batch {seq} of lane {lane} comes with another number of transactions than it holds")]
    Transactions {
        /// The lane.
        lane: u32,
        /// The batch's number.
        seq: u64,
    },
}

impl LedgerError {
    /// Something in the store is missing or does not decode, for `ok_or_else` and `map_err`.
    pub(crate) const fn corrupt(what: &'static str) -> Self {
        Self::Corrupt { what }
    }
}
