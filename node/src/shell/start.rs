//! Bringing a node up, in an order in which nothing speaks before it remembers, and taking it down again.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use althing_consensus::Record;
use althing_genesis::Genesis;
use althing_ledger::{FinalBlock, Ledger, LedgerError, SPACES};
use althing_network::Network;
use althing_storage::{LogError, Options, RECORD_BYTES_MAX, RocksOptions, RocksStore, SegmentedLog, StoreError};
use althing_types::{
    BATCH_BYTES_MAX, DecodeError, Hash, PublicKey, SecretKey, SignedBatch, Tag, ValidatorIndex, decode, encode,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::answering::{self, Answering};
use super::checker::Checker;
use super::clock::Clock;
use super::data_folder::{DataError, DataFolder};
use super::executor::Executor;
use super::inbox::Inbox;
use super::intake::Intake;
use super::leash;
use super::log_writer::LogWriter;
use super::mailbox::Mailbox;
use super::notes::Notes;
use super::outbox::Outbox;
use super::p2p::{self, P2pError};
use super::stop::{Reason, Stop};
use super::telemetry::{self, TelemetryError};
use super::tracker::Tracker;
use super::turns::{NodeKeys, ORDERS_MAX, Order, Turns};
use super::window::Window;
use crate::config::Config;
use crate::replica::{self, Event, Found, Replica};

/// What a node is started with.
#[derive(Debug)]
pub struct NodeOptions {
    /// The chain.
    pub genesis: Genesis,
    /// The validator's key.
    pub key: SecretKey,
    /// The node's key: its identity on the network. A chain of one validator needs none.
    pub node_key: Option<SecretKey>,
    /// The data folder.
    pub data: PathBuf,
    /// Everything else.
    pub config: Config,
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
    /// There are several validators, and no node key to meet them with.
    #[error("the genesis document names {validators} validators, and no node key was given")]
    NoNodeKey {
        /// How many there are.
        validators: u16,
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
        error: LogError,
    },
    /// The batch log ends before the batches of this validator's that the chain has, and there is nobody else to take
    /// transactions in.
    #[error("the log of batches in {} was lost or is an older copy", folder.display())]
    LostBatches {
        /// Where the log is.
        folder: PathBuf,
    },
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

/// How long calls under way may take to end.
const SERVING_MAX: std::time::Duration = std::time::Duration::from_secs(5);

/// A running node.
#[derive(Debug)]
pub struct Node {
    stop: Stop,
    rpc_addr: SocketAddr,
    runtime: Runtime,
    serving: tokio::task::JoinHandle<()>,
    network: Option<Network>,
    tracker: Arc<Tracker>,
    closing: Closing,
    _folder: DataFolder,
}

/// What is closed at the end, in this order, and who is waited for.
#[derive(Debug)]
struct Closing {
    doors: Vec<Door>,
    threads: Vec<JoinHandle<()>>,
    store: RocksStore,
}

/// Something that lets nothing more in once it is closed.
struct Door(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Node {
    /// Starts a node. When this returns, it serves.
    pub fn start(options: NodeOptions) -> Result<Self, StartError> {
        let NodeOptions { genesis, key, node_key, data, config } = options;
        telemetry::install_log(&config.log)?;
        let metrics = telemetry::install_metrics()?;
        let public_key = key.public_key();
        let me = genesis.validator_set().index_of(&public_key);
        let me = me.ok_or(StartError::NotAValidator { key: public_key })?;
        let p2p = network_options(&genesis, me, node_key, &config)?;
        let folder = DataFolder::open(&data, &genesis.hash(), &public_key)?;
        let identity = |tag: Tag| *Hash::to_sign(tag, &genesis.hash(), &public_key).as_bytes();
        let cache_bytes = usize::try_from(u64::from(config.storage.cache_mib) << 20).unwrap_or(usize::MAX);
        folder.refuse_lost_parts()?;
        let store = RocksStore::open(&folder.db(), SPACES, RocksOptions { cache_bytes, ..RocksOptions::default() })?;
        let ledger = Ledger::open(Arc::new(store.clone()), &genesis)?;
        let (votes_log, votes) = open_log("votes", &folder.votes(), identity(Tag::VoteLog))?;
        let (batches_log, batches) = open_log("batches", &folder.batches(), identity(Tag::BatchLog))?;

        // From here on something may be signed; the folder is no longer a new one.
        folder.bind(&genesis.hash(), &public_key)?;

        let replica = Replica::start(
            replica::Config {
                committee: genesis.committee(),
                me,
                params: *genesis.params(),
                genesis: genesis.header(),
            },
            found(&ledger, decoded("votes", &votes)?, decoded("batches", &batches)?)?,
        )?;
        if replica.mempool().is_silent && p2p.is_none() {
            // A chain of one validator has no other that could take transactions in until the next epoch (D6).
            return Err(StartError::LostBatches { folder: folder.batches() });
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(StartError::Runtime)?;
        let addr = config.rpc.addr;
        let listener = runtime.block_on(TcpListener::bind(addr));
        let listener = listener.map_err(|source| StartError::Listen { addr, source })?;
        let rpc_addr = listener.local_addr().map_err(|source| StartError::Listen { addr, source })?;

        let orders = Arc::new(Mailbox::new(ORDERS_MAX));
        let node_keys: Vec<PublicKey> = genesis.validators().iter().map(|validator| validator.node_key).collect();
        let inbox = Inbox::new(&node_keys, orders.clone());
        // What arrives before the replica's first step waits for it, within the peers' budgets.
        let network = p2p.map(|options| runtime.block_on(p2p::start(options, inbox))).transpose()?;
        let outbox = Outbox::new(network.as_ref().map(Network::handle), node_keys, me);

        let machines = Machines { ledger, replica, votes_log, batches_log, key, store };
        let parts = machines.start(&genesis, orders, outbox);
        let serving = Window::new(&parts, &genesis, me, metrics).open(&runtime, listener, &config.rpc);
        let Parts { stop, closing, tracker, .. } = parts;
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

    /// Waits until there is a reason to end, ends in order, and returns the reason. Interrupts and SIGTERM are reasons.
    pub fn wait(self) -> Reason {
        let stop = self.stop.clone();
        let reason = self.runtime.block_on(async {
            tokio::select! {
                reason = stop.reason() => reason,
                () = asked_by_signal() => Reason::Asked,
            }
        });
        self.stop.ask();
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
    replica: Replica,
    votes_log: SegmentedLog,
    batches_log: SegmentedLog,
    key: SecretKey,
    store: RocksStore,
}

/// What the window is made of, and what is closed at the end.
pub(super) struct Parts {
    pub(super) stop: Stop,
    pub(super) clock: Clock,
    pub(super) reader: althing_ledger::Reader<RocksStore>,
    pub(super) store: RocksStore,
    pub(super) intake: Intake<RocksStore>,
    pub(super) orders: Arc<Mailbox<Order>>,
    pub(super) outbox: Outbox,
    pub(super) tracker: Arc<Tracker>,
    pub(super) height: watch::Receiver<althing_types::Height>,
    closing: Closing,
}

impl Machines {
    fn start(self, genesis: &Genesis, orders: Arc<Mailbox<Order>>, outbox: Outbox) -> Parts {
        let (stop, clock) = (Stop::new(), Clock::start());
        // What the replica hands out is bounded by the replica; nothing comes to these from outside.
        let (votes, batches, blocks) = (inner_mailbox(), inner_mailbox(), inner_mailbox::<FinalBlock>());
        let tracker = Arc::new(Tracker::new());
        let reader = self.ledger.reader();
        let intake = Intake::new(reader.clone(), genesis.hash(), *genesis.params(), clock);
        let (height_sender, height) = watch::channel(self.ledger.head().header.height);

        let told = orders.clone();
        let vote_writer = LogWriter {
            name: "votes",
            log: self.votes_log,
            commands: votes.clone(),
            encode: encode::<Record>,
            durable: Box::new(move |lsn| told.post(Order::event(Event::VotesDurable(lsn)))),
        };
        let told = orders.clone();
        let batch_writer = LogWriter {
            name: "batches",
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
            committed: Box::new(move |committed, outcome| {
                // The replica first: whoever looks there after the news finds that it knows.
                told.post(Order::event(Event::Committed(Box::new(outcome))));
                waiting.committed(committed);
            }),
        };
        let index = reader.clone();
        let notes = Notes { tracker: tracker.clone() };
        let (checker, mut threads) = Checker::start(&genesis.committee(), genesis.params().limits, &orders, &stop);
        let requests = Arc::new(answering::requests());
        let answering = Answering { reader: reader.clone(), requests: requests.clone(), outbox: outbox.clone() };
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
            notes,
            // A store that cannot be read ends the process elsewhere; a second try costs nothing but room in a block.
            is_included: Box::new(move |id| index.is_included(id).unwrap_or(false)),
            report_at: std::time::Duration::ZERO,
        };

        threads.extend([
            vote_writer.start(stop.clone()),
            batch_writer.start(stop.clone()),
            executor.start(stop.clone()),
            turns.start(stop.clone()),
            intake.start(stop.clone()),
            answering.start(stop.clone()),
        ]);
        let (doors, closed_orders) = (intake.clone(), orders.clone());
        let doors = vec![Door(Box::new(move || doors.close())), Door(Box::new(move || closed_orders.close()))];
        let closing = Closing { doors, threads, store: self.store.clone() };
        Parts { stop, clock, reader, store: self.store, intake, orders, outbox, tracker, height, closing }
    }
}

/// What the network is started with, where there is somebody to meet.
fn network_options(
    genesis: &Genesis,
    me: ValidatorIndex,
    node_key: Option<SecretKey>,
    config: &Config,
) -> Result<Option<althing_network::Options>, StartError> {
    let validators = genesis.validator_set().count();
    match node_key {
        _ if validators == 1 => Ok(None),
        Some(key) => Ok(Some(p2p::options(genesis, me, key, &config.p2p)?)),
        None => Err(StartError::NoNodeKey { validators }),
    }
}

fn inner_mailbox<T>() -> Arc<Mailbox<T>> {
    Arc::new(Mailbox::new(0))
}

fn open_log(
    name: &'static str,
    folder: &std::path::Path,
    identity: [u8; 32],
) -> Result<(SegmentedLog, Vec<Vec<u8>>), StartError> {
    SegmentedLog::open(folder, &identity, Options::default()).map_err(|error| StartError::Log { name, error })
}

/// The records of a log. What is in a log of ours was encoded by us.
fn decoded<T: borsh::BorshDeserialize + borsh::BorshSerialize>(
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
    Ok(Found { header: head.header.clone(), cut: head.cut.clone(), view: head.view, summaries, votes, batches })
}

/// Waits until the process is asked to end.
async fn asked_by_signal() {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(terminate) => {
                terminate.recv().await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
