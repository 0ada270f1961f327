//! Who gets in: bounds on handshakes that run at once, and the list of keys that may be there at all.
//!
//! A connection is first counted by its address, so that one host which opens sockets and says nothing leaves room for
//! others; after the Noise handshake it is judged by its key. The gate says no and why; it closes nothing that is
//! established and knows nothing of genesis.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
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

/// Handshakes with one address at once: enough for a development network of 16 on one machine.
const PENDING_PER_ADDRESS_MAX: usize = 16;

/// The gate.
#[derive(Debug)]
pub(crate) struct Gate {
    allowed: BTreeSet<PeerId>,
    paused: BTreeMap<PeerId, Instant>,
    pending: BTreeMap<ConnectionId, IpAddr>,
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
    /// Its address has too many handshakes running.
    #[error("too many handshakes with its address are running")]
    TooManyPending,
}

impl Gate {
    /// A gate for these peers.
    pub(crate) const fn new(allowed: BTreeSet<PeerId>) -> Self {
        Self { allowed, paused: BTreeMap::new(), pending: BTreeMap::new() }
    }

    /// Refuses what this peer dials, until then.
    pub(crate) fn pause(&mut self, peer: PeerId, until: Instant) {
        self.paused.insert(peer, until);
    }

    fn judge(&self, peer: &PeerId) -> Result<(), Refusal> {
        if !self.allowed.contains(peer) {
            return Err(Refusal::UnknownKey);
        }
        match self.paused.get(peer) {
            Some(until) if *until > Instant::now() => Err(Refusal::Paused),
            _ => Ok(()),
        }
    }
}

/// The host in an address of libp2p.
fn host(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(host) => Some(IpAddr::V4(host)),
        Protocol::Ip6(host) => Some(IpAddr::V6(host)),
        _ => None,
    })
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
        let Some(host) = host(remote) else { return Ok(()) };
        if self.pending.values().filter(|other| **other == host).count() >= PENDING_PER_ADDRESS_MAX {
            return Err(ConnectionDenied::new(Refusal::TooManyPending));
        }
        self.pending.insert(connection, host);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        self.judge(&peer).map_err(ConnectionDenied::new)?;
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
        if !self.allowed.contains(&peer) {
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
