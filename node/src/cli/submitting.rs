//! Submitting a transaction and following it to its end.

use std::time::Duration;

use althing_client::{ClientError, Connection};
use althing_types::{Hash, SignedTransaction};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::{Remote, wait_for};
use crate::cli::send::exit_of;
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

/// What became of a submission.
pub(crate) struct Submitted {
    /// What is known of the transaction.
    pub(crate) answer: Value,
    /// Whether this is all that was asked for: the node took it in, and nobody wanted to wait.
    is_enough: bool,
}

impl Submitted {
    /// What a script learns.
    pub(crate) fn exit(&self) -> Exit {
        if self.is_enough { Exit::Done } else { exit_of(&self.answer) }
    }
}

/// Submits a transaction and waits. Refusals that the node calls temporary are retried with the same bytes. Where the
/// answer got lost the transaction may have arrived, so it is followed like one that was taken: a second one in its place
/// would pay twice.
pub(crate) fn submit(
    remote: &Remote,
    transaction: &SignedTransaction,
    waiting: &Waiting,
    output: &Output,
) -> Result<Submitted, Failure> {
    let connection = remote.connect()?;
    let bytes = const_hex::encode_prefixed(transaction.to_bytes());
    let wait_until = if waiting.no_wait { "none" } else { "finalized" };
    let id = transaction.id();
    wait_for(async {
        let patience = waiting.begin();
        let question =
            |left_ms: u64| json!({ "tx": bytes, "waitUntil": wait_until, "timeoutMs": left_ms.min(QUESTION_MS_MAX) });
        let (mut answer, was_taken) = match patiently(&connection, "tx_submit", &question, &patience).await {
            Ok(answer) => (answer, true),
            Err(error) if may_have_arrived(&error) => {
                output.note(&format!("the answer got lost ({error}); {id} may have arrived and is followed"));
                (pending(id), false)
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(fields) = answer.as_object_mut() {
            // What the transaction is called follows from its bytes, not from the node.
            fields.insert("txId".to_owned(), Value::String(id.to_string()));
        }
        let is_enough = waiting.no_wait && was_taken && is_open(&answer);
        if !is_enough && is_open(&answer) {
            answer = follow(&connection, id, answer, &patience).await?;
        }
        Ok(Submitted { answer, is_enough })
    })
}

/// Waits for a transaction that is known by its id.
pub(crate) fn wait(remote: &Remote, id: Hash, waiting: &Waiting) -> Result<Value, Failure> {
    let connection = remote.connect()?;
    wait_for(async { follow(&connection, id, pending(id), &waiting.begin()).await })
}

fn pending(id: Hash) -> Value {
    json!({ "txId": id.to_string(), "status": "pending" })
}

/// Asks until the transaction is decided, or the time is over; then what is known so far is the answer, and its status
/// says that it is not decided. A node that is away for a while may come back.
async fn follow(connection: &Connection, id: Hash, mut answer: Value, patience: &Patience) -> Result<Value, Failure> {
    let question = |left_ms: u64| json!({ "txId": id.to_string(), "timeoutMs": left_ms.min(QUESTION_MS_MAX) });
    // The node answers within the time that it is given; one that does not is not waited for.
    let asked = timeout_at(patience.ends, async {
        while patience.left_ms() > 0 {
            match patiently(connection, "tx_wait", &question, patience).await {
                Ok(known) => answer = known,
                Err(ClientError::Unreachable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if !is_open(&answer) {
                return Ok(());
            }
            if answer["status"] != "accepted" {
                sleep(Duration::from_millis(RETRY_MS_DEFAULT)).await;
            }
        }
        Ok(())
    });
    match asked.await {
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(())) | Err(_) => Ok(answer),
    }
}

/// Asks, and asks again while the refusal is temporary and there is time.
async fn patiently(
    connection: &Connection,
    method: &str,
    question: &impl Fn(u64) -> Value,
    patience: &Patience,
) -> Result<Value, ClientError> {
    loop {
        match connection.call(method, &question(patience.left_ms())).await {
            Err(ClientError::Refused(refusal)) if refusal.retryable && patience.left_ms() > 0 => {
                let pause = refusal.retry_after_ms.unwrap_or(RETRY_MS_DEFAULT).clamp(1, patience.left_ms().max(1));
                sleep(Duration::from_millis(pause)).await;
            }
            answer => return answer,
        }
    }
}

/// Whether the node may have taken the question although there is no answer.
fn may_have_arrived(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { maybe_sent, .. } => *maybe_sent,
        ClientError::Malformed { .. } => true,
        ClientError::Refused(refusal) => refusal.symbol == "SHUTTING_DOWN",
        ClientError::Endpoint { .. } => false,
    }
}

/// Whether a transaction may still become final.
fn is_open(answer: &Value) -> bool {
    matches!(answer["status"].as_str(), Some("pending" | "accepted" | "unknown"))
}

impl Waiting {
    /// The time runs from here on, whatever it is spent on.
    fn begin(&self) -> Patience {
        Patience { ends: Instant::now() + Duration::from_millis(self.timeout) }
    }
}

/// Until when somebody waits.
struct Patience {
    ends: Instant,
}

impl Patience {
    /// What is left, in milliseconds.
    fn left_ms(&self) -> u64 {
        let left = self.ends.saturating_duration_since(Instant::now());
        u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
    }
}
