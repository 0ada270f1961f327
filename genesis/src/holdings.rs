//! Validation of what is held: native assets, accounts and their balances.

use std::collections::BTreeMap;

use althing_types::{
    Address, AddressPrefix, AssetSymbol, AuthPolicy, List, POLICY_KEYS_MAX, PolicyError, SymbolError, WeightedKey,
};

use crate::document::{AccountEntry, Document, PolicyEntry};
use crate::error::{Fault, GenesisError};
use crate::genesis::{ACCOUNTS_MAX, ASSETS_MAX, Account, Asset};
use crate::participants::parse_key;
use crate::text::{check_label, excerpt, parse_amount};

/// Bytes in an asset's name for people at most: one line of a table.
const ASSET_NAME_BYTES_MAX: usize = 64;
/// Digits after the point at most: 2^128 has 39.
const DECIMALS_MAX: u8 = 38;

/// The assets, ascending by symbol.
pub(crate) fn assets(document: &Document) -> Result<Vec<Asset>, GenesisError> {
    let count = document.assets.len();
    if count > ASSETS_MAX {
        return Err(Fault::Count { count, min: 0, max: ASSETS_MAX }.at("assets"));
    }
    let mut assets: BTreeMap<AssetSymbol, (usize, Asset)> = BTreeMap::new();
    for (index, entry) in document.assets.iter().enumerate() {
        let path = |field: &str| format!("assets[{index}].{field}");
        let symbol = parse_symbol(&entry.symbol).map_err(|fault| fault.at(path("symbol")))?;
        check_label(&entry.name, ASSET_NAME_BYTES_MAX).map_err(|fault| fault.at(path("name")))?;
        if entry.decimals > DECIMALS_MAX {
            let (given, max) = (u64::from(entry.decimals), u64::from(DECIMALS_MAX));
            return Err(Fault::Range { given, min: 0, max }.at(path("decimals")));
        }
        let asset = Asset { symbol: symbol.clone(), name: entry.name.clone(), decimals: entry.decimals };
        if let Some((first, _)) = assets.insert(symbol, (index, asset)) {
            return Err(Fault::Repeated { first: format!("assets[{first}].symbol") }.at(path("symbol")));
        }
    }
    Ok(assets.into_values().map(|(_, asset)| asset).collect())
}

/// The accounts, ascending by address.
pub(crate) fn accounts(document: &Document, prefix: &AddressPrefix) -> Result<Vec<Account>, GenesisError> {
    let count = document.accounts.len();
    if count > ACCOUNTS_MAX {
        return Err(Fault::Count { count, min: 0, max: ACCOUNTS_MAX }.at("accounts"));
    }
    let mut supplies: BTreeMap<&str, u128> = BTreeMap::new();
    for asset in &document.assets {
        supplies.insert(&asset.symbol, 0);
    }
    let mut accounts: BTreeMap<Address, (usize, Account)> = BTreeMap::new();
    for (index, entry) in document.accounts.iter().enumerate() {
        let path = format!("accounts[{index}]");
        let (address, policy) = owner(entry, prefix, &path)?;
        let balances = balances(entry, &mut supplies, &path)?;
        if let Some((first, _)) = accounts.insert(address, (index, Account { address, policy, balances })) {
            return Err(Fault::Repeated { first: format!("accounts[{first}]") }.at(path));
        }
    }
    Ok(accounts.into_values().map(|(_, account)| account).collect())
}

fn parse_symbol(text: &str) -> Result<AssetSymbol, Fault> {
    text.parse().map_err(|_| Fault::Symbol(SymbolError { given: excerpt(text) }))
}

/// Whose account this is. An address beside a key or policy must be theirs.
fn owner(
    entry: &AccountEntry,
    prefix: &AddressPrefix,
    path: &str,
) -> Result<(Address, Option<AuthPolicy>), GenesisError> {
    let policy = match (&entry.public_key, &entry.policy) {
        (Some(_), Some(_)) => return Err(Fault::TwoOwners.at(path)),
        (Some(text), None) => {
            let path = format!("{path}.publicKey");
            let key = parse_key(text, &path)?;
            key.check().map_err(|error| Fault::Key(error).at(path))?;
            Some(AuthPolicy::Key(key))
        }
        (None, Some(entry)) => Some(policy(entry, &format!("{path}.policy"))?),
        (None, None) => None,
    };
    let derived = policy.as_ref().map(Address::of_policy);
    let given = entry.address.as_ref().map(|text| parse_address(text, prefix, path)).transpose()?;
    match (given, derived) {
        (None, None) => Err(Fault::NoOwner.at(path)),
        (Some(given), Some(derived)) if given != derived => {
            Err(Fault::OtherAddress { derived: derived.to_text(prefix) }.at(format!("{path}.address")))
        }
        (Some(address), _) | (None, Some(address)) => Ok((address, policy)),
    }
}

fn parse_address(text: &str, prefix: &AddressPrefix, path: &str) -> Result<Address, GenesisError> {
    // Longer than any address: an error must not repeat it.
    let shortened = excerpt(text);
    let readable = if text.len() > 256 { shortened.as_str() } else { text };
    Address::from_text(readable, prefix).map_err(|error| Fault::Address(error).at(format!("{path}.address")))
}

fn policy(entry: &PolicyEntry, path: &str) -> Result<AuthPolicy, GenesisError> {
    let count = entry.keys.len();
    let mut first_at = BTreeMap::new();
    let mut keys = Vec::new();
    for (index, item) in entry.keys.iter().enumerate().take(POLICY_KEYS_MAX.saturating_add(1)) {
        let key_path = format!("{path}.keys[{index}].publicKey");
        let key = parse_key(&item.public_key, &key_path)?;
        key.check().map_err(|error| Fault::Key(error).at(key_path.clone()))?;
        if let Some(first) = first_at.insert(key, key_path.clone()) {
            return Err(Fault::Repeated { first }.at(key_path));
        }
        if item.weight == 0 {
            return Err(Fault::Policy(PolicyError::Zero).at(format!("{path}.keys[{index}].weight")));
        }
        keys.push(WeightedKey { key, weight: item.weight });
    }
    keys.sort();
    let keys = List::new(keys).ok().filter(|keys| !keys.is_empty());
    let keys = keys.ok_or_else(|| Fault::Count { count, min: 1, max: POLICY_KEYS_MAX }.at(format!("{path}.keys")))?;
    let policy = AuthPolicy::Threshold { need: entry.need, keys };
    policy.check().map_err(|error| Fault::Policy(error).at(format!("{path}.need")))?;
    Ok(policy)
}

/// What an account holds, ascending by symbol. Adds to the supplies.
fn balances(
    entry: &AccountEntry,
    supplies: &mut BTreeMap<&str, u128>,
    path: &str,
) -> Result<Vec<(AssetSymbol, u128)>, GenesisError> {
    let mut balances = BTreeMap::new();
    for (text, amount) in &entry.balances.0 {
        let path = format!("{path}.balances.{}", excerpt(text));
        let Some(supply) = supplies.get_mut(text.as_str()) else {
            return Err(Fault::UnknownAsset { given: excerpt(text) }.at(path));
        };
        let symbol = parse_symbol(text).map_err(|fault| fault.at(path.clone()))?;
        let integer = parse_amount(amount);
        let integer =
            integer.ok_or_else(|| Fault::Integer { given: excerpt(amount), max: u128::MAX }.at(path.clone()))?;
        if integer == 0 {
            return Err(Fault::ZeroAmount.at(path));
        }
        let Some(sum) = supply.checked_add(integer) else {
            return Err(Fault::Supply { symbol: text.clone() }.at(path));
        };
        *supply = sum;
        if balances.insert(symbol, integer).is_some() {
            return Err(Fault::RepeatedField.at(path));
        }
    }
    Ok(balances.into_iter().collect())
}
