//! The folder of a log: its lock, the names in it, and the syncs that make names durable.
//!
//! Guarantees that one handle at a time works in the folder, for as long as it lives. Creating, renaming and deleting
//! are durable after [`Folder::sync`] and not before. Files with other names are left alone.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::LogError;

const LOCK_NAME: &str = "LOCK";
const SEGMENT_PREFIX: &str = "segment-";
const SEGMENT_SUFFIX: &str = ".log";
const TEMPORARY_SUFFIX: &str = ".tmp";
/// As many digits as the largest number has, so that names sort like numbers.
const INDEX_DIGITS: usize = 20;

/// A locked folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: File,
    /// Held for its lock, which the kernel releases when the file is closed.
    _lock: File,
}

/// What a folder contains.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The indices of the segments, ascending.
    pub(super) segments: Vec<u64>,
    /// Segments that were never put in place, left over from a crash.
    pub(super) temporary: Vec<PathBuf>,
}

impl Folder {
    /// Creates the folder if need be, and takes its lock.
    pub(super) fn lock(path: &Path) -> Result<Self, LogError> {
        create(path)?;
        let lock_path = path.join(LOCK_NAME);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(LogError::io("open", &lock_path))?;
        match retry_on_intr(|| flock(&lock, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LogError::InUse { folder: path.to_path_buf() }),
            Err(error) => return Err(LogError::io("lock", &lock_path)(error)),
        }
        let handle = File::open(path).map_err(LogError::io("open", path))?;
        Ok(Self { path: path.to_path_buf(), handle, _lock: lock })
    }

    /// A folder that is there, for reading: nothing is created. None if it is not there.
    pub(super) fn look(path: &Path) -> Result<Option<Self>, LogError> {
        let handle = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            handle => handle.map_err(LogError::io("open", path))?,
        };
        let lock_path = path.join(LOCK_NAME);
        let lock = match File::open(&lock_path) {
            // Nobody works in a folder without it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(path),
            lock => lock,
        };
        let lock = lock.map_err(LogError::io("open", &lock_path))?;
        match retry_on_intr(|| flock(&lock, FlockOperation::NonBlockingLockShared)) {
            Ok(()) => Ok(Some(Self { path: path.to_path_buf(), handle, _lock: lock })),
            Err(Errno::WOULDBLOCK) => Err(LogError::InUse { folder: path.to_path_buf() }),
            Err(error) => Err(LogError::io("lock", &lock_path)(error)),
        }
    }

    /// Lists the segments and the leftovers.
    pub(super) fn list(&self) -> Result<Listing, LogError> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.path).map_err(LogError::io("list", &self.path))? {
            let entry = entry.map_err(LogError::io("list", &self.path))?;
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(SEGMENT_PREFIX)) else { continue };
            if let Some(index) = name.strip_suffix(SEGMENT_SUFFIX).and_then(parse_index) {
                listing.segments.push(index);
            } else if name.strip_suffix(TEMPORARY_SUFFIX).and_then(parse_index).is_some() {
                listing.temporary.push(entry.path());
            }
        }
        listing.segments.sort_unstable();
        Ok(listing)
    }

    /// The file of a segment.
    pub(super) fn segment_path(&self, index: u64) -> PathBuf {
        self.path.join(format!("{SEGMENT_PREFIX}{index:0INDEX_DIGITS$}{SEGMENT_SUFFIX}"))
    }

    /// The file of a segment that is not in place yet.
    pub(super) fn temporary_path(&self, index: u64) -> PathBuf {
        self.path.join(format!("{SEGMENT_PREFIX}{index:0INDEX_DIGITS$}{TEMPORARY_SUFFIX}"))
    }

    /// Gives a finished file its name, durably.
    pub(super) fn put_in_place(&self, temporary: &Path, path: &Path) -> Result<(), LogError> {
        fs::rename(temporary, path).map_err(LogError::io("rename", temporary))?;
        self.sync()
    }

    /// Deletes files, durably. One that is not there any more is not missed.
    pub(super) fn remove(&self, paths: &[PathBuf]) -> Result<(), LogError> {
        for path in paths {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LogError::io("delete", path)(error));
                }
                _ => {}
            }
        }
        if paths.is_empty() { Ok(()) } else { self.sync() }
    }

    /// Makes the names in the folder durable.
    pub(super) fn sync(&self) -> Result<(), LogError> {
        self.handle.sync_all().map_err(LogError::io("sync", &self.path))
    }
}

/// Creates the folder and makes its name durable in its parent.
fn create(path: &Path) -> Result<(), LogError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(LogError::io("create", path))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let handle = File::open(parent).map_err(LogError::io("open", parent))?;
    handle.sync_all().map_err(LogError::io("sync", parent))
}

fn parse_index(digits: &str) -> Option<u64> {
    let plain = digits.len() == INDEX_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
