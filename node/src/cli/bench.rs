//! `althing bench`: how many transactions a network makes final, and how long each of them takes.
//!
//! The load is open: when each transaction is due is settled before the run, and its latency counts from then, also
//! where it was sent later because the network or this program was late. Nothing is repeated to look better: a run is
//! one run, and what became of every transaction of it is said. What a number means is in `docs/cli.md`.

mod accounts;
mod arguments;
mod endpoints;
mod engine;
mod figures;
mod follow;
mod funding;
mod load;
mod pace;
mod report;
mod submit;

use std::path::PathBuf;
use std::time::Instant;

use clap::Subcommand;

use accounts::Accounts;
use arguments::Tx;
use endpoints::Endpoints;
use engine::Engine;
use load::Load;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::{runtime, until_interrupted};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send transfers at a rate, and measure how many become final and how fast
    #[command(after_help = "Examples:
  althing bench tx --rate 1000 --duration 30s
  althing bench tx --rpc http://127.0.0.1:26600,http://127.0.0.1:26601 --rate max --output json
  althing bench tx --rate 5 --duration 20s                      # lone transactions, as a user meets them
  althing bench tx --key funded.pem --accounts 100000 --rate 3000

The transfers go round between accounts that the key pays for; the same key and --seed find them again. On a development
network the key may be left out. Ctrl-C ends a run early and shows what there is. docs/cli.md says what is measured.

Exit codes: 0 something became final, 1 nothing did, 2 wrong usage, 7 key, 8 no node, 130 interrupted.")]
    Tx(Box<Tx>),
}

/// Carries out a command.
pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    let Command::Tx(tx) = command;
    let (plan, bank, urls) = tx.prepare(home, output)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let endpoints = Endpoints::new(&urls, &plan)?;
        let prepared = until_interrupted(async {
            endpoints.check(&bank.chain).await?;
            let accounts = Accounts::new(&bank.key, &plan.seed, plan.accounts);
            let from = funding::fund(&accounts, &bank, &endpoints, output).await?;
            let load = Load::start(&plan, accounts, &bank)?;
            load.ready(output).await?;
            Ok((from, load))
        });
        let (from, load) = prepared.await?;
        let news = follow::start(&plan, &urls, from);
        let (figures, ended) = Engine::new(&plan, endpoints, load, news).run(output).await;
        report::write(&plan, &figures, ended, output)?;
        Ok(ended.exit(figures.finalized))
    })
}

/// The steady clock.
#[expect(clippy::disallowed_methods, reason = "measuring is what this command is for")]
fn clock() -> Instant {
    Instant::now()
}
