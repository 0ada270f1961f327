//! The thread that answers peers from the ledger: final blocks and committed batches that somebody else lacks.
//!
//! It reads, encodes and queues, so that neither the replica nor the ledger waits while another node catches up. The
//! machines ask for no more than a few answers in a second for each peer; beyond what may wait here, requests are
//! forgotten, and the peer asks again or asks another.

use std::sync::Arc;
use std::thread::JoinHandle;

use althing_consensus::Envelope;
use althing_ledger::{LedgerError, Reader};
use althing_mempool::Range;
use althing_storage::OrderedStore;
use althing_types::{Epoch, Height, ValidatorIndex};
use metrics::counter;

use super::mailbox::{Mail, Mailbox};
use super::outbox::Outbox;
use super::stop::{Stop, spawn};
use crate::replica::{Message, Recipients, archive};

/// Requests that wait at most.
const REQUESTS_MAX: usize = 256;

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
    pub(crate) requests: Arc<Mailbox<(ValidatorIndex, Request)>>,
    /// The way to them.
    pub(crate) outbox: Outbox,
}

/// A queue of requests.
pub(crate) const fn requests() -> Mailbox<(ValidatorIndex, Request)> {
    Mailbox::new(REQUESTS_MAX)
}

impl<S: OrderedStore + 'static> Answering<S> {
    /// Starts the thread. It ends when its queue is closed and empty.
    pub(crate) fn start(self, stop: Stop) -> JoinHandle<()> {
        spawn("answering", stop.clone(), move || {
            while let Mail::Some(requests) = self.requests.take(None, 1) {
                for (to, request) in requests {
                    match self.answer(request) {
                        Ok(Some(message)) => self.outbox.send(&Recipients::Some(vec![to]), &message),
                        Ok(None) => {}
                        Err(LedgerError::Store(error)) => return stop.disk_failed("the ledger", &error),
                        Err(error) => return stop.chain_failed(error.to_string()),
                    }
                }
            }
        })
    }

    fn answer(&self, request: Request) -> Result<Option<Message>, LedgerError> {
        let (kind, answer) = match request {
            Request::Blocks { above, hints } => ("blocks", archive::blocks_above(&self.reader, *hints, above)?),
            Request::Batches { epoch, range } => ("batches", archive::batches_down(&self.reader, epoch, &range)?),
        };
        counter!("althing_sync_served_total", "kind" => kind).increment(u64::from(answer.is_some()));
        Ok(answer)
    }
}
