//! Where the blocks of an audit come from, one height after the other.

use althing_ledger::StoredResults;
use althing_types::{Batch, Block, Epoch, Finalization, Hash, Height, LaneTip, SignedBatch, Tag, encode};

use super::fault::AuditError;

/// A block with all that it orders. Nothing of it has been verified.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The block.
    pub block: Block,
    /// The certificate of this very block, if there is one.
    pub finalization: Option<Finalization>,
    /// The batches that it orders, ascending by lane and number.
    pub batches: Vec<SignedBatch>,
    /// What a node has stored of its execution; an archive holds nothing of that.
    pub stored: Option<StoredResults>,
    /// The digest of everything up to and with this height (`running`).
    pub digest: Hash,
}

/// Blocks, ascending by height without a gap, if they are what they should be.
pub trait Source: Send {
    /// The first height that it holds.
    fn first(&self) -> Height;

    /// The last height that it holds.
    fn last(&self) -> Height;

    /// What kind of source it is: an audit goes on with the kind that it began with.
    fn kind(&self) -> &'static str;

    /// Whether it may end above its last certificate.
    fn may_end_uncovered(&self) -> bool;

    /// The next height; none behind the last one, once the source has shown that it is whole.
    fn next_entry(&mut self) -> Result<Option<Entry>, AuditError>;
}

/// The kinds of records that make up a height. Their numbers are those of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Header,
    Body,
    Finalization,
    Batch,
}

impl Part {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Header => 3,
            Self::Body => 4,
            Self::Finalization => 5,
            Self::Batch => 6,
        }
    }
}

/// The digest after one more record. Before the first one it is the genesis hash.
pub(super) fn running(before: &Hash, part: Part, payload: &[u8]) -> Hash {
    Hash::of(Tag::Archive, &(before, part.number(), payload))
}

/// The records that make up a height, in their order.
pub(super) fn parts(entry: &Entry) -> impl Iterator<Item = (Part, Vec<u8>)> + '_ {
    let frame = [(Part::Header, encode(&entry.block.header)), (Part::Body, encode(&entry.block.body))];
    let certificate = entry.finalization.iter().map(|it| (Part::Finalization, encode(it)));
    let batches = entry.batches.iter().map(|batch| (Part::Batch, encode(batch)));
    frame.into_iter().chain(certificate).chain(batches)
}

/// The place of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchPlace {
    pub(super) epoch: Epoch,
    pub(super) lane: u32,
    pub(super) seq: u64,
}

impl From<&Batch> for BatchPlace {
    fn from(batch: &Batch) -> Self {
        Self { epoch: batch.epoch, lane: batch.lane, seq: batch.seq }
    }
}

/// The places of the batches that a block orders above a cut, ascending (L7); none if they are more than `most`, which no
/// block may order.
pub(super) fn ordered(block: &Block, cut_below: &[LaneTip], most: u64) -> Option<Vec<BatchPlace>> {
    let below = |lane: u32| cut_below.iter().find(|tip| tip.lane == lane).map_or(0, |tip| tip.seq);
    let spans = || block.body.lanes.iter().map(|tip| (tip.lane, below(tip.lane), tip.seq));
    let count = spans().fold(0u64, |count, (_, below, top)| count.saturating_add(top.saturating_sub(below)));
    if count > most {
        return None;
    }
    let epoch = block.header.epoch;
    let places = spans()
        .flat_map(|(lane, below, top)| (below.saturating_add(1)..=top).map(move |seq| BatchPlace { epoch, lane, seq }));
    Some(places.collect())
}
