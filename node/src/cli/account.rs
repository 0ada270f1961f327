//! `althing account`: what an account holds, and what it did.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::{Output, list, table};
use crate::cli::remote::{Chain, Remote, Trust};
use crate::cli::verifying::{Trusted, Verified, verified_account};
use crate::cli::{Exit, amount};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what an account holds
    #[command(after_help = "Examples:
  althing account show alt1…
  althing account show alt1… --at 120
  althing account show alt1… --genesis genesis.json --verify

With --verify every balance is checked against a certificate of the validators in the genesis document, and that
nothing was left out. Exit code 10: the answer did not hold.")]
    Show(Show),
    /// List the transactions that an account took part in, the newest first
    History(History),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The account
    address: String,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    trust: Trust,
    /// At this height [default: the latest, with --verify the latest that is certified]
    #[arg(long, value_name = "HEIGHT")]
    at: Option<u64>,
    /// Check the answer against the validators in the genesis document
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The account
    address: String,
    #[command(flatten)]
    remote: Remote,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Go on where an earlier answer ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// The oldest first
    #[arg(long)]
    ascending: bool,
}

pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Show(show) => show.run(home, output),
        Command::History(history) => history.run(output),
    }
}

impl Show {
    fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let home = crate::cli::home_or_default(home).ok();
        let own = self.trust.own(home.as_deref())?;
        let at = self.at.map(|height| height.to_string());
        let question = json!({ "address": self.address, "at": at, "prove": self.verify });
        if !self.verify {
            let answer = self.remote.ask("account_get", question)?;
            return show(&answer, own.as_ref(), None, output);
        }
        let trusted = Trusted::of(own)?;
        let address = trusted.chain.address(&self.address)?;
        let answer = self.remote.ask("account_get", question)?;
        let verified = verified_account(&answer, address, self.at, &trusted)?;
        show(&answer, Some(&trusted.chain), Some(&verified), output)
    }
}

fn show(answer: &Value, chain: Option<&Chain>, verified: Option<&Verified>, output: &Output) -> Result<Exit, Failure> {
    let human = || {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let mut pairs = vec![("address", text(&answer["address"]))];
        let balances = answer["balances"].as_object().cloned().unwrap_or_default();
        pairs.extend(balances.iter().map(|(symbol, amount)| ("balance", balance_text(symbol, amount, chain))));
        if balances.is_empty() {
            pairs.push(("balance", "none".to_owned()));
        }
        pairs.push(("policy", policy_text(&answer["policy"])));
        if answer["frozen"] == true {
            pairs.push(("frozen", "yes".to_owned()));
        }
        pairs.push(("at height", text(&answer["context"]["height"])));
        pairs.push(("state root", text(&answer["context"]["stateRoot"])));
        list(&pairs) + &verified.map(Verified::to_text).unwrap_or_default()
    };
    let mut fields = answer.clone();
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("proof");
        if let Some(verified) = verified {
            fields.insert("verified".to_owned(), verified.to_json());
            // No proof covers the time.
            fields.get_mut("context").and_then(Value::as_object_mut).map(|context| context.remove("time"));
        }
    }
    output.either(human, fields)?;
    Ok(Exit::Done)
}

fn balance_text(symbol: &str, amount: &Value, chain: Option<&Chain>) -> String {
    let digits = amount.as_str().unwrap_or("?");
    let asset = chain.and_then(|chain| chain.genesis.assets().iter().find(|asset| asset.symbol.as_str() == symbol));
    match (asset, digits.parse()) {
        (Some(asset), Ok(amount)) => amount::shown(amount, asset.decimals, symbol),
        _ => format!("{digits} {symbol} (in the smallest unit)"),
    }
}

fn policy_text(policy: &Value) -> String {
    match policy["type"].as_str() {
        None => "the one behind the address".to_owned(),
        Some("key") => policy["key"].as_str().unwrap_or("?").to_owned(),
        Some(_) => format!("{} of {} keys", policy["need"], policy["keys"].as_array().map_or(0, Vec::len)),
    }
}

impl History {
    fn run(self, output: &Output) -> Result<Exit, Failure> {
        let order = if self.ascending { "asc" } else { "desc" };
        let question = json!({ "address": self.address, "limit": self.limit, "cursor": self.cursor, "order": order });
        let answer = self.remote.ask("account_getHistory", question)?;
        let human = || {
            let rows =
                answer["items"].as_array().into_iter().flatten().map(|item| {
                    ["height", "index", "txId", "status", "sender"].map(|name| plain(&item[name])).to_vec()
                });
            let rows: Vec<Vec<String>> = rows.collect();
            let more = answer["nextCursor"].as_str().map(|cursor| format!("more: --cursor {cursor}\n"));
            table(&["height", "index", "transaction", "status", "sender"], &rows) + &more.unwrap_or_default()
        };
        output.either(human, answer.clone())?;
        Ok(Exit::Done)
    }
}

/// A value as it stands in a table.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
