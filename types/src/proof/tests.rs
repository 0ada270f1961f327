//! Proofs against a tree built by the definition, and against every change of a byte.

use super::*;
use crate::address::Address;
use crate::asset::AssetId;
use crate::block::{Body, genesis_header};
use crate::codec::encode;
use crate::keys::SecretKey;
use crate::number::{Epoch, Height, TimeMs, ValidatorIndex, View};
use crate::scheme::Ed25519;
use crate::validators::{Validator, ValidatorSet};
use crate::vote::{Finalize, Vote};
use std::collections::BTreeMap;

/// The state tree by its definition: a recursion over sorted leaves.
struct Tree(BTreeMap<Hash, Hash>);

impl Tree {
    fn of(entries: &[(StateKey, Vec<u8>)]) -> Self {
        Self(entries.iter().map(|(key, value)| (key.tree_key(), Hash::raw(&[value]))).collect())
    }

    fn leaves(&self) -> Vec<LeafReference> {
        self.0.iter().map(|(key, value)| LeafReference { key: *key, value: *value }).collect()
    }

    fn root(&self) -> Hash {
        subtree(&self.leaves(), 0)
    }

    fn prove(&self, key: &StateKey) -> StateProof {
        let (mut leaves, key, mut level) = (self.leaves(), key.tree_key(), 0);
        let mut siblings = Vec::new();
        while leaves.len() > 1 {
            let (right, left): (Vec<_>, Vec<_>) = leaves.into_iter().partition(|leaf| bit(&leaf.key, level));
            let (mine, other) = if bit(&key, level) { (right, left) } else { (left, right) };
            siblings.push((!other.is_empty()).then(|| subtree(&other, level + 1)));
            leaves = mine;
            level += 1;
        }
        siblings.reverse();
        StateProof { leaf: leaves.first().copied(), siblings: List::truncated(siblings) }
    }
}

fn subtree(leaves: &[LeafReference], level: usize) -> Hash {
    match leaves {
        [] => EMPTY_SUBTREE,
        [leaf] => leaf.hash(),
        many => {
            let (right, left): (Vec<_>, Vec<_>) = many.iter().copied().partition(|leaf| bit(&leaf.key, level));
            state_node_hash(&subtree(&left, level + 1), &subtree(&right, level + 1))
        }
    }
}

fn key(number: u64) -> StateKey {
    let mut address = [0; 32];
    address[..8].copy_from_slice(&number.to_le_bytes());
    StateKey::Balance(Address::new(address), AssetId::of_genesis(&"USD".parse().expect("a symbol")))
}

fn entries(count: u64) -> Vec<(StateKey, Vec<u8>)> {
    (0..count).map(|i| (key(i), encode(&u128::from(i)))).collect()
}

#[test]
fn every_key_is_proven_present_and_every_other_absent() {
    for count in [0u64, 1, 2, 3, 10, 100] {
        let entries = entries(count);
        let tree = Tree::of(&entries);
        let root = tree.root();
        for (key, value) in &entries {
            let proof = tree.prove(key);
            assert_eq!(proof.verify(&root, key, Some(value)), Ok(()));
            assert_eq!(proof.verify(&root, key, Some(b"other")), Err(ProofError::OtherLeaf));
            assert_eq!(proof.verify(&root, key, None), Err(ProofError::OtherLeaf));
            assert!(crate::encoded_len(&proof) <= 1024);
        }
        for absent in (count..count + 50).map(key) {
            let proof = tree.prove(&absent);
            assert_eq!(proof.verify(&root, &absent, None), Ok(()));
            assert!(proof.verify(&root, &absent, Some(b"")).is_err());
        }
    }
}

#[test]
fn a_proof_for_one_key_proves_nothing_about_another() {
    let entries = entries(60);
    let tree = Tree::of(&entries);
    let root = tree.root();
    for (one, _) in &entries {
        let proof = tree.prove(one);
        for (other, value) in entries.iter().filter(|(other, _)| other != one) {
            assert!(proof.verify(&root, other, Some(value)).is_err());
            assert!(proof.verify(&root, other, None).is_err(), "{other:?} exists");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_state_proof_is_refused() {
    let entries = entries(200);
    let tree = Tree::of(&entries);
    let root = tree.root();
    for (key, value) in [(key(17), Some(encode(&17u128))), (key(777), None)] {
        let bytes = encode(&tree.prove(&key));
        for place in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[place / 8] ^= 1 << (place % 8);
            let accepted = crate::decode::<StateProof>(&bad, bytes.len())
                .is_ok_and(|proof| proof.verify(&root, &key, value.as_deref()).is_ok());
            assert!(!accepted, "bit {place}");
        }
    }
}

struct Light {
    committee: Committee,
    proof: SummaryProof,
}

/// Three headers above genesis; the first carries two summaries, the last is certified.
fn light() -> Light {
    let secrets: Vec<SecretKey> = (1..=4).map(|seed| SecretKey::from_seed(&[seed; 32])).collect();
    let node = |i: u8| SecretKey::from_seed(&[100 + i; 32]).public_key();
    let members = secrets.iter().zip(0..).map(|(it, i)| Validator { key: it.public_key(), node_key: node(i) });
    let set = ValidatorSet::new(members.collect(), 1, false).expect("a set");
    let committee = Committee { chain: Hash::new([3; 32]), epoch: Epoch::ZERO, set };
    let summary = |height: u64| Summary {
        height: Height::new(height),
        block: Hash::ZERO,
        state_root: Hash::new([height as u8; 32]),
        tx_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        tx_count: 1,
        gas_used: 5,
        vm: 1,
    };
    let body = Body { results: List::truncated(vec![summary(1), summary(2)]), ..Body::default() };
    let genesis = genesis_header(committee.chain, TimeMs::new(1), committee.set.hash(), Hash::ZERO);
    let mut headers = Vec::new();
    let mut parent = genesis;
    for height in 3..6 {
        let results_root = if height == 3 { body.results_root() } else { parent.results_root };
        parent = Header { height: Height::new(height), parent: parent.id(), results_root, ..parent };
        headers.push(parent.clone());
    }
    let vote = Finalize { epoch: Epoch::ZERO, view: View::new(12), digest: parent.id() };
    let sign = |index: u16| {
        let index = ValidatorIndex::new(index);
        let key = committee.set.get(index).expect("a member").key;
        let secret = secrets.iter().find(|secret| secret.public_key() == key).expect("ours");
        Vote::Finalize(vote).sign(&committee.chain, index, secret)
    };
    let votes: Vec<_> = (0..3).map(sign).collect();
    let finalization = Finalization::slow(vote, &committee, &votes).expect("a quorum");
    let leaves: Vec<Hash> = body.results.iter().map(Summary::leaf).collect();
    let inclusion = InclusionProof::of(&leaves, 1).expect("in range");
    let chain = ChainProof { headers: List::truncated(headers), finalization };
    Light { committee, proof: SummaryProof { summary: summary(2), inclusion, chain } }
}

#[test]
fn a_light_client_believes_a_certified_summary_and_nothing_else() {
    let Light { committee, proof } = light();
    let summary = proof.verify(&Ed25519, &committee).expect("a good proof");
    assert_eq!(summary.state_root, Hash::new([2; 32]));
    let bytes = encode(&proof);
    for place in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[place] ^= 1;
        let accepted = crate::decode::<SummaryProof>(&bad, bytes.len())
            .is_ok_and(|proof| proof.verify(&Ed25519, &committee).is_ok());
        assert!(!accepted, "byte {place}");
    }
}

#[test]
fn headers_must_link_and_belong_to_the_committee() {
    let Light { committee, proof } = light();
    let with_headers = |headers: Vec<Header>| {
        let chain = ChainProof { headers: List::truncated(headers), ..proof.chain.clone() };
        chain.verify(&Ed25519, &committee).map(|_| ())
    };
    let headers = proof.chain.headers.to_vec();
    assert_eq!(with_headers(headers.clone()), Ok(()));
    assert_eq!(with_headers(vec![]), Err(ProofError::NoHeader));
    assert_eq!(with_headers(vec![headers[0].clone(), headers[2].clone()]), Err(ProofError::Link { index: 1 }));
    assert_eq!(with_headers(headers[..2].to_vec()), Err(ProofError::OtherBlock));
    let foreign = Header { epoch: Epoch::new(1), ..headers[0].clone() };
    assert_eq!(with_headers(vec![foreign]), Err(ProofError::Foreign { index: 0 }));
}
