//! `althing node status`: how a node is, in one look.

use clap::Args;
use serde_json::json;

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
        let consensus = self.remote.ask("consensus_state", json!({}))?;
        let halted = consensus["halted"].as_str().map(str::to_owned);
        let human = || {
            let latest = &status["latest"];
            list(&[
                ("chain", plain(&status["chainId"])),
                ("genesis", plain(&status["genesisHash"])),
                ("version", plain(&status["version"]["semver"])),
                ("height", plain(&latest["height"])),
                ("state root", plain(&latest["stateRoot"])),
                ("certified to", plain(&latest["certifiedHeight"])),
                ("view", plain(&consensus["view"])),
                ("sync", plain(&status["sync"]["state"])),
                ("peers", format!("{} of {}", status["peers"]["connected"], status["peers"]["expected"])),
                ("pool", format!("{} transactions", status["mempool"]["txs"])),
                ("voting", halted.clone().unwrap_or_else(|| "yes".to_owned())),
            ])
        };
        output.either(human, json!({ "status": status, "consensus": consensus }))?;
        Ok(if halted.is_some() { Exit::Unhealthy } else { Exit::Done })
    }
}
