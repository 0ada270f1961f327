//! `althing node`: running a node, and asking one how it is.

mod past;
mod peers;
mod run;
mod status;
mod why;

pub(super) use past::{Subject, Whose};
pub(super) use run::read_genesis;
pub(super) use why::{not_repaired, not_started};

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin the data folder of a validator that has never run on this chain
    #[command(after_help = "Examples:
  althing node init --home /var/lib/althing
  althing node init --home devnet/node --genesis devnet/genesis.json \\
    --validator-key devnet/keys/DEV-validator-1.pem

Do this once in the life of a validator. One whose data were lost has run before: it must not vote as if it had not, and
is given `althing node recover-vote-log` instead.")]
    Init(past::Init),
    /// Let a validator that lost its vote log vote again, once the others have proven where they are
    #[command(after_help = "Examples:
  althing node recover-vote-log --home /var/lib/althing --yes

For a validator whose data folder, or whose log of votes in it, is gone or is an older copy; it must not run meanwhile.
What its ledger has is kept. docs/operations.md says what happens then.")]
    RecoverVoteLog(past::RecoverVoteLog),
    /// Run a validator or an observer until it is told to stop
    #[command(after_help = "Examples:
  althing genesis new --dev --validators 1 --dir devnet
  althing node init --home devnet/node --genesis devnet/genesis.json \\
    --validator-key devnet/keys/DEV-validator-1.pem   # once
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
        Command::Init(init) => init.run(home, output),
        Command::RecoverVoteLog(recover) => recover.run(home, output),
        Command::Run(run) => run.run(home, output),
        Command::Status(status) => status.run(output),
        Command::Peers(peers) => peers.run(output),
    }
}
