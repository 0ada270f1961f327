//! Frozen formats: one golden vector per wire and disk type, and outside programs that must agree.
//!
//! `tests/vectors/wire.json` holds each sample's bytes. Changing a format changes that file and the hash of it that is
//! frozen below, so the change is seen in review. `ALTHING_BLESS=1` writes the file anew.

mod openssl;
mod proofs;
mod samples;

use std::path::PathBuf;
use std::process::Command;

use althing_genesis::Genesis;
use althing_types::{Hash, leaf_hash};
use serde_json::{Value, json};

use samples::Sample;

/// RFC 6962 leaf hash of `tests/vectors/wire.json`.
const FROZEN: &str = "0xe511c139dadfb4ea630bb2275d763e41d58dc5250bc7d04f0dda3b72e1f06bc1";

fn vectors_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn document(samples: &[Sample]) -> String {
    let entries: Vec<Value> = samples
        .iter()
        .map(|sample| json!({ "name": sample.name, "bytes": const_hex::encode_prefixed(&sample.bytes), "ids": sample.ids }))
        .collect();
    let mut text = serde_json::to_string_pretty(&entries).expect("plain JSON");
    text.push('\n');
    text
}

#[test]
fn every_wire_type_keeps_its_bytes() {
    let path = vectors_path().join("wire.json");
    let now = document(&samples::all());
    if std::env::var_os("ALTHING_BLESS").is_some() {
        std::fs::write(&path, &now).expect("the vectors can be written");
    }
    let frozen = std::fs::read_to_string(&path).expect("the vectors are in the repository");
    for (now, frozen) in now.lines().zip(frozen.lines()) {
        assert_eq!(now, frozen, "a format changed: if that is meant, ALTHING_BLESS=1 writes the vectors anew");
    }
    assert_eq!(now.len(), frozen.len(), "vectors came or went");
    assert_eq!(leaf_hash(frozen.as_bytes()).to_string(), FROZEN, "the frozen hash of the vectors");
}

#[test]
fn every_sample_decodes_to_itself_and_to_nothing_shorter_or_longer() {
    for sample in samples::all() {
        assert!((sample.round_trips)(&sample.bytes), "{}", sample.name);
        let mut longer = sample.bytes.clone();
        longer.push(0);
        assert!(!(sample.round_trips)(&longer), "{} with a trailing byte", sample.name);
        for length in 0..sample.bytes.len() {
            assert!(!(sample.round_trips)(&sample.bytes[..length]), "{} cut to {length} bytes", sample.name);
        }
    }
}

/// Every single changed byte either does not decode or decodes to another value with exactly those bytes.
#[test]
fn no_two_encodings_mean_the_same() {
    for sample in samples::all().iter().filter(|sample| sample.bytes.len() < 4096) {
        for place in 0..sample.bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = sample.bytes.clone();
                bytes[place] ^= flip;
                (sample.decodes_canonically)(&bytes);
            }
        }
    }
}

#[test]
fn names_of_samples_are_unique() {
    let mut names: Vec<&str> = samples::all().iter().map(|sample| sample.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// What a script in the vectors' folder prints; none if there is no Python.
fn python(script: &str, argument: &str) -> Option<String> {
    let output = Command::new("python3").arg(vectors_path().join(script)).arg(argument).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    Some(said)
}

/// The ids in the vectors, computed again by a program that shares no code with ours.
#[test]
fn python_computes_the_same_ids() {
    match python("check.py", "") {
        Some(said) => assert!(said.contains("ids agree"), "{said}"),
        None => crate::skipped("python3 is not installed"),
    }
}

/// The hash of a genesis document, computed again from the layout that docs/genesis.md gives.
#[test]
fn python_computes_the_same_genesis_hash() {
    let path = vectors_path().join("../../genesis/tests/documents/sample.json");
    let genesis = Genesis::parse(&std::fs::read(&path).expect("the sample is in the repository")).expect("it is valid");
    match python("genesis.py", path.to_str().expect("a path of ours")) {
        Some(said) => assert_eq!(said.trim(), genesis.hash().to_string()),
        None => crate::skipped("python3 is not installed"),
    }
}

/// A hash as the vectors write it.
pub(crate) fn text(hash: Hash) -> String {
    hash.to_string()
}
