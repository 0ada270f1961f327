//! The store of a node as a source: what the node stored of its executions, and its state, are held against the chain.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use althing_ledger::{SPACES, replay_spaces};
use althing_storage::{FaultyStore, Order, OrderedStore as _, Scan, Space, StoreFaultPlan, WriteBatch};

use super::kit::{Chain, HEIGHTS, sentence, verify_source};
use crate::audit::run::audit_in;
use crate::audit::{Audit, AuditError, Report, StoreSource, compare_state};

fn verify(chain: &Chain) -> Result<Report, AuditError> {
    verify_source(StoreSource::of(chain.store.clone(), &chain.genesis)?, &chain.genesis)
}

fn space(name: &str) -> Space {
    let place = SPACES.iter().position(|space| space.name == name).expect("there is one");
    Space(u8::try_from(place).expect("small"))
}

/// Changes the value of the first entry at or above a key; none removes it.
fn change(chain: &Chain, name: &str, from: &[u8], change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let scan = Scan { from, to: None, order: Order::Ascending, limit: 1 };
    let (key, value) = chain.store.scan(space(name), scan).expect("readable").remove(0);
    let mut batch = WriteBatch::default();
    match change(value) {
        Some(value) => batch.put(space(name), &key, value),
        None => batch.delete(space(name), &key),
    }
    chain.store.commit(batch).expect("written");
    key
}

fn flipped(mut value: Vec<u8>) -> Option<Vec<u8>> {
    *value.last_mut().expect("bytes") ^= 1;
    Some(value)
}

/// The key of a height.
fn at(height: u64) -> [u8; 8] {
    height.to_be_bytes()
}

#[test]
fn a_store_as_it_is_verifies_with_its_state() {
    let chain = Chain::new();
    let source = StoreSource::of(chain.store.clone(), &chain.genesis).expect("a ledger");
    let work = Arc::new(FaultyStore::new(&replay_spaces(), StoreFaultPlan::default()));
    let what = Audit { genesis: &chain.genesis, threads: 2, stop: &AtomicBool::new(false) };
    let (report, source, executed) = audit_in(what, source, work, |_| {}).expect("nothing is wrong");
    assert_eq!((report.height.get(), report.state_root), (HEIGHTS, chain.state_root));
    let compared = compare_state(source.reader(), &executed).expect("the same state");
    assert!(compared > 8, "{compared}");
    // A balance is changed behind the back of the ledger.
    let key = change(&chain, "state", &[7], flipped);
    let found = sentence(compare_state(source.reader(), &executed));
    let key = const_hex::encode_prefixed(key);
    assert!(found.starts_with("height 8: the stored state has 0x"), "{found}");
    assert!(found.contains(&format!("under the key {key}, and executing the chain gives 0x")), "{found}");
}

#[test]
fn what_is_stored_of_an_execution_is_held_against_it() {
    let chain = Chain::new();
    change(&chain, "receipt", &at(2), flipped);
    let found = sentence(verify(&chain));
    assert!(found.starts_with("height 2: the stored receipt of transaction 0 (0x"), "{found}");
    let chain = Chain::new();
    change(&chain, "included", &at(5), flipped);
    let found = sentence(verify(&chain));
    assert!(found.starts_with("height 5: the stored place of transaction 5 (0x"), "{found}");
    let chain = Chain::new();
    // The version of the tree stands behind the summary, and says where the state root is, not what it is.
    change(&chain, "summary", &at(4), |mut value| {
        value[50] ^= 1;
        Some(value)
    });
    let found = sentence(verify(&chain));
    assert!(found.starts_with("height 4: the store has the state root 0x"), "{found}");
    assert!(found.contains(" of height 4, and executing it again gives 0x"), "{found}");
}

#[test]
fn what_is_not_in_a_store_is_named() {
    for (name, from, expected) in [
        ("header", at(3), "height 3: the store has the block missing or damaged"),
        ("body", at(3), "height 3: the store has a body missing or damaged"),
        ("summary", at(4), "height 4: the store has the summary missing or damaged"),
    ] {
        let chain = Chain::new();
        change(&chain, name, &from, |_| None);
        assert_eq!(sentence(verify(&chain)), expected);
    }
    let chain = Chain::new();
    change(&chain, "batch", &[], |_| None);
    assert_eq!(sentence(verify(&chain)), "height 1: the store has batch 1 of lane 0 missing or damaged");
    let chain = Chain::new();
    change(&chain, "batch", &[], flipped);
    assert_eq!(sentence(verify(&chain)), "height 1: batch 1 of lane 0: the owner of lane 0 did not sign the batch");
}

#[test]
fn a_store_may_end_above_its_last_certificate_and_says_so() {
    let chain = Chain::new();
    for height in 7..=8 {
        change(&chain, "finalization", &at(height), |_| None);
    }
    assert_eq!(verify(&chain).expect("a node that was stopped while it caught up").uncovered, 2);
}
