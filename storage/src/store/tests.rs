//! What every ordered store has to do, asked of each of them: tables of single cases, and random batches and reads
//! against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{FaultyStore, RocksOptions, RocksStore, StoreFaultPlan};

/// Keyspaces of every layout.
pub(crate) const SPACES: [SpaceOptions; 3] = [
    SpaceOptions { name: "points", point_reads: true, compress: false, large_values: false },
    SpaceOptions { name: "ranges", point_reads: false, compress: true, large_values: false },
    SpaceOptions { name: "bodies", point_reads: true, compress: true, large_values: true },
];
pub(crate) const POINTS: Space = Space(0);
pub(crate) const RANGES: Space = Space(1);
pub(crate) const BODIES: Space = Space(2);
pub(crate) const NOWHERE: Space = Space(3);

/// A key with its value, as tables of cases write them.
type Pair<'a> = (&'a [u8], &'a [u8]);
/// What it is about, what goes into the batch, what is there afterwards.
type BatchCase<'a> = (&'a str, fn(&mut WriteBatch), &'a [Pair<'a>]);
/// The bounds, the limit, and the keys within them.
type ScanCase<'a> = (&'a [u8], Option<&'a [u8]>, usize, &'a [&'a [u8]]);

/// Everything in a keyspace.
pub(crate) fn all(store: &dyn OrderedStore, space: Space) -> Vec<Entry> {
    let scan = Scan { from: b"", to: None, order: Order::Ascending, limit: usize::MAX };
    store.scan(space, scan).expect("the scan works")
}

/// A batch that puts these entries.
pub(crate) fn puts(space: Space, entries: &[Pair<'_>]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (key, value) in entries {
        batch.put(space, *key, *value);
    }
    batch
}

/// Asks the same of both stores, named in the message of what fails.
fn on_both(check: impl Fn(&str, &dyn OrderedStore)) {
    check("in memory", &FaultyStore::new(&SPACES, StoreFaultPlan::default()));
    let folder = TempDir::new().expect("a temporary folder");
    check("on disk", &RocksStore::open(folder.path(), &SPACES, RocksOptions::default()).expect("the store opens"));
}

fn entries(pairs: &[Pair<'_>]) -> Vec<Entry> {
    pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[test]
fn changes_of_one_batch_take_effect_in_their_order() {
    let table: [BatchCase<'_>; 9] = [
        ("the last of two puts holds", |b| (b.put(RANGES, b"k", b"1"), b.put(RANGES, b"k", b"2")).1, &[(b"k", b"2")]),
        ("a delete after a put", |b| (b.put(RANGES, b"k", b"1"), b.delete(RANGES, b"k")).1, &[]),
        ("a put after a delete", |b| (b.delete(RANGES, b"k"), b.put(RANGES, b"k", b"1")).1, &[(b"k", b"1")]),
        ("a range after a put", |b| (b.put(RANGES, b"k", b"1"), b.delete_range(RANGES, b"a", b"z")).1, &[]),
        ("a put after a range", |b| (b.delete_range(RANGES, b"a", b"z"), b.put(RANGES, b"k", b"1")).1, &[(b"k", b"1")]),
        (
            "a put between two ranges",
            |b| {
                b.delete_range(RANGES, b"a", b"z");
                b.put(RANGES, b"k", b"1");
                b.delete_range(RANGES, b"k", b"k\0");
                b.put(RANGES, b"l", b"2");
            },
            &[(b"l", b"2")],
        ),
        (
            "a range leaves its end",
            |b| (b.put(RANGES, b"z", b"1"), b.delete_range(RANGES, b"a", b"z")).1,
            &[(b"z", b"1")],
        ),
        ("an empty range", |b| (b.put(RANGES, b"k", b"1"), b.delete_range(RANGES, b"k", b"k")).1, &[(b"k", b"1")]),
        ("a reversed range", |b| (b.put(RANGES, b"k", b"1"), b.delete_range(RANGES, b"z", b"a")).1, &[(b"k", b"1")]),
    ];
    on_both(|name, store| {
        for (case, fill, expected) in table {
            let mut clear = WriteBatch::default();
            clear.delete_range(RANGES, b"", b"\xff");
            // What an earlier batch has left must be met by the changes like what this one puts.
            clear.put(RANGES, b"old", b"0");
            store.commit(clear).expect("committed");
            let mut batch = WriteBatch::default();
            batch.delete(RANGES, b"old");
            fill(&mut batch);
            store.commit(batch).expect("committed");
            assert_eq!(all(store, RANGES), entries(expected), "{name}: {case}");
        }
    });
}

#[test]
fn a_scan_keeps_to_its_bounds_its_order_and_its_limit() {
    let keys: [&[u8]; 5] = [b"", b"a", b"b", b"b\0", b"c"];
    let table: [ScanCase<'_>; 11] = [
        (b"", None, 9, &[b"", b"a", b"b", b"b\0", b"c"]),
        (b"a", Some(b"c"), 9, &[b"a", b"b", b"b\0"]),
        (b"a", Some(b"b\0"), 9, &[b"a", b"b"]),
        (b"aa", Some(b"bb"), 9, &[b"b", b"b\0"]),
        (b"c", None, 9, &[b"c"]),
        (b"d", None, 9, &[]),
        (b"b", Some(b"b"), 9, &[]),
        (b"c", Some(b"a"), 9, &[]),
        (b"", Some(b""), 9, &[]),
        (b"", Some(b"a"), 9, &[b""]),
        (b"", None, 0, &[]),
    ];
    on_both(|name, store| {
        let pairs: Vec<Pair<'_>> = keys.iter().map(|key| (*key, *key)).collect();
        store.commit(puts(RANGES, &pairs)).expect("committed");
        for (from, to, limit, expected) in table {
            let case = format!("{name}: {from:?} to {to:?}, {limit} at most");
            let mut expected: Vec<Entry> = expected.iter().map(|key| (key.to_vec(), key.to_vec())).collect();
            let found = store.scan(RANGES, Scan { from, to, order: Order::Ascending, limit }).expect("scanned");
            assert_eq!(found, expected, "{case}");
            let few = store.scan(RANGES, Scan { from, to, order: Order::Ascending, limit: 2.min(limit) });
            assert_eq!(few.expect("scanned"), expected[..expected.len().min(2)], "{case}");
            expected.reverse();
            let found = store.scan(RANGES, Scan { from, to, order: Order::Descending, limit }).expect("scanned");
            assert_eq!(found, expected, "{case}, descending");
            let few = store.scan(RANGES, Scan { from, to, order: Order::Descending, limit: 2.min(limit) });
            assert_eq!(few.expect("scanned"), expected[..expected.len().min(2)], "{case}, descending");
        }
    });
}

#[test]
fn no_scan_returns_more_than_the_limit_of_the_room() {
    on_both(|name, store| {
        let mut batch = WriteBatch::default();
        for number in 0..=SCAN_ENTRIES_MAX as u32 {
            batch.put(RANGES, number.to_be_bytes(), b"");
        }
        store.commit(batch).expect("committed");
        assert_eq!(all(store, RANGES).len(), SCAN_ENTRIES_MAX, "{name}");
    });
}

#[test]
fn many_keys_are_answered_in_the_order_in_which_they_were_asked() {
    on_both(|name, store| {
        store.commit(puts(POINTS, &[(b"", b"empty"), (b"a", b""), (b"b", b"2")])).expect("committed");
        let keys: Vec<Vec<u8>> = [b"b".as_slice(), b"x", b"", b"a", b"b"].iter().map(|key| key.to_vec()).collect();
        let found = store.get_many(POINTS, &keys).expect("read");
        let expected = [Some(b"2".as_slice()), None, Some(b"empty"), Some(b""), Some(b"2")];
        assert_eq!(found, expected.map(|value| value.map(<[u8]>::to_vec)), "{name}");
        assert_eq!(store.get_many(POINTS, &[]).expect("read"), Vec::<Option<Vec<u8>>>::new(), "{name}");
    });
}

#[test]
fn keyspaces_do_not_see_each_other() {
    on_both(|name, store| {
        let mut batch = puts(POINTS, &[(b"k", b"p")]);
        batch.put(BODIES, b"k", b"b");
        store.commit(batch).expect("committed");
        let mut batch = WriteBatch::default();
        batch.delete_range(POINTS, b"", b"z");
        store.commit(batch).expect("committed");
        assert_eq!(all(store, POINTS), [], "{name}");
        assert_eq!(store.get(RANGES, b"k").expect("read"), None, "{name}");
        assert_eq!(store.get(BODIES, b"k").expect("read"), Some(b"b".to_vec()), "{name}");
    });
}

#[test]
fn a_keyspace_that_does_not_exist_is_refused_and_nothing_of_the_batch_is_written() {
    on_both(|name, store| {
        let refused = |outcome: Result<(), StoreError>| match outcome {
            Err(StoreError::UnknownSpace { space: 3 }) => {}
            other => panic!("{name}: {other:?}"),
        };
        refused(store.get(NOWHERE, b"k").map(drop));
        refused(store.get_many(NOWHERE, &[]).map(drop));
        let scan = Scan { from: b"", to: None, order: Order::Ascending, limit: 1 };
        refused(store.scan(NOWHERE, scan).map(drop));
        let mut batch = puts(POINTS, &[(b"k", b"p")]);
        batch.put(NOWHERE, b"k", b"b");
        refused(store.commit(batch));
        assert_eq!(all(store, POINTS), [], "{name}");
        let next = store.commit(WriteBatch::default());
        assert!(matches!(next, Err(StoreError::Poisoned)), "{name}: a failed commit poisons, not {next:?}");
        assert_eq!(store.get(POINTS, b"k").expect("reads go on"), None, "{name}");
    });
}

#[test]
fn an_empty_batch_changes_nothing() {
    on_both(|name, store| {
        store.commit(puts(POINTS, &[(b"k", b"v")])).expect("committed");
        store.commit(WriteBatch::default()).expect("an empty batch is committed");
        assert_eq!(all(store, POINTS), entries(&[(b"k", b"v")]), "{name}");
    });
}

/// A store with what interrupts its life without losing anything.
trait Subject {
    fn store(&self) -> &dyn OrderedStore;
    fn flush(&mut self) {}
    fn reopen(&mut self);
}

impl Subject for FaultyStore {
    fn store(&self) -> &dyn OrderedStore {
        self
    }

    fn reopen(&mut self) {
        self.crash(1);
        Self::reopen(self);
    }
}

struct OnDisk {
    folder: TempDir,
    store: Option<RocksStore>,
}

impl OnDisk {
    fn new() -> Self {
        let mut subject = Self { folder: TempDir::new().expect("a temporary folder"), store: None };
        subject.reopen();
        subject
    }

    fn open(&self) -> &RocksStore {
        self.store.as_ref().expect("it is open between calls")
    }
}

impl Subject for OnDisk {
    fn store(&self) -> &dyn OrderedStore {
        self.open()
    }

    fn flush(&mut self) {
        self.open().flush().expect("flushed");
    }

    fn reopen(&mut self) {
        self.store = None;
        let opened = RocksStore::open(self.folder.path(), &SPACES, RocksOptions::default());
        self.store = Some(opened.expect("the store opens"));
    }
}

/// A change that owns its bytes.
#[derive(Clone, Debug)]
enum Owned {
    Put { space: Space, key: Vec<u8>, value: Vec<u8> },
    Delete { space: Space, key: Vec<u8> },
    DeleteRange { space: Space, from: Vec<u8>, to: Vec<u8> },
}

impl Owned {
    fn add_to(&self, batch: &mut WriteBatch) {
        match self {
            Self::Put { space, key, value } => batch.put(*space, key, value),
            Self::Delete { space, key } => batch.delete(*space, key),
            Self::DeleteRange { space, from, to } => batch.delete_range(*space, from, to),
        }
    }
}

#[derive(Clone, Debug)]
enum Call {
    Commit(Vec<Owned>),
    Reclaim(Space, Vec<u8>, Vec<u8>),
    Get(Space, Vec<u8>),
    GetMany(Space, Vec<Vec<u8>>),
    Scan { space: Space, from: Vec<u8>, to: Option<Vec<u8>>, ascending: bool, limit: usize },
    Flush,
    Reopen,
}

fn space() -> impl Strategy<Value = Space> {
    (0..SPACES.len() as u8).prop_map(Space)
}

/// Few distinct keys, so that changes meet; the empty one and prefixes of others are among them.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), Just(1), Just(255)], 0..3)
}

/// Values on both sides of the length from which they are kept apart from their keys.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..4),
        1 => (any::<u8>(), 2000..2100_usize).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn change() -> impl Strategy<Value = Owned> {
    prop_oneof![
        5 => (space(), key(), value()).prop_map(|(space, key, value)| Owned::Put { space, key, value }),
        2 => (space(), key()).prop_map(|(space, key)| Owned::Delete { space, key }),
        2 => (space(), key(), key()).prop_map(|(space, from, to)| Owned::DeleteRange { space, from, to }),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let scan = (space(), key(), prop::option::of(key()), any::<bool>(), 0..8_usize);
    prop_oneof![
        8 => prop::collection::vec(change(), 0..8).prop_map(Call::Commit),
        1 => (space(), key(), key()).prop_map(|(space, from, to)| Call::Reclaim(space, from, to)),
        2 => (space(), key()).prop_map(|(space, key)| Call::Get(space, key)),
        2 => (space(), prop::collection::vec(key(), 0..6)).prop_map(|(space, keys)| Call::GetMany(space, keys)),
        4 => scan.prop_map(|(space, from, to, ascending, limit)| Call::Scan { space, from, to, ascending, limit }),
        1 => Just(Call::Flush),
        1 => Just(Call::Reopen),
    ]
}

/// All entries of all keyspaces in one map, searched from end to end for everything.
#[derive(Default)]
struct Model(BTreeMap<(Space, Vec<u8>), Vec<u8>>);

impl Model {
    fn apply(&mut self, change: Owned) {
        match change {
            Owned::Put { space, key, value } => drop(self.0.insert((space, key), value)),
            Owned::Delete { space, key } => self.0.retain(|held, _| *held != (space, key.clone())),
            Owned::DeleteRange { space, from, to } => {
                self.0.retain(|(held, key), _| *held != space || *key < from || *key >= to);
            }
        }
    }

    fn get(&self, space: Space, key: &[u8]) -> Option<Vec<u8>> {
        self.0.iter().find(|((held, name), _)| *held == space && name == key).map(|(_, value)| value.clone())
    }

    fn covered(&self, space: Space, from: &[u8], to: Option<&[u8]>) -> Vec<Entry> {
        let within = |key: &[u8]| key >= from && to.is_none_or(|to| key < to);
        let covered = self.0.iter().filter(|((held, key), _)| *held == space && within(key));
        covered.map(|((_, key), value)| (key.clone(), value.clone())).collect()
    }
}

fn agree(subject: &mut dyn Subject, calls: &[Call]) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    for call in calls {
        match call {
            Call::Commit(changes) => {
                let mut batch = WriteBatch::default();
                changes.iter().for_each(|change| change.add_to(&mut batch));
                subject.store().commit(batch).expect("committed");
                changes.iter().for_each(|change| model.apply(change.clone()));
            }
            Call::Get(space, key) => {
                prop_assert_eq!(subject.store().get(*space, key).expect("read"), model.get(*space, key));
            }
            Call::GetMany(space, keys) => {
                let expected: Vec<_> = keys.iter().map(|key| model.get(*space, key)).collect();
                prop_assert_eq!(subject.store().get_many(*space, keys).expect("read"), expected);
            }
            Call::Scan { space, from, to, ascending, limit } => {
                let order = if *ascending { Order::Ascending } else { Order::Descending };
                let mut expected = model.covered(*space, from, to.as_deref());
                if order == Order::Descending {
                    expected.reverse();
                }
                expected.truncate(*limit);
                let scan = Scan { from, to: to.as_deref(), order, limit: *limit };
                prop_assert_eq!(subject.store().scan(*space, scan).expect("scanned"), expected);
            }
            Call::Reclaim(space, from, to) => subject.store().reclaim(*space, from, to).expect("reclaimed"),
            Call::Flush => subject.flush(),
            Call::Reopen => subject.reopen(),
        }
    }
    for space in [POINTS, RANGES, BODIES] {
        prop_assert_eq!(all(subject.store(), space), model.covered(space, b"", None));
    }
    Ok(())
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn any_sequence_of_calls_on_the_store_in_memory_agrees_with_the_model(
        calls in prop::collection::vec(call(), 0..40),
    ) {
        agree(&mut FaultyStore::new(&SPACES, StoreFaultPlan::default()), &calls)?;
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_sequence_of_calls_on_the_store_on_disk_agrees_with_the_model(
        calls in prop::collection::vec(call(), 0..40),
    ) {
        agree(&mut OnDisk::new(), &calls)?;
    }
}
