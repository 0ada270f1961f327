//! Chain parameters: what genesis fixes and every validator must do alike. Performance settings are not among them.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash;
use crate::tag::Tag;

/// Parameters of agreement. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ConsensusParams {
    /// The bound on a message's delay, Δ. 1 to 60,000; default 250.
    pub delta_ms: u32,
    /// The least time between two proposals. At most `delta_ms`; default 5.
    pub min_block_interval_ms: u32,
    /// Execution summaries that may be outstanding before blocks must be empty (rule X2). 8 to 256; default 32.
    pub k: u16,
    /// How far a block's time may be ahead of a voter's clock. 1 to 600,000; default 2,000.
    pub max_clock_skew_ms: u32,
    /// How long a client may rely on an old validator set, in days. 1 to 3,650; default 30.
    pub trust_period_days: u16,
}

/// Parameters of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct TransactionParams {
    /// How far ahead of block time a transaction's `valid_until` may lie, in milliseconds. 1,000 to 3,600,000;
    /// default 600,000.
    pub max_window_ms: u32,
}

/// Limits of a block (`decisions.md` section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct LimitParams {
    /// Bytes of the batches that a block orders at most. Default 4 MiB.
    pub block_bytes_max: u32,
    /// Transactions in a block at most. Default 20,000.
    pub block_transactions_max: u32,
    /// Gas of a block at most. Default 500,000,000.
    pub block_gas_max: u64,
    /// Gas of a transaction at most. Default 100,000,000.
    pub transaction_gas_max: u64,
}

/// All chain parameters. Headers carry their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ChainParams {
    /// Agreement.
    pub consensus: ConsensusParams,
    /// Transactions.
    pub transactions: TransactionParams,
    /// Limits of a block.
    pub limits: LimitParams,
}

impl ChainParams {
    /// The parameters that a chain has unless its genesis says otherwise.
    pub const DEFAULT: Self = Self {
        consensus: ConsensusParams {
            delta_ms: 250,
            min_block_interval_ms: 5,
            k: 32,
            max_clock_skew_ms: 2_000,
            trust_period_days: 30,
        },
        transactions: TransactionParams { max_window_ms: 600_000 },
        limits: LimitParams {
            block_bytes_max: 4 * 1024 * 1024,
            block_transactions_max: 20_000,
            block_gas_max: 500_000_000,
            transaction_gas_max: 100_000_000,
        },
    };

    /// The hash that headers carry.
    pub fn hash(&self) -> Hash {
        Hash::of(Tag::ChainParams, self)
    }
}
