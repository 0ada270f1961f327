//! Tests of the log on disk, on real files in temporary folders.
//!
//! Power loss is simulated by taking the bytes of the files before and after a sync and putting together what a disk
//! may have kept of them. What is not simulated is a disk that reports a sync and does not carry it out.

mod behaviour;
mod compaction;
mod format;
mod model;
mod segments;
mod torn;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

pub(super) const IDENTITY: [u8; 32] = [7; 32];

/// The files of a log with their bytes, without the lock.
type Image = BTreeMap<String, Vec<u8>>;

fn options(segment_bytes: u64) -> Options {
    Options { segment_bytes, total_bytes: 1 << 30 }
}

fn open(folder: &Path, segment_bytes: u64) -> (SegmentedLog, Vec<Vec<u8>>) {
    SegmentedLog::open(folder, &IDENTITY, options(segment_bytes)).expect("the log opens")
}

fn append_all(log: &mut SegmentedLog, records: &[Vec<u8>]) {
    for record in records {
        log.append(record).expect("the record is appended");
    }
}

/// Distinct records of different lengths, the empty one among them.
fn records(from: usize, count: usize) -> Vec<Vec<u8>> {
    (from..from + count).map(|number| vec![(number % 250) as u8 + 1; (number * 7) % 41]).collect()
}

fn image(folder: &Path) -> Image {
    let entries = fs::read_dir(folder).expect("the folder can be listed").map(|entry| entry.expect("an entry"));
    let names = entries.map(|entry| entry.file_name().into_string().expect("a plain name"));
    names
        .filter(|name| name != "LOCK")
        .map(|name| (name.clone(), fs::read(folder.join(name)).expect("a file")))
        .collect()
}

fn restore(image: &Image) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, bytes) in image {
        fs::write(folder.path().join(name), bytes).expect("the file is written");
    }
    folder
}

fn segment_name(index: u64) -> String {
    format!("segment-{index:020}.log")
}

fn open_image(image: &Image) -> Result<Vec<Vec<u8>>, LogError> {
    let folder = restore(image);
    SegmentedLog::open(folder.path(), &IDENTITY, options(1 << 13)).map(|(_, records)| records)
}

/// Opens what a crash has left, checks that it goes on working and keeps what it showed, and returns what it showed.
fn open_and_go_on(image: &Image) -> Vec<Vec<u8>> {
    let folder = restore(image);
    let (mut log, mut found) = open(folder.path(), 1 << 13);
    let shown = found.clone();
    let before = log.durable();
    found.push(b"after the crash".to_vec());
    log.append(b"after the crash").expect("the log accepts records after a crash");
    assert_eq!(log.sync().expect("the log syncs after a crash"), before.next());
    drop(log);
    let (log, again) = open(folder.path(), 1 << 13);
    assert_eq!(again, found, "what was shown once must be shown again");
    assert_eq!(log.durable(), before.next());
    shown
}

#[track_caller]
fn assert_corrupt(outcome: Result<Vec<Vec<u8>>, LogError>, what: &str) {
    match outcome {
        Err(LogError::Corrupt { .. }) => {}
        other => panic!("{what} must be corruption, not {other:?}"),
    }
}
