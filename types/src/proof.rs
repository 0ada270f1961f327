//! What a light client checks: from the genesis validators to one value of the state, without trusting any node.
//!
//! The chain of reasoning: a [`Finalization`] makes a header final, headers link down to the one that carries an
//! execution summary ([`SummaryProof`]), the summary names the state root, and a [`StateProof`] shows what stands
//! under a key below that root, or that nothing does.
//!
//! The state tree is a Jellyfish Merkle tree over SHA-256: a leaf is `SHA-256("JMT::LeafNode" ‖ key ‖ value hash)`, a
//! node `SHA-256("JMT::IntrnalNode" ‖ left ‖ right)`, an empty subtree the 32 bytes
//! `SPARSE_MERKLE_PLACEHOLDER_HASH__`, and a subtree with one leaf is that leaf. Its root is a pure function of the
//! key/value set.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::block::{Header, Summary};
use crate::certificate::{CertificateError, Finalization};
use crate::codec::List;
use crate::hash::Hash;
use crate::merkle::{InclusionProof, MerkleError};
use crate::scheme::Scheme;
use crate::state::StateKey;
use crate::validators::Committee;
use crate::verified::Verified;

/// Headers between an answer and its certificate at most (`decisions.md` 1.7).
pub const CHAIN_HEADERS_MAX: usize = 4_096;
/// Depth of the state tree at most: the bits of a key.
pub(crate) const TREE_DEPTH_MAX: usize = 256;
/// What is hashed in front of a leaf's tree key and value hash.
pub(crate) const LEAF_PREFIX: &[u8; 13] = b"JMT::LeafNode";
/// What is hashed in front of a node's two halves.
pub(crate) const NODE_PREFIX: &[u8; 16] = b"JMT::IntrnalNode";
/// What stands for an empty subtree of the state tree.
pub const EMPTY_SUBTREE: Hash = Hash::new(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no header.
    #[error("the proof holds no header")]
    NoHeader,
    /// A header does not name the one before as its parent.
    #[error("header {index} of the proof is not the child of the one before")]
    Link {
        /// Place of the header.
        index: usize,
    },
    /// A header is of another chain, epoch or validator set than the certificate is checked with.
    #[error("header {index} of the proof is of another chain, epoch or validator set")]
    Foreign {
        /// Place of the header.
        index: usize,
    },
    /// The certificate is for another block than the last header.
    #[error("the certificate is for another block than the last header of the proof")]
    OtherBlock,
    /// The certificate does not verify.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The summary does not stand under the header.
    #[error(transparent)]
    Summary(#[from] MerkleError),
    /// The proof shows another leaf than the value, or shows a leaf where there should be none.
    #[error("the proof is about another key or value")]
    OtherLeaf,
    /// The path leads to another state root.
    #[error("the path leads to another state root")]
    StateRoot,
    /// The proof is not in the one form that the tree gives it.
    #[error("the path is not in canonical form")]
    NotCanonical,
}

/// Headers from the one that is to be believed up to one with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct ChainProof {
    /// The header that is to be believed, and its descendants in order.
    pub headers: List<Header, CHAIN_HEADERS_MAX>,
    /// The certificate of the last header.
    pub finalization: Finalization,
}

impl ChainProof {
    /// Checks the links and the certificate; returns the first header. All headers must be of the committee's epoch.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<Verified<&Header>, ProofError> {
        let first = self.headers.first().ok_or(ProofError::NoHeader)?;
        let validators = committee.set.hash();
        let mut below: Option<Hash> = None;
        for (index, header) in self.headers.iter().enumerate() {
            let frame = (header.chain, header.epoch, header.validators);
            if frame != (committee.chain, committee.epoch, validators) {
                return Err(ProofError::Foreign { index });
            }
            if below.is_some_and(|below| below != header.parent) {
                return Err(ProofError::Link { index });
            }
            below = Some(header.id());
        }
        if below != Some(self.finalization.vote.digest) {
            return Err(ProofError::OtherBlock);
        }
        self.finalization.verify(scheme, committee)?;
        Ok(Verified::new(first))
    }
}

/// An execution summary under a final header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct SummaryProof {
    /// The summary: the state root of a height.
    pub summary: Summary,
    /// Its place under the first header's `results_root`.
    pub inclusion: InclusionProof,
    /// The header that carries it, up to a certificate.
    pub chain: ChainProof,
}

impl SummaryProof {
    /// Checks the proof; returns the summary.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<Verified<Summary>, ProofError> {
        let header = self.chain.verify(scheme, committee)?;
        self.inclusion.verify(&self.summary.leaf(), &header.results_root)?;
        Ok(Verified::new(self.summary))
    }
}

/// A leaf of the state tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct LeafReference {
    /// The tree key, see [`StateKey::tree_key`].
    pub key: Hash,
    /// SHA-256 of the value.
    pub value: Hash,
}

/// A path through the state tree to where a key stands or would stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct StateProof {
    /// The leaf at the end of the path; none if an empty subtree is there.
    pub leaf: Option<LeafReference>,
    /// Siblings from the bottom up; none stands for an empty subtree.
    pub siblings: List<Option<Hash>, TREE_DEPTH_MAX>,
}

impl StateProof {
    /// Checks that under `root` the key has this value, or no value at all.
    pub fn verify(&self, root: &Hash, key: &StateKey, value: Option<&[u8]>) -> Result<(), ProofError> {
        self.verify_tree_key(root, &key.tree_key(), value)
    }

    fn verify_tree_key(&self, root: &Hash, key: &Hash, value: Option<&[u8]>) -> Result<(), ProofError> {
        self.check_form()?;
        let expected = value.map(|value| LeafReference { key: *key, value: Hash::raw(&[value]) });
        let depth = self.siblings.len();
        match (expected, self.leaf) {
            (Some(expected), Some(leaf)) if expected == leaf => {}
            (None, None) => {}
            // Another leaf alone in the subtree where the key would be.
            (None, Some(leaf)) if leaf.key != *key && shared_bits(&leaf.key, key) >= depth => {}
            _ => return Err(ProofError::OtherLeaf),
        }
        let mut hash = self.leaf.map_or(EMPTY_SUBTREE, |leaf| leaf.hash());
        for (side, sibling) in self.steps(key) {
            hash = match side {
                Side::Left => state_node_hash(&sibling, &hash),
                Side::Right => state_node_hash(&hash, &sibling),
            };
        }
        if hash == *root { Ok(()) } else { Err(ProofError::StateRoot) }
    }

    /// The siblings on the way from where a tree key stands up to the root, and on which side each of them is.
    pub(crate) fn steps(&self, key: &Hash) -> impl Iterator<Item = (Side, Hash)> {
        let levels = (0..self.siblings.len()).rev();
        levels.zip(self.siblings.iter()).map(|(level, sibling)| {
            let side = if bit(key, level) { Side::Left } else { Side::Right };
            (side, sibling.unwrap_or(EMPTY_SUBTREE))
        })
    }

    /// An empty subtree is written as none, and below a lone leaf there is no further level.
    fn check_form(&self) -> Result<(), ProofError> {
        let lowest_is_empty = matches!(self.siblings.first(), Some(None));
        if self.siblings.contains(&Some(EMPTY_SUBTREE)) || lowest_is_empty {
            return Err(ProofError::NotCanonical);
        }
        Ok(())
    }
}

/// Where the sibling of a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// On its left: the node is the right half.
    Left,
    /// On its right: the node is the left half.
    Right,
}

impl LeafReference {
    /// The hash of a subtree with this leaf alone.
    pub fn hash(&self) -> Hash {
        Hash::raw(&[LEAF_PREFIX, self.key.as_bytes(), self.value.as_bytes()])
    }
}

/// The hash of a node of the state tree with more than one leaf below.
pub fn state_node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::raw(&[NODE_PREFIX, left.as_bytes(), right.as_bytes()])
}

/// Bit `level` of a tree key, the highest bit of the first byte being level 0.
pub(crate) fn bit(key: &Hash, level: usize) -> bool {
    key.as_bytes().get(level / 8).is_some_and(|byte| byte << (level % 8) & 0x80 != 0)
}

/// How many leading bits two tree keys share.
pub(crate) fn shared_bits(a: &Hash, b: &Hash) -> usize {
    (0..TREE_DEPTH_MAX).take_while(|level| bit(a, *level) == bit(b, *level)).count()
}

#[cfg(test)]
mod tests;
