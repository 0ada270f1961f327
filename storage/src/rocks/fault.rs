//! What the engine reports, as the errors of this room.
//!
//! The engine hands its errors over as text: a kind, a colon, and the rest. Only what decides about the remedy is read
//! from it; the text itself always goes along.

use std::io;
use std::path::Path;

use rocksdb::ErrorKind;

use crate::StoreError;

/// What the engine writes when the disk is full, by itself and as the text of the operating system.
const NO_SPACE: [&str; 3] = ["No space left on device", "Disk quota exceeded", "Space limit reached"];
/// What it writes when another process or another handle of this process holds its lock.
const LOCKED: [&str; 2] = ["While lock file", "lock hold by current process"];

/// Names the operation and the folder of an error of the engine, for `map_err`.
pub(super) fn engine<'a>(operation: &'static str, folder: &'a Path) -> impl Fn(rocksdb::Error) -> StoreError + use<'a> {
    move |error| classify(operation, folder, &error.kind(), error.into_string())
}

fn classify(operation: &'static str, folder: &Path, kind: &ErrorKind, reason: String) -> StoreError {
    let folder = folder.to_path_buf();
    let says = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    match kind {
        // A full disk is looked for first: it also shows as the reason within a report of another kind.
        _ if says(&NO_SPACE) => {
            let source = io::Error::new(io::ErrorKind::StorageFull, reason);
            StoreError::NoSpace { operation, path: folder, source }
        }
        ErrorKind::IOError if says(&LOCKED) => StoreError::InUse { folder },
        ErrorKind::IOError => StoreError::Io { operation, path: folder, source: io::Error::other(reason) },
        ErrorKind::Corruption => StoreError::Corrupt { folder, reason },
        _ => StoreError::Refused { operation, folder, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_leads_to_the_right_remedy() {
        let say = |kind: ErrorKind, reason: &str| classify("write to", Path::new("db"), &kind, reason.to_owned());
        let full = "IO error: No space left on device: While appending to file: db/7.log: No space left on device";
        assert!(matches!(say(ErrorKind::IOError, full), StoreError::NoSpace { operation: "write to", .. }));
        let wrapped = "Corruption: while flushing: No space left on device";
        assert!(matches!(say(ErrorKind::Corruption, wrapped), StoreError::NoSpace { .. }));
        let locked = "IO error: While lock file: db/LOCK: Resource temporarily unavailable";
        assert!(matches!(say(ErrorKind::IOError, locked), StoreError::InUse { .. }));
        let broken = "IO error: While fdatasync: db/7.log: Input/output error";
        match say(ErrorKind::IOError, broken) {
            StoreError::Io { operation: "write to", path, source } => {
                assert_eq!((path.as_path(), source.to_string().as_str()), (Path::new("db"), broken));
            }
            other => panic!("{other:?}"),
        }
        let damaged = "Corruption: block checksum mismatch in db/9.sst";
        assert!(matches!(say(ErrorKind::Corruption, damaged), StoreError::Corrupt { reason, .. } if reason == damaged));
        assert!(matches!(say(ErrorKind::InvalidArgument, "Invalid argument: x"), StoreError::Refused { .. }));
    }
}
