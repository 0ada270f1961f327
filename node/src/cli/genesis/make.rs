//! `althing genesis new`: a document of a development network with its keys, or one made of its validators' entries.

use std::path::{Path, PathBuf};

use althing_genesis::{
    AccountEntry, AssetEntry, Balances, DOCUMENT_BYTES_MAX, DevNetwork, DevRole, Genesis, GenesisBuilder,
    ObserverEntry, RecoveryEntry, ValidatorEntry, parse_time,
};
use althing_types::TimeMs;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::json;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, list};
use crate::files::{self, Access, Existing};
use crate::keys::FileError;
use crate::testnet::dev_keys;

/// The ports of the p2p network begin here (`docs/cli.md`).
const P2P_BASE_PORT: u16 = 26_700;

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The chain's name: 1 to 48 of a-z, 0-9 and -, beginning with a letter [default with --dev: dev]
    #[arg(long, value_name = "ID", required_unless_present = "dev")]
    chain_id: Option<String>,
    /// The time of the first block, such as 2026-11-21T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time_argument)]
    genesis_time: Option<TimeMs>,
    /// How addresses begin [default: alt, with --dev talt]
    #[arg(long, value_name = "PREFIX")]
    address_prefix: Option<String>,
    /// Validators that may be faulty [default: as many as possible]
    #[arg(long, value_name = "F")]
    faulty: Option<u16>,
    /// Whether a block is final after two message delays when all validators but a few answer [default: on]
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on",
        value_parser = PossibleValuesParser::new(["on", "off"]).map(|word| word == "on"))]
    fast_path: Option<bool>,
    /// The bound on a message's delay in milliseconds [default: 250]
    #[arg(long, value_name = "MS")]
    delta_ms: Option<u32>,
    /// The least time between two proposals in milliseconds [default: 5]
    #[arg(long, value_name = "MS")]
    min_block_interval_ms: Option<u32>,
    /// A native asset; may be repeated
    #[arg(long = "asset", value_name = "SYMBOL:DECIMALS:NAME", value_parser = parse_asset)]
    assets: Vec<AssetEntry>,
    /// An account by its address, with balances in the smallest unit; may be repeated
    #[arg(long = "account", value_name = "ADDRESS=SYMBOL:AMOUNT,…", value_parser = parse_account)]
    accounts: Vec<(String, Balances)>,
    /// An account by its public key; may be repeated
    #[arg(long = "account-key", value_name = "KEY=SYMBOL:AMOUNT,…", value_parser = parse_account)]
    account_keys: Vec<(String, Balances)>,
    /// A node that may connect without voting; may be repeated
    #[arg(long = "observer", value_name = "NAME=NODE-KEY", value_parser = parse_observer)]
    observers: Vec<ObserverEntry>,
    /// The public key of an operator who may recover the chain; may be repeated
    #[arg(long = "recovery-key", value_name = "KEY", requires = "recovery_need")]
    recovery_keys: Vec<String>,
    /// How many of the recovery keys must sign
    #[arg(long, value_name = "N", requires = "recovery_keys")]
    recovery_need: Option<u16>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    production: Production,
    #[command(flatten)]
    development: Development,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "From the entries of validators")]
struct Production {
    /// A validator's entry, as `althing genesis entry` writes it; may be repeated
    #[arg(long = "validator", value_name = "FILE", required_unless_present = "dev", conflicts_with = "dev")]
    entries: Vec<PathBuf>,
    /// Where the document is written [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "dev")]
    out: Option<PathBuf>,
}

// A requirement is waived where a conflict rules out what is required, so conflicts are named beside requirements.
#[derive(Debug, Args)]
#[command(next_help_heading = "Development network")]
struct Development {
    /// Make a development network, whose keys everybody can derive
    #[arg(long, requires = "dir")]
    dev: bool,
    /// Validators of the development network
    #[arg(long, value_name = "N", default_value_t = 4, requires = "dev", conflicts_with = "entries")]
    validators: u16,
    /// Observers of the development network
    #[arg(long = "observers", value_name = "N", default_value_t = 0, requires = "dev", conflicts_with = "entries")]
    following: u16,
    /// Funded accounts of the development network
    #[arg(long = "accounts", value_name = "N", default_value_t = 4, requires = "dev", conflicts_with = "entries")]
    funded: u16,
    /// The text that the keys of the development network are derived from; it is no secret
    #[arg(long, value_name = "TEXT", default_value = "dev", requires = "dev", conflicts_with = "entries")]
    seed: String,
    /// Where genesis.json and the folder keys are written
    #[arg(long, value_name = "DIR", requires = "dev", conflicts_with_all = ["entries", "out"])]
    dir: Option<PathBuf>,
    /// The first validator's p2p port; the others follow
    #[arg(long, value_name = "PORT", default_value_t = P2P_BASE_PORT, requires = "dev", conflicts_with = "entries")]
    p2p_base_port: u16,
}

pub(super) fn run(arguments: &New, output: &Output) -> Result<(), Failure> {
    let time = arguments.genesis_time.unwrap_or_else(now);
    match (arguments.development.dev, &arguments.development.dir) {
        (true, Some(folder)) => development(arguments, time, folder, output),
        (true, None) => Err(Failure::usage("a development network needs a folder").hint("give --dir DIR")),
        (false, _) => production(arguments, time, output),
    }
}

fn production(arguments: &New, time: TimeMs, output: &Output) -> Result<(), Failure> {
    let chain_id = arguments.chain_id.as_deref().unwrap_or_default();
    let mut builder = GenesisBuilder::new(chain_id, false, time);
    for path in &arguments.production.entries {
        let bytes = files::read(path, DOCUMENT_BYTES_MAX)?;
        let entry = ValidatorEntry::parse(&bytes).map_err(|error| Failure::genesis(path, &error))?;
        builder = builder.validator(entry);
    }
    let genesis = finish(arguments, builder)?;
    let text = genesis.document().to_json();
    let Some(path) = &arguments.production.out else {
        output.note(&format!("note: genesis hash {}", genesis.hash()));
        return output.data(&text);
    };
    files::write(path, text.as_bytes(), Access::Public, Existing::from_force(arguments.force))?;
    let (hash, file) = (genesis.hash().to_string(), path.display().to_string());
    let warnings: Vec<String> = genesis.warnings().iter().map(ToString::to_string).collect();
    let fields = json!({
        "chainId": genesis.chain_id(),
        "genesisHash": hash,
        "genesis": file,
        "warnings": warnings,
    });
    output.either(|| list(&[("genesis", file.clone()), ("genesis hash", hash.clone())]), fields)?;
    for warning in &warnings {
        output.note(&format!("warning: {warning}"));
    }
    Ok(())
}

/// Adds what both kinds of network have, and validates.
fn finish(arguments: &New, mut builder: GenesisBuilder) -> Result<Genesis, Failure> {
    if let Some(prefix) = &arguments.address_prefix {
        builder = builder.prefix(prefix);
    }
    if let Some(faulty) = arguments.faulty {
        builder = builder.faulty(faulty);
    }
    if let Some(fast_path) = arguments.fast_path {
        builder = builder.fast_path(fast_path);
    }
    if let Some(delta_ms) = arguments.delta_ms {
        builder = builder.delta_ms(delta_ms);
    }
    if let Some(interval_ms) = arguments.min_block_interval_ms {
        builder = builder.min_block_interval_ms(interval_ms);
    }
    builder = arguments.assets.iter().cloned().fold(builder, GenesisBuilder::asset);
    builder = arguments.observers.iter().cloned().fold(builder, GenesisBuilder::observer);
    for (address, balances) in arguments.accounts.iter().cloned() {
        builder = builder.account(AccountEntry { address: Some(address), balances, ..AccountEntry::default() });
    }
    for (key, balances) in arguments.account_keys.iter().cloned() {
        builder = builder.account(AccountEntry { public_key: Some(key), balances, ..AccountEntry::default() });
    }
    if let Some(need) = arguments.recovery_need {
        builder = builder.recovery(RecoveryEntry { need, keys: arguments.recovery_keys.clone() });
    }
    builder.build().map_err(|error| {
        let exit = if error.fault.is_signature() { Exit::Unverified } else { Exit::Configuration };
        Failure::new(exit, "GENESIS_INVALID", format!("the document would be invalid: {error}"))
            .hint("lists are counted from 0 in the order of the arguments; nothing was written")
    })
}

fn development(arguments: &New, time: TimeMs, folder: &Path, output: &Output) -> Result<(), Failure> {
    let options = &arguments.development;
    let network = DevNetwork {
        chain_id: arguments.chain_id.clone().unwrap_or_else(|| "dev".to_owned()),
        seed: options.seed.clone(),
        validators: options.validators,
        observers: options.following,
        accounts: options.funded,
        p2p_base_port: options.p2p_base_port,
        time,
    };
    let genesis = finish(arguments, network.builder())?;
    let document = folder.join("genesis.json");
    let keys = folder.join("keys");
    let existing = Existing::from_force(arguments.force);
    refuse_existing(existing, dev_keys::paths(&network, &keys).iter().chain([&document]))?;
    dev_keys::write(&network, &keys, existing)?;
    // Last, so that a folder with a document has all its keys.
    files::write(&document, genesis.document().to_json().as_bytes(), Access::Public, existing)?;
    report_development(&network, &genesis, folder, output)
}

/// All or nothing: no key is written beside the document of another network.
fn refuse_existing<'a>(existing: Existing, mut paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    match paths.find(|path| existing == Existing::Keep && path.exists()) {
        Some(path) => Err(FileError::Exists { path: path.clone() }.into()),
        None => Ok(()),
    }
}

fn report_development(network: &DevNetwork, genesis: &Genesis, folder: &Path, output: &Output) -> Result<(), Failure> {
    let keys = folder.join("keys");
    let file = |role, index| dev_keys::path(&keys, role, index).display().to_string();
    let validators = (0..network.validators).map(|index| {
        json!({
            "name": DevNetwork::validator_name(u32::from(index)),
            "validatorKey": file(DevRole::Validator, index),
            "nodeKey": file(DevRole::Node, index),
        })
    });
    let observers = (0..network.observers).map(|index| {
        json!({ "name": DevNetwork::observer_name(u32::from(index)), "nodeKey": file(DevRole::Observer, index) })
    });
    let accounts = (0..network.accounts).map(|index| {
        let address = network.account_address(index).to_text(genesis.prefix());
        json!({ "address": address, "key": file(DevRole::Account, index) })
    });
    let (hash, document) = (genesis.hash().to_string(), folder.join("genesis.json").display().to_string());
    let fields = json!({
        "dir": folder.display().to_string(),
        "chainId": genesis.chain_id(),
        "genesisHash": hash,
        "genesis": document,
        "validators": validators.collect::<Vec<_>>(),
        "observers": observers.collect::<Vec<_>>(),
        "accounts": accounts.collect::<Vec<_>>(),
    });
    let human = || {
        list(&[
            ("genesis", document.clone()),
            ("genesis hash", hash.clone()),
            ("keys", format!("{} (DEV: everybody can derive them)", keys.display())),
        ])
    };
    output.either(human, fields)
}

/// The time of this moment, to the millisecond.
fn now() -> TimeMs {
    TimeMs::new(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default())
}

fn parse_time_argument(text: &str) -> Result<TimeMs, String> {
    parse_time(text).ok_or_else(|| "a time is like 2026-11-21T00:00:00Z or 2026-11-21T00:00:00.000Z".to_owned())
}

fn parse_asset(text: &str) -> Result<AssetEntry, String> {
    let mut parts = text.splitn(3, ':');
    match (parts.next(), parts.next().and_then(|decimals| decimals.parse().ok()), parts.next()) {
        (Some(symbol), Some(decimals), Some(name)) => {
            Ok(AssetEntry { symbol: symbol.to_owned(), name: name.to_owned(), decimals })
        }
        _ => Err("an asset is like 'USD:2:US dollar'".to_owned()),
    }
}

fn parse_account(text: &str) -> Result<(String, Balances), String> {
    let malformed = || "an account is like alt1…=USD:1000,EUR:5".to_owned();
    let (owner, held) = text.split_once('=').ok_or_else(malformed)?;
    let mut balances = Vec::new();
    for item in held.split(',').filter(|item| !item.is_empty()) {
        let (symbol, amount) = item.split_once(':').ok_or_else(malformed)?;
        balances.push((symbol.to_owned(), amount.to_owned()));
    }
    Ok((owner.to_owned(), Balances(balances)))
}

fn parse_observer(text: &str) -> Result<ObserverEntry, String> {
    let (name, node_key) = text.split_once('=').ok_or_else(|| "an observer is like archive=0x…".to_owned())?;
    Ok(ObserverEntry { name: name.to_owned(), node_key: node_key.to_owned() })
}
