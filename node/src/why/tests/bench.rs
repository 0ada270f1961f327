//! Validators on a bench: real replicas whose messages, disks, ledgers and clocks a test holds in its hands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use althing_consensus::{Now, Record};
use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_mempool::{Candidate, check_batch};
use althing_network::{Address as PeerAddress, PeerState, PeerStatus, Role, Trouble};
use althing_types::{
    Action as Act, Address, AssetId, AuthPolicy, AuthProof, Block, Bytes, Ed25519, Hash, Height, LaneTip, List,
    Monotonic, PublicKey, Replay, Scheme, SecretKey, Signature, SignedBatch, SignedTransaction, Summary, TimeMs,
    TransactionBody, ValidatorIndex, View, leaf_hash,
};

use crate::replica::{Action, Config, Contact, Event, Found, Message, Outcome, Replica};
use crate::why::{Chain, Disks, Facts, Head, Member, Place, Pulse, Validator, has_work};

const WALL_MS: u64 = 1_760_000_000_000;
const SEED: &str = "why";
/// How long a message is on its way.
const DELAY_US: u64 = 1_000;
const SECOND_US: u64 = 1_000_000;

struct Keys(SecretKey);

impl Scheme for Keys {
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool {
        Ed25519.verify(key, hash, signature)
    }
}

impl althing_consensus::Keys for Keys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.0.sign(hash)
    }
}

impl althing_mempool::Signer for Keys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.0.sign(hash)
    }
}

/// One validator, and what a test may do to it.
pub(super) struct Node {
    keys: Keys,
    replica: Replica,
    votes: Vec<Record>,
    batches: Vec<Arc<SignedBatch>>,
    blocks: Vec<(Block, Vec<LaneTip>, Summary)>,
    pulse: Pulse,
    events: VecDeque<Event>,
    /// It stands still: it takes nothing in, and the others do not know.
    pub(super) is_frozen: bool,
    /// Its log of votes is never synced.
    pub(super) never_syncs: bool,
    /// Its ledger executes nothing.
    pub(super) never_executes: bool,
    /// Its ledger computes something else.
    pub(super) miscomputes: bool,
    /// How far its clock is ahead.
    pub(super) clock_ms: u64,
}

/// The validators.
pub(super) struct Bench {
    pub(super) genesis: Genesis,
    pub(super) nodes: Vec<Node>,
    micros: u64,
    noted: u64,
    mail: VecDeque<(usize, usize, Message)>,
    /// Pairs that are cut off from each other, the lower first.
    cut: BTreeSet<(usize, usize)>,
    /// Which messages do not arrive.
    pub(super) is_lost: fn(usize, &Message) -> bool,
    /// What a network says of peers, where it is not what the bench makes of it.
    pub(super) seen: BTreeMap<usize, PeerState>,
}

impl Bench {
    /// So many validators, all connected, with nothing to do.
    pub(super) fn new(validators: u16) -> Self {
        let network = DevNetwork {
            chain_id: "why".to_owned(),
            seed: SEED.to_owned(),
            validators,
            observers: 0,
            accounts: 2,
            p2p_base_port: 26_700,
            time: TimeMs::new(WALL_MS),
        };
        let genesis = network.build().expect("valid");
        let secrets: Vec<SecretKey> =
            (0..u32::from(validators)).map(|number| dev_key(SEED, DevRole::Validator, number)).collect();
        let key_of = |index: ValidatorIndex| {
            let mut secrets = secrets.iter();
            let is_it = |secret: &&SecretKey| genesis.validator_set().index_of(&secret.public_key()) == Some(index);
            secrets.find(is_it).expect("it is there").clone()
        };
        let indices: Vec<ValidatorIndex> = genesis.validator_set().indices().collect();
        let nodes = indices.iter().map(|index| Node::new(&genesis, *index, key_of(*index))).collect();
        let mut bench = Self {
            genesis,
            nodes,
            micros: SECOND_US,
            noted: 0,
            mail: VecDeque::new(),
            cut: BTreeSet::new(),
            is_lost: |_, _| false,
            seen: BTreeMap::new(),
        };
        for (from, to) in bench.pairs() {
            bench.tell_of_link(from, to, true);
        }
        bench.run(1_000);
        bench
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let all = 0..self.nodes.len();
        all.clone().flat_map(|from| all.clone().map(move |to| (from, to))).filter(|(from, to)| from < to).collect()
    }

    fn tell_of_link(&mut self, a: usize, b: usize, connected: bool) {
        for (at, other) in [(a, b), (b, a)] {
            let contact = Contact::new(u16::try_from(other).expect("few"));
            self.nodes[at].events.push_back(Event::Peer { contact, connected });
        }
    }

    /// Cuts a validator off from all others.
    pub(super) fn cut_off(&mut self, node: usize) {
        for (a, b) in self.pairs() {
            if (a == node || b == node) && self.cut.insert((a, b)) {
                self.tell_of_link(a, b, false);
            }
        }
    }

    /// Connects all again.
    pub(super) fn heal(&mut self) {
        for (a, b) in std::mem::take(&mut self.cut) {
            self.tell_of_link(a, b, true);
        }
    }

    /// The process of a validator starts again with what is on its disks, but for its batches.
    pub(super) fn restart_without_batches(&mut self, node: usize) {
        let index = ValidatorIndex::new(u16::try_from(node).expect("few"));
        let here = &mut self.nodes[node];
        here.batches.clear();
        here.replica = Replica::start(config(&self.genesis, index), here.found(&self.genesis)).expect("it starts");
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.tell_of_link(node, other, false);
            self.tell_of_link(node, other, true);
        }
    }

    /// Submits a transfer to a validator.
    pub(super) fn submit(&mut self, node: usize, salt: u64) {
        let valid_until = TimeMs::new(self.wall_ms() + self.nodes[node].clock_ms + 500_000);
        self.submit_with(node, Replay::Expiring { valid_until, salt });
    }

    /// Submits a transfer with a sequence number of its own.
    pub(super) fn submit_with(&mut self, node: usize, replay: Replay) {
        let key = dev_key(SEED, DevRole::Account, 0);
        let policy = AuthPolicy::Key(key.public_key());
        let body = TransactionBody {
            chain: self.genesis.hash(),
            sender: Address::of_policy(&policy),
            replay,
            gas_limit: 100_000,
            sponsor: None,
            action: Act::Transfer {
                asset: AssetId::of_genesis(&self.genesis.first_asset().expect("one").symbol),
                to: Address::new([1; 32]),
                amount: 1,
            },
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
        let auth = AuthProof { who: body.sender, reveal: Some(policy), sigs };
        let transaction = SignedTransaction::V1 { body, auth: List::truncated(vec![auth]) };
        let candidate = Candidate::new(transaction.verify().expect("well signed"), 0);
        self.nodes[node].events.push_back(Event::Submit(candidate));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.micros + ms * 1_000;
        while self.micros < end {
            self.deliver();
            for node in 0..self.nodes.len() {
                self.step(node);
            }
            let busy =
                !self.mail.is_empty() || self.nodes.iter().any(|node| !node.is_frozen && !node.events.is_empty());
            let awake = self.nodes.iter().filter(|node| !node.is_frozen);
            let next = awake.filter_map(|node| node.replica.deadline()).map(Monotonic::get).min();
            let at = if busy { self.micros + DELAY_US } else { next.unwrap_or(end).max(self.micros + DELAY_US) };
            self.micros = at.min(end).min(self.noted + SECOND_US).max(self.micros + 1);
            self.note();
        }
    }

    /// Lets time pass until something holds, at most for so many seconds.
    pub(super) fn run_until(&mut self, seconds: u64, holds: impl Fn(&Self) -> bool) {
        for _ in 0..seconds * 10 {
            if holds(self) {
                return;
            }
            self.run(100);
        }
        panic!("it does not come to that in {seconds} s");
    }

    fn note(&mut self) {
        if self.micros < self.noted + SECOND_US {
            return;
        }
        self.noted = self.micros;
        let now = Monotonic::new(self.micros);
        for node in &mut self.nodes {
            let (consensus, mempool) = (node.replica.consensus(), node.replica.mempool());
            node.pulse.note(now, node.height(), consensus.reported, has_work(&consensus, &mempool));
        }
    }

    fn deliver(&mut self) {
        for (from, to, message) in std::mem::take(&mut self.mail) {
            let link = (from.min(to), from.max(to));
            if self.cut.contains(&link) || self.nodes[to].is_frozen || (self.is_lost)(from, &message) {
                continue;
            }
            let from = Contact::new(u16::try_from(from).expect("few"));
            self.nodes[to].events.push_back(match message {
                Message::Consensus(envelope) => Event::Consensus { from, envelope },
                Message::Data(message) => Event::Data { from, message },
            });
        }
    }

    fn step(&mut self, node: usize) {
        if self.nodes[node].is_frozen {
            return;
        }
        let now = self.now(node);
        let is_due = self.nodes[node].replica.deadline().is_some_and(|at| at <= now.monotonic);
        if is_due || self.nodes[node].pulse == Pulse::default() {
            self.nodes[node].events.push_back(Event::Tick);
        }
        while let Some(event) = self.nodes[node].events.pop_front() {
            let mut actions = Vec::new();
            let here = &mut self.nodes[node];
            here.replica.step(&here.keys, now, event, &mut actions);
            for action in actions {
                self.carry_out(node, action);
            }
        }
    }

    fn carry_out(&mut self, node: usize, action: Action) {
        let here = &mut self.nodes[node];
        match action {
            Action::AppendVote { lsn, record } => {
                here.votes.push(*record);
                here.events.extend((!here.never_syncs).then_some(Event::VotesDurable(lsn)));
            }
            Action::CompactVotes { lsn, records } => {
                here.votes = records;
                here.events.extend((!here.never_syncs).then_some(Event::VotesDurable(lsn)));
            }
            Action::AppendBatch { lsn, batch } => {
                here.batches.push(batch);
                here.events.push_back(Event::BatchesDurable(lsn));
            }
            Action::CompactBatches { lsn, batches } => {
                here.batches = batches;
                here.events.push_back(Event::BatchesDurable(lsn));
            }
            Action::CheckBatch { from, batch, committee } => {
                let limits = self.genesis.params().limits;
                let checked = check_batch(batch.0, &committee, &limits, &Ed25519);
                here.events.push_back(Event::Batch { from, checked });
            }
            Action::Execute { block, batches, .. } if !here.never_executes => {
                let ids = batches.iter().flat_map(|batch| batch.ids().to_vec()).collect();
                let outcome = here.execute(*block, ids);
                here.events.push_back(Event::Committed(Box::new(outcome)));
            }
            Action::Send { to, message } => {
                self.mail.extend(to.into_iter().map(|to| (node, to.to_usize(), message.clone())));
            }
            // Nobody serves the past here: who lacks it goes on lacking it.
            Action::Execute { .. }
            | Action::ServeBlocks { .. }
            | Action::ServeEnd { .. }
            | Action::ServeBatches { .. }
            | Action::Note(_) => {}
        }
    }

    fn wall_ms(&self) -> u64 {
        WALL_MS + self.micros / 1_000
    }

    fn now(&self, node: usize) -> Now {
        let wall = TimeMs::new(self.wall_ms() + self.nodes[node].clock_ms);
        Now { monotonic: Monotonic::new(self.micros), wall }
    }

    /// The name of a validator.
    pub(super) fn name(&self, node: usize) -> String {
        self.genesis.validators()[node].name.clone()
    }

    /// What a validator's window would judge by.
    pub(super) fn facts(&self, node: usize) -> Facts {
        let here = &self.nodes[node];
        let me = ValidatorIndex::new(u16::try_from(node).expect("few"));
        let validator = Validator { me, consensus: here.replica.consensus(), mempool: here.replica.mempool() };
        let time = here.blocks.last().map_or(TimeMs::new(WALL_MS), |(block, _, _)| block.header.time);
        Facts {
            now: self.now(node),
            name: self.name(node),
            chain: chain(&self.genesis),
            peers: (0..self.nodes.len()).filter(|other| *other != node).map(|other| self.peer(node, other)).collect(),
            head: Head { height: here.height(), time },
            pulse: here.pulse.clone(),
            disks: Disks { votes_bytes: 0, batches_bytes: 0, log_bytes_max: 1 << 30, free_bytes: Some(1 << 40) },
            place: Place::Validator(Some(Box::new(validator))),
        }
    }

    fn peer(&self, node: usize, other: usize) -> PeerStatus {
        let entry = &self.genesis.validators()[other];
        let is_cut = self.cut.contains(&(node.min(other), node.max(other)));
        let connected = PeerState::Connected {
            for_: Duration::from_secs(60),
            remote: "127.0.0.1:1".to_owned(),
            agent: "althing/0".to_owned(),
        };
        let state = if is_cut { unreachable_for(60, true, Trouble::NoAnswer) } else { connected };
        PeerStatus {
            key: entry.node_key,
            name: entry.name.clone(),
            role: Role::Validator,
            address: Some(PeerAddress {
                host: "192.0.2.7".to_owned(),
                port: 26_700 + u16::try_from(other).expect("few"),
            }),
            state: self.seen.get(&other).cloned().unwrap_or(state),
            bytes_in: 0,
            bytes_out: 0,
            frames_dropped: 0,
            round_trip: None,
        }
    }
}

impl Node {
    fn new(genesis: &Genesis, index: ValidatorIndex, key: SecretKey) -> Self {
        let found = Found {
            header: genesis.header(),
            cut: Vec::new(),
            view: View::ZERO,
            summaries: Vec::new(),
            accused: Vec::new(),
            change: None,
            votes: Vec::new(),
            batches: Vec::new(),
        };
        Self {
            keys: Keys(key),
            replica: Replica::start(config(genesis, index), found).expect("it is new"),
            votes: Vec::new(),
            batches: Vec::new(),
            blocks: Vec::new(),
            pulse: Pulse::default(),
            events: VecDeque::new(),
            is_frozen: false,
            never_syncs: false,
            never_executes: false,
            miscomputes: false,
            clock_ms: 0,
        }
    }

    /// The last height that its ledger has.
    pub(super) fn height(&self) -> Height {
        self.blocks.last().map_or(Height::ZERO, |(block, _, _)| block.header.height)
    }

    fn execute(&mut self, block: Block, ids: Vec<Hash>) -> Outcome {
        let empty = Vec::new();
        let cut = block.cut_above(self.blocks.last().map_or(&empty, |(_, cut, _)| cut)).expect("it extends the last");
        let root = block.header.height.get() + if self.miscomputes { 1_000 } else { 0 };
        let summary = Summary {
            height: block.header.height,
            block: block.header.id(),
            state_root: leaf_hash(&root.to_le_bytes()),
            tx_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            tx_count: u32::try_from(ids.len()).expect("few"),
            gas_used: 0,
            vm: 1,
        };
        self.blocks.push((block, cut.clone(), summary));
        Outcome { summary, cut, decided: ids, sequences: Vec::new(), change: None }
    }

    fn found(&self, genesis: &Genesis) -> Found {
        let last = self.blocks.last().map(|(block, cut, _)| (block.header.clone(), cut.clone()));
        let (header, cut) = last.unwrap_or_else(|| (genesis.header(), Vec::new()));
        let carried = header.executed_height;
        let summaries = self.blocks.iter().map(|(_, _, summary)| *summary).filter(|it| it.height > carried).collect();
        let (votes, batches) = (self.votes.clone(), self.batches.clone());
        Found { header, cut, view: View::ZERO, summaries, accused: Vec::new(), change: None, votes, batches }
    }
}

/// A peer without a connection.
pub(super) fn unreachable_for(seconds: u64, was_connected: bool, trouble: Trouble) -> PeerState {
    PeerState::Unreachable {
        for_: Duration::from_secs(seconds),
        attempts: 3,
        was_connected,
        trouble,
        why: "Connection refused".to_owned(),
        next_try_in: None,
    }
}

fn config(genesis: &Genesis, me: ValidatorIndex) -> Config {
    Config::at_genesis(genesis.committee(), me, *genesis.params(), genesis.header())
}

fn chain(genesis: &Genesis) -> Chain {
    let params = genesis.params().consensus;
    let member = |index: usize| {
        let entry = &genesis.validators()[index];
        Member { name: entry.name.clone(), node_key: entry.node_key }
    };
    Chain {
        genesis: genesis.hash(),
        validators: (0..genesis.validators().len()).map(member).collect(),
        quorums: genesis.validator_set().quorums(),
        delta_ms: params.delta_ms,
        clock_skew_ms: params.max_clock_skew_ms,
        k: params.k,
    }
}
