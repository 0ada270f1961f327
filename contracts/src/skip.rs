//! Why a transaction is skipped: it has no receipt, writes nothing, and may still be executed in a later block.
//!
//! The reason is a statement of one node for people and programs. It is never hashed, so its text may change; its
//! number may not.

/// Why a transaction is skipped. Number 0 is left to the ledger, which knows the transactions of earlier blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum SkipReason {
    /// The block's time is after `valid_until`. It will never be executed.
    #[error("the transaction expired before the block's time")]
    Expired,
    /// `valid_until` is further ahead of the block's time than the chain allows.
    #[error("the transaction is valid until a time too far ahead of the block's time")]
    TooFarAhead,
    /// The sender or the sponsor did not sign as its policy demands, or has neither a record nor a revealed policy.
    #[error("the signatures do not satisfy the policy of the sender or of the sponsor")]
    Unauthorized,
    /// The sequence number was used. It will never be executed.
    #[error("the sequence number was used, the next one of its lane is {next}")]
    SequenceUsed {
        /// The number that the lane expects.
        next: u64,
    },
    /// Transactions before this one are missing.
    #[error("the sequence number is ahead, the next one of its lane is {next}")]
    SequenceAhead {
        /// The number that the lane expects.
        next: u64,
    },
    /// The account has as many lanes as it may have, and this would be another.
    #[error("the account has no room for another sequence lane")]
    LanesFull,
    /// The largest number that can be written: a lane ends before it. It will never be executed.
    #[error("the sequence number is the largest of all, which no lane reaches")]
    LaneEnded,
    /// The gas limit is above what one transaction may have on this chain. It will never be executed.
    #[error("the gas limit is above {max}, the most that a transaction may have")]
    GasLimit {
        /// The chain's limit.
        max: u64,
    },
    /// The gas limit covers the fewest signatures that suffice, but not all that are there. With fewer of them the
    /// same body can be executed.
    #[error("the gas limit does not cover the surplus signatures, {required} is needed with them")]
    SurplusSignatures {
        /// The least gas limit with these signatures.
        required: u64,
    },
}

impl SkipReason {
    /// The reason's number. Numbers are never reused.
    pub const fn number(self) -> u8 {
        match self {
            Self::Expired => 1,
            Self::TooFarAhead => 2,
            Self::Unauthorized => 3,
            Self::SequenceUsed { .. } => 4,
            Self::SequenceAhead { .. } => 5,
            Self::LanesFull => 6,
            Self::LaneEnded => 7,
            Self::GasLimit { .. } => 8,
            Self::SurplusSignatures { .. } => 9,
        }
    }
}
