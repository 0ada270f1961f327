//! Which room is told what: the tables between events, the two machines, and actions.

use althing_consensus::{
    Alarm, Envelope, Input as CoreInput, LaneLicence, Message as ConsensusMessage, Now, Output as CoreOutput, Recipient,
};
use althing_mempool::{
    Check, CheckedBatch, DataMessage, Input as PoolInput, Output as PoolOutput, RejectedBatch, SharedBatch,
};
use althing_types::{Block, Evidence, Finalization, Hash, LaneTip, Monotonic, ValidatorIndex};

use super::{Action, Contact, Event, Keys, Message, Note, Outcome, Pending, Replica};

impl Replica {
    /// Tells the rooms what an event means to them.
    pub(super) fn take(&mut self, event: Event, now: Monotonic, out: &mut Vec<Action>) {
        match event {
            Event::Tick => {
                self.tell_consensus(CoreInput::Tick);
                self.tell_mempool(PoolInput::Tick);
            }
            Event::Submit(candidate) => self.tell_mempool(PoolInput::Admit(candidate)),
            Event::Consensus { from, envelope } => self.take_envelope(from, *envelope, now, out),
            Event::Data { from, message } => self.take_data(from, message, now, out),
            Event::Batch { from, checked } => self.take_checked(from, checked),
            Event::VotesDurable(lsn) => self.tell_consensus(CoreInput::Durable(lsn)),
            Event::BatchesDurable(lsn) => self.tell_mempool(PoolInput::Durable(lsn)),
            Event::Committed(outcome) => self.take_outcome(*outcome),
            Event::Peer { contact, connected } => self.take_peer(contact, connected),
        }
    }

    fn take_peer(&mut self, contact: Contact, connected: bool) {
        let Some(index) = self.seats.index_of(contact) else { return };
        if connected {
            self.connected.insert(contact);
        } else {
            self.connected.remove(&contact);
        }
        self.tell_consensus(CoreInput::Peer { index, connected });
        self.tell_mempool(PoolInput::Peer { index, connected });
    }

    fn take_envelope(&mut self, from: Contact, envelope: Envelope, now: Monotonic, out: &mut Vec<Action>) {
        let tells_fork = matches!(envelope.message, ConsensusMessage::Fork(_));
        if envelope.epoch < self.epoch() && !tells_fork {
            self.answer_earlier(from, &envelope, now, out);
        } else if let Some(from) = self.seats.index_of(from) {
            self.tell_consensus(CoreInput::Message { from, envelope });
        }
    }

    /// A batch of another epoch than this says nothing any more: its check began in an earlier one.
    fn take_checked(&mut self, from: Contact, checked: Result<CheckedBatch, RejectedBatch>) {
        let Some(from) = self.seats.index_of(from) else { return };
        match checked {
            Ok(batch) if batch.batch().epoch == self.epoch() => self.tell_mempool(PoolInput::Batch { from, batch }),
            Err(rejected) if rejected.epoch() == self.epoch() => {
                self.tell_mempool(PoolInput::Rejected { from, rejected });
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn take_data(&mut self, from: Contact, message: DataMessage, now: Monotonic, out: &mut Vec<Action>) {
        let Some(index) = self.seats.index_of(from) else { return };
        match message {
            DataMessage::Batch(batch) => self.take_batch(from, index, batch, out),
            DataMessage::Batches(batches) => {
                batches.into_inner().into_iter().for_each(|batch| self.take_batch(from, index, batch, out));
            }
            DataMessage::Acks(acks) if acks.epoch == self.epoch() => {
                self.tell_consensus(CoreInput::Reported { from: index, executed: acks.executed });
                self.tell_mempool(PoolInput::Acks { from: index, acks });
            }
            DataMessage::GetBatches { epoch, range } if epoch == self.epoch() => {
                self.tell_mempool(PoolInput::GetBatches { from: index, range });
            }
            DataMessage::GetBatches { epoch, range } if self.may_serve_earlier(from, epoch, now) => {
                out.push(Action::ServeBatches { to: from, epoch, range });
            }
            // Who is in another epoch learns so from consensus.
            DataMessage::Acks(_) | DataMessage::GetBatches { .. } => {}
        }
    }

    /// A batch is checked where that can be of use; its signatures cost more than all else about it.
    fn take_batch(&mut self, from: Contact, index: ValidatorIndex, batch: SharedBatch, out: &mut Vec<Action>) {
        if batch.0.batch.epoch != self.epoch() {
            return;
        }
        if !self.mempool.is_worth_checking(&batch.0) {
            self.tell_mempool(PoolInput::Repeated { from: index, lane: batch.0.batch.lane });
        } else if self.mempool.begin_check(index, &batch.0) {
            out.push(Action::CheckBatch { from, batch, committee: self.committee.clone() });
        }
    }

    /// The ledger committed a block: consensus may carry the result, the mempool may forget.
    fn take_outcome(&mut self, outcome: Outcome) {
        let height = outcome.summary.height;
        self.committed = height;
        let Outcome { cut, decided, sequences, change, summary } = outcome;
        // Above a boundary block lanes begin anew, but what is forgotten here are those of the epoch that it ends.
        let cut = if self.passage.ends_at(height) { self.handed_over.clone() } else { cut };
        self.note_change(height, change);
        self.tell_consensus(CoreInput::Executed(summary));
        self.tell_mempool(PoolInput::Committed { height, cut, decided, sequences });
    }

    pub(super) fn step_consensus(&mut self, keys: &impl Keys, now: Now, input: CoreInput, out: &mut Vec<Action>) {
        let mut outputs = Vec::new();
        self.core.step(keys, now, input, &mut outputs);
        for output in outputs {
            self.route_consensus(output, out);
        }
        let lane = self.core.lane_licence();
        if std::mem::replace(&mut self.lane, lane) != lane {
            self.tell_mempool(lane_input(lane));
        }
    }

    pub(super) fn step_mempool(&mut self, keys: &impl Keys, now: Now, input: PoolInput, out: &mut Vec<Action>) {
        let mut outputs = Vec::new();
        self.mempool.step(keys, now.monotonic, now.wall, input, &mut outputs);
        for output in outputs {
            self.route_mempool(output, out);
        }
    }

    fn route_consensus(&mut self, output: CoreOutput, out: &mut Vec<Action>) {
        match output {
            CoreOutput::Append { lsn, record } => out.push(Action::AppendVote { lsn, record: Box::new(record) }),
            CoreOutput::Compact { lsn, records } => out.push(Action::CompactVotes { lsn, records }),
            CoreOutput::Send { to, envelope } => {
                let (to, message) = (self.recipients(to), Message::Consensus(Box::new(envelope)));
                out.push(Action::Send { to, message });
            }
            CoreOutput::Build { view, parent, cut } => {
                self.tell_mempool(PoolInput::Build { view, parent, parent_cut: cut });
            }
            CoreOutput::Check { digest, block, cut } => self.tell_mempool(check(digest, *block, cut)),
            CoreOutput::Finalized { block, finalization } => self.hand_over(block, finalization, out),
            CoreOutput::Serve { to, above } => {
                let hints = Box::new(self.core.envelope(ConsensusMessage::Status));
                let serve = self.seats.contact_at(to).map(|to| Action::ServeBlocks { to, above, hints });
                out.extend(serve);
            }
            CoreOutput::Hint { leader } => self.tell_mempool(PoolInput::Hint { leader }),
            CoreOutput::TurnDied { view } => self.tell_mempool(PoolInput::ViewDied { view }),
            CoreOutput::Evidence(evidence) => out.push(Action::Note(Note::Evidence(Box::new(evidence)))),
            CoreOutput::Alarm(Alarm::Misbehaved { peer, what }) => self.note_misbehaviour(peer, what, out),
            CoreOutput::Standing(standing) => out.push(Action::Note(Note::Standing(standing))),
            CoreOutput::Alarm(alarm) => out.push(Action::Note(Note::Alarm(Box::new(alarm)))),
        }
    }

    pub(super) fn route_mempool(&mut self, output: PoolOutput, out: &mut Vec<Action>) {
        match output {
            PoolOutput::Append { lsn, batch } => out.push(Action::AppendBatch { lsn, batch }),
            PoolOutput::Compact { lsn, batches } => out.push(Action::CompactBatches { lsn, batches }),
            PoolOutput::Send { to, message } => {
                let to = to.into_iter().filter_map(|index| self.seats.contact_at(index)).collect();
                out.push(Action::Send { to, message: Message::Data(message) });
            }
            PoolOutput::Serve { to, range } => {
                let epoch = self.epoch();
                out.extend(self.seats.contact_at(to).map(|to| Action::ServeBatches { to, epoch, range }));
            }
            PoolOutput::Admitted { id } => out.push(Action::Note(Note::Admitted(id))),
            PoolOutput::Known { id, at } => out.push(Action::Note(Note::Known(id, at))),
            PoolOutput::Refused { id, error } => out.push(Action::Note(Note::Refused(id, error))),
            PoolOutput::Accepted { ids, .. } => out.push(Action::Note(Note::Accepted(ids))),
            PoolOutput::Dropped { ids, reason } => out.push(Action::Note(Note::Dropped(ids, reason))),
            PoolOutput::Checked { digest, judgement } => {
                self.tell_consensus(CoreInput::Checked { digest, judgement });
            }
            PoolOutput::Built { view, parent, lanes } => {
                self.tell_consensus(CoreInput::Built { view, parent, lanes });
            }
            PoolOutput::Work(work) => self.tell_consensus(CoreInput::Work(work)),
            // Consensus keeps it, tells it, and says so once it is durable.
            PoolOutput::Evidence(evidence) => self.tell_consensus(CoreInput::Evidence(evidence)),
            PoolOutput::Misbehaved { peer, what } => self.note_misbehaviour(peer, what, out),
            PoolOutput::Silent => out.push(Action::Note(Note::Silent)),
        }
    }

    /// Hands a final block with its batches to the ledger. Consensus speaks of final blocks only once their batches
    /// are durable here (rule D8), so the mempool has them.
    fn hand_over(&mut self, block: Box<Block>, finalization: Box<Finalization>, out: &mut Vec<Action>) {
        let batches = self.mempool.batches_for(&block.body.lanes, &self.handed_over);
        let batches = batches.expect("a block is handed over only after its batches were judged to be here");
        let cut = block.cut_above(&self.handed_over).expect("consensus checked that the lanes advance their parent's");
        self.handed_over.clone_from(&cut);
        self.tell_mempool(PoolInput::Finalized { digest: block.header.id(), height: block.header.height, cut });
        if !block.body.evidence.is_empty() {
            let of_epoch = block.body.evidence.iter().filter(|evidence| evidence.epoch() == self.epoch());
            let culprits = of_epoch.map(Evidence::culprit).collect();
            self.tell_mempool(PoolInput::Accused(culprits));
        }
        if block.header.ends_epoch() {
            self.passage.boundary = Some((Box::new(block.header.clone()), finalization.clone()));
        }
        out.push(Action::Execute { block, finalization, batches });
    }

    fn note_misbehaviour(&self, peer: ValidatorIndex, what: &'static str, out: &mut Vec<Action>) {
        out.extend(self.seats.contact_at(peer).map(|contact| Action::Note(Note::Misbehaved(contact, what))));
    }

    /// Whom a message of consensus goes to: everybody is every other validator of the epoch.
    fn recipients(&self, to: Recipient) -> Vec<Contact> {
        match to {
            Recipient::All => self.seats.validators().filter(|contact| *contact != self.config.me).collect(),
            Recipient::One(index) => self.seats.contact_at(index).into_iter().collect(),
        }
    }

    pub(super) fn tell_consensus(&mut self, input: CoreInput) {
        self.pending.push_back(Pending::Consensus(input));
    }

    pub(super) fn tell_mempool(&mut self, input: PoolInput) {
        self.pending.push_back(Pending::Mempool(input));
    }
}

/// What the mempool is told of its own lane (rule D10).
pub(super) const fn lane_input(lane: LaneLicence) -> PoolInput {
    match lane {
        LaneLicence::Open => PoolInput::Hold(false),
        LaneLicence::Held => PoolInput::Hold(true),
        LaneLicence::Silent => PoolInput::Silence,
    }
}

fn check(digest: Hash, block: Block, parent_cut: Vec<LaneTip>) -> PoolInput {
    let (height, proposer) = (block.header.height, block.header.proposer);
    PoolInput::Check(Check { digest, height, proposer, lanes: block.body.lanes.into_inner(), parent_cut })
}
