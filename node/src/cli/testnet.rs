//! `althing testnet`: a network on this machine, brought up and taken down, and its nodes hurt and healed.

mod background;
mod demo;
mod logs;
mod nodes;
mod report;
mod up;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::testnet::TestnetError;

/// Where a network is unless something else is said.
const DIR_DEFAULT: &str = "testnet";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a network, or resume the one that is in the folder
    #[command(after_help = "Examples:
  althing testnet up                                   # four validators; Ctrl-C ends them
  althing testnet up --detach --output json            # for scripts: returns when all are ready
  althing testnet up --ephemeral --base-port 0         # keeps nothing, takes free ports
  althing testnet up --dir other --validators 7 --seed other --base-port 27600

Node I serves JSON-RPC on --base-port + I and talks to the others on --base-port + 100 + I. What is not given is taken
from the network in the folder, else it is the default. Keys follow from the seed and are public: nothing on such a
network is worth anything. The nodes end when this process does, however it ends.

Exit codes: 0 it was taken down or runs in the background, 1 a node failed, 5 not ready in time, 75 a port or the
folder is in use, 130 interrupted before it was ready.")]
    Up(up::Up),
    /// Show a transfer become final on every node of a new network
    #[command(after_help = "Examples:
  althing testnet demo
  althing testnet demo --validators 1 --base-port 0 --output json

On a terminal the network stays until Ctrl-C; otherwise it is taken down, and the exit code says whether all nodes
agreed.")]
    Demo(demo::Demo),
    /// Show how the nodes are
    #[command(after_help = "Examples:
  althing testnet status
  althing testnet status --dir other --output json

Exit codes: 0 all nodes run and answer, 6 there is no network, 9 otherwise.")]
    Status(nodes::Status),
    /// Take the network down
    #[command(after_help = "Example:
  althing testnet down --dir other

When it returns, no process of the network is left and its ports are free. A network that is down already is no
error.")]
    Down(nodes::Down),
    /// End a node without a warning, as a power failure would
    #[command(after_help = "Examples:
  althing testnet kill validator-2
  althing testnet kill 2 --dir other")]
    Kill(nodes::Kill),
    /// Start a node again, and wait until it is ready
    #[command(after_help = "Examples:
  althing testnet restart validator-2
  althing testnet restart 2 --dir other

A node that runs is ended in order first.")]
    Restart(nodes::Restart),
    /// Stop a node where it stands; its connections stay open and silent
    #[command(after_help = "Example:
  althing testnet pause validator-2")]
    Pause(nodes::Pause),
    /// Let a paused node go on
    #[command(after_help = "Example:
  althing testnet resume validator-2")]
    Resume(nodes::Resume),
    /// Show what a node wrote
    #[command(after_help = "Examples:
  althing testnet logs validator-2
  althing testnet logs 2 -n 20 -f --dir other")]
    Logs(logs::Logs),
    /// Run a network for `up --detach`, which starts this
    #[command(hide = true)]
    Supervise(background::Supervise),
    /// Let a paused node go on when the process that paused it is gone; `pause` starts this
    #[command(hide = true)]
    Guard(background::Guard),
}

/// Which network.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    /// The folder of the network
    #[arg(long, value_name = "DIR", default_value = DIR_DEFAULT)]
    dir: PathBuf,
}

impl Place {
    /// The folder as it was named. A path may hold what is no text, which JSON cannot.
    fn shown(&self) -> String {
        self.dir.display().to_string()
    }
}

/// Carries out a command.
pub(crate) fn run(command: Command, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Up(up) => up.run(output),
        Command::Demo(demo) => demo.run(output),
        Command::Status(status) => status.run(output),
        Command::Down(down) => down.run(output),
        Command::Kill(kill) => kill.run(output),
        Command::Restart(restart) => restart.run(output),
        Command::Pause(pause) => pause.run(output),
        Command::Resume(resume) => resume.run(output),
        Command::Logs(logs) => logs.run(output),
        Command::Supervise(supervise) => supervise.run(),
        Command::Guard(guard) => guard.run(),
    }
}

impl From<TestnetError> for Failure {
    fn from(error: TestnetError) -> Self {
        failure(error.symbol().to_owned(), error.to_string(), error.hint())
    }
}

/// A failure of a network, from this process or from the one that runs it.
fn failure(symbol: String, message: String, hint: Option<String>) -> Failure {
    let exit = match symbol.as_str() {
        "USAGE" => Exit::Usage,
        "TESTNET_NOT_FOUND" | "UNKNOWN_NODE" => Exit::NotFound,
        "TESTNET_IN_USE" | "PORT_IN_USE" => Exit::Temporary,
        "NODE_NOT_READY" => Exit::Pending,
        "TESTNET_NOT_RUNNING" => Exit::Unhealthy,
        "INTERRUPTED" => Exit::Interrupted,
        "LISTEN" | "TESTNET_INVALID" | "GENESIS_INVALID" => Exit::Configuration,
        _ => Exit::Failed,
    };
    let failure = Failure::refused(exit, symbol, message);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
