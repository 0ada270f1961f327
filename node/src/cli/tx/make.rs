//! `althing tx build` and `sign`: the body first, then the signatures, one after the other.

use std::path::PathBuf;

use althing_client::{add_signature, assemble};
use althing_types::{Action, AuthPolicy, List, PublicKey, SignedTransaction, WeightedKey};
use clap::Args;
use serde_json::json;

use super::{Source, text_of};
use crate::cli::failure::Failure;
use crate::cli::key::Keys;
use crate::cli::output::Output;
use crate::cli::remote::{Chain, Trust};
use crate::cli::signing::{Envelope, Signer, reveal, with_gas};
use crate::cli::{Exit, amount};

#[derive(Debug, Args)]
pub(crate) struct Build {
    #[command(flatten)]
    trust: Trust,
    /// Whose transaction it is
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// Move an amount; may be repeated
    #[arg(long = "transfer", value_name = "ADDRESS=AMOUNT[:SYMBOL]")]
    transfers: Vec<String>,
    /// Replace the account's policy by these keys, separated by commas
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    set_policy: Vec<PublicKey>,
    /// How many of the keys of the new policy must sign
    #[arg(long, value_name = "N", default_value_t = 1, requires = "set_policy")]
    need: u16,
    /// How many signatures the account needs, for the gas limit
    #[arg(long, value_name = "N", default_value_t = 1)]
    signatures: u8,
    #[command(flatten)]
    envelope: Envelope,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    signer: Signer,
}

impl Build {
    pub(super) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let chain = offline_chain(&self.trust, home)?;
        let from = chain.address(&self.from)?;
        let mut actions: Vec<Action> =
            self.transfers.iter().map(|text| transfer(text, &chain)).collect::<Result<_, _>>()?;
        if !self.set_policy.is_empty() {
            actions.push(Action::SetPolicy { policy: policy(&self.set_policy, self.need)? });
        }
        let action = match (actions.pop(), actions.is_empty()) {
            (None, _) => return Err(Failure::usage("nothing to do").hint("give --transfer or --set-policy")),
            (Some(only), true) => only,
            (Some(last), false) => {
                actions.push(last);
                let batch = List::new(actions).map_err(|actions| {
                    Failure::usage(format!(
                        "{} actions, at most {} fit",
                        actions.len(),
                        althing_types::BATCH_ACTIONS_MAX
                    ))
                })?;
                Action::Batch(batch)
            }
        };
        let body = self.envelope.body(&chain, from, action)?;
        let chosen = self.envelope.has_gas_limit();
        let body = if chosen { body } else { with_gas(body, self.signatures) };
        write(&SignedTransaction::V1 { body, auth: List::empty() }, output)
    }
}

impl Sign {
    pub(super) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let chain = offline_chain(&self.trust, home.clone())?;
        let SignedTransaction::V1 { body, auth } = self.source.read()?;
        if body.chain != chain.genesis.hash() {
            let message = format!("the transaction is for the chain with genesis {}", body.chain);
            return Err(Failure::new(Exit::Rejected, "TX_WRONG_CHAIN", message)
                .hint("give the genesis document of that chain with --genesis"));
        }
        let (key, account) = self.signer.open(&Keys::new(home), &chain)?;
        // A key may stand for the sender without being its address: after a policy was set, or among several.
        let who = if self.signer.from.is_none() && body.sponsor.is_none() { body.sender } else { account };
        let auth = add_signature(&body, auth.into_inner(), who, reveal(who, &key), &key)?;
        write(&assemble(body, auth)?, output)
    }
}

/// The genesis document, which must be at hand: nothing is asked of a node.
fn offline_chain(trust: &Trust, home: Option<PathBuf>) -> Result<Chain, Failure> {
    let home = crate::cli::home_or_default(home).ok();
    trust
        .own(home.as_deref())?
        .ok_or_else(|| Failure::usage("no genesis document: this works offline").hint("give --genesis FILE"))
}

fn transfer(text: &str, chain: &Chain) -> Result<Action, Failure> {
    let refuse = || Failure::usage(format!("{text}: write ADDRESS=AMOUNT or ADDRESS=AMOUNT:SYMBOL"));
    let (to, rest) = text.split_once('=').ok_or_else(refuse)?;
    let (amount, symbol) = rest.split_once(':').map_or((rest, None), |(amount, symbol)| (amount, Some(symbol)));
    let (asset, id) = chain.asset(symbol)?;
    Ok(Action::Transfer { asset: id, to: chain.address(to)?, amount: amount::parse(amount, asset)? })
}

fn policy(keys: &[PublicKey], need: u16) -> Result<AuthPolicy, Failure> {
    let policy = match keys {
        [only] if need == 1 => AuthPolicy::Key(*only),
        keys => {
            let mut keys: Vec<WeightedKey> = keys.iter().map(|key| WeightedKey { key: *key, weight: 1 }).collect();
            keys.sort_by_key(|entry| entry.key);
            let keys = List::new(keys).map_err(|keys| Failure::usage(format!("{} keys are too many", keys.len())))?;
            AuthPolicy::Threshold { need, keys }
        }
    };
    policy.check().map_err(|error| Failure::usage(format!("the policy: {error}")))?;
    Ok(policy)
}

fn write(transaction: &SignedTransaction, output: &Output) -> Result<Exit, Failure> {
    let text = text_of(transaction);
    let signatures: usize = transaction.auth().iter().map(|proof| proof.sigs.len()).sum();
    output.note(&format!("transaction {} with {signatures} signatures", transaction.id()));
    let fields = json!({ "tx": text, "txId": transaction.id().to_string(), "signatures": signatures });
    output.either(|| format!("{text}\n"), fields)?;
    Ok(Exit::Done)
}
