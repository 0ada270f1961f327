//! Numbered lanes of senders: their transactions leave in the order of their numbers, without a gap.

use std::collections::BTreeMap;

use althing_types::{Address, Hash, Replay};

use super::{Entry, Pool};
use crate::candidate::{AdmitError, DropReason, NextSequence};
use crate::config::SENDER_SEQUENCES_MAX;

/// How far beyond the next number a transaction may be ahead.
const AHEAD_MAX: u64 = 64;

const _: () = assert!(SENDER_SEQUENCES_MAX == 64, "as many may wait as may be ahead");

/// One sequence lane of one sender.
#[derive(Clone, Debug, Default)]
pub(super) struct SequenceLane {
    /// The lowest number that is neither used nor ready.
    pub(super) next: u64,
    /// Transactions that wait for a number below their own.
    pub(super) waiting: BTreeMap<u64, Hash>,
    /// Transactions that are ready and in the pool.
    ready: usize,
    /// Transactions in batches of ours that are not decided.
    in_flight: usize,
}

impl SequenceLane {
    /// The next number, given what the state expects. While numbers of this lane are on their way the state lags
    /// behind them; otherwise it is right, also where it goes back because a batch of ours was skipped.
    fn next_above(&self, state: u64) -> u64 {
        if self.ready > 0 || self.in_flight > 0 { self.next.max(state) } else { state }
    }

    /// Takes in what the state expects.
    pub(super) fn learn(&mut self, state: u64) {
        self.next = self.next_above(state);
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.ready == 0 && self.in_flight == 0
    }
}

impl Pool {
    /// Whether a number can still come, and is not taken by another transaction.
    pub(super) fn check_sequence(&self, key: (Address, u32), given: u64, state: u64) -> Result<(), AdmitError> {
        let lane = self.sequences.get(&key);
        let next = lane.map_or(state, |lane| lane.next_above(state));
        if given < next || lane.is_some_and(|lane| lane.waiting.contains_key(&given)) {
            return Err(AdmitError::SequenceUsed { given, next });
        }
        let ahead = given.saturating_sub(next);
        if ahead > AHEAD_MAX { Err(AdmitError::SequenceTooFar { given, next }) } else { Ok(()) }
    }

    /// Moves a lane on to its next number: removes what waits below, and makes ready what follows without a gap.
    pub(super) fn advance(&mut self, sender: Address, lane: u32, next: u64) -> Vec<(Hash, DropReason)> {
        let Some(numbers) = self.sequences.get_mut(&(sender, lane)) else { return Vec::new() };
        numbers.next = numbers.next.max(next);
        let kept = numbers.waiting.split_off(&numbers.next);
        let used = std::mem::replace(&mut numbers.waiting, kept);
        let mut ready = Vec::new();
        while let Some(id) = numbers.waiting.remove(&numbers.next) {
            numbers.next = numbers.next.saturating_add(1);
            numbers.ready = numbers.ready.saturating_add(1);
            ready.push(id);
        }
        ready.iter().for_each(|id| self.make_ready(id));
        let used: Vec<Hash> = used.into_values().collect();
        used.iter().for_each(|id| drop(self.detach(id)));
        self.forget_idle(sender, lane);
        used.into_iter().map(|id| (id, DropReason::SequenceUsed)).collect()
    }

    /// Takes in what the executed state expects next in a lane.
    pub(crate) fn learn_sequence(&mut self, known: &NextSequence) -> Vec<(Hash, DropReason)> {
        let Some(numbers) = self.sequences.get_mut(&(known.sender, known.lane)) else { return Vec::new() };
        numbers.learn(known.next);
        let next = numbers.next;
        self.advance(known.sender, known.lane, next)
    }

    /// A transaction of a lane left the pool.
    pub(super) fn leave_sequence(&mut self, sender: Address, lane: u32, seq: u64, was_ready: bool) {
        if let Some(numbers) = self.sequences.get_mut(&(sender, lane)) {
            if was_ready {
                numbers.ready = numbers.ready.saturating_sub(1);
            } else {
                numbers.waiting.remove(&seq);
            }
        }
        self.forget_idle(sender, lane);
    }

    /// A transaction left with a batch of ours.
    pub(super) fn note_taken(&mut self, entry: &Entry) {
        if let Replay::Sequence { lane, seq } = entry.replay() {
            let numbers = self.sequences.entry((entry.sender(), lane)).or_default();
            numbers.in_flight = numbers.in_flight.saturating_add(1);
            numbers.next = numbers.next.max(seq.saturating_add(1));
        }
    }

    /// Counts a transaction of a batch of ours that a restart found in the log.
    pub(crate) fn note_in_flight(&mut self, sender: Address, replay: Replay) {
        if let Replay::Sequence { lane, seq } = replay {
            let numbers = self.sequences.entry((sender, lane)).or_default();
            numbers.in_flight = numbers.in_flight.saturating_add(1);
            numbers.next = numbers.next.max(seq.saturating_add(1));
        }
    }

    /// A transaction of a batch of ours was decided.
    pub(crate) fn note_decided(&mut self, sender: Address, replay: Replay) {
        if let Replay::Sequence { lane, .. } = replay {
            if let Some(numbers) = self.sequences.get_mut(&(sender, lane)) {
                numbers.in_flight = numbers.in_flight.saturating_sub(1);
            }
            self.forget_idle(sender, lane);
        }
    }

    fn forget_idle(&mut self, sender: Address, lane: u32) {
        if self.sequences.get(&(sender, lane)).is_some_and(SequenceLane::is_idle) {
            self.sequences.remove(&(sender, lane));
        }
    }
}
