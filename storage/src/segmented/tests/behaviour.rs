//! Limits, refusals, locks and poison.

use std::fs::{File, OpenOptions};

use super::super::frame::{HEADER_BYTES, VERSION};
use super::*;
use crate::RECORD_BYTES_MAX;

#[test]
fn nothing_is_durable_before_a_sync() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    assert_eq!(log.durable(), Lsn::ZERO);
    assert_eq!(log.append(b"a").expect("appended"), Lsn::new(1));
    assert_eq!(log.durable(), Lsn::ZERO);
    assert_eq!(log.sync().expect("synced"), Lsn::new(1));
    assert_eq!(log.append(b"b").expect("appended"), Lsn::new(2));
    assert_eq!(log.durable(), Lsn::new(1));
    drop(log);
    let (log, found) = open(folder.path(), 1 << 13);
    assert_eq!((log.durable(), found), (Lsn::new(1), vec![b"a".to_vec()]));
}

#[test]
fn a_log_is_read_without_a_change_also_where_its_end_is_torn() {
    let folder = TempDir::new().expect("a temporary folder");
    let read = || SegmentedLog::read(folder.path(), &IDENTITY);
    assert!(matches!(read(), Ok(None)), "an empty folder");
    let missing = folder.path().join("missing");
    assert!(matches!(SegmentedLog::read(&missing, &IDENTITY), Ok(None)) && !missing.exists());
    let (mut log, _) = open(folder.path(), 1 << 13);
    append_all(&mut log, &records(0, 5));
    log.sync().expect("synced");
    assert!(matches!(read(), Err(LogError::InUse { .. })));
    drop(log);
    let (name, mut bytes) = image(folder.path()).pop_last().expect("a segment");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("it holds something");
    bytes[used - 1] ^= 1;
    std::fs::write(folder.path().join(name), bytes).expect("the file is written");
    let before = image(folder.path());
    assert_eq!(read().expect("the last mark is torn"), Some(records(0, 5)));
    assert_eq!(image(folder.path()), before);
    assert!(matches!(SegmentedLog::read(folder.path(), &[8; 32]), Err(LogError::WrongIdentity { .. })));
}

#[test]
fn a_sync_without_records_writes_nothing() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    log.append(b"a").expect("appended");
    log.sync().expect("synced");
    let before = (log.bytes(), image(folder.path()));
    assert_eq!(log.sync().expect("synced"), Lsn::new(1));
    assert_eq!((log.bytes(), image(folder.path())), before);
}

#[test]
fn empty_records_and_those_of_the_largest_size_survive() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    let largest = vec![0; RECORD_BYTES_MAX];
    let all = vec![Vec::new(), largest.clone(), Vec::new(), Vec::new()];
    append_all(&mut log, &all);
    log.sync().expect("synced");
    drop(log);
    assert_eq!(open(folder.path(), 1 << 13).1, all);

    let (mut log, _) = open(folder.path(), 1 << 13);
    let too_large = vec![0; RECORD_BYTES_MAX + 1];
    let error = log.append(&too_large).expect_err("too large");
    assert!(matches!(error, LogError::RecordTooLarge { .. }) && !error.is_fatal());
    assert!(matches!(log.replace(&[too_large]), Err(LogError::RecordTooLarge { .. })));
    log.append(&largest).expect("the log is not poisoned");
}

#[test]
fn a_full_log_refuses_before_it_writes_and_can_be_compacted() {
    let folder = TempDir::new().expect("a temporary folder");
    let options = Options { segment_bytes: 300, total_bytes: 2000 };
    let (mut log, _) = SegmentedLog::open(folder.path(), &IDENTITY, options.clone()).expect("the log opens");
    let mut held = Vec::new();
    let error = loop {
        match log.append(&[3; 50]) {
            Ok(_) => held.push(vec![3; 50]),
            Err(error) => break error,
        }
        log.sync().expect("what was accepted can be synced");
        assert!(log.bytes() <= options.total_bytes);
    };
    assert!(matches!(error, LogError::Full { bytes_max: 2000, .. }) && !error.is_fatal());
    assert!(held.len() > 10, "the limit must leave room for records");
    assert_eq!(open_image(&image(folder.path())).expect("the log opens"), held);
    assert!(matches!(log.replace(&[vec![0; 1999]]), Err(LogError::Full { .. })));
    log.replace(&[vec![1; 10]]).expect("a smaller base is accepted");
    log.append(&[3; 50]).expect("there is room again");
    log.sync().expect("synced");
    assert_eq!(open_image(&image(folder.path())).expect("the log opens"), [vec![1; 10], vec![3; 50]]);
}

#[test]
fn a_log_never_exceeds_its_limit_whatever_the_limit() {
    for total_bytes in 400..800 {
        let folder = TempDir::new().expect("a temporary folder");
        let options = Options { segment_bytes: 200, total_bytes };
        let (mut log, _) = SegmentedLog::open(folder.path(), &IDENTITY, options).expect("the log opens");
        while log.append(&[3; 50]).is_ok() {
            log.sync().expect("synced");
            assert!(log.bytes() <= total_bytes, "{} bytes, limit {total_bytes}", log.bytes());
        }
        assert!(log.durable() > Lsn::ZERO);
    }
}

#[test]
fn bytes_count_what_is_on_disk_and_what_waits() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 300);
    for batch in records(1, 40).chunks(3) {
        let before = log.bytes();
        append_all(&mut log, batch);
        assert!(log.bytes() > before);
        log.sync().expect("synced");
    }
    let bytes = log.bytes();
    drop(log);
    assert_eq!(open(folder.path(), 300).0.bytes(), bytes);
}

#[test]
fn a_log_that_is_never_synced_commits_before_its_buffer_grows_too_large() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    for _ in 0..5 {
        log.append(&vec![1; RECORD_BYTES_MAX]).expect("appended");
        assert!(log.pending.len() <= PENDING_BYTES_MAX + RECORD_BYTES_MAX);
    }
    assert_eq!(log.durable(), Lsn::new(4));
}

#[test]
fn a_second_opening_is_refused_while_the_first_lives() {
    let folder = TempDir::new().expect("a temporary folder");
    let first = open(folder.path(), 1 << 13);
    match SegmentedLog::open(folder.path(), &IDENTITY, options(1 << 13)) {
        Err(LogError::InUse { folder: named }) => assert_eq!(named, folder.path()),
        other => panic!("the folder is in use, not {other:?}"),
    }
    drop(first);
    open(folder.path(), 1 << 13);
}

#[test]
fn a_log_of_another_identity_is_refused_and_left_alone() {
    let folder = TempDir::new().expect("a temporary folder");
    drop(open(folder.path(), 1 << 13));
    let temporary = folder.path().join(segment_name(2).replace(".log", ".tmp"));
    fs::write(&temporary, b"rest").expect("written");
    let outcome = SegmentedLog::open(folder.path(), &[8; 32], options(1 << 13));
    assert!(matches!(outcome, Err(LogError::WrongIdentity { .. })), "{outcome:?}");
    assert!(temporary.exists(), "nothing may be deleted in a folder that is not ours");
}

#[test]
fn a_log_of_another_version_is_told_from_a_damaged_one() {
    let folder = TempDir::new().expect("a temporary folder");
    drop(open(folder.path(), 1 << 13));
    let mut newer = image(folder.path());
    let bytes = newer.get_mut(&segment_name(1)).expect("the segment");
    bytes[8] = 2;
    assert_corrupt(open_image(&newer), "a version that the checksum does not cover");
    let bytes = newer.get_mut(&segment_name(1)).expect("the segment");
    let crc = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
    bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    match open_image(&newer) {
        Err(LogError::Version { found: 2, known: VERSION, .. }) => {}
        other => panic!("the version is unknown, not {other:?}"),
    }
}

#[test]
fn folders_are_created_and_foreign_files_are_left_alone() {
    let parent = TempDir::new().expect("a temporary folder");
    let folder = parent.path().join("data").join("votes");
    drop(open(&folder, 1 << 13));
    for name in ["notes.txt", "segment-1.log", "segment-0000000000000000000x.log", "segment-2.tmp"] {
        fs::write(folder.join(name), b"not ours").expect("written");
    }
    let (_, found) = open(&folder, 1 << 13);
    assert!(found.is_empty());
    assert!(folder.join("segment-2.tmp").exists());
}

#[track_caller]
fn assert_poisoned(log: &mut SegmentedLog) {
    assert!(matches!(log.append(b"x"), Err(LogError::Poisoned)));
    assert!(matches!(log.sync(), Err(LogError::Poisoned)));
    assert!(matches!(log.replace(&[]), Err(LogError::Poisoned)));
}

#[test]
fn a_failed_write_poisons_the_log_even_when_the_disk_recovers() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    log.append(b"a").expect("appended");
    log.sync().expect("synced");
    log.append(b"b").expect("appended");
    let full = OpenOptions::new().write(true).open("/dev/full").expect("the device without space");
    let good = std::mem::replace(&mut log.segment.file, full);
    let error = log.sync().expect_err("there is no space");
    assert!(matches!(error, LogError::Io { operation: "write to", .. }) && error.is_fatal(), "{error:?}");
    log.segment.file = good;
    assert_poisoned(&mut log);
    assert_eq!(log.durable(), Lsn::new(1));
    drop(log);
    assert_eq!(open(folder.path(), 1 << 13).1, [b"a".to_vec()]);
}

#[test]
fn a_failed_sync_poisons_the_log() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    log.append(b"a").expect("appended");
    // A pipe-like device takes the bytes and cannot be synced.
    log.segment.file = OpenOptions::new().write(true).open("/dev/null").expect("the null device");
    let error = log.sync().expect_err("the device cannot be synced");
    assert!(matches!(error, LogError::Io { operation: "sync", .. }), "{error:?}");
    assert_poisoned(&mut log);
    assert_eq!(log.durable(), Lsn::ZERO);
}

#[test]
fn a_failed_change_of_segments_poisons_the_log_and_keeps_what_was_durable() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 200);
    let obstacle = log.folder.temporary_path(2);
    fs::create_dir(&obstacle).expect("an obstacle");
    log.append(&[1; 100]).expect("appended");
    let error = log.sync().expect_err("the next segment cannot be created");
    assert!(matches!(error, LogError::Io { operation: "create", .. }), "{error:?}");
    assert_poisoned(&mut log);
    drop(log);
    fs::remove_dir(&obstacle).expect("the obstacle goes");
    assert_eq!(open(folder.path(), 200).1, [vec![1; 100]]);
}

#[test]
fn a_failed_compaction_poisons_the_log() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    log.append(b"a").expect("appended");
    log.sync().expect("synced");
    let obstacle = log.folder.temporary_path(2);
    fs::create_dir(&obstacle).expect("an obstacle");
    assert!(matches!(log.replace(&[b"b".to_vec()]), Err(LogError::Io { .. })));
    assert_poisoned(&mut log);
    drop(log);
    fs::remove_dir(&obstacle).expect("the obstacle goes");
    assert_eq!(open(folder.path(), 1 << 13).1, [b"a".to_vec()]);
}

#[test]
fn an_old_segment_that_cannot_be_deleted_poisons_the_log_and_the_new_log_counts() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut log, _) = open(folder.path(), 1 << 13);
    let old = log.segment.path.clone();
    fs::remove_file(&old).expect("removed");
    fs::create_dir(&old).expect("an obstacle");
    assert!(matches!(log.replace(&[b"b".to_vec()]), Err(LogError::Io { operation: "delete", .. })));
    assert_poisoned(&mut log);
    drop(log);
    fs::remove_dir(&old).expect("the obstacle goes");
    assert_eq!(open(folder.path(), 1 << 13).1, [b"b".to_vec()]);
}

#[test]
fn the_space_of_a_segment_is_reserved_in_advance() {
    let folder = TempDir::new().expect("a temporary folder");
    let (log, _) = open(folder.path(), 1 << 16);
    let length = File::open(&log.segment.path).and_then(|file| file.metadata()).expect("the file is there").len();
    // A file system without reservation is allowed to hold the header alone.
    assert!(length == 1 << 16 || length == HEADER_BYTES as u64, "{length}");
}
