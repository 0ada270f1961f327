//! Dialling: resolve the name, connect, and after a failure say why in one sentence and try again later.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::Multiaddr;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::entry::{COURTESY, Entry, Running, Told};
use super::{Engine, Panicked, Report};
use crate::backoff::jitter;
use crate::options::Address;
use crate::receiver::Receiver;
use crate::status::{Status, Trouble};
use crate::{figures, identity};

/// How long resolving a name may take.
const RESOLVE: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// A peer that could not be reached so often is mentioned in the log. Fewer belong to every start of a network.
const ATTEMPTS_BEFORE_LINE: u32 = 5;

impl<R: Receiver> Engine<R> {
    /// Starts a dial if its time has come.
    pub(super) fn dial_if_due(&mut self, id: &PeerId, now: Instant) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let is_due = entry.link.is_none() && entry.running.is_none() && entry.next.is_some_and(|next| next <= now);
        let (true, Some(address)) = (is_due, entry.shared.peer.address.clone()) else { return };
        entry.running = Some(Running::Resolving);
        entry.next = None;
        entry.show_next();
        figures::dialled();
        let (id, lookup) = (*id, Arc::clone(&entry.lookup));
        self.run_task("lookup", async move { resolve(&address, lookup).await }, move |result| {
            let result = result.unwrap_or_else(|Panicked| Err("looking its name up failed".to_owned()));
            Report::Resolved(id, result)
        });
    }

    /// Connects to the addresses that were found.
    pub(super) fn on_resolved(&mut self, id: &PeerId, result: Result<Vec<SocketAddr>, String>) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        entry.running = None;
        if entry.link.is_some() {
            return;
        }
        let addresses = match result {
            Ok(addresses) => addresses,
            Err(why) => return entry.failed(Trouble::NoAddress, why),
        };
        self.swarm.behaviour_mut().gate.resolved(id, &addresses);
        let addresses =
            addresses.iter().map(|address| Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))).collect();
        // A port of its own: two peers that dial each other from their listening ports would meet in one TCP
        // connection which both think to have opened.
        let dial =
            DialOpts::peer_id(*id).condition(PeerCondition::Always).addresses(addresses).allocate_new_port().build();
        let connection = dial.connection_id();
        match self.swarm.dial(dial) {
            Ok(()) => entry.running = Some(Running::Dialling(connection)),
            Err(error) => entry.failed(trouble(&error), sentence(entry, &error)),
        }
    }

    /// Says why a dial failed, and when the next is.
    pub(super) fn on_dial_failed(&mut self, id: &PeerId, connection: ConnectionId, error: &DialError) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        if entry.running == Some(Running::Dialling(connection)) {
            entry.running = None;
            if entry.link.is_none() {
                let why = sentence(entry, error);
                entry.failed(trouble(error), why);
            }
        }
    }
}

impl Entry {
    /// Notes that an attempt failed, and when the next one is.
    pub(super) fn failed(&mut self, trouble: Trouble, why: String) {
        self.schedule();
        let (next, now) = (self.next, Instant::now());
        let attempts = self.shared.with_status(|status| {
            let (since, attempts, was_connected) = match &*status {
                Status::Unreachable { since, attempts, was_connected, .. } => {
                    (*since, attempts.saturating_add(1), *was_connected)
                }
                // It may have been stopped in order to be put right, so what it showed stays until it shows better.
                Status::OtherChain { .. } => return 0,
                Status::Connected { .. } => (now, 1, true),
                Status::Waiting => (now, 1, false),
            };
            *status = Status::Unreachable { since, attempts, was_connected, trouble, why: why.clone(), next };
            attempts
        });
        if attempts >= ATTEMPTS_BEFORE_LINE && self.told == Told::Nothing && self.may_say() {
            self.told = Told::Unreachable;
            tracing::warn!(peer = self.shared.peer.name, why, "a peer cannot be reached; we keep trying");
        }
    }

    /// Chooses the time of the next dial, if there is an address.
    pub(super) fn schedule(&mut self) {
        let pause = self.backoff.pause(jitter());
        let pause = if self.is_ours_first { pause } else { pause.max(COURTESY) };
        self.dial_at(Instant::now() + pause);
    }

    /// Shows the time of the next dial to operators.
    pub(super) fn show_next(&self) {
        let time = self.next;
        self.shared.with_status(|status| {
            if let Status::Unreachable { next, .. } = status {
                *next = time;
            }
        });
    }
}

/// The addresses of a host, of both families. A lookup cannot be ended, so the next one for a peer waits until the one
/// before has come back, however long the name server takes.
async fn resolve(address: &Address, lookup: Arc<Semaphore>) -> Result<Vec<SocketAddr>, String> {
    let Address { host, port } = address.clone();
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, port)]);
    }
    let Ok(running) = lookup.try_acquire_owned() else {
        return Err(format!("the last lookup of the name {host} has not come back: ask your name server"));
    };
    let name = host.clone();
    let found = spawn_blocking(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>());
        drop(running);
        found
    });
    let found = match timeout(RESOLVE, found).await {
        Ok(found) => found.unwrap_or_else(|error| Err(io::Error::other(error))),
        Err(_) => return Err(format!("the name {host} was not resolved in time: ask your name server")),
    };
    let found = found.map_err(|error| format!("the name {host} cannot be resolved: {error}"))?;
    if found.is_empty() { Err(format!("the name {host} has no address: correct it")) } else { Ok(found) }
}

/// What kind of thing a failed dial shows.
const fn trouble(error: &DialError) -> Trouble {
    match error {
        DialError::WrongPeerId { .. } | DialError::LocalPeerId { .. } => Trouble::OtherNode,
        _ => Trouble::NoAnswer,
    }
}

/// Why a dial failed, for people.
fn sentence(entry: &Entry, error: &DialError) -> String {
    let address = entry.shared.peer.address.as_ref().map(ToString::to_string).unwrap_or_default();
    match error {
        DialError::WrongPeerId { obtained, .. } => {
            let key = identity::public_key(obtained).map(|key| key.to_string()).unwrap_or_default();
            format!("at {address} answers a node with another key, {key}: correct the address or the key")
        }
        DialError::LocalPeerId { .. } => format!("at {address} we answer ourselves: correct the address"),
        DialError::Transport(errors) => {
            let why = errors.last().map_or_else(|| "it does not answer".to_owned(), |(_, error)| root(error));
            format!("{address} cannot be reached: {why}")
        }
        other => format!("{address} cannot be dialled: {}", root(other)),
    }
}

/// The innermost reason: the outer ones say that something failed, in several languages.
pub(super) fn root(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str) -> Address {
        Address { host: host.to_owned(), port: 26_700 }
    }

    #[tokio::test]
    async fn a_literal_is_itself_and_a_name_is_looked_up_once_at_a_time() {
        let lookup = Arc::new(Semaphore::new(1));
        let found = resolve(&address("2001:db8::1"), Arc::clone(&lookup)).await;
        assert_eq!(found, Ok(vec!["[2001:db8::1]:26700".parse().unwrap()]));
        for _ in 0..2 {
            let found = resolve(&address("localhost"), Arc::clone(&lookup)).await.expect("every machine knows it");
            assert!(found.iter().all(|found| found.ip().is_loopback() && found.port() == 26_700), "{found:?}");
        }
        let running = lookup.try_acquire().expect("the place is given back");
        let why = resolve(&address("localhost"), Arc::clone(&lookup)).await.expect_err("another one is running");
        assert!(why.contains("has not come back"), "{why}");
        assert!(resolve(&address("127.0.0.1"), Arc::clone(&lookup)).await.is_ok(), "a literal needs no lookup");
        drop(running);
        assert!(resolve(&address("localhost"), lookup).await.is_ok(), "it came back");
    }
}
