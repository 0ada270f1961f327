//! Tests of the store on disk, on real files in temporary folders: what survives, what is refused, what damage does.
//!
//! A process that is killed is played by copying the folder while the store is open: the copy holds what the kernel
//! would have kept. What is not played is a disk that reports a sync and does not carry it out.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::store::tests::{BODIES, POINTS, RANGES, SPACES, all, puts};

fn temporary() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

fn open(folder: &Path) -> RocksStore {
    RocksStore::open(folder, &SPACES, RocksOptions::default()).expect("the store opens")
}

/// A batch over all keyspaces, with a value that is kept apart from its key.
fn batch(number: u32) -> WriteBatch {
    let mut batch = puts(POINTS, &[(&number.to_be_bytes(), b"p")]);
    batch.put(RANGES, number.to_be_bytes(), format!("value number {number}"));
    batch.put(BODIES, number.to_be_bytes(), body(number));
    batch
}

/// Four kilobytes that do not compress.
fn body(number: u32) -> Vec<u8> {
    let mut state = number;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(4096).collect()
}

/// How many batches are there. They must be whole, unchanged, and the first ones.
#[track_caller]
fn batches(store: &RocksStore) -> usize {
    let count = all(store, POINTS).len();
    let expected = |value: fn(u32) -> Vec<u8>| -> Vec<Entry> {
        (0..count as u32).map(|number| (number.to_be_bytes().to_vec(), value(number))).collect()
    };
    assert_eq!(all(store, POINTS), expected(|_| b"p".to_vec()));
    assert_eq!(all(store, RANGES), expected(|number| format!("value number {number}").into_bytes()));
    assert_eq!(all(store, BODIES), expected(body));
    count
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be listed").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == suffix)).collect();
    files.sort();
    files
}

fn copy(folder: &Path) -> TempDir {
    let copy = temporary();
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("the file is copied");
    }
    copy
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).expect("the file is read");
    bytes[offset] ^= 0xff;
    fs::write(file, bytes).expect("the file is written");
}

#[test]
fn a_process_that_is_killed_loses_no_batch() {
    let folder = temporary();
    let store = open(folder.path());
    for number in 0..60 {
        store.commit(batch(number)).expect("committed");
        if number % 20 == 5 {
            store.flush().expect("flushed");
        }
        if number % 7 == 0 {
            assert_eq!(batches(&open(copy(folder.path()).path())), number as usize + 1);
        }
    }
    let copied = copy(folder.path());
    // Neither closing nor dropping happens to a process that is killed.
    std::mem::forget(store);
    assert_eq!(batches(&open(copied.path())), 60);
    assert_eq!(batches(&open(copied.path())), 60, "opening leaves everything in place");
}

#[test]
fn what_was_committed_is_there_after_closing_with_and_without_a_flush() {
    let folder = temporary();
    for number in 0..6 {
        let store = open(folder.path());
        assert_eq!(batches(&store), number as usize);
        store.commit(batch(number)).expect("committed");
        if number % 2 == 0 {
            store.flush().expect("flushed");
        }
    }
}

/// Names and contents of everything in a folder.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("the folder can be listed").map(|entry| entry.expect("an entry").path());
    let mut content: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect();
    content.sort();
    content
}

#[test]
fn who_only_reads_sees_everything_and_leaves_the_folder_as_it_was() {
    let folder = temporary();
    let store = open(folder.path());
    for number in 0..40 {
        store.commit(batch(number)).expect("committed");
        if number == 20 {
            store.flush().expect("flushed");
        }
    }
    let read = |folder: &Path| RocksStore::open_read_only(folder, &SPACES, RocksOptions::default());
    let in_use = read(folder.path());
    assert!(matches!(in_use, Err(StoreError::InUse { .. })), "{in_use:?}");
    let copied = copy(folder.path());
    let before = content(copied.path());
    let (one, other) = (read(copied.path()).expect("it opens"), read(copied.path()).expect("beside the first"));
    assert_eq!((batches(&one), batches(&other)), (40, 40), "the write-ahead log is read as well");
    assert!(matches!(one.commit(batch(41)), Err(StoreError::Refused { .. })));
    assert!(matches!(one.flush(), Err(StoreError::Refused { .. })));
    let writer = RocksStore::open(copied.path(), &SPACES, RocksOptions::default());
    assert!(matches!(writer, Err(StoreError::InUse { .. })), "{writer:?}");
    drop((one, other));
    assert!(content(copied.path()) == before, "nothing in the folder has changed");
    assert_eq!(batches(&open(copied.path())), 40);
}

#[test]
fn who_only_reads_makes_no_store() {
    let folder = temporary();
    let absent = folder.path().join("absent");
    let read = |folder: &Path| RocksStore::open_read_only(folder, &SPACES, RocksOptions::default());
    assert!(matches!(read(&absent), Err(StoreError::Io { .. })));
    assert!(!absent.exists());
    assert!(matches!(read(folder.path()), Err(StoreError::Corrupt { .. })));
    assert!(content(folder.path()).is_empty());
}

#[test]
fn who_looks_beside_a_writer_sees_one_moment_and_is_not_noticed() {
    let folder = temporary();
    let store = open(folder.path());
    for number in 0..20 {
        store.commit(batch(number)).expect("committed");
        if number == 9 {
            store.flush().expect("flushed");
        }
    }
    let before = content(folder.path());
    let beside = RocksStore::open_beside(folder.path(), &SPACES, RocksOptions::default()).expect("it opens");
    let own = beside.shared._own.as_ref().expect("it has a folder").0.clone();
    assert_eq!(batches(&beside), 20, "in tables and in the write-ahead log");
    assert!(content(folder.path()) == before, "nothing in the folder has changed");
    for number in 20..60 {
        store.commit(batch(number)).expect("the writer goes on");
    }
    // Tables and logs that are looked at are replaced.
    store.flush().expect("flushed");
    store.reclaim(Space(0), &[], &[0xff; 16]).expect("merged");
    assert_eq!(batches(&beside), 20, "it sees the same moment still");
    assert!(matches!(beside.commit(batch(99)), Err(StoreError::Refused { .. })));
    let again = RocksStore::open_beside(folder.path(), &SPACES, RocksOptions::default()).expect("it opens");
    assert_eq!(batches(&again), 60);
    drop((beside, again));
    assert!(!own.exists(), "it left its folder behind");
    assert_eq!(batches(&store), 60);
    let absent = RocksStore::open_beside(&folder.path().join("absent"), &SPACES, RocksOptions::default());
    assert!(matches!(absent, Err(StoreError::Io { .. })), "{absent:?}");
}

#[test]
fn a_scratch_store_loses_nothing_to_a_kill() {
    let folder = temporary();
    let store = RocksStore::open_scratch(folder.path(), &SPACES, RocksOptions::default()).expect("the store opens");
    for number in 0..30 {
        store.commit(batch(number)).expect("committed");
    }
    let copied = copy(folder.path());
    std::mem::forget(store);
    assert_eq!(batches(&open(copied.path())), 30);
}

#[test]
fn clones_share_the_store_and_the_last_one_closes_it() {
    let folder = temporary();
    let store = open(folder.path());
    let other = store.clone();
    drop(store);
    other.commit(batch(0)).expect("still open");
    let second = RocksStore::open(folder.path(), &SPACES, RocksOptions::default());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    drop(other);
    assert_eq!(batches(&open(folder.path())), 1);
}

#[test]
fn the_lock_of_the_engine_is_told_apart_as_well() {
    let folder = temporary();
    drop(open(folder.path()));
    let engine = DB::list_cf(&rocksdb::Options::default(), folder.path()).expect("the names are listed");
    let engine = DB::open_cf(&rocksdb::Options::default(), folder.path(), engine).expect("the engine alone opens it");
    let second = RocksStore::open(folder.path(), &SPACES, RocksOptions::default());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    drop(engine);
}

#[test]
fn a_store_with_other_keyspaces_is_refused_and_left_as_it_is() {
    let folder = temporary();
    open(folder.path()).commit(batch(0)).expect("committed");
    let other = SpaceOptions { name: "others", ..SPACES[0] };
    let table: [(&[SpaceOptions], &[&str], &[&str]); 4] = [
        (&SPACES[..2], &["bodies"], &[]),
        (&[SPACES[0], SPACES[1], SPACES[2], other], &[], &["others"]),
        (&[SPACES[0], SPACES[1], other], &["bodies"], &["others"]),
        (&[], &["bodies", "points", "ranges"], &[]),
    ];
    for (spaces, unknown_names, missing_names) in table {
        match RocksStore::open(folder.path(), spaces, RocksOptions::default()) {
            Err(StoreError::WrongSchema { unknown, missing, .. }) => {
                assert_eq!(
                    (unknown.as_slice(), missing.as_slice()),
                    (&to_owned(unknown_names)[..], &to_owned(missing_names)[..])
                );
            }
            outcome => panic!("{spaces:?}: {outcome:?}"),
        }
    }
    assert_eq!(batches(&open(folder.path())), 1);
}

fn to_owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn keyspaces_are_found_by_name_whatever_their_place() {
    let folder = temporary();
    open(folder.path()).commit(puts(POINTS, &[(b"k", b"v")])).expect("committed");
    let turned = [SPACES[2], SPACES[1], SPACES[0]];
    let store = RocksStore::open(folder.path(), &turned, RocksOptions::default()).expect("the store opens");
    assert_eq!(store.get(Space(2), b"k").expect("read"), Some(b"v".to_vec()));
}

#[test]
fn names_that_cannot_be_told_apart_are_refused() {
    let folder = temporary();
    for name in ["default", "", "points", "a\nb"] {
        let spaces = [SPACES[0], SpaceOptions { name, ..SPACES[1] }];
        let outcome = RocksStore::open(folder.path(), &spaces, RocksOptions::default());
        assert!(matches!(outcome, Err(StoreError::Refused { .. })), "{name:?}: {outcome:?}");
    }
}

#[test]
fn a_creation_that_was_cut_short_is_carried_on() {
    let folder = temporary();
    let path = folder.path().join("deep").join("down");
    drop(RocksStore::open(&path, &SPACES[..1], RocksOptions::default()).expect("the store opens"));
    fs::remove_file(path.join("SPACES")).expect("the file is deleted");
    open(&path).commit(batch(0)).expect("committed");
    assert_eq!(batches(&open(&path)), 1);
}

#[test]
fn a_store_that_lost_its_data_is_not_begun_anew() {
    let folder = temporary();
    open(folder.path()).commit(batch(0)).expect("committed");
    fs::remove_file(folder.path().join("CURRENT")).expect("the file is deleted");
    let outcome = RocksStore::open(folder.path(), &SPACES, RocksOptions::default());
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}

#[test]
fn a_table_that_is_missing_is_refused() {
    let folder = temporary();
    let store = open(folder.path());
    store.commit(batch(0)).expect("committed");
    store.flush().expect("flushed");
    drop(store);
    for file in files(folder.path(), "sst") {
        let copied = copy(folder.path());
        fs::remove_file(copied.path().join(file.file_name().expect("a name"))).expect("the file is deleted");
        let outcome = RocksStore::open(copied.path(), &SPACES, RocksOptions::default());
        assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
    }
}

/// Opens what is in the folder and reads everything: the outcome, and what was found if nothing failed.
fn read_all(folder: &Path) -> Result<Vec<Entry>, StoreError> {
    let store = RocksStore::open(folder, &SPACES, RocksOptions::default())?;
    let scan = Scan { from: b"", to: None, order: Order::Ascending, limit: SCAN_ENTRIES_MAX };
    let mut found = Vec::new();
    for space in [POINTS, RANGES, BODIES] {
        found.extend(store.scan(space, scan)?);
    }
    Ok(found)
}

#[test]
fn a_damaged_table_gives_an_error_or_what_was_written_and_never_anything_else() {
    let folder = temporary();
    let store = open(folder.path());
    for number in 0..8 {
        store.commit(batch(number)).expect("committed");
    }
    store.flush().expect("flushed");
    drop(store);
    let whole = read_all(folder.path()).expect("nothing is damaged yet");
    for file in files(folder.path(), "sst").into_iter().chain(files(folder.path(), "blob")) {
        let length = fs::metadata(&file).expect("the file is there").len() as usize;
        let mut refused = 0;
        for offset in (0..length).step_by((length / 24).max(1)) {
            let copied = copy(folder.path());
            flip(&copied.path().join(file.file_name().expect("a name")), offset);
            match read_all(copied.path()) {
                Ok(found) => assert_eq!(found, whole, "byte {offset} of {file:?}"),
                Err(StoreError::Corrupt { .. }) => refused += 1,
                Err(other) => panic!("byte {offset} of {file:?}: {other:?}"),
            }
        }
        assert!(refused >= 8, "most bytes matter, and {refused} were missed in {file:?}");
    }
}

#[test]
fn a_value_that_is_damaged_on_disk_is_an_error_for_every_kind_of_read() {
    let folder = temporary();
    let store = open(folder.path());
    store.commit(batch(0)).expect("committed");
    store.flush().expect("flushed");
    drop(store);
    let file = files(folder.path(), "blob").pop().expect("large values are kept apart");
    flip(&file, 2000);
    let store = open(folder.path());
    let key = 0_u32.to_be_bytes();
    let scan = Scan { from: b"", to: None, order: Order::Descending, limit: 1 };
    let outcomes = [
        store.get(BODIES, &key).map(drop),
        store.get_many(BODIES, &[key.to_vec()]).map(drop),
        store.scan(BODIES, scan).map(drop),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
    }
    store.commit(batch(1)).expect("a failed read does not poison");
}

#[test]
fn a_torn_end_of_the_write_ahead_log_costs_the_unfinished_commit_only() {
    let folder = temporary();
    let store = open(folder.path());
    let mut lengths = vec![];
    for number in 0..4 {
        store.commit(batch(number)).expect("committed");
        lengths.push(fs::metadata(&files(folder.path(), "log")[0]).expect("the log is there").len());
    }
    let log = files(folder.path(), "log").pop().expect("there is a log");
    for cut in [1, 3, 6, 7, 100, 3000] {
        let copied = copy(folder.path());
        let torn = copied.path().join(log.file_name().expect("a name"));
        let torn = fs::OpenOptions::new().write(true).open(torn).expect("the log opens");
        torn.set_len(lengths[2] + cut).expect("cut");
        assert_eq!(batches(&open(copied.path())), 3, "{cut} bytes of the fourth commit");
        let again = open(copied.path());
        again.commit(batch(3)).expect("the store goes on");
        drop(again);
        assert_eq!(batches(&open(copied.path())), 4, "{cut} bytes of the fourth commit");
    }
}

#[test]
fn sectors_of_the_last_commit_that_a_power_failure_took_cost_that_commit_only() {
    let folder = temporary();
    let store = open(folder.path());
    let mut ends = vec![];
    for number in 0..4 {
        store.commit(batch(number)).expect("committed");
        ends.push(fs::metadata(&files(folder.path(), "log")[0]).expect("the log is there").len() as usize);
    }
    let log = files(folder.path(), "log").pop().expect("there is a log");
    let sectors = ends[2] / 512..ends[3].div_ceil(512);
    assert!(sectors.len() > 2, "a commit of the test has several sectors");
    for lost in sectors {
        let copied = copy(folder.path());
        let torn = copied.path().join(log.file_name().expect("a name"));
        let mut bytes = fs::read(&torn).expect("the log opens");
        bytes[ends[2].max(lost * 512)..ends[3].min((lost + 1) * 512)].fill(0);
        fs::write(&torn, bytes).expect("torn");
        assert_eq!(batches(&open(copied.path())), 3, "without sector {lost}");
        let again = open(copied.path());
        again.commit(batch(3)).expect("the store goes on");
        drop(again);
        assert_eq!(batches(&open(copied.path())), 4, "without sector {lost}");
    }
}

#[test]
fn damage_in_the_middle_of_the_write_ahead_log_is_refused() {
    let folder = temporary();
    let store = open(folder.path());
    let mut ends = vec![0];
    for number in 0..16 {
        store.commit(batch(number)).expect("committed");
        ends.push(fs::metadata(&files(folder.path(), "log")[0]).expect("the log is there").len() as usize);
    }
    let log = files(folder.path(), "log").pop().expect("there is a log");
    // Behind the header of each record, up to the last record: a length that is damaged close to the end is the case
    // that cannot be told from an unfinished record.
    for (record, ends) in ends.windows(2).enumerate() {
        for offset in [ends[0] + 20, ends[0] + 1000, ends[1] - 1] {
            let copied = copy(folder.path());
            flip(&copied.path().join(log.file_name().expect("a name")), offset);
            let outcome = RocksStore::open(copied.path(), &SPACES, RocksOptions::default());
            assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "record {record}, byte {offset}: {outcome:?}");
        }
    }
}

#[test]
fn no_damage_to_the_write_ahead_log_shows_other_data_or_half_a_batch() {
    let folder = temporary();
    let store = open(folder.path());
    for number in 0..10 {
        store.commit(batch(number)).expect("committed");
    }
    let log = files(folder.path(), "log").pop().expect("there is a log");
    let length = fs::metadata(&log).expect("the log is there").len() as usize;
    for offset in (0..40).chain((40..length).step_by(617)) {
        let copied = copy(folder.path());
        flip(&copied.path().join(log.file_name().expect("a name")), offset);
        match RocksStore::open(copied.path(), &SPACES, RocksOptions::default()) {
            Ok(store) => assert!(batches(&store) < 10, "byte {offset} was not looked at"),
            Err(StoreError::Corrupt { .. }) => {}
            Err(other) => panic!("byte {offset}: {other:?}"),
        }
    }
}

#[test]
fn a_record_of_files_that_was_being_written_when_the_power_failed_is_cut_off() {
    let folder = killed(10, 20);
    let current = fs::read_to_string(folder.path().join("CURRENT")).expect("it is there");
    let record = folder.path().join(current.trim_end());
    let whole = fs::read(&record).expect("it is there");
    // Its length is there, its first sectors are, and nothing of the rest.
    let mut torn = whole.clone();
    torn.extend([1, 2, 3, 4, 0xdc, 5, 1]);
    torn.resize(whole.len() + 7 + 0x5dc, 0);
    fs::write(&record, torn).expect("it can be written");
    assert!(RocksStore::ends_torn(folder.path()).expect("it can be read"));
    assert_eq!(batches(&open(folder.path())), 20);
    assert!(!RocksStore::ends_torn(folder.path()).expect("it can be read"));
}

/// A store with so many batches, of which the first ones are in tables, as a kill would leave it.
fn killed(in_tables: u32, count: u32) -> TempDir {
    let folder = temporary();
    let store = open(folder.path());
    for number in 0..count {
        if number == in_tables {
            store.flush().expect("flushed");
        }
        store.commit(batch(number)).expect("committed");
    }
    copy(folder.path())
}

/// Puts the write-ahead log of one store in the place of another's.
fn swap_logs(from: &Path, to: &Path) {
    let newest = |folder: &Path| files(folder, "log").pop().expect("there is one");
    fs::copy(newest(from), newest(to)).expect("the file is copied");
}

#[test]
fn a_write_ahead_log_that_does_not_go_on_where_the_tables_end_is_refused() {
    for (log, what) in [(killed(15, 20), "it begins later"), (killed(99, 5), "it ends earlier")] {
        let folder = killed(10, 20);
        swap_logs(log.path(), folder.path());
        for outcome in [
            RocksStore::open_read_only(folder.path(), &SPACES, RocksOptions::default()),
            RocksStore::open(folder.path(), &SPACES, RocksOptions::default()),
        ] {
            assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{what}: {outcome:?}");
        }
    }
}

#[test]
fn a_write_ahead_log_that_reaches_the_end_of_the_tables_or_beyond_shows_nothing_that_was_not() {
    for (log, count) in [(killed(10, 13), 13), (killed(99, 10), 10), (killed(8, 15), 15)] {
        let folder = killed(10, 20);
        swap_logs(log.path(), folder.path());
        assert_eq!(batches(&open(folder.path())), count);
    }
}

#[test]
fn every_life_that_ends_between_flushes_leaves_a_log_that_goes_on_where_the_tables_end() {
    let folder = temporary();
    let mut count = 0;
    for life in 0..24 {
        let store = open(folder.path());
        assert_eq!(batches(&store), count as usize, "in life {life}");
        for step in 0..=life % 5 {
            store.commit(batch(count)).expect("committed");
            count += 1;
            match (life + step) % 4 {
                0 => store.flush().expect("flushed"),
                // What is removed counts as well, at the end of a flush too.
                1 => {
                    let mut removed = WriteBatch::default();
                    removed.delete(POINTS, b"never there");
                    removed.delete_range(RANGES, b"y", b"z");
                    store.commit(removed).expect("committed");
                    store.flush().expect("flushed");
                }
                2 => store.commit(WriteBatch::default()).expect("committed"),
                _ => {}
            }
        }
    }
}

#[test]
fn reading_all_counts_everything_and_finds_damage_in_any_table_or_file_of_large_values() {
    let folder = killed(20, 30);
    let read = |folder: &Path| {
        let store = RocksStore::open_read_only(folder, &SPACES, RocksOptions::default())?;
        store.read_all(|_, _, _| ())
    };
    assert_eq!(read(folder.path()).expect("it is whole").entries, 90);
    for file in [files(folder.path(), "sst"), files(folder.path(), "blob")].concat() {
        let copied = copy(folder.path());
        // Of both kinds the data come first.
        flip(&copied.path().join(file.file_name().expect("a name")), 40);
        let outcome = read(copied.path());
        assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{}: {outcome:?}", file.display());
    }
}

#[test]
fn a_record_of_files_that_lost_keyspaces_is_damage_and_no_other_version() {
    let folder = temporary();
    drop(open(folder.path()));
    let mut named = fs::read_to_string(folder.path().join("SPACES")).expect("it is there");
    named.push_str("qoints\n");
    fs::write(folder.path().join("SPACES"), named).expect("it can be written");
    let outcome = RocksStore::open(folder.path(), &SPACES, RocksOptions::default());
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}

#[test]
fn a_commit_that_fails_poisons_the_store_and_its_clones() {
    let folder = temporary();
    let store = open(folder.path());
    store.commit(batch(0)).expect("committed");
    // The next flush needs a new file, for which there is no folder any more.
    fs::remove_dir_all(folder.path()).expect("the folder is deleted");
    let failed = store.flush().expect_err("there is nowhere to write to");
    assert!(matches!(failed, StoreError::Io { .. }), "{failed:?}");
    let clone = store.clone();
    assert!(matches!(clone.commit(batch(1)), Err(StoreError::Poisoned)));
    assert!(matches!(clone.flush(), Err(StoreError::Poisoned)));
    assert_eq!(batches(&store), 1, "reads go on");
}

#[test]
fn a_failure_in_the_background_surfaces_with_the_next_commit() {
    let folder = temporary();
    let store = open(folder.path());
    // Four tables over the same keys are what a compaction begins with; it reads the damaged ones.
    let mut flushed = Ok(());
    for round in 0..4 {
        store.commit(batch(0)).expect("committed");
        store.commit(batch(1)).expect("committed");
        flushed = store.flush();
        if round == 0 {
            files(folder.path(), "sst").iter().for_each(|file| flip(file, 10));
        }
    }
    let _ = store.shared.db.wait_for_compact(&rocksdb::WaitForCompactOptions::default());
    let counted = store.shared.refuse_after_background_error();
    assert!(matches!(counted, Err(StoreError::Corrupt { .. })), "{counted:?}");
    // The compaction may be through before the flush that caused it has returned.
    let failed = flushed.and_then(|()| store.commit(batch(4))).expect_err("the background has failed");
    assert!(matches!(failed, StoreError::Corrupt { .. }), "{failed:?}");
    assert!(matches!(store.commit(batch(4)), Err(StoreError::Poisoned)));
}

#[test]
fn usage_counts_what_lies_where() {
    let folder = temporary();
    let store = open(folder.path());
    let empty = store.usage().expect("measured");
    assert_eq!((empty.sst_bytes, empty.blob_bytes), (0, 0));
    for number in 0..20 {
        store.commit(batch(number)).expect("committed");
    }
    let buffered = store.usage().expect("measured");
    assert_eq!((buffered.sst_bytes, buffered.blob_bytes), (0, 0));
    assert!(buffered.wal_bytes > 20 * 4096 && buffered.write_buffer_bytes > 20 * 4096, "{buffered:?}");
    store.flush().expect("flushed");
    let flushed = store.usage().expect("measured");
    assert!(flushed.blob_bytes > 20 * 4096, "{flushed:?}");
    assert!(flushed.sst_bytes > 0 && flushed.sst_bytes < 20 * 4096, "{flushed:?}");
    assert!(flushed.wal_bytes < 4096 && flushed.cache_bytes > 0, "{flushed:?}");
}

#[test]
fn buffers_and_the_write_ahead_log_stay_within_their_bounds() {
    let folder = temporary();
    let options = RocksOptions { cache_bytes: 4 << 20, write_buffer_bytes: 2 << 20, open_files_max: 64 };
    let store = RocksStore::open(folder.path(), &SPACES, options).expect("the store opens");
    let mut most = StoreUsage::default();
    for number in 0..2500 {
        store.commit(batch(number)).expect("committed");
        let usage = store.usage().expect("measured");
        most.write_buffer_bytes = most.write_buffer_bytes.max(usage.write_buffer_bytes);
        most.wal_bytes = most.wal_bytes.max(usage.wal_bytes);
    }
    assert!(most.write_buffer_bytes < 8 << 20 && most.wal_bytes < 12 << 20, "{most:?}");
    assert_eq!(batches(&store), 2500);
    let cache_bytes = store.usage().expect("measured").cache_bytes;
    assert!(cache_bytes < 8 << 20, "{cache_bytes}");
}
