//! Where requests of other nodes are answered: blocks and batches from the ledger, transactions through the entrance.
//!
//! The network bounds how many requests of one peer are under way and how many come in a second. The ledger is read on
//! threads that may block. Observers serve what is committed like validators; transactions they do not take from others,
//! so that none goes round in circles.

use std::sync::Arc;
use std::time::Duration;

use althing_ledger::{LedgerError, Reader};
use althing_rpc::api::{ApiError, ErrorCode, WaitUntil};
use althing_rpc::{Progress, Submission};
use althing_storage::RocksStore;
use althing_types::{ChainParams, List, encode};
use metrics::counter;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::asking::{Answer, Refusal, Request, Standing, Taken};
use super::entrance::{Entrance, Way};
use super::mailbox::Refused;
use super::refusal::busy;
use super::stop::Stop;
use crate::replica::archive;

/// How long the answer to a submission waits for the batch to be durable. It is below the second after which an observer
/// asks another validator.
const ACCEPTANCE_MAX: Duration = Duration::from_millis(500);
/// Submissions that wait so at once: a part of those that may wait in this node, so that callers of its own find room.
const WAITING_MAX: usize = super::tracker::WAITERS_MAX / 4;

/// Transactions of other nodes that are checked at once: a part of those that may wait for it in this node.
const CHECKING_MAX: usize = super::intake::SUBMISSIONS_MAX / 4;

/// The desk.
pub(super) struct Desk {
    reader: Reader<RocksStore>,
    entrance: Arc<Entrance>,
    waiting: Arc<Semaphore>,
    checking: Arc<Semaphore>,
    /// Whose turn it is to get a part of a snapshot.
    handing_out: Arc<Semaphore>,
    params: ChainParams,
    stop: Stop,
}

impl Desk {
    /// A desk at this entrance.
    pub(super) fn new(entrance: Arc<Entrance>, params: ChainParams, stop: Stop) -> Self {
        let waiting = Arc::new(Semaphore::new(WAITING_MAX));
        let checking = Arc::new(Semaphore::new(CHECKING_MAX));
        let handing_out = Arc::new(Semaphore::new(1));
        Self { reader: entrance.reader.clone(), entrance, waiting, checking, handing_out, params, stop }
    }

    /// The answer to a request; none to bytes that are no request, which a newer node may have sent.
    pub(super) async fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (kind, answer) = match Request::from_bytes(bytes).ok()? {
            Request::Submit(transactions) => {
                let transactions = transactions.into_inner().into_iter().map(|bytes| bytes.into_inner()).collect();
                ("submit", Some(Answer::Submitted(List::truncated(self.submit(transactions).await))))
            }
            Request::Blocks { above } => {
                let read = move |reader: &Reader<RocksStore>| archive::run_above(reader, above);
                ("blocks", self.read(read).await.map(|run| Answer::Blocks(run.map(Box::new))))
            }
            Request::Batches { epoch, range } => {
                let read = move |reader: &Reader<RocksStore>| archive::lane_down(reader, epoch, &range);
                ("batches", self.read(read).await.map(Answer::Batches))
            }
            Request::Whereabouts { id } => {
                let progress = match &self.entrance.way {
                    Way::Pool(_) => self.entrance.progress(id).await.ok(),
                    Way::Forwarding(_) => None,
                };
                ("whereabouts", progress.map(|progress| Answer::Whereabouts(Standing::from(&progress))))
            }
            Request::Snapshot => {
                let params = self.params;
                let base = self.read_snapshot(move |reader| reader.snapshot_base(&params)).await;
                ("snapshot", base.map(|base| Answer::Snapshot(base.flatten().map(Box::new))))
            }
            Request::SnapshotReceipts { from, last } => {
                let receipts = self.read_snapshot(move |reader| reader.snapshot_receipts(from, last)).await;
                ("snapshot", receipts.map(Answer::SnapshotReceipts))
            }
            Request::SnapshotChunk { height, from, to } => {
                let chunk = self.read_snapshot(move |reader| reader.snapshot_chunk(height, (&from, &to))).await;
                ("snapshot", chunk.map(|chunk| Answer::SnapshotChunk(chunk.map(Box::new))))
            }
        };
        counter!("althing_requests_answered_total", "kind" => kind).increment(u64::from(answer.is_some()));
        answer.map(|answer| encode(&answer))
    }

    /// Reads a part of a snapshot, one at a time for all peers together: handing out a snapshot must not cost this node more
    /// than one of its cores. None within if it is not kept.
    async fn read_snapshot<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader<RocksStore>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Option<Option<T>> {
        let turn = self.handing_out.clone().acquire_owned().await.ok()?;
        let kept = move |reader: &Reader<RocksStore>| {
            let found = read(reader);
            // The turn ends with the reading, also if nobody waits for the answer any more.
            drop(turn);
            match found {
                Err(LedgerError::Pruned { .. } | LedgerError::HeightInFuture { .. }) => Ok(None),
                found => found.map(Some),
            }
        };
        self.read(kept).await
    }

    /// Reads the ledger on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader<RocksStore>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Option<T> {
        let reader = self.reader.clone();
        match spawn_blocking(move || read(&reader)).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(LedgerError::Store(error))) => {
                self.stop.disk_failed("the ledger", &error);
                None
            }
            Ok(Err(error)) => {
                self.stop.chain_failed(error.to_string());
                None
            }
            Err(error) => {
                tracing::error!(%error, "a request was not answered");
                None
            }
        }
    }

    /// What became of each transaction, in their order.
    async fn submit(&self, transactions: Vec<Vec<u8>>) -> Vec<Taken> {
        let mut tasks = JoinSet::new();
        let mut taken = vec![Taken::No(Refusal::from(&failed())); transactions.len()];
        for (place, bytes) in transactions.into_iter().enumerate() {
            let (entrance, waiting) = (self.entrance.clone(), self.waiting.clone());
            let checking = self.checking.clone();
            tasks.spawn(async move { (place, submit_one(&entrance, &checking, &waiting, bytes).await) });
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((place, result)) => {
                    if let Some(item) = taken.get_mut(place) {
                        *item =
                            result.map_or_else(|error| Taken::No(Refusal::from(&error)), |submission| yes(&submission));
                    }
                }
                Err(error) => tracing::error!(%error, "a transaction of another node was not taken in"),
            }
        }
        taken
    }
}

async fn submit_one(
    entrance: &Entrance,
    checking: &Semaphore,
    waiting: &Semaphore,
    bytes: Vec<u8>,
) -> Result<Submission, ApiError> {
    if matches!(entrance.way, Way::Forwarding(_)) {
        let message = "this node is an observer and takes no transactions from other nodes";
        return Err(ApiError::new(ErrorCode::NotAValidator, message));
    }
    let room = checking.try_acquire().map_err(|_| busy(Refused::Full))?;
    let mut submission = entrance.submit(bytes).await?;
    drop(room);
    if submission.progress == Progress::Pending
        && let Ok(_room) = waiting.try_acquire()
        && let Ok(Ok(progress)) = timeout(ACCEPTANCE_MAX, entrance.wait(submission.id, WaitUntil::Accepted)).await
    {
        submission.progress = progress;
    }
    Ok(submission)
}

fn yes(submission: &Submission) -> Taken {
    Taken::Yes { duplicate: submission.duplicate, standing: Standing::from(&submission.progress) }
}

fn failed() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the validator failed to answer")
}
