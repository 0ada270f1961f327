//! `althing node`: running a node, and asking one how it is.

mod peers;
mod run;
mod status;
mod why;

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a validator or an observer until it is told to stop
    #[command(after_help = "Examples:
  althing genesis new --dev --validators 1 --dir devnet
  althing node run --home devnet/node --genesis devnet/genesis.json \\
    --validator-key devnet/keys/DEV-validator-1.pem
  althing node run --home /var/lib/althing          # everything from HOME/config

Values come from the options, else from variables such as ALTHING_RPC__ADDR, else from HOME/config/config.toml, else
they are built in. docs/operations.md has every key. Ctrl-C or SIGTERM ends the node in order.

Exit codes: 0 it was told to stop, 1 a disk failed, 7 key or password, 75 a port or the data folder is in use,
78 genesis, configuration or data folder do not fit, or a fork is proven.")]
    Run(Box<run::Run>),
    /// Show how a node is
    Status(status::Status),
    /// Show who a node is connected to, and what keeps the others away
    Peers(peers::Peers),
}

/// Carries out a command.
pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Run(run) => run.run(home, output),
        Command::Status(status) => status.run(output),
        Command::Peers(peers) => peers.run(output),
    }
}
