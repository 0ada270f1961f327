//! Who gets in: bounds on handshakes that run at once, and the list of keys that may be there at all.
//!
//! A connection is first counted by the host that it comes from. Hosts of listed peers, as they were dialled or last
//! connected from, have places of their own, so that strangers who open sockets and say nothing cannot keep a peer out.
//! After the Noise handshake a connection is judged by its key, and by how often that key comes. The gate says no and
//! why; it closes nothing that is established and knows nothing of genesis.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::ListenFailure;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::options::PEERS_MAX;

/// Handshakes with one host at once: enough for a development network of 16 on one machine.
const PENDING_PER_HOST_MAX: usize = 16;
/// Handshakes at once with hosts that belong to no peer as far as we know.
const PENDING_STRANGERS_MAX: usize = 64;
/// Handshakes at once with hosts of peers: one for each.
const PENDING_PEERS_MAX: usize = PEERS_MAX;
/// Connections that one peer may make at once: a mutual dial, and a few restarts one after the other.
const ARRIVALS_AT_ONCE: u32 = 8;
/// Connections that one peer may make in a minute after that. Whoever is cut off waits longer each time before it dials
/// again, so an honest peer makes fewer.
const ARRIVALS_PER_MINUTE: u32 = 60;

/// The gate.
#[derive(Debug)]
pub(crate) struct Gate {
    listed: BTreeMap<PeerId, Listed>,
    /// The hosts of all that are listed.
    known: BTreeSet<Host>,
    pending: BTreeMap<ConnectionId, Pending>,
}

/// A peer that may come in.
#[derive(Debug)]
struct Listed {
    paused: Option<Instant>,
    arrivals: Bucket,
    /// What its name was resolved to last. The list is short, because only a few addresses of a name are tried.
    dialled: Vec<Host>,
    /// Where it came from last.
    seen: Option<Host>,
}

/// A handshake that is running.
#[derive(Clone, Copy, Debug)]
struct Pending {
    host: Host,
    is_known: bool,
}

/// What counts as one host: an IPv4 address, or 64 bits of an IPv6 address, which is what one machine can choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Host {
    V4(u32),
    V6(u64),
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its key is not on the list.
    #[error("its key is not in the genesis document")]
    UnknownKey,
    /// It was shown the door a moment ago.
    #[error("it is let in again after a pause")]
    Paused,
    /// It connects again and again.
    #[error("it connects too often")]
    TooOften,
    /// Too many handshakes are running, with its host or with all that nobody knows.
    #[error("too many handshakes are running")]
    TooManyPending,
}

impl Gate {
    /// A gate for these peers.
    pub(crate) fn new(allowed: impl IntoIterator<Item = PeerId>) -> Self {
        let listed = allowed.into_iter().map(|peer| (peer, Listed::new())).collect();
        Self { listed, known: BTreeSet::new(), pending: BTreeMap::new() }
    }

    /// Refuses what this peer dials, until then, or until the end of a longer pause that runs.
    pub(crate) fn pause(&mut self, peer: &PeerId, until: Instant) {
        if let Some(listed) = self.listed.get_mut(peer) {
            listed.paused = listed.paused.max(Some(until));
        }
    }

    /// Notes where a peer listens, because it is likely to come from there.
    pub(crate) fn resolved(&mut self, peer: &PeerId, addresses: &[SocketAddr]) {
        if let Some(listed) = self.listed.get_mut(peer) {
            listed.dialled = addresses.iter().map(|address| Host::of(address.ip())).collect();
            self.know();
        }
    }

    fn know(&mut self) {
        self.known =
            self.listed.values().flat_map(|listed| listed.dialled.iter().chain(&listed.seen)).copied().collect();
    }

    fn begin(&mut self, connection: ConnectionId, host: Host) -> Result<(), Refusal> {
        let is_known = self.known.contains(&host);
        let max = if is_known { PENDING_PEERS_MAX } else { PENDING_STRANGERS_MAX };
        let of_kind = self.pending.values().filter(|other| other.is_known == is_known).count();
        let of_host = self.pending.values().filter(|other| other.host == host).count();
        if of_kind >= max || of_host >= PENDING_PER_HOST_MAX {
            return Err(Refusal::TooManyPending);
        }
        self.pending.insert(connection, Pending { host, is_known });
        Ok(())
    }

    fn judge(&mut self, peer: &PeerId, host: Option<Host>, now: Instant) -> Result<(), Refusal> {
        let listed = self.listed.get_mut(peer).ok_or(Refusal::UnknownKey)?;
        if listed.paused.is_some_and(|until| until > now) {
            return Err(Refusal::Paused);
        }
        if !listed.arrivals.take(1, now) {
            return Err(Refusal::TooOften);
        }
        if host.is_some() && listed.seen != host {
            listed.seen = host;
            self.know();
        }
        Ok(())
    }
}

impl Listed {
    fn new() -> Self {
        let arrivals = Bucket::per_minute(ARRIVALS_PER_MINUTE, ARRIVALS_AT_ONCE);
        Self { paused: None, arrivals, dialled: Vec::new(), seen: None }
    }
}

impl Host {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d].into_iter().fold(0, |bits, part| bits << 16 | u64::from(part)))
            }
        }
    }

    /// The host in an address of libp2p.
    fn in_address(address: &Multiaddr) -> Option<Self> {
        address.iter().find_map(|part| match part {
            Protocol::Ip4(host) => Some(Self::of(IpAddr::V4(host))),
            Protocol::Ip6(host) => Some(Self::of(IpAddr::V6(host))),
            _ => None,
        })
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(host) = Host::in_address(remote) else { return Ok(()) };
        self.begin(connection, host).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        self.judge(&peer, Host::in_address(remote), Instant::now()).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.listed.contains_key(&peer) {
            return Err(ConnectionDenied::new(Refusal::UnknownKey));
        }
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event {
            self.pending.remove(&connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn host(text: &str) -> Host {
        Host::of(text.parse().expect("an address"))
    }

    /// Begins handshakes with this host until one is refused, and says how many were not.
    fn fill(gate: &mut Gate, text: &str, from: usize) -> usize {
        let begin = |n: &usize| gate.begin(ConnectionId::new_unchecked(from + n), host(text)).is_ok();
        (0..1_000).take_while(begin).count()
    }

    #[test]
    fn a_network_of_64_bits_is_one_host_and_so_is_a_mapped_address() {
        assert_eq!(host("2001:db8:1:2:aaaa::1"), host("2001:db8:1:2:bbbb:ffff::2"));
        assert_ne!(host("2001:db8:1:2::1"), host("2001:db8:1:3::1"));
        assert_eq!(host("::ffff:192.0.2.1"), host("192.0.2.1"));
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
    }

    #[test]
    fn strangers_share_their_places_and_leave_those_of_peers() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let mut gate = Gate::new([peer, other]);
        gate.resolved(&peer, &[SocketAddr::from(([192, 0, 2, 1], 1))]);
        assert_eq!(gate.judge(&other, Some(host("192.0.2.2")), Instant::now()), Ok(()));
        let strangers = (0..8).map(|n| fill(&mut gate, &format!("198.51.100.{n}"), n * 1_000)).collect::<Vec<_>>();
        assert_eq!(strangers, [16, 16, 16, 16, 0, 0, 0, 0], "64 in all, 16 of one host");
        assert_eq!(fill(&mut gate, "192.0.2.1", 10_000), 16, "where a peer was dialled");
        assert_eq!(fill(&mut gate, "192.0.2.2", 11_000), 16, "where a peer came from");
        gate.resolved(&peer, &[SocketAddr::from(([192, 0, 2, 3], 1))]);
        assert_eq!(fill(&mut gate, "192.0.2.3", 12_000), 16, "it has moved");
    }

    #[test]
    fn a_peer_comes_in_a_few_times_at_once_and_then_once_a_second() {
        let peer = PeerId::random();
        let mut gate = Gate::new([peer]);
        let now = Instant::now();
        let came = (0..100).filter(|_| gate.judge(&peer, None, now).is_ok()).count();
        assert_eq!(came, 8);
        assert_eq!(gate.judge(&peer, None, now + Duration::from_millis(900)), Err(Refusal::TooOften));
        assert_eq!(gate.judge(&peer, None, now + Duration::from_millis(1_100)), Ok(()));
        assert_eq!(gate.judge(&PeerId::random(), None, now), Err(Refusal::UnknownKey));
        gate.pause(&peer, now + Duration::from_secs(10));
        gate.pause(&peer, now + Duration::from_secs(5));
        assert_eq!(
            gate.judge(&peer, None, now + Duration::from_secs(9)),
            Err(Refusal::Paused),
            "the longer one counts"
        );
        assert_eq!(gate.judge(&peer, None, now + Duration::from_secs(10)), Ok(()));
    }
}
