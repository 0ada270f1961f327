//! The one encoding of what a document means, and its hash.
//!
//! The encoding is borsh of the private type `Canonical`. Lists are in the order in which [`Genesis`] holds them:
//! validators by validator key, observers by node key, assets by symbol, accounts by address, balances by symbol. Left
//! out are network addresses, because machines move; approvals, because they sign the hash; and the policies of
//! accounts, because the addresses commit to them. A field more or less here is another schema.

use althing_types::{Address, AssetSymbol, AuthPolicy, ChainParams, Hash, PublicKey, Tag, TimeMs};
use borsh::BorshSerialize;

use crate::binding::BindingProof;
use crate::document::SCHEMA;
use crate::genesis::Genesis;

/// What is hashed.
#[derive(BorshSerialize)]
struct Canonical<'a> {
    schema: u32,
    chain_id: &'a str,
    dev: bool,
    address_prefix: &'a str,
    time: TimeMs,
    params: ChainParams,
    faulty: u16,
    fast_path: bool,
    validators: Vec<CanonicalValidator<'a>>,
    observers: Vec<CanonicalObserver<'a>>,
    assets: Vec<CanonicalAsset<'a>>,
    accounts: Vec<CanonicalAccount<'a>>,
    recovery: Option<&'a AuthPolicy>,
}

#[derive(BorshSerialize)]
struct CanonicalValidator<'a> {
    key: PublicKey,
    node_key: PublicKey,
    name: &'a str,
    proof: BindingProof,
}

#[derive(BorshSerialize)]
struct CanonicalObserver<'a> {
    node_key: PublicKey,
    name: &'a str,
}

#[derive(BorshSerialize)]
struct CanonicalAsset<'a> {
    symbol: &'a AssetSymbol,
    name: &'a str,
    decimals: u8,
}

#[derive(BorshSerialize)]
struct CanonicalAccount<'a> {
    address: Address,
    balances: &'a [(AssetSymbol, u128)],
}

/// The genesis hash of a validated document.
pub(crate) fn genesis_hash(genesis: &Genesis) -> Hash {
    let quorums = genesis.set.quorums();
    let validators = genesis.validators.iter().map(|validator| CanonicalValidator {
        key: validator.key,
        node_key: validator.node_key,
        name: &validator.name,
        proof: validator.proof,
    });
    let observers = genesis.observers.iter();
    let observers = observers.map(|observer| CanonicalObserver { node_key: observer.node_key, name: &observer.name });
    let assets = genesis.assets.iter().map(|asset| CanonicalAsset {
        symbol: &asset.symbol,
        name: &asset.name,
        decimals: asset.decimals,
    });
    let accounts = genesis.accounts.iter();
    let accounts = accounts.map(|account| CanonicalAccount { address: account.address, balances: &account.balances });
    let canonical = Canonical {
        schema: SCHEMA,
        chain_id: genesis.chain_id(),
        dev: genesis.is_dev(),
        address_prefix: genesis.prefix.as_str(),
        time: genesis.time,
        params: genesis.params,
        faulty: quorums.f(),
        fast_path: quorums.fast().is_some(),
        validators: validators.collect(),
        observers: observers.collect(),
        assets: assets.collect(),
        accounts: accounts.collect(),
        recovery: genesis.recovery.as_ref(),
    };
    Hash::of(Tag::Genesis, &canonical)
}
