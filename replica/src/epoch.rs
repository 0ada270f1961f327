//! Between epochs: the machines of an ended epoch make room for those of the next, and messages of earlier epochs are
//! answered from the ledger (rules E3 and E4).
//!
//! A new epoch begins once the ledger has committed the boundary block. So whatever happens, a restart finds in the ledger
//! which epoch it is in, and in the log what was signed in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{Alarm, Anchor, Envelope, Input as CoreInput, Message as ConsensusMessage, Opening};
use althing_mempool::Input as PoolInput;
use althing_types::{Committee, Epoch, Finalization, Hash, Header, Height, Monotonic, ValidatorSet};

use super::{Action, Config, Contact, EARLIER_MAX, Note, Pending, Replica, Seats};

/// Answers to one contact of an earlier epoch within Δ at most.
const ANSWERS_MAX: u32 = 32;

/// How a replica stands between its epoch and the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passage {
    /// The boundary block that was handed to the ledger, and what made it final.
    pub(crate) boundary: Option<(Box<Header>, Box<Finalization>)>,
    /// The pending change, and the lowest height whose state holds it.
    pub(crate) change: Option<(Height, ValidatorSet)>,
    /// The change that the state after the boundary block holds.
    next_change: Option<(Height, ValidatorSet)>,
    /// Answers to contacts of earlier epochs within a window, and when it ends.
    answered: BTreeMap<Contact, (u32, Monotonic)>,
    /// When each was told last how its epoch ended.
    shown: BTreeMap<Contact, Monotonic>,
}

impl Passage {
    /// With a change that a committed state holds already.
    pub(crate) fn with_change(change: Option<(Height, ValidatorSet)>) -> Self {
        Self { change, ..Self::default() }
    }

    /// Whether the epoch's boundary block was handed to the ledger and has this height.
    pub(crate) fn ends_at(&self, height: Height) -> bool {
        self.boundary.as_ref().is_some_and(|(header, _)| header.height == height)
    }

    fn may_answer(&mut self, contact: Contact, now: Monotonic, window: u64) -> bool {
        let (count, ends) = self.answered.entry(contact).or_default();
        if now >= *ends {
            (*count, *ends) = (0, now.plus(window));
        }
        *count = count.saturating_add(1);
        *count <= ANSWERS_MAX
    }

    fn may_show(&mut self, contact: Contact, now: Monotonic, window: u64) -> bool {
        let due = self.shown.get(&contact).is_none_or(|at| now >= at.plus(window));
        if due {
            self.shown.insert(contact, now);
        }
        due
    }
}

impl Replica {
    /// The state after a block holds a pending change: consensus learns of it before it learns that the block was executed.
    pub(super) fn note_change(&mut self, height: Height, change: Option<ValidatorSet>) {
        if self.passage.ends_at(height) {
            // The state that the boundary block leaves belongs to the next epoch.
            self.passage.next_change = change.map(|set| (height, set));
            return;
        }
        if let Some(set) = change.filter(|_| self.passage.change.is_none()) {
            self.tell_consensus(CoreInput::SetChange { height, set: set.hash() });
            self.passage.change = Some((height, set));
        }
    }

    /// Begins the next epoch if the ledger committed this one's boundary block.
    pub(super) fn pass_on(&mut self, now: Monotonic, out: &mut Vec<Action>) {
        if self.passage.boundary.as_ref().is_none_or(|(header, _)| header.height > self.committed) {
            return;
        }
        let Some((header, finalization)) = self.passage.boundary.take() else { return };
        let set = self.passage.change.take().map(|(_, set)| set);
        let Some(set) = set.filter(|set| set.hash() == header.next_validators) else {
            let alarm = Alarm::OtherValidators { theirs: header.next_validators };
            self.core.stop(alarm.clone());
            return out.push(Action::Note(Note::Alarm(Box::new(alarm))));
        };
        let Committee { chain, epoch, .. } = self.config.committee;
        let previous = std::mem::replace(&mut self.config.committee, Committee { chain, epoch: epoch.next(), set });
        self.config.earlier.push(previous.clone());
        let forgotten = self.config.earlier.len().saturating_sub(EARLIER_MAX);
        self.config.earlier.drain(..forgotten);
        self.config.opening = Some(Opening { height: header.height, finalization: *finalization, previous });
        self.config.start = (*header).clone();
        self.begin_epoch(*header, now, out);
    }

    fn begin_epoch(&mut self, boundary: Header, now: Monotonic, out: &mut Vec<Action>) {
        self.seats = Seats::new(&self.config.directory, &self.config.committee.set);
        self.committee = Arc::new(self.config.committee.clone());
        self.handed_over = Vec::new();
        self.passage = Passage::with_change(self.passage.next_change.take());
        let (consensus, mempool) = self.config.of_rooms(&self.seats, self.logs);
        let (core, pool) = (self.core.clone(), self.mempool.clone());
        self.core = core.succeed(consensus, Anchor { header: boundary, cut: Vec::new() });
        let mut outputs = Vec::new();
        self.mempool = pool.succeed(mempool, self.committed, now, &mut outputs);
        for output in outputs {
            self.route_mempool(output, out);
        }
        self.lane = self.core.lane_licence();
        self.tell_mempool(super::route::lane_input(self.lane));
        if let Some((height, set)) = &self.passage.change {
            self.pending.push_back(Pending::Consensus(CoreInput::SetChange { height: *height, set: set.hash() }));
        }
        self.tell_consensus(CoreInput::Tick);
        for index in self.connected.iter().filter_map(|contact| self.seats.index_of(*contact)).collect::<Vec<_>>() {
            self.tell_consensus(CoreInput::Peer { index, connected: true });
            self.tell_mempool(PoolInput::Peer { index, connected: true });
        }
        out.push(Action::Note(Note::Epoch(self.config.committee.epoch)));
    }

    /// A message of an earlier epoch: final blocks are served from the ledger, and whoever says anything else learns how
    /// its epoch ended.
    pub(super) fn answer_earlier(&mut self, from: Contact, envelope: &Envelope, now: Monotonic, out: &mut Vec<Action>) {
        let window = self.delta();
        let hints = || Box::new(self.core.envelope(ConsensusMessage::Status));
        match &envelope.message {
            ConsensusMessage::GetRun { above } if self.passage.may_answer(from, now, window) => {
                out.push(Action::ServeBlocks { to: from, above: *above, hints: hints() });
            }
            ConsensusMessage::GetRun { .. } => {}
            _ if self.passage.may_show(from, now, window) => {
                out.push(Action::ServeEnd { to: from, epoch: envelope.epoch, hints: hints() });
            }
            _ => {}
        }
    }

    /// Somebody of an earlier epoch asks for its batches.
    pub(super) fn may_serve_earlier(&mut self, from: Contact, epoch: Epoch, now: Monotonic) -> bool {
        let window = self.delta();
        epoch < self.config.committee.epoch && self.passage.may_answer(from, now, window)
    }

    /// Δ in microseconds.
    fn delta(&self) -> u64 {
        u64::from(self.config.params.consensus.delta_ms).saturating_mul(1_000)
    }
}

impl Config {
    /// The id of the block that the epoch begins above.
    pub(crate) fn start_id(&self) -> Hash {
        self.start.id()
    }
}
