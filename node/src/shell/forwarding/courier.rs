//! Carries transactions to one validator: those that wait travel together, and few requests are under way.

use std::sync::Arc;

use althing_network::{Handle, RequestError};
use althing_types::{Bytes, List, PublicKey, encode};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::shell::asking::{Answer, Request, SUBMITTED_BYTES_MAX, SUBMITTED_MAX, Taken};

/// Transactions that wait for one validator at most.
const WAITING_MAX: usize = 1_024;
/// Requests with transactions that are under way to one validator; the rest of those that it allows is for blocks.
const UNDER_WAY_MAX: usize = 4;

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
        tokio::spawn(travel(handle, to, waiting));
        Self { parcels }
    }

    /// Carries a transaction, and brings the answer back.
    pub(super) async fn carry(&self, bytes: &Arc<Vec<u8>>) -> Result<Taken, RequestError> {
        let (answer, receiver) = oneshot::channel();
        let parcel = Parcel { bytes: bytes.clone(), answer };
        self.parcels.try_send(parcel).map_err(|_| RequestError::TooMany)?;
        receiver.await.unwrap_or(Err(RequestError::NotConnected))
    }
}

async fn travel(handle: Handle, to: PublicKey, mut waiting: mpsc::Receiver<Parcel>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut left: Option<Parcel> = None;
    loop {
        // A semaphore of our own is never closed.
        let Ok(permit) = under_way.clone().acquire_owned().await else { return };
        let Some(first) = (match left.take() {
            Some(parcel) => Some(parcel),
            None => waiting.recv().await,
        }) else {
            return;
        };
        let mut length = first.bytes.len();
        let mut together = vec![first];
        while together.len() < SUBMITTED_MAX
            && let Ok(parcel) = waiting.try_recv()
        {
            length = length.saturating_add(parcel.bytes.len());
            if length > SUBMITTED_BYTES_MAX {
                left = Some(parcel);
                break;
            }
            together.push(parcel);
        }
        // Whoever gave up needs no answer, and nothing is sent for them.
        together.retain(|parcel| !parcel.answer.is_closed());
        let handle = handle.clone();
        tokio::spawn(async move {
            deliver(&handle, &to, together).await;
            drop(permit);
        });
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
