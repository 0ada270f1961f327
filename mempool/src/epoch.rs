//! Where an epoch ends and the next begins: lanes begin anew, and what no block ordered of ours goes into the new lane
//! (rule E3).
//!
//! An accepted transaction is a promise. So the old batches that hold such transactions stay in the log until all of them
//! are in batches of the new lane, or decided.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use althing_types::canary::{Canary, seeded};
use althing_types::{Hash, Height, Monotonic, SignedBatch, SignedTransaction, encoded_len};

use crate::batch::CheckedBatch;
use crate::candidate::DropReason;
use crate::config::{Config, Share};
use crate::output::Output;
use crate::pool::{in_batch, room_of_batch};
use crate::recover::RecoverError;
use crate::state::{Context, Mempool};

/// Transactions in batches of ours that the epoch before did not order. Bounded by the window of a lane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// Those that are in no batch of this epoch yet, in their order.
    waiting: VecDeque<(Hash, SignedTransaction)>,
    /// The batches of the epoch before that hold them.
    batches: Vec<Arc<SignedBatch>>,
    bytes: u64,
    /// All are in batches of this epoch, and the log still holds the old ones.
    left_log: bool,
}

impl Carried {
    fn add(&mut self, batch: &CheckedBatch) {
        let waiting: BTreeSet<Hash> = self.waiting.iter().map(|(id, _)| *id).collect();
        let transactions = batch.ids().iter().copied().zip(batch.transactions().iter().cloned());
        self.waiting.extend(transactions.filter(|(id, _)| !waiting.contains(id)));
        self.batches.push(batch.signed().clone());
        self.bytes = self.bytes.saturating_add(batch.size().bytes);
    }

    /// The old batches that the log must keep.
    pub(crate) fn batches(&self) -> &[Arc<SignedBatch>] {
        &self.batches
    }

    /// Their bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next of them that fit a batch with this room, in their order.
    fn take(&mut self, room: &Share) -> Vec<(Hash, SignedTransaction)> {
        let (mut room, mut taken) = (*room, Vec::new());
        while let Some(next) = self.waiting.pop_front_if(|(_, transaction)| size(transaction).fits(&room)) {
            room = room.minus(&size(&next.1));
            taken.push(next);
        }
        self.settle();
        taken
    }

    /// A batch of this epoch, from the log, holds some of them: they wait no more.
    pub(crate) fn note_batched(&mut self, ids: &[Hash]) {
        let batched: BTreeSet<&Hash> = ids.iter().collect();
        self.waiting.retain(|(id, _)| !batched.contains(id));
        self.settle();
    }

    fn settle(&mut self) {
        if self.waiting.is_empty() {
            let left_log = !self.batches.is_empty() || self.left_log;
            *self = Self { left_log, ..Self::default() };
        }
    }

    /// Whether the log holds old batches that it need not hold any more; said once.
    pub(crate) fn leaves_log(&mut self) -> bool {
        std::mem::take(&mut self.left_log)
    }
}

fn size(transaction: &SignedTransaction) -> Share {
    Share { bytes: in_batch(encoded_len(transaction)), transactions: 1, gas: transaction.body().gas_limit }
}

impl Mempool {
    /// The data plane of the next epoch, once the ledger committed the boundary block at `committed`. The batch log goes
    /// on: places in it are counted on. It is replaced by what it has to keep of the old epoch. Peers have to be told anew.
    #[must_use]
    pub fn succeed(self, config: Config, committed: Height, now: Monotonic, out: &mut Vec<Output>) -> Self {
        let mut carried = self.carried.clone();
        let own = self.own().into_iter().flat_map(|lane| lane.between(lane.committed(), lane.tip().seq));
        own.filter(|_| !seeded(Canary::CarriedForgotten)).for_each(|batch| carried.add(batch));
        let mut next = Self::with_cut(config, committed, &[], 0);
        (next.journal, next.pool, next.in_flight, next.carried) = (self.journal, self.pool, self.in_flight, carried);
        let kept = next.carried.batches().to_vec();
        next.journal.compact(kept, next.carried.bytes(), out);
        next.drop_what_cannot_be_ordered(out);
        // Whatever is said first, peers that are late in this epoch did not hear.
        next.repeat_at = Some(now.plus(next.config.delta_quarters(16)));
        next
    }

    /// A guest orders nothing, and a larger set has smaller shares.
    fn drop_what_cannot_be_ordered(&mut self, out: &mut Vec<Output>) {
        let room = room_of_batch(&self.config.share().of_batch());
        let (ids, reason) = if self.config.is_validator() {
            let beyond = self.let_go(|_, transaction| !size(transaction).fits(&room));
            (self.pool.drop_beyond(&room).into_iter().chain(beyond).collect::<Vec<_>>(), DropReason::TooLarge)
        } else {
            let carried = self.let_go(|_, _| true);
            (self.pool.clear().into_iter().chain(carried).collect(), DropReason::Silent)
        };
        if !ids.is_empty() {
            out.push(Output::Dropped { ids, reason });
        }
    }

    /// Cuts batches of what the epoch before left over, before anything else. What others ordered meanwhile is ordered
    /// once more and executed once: whether a block executed it or passed it over is not known here.
    pub(crate) fn cut_carried(&mut self, cx: &mut Context<'_>, room: &Share) {
        while !self.carried.waiting.is_empty() && self.has_room_to_cut() {
            let taken = self.carried.take(room);
            if taken.is_empty() {
                // A restart into a larger set may find one that no batch of it can hold.
                let ids = self.let_go(|_, transaction| !size(transaction).fits(room));
                Self::dropped(cx, ids, DropReason::TooLarge);
            } else {
                self.seal(cx, taken);
            }
        }
    }

    /// Forgets some of what waits; returns which.
    pub(crate) fn let_go(&mut self, which: impl Fn(&Hash, &SignedTransaction) -> bool) -> Vec<Hash> {
        let waiting = std::mem::take(&mut self.carried.waiting);
        let (gone, kept): (VecDeque<_>, _) = waiting.into_iter().partition(|(id, transaction)| which(id, transaction));
        self.carried.waiting = kept;
        self.carried.settle();
        for (id, transaction) in &gone {
            self.in_flight.remove(id);
            self.pool.note_decided(transaction.body().sender, transaction.body().replay);
        }
        gone.into_iter().map(|(id, _)| id).collect()
    }

    /// A batch of ours that the ledger committed: what it holds of an earlier epoch's is done with.
    pub(crate) fn note_ordered(&mut self, signed: &Arc<SignedBatch>) {
        if self.carried.waiting.is_empty() {
            return;
        }
        let checked = CheckedBatch::from_log(signed.clone(), &self.config.committee, &self.config.params.limits);
        if let Ok(batch) = checked {
            let ordered: BTreeSet<&Hash> = batch.ids().iter().collect();
            self.let_go(|id, _| ordered.contains(id));
        }
    }

    /// A batch of the log that is of an earlier epoch. One of ours holds transactions that no block ordered: the log was
    /// replaced when its epoch ended. If that did not become durable, it may be several epochs old by now, and hold some
    /// that were ordered, which are executed once.
    pub(crate) fn replay_earlier(&mut self, signed: Arc<SignedBatch>) -> Result<(), RecoverError> {
        let (lane, seq) = (signed.batch.lane, signed.batch.seq);
        let mut earlier = self.config.earlier.iter();
        let Some((committee, me)) = earlier.find(|(committee, _)| committee.epoch == signed.batch.epoch) else {
            return Ok(());
        };
        if lane != u32::from(me.get()) || !self.config.is_validator() {
            return Ok(());
        }
        let batch = CheckedBatch::from_log(signed, committee, &self.config.params.limits)
            .map_err(|error| RecoverError::Invalid { lane, seq, error })?;
        for (id, transaction) in batch.ids().iter().zip(batch.transactions().iter()) {
            if self.in_flight.insert(*id, seq).is_none() {
                self.pool.note_in_flight(transaction.body().sender, transaction.body().replay);
            }
        }
        self.carried.add(&batch);
        Ok(())
    }
}
