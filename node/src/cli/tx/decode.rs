//! `althing tx decode`: what a transaction says, in words, and whether its signatures are good.

use std::path::PathBuf;

use althing_genesis::time_text;
use althing_types::{Action, Address, AuthPolicy, Replay, SignedTransaction};
use clap::Args;
use serde_json::{Value, json};

use super::Source;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, list};
use crate::cli::remote::{Chain, Trust};
use crate::cli::{Exit, amount};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing tx decode signed.tx --genesis genesis.json
  althing tx decode 0x01… --output json

With the genesis document addresses and assets are written as people know them.")]
pub(crate) struct Decode {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    trust: Trust,
}

/// How addresses and assets are written, with a genesis document or without.
struct Words(Option<Chain>);

impl Decode {
    pub(super) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let home = crate::cli::home_or_default(home).ok();
        let words = Words(self.trust.own(home.as_deref())?);
        let transaction = self.source.read()?;
        let form = match transaction.check_form(&transaction.body().chain) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        };
        let signatures = match transaction.clone().verify() {
            Ok(_) => "good".to_owned(),
            Err(error) => error.to_string(),
        };
        let fields = words.to_json(&transaction, &form, &signatures);
        output.either(|| words.to_text(&transaction, &form, &signatures), fields)?;
        Ok(if form == "good" && signatures == "good" { Exit::Done } else { Exit::Unverified })
    }
}

impl Words {
    fn address(&self, address: Address) -> String {
        match &self.0 {
            Some(chain) => chain.text(address),
            None => const_hex::encode_prefixed(address.as_bytes()),
        }
    }

    fn action(&self, action: &Action) -> String {
        match action {
            Action::Transfer { asset, to, amount } => {
                let known = self.0.as_ref().and_then(|chain| {
                    let assets = chain.genesis.assets().iter();
                    assets.clone().find(|known| althing_types::AssetId::of_genesis(&known.symbol) == *asset)
                });
                let what = match known {
                    Some(known) => amount::shown(*amount, known.decimals, known.symbol.as_str()),
                    None => format!("{amount} of asset {}", asset.as_hash()),
                };
                format!("transfer {what} to {}", self.address(*to))
            }
            Action::SetPolicy { policy } => format!("set policy to {}", policy_text(policy)),
            Action::Batch(actions) => {
                let parts: Vec<String> = actions.iter().map(|action| self.action(action)).collect();
                parts.join("; ")
            }
            other => other.reserved_name().unwrap_or("unknown").to_owned(),
        }
    }

    fn to_text(&self, transaction: &SignedTransaction, form: &str, signatures: &str) -> String {
        let body = transaction.body();
        let signers: Vec<String> = signers(transaction);
        list(&[
            ("id", transaction.id().to_string()),
            ("chain", body.chain.to_string()),
            ("sender", self.address(body.sender)),
            ("action", self.action(&body.action)),
            ("replay", replay_text(&body.replay)),
            ("gas limit", body.gas_limit.to_string()),
            ("memo", String::from_utf8_lossy(&body.memo).escape_debug().to_string()),
            ("signers", if signers.is_empty() { "none yet".to_owned() } else { signers.join(", ") }),
            ("form", form.to_owned()),
            ("signatures", signatures.to_owned()),
        ])
    }

    fn to_json(&self, transaction: &SignedTransaction, form: &str, signatures: &str) -> Value {
        let body = transaction.body();
        json!({
            "txId": transaction.id().to_string(),
            "chain": body.chain.to_string(),
            "sender": self.address(body.sender),
            "action": self.action(&body.action),
            "replay": replay_text(&body.replay),
            "gasLimit": body.gas_limit.to_string(),
            "memo": const_hex::encode_prefixed(&*body.memo),
            "signers": signers(transaction),
            "form": form,
            "signatures": signatures,
        })
    }
}

fn signers(transaction: &SignedTransaction) -> Vec<String> {
    let keys = transaction.auth().iter().flat_map(|proof| proof.sigs.iter().map(|(key, _)| key.to_string()));
    keys.collect()
}

fn replay_text(replay: &Replay) -> String {
    match replay {
        Replay::Expiring { valid_until, .. } => format!("valid until {}", time_text(*valid_until)),
        Replay::Sequence { lane, seq } => format!("number {seq} of lane {lane}"),
    }
}

fn policy_text(policy: &AuthPolicy) -> String {
    match policy {
        AuthPolicy::Key(key) => key.to_string(),
        AuthPolicy::Threshold { need, keys } => {
            let keys: Vec<String> =
                keys.iter().map(|entry| format!("{} (weight {})", entry.key, entry.weight)).collect();
            format!("{need} of {}", keys.join(", "))
        }
        AuthPolicy::Contract(_) => "a contract".to_owned(),
    }
}
