//! Documents with one thing wrong, each with the path that the error must name.

use althing_genesis::{DOCUMENT_BYTES_MAX, DevRole, Document, Genesis, GenesisError, ValidatorEntry};
use serde_json::{Value, json};

use crate::sample;

/// How a good document is spoiled.
enum Change {
    /// Puts a value at a JSON pointer; the parent must exist.
    Set(&'static str, Value),
    /// Removes what is at a JSON pointer.
    Remove(&'static str),
    /// Several changes.
    All(Vec<Self>),
}

use Change::{All, Remove, Set};

impl Change {
    fn apply(self, document: &mut Value) {
        match self {
            Set(pointer, value) => {
                let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
                match document.pointer_mut(parent).expect("the parent exists") {
                    Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
                    Value::Array(items) => match name.parse::<usize>() {
                        Ok(index) => items[index] = value,
                        Err(_) => items.push(value),
                    },
                    other => unreachable!("no parent: {other}"),
                }
            }
            Remove(pointer) => {
                let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
                match document.pointer_mut(parent).expect("the parent exists") {
                    Value::Object(fields) => drop(fields.remove(name).expect("it is there")),
                    Value::Array(items) => drop(items.remove(name.parse().expect("an index"))),
                    other => unreachable!("no parent: {other}"),
                }
            }
            All(changes) => changes.into_iter().for_each(|change| change.apply(document)),
        }
    }
}

/// The value of the good document at a pointer, for repetitions.
fn good(pointer: &str) -> Value {
    sample::value().pointer(pointer).expect("it is there").clone()
}

fn refusal(change: Change) -> GenesisError {
    let mut document = sample::value();
    change.apply(&mut document);
    let text = document.to_string();
    Genesis::parse(text.as_bytes()).expect_err(&text)
}

/// Applies each change to the good document and compares path and a part of the sentence.
fn check(cases: Vec<(Change, &str, &str)>) {
    for (number, (change, path, sentence)) in cases.into_iter().enumerate() {
        let error = refusal(change);
        assert_eq!(error.path, path, "case {number}: {error}");
        assert!(error.to_string().contains(sentence), "case {number}: {error}");
    }
}

const ZEROS: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";
/// A point of order 8 in its canonical form.
const ORDER_EIGHT: &str = "0x26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
/// The y coordinate 2^255 − 18: the point 1 again.
const NOT_CANONICAL: &str = "0xeeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";

#[test]
fn the_sample_is_accepted() {
    let text = sample::value().to_string();
    assert_eq!(Genesis::parse(text.as_bytes()).map(|genesis| genesis.hash()), Ok(sample::genesis().hash()));
}

#[test]
fn shapes_are_refused_at_their_field() {
    check(vec![
        (Set("/colour", json!(1)), "colour", "unknown field"),
        (Set("/consensus/targetIntervalMs", json!(1)), "consensus.targetIntervalMs", "unknown field"),
        (Set("/validators/2/power", json!("1")), "validators[2].power", "unknown field"),
        (Set("/validators/1/NodeKey", json!("")), "validators[1].NodeKey", "unknown field"),
        (Set("/accounts/0/roles", json!([])), "accounts[0].roles", "unknown field"),
        (Remove("/chainId"), "chainId", "missing"),
        (Remove("/schema"), "schema", "missing"),
        (Remove("/validators"), "validators", "missing"),
        (Remove("/validators/3/proof"), "validators[3].proof", "missing"),
        (Remove("/consensus/k"), "consensus.k", "missing"),
        (Remove("/limits"), "limits", "missing"),
        (Remove("/recovery/need"), "recovery.need", "missing"),
        (Set("/chainId", json!(7)), "chainId", "expected a string"),
        (Set("/dev", json!("no")), "dev", "expected a boolean"),
        (Set("/consensus/f", json!(70_000)), "consensus.f", "u16"),
        (Set("/consensus/f", json!(-1)), "consensus.f", "u16"),
        (Set("/consensus/deltaMs", json!(1.5)), "consensus.deltaMs", "floating point"),
        (Set("/consensus/deltaMs", json!("250")), "consensus.deltaMs", "u32"),
        (Set("/consensus/fastPath", json!(0)), "consensus.fastPath", "boolean"),
        (Set("/limits/blockGasMax", json!(500)), "limits.blockGasMax", "expected a string"),
        (Set("/accounts/0/balances/USD", json!(5)), "accounts[0].balances.USD", "expected a string"),
        (Set("/accounts/0/balances", json!([])), "accounts[0].balances", "an object of symbols"),
        (Set("/accounts/1", json!("x")), "accounts[1]", "expected an object"),
        (Set("/validators", json!({})), "validators", "expected a sequence"),
        (Set("/assets/0/decimals", json!(256)), "assets[0].decimals", "u8"),
    ]);
}

#[test]
fn what_concerns_the_chain_is_refused_at_its_field() {
    check(vec![
        (Set("/schema", json!(2)), "schema", "unknown"),
        (Set("/chainId", json!("")), "chainId", "begin with a letter"),
        (Set("/chainId", json!("Acme")), "chainId", "lower-case"),
        (Set("/chainId", json!("a".repeat(49))), "chainId", "1 to 48"),
        (Set("/addressPrefix", json!("ACME")), "addressPrefix", "prefix"),
        (Set("/addressPrefix", json!("a".repeat(5_000))), "addressPrefix", "…"),
        (Set("/genesisTime", json!("2026-11-21")), "genesisTime", "2026-11-21T00:00:00Z"),
        (Set("/genesisTime", json!("2026-11-21T01:00:00+01:00")), "genesisTime", "a time is like"),
        (Set("/genesisTime", json!("2026-11-21T00:00:00.0000Z")), "genesisTime", "a time is like"),
        (Set("/genesisTime", json!("1969-12-31T23:59:59Z")), "genesisTime", "1970"),
        (Set("/consensus/deltaMs", json!(0)), "consensus.deltaMs", "1 to 60000"),
        (Set("/consensus/deltaMs", json!(60_001)), "consensus.deltaMs", "out of range"),
        (Set("/consensus/minBlockIntervalMs", json!(251)), "consensus.minBlockIntervalMs", "consensus.deltaMs"),
        (Set("/consensus/k", json!(7)), "consensus.k", "8 to 256"),
        (Set("/consensus/k", json!(257)), "consensus.k", "8 to 256"),
        (Set("/consensus/maxClockSkewMs", json!(0)), "consensus.maxClockSkewMs", "1 to 600000"),
        (Set("/consensus/trustPeriodDays", json!(3_651)), "consensus.trustPeriodDays", "1 to 3650"),
        (Set("/tx/maxWindowMs", json!(999)), "tx.maxWindowMs", "1000 to 3600000"),
        (Set("/limits/blockBytesMax", json!(524_287)), "limits.blockBytesMax", "out of range"),
        (Set("/limits/blockTransactionsMax", json!(0)), "limits.blockTransactionsMax", "5000 to"),
        (Set("/limits/blockGasMax", json!("0500000000")), "limits.blockGasMax", "leading zero"),
        (Set("/limits/blockGasMax", json!("18446744073709551616")), "limits.blockGasMax", "at most"),
        (Set("/limits/transactionGasMax", json!("1")), "limits.transactionGasMax", "out of range"),
        (Set("/limits/transactionGasMax", json!("500000001")), "limits.transactionGasMax", "limits.blockGasMax"),
    ]);
}

#[test]
fn participants_are_refused_at_their_field() {
    let node_key = || good("/validators/0/nodeKey");
    check(vec![
        (Set("/validators", json!([])), "validators", "1 to 128"),
        (Set("/consensus/f", json!(2)), "consensus.f", "at most 1"),
        (Set("/consensus/f", json!(0)), "consensus.f", "tolerates no fault"),
        (All(vec![Set("/consensus/f", json!(0)), Remove("/validators/3")]), "validators", "use 4 or more"),
        (Set("/validators/1/name", json!("org-0")), "validators[1].name", "validators[0].name"),
        (Set("/validators/1/name", json!("Org")), "validators[1].name", "lower-case"),
        (Set("/validators/1/publicKey", good("/validators/0/publicKey")), "validators[1].publicKey", "stands already"),
        (Set("/validators/2/nodeKey", node_key()), "validators[2].nodeKey", "validators[0].nodeKey"),
        (Set("/validators/2/publicKey", node_key()), "validators[2].publicKey", "validators[0].nodeKey"),
        (Set("/validators/2/nodeKey", good("/validators/2/publicKey")), "validators[2].nodeKey", "[2].publicKey"),
        (Set("/validators/2/nodeKey", json!(ORDER_EIGHT)), "validators[2].nodeKey", "the public key is of small order"),
        (Set("/validators/2/publicKey", json!(ZEROS)), "validators[2].publicKey", "small order"),
        (Set("/validators/2/publicKey", json!(NOT_CANONICAL)), "validators[2].publicKey", "not canonically"),
        (Set("/validators/2/publicKey", json!("0x12")), "validators[2].publicKey", "64 lower-case hexadecimal"),
        (Set("/validators/0/p2pAddr", json!("127.0.0.1:1")), "validators[0].p2pAddr", "/ip4/192.0.2.7/tcp/26700"),
        (Set("/validators/1/p2pAddr", good("/validators/0/p2pAddr")), "validators[1].p2pAddr", "[0].p2pAddr"),
        (Set("/validators/3/proof", json!("0x00")), "validators[3].proof", "256"),
        (Set("/validators/3/proof", good("/validators/0/proof")), "validators[3].proof", "the validator key has not"),
        (Set("/chainId", json!("acme-prod-2")), "validators[0].proof", "for chain \"acme-prod-2\""),
        (Set("/observers/0/name", json!("org-2")), "observers[0].name", "validators[2].name"),
        (Set("/observers/0/nodeKey", node_key()), "observers[0].nodeKey", "validators[0].nodeKey"),
        (Set("/observers/0/nodeKey", json!(ORDER_EIGHT)), "observers[0].nodeKey", "small order"),
        (Set("/recovery/need", json!(4)), "recovery.need", "nobody could ever sign"),
        (Set("/recovery/need", json!(0)), "recovery.need", "at least 1"),
        (Set("/recovery/keys", json!([])), "recovery.keys", "1 to 32"),
        (Set("/recovery/keys/1", good("/recovery/keys/0")), "recovery.keys[1]", "recovery.keys[0]"),
        (Set("/recovery/keys/1", node_key()), "recovery.keys[1]", "validators[0].nodeKey"),
        (Set("/signatures/0/validator", json!("nobody")), "signatures[0].validator", "no validator is named"),
        (Set("/signatures/1/validator", json!("org-0")), "signatures[1].validator", "signatures[0].validator"),
        (Set("/signatures/1/validator", json!("org-1")), "signatures[1].signature", "no signature of validator"),
        (Set("/signatures/0/signature", json!("0x")), "signatures[0].signature", "128"),
        (Set("/consensus/k", json!(33)), "signatures[0].signature", "over the genesis hash"),
    ]);
}

#[test]
fn holdings_are_refused_at_their_field() {
    let key = || json!(sample::account_key(0).to_string());
    check(vec![
        (Set("/assets/0/symbol", json!("usd")), "assets[0].symbol", "upper-case"),
        (Set("/assets/1/symbol", json!("USD")), "assets[1].symbol", "assets[0].symbol"),
        (Set("/assets/0/name", json!("")), "assets[0].name", "1 to 64 bytes"),
        (Set("/assets/0/name", json!("a\u{1b}[31m")), "assets[0].name", "control characters"),
        (Set("/assets/0/decimals", json!(39)), "assets[0].decimals", "0 to 38"),
        (Set("/accounts/0/balances/GBP", json!("1")), "accounts[0].balances.GBP", "no asset of this document"),
        (Set("/accounts/0/balances/USD", json!("0")), "accounts[0].balances.USD", "zero"),
        (Set("/accounts/0/balances/USD", json!("-1")), "accounts[0].balances.USD", "without sign"),
        (Set("/accounts/0/balances/USD", json!("1.5")), "accounts[0].balances.USD", "decimal integer"),
        (Set("/accounts/1/balances/EUR", json!("1")), "accounts[2].balances.EUR", "supply of EUR"),
        (Remove("/accounts/0/address"), "accounts[0]", "one of address, publicKey and policy"),
        (Set("/accounts/2/publicKey", key()), "accounts[2]", "exclude each other"),
        (Set("/accounts/1/publicKey", json!(ZEROS)), "accounts[1].publicKey", "small order"),
        (Set("/accounts/1/publicKey", key()), "accounts[1]", "accounts[0]"),
        (Set("/accounts/1/address", good("/accounts/0/address")), "accounts[1].address", "has the address acme1"),
        (Set("/accounts/0/address", json!("acme1qqqq")), "accounts[0].address", "bech32m"),
        (Set("/accounts/0/address", json!("x".repeat(10_000))), "accounts[0].address", "bech32m"),
        (Set("/addressPrefix", json!("other")), "signatures[0].signature", "genesis hash"),
        (Set("/accounts/2/policy/need", json!(5)), "accounts[2].policy.need", "nobody could ever sign"),
        (Set("/accounts/2/policy/keys", json!([])), "accounts[2].policy.keys", "1 to 32"),
        (Set("/accounts/2/policy/keys/1/weight", json!(0)), "accounts[2].policy.keys[1].weight", "at least 1"),
        (
            Set("/accounts/2/policy/keys/1/publicKey", good("/accounts/2/policy/keys/0/publicKey")),
            "accounts[2].policy.keys[1].publicKey",
            "policy.keys[0].publicKey",
        ),
        (Set("/accounts/2/policy/keys/0/publicKey", json!(ZEROS)), "accounts[2].policy.keys[0].publicKey", "order"),
    ]);
}

#[test]
fn a_foreign_prefix_is_named() {
    let mut document = sample::value();
    let address = sample::genesis().accounts()[0].address;
    let other = althing_types::AddressPrefix::new("other").expect("valid");
    Set("/accounts/0/address", json!(address.to_text(&other))).apply(&mut document);
    let error = Genesis::parse(document.to_string().as_bytes()).expect_err("another chain's address");
    assert_eq!(error.path, "accounts[0].address");
    assert!(error.to_string().contains("\"acme\""), "{error}");
}

#[test]
fn repeated_fields_are_refused_where_they_stand() {
    let text = sample::genesis().document().to_json();
    for (field, twice, path) in [
        ("\"chainId\":", "\"chainId\": \"other\",\n\"chainId\":", "chainId"),
        ("\"k\":", "\"k\": 32, \"k\":", "consensus.k"),
        ("\"USD\": \"25\"", "\"USD\": \"25\", \"USD\": \"25\"", "accounts[1].balances.USD"),
    ] {
        assert_eq!(text.matches(field).count(), 1, "{field}");
        let error = Genesis::parse(text.replace(field, twice).as_bytes()).expect_err(field);
        assert_eq!(error.path, path, "{error}");
        assert!(error.to_string().contains("twice"), "{error}");
    }
}

#[test]
fn lists_in_place_of_objects_are_refused() {
    let listed = |pointer: &str| match good(pointer) {
        Value::Object(fields) => json!(fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>()),
        other => unreachable!("no object: {other}"),
    };
    check(vec![
        (Set("/consensus", json!([1, false, 250, 5, 32, 500, 14])), "consensus", "expected an object"),
        (Set("/tx", json!([60_000])), "tx", "expected an object"),
        (Set("/limits", listed("/limits")), "limits", "expected an object"),
        (Set("/assets/0", json!(["USD", "US dollar", 2])), "assets[0]", "expected an object"),
        (Set("/recovery", json!([1, good("/recovery/keys")])), "recovery", "expected an object"),
        (Set("/accounts/2/policy", json!([1, []])), "accounts[2].policy", "expected an object"),
        (Set("/accounts/2/policy/keys/0", json!(["0x", 1])), "accounts[2].policy.keys[0]", "expected an object"),
        (Set("/validators/0", json!(["a", "b", "c", "d", "e"])), "validators[0]", "expected an object"),
        (Set("/observers/0", json!(["a", "b"])), "observers[0]", "expected an object"),
        (Set("/signatures/0", json!(["org-0", "0x"])), "signatures[0]", "expected an object"),
    ]);
    let entry = ValidatorEntry::parse(br#"["a", "b", "c", "d", "e"]"#).expect_err("a list");
    assert!(entry.to_string().contains("expected an object"), "{entry}");
}

#[test]
fn lists_end_while_they_are_read() {
    for (pointer, max) in [
        ("/assets", 256),
        ("/accounts", 262_144),
        ("/validators", 128),
        ("/observers", 256),
        ("/signatures", 128),
        ("/recovery/keys", 32),
        ("/accounts/2/policy/keys", 32),
    ] {
        // What comes after the first entry too many is not even read.
        let first = if pointer == "/accounts" { json!({}) } else { good(&format!("{pointer}/0")) };
        let many = format!("[{},!", vec![first.to_string(); max + 1].join(","));
        let mut document = sample::value();
        *document.pointer_mut(pointer).expect("it is there") = json!("MANY");
        let text = document.to_string().replace("\"MANY\"", &many);
        let error = Document::parse(text.as_bytes()).expect_err("too many");
        let path = pointer.trim_start_matches('/').replace("/2/", "[2].").replace('/', ".");
        assert_eq!(error.path, path, "{error}");
        assert!(error.to_string().contains(&format!("more than {max} entries")), "{error}");
    }
    let mut document = sample::genesis().document().clone();
    document.recovery.iter_mut().for_each(|recovery| recovery.keys = vec!["no key".to_owned(); 33]);
    let error = Genesis::new(document).expect_err("too many");
    assert_eq!((error.path.as_str(), error.to_string().contains("33 entries")), ("recovery.keys", true), "{error}");
}

#[test]
fn errors_do_nothing_to_a_terminal() {
    let field = "a\u{1b}]0;x\u{7}\u{202e}\u{9b}1m\r";
    for pointer in ["/colour", "/consensus/colour", "/accounts/0/balances/USD", "/recovery/colour"] {
        let mut document = sample::value();
        let (parent, _) = pointer.rsplit_once('/').expect("a pointer");
        let Value::Object(fields) = document.pointer_mut(parent).expect("it is there") else { unreachable!() };
        fields.insert(field.to_owned(), json!("1"));
        let error = Genesis::parse(document.to_string().as_bytes()).expect_err("unknown").to_string();
        assert!(error.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{error:?}");
        assert!(error.contains("\\u{1b}]0;x\\u{7}\\u{202e}\\u{9b}1m\\u{d}"), "{error}");
    }
}

#[test]
fn texts_that_are_no_document_are_refused() {
    let good = sample::genesis().document().to_json();
    let two = format!("{good}{good}");
    let large = format!("{good}{}", " ".repeat(DOCUMENT_BYTES_MAX));
    let deep = "[".repeat(100_000);
    for bad in ["", "{", "null", "[]", "\u{feff}{}", "{\"schema\":1,}", &two, &large, &deep, &good[..good.len() / 2]] {
        let error = Genesis::parse(bad.as_bytes()).expect_err("no document");
        assert!(error.to_string().len() < 600, "{error}");
    }
    assert!(Genesis::parse(&[0xff, 0xfe]).is_err());
}

#[test]
fn development_networks_may_be_small() {
    let mut document = sample::genesis().document().clone();
    document.signatures.clear();
    document.validators.truncate(3);
    document.consensus.f = 0;
    let refused = Genesis::new(document.clone()).expect_err("three validators");
    assert_eq!(refused.path, "validators");
    document.dev = true;
    assert!(Genesis::new(document.clone()).is_ok());
    document.validators.push(sample::validator(3));
    assert!(Genesis::new(document).is_ok());
}

#[test]
fn nobody_can_enter_a_node_key_that_he_does_not_hold() {
    let thief = sample::key(DevRole::Validator, 0);
    let stolen = sample::key(DevRole::Node, 50).public_key();
    let binding = althing_genesis::KeyBinding {
        chain_id: sample::CHAIN_ID.to_owned(),
        validator_key: thief.public_key(),
        node_key: stolen,
    };
    let own = thief.sign(&binding.hash());
    let proof = althing_genesis::BindingProof { by_validator: own, by_node: own };
    let mut document: Document = sample::genesis().document().clone();
    document.validators[0] =
        ValidatorEntry { node_key: stolen.to_string(), proof: proof.to_text(), ..sample::validator(0) };
    let error = Genesis::new(document).expect_err("the node key has not signed");
    assert_eq!(error.path, "validators[0].proof");
    assert!(error.to_string().contains("the node key has not signed"), "{error}");
    assert!(error.fault.is_signature());
}
