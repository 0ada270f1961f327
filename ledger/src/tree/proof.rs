//! Proofs from the stored nodes, in the form of `althing_types::StateProof`.
//!
//! A stored inner node stands for four levels of the binary tree, with up to sixteen children below. A subtree with a
//! single leaf is that leaf, so that a path may end above the level at which the leaf's node hangs.

use althing_storage::OrderedStore;
use althing_types::{Hash, LeafReference, List, StateProof, encode};
use jmt::storage::{LeafNode, Node};
use sha2::{Digest as _, Sha256};

use super::node::{load_node, stored_key};
use crate::error::LedgerError;

/// Children of an inner node at most.
const CHILDREN_MAX: usize = 16;
/// What stands for an empty subtree.
const EMPTY_SUBTREE: Hash = Hash::new(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

/// A child of an inner node.
#[derive(Clone, Copy)]
struct Child {
    hash: Hash,
    version: u64,
    is_leaf: bool,
    nibble: u8,
}

/// The children of an inner node, each in its place.
type Children = [Option<Child>; CHILDREN_MAX];

/// The path to a tree key in a version of the tree.
pub(super) fn prove<S: OrderedStore>(store: &S, version: u64, key: &Hash) -> Result<StateProof, LedgerError> {
    let nibbles: Vec<u8> = key.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 0x0f]).collect();
    let mut siblings = Vec::new();
    let mut path = Vec::new();
    let mut version = version;
    for nibble in nibbles {
        let node = load_node(store, &stored_key(version, path.iter().copied()))?;
        let node = node.ok_or_else(|| LedgerError::corrupt("a node of the state tree"))?;
        if let Node::Leaf(leaf) = &node {
            return finished(Some(reference(leaf)?), siblings);
        }
        let child = children_of(&node).and_then(|children| descend(&children, nibble, &mut siblings));
        let Some(child) = child else { return finished(None, siblings) };
        path.push(child.nibble);
        version = child.version;
        if child.is_leaf {
            let leaf = load_node(store, &stored_key(version, path.iter().copied()))?;
            let Some(Node::Leaf(leaf)) = leaf else { return Err(LedgerError::corrupt("a leaf of the state tree")) };
            return finished(Some(reference(&leaf)?), siblings);
        }
    }
    Err(LedgerError::corrupt("the depth of the state tree"))
}

/// The hash of a node.
pub(super) fn node_hash_of(node: &Node) -> Hash {
    match node {
        Node::Leaf(leaf) => reference(leaf).map_or(EMPTY_SUBTREE, |leaf| leaf_hash(&leaf)),
        node => children_of(node).and_then(|children| subtree_hash(&children)).unwrap_or(EMPTY_SUBTREE),
    }
}

/// Goes down the four levels of an inner node towards a nibble, noting the siblings from the top. Returns the child
/// below, or the leaf that is alone in the subtree where the nibble's child would be; none if that is empty.
fn descend(children: &Children, nibble: u8, siblings: &mut Vec<Option<Hash>>) -> Option<Child> {
    let mut subtree = &children[..];
    for level in (0..4u8).rev() {
        let (left, right) = halves(subtree);
        let is_right = nibble >> level & 1 == 1;
        let (mine, other) = if is_right { (right, left) } else { (left, right) };
        siblings.push(subtree_hash(other));
        subtree = mine;
        match alone(subtree) {
            Alone::Nobody => return None,
            Alone::Leaf(leaf) => return Some(leaf),
            Alone::No => {}
        }
    }
    subtree.iter().flatten().next().copied()
}

/// What is in a subtree.
enum Alone {
    /// No child.
    Nobody,
    /// A single child, which is a leaf.
    Leaf(Child),
    /// More, or an inner node.
    No,
}

fn alone(subtree: &[Option<Child>]) -> Alone {
    let mut present = subtree.iter().flatten();
    match (present.next(), present.next()) {
        (None, _) => Alone::Nobody,
        (Some(only), None) if only.is_leaf => Alone::Leaf(*only),
        _ => Alone::No,
    }
}

/// The hash of a subtree within an inner node; none if it is empty.
fn subtree_hash(subtree: &[Option<Child>]) -> Option<Hash> {
    match alone(subtree) {
        Alone::Nobody => None,
        Alone::Leaf(leaf) => Some(leaf.hash),
        Alone::No if subtree.len() <= 1 => subtree.iter().flatten().next().map(|child| child.hash),
        Alone::No => {
            let (left, right) = halves(subtree);
            let hash = |half| subtree_hash(half).unwrap_or(EMPTY_SUBTREE);
            Some(inner_hash(&hash(left), &hash(right)))
        }
    }
}

fn halves(subtree: &[Option<Child>]) -> (&[Option<Child>], &[Option<Child>]) {
    subtree.split_at_checked(subtree.len() / 2).unwrap_or((subtree, &[]))
}

/// The children of an inner node; none of any other.
fn children_of(node: &Node) -> Option<Children> {
    let Node::Internal(inner) = node else { return None };
    let mut children = [None; CHILDREN_MAX];
    for (nibble, child) in inner.children_sorted() {
        let (hash, version, is_leaf) = (Hash::new(child.hash), child.version, child.is_leaf());
        if let Some(place) = children.get_mut(nibble.as_usize()) {
            *place = Some(Child { hash, version, is_leaf, nibble: nibble.into() });
        }
    }
    Some(children)
}

/// What a leaf node holds, which the library tells in its encoding only.
fn reference(leaf: &LeafNode) -> Result<LeafReference, LedgerError> {
    let bytes = encode(leaf);
    crate::record::decoded(&bytes, "a leaf of the state tree")
}

fn finished(leaf: Option<LeafReference>, mut siblings: Vec<Option<Hash>>) -> Result<StateProof, LedgerError> {
    siblings.reverse();
    let siblings = List::new(siblings).map_err(|_| LedgerError::corrupt("the depth of the state tree"))?;
    Ok(StateProof { leaf, siblings })
}

fn leaf_hash(leaf: &LeafReference) -> Hash {
    sha256(&[b"JMT::LeafNode", leaf.key.as_bytes(), leaf.value.as_bytes()])
}

fn inner_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[b"JMT::IntrnalNode", left.as_bytes(), right.as_bytes()])
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Hash::new(hasher.finalize().into())
}
