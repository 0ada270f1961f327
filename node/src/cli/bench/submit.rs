//! Calls that hand transactions in, and what the answers mean for each of them.

use std::time::Duration;

use althing_client::{ClientError, Connection};
use althing_rpc::api::{ErrorObject, ReceiptView, SubmitAnswer, SubmitManyAnswer, TransactionStatus, WAIT_MS_MAX};
use serde::Serialize;
use tokio::time::timeout;

use super::load::Signed;

/// How long a call may take that does not wait for blocks; a node that takes longer counts as away.
const CALL_TIME: Duration = Duration::from_secs(5);
/// How long a call that waits until its transaction is final may take, beyond what the node is asked to wait.
const LONE_TIME: Duration = Duration::from_secs(2);
/// How long a node is asked to wait until a transaction is final, in milliseconds. Another call waits on.
const LONE_WAIT_MS: u32 = 5_000;
const _: () = assert!(LONE_WAIT_MS <= WAIT_MS_MAX, "the node would refuse to wait so long");
/// When a transaction is sent again, in milliseconds, where the node does not say.
const RETRY_MS: u64 = 200;
/// The pause before a transaction is asked after again that is not final yet, in milliseconds.
const PAUSE_MS: u64 = 10;
/// The symbol of what found no node.
pub(super) const UNREACHABLE: &str = "UNREACHABLE";

/// A transaction on its way.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) signed: Signed,
    /// Why it is sent once more.
    pub(super) refusal: Option<String>,
}

/// What became of an item.
#[derive(Debug)]
pub(super) enum Fate {
    /// A node has it.
    Taken,
    /// It is final and took effect.
    Final,
    /// It will not take effect, for this reason.
    Failed(String),
    /// It is to be sent again in so many milliseconds, for this reason; none where it only takes longer.
    Again(u64, Option<String>),
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Which node was called.
    pub(super) place: usize,
    /// Whether it answered.
    pub(super) is_answered: bool,
    /// The transactions with what became of them.
    pub(super) items: Vec<(Item, Fate)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lone {
    tx: String,
    wait_until: &'static str,
    timeout_ms: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Many {
    txs: Vec<String>,
    wait_until: &'static str,
}

/// Hands a transaction in and waits until it is final, as a user does.
pub(super) async fn lone(place: usize, node: Connection, item: Item) -> Outcome {
    let tx = const_hex::encode_prefixed(&item.signed.bytes);
    let question = Lone { tx, wait_until: "finalized", timeout_ms: LONE_WAIT_MS };
    let time = LONE_TIME + Duration::from_millis(u64::from(LONE_WAIT_MS));
    let (is_answered, fate) = match timeout(time, node.call::<SubmitAnswer>("tx_submit", question)).await {
        Ok(Ok(answer)) => (true, fate(answer.status, answer.receipt.as_ref(), answer.reason)),
        Ok(Err(error)) => failed(&error),
        Err(_) => away(),
    };
    Outcome { place, is_answered, items: vec![(item, fate)] }
}

/// Hands transactions in and returns once the node has taken or refused each.
pub(super) async fn many(place: usize, node: Connection, items: Vec<Item>) -> Outcome {
    let txs = items.iter().map(|item| const_hex::encode_prefixed(&item.signed.bytes)).collect();
    let question = Many { txs, wait_until: "none" };
    let (is_answered, fates) = match timeout(CALL_TIME, node.call::<SubmitManyAnswer>("tx_submitMany", question)).await
    {
        Ok(Ok(answer)) if answer.items.len() == items.len() => {
            let fates = answer.items.into_iter().map(|item| match (item.error, item.status) {
                (Some(error), _) => refused(&error),
                // That it is final is heard from its block, like of all others.
                (None, Some(TransactionStatus::Finalized) | None) => Fate::Taken,
                (None, Some(status)) => taken(fate(status, None, None)),
            });
            (true, fates.collect())
        }
        Ok(Ok(_)) => (true, again(items.len(), "MALFORMED_ANSWER")),
        Ok(Err(error)) => {
            let (is_answered, _) = failed(&error);
            (is_answered, items.iter().map(|_| failed(&error).1).collect())
        }
        Err(_) => (false, again(items.len(), UNREACHABLE)),
    };
    Outcome { place, is_answered, items: items.into_iter().zip(fates).collect::<Vec<(Item, Fate)>>() }
}

/// A transaction that is on its way was taken; its end is heard from its block.
fn taken(fate: Fate) -> Fate {
    if matches!(fate, Fate::Again(_, None)) { Fate::Taken } else { fate }
}

fn fate(status: TransactionStatus, receipt: Option<&ReceiptView>, reason: Option<String>) -> Fate {
    match (status, receipt) {
        (_, Some(receipt)) if receipt.is_ok() => Fate::Final,
        (_, Some(receipt)) => Fate::Failed(receipt.status.clone()),
        (TransactionStatus::Expired, None) => Fate::Failed("expired".to_owned()),
        (TransactionStatus::Dropped, None) => {
            Fate::Failed(reason.map_or_else(|| "dropped".to_owned(), |reason| format!("dropped: {reason}")))
        }
        // A node waits before it says so; one that does not is not asked without a pause.
        _ => Fate::Again(PAUSE_MS, None),
    }
}

/// What a refusal of one transaction among several means.
fn refused(error: &ErrorObject) -> Fate {
    match &error.data {
        Some(data) if data.retryable => Fate::Again(data.retry_after_ms.unwrap_or(RETRY_MS), Some(data.symbol.clone())),
        Some(data) => Fate::Failed(data.symbol.clone()),
        None => Fate::Failed(error.code.to_string()),
    }
}

/// What a call without a good answer means, and whether somebody answered at all.
fn failed(error: &ClientError) -> (bool, Fate) {
    match error {
        ClientError::Refused(refusal) if refusal.retryable => {
            // A node that is about to end is as good as away.
            let is_answered = refusal.symbol != "SHUTTING_DOWN";
            let pause = refusal.retry_after_ms.unwrap_or(RETRY_MS);
            (is_answered, Fate::Again(pause, Some(refusal.symbol.clone())))
        }
        ClientError::Refused(refusal) => (true, Fate::Failed(refusal.symbol.clone())),
        ClientError::Malformed { .. } => (false, Fate::Again(RETRY_MS, Some("MALFORMED_ANSWER".to_owned()))),
        ClientError::Unreachable { .. } | ClientError::Endpoint { .. } => away(),
    }
}

fn away() -> (bool, Fate) {
    (false, Fate::Again(0, Some(UNREACHABLE.to_owned())))
}

fn again(count: usize, symbol: &str) -> Vec<Fate> {
    (0..count).map(|_| Fate::Again(RETRY_MS, Some(symbol.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_client::Refusal;
    use althing_rpc::api::{ApiError, ErrorCode};

    #[test]
    fn a_full_pool_is_tried_again_when_the_node_says_and_a_bad_transaction_is_not() {
        let full = ApiError::new(ErrorCode::MempoolFull, "full").retry_after_ms(70).to_object();
        assert!(matches!(refused(&full), Fate::Again(70, Some(symbol)) if symbol == "MEMPOOL_FULL"));
        let expired = ApiError::new(ErrorCode::TxExpired, "expired").to_object();
        assert!(matches!(refused(&expired), Fate::Failed(symbol) if symbol == "TX_EXPIRED"));
    }

    #[test]
    fn a_node_that_ends_is_away_and_one_that_is_busy_is_not() {
        let refusal = |symbol: &str, retryable| {
            let refusal = Refusal { symbol: symbol.to_owned(), retryable, ..Refusal::default() };
            failed(&ClientError::Refused(Box::new(refusal)))
        };
        assert!(matches!(refusal("SHUTTING_DOWN", true), (false, Fate::Again(..))));
        assert!(matches!(refusal("OVERLOADED", true), (true, Fate::Again(..))));
        assert!(matches!(refusal("INVALID_PARAMS", false), (true, Fate::Failed(_))));
    }

    #[test]
    fn only_a_good_receipt_makes_a_transaction_final() {
        assert!(matches!(fate(TransactionStatus::Accepted, None, None), Fate::Again(PAUSE_MS, None)));
        assert!(matches!(fate(TransactionStatus::Expired, None, None), Fate::Failed(_)));
        assert!(matches!(taken(fate(TransactionStatus::Pending, None, None)), Fate::Taken));
    }
}
