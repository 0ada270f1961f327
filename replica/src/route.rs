//! Which room is told what: the tables between events, the two machines, and actions.

use althing_consensus::{
    Input as CoreInput, LaneLicence, Message as ConsensusMessage, Now, Output as CoreOutput, Recipient,
};
use althing_mempool::{Check, DataMessage, Input as PoolInput, Output as PoolOutput, SharedBatch};
use althing_types::{Block, Evidence, Finalization, Hash, LaneTip, ValidatorIndex};

use super::{Action, Event, Keys, Message, Note, Outcome, Pending, Recipients, Replica};

impl Replica {
    /// Tells the rooms what an event means to them.
    pub(super) fn take(&mut self, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Tick => {
                self.tell_consensus(CoreInput::Tick);
                self.tell_mempool(PoolInput::Tick);
            }
            Event::Submit(candidate) => self.tell_mempool(PoolInput::Admit(candidate)),
            Event::Consensus { from, envelope } => {
                self.tell_consensus(CoreInput::Message { from, envelope: *envelope });
            }
            Event::Data { from, message } => self.take_data(from, message, out),
            Event::Batch { from, checked: Ok(batch) } => self.tell_mempool(PoolInput::Batch { from, batch }),
            Event::Batch { from, checked: Err(rejected) } => self.tell_mempool(PoolInput::Rejected { from, rejected }),
            Event::VotesDurable(lsn) => self.tell_consensus(CoreInput::Durable(lsn)),
            Event::BatchesDurable(lsn) => self.tell_mempool(PoolInput::Durable(lsn)),
            Event::Committed(outcome) => self.take_outcome(*outcome),
            Event::Peer { index, connected } => {
                self.tell_consensus(CoreInput::Peer { index, connected });
                self.tell_mempool(PoolInput::Peer { index, connected });
            }
        }
    }

    fn take_data(&mut self, from: ValidatorIndex, message: DataMessage, out: &mut Vec<Action>) {
        match message {
            DataMessage::Batch(batch) => self.take_batch(from, batch, out),
            DataMessage::Batches(batches) => {
                batches.into_inner().into_iter().for_each(|batch| self.take_batch(from, batch, out));
            }
            DataMessage::Acks(acks) => {
                self.tell_consensus(CoreInput::Reported { from, executed: acks.executed });
                self.tell_mempool(PoolInput::Acks { from, acks });
            }
            DataMessage::GetBatches { epoch, range } if epoch == self.epoch => {
                self.tell_mempool(PoolInput::GetBatches { from, range });
            }
            // Another epoch's batches are in nobody's memory here; whoever asks learns of the epoch from consensus.
            DataMessage::GetBatches { .. } => {}
        }
    }

    /// A batch is checked where that can be of use; its signatures cost more than all else about it.
    fn take_batch(&mut self, from: ValidatorIndex, batch: SharedBatch, out: &mut Vec<Action>) {
        if !self.mempool.is_worth_checking(&batch.0) {
            self.tell_mempool(PoolInput::Repeated { from, lane: batch.0.batch.lane });
        } else if self.mempool.begin_check(from, &batch.0) {
            out.push(Action::CheckBatch { from, batch });
        }
    }

    /// The ledger committed a block: consensus may carry the result, the mempool may forget.
    fn take_outcome(&mut self, outcome: Outcome) {
        let height = outcome.summary.height;
        self.committed = height;
        self.tell_consensus(CoreInput::Executed(outcome.summary));
        let Outcome { cut, decided, sequences, .. } = outcome;
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
                out.push(Action::Send { to: recipients(to), message: Message::Consensus(Box::new(envelope)) });
            }
            CoreOutput::Build { view, parent, cut } => {
                self.tell_mempool(PoolInput::Build { view, parent, parent_cut: cut });
            }
            CoreOutput::Check { digest, block, cut } => self.tell_mempool(check(digest, *block, cut)),
            CoreOutput::Finalized { block, finalization } => self.hand_over(block, finalization, out),
            CoreOutput::Serve { to, above } => {
                let hints = Box::new(self.core.envelope(ConsensusMessage::Status));
                out.push(Action::ServeBlocks { to, above, hints });
            }
            CoreOutput::Hint { leader } => self.tell_mempool(PoolInput::Hint { leader }),
            CoreOutput::TurnDied { view } => self.tell_mempool(PoolInput::ViewDied { view }),
            CoreOutput::Evidence(evidence) => out.push(Action::Note(Note::Evidence(Box::new(evidence)))),
            CoreOutput::Standing(standing) => out.push(Action::Note(Note::Standing(standing))),
            CoreOutput::Alarm(alarm) => out.push(Action::Note(Note::Alarm(Box::new(alarm)))),
        }
    }

    fn route_mempool(&mut self, output: PoolOutput, out: &mut Vec<Action>) {
        match output {
            PoolOutput::Append { lsn, batch } => out.push(Action::AppendBatch { lsn, batch }),
            PoolOutput::Compact { lsn, batches } => out.push(Action::CompactBatches { lsn, batches }),
            PoolOutput::Send { to, message } => {
                out.push(Action::Send { to: Recipients::Some(to), message: Message::Data(message) });
            }
            PoolOutput::Serve { to, range } => {
                out.push(Action::ServeBatches { to, epoch: self.epoch, range });
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
            PoolOutput::Misbehaved { peer, what } => out.push(Action::Note(Note::Misbehaved(peer, what))),
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
            self.tell_mempool(PoolInput::Accused(block.body.evidence.iter().map(Evidence::culprit).collect()));
        }
        out.push(Action::Execute { block, finalization, batches });
    }

    fn tell_consensus(&mut self, input: CoreInput) {
        self.pending.push_back(Pending::Consensus(input));
    }

    fn tell_mempool(&mut self, input: PoolInput) {
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

fn recipients(to: Recipient) -> Recipients {
    match to {
        Recipient::All => Recipients::All,
        Recipient::One(index) => Recipients::Some(vec![index]),
    }
}

fn check(digest: Hash, block: Block, parent_cut: Vec<LaneTip>) -> PoolInput {
    let (height, proposer) = (block.header.height, block.header.proposer);
    PoolInput::Check(Check { digest, height, proposer, lanes: block.body.lanes.into_inner(), parent_cut })
}
