//! Connections that were not let in: counted by their reason, and said in the log now and then.
//!
//! Strangers decide how often this happens, so the lines are few however often it does. Handshakes that fail by
//! themselves are counted only.

use std::io;

use libp2p::PeerId;
use libp2p::connection_limits::Exceeded;
use libp2p::core::Multiaddr;
use libp2p::swarm::{ConnectionDenied, ListenError};
use tokio::time::Instant;

use super::Engine;
use crate::gate::Refusal;
use crate::lines::Lines;
use crate::receiver::Receiver;
use crate::{figures, identity, transport};

/// The lines about each kind of refusal.
#[derive(Debug)]
pub(super) struct Refusals {
    strangers: Lines,
    limits: Lines,
    too_often: Lines,
    not_accepted: Lines,
}

impl Refusals {
    /// Nothing was refused yet.
    pub(super) fn new() -> Self {
        Self {
            strangers: Lines::sparse(),
            limits: Lines::sparse(),
            too_often: Lines::sparse(),
            not_accepted: Lines::sparse(),
        }
    }
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The gate said no.
    Gate(Refusal),
    /// It has as many connections as it may.
    Limits,
    /// The handshake failed.
    Handshake,
}

impl<R: Receiver> Engine<R> {
    /// Counts a connection that was not let in, and says so if it was not said a moment ago.
    pub(super) fn on_refused(&mut self, peer: Option<PeerId>, remote: &Multiaddr, error: ListenError) {
        let reason = Reason::of(error);
        figures::refused(reason.name());
        let remote = transport::socket_address(remote).map(|remote| remote.to_string()).unwrap_or_default();
        let now = Instant::now();
        match reason {
            Reason::Gate(Refusal::UnknownKey) => {
                if let Some(unsaid) = self.refusals.strangers.say(now) {
                    let key = peer.as_ref().and_then(identity::public_key).map(|key| key.to_string());
                    let key = key.unwrap_or_default();
                    tracing::warn!(remote, key, unsaid, "refused a node whose key is not in the genesis document");
                }
            }
            Reason::Gate(Refusal::TooManyPending) | Reason::Limits => {
                if let Some(unsaid) = self.refusals.limits.say(now) {
                    tracing::warn!(
                        remote,
                        unsaid,
                        "refused a connection, because too many are being made; let the port be reached by peers only"
                    );
                }
            }
            Reason::Gate(Refusal::TooOften) => {
                let name = peer.and_then(|peer| self.peers.get(&peer)).map(|entry| entry.shared.peer.name.as_str());
                if let (Some(peer), Some(unsaid)) = (name, self.refusals.too_often.say(now)) {
                    tracing::warn!(peer, remote, unsaid, "refused a peer, because it connects again and again");
                }
            }
            Reason::Gate(Refusal::Paused) | Reason::Handshake => {
                tracing::debug!(remote, ?reason, "a connection was refused or failed");
            }
        }
    }

    /// The system gave us no connection.
    pub(super) fn on_not_accepted(&mut self, error: &io::Error) {
        figures::refused("not_accepted");
        if let Some(unsaid) = self.refusals.not_accepted.say(Instant::now()) {
            tracing::warn!(
                %error,
                unsaid,
                "a connection could not be accepted; does the process have too many files open?"
            );
        }
    }
}

impl Reason {
    fn of(error: ListenError) -> Self {
        let ListenError::Denied { cause } = error else { return Self::Handshake };
        match cause.downcast::<Refusal>().map_err(ConnectionDenied::downcast::<Exceeded>) {
            Ok(refusal) => Self::Gate(refusal),
            Err(Ok(_)) => Self::Limits,
            Err(Err(_)) => Self::Handshake,
        }
    }

    /// The word in the metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Gate(Refusal::UnknownKey) => "unknown_key",
            Self::Gate(Refusal::Paused) => "paused",
            Self::Gate(Refusal::TooOften) => "too_often",
            Self::Gate(Refusal::TooManyPending) => "too_many_pending",
            Self::Limits => "too_many_connections",
            Self::Handshake => "handshake",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_refusal_is_found_however_it_is_wrapped() {
        for refusal in [Refusal::UnknownKey, Refusal::Paused, Refusal::TooOften, Refusal::TooManyPending] {
            let error = ListenError::Denied { cause: ConnectionDenied::new(refusal) };
            assert_eq!(Reason::of(error), Reason::Gate(refusal));
        }
        assert_eq!(Reason::of(ListenError::Aborted), Reason::Handshake);
        let other = ListenError::Denied { cause: ConnectionDenied::new(io::Error::other("another")) };
        assert_eq!(Reason::of(other), Reason::Handshake);
    }
}
