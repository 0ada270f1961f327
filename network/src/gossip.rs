//! Gossip for those who are not in the full mesh of validators: transactions on their way, and newest final blocks.
//!
//! Messages are anonymous, because what is in them is signed where that matters; a message is passed on only when the
//! receiver accepted it; and there are two topics, so that nobody makes us keep more. Where nobody follows the chain
//! without a vote, nothing of it runs. The figures suit a few dozen nodes: what we publish goes to all of them at once.
//!
//! The library hashes and remembers every message that comes in, those included that it never shows us. So what a peer
//! sends is counted in front of it, and a peer that sends far more than an honest one can is reported, and not heard
//! from then on. How often the receiver is asked to judge is limited by the event loop.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, Event, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, Message,
    MessageAcceptance, MessageAuthenticity, MessageId, PublishError, TopicHash, ValidationMode, Version,
    WhitelistSubscriptionFilter,
};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::identity::Chain;
use crate::options::Role;
use crate::receiver::Topic;

/// Bytes of a message at most: a transaction of the largest common kind.
pub const GOSSIP_BYTES_MAX: usize = 160 * 1_024;
/// Bytes around a message on the wire.
const ENVELOPE_BYTES: usize = 1_024;
/// Bytes of a message id, as other networks have them.
const ID_BYTES: usize = 20;
/// How often the mesh is looked after, and when first.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long a message that was seen is known again: it has gone round a few dozen nodes long before.
const SEEN: Duration = Duration::from_secs(10);
/// Ids in one announcement, and ids that are asked for in one heartbeat: several seconds of heads.
const IDS_MAX: usize = 64;
/// Announcements of one peer that are looked at in one heartbeat; an honest one makes one for each topic.
const ANNOUNCEMENTS_MAX: usize = 4;
/// Bytes of all that is about the mesh in one packet: two announcements with [`IDS_MAX`] ids of 22 bytes each.
const CONTROL_BYTES_MAX: usize = 4 * 1_024;
/// Topics in one packet about subscriptions.
const SUBSCRIPTIONS_MAX: usize = 2 * Topic::COUNT;
/// Packets that wait for one peer: a second of what an honest node sends.
const QUEUE_MAX: usize = 32;
/// Packets that a peer may send in a second before it is cut off. An honest one publishes and passes on what the rates
/// of [`published_rate`] and [`passed_on_rate`] allow, which are 150 together, and looks after the mesh.
const PACKETS_PER_SECOND: u32 = 200;
/// Packets at once. What an honest peer had sent when this process was stopped for a while: until it gives the
/// connection up after eight seconds, at the rate above.
const PACKETS_AT_ONCE: u32 = 8 * PACKETS_PER_SECOND;

/// What the library is configured to.
type Inner = Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// Gossip that takes part in our topics only, and counts what comes in.
pub(crate) struct Gossip {
    inner: Toggle<Inner>,
    packets: BTreeMap<PeerId, Bucket>,
    floods: VecDeque<PeerId>,
}

/// Something happened to gossip.
#[derive(Debug)]
pub(crate) enum GossipEvent {
    /// The library says so.
    Of(Event),
    /// A peer sends far more than an honest one can. What it sends is dropped meanwhile.
    Flood(PeerId),
}

impl Gossip {
    /// Gossip on a chain for a node of this role. It does not run if neither the node nor one of its peers follows
    /// without a vote, because validators hear of everything on the streams of consensus.
    pub(crate) fn new(chain: &Chain, ours: Role, mut theirs: impl Iterator<Item = Role>) -> Self {
        let is_wanted = ours == Role::Observer || theirs.any(|role| role == Role::Observer);
        let inner = is_wanted.then(|| behaviour(chain, ours));
        Self { inner: inner.into(), packets: BTreeMap::new(), floods: VecDeque::new() }
    }

    /// Gives a message to those who follow the topic.
    pub(crate) fn publish(&mut self, topic: Topic, bytes: Vec<u8>) -> Result<(), PublishError> {
        match self.inner.as_mut().map(|inner| inner.publish(ident(topic), bytes)) {
            None | Some(Ok(_) | Err(PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic)) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }

    /// Subscribes to a topic, or takes it back, which costs a packet each time.
    #[cfg(test)]
    pub(crate) fn toggle(&mut self, topic: Topic) {
        let inner = self.inner.as_mut().expect("a test has it");
        if !inner.unsubscribe(&ident(topic)) {
            inner.subscribe(&ident(topic)).expect("it is one of our topics");
        }
    }

    /// Says what becomes of a message that came in.
    pub(crate) fn report(&mut self, message: &MessageId, source: &PeerId, acceptance: MessageAcceptance) {
        if let Some(inner) = self.inner.as_mut() {
            // False only says that the library forgot the message meanwhile.
            let _ = inner.report_message_validation_result(message, source, acceptance);
        }
    }
}

/// How many messages of a topic we publish. A validator has a new head ten times a second at most.
pub(crate) fn published_rate(topic: Topic) -> Bucket {
    match topic {
        Topic::Transactions => Bucket::per_second(50, 100),
        Topic::Heads => Bucket::per_second(20, 40),
    }
}

/// How many messages of a topic one peer may have judged. What is above it is dropped, and its loss costs nobody
/// anything: a newer head makes up for older ones.
pub(crate) fn judged_rate(topic: Topic) -> Bucket {
    published_rate(topic)
}

/// How many messages of a topic we pass on, from whomever they come.
pub(crate) fn passed_on_rate(topic: Topic) -> Bucket {
    match topic {
        Topic::Transactions => Bucket::per_second(50, 100),
        Topic::Heads => Bucket::per_second(30, 60),
    }
}

/// Which of our topics this is.
pub(crate) fn topic(hash: &TopicHash) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| topic.name() == hash.as_str())
}

/// A topic as the library names it.
fn ident(topic: Topic) -> IdentTopic {
    IdentTopic::new(topic.name())
}

/// The topics that a node wants to hear of. Validators make the heads themselves.
fn followed(role: Role) -> &'static [Topic] {
    match role {
        Role::Validator => &[Topic::Transactions],
        Role::Observer => &Topic::ALL,
    }
}

fn behaviour(chain: &Chain, role: Role) -> Inner {
    let config = ConfigBuilder::default()
        .protocol_id(chain.protocol("gossip").to_string(), Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(GOSSIP_BYTES_MAX + ENVELOPE_BYTES)
        .max_publish_messages(1)
        .max_control_message_size(CONTROL_BYTES_MAX)
        .max_control_messages_sent(IDS_MAX)
        .max_ihave_messages_heartbeat(ANNOUNCEMENTS_MAX)
        .connection_handler_queue_len(QUEUE_MAX)
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(HEARTBEAT)
        .mesh_n_low(6)
        .mesh_n(8)
        .mesh_n_high(12)
        .flood_publish(true)
        .duplicate_cache_time(SEEN)
        .build()
        .expect("these figures fit together, as every start of a network with observers shows");
    let ours = WhitelistSubscriptionFilter(Topic::ALL.into_iter().map(|topic| ident(topic).hash()).collect());
    let filter = MaxCountSubscriptionFilter {
        filter: ours,
        max_subscribed_topics: Topic::COUNT,
        max_subscriptions_per_request: SUBSCRIPTIONS_MAX,
    };
    let mut gossip = Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
        .expect("anonymous messages and their validation fit together");
    for topic in followed(role) {
        gossip.subscribe(&ident(*topic)).expect("the filter lets our topics through, and nothing is sent yet");
    }
    gossip
}

fn message_id(message: &Message) -> MessageId {
    let mut hasher = Sha256::new();
    hasher.update(message.topic.as_str());
    hasher.update(&message.data);
    MessageId::new(&hasher.finalize()[..ID_BYTES])
}

impl NetworkBehaviour for Gossip {
    type ConnectionHandler = THandler<Toggle<Inner>>;
    type ToSwarm = GossipEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        // The gate lets in listed peers only, so there are no more buckets than those.
        let packets = self.packets.entry(peer);
        let packets = packets.or_insert_with(|| Bucket::per_second(PACKETS_PER_SECOND, PACKETS_AT_ONCE));
        if packets.take(1, Instant::now()) {
            self.inner.on_connection_handler_event(peer, connection, event);
        } else if !self.floods.contains(&peer) {
            self.floods.push_back(peer);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<GossipEvent, THandlerInEvent<Self>>> {
        // The swarm polls again after each event of a handler, so no waker is kept for the floods.
        match self.floods.pop_front() {
            Some(peer) => Poll::Ready(ToSwarm::GenerateEvent(GossipEvent::Flood(peer))),
            None => self.inner.poll(context).map(|action| action.map_out(GossipEvent::Of)),
        }
    }
}
