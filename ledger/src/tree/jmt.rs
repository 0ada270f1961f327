//! The state tree by the crate `jmt`: the judge of ours in tests, and what it is measured against.
//!
//! The library computes what a set of changes does to the nodes. What it reads comes from a cache of ours or from the
//! store; what it makes goes into the caller's batch.

mod cache;
mod node;

use std::cell::RefCell;

use althing_storage::{OrderedStore, WriteBatch};
use althing_types::Hash;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader, TreeUpdateBatch};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher, Version};
use sha2::{Digest as _, Sha256};

use self::cache::NodeCache;
use self::node::{load_node, stored_key_of};
use super::StateTree;
use crate::error::LedgerError;
use crate::overlay::StateChange;
use crate::space::NODE;

/// The tree, with what it remembers of its nodes.
#[derive(Debug, Default)]
pub struct JmtTree {
    /// Reading fills it.
    cache: RefCell<NodeCache>,
    /// What was grown and is not known to be committed.
    grown: TreeUpdateBatch,
}

impl StateTree for JmtTree {
    fn grow<S: OrderedStore>(
        &mut self,
        store: &S,
        version: u64,
        changes: &[StateChange],
        batch: &mut WriteBatch,
    ) -> Result<Hash, LedgerError> {
        let nodes = Nodes { store, cache: &self.cache };
        let (root, grown) = updated(&nodes, version, changes).map_err(unwrapped)?;
        for (key, node) in grown.node_batch.nodes() {
            batch.put(NODE, stored_key_of(key), althing_types::encode(node));
        }
        self.grown = grown;
        Ok(root)
    }

    fn keep(&mut self) {
        let grown = std::mem::take(&mut self.grown);
        let cache = self.cache.get_mut();
        for stale in &grown.stale_node_index_batch {
            cache.remove(&stale.node_key);
        }
        for (key, node) in grown.node_batch.nodes() {
            cache.insert(key, node.clone());
        }
    }
}

/// The root and the nodes that changes make out of the version before. Every changed node is computed once if nothing
/// is deleted; with deletions the library takes the changes one by one.
fn updated<S: OrderedStore>(
    nodes: &Nodes<'_, S>,
    version: Version,
    changes: &[StateChange],
) -> anyhow::Result<(Hash, TreeUpdateBatch)> {
    let tree = JellyfishMerkleTree::<_, Hasher>::new(nodes);
    let tree_key = |change: &StateChange| KeyHash(*change.0.tree_key().as_bytes());
    let inserted: Option<Vec<(KeyHash, OwnedValue)>> =
        changes.iter().map(|change| Some((tree_key(change), change.1.clone()?))).collect();
    let (root, grown) = match inserted {
        Some(inserted) if !inserted.is_empty() => {
            let (roots, grown) = tree.batch_put_value_sets(vec![inserted], None, version)?;
            (roots.into_iter().next(), grown)
        }
        _ => {
            let changes = changes.iter().map(|change| (tree_key(change), change.1.clone()));
            let (root, grown) = tree.put_value_set(changes, version)?;
            (Some(root), grown)
        }
    };
    let root = root.ok_or_else(|| LedgerError::corrupt("the root of the state tree"))?;
    Ok((Hash::new(root.0), grown))
}

/// What the library reads.
struct Nodes<'a, S> {
    store: &'a S,
    cache: &'a RefCell<NodeCache>,
}

impl<S: OrderedStore> TreeReader for Nodes<'_, S> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        if let Some(node) = self.cache.borrow_mut().get(key) {
            return Ok(Some(node));
        }
        let node = load_node(self.store, &stored_key_of(key))?;
        if let Some(node) = &node {
            self.cache.borrow_mut().insert(key, node.clone());
        }
        Ok(node)
    }

    fn get_value_option(&self, _: Version, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        // Changing the tree reads no value; values are kept under keys of our own.
        Ok(None)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        // Asked for by restoring from a snapshot only.
        Ok(None)
    }
}

/// Our error in the library's wrapping; an error of its own means that the nodes contradict each other.
fn unwrapped(error: anyhow::Error) -> LedgerError {
    error.downcast().unwrap_or_else(|_| LedgerError::corrupt("the state tree"))
}

/// The hash function as the library takes it: its own way in is for an older generation of the crate.
struct Hasher(Sha256);

impl SimpleHasher for Hasher {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
