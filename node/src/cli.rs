//! The command line: arguments in, data on standard output, everything else on standard error, and an exit code.
//!
//! Data is what the command was asked for, as a text or as JSON. Progress, warnings and errors never mix with it.
//! Secrets are not taken from arguments, because other users can read those.

mod account;
mod amount;
mod backup;
mod bench;
mod evidence;
mod exit;
mod export;
mod failure;
mod genesis;
mod key;
mod node;
mod output;
mod password;
mod program;
mod progress;
mod query;
mod remote;
mod repair;
mod rpc_call;
mod send;
mod signing;
mod snapshot;
mod submitting;
mod terminal;
mod testnet;
mod tx;
mod verify;
mod verifying;
mod why;

pub use exit::Exit;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use failure::Failure;
use output::{Format, Output};

/// A permissioned blockchain node, and the tools of its operators and users.
#[derive(Debug, Parser)]
#[command(name = "althing", version, propagate_version = false, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "Examples:
  althing testnet up --detach
  althing genesis new --dev --validators 1 --dir devnet
  althing node init --home devnet/node --genesis devnet/genesis.json \\
    --validator-key devnet/keys/DEV-validator-0.pem   # once
  althing node run --home devnet/node --genesis devnet/genesis.json \\
    --validator-key devnet/keys/DEV-validator-0.pem
  althing send --key devnet/keys/DEV-account-0.pem --to talt1… --amount 12.50
  althing account show talt1… --genesis devnet/genesis.json --verify

Exit codes: 0 done, 1 it differs or failed, 2 wrong usage, 3 rejected, 4 failed in execution,
5 not decided yet, 6 not found, 7 key or password, 8 no node, 9 unhealthy, 10 a proof or signature
did not verify, 75 try again later, 78 invalid configuration. docs/cli.md has all of them.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// How data and errors are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    output: Format,
    /// Where keys and other files of the user are [env: ALTHING_HOME] [default: ~/.althing]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Write no notes to standard error, only errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, check, compare and approve genesis documents
    #[command(subcommand)]
    Genesis(genesis::Command),
    /// Make, show and move keys
    #[command(subcommand)]
    Key(key::Command),
    /// Run a node, or see how one is
    #[command(subcommand)]
    Node(node::Command),
    /// Say why nothing becomes final: cause, who, since when, and what to do
    Why(why::Why),
    /// Run a network on this machine, for development and tests
    #[command(subcommand)]
    Testnet(Box<testnet::Command>),
    /// Move an amount, and wait until it is final
    Send(Box<send::Send>),
    /// Make, sign, submit and follow transactions
    #[command(subcommand)]
    Tx(Box<tx::Command>),
    /// Show accounts, with proof if asked
    #[command(subcommand)]
    Account(account::Command),
    /// Show blocks, transactions and validators
    #[command(subcommand)]
    Query(query::Command),
    /// Show and verify who provably misbehaved
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Write the chain of a node to one file
    Export(export::Export),
    /// Audit a whole chain, offline, with the genesis document alone
    Verify(verify::Verify),
    /// The state of a node in one file, and nodes that begin with one
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// Add what a node has new to a backup; the node may run
    Backup(backup::Backup),
    /// Begin a stopped node with a backup, every part of which is verified
    Restore(Box<backup::Restore>),
    /// Examine the data folder of a stopped node, and make room for what others have of it
    Repair(Box<repair::Repair>),
    /// Measure how much a network takes, and how fast
    #[command(subcommand)]
    Bench(bench::Command),
    /// Call any method of a node
    Rpc(rpc_call::Rpc),
    /// Write a completion script for a shell to standard output
    #[command(after_help = "Example:
  althing completions bash > ~/.local/share/bash-completion/completions/althing")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the version
    Version,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => run(cli).into(),
        Err(error) => refuse_usage(&error, &arguments).into(),
    }
}

fn run(cli: Cli) -> Exit {
    let output = Output::new(cli.global.output, cli.global.quiet);
    let home = cli.global.home.or_else(home_of_environment);
    let result = match cli.command {
        Command::Genesis(command) => genesis::run(command, home, &output),
        Command::Key(command) => key::run(command, home, &output),
        Command::Node(command) => node::run(command, home, &output),
        Command::Why(why) => why.run(&output),
        Command::Testnet(command) => testnet::run(*command, &output),
        Command::Send(send) => send.run(home, &output),
        Command::Tx(command) => tx::run(*command, home, &output),
        Command::Account(command) => account::run(command, home, &output),
        Command::Query(command) => query::run(command, home, &output),
        Command::Evidence(command) => evidence::run(command, home, &output),
        Command::Export(export) => export.run(home, &output),
        Command::Verify(verify) => verify.run(home, &output),
        Command::Snapshot(command) => snapshot::run(command, home, &output),
        Command::Backup(backup) => backup.run(home, &output),
        Command::Restore(restore) => restore.run(home, &output),
        Command::Repair(repair) => repair.run(home, &output),
        Command::Bench(command) => bench::run(command, home, &output),
        Command::Rpc(rpc) => rpc.run(&output),
        Command::Completions { shell } => program::completions(shell, &output),
        Command::Version => program::version(&output),
    };
    result.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit()
    })
}

/// The home folder that was named, or the user's own.
pub(crate) fn home_or_default(home: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let home = home.or_else(|| std::env::home_dir().map(|user| user.join(".althing")));
    home.ok_or_else(|| Failure::usage("there is no home folder").hint("give --home DIR or set ALTHING_HOME"))
}

/// The home folder that the environment names. A variable without a value is as good as none.
fn home_of_environment() -> Option<PathBuf> {
    std::env::var_os("ALTHING_HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// Reports arguments that make no command. Help and version come this way as well, and are data.
fn refuse_usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that went away is no failure.
        let _ignored = error.print();
        return Exit::Done;
    }
    let texts = || arguments.iter().filter_map(|argument| argument.to_str());
    let is_json = texts().any(|text| text == "--output=json")
        || texts().zip(texts().skip(1)).any(|pair| pair == ("--output", "json"));
    if is_json {
        let rendered = error.render().to_string();
        let message = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let failure = Failure::new(Exit::Usage, "USAGE", message).hint("see `althing --help`");
        Output::new(Format::Json, false).failure(&failure);
    } else {
        let _ignored = error.print();
    }
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_has_a_help_text() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        let mut command = Cli::command();
        command.build();
        check(&command);
    }
}
