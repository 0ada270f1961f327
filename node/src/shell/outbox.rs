//! Where messages to other validators leave: each is encoded once and queued for its recipients.
//!
//! Nothing here waits. A message to a peer that is away or slow is dropped and counted by the network; the machines
//! that asked for it repeat what matters.

use althing_network::{Handle, SendError};
use althing_types::{PublicKey, ValidatorIndex};

use crate::replica::{Message, Recipients, wire};

/// The way to other validators; none of a chain of one.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    handle: Option<Handle>,
    /// The node keys of all validators, by index.
    keys: Vec<PublicKey>,
    me: ValidatorIndex,
}

impl Outbox {
    /// The way to the validators with these node keys.
    pub(crate) const fn new(handle: Option<Handle>, keys: Vec<PublicKey>, me: ValidatorIndex) -> Self {
        Self { handle, keys, me }
    }

    /// Has the network close the connection to a validator for a while, because of what it sent or signed.
    pub(crate) fn misbehaved(&self, index: ValidatorIndex, what: &'static str) {
        if let (Some(handle), Some(key)) = (&self.handle, self.keys.get(index.to_usize())) {
            handle.misbehaved(key, what);
        }
    }

    /// Queues a message; returns how many bytes it has for each recipient.
    pub(crate) fn send(&self, to: &Recipients, message: &Message) -> usize {
        let Some(handle) = &self.handle else { return 0 };
        let (class, frame) = wire::to_frame(message);
        let send = |index: ValidatorIndex| {
            let Some(key) = self.keys.get(index.to_usize()).filter(|_| index != self.me) else { return };
            match handle.send(key, class, frame.clone()) {
                Ok(()) | Err(SendError::NotConnected) => {}
                Err(error) => tracing::debug!(peer = index.get(), ?class, %error, "a message was dropped"),
            }
        };
        match to {
            Recipients::All => (0..).take(self.keys.len()).map(ValidatorIndex::new).for_each(send),
            Recipients::Some(indices) => indices.iter().copied().for_each(send),
        }
        frame.len()
    }
}
