//! `althing send`: the shortest way to move an amount, from the key to the final receipt.

use std::path::PathBuf;

use althing_types::Action;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::key::Keys;
use crate::cli::output::Output;
use crate::cli::remote::{Remote, Trust};
use crate::cli::signing::{Envelope, Signer, signed, with_gas};
use crate::cli::submitting::{Waiting, submit};
use crate::cli::{Exit, amount};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing send --key alice --to alt1… --amount 12.50
  althing send --key devnet/keys/DEV-account-0.pem --to talt1… --amount 1250 --output json

An amount without a point counts the asset's smallest unit; with a point it counts whole ones: 12.50 of an asset with
two decimals is 1250. The command waits until the transfer is final.

Exit codes: 0 final, 3 rejected, 4 executed and failed, 5 not decided in time, 7 key, 8 no node.")]
pub(crate) struct Send {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    signer: Signer,
    /// Who gets it
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// How much
    #[arg(long, value_name = "N")]
    amount: String,
    /// Of which asset [default: the first one of the genesis document]
    #[arg(long, value_name = "SYMBOL")]
    asset: Option<String>,
    #[command(flatten)]
    envelope: Envelope,
    #[command(flatten)]
    waiting: Waiting,
}

impl Send {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let home = crate::cli::home_or_default(home).ok();
        let chain = self.trust.chain(home.as_deref(), &self.remote, output)?;
        let (asset, asset_id) = chain.asset(self.asset.as_deref())?;
        let amount = amount::parse(&self.amount, asset)?;
        let to = chain.address(&self.to)?;
        let (key, from) = self.signer.open(&Keys::new(home), &chain)?;
        let shown = amount::shown(amount, asset.decimals, asset.symbol.as_str());
        let body = self.envelope.body(&chain, from, Action::Transfer { asset: asset_id, to, amount })?;
        let body = if self.envelope.has_gas_limit() { body } else { with_gas(body, 1) };
        let transaction = signed(body, &key)?;
        output.note(&format!("{shown} from {} to {}, transaction {}", chain.text(from), self.to, transaction.id()));
        let submitted = submit(&self.remote, &transaction, &self.waiting, output)?;
        let answer = &submitted.answer;
        let human = || {
            let text = |name: &str| answer[name].as_str().unwrap_or("-").to_owned();
            format!("{} at height {}: {}\n", text("status"), text("height"), receipt_status(answer))
        };
        output.either(human, fields(answer))?;
        Ok(submitted.exit())
    }
}

/// What scripts rely on, in the order in which they read it.
pub(crate) fn fields(answer: &Value) -> Value {
    let mut fields = json!({ "txId": answer["txId"], "status": answer["status"] });
    for name in ["height", "index", "receipt", "reason"] {
        if let (Some(fields), value @ (Value::String(_) | Value::Object(_) | Value::Number(_))) =
            (fields.as_object_mut(), &answer[name])
        {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    fields
}

/// How a final transaction ended, or why it is not final.
pub(crate) fn receipt_status(answer: &Value) -> String {
    let status = answer["receipt"]["status"].as_str().or_else(|| answer["reason"].as_str());
    status.unwrap_or("not decided yet").to_owned()
}

/// What a script learns of an answer about a transaction.
pub(crate) fn exit_of(answer: &Value) -> Exit {
    match answer["status"].as_str() {
        Some("finalized") if answer["receipt"]["code"] == 0 => Exit::Done,
        Some("finalized") => Exit::Execution,
        Some("expired" | "dropped") => Exit::Rejected,
        Some("unknown") => Exit::NotFound,
        _ => Exit::Pending,
    }
}
