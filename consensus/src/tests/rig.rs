//! A validator on a bench: a core with keys that cost nothing, a disk that answers when it is told to, a data plane
//! with one answer to everything, and a clock that stands still until it is moved.

use std::collections::VecDeque;

use althing_types::{
    BatchHead, Block, Body, Certificate, ChainParams, Committee, DataJudgement, Epoch, Evidence, Finalization,
    Finalize, Hash, Header, Height, LaneSeq, LaneTip, List, Monotonic, Notarization, Notarize, Nullification, Nullify,
    PublicKey, Scheme, Signature, SignedVote, Summary, TimeMs, Validator, ValidatorIndex, ValidatorSet, View, Vote,
    Work, genesis_header, lanes_root, leaf_hash,
};

use crate::{
    Alarm, Anchor, Config, Core, Envelope, Input, Keys, Lsn, Message, Now, Output, Proposal, Recipient, Record,
    RecoverError,
};

/// Δ of the default parameters in microseconds.
pub(super) const DELTA: u64 = 250_000;
/// Where the clock begins.
pub(super) const START: u64 = 1_000_000;
/// Wall time at the start, which is also that of genesis.
const WALL_MS: u64 = 1_760_000_000_000;
/// Which validator stands on the bench unless a test says otherwise: it leads views 4, 8, 12 and so on of four.
pub(super) const ME: u16 = 3;

/// A key whose signature is the key and the hash side by side.
#[derive(Clone, Debug)]
pub(super) struct FreeKeys(PublicKey);

impl Scheme for FreeKeys {
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool {
        free_signature(key, hash) == *signature
    }
}

impl Keys for FreeKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        free_signature(&self.0, hash)
    }
}

fn free_signature(key: &PublicKey, hash: &Hash) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(key.as_bytes());
    bytes[32..].copy_from_slice(hash.as_bytes());
    Signature::new(bytes)
}

fn key_of(number: u16) -> PublicKey {
    let mut seed = [0x5e; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    PublicKey::Ed25519(seed)
}

fn chain() -> Hash {
    leaf_hash(b"bench")
}

/// A committee of so many validators.
pub(super) fn committee(validators: u16) -> Committee {
    let validator = |i| Validator { key: key_of(i), node_key: key_of(10_000 + i) };
    let set = ValidatorSet::new((0..validators).map(validator).collect(), (validators - 1) / 3, false).expect("a set");
    Committee { chain: chain(), epoch: Epoch::ZERO, set }
}

/// A block and the tips of all lanes after it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) block: Block,
    pub(super) cut: Vec<LaneTip>,
}

impl Made {
    /// The block's id.
    pub(super) fn id(&self) -> Hash {
        self.block.header.id()
    }
}

/// A digest that names nothing.
pub(super) fn digest(number: u64) -> Hash {
    leaf_hash(&number.to_le_bytes())
}

/// A lane's tip in the model.
pub(super) fn tip(lane: u32, seq: u64) -> LaneTip {
    LaneTip { lane, seq, tip: digest(seq.wrapping_mul(1_000).wrapping_add(u64::from(lane))) }
}

/// A Notarize.
pub(super) fn notarize(view: u64, parent_view: u64, digest: Hash) -> Vote {
    let (view, parent_view) = (View::new(view), View::new(parent_view));
    Vote::Notarize(Notarize { epoch: Epoch::ZERO, view, parent_view, digest })
}

/// A Nullify.
pub(super) fn nullify(view: u64, report: Option<Hash>) -> Vote {
    Vote::Nullify(Nullify { epoch: Epoch::ZERO, view: View::new(view), report })
}

/// A Finalize.
pub(super) fn finalize(view: u64, digest: Hash) -> Vote {
    Vote::Finalize(Finalize { epoch: Epoch::ZERO, view: View::new(view), digest })
}

/// A vote with its signer's signature.
pub(super) fn signed(signer: u16, vote: Vote) -> SignedVote {
    let signature = free_signature(&key_of(signer), &vote.sign_hash(&chain()));
    SignedVote { vote, signer: ValidatorIndex::new(signer), signature }
}

/// Two batches for one place in a validator's lane, signed by somebody.
pub(super) fn batch_evidence(lane: u16, seq: u64, signer: u16) -> Evidence {
    let head = |number| BatchHead { epoch: Epoch::ZERO, lane: u32::from(lane), seq, digest: digest(number) };
    let mut pair =
        [1, 2].map(|number| (head(number), free_signature(&key_of(signer), &head(number).sign_hash(&chain()))));
    pair.sort();
    Evidence::Batches(pair[0], pair[1])
}

/// A validator on a bench.
#[derive(Clone)]
pub(super) struct Rig {
    pub(super) core: Core,
    pub(super) config: Config,
    pub(super) genesis: Made,
    pub(super) now: Now,
    keys: FreeKeys,
    /// Everything that the log holds, durable or not.
    pub(super) log: Vec<Record>,
    appended: Option<Lsn>,
    /// Whether records stay in the air until [`Rig::sync`].
    pub(super) slow_disk: bool,
    /// What the data plane says at once about every block; nothing if none.
    pub(super) data: Option<DataJudgement>,
}

impl Rig {
    /// One of four, at genesis.
    pub(super) fn new() -> Self {
        Self::of(4, ME)
    }

    /// One of some, at genesis.
    pub(super) fn of(validators: u16, me: u16) -> Self {
        Self::with(validators, me, |_| {})
    }

    /// The last of some with the fast path on, at genesis.
    pub(super) fn fast(validators: u16) -> Self {
        Self::with(validators, validators - 1, |config| {
            let members = config.committee.set.validators().to_vec();
            config.committee.set = ValidatorSet::new(members, (validators - 1) / 3, true).expect("a set");
        })
    }

    /// One of some, with other settings.
    pub(super) fn with(validators: u16, me: u16, change: impl FnOnce(&mut Config)) -> Self {
        let committee = committee(validators);
        let params = ChainParams::DEFAULT;
        let me = ValidatorIndex::new(me);
        let (params, params_hash) = (params.consensus, params.hash());
        let mut config =
            Config { committee, me, guests: 0, opening: None, params, params_hash, log_bytes_max: 8 << 20 };
        change(&mut config);
        let (chain, set) = (config.committee.chain, config.committee.set.hash());
        let header = genesis_header(chain, TimeMs::new(WALL_MS), set, params_hash);
        let genesis = Made { block: Block { header, body: Body::default() }, cut: Vec::new() };
        let anchor = Anchor { header: genesis.block.header.clone(), cut: Vec::new() };
        Self {
            core: Core::new(config.clone(), anchor),
            keys: FreeKeys(key_of(me.get())),
            config,
            genesis,
            now: Now { monotonic: Monotonic::new(START), wall: TimeMs::new(WALL_MS) },
            log: Vec::new(),
            appended: None,
            slow_disk: false,
            data: Some(DataJudgement::Valid),
        }
    }

    /// The same validator after a crash that left it these records; its ledger committed nothing.
    pub(super) fn restarted(&self, records: Vec<Record>) -> Result<Self, RecoverError> {
        let anchor = Anchor { header: self.genesis.block.header.clone(), cut: Vec::new() };
        let core = Core::recover(self.config.clone(), self.genesis.id(), anchor, View::ZERO, records.clone())?;
        Ok(Self { core, log: records, appended: None, ..self.clone() })
    }

    /// How signatures are checked.
    pub(super) const fn scheme(&self) -> &FreeKeys {
        &self.keys
    }

    // ---- inputs ----

    /// Gives the core an input; the disk and the data plane answer at once unless they are told not to.
    pub(super) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut all = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut out = Vec::new();
            self.core.step(&self.keys, self.now, input, &mut out);
            for output in &out {
                self.carry_out(output, &mut inputs);
            }
            if let Some(lsn) = self.appended.take_if(|_| !self.slow_disk) {
                inputs.push_back(Input::Durable(lsn));
            }
            all.extend(out);
        }
        all
    }

    fn carry_out(&mut self, output: &Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Append { lsn, record } => {
                self.log.push(record.clone());
                self.appended = Some(*lsn);
            }
            Output::Compact { lsn, records } => {
                self.log = records.clone();
                self.appended = Some(*lsn);
            }
            Output::Check { digest, .. } => {
                let digest = *digest;
                inputs.extend(self.data.map(|judgement| Input::Checked { digest, judgement }));
            }
            _ => {}
        }
    }

    /// The slow disk makes everything durable.
    pub(super) fn sync(&mut self) -> Vec<Output> {
        self.appended.take().map(|lsn| self.step(Input::Durable(lsn))).unwrap_or_default()
    }

    /// A message arrives from a peer that hints at nothing.
    pub(super) fn hear(&mut self, from: u16, message: Message) -> Vec<Output> {
        self.hear_with(from, 0, 0, message)
    }

    /// A message arrives from a peer that announces a view and a floor.
    pub(super) fn hear_with(&mut self, from: u16, view: u64, floor: u64, message: Message) -> Vec<Output> {
        let envelope = Envelope { epoch: Epoch::ZERO, view: View::new(view), floor: View::new(floor), message };
        self.step(Input::Message { from: ValidatorIndex::new(from), envelope })
    }

    /// A vote arrives from its signer.
    pub(super) fn hear_vote(&mut self, from: u16, vote: Vote) -> Vec<Output> {
        self.hear(from, Message::Vote(signed(from, vote)))
    }

    /// Certificates arrive from validator 0, or 1 where that is me.
    pub(super) fn hear_certificates(&mut self, certificates: Vec<Certificate>) -> Vec<Output> {
        let from = u16::from(self.config.me == ValidatorIndex::ZERO);
        self.hear(from, Message::Certificates(List::truncated(certificates)))
    }

    /// A proposal arrives from the leader of its view.
    pub(super) fn hear_proposal(
        &mut self,
        view: u64,
        parent_view: u64,
        made: &Made,
        justification: Vec<Certificate>,
    ) -> Vec<Output> {
        let leader = self.core.leader(View::new(view)).get();
        let proposal = proposal(leader, view, parent_view, &made.block, justification);
        self.hear(leader, Message::Proposal(Box::new(proposal)))
    }

    /// Every other validator becomes reachable.
    pub(super) fn connect_all(&mut self) -> Vec<Output> {
        let others: Vec<ValidatorIndex> =
            self.config.committee.set.indices().filter(|index| *index != self.config.me).collect();
        others.into_iter().flat_map(|index| self.step(Input::Peer { index, connected: true })).collect()
    }

    /// The data plane tells of a batch: for leaders, for timers, or both.
    pub(super) fn work(&mut self, lead: &[(u32, u64)], timer: &[(u32, u64)]) -> Vec<Output> {
        let lanes = |of: &[(u32, u64)]| of.iter().map(|(lane, seq)| LaneSeq { lane: *lane, seq: *seq }).collect();
        self.step(Input::Work(Work { lead: lanes(lead), timer: lanes(timer) }))
    }

    /// The ledger commits a block; its result depends on the block alone.
    pub(super) fn execute(&mut self, block: &Block) -> Vec<Output> {
        self.step(Input::Executed(summary(block)))
    }

    /// Moves the clock and wakes the core up.
    pub(super) fn advance(&mut self, us: u64) -> Vec<Output> {
        self.now.monotonic = self.now.monotonic.plus(us);
        self.now.wall = TimeMs::new(WALL_MS + (self.now.monotonic.get() - START) / 1_000);
        self.step(Input::Tick)
    }

    /// Lets time pass, waking the core up whenever it asks for it; what it did, and how many microseconds after the
    /// start of the bench.
    pub(super) fn pass(&mut self, us: u64) -> Vec<(u64, Output)> {
        let until = self.now.monotonic.plus(us);
        let mut all = Vec::new();
        loop {
            let next = self.core.deadline().filter(|at| *at <= until);
            let at = next.unwrap_or(until);
            let out = self.advance(at.above(self.now.monotonic));
            all.extend(out.into_iter().map(|output| (at.get() - START, output)));
            if next.is_none() {
                return all;
            }
        }
    }

    // ---- what others make ----

    /// A block above a parent that advances lanes and carries nothing.
    pub(super) fn block(&self, parent: &Made, proposer: u16, lanes: &[(u32, u64)]) -> Made {
        let lanes = List::truncated(lanes.iter().map(|(lane, seq)| tip(*lane, *seq)).collect());
        self.block_of(parent, proposer, Body { lanes, ..Body::default() }, |_| {})
    }

    /// A block above a parent with a body, and a header that is changed last.
    pub(super) fn block_of(&self, parent: &Made, proposer: u16, body: Body, change: impl FnOnce(&mut Header)) -> Made {
        let below = &parent.block.header;
        let mut cut: Vec<LaneTip> =
            parent.cut.iter().filter(|known| body.lanes.iter().all(|it| it.lane != known.lane)).copied().collect();
        cut.extend(body.lanes.iter());
        cut.sort();
        let mut header = Header {
            height: below.height.next(),
            time: below.time.next(),
            parent: parent.id(),
            proposer: ValidatorIndex::new(proposer),
            lanes_root: lanes_root(&cut),
            executed_height: body.results.last().map_or(below.executed_height, |summary| summary.height),
            results_root: body.results_root(),
            evidence_root: body.evidence_root(),
            ..self.genesis.block.header.clone()
        };
        change(&mut header);
        Made { block: Block { header, body }, cut }
    }

    /// A chain of blocks above genesis, each with a batch of lane 0 as long as rule X2 allows it.
    pub(super) fn blocks(&self, count: u64) -> Vec<Made> {
        let mut blocks: Vec<Made> = Vec::new();
        for seq in 1..=count {
            let parent = blocks.last().unwrap_or(&self.genesis);
            let lanes: &[(u32, u64)] = if seq <= 32 { &[(0, seq)] } else { &[] };
            blocks.push(self.block(parent, ((seq - 1) % 4) as u16, lanes));
        }
        blocks
    }

    fn voters(&self) -> impl Iterator<Item = u16> {
        let me = self.config.me;
        let others = self.config.committee.set.indices().filter(move |index| *index != me);
        others.chain([me]).map(ValidatorIndex::get)
    }

    fn votes(&self, count: u16, vote: Vote) -> Vec<SignedVote> {
        let mut voters: Vec<u16> = self.voters().take(usize::from(count)).collect();
        voters.sort_unstable();
        voters.into_iter().map(|voter| signed(voter, vote)).collect()
    }

    /// A Notarization by others, with my signature only where it needs everybody's.
    pub(super) fn notarization(&self, view: u64, parent_view: u64, digest: Hash) -> Certificate {
        let Vote::Notarize(vote) = notarize(view, parent_view, digest) else { unreachable!("as made") };
        let votes = self.votes(self.config.quorums().notarize(), Vote::Notarize(vote));
        let made = Notarization::of(vote, &self.config.committee, &votes);
        Certificate::Notarization(made.expect("a quorum"))
    }

    /// A Nullification by others that reports nothing.
    pub(super) fn skip(&self, view: u64) -> Certificate {
        let votes = self.votes(self.config.quorums().nullify(), nullify(view, None));
        let made = Nullification::of(Epoch::ZERO, View::new(view), &self.config.committee, &votes);
        Certificate::Nullification(made.expect("a quorum"))
    }

    /// A Finalization by others.
    pub(super) fn finalization(&self, view: u64, digest: Hash) -> Certificate {
        Certificate::Finalization(self.bare_finalization(view, digest))
    }

    /// A Finalization by others, as it travels with a run.
    pub(super) fn bare_finalization(&self, view: u64, digest: Hash) -> Finalization {
        let Vote::Finalize(vote) = finalize(view, digest) else { unreachable!("as made") };
        let votes = self.votes(self.config.quorums().notarize(), Vote::Finalize(vote));
        Finalization::slow(vote, &self.config.committee, &votes).expect("a quorum")
    }

    /// Others make a child of a block final in a view: proposal, Notarization, Finalization.
    pub(super) fn others_finalize(&mut self, view: u64, parent_view: u64, made: &Made) -> Vec<Output> {
        let mut out = self.hear_proposal(view, parent_view, made, Vec::new());
        let certificates = vec![self.notarization(view, parent_view, made.id()), self.finalization(view, made.id())];
        out.extend(self.hear_certificates(certificates));
        out
    }

    /// Skips of all these views.
    pub(super) fn skips(&self, views: std::ops::RangeInclusive<u64>) -> Vec<Certificate> {
        views.map(|view| self.skip(view)).collect()
    }
}

/// A proposal of a validator.
pub(super) fn proposal(
    from: u16,
    view: u64,
    parent_view: u64,
    block: &Block,
    justification: Vec<Certificate>,
) -> Proposal {
    let vote = signed(from, notarize(view, parent_view, block.header.id()));
    Proposal { vote, block: block.clone(), justification: List::truncated(justification) }
}

/// What the ledger computes: a function of the block.
pub(super) fn summary(block: &Block) -> Summary {
    Summary {
        height: block.header.height,
        block: block.header.id(),
        state_root: leaf_hash(block.header.id().as_bytes()),
        tx_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        tx_count: u32::try_from(block.body.lanes.len()).expect("few lanes"),
        gas_used: 0,
        vm: 1,
    }
}

// ---- what came out ----

/// The votes that left for everybody.
pub(super) fn votes_sent(out: &[Output]) -> Vec<Vote> {
    let all = out.iter().filter_map(|output| match output {
        Output::Send { to: Recipient::All, envelope } => Some(&envelope.message),
        _ => None,
    });
    all.filter_map(|message| match message {
        Message::Vote(vote) => Some(vote.vote),
        Message::Proposal(proposal) => Some(proposal.vote.vote),
        _ => None,
    })
    .collect()
}

/// The votes that left for everybody, with the moment.
pub(super) fn votes_timed(out: &[(u64, Output)]) -> Vec<(u64, Vote)> {
    out.iter()
        .flat_map(|(at, output)| votes_sent(std::slice::from_ref(output)).into_iter().map(|vote| (*at, vote)))
        .collect()
}

/// The votes that went to the log.
pub(super) fn votes_logged(out: &[Output]) -> Vec<Vote> {
    out.iter()
        .filter_map(|output| match output {
            Output::Append { record: Record::Vote(vote), .. } => Some(vote.vote),
            _ => None,
        })
        .collect()
}

/// The proposals that left.
pub(super) fn proposals_sent(out: &[Output]) -> Vec<Proposal> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send { envelope: Envelope { message: Message::Proposal(proposal), .. }, .. } => {
                Some((**proposal).clone())
            }
            _ => None,
        })
        .collect()
}

/// What was said to single peers.
pub(super) fn said(out: &[Output]) -> Vec<(u16, Message)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send { to: Recipient::One(to), envelope } => Some((to.get(), envelope.message.clone())),
            _ => None,
        })
        .collect()
}

/// The questions among what was said.
pub(super) fn asked(out: &[Output]) -> Vec<Message> {
    let is_question = |message: &Message| {
        matches!(message, Message::GetBlock { .. } | Message::GetCertificates { .. } | Message::GetRun { .. })
    };
    said(out).into_iter().map(|(_, message)| message).filter(is_question).collect()
}

/// Heights that became final.
pub(super) fn heights(out: &[Output]) -> Vec<u64> {
    out.iter()
        .filter_map(|output| match output {
            Output::Finalized { block, .. } => Some(block.header.height.get()),
            _ => None,
        })
        .collect()
}

/// Alarms.
pub(super) fn alarms(out: &[Output]) -> Vec<Alarm> {
    out.iter()
        .filter_map(|output| match output {
            Output::Alarm(alarm) => Some(alarm.clone()),
            _ => None,
        })
        .collect()
}

/// Whether somebody was said to have misbehaved.
pub(super) fn blamed(out: &[Output]) -> bool {
    alarms(out).iter().any(|alarm| matches!(alarm, Alarm::Misbehaved { .. }))
}

/// Evidence.
pub(super) fn evidence(out: &[Output]) -> Vec<Evidence> {
    out.iter()
        .filter_map(|output| match output {
            Output::Evidence(evidence) => Some(*evidence),
            _ => None,
        })
        .collect()
}

/// The core's view and floor.
pub(super) fn place(rig: &Rig) -> (u64, u64) {
    let snapshot = rig.core.snapshot();
    (snapshot.view.get(), snapshot.floor.get())
}

/// The height of the last block that was handed over.
pub(super) fn height(rig: &Rig) -> Height {
    rig.core.snapshot().height
}
