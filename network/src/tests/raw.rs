//! A peer that is not one of ours: it has a key and the protocols, and does what a test tells it.

use althing_types::{Hash, SecretKey};
use futures::{AsyncWriteExt as _, StreamExt as _};
use libp2p::core::Multiaddr;
use libp2p::gossipsub;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{Event, Message};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, Swarm, SwarmEvent};
use libp2p::{PeerId, Stream};

use super::*;
use crate::gate::Gate;
use crate::gossip::{Gossip, GossipEvent};
use crate::identity::{self, Chain};
use crate::requests::Answer;
use crate::streams::{StreamEvent, Streams, What};
use crate::tasks::Tasks;
use crate::transport::{self, Behaviour, BehaviourEvent};

/// The adversary.
pub(super) struct Raw {
    swarm: Swarm<Behaviour>,
    target: PeerId,
    pub(super) established: Vec<ConnectionId>,
    pub(super) dialled_by_it: Vec<ConnectionId>,
    pub(super) closed: Vec<ConnectionId>,
    pub(super) failed_dials: usize,
    pub(super) opened: Vec<Stream>,
    pub(super) refused_streams: usize,
    pub(super) streams_of_target: usize,
    pub(super) answers: Vec<Answer>,
    pub(super) has_no_gossip: bool,
}

impl Raw {
    /// With this key, for talking to the node with that one.
    pub(super) fn new(key: &SecretKey, target: PublicKey, role: Role) -> Self {
        let chain = Chain { genesis: Hash::new([7; 32]), chain_id: "test".to_owned() };
        let keypair = identity::keypair(key);
        let target = identity::peer_id(&target).unwrap();
        let gate = Gate::new([target]);
        let streams = Streams::new(&chain, role, [(target, Role::Validator)].into_iter().collect());
        let gossip = Gossip::new(&chain, role, std::iter::empty());
        let behaviour = Behaviour::new(&keypair, &chain, "raw", gate, streams, gossip);
        let swarm = transport::swarm(&keypair, behaviour, Tasks::default()).unwrap();
        Self {
            swarm,
            target,
            established: Vec::new(),
            dialled_by_it: Vec::new(),
            closed: Vec::new(),
            failed_dials: 0,
            opened: Vec::new(),
            refused_streams: 0,
            streams_of_target: 0,
            answers: Vec::new(),
            has_no_gossip: false,
        }
    }

    /// Listens too, and says on which port.
    pub(super) async fn listen(&mut self) -> u16 {
        transport::listen(&mut self.swarm, local(0)).await.expect("it can listen").port()
    }

    /// Begins one more connection.
    pub(super) fn dial(&mut self, port: u16) {
        let address = Multiaddr::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)).with(Protocol::Tcp(port));
        let dial = DialOpts::peer_id(self.target).condition(PeerCondition::Always).addresses(vec![address]);
        self.swarm.dial(dial.allocate_new_port().build()).unwrap();
    }

    /// Publishes a message. It heeds no rate.
    pub(super) fn publish(&mut self, topic: Topic, bytes: Vec<u8>) {
        // It may be full, which is no matter.
        let _ = self.swarm.behaviour_mut().gossip.publish(topic, bytes);
    }

    /// Subscribes to a topic, or takes it back.
    pub(super) fn toggle(&mut self, topic: Topic) {
        self.swarm.behaviour_mut().gossip.toggle(topic);
    }

    /// Sends a request. It heeds no limit.
    pub(super) fn ask(&mut self, bytes: &[u8]) {
        self.swarm.behaviour_mut().requests.send_request(&self.target, bytes.to_vec());
    }

    /// Asks for a stream on the newest connection.
    pub(super) fn open(&mut self, class: Class) {
        let connection = *self.established.last().expect("connected before");
        self.swarm.behaviour_mut().streams.open(self.target, connection, class);
    }

    /// Goes on until something is so.
    pub(super) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let go_on = async {
            while !is_so(self) {
                // It may be about somebody else, so it is looked at without an event as well.
                self.run_for(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, go_on).await.is_ok(), "it did not happen in time: {what}");
    }

    /// Goes on for so long.
    pub(super) async fn run_for(&mut self, duration: Duration) {
        let go_on = async {
            loop {
                self.step().await;
            }
        };
        let _: Result<(), _> = timeout(duration, go_on).await;
    }

    /// Writes to the stream that was opened last, as long as it can be written to.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut stream = self.opened.pop().expect("opened before");
        let write = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        tokio::pin!(write);
        let result = loop {
            tokio::select! {
                result = &mut write => break result,
                () = self.step() => {}
            }
        };
        self.opened.push(stream);
        result
    }

    async fn step(&mut self) {
        match self.swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { connection_id, endpoint, .. } => {
                self.established.push(connection_id);
                if endpoint.is_dialer() {
                    self.dialled_by_it.push(connection_id);
                }
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => self.closed.push(connection_id),
            SwarmEvent::OutgoingConnectionError { .. } => self.failed_dials += 1,
            SwarmEvent::Behaviour(BehaviourEvent::Requests(Event::Message {
                message: Message::Response { response, .. },
                ..
            })) => self.answers.push(response),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => {
                let is_refusal = matches!(event, GossipEvent::Of(gossipsub::Event::GossipsubNotSupported { .. }));
                self.has_no_gossip |= is_refusal;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Streams(StreamEvent { what, .. })) => match what {
                What::Outbound(stream) => self.opened.push(stream),
                What::Failed(_) => self.refused_streams += 1,
                What::Inbound(_) => self.streams_of_target += 1,
            },
            _ => {}
        }
    }
}
