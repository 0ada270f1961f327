//! One honest validator: the real core, a disk that syncs at once or crashes, a data plane that holds everything, and a
//! clock that stands still except for one step.
//!
//! A step of a validator takes one [`Label`], turns it into the inputs that it stands for, and carries out what the core
//! asks for. What it signed is remembered here as well, independent of the core, and held against the rules.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use althing_consensus::{
    Alarm, Core, Envelope, Input, Lsn, Message, Now, Output, Proposal, Recipient, Record, Run as Blocks,
};
use althing_types::{
    Block, Certificate, DataJudgement, Epoch, Finalization, List, Monotonic, ValidatorIndex, View, Vote,
};

use super::forge::Forge;
use super::label::{BlockId, Label};
use super::stage::{FreeKeys, Stage, Votes, WALL};
use super::succession::{NEXT, work};

/// The moment at which the clock stands. Time decides in the core only whether a timer has expired, so an execution in
/// which little time passes between two steps looks to it as one in which none does.
pub(super) const STILL: Monotonic = Monotonic::new(1_000_000);
/// When the least time between two proposals has passed, and no timer has expired.
const LEADING: Monotonic = Monotonic::new(1_000_000 + 10_000);
/// Long after every timer, and again: a timer may have begun to run at the first of these.
const LATE: [Monotonic; 2] = [Monotonic::new(1_000_000_000_000), Monotonic::new(2_000_000_000_000)];

/// One honest validator. Two that are equal behave alike from here on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Validator {
    /// The core, without what never makes a difference again.
    pub(super) core: Core,
    /// The votes that left.
    pub(super) sent: Votes,
    /// The votes that are durable, which outlive the core's own memory of them.
    pub(super) signed: Votes,
    pub(super) crashes: u8,
    /// The boundary block that it handed over, with what made it final.
    ended: Option<(BlockId, Finalization)>,
    /// Whether its ledger committed that block, so that it is in the next epoch.
    pub(super) entered: bool,
    /// What the disk holds, while it may still crash.
    log: Vec<Record>,
}

/// What came of a step.
#[derive(Clone)]
pub(super) struct Stepped {
    pub(super) after: Validator,
    /// What went wrong, in words.
    pub(super) broken: Option<String>,
    /// The same validator after a crash at each moment within the step, and what went wrong then.
    pub(super) crashed: Vec<(Validator, Option<String>)>,
}

/// One step under way.
struct Run<'a> {
    stage: &'a mut Stage,
    keys: FreeKeys,
    me: u16,
    at: Validator,
    appended: Option<Lsn>,
    /// Votes that are in the log and not durable yet.
    unsynced: Vec<Vote>,
    broken: Option<String>,
    crashed: Vec<(Validator, Option<String>)>,
    /// The data plane answers a leader that asks it to choose lanes.
    builds: bool,
}

impl Validator {
    /// A validator at genesis.
    pub(super) fn new(stage: &mut Stage, me: u16) -> Self {
        let core = Core::new(stage.config(me, None), stage.genesis.clone()).with_accused(stage.accused());
        let at = Self { core, sent: 0, signed: 0, crashes: 0, ended: None, entered: false, log: Vec::new() };
        at.started(stage, me).0
    }

    /// The validator once it runs.
    fn started(self, stage: &mut Stage, me: u16) -> (Self, Option<String>) {
        let mut run = Run::new(stage, me, self);
        run.begin();
        let Stepped { after, broken, .. } = run.finished();
        (after, broken)
    }

    /// The epoch that it is in.
    pub(super) const fn epoch(&self) -> Epoch {
        if self.entered { NEXT } else { Epoch::ZERO }
    }

    /// How the epoch began that it is in; none in the first.
    fn opened(&self) -> Option<&(BlockId, Finalization)> {
        self.ended.as_ref().filter(|_| self.entered)
    }

    /// The current view, in its epoch.
    pub(super) fn view(&self) -> u64 {
        self.core.snapshot().view.get()
    }

    /// Whether it left the last view that is explored of its epoch.
    pub(super) fn is_through(&self, stage: &Stage) -> bool {
        self.view() > stage.last_view(self.epoch())
    }

    /// The blocks that it knows to be final and those below them, as a set of one bit each.
    pub(super) fn finals(&self, stage: &Stage) -> u32 {
        let ids = [self.core.snapshot().final_block, self.core.anchor().header.id()];
        ids.iter().filter_map(|id| stage.find(id)).map(|id| stage.path(id)).fold(0, |all, path| all | path)
    }

    /// The certificates that it holds, as an honest peer would get them for the asking; how the epoch before ended is
    /// in its ledger (E4).
    pub(super) fn held(&self, stage: &Stage, me: u16) -> Vec<Certificate> {
        let range = Message::GetCertificates { from: View::ZERO, to: View::new(stage.views + 1) };
        let mut out = Vec::new();
        self.core.clone().step(&Stage::keys(me), still(), message_in(self.epoch(), other(me), range), &mut out);
        let sent = out.into_iter().filter_map(|output| match output {
            Output::Send { envelope: Envelope { message: Message::Certificates(list), .. }, .. } => Some(list),
            _ => None,
        });
        let ended = self.opened().map(|(_, finalization)| Certificate::Finalization(finalization.clone()));
        sent.flat_map(List::into_inner).chain(ended).collect()
    }

    /// Whether the label could do anything here. Nothing is proposed or given up beyond the views that are explored.
    fn concerns(&self, stage: &Stage, me: u16, label: Label) -> bool {
        let view = stage.counted(self.epoch(), View::new(self.view()));
        let is_early = |block: BlockId| {
            let (epoch, of) = stage.at(stage.block(block).view);
            epoch == self.epoch() && of.get() > self.view()
        };
        match label {
            Label::Lead => view.is_some_and(|view| stage.leader(view) == me),
            Label::Fire => view.is_some(),
            Label::Crash => self.crashes < stage.crashes,
            Label::Enter => self.ended.is_some() && !self.entered,
            Label::Proposal(block) if !stage.thorough && is_early(block) => false,
            Label::Proposal(block) | Label::LeaderReported(block) => stage.leader(stage.block(block).view) != me,
            Label::LeaderGaveUp(view) => stage.leader(u64::from(view)) != me,
            _ => true,
        }
    }

    /// The blocks that a label brings along: that of a certificate and those below it, one by one, and as a run if it is
    /// final. Who certified it has them.
    fn blocks(&self, stage: &Stage, forge: &mut Forge, me: u16, label: Label) -> Vec<(Monotonic, Input)> {
        let (end, is_final) = match label {
            Label::Block(id) => (id, self.core.snapshot().final_block == stage.block(id).digest),
            Label::Notarization(id) | Label::Recover(id) if !stage.thorough => (id, false),
            Label::Finalization(id) | Label::FastFinalization(id) if !stage.thorough => (id, true),
            _ => return Vec::new(),
        };
        if stage.at(stage.block(end).view).0 != self.epoch() {
            return Vec::new();
        }
        let base = self.core.anchor().header.id();
        let mut blocks = Vec::new();
        let mut below = Some(end);
        while let Some(made) = below.map(|id| stage.block(id)).filter(|made| made.digest != base) {
            if !made.again {
                blocks.push(made.block.clone());
            }
            below = made.parent;
        }
        let mut messages: Vec<Message> = blocks.iter().map(|it| Message::Block(Box::new(it.clone()))).collect();
        if is_final
            && let Some(Certificate::Finalization(finalization)) = forge.certificate(stage, Label::Finalization(end))
        {
            blocks.reverse();
            let run = Blocks { blocks: List::truncated(blocks), link: List::empty(), finalization };
            messages.push(Message::Run(Box::new(run)));
        }
        messages.into_iter().map(|it| (STILL, message_in(self.epoch(), other(me), it))).collect()
    }

    /// What comes of a label; none if it does not concern this validator.
    pub(super) fn apply(&self, stage: &mut Stage, forge: &mut Forge, me: u16, label: Label) -> Option<Stepped> {
        if !self.concerns(stage, me, label) {
            return None;
        }
        let mut inputs = self.inputs(stage, forge, me, label);
        inputs.extend(self.blocks(stage, forge, me, label));
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            let mut run = Run::new(stage, me, self.clone());
            run.builds = label == Label::Lead;
            if label == Label::Crash {
                run.crash(run.at.log.len());
            }
            if label == Label::Enter {
                run.enter();
            }
            for (now, input) in inputs {
                run.step(now, input);
            }
            run.finished()
        }));
        let stepped = stepped.unwrap_or_else(|_| Stepped {
            after: self.clone(),
            broken: Some("the core panicked".to_owned()),
            crashed: Vec::new(),
        });
        // A proposal that cannot be judged yet may as well arrive once it can.
        let idle = matches!(label, Label::Proposal(_)) && stepped.after.sent == self.sent && stepped.broken.is_none();
        (stage.thorough || !idle).then_some(stepped)
    }
}

impl<'a> Run<'a> {
    fn new(stage: &'a mut Stage, me: u16, at: Validator) -> Self {
        let keys = Stage::keys(me);
        let (unsynced, crashed) = (Vec::new(), Vec::new());
        Self { stage, keys, me, at, appended: None, unsynced, broken: None, crashed, builds: false }
    }

    fn finished(mut self) -> Stepped {
        self.at.core = self.at.core.timeless(STILL);
        if self.at.crashes >= self.stage.crashes {
            self.at.log.clear();
        }
        Stepped { after: self.at, broken: self.broken, crashed: self.crashed }
    }

    /// What the validator learns where an epoch begins.
    fn begin(&mut self) {
        let opened = self.at.opened().cloned();
        for input in self.stage.beginning(self.me, opened.as_ref()) {
            self.step(STILL, input);
        }
    }

    /// The ledger commits the boundary block, and the next epoch begins (E3).
    fn enter(&mut self) {
        let Some((boundary, _)) = self.at.ended else { return };
        for input in self.stage.executed(Some(boundary)) {
            self.step(STILL, input);
        }
        self.at.entered = true;
        let opened = self.at.opened().cloned();
        let (config, anchor) = (self.stage.config(self.me, opened.as_ref()), self.stage.anchor(opened.as_ref()));
        self.at.core = self.at.core.clone().succeed(config, anchor);
        self.begin();
    }

    /// Gives the core an input. The data plane answers at once, and the disk syncs after each step, or crashes.
    fn step(&mut self, monotonic: Monotonic, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            let synced = self.at.log.len();
            self.at.core.step(&self.keys, Now { monotonic, wall: WALL }, input, &mut out);
            for output in out {
                self.carry_out(output, &mut inputs);
            }
            if self.at.log.len() > synced {
                self.crash(synced);
            }
            if let Some(lsn) = self.appended.take() {
                for vote in std::mem::take(&mut self.unsynced) {
                    self.sign(&vote);
                }
                inputs.push_back(Input::Durable(lsn));
            }
        }
    }

    fn carry_out(&mut self, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Append { lsn, record } => {
                match &record {
                    Record::Vote(vote) => self.appends(&vote.vote),
                    Record::Block(block) => self.register(block),
                    Record::Certificate(_) | Record::Evidence(_) | Record::Epoch(_) | Record::Standing(_) => {}
                }
                self.at.log.push(record);
                self.appended = Some(lsn);
            }
            Output::Check { digest, .. } => {
                inputs.push_back(Input::Checked { digest, judgement: DataJudgement::Valid });
            }
            Output::Build { view, parent, .. } if self.builds => {
                let counted = self.stage.counted(self.at.epoch(), view).unwrap_or_default();
                inputs.push_back(Input::Built { view, parent, lanes: Stage::lanes(counted, 0) });
            }
            Output::Finalized { block, finalization } if block.header.ends_epoch() => {
                match self.stage.find(&block.header.id()) {
                    Some(id) => self.at.ended = Some((id, *finalization)),
                    None => self.complain("a boundary block is final that nobody proposed".to_owned()),
                }
            }
            Output::Send { to: Recipient::All, envelope } => self.send(envelope.message),
            Output::Alarm(Alarm::Misbehaved { .. }) => {}
            Output::Alarm(alarm) => self.complain(format!("the core stops voting: {alarm:?}")),
            _ => {}
        }
    }

    /// A vote is on its way to the log. Once a boundary block is final and here, nothing is signed in its epoch (E2); a
    /// leader proposes such a block again by its vote alone.
    fn appends(&mut self, vote: &Vote) {
        if vote.epoch() != self.at.epoch() || (self.at.ended.is_some() && !self.at.entered) {
            self.complain(format!("a vote of an epoch that it left: {vote:?}"));
        }
        if let Vote::Notarize(notarize) = vote
            && self.stage.find_notarized(notarize).is_none()
            && let Some(view) = self.stage.counted(notarize.epoch, notarize.view)
            && self.stage.leader(view) == self.me
            && let Some(before) = self.stage.counted(notarize.epoch, notarize.parent_view)
            && let Some(before) = self.stage.find_in(&notarize.digest, before)
            && let Err(what) = self.stage.register_again(before, view)
        {
            self.complain(what);
        }
        self.unsynced.push(*vote);
    }

    fn complain(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A vote leaves: it must be durable (D1 to D4).
    fn send(&mut self, message: Message) {
        let vote = match message {
            Message::Vote(vote) => vote.vote,
            Message::Proposal(proposal) => {
                if let Vote::Notarize(vote) = proposal.vote.vote
                    && vote.digest != proposal.block.header.id()
                {
                    self.complain("a proposal with another block than its vote names".to_owned());
                }
                proposal.vote.vote
            }
            _ => return,
        };
        // What leads beyond the last view is not explored: a leader there that lacks a final block gives up at once.
        if self.stage.counted(vote.epoch(), vote.view()).is_none() {
            return;
        }
        match self.stage.number(&vote) {
            Ok(number) if self.at.signed >> number & 1 == 0 => {
                self.complain(format!("a vote leaves before it is durable: {vote:?}"));
            }
            Ok(number) => self.at.sent |= 1 << number,
            Err(what) => self.complain(what),
        }
    }

    /// A block is logged; one that this validator proposes just now is new to the stage.
    fn register(&mut self, block: &Block) {
        if block.header.proposer.get() == self.me {
            let view = self.stage.counted(self.at.epoch(), self.at.core.snapshot().view);
            if self.stage.find(&block.header.id()).is_none()
                && let Some(view) = view
                && let Err(what) = self.stage.register(block, view)
            {
                self.complain(what);
            }
        }
    }

    /// A vote became durable: it must not contradict what I signed before (R2, R3, R4).
    fn sign(&mut self, vote: &Vote) {
        if self.stage.counted(vote.epoch(), vote.view()).is_none() {
            return;
        }
        match self.stage.number(vote) {
            Ok(number) => {
                if let Err(what) = may_sign(self.stage, self.at.signed, number) {
                    self.complain(what);
                }
                self.at.signed |= 1 << number;
            }
            Err(what) => self.complain(what),
        }
    }

    /// What a crash after this step leaves, for every number of the records of the step that reached the disk.
    fn crash(&mut self, synced: usize) {
        if self.at.crashes >= self.stage.crashes {
            self.at.log.clear();
            return;
        }
        for kept in synced..=self.at.log.len() {
            let crashed = self.crashed_with(kept);
            self.crashed.push(crashed.unwrap_or_else(|what| (self.at.clone(), Some(what))));
        }
    }

    fn crashed_with(&mut self, kept: usize) -> Result<(Validator, Option<String>), String> {
        let stage = &mut *self.stage;
        let log = self.at.log[..kept].to_vec();
        let mut signed = self.at.signed;
        for record in &log {
            if let Record::Vote(vote) = record
                && stage.counted(vote.vote.epoch(), vote.vote.view()).is_some()
            {
                signed |= 1 << stage.number(&vote.vote)?;
            }
        }
        let opened = self.at.opened().cloned();
        let (config, records) = (stage.config(self.me, opened.as_ref()), log.clone());
        let anchor = stage.anchor(opened.as_ref());
        let genesis = anchor.header.id();
        let accused = stage.accused();
        let core = catch_unwind(|| {
            Core::recover(config, genesis, anchor, View::ZERO, records).map(|core| core.with_accused(accused))
        });
        let core = core.map_err(|_| "the core panicked while it recovered".to_owned())?;
        let core = core.map_err(|error| format!("it cannot restart: {error}"))?;
        let crashes = self.at.crashes + 1;
        // What it handed over and its ledger did not commit is handed over again.
        let (ended, entered) = (self.at.ended.clone().filter(|_| self.at.entered), self.at.entered);
        let at = Validator { core, sent: self.at.sent, signed, crashes, ended, entered, log };
        Ok(at.started(stage, self.me))
    }
}

/// Whether an honest validator that signed these votes may sign this one as well: at most one Notarize in a view and
/// none after a Nullify, at most one of Finalize and Nullify, and a Nullify that reports the Notarize. After a Finalize
/// only its block may be notarized.
pub(super) fn may_sign(stage: &Stage, signed: Votes, number: u8) -> Result<(), String> {
    let has = |number: u8| signed >> number & 1 == 1;
    let vote = stage.vote(number);
    let view = stage.counted(vote.epoch(), vote.view()).unwrap_or_default();
    let blocks: Vec<BlockId> = stage.block_ids().filter(|block| stage.block(*block).view == view).collect();
    let notarized = blocks.iter().find(|block| has(Stage::notarize(**block)));
    let finalized = blocks.iter().find(|block| has(Stage::finalize(**block)));
    let nullified = has(Stage::nothing(view)) || blocks.iter().any(|block| has(Stage::reported(*block)));
    let named = |block: &BlockId| stage.find_in(&stage.block(*block).digest, view).unwrap_or(*block);
    let truthful = notarized.map_or(Stage::nothing(view), |block| Stage::reported(named(block)));
    let fine = match vote {
        Vote::Notarize(it) => {
            let other_final = finalized.is_some_and(|block| stage.block(*block).digest != it.digest);
            notarized.is_none() && !nullified && !other_final
        }
        Vote::Finalize(_) => finalized.is_none() && !nullified,
        Vote::Nullify(_) => finalized.is_none() && !nullified && number == truthful,
    };
    let (what, before) = (stage.words(1 << number), stage.words(signed));
    if matches!(vote, Vote::Notarize(_)) && stage.block(number / 3).is_wrong {
        return Err(format!("an honest validator signs {what} against the rules of epochs"));
    }
    if fine { Ok(()) } else { Err(format!("an honest validator signs {what} after {before}")) }
}

/// A validator that is not this one, and may be anybody: what it relays speaks for itself.
const fn other(me: u16) -> u16 {
    if me == 0 { 1 } else { 0 }
}

/// The moment at which the clock stands.
pub(super) const fn still() -> Now {
    Now { monotonic: STILL, wall: WALL }
}

/// A message from a validator that says that it is in this epoch.
pub(super) const fn message_in(epoch: Epoch, from: u16, message: Message) -> Input {
    let envelope = Envelope { epoch, view: View::ZERO, floor: View::ZERO, message };
    Input::Message { from: ValidatorIndex::new(from), envelope }
}

impl Validator {
    /// The inputs that a label stands for, each with its moment. The epoch that a message says its sender is in is a hint:
    /// what belongs to the other epoch arrives once with the true one and once with that of the receiver.
    fn inputs(&self, stage: &Stage, forge: &mut Forge, me: u16, label: Label) -> Vec<(Monotonic, Input)> {
        let (mine, own) = (self.epoch(), inputs(stage, forge, me, label));
        let is_foreign = |input: &Input| match input {
            Input::Message { envelope, .. } => envelope.epoch != mine,
            _ => false,
        };
        let mut disguised: Vec<(Monotonic, Input)> =
            own.iter().filter(|(_, input)| is_foreign(input)).cloned().collect();
        for (_, input) in &mut disguised {
            if let Input::Message { envelope, .. } = input {
                envelope.epoch = mine;
            }
        }
        own.into_iter().chain(disguised).collect()
    }
}

/// The inputs that a label stands for, each with its moment.
fn inputs(stage: &Stage, forge: &mut Forge, me: u16, label: Label) -> Vec<(Monotonic, Input)> {
    let message_of = |view: u64, from: u16, message| vec![(STILL, message_in(stage.at(view).0, from, message))];
    let vote = |view: u64, number: u8| {
        let leader = stage.leader(view);
        message_of(view, leader, Message::Vote(stage.signed(leader, stage.vote(number))))
    };
    match label {
        Label::Proposal(id) => {
            let (made, leader) = (stage.block(id), stage.leader(stage.block(id).view));
            let vote = stage.signed(leader, stage.vote(Stage::notarize(id)));
            let proposal = Proposal { vote, block: made.block.clone(), justification: List::empty() };
            message_of(made.view, leader, Message::Proposal(Box::new(proposal)))
        }
        Label::LeaderReported(id) => vote(stage.block(id).view, Stage::reported(id)),
        Label::LeaderGaveUp(view) => vote(u64::from(view), Stage::nothing(u64::from(view))),
        Label::Lead => {
            let before = Input::Work(work(true));
            vec![(LEADING, before), (LEADING, Input::Work(work(false)))]
        }
        Label::Fire => {
            let late = LATE.map(|at| (at, Input::Tick));
            let begin = (STILL, Input::Work(work(true)));
            std::iter::once(begin).chain(late).chain([(LATE[1], Input::Work(work(false)))]).collect()
        }
        Label::Block(_) | Label::Crash | Label::Enter => Vec::new(),
        _ => {
            let Some(certificate) = forge.certificate(stage, label) else { return Vec::new() };
            let epoch = certificate.epoch();
            let message = Message::Certificates(List::truncated(vec![certificate]));
            vec![(STILL, message_in(epoch, other(me), message))]
        }
    }
}
