//! A crash at every write, and a failure at every read: what is left is what was committed.

use althing_storage::StoreFaultPlan;

use super::kit::{content, eventful, genesis, store};
use crate::{FinalBlock, Ledger, LedgerError};

/// Commits blocks, with a failure at one commit, and goes on after a crash as a node would: from the head that is
/// found, with the blocks above it handed over again.
fn with_a_crash(blocks: &[FinalBlock], fail_commit: u64, seed: u64) -> Vec<Vec<althing_storage::Entry>> {
    let (genesis, store) = (genesis(), store());
    store.set_plan(StoreFaultPlan { fail_commit: Some(fail_commit), fail_read: None });
    let mut failures = 0;
    let mut ledger = None;
    let mut next = 0;
    while next < blocks.len() || ledger.is_none() {
        let opened = match ledger.take() {
            Some(ledger) => Ok(ledger),
            None => Ledger::open(store.clone(), &genesis),
        };
        let result = opened.and_then(|mut opened: Ledger<_>| {
            // The block below is handed over a second time, which must change nothing.
            for block in blocks.iter().skip(next.saturating_sub(1)).take(2) {
                opened.commit(block.clone())?;
            }
            Ok(opened)
        });
        match result {
            Ok(opened) => {
                next += 1;
                ledger = Some(opened);
            }
            Err(LedgerError::Store(_)) => {
                failures += 1;
                store.crash(seed);
                store.reopen();
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(failures, 1);
    content(&*store)
}

#[test]
fn a_crash_at_any_commit_leaves_what_no_crash_would_leave() {
    let blocks = eventful(12, 7);
    let (genesis, whole) = (genesis(), store());
    let mut ledger = Ledger::open(whole.clone(), &genesis).expect("a fresh store");
    for block in &blocks {
        ledger.commit(block.clone()).expect("a good block");
    }
    let expected = content(&*whole);
    assert_eq!(whole.commits(), 13, "one for genesis and one for each block");
    for fail_commit in 1..=13 {
        for seed in [0, 1] {
            assert!(with_a_crash(&blocks, fail_commit, seed) == expected, "commit {fail_commit}, seed {seed}");
        }
    }
}

#[test]
fn after_a_failed_commit_the_head_is_the_old_one_and_nothing_more_is_committed() {
    let blocks = eventful(3, 1);
    let store = store();
    let mut ledger = Ledger::open(store.clone(), &genesis()).expect("a fresh store");
    ledger.commit(blocks[0].clone()).expect("a good block");
    let head = ledger.head();
    store.set_plan(StoreFaultPlan { fail_commit: Some(store.commits() + 1), fail_read: None });
    for _ in 0..2 {
        assert!(matches!(ledger.commit(blocks[1].clone()), Err(LedgerError::Store(_))));
        assert_eq!(ledger.head(), head);
        assert_eq!(ledger.reader().head(), head);
    }
}

#[test]
fn a_failed_read_leaves_the_ledger_as_it_was() {
    let blocks = eventful(6, 3);
    let (whole, store) = (store(), store());
    let mut expected = Ledger::open(whole.clone(), &genesis()).expect("a fresh store");
    let mut ledger = Ledger::open(store.clone(), &genesis()).expect("a fresh store");
    let mut failures = 0;
    for block in &blocks {
        expected.commit(block.clone()).expect("a good block");
        for nth in 1.. {
            store.set_plan(StoreFaultPlan { fail_commit: None, fail_read: Some(store.reads() + nth) });
            match ledger.commit(block.clone()) {
                Ok(_) => break,
                Err(LedgerError::Store(_)) => failures += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    store.set_plan(StoreFaultPlan::default());
    assert!(failures > blocks.len(), "{failures}");
    assert!(content(&*whole) == content(&*store));
}
