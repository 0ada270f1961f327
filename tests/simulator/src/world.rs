//! The simulated world: validators, the network between them, their clocks and disks, and what befalls them.

mod misfortune;
mod network;
mod phases;
#[cfg(test)]
mod scenes;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_consensus::{Envelope, Now};
use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_mempool::{CheckedBatch, Range, RejectedBatch, SharedBatch};
use althing_replica::wire::{Class, Frame};
use althing_replica::{Contact, Event as ReplicaEvent, LogLimits, Message, Outcome as ReplicaOutcome};
use althing_types::{AssetId, Committee, Epoch, Hash, Height, Monotonic, SecretKey, Signature, TimeMs};

use super::checker::Checker;
use super::clients::{ACCOUNTS, Clients, Submission};
use super::epochs::Epochs;
use super::keys::SimulatedKeys;
use super::node::Node;
use super::options::Options;
use super::random::Random;

/// Wall time at the start.
const START_MS: u64 = 1_760_000_000_000;
/// Events in a run at most: more is a network that spins.
const EVENTS_MAX: u64 = 2_000_000;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    /// Something happens to a replica in this life.
    Replica { place: usize, life: u64, event: Box<ReplicaEvent> },
    /// A message arrives.
    Deliver { from: usize, to: usize, session: u64, class: Class, bytes: Frame },
    /// A sync of the log of votes ends.
    VotesSynced { place: usize, life: u64 },
    /// A sync of the log of batches ends.
    BatchesSynced { place: usize, life: u64 },
    /// A validator wakes up.
    Wake { place: usize, life: u64 },
    /// A validator notices whether another can be reached.
    Notice { place: usize, life: u64, contact: Contact },
    /// The ledger commits a block.
    Commit { place: usize, life: u64 },
    /// The ledger tells what came of a block.
    Told { place: usize, life: u64, outcome: Box<ReplicaOutcome> },
    /// A batch has been checked.
    Checked { place: usize, life: u64, from: Contact, batch: SharedBatch, committee: Arc<Committee> },
    /// Blocks are read from the ledger for a peer.
    ServeBlocks { place: usize, life: u64, to: Contact, above: Height, hints: Box<Envelope> },
    /// Batches are read from the ledger for a peer.
    ServeBatches { place: usize, life: u64, to: Contact, epoch: Epoch, range: Range },
    /// What ended an epoch is read from the ledger for a peer.
    ServeEnd { place: usize, life: u64, to: Contact, epoch: Epoch, hints: Box<Envelope> },
    /// Clients send transactions.
    Clients,
    /// A transaction arrives at a validator.
    Arrive { place: usize, submission: Box<Submission> },
    /// Somebody crashes.
    Crash,
    /// A validator comes back.
    Restart { place: usize },
    /// A Byzantine validator speaks by itself.
    Speak { place: usize, life: u64 },
    /// The clock of a validator jumps.
    Jump,
    /// A round of a script begins.
    Round { number: usize },
    /// The network is cut somewhere.
    Cut,
    /// The cut is mended.
    Mend,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What a checker saw first.
    pub failure: Option<String>,
    /// A hash over everything that happened: the same seed gives the same.
    pub trace: u64,
    /// Events.
    pub events: u64,
    /// Final blocks.
    pub blocks: u64,
    /// Transactions that were executed.
    pub transactions: u64,
    /// Transactions that were accepted.
    pub accepted: u64,
    /// Crashes.
    pub crashes: u64,
    /// Disks that were lost, as a whole or in part.
    pub losses: u64,
    /// The highest view.
    pub views: u64,
    /// Epochs that ended.
    pub epochs: u64,
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
    /// Pieces of evidence that were found.
    pub evidence: u64,
    /// Final blocks whose certificate holds notarize votes (the fast path).
    pub fast: u64,
    /// How long it took to make progress after the faults, in milliseconds.
    pub recovery_ms: u64,
    /// The longest queue of blocks that waited for execution.
    pub queue_max: u64,
}

impl Outcome {
    /// Adds another run's; of the last two the larger counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.blocks += other.blocks;
        self.transactions += other.transactions;
        self.accepted += other.accepted;
        self.crashes += other.crashes;
        self.losses += other.losses;
        self.views = self.views.saturating_add(other.views);
        self.epochs += other.epochs;
        self.simulated_ms += other.simulated_ms;
        self.evidence += other.evidence;
        self.fast += other.fast;
        self.recovery_ms = self.recovery_ms.max(other.recovery_ms);
        self.queue_max = self.queue_max.max(other.queue_max);
    }
}

/// Whether a message from one place to another is lost.
pub(crate) type Loses = fn(usize, usize, &Message) -> bool;

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
    genesis: Genesis,
    epochs: Arc<Epochs>,
    clients: Clients,
    pub(crate) time: u64,
    counter: u64,
    events: BTreeMap<(u64, u64), Event>,
    /// Directed pairs of places between which nothing passes.
    blocked: BTreeSet<(usize, usize)>,
    /// Which twin each place listens to.
    sides: Vec<bool>,
    /// Which messages from one place to another a named case loses.
    loses: Option<Loses>,
    /// The sides of the present round of a script, a bit for each place.
    round: Option<u32>,
    /// How often the connection between two places, the lower first, was lost.
    sessions: BTreeMap<(usize, usize), u64>,
    /// What each place was told of each validator: whether it is connected, and in which session.
    told: BTreeMap<(usize, Contact), (bool, u64)>,
    /// When the last frame arrives on each stream.
    arrivals: BTreeMap<(usize, usize, Class), u64>,
    /// What checking a batch came to: it is a pure function, and everybody checks every batch.
    verdicts: BTreeMap<(Hash, Signature), Result<CheckedBatch, RejectedBatch>>,
    pub(crate) checker: Checker,
    pub(crate) outcome: Outcome,
    phase: Phase,
    /// When somebody last sent or wrote something.
    last_activity: u64,
    /// Writes and messages so far.
    pub(crate) activity: u64,
    /// Steps of replicas so far.
    pub(crate) steps: u64,
}

impl World {
    /// A world that has just begun.
    pub(crate) fn new(options: Options) -> Self {
        let mut random = Random::new(options.seed.wrapping_mul(0x9e37).wrapping_add(7));
        let n = options.validators;
        let network = DevNetwork {
            chain_id: "simulation".to_owned(),
            seed: "simulation".to_owned(),
            validators: n,
            accounts: ACCOUNTS,
            observers: 0,
            p2p_base_port: 26_700,
            time: TimeMs::new(START_MS),
        };
        let genesis = genesis(&network, &options);
        let asset = AssetId::of_genesis(&genesis.first_asset().expect("there is one").symbol);
        let clients = Clients::new(&network, genesis.hash(), asset);
        let keys = keys(&network, &genesis, options.real_signatures);
        let epochs = Arc::new(Epochs::new(&genesis, options.epochs.as_ref()));
        let indices: Vec<Contact> = (0..n).chain(options.twins()).map(Contact::new).collect();
        let byzantine = options.actors.iter().map(|actor| Contact::new(actor.index));
        let mut checker = Checker::new(&genesis, epochs.clone(), keys[0].clone(), indices.clone(), byzantine);
        checker.expect_losses(options.forgetful.iter().map(|index| Contact::new(*index)));
        let mut world = Self {
            nodes: Vec::new(),
            genesis,
            epochs,
            clients,
            time: 1_000_000,
            counter: 0,
            events: BTreeMap::new(),
            blocked: BTreeSet::new(),
            sides: Vec::new(),
            loses: None,
            round: None,
            sessions: BTreeMap::new(),
            told: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            checker,
            outcome: Outcome::default(),
            phase: Phase::Faults,
            last_activity: 0,
            activity: 0,
            steps: 0,
            random: Random::new(random.next()),
            options,
        };
        world.populate(&indices, &keys);
        world
    }

    fn populate(&mut self, indices: &[Contact], keys: &[SimulatedKeys]) {
        for index in indices {
            let skew = self.random.below(2 * self.options.skew_ms + 1) as i64 - self.options.skew_ms as i64;
            let mut node = Node::new(*index, keys[index.to_usize()].clone(), skew);
            if self.checker.is_honest(*index) {
                node.begin();
            }
            self.nodes.push(node);
            self.sides.push(self.random.chance(500));
        }
        for place in 0..self.nodes.len() {
            self.start(place);
        }
        self.schedule_fault(self.options.crash_every_ms, Event::Crash);
        self.schedule_fault(self.options.partition_every_ms, Event::Cut);
        self.schedule_fault(self.options.jump_every_ms, Event::Jump);
        self.begin_round(0);
        self.schedule(1_000, Event::Clients);
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
        self.schedule_at(self.time + after_us, event);
    }

    fn schedule_at(&mut self, at: u64, event: Event) {
        self.counter += 1;
        self.events.insert((at, self.counter), event);
    }

    /// Schedules a fault around a mean time from now.
    fn schedule_fault(&mut self, mean_ms: u64, event: Event) {
        if mean_ms > 0 && self.phase == Phase::Faults {
            let after = self.random.between(mean_ms * 100, mean_ms * 2000);
            self.schedule(after, event);
        }
    }

    fn is_alive(&self, place: usize, life: u64) -> bool {
        self.nodes[place].life == life && self.nodes[place].running.is_some()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Replica { place, life, event } if self.is_alive(place, life) => self.step(place, *event),
            Event::Deliver { from, to, session, class, bytes } => self.deliver(from, to, session, class, &bytes),
            Event::VotesSynced { place, life } if self.is_alive(place, life) => self.votes_synced(place),
            Event::BatchesSynced { place, life } if self.is_alive(place, life) => self.batches_synced(place),
            Event::Wake { place, life } if self.is_alive(place, life) => self.wake(place),
            Event::Notice { place, life, contact } if self.is_alive(place, life) => self.noticed(place, contact),
            Event::Commit { place, life } if self.is_alive(place, life) => self.commit(place),
            Event::Told { place, life, outcome } if self.is_alive(place, life) => self.told(place, outcome),
            Event::Checked { place, life, from, batch, committee } if self.is_alive(place, life) => {
                self.checked(place, from, batch, &committee);
            }
            Event::ServeBlocks { place, life, to, above, hints } if self.is_alive(place, life) => {
                self.serve_blocks(place, to, above, *hints);
            }
            Event::ServeBatches { place, life, to, epoch, range } if self.is_alive(place, life) => {
                self.serve_batches(place, to, epoch, &range);
            }
            Event::ServeEnd { place, life, to, epoch, hints } if self.is_alive(place, life) => {
                self.serve_end(place, to, epoch, *hints);
            }
            Event::Clients => self.clients_send(),
            Event::Arrive { place, submission } => self.arrive(place, *submission),
            Event::Crash if self.phase == Phase::Faults => self.crash_some(),
            Event::Restart { place } if self.may_restart(place) => self.start(place),
            Event::Cut if self.phase == Phase::Faults => self.cut(),
            Event::Mend => self.mend(),
            Event::Speak { place, life } if self.is_alive(place, life) => self.speak(place),
            Event::Jump if self.phase == Phase::Faults => self.jump(),
            Event::Round { number } if self.phase == Phase::Faults => self.begin_round(number),
            _ => {}
        }
    }

    fn now(&self, place: usize) -> Now {
        let wall = (START_MS + self.time / 1000) as i64 + self.nodes[place].skew_ms;
        Now { monotonic: Monotonic::new(self.time), wall: TimeMs::new(wall as u64) }
    }

    fn log_limits(&self) -> LogLimits {
        LogLimits {
            vote_bytes_max: self.options.vote_log_bytes_max,
            batch_garbage_bytes_max: self.options.batch_garbage_bytes_max,
        }
    }

    pub(crate) fn honest(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| self.checker.is_honest(node.index))
    }

    /// One line per validator, for failures.
    pub(crate) fn describe(&self) -> String {
        let lines = self.nodes.iter().map(|node| {
            let running = node.running.as_ref().map(|running| {
                let (consensus, mempool) = (running.replica.consensus(), running.replica.mempool());
                format!("{consensus:?}\n      {mempool:?}\n      {} blocks wait", running.blocks.len())
            });
            format!(
                "\n    validator {}: epoch {} ledger {} {}",
                node.index,
                node.epoch(),
                node.height(),
                running.unwrap_or_default()
            )
        });
        format!("at {} ms{}", self.time / 1000, lines.collect::<String>())
    }
}

/// The genesis of a run.
fn genesis(network: &DevNetwork, options: &Options) -> Genesis {
    let mut document = network.build().expect("a development network").document().clone();
    document.consensus.k = options.k;
    document.consensus.fast_path = options.fast_path;
    document.consensus.min_block_interval_ms = options.interval_ms;
    Genesis::new(document).expect("a genesis")
}

/// The keys of all validators by index.
fn keys(network: &DevNetwork, genesis: &Genesis, real: bool) -> Vec<SimulatedKeys> {
    let secret = |number: u16| dev_key(&network.seed, DevRole::Validator, u32::from(number));
    let mut secrets: Vec<SecretKey> = (0..network.validators).map(secret).collect();
    secrets.sort_by_key(|secret| genesis.validator_set().index_of(&secret.public_key()));
    secrets.into_iter().map(|secret| SimulatedKeys::new(secret, real)).collect()
}

/// FNV-1a over numbers: what tells two runs apart.
fn fold(hash: u64, numbers: &[u64]) -> u64 {
    let start = if hash == 0 { 0xcbf2_9ce4_8422_2325 } else { hash };
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
