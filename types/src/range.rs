//! What shows that a list of leaves is all that the state tree holds between two keys: for snapshots, and for whoever
//! wants to know that nothing was left out.
//!
//! The verifier builds the root anew. Subtrees that lie between the two keys follow from the leaves; those beside them are
//! named by the proof, from the lowest key up, and on the way to each of the two keys it says where to go on. A subtree
//! with one leaf is that leaf, so that leaves beside the range are named with their keys: they stand where these lead.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::List;
use crate::hash::Hash;
use crate::proof::{EMPTY_SUBTREE, LeafReference, ProofError, TREE_DEPTH_MAX, bit, shared_bits, state_node_hash};

/// Parts of a range proof at most: on each level of the tree two ways to go on and a subtree beside each.
pub const RANGE_PARTS_MAX: usize = 4 * TREE_DEPTH_MAX;

/// A part of a range proof: what is known of a subtree, before those to its right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum RangePart {
    /// It is empty.
    Empty = 0,
    /// It has one leaf, which is not in the range.
    Leaf(LeafReference) = 1,
    /// It is beside the range and has more than one leaf, and this hash.
    Node(Hash) = 2,
    /// One of the two keys leads into it, and it has more than one leaf: its left half comes next, then its right one.
    Split = 3,
    /// One of the two keys leads into it, and it has one leaf, which is in the range.
    Within = 4,
}

/// What shows that leaves are all that stand in a range.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct RangeProof {
    /// The parts, each subtree before what is below it, and that from the left to the right.
    pub parts: List<RangePart, RANGE_PARTS_MAX>,
}

impl RangeProof {
    /// Checks that the tree with this root holds exactly these leaves from one tree key to another, both included. The
    /// time is that of hashing each leaf, and 256 steps for each of the two keys at most.
    ///
    /// # Errors
    ///
    /// [`ProofError::OtherLeaf`] if the leaves are not ascending within the range or not those that the proof speaks of,
    /// [`ProofError::NotCanonical`] if it is not in the form that the tree gives it, and [`ProofError::StateRoot`] if
    /// everything fits together and to another root.
    pub fn verify(&self, root: &Hash, from: &Hash, to: &Hash, leaves: &[LeafReference]) -> Result<(), ProofError> {
        let is_ascending = leaves.is_sorted_by(|one, next| one.key < next.key);
        let is_within = leaves.iter().all(|leaf| (*from..=*to).contains(&leaf.key));
        if !is_ascending || !is_within || from > to {
            return Err(ProofError::OtherLeaf);
        }
        let mut walk = Walk { parts: self.parts.iter(), from, to };
        let found = walk.subtree(Place { depth: 0, on_from: true, on_to: true, path: *from }, leaves)?;
        if walk.parts.next().is_some() {
            return Err(ProofError::NotCanonical);
        }
        if found.hash() == *root { Ok(()) } else { Err(ProofError::StateRoot) }
    }
}

/// What a subtree comes to.
#[derive(Clone, Copy, Debug)]
enum Subtree {
    Empty,
    Leaf(LeafReference),
    Node(Hash),
}

impl Subtree {
    fn hash(&self) -> Hash {
        match self {
            Self::Empty => EMPTY_SUBTREE,
            Self::Leaf(leaf) => leaf.hash(),
            Self::Node(hash) => *hash,
        }
    }

    /// The subtree with these halves.
    fn of(left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::Empty, Self::Empty) => Self::Empty,
            (lone @ Self::Leaf(_), Self::Empty) | (Self::Empty, lone @ Self::Leaf(_)) => lone,
            (left, right) => Self::Node(state_node_hash(&left.hash(), &right.hash())),
        }
    }

    /// The subtree at a depth that holds exactly these leaves, ascending.
    fn holding(leaves: &[LeafReference], depth: usize) -> Self {
        match leaves {
            [] => Self::Empty,
            [leaf] => Self::Leaf(*leaf),
            many => {
                let (left, right) = halves(many, depth);
                Self::of(Self::holding(left, depth.saturating_add(1)), Self::holding(right, depth.saturating_add(1)))
            }
        }
    }
}

/// A place in the tree that at least one of the two keys leads into.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    on_from: bool,
    on_to: bool,
    /// A key whose first bits, as many as the depth, lead here.
    path: Hash,
}

/// Half of a place, as seen from the range.
enum Half {
    /// Beside it.
    Beside,
    /// Between the two keys.
    Between,
    /// One of them leads into it.
    On(Place),
}

/// The verifier on its way.
struct Walk<'a> {
    parts: std::slice::Iter<'a, RangePart>,
    from: &'a Hash,
    to: &'a Hash,
}

impl Walk<'_> {
    fn subtree(&mut self, place: Place, leaves: &[LeafReference]) -> Result<Subtree, ProofError> {
        match (self.parts.next().ok_or(ProofError::NotCanonical)?, leaves) {
            (RangePart::Empty, []) => Ok(Subtree::Empty),
            (RangePart::Leaf(leaf), []) if !(*self.from..=*self.to).contains(&leaf.key) => {
                leaf_at(place.depth, &place.path, leaf)
            }
            (RangePart::Within, [leaf]) => Ok(Subtree::Leaf(*leaf)),
            (RangePart::Split, leaves) if place.depth < TREE_DEPTH_MAX => {
                let (left, right) = halves(leaves, place.depth);
                let left = self.half(place, false, left)?;
                let right = self.half(place, true, right)?;
                match Subtree::of(left, right) {
                    // Where there is no more than one leaf the tree does not go on.
                    Subtree::Empty | Subtree::Leaf(_) => Err(ProofError::NotCanonical),
                    node @ Subtree::Node(_) => Ok(node),
                }
            }
            (RangePart::Node(_) | RangePart::Split, _) => Err(ProofError::NotCanonical),
            _ => Err(ProofError::OtherLeaf),
        }
    }

    /// One half of a place, whose leaves are given.
    fn half(&mut self, place: Place, is_right: bool, leaves: &[LeafReference]) -> Result<Subtree, ProofError> {
        match half(place, is_right, self.from, self.to) {
            Half::On(place) => self.subtree(place, leaves),
            Half::Between => Ok(Subtree::holding(leaves, place.depth.saturating_add(1))),
            // The leaves are within the range, so that there is none.
            Half::Beside => match self.parts.next().ok_or(ProofError::NotCanonical)? {
                RangePart::Empty => Ok(Subtree::Empty),
                RangePart::Leaf(leaf) if bit(&leaf.key, place.depth) == is_right => {
                    leaf_at(place.depth, &place.path, leaf)
                }
                RangePart::Leaf(_) => Err(ProofError::OtherLeaf),
                RangePart::Node(hash) if *hash != EMPTY_SUBTREE => Ok(Subtree::Node(*hash)),
                _ => Err(ProofError::NotCanonical),
            },
        }
    }
}

/// A lone leaf beside the range, which must stand below the place that it is named for.
fn leaf_at(depth: usize, path: &Hash, leaf: &LeafReference) -> Result<Subtree, ProofError> {
    if shared_bits(&leaf.key, path) >= depth { Ok(Subtree::Leaf(*leaf)) } else { Err(ProofError::OtherLeaf) }
}

/// Leaves of a place by the half that they stand in.
fn halves(leaves: &[LeafReference], depth: usize) -> (&[LeafReference], &[LeafReference]) {
    leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.key, depth)))
}

/// Where a half of a place lies.
fn half(place: Place, is_right: bool, from: &Hash, to: &Hash) -> Half {
    let Place { depth, on_from, on_to, .. } = place;
    let (from_right, to_right) = (bit(from, depth), bit(to, depth));
    if (on_from && !is_right && from_right) || (on_to && is_right && !to_right) {
        return Half::Beside;
    }
    let (on_from, on_to) = (on_from && is_right == from_right, on_to && is_right == to_right);
    match (on_from, on_to) {
        (false, false) => Half::Between,
        // Both keys share their first bits as long as both lead here.
        (true, _) => Half::On(Place { depth: depth.saturating_add(1), on_from, on_to, path: *from }),
        (false, true) => Half::On(Place { depth: depth.saturating_add(1), on_from, on_to, path: *to }),
    }
}

#[cfg(test)]
mod tests;
