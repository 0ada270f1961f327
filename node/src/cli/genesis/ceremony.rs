//! What each organisation contributes to a genesis: the signed entry of its validator, and its approval of the whole.

use std::path::PathBuf;

use althing_genesis::{BindingProof, DOCUMENT_BYTES_MAX, Genesis, SignatureEntry, ValidatorEntry, approval_hash};
use althing_types::{PublicKey, SecretKey};
use clap::Args;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::key::Keys;
use crate::cli::output::Output;
use crate::files::{self, Access, Existing};
use crate::keys::KeyRole;

#[derive(Debug, Args)]
pub(crate) struct Entry {
    /// The chain's name; the keys sign it, so that the entry serves no other chain
    #[arg(long, value_name = "ID")]
    chain_id: String,
    /// The validator's name
    #[arg(long)]
    name: String,
    /// Its validator key: a name in the keystore, or a file
    #[arg(long, value_name = "KEY")]
    validator_key: String,
    /// Its node key: a name in the keystore, or a file
    #[arg(long, value_name = "KEY")]
    node_key: String,
    /// Where other nodes reach it, such as /dns/v1.example/tcp/26700
    #[arg(long, value_name = "ADDRESS")]
    p2p: String,
    /// The password of both keys
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The password of the node key, if it is another
    #[arg(long, value_name = "FILE")]
    node_password_file: Option<PathBuf>,
    /// Allow DEV keys: the entry is for a development network
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The genesis document
    file: PathBuf,
    /// The validator's key: a name in the keystore, or a file
    #[arg(long, value_name = "KEY", required_unless_present = "add", conflicts_with = "add")]
    key: Option<String>,
    /// The password of the key
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Write the approval to standard output and leave the document alone
    #[arg(long, conflicts_with = "add")]
    detached: bool,
    /// Add an approval from a file; may be repeated
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
}

/// Writes the entry of a validator.
pub(super) fn entry(arguments: &Entry, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let password = arguments.password_file.as_deref();
    let node_password = arguments.node_password_file.as_deref().or(password);
    let validator = open(keys, &arguments.validator_key, password, KeyRole::Validator, arguments.dev)?;
    let node = open(keys, &arguments.node_key, node_password, KeyRole::Node, arguments.dev)?;
    let entry = ValidatorEntry {
        name: arguments.name.clone(),
        public_key: validator.public_key().to_string(),
        node_key: node.public_key().to_string(),
        p2p_addr: arguments.p2p.clone(),
        proof: BindingProof::sign(&arguments.chain_id, &validator, &node).to_text(),
    };
    check_entry(&arguments.chain_id, &entry)?;
    output.data(&entry.to_json())
}

/// Finds faults where they are made, and not when somebody else composes the document.
fn check_entry(chain_id: &str, entry: &ValidatorEntry) -> Result<(), Failure> {
    let alone = althing_genesis::GenesisBuilder::new(chain_id, true, althing_types::TimeMs::ZERO);
    match alone.validator(entry.clone()).build() {
        Ok(_) => Ok(()),
        Err(error) => {
            let field = error.path.strip_prefix("validators[0].").unwrap_or(&error.path);
            Err(Failure::new(Exit::Configuration, "GENESIS_INVALID", format!("{field}: {}", error.fault)))
        }
    }
}

/// Opens a key for a role. A key of another role is refused, because a key has one role only.
fn open(
    keys: &Keys,
    text: &str,
    password: Option<&std::path::Path>,
    role: KeyRole,
    is_dev: bool,
) -> Result<SecretKey, Failure> {
    let (file, key) = keys.open(text, password)?;
    file.check_chain(is_dev).map_err(|error| Failure::of_key(&keys.path(text).unwrap_or_default(), &error))?;
    match file.role() {
        Some(other) if other != role => {
            let message = format!("{text} is a key for the role {}, not {}", other.as_str(), role.as_str());
            let hint = format!("make one with `althing key new NAME --role {}`", role.as_str());
            Err(Failure::new(Exit::Key, "KEY_ROLE", message).hint(hint))
        }
        _ => Ok(key),
    }
}

/// Approves a document, or adds approvals to it.
pub(super) fn sign(arguments: &Sign, keys: &Keys, output: &Output) -> Result<(), Failure> {
    let mut genesis = super::read(&arguments.file)?;
    let mut entries = Vec::new();
    if let Some(key) = &arguments.key {
        let password = arguments.password_file.as_deref();
        let key = open(keys, key, password, KeyRole::Validator, genesis.is_dev())?;
        entries.push((approve(&genesis, &key)?, arguments.file.clone()));
    }
    for path in &arguments.add {
        let bytes = files::read(path, DOCUMENT_BYTES_MAX)?;
        let entry = SignatureEntry::parse(&bytes).map_err(|error| Failure::genesis(path, &error))?;
        entries.push((entry, path.clone()));
    }
    if let (true, Some((entry, _))) = (arguments.detached, entries.first()) {
        return output.data(&entry.to_json());
    }
    let mut added = Vec::new();
    for (entry, path) in entries {
        added.push(entry.validator.clone());
        genesis = genesis.with_signature(entry).map_err(|error| Failure::genesis(&path, &error))?;
    }
    // The document is replaced on purpose: only its approvals change, and those it had are kept.
    files::write(&arguments.file, genesis.document().to_json().as_bytes(), Access::Public, Existing::Replace)?;
    let (count, all) = (genesis.document().signatures.len(), genesis.validators().len());
    let fields = json!({
        "genesisHash": genesis.hash().to_string(),
        "added": added,
        "approvals": count,
        "validators": all,
        "file": arguments.file.display().to_string(),
    });
    output.either(|| format!("approved by {}; {count} of {all} validators have approved\n", added.join(", ")), fields)
}

fn approve(genesis: &Genesis, key: &SecretKey) -> Result<SignatureEntry, Failure> {
    let public_key: PublicKey = key.public_key();
    let validator = genesis.validators().iter().find(|validator| validator.key == public_key).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "NOT_A_VALIDATOR",
            format!("no validator of the document has the key {public_key}"),
        )
        .hint("`althing genesis show FILE` lists the validators")
    })?;
    if genesis.is_signed_by(&validator.name) {
        let message = format!("{} has approved the document already", validator.name);
        return Err(Failure::new(Exit::Failed, "ALREADY_APPROVED", message));
    }
    let signature = key.sign(&approval_hash(&genesis.hash()));
    Ok(SignatureEntry { validator: validator.name.clone(), signature: signature.to_string() })
}
