//! Bringing up a node that follows: a store, a ledger, a window, and a loop that fetches what the validators made final.
//!
//! It has no log, because it signs nothing that it would have to remember. It is known by its node key, which the
//! genesis document lists. Nothing of it is trusted by others, and it trusts nobody but certificates.

use std::sync::{Arc, OnceLock};

use althing_genesis::Genesis;
use althing_ledger::{FinalBlock, Ledger, Pruner, Reader};
use althing_network::Handle;
use althing_storage::RocksStore;
use althing_types::{Height, PublicKey, SecretKey};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, watch};

use super::clock::Clock;
use super::company::{Company, Reception};
use super::data_folder::{DataFolder, Owner};
use super::desk::Desk;
use super::entrance::{Entrance, Way};
use super::executor::Executor;
use super::follow::{Follower, Pace, Sources};
use super::forwarding::{Forwarding, ForwardingParts};
use super::heads::Horizon;
use super::intake::Intake;
use super::join::Joining;
use super::mailbox::Mailbox;
use super::p2p;
use super::pruning;
use super::start::{Closing, Door, Node, Premises, StartError, inner_mailbox, listen, open_ledger, runtime, sources};
use super::stop::Stop;
use super::tasks;
use super::tracker::Tracker;
use super::window::{Folders, Place, Window, WindowParts};
use crate::following::Tip;

/// Starts an observer. When this returns, it serves what it has and follows on.
pub(super) fn start(premises: Premises, node_key: SecretKey) -> Result<Node, StartError> {
    let Premises { genesis, data, config, metrics } = premises;
    let public_key = node_key.public_key();
    let place = place(&genesis, &public_key)?;
    let name = genesis.observers().get(place).map(|observer| observer.name.clone()).unwrap_or_default();
    let own = p2p::Own::Observer(place);
    let options = p2p::options(&genesis, own, node_key.clone(), &config.p2p)?;
    let folder = DataFolder::open(&data, &genesis.hash(), Owner::Observer(public_key))?;
    folder.refuse_lost_parts()?;
    let joining = Joining { genesis: &genesis, folder: &folder, config: &config, validator: None };
    joining.before_start(|| Ok(Some(p2p::options(&genesis, own, node_key, &config.p2p)?)))?;
    let (store, ledger) = open_ledger(&folder, &genesis, &config)?;
    folder.bind(&genesis.hash())?;
    let head = ledger.head();
    tracing::info!(height = head.header.height.get(), state_root = %head.summary.state_root, "found on disk");

    let runtime = runtime()?;
    let (listener, rpc_addr) = listen(&runtime, &config)?;
    let company = Arc::new(Company::new());
    let horizon = Arc::new(Horizon::new(genesis.committee(), head.header.height));
    let desk = Arc::new(OnceLock::new());
    let sources = Sources::new(sources(&options));
    let reception = Reception { company: company.clone(), horizon: horizon.clone(), desk: desk.clone() };
    let network = runtime.block_on(p2p::start(options, reception))?;
    let handle = network.handle();

    let met = (company.clone(), horizon.clone());
    let pruner = ledger.pruner(config.storage.history.retention())?;
    let whole = Whole { ledger, pruner, store: store.clone(), met, handle: handle.clone() };
    let Limbs { stop, clock, tracker, reader, intake, forwarding, blocks, height, closing } =
        whole.start(&runtime, &genesis);
    let (way, tip) = (Way::Forwarding(forwarding.clone()), Tip::from(&*reader.head()));
    let entrance = Arc::new(Entrance { reader, intake, tracker: tracker.clone(), way, stop: stop.clone() });
    // Nobody else sets it.
    let _first = desk.set(Desk::new(entrance.clone(), *genesis.params(), stop.clone()));
    let follower = Follower {
        tip,
        handle: handle.clone(),
        company,
        horizon: horizon.clone(),
        committee: Arc::new(genesis.committee()),
        sources,
        blocks,
        height: height.clone(),
        clock,
        stop: stop.clone(),
        pace: Pace::new(),
    };
    follow(&runtime, follower, forwarding.clone());
    let parts = WindowParts {
        place: Place::Observer { horizon, forwarding },
        node_key: public_key,
        name,
        folders: Folders::of(&folder),
        network: Some(handle),
        entrance,
        store,
        heads: height,
        clock,
        stop: stop.clone(),
        metrics,
    };
    let serving = Window::new(&genesis, parts).open(&runtime, listener, &config.rpc);
    Ok(Node { stop, rpc_addr, runtime, serving, network: Some(network), tracker, closing, _folder: folder })
}

/// Starts the two loops of an observer. One that breaks goes on from where it stood.
fn follow(runtime: &Runtime, follower: Follower, forwarding: Arc<Forwarding>) {
    let _entered = runtime.enter();
    let follower = Arc::new(Mutex::new(follower));
    tasks::keep("follower", move || {
        let follower = follower.clone();
        async move { follower.lock().await.run().await }
    });
    tasks::keep("forwarding", move || forwarding.clone().keep());
}

/// What the limbs are made of.
struct Whole {
    ledger: Ledger<RocksStore>,
    pruner: Pruner<RocksStore>,
    store: RocksStore,
    /// Who is connected, and how high they show the chain to be.
    met: (Arc<Company>, Arc<Horizon>),
    handle: Handle,
}

/// What runs on threads of its own, and the ways to it.
struct Limbs {
    stop: Stop,
    clock: Clock,
    tracker: Arc<Tracker>,
    reader: Reader<RocksStore>,
    intake: Intake<RocksStore>,
    forwarding: Arc<Forwarding>,
    blocks: Arc<Mailbox<FinalBlock>>,
    height: watch::Receiver<Height>,
    closing: Closing,
}

impl Whole {
    /// Starts the thread of the ledger, the one that verifies transactions, and the tasks that hand them over.
    fn start(self, runtime: &Runtime, genesis: &Genesis) -> Limbs {
        let (stop, clock, tracker) = (Stop::new(), Clock::start(), Arc::new(Tracker::new()));
        let reader = self.ledger.reader();
        let intake = Intake::new(reader.clone(), genesis.hash(), *genesis.params(), clock);
        let forwarding = {
            // Its tasks belong to the runtime.
            let _entered = runtime.enter();
            let index = reader.clone();
            // A store that cannot be read ends the process elsewhere.
            let is_included = Box::new(move |id: &_| index.is_included(id).unwrap_or(false));
            let (company, horizon) = self.met;
            Arc::new(Forwarding::new(ForwardingParts {
                handle: self.handle,
                company,
                horizon,
                validators: genesis.validators().iter().map(|validator| validator.node_key).collect(),
                faulty_max: genesis.validator_set().quorums().f(),
                tracker: tracker.clone(),
                clock,
                is_included,
            }))
        };
        let blocks = inner_mailbox::<FinalBlock>();
        let (height_sender, height) = watch::channel(self.ledger.head().header.height);
        let (forgetting, waiting) = (forwarding.clone(), tracker.clone());
        let executor = Executor {
            ledger: self.ledger,
            blocks: blocks.clone(),
            height: height_sender,
            compares: true,
            committed: Box::new(move |committed, _| {
                forgetting.committed(committed);
                waiting.committed(committed);
            }),
        };
        let (pruning, pruning_door) = pruning::start(self.pruner, stop.clone());
        let threads = vec![executor.start(stop.clone()), intake.start(stop.clone()), pruning];
        let (doors, closed_blocks) = (intake.clone(), blocks.clone());
        let doors =
            vec![Door(Box::new(move || doors.close())), Door(Box::new(move || closed_blocks.close())), pruning_door];
        let closing = Closing { doors, threads, store: self.store };
        Limbs { stop, clock, tracker, reader, intake, forwarding, blocks, height, closing }
    }
}

/// The place of the observer with this node key in the document.
fn place(genesis: &Genesis, key: &PublicKey) -> Result<usize, StartError> {
    let validator = genesis.validators().iter().find(|validator| validator.node_key == *key);
    if let Some(validator) = validator {
        return Err(StartError::IsAValidator { key: *key, name: validator.name.clone() });
    }
    let place = genesis.observers().iter().position(|observer| observer.node_key == *key);
    place.ok_or(StartError::NotAnObserver { key: *key })
}
