//! Where transactions enter a node, and where it is asked how far they have come: the same for validators and observers.
//!
//! Everybody's transaction passes the doors of the intake first. Then there are two ways: a validator puts it into its
//! own pool, an observer hands it to a validator. What is committed is read from the ledger either way, and whoever
//! waits is told by the same tracker.

use std::sync::Arc;

use althing_ledger::{LocatedTransaction, Reader};
use althing_mempool::{AdmitError, Known};
use althing_rpc::api::{ApiError, ErrorCode, WaitUntil};
use althing_rpc::{Inclusion, Progress, Submission};
use althing_storage::RocksStore;
use althing_types::{Hash, ValidatorIndex};
use tokio::sync::oneshot;

use super::forwarding::Forwarding;
use super::heads::is_behind;
use super::intake::{Intake, Rejected};
use super::mailbox::Mailbox;
use super::refusal::{busy, internal, ledger_failed, refused_by_pool, rejected, syncing};
use super::stop::Stop;
use super::tracker::{News, Stage, Tracker};
use super::turns::{Admission, Order};
use crate::replica::Replica;

/// The entrance.
pub(super) struct Entrance {
    pub(super) reader: Reader<RocksStore>,
    pub(super) intake: Intake<RocksStore>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) way: Way,
    /// Ends the node when the ledger cannot be read.
    pub(super) stop: Stop,
}

/// What becomes of a transaction behind the doors.
pub(super) enum Way {
    /// It goes into this validator's pool.
    Pool(Pool),
    /// It is handed to a validator.
    Forwarding(Arc<Forwarding>),
}

/// The way to the replica and its pool.
#[derive(Clone)]
pub(super) struct Pool {
    pub(super) orders: Arc<Mailbox<Order>>,
    /// Which validator this is.
    pub(super) me: ValidatorIndex,
}

impl Entrance {
    /// Takes a transaction in, and says how far it has come. The same bytes again get the same answer.
    pub(super) async fn submit(&self, bytes: Vec<u8>) -> Result<Submission, ApiError> {
        match &self.way {
            Way::Pool(pool) => {
                let candidate = match self.intake.pass(bytes).await {
                    Ok(candidate) => candidate,
                    Err(rejected_as) => return self.known(rejected_as).await,
                };
                let (id, (answer, receiver)) = (candidate.id(), oneshot::channel());
                pool.orders.offer(Order::Submit(Box::new(candidate), answer)).map_err(busy)?;
                match receiver.await.map_err(|_| ending())? {
                    Admission::Admitted => Ok(Submission { id, duplicate: false, progress: Progress::Pending }),
                    Admission::Known => Ok(Submission { id, duplicate: true, progress: self.progress(id).await? }),
                    Admission::Refused(error) if is_of_this_state(&error) => {
                        Err(self.refusal_by_state(refused_by_pool(&error)).await)
                    }
                    Admission::Refused(error) => Err(refused_by_pool(&error)),
                }
            }
            Way::Forwarding(forwarding) => match self.intake.pass(bytes.clone()).await {
                Ok(candidate) => forwarding.submit(candidate.id(), bytes).await,
                Err(rejected_as) => self.known(rejected_as).await,
            },
        }
    }

    /// A transaction that was rejected may be one that is here already, and that a newer state would refuse. Whoever
    /// sends the same bytes again gets the same answer.
    async fn known(&self, rejected_as: Rejected) -> Result<Submission, ApiError> {
        let id = match &rejected_as {
            Rejected::Included(id) | Rejected::Skipped(id, _) => *id,
            Rejected::Fails(receipt) => receipt.tx_id,
            _ => return Err(rejected(&self.stop, rejected_as)),
        };
        match self.progress(id).await? {
            Progress::Unknown if rejected_as.is_of_this_state() => {
                Err(self.refusal_by_state(rejected(&self.stop, rejected_as)).await)
            }
            Progress::Unknown => Err(rejected(&self.stop, rejected_as)),
            progress => Ok(Submission { id, duplicate: true, progress }),
        }
    }

    /// A refusal for a reason that lies in the state. A node that catches up has an old one, by which it takes
    /// transactions in and refuses none.
    async fn refusal_by_state(&self, refusal: ApiError) -> ApiError {
        let reported = match &self.way {
            Way::Pool(pool) => pool.look(|replica| replica.consensus().reported).await,
            Way::Forwarding(forwarding) => Ok(forwarding.horizon()),
        };
        let height = self.reader.head().header.height;
        match reported {
            Ok(reported) if is_behind(height, reported) => syncing(height, reported),
            Ok(_) => refusal,
            Err(error) => error,
        }
    }

    /// How far a transaction has come. What is not committed is asked for first: whatever leaves there meanwhile is on
    /// the chain then.
    pub(super) async fn progress(&self, id: Hash) -> Result<Progress, ApiError> {
        let pending = match &self.way {
            Way::Pool(pool) => pool.pending(id).await?,
            Way::Forwarding(forwarding) => forwarding.pending(&id),
        };
        if let Some(progress) = pending {
            return Ok(progress);
        }
        match (self.included(id).await?, &self.way) {
            (Some(progress), _) => Ok(progress),
            (None, Way::Pool(_)) => Ok(Progress::Unknown),
            (None, Way::Forwarding(forwarding)) => Ok(forwarding.ask(id).await),
        }
    }

    /// Waits until a transaction has come so far, or never will. The wire is laid before the first look, so that no news
    /// falls between the two.
    pub(super) async fn wait(&self, id: Hash, until: WaitUntil) -> Result<Progress, ApiError> {
        let stage = if until == WaitUntil::Finalized { Stage::Committed } else { Stage::Accepted };
        let news = self.tracker.wait(id, stage);
        let news =
            news.ok_or_else(|| ApiError::new(ErrorCode::Overloaded, "too many callers wait").retry_after_ms(500))?;
        let progress = self.progress(id).await?;
        if progress.is_at_least(until) {
            return Ok(progress);
        }
        match news.await {
            Ok(News::Accepted) => Ok(Progress::Accepted),
            Ok(News::Committed) => Ok(self.included(id).await?.unwrap_or(Progress::Unknown)),
            Ok(News::Expired) => Ok(Progress::Expired),
            Ok(News::Dropped(reason)) => Ok(Progress::Dropped { reason }),
            Err(_) => Err(ending()),
        }
    }

    /// Where a transaction stands on the chain. The ledger is read on a thread that may block.
    async fn included(&self, id: Hash) -> Result<Option<Progress>, ApiError> {
        let reader = self.reader.clone();
        let found = tokio::task::spawn_blocking(move || reader.transaction(&id)).await;
        let found = found.map_err(|error| internal("the ledger was not read", &error))?;
        let found = found.map_err(|error| ledger_failed(&self.stop, error))?;
        Ok(found.map(|located| {
            let LocatedTransaction { height, index, receipt, .. } = located;
            Progress::Finalized(Box::new(Inclusion { height, index, receipt }))
        }))
    }
}

impl Pool {
    /// Looks at the replica from its own thread.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Replica) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (answer, receiver) = oneshot::channel();
        let order = Order::Inspect(Box::new(move |replica| {
            // Whoever asked may have given up.
            let _gone = answer.send(look(replica));
        }));
        self.orders.offer(order).map_err(busy)?;
        receiver.await.map_err(|_| ending())
    }

    /// Where a transaction is that no block decided yet. It counts as accepted once its batch is durable.
    async fn pending(&self, id: Hash) -> Result<Option<Progress>, ApiError> {
        let me = self.me.to_usize();
        self.look(move |replica| match replica.whereabouts(&id)? {
            Known::Pooled => Some(Progress::Pending),
            Known::Batched { seq } => {
                let durable = replica.mempool().lanes.get(me).is_some_and(|lane| lane.durable_seq >= seq);
                Some(if durable { Progress::Accepted } else { Progress::Pending })
            }
        })
        .await
    }
}

/// Whether a newer state might take what the pool refused.
const fn is_of_this_state(error: &AdmitError) -> bool {
    matches!(error, AdmitError::SequenceUsed { .. } | AdmitError::SequenceTooFar { .. })
}

fn ending() -> ApiError {
    ApiError::new(ErrorCode::ShuttingDown, "the node is about to end")
}

#[cfg(test)]
mod tests;
