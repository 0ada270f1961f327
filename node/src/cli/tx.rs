//! `althing tx`: transactions step by step. Building and signing work offline.

mod decode;
mod make;

use std::io::Read as _;
use std::path::PathBuf;

use althing_types::{DEPLOY_BYTES_MAX, Hash, SignedTransaction, decode as decode_bytes};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::{Remote, Trust};
use crate::cli::send::{exit_of, fields, receipt_status};
use crate::cli::submitting::{Waiting, submit, wait};
use crate::cli::verifying::{Trusted, verified_transaction};
use crate::files;

/// Bytes of a file with a transaction at most: its hexadecimal digits with what may stand around them.
const TEXT_BYTES_MAX: usize = 2 * DEPLOY_BYTES_MAX + 4_096;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an unsigned transaction, offline
    #[command(after_help = "Examples:
  althing tx build --genesis genesis.json --from alt1… --transfer alt1…=12.50 > transfer.tx
  althing tx build --genesis genesis.json --from alt1… --transfer alt1…=5 --transfer alt1…=7:EUR > batch.tx
  althing tx build --genesis genesis.json --from alt1… --set-policy 0x…,0x…,0x… --need 2 > policy.tx

Several --transfer take effect together or not at all. The output is what `althing tx sign` reads.")]
    Build(make::Build),
    /// Add a signature, offline
    #[command(after_help = "Examples:
  althing tx sign transfer.tx --genesis genesis.json --key alice > signed.tx
  althing tx build … | althing tx sign - --genesis genesis.json --key alice | althing tx submit -

Sign again with the next key where an account needs several.")]
    Sign(make::Sign),
    /// Submit a signed transaction and wait until it is final
    Submit(Submit),
    /// Show what became of a transaction
    Status(Status),
    /// Wait until a transaction is final
    Wait(WaitFor),
    /// Show what a transaction says and who signed it, offline
    Decode(decode::Decode),
}

/// A transaction, wherever it is.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// A file with the transaction, its hexadecimal digits, or - for standard input
    #[arg(value_name = "TX")]
    transaction: String,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The transaction's id
    id: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    trust: Trust,
    /// Check the answer against the validators in the genesis document
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WaitFor {
    /// The transaction's id
    id: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    waiting: Waiting,
}

pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Build(build) => build.run(home, output),
        Command::Sign(sign) => sign.run(home, output),
        Command::Submit(arguments) => {
            let transaction = arguments.source.read()?;
            let submitted = submit(&arguments.remote, &transaction, &arguments.waiting, output)?;
            report(&submitted.answer, output)?;
            Ok(submitted.exit())
        }
        Command::Status(arguments) => status(&arguments, home, output),
        Command::Wait(arguments) => {
            let answer = wait(&arguments.remote, parse_id(&arguments.id)?, &arguments.waiting)?;
            report(&answer, output)
        }
        Command::Decode(decode) => decode.run(home, output),
    }
}

impl Source {
    /// The transaction. Its form is not checked, so that one without signatures can be read.
    pub(crate) fn read(&self) -> Result<SignedTransaction, Failure> {
        let text = self.text()?;
        let text = text.trim();
        let value: Option<Value> = serde_json::from_str(text).ok();
        let digits = value.as_ref().and_then(|value| value["tx"].as_str()).unwrap_or(text);
        let malformed = |why: String| {
            Failure::new(Exit::Rejected, "TX_MALFORMED", format!("this is no transaction: {why}"))
                .hint("give a file made by `althing tx build` or `tx sign`, or 0x and hexadecimal digits")
        };
        let bytes = const_hex::decode(digits).map_err(|error| malformed(error.to_string()))?;
        decode_bytes(&bytes, DEPLOY_BYTES_MAX).map_err(|error| malformed(error.to_string()))
    }

    fn text(&self) -> Result<String, Failure> {
        let given = self.transaction.trim();
        if given.starts_with("0x") || given.starts_with('{') {
            return Ok(given.to_owned());
        }
        let bytes = if given == "-" {
            let mut bytes = Vec::new();
            let limit = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
            let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
            read.map_err(|error| Failure::new(Exit::Failed, "IO", format!("cannot read standard input: {error}")))?;
            bytes
        } else {
            files::read(&PathBuf::from(given), TEXT_BYTES_MAX)?.to_vec()
        };
        String::from_utf8(bytes)
            .map_err(|_| Failure::new(Exit::Rejected, "TX_MALFORMED", format!("{given} is no text")))
    }
}

/// A transaction as the next command reads it.
pub(crate) fn text_of(transaction: &SignedTransaction) -> String {
    const_hex::encode_prefixed(transaction.to_bytes())
}

fn parse_id(text: &str) -> Result<Hash, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{text} is no transaction id: {error}")))
}

fn report(answer: &Value, output: &Output) -> Result<Exit, Failure> {
    let human = || {
        let text = |name: &str| answer[name].as_str().unwrap_or("-").to_owned();
        format!("{}: {} at height {}: {}\n", text("txId"), text("status"), text("height"), receipt_status(answer))
    };
    output.either(human, fields(answer))?;
    Ok(exit_of(answer))
}

fn status(arguments: &Status, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    let id = parse_id(&arguments.id)?;
    let question = json!({ "txId": id.to_string(), "prove": arguments.verify });
    if !arguments.verify {
        return report(&arguments.remote.ask("tx_get", question)?, output);
    }
    let home = crate::cli::home_or_default(home).ok();
    let trusted = Trusted::of(arguments.trust.own(home.as_deref())?)?;
    let answer = arguments.remote.ask("tx_get", question)?;
    let (verification, receipt) = verified_transaction(&answer, id, &trusted)?;
    // Nothing is shown that the proof does not cover.
    let shown = json!({
        "txId": id.to_string(),
        "status": "finalized",
        "height": verification.height().to_string(),
        "receipt": receipt,
        "verified": verification.to_json(),
    });
    let human = || {
        let status = receipt_status(&shown);
        format!("{id}: finalized at height {}: {status}\n{}", verification.height(), verification.to_text())
    };
    output.either(human, shown.clone())?;
    Ok(exit_of(&shown))
}
