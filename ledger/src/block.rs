//! What the ledger is given, and what it answers.

use std::fmt;
use std::sync::Arc;

use althing_contracts::SkipReason;
use althing_types::{Block, Finalization, Hash, SignedBatch, SignedTransaction, Status, Summary};

/// A final block with everything that it orders.
#[derive(Clone, Debug)]
pub struct FinalBlock {
    /// The block.
    pub block: Block,
    /// The certificate that made it final: its own, or that of a descendant. Only its own is stored.
    pub finalization: Finalization,
    /// All batches that it orders (rule L7), in any order.
    pub batches: Vec<OrderedBatch>,
}

/// A batch with its transactions, which the caller decoded and verified.
#[derive(Clone, Debug)]
pub struct OrderedBatch {
    /// The batch as its owner signed it.
    pub signed: Arc<SignedBatch>,
    /// Its transactions, in its order.
    pub transactions: Arc<Vec<SignedTransaction>>,
    /// Their replay ids, in its order.
    pub ids: Arc<Vec<Hash>>,
}

/// What came of a block. It is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// What its execution came to.
    pub summary: Summary,
    /// The executed transactions, in the order of execution.
    pub included: Vec<Included>,
    /// The transactions that left no trace.
    pub skipped: Vec<Skipped>,
}

/// An executed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its replay id.
    pub id: Hash,
    /// Its place in the order of execution.
    pub index: u32,
    /// How it ended.
    pub status: Status,
}

/// A transaction that a block orders and that left no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its replay id.
    pub id: Hash,
    /// The lane that it came in, whose owner is charged for it.
    pub lane: u32,
    /// Why.
    pub reason: PassedOver,
}

/// Why a transaction left no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// It was executed before, in this block or in one below.
    Duplicate,
    /// Execution refused it.
    Refused(SkipReason),
    /// The block was committed before, and why the transaction was passed over then was not kept.
    Earlier,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate => f.write_str("the transaction was executed before"),
            Self::Refused(reason) => reason.fmt(f),
            Self::Earlier => f.write_str("the transaction was passed over when its block was committed"),
        }
    }
}
