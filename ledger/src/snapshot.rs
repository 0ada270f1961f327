//! Snapshots: the state after one height, with what a ledger needs beside it to go on from there as if it had executed
//! every block before.
//!
//! A snapshot is no file that somebody makes and keeps. Every height that a ledger keeps can be read, so it hands the parts
//! out as they are asked for, while it goes on committing, and whoever builds a ledger of them checks each before it is used:
//!
//! | part | what it is for | what shows that it is right |
//! |---|---|---|
//! | [`SnapshotBase`] | which state it is; where the blocks begin: header and lanes below them; who is accused | a certificate; the first block names the header, which commits to the lanes; evidence proves itself, and what is left out of it costs no more than that it is told again (R9) |
//! | blocks | the last blocks up to the height, and those above that carry its results | a certificate; [`Reader::run`] hands them out |
//! | receipts | which transactions of those blocks were executed and must not be again | the `receipts_root` of each height's summary, which a later block carries |
//! | [`StateChunk`] | the state | a range proof below the `state_root` of the height's summary |
//!
//! The blocks begin so low that no transaction of a lower one can be valid again, and that every result which the block of
//! the height does not carry is among them. They are of the first epoch.
//!
//! What was built is a ledger whose lowest readable height is the one above the snapshot's.
//!
//! [`Reader::run`]: crate::Reader::run

mod building;
mod taking;

use althing_types::{
    BLOCK_LANES_MAX, Bytes, Evidence, Hash, Header, Height, LaneTip, LeafReference, List, ProofError, RangeProof,
    StateKey, SummaryProof, VALIDATORS_MAX, encode,
};
use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};

pub use self::building::{Restoration, RestoreError, Restored, snapshot_ranges, tree_key_above};

/// Bytes of the entries of a chunk, about: with the longest proof they fit an answer of 1 MiB. A single entry may have more.
pub(crate) const CHUNK_BYTES: usize = 768 << 10;
/// Entries of a chunk at most.
pub(crate) const CHUNK_ENTRIES_MAX: usize = 8_192;
/// Bytes of a value of the state at most.
pub(crate) const VALUE_BYTES_MAX: usize = 640 << 10;
/// Receipts in a part at most.
pub const RECEIPTS_MAX: usize = 16_384;
/// Bytes of the receipts of a part, about. A single one may have more.
pub(crate) const RECEIPTS_BYTES: usize = 640 << 10;
/// Bytes of the receipts of one height at most, while not all of them are here: far above what a block can execute.
pub(crate) const HEIGHT_RECEIPTS_BYTES_MAX: usize = 256 << 20;
/// Bytes of a receipt at most: its events bound it.
pub(crate) const RECEIPT_BYTES_MAX: usize = 384 << 10;

/// Which state a snapshot is, and where its blocks begin.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SnapshotBase {
    /// The header of the height whose state it is.
    pub header: Header,
    /// What the execution of that height came to, up to a certificate.
    pub proof: SummaryProof,
    /// The header of the block below the first one.
    pub floor: Header,
    /// The tips of all lanes after that block.
    pub cut: List<LaneTip, BLOCK_LANES_MAX>,
    /// A piece of evidence against each validator that a block up to that one accuses in this epoch.
    pub evidence: List<Accusation, VALIDATORS_MAX>,
}

/// A piece of evidence and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Accusation {
    /// The height of its block.
    pub height: Height,
    /// Its place in the block.
    pub index: u32,
    /// The piece.
    pub evidence: Evidence,
}

/// A receipt and its place.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PlacedReceipt {
    /// The height of its block.
    pub height: Height,
    /// Its place in the order of execution.
    pub index: u32,
    /// The encoded receipt.
    pub bytes: Bytes<RECEIPT_BYTES_MAX>,
}

/// A place in the state and its value.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateEntry {
    /// The place.
    pub key: StateKey,
    /// The value.
    pub value: Bytes<VALUE_BYTES_MAX>,
}

/// All that the state holds from one tree key to another.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateChunk {
    /// The entries, ascending by tree key.
    pub entries: List<StateEntry, CHUNK_ENTRIES_MAX>,
    /// The highest tree key that it covers: that which was asked for, or that of the last entry if there are more.
    pub to: Hash,
    /// What shows that there are no others.
    pub proof: RangeProof,
}

impl SnapshotBase {
    /// The height whose state it is.
    pub const fn height(&self) -> Height {
        self.header.height
    }
}

impl StateChunk {
    /// Checks that these are all entries from a tree key on up to the one that the chunk names, in the state with this root.
    ///
    /// # Errors
    ///
    /// As [`RangeProof::verify`].
    pub fn verify(&self, root: &Hash, from: &Hash) -> Result<(), ProofError> {
        let leaf = |entry: &StateEntry| LeafReference {
            key: entry.key.tree_key(),
            value: Hash::new(Sha256::digest(&*entry.value).into()),
        };
        let leaves: Vec<LeafReference> = self.entries.iter().map(leaf).collect();
        self.proof.verify(root, from, &self.to, &leaves)
    }

    fn bytes(&self) -> u64 {
        let bytes = |entry: &StateEntry| encode(&entry.key).len().saturating_add(entry.value.len());
        u64::try_from(self.entries.iter().map(bytes).fold(0, usize::saturating_add)).unwrap_or(u64::MAX)
    }
}
