//! Backups: a folder that holds the past of a chain as far as a node kept it, and grows by what is new since the last time.
//!
//! The blocks are in archives (`docs/spec/archive.md`), one for each backup that was made. If the node had removed its first
//! blocks when the first backup was made, a snapshot (`docs/spec/snapshot.md`) stands below them. So a backup proves itself
//! against the genesis document, wherever it was kept, and nothing in it is secret that was not on the chain. It holds no keys
//! and no votes.

mod folder;
mod replay;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use althing_ledger::LedgerError;
use althing_types::{Hash, Height};

pub use self::folder::{Backup, Base, Lock, Segment};
pub(crate) use self::replay::replay;

use crate::audit::AuditError;
use crate::snapshot::SnapshotError;

/// Why a backup cannot be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no backup in the folder.
    #[error("there is no backup in {}", path.display())]
    Nothing {
        /// The folder.
        path: PathBuf,
    },
    /// A file is missing, or two hold the same heights.
    #[error("the backup in {} goes on with height {found} where {expected} is due", path.display())]
    Gap {
        /// The folder.
        path: PathBuf,
        /// The height that is due.
        expected: Height,
        /// The first height of the next file.
        found: Height,
    },
    /// Another process adds to the backup.
    #[error("another process adds to the backup in {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The node has another block where the backup ends.
    #[error("the backup ends with the block 0x{kept}… at height {height}, and the node has {ours} there")]
    OtherBlocks {
        /// The last height of the backup.
        height: Height,
        /// How the id of its last block begins.
        kept: String,
        /// The id of the node's block.
        ours: Hash,
    },
    /// The node has removed blocks that come next.
    #[error("the backup ends at height {last}, and the node has blocks from height {earliest} on only")]
    Pruned {
        /// The last height of the backup.
        last: Height,
        /// The first height that the node has.
        earliest: Height,
    },
    /// The node is not as far as the backup.
    #[error("the backup ends at height {last}, which this node has no certificate for yet")]
    Behind {
        /// The last height of the backup.
        last: Height,
    },
    /// Blocks are not what the validators certified.
    #[error("the backup does not verify: {0}")]
    Unverified(String),
    /// The validators certified what does not stand on what they certified before, or what breaks the rules of the chain.
    #[error("the validators contradict themselves or this program: {0}")]
    Contradiction(String),
    /// Executing the blocks leads to another result than the validators certified.
    #[error("the block at height {at} carries a result of height {height} to which executing the backup does not lead")]
    Results {
        /// The height of the block.
        at: Height,
        /// The height of the result.
        height: Height,
    },
    /// A file with blocks.
    #[error(transparent)]
    Archive(#[from] AuditError),
    /// The file with a state.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
