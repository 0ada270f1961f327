//! The folder of a store: its lock, and the file that says which keyspaces it was made for.
//!
//! Guarantees that one handle at a time works in the folder, from before the first file is read; that the folder's name
//! is durable; and that creating a store is finished or not: the file `SPACES` appears, whole and durable, when all of
//! its keyspaces exist. Without it a creation was cut short and is simply carried on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::StoreError;

const SPACES_NAME: &str = "SPACES";
const SPACES_TEMPORARY: &str = "SPACES.tmp";
/// The file by which the engine finds everything else.
const CURRENT_NAME: &str = "CURRENT";
/// Far more than the names of all keyspaces that can be numbered take.
const SPACES_BYTES_MAX: u64 = 1 << 16;

/// A locked folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held for its lock, which the kernel releases when the folder's handle is closed.
    handle: File,
}

impl Folder {
    /// Creates the folder if need be, durably, and takes its lock.
    ///
    /// The engine has a lock of its own, but takes it after the list of keyspaces has been read.
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        create(path)?;
        let handle = File::open(path).map_err(StoreError::io("open", path))?;
        match retry_on_intr(|| flock(&handle, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => Ok(Self { path: path.to_path_buf(), handle }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { folder: path.to_path_buf() }),
            Err(error) => Err(StoreError::io("lock", path)(error)),
        }
    }

    /// Takes the lock of a folder that is there, beside others that only read. Nothing is created.
    pub(super) fn lock_shared(path: &Path) -> Result<Self, StoreError> {
        let handle = File::open(path).map_err(StoreError::io("open", path))?;
        match retry_on_intr(|| flock(&handle, FlockOperation::NonBlockingLockShared)) {
            Ok(()) => Ok(Self { path: path.to_path_buf(), handle }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { folder: path.to_path_buf() }),
            Err(error) => Err(StoreError::io("lock", path)(error)),
        }
    }

    /// A folder that is there, whoever holds it. Nothing is created.
    pub(super) fn unlocked(path: &Path) -> Result<Self, StoreError> {
        let handle = File::open(path).map_err(StoreError::io("open", path))?;
        Ok(Self { path: path.to_path_buf(), handle })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the engine has data here.
    pub(super) fn has_data(&self) -> Result<bool, StoreError> {
        let path = self.path.join(CURRENT_NAME);
        path.try_exists().map_err(StoreError::io("look for", &path))
    }

    /// The keyspaces that the store was made for, or none if its creation was never finished.
    pub(super) fn spaces(&self) -> Result<Option<Vec<String>>, StoreError> {
        let path = self.path.join(SPACES_NAME);
        let bytes = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("look for", &path)(error)),
        };
        let corrupt = |reason: &str| StoreError::Corrupt { folder: self.path.clone(), reason: reason.to_owned() };
        if bytes > SPACES_BYTES_MAX {
            return Err(corrupt("the file SPACES is longer than any list of keyspaces"));
        }
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        let text = String::from_utf8(bytes).map_err(|_| corrupt("the file SPACES is not text"))?;
        Ok(Some(text.lines().map(str::to_owned).collect()))
    }

    /// Records that all of these keyspaces exist. Durable when it returns.
    pub(super) fn record_spaces(&self, names: &[&str]) -> Result<(), StoreError> {
        let (temporary, path) = (self.path.join(SPACES_TEMPORARY), self.path.join(SPACES_NAME));
        let mut text = names.join("\n");
        text.push('\n');
        let mut file = File::create(&temporary).map_err(StoreError::io("create", &temporary))?;
        file.write_all(text.as_bytes()).map_err(StoreError::io("write to", &temporary))?;
        file.sync_all().map_err(StoreError::io("sync", &temporary))?;
        fs::rename(&temporary, &path).map_err(StoreError::io("rename", &temporary))?;
        self.handle.sync_all().map_err(StoreError::io("sync", &self.path))
    }
}

/// Creates the folder, with the folders above it, and makes every new name durable.
fn create(path: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    fs::create_dir_all(path).map_err(StoreError::io("create", path))?;
    for folder in missing {
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let handle = File::open(parent).map_err(StoreError::io("open", parent))?;
        handle.sync_all().map_err(StoreError::io("sync", parent))?;
    }
    Ok(())
}
