//! What is stored beside the values of the vocabulary, and the one way in which anything stored is decoded.

use althing_storage::{OrderedStore, Space};
use althing_types::{Height, LaneTip, Summary, View};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::error::LedgerError;

/// The last committed block, as far as it is not found under its height.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct HeadRecord {
    pub(crate) height: Height,
    /// The view of the Finalization that came with the block.
    pub(crate) view: View,
    /// The tips of all lanes after the block.
    pub(crate) cut: Vec<LaneTip>,
    /// The highest height whose summary a certificate covers.
    pub(crate) certified: Option<Height>,
}

/// What the execution of a height came to, and the version of the state tree after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct SummaryRecord {
    pub(crate) summary: Summary,
    pub(crate) tree_version: u64,
}

/// The place of a transaction in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Place {
    /// The lane.
    pub lane: u32,
    /// The batch's number.
    pub seq: u64,
    /// The transaction's place in the batch, from 0.
    pub index: u32,
}

/// Where a transaction was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct ExecutedAt {
    pub(crate) height: Height,
    /// Its place in the order of execution.
    pub(crate) index: u32,
    pub(crate) place: Place,
}

/// Decodes what this room encoded.
pub(crate) fn decoded<T: BorshDeserialize>(bytes: &[u8], what: &'static str) -> Result<T, LedgerError> {
    borsh::from_slice(bytes).map_err(|_| LedgerError::corrupt(what))
}

/// Reads and decodes a value.
pub(crate) fn load<T: BorshDeserialize, S: OrderedStore>(
    store: &S,
    space: Space,
    key: &[u8],
    what: &'static str,
) -> Result<Option<T>, LedgerError> {
    store.get(space, key)?.map(|bytes| decoded(&bytes, what)).transpose()
}
