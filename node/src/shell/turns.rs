//! The thread that steps the replica: it takes orders, steps, and carries the actions out in their order.
//!
//! It does nothing slow itself. Logs, the ledger and signature checks have threads of their own that report back as
//! events, so that a slow disk delays what depends on it and nothing else.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use althing_consensus::Record;
use althing_ledger::FinalBlock;
use althing_mempool::{AdmitError, Candidate};
use althing_types::{Ed25519, Hash, PublicKey, Scheme, SecretKey, Signature, SignedBatch};
use metrics::{counter, gauge, histogram};
use tokio::sync::oneshot;

use super::answering::{Request, Requests};
use super::checker::Checker;
use super::clock::Clock;
use super::inbox::Credit;
use super::log_writer::LogCommand;
use super::mailbox::{Mail, Mailbox};
use super::notes::Notes;
use super::outbox::Outbox;
use super::stop::{Stop, spawn};
use crate::replica::{Action, Contact, Event, Note, Replica, archive};

/// Orders that one turn takes at most.
const ORDERS_PER_TURN_MAX: usize = 256;
/// Orders from outside that may wait at most.
pub(crate) const ORDERS_MAX: usize = 8_192;
/// The longest that the loop sleeps.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// How often gauges are set.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// What the log of consensus is told.
pub(crate) type VoteCommand = LogCommand<althing_consensus::Lsn, Record>;
/// What the log of batches is told.
pub(crate) type BatchCommand = LogCommand<althing_mempool::Lsn, Arc<SignedBatch>>;

/// What the thread is asked to do.
pub(crate) enum Order {
    /// Something happened.
    Event(Box<Event>),
    /// Something came from a peer, and takes room of the peer's budget until it is dealt with.
    Message(Box<Event>, Credit),
    /// Somebody wants a transaction executed, and to know at once whether it was taken.
    Submit(Box<Candidate>, oneshot::Sender<Admission>),
    /// Somebody wants to look at the replica.
    Inspect(Box<dyn FnOnce(&Replica) + Send>),
}

impl Order {
    /// An order that says what happened.
    pub(crate) fn event(event: Event) -> Self {
        Self::Event(Box::new(event))
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

/// What the pool says to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It was taken.
    Admitted,
    /// It is here already.
    Known,
    /// It was not taken.
    Refused(AdmitError),
}

/// The keys that a replica steps with: real signatures.
#[derive(Debug)]
pub(crate) struct NodeKeys(pub(crate) SecretKey);

impl Scheme for NodeKeys {
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool {
        Ed25519.verify(key, hash, signature)
    }
}

impl althing_consensus::Keys for NodeKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.0.sign(hash)
    }
}

impl althing_mempool::Signer for NodeKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.0.sign(hash)
    }
}

/// The replica, and where its actions go.
pub(crate) struct Turns {
    pub(crate) replica: Replica,
    pub(crate) keys: NodeKeys,
    pub(crate) clock: Clock,
    pub(crate) orders: Arc<Mailbox<Order>>,
    pub(crate) votes: Arc<Mailbox<VoteCommand>>,
    pub(crate) batches: Arc<Mailbox<BatchCommand>>,
    pub(crate) blocks: Arc<Mailbox<FinalBlock>>,
    pub(crate) outbox: Outbox,
    pub(crate) checker: Checker,
    pub(crate) requests: Arc<Requests>,
    pub(crate) notes: Notes,
    /// Whether a transaction is on the chain.
    pub(crate) is_included: Box<dyn Fn(&Hash) -> bool + Send>,
    /// When gauges are set again, by the process's age.
    pub(crate) report_at: Duration,
}

impl Turns {
    /// Starts the thread. It ends when its queue is closed and empty, and then closes those that it feeds.
    pub(crate) fn start(mut self, stop: Stop) -> JoinHandle<()> {
        spawn("replica", stop, move || {
            self.run();
            self.votes.close();
            self.batches.close();
            self.blocks.close();
            self.checker.close();
            self.requests.close();
        })
    }

    fn run(&mut self) {
        let mut actions = Vec::new();
        self.step(Event::Tick, &mut actions);
        self.carry_out(&mut actions, None);
        loop {
            let until = self.replica.deadline().map(|deadline| self.clock.until(deadline));
            let mail = self.orders.take(Some(until.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)), ORDERS_PER_TURN_MAX);
            let began = self.clock.uptime();
            match mail {
                Mail::Closed => break,
                Mail::Nothing if until.is_none_or(|until| until > SLEEP_MAX) => {
                    self.report(began);
                    continue;
                }
                Mail::Nothing => self.step(Event::Tick, &mut actions),
                Mail::Some(orders) => orders.into_iter().for_each(|order| self.obey(order, &mut actions)),
            }
            // Orders that step nothing must not keep time from passing.
            if self.replica.deadline().is_some_and(|deadline| self.clock.until(deadline).is_zero()) {
                self.step(Event::Tick, &mut actions);
            }
            self.carry_out(&mut actions, None);
            let ended = self.clock.uptime();
            histogram!("althing_replica_turn_seconds").record(ended.saturating_sub(began));
            self.report(ended);
        }
    }

    fn obey(&mut self, order: Order, actions: &mut Vec<Action>) {
        match order {
            Order::Event(event) => self.step(*event, actions),
            Order::Message(event, credit) => {
                // What is still to be checked keeps its room until it was.
                self.carry_out(actions, None);
                self.step(*event, actions);
                self.carry_out(actions, Some(&credit));
            }
            Order::Submit(candidate, answer) => self.submit(*candidate, answer, actions),
            Order::Inspect(look) => look(&self.replica),
        }
    }

    /// The mempool answers to a submission in the same step; a submitter that went away does not want to know.
    ///
    /// The mempool forgets a transaction with the news that it was committed. One that was committed while it was being
    /// verified would be taken a second time, and be passed over in a block; so the ledger's index is looked at here,
    /// which costs about a microsecond for a transaction that is new.
    fn submit(&mut self, candidate: Candidate, answer: oneshot::Sender<Admission>, actions: &mut Vec<Action>) {
        let (id, before) = (candidate.id(), actions.len());
        if (self.is_included)(&id) {
            let _gone = answer.send(Admission::Known);
            return;
        }
        self.step(Event::Submit(candidate), actions);
        let said = actions.iter().skip(before).find_map(|action| match action {
            Action::Note(Note::Admitted(of)) if *of == id => Some(Admission::Admitted),
            Action::Note(Note::Known(of, _)) if *of == id => Some(Admission::Known),
            Action::Note(Note::Refused(of, error)) if *of == id => Some(Admission::Refused(*error)),
            _ => None,
        });
        let _gone = said.map(|said| answer.send(said));
    }

    fn step(&mut self, event: Event, actions: &mut Vec<Action>) {
        self.replica.step(&self.keys, self.clock.now(), event, actions);
    }

    fn carry_out(&mut self, actions: &mut Vec<Action>, credit: Option<&Credit>) {
        for action in actions.drain(..) {
            match action {
                Action::AppendVote { lsn, record } => self.votes.post(LogCommand::Append { lsn, record: *record }),
                Action::CompactVotes { lsn, records } => self.votes.post(LogCommand::Replace { lsn, records }),
                Action::AppendBatch { lsn, batch } => self.batches.post(LogCommand::Append { lsn, record: batch }),
                Action::CompactBatches { lsn, batches } => {
                    self.batches.post(LogCommand::Replace { lsn, records: batches });
                }
                Action::Execute { block, finalization, batches } => {
                    self.blocks.post(archive::final_block(*block, *finalization, batches));
                }
                Action::Note(note) => self.notes.take(note),
                Action::Send { to, message } => {
                    self.outbox.send(&to, &message);
                }
                Action::CheckBatch { from, batch, committee } => {
                    self.checker.check(from, batch, committee, credit.cloned());
                }
                Action::ServeBlocks { to, above, hints } => self.serve(to, Request::Blocks { above, hints }),
                Action::ServeEnd { to, epoch, hints } => self.serve(to, Request::End { epoch, hints }),
                Action::ServeBatches { to, epoch, range } => self.serve(to, Request::Batches { epoch, range }),
            }
        }
    }

    /// Hands a request of a peer on. Where too many wait, the peer asks again, or somebody else.
    fn serve(&self, to: Contact, request: Request) {
        if self.requests.offer(to, request).is_err() {
            counter!("althing_sync_refused_total").increment(1);
        }
    }

    /// Says how things are, a few times in a second: looking costs more than a turn without work.
    fn report(&mut self, now: Duration) {
        if now < self.report_at {
            return;
        }
        self.report_at = now + REPORT_EVERY;
        let (consensus, mempool) = (self.replica.consensus(), self.replica.mempool());
        gauge!("althing_consensus_view").set(consensus.view.get() as f64);
        gauge!("althing_consensus_validators_missing").set(consensus.missing.len() as f64);
        gauge!("althing_consensus_halted").set(if consensus.halted.is_some() { 1.0 } else { 0.0 });
        gauge!("althing_mempool_transactions").set(mempool.pool_count as f64);
        gauge!("althing_mempool_bytes").set(mempool.pool_bytes as f64);
        gauge!("althing_replica_queue").set(self.orders.len() as f64);
    }
}
