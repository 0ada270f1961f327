//! The thread that answers peers from the ledger: final blocks and committed batches that somebody else lacks.
//!
//! It reads, encodes and queues, so that neither the replica nor the ledger waits while another node catches up. The
//! machines ask for no more than a few answers in a second for each peer. Peers are served in turn, and each has a budget
//! of bytes in a second, so that one that asks for all it can get takes neither the disk nor the line from the others.
//! Beyond what may wait here, or be sent now, requests are forgotten, and the peer asks again or asks another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use althing_consensus::Envelope;
use althing_ledger::{LedgerError, Reader};
use althing_mempool::Range;
use althing_storage::{OrderedStore, StoreError};
use althing_types::{Epoch, Height};
use metrics::counter;

use super::clock::Clock;
use super::mailbox::{Mail, Mailbox, Refused};
use super::outbox::Outbox;
use super::stop::{Stop, spawn};
use crate::replica::{Contact, Message, archive};

/// Requests of one peer that wait at most: what the machines let it ask for within Δ.
const REQUESTS_MAX: usize = 32;
/// Bytes of answers to one peer in a second (`reliability.md` section 5.2).
const BYTES_PER_SECOND: u64 = 16 << 20;
/// What a peer that was silent for a while may get at once, in bytes.
const BYTES_AT_ONCE: u64 = 2 * BYTES_PER_SECOND;

/// What a peer wants.
#[derive(Debug)]
pub(crate) enum Request {
    /// Final blocks above a height.
    Blocks {
        /// The height.
        above: Height,
        /// The envelope of the answer.
        hints: Box<Envelope>,
    },
    /// What ended an epoch that the peer is still in.
    End {
        /// The epoch.
        epoch: Epoch,
        /// The envelope of the answer.
        hints: Box<Envelope>,
    },
    /// Batches of a lane.
    Batches {
        /// The epoch of the lane.
        epoch: Epoch,
        /// Which.
        range: Range,
    },
}

/// A reader of the ledger, and the way to the peers.
pub(crate) struct Answering<S> {
    /// The ledger.
    pub(crate) reader: Reader<S>,
    /// Who wants what.
    pub(crate) requests: Arc<Requests>,
    /// The way to them.
    pub(crate) outbox: Outbox,
    /// The time by which budgets are filled.
    pub(crate) clock: Clock,
}

/// Who wants what.
#[derive(Debug)]
pub(crate) struct Requests(Mailbox<(Contact, Request)>);

impl Requests {
    /// Takes in requests of so many validators.
    pub(crate) fn new(validators: usize) -> Self {
        Self(Mailbox::with_senders(0, validators))
    }

    /// Lets a request wait, if its sender has not too many waiting.
    pub(crate) fn offer(&self, from: Contact, request: Request) -> Result<(), Refused> {
        self.0.offer_from(from.to_usize(), (from, request), REQUESTS_MAX)
    }

    /// Lets nothing more in.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// What each peer may still get at this moment.
#[derive(Debug, Default)]
struct Budgets(BTreeMap<Contact, (u64, Duration)>);

impl Budgets {
    /// Whether a peer may get something now.
    fn has_room(&mut self, peer: Contact, now: Duration) -> bool {
        let (bytes, since) = self.0.entry(peer).or_insert((BYTES_AT_ONCE, now));
        let millis = u64::try_from(now.saturating_sub(*since).as_millis()).unwrap_or(u64::MAX);
        let earned = millis.saturating_mul(BYTES_PER_SECOND) / 1_000;
        if earned > 0 {
            (*bytes, *since) = (bytes.saturating_add(earned).min(BYTES_AT_ONCE), now);
        }
        *bytes > 0
    }

    /// Charges an answer. The last one may be more than there is room for: none is cut.
    fn charge(&mut self, peer: Contact, answer: usize) {
        if let Some((bytes, _)) = self.0.get_mut(&peer) {
            *bytes = bytes.saturating_sub(u64::try_from(answer).unwrap_or(u64::MAX));
        }
    }
}

/// What there is to send. Damage to what was asked for is logged and never sent: the peer finds it elsewhere, and the node goes
/// on, or whoever asks for it again and again could keep it down.
fn legible(answer: Result<Option<Message>, LedgerError>) -> Result<Option<Message>, LedgerError> {
    match answer {
        Err(error @ (LedgerError::Corrupt { .. } | LedgerError::Store(StoreError::Corrupt { .. }))) => {
            tracing::error!(%error, "the ledger cannot be read");
            Ok(None)
        }
        answer => answer,
    }
}

impl<S: OrderedStore + 'static> Answering<S> {
    /// Starts the thread. It ends when its queue is closed and empty.
    pub(crate) fn start(self, stop: Stop) -> JoinHandle<()> {
        spawn("answering", stop.clone(), move || match self.run() {
            Ok(()) => {}
            Err(LedgerError::Store(error)) => stop.disk_failed("the ledger", &error),
            Err(error) => stop.chain_failed(error.to_string()),
        })
    }

    fn run(&self) -> Result<(), LedgerError> {
        let mut budgets = Budgets::default();
        while let Mail::Some(requests) = self.requests.0.take(None, 1) {
            for (to, request) in requests {
                if !budgets.has_room(to, self.clock.uptime()) {
                    counter!("althing_sync_refused_total").increment(1);
                } else if let Some(message) = legible(self.answer(request))? {
                    budgets.charge(to, self.outbox.send(&[to], &message));
                }
            }
        }
        Ok(())
    }

    fn answer(&self, request: Request) -> Result<Option<Message>, LedgerError> {
        let (kind, answer) = match request {
            Request::Blocks { above, hints } => ("blocks", archive::blocks_above(&self.reader, *hints, above)?),
            Request::End { epoch, hints } => ("end", archive::end_of_epoch(&self.reader, *hints, epoch)?),
            Request::Batches { epoch, range } => ("batches", archive::batches_down(&self.reader, epoch, &range)?),
        };
        counter!("althing_sync_served_total", "kind" => kind).increment(u64::from(answer.is_some()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_asks_for_all_it_can_get_waits_and_the_others_do_not() {
        let (greedy, modest) = (Contact::new(1), Contact::new(2));
        let (mut budgets, answer) = (Budgets::default(), 1 << 20);
        let mut taken = 0;
        while budgets.has_room(greedy, Duration::ZERO) {
            budgets.charge(greedy, answer);
            taken += 1;
        }
        assert_eq!(taken, 32, "32 MiB at once");
        assert!(budgets.has_room(modest, Duration::ZERO));
        assert!(!budgets.has_room(greedy, Duration::from_micros(900)));
        assert!(budgets.has_room(greedy, Duration::from_millis(1)), "a little time is a little room");
        budgets.charge(greedy, answer);
        let second = Duration::from_millis(1_001);
        let mut taken = 0;
        while budgets.has_room(greedy, second) {
            budgets.charge(greedy, answer);
            taken += 1;
        }
        assert_eq!(taken, 16, "16 MiB in a second");
    }

    #[test]
    fn the_requests_of_one_peer_are_bounded_for_themselves() {
        let requests = Requests::new(2);
        let request = || Request::Batches {
            epoch: Epoch::ZERO,
            range: Range { lane: 0, first: 1, last: 1, tip: althing_types::Hash::ZERO },
        };
        for _ in 0..REQUESTS_MAX {
            assert!(requests.offer(Contact::new(0), request()).is_ok());
        }
        assert_eq!(requests.offer(Contact::new(0), request()), Err(Refused::Full));
        assert!(requests.offer(Contact::new(1), request()).is_ok());
    }
}
