//! Who is connected to an observer, and what comes from them: requests, and news of the newest block.
//!
//! Observers share no stream of consensus with anybody; a frame on one is a fault. The topic of transactions is not
//! used: an observer without any validator says so, and the caller tries again or elsewhere.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use althing_network::{Class, Misbehaviour, Receiver, Topic, Verdict};
use althing_types::PublicKey;
use tokio::sync::watch;

use super::desk::Desk;
use super::heads::Horizon;

/// The peers that are connected now.
#[derive(Debug)]
pub(super) struct Company {
    connected: watch::Sender<BTreeSet<PublicKey>>,
}

impl Company {
    /// Nobody is connected yet.
    pub(super) fn new() -> Self {
        Self { connected: watch::Sender::new(BTreeSet::new()) }
    }

    /// Whether a peer is connected.
    pub(super) fn has(&self, peer: &PublicKey) -> bool {
        self.connected.borrow().contains(peer)
    }

    /// Changes when somebody comes or goes.
    pub(super) fn subscribe(&self) -> watch::Receiver<BTreeSet<PublicKey>> {
        self.connected.subscribe()
    }

    /// Notes that somebody came or went.
    pub(super) fn note(&self, peer: &PublicKey, is_connected: bool) {
        self.connected.send_modify(|connected| {
            if is_connected {
                connected.insert(*peer);
            } else {
                connected.remove(peer);
            }
        });
    }
}

/// The receiver of a node that is an observer.
pub(super) struct Reception {
    pub(super) company: Arc<Company>,
    pub(super) horizon: Arc<Horizon>,
    /// There is a desk as soon as the node can answer.
    pub(super) desk: Arc<OnceLock<Desk>>,
}

impl Receiver for Reception {
    async fn frame(&self, _: &PublicKey, _: Class, _: Vec<u8>) -> Result<(), Misbehaviour> {
        Err(Misbehaviour::new("a message between validators to an observer"))
    }

    fn connected(&self, peer: &PublicKey, is_connected: bool) {
        self.company.note(peer, is_connected);
    }

    async fn request(&self, _: &PublicKey, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.desk.get()?.answer(&bytes).await
    }

    async fn gossip(&self, _: &PublicKey, topic: Topic, bytes: Vec<u8>) -> Verdict {
        match topic {
            Topic::Heads => self.horizon.judge(&bytes),
            Topic::Transactions => Verdict::Ignore,
        }
    }
}
