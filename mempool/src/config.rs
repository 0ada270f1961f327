//! What a mempool is told once, and the limits that it keeps.

use althing_types::{BATCH_BYTES_MAX, ChainParams, Committee, Hash, LimitParams, Quorums, Signature, ValidatorIndex};

/// Bytes of transactions in the pool at most (`decisions.md` section 2).
pub const POOL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Transactions in the pool at most (`decisions.md` section 2).
pub const POOL_TRANSACTIONS_MAX: usize = 50_000;
/// A sender's expiring transactions take at most one in so many of the pool's bytes and places.
pub(crate) const SENDER_PART: usize = 8;
/// Sequence transactions of one sender in the pool at most, and how far one may be ahead of the state.
pub const SENDER_SEQUENCES_MAX: usize = 64;

/// Batches of a lane beyond its last final tip at most (L3).
pub const LANE_BATCHES_MAX: u64 = 64;
/// Bytes of a lane beyond its last final tip at most (L3).
pub const LANE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A receiver allows so many times the owner's window (L3).
pub(crate) const RECEIVER_PART: usize = 2;

/// Blocks that are being judged, or whose batches the ledger still needs, at most. The core names one per view within
/// its bound of 256 views, and what quorums certified beside; the number is far above both.
pub const CHECKS_MAX: usize = 4_096;
/// Bytes of batches that stand beside the lanes as they were received, kept only because blocks name them, at most.
/// Beyond it nothing more of that kind is fetched but for final blocks.
pub const NAMED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of own batches that were sent to a peer and that it has not acknowledged, at most; one batch always may be.
pub(crate) const UNACKNOWLEDGED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long a change waits for more of its kind before it is acknowledged (L2).
pub(crate) const ACK_DELAY_MS: u64 = 5;

const _: () = assert!(LANE_BYTES_MAX >= 2 * BATCH_BYTES_MAX, "a lane's window holds more than one batch");
const _: () = assert!(UNACKNOWLEDGED_BYTES_MAX >= BATCH_BYTES_MAX);
const _: () = assert!(POOL_BYTES_MAX / SENDER_PART >= althing_types::DEPLOY_BYTES_MAX);

/// How this validator signs. An argument of each step and no part of the state
/// (`docs/adr/0005-scheme-and-signer-as-arguments.md`).
pub trait Signer {
    /// Signs a hash with this validator's key.
    fn sign(&self, hash: &Hash) -> Signature;
}

/// What a mempool is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The chain, the epoch and its validators.
    pub committee: Committee,
    /// Which of them this one is. An index at or above the size of the set is a guest's: a node that is known and no
    /// validator of this epoch. It has no lane.
    pub me: ValidatorIndex,
    /// How many guests are known. Their indices follow those of the validators.
    pub guests: u16,
    /// Earlier epochs and who this one was in each, as far back as the batch log may reach; none in epoch 0.
    pub earlier: Vec<(Committee, ValidatorIndex)>,
    /// The chain's parameters.
    pub params: ChainParams,
    /// Bytes of the batch log that nobody needs any more, after which it is replaced. Default 64 MiB.
    pub log_garbage_bytes_max: u64,
}

impl Config {
    /// The quorums of the set.
    pub(crate) fn quorums(&self) -> Quorums {
        self.committee.set.quorums()
    }

    /// What one lane may take of a block.
    pub fn share(&self) -> Share {
        Share::of(&self.params.limits, self.committee.set.count())
    }

    /// Whether this node is a validator of the epoch.
    pub(crate) fn is_validator(&self) -> bool {
        self.me.get() < self.committee.set.count()
    }

    /// The number of this validator's own lane. A guest's stands for no lane.
    pub(crate) fn own_lane(&self) -> u32 {
        u32::from(self.me.get())
    }

    /// Δ times `quarters` / 4, in microseconds.
    pub(crate) fn delta_quarters(&self, quarters: u64) -> u64 {
        u64::from(self.params.consensus.delta_ms).saturating_mul(250).saturating_mul(quarters)
    }
}

/// An amount of the three things that a block is limited in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Share {
    /// Bytes of encoded batches, each with its header and signature.
    pub bytes: u64,
    /// Transactions.
    pub transactions: u64,
    /// Gas: the sum of the transactions' limits.
    pub gas: u64,
}

impl Share {
    /// A lane's share of a block: the block's caps divided by the number of validators, rounded down. A batch is
    /// never larger than this, nor than [`BATCH_BYTES_MAX`], so each lane can always send at least one.
    pub fn of(limits: &LimitParams, validators: u16) -> Self {
        let part = |cap: u64| cap.checked_div(u64::from(validators)).unwrap_or(cap);
        Self {
            bytes: part(u64::from(limits.block_bytes_max)),
            transactions: part(u64::from(limits.block_transactions_max)),
            gas: part(limits.block_gas_max),
        }
    }

    /// So many of these shares: what a block may take in all. What one lane leaves unused another may take.
    pub fn times(&self, count: u16) -> Self {
        let count = u64::from(count);
        Self {
            bytes: self.bytes.saturating_mul(count),
            transactions: self.transactions.saturating_mul(count),
            gas: self.gas.saturating_mul(count),
        }
    }

    /// What a batch may hold: the share, and not more bytes than any batch may have.
    pub fn of_batch(&self) -> Self {
        Self { bytes: self.bytes.min(u64::try_from(BATCH_BYTES_MAX).unwrap_or(u64::MAX)), ..*self }
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            transactions: self.transactions.saturating_add(other.transactions),
            gas: self.gas.saturating_add(other.gas),
        }
    }

    /// What is left of this after the other was taken, nothing where that is more.
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            transactions: self.transactions.saturating_sub(other.transactions),
            gas: self.gas.saturating_sub(other.gas),
        }
    }

    /// Whether this fits into the other in all three respects.
    pub const fn fits(&self, room: &Self) -> bool {
        self.bytes <= room.bytes && self.transactions <= room.transactions && self.gas <= room.gas
    }
}
