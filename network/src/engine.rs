//! The event loop: one task that owns the swarm, hears what happened to connections and streams, and keeps every peer
//! at exactly one usable connection.
//!
//! It receives, calls one handler, and looks at the clock a few times a second; frames do not pass through it. What
//! takes longer runs in tasks that report back, and a task that panics reports that. Invariants: a peer has at most one
//! link; only on a link that has shown our genesis are frames read or written; the receiver hears true and false
//! alternately for each peer; a peer with an address and without a link always has a dial running or a next dial.

mod answering;
mod dial;
mod entry;
mod link;
mod lookout;
mod refusals;
mod talk;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use libp2p::gossipsub::MessageId;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::{ConnectionId, Swarm, SwarmEvent};
use libp2p::{PeerId, identify, ping};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::bucket::Bucket;
use crate::class::Class;
use crate::gate::Gate;
use crate::gossip::{self, Gossip};
use crate::identity::{self, Chain};
use crate::network::NetworkError;
use crate::options::{Options, OptionsError};
use crate::receiver::{Receiver, Topic, Verdict};
use crate::requests::Answer;
use crate::shared::Shared;
use crate::status::Trouble;
use crate::streams::Streams;
use crate::tasks::Tasks;
use crate::transport::{self, Behaviour, BehaviourEvent};
use crate::{figures, reader};

use answering::Place;
use entry::Entry;
use lookout::Lookout;
use refusals::Refusals;
use talk::Waiting;

/// Reports of tasks that may wait for the loop; a task that finds no room waits.
const REPORTS_MAX: usize = 1_024;
/// How often the loop looks what is due. Nothing that it waits for is as short; and looking at all peers takes
/// microseconds, which is too much for every event and nothing for ten times a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was told to.
    Stopped,
    /// A task of libp2p panicked.
    Broken,
}

/// What a task tells the loop.
#[derive(Debug)]
enum Report {
    /// The name of a peer was resolved, or why not.
    Resolved(PeerId, Result<Vec<SocketAddr>, String>),
    /// A stream is not read any more.
    ReaderEnded(PeerId, ConnectionId, Class, reader::End),
    /// A stream is not written any more, and why.
    WriterEnded(PeerId, ConnectionId, Class, String),
    /// A task that belongs to a connection panicked.
    Panicked(PeerId, ConnectionId),
    /// The receiver answered a request.
    Answered(InboundRequestId, ResponseChannel<Answer>, Option<Vec<u8>>),
    /// It is the turn of an answer.
    Paid(InboundRequestId, ResponseChannel<Answer>, Answer),
    /// The receiver judged a message of gossip.
    Judged(PeerId, MessageId, Topic, Verdict),
}

/// A task of ours panicked. That is counted and said already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Panicked;

/// The loop and what it owns.
pub(crate) struct Engine<R> {
    chain: Chain,
    shared: Arc<Shared>,
    receiver: Arc<R>,
    swarm: Swarm<Behaviour>,
    tasks: Tasks,
    listen: SocketAddr,
    peers: BTreeMap<PeerId, Entry>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    refusals: Refusals,
    lookout: Lookout,
    waiting: BTreeMap<OutboundRequestId, Waiting>,
    places: BTreeMap<InboundRequestId, Place>,
    judging: usize,
    published: [Bucket; Topic::COUNT],
    passed_on: [Bucket; Topic::COUNT],
}

impl<R: Receiver> Engine<R> {
    /// Opens the listener. Nothing is dialled before [`Engine::run`].
    pub(crate) async fn start(
        options: Arc<Options>,
        shared: Arc<Shared>,
        receiver: Arc<R>,
        wanted: SocketAddr,
    ) -> Result<Self, NetworkError> {
        let chain = Chain { genesis: options.genesis, chain_id: options.chain_id.clone() };
        let mut peers = BTreeMap::new();
        for peer in shared.peers.values() {
            let id = identity::peer_id(&peer.peer.key)
                .map_err(|why| OptionsError::Key { name: peer.peer.name.clone(), why })?;
            peers.insert(id, Entry::new(options.key.public_key(), Arc::clone(peer)));
        }
        let gate = Gate::new(peers.keys().copied());
        let roles = peers.iter().map(|(id, entry)| (*id, entry.shared.peer.role)).collect();
        let streams = Streams::new(&chain, options.role, roles);
        let gossip = Gossip::new(&chain, options.role, options.peers.iter().map(|peer| peer.role));
        let keypair = identity::keypair(&options.key);
        let tasks = Tasks::default();
        let behaviour = Behaviour::new(&keypair, &chain, &options.agent, gate, streams, gossip);
        let mut swarm = transport::swarm(&keypair, behaviour, tasks.clone())?;
        let listen = transport::listen(&mut swarm, wanted).await?;
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        Ok(Self {
            chain,
            shared,
            receiver,
            swarm,
            tasks,
            listen,
            peers,
            reports,
            reporter,
            refusals: Refusals::new(),
            lookout: Lookout::new(),
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
            judging: 0,
            published: Topic::ALL.map(gossip::published_rate),
            passed_on: Topic::ALL.map(gossip::passed_on_rate),
        })
    }

    /// Where it listens.
    pub(crate) const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Its tasks, which end when they are told to, whatever becomes of the loop.
    pub(crate) fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Runs until `stop` changes or its sender is gone, or until a task of libp2p panics.
    pub(crate) async fn run(&mut self, stop: &mut watch::Receiver<()>) -> Why {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.lookout = Lookout::new();
        loop {
            tokio::select! {
                _ = stop.changed() => return Why::Stopped,
                () = self.tasks.broken() => return Why::Broken,
                Some(report) = self.reports.recv() => self.on_report(report),
                _ = looks.tick() => self.on_time(),
                command = self.shared.commands.next() => self.on_command(command),
                event = self.swarm.select_next_some() => self.on_swarm(event),
            }
        }
    }

    /// Takes all links down, tells the receiver, and ends all tasks. The socket is closed when it returns.
    pub(crate) async fn shut_down(mut self) {
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            self.drop_link(&id, Trouble::Lost, "we stopped");
        }
        self.shared.commands.clear();
        let tasks = self.tasks.clone();
        drop(self);
        tasks.shut_down().await;
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Resolved(peer, result) => self.on_resolved(&peer, result),
            Report::ReaderEnded(peer, connection, class, end) => self.on_reader_ended(&peer, connection, class, end),
            Report::WriterEnded(peer, connection, class, why) => self.on_no_stream(&peer, connection, class, &why),
            Report::Panicked(peer, connection) => self.on_panicked(&peer, connection),
            Report::Answered(request, channel, answer) => self.on_answered(request, channel, answer),
            Report::Paid(request, channel, answer) => self.on_paid(request, channel, answer),
            Report::Judged(peer, message, topic, verdict) => self.on_judged(&peer, &message, topic, verdict),
        }
    }

    /// Runs a task of ours. What it comes to, or that it panicked at `place`, is reported to the loop.
    fn run_task<T>(
        &self,
        place: &'static str,
        work: impl Future<Output = T> + Send + 'static,
        report: impl FnOnce(Result<T, Panicked>) -> Report + Send + 'static,
    ) -> AbortHandle {
        let reporter = self.reporter.clone();
        self.tasks.spawn(async move {
            let ended = AssertUnwindSafe(work).catch_unwind().await.map_err(|_| {
                figures::panicked(place);
                tracing::error!(place, "a task of the network panicked");
                Panicked
            });
            // Without a loop nobody cares.
            let _ = reporter.send(report(ended)).await;
        })
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(&peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                self.on_closed(&peer_id, connection_id, cause);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), connection_id, error } => {
                self.on_dial_failed(&peer, connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, peer_id, .. } => {
                self.on_refused(peer_id, &send_back_addr, error);
            }
            SwarmEvent::ListenerError { error, .. } => self.on_not_accepted(&error),
            SwarmEvent::ListenerClosed { reason, .. } => {
                // It does not come back by itself; the loop starts again with a new one.
                tracing::error!(?reason, "the listener for peers closed");
                self.tasks.break_down();
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Streams(event) => self.on_stream(event),
            BehaviourEvent::Requests(event) => self.on_request_event(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Identify(identify::Event::Received { connection_id, peer_id, info }) => {
                self.on_identified(&peer_id, connection_id, &info);
            }
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Ok(took) }) => {
                self.on_ping(&peer, connection, took);
            }
            _ => {}
        }
    }

    /// Tells the receiver, whose panic must not end the loop.
    fn tell_connected(&self, entry: &Entry, is_connected: bool) {
        let tell = AssertUnwindSafe(|| self.receiver.connected(&entry.shared.peer.key, is_connected));
        if std::panic::catch_unwind(tell).is_err() {
            figures::panicked("connected");
            tracing::error!(peer = entry.shared.peer.name, "the handler of a connection panicked");
        }
        let connected = self.peers.values().filter(|entry| entry.is_up()).count();
        figures::connected(u32::try_from(connected).unwrap_or(u32::MAX));
    }
}
