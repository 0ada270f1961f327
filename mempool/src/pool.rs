//! Transactions that were admitted and wait for a batch of our own lane.
//!
//! 1. The pool holds at most [`POOL_TRANSACTIONS_MAX`] transactions of [`POOL_BYTES_MAX`] bytes in all, and of one
//!    sender no more than its part; what is beyond is refused by name, and nothing is put out for it.
//! 2. A transaction is *ready* when nothing has to come before it. A sequence transaction is ready when all numbers
//!    from the state's next up to its own are here or have left; they leave in the order of their numbers.
//! 3. Senders take turns, one transaction each, so that none can starve another. A sender whose transaction found no
//!    room in a batch begins the next one.
//!
//! It deliberately does not look into the state: permission and balance are judged before admission and decided by
//! execution (`decisions.md` 1.24).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use althing_types::{Address, BATCH_TRANSACTIONS_MAX, Hash, Monotonic, Replay, SignedTransaction, TimeMs, Verified};

use crate::candidate::DropReason;
use crate::config::Share;

mod admission;
mod sequence;

pub(crate) use admission::Terms;
use sequence::SequenceLane;

#[cfg(doc)]
use crate::config::{POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX};

/// Bytes of a signed batch around its transactions: chain, epoch, lane, number, link, count and signature.
const BATCH_FRAME_BYTES: u64 = 32 + 8 + 4 + 8 + 32 + 4 + 64;
/// Senders whose transactions found no room in a batch, after which it is as good as full.
const PASSED_OVER_MAX: usize = 64;
/// Bytes of a transaction's length within a batch.
const ITEM_FRAME_BYTES: u64 = 4;

/// Admitted transactions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    entries: BTreeMap<Hash, Entry>,
    senders: BTreeMap<Address, Sender>,
    /// Sequence lanes with something waiting, ready or in a batch of ours that is not decided.
    sequences: BTreeMap<(Address, u32), SequenceLane>,
    /// Senders that have something ready.
    ready_senders: BTreeSet<Address>,
    /// Where the senders' turns go on.
    turn: Option<Address>,
    /// The order in which transactions became ready.
    tickets: u64,
    bytes: usize,
    /// What is ready to leave, as it would count in a batch.
    ready: Share,
    /// Expiring transactions by the end of their time.
    ends: BTreeSet<(TimeMs, Hash)>,
    /// Sequence transactions that wait for a number, by the moment when that takes too long.
    waits: BTreeSet<(Monotonic, Hash)>,
}

/// One admitted transaction.
#[derive(Clone, Debug)]
struct Entry {
    transaction: Arc<Verified<SignedTransaction>>,
    bytes: usize,
    /// Its place among the ready ones of its sender; none while it waits for another.
    ticket: Option<u64>,
    /// When a sequence transaction has waited too long.
    wait_ends: Monotonic,
}

/// What one sender has in the pool.
#[derive(Clone, Debug, Default)]
struct Sender {
    /// What may leave now, in order.
    ready: BTreeMap<u64, Hash>,
    expiring_bytes: usize,
    expiring_count: usize,
    sequence_count: usize,
}

impl Entry {
    fn sender(&self) -> Address {
        self.transaction.body().sender
    }

    fn replay(&self) -> Replay {
        self.transaction.body().replay
    }

    /// What it takes of a batch.
    fn size(&self) -> Share {
        Share { bytes: in_batch(self.bytes), transactions: 1, gas: self.transaction.body().gas_limit }
    }
}

/// Bytes that a transaction of this length takes in a batch.
pub(crate) fn in_batch(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(ITEM_FRAME_BYTES)
}

/// The room for transactions in a batch that may take this much.
pub(crate) fn room_of_batch(max: &Share) -> Share {
    let count = u64::try_from(BATCH_TRANSACTIONS_MAX).unwrap_or(u64::MAX);
    Share {
        bytes: max.bytes.saturating_sub(BATCH_FRAME_BYTES),
        transactions: max.transactions.min(count),
        gas: max.gas,
    }
}

impl Pool {
    /// Transactions that may leave the pool.
    pub(crate) const fn ready_count(&self) -> u64 {
        self.ready.transactions
    }

    /// Transactions in the pool.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Their bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a transaction waits here.
    pub(crate) fn contains(&self, id: &Hash) -> bool {
        self.entries.contains_key(id)
    }

    /// Whether any transaction may leave now.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready.transactions > 0
    }

    /// Whether what may leave would fill a batch with this room.
    pub(crate) const fn fills(&self, room: &Share) -> bool {
        self.ready.bytes >= room.bytes || self.ready.transactions >= room.transactions || self.ready.gas >= room.gas
    }

    /// When the next transaction has waited too long for another.
    pub(crate) fn wait_ends(&self) -> Option<Monotonic> {
        self.waits.first().map(|(at, _)| *at)
    }

    /// When the time of the next expiring transaction is over, by wall time.
    pub(crate) fn expires(&self) -> Option<TimeMs> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// Takes transactions for a batch with this room, senders in turn. What is taken counts as in flight. Empty only
    /// if nothing is ready, because whatever was admitted fits an empty batch.
    pub(crate) fn take(&mut self, room: &Share) -> Vec<(Hash, Arc<Verified<SignedTransaction>>)> {
        let (mut room, mut taken) = (*room, Vec::new());
        let mut passed_over = BTreeSet::new();
        let (mut at, mut no_room) = (self.turn, None);
        while let Some(sender) = self.next_sender(at, &passed_over) {
            at = Some(sender);
            let first = self.senders.get(&sender).and_then(|sender| sender.ready.values().next().copied());
            let fitting = first.filter(|id| self.entries.get(id).is_some_and(|entry| entry.size().fits(&room)));
            let Some((id, entry)) = fitting.and_then(|id| Some((id, self.detach(&id)?))) else {
                no_room.get_or_insert(sender);
                passed_over.insert(sender);
                continue;
            };
            room = room.minus(&entry.size());
            self.note_taken(&entry);
            taken.push((id, entry.transaction));
        }
        // `next_sender` begins after the turn, so the one that found no room is put first by standing before it.
        self.turn = no_room.and_then(|sender| self.sender_before(sender)).or(if no_room.is_some() { None } else { at });
        taken
    }

    /// The next sender in turn that has something ready and was not passed over; none if that were too many.
    fn next_sender(&self, after: Option<Address>, passed_over: &BTreeSet<Address>) -> Option<Address> {
        if passed_over.len() >= self.ready_senders.len().min(PASSED_OVER_MAX) {
            return None;
        }
        let above = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.ready_senders.range((above, Bound::Unbounded));
        later.chain(&self.ready_senders).find(|sender| !passed_over.contains(*sender)).copied()
    }

    fn sender_before(&self, sender: Address) -> Option<Address> {
        self.ready_senders.range(..sender).next_back().copied()
    }

    /// Removes transactions whose time is over by wall time.
    pub(crate) fn expire(&mut self, wall: TimeMs) -> Vec<Hash> {
        let over = self.ends.iter().take_while(|(end, _)| *end < wall);
        let ids: Vec<Hash> = over.map(|(_, id)| *id).collect();
        ids.iter().for_each(|id| drop(self.detach(id)));
        ids
    }

    /// Removes sequence transactions that waited too long for the number before their own.
    pub(crate) fn give_up_waiting(&mut self, now: Monotonic) -> Vec<Hash> {
        let over = self.waits.iter().take_while(|(end, _)| *end <= now);
        let ids: Vec<Hash> = over.map(|(_, id)| *id).collect();
        ids.iter().for_each(|id| drop(self.detach(id)));
        ids
    }

    /// Removes transactions that were decided elsewhere; returns those that were here, and what can no longer be
    /// executed because its number is used.
    pub(crate) fn decide(&mut self, ids: &[Hash]) -> Vec<(Hash, DropReason)> {
        let mut gone = Vec::new();
        for id in ids {
            let Some(entry) = self.detach(id) else { continue };
            gone.push((*id, DropReason::Decided));
            if let Replay::Sequence { lane, seq } = entry.replay() {
                gone.extend(self.advance(entry.sender(), lane, seq.saturating_add(1)));
            }
        }
        gone
    }

    /// Removes what fits no batch with this room.
    pub(crate) fn drop_beyond(&mut self, room: &Share) -> Vec<Hash> {
        let beyond = self.entries.iter().filter(|(_, entry)| !entry.size().fits(room));
        let ids: Vec<Hash> = beyond.map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| drop(self.detach(id)));
        ids
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) -> Vec<Hash> {
        let ids: Vec<Hash> = self.entries.keys().copied().collect();
        ids.iter().for_each(|id| drop(self.detach(id)));
        ids
    }

    /// Removes a transaction and everything that refers to it. The sequence lane keeps its next number.
    fn detach(&mut self, id: &Hash) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        let address = entry.sender();
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        let sender = self.senders.entry(address).or_default();
        match entry.replay() {
            Replay::Expiring { valid_until, .. } => {
                sender.expiring_bytes = sender.expiring_bytes.saturating_sub(entry.bytes);
                sender.expiring_count = sender.expiring_count.saturating_sub(1);
                self.ends.remove(&(valid_until, *id));
            }
            Replay::Sequence { .. } => {
                sender.sequence_count = sender.sequence_count.saturating_sub(1);
                self.waits.remove(&(entry.wait_ends, *id));
            }
        }
        if let Some(ticket) = entry.ticket {
            sender.ready.remove(&ticket);
            self.ready = self.ready.minus(&entry.size());
        }
        if sender.ready.is_empty() {
            self.ready_senders.remove(&address);
        }
        if sender.expiring_count == 0 && sender.sequence_count == 0 {
            self.senders.remove(&address);
        }
        if let Replay::Sequence { lane, seq } = entry.replay() {
            self.leave_sequence(address, lane, seq, entry.ticket.is_some());
        }
        Some(entry)
    }

    /// Lets a transaction leave with the next batch.
    fn make_ready(&mut self, id: &Hash) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        self.tickets = self.tickets.saturating_add(1);
        entry.ticket = Some(self.tickets);
        self.ready = self.ready.plus(&entry.size());
        self.waits.remove(&(entry.wait_ends, *id));
        let address = entry.sender();
        self.senders.entry(address).or_default().ready.insert(self.tickets, *id);
        self.ready_senders.insert(address);
    }
}

#[cfg(test)]
mod tests;
