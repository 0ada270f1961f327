//! What a document says, for people and for programs.

use althing_genesis::{Account, Genesis, GenesisValidator, time_text};
use althing_types::{AuthPolicy, WeightedKey};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::{Output, list, table};

/// Accounts that the table for people shows; JSON has all.
const ACCOUNTS_SHOWN: usize = 20;

/// Writes everything that the document says.
pub(super) fn show(genesis: &Genesis, output: &Output) -> Result<(), Failure> {
    let human = || {
        let mut text = summary(genesis) + "\n" + &parameters(genesis) + "\n" + &validators(genesis);
        text += &format!("\n{}", node_keys(genesis));
        if !genesis.observers().is_empty() {
            let rows = genesis.observers().iter();
            let rows: Vec<_> = rows.map(|item| vec![item.name.clone(), item.node_key.to_string()]).collect();
            text += &format!("\n{}", table(&["observer", "node key"], &rows));
        }
        text + &recovery(genesis) + &holdings(genesis)
    };
    output.either(human, document_json(genesis))
}

/// Writes the hash and the validators, and the warnings apart.
pub(super) fn validate(genesis: &Genesis, output: &Output) -> Result<(), Failure> {
    let warnings: Vec<String> = genesis.warnings().iter().map(ToString::to_string).collect();
    let fields = json!({
        "valid": true,
        "chainId": genesis.chain_id(),
        "genesisHash": genesis.hash().to_string(),
        "validators": validators_json(genesis),
        "warnings": warnings,
    });
    output.either(|| summary(genesis) + "\n" + &validators(genesis), fields)?;
    for warning in &warnings {
        output.note(&format!("warning: {warning}"));
    }
    Ok(())
}

fn summary(genesis: &Genesis) -> String {
    let quorums = genesis.validator_set().quorums();
    let network = if genesis.is_dev() { "development" } else { "production" };
    let approved = genesis.document().signatures.len();
    list(&[
        ("chain", genesis.chain_id().to_owned()),
        ("genesis hash", genesis.hash().to_string()),
        ("network", network.to_owned()),
        ("time", time_text(genesis.time())),
        ("addresses", format!("{}1…", genesis.prefix().as_str())),
        (
            "validators",
            format!("{}, of which {} may be faulty; {} votes decide", quorums.n(), quorums.f(), quorums.notarize()),
        ),
        ("approved by", format!("{approved} of {}", quorums.n())),
        ("recovery", recovery_summary(genesis)),
        ("accounts", genesis.accounts().len().to_string()),
    ])
}

fn recovery_summary(genesis: &Genesis) -> String {
    match genesis.recovery() {
        Some(AuthPolicy::Threshold { need, keys }) => format!("{need} of {} operators", keys.len()),
        _ => "nobody".to_owned(),
    }
}

/// The parameters by their names in the document.
fn parameters(genesis: &Genesis) -> String {
    let params = params_json(genesis);
    let groups = params.as_object().into_iter().flatten();
    let rows = groups.flat_map(|(group, fields)| {
        let fields = fields.as_object().into_iter().flatten();
        fields.map(move |(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            vec![format!("{group}.{name}"), value]
        })
    });
    table(&["parameter", "value"], &rows.collect::<Vec<_>>())
}

fn node_keys(genesis: &Genesis) -> String {
    let rows = genesis.validators().iter().map(|item| vec![item.name.clone(), item.node_key.to_string()]);
    table(&["validator", "node key"], &rows.collect::<Vec<_>>())
}

fn recovery(genesis: &Genesis) -> String {
    let Some(AuthPolicy::Threshold { keys, .. }) = genesis.recovery() else { return String::new() };
    let rows = keys.iter().map(|entry| vec![entry.key.to_string()]);
    format!("\n{}", table(&["recovery key"], &rows.collect::<Vec<_>>()))
}

fn validators(genesis: &Genesis) -> String {
    let rows = genesis.validators().iter().map(|validator| {
        let approved = if genesis.is_signed_by(&validator.name) { "yes" } else { "no" };
        let address = validator.p2p_addr.to_string();
        vec![validator.name.clone(), validator.key.to_string(), address, approved.to_owned()]
    });
    table(&["validator", "validator key", "address", "approved"], &rows.collect::<Vec<_>>())
}

fn holdings(genesis: &Genesis) -> String {
    let assets = genesis.assets().iter().map(|asset| {
        let supply = genesis.supply(&asset.symbol).to_string();
        vec![asset.symbol.to_string(), asset.name.clone(), asset.decimals.to_string(), supply]
    });
    let assets: Vec<Vec<String>> = assets.collect();
    let accounts = genesis.accounts().iter().take(ACCOUNTS_SHOWN).map(|account| {
        let balances = account.balances.iter().map(|(symbol, amount)| format!("{amount} {symbol}"));
        vec![account.address.to_text(genesis.prefix()), balances.collect::<Vec<_>>().join(", ")]
    });
    let accounts: Vec<Vec<String>> = accounts.collect();
    let mut text = String::new();
    if !assets.is_empty() {
        text += &format!("\n{}", table(&["asset", "name", "decimals", "supply"], &assets));
    }
    if !accounts.is_empty() {
        text += &format!("\n{}", table(&["account", "balances"], &accounts));
    }
    let hidden = genesis.accounts().len().saturating_sub(ACCOUNTS_SHOWN);
    if hidden > 0 {
        text += &format!("… and {hidden} more; --output json shows all\n");
    }
    text
}

fn document_json(genesis: &Genesis) -> Value {
    let quorums = genesis.validator_set().quorums();
    let observers = genesis.observers().iter();
    let observers = observers.map(|item| json!({ "name": item.name, "nodeKey": item.node_key.to_string() }));
    let assets = genesis.assets().iter().map(|asset| {
        json!({
            "symbol": asset.symbol.to_string(),
            "name": asset.name,
            "decimals": asset.decimals,
            "supply": genesis.supply(&asset.symbol).to_string(),
        })
    });
    json!({
        "chainId": genesis.chain_id(),
        "genesisHash": genesis.hash().to_string(),
        "dev": genesis.is_dev(),
        "addressPrefix": genesis.prefix().as_str(),
        "genesisTime": time_text(genesis.time()),
        "quorums": {
            "validators": quorums.n(),
            "faulty": quorums.f(),
            "notarize": quorums.notarize(),
            "nullify": quorums.nullify(),
        },
        "params": params_json(genesis),
        "validators": validators_json(genesis),
        "observers": observers.collect::<Vec<_>>(),
        "assets": assets.collect::<Vec<_>>(),
        "accounts": genesis.accounts().iter().map(|account| account_json(genesis, account)).collect::<Vec<_>>(),
        "recovery": genesis.recovery().map(policy_json),
    })
}

fn params_json(genesis: &Genesis) -> Value {
    let document = genesis.document();
    // These types of the document have nothing that JSON cannot hold, so null never appears.
    json!({
        "consensus": serde_json::to_value(&document.consensus).unwrap_or_default(),
        "tx": serde_json::to_value(&document.tx).unwrap_or_default(),
        "limits": serde_json::to_value(&document.limits).unwrap_or_default(),
    })
}

fn validators_json(genesis: &Genesis) -> Vec<Value> {
    let entry = |(index, validator): (usize, &GenesisValidator)| {
        json!({
            "index": index,
            "name": validator.name,
            "publicKey": validator.key.to_string(),
            "nodeKey": validator.node_key.to_string(),
            "p2pAddr": validator.p2p_addr.to_string(),
            "approved": genesis.is_signed_by(&validator.name),
        })
    };
    genesis.validators().iter().enumerate().map(entry).collect()
}

fn account_json(genesis: &Genesis, account: &Account) -> Value {
    let balances = account.balances.iter().map(|(symbol, amount)| (symbol.to_string(), json!(amount.to_string())));
    json!({
        "address": account.address.to_text(genesis.prefix()),
        "policy": account.policy.as_ref().map(policy_json),
        "balances": Value::Object(balances.collect()),
    })
}

fn policy_json(policy: &AuthPolicy) -> Value {
    let weighted = |entry: &WeightedKey| json!({ "publicKey": entry.key.to_string(), "weight": entry.weight });
    match policy {
        AuthPolicy::Key(key) => json!({ "publicKey": key.to_string() }),
        AuthPolicy::Threshold { need, keys } => {
            json!({ "need": need, "keys": keys.iter().map(weighted).collect::<Vec<_>>() })
        }
        // Validation lets none into a genesis.
        AuthPolicy::Contract(_) => Value::Null,
    }
}
