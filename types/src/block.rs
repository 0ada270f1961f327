//! Blocks: a header that everything else hangs on, and a body of lane tips, execution summaries and evidence.
//!
//! A block's id is the hash of its header and contains no view, so that a boundary block can be proposed again under
//! the same id (`docs/spec/consensus.md`). A proposal never contains transactions.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::{Bytes, List, encode};
use crate::evidence::Evidence;
use crate::hash::Hash;
use crate::lane::{LaneTip, lanes_root};
use crate::merkle::{leaf_hash, merkle_root};
use crate::number::{Epoch, Height, TimeMs, ValidatorIndex};
use crate::tag::Tag;
use crate::validators::VALIDATORS_MAX;

/// Lane tips in a block at most: one per validator.
pub const BLOCK_LANES_MAX: usize = VALIDATORS_MAX;
/// Execution summaries in a block at most; the chain parameter `k` is not larger.
pub const BLOCK_RESULTS_MAX: usize = 256;
/// Pieces of evidence in a block at most.
pub const BLOCK_EVIDENCE_MAX: usize = 64;
/// Extension fields at most.
pub const EXTENSIONS_MAX: usize = 16;
/// Bytes of an extension field at most.
const EXTENSION_BYTES_MAX: usize = 1024;

/// A field of a later version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Extension {
    /// Which field.
    pub id: u16,
    /// Its content.
    pub bytes: Bytes<EXTENSION_BYTES_MAX>,
}

/// The version of a header: its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum HeaderVersion {
    /// The first form.
    #[default]
    V1 = 1,
}

/// What a block's id is the hash of (`decisions.md` 1.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// The form of this header.
    pub version: HeaderVersion,
    /// Hash of the genesis document.
    pub chain: Hash,
    /// The epoch whose validators agree on this block.
    pub epoch: Epoch,
    /// The parent's height and one.
    pub height: Height,
    /// The proposer's wall time, above the parent's.
    pub time: TimeMs,
    /// Id of the parent; zero for height 0.
    pub parent: Hash,
    /// Who composed the block.
    pub proposer: ValidatorIndex,
    /// Hash of the epoch's validator set.
    pub validators: Hash,
    /// Hash of the next epoch's validator set in an epoch's last block, else zero.
    pub next_validators: Hash,
    /// Hash of the chain parameters.
    pub params: Hash,
    /// The tips of all lanes after this block, see [`lanes_root`].
    pub lanes_root: Hash,
    /// The highest height whose execution summary is carried by this block or one below.
    pub executed_height: Height,
    /// RFC 6962 root over the summaries in the body.
    pub results_root: Hash,
    /// RFC 6962 root over the evidence in the body.
    pub evidence_root: Hash,
    /// Fields of later versions. Must be empty.
    pub ext: List<Extension, EXTENSIONS_MAX>,
}

/// What the execution of one block came to. Certified exactly once, by the block that carries it (rule X1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Summary {
    /// Height of the executed block.
    pub height: Height,
    /// Its id.
    pub block: Hash,
    /// Root of the state after it.
    pub state_root: Hash,
    /// RFC 6962 root over the full bytes of its executed transactions.
    pub tx_root: Hash,
    /// RFC 6962 root over their receipts.
    pub receipts_root: Hash,
    /// How many were executed.
    pub tx_count: u32,
    /// Gas that they used.
    pub gas_used: u64,
    /// Version of the execution rules.
    pub vm: u16,
}

/// A block without its header.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// The lanes that advanced, ascending by lane.
    pub lanes: List<LaneTip, BLOCK_LANES_MAX>,
    /// Execution summaries, contiguous and ascending by height.
    pub results: List<Summary, BLOCK_RESULTS_MAX>,
    /// Evidence of misbehaviour.
    pub evidence: List<Evidence, BLOCK_EVIDENCE_MAX>,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// What its id is the hash of.
    pub header: Header,
    /// The rest.
    pub body: Body,
}

impl Header {
    /// The block's id.
    pub fn id(&self) -> Hash {
        Hash::of(Tag::BlockId, self)
    }

    /// Whether the block is the last of its epoch (rule E1).
    pub fn ends_epoch(&self) -> bool {
        self.next_validators != Hash::ZERO
    }

    /// The epoch of a child of this block, once this block is final.
    pub fn epoch_above(&self) -> Epoch {
        if self.ends_epoch() { self.epoch.next() } else { self.epoch }
    }
}

impl Summary {
    /// The leaf that stands for this summary under a header's `results_root`.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&encode(self))
    }
}

impl Body {
    /// The root that a header with these results carries.
    pub fn results_root(&self) -> Hash {
        merkle_root(&self.results.iter().map(Summary::leaf).collect::<Vec<_>>())
    }

    /// The root that a header with this evidence carries.
    pub fn evidence_root(&self) -> Hash {
        merkle_root(&self.evidence.iter().map(|evidence| leaf_hash(&encode(evidence))).collect::<Vec<_>>())
    }

    /// Whether the body orders no batch, carries no result and no evidence.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty() && self.results.is_empty() && self.evidence.is_empty()
    }
}

impl Block {
    /// Whether results and evidence are those that the header commits to. The lane tips are committed to together
    /// with those of all blocks below, so they can be checked only beside the parent ([`Block::cut_above`]).
    pub fn body_matches_header(&self) -> bool {
        self.body.results_root() == self.header.results_root && self.body.evidence_root() == self.header.evidence_root
    }

    /// The tips of all lanes after this block, given those after its parent; none if the body's tips do not advance
    /// each lane that they name, are not ascending, or are not what the header commits to (V5).
    pub fn cut_above(&self, parent_cut: &[LaneTip]) -> Option<Vec<LaneTip>> {
        if !self.body.lanes.is_sorted_by(|a, b| a.lane < b.lane) {
            return None;
        }
        let mut cut = parent_cut.to_vec();
        for tip in &self.body.lanes {
            match cut.binary_search_by_key(&tip.lane, |known| known.lane) {
                Ok(place) => {
                    let known = cut.get_mut(place)?;
                    if tip.seq <= known.seq {
                        return None;
                    }
                    *known = *tip;
                }
                Err(place) if tip.seq > 0 => cut.insert(place, *tip),
                Err(_) => return None,
            }
        }
        (lanes_root(&cut) == self.header.lanes_root).then_some(cut)
    }
}

/// The header of height 0. Every node computes it from the genesis document; nobody votes on it.
pub fn genesis_header(chain: Hash, time: TimeMs, validators: Hash, params: Hash) -> Header {
    let nothing = merkle_root(&[]);
    Header {
        version: HeaderVersion::V1,
        chain,
        epoch: Epoch::ZERO,
        height: Height::ZERO,
        time,
        parent: Hash::ZERO,
        proposer: ValidatorIndex::ZERO,
        validators,
        next_validators: Hash::ZERO,
        params,
        lanes_root: lanes_root(&[]),
        executed_height: Height::ZERO,
        results_root: nothing,
        evidence_root: nothing,
        ext: List::empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(lane: u32, seq: u64) -> LaneTip {
        LaneTip { lane, seq, tip: Hash::new([u8::try_from(seq).expect("small"); 32]) }
    }

    fn block(parent_cut: &[LaneTip], lanes: Vec<LaneTip>) -> Block {
        let mut header = genesis_header(Hash::ZERO, TimeMs::ZERO, Hash::ZERO, Hash::ZERO);
        let mut cut = parent_cut.to_vec();
        for tip in &lanes {
            cut.retain(|known| known.lane != tip.lane);
            cut.push(*tip);
        }
        cut.sort();
        header.lanes_root = lanes_root(&cut);
        Block { header, body: Body { lanes: List::truncated(lanes), ..Body::default() } }
    }

    #[test]
    fn a_cut_grows_lane_by_lane() {
        let parent = [tip(0, 3), tip(2, 1)];
        let good = block(&parent, vec![tip(0, 4), tip(1, 1)]);
        assert_eq!(good.cut_above(&parent), Some(vec![tip(0, 4), tip(1, 1), tip(2, 1)]));
        assert_eq!(block(&parent, vec![]).cut_above(&parent), Some(parent.to_vec()));
    }

    #[test]
    fn a_cut_that_does_not_advance_is_refused() {
        let parent = [tip(0, 3)];
        for lanes in [vec![tip(0, 3)], vec![tip(0, 2)], vec![tip(1, 0)], vec![tip(1, 1), tip(0, 4)]] {
            assert_eq!(block(&parent, lanes.clone()).cut_above(&parent), None, "{lanes:?}");
        }
        let mut other = block(&parent, vec![tip(0, 4)]);
        other.body.lanes = List::truncated(vec![tip(0, 5)]);
        assert_eq!(other.cut_above(&parent), None);
    }

    #[test]
    fn the_id_changes_with_every_field() {
        let base = genesis_header(Hash::ZERO, TimeMs::ZERO, Hash::ZERO, Hash::ZERO);
        let one = Hash::new([1; 32]);
        let changes: Vec<Header> = vec![
            Header { chain: one, ..base.clone() },
            Header { epoch: Epoch::new(1), ..base.clone() },
            Header { height: Height::new(1), ..base.clone() },
            Header { time: TimeMs::new(1), ..base.clone() },
            Header { parent: one, ..base.clone() },
            Header { proposer: ValidatorIndex::new(1), ..base.clone() },
            Header { validators: one, ..base.clone() },
            Header { next_validators: one, ..base.clone() },
            Header { params: one, ..base.clone() },
            Header { lanes_root: one, ..base.clone() },
            Header { executed_height: Height::new(1), ..base.clone() },
            Header { results_root: one, ..base.clone() },
            Header { evidence_root: one, ..base.clone() },
            Header { ext: List::truncated(vec![Extension { id: 0, bytes: Bytes::default() }]), ..base.clone() },
        ];
        let mut ids: Vec<Hash> = changes.iter().map(Header::id).collect();
        ids.push(base.id());
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), changes.len() + 1);
    }
}
