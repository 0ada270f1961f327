//! The swarm: TCP, Noise and Yamux, the behaviours on top, and the socket that it listens on.
//!
//! Sockets are tuned so that little lies in the kernel in front of a vote and a dead peer's data does not wait long.
//! Names are not resolved here; the address that is dialled is an IP address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::core::transport::{Boxed, TransportError};
use libp2p::core::upgrade::Version;
use libp2p::core::{Multiaddr, Transport as _, muxing::StreamMuxerBox};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{self, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{PeerId, connection_limits, identify, identity::Keypair, noise, ping, request_response, tcp, yamux};
use socket2::SockRef;

use crate::gate::Gate;
use crate::gossip::Gossip;
use crate::identity::Chain;
use crate::network::NetworkError;
use crate::requests::{self, RawCodec};
use crate::streams::Streams;
use crate::tasks::Tasks;

/// Bytes that wait unsent in the kernel per connection: half of what may stand in front of a vote (the table of limits
/// allows 256 KiB); the rest is for what Yamux and Noise hold.
pub(crate) const UNSENT_BYTES_MAX: u32 = 128 * 1_024;
/// How long data may stay unacknowledged, or a window shut, before the kernel gives a connection up. It ends what a
/// stopped peer leaves behind; that it is gone is noticed before.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);
/// How long the whole handshake may take: TCP, Noise, Yamux.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes of ours that run at once: one for each peer.
const PENDING_OUT_MAX: u32 = 512;
/// Connections with one peer: two after a mutual dial, until one is closed, and one that is being closed.
const PER_PEER_MAX: u32 = 3;
/// Streams of one connection as Yamux counts them. It lets windows of streams grow by what is left of one GiB after
/// 256 KiB for each of so many streams, which for this number is nothing. Grown windows would put megabytes of bulk in
/// front of a vote; with 256 KiB for each stream, one stream still carries 2.5 MB/s over a round trip of 100 ms. How
/// many streams there really are is bounded by [`NEGOTIATING_MAX`] and by each protocol.
const STREAMS_MAX: usize = 4_096;
/// Streams of one connection whose protocol is being negotiated.
const NEGOTIATING_MAX: usize = 32;
/// Time between two pings. A living peer gives a sign of life at least so often.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(2);
/// How long a ping is waited for.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections are closed by us, never because they are idle.
const IDLE: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// How long opening the listener may take.
const LISTEN: Duration = Duration::from_secs(5);

/// Everything that reacts to connections. Limits come first: what they refuse, the others never see. Handshakes of
/// others are bounded by the gate, which knows from where peers come.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    /// Who gets in.
    pub(crate) gate: Gate,
    /// Streams of frames.
    pub(crate) streams: Streams,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    /// Requests.
    pub(crate) requests: request_response::Behaviour<RawCodec>,
    /// Gossip.
    pub(crate) gossip: Gossip,
}

impl Behaviour {
    /// The behaviours of a node with this key.
    pub(crate) fn new(
        keypair: &Keypair,
        chain: &Chain,
        agent: &str,
        gate: Gate,
        streams: Streams,
        gossip: Gossip,
    ) -> Self {
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_outgoing(Some(PENDING_OUT_MAX))
            .with_max_established_per_peer(Some(PER_PEER_MAX));
        let identify = identify::Config::new(chain.version(), keypair.public())
            .with_agent_version(agent.to_owned())
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        Self {
            limits: connection_limits::Behaviour::new(limits),
            gate,
            streams,
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_TIMEOUT)),
            requests: requests::behaviour(chain),
            gossip,
        }
    }
}

/// A swarm that runs its tasks among `tasks`.
pub(crate) fn swarm(keypair: &Keypair, behaviour: Behaviour, tasks: Tasks) -> Result<Swarm<Behaviour>, NetworkError> {
    let config = swarm::Config::with_executor(tasks)
        .with_idle_connection_timeout(IDLE)
        .with_max_negotiating_inbound_streams(NEGOTIATING_MAX);
    Ok(Swarm::new(transport(keypair)?, behaviour, keypair.public().to_peer_id(), config))
}

fn transport(keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, NetworkError> {
    let noise = noise::Config::new(keypair).map_err(|error| NetworkError::Noise { why: error.to_string() })?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS_MAX);
    Ok(tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .map(|stream, _| {
            tune(&stream);
            stream
        })
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(HANDSHAKE)
        .boxed())
}

/// A socket that cannot be tuned still works, only with more in front of a vote, so this does not fail.
fn tune(stream: &tcp::tokio::TcpStream) {
    let socket = SockRef::from(&stream.0);
    let results =
        [socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX), socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))];
    for error in results.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "a socket could not be tuned");
    }
}

/// Opens the listener and says where it is. With port 0 the system picks the port.
pub(crate) async fn listen(swarm: &mut Swarm<Behaviour>, wanted: SocketAddr) -> Result<SocketAddr, NetworkError> {
    let failed = |source: io::Error| NetworkError::Listen { address: wanted, source };
    if wanted.port() != 0 {
        // libp2p shares its port with whoever asks (SO_REUSEPORT), so two nodes on one port would not see each other.
        drop(TcpListener::bind(wanted).map_err(failed)?);
    }
    let opened = open(swarm, wanted).await.map_err(failed)?;
    if wanted.ip() == Ipv6Addr::UNSPECIFIED {
        // The library's sockets of IPv6 take nothing of IPv4, other than most programs'.
        let both = SocketAddr::from((Ipv4Addr::UNSPECIFIED, opened.port()));
        open(swarm, both).await.map_err(|source| NetworkError::Listen { address: both, source })?;
    }
    Ok(opened)
}

/// Opens one socket.
async fn open(swarm: &mut Swarm<Behaviour>, wanted: SocketAddr) -> io::Result<SocketAddr> {
    let address = Multiaddr::from(wanted.ip()).with(Protocol::Tcp(wanted.port()));
    let listener = swarm.listen_on(address).map_err(|error| match error {
        TransportError::Other(error) => unboxed(error),
        other => io::Error::other(other),
    })?;
    let opened = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, address } if listener_id == listener => return Ok(address),
                SwarmEvent::ListenerError { error, .. } => return Err(error),
                SwarmEvent::ListenerClosed { reason, .. } => {
                    return Err(reason.err().unwrap_or_else(|| io::ErrorKind::NotConnected.into()));
                }
                _ => {}
            }
        }
    };
    let opened = match tokio::time::timeout(LISTEN, opened).await {
        Ok(opened) => opened?,
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let port = socket_address(&opened).map_or(wanted.port(), |address| address.port());
    Ok(SocketAddr::new(wanted.ip(), port))
}

/// What the system said, out of the boxes that libp2p puts it into; its kind is lost in them.
fn unboxed(error: io::Error) -> io::Error {
    let mut inner = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(next) = inner {
        if let Some(code) = next.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        inner = next.source();
    }
    error
}

/// The IP address and port in an address of libp2p.
pub(crate) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(host) => IpAddr::V4(host),
        Protocol::Ip6(host) => IpAddr::V6(host),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(host, port)),
        _ => None,
    }
}
