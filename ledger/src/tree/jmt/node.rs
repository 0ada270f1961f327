//! Nodes of the state tree as they are stored: by version, then by path.

use althing_storage::OrderedStore;
use jmt::storage::{Node, NodeKey};

use crate::error::LedgerError;
use crate::record::load;
use crate::space::NODE;

/// The stored key of a node: its version, then the length of its path and the path, a byte for each nibble. Nodes are
/// appended in the order of versions.
pub(super) fn stored_key(version: u64, path: impl ExactSizeIterator<Item = u8>) -> Vec<u8> {
    // A path has 64 nibbles at most.
    let length = u8::try_from(path.len()).unwrap_or(u8::MAX);
    let mut key = version.to_be_bytes().to_vec();
    key.push(length);
    key.extend(path);
    key
}

/// The stored key of a node of the library.
pub(super) fn stored_key_of(key: &NodeKey) -> Vec<u8> {
    let path: Vec<u8> = key.nibble_path().nibbles().map(u8::from).collect();
    stored_key(key.version(), path.into_iter())
}

/// Reads a node.
pub(super) fn load_node<S: OrderedStore>(store: &S, stored_key: &[u8]) -> Result<Option<Node>, LedgerError> {
    load(store, NODE, stored_key, "a node of the state tree")
}
