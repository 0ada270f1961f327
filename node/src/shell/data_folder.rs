//! The folder that a node keeps its data in: locked against a second process, and bound to one chain and one validator.
//!
//! ```text
//! data/LOCK       held by the process that uses the folder
//! data/version    the layout's version, the chain and the validator, readable by people
//! data/db/        the ledger's store
//! data/votes/     the log of consensus: what this validator said
//! data/batches/   the log of batches that are not committed yet
//! ```
//!
//! The file `version` is written last when a folder is made, and compared before anything else is opened, so that a
//! folder of another chain, validator or layout is refused before a byte of it is read or written.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use althing_types::{Hash, PublicKey};
use rustix::fs::{FlockOperation, flock};

use crate::files::{self, Access, Existing, FileError};

/// The version of the layout.
const LAYOUT_VERSION: u32 = 1;
/// Bytes of the version file at most.
const VERSION_BYTES_MAX: usize = 4_096;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another process uses it.
    #[error("{} is in use by another process", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// It holds the data of another chain.
    #[error("{} holds data of the chain with genesis {found}, the genesis document given is {expected}", folder.display())]
    OtherChain {
        /// The folder.
        folder: PathBuf,
        /// The genesis hash that it is bound to.
        found: String,
        /// The genesis hash of the document.
        expected: Hash,
    },
    /// It holds the data of another validator.
    #[error("{} belongs to the validator {found}, the key given is {expected}", folder.display())]
    OtherValidator {
        /// The folder.
        folder: PathBuf,
        /// The validator key that it is bound to.
        found: String,
        /// The key that was given.
        expected: PublicKey,
    },
    /// It was laid out by another version of the program.
    #[error("{} has layout version {found}, this program knows version {known}", folder.display())]
    Version {
        /// The folder.
        folder: PathBuf,
        /// The version that it has.
        found: String,
        /// The version that this program knows.
        known: u32,
    },
    /// It is not empty, and not a data folder.
    #[error("{} holds files and is no data folder", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A data folder that this process holds. The lock goes with the process, however it ends.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes the folder for a chain and a validator; makes it if it is not there.
    pub(crate) fn open(path: &Path, chain: &Hash, validator: &PublicKey) -> Result<Self, DataError> {
        fs::create_dir_all(path).map_err(io_error("make the folder", path))?;
        refuse_foreign(path)?;
        let lock_path = path.join("LOCK");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(io_error("open", &lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(DataError::InUse { folder: path.to_owned() }),
            Err(error) => return Err(io_error("lock", &lock_path)(error.into())),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.bind(chain, validator)?;
        Ok(folder)
    }

    /// The ledger's store.
    pub(crate) fn db(&self) -> PathBuf {
        self.path.join("db")
    }

    /// The log of consensus.
    pub(crate) fn votes(&self) -> PathBuf {
        self.path.join("votes")
    }

    /// The log of batches.
    pub(crate) fn batches(&self) -> PathBuf {
        self.path.join("batches")
    }

    /// Compares the folder's binding with what is given, or writes it if the folder is new.
    fn bind(&self, chain: &Hash, validator: &PublicKey) -> Result<(), DataError> {
        let path = self.path.join("version");
        let bytes = match files::read(&path, VERSION_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(FileError::Missing { .. }) => {
                let text = format!("version: {LAYOUT_VERSION}\nchain: {chain}\nvalidator: {validator}\n");
                return Ok(files::write(&path, text.as_bytes(), Access::Public, Existing::Keep)?);
            }
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&bytes);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or("(nothing)").to_owned()
        };
        let folder = || self.path.clone();
        if value("version") != LAYOUT_VERSION.to_string() {
            return Err(DataError::Version { folder: folder(), found: value("version"), known: LAYOUT_VERSION });
        }
        if value("chain") != chain.to_string() {
            return Err(DataError::OtherChain { folder: folder(), found: value("chain"), expected: *chain });
        }
        if value("validator") != validator.to_string() {
            return Err(DataError::OtherValidator { folder: folder(), found: value("validator"), expected: *validator });
        }
        Ok(())
    }
}

/// A folder that holds something, and neither a lock nor a binding of ours, is somebody else's.
fn refuse_foreign(path: &Path) -> Result<(), DataError> {
    let entries = fs::read_dir(path).map_err(io_error("list", path))?;
    let known = ["LOCK", "version"].iter().any(|name| path.join(name).exists());
    if entries.count() > 0 && !known {
        return Err(DataError::Foreign { folder: path.to_owned() });
    }
    Ok(())
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataError {
    move |source| DataError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::SecretKey;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed(&[seed; 32]).public_key()
    }

    #[test]
    fn a_folder_is_bound_to_its_chain_and_validator() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("data");
        let (chain, other) = (Hash::new([1; 32]), Hash::new([2; 32]));
        drop(DataFolder::open(&path, &chain, &key(1)).expect("a new folder"));
        drop(DataFolder::open(&path, &chain, &key(1)).expect("the same again"));
        assert!(matches!(DataFolder::open(&path, &other, &key(1)), Err(DataError::OtherChain { .. })));
        assert!(matches!(DataFolder::open(&path, &chain, &key(2)), Err(DataError::OtherValidator { .. })));
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let held = DataFolder::open(home.path(), &Hash::ZERO, &key(1)).expect("a new folder");
        assert!(matches!(DataFolder::open(home.path(), &Hash::ZERO, &key(1)), Err(DataError::InUse { .. })));
        drop(held);
        DataFolder::open(home.path(), &Hash::ZERO, &key(1)).expect("it is free again");
    }

    #[test]
    fn another_layout_and_a_foreign_folder_are_refused() {
        let home = tempfile::tempdir().expect("a folder");
        drop(DataFolder::open(home.path(), &Hash::ZERO, &key(1)).expect("a new folder"));
        let version = home.path().join("version");
        let text = fs::read_to_string(&version).expect("it is there").replace("version: 1", "version: 9");
        fs::write(&version, text).expect("it can be written");
        assert!(matches!(DataFolder::open(home.path(), &Hash::ZERO, &key(1)), Err(DataError::Version { .. })));
        let foreign = tempfile::tempdir().expect("a folder");
        fs::write(foreign.path().join("letter.txt"), "dear").expect("it can be written");
        assert!(matches!(DataFolder::open(foreign.path(), &Hash::ZERO, &key(1)), Err(DataError::Foreign { .. })));
    }
}
