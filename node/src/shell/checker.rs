//! The threads that check batches of other validators: their owner's signature and every transaction's.
//!
//! Batches of one sender are checked by one thread, in the order in which they came, because the lanes rely on it
//! (rule L1). A thread serves its senders in turn. What waits here is bounded by the sender's budget at the inbox.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use althing_mempool::{SharedBatch, check_batch};
use althing_types::{Committee, Ed25519, LimitParams};
use metrics::histogram;

use super::inbox::Credit;
use super::mailbox::{Mail, Mailbox};
use super::stop::{Stop, spawn};
use super::turns::Order;
use crate::replica::{Contact, Event};

/// Threads at most: beyond that the disk and the replica are what a node waits for.
const THREADS_MAX: usize = 4;

/// A batch to check.
#[derive(Debug)]
struct Check {
    from: Contact,
    batch: SharedBatch,
    committee: Arc<Committee>,
    credit: Option<Credit>,
}

/// The queues of the threads.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    queues: Vec<Arc<Mailbox<Check>>>,
}

impl Checker {
    /// Starts as many threads as the machine has cores for, at most [`THREADS_MAX`] and no more than there are senders:
    /// other validators that are known.
    pub(crate) fn start(
        senders: usize,
        limits: LimitParams,
        orders: &Arc<Mailbox<Order>>,
        stop: &Stop,
    ) -> (Self, Vec<JoinHandle<()>>) {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = cores.min(THREADS_MAX).min(senders);
        let queues: Vec<_> = (0..count).map(|_| Arc::new(Mailbox::with_senders(0, senders + 1))).collect();
        let thread = |queue: &Arc<Mailbox<Check>>| {
            let (queue, orders) = (queue.clone(), orders.clone());
            spawn("batches-in", stop.clone(), move || run(&queue, &limits, &orders))
        };
        let threads = queues.iter().map(thread).collect();
        (Self { queues }, threads)
    }

    /// Queues a batch, to be checked by the validators of its epoch; the replica hears of it by [`Event::Batch`].
    pub(crate) fn check(&self, from: Contact, batch: SharedBatch, committee: Arc<Committee>, credit: Option<Credit>) {
        // Without a thread there is no other validator, and nobody whose batch this could be.
        let place = from.to_usize().checked_rem(self.queues.len());
        if let Some(queue) = place.and_then(|place| self.queues.get(place)) {
            queue.post_from(from.to_usize(), Check { from, batch, committee, credit });
        }
    }

    /// Lets nothing more in.
    pub(crate) fn close(&self) {
        self.queues.iter().for_each(|queue| queue.close());
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the shell: it measures how long a check takes")]
fn run(queue: &Mailbox<Check>, limits: &LimitParams, orders: &Mailbox<Order>) {
    while let Mail::Some(checks) = queue.take(None, 1) {
        for Check { from, batch, committee, credit } in checks {
            let began = std::time::Instant::now();
            let checked = check_batch(batch.0, &committee, limits, &Ed25519);
            histogram!("althing_batch_check_seconds").record(began.elapsed());
            let event = Box::new(Event::Batch { from, checked });
            let order = match credit {
                Some(credit) => Order::Message(event, credit),
                None => Order::Event(event),
            };
            orders.post_from(from.to_usize(), order);
        }
    }
}
