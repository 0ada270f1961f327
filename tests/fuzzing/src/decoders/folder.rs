//! The folder of a log after something changed bytes in it: what is read back is the beginning of what was written.
//!
//! The script writes a log, then damages its files. A damaged log is refused, or has lost records from its end; no
//! record is ever another than the one that was appended, and opening it twice gives the same.

use std::fs;
use std::path::{Path, PathBuf};

use althing_storage::{AppendLog as _, LogError, Options, SegmentedLog};

use crate::script::Script;

/// Whose log it is.
const IDENTITY: [u8; 32] = [7; 32];
/// A new segment begins after so many bytes, so that short logs have several.
const SEGMENT_BYTES: u64 = 512;
/// The largest log of a script.
const TOTAL_BYTES: u64 = 64 * 1024;
/// Steps of a script at most.
const STEPS_MAX: usize = 64;

/// Writes a log, damages it, and opens it twice.
pub(crate) fn log_folder(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut script = Script::new(bytes);
    let written = write(folder.path(), &mut script);
    let damaged = damage(folder.path(), &mut script);
    let opened = open(folder.path()).map(|(_, records)| records);
    match &opened {
        Ok(records) => {
            assert!(written.all.starts_with(records), "a record was read that was never written");
            assert!(damaged || records.len() >= written.synced, "synced records are gone though nothing was damaged");
        }
        Err(error) => assert!(damaged, "a whole log is refused: {error}"),
    }
    let again = open(folder.path()).map(|(_, records)| records);
    assert_eq!(again.is_ok(), opened.is_ok(), "opening a log decides whether it can be opened");
    if let (Ok(first), Ok(second)) = (opened, again) {
        assert_eq!(first, second, "a log is read as another the second time");
    }
}

fn open(folder: &Path) -> Result<(SegmentedLog, Vec<Vec<u8>>), LogError> {
    SegmentedLog::open(folder, &IDENTITY, Options { segment_bytes: SEGMENT_BYTES, total_bytes: TOTAL_BYTES })
}

/// What a log was given.
struct Written {
    all: Vec<Vec<u8>>,
    synced: usize,
}

fn write(folder: &Path, script: &mut Script<'_>) -> Written {
    let (mut log, _) = open(folder).expect("a new log can be made");
    let mut written = Written { all: Vec::new(), synced: 0 };
    for _ in 0..STEPS_MAX {
        match script.byte() % 8 {
            0 => break,
            1 | 2 => {
                log.sync().expect("a folder of ours can be written");
                written.synced = written.all.len();
            }
            3 => {
                let base = written.all.split_off(written.all.len() / 2);
                match log.replace(&base) {
                    Ok(_) => written = Written { synced: base.len(), all: base },
                    Err(error) => panic!("a folder of ours cannot be written: {error}"),
                }
            }
            _ => {
                let length = script.byte();
                let record = script.take(usize::from(length)).to_vec();
                match log.append(&record) {
                    Ok(_) => written.all.push(record),
                    Err(LogError::Full { .. }) => break,
                    Err(error) => panic!("a folder of ours cannot be written: {error}"),
                }
            }
        }
    }
    written
}

/// Changes files; whether it did.
fn damage(folder: &Path, script: &mut Script<'_>) -> bool {
    let mut damaged = false;
    for _ in 0..STEPS_MAX {
        let files = segments(folder);
        if script.is_over() || files.is_empty() {
            break;
        }
        let path = script.pick(&files);
        let mut bytes = fs::read(path).expect("a file of ours can be read");
        let (place, kind) = (usize::from(script.short()), script.byte());
        spoil(&mut bytes, place, kind, script);
        damaged = true;
        match kind % 8 {
            7 => fs::remove_file(path).expect("a file of ours can be deleted"),
            _ => fs::write(path, bytes).expect("a file of ours can be written"),
        }
    }
    damaged
}

fn spoil(bytes: &mut Vec<u8>, place: usize, kind: u8, script: &mut Script<'_>) {
    let place = place.min(bytes.len());
    match kind % 8 {
        0 => bytes.truncate(place),
        1 => bytes.resize(bytes.len() + usize::from(script.byte()), 0),
        2 => bytes[place..].iter_mut().take(16).for_each(|byte| *byte = 0),
        3 => {
            let tail = bytes.split_off(place);
            bytes.extend_from_slice(script.take(8));
            bytes.extend_from_slice(&tail);
        }
        4 => {
            let middle = bytes.len() / 2;
            let half = bytes[..middle].to_vec();
            bytes[place..].iter_mut().zip(&half).for_each(|(byte, other)| *byte = *other);
        }
        _ => {
            let mask = script.byte() | 1;
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= mask;
            }
        }
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of ours can be listed");
    let paths = entries.map(|entry| entry.expect("a folder of ours can be listed").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    files.sort();
    files
}

/// Logs that are whole, torn and damaged, as inputs.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let record = |length: u8| [vec![4, length], vec![0x5a; usize::from(length)]].concat();
    let log = [record(3), vec![1], record(40), record(0), vec![1], record(200), vec![2], record(90), vec![1]].concat();
    let long: Vec<u8> = (0..12).flat_map(|_| [record(120), vec![1]].concat()).collect();
    let damages: [&[u8]; 6] =
        [&[], &[0, 150, 0, 0], &[0, 160, 0, 5, 9], &[1, 4, 0, 2], &[0, 80, 0, 7], &[1, 200, 0, 4]];
    let with = |log: &[u8], damage: &[u8]| [log, &[0], damage].concat();
    let torn = [log.clone(), record(10), vec![0]].concat();
    let compacted = [log.clone(), vec![3], record(5), vec![1, 0]].concat();
    damages.iter().flat_map(|damage| [with(&log, damage), with(&long, damage)]).chain([torn, compacted]).collect()
}
