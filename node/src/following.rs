//! Following a chain without a vote: what a node believes of blocks and batches that somebody sends it.
//!
//! A certificate is believed, and nothing else (rule S1). A run of blocks is taken as a whole or not at all: every body
//! belongs to its header, every block is the child of the one before, the first stands on the last block that is here,
//! and the validators of the epoch certified the end. Batches are then believed by their digests, from the tip that a
//! block names downwards (rule L5); signatures of transactions in them are not verified again, because no validator
//! notarizes what it has not verified. It deliberately knows one epoch, asks nobody, and keeps nothing between runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::Run;
use althing_ledger::{Accusation, FinalBlock, Head, OrderedBatch, SnapshotBase};
use althing_mempool::{Range, SharedBatch};
use althing_types::{
    BatchHead, Block, CertificateError, Committee, Epoch, Finalization, Hash, Header, Height, LaneTip, Scheme,
    SignedTransaction, ValidatorIndex,
};

/// Batches that the blocks of one portion order together, if it has more than one block. At their largest they take
/// 32 MiB; what a single block may order is bounded by the chain's limits.
pub const PORTION_BATCHES_MAX: u64 = 64;

/// The last block that is here, or on its way to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its id.
    pub id: Hash,
    /// Its height.
    pub height: Height,
    /// The tips of all lanes after it.
    pub cut: Vec<LaneTip>,
}

/// Why what somebody sent is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The blocks do not begin above the last one that is here.
    #[error("a run that does not begin at height {expected}")]
    Beginning {
        /// Where it has to begin.
        expected: Height,
    },
    /// A body or a link is forged.
    #[error("a run of blocks that are not linked")]
    Links,
    /// The certificate is none.
    #[error("a run of blocks that is not final: {0}")]
    Certificate(#[from] CertificateError),
    /// The lane tips of a block are not those that its header commits to.
    #[error("a block of height {height} with forged lanes")]
    Lanes {
        /// The block's height.
        height: Height,
    },
    /// A batch is not the one that was asked for, or its owner did not sign it.
    #[error("a batch that is not number {seq} of lane {lane}")]
    Batch {
        /// The lane.
        lane: u32,
        /// The number that was asked for.
        seq: u64,
    },
    /// The base of a snapshot is of a height that is not final, or accuses somebody without evidence.
    #[error("a snapshot that nobody certified")]
    Base,
    /// More batches than were asked for.
    #[error("more batches of lane {lane} than were asked for")]
    Surplus {
        /// The lane.
        lane: u32,
    },
    /// A quorum certified a chain that does not stand on what is here. No peer is to blame for it.
    #[error("the validators certified a block of height {height} above {theirs}, and this node has {ours} there")]
    Fork {
        /// The height of the certified block.
        height: Height,
        /// The parent that it names.
        theirs: Hash,
        /// The block that is here in the parent's place.
        ours: Hash,
    },
    /// A quorum certified a block that no honest validator notarizes. No peer is to blame for it.
    #[error("the validators certified batch {seq} of lane {lane}, which breaks the rules of the chain")]
    Certified {
        /// The lane.
        lane: u32,
        /// The batch's number.
        seq: u64,
    },
}

impl FollowError {
    /// Whether this node and what a quorum certified contradict each other. Everything else is the sender's fault.
    pub const fn is_contradiction(&self) -> bool {
        matches!(self, Self::Fork { .. } | Self::Certified { .. })
    }
}

/// Verifies that a header is final: the certificate names it and the committee signed it.
pub fn verify_head(
    header: &Header,
    finalization: &Finalization,
    committee: &Committee,
    scheme: &impl Scheme,
) -> Result<(), FollowError> {
    let is_meant = header.id() == finalization.vote.digest && header.chain == committee.chain;
    if !is_meant || header.epoch != committee.epoch {
        return Err(FollowError::Links);
    }
    Ok(finalization.verify(scheme, committee)?)
}

/// Verifies a run that was asked for above `tip`. Returns its blocks in portions, ascending, and the height up to which
/// the certificate shows the chain to be final.
pub fn verify_run(
    run: Run,
    tip: &Tip,
    committee: &Committee,
    scheme: &impl Scheme,
) -> Result<(Vec<Portion>, Height), FollowError> {
    let certified = verify_links(&run, tip, committee, scheme)?;
    Ok((portions(run, tip)?, certified))
}

/// Verifies that a run that was asked for above `tip` is final, stands on it, and advances the lanes as its headers say: all but
/// its batches.
pub fn verify_blocks(run: &Run, tip: &Tip, committee: &Committee, scheme: &impl Scheme) -> Result<(), FollowError> {
    verify_links(run, tip, committee, scheme)?;
    let mut cut = tip.cut.clone();
    for block in run.blocks.iter() {
        cut = block.cut_above(&cut).ok_or(FollowError::Lanes { height: block.header.height })?;
    }
    Ok(())
}

/// Verifies that a snapshot's base is of a final height, and accuses nobody without evidence.
pub fn verify_base(base: &SnapshotBase, committee: &Committee, scheme: &impl Scheme) -> Result<(), FollowError> {
    let is_evidence = |accusation: &Accusation| accusation.evidence.verify(scheme, committee).is_ok();
    let (header, proof) = (&base.header, &base.proof);
    let is_meant = (proof.summary.height, proof.summary.block) == (header.height, header.id());
    if !is_meant || proof.verify(scheme, committee).is_err() || !base.evidence.iter().all(is_evidence) {
        return Err(FollowError::Base);
    }
    Ok(())
}

/// Verifies that the blocks of a run that was asked for above `tip` are final and stand on it. Returns the height up to which
/// the certificate shows the chain to be final.
fn verify_links(run: &Run, tip: &Tip, committee: &Committee, scheme: &impl Scheme) -> Result<Height, FollowError> {
    let expected = tip.height.next();
    let first = run.blocks.first().filter(|block| block.header.height == expected);
    let parent = first.map(|block| block.header.parent).ok_or(FollowError::Beginning { expected })?;
    run.linked_end().ok_or(FollowError::Links)?;
    let headers = run.blocks.iter().map(|block| &block.header).chain(&run.link);
    let is_in_place = |(header, place): (&Header, u64)| {
        let frame = (header.chain, header.epoch, header.height);
        frame == (committee.chain, committee.epoch, expected.plus(place))
    };
    if !headers.zip(0u64..).all(is_in_place) {
        return Err(FollowError::Links);
    }
    run.finalization.verify(scheme, committee)?;
    if parent != tip.id {
        return Err(FollowError::Fork { height: expected, theirs: parent, ours: tip.id });
    }
    let count = u64::try_from(run.blocks.len().saturating_add(run.link.len())).unwrap_or(u64::MAX);
    Ok(tip.height.plus(count))
}

/// Cuts the blocks of a verified run into portions whose batches fit the memory.
fn portions(run: Run, tip: &Tip) -> Result<Vec<Portion>, FollowError> {
    let mut portions: Vec<Portion> = Vec::new();
    let mut cut = tip.cut.clone();
    for block in run.blocks.into_inner() {
        let height = block.header.height;
        let next = block.cut_above(&cut).ok_or(FollowError::Lanes { height })?;
        let spans = spans(&block, &cut);
        let count = spans.iter().fold(0u64, |count, span| count.saturating_add(span.count()));
        let last = portions.last_mut().filter(|last| last.batches.saturating_add(count) <= PORTION_BATCHES_MAX);
        let ordered = Ordered { block, spans };
        match last {
            Some(last) => last.push(ordered, count, &next),
            None => portions.push(Portion::new(ordered, count, &next, run.finalization.clone())),
        }
        cut = next;
    }
    Ok(portions)
}

/// The batches that a block orders, per lane.
fn spans(block: &Block, cut_below: &[LaneTip]) -> Vec<Span> {
    let span = |tip: &LaneTip| {
        let below = cut_below.iter().find(|below| below.lane == tip.lane);
        Span { tip: *tip, below: below.map_or((0, Hash::ZERO), |below| (below.seq, below.tip)) }
    };
    block.body.lanes.iter().map(span).collect()
}

/// Batches of one lane: above one, up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    tip: LaneTip,
    /// The number and digest of the batch below the first.
    below: (u64, Hash),
}

impl Span {
    const fn count(&self) -> u64 {
        self.tip.seq.saturating_sub(self.below.0)
    }
}

/// A final block whose batches are not here yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ordered {
    block: Block,
    spans: Vec<Span>,
}

/// Final blocks whose batches are fetched together and committed one after the other.
#[derive(Clone, Debug)]
pub struct Portion {
    blocks: Vec<Ordered>,
    batches: u64,
    epoch: Epoch,
    finalization: Finalization,
    tip: Tip,
    walks: BTreeMap<u32, Walk>,
}

/// How far the batches of a lane are here, from the highest down.
#[derive(Clone, Debug, Default)]
struct Walk {
    /// What each number must be, as far as blocks say so, and the end that stands in the chain already.
    named: BTreeMap<u64, Hash>,
    first: u64,
    /// The highest number that is missing, and its digest.
    next: Option<(u64, Hash)>,
    here: BTreeMap<u64, OrderedBatch>,
}

impl Portion {
    fn new(ordered: Ordered, count: u64, cut: &[LaneTip], finalization: Finalization) -> Self {
        let header = &ordered.block.header;
        let tip = Tip { id: header.id(), height: header.height, cut: cut.to_vec() };
        let epoch = header.epoch;
        let mut portion = Self { blocks: Vec::new(), batches: 0, epoch, finalization, tip, walks: BTreeMap::new() };
        portion.push(ordered, count, cut);
        portion
    }

    fn push(&mut self, ordered: Ordered, count: u64, cut: &[LaneTip]) {
        let header = &ordered.block.header;
        self.tip = Tip { id: header.id(), height: header.height, cut: cut.to_vec() };
        self.batches = self.batches.saturating_add(count);
        for span in &ordered.spans {
            let first = span.below.0.saturating_add(1);
            let walk = self.walks.entry(span.tip.lane).or_insert_with(|| Walk { first, ..Walk::default() });
            walk.named.insert(span.below.0, span.below.1);
            walk.named.insert(span.tip.seq, span.tip.tip);
            walk.next = Some((span.tip.seq, span.tip.tip));
        }
        self.blocks.push(ordered);
    }

    /// The last block of the portion.
    pub const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The batches that are missing: one question per lane, all of the portion's epoch.
    pub fn missing(&self) -> (Epoch, Vec<Range>) {
        let range = |(lane, walk): (&u32, &Walk)| {
            let (last, tip) = walk.next?;
            Some(Range { lane: *lane, first: walk.first, last, tip })
        };
        (self.epoch, self.walks.iter().filter_map(range).collect())
    }

    /// Takes the answer to the question about a lane. What was verified before an error stays; the rest is asked for
    /// again. An answer without a batch changes nothing.
    pub fn take(
        &mut self,
        lane: u32,
        batches: Vec<SharedBatch>,
        committee: &Committee,
        scheme: &impl Scheme,
    ) -> Result<(), FollowError> {
        let Some(walk) = self.walks.get_mut(&lane) else { return Err(FollowError::Surplus { lane }) };
        for SharedBatch(signed) in batches {
            let (seq, digest) = walk.next.ok_or(FollowError::Surplus { lane })?;
            let batch = &signed.batch;
            let is_signed = || {
                let head = BatchHead { epoch: self.epoch, lane, seq, digest };
                let owner = u16::try_from(lane).ok().and_then(|index| committee.set.get(ValidatorIndex::new(index)));
                owner.is_some_and(|owner| {
                    scheme.verify(&owner.key, &head.sign_hash(&committee.chain), &signed.signature)
                })
            };
            // The signature is no part of the digest, and is handed on to others with the batch.
            if batch.digest() != digest || !is_signed() {
                return Err(FollowError::Batch { lane, seq });
            }
            let below = (seq.saturating_sub(1), batch.previous);
            let is_lawful = (batch.chain, batch.epoch, batch.lane, batch.seq)
                == (committee.chain, self.epoch, lane, seq)
                && walk.named.get(&below.0).is_none_or(|named| *named == below.1);
            let decoded = batch.transactions.iter().map(|bytes| SignedTransaction::from_bytes(bytes, &committee.chain));
            let transactions = decoded.collect::<Result<Vec<_>, _>>().ok().filter(|_| is_lawful);
            let transactions = transactions.ok_or(FollowError::Certified { lane, seq })?;
            let ids = transactions.iter().map(SignedTransaction::id).collect();
            let ordered = OrderedBatch { signed, transactions: Arc::new(transactions), ids: Arc::new(ids) };
            walk.here.insert(seq, ordered);
            walk.next = Some(below).filter(|(seq, _)| *seq >= walk.first);
        }
        Ok(())
    }

    /// The blocks with their batches, as the ledger takes them; none while a batch is missing.
    pub fn into_blocks(mut self) -> Option<Vec<FinalBlock>> {
        if self.walks.values().any(|walk| walk.next.is_some()) {
            return None;
        }
        let mut complete = Vec::with_capacity(self.blocks.len());
        for Ordered { block, spans } in std::mem::take(&mut self.blocks) {
            let mut batches = Vec::new();
            for span in spans {
                let Some(walk) = self.walks.get_mut(&span.tip.lane) else { continue };
                let above = walk.here.split_off(&span.tip.seq.saturating_add(1));
                batches.extend(std::mem::replace(&mut walk.here, above).into_values());
            }
            complete.push(FinalBlock { block, finalization: self.finalization.clone(), batches });
        }
        Some(complete)
    }
}

impl From<&Head> for Tip {
    fn from(head: &Head) -> Self {
        Self { id: head.id, height: head.header.height, cut: head.cut.clone() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
