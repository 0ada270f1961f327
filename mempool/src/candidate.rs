//! A transaction that asks to be admitted, and the answers that it can get.

use std::sync::Arc;

use althing_types::{Address, Hash, SignedTransaction, Verified, encoded_len};

/// A verified transaction with what is computed from its bytes, so that the machine hashes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub(crate) transaction: Arc<Verified<SignedTransaction>>,
    pub(crate) id: Hash,
    pub(crate) bytes: usize,
    pub(crate) next_sequence: u64,
}

impl Candidate {
    /// A candidate, of a transaction whose form was checked for this chain (`SignedTransaction::from_bytes`) before its
    /// signatures were. `next_sequence` is the number that the latest executed state expects next in the transaction's
    /// sequence lane; it is not looked at for an expiring transaction.
    pub fn new(transaction: Verified<SignedTransaction>, next_sequence: u64) -> Self {
        let (id, bytes) = (transaction.id(), encoded_len(&*transaction));
        Self { transaction: Arc::new(transaction), id, bytes, next_sequence }
    }

    /// The transaction's id.
    pub const fn id(&self) -> Hash {
        self.id
    }
}

/// Where a transaction that is offered again already is. Not an error: the client has what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Known {
    /// It waits in the pool.
    Pooled,
    /// It is in this batch of our own lane, and no block that holds it was executed yet.
    Batched {
        /// The batch's number.
        seq: u64,
    },
}

/// Why a transaction is not admitted. What can be retried says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// The pool is full while batches still leave. Retryable.
    #[error("the pool is full, retry in {retry_after_ms} ms")]
    Full {
        /// When a retry makes sense.
        retry_after_ms: u64,
    },
    /// The pool is full because the lane is as far ahead of finality as it may be. Retryable.
    #[error("the lane waits for blocks to become final, retry in {retry_after_ms} ms")]
    LaneBusy {
        /// When a retry makes sense.
        retry_after_ms: u64,
    },
    /// The lane lost data and says nothing until the next epoch; another validator can take the transaction.
    #[error("this validator's lane is silent until the next epoch, use another validator")]
    Silent,
    /// The sender has as much in the pool as one sender may have. Retryable.
    #[error("the sender has as many transactions waiting as one may have, retry in {retry_after_ms} ms")]
    SenderQuota {
        /// When a retry makes sense.
        retry_after_ms: u64,
    },
    /// Its time is over.
    #[error("the transaction was valid until {valid_until} ms, it is {now} ms")]
    Expired {
        /// The end of its time.
        valid_until: u64,
        /// This node's wall clock.
        now: u64,
    },
    /// Its time lies beyond what the chain remembers.
    #[error("the transaction is valid until {valid_until} ms, at most {max} ms is accepted now")]
    TooFarAhead {
        /// The end of its time.
        valid_until: u64,
        /// The latest end that is accepted now.
        max: u64,
    },
    /// It asks for more gas than a transaction may, or than fits a lane's share of a block.
    #[error("the transaction asks for {gas_limit} gas, at most {max} is possible")]
    GasLimit {
        /// What it asks for.
        gas_limit: u64,
        /// What is possible.
        max: u64,
    },
    /// It is longer than what fits a lane's share of a block.
    #[error("the transaction has {bytes} bytes, a lane's share of a block holds {max}")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// What is possible.
        max: usize,
    },
    /// Its number was used, or another transaction with the number is here.
    #[error("sequence number {given} is used, the next is {next}")]
    SequenceUsed {
        /// The number that it carries.
        given: u64,
        /// The number that can come next.
        next: u64,
    },
    /// Its number is too far ahead of the state.
    #[error("sequence number {given} is too far ahead, the next is {next}")]
    SequenceTooFar {
        /// The number that it carries.
        given: u64,
        /// The number that can come next.
        next: u64,
    },
}

/// Why an admitted transaction left the pool without a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// Its time is over.
    Expired,
    /// Its sequence number was used by another transaction.
    SequenceUsed,
    /// It waited for the number before its own as long as a transaction may wait.
    Waited,
    /// A block that came by another lane decided it.
    Decided,
    /// The lane fell silent, or the node is no validator any more.
    Silent,
    /// The next epoch began, and its lanes' shares of a block are too small for it.
    TooLarge,
}

/// What the executed state expects next in a sequence lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextSequence {
    /// Whose lane.
    pub sender: Address,
    /// The lane.
    pub lane: u32,
    /// The number that is expected next.
    pub next: u64,
}
