//! Batches that lie in the queues of the caller's threads, waiting for their check (L1, L5).
//!
//! Checking a batch costs more than all else about it, and under load it takes its time. Without this, everything that
//! is slow is asked for and checked again, and becomes slower still. A second copy from the same sender would stand
//! behind the first, so it is dropped. Copies from others are let in: a sender with a long queue must not hold up a batch
//! that a block waits for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use althing_types::{Monotonic, SignedBatch, ValidatorIndex};

/// What is being checked, by lane and number. The caller bounds what waits, so this is bounded as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Underway {
    copies: BTreeMap<(u32, u64), Vec<Copy>>,
}

/// A batch as one sender sent it.
#[derive(Clone, Debug)]
struct Copy {
    from: ValidatorIndex,
    signed: Arc<SignedBatch>,
    since: Monotonic,
}

impl Underway {
    /// Notes a batch whose check begins. Says no where the same batch of the same sender is being checked.
    pub(crate) fn begin(&mut self, now: Monotonic, from: ValidatorIndex, signed: &Arc<SignedBatch>) -> bool {
        let copies = self.copies.entry(place(signed)).or_default();
        let is_new = !copies.iter().any(|copy| copy.is(from, signed));
        if is_new {
            copies.push(Copy { from, signed: signed.clone(), since: now });
        }
        is_new
    }

    /// Forgets a batch whose check ended.
    pub(crate) fn end(&mut self, from: ValidatorIndex, signed: &Arc<SignedBatch>) {
        let place = place(signed);
        let Some(copies) = self.copies.get_mut(&place) else { return };
        copies.retain(|copy| !copy.is(from, signed));
        if copies.is_empty() {
            self.copies.remove(&place);
        }
    }

    /// Since when the first copy of a batch is being checked, if one is.
    pub(crate) fn since(&self, lane: u32, seq: u64) -> Option<Monotonic> {
        self.copies.get(&(lane, seq))?.first().map(|copy| copy.since)
    }

    /// Whether a batch that this validator sent is being checked.
    pub(crate) fn is_from(&self, from: ValidatorIndex, lane: u32, seq: u64) -> bool {
        self.copies.get(&(lane, seq)).is_some_and(|copies| copies.iter().any(|copy| copy.from == from))
    }

    /// The highest number among these of a lane for which a batch has been checked since this time or later.
    pub(crate) fn highest_since(&self, lane: u32, seqs: RangeInclusive<u64>, time: Monotonic) -> Option<u64> {
        if seqs.is_empty() {
            return None;
        }
        let mut within = self.copies.range((lane, *seqs.start())..=(lane, *seqs.end())).rev();
        let young = within.find(|(_, copies)| copies.first().is_some_and(|copy| copy.since >= time));
        young.map(|((_, seq), _)| *seq)
    }
}

impl Copy {
    fn is(&self, from: ValidatorIndex, signed: &Arc<SignedBatch>) -> bool {
        self.from == from && (Arc::ptr_eq(&self.signed, signed) || self.signed == *signed)
    }
}

fn place(signed: &SignedBatch) -> (u32, u64) {
    (signed.batch.lane, signed.batch.seq)
}
