//! The bytes of a proof, and what gets none. Foreign verifiers judge the proofs of whole trees in the room `ledger`.

use super::*;
use crate::address::Address;
use crate::asset::AssetId;
use crate::codec::List;
use crate::proof::{LeafReference, state_node_hash};
use crate::state::StateKey;

fn key(number: u8) -> StateKey {
    StateKey::Balance(Address::new([number; 32]), AssetId::of_genesis(&"USD".parse().expect("a symbol")))
}

fn leaf(number: u8) -> LeafReference {
    LeafReference { key: key(number).tree_key(), value: Hash::raw(&[&[number]]) }
}

fn proof(leaf: Option<LeafReference>, siblings: Vec<Option<Hash>>) -> StateProof {
    StateProof { leaf, siblings: List::truncated(siblings) }
}

#[test]
fn a_lone_leaf_is_written_byte_by_byte() {
    let bytes = ics23_presence(&leaf(7).hash(), &key(7), &[7], &proof(Some(leaf(7)), vec![])).expect("it is there");
    let mut expected = vec![0x0a, 93, 0x0a, 65];
    expected.extend(encode(&key(7)));
    expected.extend([0x12, 1, 7, 0x1a, 21, 8, 1, 16, 1, 24, 1, 0x2a, 13]);
    expected.extend(b"JMT::LeafNode");
    assert_eq!(bytes, expected);
}

#[test]
fn each_half_of_a_node_has_its_own_step() {
    let (mut one, mut other) = (1, 2);
    while leaf(one).key.as_bytes()[0] >> 7 == leaf(other).key.as_bytes()[0] >> 7 {
        other += 1;
    }
    if leaf(one).key > leaf(other).key {
        (one, other) = (other, one);
    }
    let root = state_node_hash(&leaf(one).hash(), &leaf(other).hash());
    for (mine, sibling, is_left) in [(one, other, true), (other, one, false)] {
        let sibling = leaf(sibling).hash();
        let bytes = ics23_presence(&root, &key(mine), &[mine], &proof(Some(leaf(mine)), vec![Some(sibling)]));
        let mut step = vec![];
        if is_left {
            step.extend([0x22, 54, 8, 1, 0x12, 16]);
            step.extend(b"JMT::IntrnalNode");
            step.extend([0x1a, 32]);
        } else {
            step.extend([0x22, 52, 8, 1, 0x12, 48]);
            step.extend(b"JMT::IntrnalNode");
        }
        step.extend(sibling.as_bytes());
        assert!(bytes.expect("it is there").ends_with(&step), "{mine}");
    }
}

#[test]
fn what_the_compact_proof_does_not_show_gets_none() {
    let (root, there) = (leaf(7).hash(), proof(Some(leaf(7)), vec![]));
    let refused = |root: &Hash, number: u8, value: &[u8], proof: &StateProof| {
        ics23_presence(root, &key(number), value, proof).expect_err("it shows something else")
    };
    assert_eq!(refused(&root, 7, &[], &there), Ics23Error::EmptyValue);
    assert_eq!(refused(&root, 7, &[8], &there), Ics23Error::Proof(ProofError::OtherLeaf));
    assert_eq!(refused(&root, 8, &[7], &there), Ics23Error::Proof(ProofError::OtherLeaf));
    assert_eq!(refused(&Hash::ZERO, 7, &[7], &there), Ics23Error::Proof(ProofError::StateRoot));
    assert_eq!(refused(&root, 7, &[7], &proof(None, vec![])), Ics23Error::Proof(ProofError::OtherLeaf));
    let longer = proof(Some(leaf(7)), vec![None]);
    assert_eq!(refused(&root, 7, &[7], &longer), Ics23Error::Proof(ProofError::NotCanonical));
}
