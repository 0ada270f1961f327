//! `althing why`: why nothing becomes final, asked of one node or of several.
//!
//! Each node judges from where it stands. What a node cannot say because it does not answer is said here.

use std::time::Duration;

use althing_client::{ClientError, Connection};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::account::plain;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::{Remote, wait_for};

/// How long a node may take. It answers within three seconds even where its threads do not.
const ANSWER_MAX: Duration = Duration::from_secs(8);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing why
  althing why --rpc http://10.0.0.1:26600,http://10.0.0.2:26600 --output json

The answer is one sentence with who and since when, and what to do about it. Every node that is named is asked.

Exit codes: 0 blocks become final or there is nothing to do, 8 no node answers, 9 something keeps a node that
answers from it, or one of several does not answer.")]
pub(crate) struct Why {
    #[command(flatten)]
    remote: Remote,
}

/// A node that was asked.
struct Asked {
    url: String,
    answer: Result<Value, Failure>,
}

impl Why {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let urls = self.remote.urls();
        let mut asked = Vec::new();
        for url in urls {
            let connection = Connection::new([url.as_str()])?;
            asked.push(Asked { answer: wait_for(ask(&connection)), url });
        }
        // A single node that does not answer is a failure as with every other command.
        if let [Asked { answer: Err(_), .. }] = &asked[..] {
            return asked.remove(0).answer.map(|_| Exit::Network);
        }
        let human = || asked.iter().map(|asked| asked.human()).collect::<Vec<_>>().join("\n");
        output.either(human, json!({ "nodes": asked.iter().map(Asked::fields).collect::<Vec<_>>() }))?;
        Ok(if asked.iter().all(|asked| asked.answer.is_err()) {
            Exit::Network
        } else if asked.iter().all(Asked::is_well) {
            Exit::Done
        } else {
            Exit::Unhealthy
        })
    }
}

async fn ask(connection: &Connection) -> Result<Value, Failure> {
    match tokio::time::timeout(ANSWER_MAX, connection.call("node_why", json!({}))).await {
        Ok(answer) => answer.map_err(unanswered),
        Err(_) => {
            let (url, seconds) = (connection.name(), ANSWER_MAX.as_secs());
            let message = format!("{url} gives no answer within {seconds} s");
            Err(Failure::new(Exit::Network, "UNREACHABLE", message).hint(
                "if the node's process runs, it stands still or its machine is overloaded: look at its state and load; \
                 else ask another node with --rpc",
            ))
        }
    }
}

/// What it means that a node does not say why.
fn unanswered(error: ClientError) -> Failure {
    let hint = match &error {
        ClientError::Unreachable { .. } => {
            "if the node's process has ended, the last line of its log says why (docs/operations.md, \"When a node \
             ends\"): mend that and start it; else give its address with --rpc http://HOST:PORT, or ask another node"
        }
        ClientError::Refused(refusal) if refusal.symbol == "METHOD_NOT_FOUND" => {
            "the node is of an older version: ask with `althing node status` and `althing node peers`"
        }
        _ => return error.into(),
    };
    Failure::from(error).hint(hint)
}

impl Asked {
    fn is_well(&self) -> bool {
        self.answer.as_ref().is_ok_and(is_well)
    }

    fn fields(&self) -> Value {
        match &self.answer {
            Ok(answer) => json!({ "rpc": self.url, "why": answer, "error": null }),
            Err(failure) => {
                let (symbol, message, hint) = (failure.symbol(), failure.message(), failure.remedy());
                json!({ "rpc": self.url, "why": null, "error": { "symbol": symbol, "message": message, "hint": hint } })
            }
        }
    }

    fn human(&self) -> String {
        match &self.answer {
            Ok(answer) => told(&self.url, answer),
            Err(failure) => {
                let remedy = failure.remedy().map(|remedy| format!("  to do: {remedy}\n")).unwrap_or_default();
                format!("{}: no answer\n  {}\n{remedy}", self.url, failure.message())
            }
        }
    }
}

/// Whether a node says that blocks become final, or that there is nothing to do.
pub(crate) fn is_well(answer: &Value) -> bool {
    answer["state"] == "ok" || answer["state"] == "degraded"
}

/// An answer for people.
fn told(url: &str, answer: &Value) -> String {
    let node = plain(&answer["node"]);
    let mut text = format!("{node} ({url}): {}\n{}", plain(&answer["state"]), finding(answer));
    for also in answer["also"].as_array().into_iter().flatten() {
        text += "also\n";
        text += &finding(also);
    }
    text
}

fn finding(finding: &Value) -> String {
    let mut text = format!("  {} [{}]\n", plain(&finding["sentence"]), plain(&finding["cause"]));
    if let Some(remedy) = finding["remedy"].as_str() {
        text += &format!("  to do: {remedy}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_with_its_remedy_and_what_else_was_found() {
        let answer = json!({
            "node": "validator-0", "state": "degraded", "cause": "idle", "sentence": "nothing waits", "remedy": null,
            "also": [{ "cause": "peersAway", "sentence": "validator-3 is away", "remedy": "start it" }],
        });
        let told = told("http://a:1", &answer);
        assert_eq!(
            told,
            "validator-0 (http://a:1): degraded\n  nothing waits [idle]\nalso\n  validator-3 is away [peersAway]\n  \
             to do: start it\n"
        );
        assert!(is_well(&answer));
        assert!(!is_well(&json!({ "state": "stalled" })) && !is_well(&json!({})));
    }

    #[test]
    fn a_node_without_the_method_is_told_as_an_older_one() {
        let refusal = althing_client::Refusal {
            code: -32_601,
            symbol: "METHOD_NOT_FOUND".to_owned(),
            message: "no such method".to_owned(),
            hint: None,
            ..Default::default()
        };
        let failure = unanswered(ClientError::Refused(Box::new(refusal)));
        assert!(failure.remedy().is_some_and(|hint| hint.contains("older version")), "{failure:?}");
    }
}
