//! The core of consensus: events in any order, made of few words so that they often fit together.
//!
//! The three other validators lie as they like, together: they vote for everything, certify and finalize whatever they
//! want. The disk is slow or quick, the data plane and the ledger answer late or not, and the power goes. What must
//! hold over all lives is checked after each step.

use std::collections::{BTreeSet, VecDeque};

use althing_consensus::{Anchor, Config, Core, Envelope, Input, Lsn, Message, Now, Output, Proposal, Record, Run};
use althing_types::{
    BatchHead, Block, Body, Certificate, Committee, DataJudgement, Epoch, Evidence, Finality, Finalization, Finalize,
    ForkProof, Hash, Header, Height, LaneSeq, LaneTip, List, Monotonic, Notarization, Notarize, Nullification, Nullify,
    SignedVote, Summary, TimeMs, ValidatorIndex, View, Vote, Work, lanes_root, leaf_hash,
};

use crate::keys::{LooseKeys, loose_signature};
use crate::memory::measured;
use crate::network::{Chain, Disk, ME, VALIDATORS, WALL_MS, chain, fast_chain, keys};
use crate::script::{NEAR_SAME, Script};

/// Steps of an input at most.
const STEPS_MAX: usize = 600;
/// Blocks that an input speaks of at most.
const BLOCKS_MAX: usize = 64;
/// Outputs of one step at most.
const OUTPUTS_MAX: usize = 2_000;
/// Bytes that a core may hold at once, with everything around it.
const HELD_BYTES_MAX: usize = 24 << 20;
/// Where the steady clock begins, in microseconds.
const START_US: u64 = 1_000_000;

/// A block that somebody made, with the tips of all lanes after it and the results of all blocks below it.
#[derive(Clone, Debug)]
struct Made {
    block: Block,
    cut: Vec<LaneTip>,
    below: Vec<Summary>,
}

/// A block that the ledger committed, with its certificate.
struct Committed {
    block: Block,
    cut: Vec<LaneTip>,
    view: View,
}

/// A core and its surroundings.
struct Bench {
    config: Config,
    keys: LooseKeys,
    core: Core,
    now: Now,
    genesis: Made,
    blocks: Vec<Made>,
    log: Disk<Lsn, Record>,
    /// Whether the disk answers at once.
    quick_disk: bool,
    /// Whether the data plane has every batch.
    quick_data: bool,
    /// Final blocks that the ledger did not commit yet.
    waiting: VecDeque<(Block, View)>,
    committed: Vec<Committed>,
    /// Questions to the data plane that were not answered.
    builds: VecDeque<(View, Hash)>,
    /// My votes that were ever durable, and those that left.
    durable: BTreeSet<SignedVote>,
    sent: Vec<SignedVote>,
    /// The height that was handed over last in this life.
    handed: Height,
}

/// A sequence of events: the first byte chooses the surroundings.
pub(crate) fn events(bytes: &[u8]) {
    let (_, held) = measured(|| run(bytes));
    assert!(held <= HELD_BYTES_MAX, "a core held {held} bytes at once, {HELD_BYTES_MAX} are allowed");
}

fn run(bytes: &[u8]) -> Bench {
    let mut script = Script::new(bytes);
    let mut bench = Bench::new(script.byte());
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        bench.happens(&mut script);
    }
    bench
}

impl Bench {
    fn new(surroundings: u8) -> Self {
        let chain: &Chain = if surroundings & 1 == 1 { fast_chain() } else { chain() };
        let params = chain.genesis.params();
        let config = Config {
            committee: chain.committee.clone(),
            me: ME,
            guests: 0,
            opening: None,
            params: params.consensus,
            params_hash: params.hash(),
            log_bytes_max: [1, 3_000, 40_000, 8 << 20][usize::from(surroundings >> 1 & 3)],
        };
        let block = Block { header: chain.genesis.header(), body: Body::default() };
        let genesis = Made { block, cut: Vec::new(), below: Vec::new() };
        Self {
            core: Core::new(config.clone(), Anchor { header: genesis.block.header.clone(), cut: Vec::new() }),
            config,
            keys: keys(ME.get()),
            now: Now { monotonic: Monotonic::new(START_US), wall: TimeMs::new(WALL_MS) },
            blocks: vec![genesis.clone()],
            genesis,
            log: Disk::default(),
            quick_disk: surroundings & 8 == 0,
            quick_data: surroundings & 16 == 0,
            waiting: VecDeque::new(),
            committed: Vec::new(),
            builds: VecDeque::new(),
            durable: BTreeSet::new(),
            sent: Vec::new(),
            handed: Height::ZERO,
        }
    }

    fn happens(&mut self, script: &mut Script<'_>) {
        match script.byte() % 20 {
            0 => self.pass(script),
            1..=6 => self.hear(script),
            7 => {
                let index = self.someone(script);
                self.step(Input::Peer { index, connected: script.below(4) > 0 });
            }
            8 => {
                let lanes =
                    |script: &mut Script<'_>| vec![LaneSeq { lane: u32::from(script.byte() % 5), seq: script.near(2) }];
                self.step(Input::Work(Work { lead: lanes(script), timer: lanes(script) }));
            }
            9 => {
                let judgements = [DataJudgement::Valid, DataJudgement::Wait, DataJudgement::Invalid];
                let (digest, judgement) = (self.digest(script), *script.pick(&judgements));
                self.step(Input::Checked { digest, judgement });
            }
            10 => self.build(script),
            11 | 12 => self.sync(usize::from(script.byte())),
            13 | 14 => self.commit(),
            15 => {
                let (from, executed) = (self.someone(script), Height::new(script.near(2)));
                self.step(Input::Reported { from, executed });
            }
            16 => self.crash(usize::from(script.byte())),
            17 => {
                let evidence = self.batch_evidence(script);
                self.step(Input::Evidence(evidence));
            }
            18 => {
                self.now.wall =
                    TimeMs::new(self.now.wall.get().saturating_add(u64::from(script.short())).saturating_sub(9_000));
            }
            _ => {
                let (quick_disk, quick_data) = (script.flag(), script.flag());
                (self.quick_disk, self.quick_data) = (quick_disk, quick_data);
            }
        }
    }

    // ---- the surroundings ----

    /// Gives the core an input, and carries out what it asks for.
    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.core.step(&self.keys, self.now, input, &mut out);
            assert!(out.len() < OUTPUTS_MAX, "{} outputs of one step", out.len());
            let past = self.core.deadline().filter(|at| *at <= self.now.monotonic);
            assert_eq!(past, None, "a deadline in the past spins");
            out.into_iter().for_each(|output| self.carry_out(output, &mut inputs));
            if self.quick_disk {
                inputs.extend(self.write(usize::MAX).map(Input::Durable));
            }
        }
    }

    fn carry_out(&mut self, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Append { lsn, record } => self.log.append(lsn, record),
            Output::Compact { lsn, records } => self.log.replace(lsn, records),
            Output::Send { envelope, .. } => match envelope.message {
                Message::Vote(vote) => self.check_vote(vote),
                Message::Proposal(proposal) => self.check_vote(proposal.vote),
                _ => {}
            },
            Output::Check { digest, .. } if self.quick_data => {
                inputs.push_back(Input::Checked { digest, judgement: DataJudgement::Valid });
            }
            Output::Build { view, parent, .. } => {
                self.builds.push_back((view, parent));
                self.builds.truncate(STEPS_MAX);
            }
            Output::Finalized { block, finalization } => {
                assert_eq!(block.header.height, self.handed.next(), "blocks are handed over without a gap");
                self.handed = block.header.height;
                self.waiting.push_back((*block, finalization.vote.view));
            }
            Output::Check { .. }
            | Output::Serve { .. }
            | Output::Hint { .. }
            | Output::TurnDied { .. }
            | Output::Evidence(_)
            | Output::Standing(_)
            | Output::Alarm(_) => {}
        }
    }

    /// My votes are durable before they leave, and never contradict each other.
    fn check_vote(&mut self, vote: SignedVote) {
        assert_eq!(vote.signer, ME, "a vote in another's name");
        assert!(self.durable.contains(&vote), "{vote:?} left and was not durable");
        let against = self.sent.iter().find_map(|sent| Evidence::of_votes(*sent, vote));
        assert_eq!(against, None, "a vote against an earlier one");
        if !self.sent.contains(&vote) {
            self.sent.push(vote);
        }
    }

    fn pass(&mut self, script: &mut Script<'_>) {
        let us = u64::from(script.short()) * 100;
        self.now.monotonic = self.now.monotonic.plus(us);
        self.now.wall = self.now.wall.plus(us / 1_000);
        self.step(Input::Tick);
    }

    fn write(&mut self, count: usize) -> Option<Lsn> {
        let last = self.log.write(count.min(self.log.waiting()));
        self.learn();
        last
    }

    fn learn(&mut self) {
        let votes = self.log.records().iter().filter_map(|record| match record {
            Record::Vote(vote) => Some(*vote),
            _ => None,
        });
        self.durable.extend(votes);
    }

    fn sync(&mut self, count: usize) {
        if let Some(lsn) = self.write(count) {
            self.step(Input::Durable(lsn));
        }
    }

    /// The ledger commits the block that waits longest.
    fn commit(&mut self) {
        let Some((block, view)) = self.waiting.pop_front() else { return };
        let summary = summary(&block);
        let cut = block.cut_above(self.cut()).expect("a block that was handed over advances its parent's lanes");
        self.committed.push(Committed { block, cut, view });
        self.step(Input::Executed(summary));
    }

    fn cut(&self) -> &[LaneTip] {
        self.committed.last().map_or(&[], |last| &last.cut)
    }

    /// The power goes, after so much more was written, and comes back. The log of a core is always one that it can go
    /// on from, and what it holds is not forgotten.
    fn crash(&mut self, written: usize) {
        self.log.crash(written);
        self.learn();
        let (header, view) = self
            .committed
            .last()
            .map_or((&self.genesis.block.header, View::ZERO), |last| (&last.block.header, last.view));
        let anchor = Anchor { header: header.clone(), cut: self.cut().to_vec() };
        let (carried, height) = (header.executed_height, header.height);
        let records = self.log.records().to_vec();
        let core = Core::recover(self.config.clone(), self.genesis.block.header.id(), anchor, view, records);
        let accused =
            self.committed.iter().flat_map(|it| it.block.body.evidence.iter().map(|it| (it.epoch(), it.culprit())));
        self.core = core.expect("its own log").with_accused(accused);
        self.handed = height;
        self.waiting.clear();
        self.builds.clear();
        self.check_floor();
        let results: Vec<Summary> = self.committed.iter().map(|it| summary(&it.block)).collect();
        results.into_iter().filter(|it| it.height > carried).for_each(|summary| self.step(Input::Executed(summary)));
        self.step(Input::Tick);
    }

    /// After a restart the floor is the highest Finalization of the log, and the view no lower than any vote's.
    fn check_floor(&self) {
        let snapshot = self.core.snapshot();
        let floors = self.log.records().iter().filter_map(|record| match record {
            Record::Certificate(Certificate::Finalization(it)) => Some(it.vote.view),
            _ => None,
        });
        assert_eq!(snapshot.floor, floors.max().unwrap_or(View::ZERO), "another floor than that of the log");
        let voted = self.log.records().iter().filter_map(|record| match record {
            Record::Vote(vote) => Some(vote.vote.view()),
            _ => None,
        });
        assert!(voted.max().is_none_or(|voted| snapshot.view >= voted), "a view below one that was voted in");
    }

    /// The data plane answers a question of the core, or one that it did not ask.
    fn build(&mut self, script: &mut Script<'_>) {
        let asked = self.builds.pop_front();
        let (view, parent) = asked.unwrap_or_else(|| (self.view(script), self.digest(script)));
        let lanes = (0..script.byte() % 3).map(|lane| tip(u32::from(lane), script.near(2))).collect();
        self.step(Input::Built { view, parent, lanes });
    }

    // ---- the others ----

    fn someone(&self, script: &mut Script<'_>) -> ValidatorIndex {
        let byte = script.byte();
        ValidatorIndex::new(if byte == u8::MAX { u16::MAX } else { u16::from(byte % 5) })
    }

    fn view(&self, script: &mut Script<'_>) -> View {
        View::new(script.near(self.core.snapshot().view.get()))
    }

    fn digest(&self, script: &mut Script<'_>) -> Hash {
        match script.byte() {
            byte @ 0..=239 => self.made(byte).block.header.id(),
            byte => leaf_hash(&[byte]),
        }
    }

    /// A block that somebody made, counted from the newest.
    fn made(&self, back: u8) -> &Made {
        &self.blocks[self.blocks.len() - 1 - usize::from(back) % self.blocks.len()]
    }

    fn hear(&mut self, script: &mut Script<'_>) {
        let named = self.someone(script);
        let message = self.message(script, named);
        // A proposal comes from the leader that signed it, mostly.
        let from = match &message {
            Message::Proposal(proposal) if script.byte() < 200 => proposal.vote.signer,
            _ => named,
        };
        let (view, floor) = match script.byte() {
            0..=199 => (View::ZERO, View::ZERO),
            _ => (self.view(script), self.view(script)),
        };
        let epoch = Epoch::new(u64::from(script.byte() == u8::MAX));
        self.step(Input::Message { from, envelope: Envelope { epoch, view, floor, message } });
    }

    fn message(&mut self, script: &mut Script<'_>, from: ValidatorIndex) -> Message {
        match script.byte() % 16 {
            0..=2 => Message::Vote(self.vote(script, from)),
            3..=5 => Message::Proposal(Box::new(self.proposal(script))),
            6 | 7 => Message::Certificates(self.certificates(script)),
            8 => Message::Status,
            9 => Message::GetCertificates { from: self.view(script), to: self.view(script) },
            10 => Message::GetBlock { digest: self.digest(script) },
            11 => Message::Block(Box::new(self.block(script))),
            12 => Message::GetRun { above: Height::new(script.near(2)) },
            13 => Message::Run(Box::new(self.run(script))),
            14 => {
                let pieces = (0..script.byte() % 3).filter_map(|_| self.evidence(script)).collect();
                Message::Evidence(List::truncated(pieces))
            }
            _ => {
                let finalization = self.finalization(script);
                let beside = self.certificates::<3>(script);
                Message::Fork(Box::new(ForkProof::V1 { finalization, beside }))
            }
        }
    }

    fn statement(&self, script: &mut Script<'_>) -> Vote {
        let (kind, view, digest) = (script.byte() % 4, self.view(script), self.digest(script));
        let epoch = Epoch::ZERO;
        match kind {
            0 => Vote::Notarize(Notarize { epoch, view, parent_view: View::new(script.near(view.get())), digest }),
            1 => Vote::Nullify(Nullify { epoch, view, report: None }),
            2 => Vote::Nullify(Nullify { epoch, view, report: Some(digest) }),
            _ => Vote::Finalize(Finalize { epoch, view, digest }),
        }
    }

    fn vote(&self, script: &mut Script<'_>, from: ValidatorIndex) -> SignedVote {
        SignedVote { vote: self.statement(script), signer: from, signature: loose_signature() }
    }

    fn proposal(&mut self, script: &mut Script<'_>) -> Proposal {
        let view = self.view(script);
        let block = self.block(script);
        let leader = self.config.committee.set.leader(Epoch::ZERO, view);
        let parent_view = View::new(script.near(view.get().saturating_sub(1)));
        let vote = Vote::Notarize(Notarize { epoch: Epoch::ZERO, view, parent_view, digest: block.header.id() });
        let vote = SignedVote { vote, signer: leader, signature: loose_signature() };
        Proposal { vote, block, justification: self.certificates(script) }
    }

    /// A block that is known, or a new one that is mostly good.
    fn block(&mut self, script: &mut Script<'_>) -> Block {
        let kind = script.byte();
        if kind >= 160 {
            return self.made(script.byte()).block.clone();
        }
        let parent = self.made(script.byte()).clone();
        let made = self.child(&parent, script, kind);
        let block = made.block.clone();
        if self.blocks.len() < BLOCKS_MAX {
            self.blocks.push(made);
        }
        block
    }

    fn child(&self, parent: &Made, script: &mut Script<'_>, kind: u8) -> Made {
        let below = &parent.block.header;
        let mut body = Body::default();
        if kind & 1 == 1 {
            let lane = u32::from(script.byte() % 5);
            let known = parent.cut.iter().find(|tip| tip.lane == lane).map_or(0, |tip| tip.seq);
            body.lanes = List::truncated(vec![tip(lane, script.near(known.saturating_add(1)))]);
        }
        if kind & 2 == 2 {
            let open = parent.below.iter().filter(|summary| summary.height > below.executed_height);
            body.results = List::truncated(open.copied().collect());
        }
        if kind & 4 == 4 {
            body.evidence = List::truncated(self.evidence(script).into_iter().collect());
        }
        let mut cut: Vec<LaneTip> =
            parent.cut.iter().filter(|known| body.lanes.iter().all(|it| it.lane != known.lane)).copied().collect();
        cut.extend(body.lanes.iter());
        cut.sort();
        let mut header = Header {
            height: below.height.next(),
            time: below.time.next(),
            parent: below.id(),
            proposer: self.proposer(script.byte()),
            lanes_root: lanes_root(&cut),
            executed_height: body.results.last().map_or(below.executed_height, |summary| summary.height),
            results_root: body.results_root(),
            evidence_root: body.evidence_root(),
            ..self.genesis.block.header.clone()
        };
        if kind >= 128 {
            self.spoil(&mut header, script);
        }
        let block = Block { header, body };
        let below = parent.below.iter().copied().chain([summary(&block)]).collect();
        Made { block, cut, below }
    }

    /// The leader of the current view, mostly.
    fn proposer(&self, byte: u8) -> ValidatorIndex {
        match byte {
            0..200 => self.core.snapshot().leader,
            _ => ValidatorIndex::new(u16::from(byte) % VALIDATORS),
        }
    }

    fn spoil(&self, header: &mut Header, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => header.height = Height::new(script.near(header.height.get())),
            1 => header.time = TimeMs::new(script.near(self.now.wall.get())),
            2 => header.executed_height = Height::new(script.near(header.executed_height.get())),
            3 => header.parent = self.digest(script),
            4 => header.epoch = Epoch::new(script.near(1)),
            5 => header.proposer = self.someone(script),
            6 => header.lanes_root = Hash::ZERO,
            _ => header.validators = Hash::ZERO,
        }
    }

    fn run(&mut self, script: &mut Script<'_>) -> Run {
        let blocks = match script.flag() {
            true => self.path_to(script.byte(), script.byte()),
            false => (0..script.byte() % 4).map(|_| self.block(script)).collect(),
        };
        let link = (0..script.byte() % 3).map(|_| self.made(script.byte()).block.header.clone()).collect();
        Run { blocks: List::truncated(blocks), link: List::truncated(link), finalization: self.finalization(script) }
    }

    /// The blocks from above a height up to one.
    fn path_to(&self, back: u8, above: u8) -> Vec<Block> {
        let mut path = vec![self.made(back).block.clone()];
        while let Some(parent) = path.last().map(|block| block.header.parent) {
            match self.blocks.iter().find(|made| made.block.header.id() == parent) {
                Some(made) if made.block.header.height.get() > u64::from(above % 8) && path.len() < BLOCKS_MAX => {
                    path.push(made.block.clone());
                }
                _ => break,
            }
        }
        path.reverse();
        path
    }

    fn certificates<const MAX: usize>(&mut self, script: &mut Script<'_>) -> List<Certificate, MAX> {
        List::truncated((0..script.byte() % 4).filter_map(|_| self.certificate(script)).collect())
    }

    /// What the three others sign, and I where the quorum needs everybody.
    fn certificate(&mut self, script: &mut Script<'_>) -> Option<Certificate> {
        let kind = script.byte() % 8;
        if kind >= 5 {
            return Some(Certificate::Finalization(self.finalization(script)));
        }
        let (epoch, view, digest) = (Epoch::ZERO, self.view(script), self.digest(script));
        let committee = &self.config.committee;
        if kind < 2 {
            let vote =
                Notarize { epoch, view, parent_view: View::new(script.near(view.get().saturating_sub(1))), digest };
            return Notarization::of(vote, committee, &others(Vote::Notarize(vote))).map(Certificate::Notarization);
        }
        let reports = script.byte();
        let nullify = |place: u16| {
            let report = (reports >> place & 1 == 1).then_some(digest);
            Vote::Nullify(Nullify { epoch, view, report })
        };
        let votes: Vec<SignedVote> = (0..ME.get()).map(|place| loose(place, nullify(place))).collect();
        Nullification::of(epoch, view, committee, &votes).map(Certificate::Nullification)
    }

    fn finalization(&mut self, script: &mut Script<'_>) -> Finalization {
        let (epoch, view, digest) = (Epoch::ZERO, self.view(script), self.digest(script));
        let vote = Finalize { epoch, view, digest };
        let made = Finalization::slow(vote, &self.config.committee, &others(Vote::Finalize(vote)));
        let mut made = made.expect("three are a quorum of four");
        if script.byte() >= 200 {
            made.finality = Finality::Fast { parent_view: View::new(script.near(view.get().saturating_sub(1))) };
        }
        made
    }

    fn evidence(&self, script: &mut Script<'_>) -> Option<Evidence> {
        let signer = self.someone(script);
        match script.byte() % 4 {
            0 => Some(self.batch_evidence(script)),
            _ => Evidence::of_votes(self.vote(script, signer), self.vote(script, signer)),
        }
    }

    /// Two batches of another validator for one place.
    fn batch_evidence(&self, script: &mut Script<'_>) -> Evidence {
        let (lane, seq) = (u32::from(script.byte()) % u32::from(ME.get()), script.near(3));
        let head = |number: u8| BatchHead { epoch: Epoch::ZERO, lane, seq, digest: leaf_hash(&[number]) };
        let mut pair = [1, 2].map(|number| (head(number), loose_signature()));
        pair.sort();
        Evidence::Batches(pair[0], pair[1])
    }
}

fn loose(place: u16, vote: Vote) -> SignedVote {
    SignedVote { vote, signer: ValidatorIndex::new(place), signature: loose_signature() }
}

/// The same vote of all others.
fn others(vote: Vote) -> Vec<SignedVote> {
    (0..ME.get()).map(|place| loose(place, vote)).collect()
}

/// Certificates of every kind for one view, by as many validators as each needs.
pub(crate) fn signed_by_anybody(committee: &Committee, digest: u8) -> Vec<Certificate> {
    let (epoch, view, parent_view, digest) = (Epoch::ZERO, View::new(7), View::new(6), leaf_hash(&[digest]));
    let notarize = Notarize { epoch, view, parent_view, digest };
    let finalize = Finalize { epoch, view, digest };
    let all = |vote: Vote| -> Vec<SignedVote> {
        let sign = |signer: ValidatorIndex| SignedVote { vote, signer, signature: loose_signature() };
        committee.set.indices().map(sign).collect()
    };
    let report = |number: usize| (number % 2 == 1).then_some(digest);
    let mut reports = all(Vote::Nullify(Nullify { epoch, view, report: None }));
    for (number, vote) in reports.iter_mut().enumerate() {
        vote.vote = Vote::Nullify(Nullify { epoch, view, report: report(number) });
    }
    let notarization = Notarization::of(notarize, committee, &all(Vote::Notarize(notarize)));
    let fast = Finalization::fast(notarize, committee, &all(Vote::Notarize(notarize)));
    let slow = Finalization::slow(finalize, committee, &all(Vote::Finalize(finalize)));
    let nullification = Nullification::of(epoch, view, committee, &reports);
    let finalizations = [fast, slow].into_iter().flatten().map(Certificate::Finalization);
    let others = [notarization.map(Certificate::Notarization), nullification.map(Certificate::Nullification)];
    others.into_iter().flatten().chain(finalizations).collect()
}

/// A Nullification in which the first validator stands twice, with two reports, so that it seems to be a quorum.
pub(crate) fn counted_twice(committee: &Committee) -> Option<Certificate> {
    let (epoch, view, digest) = (Epoch::ZERO, View::new(7), leaf_hash(&[5]));
    let sign = |signer: ValidatorIndex, report: Option<Hash>| SignedVote {
        vote: Vote::Nullify(Nullify { epoch, view, report }),
        signer,
        signature: loose_signature(),
    };
    let enough = usize::from(committee.set.quorums().nullify()).saturating_sub(1);
    let mut votes: Vec<SignedVote> = committee.set.indices().take(enough).map(|signer| sign(signer, None)).collect();
    votes.push(sign(ValidatorIndex::ZERO, Some(digest)));
    Nullification::of(epoch, view, committee, &votes).map(Certificate::Nullification)
}

/// Two batches of a validator for one place.
pub(crate) fn two_batches(lane: u32) -> Option<Evidence> {
    let head = |number: u8| BatchHead { epoch: Epoch::ZERO, lane, seq: 3, digest: leaf_hash(&[number]) };
    let mut pair = [1, 2].map(|number| (head(number), loose_signature()));
    pair.sort();
    Some(Evidence::Batches(pair[0], pair[1]))
}

/// A lane's tip in the model.
fn tip(lane: u32, seq: u64) -> LaneTip {
    LaneTip { lane, seq, tip: leaf_hash(&[&lane.to_le_bytes()[..], &seq.to_le_bytes()].concat()) }
}

/// What the ledger computes: a function of the block.
fn summary(block: &Block) -> Summary {
    Summary {
        height: block.header.height,
        block: block.header.id(),
        state_root: leaf_hash(block.header.id().as_bytes()),
        tx_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        tx_count: 0,
        gas_used: 0,
        vm: 1,
    }
}

/// The others agree view by view, with now and then a view that is given up, a crash, or a slow disk, as inputs.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // A certificate for the newest block in the current view, or in the one before.
    let certificate = |kind: u8, view: u8, last: u8| vec![1, 0, 6, 1, kind, view, 0, last, 0, 0];
    let notarized = |gap: u8| certificate(0, NEAR_SAME, NEAR_SAME - gap);
    let finalized = certificate(5, NEAR_SAME - 1, 0);
    let nullified = |reports: u8| certificate(2, NEAR_SAME, reports);
    // A proposal of the current view: a child of the newest block with a batch of lane 0, so many views above its parent's.
    let propose = |kind: u8, gap: u8| vec![1, 0, 3, NEAR_SAME, kind, 0, 0, NEAR_SAME, 0, NEAR_SAME - gap, 0, 0, 0, 0];
    let view = |kind: u8, gap: u8| [propose(kind, gap), notarized(gap), finalized.clone(), vec![13]].concat();
    let three = |gap: u8| [view(1, gap), view(3, 0), view(1, 0)].concat();
    let connect: Vec<u8> = (0..3).flat_map(|index| [7, index, 1]).collect();
    let work = vec![8, 0, NEAR_SAME, 0, NEAR_SAME];
    // My own view: work, time, the lanes for a block, and much time.
    let led = [work.clone(), vec![0, 255, 0, 10, 1, NEAR_SAME + 5, 0, 255, 0, 0, 255, 255]].concat();
    let chain = [three(0), nullified(0), three(1)].concat();
    let crash = vec![16, 0];
    let seeds = [
        [vec![4], connect.clone(), chain.clone()].concat(),
        [vec![5], connect.clone(), three(0), led.clone(), nullified(0), three(1)].concat(),
        [vec![0], connect.clone(), view(1, 0), crash.clone(), view(1, 0), vec![16, 9], view(3, 0)].concat(),
        [
            vec![13],
            connect.clone(),
            propose(1, 0),
            vec![11, 1],
            notarized(0),
            vec![11, 9],
            crash.clone(),
            finalized.clone(),
        ]
        .concat(),
        [vec![5], connect.clone(), propose(1, 0), nullified(3), propose(1, 1), nullified(0), work, led.clone()]
            .concat(),
        [vec![29], connect, chain, led, crash].concat(),
    ];
    let (committed, sent) = (run(&seeds[0]).committed.len(), run(&seeds[1]).sent.len());
    assert!(committed > 4 && sent > 5, "the first inputs commit {committed} blocks and send {sent} votes");
    seeds.to_vec()
}
