//! `althing genesis`: documents made, shown, checked, compared and approved.

mod ceremony;
mod make;
mod report;

use std::path::{Path, PathBuf};

use althing_genesis::{DOCUMENT_BYTES_MAX, Genesis, diff};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::key::Keys;
use crate::cli::output::{Output, table};
use crate::files;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a document: of a development network, or from the entries of its validators
    #[command(after_help = "Examples:
  althing genesis new --dev --validators 4 --seed demo --dir devnet
  althing genesis new --chain-id acme-1 --validator org-1.json --validator org-2.json \\
    --validator org-3.json --validator org-4.json --asset 'USD:2:US dollar' \\
    --account-key 0x…=USD:1000000 --out genesis.json

A development network gets its keys from the seed, which is no secret, and key files named DEV in DIR/keys.
Everything that has no option here can be changed in the document; `althing genesis validate` checks it.")]
    New(Box<make::New>),
    /// Make the entry of one validator, signed by both of its keys
    #[command(after_help = "Example:
  althing genesis entry --chain-id acme-1 --name org-1 --validator-key org-1-validator \\
    --node-key org-1-node --p2p /dns/v1.org-1.example/tcp/26700 > org-1.json

The entry holds no secret. It is what `althing genesis new --validator` takes.")]
    Entry(ceremony::Entry),
    /// Approve a document with a validator's key, or add approvals of others
    #[command(after_help = "Examples:
  althing genesis sign genesis.json --key org-1-validator
  althing genesis sign genesis.json --key org-1-validator --detached > org-1.approval.json
  althing genesis sign genesis.json --add org-1.approval.json --add org-2.approval.json

Approvals do not change the genesis hash, because they sign it.")]
    Sign(ceremony::Sign),
    /// Show what a document says
    Show(Document),
    /// Check a document, and warn of what is allowed and may be a mistake
    #[command(after_help = "Exit codes: 0 valid, 6 no such file, 10 a signature in it does not verify, 78 invalid.")]
    Validate(Document),
    /// Write the genesis hash of a document, and nothing else
    Hash(Document),
    /// Compare two documents field by field
    #[command(
        after_help = "Exit codes: 0 both mean the same, 1 they differ. Order, spacing and the form of addresses are
no differences. Differences marked `same chain` do not change the genesis hash."
    )]
    Diff(Diff),
}

#[derive(Debug, Args)]
pub(crate) struct Document {
    /// The genesis document
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// One document
    left: PathBuf,
    /// The other
    right: PathBuf,
}

pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::New(arguments) => make::run(&arguments, output)?,
        Command::Entry(arguments) => ceremony::entry(&arguments, &Keys::new(home), output)?,
        Command::Sign(arguments) => ceremony::sign(&arguments, &Keys::new(home), output)?,
        Command::Show(arguments) => report::show(&read(&arguments.file)?, output)?,
        Command::Validate(arguments) => report::validate(&read(&arguments.file)?, output)?,
        Command::Hash(arguments) => hash(&read(&arguments.file)?, output)?,
        Command::Diff(arguments) => return compare(&arguments, output),
    }
    Ok(Exit::Done)
}

/// Reads and validates a document.
fn read(path: &Path) -> Result<Genesis, Failure> {
    let bytes = files::read(path, DOCUMENT_BYTES_MAX)?;
    Genesis::parse(&bytes).map_err(|error| Failure::genesis(path, &error))
}

fn hash(genesis: &Genesis, output: &Output) -> Result<(), Failure> {
    let hash = genesis.hash().to_string();
    output.either(|| format!("{hash}\n"), json!({ "genesisHash": hash }))
}

fn compare(arguments: &Diff, output: &Output) -> Result<Exit, Failure> {
    let (left, right) = (read(&arguments.left)?, read(&arguments.right)?);
    let differences = diff(&left, &right);
    let human = || {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let rows = differences.iter().map(|difference| {
            let effect = if difference.is_hashed { "other chain" } else { "same chain" };
            let (left, right) = (shown(&difference.left), shown(&difference.right));
            vec![difference.path.clone(), left, right, effect.to_owned()]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        if rows.is_empty() { String::new() } else { table(&["field", "left", "right", "effect"], &rows) }
    };
    let rows = differences.iter().map(|difference| {
        json!({
            "path": difference.path,
            "left": difference.left,
            "right": difference.right,
            "changesHash": difference.is_hashed,
        })
    });
    let fields = json!({
        "sameHash": left.hash() == right.hash(),
        "leftHash": left.hash().to_string(),
        "rightHash": right.hash().to_string(),
        "differences": rows.collect::<Vec<_>>(),
    });
    output.either(human, fields)?;
    output.note(match (differences.is_empty(), left.hash() == right.hash()) {
        (true, _) => "note: both documents mean the same",
        (false, true) => "note: the documents differ and describe the same chain",
        (false, false) => "note: the documents describe two chains",
    });
    Ok(if differences.is_empty() { Exit::Done } else { Exit::Failed })
}
