//! Where messages to other validators leave: each is encoded once and queued for its recipients.
//!
//! Nothing here waits. A message to a peer that is away or slow is dropped and counted by the network; the machines
//! that asked for it repeat what matters.

use althing_network::{Handle, SendError};
use althing_types::PublicKey;

use crate::replica::{Contact, Message, wire};

/// The way to other validators; none of a chain of one.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    handle: Option<Handle>,
    /// The node keys of all validators, by contact.
    keys: Vec<PublicKey>,
}

impl Outbox {
    /// The way to the validators with these node keys.
    pub(crate) const fn new(handle: Option<Handle>, keys: Vec<PublicKey>) -> Self {
        Self { handle, keys }
    }

    /// Has the network close the connection to a validator for a while, because of what it sent or signed.
    pub(crate) fn misbehaved(&self, contact: Contact, what: &'static str) {
        if let (Some(handle), Some(key)) = (&self.handle, self.keys.get(contact.to_usize())) {
            handle.misbehaved(key, what);
        }
    }

    /// Queues a message; returns how many bytes it has for each recipient.
    pub(crate) fn send(&self, to: &[Contact], message: &Message) -> usize {
        let Some(handle) = &self.handle else { return 0 };
        let (class, frame) = wire::to_frame(message);
        for contact in to {
            let Some(key) = self.keys.get(contact.to_usize()) else { continue };
            match handle.send(key, class, frame.clone()) {
                Ok(()) | Err(SendError::NotConnected) => {}
                Err(error) => tracing::debug!(peer = contact.get(), ?class, %error, "a message was dropped"),
            }
        }
        frame.len()
    }
}
