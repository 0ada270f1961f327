//! A document that uses every field, made of keys that everybody can derive.

use althing_genesis::{
    AccountEntry, AssetEntry, Balances, BindingProof, DevRole, Genesis, GenesisBuilder, ObserverEntry, PolicyEntry,
    PolicyKeyEntry, RecoveryEntry, SignatureEntry, ValidatorEntry, approval_hash, dev_key,
};
use althing_types::{Address, AuthPolicy, PublicKey, SecretKey, TimeMs};

pub(crate) const CHAIN_ID: &str = "acme-prod-1";

pub(crate) fn key(role: DevRole, index: u32) -> SecretKey {
    dev_key("sample", role, index)
}

pub(crate) fn account_key(index: u32) -> PublicKey {
    key(DevRole::Account, index).public_key()
}

pub(crate) fn validator(index: u32) -> ValidatorEntry {
    let (key, node_key) = (key(DevRole::Validator, index), key(DevRole::Node, index));
    ValidatorEntry {
        name: format!("org-{index}"),
        public_key: key.public_key().to_string(),
        node_key: node_key.public_key().to_string(),
        p2p_addr: format!("/dns/v{index}.acme.example/tcp/26700"),
        proof: BindingProof::sign(CHAIN_ID, &key, &node_key).to_text(),
    }
}

pub(crate) fn approval(genesis: &Genesis, index: u32) -> SignatureEntry {
    let signature = key(DevRole::Validator, index).sign(&approval_hash(&genesis.hash()));
    SignatureEntry { validator: format!("org-{index}"), signature: signature.to_string() }
}

fn asset(symbol: &str, name: &str, decimals: u8) -> AssetEntry {
    AssetEntry { symbol: symbol.to_owned(), name: name.to_owned(), decimals }
}

fn balances(pairs: &[(&str, &str)]) -> Balances {
    Balances(pairs.iter().map(|(symbol, amount)| ((*symbol).to_owned(), (*amount).to_owned())).collect())
}

/// The builder of the sample before anybody approved it.
pub(crate) fn builder() -> GenesisBuilder {
    let address = Address::of_policy(&AuthPolicy::Key(account_key(0)));
    let policy_key = |index, weight| PolicyKeyEntry { public_key: account_key(index).to_string(), weight };
    let mut builder = GenesisBuilder::new(CHAIN_ID, false, TimeMs::new(1_795_219_200_000))
        .prefix("acme")
        .fast_path(false)
        .asset(asset("USD", "US dollar", 2))
        .asset(asset("EUR", "Euro", 2))
        .account(AccountEntry {
            address: Some(althing_types::Hash::new(*address.as_bytes()).to_string()),
            balances: balances(&[("USD", "1000000"), ("EUR", "5")]),
            ..AccountEntry::default()
        })
        .account(AccountEntry {
            public_key: Some(account_key(1).to_string()),
            balances: balances(&[("USD", "25")]),
            ..AccountEntry::default()
        })
        .account(AccountEntry {
            policy: Some(PolicyEntry { need: 3, keys: vec![policy_key(2, 1), policy_key(3, 2), policy_key(4, 1)] }),
            balances: balances(&[("EUR", "340282366920938463463374607431768211450")]),
            ..AccountEntry::default()
        })
        .observer(ObserverEntry {
            name: "archive".to_owned(),
            node_key: key(DevRole::Node, 100).public_key().to_string(),
        })
        .recovery(RecoveryEntry { need: 2, keys: (10..13).map(|index| account_key(index).to_string()).collect() });
    for index in 0..4 {
        builder = builder.validator(validator(index));
    }
    builder
}

/// The sample, approved by two of its four validators.
pub(crate) fn genesis() -> Genesis {
    let genesis = builder().build().expect("the sample is valid");
    let once = genesis.with_signature(approval(&genesis, 0)).expect("a good approval");
    once.with_signature(approval(&genesis, 2)).expect("a good approval")
}

/// The sample as a JSON value to be spoiled.
pub(crate) fn value() -> serde_json::Value {
    serde_json::from_str(&genesis().document().to_json()).expect("we wrote it")
}
