//! Tests of the twin: it must lose no more and no less than the store on disk may lose.

use super::*;
use crate::store::tests::{BODIES, POINTS, SPACES, all, puts};

fn failing_commit(number: u64) -> FaultyStore {
    FaultyStore::new(&SPACES, StoreFaultPlan { fail_commit: Some(number), ..StoreFaultPlan::default() })
}

/// A batch over two keyspaces.
fn wide(key: &[u8]) -> WriteBatch {
    let mut batch = puts(POINTS, &[(key, b"p")]);
    batch.put(BODIES, key, b"b");
    batch
}

fn keys(store: &FaultyStore, space: Space) -> Vec<Vec<u8>> {
    all(store, space).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn a_commit_that_failed_is_there_as_a_whole_after_a_crash_or_not_at_all() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let store = failing_commit(2);
        store.commit(wide(b"1")).expect("the first commit works");
        assert!(matches!(store.commit(wide(b"2")), Err(StoreError::Io { .. })));
        assert_eq!(keys(&store, POINTS), [b"1"], "readers see what was committed");
        assert!(matches!(store.commit(wide(b"3")), Err(StoreError::Poisoned)));
        store.crash(seed);
        store.reopen();
        let found = keys(&store, POINTS);
        assert_eq!(found, keys(&store, BODIES), "never half a batch");
        assert_eq!(found, [b"1".to_vec(), b"2".to_vec()][..found.len()]);
        outcomes.insert(found.len());
        store.commit(wide(b"4")).expect("open again, and the plan is used up");
    }
    assert_eq!(outcomes, [1, 2].into_iter().collect());
}

#[test]
fn the_same_seed_gives_the_same_crash_and_a_second_crash_changes_nothing() {
    for seed in 0..20 {
        let outcomes = [seed + 1, seed + 2].map(|second| {
            let store = failing_commit(1);
            store.commit(wide(b"1")).expect_err("planned");
            store.crash(seed);
            store.crash(second);
            store.reopen();
            keys(&store, POINTS)
        });
        assert_eq!(outcomes[0], outcomes[1]);
    }
}

#[test]
fn a_crash_without_a_failed_commit_loses_nothing() {
    let store = FaultyStore::new(&SPACES, StoreFaultPlan::default());
    store.commit(wide(b"1")).expect("committed");
    store.crash(7);
    store.reopen();
    assert_eq!(keys(&store, POINTS), [b"1"]);
}

#[test]
fn between_a_crash_and_the_next_opening_every_handle_refuses_everything() {
    let store = FaultyStore::new(&SPACES, StoreFaultPlan::default());
    let other = store.clone();
    store.crash(0);
    assert!(matches!(other.get(POINTS, b"1"), Err(StoreError::Poisoned)));
    assert!(matches!(other.get_many(POINTS, &[]), Err(StoreError::Poisoned)));
    let scan = Scan { from: b"", to: None, order: Order::Ascending, limit: 1 };
    assert!(matches!(other.scan(POINTS, scan), Err(StoreError::Poisoned)));
    assert!(matches!(other.commit(wide(b"1")), Err(StoreError::Poisoned)));
    store.reopen();
    other.commit(wide(b"1")).expect("every handle is open again");
    assert_eq!(keys(&store, POINTS), [b"1"], "handles share one store");
}

#[test]
fn the_end_of_the_process_alone_drops_a_commit_that_failed() {
    let store = failing_commit(1);
    store.commit(wide(b"1")).expect_err("planned");
    store.reopen();
    assert_eq!(keys(&store, POINTS), Vec::<Vec<u8>>::new());
    store.crash(1);
    store.reopen();
    assert_eq!(keys(&store, POINTS), Vec::<Vec<u8>>::new(), "it does not come back later");
}

#[test]
fn the_planned_read_fails_and_the_store_goes_on() {
    let store = FaultyStore::new(&SPACES, StoreFaultPlan { fail_read: Some(2), ..StoreFaultPlan::default() });
    store.commit(wide(b"1")).expect("committed");
    assert_eq!(store.get(POINTS, b"1").expect("the first read works"), Some(b"p".to_vec()));
    let failed = store.get_many(POINTS, &[]).expect_err("planned");
    assert!(matches!(failed, StoreError::Io { .. }) && failed.is_fatal());
    assert_eq!(keys(&store, POINTS), [b"1"]);
    store.commit(wide(b"2")).expect("a failed read does not poison");
    assert_eq!((store.commits(), store.reads()), (2, 3));
    store.set_plan(StoreFaultPlan { fail_read: Some(4), fail_commit: Some(3) });
    store.get(POINTS, b"1").expect_err("planned");
    store.commit(wide(b"3")).expect_err("planned");
}
