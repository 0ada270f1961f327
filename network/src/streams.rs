//! Streams of frames over libp2p: opened one by one on a connection that the caller names, and handed over raw.
//!
//! Each side opens the streams that it writes to and accepts those that it reads from, so that no stream carries both
//! directions and two full windows never wait for each other. The handler negotiates and hands over; it reads and
//! writes nothing, decides nothing about peers, and never dials. It accepts only classes that the two roles share.
//! Why it is not the crate `libp2p-stream` is in `docs/adr/0012-streams-of-our-own.md`.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, Stream, StreamProtocol};

use crate::class::Class;
use crate::identity::Chain;
use crate::options::Role;

/// How long the two sides may take to agree on a stream's protocol.
const NEGOTIATION: Duration = Duration::from_secs(5);
/// Events of one connection that may wait for the swarm. A peer that opens streams faster has the rest reset.
const EVENTS_MAX: usize = 16;

/// The part of the swarm that knows about streams.
#[derive(Debug)]
pub(crate) struct Streams {
    role: Role,
    roles: BTreeMap<PeerId, Role>,
    protocols: [StreamProtocol; Class::COUNT],
    actions: VecDeque<ToSwarm<StreamEvent, Class>>,
}

/// Something happened to a stream.
#[derive(Debug)]
pub(crate) struct StreamEvent {
    /// With whom.
    pub(crate) peer: PeerId,
    /// On which connection.
    pub(crate) connection: ConnectionId,
    /// The class of the stream.
    pub(crate) class: Class,
    /// What it was.
    pub(crate) what: What,
}

/// What happened to a stream.
#[derive(Debug)]
pub(crate) enum What {
    /// The peer opened it; we read.
    Inbound(Stream),
    /// We opened it, as we were asked to; we write.
    Outbound(Stream),
    /// We could not open it.
    Failed(String),
}

impl Streams {
    /// Streams on `chain` for a node of this role among peers of those roles.
    pub(crate) fn new(chain: &Chain, role: Role, roles: BTreeMap<PeerId, Role>) -> Self {
        let protocols = Class::ALL.map(|class| chain.stream_protocol(class));
        Self { role, roles, protocols, actions: VecDeque::new() }
    }

    /// Opens a stream to write to. Its end is an event with the same class; callers ask once and wait for it.
    pub(crate) fn open(&mut self, peer: PeerId, connection: ConnectionId, class: Class) {
        let handler = NotifyHandler::One(connection);
        self.actions.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: class });
    }

    fn handler(&self, peer: &PeerId) -> StreamHandler {
        let theirs = self.roles.get(peer).copied();
        let shares = |class: &Class| theirs.is_some_and(|theirs| self.role.shares(theirs, *class));
        let accepted =
            Class::ALL.into_iter().filter(shares).map(|class| (self.protocols[class.index()].clone(), class)).collect();
        StreamHandler {
            protocols: self.protocols.clone(),
            accepted: Offer(accepted),
            wanted: VecDeque::new(),
            events: VecDeque::new(),
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = StreamHandler;
    type ToSwarm = StreamEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(&peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(&peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let (class, what) = event;
        self.actions.push_back(ToSwarm::GenerateEvent(StreamEvent { peer, connection, class, what }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // The swarm polls again after each event of a handler and after each call of ours, so no waker is kept.
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The part of one connection that knows about streams.
#[derive(Debug)]
pub(crate) struct StreamHandler {
    protocols: [StreamProtocol; Class::COUNT],
    accepted: Offer,
    wanted: VecDeque<Class>,
    events: VecDeque<(Class, What)>,
}

impl ConnectionHandler for StreamHandler {
    type FromBehaviour = Class;
    type ToBehaviour = (Class, What);
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Class;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(self.accepted.clone(), ()).with_timeout(NEGOTIATION)
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, Class, (Class, What)>> {
        // A connection polls its handler again after every call into it, so no waker is kept.
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        let Some(class) = self.wanted.pop_front() else { return Poll::Pending };
        let offer = Offer(vec![(self.protocols[class.index()].clone(), class)]);
        let protocol = SubstreamProtocol::new(offer, class).with_timeout(NEGOTIATION);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, class: Class) {
        self.wanted.push_back(class);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer, (), Class>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (class, stream), .. }) => {
                if self.events.len() < EVENTS_MAX {
                    self.events.push_back((class, What::Inbound(stream)));
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (class, stream), .. }) => {
                self.events.push_back((class, What::Outbound(stream)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: class, error }) => {
                self.events.push_back((class, What::Failed(reason(error))));
            }
            _ => {}
        }
    }
}

fn reason(error: StreamUpgradeError<Infallible>) -> String {
    match error {
        StreamUpgradeError::Timeout => "it took too long to agree on a stream".to_owned(),
        StreamUpgradeError::NegotiationFailed => "it does not accept streams of this chain from us".to_owned(),
        StreamUpgradeError::Io(error) => error.to_string(),
        StreamUpgradeError::Apply(never) => match never {},
    }
}

/// The protocols that may be chosen for a stream, each with its class.
#[derive(Clone, Debug)]
pub(crate) struct Offer(Vec<(StreamProtocol, Class)>);

impl Offer {
    fn chosen(&self, protocol: &StreamProtocol, stream: Stream) -> (Class, Stream) {
        let of_name = self.0.iter().find(|(name, _)| name == protocol);
        let (_, class) = of_name.expect("libp2p chooses among the names that it was given");
        (*class, stream)
    }
}

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Class, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok(self.chosen(&protocol, stream)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (Class, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok(self.chosen(&protocol, stream)))
    }
}
