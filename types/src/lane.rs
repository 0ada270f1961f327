//! Batches and lanes: the data plane's vocabulary. A block names lane tips, never transactions.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::{Bytes, List};
use crate::hash::Hash;
use crate::keys::Signature;
use crate::number::Epoch;
use crate::tag::Tag;
use crate::transaction::DEPLOY_BYTES_MAX;

/// Bytes of an encoded batch at most, with its header (`decisions.md` section 2).
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Transactions in a batch at most: no transaction is shorter than 100 bytes.
pub const BATCH_TRANSACTIONS_MAX: usize = 5_000;

/// The newest batch of a lane that a block orders. All batches above the lane's tip in the parent, up to this one,
/// belong to the block. 44 bytes (L7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct LaneTip {
    /// The lane: the index of the validator that owns it.
    pub lane: u32,
    /// Sequence number of the batch, from 1.
    pub seq: u64,
    /// Digest of the batch.
    pub tip: Hash,
}

/// What a header commits to: the tips of all lanes after the block, ascending by lane. Lanes without a batch are left
/// out.
pub fn lanes_root(cut: &[LaneTip]) -> Hash {
    Hash::of(Tag::LanesRoot, cut)
}

/// Transactions that a validator took in, linked to the batch before in its lane (L1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// Hash of the genesis document.
    pub chain: Hash,
    /// The epoch; lanes begin anew with each.
    pub epoch: Epoch,
    /// The lane.
    pub lane: u32,
    /// Its number in the lane, from 1.
    pub seq: u64,
    /// Digest of the batch before; zero for the first.
    pub previous: Hash,
    /// The transactions' full bytes.
    pub transactions: List<Bytes<DEPLOY_BYTES_MAX>, BATCH_TRANSACTIONS_MAX>,
}

/// What the owner of a lane signs: short, so that two of them for one place are short evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct BatchHead {
    /// The epoch.
    pub epoch: Epoch,
    /// The lane.
    pub lane: u32,
    /// The batch's number.
    pub seq: u64,
    /// The batch's digest.
    pub digest: Hash,
}

/// A batch with its owner's signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct SignedBatch {
    /// The batch.
    pub batch: Batch,
    /// The lane owner's signature over the batch's head.
    pub signature: Signature,
}

impl Batch {
    /// The batch's digest.
    pub fn digest(&self) -> Hash {
        Hash::of(Tag::BatchId, self)
    }

    /// What the owner signs.
    pub fn head(&self) -> BatchHead {
        BatchHead { epoch: self.epoch, lane: self.lane, seq: self.seq, digest: self.digest() }
    }
}

impl BatchHead {
    /// The 32 bytes that the lane's owner signs.
    pub fn sign_hash(&self, chain: &Hash) -> Hash {
        Hash::to_sign(Tag::BatchSign, chain, self)
    }
}
