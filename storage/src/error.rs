//! Why a log refuses to go on, each reason with what an operator can do.
//!
//! Every variant says what happened and where; its documentation says what the operator can do. Nothing here is
//! retried: an error for which [`LogError::is_fatal`] holds ends the process.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What can go wrong with a log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The operating system refused an operation.
    ///
    /// Remedy: look at the disk (space, health, mount options, permissions of the folder) and start the process again;
    /// the log then holds everything that was ever reported durable.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was attempted, as a verb.
        operation: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// An earlier write or sync failed, so that nothing more is accepted on this handle.
    ///
    /// Remedy: the process has to stop; the error before this one names the cause.
    #[error("the log refuses all work because an earlier write or sync failed")]
    Poisoned,

    /// The log has reached its limit; nothing was written.
    ///
    /// Remedy: usually the log is not compacted because the node makes no progress, so find out why (peers, clock,
    /// execution); raising the limit buys time, if the disk has room.
    #[error("the log is full: {bytes} bytes would exceed the limit of {bytes_max}")]
    Full {
        /// How large the log would have become.
        bytes: u64,
        /// The limit in force.
        bytes_max: u64,
    },

    /// A record exceeds the largest size; nothing was written.
    ///
    /// Remedy: none for the operator; the caller must keep its records within the limit.
    #[error("a record of {bytes} bytes exceeds the limit of {bytes_max}")]
    RecordTooLarge {
        /// The size of the record.
        bytes: usize,
        /// The limit in force.
        bytes_max: usize,
    },

    /// Data that had been durable is damaged or missing.
    ///
    /// Remedy: check the disk and restore the whole folder from a copy that is not older than the last run. Never
    /// delete or repair single files: whoever forgets what it has said may contradict itself.
    #[error("the log is corrupt at byte {offset} of {file}: {reason}")]
    Corrupt {
        /// The damaged file, or the one that should be there.
        file: PathBuf,
        /// Where in the file the first damage was seen.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },

    /// The log belongs to another identity.
    ///
    /// Remedy: point the process at the folder that belongs to its key and chain, or at an empty one.
    #[error("{file} was written for another key or another chain")]
    WrongIdentity {
        /// The file whose header disagrees.
        file: PathBuf,
    },

    /// The log was written in a format that this program does not know.
    ///
    /// Remedy: run the version that wrote it, or a later one.
    #[error("{file} has format version {found}, this program knows version {known}")]
    Version {
        /// The file whose header disagrees.
        file: PathBuf,
        /// The version in the header.
        found: u32,
        /// The version that is understood.
        known: u32,
    },

    /// Another process, or another handle in this one, has the log open.
    ///
    /// Remedy: stop the other process. Never delete the lock file: it is the lock on it that counts, and the kernel
    /// releases that when its holder ends.
    #[error("the log in {folder} is in use by another process")]
    InUse {
        /// The folder of the log.
        folder: PathBuf,
    },
}

impl LogError {
    /// Whether the process must stop. The exceptions are refusals of a single request, before anything was written.
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Full { .. } | Self::RecordTooLarge { .. } => false,
            Self::Io { .. }
            | Self::Poisoned
            | Self::Corrupt { .. }
            | Self::WrongIdentity { .. }
            | Self::Version { .. }
            | Self::InUse { .. } => true,
        }
    }

    /// Names the operation and the path of an error of the operating system, for `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(operation: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { operation, path: path.to_path_buf(), source: source.into() }
    }
}
