//! Why an ordered store refuses to go on, each reason with what an operator can do.
//!
//! Nothing here is retried: every error is fatal, because each one means that the disk, the folder or the program is
//! not what it has to be. What was committed before stays committed, and is there when the store is opened again.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What can go wrong with an ordered store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The operating system refused an operation.
    ///
    /// Remedy: look at the disk (health, mount options, permissions of the folder) and start the process again; the
    /// store then holds everything that was ever committed.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was attempted, as a verb.
        operation: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The disk, or the quota of its user, is full.
    ///
    /// Remedy: make room (move other data away, enlarge the volume, prune history on another node and copy its folder)
    /// and start the process again. Nothing that was committed is lost. Never delete files of the store by hand: also
    /// those that look old are part of it.
    #[error("no space is left to {operation} {path}: {source}")]
    NoSpace {
        /// What was attempted, as a verb.
        operation: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// An earlier commit or flush failed, so that nothing more is committed through this handle.
    ///
    /// Remedy: the process has to stop; the error before this one names the cause.
    #[error("the store refuses all commits because an earlier one failed")]
    Poisoned,

    /// Work in the background failed after the commit that caused it had returned.
    ///
    /// Remedy: as for the cause, which the newest file `LOG` in the folder names; mostly the disk is full or damaged.
    /// What was committed is safe in the write-ahead log.
    #[error("a flush or a compaction of the store in {folder} failed in the background, see its file LOG")]
    Background {
        /// The folder of the store.
        folder: PathBuf,
    },

    /// Data that had been committed is damaged or missing.
    ///
    /// Remedy: check the disk, then restore the whole folder from a copy, or empty it and fetch the data again from
    /// where it came. Never delete or repair single files.
    #[error("the store in {folder} is corrupt: {reason}")]
    Corrupt {
        /// The folder of the store.
        folder: PathBuf,
        /// What is wrong, and in which file if that is known.
        reason: String,
    },

    /// The folder holds a store with other keyspaces than the program expects.
    ///
    /// Remedy: run the version that wrote it, or point the process at another folder.
    #[error("the store in {folder} has keyspaces that are not known ({unknown:?}) or lacks some ({missing:?})")]
    WrongSchema {
        /// The folder of the store.
        folder: PathBuf,
        /// The names on disk that the program does not know, in order.
        unknown: Vec<String>,
        /// The names that the program needs and the disk does not have, in order.
        missing: Vec<String>,
    },

    /// A keyspace was named that the store was not opened with; nothing was read or written.
    ///
    /// Remedy: none for the operator; the program is wrong.
    #[error("the store has no keyspace {space}")]
    UnknownSpace {
        /// The place in the list that does not exist.
        space: u8,
    },

    /// Another process, or another handle in this one, has the store open.
    ///
    /// Remedy: stop the other process. Never delete a lock file: it is the lock on it that counts, and the kernel
    /// releases that when its holder ends.
    #[error("the store in {folder} is in use by another process")]
    InUse {
        /// The folder of the store.
        folder: PathBuf,
    },

    /// The engine refused a request that has nothing to do with the disk.
    ///
    /// Remedy: if the folder was written by a later version, run that one; otherwise the program is wrong.
    #[error("the engine refuses to {operation} the store in {folder}: {reason}")]
    Refused {
        /// What was attempted, as a verb.
        operation: &'static str,
        /// The folder of the store.
        folder: PathBuf,
        /// What the engine said.
        reason: String,
    },
}

impl StoreError {
    /// Whether the process must stop. It is so for every error that there is.
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Io { .. }
            | Self::NoSpace { .. }
            | Self::Poisoned
            | Self::Background { .. }
            | Self::Corrupt { .. }
            | Self::WrongSchema { .. }
            | Self::UnknownSpace { .. }
            | Self::InUse { .. }
            | Self::Refused { .. } => true,
        }
    }

    /// Names the operation and the path of an error of the operating system, for `map_err`. A full disk is told apart.
    pub(crate) fn io<E: Into<io::Error>>(operation: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| {
            let (source, path) = (source.into(), path.to_path_buf());
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { operation, path, source },
                _ => Self::Io { operation, path, source },
            }
        }
    }
}
