//! `althing node status`: how a node is, in one look.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::account::plain;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, list};
use crate::cli::remote::Remote;

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    remote: Remote,
}

impl Status {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let status = self.remote.ask("node_status", json!({}))?;
        // An observer takes no part in agreement, and has nothing to say of it.
        let is_observer = status["role"] == "observer";
        let consensus = if is_observer { Value::Null } else { self.remote.ask("consensus_state", json!({}))? };
        // An older node does not judge; then there is nothing to hint at.
        let why = self.remote.ask("node_why", json!({})).unwrap_or_default();
        let halted = consensus["halted"].as_str().map(str::to_owned);
        let human = || {
            let latest = &status["latest"];
            list(&[
                ("role", plain(&status["role"])),
                ("chain", plain(&status["chainId"])),
                ("genesis", plain(&status["genesisHash"])),
                ("version", plain(&status["version"]["semver"])),
                ("height", plain(&latest["height"])),
                ("state root", plain(&latest["stateRoot"])),
                ("certified to", plain(&latest["certifiedHeight"])),
                ("view", if is_observer { "none".to_owned() } else { plain(&consensus["view"]) }),
                ("sync", plain(&status["sync"]["state"])),
                ("peers", format!("{} of {}", status["peers"]["connected"], status["peers"]["expected"])),
                ("pool", format!("{} transactions", status["mempool"]["txs"])),
                ("state", state(&why)),
                ("voting", halted.clone().unwrap_or_else(|| if is_observer { "no" } else { "yes" }.to_owned())),
            ])
        };
        output.either(human, json!({ "status": status, "consensus": consensus }))?;
        Ok(if halted.is_some() { Exit::Unhealthy } else { Exit::Done })
    }
}

/// How things are in a word, and where to ask where that is not well.
fn state(why: &Value) -> String {
    match why["state"].as_str() {
        Some("ok") => "ok".to_owned(),
        Some(state) => format!("{state}: ask `althing why`"),
        None => "unknown".to_owned(),
    }
}
