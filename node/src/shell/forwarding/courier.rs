//! Carries transactions to one validator: those that wait travel together, and few requests are under way.

use std::sync::Arc;
use std::time::Duration;

use althing_network::{Handle, REQUESTS_PER_PEER_MAX, RequestError};
use althing_types::{Bytes, List, PublicKey, encode};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::enquiries;
use crate::shell::asking::{Answer, Request, SUBMITTED_BYTES_MAX, SUBMITTED_MAX, Taken};
use crate::shell::follow::LANES_MAX;
use crate::shell::tasks;

/// Transactions that wait for one validator at most.
const WAITING_MAX: usize = 1_024;
/// Requests with transactions that are under way to one validator.
const UNDER_WAY_MAX: usize = 3;
/// The least time between two of them: half of the hundred requests that a validator answers one peer in a second. The
/// rest is for blocks, batches and enquiries.
const EVERY: Duration = Duration::from_millis(20);

const _: () = assert!(
    UNDER_WAY_MAX + enquiries::UNDER_WAY_MAX + LANES_MAX <= REQUESTS_PER_PEER_MAX,
    "whoever follows and whoever submits are not in each other's way"
);

/// The way to one validator.
#[derive(Debug)]
pub(super) struct Courier {
    parcels: mpsc::Sender<Parcel>,
}

#[derive(Debug)]
struct Parcel {
    bytes: Arc<Vec<u8>>,
    answer: oneshot::Sender<Result<Taken, RequestError>>,
}

impl Courier {
    /// Starts a task for a validator. It ends when the courier is dropped.
    pub(super) fn start(handle: Handle, to: PublicKey) -> Self {
        let (parcels, waiting) = mpsc::channel(WAITING_MAX);
        let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let mut pace = interval(EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let road = Arc::new(Mutex::new(Road { handle, to, waiting, left: None, under_way, pace }));
        // If it breaks, the parcels that wait are carried by the next.
        tasks::keep("courier", move || {
            let road = road.clone();
            async move { road.lock().await.travel().await }
        });
        Self { parcels }
    }

    /// Carries a transaction, and brings the answer back.
    pub(super) async fn carry(&self, bytes: &Arc<Vec<u8>>) -> Result<Taken, RequestError> {
        let (answer, receiver) = oneshot::channel();
        let parcel = Parcel { bytes: bytes.clone(), answer };
        self.parcels.try_send(parcel).map_err(|_| RequestError::TooMany)?;
        // Whoever carried it broke, and may have handed it over.
        receiver.await.unwrap_or_else(|_| Err(RequestError::Failed { why: "the courier broke".to_owned() }))
    }
}

/// What a courier has with it.
struct Road {
    handle: Handle,
    to: PublicKey,
    waiting: mpsc::Receiver<Parcel>,
    /// One that did not fit into the last request.
    left: Option<Parcel>,
    under_way: Arc<Semaphore>,
    pace: Interval,
}

impl Road {
    /// Carries what comes, until nobody can bring anything any more.
    async fn travel(&mut self) {
        // A semaphore of our own is never closed.
        while let Ok(permit) = self.under_way.clone().acquire_owned().await {
            let Some(together) = self.gather().await else { return };
            let (handle, to) = (self.handle.clone(), self.to);
            // If it breaks, those who wait for an answer learn it, and the permit is free again.
            tasks::once("courier", async move {
                deliver(&handle, &to, together).await;
                drop(permit);
            });
        }
    }

    /// Waits for a parcel, and takes those along that wait behind it and fit; none if there will be no more.
    async fn gather(&mut self) -> Option<Vec<Parcel>> {
        let first = match self.left.take() {
            Some(parcel) => parcel,
            None => self.waiting.recv().await?,
        };
        self.pace.tick().await;
        let mut length = first.bytes.len();
        let mut together = vec![first];
        while together.len() < SUBMITTED_MAX
            && let Ok(parcel) = self.waiting.try_recv()
        {
            length = length.saturating_add(parcel.bytes.len());
            if length > SUBMITTED_BYTES_MAX {
                self.left = Some(parcel);
                break;
            }
            together.push(parcel);
        }
        // Whoever gave up needs no answer, and nothing is sent for them.
        together.retain(|parcel| !parcel.answer.is_closed());
        Some(together)
    }
}

async fn deliver(handle: &Handle, to: &PublicKey, parcels: Vec<Parcel>) {
    if parcels.is_empty() {
        return;
    }
    let bytes = |parcel: &Parcel| Bytes::new(parcel.bytes.to_vec()).unwrap_or_default();
    let request = Request::Submit(List::truncated(parcels.iter().map(bytes).collect()));
    let answer = handle.request(to, encode(&request)).await;
    let taken = answer.map(|bytes| match Answer::from_bytes(&bytes) {
        Ok(Answer::Submitted(taken)) if taken.len() == parcels.len() => Some(taken.into_inner()),
        _ => None,
    });
    match taken {
        Ok(Some(taken)) => {
            for (parcel, taken) in parcels.into_iter().zip(taken) {
                // Whoever gave up does not want to know.
                let _gone = parcel.answer.send(Ok(taken));
            }
        }
        Ok(None) => {
            tracing::warn!(peer = %to, "a validator answered a submission with something else");
            let why = "the answer is none to what was asked".to_owned();
            give_up(parcels, &RequestError::Failed { why });
        }
        Err(error) => give_up(parcels, &error),
    }
}

fn give_up(parcels: Vec<Parcel>, error: &RequestError) {
    for parcel in parcels {
        // Whoever gave up does not want to know.
        let _gone = parcel.answer.send(Err(error.clone()));
    }
}
