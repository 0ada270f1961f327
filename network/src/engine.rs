//! The event loop: one task that owns the swarm, hears what happened to connections and streams, and keeps every peer
//! at exactly one usable connection.
//!
//! It receives, calls one handler, and looks at the clock; frames do not pass through it. Invariants: a peer has at most
//! one link; only on a link that has shown our genesis are frames read or written; the receiver hears true and false
//! alternately for each peer; a peer with an address and without a link always has a dial running or a next dial.

mod dial;
mod entry;
mod link;
mod talk;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::gossipsub::MessageId;
use libp2p::request_response::{OutboundRequestId, ResponseChannel};
use libp2p::swarm::{ConnectionId, ListenError, Swarm, SwarmEvent};
use libp2p::{PeerId, identify, ping};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::class::Class;
use crate::gate::{Gate, Refusal};
use crate::identity::{self, Chain};
use crate::network::NetworkError;
use crate::options::{Options, OptionsError};
use crate::receiver::{Receiver, Verdict};
use crate::requests::Answer;
use crate::shared::Shared;
use crate::streams::Streams;
use crate::tasks::Tasks;
use crate::transport::{self, Behaviour, BehaviourEvent};
use crate::{figures, reader};

use entry::Entry;
use talk::Waiting;

/// Reports of tasks that may wait for the loop; a task that finds no room waits.
const REPORTS_MAX: usize = 1_024;
/// Time between two lines about refused connections.
const REFUSED_LINE_EVERY: Duration = Duration::from_secs(10);
/// The loop looks at the clock at least so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    /// The receiver answered a request.
    Answered(PeerId, ResponseChannel<Answer>, Option<Vec<u8>>),
    /// The receiver judged a message of gossip.
    Judged(PeerId, MessageId, Verdict),
}

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
    refused: Refused,
    waiting: BTreeMap<OutboundRequestId, Waiting>,
    judging: usize,
}

/// What was refused since the last line about it.
#[derive(Debug, Default)]
struct Refused {
    count: u64,
    told: Option<Instant>,
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
        let gate = Gate::new(peers.keys().copied().collect());
        let roles = peers.iter().map(|(id, entry)| (*id, entry.shared.peer.role)).collect();
        let streams = Streams::new(&chain, options.role, roles);
        let keypair = identity::keypair(&options.key);
        let tasks = Tasks::default();
        let behaviour = Behaviour::new(&keypair, &chain, &options.agent, gate, streams);
        let mut swarm = transport::swarm(&keypair, behaviour, tasks.clone())?;
        let listen = transport::listen(&mut swarm, wanted).await?;
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        let (refused, waiting) = (Refused::default(), BTreeMap::new());
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
            refused,
            waiting,
            judging: 0,
        })
    }

    /// Where it listens.
    pub(crate) const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Runs until `stop` changes or its sender is gone, or until a task of libp2p panics.
    pub(crate) async fn run(&mut self, stop: &mut watch::Receiver<()>) -> Why {
        self.on_time();
        loop {
            let deadline = self.deadline();
            tokio::select! {
                _ = stop.changed() => return Why::Stopped,
                () = self.tasks.broken() => return Why::Broken,
                Some(report) = self.reports.recv() => self.on_report(report),
                () = sleep_until(deadline) => self.on_time(),
                command = self.shared.commands.next() => self.on_command(command),
                event = self.swarm.select_next_some() => self.on_swarm(event),
            }
        }
    }

    /// Takes all links down, tells the receiver, and ends all tasks. The socket is closed when it returns.
    pub(crate) async fn shut_down(mut self) {
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            self.drop_link(&id, "we stopped");
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
            Report::Answered(peer, channel, answer) => self.on_answered(&peer, channel, answer),
            Report::Judged(peer, message, verdict) => self.on_judged(&peer, &message, verdict),
        }
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
                let remote = transport::socket_address(&send_back_addr);
                self.on_refused(peer_id, remote, error);
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a connection could not be accepted"),
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

    fn on_refused(&mut self, peer: Option<PeerId>, remote: Option<SocketAddr>, error: ListenError) {
        let refusal = match error {
            ListenError::Denied { cause } => cause.downcast::<Refusal>().ok(),
            _ => None,
        };
        figures::refused(match refusal {
            Some(Refusal::UnknownKey) => "unknown_key",
            Some(Refusal::Paused) => "paused",
            Some(Refusal::TooManyPending) => "too_many_pending",
            None => "handshake",
        });
        let remote = remote.map(|remote| remote.to_string()).unwrap_or_default();
        let Some(Refusal::UnknownKey) = refusal else {
            tracing::debug!(%remote, ?refusal, "a connection was refused or failed");
            return;
        };
        self.refused.count += 1;
        let now = Instant::now();
        if self.refused.told.is_some_and(|told| now < told + REFUSED_LINE_EVERY) {
            return;
        }
        let key = peer.as_ref().and_then(identity::public_key).map(|key| key.to_string()).unwrap_or_default();
        let count = self.refused.count;
        tracing::warn!(%remote, key, count, "refused a node whose key is not in the genesis document");
        self.refused = Refused { count: 0, told: Some(now) };
    }

    /// When the clock must be looked at next.
    fn deadline(&self) -> Instant {
        let latest = Instant::now() + LOOK_EVERY;
        self.peers.values().filter_map(Entry::deadline).fold(latest, Instant::min)
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        let due: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, entry)| entry.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.look_at_link(&id, now);
            self.dial_if_due(&id, now);
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
