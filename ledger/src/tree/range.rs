//! What a version of the tree holds from one key to another, with what shows that nothing is left out
//! (`althing_types::RangeProof`). Read from the stored pages, each of which is held against its hash.

use althing_storage::OrderedStore;
use althing_types::{Hash, LeafReference, List, RangePart, RangeProof};

use super::page::{Node, Page};
use super::stored::{NIBBLES, load_page};
use crate::error::LedgerError;

/// Levels of the binary tree.
const LEVELS: usize = 4 * NIBBLES;

/// Leaves of a range, from the lowest key up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) leaves: Vec<LeafReference>,
    /// The highest key that the range covers: that which was asked for, or that of the last leaf if there are more.
    pub(crate) to: Hash,
    pub(crate) proof: RangeProof,
}

/// The first leaves of a version with this root, from one key to another, both included.
pub(super) fn prove<S: OrderedStore>(
    store: &S,
    version: u64,
    root: Hash,
    (from, to): (&Hash, &Hash),
    limit: usize,
) -> Result<Range, LedgerError> {
    let page = load_page(store, version, &Hash::ZERO, 0, Some(root))?;
    let start = Place { depth: 0, path: Hash::ZERO, on_from: true, on_to: true };
    let mut gathering = Walk { store, from, to, limit: limit.saturating_add(1), leaves: Vec::new(), parts: None };
    gathering.subtree(&page, 1, start)?;
    let mut leaves = gathering.leaves;
    let mut covered = *to;
    if leaves.len() > limit {
        leaves.truncate(limit);
        covered = leaves.last().map_or(*from, |leaf| leaf.key);
    }
    // Where to go on is known now; on the second walk only the two edges matter.
    let mut proving = Walk { store, from, to: &covered, limit: 0, leaves: Vec::new(), parts: Some(Vec::new()) };
    proving.subtree(&page, 1, start)?;
    let parts = List::new(proving.parts.unwrap_or_default());
    let parts = parts.map_err(|_| LedgerError::corrupt("the depth of the state tree"))?;
    Ok(Range { leaves, to: covered, proof: RangeProof { parts } })
}

/// A place in the tree.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// Its first bits, as many as the depth, lead here; the others are 0.
    path: Hash,
    /// Whether the lowest key of the range leads here or further down.
    on_from: bool,
    /// Whether the highest one does.
    on_to: bool,
}

/// A walk over the subtrees that a range meets.
struct Walk<'a, S> {
    store: &'a S,
    from: &'a Hash,
    to: &'a Hash,
    /// Leaves to gather at most.
    limit: usize,
    leaves: Vec<LeafReference>,
    /// The parts of the proof; none while leaves are gathered.
    parts: Option<Vec<RangePart>>,
}

impl<S: OrderedStore> Walk<'_, S> {
    /// What stands below a node of a page.
    fn subtree(&mut self, page: &Page, number: usize, place: Place) -> Result<(), LedgerError> {
        let is_edge = place.on_from || place.on_to;
        match page.node(number) {
            Node::Nothing => self.note(is_edge, RangePart::Empty),
            Node::Leaf(leaf) if (*self.from..=*self.to).contains(&leaf.key) => {
                self.note(is_edge, RangePart::Within);
                if self.leaves.len() < self.limit {
                    self.leaves.push(*leaf);
                }
            }
            Node::Leaf(leaf) => self.note(is_edge, RangePart::Leaf(*leaf)),
            Node::Page(below) => {
                if self.is_needed(is_edge) {
                    let depth = place.depth.checked_div(4).unwrap_or(0);
                    let page = load_page(self.store, below.version, &place.path, depth, Some(below.hash))?;
                    self.subtree(&page, 1, place)?;
                }
            }
            Node::Between(_) => {
                self.note(is_edge, RangePart::Split);
                if self.is_needed(is_edge) {
                    self.half(page, number, place, false)?;
                    self.half(page, number, place, true)?;
                }
            }
        }
        Ok(())
    }

    /// One half of what stands below a node.
    fn half(&mut self, page: &Page, number: usize, place: Place, is_right: bool) -> Result<(), LedgerError> {
        if place.depth >= LEVELS {
            return Err(LedgerError::corrupt("the depth of the state tree"));
        }
        let (from_right, to_right) = (bit(self.from, place.depth), bit(self.to, place.depth));
        let number = number << 1 | usize::from(is_right);
        if (place.on_from && !is_right && from_right) || (place.on_to && is_right && !to_right) {
            let part = match page.node(number) {
                Node::Nothing => RangePart::Empty,
                Node::Leaf(leaf) => RangePart::Leaf(*leaf),
                Node::Between(hash) => RangePart::Node(hash),
                Node::Page(below) => RangePart::Node(below.hash),
            };
            self.note(true, part);
            return Ok(());
        }
        let below = Place {
            depth: place.depth.saturating_add(1),
            path: if is_right { with_bit(&place.path, place.depth) } else { place.path },
            on_from: place.on_from && is_right == from_right,
            on_to: place.on_to && is_right == to_right,
        };
        self.subtree(page, number, below)
    }

    /// Whether anything below a subtree is of interest.
    fn is_needed(&self, is_edge: bool) -> bool {
        if self.parts.is_some() { is_edge } else { self.leaves.len() < self.limit }
    }

    /// Notes a part of the proof, which speaks of the edges of the range alone.
    fn note(&mut self, is_edge: bool, part: RangePart) {
        if let Some(parts) = self.parts.as_mut().filter(|_| is_edge) {
            parts.push(part);
        }
    }
}

/// A bit of a tree key, the highest of the first byte being number 0.
fn bit(key: &Hash, level: usize) -> bool {
    key.as_bytes().get(level >> 3).is_some_and(|byte| byte << (level & 7) & 0x80 != 0)
}

/// A key with one bit set.
fn with_bit(key: &Hash, level: usize) -> Hash {
    let mut bytes = *key.as_bytes();
    if let Some(byte) = bytes.get_mut(level >> 3) {
        *byte |= 0x80 >> (level & 7);
    }
    Hash::new(bytes)
}
