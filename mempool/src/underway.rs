//! Batches that lie in the queues of the caller's threads, waiting for their check (L1, L5).
//!
//! Checking a batch costs more than all else about it, and under load it takes its time. Without this, everything that
//! is slow is asked for and checked again, and becomes slower still. A second copy from the same sender would stand
//! behind the first, so it is dropped. Copies from others are let in: a sender with a long queue must not hold up a batch
//! that a block waits for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use althing_types::{SignedBatch, ValidatorIndex};

/// Different batches of one sender for one place that are remembered at most. An honest sender has one; more are
/// checked and not remembered, so that nobody is made to compare without end.
const COPIES_MAX: usize = 2;

/// What is being checked, by lane, number and sender. The caller bounds what waits, so this is bounded as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Underway {
    copies: BTreeMap<(u32, u64, ValidatorIndex), Vec<Arc<SignedBatch>>>,
}

impl Underway {
    /// Notes a batch whose check begins. Says no where the same batch of the same sender is being checked.
    pub(crate) fn begin(&mut self, from: ValidatorIndex, signed: &Arc<SignedBatch>) -> bool {
        let copies = self.copies.entry(key(from, signed)).or_default();
        if copies.iter().any(|copy| is_same(copy, signed)) {
            return false;
        }
        if copies.len() < COPIES_MAX {
            copies.push(signed.clone());
        }
        true
    }

    /// Forgets a batch whose check ended.
    pub(crate) fn end(&mut self, from: ValidatorIndex, signed: &Arc<SignedBatch>) {
        let key = key(from, signed);
        let Some(copies) = self.copies.get_mut(&key) else { return };
        copies.retain(|copy| !is_same(copy, signed));
        if copies.is_empty() {
            self.copies.remove(&key);
        }
    }

    /// Whether a batch for this place is being checked that this validator sent.
    pub(crate) fn is_from(&self, from: ValidatorIndex, lane: u32, seq: u64) -> bool {
        self.copies.contains_key(&(lane, seq, from))
    }

    /// The highest of these numbers of a lane for which a batch is being checked.
    pub(crate) fn highest(&self, lane: u32, seqs: RangeInclusive<u64>) -> Option<u64> {
        if seqs.is_empty() {
            return None;
        }
        let (first, last) = (ValidatorIndex::new(0), ValidatorIndex::new(u16::MAX));
        let mut within = self.copies.range((lane, *seqs.start(), first)..=(lane, *seqs.end(), last));
        within.next_back().map(|((_, seq, _), _)| *seq)
    }
}

fn is_same(a: &Arc<SignedBatch>, b: &Arc<SignedBatch>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn key(from: ValidatorIndex, signed: &SignedBatch) -> (u32, u64, ValidatorIndex) {
    (signed.batch.lane, signed.batch.seq, from)
}
