//! One lane as it is held here: the batches that came first, linked from the last final tip upward, and beside them
//! those that blocks name.
//!
//! 1. `chain` is contiguous and linked, and begins right above `final_tip`. Of two batches for one place the first is
//!    kept in it (L9); only finality can put the other in its stead.
//! 2. Whatever is held is in the batch log; `durable` counts the part of the chain that is synced.
//! 3. Batches go when the ledger has committed them, by their numbers (L10).

use std::collections::BTreeMap;

use althing_types::canary::{Canary, seeded};
use althing_types::{Hash, LaneTip, SignedBatch};

use crate::batch::CheckedBatch;
use crate::journal::Lsn;
use crate::standing::Standing;

/// A batch that was handed to the batch log.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) batch: CheckedBatch,
    pub(crate) lsn: Lsn,
}

/// What another validator acknowledged in a lane (L2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ack {
    /// The highest tip that it named.
    pub(crate) seq: u64,
    pub(crate) digest: Option<Hash>,
    /// The highest tip of it that stands in our chain: acknowledgements of different digests never add up.
    pub(crate) matched: u64,
}

/// A lane.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    number: u32,
    final_tip: LaneTip,
    /// The number of the last batch that the ledger committed.
    committed: u64,
    /// The highest tip of a block that was found valid.
    reached: u64,
    /// A final tip up to which batches are missing here; nothing is acknowledged before the ledger committed it.
    gap_to: u64,
    held: BTreeMap<(u64, Hash), Held>,
    held_bytes: u64,
    chain: BTreeMap<u64, Hash>,
    /// Batches within the window whose predecessor has not arrived, one for each place.
    pending: BTreeMap<u64, CheckedBatch>,
    pub(crate) acks: Vec<Ack>,
    durable: u64,
    /// The highest tip that a quorum acknowledged, this validator included.
    quorum: u64,
    /// The owner signed two batches for one place, or an invalid one: nothing extends the lane in this epoch (L8).
    pub(crate) is_tainted: bool,
    /// Its owner signed a batch that can never be valid; only what a quorum holds is taken of it (L8).
    pub(crate) is_spoilt: bool,
    /// Evidence against the owner was given out.
    pub(crate) is_exposed: bool,
    pub(crate) standing: Standing,
}

impl Lane {
    /// A lane that stands at its last committed tip.
    pub(crate) fn new(number: u32, validators: u16, committed: Option<&LaneTip>) -> Self {
        let final_tip = committed.copied().unwrap_or(LaneTip { lane: number, seq: 0, tip: Hash::ZERO });
        Self {
            number,
            final_tip,
            committed: final_tip.seq,
            reached: final_tip.seq,
            gap_to: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
            chain: BTreeMap::new(),
            pending: BTreeMap::new(),
            acks: vec![Ack::default(); usize::from(validators)],
            durable: final_tip.seq,
            quorum: final_tip.seq,
            is_tainted: false,
            is_spoilt: false,
            is_exposed: false,
            standing: Standing::default(),
        }
    }

    pub(crate) const fn final_tip(&self) -> LaneTip {
        self.final_tip
    }

    pub(crate) const fn committed(&self) -> u64 {
        self.committed
    }

    /// The highest number up to which the chain is durable.
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// The highest number that a quorum acknowledged.
    pub(crate) const fn quorum(&self) -> u64 {
        self.quorum
    }

    /// Bytes of batches that the log must keep.
    pub(crate) const fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The top of the chain.
    pub(crate) fn tip(&self) -> LaneTip {
        let top = self.chain.last_key_value();
        top.map_or(self.final_tip, |(seq, digest)| LaneTip { lane: self.number, seq: *seq, tip: *digest })
    }

    /// The digest at a place of the chain, or of the final tip.
    pub(crate) fn digest_at(&self, seq: u64) -> Option<Hash> {
        if seq == self.final_tip.seq { Some(self.final_tip.tip) } else { self.chain.get(&seq).copied() }
    }

    /// What may be acknowledged: the durable tip, unless final batches below it are missing here (D5).
    pub(crate) fn acknowledged(&self) -> Option<LaneTip> {
        let whole = self.durable > 0 && self.committed >= self.gap_to;
        if seeded(Canary::AckBeforeSync) {
            return Some(self.tip()).filter(|tip| tip.seq > 0);
        }
        let digest = self.digest_at(self.durable).filter(|_| whole)?;
        Some(LaneTip { lane: self.number, seq: self.durable, tip: digest })
    }

    pub(crate) fn held(&self, seq: u64, digest: Hash) -> Option<&Held> {
        self.held.get(&(seq, digest))
    }

    /// The batches of the chain with these numbers, ascending.
    pub(crate) fn between(&self, above: u64, to: u64) -> impl Iterator<Item = &CheckedBatch> {
        let range = (to > above).then(|| self.chain.range(above.saturating_add(1)..=to));
        range.into_iter().flatten().filter_map(|(seq, digest)| Some(&self.held.get(&(*seq, *digest))?.batch))
    }

    /// All batches that the log must keep.
    pub(crate) fn all_held(&self) -> impl Iterator<Item = &CheckedBatch> {
        self.held.values().map(|held| &held.batch)
    }

    /// Another batch for the place of this one, kept or pending.
    pub(crate) fn rival(&self, batch: &CheckedBatch) -> Option<&CheckedBatch> {
        self.known_at(batch.tip().seq).filter(|known| known.digest() != batch.digest())
    }

    /// Whether exactly this batch was kept, in the chain or beside it.
    pub(crate) fn has_held(&self, signed: &SignedBatch) -> bool {
        let seq = signed.batch.seq;
        let at_place = self.held.range((seq, Hash::ZERO)..).take_while(|((place, _), _)| *place == seq);
        at_place.map(|(_, held)| held.batch.signed()).any(|held| **held == *signed)
    }

    /// The batch at a place of the chain, or the one that waits to be linked to it.
    pub(crate) fn known_at(&self, seq: u64) -> Option<&CheckedBatch> {
        let kept = self.chain.get(&seq).and_then(|digest| self.held.get(&(seq, *digest)));
        kept.map(|held| &held.batch).or_else(|| self.pending.get(&seq))
    }

    /// Batches and bytes of the chain, and of what waits to be linked to it, above a number.
    pub(crate) fn used_above(&self, base: u64) -> (u64, usize) {
        let linked = self.between(base, u64::MAX);
        let waiting = self.pending.range(base.saturating_add(1)..).map(|(_, batch)| batch);
        linked.chain(waiting).fold((0u64, 0usize), |(count, bytes), batch| {
            (count.saturating_add(1), bytes.saturating_add(batch.bytes()))
        })
    }

    /// From where a receiver's window is measured (L3).
    pub(crate) fn window_base(&self) -> u64 {
        self.reached.max(self.final_tip.seq)
    }

    /// Bytes of batches above the final tip that stand beside the chain.
    pub(crate) fn bytes_beside(&self) -> usize {
        let above = self.held.range((self.final_tip.seq.saturating_add(1), Hash::ZERO)..);
        let beside = above.filter(|((seq, digest), _)| self.chain.get(seq) != Some(digest));
        beside.fold(0, |sum, (_, held)| sum.saturating_add(held.batch.bytes()))
    }

    /// A valid block reaches up to this number.
    pub(crate) fn reach(&mut self, seq: u64) {
        self.reached = self.reached.max(seq);
    }

    /// Keeps a batch that was handed to the log, and links it to the chain if it comes next.
    pub(crate) fn keep(&mut self, batch: CheckedBatch, lsn: Lsn) {
        let tip = batch.tip();
        self.held_bytes = self.held_bytes.saturating_add(batch.size().bytes);
        self.held.insert((tip.seq, tip.tip), Held { batch, lsn });
        self.extend();
    }

    /// Extends the chain by batches that are held.
    fn extend(&mut self) {
        loop {
            let top = self.tip();
            let next = top.seq.saturating_add(1);
            let candidates = self.held.range((next, Hash::ZERO)..=(next, Hash::new([0xff; 32])));
            let linked = candidates.map(|(_, held)| &held.batch).find(|batch| batch.batch().previous == top.tip);
            let Some(digest) = linked.map(CheckedBatch::digest) else { return };
            self.chain.insert(next, digest);
        }
    }

    /// Lets a batch wait for its predecessor.
    pub(crate) fn wait(&mut self, batch: CheckedBatch) {
        self.pending.insert(batch.tip().seq, batch);
    }

    /// Takes the waiting batch that comes next in the chain. One that does not link to it is dropped: its owner
    /// signed another predecessor than the one that came first.
    pub(crate) fn next_pending(&mut self) -> Option<CheckedBatch> {
        let top = self.tip();
        self.pending = self.pending.split_off(&top.seq.saturating_add(1));
        let batch = self.pending.remove(&top.seq.saturating_add(1))?;
        (batch.batch().previous == top.tip).then_some(batch)
    }

    /// Counts what is durable now; returns the numbers that became so.
    pub(crate) fn sync(&mut self, to: Lsn) -> std::ops::RangeInclusive<u64> {
        let before = self.durable;
        while let Some(digest) = self.chain.get(&self.durable.saturating_add(1)) {
            let key = (self.durable.saturating_add(1), *digest);
            if self.held.get(&key).is_none_or(|held| held.lsn > to) {
                break;
            }
            self.durable = key.0;
        }
        before.saturating_add(1)..=self.durable
    }

    /// Counts the acknowledgements anew: the highest number that `quorum` validators hold, `me` among them with what
    /// is durable here.
    pub(crate) fn recount(&mut self, me: usize, quorum: u16) {
        let LaneTip { seq: final_seq, tip: final_digest, .. } = self.final_tip;
        let mut levels = vec![self.durable];
        for (_, ack) in self.acks.iter_mut().enumerate().filter(|(index, _)| *index != me) {
            let ours = if ack.seq == final_seq { Some(final_digest) } else { self.chain.get(&ack.seq).copied() };
            if ours.is_some() && ours == ack.digest {
                ack.matched = ack.matched.max(ack.seq);
            }
            levels.push(ack.matched);
        }
        levels.sort_unstable_by(|a, b| b.cmp(a));
        let place = usize::from(quorum).saturating_sub(1);
        self.quorum = levels.get(place).copied().unwrap_or(0).max(final_seq);
    }

    /// Moves the final tip up. The chain goes on from it; where it does not hold the tip it begins anew.
    pub(crate) fn finalize(&mut self, tip: LaneTip) {
        if tip.seq <= self.final_tip.seq {
            return;
        }
        if self.chain.get(&tip.seq) == Some(&tip.tip) {
            self.chain = self.chain.split_off(&tip.seq.saturating_add(1));
            if self.durable < tip.seq {
                self.gap_to = tip.seq;
            }
            self.durable = self.durable.max(tip.seq);
        } else {
            self.chain.clear();
            self.gap_to = tip.seq;
            self.durable = tip.seq;
            for ack in &mut self.acks {
                ack.matched = ack.matched.min(self.final_tip.seq);
            }
        }
        self.final_tip = tip;
        self.extend();
    }

    /// The ledger committed everything up to this number; returns the batches that go, ascending.
    pub(crate) fn commit(&mut self, seq: u64) -> Vec<CheckedBatch> {
        self.committed = self.committed.max(seq);
        let kept = self.held.split_off(&(self.committed.saturating_add(1), Hash::ZERO));
        let gone = std::mem::replace(&mut self.held, kept);
        let gone: Vec<CheckedBatch> = gone.into_values().map(|held| held.batch).collect();
        let bytes = gone.iter().fold(0u64, |sum, batch| sum.saturating_add(batch.size().bytes));
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        gone
    }
}
