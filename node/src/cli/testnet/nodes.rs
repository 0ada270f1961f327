//! Commands for a network that runs: how its nodes are, and what is done to one or to all.

use clap::Args;
use serde_json::{Value, json};

use super::{Place, report};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::testnet::NodeState;
use crate::testnet::control::{self, Reply, Request};

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    place: Place,
}

/// Which node of which network.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The node: its name, such as validator-0, or its number
    #[arg(value_name = "NODE")]
    node: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Kill {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    target: Target,
}

impl Status {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let nodes = control::status(&self.place.dir)?;
        let is_running = nodes.iter().any(|node| node.state != NodeState::Stopped);
        let is_well = nodes.iter().all(|node| node.answer.is_some());
        let fields = json!({ "dir": self.place.shown(), "isRunning": is_running, "nodes": nodes });
        output.either(|| report::nodes(&nodes), fields)?;
        Ok(if is_well { Exit::Done } else { Exit::Unhealthy })
    }
}

impl Down {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let was_running = control::down(&self.place.dir)?;
        let human = || (if was_running { "the testnet is down\n" } else { "the testnet was not running\n" }).to_owned();
        output.either(human, json!({ "dir": self.place.shown(), "wasRunning": was_running }))?;
        Ok(Exit::Done)
    }
}

impl Kill {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        self.target.run(|node| Request::Kill { node }, output)
    }
}

impl Restart {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        self.target.run(|node| Request::Restart { node }, output)
    }
}

impl Pause {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        self.target.run(|node| Request::Pause { node }, output)
    }
}

impl Resume {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        self.target.run(|node| Request::Resume { node }, output)
    }
}

impl Target {
    fn run(self, request: impl FnOnce(String) -> Request, output: &Output) -> Result<Exit, Failure> {
        let Reply::Node { status, warning } = control::ask(&self.place.dir, &request(self.node))? else {
            return Err(Failure::new(Exit::Failed, "INTERNAL", "the process that runs the testnet answered beside it"));
        };
        let mut fields: Value = serde_json::to_value(&status).unwrap_or_default();
        if let (Some(warning), Some(fields)) = (&warning, fields.as_object_mut()) {
            fields.insert("warning".to_owned(), json!(warning));
            output.note(&format!("warning: {warning}"));
        }
        output.either(|| format!("{} is {}\n", status.node.name, status.state.as_str()), fields)?;
        Ok(Exit::Done)
    }
}
