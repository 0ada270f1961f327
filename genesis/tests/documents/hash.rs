//! What the genesis hash covers, frozen for one document.

use althing_genesis::{AccountEntry, Document, Genesis};
use althing_types::{Epoch, Hash, Height};

use crate::sample;

/// The sample as it was written when the format was fixed. A change of this file or of the hash below is a change of
/// the format of every chain.
const FROZEN: &str = include_str!("sample.json");
const FROZEN_HASH: &str = "0x1fc8f4b4c9da424c5d7949cbf72c39b7832edcc2ab1a071906dd8fcd393a7b81";

fn hash_of(document: Document) -> Hash {
    Genesis::new(document).expect("still valid").hash()
}

fn unsigned() -> Document {
    let mut document = sample::genesis().document().clone();
    document.signatures.clear();
    document
}

#[test]
fn the_frozen_document_keeps_its_hash() {
    let genesis = Genesis::parse(FROZEN.as_bytes()).expect("it was valid");
    assert_eq!(genesis.hash().to_string(), FROZEN_HASH);
    assert_eq!(genesis.document().to_json(), FROZEN, "the text form is frozen too");
    assert_eq!(sample::genesis(), genesis);
}

#[test]
fn order_form_addresses_and_approvals_do_not_matter() {
    let hash = sample::genesis().hash();
    let mut document = unsigned();
    document.validators.reverse();
    document.assets.reverse();
    document.accounts.rotate_left(1);
    document.recovery.iter_mut().for_each(|recovery| recovery.keys.reverse());
    for account in &mut document.accounts {
        account.balances.0.reverse();
        account.policy.iter_mut().for_each(|policy| policy.keys.reverse());
    }
    document.validators[0].p2p_addr = "/ip6/2001:db8::1/tcp/1".to_owned();
    document.genesis_time = "2026-11-21T00:00:00.000Z".to_owned();
    assert_eq!(hash_of(document), hash);
    let compact = serde_json::to_string(&unsigned()).expect("plain");
    assert_eq!(Genesis::parse(compact.as_bytes()).map(|genesis| genesis.hash()), Ok(hash));
}

#[test]
fn an_account_may_be_named_by_address_key_or_both() {
    let genesis = sample::genesis();
    let key = sample::account_key(0).to_string();
    let text = genesis
        .accounts()
        .iter()
        .map(|account| account.address.to_text(genesis.prefix()))
        .find(|text| {
            let address = althing_types::AuthPolicy::Key(sample::account_key(0));
            *text == althing_types::Address::of_policy(&address).to_text(genesis.prefix())
        })
        .expect("it is there");
    for (address, public_key) in [(Some(text.clone()), None), (None, Some(key.clone())), (Some(text), Some(key))] {
        let mut document = unsigned();
        let balances = document.accounts[0].balances.clone();
        document.accounts[0] = AccountEntry { address, public_key, balances, ..AccountEntry::default() };
        assert_eq!(hash_of(document), genesis.hash());
    }
}

#[test]
fn every_meaningful_change_is_another_chain() {
    type Change = fn(&mut Document);
    let changes: Vec<Change> = vec![
        |d| d.dev = true,
        |d| d.address_prefix = Some("other".to_owned()),
        |d| d.address_prefix = None,
        |d| d.genesis_time = "2026-11-21T00:00:00.001Z".to_owned(),
        |d| d.consensus.delta_ms = 251,
        |d| d.consensus.min_block_interval_ms = 6,
        |d| d.consensus.k = 33,
        |d| d.consensus.max_clock_skew_ms = 2_001,
        |d| d.consensus.trust_period_days = 31,
        |d| d.tx.max_window_ms = 600_001,
        |d| d.limits.block_bytes_max += 1,
        |d| d.limits.block_transactions_max += 1,
        |d| d.limits.block_gas_max = "500000001".to_owned(),
        |d| d.limits.transaction_gas_max = "100000001".to_owned(),
        |d| d.assets[0].name.push('s'),
        |d| d.assets[0].decimals = 3,
        |d| d.assets.push(althing_genesis::AssetEntry { symbol: "X".to_owned(), name: "X".to_owned(), decimals: 0 }),
        |d| d.accounts[0].balances.0[0].1 = "1000001".to_owned(),
        |d| drop(d.accounts[0].balances.0.pop()),
        |d| drop(d.accounts.pop()),
        |d| d.accounts[1].balances.0.clear(),
        |d| d.accounts[1].public_key = Some(sample::account_key(77).to_string()),
        |d| d.accounts[2].policy.iter_mut().for_each(|policy| policy.need = 2),
        |d| d.validators[0].name = "other".to_owned(),
        |d| d.validators.push(sample::validator(4)),
        |d| d.validators[1] = sample::validator(5),
        |d| d.observers[0].name = "other".to_owned(),
        |d| d.observers.clear(),
        |d| d.recovery = None,
        |d| d.recovery.iter_mut().for_each(|recovery| recovery.need = 3),
    ];
    let mut hashes = vec![sample::genesis().hash()];
    for change in changes {
        let mut document = unsigned();
        change(&mut document);
        hashes.push(hash_of(document));
    }
    // The chain's name is bound by the proofs as well, so it cannot change alone.
    let count = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn lists_are_in_canonical_order_and_agree_with_the_committee() {
    let genesis = sample::genesis();
    assert!(genesis.validators().is_sorted_by_key(|validator| validator.key));
    assert!(genesis.accounts().is_sorted_by_key(|account| account.address));
    assert!(genesis.assets().is_sorted_by_key(|asset| asset.symbol.clone()));
    let committee = genesis.committee();
    assert_eq!((committee.chain, committee.epoch), (genesis.hash(), Epoch::ZERO));
    let keys: Vec<_> = committee.set.validators().iter().map(|validator| validator.key).collect();
    assert_eq!(keys, genesis.validators().iter().map(|validator| validator.key).collect::<Vec<_>>());
    let header = genesis.header();
    assert_eq!((header.chain, header.height, header.time), (genesis.hash(), Height::ZERO, genesis.time()));
    assert_eq!((header.validators, header.params), (committee.set.hash(), genesis.params().hash()));
    assert_eq!(genesis.first_asset().map(|asset| asset.symbol.as_str()), Some("USD"));
    let euro = &genesis.assets()[0].symbol;
    assert_eq!(genesis.supply(euro), u128::MAX);
    assert!(genesis.is_signed_by("org-2") && !genesis.is_signed_by("org-1"));
}

#[test]
fn defaults_are_those_of_the_types() {
    assert_eq!(*sample::genesis().params(), althing_types::ChainParams::DEFAULT);
}
