//! RFC 6962 Merkle trees: over transactions, receipts, execution summaries and evidence.
//!
//! A leaf is `SHA-256(0x00 ‖ data)`, a node `SHA-256(0x01 ‖ left ‖ right)`, the left part of a tree holds the largest
//! power of two of leaves below its size, and the root of no leaves is `SHA-256("")`. Nothing is duplicated, so two
//! different lists never share a root. Verifiers exist in many languages.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::List;
use crate::hash::Hash;

/// Hashes on a path at most: a tree of 2^32 leaves is 32 deep.
const PATH_MAX: usize = 32;

/// The hash of a leaf with this content.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash::raw(&[&[0], data])
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::raw(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root of a tree over these leaf hashes. Costs one hash per leaf.
pub fn merkle_root(leaves: &[Hash]) -> Hash {
    // RFC 6962's recursion, bottom up: neighbours are paired level by level, and an odd last one moves up unchanged.
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = pair_up(&level);
    }
    level.first().copied().unwrap_or_else(|| Hash::raw(&[]))
}

fn pair_up(level: &[Hash]) -> Vec<Hash> {
    let pairs = level.chunks(2).map(|pair| match pair {
        [left, right] => node_hash(left, right),
        [single] => *single,
        _ => Hash::ZERO,
    });
    pairs.collect()
}

/// Why a proof of inclusion is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The index is not below the number of leaves.
    #[error("leaf {index} of {count} leaves")]
    Index {
        /// The claimed index.
        index: u32,
        /// The claimed number of leaves.
        count: u32,
    },
    /// The path is longer or shorter than the tree is deep at this leaf.
    #[error("a path of {length} hashes does not fit leaf and tree size")]
    PathLength {
        /// Hashes on the path.
        length: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to another root")]
    Root,
}

/// A proof that a leaf stands at an index of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct InclusionProof {
    /// The leaf's index.
    pub index: u32,
    /// Leaves in the tree.
    pub count: u32,
    /// Sibling hashes from the leaf upwards (RFC 6962, section 2.1.1).
    pub path: List<Hash, PATH_MAX>,
}

impl InclusionProof {
    /// The proof for one leaf, or none if there is no such leaf or the tree has more than 2^32 − 1 leaves.
    pub fn of(leaves: &[Hash], index: u32) -> Option<Self> {
        let count = u32::try_from(leaves.len()).ok()?;
        let mut place = usize::try_from(index).ok().filter(|place| *place < leaves.len())?;
        let mut level = leaves.to_vec();
        let mut path = Vec::new();
        while level.len() > 1 {
            path.extend(level.get(place ^ 1));
            level = pair_up(&level);
            place /= 2;
        }
        Some(Self { index, count, path: List::new(path).ok()? })
    }

    /// Checks that `leaf` stands at the proof's index in the tree with this root and the proof's number of leaves.
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<(), MerkleError> {
        if self.index >= self.count {
            return Err(MerkleError::Index { index: self.index, count: self.count });
        }
        let wrong_length = MerkleError::PathLength { length: self.path.len() };
        let (mut place, mut last) = (self.index, self.count.saturating_sub(1));
        let mut hash = *leaf;
        let mut path = self.path.iter();
        while last > 0 {
            if place & 1 == 1 {
                hash = node_hash(path.next().ok_or(wrong_length)?, &hash);
            } else if place < last {
                hash = node_hash(&hash, path.next().ok_or(wrong_length)?);
            }
            (place, last) = (place / 2, last / 2);
        }
        match path.next() {
            Some(_) => Err(wrong_length),
            None if hash == *root => Ok(()),
            None => Err(MerkleError::Root),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, section 2.1, as it stands there: the oracle.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::raw(&[b""]),
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(&by_definition(&many[..split]), &by_definition(&many[split..]))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_le_bytes())).collect()
    }

    #[test]
    fn roots_follow_the_definition() {
        for count in 0..70 {
            assert_eq!(merkle_root(&leaves(count)), by_definition(&leaves(count)), "{count}");
        }
    }

    #[test]
    fn known_roots_of_the_transparency_log_test_data() {
        // Certificate transparency's reference data: leaves "", 00, 10, 2021, 3031, 40414243 and so on.
        let data: [&[u8]; 4] = [b"", &[0x00], &[0x10], &[0x20, 0x21]];
        let leaves: Vec<Hash> = data.iter().map(|data| leaf_hash(data)).collect();
        let known = [
            "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "0x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "0xfac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "0xaeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "0xd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        for (count, known) in known.iter().enumerate() {
            assert_eq!(merkle_root(&leaves[..count]).to_string(), *known);
        }
    }

    #[test]
    fn every_leaf_of_every_size_is_proven_and_nothing_else() {
        for count in 1..40usize {
            let leaves = leaves(count);
            let root = merkle_root(&leaves);
            for index in 0..count {
                let proof = InclusionProof::of(&leaves, index as u32).expect("in range");
                assert_eq!(proof.verify(&leaves[index], &root), Ok(()));
                for (other, leaf) in leaves.iter().enumerate() {
                    let moved = InclusionProof { index: other as u32, ..proof.clone() };
                    assert_eq!(moved.verify(&leaves[index], &root).is_ok(), other == index);
                    assert_eq!(proof.verify(leaf, &root).is_ok(), other == index);
                }
                let mut longer = proof.path.to_vec();
                longer.push(root);
                let longer = InclusionProof { path: List::truncated(longer), ..proof.clone() };
                assert!(longer.verify(&leaves[index], &root).is_err());
                assert!(InclusionProof::of(&leaves, count as u32).is_none());
            }
        }
    }
}
