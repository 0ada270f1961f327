//! Texts: the genesis document, and the forms in which keys, hashes, addresses, amounts and times are written. Every
//! value has one text, and every text that is read is that of its value.

use std::fmt::Display;
use std::str::FromStr;

use althing_genesis::{
    Document, Genesis, P2pAddress, SignatureEntry, ValidatorEntry, parse_amount, parse_time, time_text,
};
use althing_types::{Address, AddressPrefix, AssetSymbol, Hash, PublicKey};

use crate::memory::frugal;
use crate::network::chain;
use crate::script::Script;

/// The genesis document, and the entries that organisations hand to each other.
pub(crate) fn genesis(bytes: &[u8]) {
    if let Ok(entry) = frugal(bytes.len(), || ValidatorEntry::parse(bytes)) {
        assert_eq!(
            ValidatorEntry::parse(entry.to_json().as_bytes()).ok(),
            Some(entry),
            "an entry changed when written"
        );
    }
    if let Ok(entry) = frugal(bytes.len(), || SignatureEntry::parse(bytes)) {
        assert_eq!(
            SignatureEntry::parse(entry.to_json().as_bytes()).ok(),
            Some(entry),
            "an approval changed when written"
        );
    }
    let Ok(document) = frugal(bytes.len(), || Document::parse(bytes)) else { return };
    let again = Document::parse(document.to_json().as_bytes());
    assert_eq!(again.as_ref().ok(), Some(&document), "a document changed when it was written");
    let Ok(genesis) = Genesis::new(document.clone()) else { return };
    let same = Genesis::new(document).map(|genesis| genesis.hash());
    assert_eq!(same.ok(), Some(genesis.hash()), "a genesis hash that differs from one time to the next");
    let quorums = genesis.validator_set().quorums();
    assert!(quorums.n() > 3 * quorums.f(), "a genesis that lets too many be faulty");
    assert_eq!(genesis.validators().len(), usize::from(quorums.n()), "a validator got lost");
    assert!(genesis.header().id() != Hash::ZERO && genesis.committee().chain == genesis.hash());
    assert!(genesis.warnings().iter().all(|warning| !warning.to_string().is_empty()), "a warning without words");
}

/// One form after the other: the first byte chooses which.
pub(crate) fn text_forms(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let form = script.below(8);
    let Ok(text) = std::str::from_utf8(script.rest()) else { return };
    frugal(text.len(), || match form {
        0 => address(text),
        1 => hexadecimal::<Hash>(text),
        2 => hexadecimal::<PublicKey>(text),
        3 => one_form::<AssetSymbol>(text),
        4 => {
            if let Ok(address) = P2pAddress::parse(text) {
                assert_eq!(address.to_string(), text, "an address of the network with two forms");
            }
        }
        5 => {
            if let Some(amount) = parse_amount(text) {
                assert_eq!(amount.to_string(), text, "an amount with two forms");
            }
        }
        6 => time(text),
        _ => prefix(text),
    });
}

/// An address has its own form on the chain, and one in hexadecimal digits of either case.
fn address(text: &str) {
    let prefix = chain().genesis.prefix();
    let Ok(address) = Address::from_text(text, prefix) else { return };
    let own = address.to_text(prefix);
    assert!(text.starts_with("0x") || own == text, "an address with two forms: {text}");
    assert_eq!(Address::from_text(&own, prefix), Ok(address), "an address that cannot be read back: {own}");
}

fn hexadecimal<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text.to_lowercase(), "two forms of one value");
    }
}

fn one_form<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text, "two forms of one value");
    }
}

/// A time of whole seconds may be written with or without its milliseconds.
fn time(text: &str) {
    let Some(time) = parse_time(text) else { return };
    let own = time_text(time);
    assert_eq!(parse_time(&own), Some(time), "a time that cannot be read back: {own}");
    let longer = own.trim_end_matches('Z').to_owned() + ".000Z";
    assert!(text == own || text == longer, "a time with two forms: {text}");
}

fn prefix(text: &str) {
    let Ok(prefix) = AddressPrefix::new(text) else { return };
    let address = Address::new([7; 32]);
    assert_eq!(
        Address::from_text(&address.to_text(&prefix), &prefix),
        Ok(address),
        "a prefix that no address can have"
    );
}

/// The document of the model's chain, and small variations, as inputs.
pub(crate) fn genesis_seeds() -> Vec<Vec<u8>> {
    let document = chain().genesis.document();
    let mut small = document.clone();
    small.validators.truncate(1);
    small.accounts.truncate(1);
    let entry = document.validators.first().map(ValidatorEntry::to_json).unwrap_or_default();
    let approval = r#"{"validator":"validator-0","signature":"0x00"}"#.to_owned();
    [document.to_json(), small.to_json(), entry, approval].map(String::into_bytes).to_vec()
}

/// A text of each form, as inputs.
pub(crate) fn text_form_seeds() -> Vec<Vec<u8>> {
    let genesis = &chain().genesis;
    let address = Address::new([9; 32]);
    let key = chain().committee.set.validators()[0].key;
    let forms = [
        (0, address.to_text(genesis.prefix())),
        (0, format!("0x{}", "0a".repeat(32))),
        (1, genesis.hash().to_string()),
        (2, key.to_string()),
        (3, "USD".to_owned()),
        (4, "/ip4/127.0.0.1/tcp/26700".to_owned()),
        (4, "/ip6/fe80::1/tcp/1".to_owned()),
        (4, "/dns/node-1.example.org/tcp/26700".to_owned()),
        (5, u128::MAX.to_string()),
        (6, "2026-11-21T00:00:00Z".to_owned()),
        (6, "2026-11-21T00:00:00.250Z".to_owned()),
        (6, "2026-11-21T00:00:00.000Z".to_owned()),
        (7, "althing".to_owned()),
    ];
    forms.map(|(form, text)| [vec![form], text.into_bytes()].concat()).to_vec()
}
