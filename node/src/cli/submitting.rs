//! Submitting a transaction and following it to its end.

use std::time::Duration;

use althing_client::{ClientError, Connection};
use althing_types::{Hash, SignedTransaction};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::remote::{Remote, wait_for};
use crate::cli::signing::parse_duration;

/// How long one question may wait at the node.
const QUESTION_MS_MAX: u64 = 10_000;
/// How long to wait before a retry where the node does not say.
const RETRY_MS_DEFAULT: u64 = 500;

/// How long to wait for the end.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// How long to wait until it is final: a number with ms, s or m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    timeout: u64,
    /// Do not wait: succeed once the node has taken it in
    #[arg(long)]
    no_wait: bool,
}

/// Submits a transaction and waits. Refusals that the node calls temporary are retried with the same bytes.
pub(crate) fn submit(remote: &Remote, transaction: &SignedTransaction, waiting: &Waiting) -> Result<Value, Failure> {
    let connection = remote.connect()?;
    let bytes = const_hex::encode_prefixed(transaction.to_bytes());
    let wait_until = if waiting.no_wait { "none" } else { "finalized" };
    let first = || {
        let question = json!({ "tx": bytes, "waitUntil": wait_until, "timeoutMs": waiting.question_ms() });
        ("tx_submit", question)
    };
    wait_for(async {
        let answer = patiently(&connection, first(), waiting).await?;
        if waiting.no_wait || !is_open(&answer) { Ok(answer) } else { follow(&connection, transaction.id(), answer, waiting).await }
    })
}

/// Waits for a transaction that is known by its id.
pub(crate) fn wait(remote: &Remote, id: Hash, waiting: &Waiting) -> Result<Value, Failure> {
    let connection = remote.connect()?;
    wait_for(follow(&connection, id, json!({ "txId": id.to_string(), "status": "pending" }), waiting))
}

/// Asks until the transaction is decided, or the time is over. `answer` is what is known so far.
async fn follow(connection: &Connection, id: Hash, mut answer: Value, waiting: &Waiting) -> Result<Value, Failure> {
    let all = Duration::from_millis(waiting.timeout);
    let asked = tokio::time::timeout(all, async {
        loop {
            let question = json!({ "txId": id.to_string(), "timeoutMs": waiting.question_ms() });
            answer = patiently(connection, ("tx_wait", question), waiting).await?;
            if !is_open(&answer) {
                return Ok(());
            }
        }
    });
    match asked.await {
        Ok(Err(failure)) => Err(failure),
        // Out of time: what is known so far is the answer, and its status says that it is not decided.
        Ok(Ok(())) | Err(_) => Ok(answer),
    }
}

/// Asks, and asks again while the refusal is temporary and there is time.
async fn patiently(
    connection: &Connection,
    (method, question): (&str, Value),
    waiting: &Waiting,
) -> Result<Value, Failure> {
    let mut left = waiting.timeout;
    loop {
        match connection.call(method, &question).await {
            Err(ClientError::Refused(refusal)) if refusal.retryable && left > 0 => {
                let pause = refusal.retry_after_ms.unwrap_or(RETRY_MS_DEFAULT).clamp(1, left);
                left -= pause;
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            answer => return Ok(answer?),
        }
    }
}

/// Whether a transaction may still become final.
fn is_open(answer: &Value) -> bool {
    matches!(answer["status"].as_str(), Some("pending" | "accepted" | "unknown"))
}

impl Waiting {
    fn question_ms(&self) -> u64 {
        self.timeout.min(QUESTION_MS_MAX)
    }
}
