//! `tx_*`: taking transactions, waiting for them, finding them.
//!
//! A time that is over is not an error: the answer then says how far the transaction has come. The same bytes may be
//! sent again at any time.

use std::time::Duration;

use althing_types::{DEPLOY_BYTES_MAX, Hash, encode};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::chain::decoded;
use crate::api::{
    ApiError, Context, Decimal, ENCODING, ErrorCode, GetTransactionParams, Hex, Notation, SUBMIT_MANY_MAX,
    SimulateAnswer, SimulateParams, SubmitAnswer, SubmitManyAnswer, SubmitManyItem, SubmitManyParams, SubmitParams,
    TransactionAnswer, TransactionProof, TransactionStatus, WAIT_MS_DEFAULT, WAIT_MS_MAX, WaitTransactionParams,
    WaitUntil,
};
use crate::backend::{Backend, Progress, Submission, TransactionRecord};
use crate::server::window::Window;

/// How long `tx_submitMany` waits for batches, in milliseconds.
const SUBMIT_MANY_WAIT_MS: u32 = WAIT_MS_DEFAULT;

/// `tx_submit`. Room to wait is found first, so that nobody is refused after the transaction was taken.
pub(super) async fn submit<B: Backend>(window: &Window<B>, params: SubmitParams) -> Result<SubmitAnswer, ApiError> {
    let until = params.wait_until.unwrap_or_default();
    let deadline = deadline(params.timeout_ms)?;
    let Hex(bytes) = params.tx;
    check_length(&bytes)?;
    let _waiting = match until {
        WaitUntil::None => None,
        WaitUntil::Accepted | WaitUntil::Finalized => Some(window.wait_for(1)?),
    };
    let Submission { id, duplicate, progress } = window.ask(window.backend.submit(bytes)).await?;
    let progress = followed(window, id, progress, until, deadline).await?;
    Ok(submit_answer(window.notation(), id, duplicate, progress))
}

/// `tx_submitMany`.
pub(super) async fn submit_many<B: Backend>(
    window: &Window<B>,
    params: SubmitManyParams,
) -> Result<SubmitManyAnswer, ApiError> {
    let until = params.wait_until.unwrap_or(WaitUntil::None);
    let count = params.txs.len();
    let refused = |message: String, field| Err(ApiError::new(ErrorCode::InvalidParams, message).with("field", field));
    if until == WaitUntil::Finalized {
        let message = "tx_submitMany waits for \"none\" or \"accepted\"; tx_wait waits for one to be final";
        return refused(message.to_owned(), "waitUntil");
    }
    if !(1..=SUBMIT_MANY_MAX).contains(&count) {
        return refused(format!("{count} transactions, 1 to {SUBMIT_MANY_MAX} are possible"), "txs");
    }
    let _waiting = if until == WaitUntil::Accepted { Some(window.wait_for(count)?) } else { None };
    let deadline = deadline(Some(SUBMIT_MANY_WAIT_MS))?;
    let mut tasks = JoinSet::new();
    for (place, Hex(bytes)) in params.txs.into_iter().enumerate() {
        let backend = window.backend.clone();
        tasks.spawn(async move { (place, submit_one(&*backend, bytes, until, deadline).await) });
    }
    // What did not end, ended in a panic: the node failed to answer for it.
    let mut items = vec![failed(&ApiError::new(ErrorCode::Internal, "the node failed to answer")); count];
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok((place, result)) => {
                if let Some(item) = items.get_mut(place) {
                    *item = result.map_or_else(|error| failed(&error), |submission| taken(&submission));
                }
            }
            Err(error) => crate::server::listener::count_panic(&error),
        }
    }
    Ok(SubmitManyAnswer { items })
}

/// `tx_wait`.
pub(super) async fn wait<B: Backend>(
    window: &Window<B>,
    params: WaitTransactionParams,
) -> Result<SubmitAnswer, ApiError> {
    let Hex(id) = params.tx_id;
    let deadline = deadline(params.timeout_ms)?;
    let _waiting = window.wait_for(1)?;
    let progress = window.ask(window.backend.progress(id)).await?;
    let progress = followed(window, id, progress, WaitUntil::Finalized, deadline).await?;
    Ok(submit_answer(window.notation(), id, true, progress))
}

/// `tx_get`.
pub(super) async fn find<B: Backend>(
    window: &Window<B>,
    params: GetTransactionParams,
) -> Result<TransactionAnswer, ApiError> {
    let Hex(id) = params.tx_id;
    let prove = params.prove.unwrap_or(false);
    let notation = window.notation().clone();
    let found = window.read(move |backend| final_answer(backend, &notation, &id, prove)).await?;
    if let Some(answer) = found {
        return Ok(answer);
    }
    let progress = window.ask(window.backend.progress(id)).await?;
    if progress == Progress::Unknown {
        return Err(ApiError::new(ErrorCode::NotFound, format!("this node knows no transaction {id}")));
    }
    // It may have become final between both questions; then the second answer is to be had by asking again.
    let SubmitAnswer { status, height, index, receipt, reason, .. } =
        submit_answer(window.notation(), id, true, progress);
    Ok(TransactionAnswer {
        tx_id: Hex(id),
        status,
        height,
        block_hash: None,
        index,
        time: None,
        transaction: None,
        tx: None,
        receipt,
        reason,
        proof: None,
    })
}

/// `tx_simulate`.
pub(super) async fn simulate<B: Backend>(
    window: &Window<B>,
    params: SimulateParams,
) -> Result<SimulateAnswer, ApiError> {
    let Hex(bytes) = params.tx;
    check_length(&bytes)?;
    let simulation = window.read(move |backend| backend.simulate(&bytes)).await?;
    Ok(SimulateAnswer {
        context: Context::of(&simulation.header, &simulation.summary),
        tx_id: Hex(simulation.receipt.tx_id),
        receipt: window.notation().receipt(&simulation.receipt),
    })
}

/// When a caller's time is over.
fn deadline(timeout_ms: Option<u32>) -> Result<Instant, ApiError> {
    let ms = timeout_ms.unwrap_or(WAIT_MS_DEFAULT);
    if ms > WAIT_MS_MAX {
        let message = format!("timeoutMs is {ms}, at most {WAIT_MS_MAX} is possible");
        return Err(ApiError::new(ErrorCode::InvalidParams, message).with("field", "timeoutMs"));
    }
    Ok(Instant::now() + Duration::from_millis(u64::from(ms)))
}

/// Bytes that no transaction can have are not worth decoding.
fn check_length(bytes: &[u8]) -> Result<(), ApiError> {
    if bytes.len() <= DEPLOY_BYTES_MAX {
        return Ok(());
    }
    let message = format!("a transaction of {} bytes, at most {DEPLOY_BYTES_MAX} are allowed", bytes.len());
    Err(ApiError::new(ErrorCode::TxTooLarge, message).with("bytes", bytes.len()).with("max", DEPLOY_BYTES_MAX))
}

/// Waits until a transaction has come so far, or the time is over.
async fn followed<B: Backend>(
    window: &Window<B>,
    id: Hash,
    progress: Progress,
    until: WaitUntil,
    deadline: Instant,
) -> Result<Progress, ApiError> {
    if progress.is_at_least(until) {
        return Ok(progress);
    }
    timeout_at(deadline, window.backend.wait(id, until)).await.unwrap_or(Ok(progress))
}

async fn submit_one<B: Backend>(
    backend: &B,
    bytes: Vec<u8>,
    until: WaitUntil,
    deadline: Instant,
) -> Result<Submission, ApiError> {
    check_length(&bytes)?;
    let late = |_| Err(ApiError::new(ErrorCode::QueryTimeout, "the answer took too long"));
    let mut submission = timeout_at(deadline, backend.submit(bytes)).await.unwrap_or_else(late)?;
    if !submission.progress.is_at_least(until)
        && let Ok(progress) = timeout_at(deadline, backend.wait(submission.id, until)).await
    {
        submission.progress = progress?;
    }
    Ok(submission)
}

fn taken(submission: &Submission) -> SubmitManyItem {
    SubmitManyItem {
        tx_id: Some(Hex(submission.id)),
        status: Some(status_of(&submission.progress)),
        duplicate: submission.duplicate,
        error: None,
    }
}

fn failed(error: &ApiError) -> SubmitManyItem {
    SubmitManyItem { tx_id: None, status: None, duplicate: false, error: Some(error.to_object()) }
}

const fn status_of(progress: &Progress) -> TransactionStatus {
    match progress {
        Progress::Unknown => TransactionStatus::Unknown,
        Progress::Pending => TransactionStatus::Pending,
        Progress::Accepted => TransactionStatus::Accepted,
        Progress::Finalized(_) => TransactionStatus::Finalized,
        Progress::Expired => TransactionStatus::Expired,
        Progress::Dropped { .. } => TransactionStatus::Dropped,
    }
}

fn submit_answer(notation: &Notation, id: Hash, duplicate: bool, progress: Progress) -> SubmitAnswer {
    let status = status_of(&progress);
    let (inclusion, reason) = match progress {
        Progress::Finalized(inclusion) => (Some(inclusion), None),
        Progress::Dropped { reason } => (None, Some(reason)),
        _ => (None, None),
    };
    SubmitAnswer {
        tx_id: Hex(id),
        status,
        duplicate,
        height: inclusion.as_ref().map(|inclusion| Decimal(inclusion.height)),
        index: inclusion.as_ref().map(|inclusion| inclusion.index),
        receipt: inclusion.as_ref().map(|inclusion| notation.receipt(&inclusion.receipt)),
        reason,
    }
}

/// A final transaction; none if no executed block holds it.
fn final_answer<B: Backend>(
    backend: &B,
    notation: &Notation,
    id: &Hash,
    prove: bool,
) -> Result<Option<TransactionAnswer>, ApiError> {
    let Some(record) = backend.transaction(id)? else { return Ok(None) };
    let proof = if prove { Some(proof(backend, id, &record)?) } else { None };
    Ok(Some(TransactionAnswer {
        tx_id: Hex(*id),
        status: TransactionStatus::Finalized,
        height: Some(Decimal(record.height)),
        block_hash: Some(Hex(record.block)),
        index: Some(record.index),
        time: Some(Decimal(record.time)),
        transaction: Some(notation.transaction(&decoded(&record)?)),
        receipt: Some(notation.receipt(&record.receipt)),
        tx: Some(Hex(record.bytes)),
        reason: None,
        proof,
    }))
}

fn proof<B: Backend>(backend: &B, id: &Hash, record: &TransactionRecord) -> Result<TransactionProof, ApiError> {
    let proof = backend.prove_transaction(id)?;
    Ok(TransactionProof {
        encoding: ENCODING.to_owned(),
        receipt: Hex(encode(&record.receipt)),
        tx_inclusion: Hex(encode(&proof.transaction)),
        receipt_inclusion: Hex(encode(&proof.receipt)),
        summary: Hex(encode(&proof.summary)),
    })
}
