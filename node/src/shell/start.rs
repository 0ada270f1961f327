//! Bringing a node up, in an order in which nothing speaks before it remembers, and taking it down again.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use althing_consensus::Record;
use althing_genesis::Genesis;
use althing_ledger::{FinalBlock, Ledger, LedgerError, Pruner, Reader, SPACES};
use althing_network::{Network, Peer};
use althing_storage::{LogError, Options, RECORD_BYTES_MAX, RocksOptions, RocksStore, SegmentedLog, StoreError};
use althing_types::{
    BATCH_BYTES_MAX, DecodeError, Hash, Height, PublicKey, SecretKey, SignedBatch, Tag, ValidatorIndex, decode, encode,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::answering::{Answering, Requests};
use super::checker::Checker;
use super::clock::Clock;
use super::data_folder::{DataError, DataFolder, Owner};
use super::desk::Desk;
use super::entrance::{Entrance, Pool, Way};
use super::executor::Executor;
use super::follow::Source;
use super::fork_file::ForkFile;
use super::heads;
use super::inbox::Inbox;
use super::intake::Intake;
use super::join::Joining;
use super::leash;
use super::log_lines;
use super::log_writer::LogWriter;
use super::mailbox::Mailbox;
use super::notes::Notes;
use super::outbox::Outbox;
use super::p2p::{self, P2pError};
use super::pruning;
use super::signals;
use super::stop::{Reason, Stop, is_disk_full};
use super::tasks;
use super::telemetry::{self, TelemetryError};
use super::tracker::Tracker;
use super::turns::{NodeKeys, ORDERS_MAX, Order, Turns};
use super::window::{Folders, Place, Window, WindowParts};
use crate::config::Config;
use crate::replica::{self, Event, Found, Replica};

/// What a node is started with.
#[derive(Debug)]
pub struct NodeOptions {
    /// The chain.
    pub genesis: Genesis,
    /// What the node is, with its keys.
    pub identity: Identity,
    /// The data folder.
    pub data: PathBuf,
    /// Everything else.
    pub config: Config,
}

/// What a node is.
#[derive(Debug)]
pub enum Identity {
    /// It votes.
    Validator {
        /// The validator's key.
        key: Box<SecretKey>,
        /// The node's key: its identity on the network. A chain of one validator without observers needs none.
        node_key: Option<Box<SecretKey>>,
    },
    /// It follows.
    Observer {
        /// The node's key, which the genesis document names among the observers.
        node_key: Box<SecretKey>,
    },
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key is not that of a validator.
    #[error("the validator key {key} is not in the genesis document")]
    NotAValidator {
        /// The public key.
        key: PublicKey,
    },
    /// The node key is not that of an observer.
    #[error("the node key {key} is not that of an observer in the genesis document")]
    NotAnObserver {
        /// The public key.
        key: PublicKey,
    },
    /// The node key is that of a validator.
    #[error("the node key {key} is that of the validator {name} in the genesis document, and not of an observer")]
    IsAValidator {
        /// The public key.
        key: PublicKey,
        /// The validator's name.
        name: String,
    },
    /// There are other nodes, and no node key to meet them with.
    #[error("the genesis document names {others} other nodes, and no node key was given")]
    NoNodeKey {
        /// How many there are.
        others: usize,
    },
    /// The network cannot be set up.
    #[error(transparent)]
    P2p(#[from] P2pError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A log cannot be opened.
    #[error("the log of {name}: {error}")]
    Log {
        /// Which log.
        name: &'static str,
        /// What is wrong.
        #[source]
        error: LogError,
    },
    /// The batch log ends before the batches of this validator's that the chain has, and there is nobody else to take
    /// transactions in.
    #[error("the log of batches in {} was lost or is an older copy", folder.display())]
    LostBatches {
        /// Where the log is.
        folder: PathBuf,
    },
    /// The vote log is empty: not even its beginning is there.
    #[error("the log of votes in {} is empty", folder.display())]
    LostVotes {
        /// Where the log is.
        folder: PathBuf,
    },
    /// The system gave no random numbers.
    #[error("the system has no random numbers")]
    Random,
    /// A log holds something that is no record.
    #[error("the log of {name} holds what is no record: {error}")]
    Record {
        /// Which log.
        name: &'static str,
        /// What is wrong.
        error: DecodeError,
    },
    /// The store cannot be opened.
    #[error("the ledger's store: {0}")]
    Store(#[from] StoreError),
    /// The ledger cannot be opened.
    #[error("the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The logs do not fit the ledger.
    #[error(transparent)]
    Votes(#[from] replica::StartError),
    /// The public window cannot be opened.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no room for an async runtime.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    /// What the node says about itself cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

impl StartError {
    /// Whether there is no room on the disk.
    pub fn is_disk_full(&self) -> bool {
        is_disk_full(self)
    }

    /// Whether another process has what this one needs.
    pub const fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::Data(DataError::InUse { .. })
                | Self::Log { error: LogError::InUse { .. }, .. }
                | Self::Store(StoreError::InUse { .. })
        )
    }
}

/// The log of consensus, as messages name it.
pub(super) const VOTES: &str = "votes";
/// The log of batches, as messages name it.
pub(super) const BATCHES: &str = "batches";
/// How long calls under way may take to end.
const SERVING_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// A running node.
#[derive(Debug)]
pub struct Node {
    pub(super) stop: Stop,
    pub(super) rpc_addr: SocketAddr,
    pub(super) runtime: Runtime,
    pub(super) serving: tokio::task::JoinHandle<()>,
    pub(super) network: Option<Network>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) closing: Closing,
    pub(super) _folder: DataFolder,
}

/// What is closed at the end, in this order, and who is waited for.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) doors: Vec<Door>,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) store: RocksStore,
}

/// Something that lets nothing more in once it is closed.
pub(super) struct Door(pub(super) Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Node {
    /// Starts a node. When this returns, it serves.
    pub fn start(options: NodeOptions) -> Result<Self, StartError> {
        telemetry::install_log(&options.config.log)?;
        let metrics = telemetry::install_metrics()?;
        let NodeOptions { genesis, identity, data, config } = options;
        let premises = Premises { genesis, data, config, metrics };
        let node = match identity {
            Identity::Validator { key, node_key } => Self::start_validator(premises, *key, node_key.map(|key| *key)),
            Identity::Observer { node_key } => super::observer::start(premises, *node_key),
        }?;
        signals::obey(&node.runtime, &node.stop).map_err(StartError::Runtime)?;
        Ok(node)
    }

    fn start_validator(premises: Premises, key: SecretKey, node_key: Option<SecretKey>) -> Result<Self, StartError> {
        let Premises { genesis, data, config, metrics } = premises;
        let public_key = key.public_key();
        let me = genesis.validator_set().index_of(&public_key);
        let me = me.ok_or(StartError::NotAValidator { key: public_key })?;
        let p2p = network_options(&genesis, me, node_key.clone(), &config)?;
        let folder = validators_folder(&data, &genesis, public_key)?;
        let joining = Joining { genesis: &genesis, folder: &folder, config: &config, validator: Some(public_key) };
        joining.before_start(|| network_options(&genesis, me, node_key, &config))?;
        let (store, ledger) = open_ledger(&folder, &genesis, &config)?;
        let (votes_log, votes) = open_log(VOTES, &folder, &genesis, &public_key)?;
        let (batches_log, batches) = open_log(BATCHES, &folder, &genesis, &public_key)?;
        if votes.is_empty() {
            return Err(StartError::LostVotes { folder: folder.votes() });
        }

        let found = found(&ledger, decoded(VOTES, &votes)?, decoded(BATCHES, &batches)?)?;
        let replica = start_replica(&genesis, me, &folder, found)?;
        let runtime = runtime()?;
        let (listener, rpc_addr) = listen(&runtime, &config)?;

        let orders = Arc::new(Mailbox::with_senders(ORDERS_MAX, genesis.validators().len()));
        let node_keys: Vec<PublicKey> = genesis.validators().iter().map(|validator| validator.node_key).collect();
        let desk = Arc::new(OnceLock::new());
        let inbox = Inbox::new(&node_keys, orders.clone(), desk.clone());
        // What arrives before the replica's first step waits for it, within the peers' budgets.
        let network = p2p.map(|options| runtime.block_on(p2p::start(options, inbox))).transpose()?;
        let outbox = Outbox::new(network.as_ref().map(Network::handle), node_keys);

        let own = genesis.validators().get(me.to_usize()).map(|validator| (validator.node_key, validator.name.clone()));
        let (node_key, name) = own.expect("the validator was found in this document");
        let pruner = ledger.pruner(config.storage.history.retention())?;
        let machines = Machines { ledger, pruner, replica, votes_log, batches_log, key, store, data };
        let Parts { stop, clock, reader, intake, tracker, height, closing } =
            machines.start(&genesis, orders.clone(), outbox);
        let pool = Pool { orders, me };
        let entrance = Arc::new(Entrance {
            reader: reader.clone(),
            intake,
            tracker: tracker.clone(),
            way: Way::Pool(pool.clone()),
            stop: stop.clone(),
        });
        // Nobody else sets it.
        let _first = desk.set(Desk::new(entrance.clone(), *genesis.params(), stop.clone()));
        let handle = network.as_ref().map(Network::handle);
        if let Some(handle) = handle.clone().filter(|_| !genesis.observers().is_empty()) {
            let (heights, stop) = (height.clone(), stop.clone());
            let _entered = runtime.enter();
            tasks::keep("heads", move || {
                heads::announce(handle.clone(), reader.clone(), heights.clone(), stop.clone())
            });
        }
        let parts = WindowParts {
            place: Place::Validator(pool),
            node_key,
            name,
            folders: Folders::of(&folder),
            network: handle,
            entrance,
            store: closing.store.clone(),
            heads: height,
            clock,
            stop: stop.clone(),
            metrics,
        };
        let serving = Window::new(&genesis, parts).open(&runtime, listener, &config.rpc);
        Ok(Self { stop, rpc_addr, runtime, serving, network, tracker, closing, _folder: folder })
    }

    /// Where the public window is.
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.rpc_addr
    }

    /// Makes it a reason to end that standard input closes.
    pub fn end_with_stdin(&self) {
        leash::watch(self.stop.clone());
    }

    /// Where other nodes connect to; none of a chain of one validator.
    pub fn p2p_addr(&self) -> Option<SocketAddr> {
        self.network.as_ref().map(Network::listen_addr)
    }

    /// What ends the node in order when it is asked to.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until there is a reason to end, ends in order, and returns the reason. An interrupt and SIGTERM are reasons;
    /// a second one ends the process where it stands.
    pub fn wait(self) -> Reason {
        let stop = self.stop.clone();
        let reason = self.runtime.block_on(stop.reason());
        tracing::info!(?reason, "ending");
        // Those who wait are told; calls under way may end; then the doors behind them close.
        self.tracker.close();
        let served = self.runtime.block_on(async { tokio::time::timeout(SERVING_MAX, self.serving).await });
        if served.is_err() {
            tracing::warn!("the public window did not close in time");
        }
        if let Some(network) = self.network {
            self.runtime.block_on(network.stop());
        }
        self.closing.close();
        self.runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        log_lines::flush();
        // A thread may have met an error while it ended.
        self.stop.now().unwrap_or(reason)
    }
}

impl Closing {
    /// Closes the doors from the outside in, waits for the threads behind them, and leaves the store tidy.
    fn close(self) {
        for door in self.doors {
            (door.0)();
        }
        for thread in self.threads {
            // A thread that panicked has ended the process already.
            let _ended = thread.join();
        }
        if let Err(error) = self.store.flush() {
            tracing::warn!(%error, "the store was not flushed; nothing is lost, the next start takes longer");
        }
    }
}

/// What runs on threads of its own.
struct Machines {
    ledger: Ledger<RocksStore>,
    pruner: Pruner<RocksStore>,
    replica: Replica,
    votes_log: SegmentedLog,
    batches_log: SegmentedLog,
    key: SecretKey,
    store: RocksStore,
    /// The data folder.
    data: PathBuf,
}

/// What is made of the machines, and what is closed at the end.
struct Parts {
    stop: Stop,
    clock: Clock,
    reader: Reader<RocksStore>,
    intake: Intake<RocksStore>,
    tracker: Arc<Tracker>,
    height: watch::Receiver<Height>,
    closing: Closing,
}

/// What every node starts from.
pub(super) struct Premises {
    pub(super) genesis: Genesis,
    pub(super) data: PathBuf,
    pub(super) config: Config,
    pub(super) metrics: PrometheusHandle,
}

impl Machines {
    fn start(self, genesis: &Genesis, orders: Arc<Mailbox<Order>>, outbox: Outbox) -> Parts {
        let (stop, clock, tracker) = (Stop::new(), Clock::start(), Arc::new(Tracker::new()));
        // What the replica hands out is bounded by the replica; nothing comes to these from outside.
        let (votes, batches, blocks) = (inner_mailbox(), inner_mailbox(), inner_mailbox::<FinalBlock>());
        let (reader, validators) = (self.ledger.reader(), genesis.validators().len());
        let intake = Intake::new(reader.clone(), genesis.hash(), *genesis.params(), clock);
        let (height_sender, height) = watch::channel(self.ledger.head().header.height);

        let told = orders.clone();
        let vote_writer = LogWriter {
            name: VOTES,
            log: self.votes_log,
            commands: votes.clone(),
            encode: encode::<Record>,
            durable: Box::new(move |lsn| told.post(Order::event(Event::VotesDurable(lsn)))),
        };
        let told = orders.clone();
        let batch_writer = LogWriter {
            name: BATCHES,
            log: self.batches_log,
            commands: batches.clone(),
            encode: |batch: &Arc<SignedBatch>| encode(batch.as_ref()),
            durable: Box::new(move |lsn| told.post(Order::event(Event::BatchesDurable(lsn)))),
        };
        let (told, waiting) = (orders.clone(), tracker.clone());
        let executor = Executor {
            ledger: self.ledger,
            blocks: blocks.clone(),
            height: height_sender,
            compares: false,
            committed: Box::new(move |committed, outcome| {
                // The replica first: whoever looks there after the news finds that it knows.
                told.post(Order::event(Event::Committed(Box::new(outcome))));
                waiting.committed(committed);
            }),
        };
        let (index, forks) = (reader.clone(), ForkFile::new(self.data, genesis.clone(), stop.clone()));
        let (checker, mut threads) = Checker::start(validators - 1, genesis.params().limits, &orders, &stop);
        let requests = Arc::new(Requests::new(validators));
        let answering = Answering { reader: reader.clone(), requests: requests.clone(), outbox: outbox.clone(), clock };
        let turns = Turns {
            replica: self.replica,
            keys: NodeKeys(self.key),
            clock,
            orders: orders.clone(),
            votes,
            batches,
            blocks,
            outbox: outbox.clone(),
            checker,
            requests,
            notes: Notes::new(tracker.clone(), clock, outbox, forks),
            // A store that cannot be read ends the process elsewhere; a second try costs nothing but room in a block.
            is_included: Box::new(move |id| index.is_included(id).unwrap_or(false)),
            report_at: std::time::Duration::ZERO,
        };

        let (pruning, pruning_door) = pruning::start(self.pruner, stop.clone());
        threads.extend([
            pruning,
            vote_writer.start(stop.clone()),
            batch_writer.start(stop.clone()),
            executor.start(stop.clone()),
            turns.start(stop.clone()),
            intake.start(stop.clone()),
            answering.start(stop.clone()),
        ]);
        let closing = Closing { doors: doors(&intake, &orders, pruning_door), threads, store: self.store };
        Parts { stop, clock, reader, intake, tracker, height, closing }
    }
}

/// What is closed at the end, in this order.
fn doors(intake: &Intake<RocksStore>, orders: &Arc<Mailbox<Order>>, pruning: Door) -> Vec<Door> {
    let (intake, orders) = (intake.clone(), orders.clone());
    vec![Door(Box::new(move || intake.close())), Door(Box::new(move || orders.close())), pruning]
}

/// The folder of a validator that was begun, holds no proof of a fork, and lacks nothing.
fn validators_folder(data: &Path, genesis: &Genesis, key: PublicKey) -> Result<DataFolder, StartError> {
    let folder = DataFolder::open(data, &genesis.hash(), Owner::Validator(key))?;
    folder.refuse_fork()?;
    folder.refuse_not_begun()?;
    folder.refuse_lost_parts()?;
    Ok(folder)
}

/// The replica with what its disks hold.
fn start_replica(
    genesis: &Genesis,
    me: ValidatorIndex,
    folder: &DataFolder,
    found: Found,
) -> Result<Replica, StartError> {
    let config = replica::Config::at_genesis(genesis.committee(), me, *genesis.params(), genesis.header());
    let replica = Replica::start(config, found)?;
    if replica.mempool().is_silent && genesis.validator_set().count() == 1 {
        // A chain of one validator has no other that could take transactions in until the next epoch (D6).
        return Err(StartError::LostBatches { folder: folder.batches() });
    }
    Ok(replica)
}

/// What the network is started with, where there is somebody to meet.
fn network_options(
    genesis: &Genesis,
    me: ValidatorIndex,
    node_key: Option<SecretKey>,
    config: &Config,
) -> Result<Option<althing_network::Options>, StartError> {
    let others = genesis.validators().len() + genesis.observers().len() - 1;
    match node_key {
        _ if others == 0 => Ok(None),
        Some(key) => Ok(Some(p2p::options(genesis, p2p::Own::Validator(me), key, &config.p2p)?)),
        None => Err(StartError::NoNodeKey { others }),
    }
}

/// Everybody who may have blocks.
pub(super) fn sources(options: &althing_network::Options) -> Vec<Source> {
    let source = |peer: &Peer| Source { key: peer.key, name: peer.name.clone(), role: peer.role };
    options.peers.iter().map(source).collect()
}

/// Opens the store of a folder, and the ledger in it.
pub(super) fn open_ledger(
    folder: &DataFolder,
    genesis: &Genesis,
    config: &Config,
) -> Result<(RocksStore, Ledger<RocksStore>), StartError> {
    let cache_bytes = usize::try_from(u64::from(config.storage.cache_mib) << 20).unwrap_or(usize::MAX);
    let store = RocksStore::open(&folder.db(), SPACES, RocksOptions { cache_bytes, ..RocksOptions::default() })?;
    let ledger = Ledger::open(Arc::new(store.clone()), genesis)?;
    Ok((store, ledger))
}

/// The runtime of the network and the window.
pub(super) fn runtime() -> Result<Runtime, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(StartError::Runtime)
}

/// The public window's listener, and where it listens.
pub(super) fn listen(runtime: &Runtime, config: &Config) -> Result<(TcpListener, SocketAddr), StartError> {
    let addr = config.rpc.addr;
    let listener = runtime.block_on(TcpListener::bind(addr));
    let listener = listener.map_err(|source| StartError::Listen { addr, source })?;
    let rpc_addr = listener.local_addr().map_err(|source| StartError::Listen { addr, source })?;
    Ok((listener, rpc_addr))
}

/// A queue for what this process owes itself; nothing comes to it from outside.
pub(super) fn inner_mailbox<T>() -> Arc<Mailbox<T>> {
    Arc::new(Mailbox::new(0))
}

/// Opens a log of a validator's folder; makes it if it is not there.
pub(super) fn open_log(
    name: &'static str,
    folder: &DataFolder,
    genesis: &Genesis,
    key: &PublicKey,
) -> Result<(SegmentedLog, Vec<Vec<u8>>), StartError> {
    let (path, tag) = if name == VOTES { (folder.votes(), Tag::VoteLog) } else { (folder.batches(), Tag::BatchLog) };
    let identity = *Hash::to_sign(tag, &genesis.hash(), key).as_bytes();
    SegmentedLog::open(&path, &identity, Options::default()).map_err(|error| StartError::Log { name, error })
}

/// The records of a log. What is in a log of ours was encoded by us.
pub(super) fn decoded<T: borsh::BorshDeserialize + borsh::BorshSerialize>(
    name: &'static str,
    records: &[Vec<u8>],
) -> Result<Vec<T>, StartError> {
    const _: () = assert!(BATCH_BYTES_MAX < RECORD_BYTES_MAX, "a batch fits a record");
    let decode = |bytes: &Vec<u8>| decode(bytes, RECORD_BYTES_MAX).map_err(|error| StartError::Record { name, error });
    records.iter().map(decode).collect()
}

/// What the replica has to know of the disks.
fn found(ledger: &Ledger<RocksStore>, votes: Vec<Record>, batches: Vec<SignedBatch>) -> Result<Found, StartError> {
    let batches: Vec<Arc<SignedBatch>> = batches.into_iter().map(Arc::new).collect();
    let head = ledger.head();
    let carried = head.header.executed_height;
    let summaries = ledger.reader().summaries_above(carried)?;
    tracing::info!(
        height = head.header.height.get(),
        state_root = %head.summary.state_root,
        votes = votes.len(),
        batches = batches.len(),
        "found on disk"
    );
    let accused = ledger.reader().accused(head.header.epoch)?;
    let (header, cut) = (head.header.clone(), head.cut.clone());
    let accused = accused.into_iter().map(|index| (header.epoch, index)).collect();
    // No transaction can change the validators yet.
    let change = None;
    Ok(Found { header, cut, view: head.view, summaries, accused, change, votes, batches })
}
