//! Where frames of other validators come in: decoded within their limits, and queued for the replica.
//!
//! Each peer has a budget of bytes for what it sent and what was not dealt with yet. A peer that sends faster than
//! this node works is read no further until there is room, on that stream alone; so nobody can fill the memory or
//! crowd out the others. Bulk has a budget of its own, so that votes never wait for batches. Requests, which observers
//! send too, go to the desk. Gossip is for observers; a validator ignores it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use althing_network::{Class, Misbehaviour, Receiver, Topic, Verdict};
use althing_types::PublicKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::desk::Desk;
use super::mailbox::Mailbox;
use super::turns::Order;
use crate::replica::{Contact, Event, Message, wire};

/// Bytes of votes and proposals of one peer that may wait for the replica.
const TALK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of batches and of the past, of all peers together, that may wait for a check or for the replica.
const BULK_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The part of it that one peer has at least: two of the largest frames.
const BULK_BYTES_MIN: usize = 2 * 1024 * 1024;
/// What budgets are counted in.
const UNIT_BYTES: usize = 1_024;

/// Room that a message takes of its sender's budget; it is given back when the last copy of this is dropped.
pub(crate) type Credit = Arc<OwnedSemaphorePermit>;

/// The receiver of a node that is a validator.
pub(crate) struct Inbox {
    validators: BTreeMap<PublicKey, Sender>,
    orders: Arc<Mailbox<Order>>,
    /// There is a desk as soon as the node can answer.
    desk: Arc<OnceLock<Desk>>,
}

#[derive(Debug)]
struct Sender {
    contact: Contact,
    talk: Arc<Semaphore>,
    bulk: Arc<Semaphore>,
}

impl Inbox {
    /// Takes in frames of the validators with these node keys, which stand in the order of the directory.
    pub(crate) fn new(keys: &[PublicKey], orders: Arc<Mailbox<Order>>, desk: Arc<OnceLock<Desk>>) -> Self {
        let bulk = (BULK_BYTES_MAX / keys.len().max(1)).max(BULK_BYTES_MIN);
        let budget = |bytes: usize| Arc::new(Semaphore::new(bytes / UNIT_BYTES));
        let sender = |contact| Sender { contact, talk: budget(TALK_BYTES_MAX), bulk: budget(bulk) };
        let contacts = (0..).map(Contact::new);
        Self { validators: keys.iter().copied().zip(contacts.map(sender)).collect(), orders, desk }
    }
}

impl Receiver for Inbox {
    async fn frame(&self, from: &PublicKey, class: Class, bytes: Vec<u8>) -> Result<(), Misbehaviour> {
        let sender =
            self.validators.get(from).ok_or_else(|| Misbehaviour::new("a message of a validator, and is none"))?;
        let message = wire::from_frame(class, &bytes).map_err(|error| Misbehaviour::new(error.to_string()))?;
        let budget = match class {
            Class::Votes | Class::Proposals => &sender.talk,
            Class::Data | Class::Sync => &sender.bulk,
        };
        let units = u32::try_from(bytes.len().div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        // A budget is never closed; without it nothing may come in.
        let credit = budget.clone().acquire_many_owned(units).await;
        let credit = credit.map_err(|_| Misbehaviour::new("a frame that nobody takes in any more"))?;
        let event = match message {
            Message::Consensus(envelope) => Event::Consensus { from: sender.contact, envelope },
            Message::Data(message) => Event::Data { from: sender.contact, message },
        };
        self.orders.post_from(sender.contact.to_usize(), Order::Message(Box::new(event), Arc::new(credit)));
        Ok(())
    }

    fn connected(&self, peer: &PublicKey, is_connected: bool) {
        if let Some(sender) = self.validators.get(peer) {
            // Among its messages, so that none of an earlier connection follows the end of it.
            let event = Order::event(Event::Peer { contact: sender.contact, connected: is_connected });
            self.orders.post_from(sender.contact.to_usize(), event);
        }
    }

    async fn request(&self, _: &PublicKey, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.desk.get()?.answer(&bytes).await
    }

    async fn gossip(&self, _: &PublicKey, _: Topic, _: Vec<u8>) -> Verdict {
        Verdict::Ignore
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::shell::mailbox::Mail;
    use althing_consensus::{Envelope, Message as ConsensusMessage};
    use althing_mempool::DataMessage;
    use althing_types::{Bytes, Epoch, Hash, List, SecretKey, Signature, View};

    fn key(number: u8) -> PublicKey {
        SecretKey::from_seed(&[number; 32]).public_key()
    }

    fn inbox() -> (Inbox, Arc<Mailbox<Order>>) {
        let orders = Arc::new(Mailbox::with_senders(0, 2));
        (Inbox::new(&[key(1), key(2)], orders.clone(), Arc::default()), orders)
    }

    fn status() -> Vec<u8> {
        let message = ConsensusMessage::Status;
        let envelope = Envelope { epoch: Epoch::ZERO, view: View::new(1), floor: View::ZERO, message };
        wire::to_frame(&Message::Consensus(Box::new(envelope))).1.to_vec()
    }

    /// A message with batches that takes about half a MiB.
    fn bulk() -> Vec<u8> {
        let batch = althing_types::Batch {
            chain: Hash::ZERO,
            epoch: Epoch::ZERO,
            lane: 0,
            seq: 1,
            previous: Hash::ZERO,
            transactions: List::truncated(vec![Bytes::new(vec![0; 128 * 1024]).expect("it fits"); 4]),
        };
        let batch = althing_types::SignedBatch { batch, signature: Signature::new([0; 64]) };
        let message = DataMessage::Batch(althing_mempool::SharedBatch(batch.into()));
        wire::to_frame(&Message::Data(message)).1.to_vec()
    }

    /// Whether a frame is taken in at once.
    async fn is_taken(inbox: &Inbox, from: u8, class: Class, bytes: &[u8]) -> bool {
        let (from, taking) = (key(from), Duration::from_millis(20));
        let taken = tokio::time::timeout(taking, inbox.frame(&from, class, bytes.to_vec())).await;
        taken.is_ok_and(|taken| taken.is_ok())
    }

    #[tokio::test]
    async fn a_peer_that_fills_its_budget_waits_and_nobody_else_does() {
        let (inbox, orders) = inbox();
        let bulk = bulk();
        let mut taken = 0;
        while taken < 1_000 && is_taken(&inbox, 1, Class::Data, &bulk).await {
            taken += 1;
        }
        assert_eq!(taken, BULK_BYTES_MAX / 2 / UNIT_BYTES / bulk.len().div_ceil(UNIT_BYTES));
        assert!(is_taken(&inbox, 1, Class::Votes, &status()).await, "its votes wait for its batches");
        assert!(is_taken(&inbox, 2, Class::Data, &bulk).await, "another peer waits for it");
        // The other peer has its turn first.
        let Mail::Some(_) = orders.take(None, 1) else { panic!("nothing came") };
        // What was dealt with gives its room back, and what still waits for a check does not.
        let Mail::Some(mut dealt_with) = orders.take(None, 2) else { panic!("nothing came") };
        let Order::Message(_, credit) = dealt_with.remove(0) else { panic!("no message") };
        let being_checked = credit.clone();
        drop((dealt_with, credit));
        assert!(is_taken(&inbox, 1, Class::Data, &bulk).await, "room was not given back");
        assert!(!is_taken(&inbox, 1, Class::Data, &bulk).await, "room was given back before its time");
        drop(being_checked);
        assert!(is_taken(&inbox, 1, Class::Data, &bulk).await, "room was not given back after the check");
    }

    #[tokio::test]
    async fn strangers_and_frames_that_are_no_messages_are_turned_away() {
        let (inbox, orders) = inbox();
        assert!(inbox.frame(&key(3), Class::Votes, status()).await.is_err(), "a stranger was heard");
        assert!(inbox.frame(&key(1), Class::Votes, vec![0; 9]).await.is_err(), "garbage was heard");
        assert!(inbox.frame(&key(1), Class::Sync, status()).await.is_err(), "a vote came among the past");
        assert_eq!(orders.len(), 0);
        inbox.frame(&key(1), Class::Votes, status()).await.expect("it is a message");
        assert_eq!(orders.len(), 1);
    }

    #[test]
    fn the_replica_hears_of_validators_that_come_and_go() {
        let (inbox, orders) = inbox();
        inbox.connected(&key(2), true);
        inbox.connected(&key(3), true);
        let Mail::Some(heard) = orders.take(None, 9) else { panic!("nothing came") };
        let [Order::Event(event)] = &heard[..] else { panic!("there are {} orders", heard.len()) };
        assert!(matches!(**event, Event::Peer { contact, connected: true } if contact == Contact::new(1)));
    }
}
