//! Properties over many documents: the hash forgets order and form, and no bytes make the parser panic.

use althing_genesis::{Document, Genesis};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sample;

/// Permutes a list by a seed.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for place in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).expect("31 bits") % (place + 1);
        items.swap(place, other);
    }
}

fn shuffle_document(document: &mut Document, seed: u64) {
    shuffle(&mut document.validators, seed);
    shuffle(&mut document.accounts, seed ^ 1);
    shuffle(&mut document.assets, seed ^ 2);
    shuffle(&mut document.signatures, seed ^ 3);
    for account in &mut document.accounts {
        shuffle(&mut account.balances.0, seed ^ 4);
        account.policy.iter_mut().for_each(|policy| shuffle(&mut policy.keys, seed ^ 5));
    }
    document.recovery.iter_mut().for_each(|recovery| shuffle(&mut recovery.keys, seed ^ 6));
}

/// Writes a value with fields in an order, and with spaces, that follow from the seed.
fn write(value: &Value, seed: u64, text: &mut String) {
    let space = [" ", "", "\n", "\t "][usize::try_from(seed % 4).expect("small")];
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            shuffle(&mut fields, seed);
            text.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                text.push_str(if index == 0 { space } else { "," });
                text.push_str(&format!("{}{space}:", json!(name)));
                write(value, seed.rotate_left(7), text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, value) in items.iter().enumerate() {
                text.push_str(if index == 0 { space } else { "," });
                write(value, seed.rotate_left(9), text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// Replaces, removes or doubles one value somewhere in the document.
fn mutate(value: &mut Value, path: &[usize], replacement: &Value) {
    let Some((step, rest)) = path.split_first() else {
        *value = replacement.clone();
        return;
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let index = step % fields.len();
            let child = fields.values_mut().nth(index).expect("in range");
            mutate(child, rest, replacement);
        }
        Value::Array(items) if !items.is_empty() => {
            let index = step % items.len();
            if step % 7 == 0 {
                let copy = items[index].clone();
                items.push(copy);
            }
            mutate(&mut items[index], rest, replacement);
        }
        other => *other = replacement.clone(),
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!(true)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number.to_string())),
        any::<String>().prop_map(|text| json!(text)),
        "0x[0-9a-f]{64}".prop_map(|text| json!(text)),
        "0x[0-9a-f]{128}".prop_map(|text| json!(text)),
        Just(json!("340282366920938463463374607431768211455")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hash_forgets_order_and_form(seed: u64) {
        let genesis = sample::genesis();
        let mut document = genesis.document().clone();
        shuffle_document(&mut document, seed);
        let value = serde_json::from_str(&document.to_json()).expect("we wrote it");
        let mut text = String::new();
        write(&value, seed, &mut text);
        let again = Genesis::parse(text.as_bytes());
        prop_assert_eq!(again.map(|genesis| genesis.hash()), Ok(genesis.hash()));
    }

    #[test]
    fn a_spoiled_document_is_refused_or_valid_but_never_a_panic(
        path in proptest::collection::vec(any::<usize>(), 1..5),
        replacement in replacement(),
    ) {
        let mut value = sample::value();
        mutate(&mut value, &path, &replacement);
        match Genesis::parse(value.to_string().as_bytes()) {
            Ok(genesis) => {
                let again = Genesis::parse(genesis.document().to_json().as_bytes());
                prop_assert_eq!(again, Ok(genesis));
            }
            Err(error) => prop_assert!(!error.path.is_empty() && error.to_string().len() < 2_000),
        }
    }

    #[test]
    fn spoiled_bytes_never_make_the_parser_panic(
        place: prop::sample::Index, byte: u8, cut: prop::sample::Index, junk: Vec<u8>,
    ) {
        let mut bytes = sample::genesis().document().to_json().into_bytes();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        let _verdict = Genesis::parse(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(Genesis::parse(&bytes).is_err());
        prop_assert!(Genesis::parse(&junk).is_err());
    }
}
