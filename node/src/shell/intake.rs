//! Where transactions come in: decoded, verified in batches on threads of their own, and tried on the latest state.
//!
//! A transaction passes three doors before the replica hears of it: its form, its signatures, and a dry run that
//! refuses by name what execution would refuse. The dry run is advice (`decisions.md` 1.24): it looks at a state that
//! is a few blocks old, and execution decides.

use std::sync::Arc;
use std::thread::JoinHandle;

use althing_contracts::{Outcome, SkipReason, execute};
use althing_ledger::{LedgerError, Reader};
use althing_mempool::Candidate;
use althing_storage::OrderedStore;
use althing_types::{ChainParams, Hash, Receipt, Replay, SignedTransaction, Status, TransactionError, Verified};
use tokio::sync::oneshot;

use super::clock::Clock;
use super::mailbox::{Mail, Mailbox, Refused};
use super::stop::{Stop, spawn};

/// Submissions that wait for verification at most.
pub(crate) const SUBMISSIONS_MAX: usize = 4_096;
/// Submissions that one thread verifies together at most.
const TOGETHER_MAX: usize = 256;

/// Why a transaction does not get to the pool.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// Its form or a signature is wrong.
    Transaction(TransactionError),
    /// It is on the chain already.
    Included(Hash),
    /// Execution would pass it over.
    Skipped(Hash, SkipReason),
    /// Execution would fail.
    Fails(Box<Receipt>),
    /// The ledger cannot be read.
    Ledger(LedgerError),
    /// Too many wait, or the node is about to end.
    Busy(Refused),
}

impl Rejected {
    /// Whether a newer state might take the transaction. What is wrong with its form, signatures, time or gas stays so.
    pub(crate) const fn is_of_this_state(&self) -> bool {
        match self {
            Self::Skipped(_, reason) => match reason {
                SkipReason::Unauthorized
                | SkipReason::SequenceUsed { .. }
                | SkipReason::SequenceAhead { .. }
                | SkipReason::LanesFull
                | SkipReason::LaneEnded => true,
                SkipReason::Expired
                | SkipReason::TooFarAhead
                | SkipReason::GasLimit { .. }
                | SkipReason::SurplusSignatures { .. } => false,
            },
            Self::Fails(_) => true,
            Self::Transaction(_) | Self::Included(_) | Self::Ledger(_) | Self::Busy(_) => false,
        }
    }
}

/// A submission on its way through the doors.
struct Submission {
    bytes: Vec<u8>,
    answer: oneshot::Sender<Result<Candidate, Rejected>>,
}

/// The doors.
pub(crate) struct Intake<S> {
    reader: Reader<S>,
    chain: Hash,
    params: ChainParams,
    clock: Clock,
    waiting: Arc<Mailbox<Submission>>,
}

impl<S> Clone for Intake<S> {
    fn clone(&self) -> Self {
        Self { reader: self.reader.clone(), waiting: self.waiting.clone(), ..*self }
    }
}

impl<S: OrderedStore + 'static> Intake<S> {
    /// Doors that nobody stands at yet.
    pub(crate) fn new(reader: Reader<S>, chain: Hash, params: ChainParams, clock: Clock) -> Self {
        Self { reader, chain, params, clock, waiting: Arc::new(Mailbox::new(SUBMISSIONS_MAX)) }
    }

    /// Starts a thread that verifies. It ends when the doors are closed.
    pub(crate) fn start(&self, stop: Stop) -> JoinHandle<()> {
        let intake = self.clone();
        spawn("verify", stop, move || intake.run())
    }

    /// Lets nothing more in.
    pub(crate) fn close(&self) {
        self.waiting.close();
    }

    /// Takes the bytes of a transaction through the doors.
    pub(crate) async fn pass(&self, bytes: Vec<u8>) -> Result<Candidate, Rejected> {
        let (answer, receiver) = oneshot::channel();
        self.waiting.offer(Submission { bytes, answer }).map_err(Rejected::Busy)?;
        receiver.await.unwrap_or(Err(Rejected::Busy(Refused::Closed)))
    }

    /// What execution would make of a transaction on the latest state. Nothing changes. Signatures must have been
    /// verified where that matters.
    pub(crate) fn dry_run(&self, transaction: &SignedTransaction, id: Hash) -> Result<Outcome, LedgerError> {
        let (context, state) = self.reader.for_admission(self.clock.now().wall, &self.params);
        execute(transaction, id, &context, &state)
    }

    fn run(&self) {
        while let Mail::Some(submissions) = self.waiting.take(None, TOGETHER_MAX) {
            let mut formed = Vec::with_capacity(submissions.len());
            let mut waiting = Vec::with_capacity(submissions.len());
            for Submission { bytes, answer } in submissions {
                match SignedTransaction::from_bytes(&bytes, &self.chain) {
                    Ok(transaction) => {
                        formed.push(transaction);
                        waiting.push(answer);
                    }
                    Err(error) => tell(answer, Err(Rejected::Transaction(error))),
                }
            }
            for (verdict, answer) in SignedTransaction::verify_many(formed).into_iter().zip(waiting) {
                tell(answer, verdict.map_err(Rejected::Transaction).and_then(|verified| self.admissible(verified)));
            }
        }
    }

    /// Tries a verified transaction on the latest state.
    fn admissible(&self, transaction: Verified<SignedTransaction>) -> Result<Candidate, Rejected> {
        let id = transaction.id();
        if self.reader.is_included(&id).map_err(Rejected::Ledger)? {
            return Err(Rejected::Included(id));
        }
        let next = match self.dry_run(&transaction, id).map_err(Rejected::Ledger)? {
            Outcome::Executed(execution) if execution.receipt.status == Status::Ok => sequence_of(&transaction),
            Outcome::Executed(execution) => return Err(Rejected::Fails(Box::new(execution.receipt))),
            // It may wait in the pool for those before it.
            Outcome::Skipped(SkipReason::SequenceAhead { next }) => next,
            Outcome::Skipped(reason) => return Err(Rejected::Skipped(id, reason)),
        };
        Ok(Candidate::new(transaction, next))
    }
}

/// The sequence number of a transaction that has one; it is the next one where the dry run took it.
fn sequence_of(transaction: &SignedTransaction) -> u64 {
    match transaction.body().replay {
        Replay::Sequence { seq, .. } => seq,
        Replay::Expiring { .. } => 0,
    }
}

/// A submitter that went away does not want to know.
fn tell(answer: oneshot::Sender<Result<Candidate, Rejected>>, verdict: Result<Candidate, Rejected>) {
    let _gone = answer.send(verdict);
}
