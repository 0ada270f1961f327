//! Nodes of the state tree that were lately used, so that the upper levels are not read for every change.
//!
//! Two generations: what is used goes into the young one; when that is full it becomes the old one, and what was the
//! old one is dropped. A node that is used again returns to the young one. There is no clock and no order of its own,
//! and whether a node is here changes what a change costs, never what comes of it.

use std::collections::BTreeMap;

use jmt::storage::{Node, NodeKey};

/// Nodes in one generation at most: with about 1 KiB for an inner node and few of those, less than 100 MiB in all.
pub(super) const GENERATION_MAX: usize = 65_536;
/// Nibbles in a machine word.
const WORD_NIBBLES: usize = 16;
/// Words that hold the longest path.
const WORDS: usize = 4;

/// The cache.
#[derive(Debug, Default)]
pub(super) struct NodeCache {
    young: BTreeMap<Key, Node>,
    old: BTreeMap<Key, Node>,
}

/// A node's key in a form that is compared without following a pointer. The path comes first: nodes of one version are
/// many, and two paths mostly differ in their first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    path: [u64; WORDS],
    length: usize,
    version: u64,
}

impl Key {
    fn of(key: &NodeKey) -> Self {
        let mut path = [0; WORDS];
        let mut nibbles = key.nibble_path().nibbles().map(|nibble| u64::from(u8::from(nibble)));
        for word in &mut path {
            *word = (0..WORD_NIBBLES).fold(0, |word, _| word << 4 | nibbles.next().unwrap_or(0));
        }
        Self { path, length: key.nibble_path().num_nibbles(), version: key.version() }
    }
}

impl NodeCache {
    /// A node, if it is here.
    pub(super) fn get(&mut self, key: &NodeKey) -> Option<Node> {
        let key = Key::of(key);
        if let Some(node) = self.young.get(&key) {
            return Some(node.clone());
        }
        let node = self.old.remove(&key)?;
        self.take_in(key, node.clone());
        Some(node)
    }

    /// Takes a node in.
    pub(super) fn insert(&mut self, key: &NodeKey, node: Node) {
        self.take_in(Key::of(key), node);
    }

    /// Forgets a node that no later version has.
    pub(super) fn remove(&mut self, key: &NodeKey) {
        let key = Key::of(key);
        if self.young.remove(&key).is_none() {
            self.old.remove(&key);
        }
    }

    fn take_in(&mut self, key: Key, node: Node) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn key(version: u64, path: &[u8]) -> NodeKey {
        // The library's own encoding is the only way to a path of a given length.
        let mut packed: Vec<u8> = path.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect();
        packed.truncate(32);
        let length = u64::try_from(path.len()).expect("small");
        borsh::from_slice(&althing_types::encode(&(version, length, packed))).expect("a key")
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let mut cache = NodeCache::default();
        cache.insert(&key(u64::MAX, &[]), Node::Null);
        for version in 0..3 * u64::try_from(GENERATION_MAX).expect("small") {
            cache.insert(&key(version, &[]), Node::Null);
            assert!(cache.get(&key(u64::MAX, &[])).is_some());
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION_MAX);
        assert!(cache.get(&key(0, &[])).is_none());
        cache.remove(&key(u64::MAX, &[]));
        assert!(cache.get(&key(u64::MAX, &[])).is_none());
    }

    #[test]
    fn no_two_keys_are_taken_for_one() {
        let paths: [&[u8]; 7] = [&[], &[0], &[0, 0], &[1], &[1, 0], &[0; 63], &[0; 64]];
        let long = (0..64).map(|changed| (0..64).map(|place| u8::from(place == changed)).collect::<Vec<u8>>());
        let paths: Vec<Vec<u8>> = paths.iter().map(|path| path.to_vec()).chain(long).collect();
        let keys: BTreeSet<Key> =
            paths.iter().flat_map(|path| [0, 1].map(|version| Key::of(&key(version, path)))).collect();
        assert_eq!(keys.len(), 2 * paths.len());
    }
}
