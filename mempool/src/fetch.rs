//! Fetching batches that blocks name and that are not here (L5).
//!
//! What is wanted follows from the walks of the blocks that wait; only when and whom to ask next is remembered. The
//! proposer is asked first, then the owner of the lane, then the others in turn. A batch that is wanted is accepted
//! from anybody, because its digest is known.

use std::collections::BTreeSet;

use althing_types::canary::{Canary, seeded};
use althing_types::{Hash, Monotonic, ValidatorIndex};

use crate::message::{DataMessage, Range};
use crate::state::{Context, Mempool};

/// Questions asked within Δ / 2 at most. Those that were asked least often come first, so that batches that nobody
/// has cannot keep us from asking for others.
const QUESTIONS_MAX: u32 = 256;

/// Whom to ask, and when again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetch {
    turn: u32,
    ask_at: Monotonic,
    /// Until when the check of a copy is a reason not to ask. It never moves, so whoever sends copies cannot hold a
    /// fetch back for longer.
    patient_until: Monotonic,
    /// The batch that was missing when it was looked at last.
    missing: Option<Hash>,
}

impl Fetch {
    /// A fetch that has not asked yet. It waits a little: a batch often arrives just after the block that names it.
    pub(crate) fn beginning(ask_at: Monotonic, patient_until: Monotonic, missing: Hash) -> Self {
        Self { turn: 0, ask_at, patient_until, missing: Some(missing) }
    }

    /// Batches arrived: the rest may be on its way, so the same peer is asked for more a little later.
    fn note_progress(&mut self, missing: Hash, later: Monotonic) {
        if self.missing != Some(missing) {
            *self = Self { turn: self.turn.saturating_sub(1), ask_at: later, missing: Some(missing), ..*self };
        }
    }
}

/// A question whose time has come. The order is that in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// What final blocks need comes first.
    is_not_final: bool,
    turn: u32,
    block: (althing_types::Height, Hash),
    walk: usize,
    patient_until: Monotonic,
    proposer: ValidatorIndex,
    range: Range,
}

impl Mempool {
    /// Asks for what is missing, as far as it is time to.
    pub(crate) fn fetch(&mut self, cx: &mut Context<'_>) {
        let due = if seeded(Canary::NothingFetched) { Vec::new() } else { self.due(cx.now) };
        let (every, mut asked_for) = (self.config.delta_quarters(2), BTreeSet::new());
        for mut question in due {
            if cx.now < question.patient_until && self.is_checked(&mut question.range) {
                // It is looked at again when it would be asked again: the check may have failed.
                self.ask_later(&question, question.turn, question.patient_until.min(cx.now.plus(every)));
                continue;
            }
            let peer = self.peer_to_ask(&question);
            if peer.is_some() && asked_for.insert(question.range.tip) {
                if !self.may_ask(cx.now, every) {
                    return self.postpone(cx.now.plus(every));
                }
                let epoch = self.config.committee.epoch;
                let message = DataMessage::GetBatches { epoch, range: question.range };
                Self::send(cx, peer.into_iter().collect(), message);
            }
            self.ask_later(&question, question.turn.saturating_add(1), cx.now.plus(every));
        }
    }

    fn ask_later(&mut self, question: &Due, turn: u32, at: Monotonic) {
        let walk = self.checks.get_mut(&question.block).and_then(|check| check.walks.get_mut(question.walk));
        if let Some(walk) = walk {
            (walk.fetch.turn, walk.fetch.ask_at) = (turn, at);
        }
    }

    /// Whether a copy of what is asked for is being checked. Where lower ones are, the range ends above them.
    fn is_checked(&self, range: &mut Range) -> bool {
        match self.underway.highest(range.lane, range.first..=range.last) {
            Some(seq) if seq == range.last => true,
            Some(seq) => {
                range.first = seq.saturating_add(1);
                false
            }
            None => false,
        }
    }

    /// The questions whose time has come, in order. On the way every walk notes how far it got.
    fn due(&mut self, now: Monotonic) -> Vec<Due> {
        let grace = now.plus(self.config.delta_quarters(1) / 2);
        let mut due = Vec::new();
        for (block, check) in self.checks.iter_mut().filter(|(_, check)| check.is_waiting()) {
            let (is_not_final, proposer) = (!check.is_final, check.proposer);
            for (index, walk) in check.walks.iter_mut().enumerate() {
                let Some((last, tip)) = walk.next else { continue };
                walk.fetch.note_progress(tip, grace);
                if now >= walk.fetch.ask_at {
                    let range = Range { lane: walk.top.lane, first: walk.first(), last, tip };
                    let Fetch { turn, patient_until, .. } = walk.fetch;
                    due.push(Due { is_not_final, turn, block: *block, walk: index, patient_until, proposer, range });
                }
            }
        }
        due.sort_unstable();
        due
    }

    /// The reachable validator whose turn it is. Who sent a copy that waits for its check could only send it once more.
    fn peer_to_ask(&self, question: &Due) -> Option<ValidatorIndex> {
        let Range { lane, last, .. } = question.range;
        let validators = self.config.committee.set.count();
        let mut connected = self.connected();
        connected.retain(|peer| !self.underway.is_from(*peer, lane, last));
        let owner = u16::try_from(lane).ok().map(ValidatorIndex::new)?;
        let first = [question.proposer, owner].into_iter().filter(|index| connected.contains(index));
        let mut order: Vec<ValidatorIndex> = first.collect();
        order.dedup();
        // The others begin with the one after this validator, so that not everybody asks the same one.
        let after = connected.partition_point(|index| *index < self.config.me);
        let others = connected.iter().skip(after).chain(connected.iter().take(after));
        let others: Vec<ValidatorIndex> = others.filter(|index| !order.contains(index)).copied().collect();
        order.extend(others);
        // Guests come last: they may be the only ones left that hold an ended epoch's batches (E4).
        let guests = self.connected_with_guests().into_iter().filter(|index| index.get() >= validators);
        order.extend(guests.filter(|index| !self.underway.is_from(*index, lane, last)));
        let turn = usize::try_from(question.turn).unwrap_or(usize::MAX);
        order.get(turn.checked_rem(order.len())?).copied()
    }

    fn may_ask(&mut self, now: Monotonic, window: u64) -> bool {
        let (count, ends) = &mut self.asked;
        if now >= *ends {
            (*count, *ends) = (0, now.plus(window));
        }
        *count = count.saturating_add(1);
        *count <= QUESTIONS_MAX
    }

    /// Too many questions at once: what is due and was not asked waits for the next window.
    fn postpone(&mut self, to: Monotonic) {
        for walk in self.checks.values_mut().flat_map(|check| &mut check.walks) {
            walk.fetch.ask_at = walk.fetch.ask_at.max(to);
        }
    }

    /// When something is asked for next.
    pub(crate) fn next_question(&self) -> Option<Monotonic> {
        let waiting = self.checks.values().filter(|check| check.is_waiting());
        let missing = waiting.flat_map(|check| &check.walks).filter(|walk| walk.next.is_some());
        missing.map(|walk| walk.fetch.ask_at).min()
    }
}
