//! A snapshot in one file: the state after a certified height, with what a ledger needs beside it (`docs/spec/snapshot.md`).
//!
//! The file proves itself against the genesis document: every part of it is verified on the way in, as if a peer had sent it.
//! The record at its end makes a list of files possible, and its digest finds damage in what no part speaks of.

mod file;
mod restore;

use std::io;
use std::path::PathBuf;

use althing_ledger::{LedgerError, SnapshotBase, StateChunk};
use althing_types::{Hash, Height};
use borsh::{BorshDeserialize, BorshSerialize};

pub use self::file::{SnapshotFile, SnapshotWriter, summary};
pub(crate) use self::restore::restore;

/// What a file begins with.
const MAGIC: &[u8; 17] = b"althing snapshot\n";
/// The version of the form.
const VERSION: u32 = 1;

/// A part of a snapshot, as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Where the blocks begin.
    Base(Box<SnapshotBase>),
    /// Blocks, with what shows that they are final.
    Run(Box<althing_consensus::Run>),
    /// Receipts.
    Receipts(Vec<althing_ledger::PlacedReceipt>),
    /// A part of the state from a tree key on.
    Chunk(Hash, Box<StateChunk>),
}

/// What a file says about itself at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Summary {
    /// The chain.
    pub chain: Hash,
    /// The height.
    pub height: Height,
    /// The root of the state after it.
    pub state_root: Hash,
    /// Entries of the state.
    pub entries: u64,
    /// SHA-256 of everything in the file before its last record.
    pub digest: Hash,
}

/// Why a snapshot cannot be written, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no snapshot, is damaged, or is of another version.
    #[error("{} is no whole snapshot: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file is of another chain.
    #[error("the snapshot is of the chain with genesis {found}, the genesis document given is {expected}")]
    OtherChain {
        /// The chain of the file.
        found: Hash,
        /// The chain of the document.
        expected: Hash,
    },
    /// Something in the file is not what the validators certified.
    #[error("the snapshot does not verify: {0}")]
    Unverified(String),
    /// The ledger has this height, or a higher one.
    #[error("the node has the height {ours} already, the snapshot is of height {given}")]
    NotAhead {
        /// The height of the node's ledger.
        ours: Height,
        /// The height of the snapshot.
        given: Height,
    },
    /// The store has nothing that a snapshot can be made of.
    #[error("this store has no snapshot to hand out: no height is certified yet, or too little is kept below it")]
    Nothing,
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
