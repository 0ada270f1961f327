//! What a light client checks: nothing that is not in the model is ever proven, and what is there has one proof.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use althing_types::{
    Address, ChainProof, Hash, InclusionProof, LeafReference, List, StateKey, StateProof, SummaryProof, Text, encode,
    leaf_hash, merkle_root,
};
use sha2::{Digest as _, Sha256};

use super::canonical;
use crate::network::{chain, keys};
use crate::script::Script;

/// Bytes of a proof at most: four thousand headers of the largest kind.
const PROOF_BYTES_MAX: usize = 8 << 20;
/// What stands for an empty subtree.
const EMPTY_SUBTREE: Hash = Hash::new(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");
/// Keys that are asked about; every fourth has no value.
const KEYS: u8 = 24;
/// Leaves of the largest list in the model.
const LEAVES_MAX: usize = 40;

/// The state of the model by the places in its tree.
static STATE: LazyLock<BTreeMap<Hash, Vec<u8>>> = LazyLock::new(|| {
    let present = (0..KEYS).filter(|number| number % 4 != 3);
    present.map(|number| (state_key(number).tree_key(), vec![number; usize::from(number)])).collect()
});

fn state_key(number: u8) -> StateKey {
    match number % 2 {
        0 => StateKey::Account(Address::new([number; 32])),
        _ => StateKey::System(Text::new(format!("key-{number}")).unwrap_or_default()),
    }
}

/// A path through the state tree: the first byte chooses the key, the second what is claimed to stand there.
pub(crate) fn state_proof(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let key = state_key(script.byte() % KEYS);
    let stands = STATE.get(&key.tree_key());
    let other = vec![script.byte()];
    let claimed = match other[0] % 3 {
        0 => stands,
        1 => None,
        _ => Some(&other),
    };
    let Some(proof) = canonical::<StateProof>(script.rest(), PROOF_BYTES_MAX) else { return };
    let leaves: Vec<LeafReference> = STATE.iter().map(|(key, value)| leaf(key, value)).collect();
    if proof.verify(&subtree_root(&leaves, 0), &key, claimed.map(Vec::as_slice)).is_ok() {
        assert_eq!(claimed, stands, "what is not there was proven of {key:?}");
        assert_eq!(proof, path_to(&key), "a second proof of {key:?}");
    }
}

fn leaf(key: &Hash, value: &[u8]) -> LeafReference {
    LeafReference { key: *key, value: hash(&[value]) }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut sha = Sha256::new();
    parts.iter().for_each(|part| sha.update(part));
    Hash::new(sha.finalize().into())
}

fn is_right(key: &Hash, level: usize) -> bool {
    key.as_bytes()[level / 8] << (level % 8) & 0x80 != 0
}

/// The root of these leaves, ascending by key, which share so many bits: by the definition.
fn subtree_root(leaves: &[LeafReference], level: usize) -> Hash {
    match leaves {
        [] => EMPTY_SUBTREE,
        [leaf] => hash(&[b"JMT::LeafNode", leaf.key.as_bytes(), leaf.value.as_bytes()]),
        many => {
            let (left, right) = many.split_at(many.partition_point(|leaf| !is_right(&leaf.key, level)));
            let (left, right) = (subtree_root(left, level + 1), subtree_root(right, level + 1));
            hash(&[b"JMT::IntrnalNode", left.as_bytes(), right.as_bytes()])
        }
    }
}

/// The one proof of what stands under a key of the model.
fn path_to(key: &StateKey) -> StateProof {
    let key = key.tree_key();
    let all: Vec<LeafReference> = STATE.iter().map(|(key, value)| leaf(key, value)).collect();
    let (mut leaves, mut siblings) = (&all[..], Vec::new());
    while leaves.len() > 1 {
        let level = siblings.len();
        let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !is_right(&leaf.key, level)));
        let (mine, other) = if is_right(&key, level) { (right, left) } else { (left, right) };
        siblings.push((!other.is_empty()).then(|| subtree_root(other, level + 1)));
        leaves = mine;
    }
    siblings.reverse();
    StateProof { leaf: leaves.first().copied(), siblings: List::truncated(siblings) }
}

/// A place in a list: the first byte chooses how long the list is, the second which leaf is claimed to stand there.
pub(crate) fn inclusion_proof(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let leaves = leaves(script.below(LEAVES_MAX) + 1);
    let claimed = script.pick(&leaves);
    let Some(proof) = canonical::<InclusionProof>(script.rest(), PROOF_BYTES_MAX) else { return };
    // The number of leaves is not part of a root: whoever verifies compares it with what is certified beside the root.
    let is_asked = usize::try_from(proof.count).is_ok_and(|count| count == leaves.len());
    if is_asked && proof.verify(claimed, &merkle_root(&leaves)).is_ok() {
        let place = usize::try_from(proof.index).unwrap_or(usize::MAX);
        assert_eq!(leaves.get(place), Some(claimed), "a leaf was proven where another stands");
        assert_eq!(InclusionProof::of(&leaves, proof.index), Some(proof), "a second path to a leaf");
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_le_bytes())).collect()
}

/// Headers up to a certificate, and what the first of them carries.
pub(crate) fn summary_proof(bytes: &[u8]) {
    let committee = &chain().committee;
    let Some(proof) = canonical::<SummaryProof>(bytes, PROOF_BYTES_MAX) else { return };
    let ChainProof { headers, finalization } = &proof.chain;
    if proof.chain.verify(&keys(0), committee).is_ok() {
        let linked = headers.windows(2).all(|pair| pair[0].id() == pair[1].parent);
        assert!(linked && headers.iter().all(|header| header.chain == committee.chain), "headers that are not linked");
        assert!(headers.last().is_some_and(|last| last.id() == finalization.vote.digest), "another block is certified");
        assert_eq!(finalization.verify(&keys(0), committee), Ok(()), "a chain without a certificate");
    }
    if let Ok(summary) = proof.verify(&keys(0), committee) {
        let first = headers.first().map(|header| header.results_root);
        assert!(first == Some(merkle_root(&[summary.leaf()])) || proof.inclusion.count > 1, "a summary of its own");
    }
}

/// Good proofs of the model, as inputs.
pub(crate) fn state_proof_seeds() -> Vec<Vec<u8>> {
    (0..KEYS).map(|key| [vec![key, 0], encode(&path_to(&state_key(key)))].concat()).collect()
}

/// Good proofs of places in lists, as inputs.
pub(crate) fn inclusion_proof_seeds() -> Vec<Vec<u8>> {
    let of = |count: u8| {
        let index = count / 2;
        let proof = InclusionProof::of(&leaves(usize::from(count)), u32::from(index)).expect("a leaf of the list");
        [vec![count - 1, index], encode(&proof)].concat()
    };
    [1, 2, 3, 5, 8, 16, 17, 31, 40].map(of).to_vec()
}
