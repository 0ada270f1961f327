//! The simulated world: validators, the network between them, their clocks and disks, and what befalls them.

mod data;
mod misfortune;

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Alarm, Config, Envelope, Input, Message, Now, Output, Recipient, Run};
use althing_storage::AppendLog;
use althing_types::{
    ChainParams, Committee, Epoch, Header, Height, List, Monotonic, TimeMs, Validator, ValidatorIndex, ValidatorSet,
    decode, encode, genesis_header, leaf_hash,
};

use super::checker::Checker;
use super::keys::SimulatedKeys;
use super::liar;
use super::node::Node;
use super::options::Options;
use super::random::Random;

/// Wall time at the start.
const START_MS: u64 = 1_760_000_000_000;
/// How often the data plane makes up for what was lost.
const DATA_EVERY_US: u64 = 25_000;
/// How long progress may take once everything works.
const PROGRESS_MS: u64 = 120_000;
/// Blocks that everyone must finalize once everything works.
const PROGRESS_BLOCKS: u64 = 10;
/// How long an idle network is watched for a word or a write.
const SILENCE_MS: u64 = 5_000;
/// How long the network may take to become silent.
const SETTLING_MS: u64 = 60_000;
/// Events in a run at most: more is a network that spins.
const EVENTS_MAX: u64 = 4_000_000;
/// Largest encoded message.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    /// An input reaches a validator in this life.
    Input { place: usize, life: u64, input: Box<Input> },
    /// A message arrives.
    Deliver { place: usize, from: ValidatorIndex, bytes: Option<Vec<u8>>, envelope: Option<Box<Envelope>> },
    /// A sync ends.
    Synced { place: usize, life: u64 },
    /// A validator wakes up.
    Wake { place: usize, life: u64 },
    /// A validator notices whether another can be reached.
    Notice { place: usize, life: u64, index: ValidatorIndex },
    /// The ledger finishes a block.
    Executed { place: usize, life: u64 },
    /// Batches of a lane, up to this one, arrive.
    Batches { place: usize, lane: usize, seq: u64 },
    /// Somebody produces a batch.
    Produce,
    /// The data plane makes up for what was lost.
    Data,
    /// A validator crashes.
    Crash,
    /// A validator comes back.
    Restart { place: usize },
    /// The network is cut somewhere.
    Cut,
    /// The cut is mended.
    Mend,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) failure: Option<String>,
    pub(crate) trace: u64,
    pub(crate) events: u64,
    pub(crate) blocks: u64,
    pub(crate) crashes: u64,
    pub(crate) views: u64,
    pub(crate) simulated_ms: u64,
    pub(crate) evidence: u64,
}

/// The part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Faults,
    Progress,
    Silence,
}

/// The simulated world.
pub(crate) struct World {
    pub(crate) options: Options,
    random: Random,
    pub(crate) nodes: Vec<Node>,
    config: Config,
    genesis: Header,
    pub(crate) time: u64,
    counter: u64,
    events: BTreeMap<(u64, u64), Event>,
    /// Directed pairs of places between which nothing passes.
    blocked: BTreeSet<(usize, usize)>,
    /// Which twin each place listens to.
    sides: Vec<bool>,
    pub(crate) checker: Checker,
    pub(crate) outcome: Outcome,
    phase: Phase,
    /// When somebody last sent or wrote something.
    last_activity: u64,
    /// Appends and messages so far.
    pub(crate) activity: u64,
    /// Reports that arrived, by receiver and sender.
    reported: BTreeMap<(usize, usize), Height>,
}

impl World {
    /// A world that has just begun.
    pub(crate) fn new(options: Options) -> Self {
        let mut random = Random::new(options.seed.wrapping_mul(0x9e37).wrapping_add(7));
        let n = options.validators;
        let keys: Vec<SimulatedKeys> = (0..n).map(|i| SimulatedKeys::new(i, options.real_signatures)).collect();
        let node_key = |i: u16| SimulatedKeys::new(10_000 + i, options.real_signatures).public_key();
        let validators =
            (0..n).zip(&keys).map(|(i, key)| Validator { key: key.public_key(), node_key: node_key(i) }).collect();
        let set = ValidatorSet::new(validators, (n - 1) / 3, false).expect("a set");
        let mut params = ChainParams::DEFAULT;
        params.consensus.k = options.k;
        let chain = leaf_hash(&options.seed.to_le_bytes());
        let genesis = genesis_header(chain, TimeMs::new(START_MS), set.hash(), params.hash());
        let committee = Committee { chain, epoch: Epoch::ZERO, set };
        let config = Config {
            committee,
            me: ValidatorIndex::ZERO,
            params: params.consensus,
            params_hash: params.hash(),
            log_bytes_max: options.log_bytes_max,
        };
        let mut world = Self {
            nodes: Vec::new(),
            config,
            genesis,
            time: 1_000_000,
            counter: 0,
            events: BTreeMap::new(),
            blocked: BTreeSet::new(),
            sides: Vec::new(),
            checker: Checker::new((n - options.twins..n).map(ValidatorIndex::new)),
            outcome: Outcome::default(),
            phase: Phase::Faults,
            last_activity: 0,
            activity: 0,
            reported: BTreeMap::new(),
            random: Random::new(random.next()),
            options,
        };
        world.populate(&keys);
        world
    }

    fn populate(&mut self, keys: &[SimulatedKeys]) {
        let n = self.options.validators;
        let twins = (n - self.options.twins)..n;
        for index in (0..n).chain(twins).map(ValidatorIndex::new) {
            let key = self.config.committee.set.get(index).expect("in the set").key;
            let keys = keys.iter().find(|keys| keys.public_key() == key).expect("one of ours").clone();
            let skew = self.random.below(2 * self.options.skew_ms + 1) as i64 - self.options.skew_ms as i64;
            self.nodes.push(Node::new(index, keys, n, skew));
            self.sides.push(self.random.chance(500));
        }
        for place in 0..self.nodes.len() {
            self.start(place);
        }
        self.schedule(DATA_EVERY_US, Event::Data);
        self.schedule_fault(self.options.crash_every_ms, Event::Crash);
        self.schedule_fault(self.options.partition_every_ms, Event::Cut);
        self.schedule(1_000, Event::Produce);
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Outcome {
        self.run_faults(self.options.faults_ms);
        self.run_progress();
        self.run_silence();
        self.finish()
    }

    /// What the run came to.
    pub(crate) fn finish(mut self) -> Outcome {
        self.outcome.failure = self.checker.failure.take();
        self.outcome.blocks = self.checker.height().get();
        self.outcome.simulated_ms = self.time / 1000;
        let views = self.nodes.iter().filter_map(|node| node.core.as_ref()).map(|core| core.snapshot().view.get());
        self.outcome.views = views.max().unwrap_or_default();
        self.outcome
    }

    /// The part in which things go wrong.
    pub(crate) fn run_faults(&mut self, for_ms: u64) {
        self.run_until(self.time + for_ms * 1000, |_| false);
    }

    /// Mends everything; then every honest validator must finalize further blocks.
    pub(crate) fn run_progress(&mut self) {
        self.phase = Phase::Progress;
        self.mend_all();
        if self.options.batch_every_ms == 0 {
            self.schedule(1_000, Event::Produce);
        }
        let target = self.checker.height().get() + PROGRESS_BLOCKS;
        let reached = move |world: &Self| world.honest().all(|node| node.disk.ledger.len() as u64 >= target);
        if !self.run_until(self.time + PROGRESS_MS * 1000, reached) {
            let told = self.describe();
            self.checker.fail(format!("no progress to height {target} within {PROGRESS_MS} ms: {told}"));
        }
    }

    /// Nobody has anything to do any more: everything must come to rest, complete.
    pub(crate) fn run_silence(&mut self) {
        self.phase = Phase::Silence;
        self.last_activity = self.time;
        let silent = |world: &Self| world.time >= world.last_activity + SILENCE_MS * 1000;
        if !self.run_until(self.time + SETTLING_MS * 1000, silent) {
            let told = self.describe();
            self.checker.fail(format!("an idle network does not come to rest: {told}"));
        }
        self.check_rest();
    }

    /// At rest everybody has the same chain, every batch is in it, and every result is certified.
    fn check_rest(&mut self) {
        let heights: BTreeSet<usize> = self.honest().map(|node| node.disk.ledger.len()).collect();
        let same = heights.len() == 1;
        let lanes: Vec<(usize, u64)> = self.honest().map(|node| (node.index.to_usize(), node.produced)).collect();
        let first = self.honest().next().expect("somebody is honest");
        let core = first.core.as_ref().expect("everybody is up");
        let ordered =
            |lane: usize| core.anchor().cut.iter().find(|tip| tip.lane as usize == lane).map_or(0, |it| it.seq);
        let lost = lanes.into_iter().find(|(lane, produced)| ordered(*lane) < *produced);
        let carried = core.anchor().header.executed_height;
        let open = first.disk.ledger.iter().any(|it| it.summary.tx_count > 0 && it.summary.height > carried);
        let told = self.describe();
        if !same || lost.is_some() || open {
            self.checker.fail(format!("at rest, but not complete: same {same}, lost {lost:?}, open {open}: {told}"));
        }
    }

    pub(crate) fn honest(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| self.checker.is_honest(node.index))
    }

    /// One line per validator, for failures.
    pub(crate) fn describe(&self) -> String {
        let lines = self.nodes.iter().map(|node| {
            let core = node.core.as_ref().map(|core| {
                let snapshot = core.snapshot();
                format!(
                    "view {} leader {} floor {} height {} missing {:?} halted {:?} votes {:?} carried {} work {:?}",
                    snapshot.view,
                    snapshot.leader,
                    snapshot.floor,
                    snapshot.height,
                    snapshot.missing,
                    snapshot.halted,
                    snapshot.voted,
                    core.anchor().header.executed_height,
                    node.disk.held,
                )
            });
            format!("\n    validator {}: ledger {} {core:?}", node.index, node.disk.ledger.len())
        });
        lines.collect()
    }

    /// Processes events until a moment or a condition; true if the condition came true.
    pub(crate) fn run_until(&mut self, until: u64, done: impl Fn(&Self) -> bool) -> bool {
        while self.checker.failure.is_none() {
            if done(self) {
                return true;
            }
            let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= until) else {
                self.time = until;
                return done(self);
            };
            let ((time, _), event) = entry.remove_entry();
            self.time = time;
            self.outcome.events += 1;
            if self.outcome.events > EVENTS_MAX {
                let told = self.describe();
                self.checker.fail(format!("more than {EVENTS_MAX} events: {told}"));
            }
            self.happen(event);
        }
        false
    }

    fn schedule(&mut self, after_us: u64, event: Event) {
        self.counter += 1;
        self.events.insert((self.time + after_us, self.counter), event);
    }

    /// Schedules a fault around a mean time from now.
    fn schedule_fault(&mut self, mean_ms: u64, event: Event) {
        if mean_ms > 0 && self.phase == Phase::Faults {
            let after = self.random.between(mean_ms * 100, mean_ms * 2000);
            self.schedule(after, event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Input { place, life, input } if self.nodes[place].life == life => self.step(place, *input),
            Event::Deliver { place, from, bytes, envelope } => {
                let decoded = bytes.map(|bytes| decode(&bytes, MESSAGE_BYTES_MAX).expect("a message of ours"));
                if let Some(envelope) = decoded.or(envelope.map(|boxed| *boxed)) {
                    self.step(place, Input::Message { from, envelope });
                }
            }
            Event::Synced { place, life } if self.nodes[place].life == life => self.synced(place),
            Event::Wake { place, life } if self.nodes[place].life == life => {
                self.nodes[place].wake = None;
                self.step(place, Input::Tick);
            }
            Event::Notice { place, life, index } if self.nodes[place].life == life => self.noticed(place, index),
            Event::Executed { place, life } if self.nodes[place].life == life => self.executed(place),
            Event::Batches { place, lane, seq } => self.batches(place, lane, seq),
            Event::Produce => self.produce(),
            Event::Data => self.repair_data(),
            Event::Crash if self.phase == Phase::Faults => self.crash_some(),
            Event::Restart { place } if self.may_restart(place) => self.start(place),
            Event::Cut if self.phase == Phase::Faults => self.cut(),
            Event::Mend => self.mend(),
            _ => {}
        }
    }

    // ---- one validator ----

    fn now(&self, place: usize) -> Now {
        let wall = (START_MS + self.time / 1000) as i64 + self.nodes[place].skew_ms;
        Now { monotonic: Monotonic::new(self.time), wall: TimeMs::new(wall as u64) }
    }

    /// Gives a validator an input and carries out what it asks for.
    pub(crate) fn step(&mut self, place: usize, input: Input) {
        let now = self.now(place);
        let node = &mut self.nodes[place];
        let Some(core) = node.core.as_mut() else { return };
        let mut out = Vec::new();
        core.step(&node.keys, now, input, &mut out);
        let deadline = core.deadline();
        self.outcome.trace = fold(self.outcome.trace, &[self.time, place as u64, out.len() as u64]);
        for output in out {
            self.carry_out(place, output);
        }
        self.schedule_sync(place);
        self.schedule_wake(place, deadline);
    }

    fn schedule_sync(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        if node.unsynced && !node.syncing {
            node.syncing = true;
            let life = node.life;
            let (low, high) = self.options.sync_us;
            let stalled = self.random.chance(self.options.stall);
            let after = if stalled { self.random.between(0, 2_000_000) } else { self.random.between(low, high) };
            self.schedule(after, Event::Synced { place, life });
        }
    }

    fn schedule_wake(&mut self, place: usize, deadline: Option<Monotonic>) {
        let Some(deadline) = deadline.map(Monotonic::get) else { return };
        if deadline <= self.time {
            self.checker.fail(format!("validator at {place} wants to be woken in the past"));
        }
        let node = &mut self.nodes[place];
        if node.wake.is_none_or(|wake| wake > deadline) {
            node.wake = Some(deadline);
            let life = node.life;
            self.schedule(deadline - self.time, Event::Wake { place, life });
        }
    }

    fn synced(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        node.syncing = false;
        node.unsynced = false;
        node.disk.log.sync().expect("the model's disk does not fail");
        let lsn = node.appended.expect("something was appended");
        self.checker.synced(place, &self.nodes[place]);
        self.step(place, Input::Durable(lsn));
    }

    fn executed(&mut self, place: usize) {
        if let Some(summary) = self.nodes[place].execute() {
            self.checker.executed(self.nodes[place].index, &summary);
            self.step(place, Input::Executed(summary));
        }
        self.schedule_execution(place);
    }

    fn schedule_execution(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        if !node.executing && !node.queue.is_empty() {
            node.executing = true;
            let life = node.life;
            let (low, high) = self.options.execute_us;
            let after = self.random.between(low, high);
            self.schedule(after, Event::Executed { place, life });
        }
    }

    fn carry_out(&mut self, place: usize, output: Output) {
        let life = self.nodes[place].life;
        let answer = |input| Event::Input { place, life, input: Box::new(input) };
        match output {
            Output::Append { lsn, record } => {
                self.note_activity(place);
                self.nodes[place].append(lsn, &record);
            }
            Output::Compact { lsn, records } => {
                self.note_activity(place);
                self.nodes[place].compact(lsn, &records);
                self.checker.replaced(place);
            }
            Output::Send { to, envelope } => self.send(place, to, envelope),
            Output::Build { view, parent, cut } => {
                let lanes = self.nodes[place].lanes_above(&cut);
                let after = self.random.between(0, 500);
                self.schedule(after, answer(Input::Built { view, parent, lanes }));
            }
            Output::Check { digest, block, .. } => {
                let judgement = self.nodes[place].check(&block);
                if judgement == althing_types::DataJudgement::Wait {
                    self.nodes[place].checks.insert(digest, *block);
                }
                self.schedule(10, answer(Input::Checked { digest, judgement }));
            }
            Output::Finalized { block, finalization } => {
                self.checker.finalized(place, &self.nodes, &self.config.committee, &block, &finalization);
                self.nodes[place].queue.push((*block, *finalization));
                self.schedule_execution(place);
            }
            Output::Serve { to, above } => self.serve(place, to, above),
            Output::Hint { leader } => self.hint(place, leader),
            // The model of the data plane has no lanes to doubt.
            Output::TurnDied { .. } => {}
            Output::Evidence(evidence) => {
                self.outcome.evidence += 1;
                if self.checker.is_honest(evidence.culprit()) {
                    self.checker.fail(format!("evidence against an honest validator: {evidence:?}"));
                }
            }
            Output::Alarm(alarm) => self.alarmed(place, &alarm),
        }
    }

    fn alarmed(&mut self, place: usize, alarm: &Alarm) {
        let blames_honest = match alarm {
            Alarm::Misbehaved { peer, .. } => self.checker.is_honest(*peer),
            Alarm::Diverged { .. } | Alarm::Fork { .. } | Alarm::ResultsDiffer { .. } => true,
        };
        if blames_honest && self.checker.is_honest(self.nodes[place].index) {
            self.checker.fail(format!("false alarm at {place}: {alarm:?}"));
        }
    }

    fn note_activity(&mut self, place: usize) {
        if self.checker.is_honest(self.nodes[place].index) {
            self.activity += 1;
            self.last_activity = self.time;
        }
    }

    // ---- the network ----

    fn send(&mut self, place: usize, to: Recipient, envelope: Envelope) {
        self.note_activity(place);
        let from = self.nodes[place].index;
        let lies = self.options.lies && !self.checker.is_honest(from);
        for receiver in 0..self.nodes.len() {
            let index = self.nodes[receiver].index;
            let addressed = match to {
                Recipient::All => index != from,
                Recipient::One(one) => index == one && index != from,
            };
            if !addressed {
                continue;
            }
            self.remember(receiver, &envelope);
            let said = match lies {
                true => liar::distort(&mut self.random, &self.nodes[place], &self.config.committee, &envelope),
                false => vec![envelope.clone()],
            };
            for envelope in said {
                if let Some(vote) = liar::own_vote(&envelope) {
                    self.checker.sends(place, &self.nodes[place], &vote);
                }
                self.transmit(place, receiver, &envelope);
            }
        }
    }

    /// Liars remember what was proposed.
    fn remember(&mut self, receiver: usize, envelope: &Envelope) {
        let honest = self.checker.is_honest(self.nodes[receiver].index);
        if let Message::Proposal(proposal) = &envelope.message
            && !honest
        {
            let header = proposal.block.header.clone();
            self.nodes[receiver].seen.insert(header.id(), (header, proposal.vote.vote.view()));
        }
    }

    fn transmit(&mut self, place: usize, receiver: usize, envelope: &Envelope) {
        if !self.passes(place, receiver) {
            return;
        }
        let copies = if self.random.chance(self.options.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            if self.random.chance(self.options.loss) {
                continue;
            }
            let after = self.delay();
            let from = self.nodes[place].index;
            let (bytes, whole) = match self.options.encoded {
                true => (Some(encode(envelope)), None),
                false => (None, Some(Box::new(envelope.clone()))),
            };
            self.schedule(after, Event::Deliver { place: receiver, from, bytes, envelope: whole });
        }
    }

    fn delay(&mut self) -> u64 {
        let (low, high) = self.options.delay_us;
        let straggler = self.random.chance(self.options.straggler);
        if straggler { self.random.between(low, 2_000_000) } else { self.random.between(low, high) }
    }

    /// Whether anything can pass from one place to another. A listener hears one of two twins.
    fn passes(&self, from: usize, to: usize) -> bool {
        let n = usize::from(self.options.validators);
        let twin_of = |place: usize| place >= n || !self.checker.is_honest(self.nodes[place].index);
        let heard = !twin_of(from) || self.sides[to] == (from >= n);
        heard && !self.blocked.contains(&(from, to)) && self.nodes[from].core.is_some()
    }

    /// Answers a request for final blocks from the ledger.
    fn serve(&mut self, place: usize, to: ValidatorIndex, above: Height) {
        let node = &self.nodes[place];
        let from = above.get() as usize;
        let above_it = node.disk.ledger.get(from..).unwrap_or_default();
        let (blocks, beyond) = above_it.split_at(above_it.len().min(self.options.run_blocks));
        let certified = |it: &super::node::Committed| it.finalization.vote.digest == it.block.header.id();
        // Up to the end of the window if a certificate stands there or above, else up to the last one within.
        let linked = beyond.iter().position(certified).map_or(0, |place| place + 1);
        let (blocks, linked) = match (blocks.last().is_some_and(certified), blocks.iter().rposition(certified)) {
            (true, _) => (blocks, 0),
            (false, _) if linked > 0 => (blocks, linked),
            (false, Some(place)) => (&blocks[..=place], 0),
            (false, None) => return,
        };
        let link: Vec<Header> = beyond.iter().take(linked).map(|it| it.block.header.clone()).collect();
        let Some(last) = beyond.get(..linked).and_then(<[_]>::last).or(blocks.last()) else { return };
        let finalization = last.finalization.clone();
        let blocks = blocks.iter().map(|it| it.block.clone()).collect();
        let run = Run { blocks: List::truncated(blocks), link: List::truncated(link), finalization };
        let Some(core) = node.core.as_ref() else { return };
        let envelope = core.envelope(Message::Run(Box::new(run)));
        self.send(place, Recipient::One(to), envelope);
    }

    // ---- for scenarios ----

    /// Cuts everything between one validator and all others.
    pub(crate) fn isolate(&mut self, place: usize) {
        for other in 0..self.nodes.len() {
            self.blocked.insert((place, other));
            self.blocked.insert((other, place));
            self.notice(place, other);
        }
    }

    /// Removes every cut.
    pub(crate) fn heal(&mut self) {
        self.mend();
    }

    /// Starts a validator that is down.
    pub(crate) fn restart(&mut self, place: usize) {
        self.start(place);
    }

    /// The highest height that is final somewhere.
    pub(crate) fn height(&self) -> u64 {
        self.checker.height().get()
    }

    /// Lets time pass.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.run_until(self.time + ms * 1000, |_| false);
    }

    /// Lets time pass until everybody who is up committed a height; the time that it took in microseconds, or none.
    pub(crate) fn until_all_reach(&mut self, height: u64, within_ms: u64) -> Option<u64> {
        let began = self.time;
        let up = |node: &&Node| node.core.is_some();
        let done = |world: &Self| world.honest().filter(up).all(|node| node.disk.ledger.len() as u64 >= height);
        self.run_until(self.time + within_ms * 1000, done).then(|| self.time - began)
    }
}

/// FNV-1a over numbers: what tells two runs apart.
fn fold(hash: u64, numbers: &[u64]) -> u64 {
    let start = if hash == 0 { 0xcbf2_9ce4_8422_2325 } else { hash };
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
