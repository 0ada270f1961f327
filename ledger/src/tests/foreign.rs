//! Proofs of presence before a foreign judge: the crate `ics23`, which knows nothing of us but the `ProofSpec`.
//!
//! It is given bytes, a root, a key and a value, as anybody would. What it accepts must be so, and after any changed
//! byte it accepts nothing else.

use std::collections::BTreeMap;

use althing_storage::{FaultyStore, OrderedStore as _, WriteBatch};
use althing_types::{
    Address, Bytes, Ed25519, Hash, Height, ICS23_SPEC, ICS23_SPEC_NAME, StateKey, encode, ics23_presence,
};
use ics23::commitment_proof::Proof;
use ics23::{
    CommitmentProof, ExistenceProof, HashOp, HostFunctionsProvider, InnerOp, InnerSpec, LeafOp, LengthOp, ProofSpec,
    calculate_existence_root, verify_membership,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::kit::{Chain, address, store, usd};
use crate::Ledger;
use crate::overlay::StateChange;
use crate::tree::tests::{Model, root_of};
use crate::tree::{PagedTree, StateTree as _};

/// The hash functions that the judge may call.
struct Sha256Alone;

impl HostFunctionsProvider for Sha256Alone {
    fn sha2_256(message: &[u8]) -> [u8; 32] {
        Sha256::digest(message).into()
    }

    fn sha2_512(_: &[u8]) -> [u8; 64] {
        unreachable!("the specification names SHA-256 only")
    }

    fn sha2_512_truncated(_: &[u8]) -> [u8; 32] {
        unreachable!("the specification names SHA-256 only")
    }

    fn keccak_256(_: &[u8]) -> [u8; 32] {
        unreachable!("the specification names SHA-256 only")
    }

    fn ripemd160(_: &[u8]) -> [u8; 20] {
        unreachable!("the specification names SHA-256 only")
    }

    fn blake2b_512(_: &[u8]) -> [u8; 64] {
        unreachable!("the specification names SHA-256 only")
    }

    fn blake2s_256(_: &[u8]) -> [u8; 32] {
        unreachable!("the specification names SHA-256 only")
    }

    fn blake3(_: &[u8]) -> [u8; 32] {
        unreachable!("the specification names SHA-256 only")
    }
}

/// The specification as the text of `docs/spec/proofs.md` has it.
fn spec() -> ProofSpec {
    let sha256 = HashOp::Sha256.into();
    ProofSpec {
        leaf_spec: Some(LeafOp {
            hash: sha256,
            prehash_key: sha256,
            prehash_value: sha256,
            length: LengthOp::NoPrefix.into(),
            prefix: b"JMT::LeafNode".to_vec(),
        }),
        inner_spec: Some(InnerSpec {
            child_order: vec![0, 1],
            child_size: 32,
            min_prefix_length: 16,
            max_prefix_length: 16,
            empty_child: b"SPARSE_MERKLE_PLACEHOLDER_HASH__".to_vec(),
            hash: sha256,
        }),
        max_depth: 256,
        min_depth: 0,
        prehash_key_before_comparison: true,
    }
}

/// What is said: that under this root the key has the value.
#[derive(Clone)]
struct Claim {
    root: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Claim {
    fn new(root: &Hash, key: &StateKey, value: &[u8]) -> Self {
        Self { root: root.as_bytes().to_vec(), key: encode(key), value: value.to_vec() }
    }

    /// What the judge says of it.
    fn is_accepted(&self, spec: &ProofSpec, proof: &CommitmentProof) -> bool {
        verify_membership::<Sha256Alone>(proof, spec, &self.root, &self.key, &self.value)
    }
}

fn decoded(bytes: &[u8]) -> CommitmentProof {
    CommitmentProof::decode(bytes).expect("protobuf")
}

fn existence(bytes: &[u8]) -> ExistenceProof {
    match decoded(bytes).proof {
        Some(Proof::Exist(existence)) => existence,
        other => panic!("a proof of something else: {other:?}"),
    }
}

/// A key of any kind and a value of any length, both from one number.
fn entry(number: u32) -> (StateKey, Vec<u8>) {
    let noise: [u8; 32] = Sha256::digest(number.to_le_bytes()).into();
    let (who, length) = (Address::new(noise), usize::from(noise[0]));
    let key = match number % 4 {
        0 => StateKey::Account(who),
        1 => StateKey::Role(who, 7),
        2 => StateKey::Storage(who, Bytes::new(noise[..length % 32].to_vec()).expect("short")),
        _ => StateKey::Balance(who, usd()),
    };
    (key, noise.iter().copied().cycle().take(1 + length).collect())
}

/// A tree of so many keys in version 0, half of whose values change in version 1, where others come, and of which
/// version 2 forgets some: the store, and root and content of each version.
fn history(keys: u32) -> (std::sync::Arc<FaultyStore>, Vec<(Hash, Model)>) {
    let (store, mut tree, mut model, mut versions) = (store(), PagedTree::default(), Model::new(), Vec::new());
    let first = (0..keys).map(entry).map(|(key, value)| (key, Some(value))).collect();
    let changed = (0..keys).step_by(2).map(|number| (entry(number).0, Some(entry(number + 1).1)));
    let second = changed.chain((keys..keys + keys / 4).map(entry).map(|(key, value)| (key, Some(value)))).collect();
    let third = (1..keys).step_by(5).map(|number| (entry(number).0, None)).collect();
    for (version, changes) in (0u64..).zip([first, second, third] as [Vec<StateChange>; 3]) {
        let mut batch = WriteBatch::default();
        let root = tree.grow(&*store, version, &changes, &mut batch).expect("grown");
        store.commit(batch).expect("written");
        tree.keep();
        for (key, value) in changes {
            match value {
                Some(value) => drop(model.insert(key, value)),
                None => drop(model.remove(&key)),
            }
        }
        assert_eq!(root, root_of(&model), "version {version}");
        versions.push((root, model.clone()));
    }
    (store, versions)
}

/// The proof of a key in a version of a history.
fn presence(store: &FaultyStore, version: u64, root: &Hash, key: &StateKey, value: &[u8]) -> Vec<u8> {
    let proof = PagedTree::prove(store, version, *root, &key.tree_key()).expect("provable");
    ics23_presence(root, key, value, &proof).expect("it is there")
}

#[test]
fn the_specification_says_what_its_bytes_say() {
    assert_eq!(ProofSpec::decode(&ICS23_SPEC[..]).expect("protobuf"), spec());
    assert_eq!(spec().encode_to_vec(), ICS23_SPEC);
    assert_eq!(ICS23_SPEC_NAME, "jmt-sha256");
}

#[test]
fn every_key_is_accepted_in_every_version_of_small_and_large_trees() {
    let spec = spec();
    for keys in [1, 2, 17, 1_000] {
        let (store, versions) = history(keys);
        for (version, (root, model)) in (0u64..).zip(&versions) {
            let mut other: Option<Vec<u8>> = None;
            for (key, value) in model {
                let bytes = presence(&store, version, root, key, value);
                let (proof, claim) = (decoded(&bytes), Claim::new(root, key, value));
                assert!(claim.is_accepted(&spec, &proof), "{key:?} of {keys} in version {version}");
                // What we write is what the library of the judge would.
                assert_eq!(proof.encode_to_vec(), bytes);
                // Of another key, or of what the value was before or is later, it shows nothing.
                if let Some(other) = other.replace(bytes) {
                    assert!(!claim.is_accepted(&spec, &decoded(&other)));
                }
                for (root, model) in &versions {
                    let is_so = model.get(key) == Some(value) && claim.root == *root.as_bytes();
                    let claim = Claim { root: root.as_bytes().to_vec(), ..claim.clone() };
                    assert_eq!(claim.is_accepted(&spec, &proof), is_so, "{key:?} of {keys} in version {version}");
                }
            }
        }
    }
}

#[test]
fn an_absent_key_gets_no_proof() {
    let (store, versions) = history(17);
    let (root, model) = versions.last().expect("three versions");
    let absent: Vec<StateKey> = (0..200).map(|number| entry(number).0).filter(|key| !model.contains_key(key)).collect();
    assert!(absent.len() > 150);
    for key in absent {
        let proof = PagedTree::prove(&*store, 2, *root, &key.tree_key()).expect("provable");
        assert_eq!(proof.verify(root, &key, None), Ok(()));
        for value in model.values() {
            assert!(ics23_presence(root, &key, value, &proof).is_err());
        }
    }
}

/// What became of mutants.
#[derive(Debug, Default)]
struct Tally {
    /// Those that are no protobuf.
    undecodable: usize,
    /// Those that were judged and refused.
    refused: usize,
    /// Those that mean the same as the original.
    same: usize,
}

impl Tally {
    /// Judges a changed proof.
    fn judge(&mut self, spec: &ProofSpec, claim: &Claim, proof: &[u8], original: &CommitmentProof) {
        match CommitmentProof::decode(proof) {
            Ok(proof) if proof == *original => self.same += 1,
            Ok(proof) if claim.is_accepted(spec, &proof) => panic!("a mutant is accepted: {proof:?}"),
            Ok(_) => self.refused += 1,
            Err(_) => self.undecodable += 1,
        }
    }

    /// Each byte of the proof, and each of the claim, changed by every mask.
    fn mutate(&mut self, claim: &Claim, bytes: &[u8], masks: &[u8]) {
        let (spec, original) = (spec(), decoded(bytes));
        assert!(claim.is_accepted(&spec, &original));
        for mask in masks {
            for place in 0..bytes.len() {
                let mut mutant = bytes.to_vec();
                mutant[place] ^= mask;
                self.judge(&spec, claim, &mutant, &original);
            }
            let parts: [fn(&mut Claim) -> &mut Vec<u8>; 3] =
                [|claim| &mut claim.root, |claim| &mut claim.key, |claim| &mut claim.value];
            for part in parts {
                for place in 0..part(&mut claim.clone()).len() {
                    let mut mutant = claim.clone();
                    part(&mut mutant)[place] ^= mask;
                    assert!(!mutant.is_accepted(&spec, &original), "a changed claim is accepted");
                    self.refused += 1;
                    // The same lie in the claim and in the proof.
                    let mut existence = existence(bytes);
                    (existence.key, existence.value) = (mutant.key.clone(), mutant.value.clone());
                    let liar = CommitmentProof { proof: Some(Proof::Exist(existence)) };
                    assert!(!mutant.is_accepted(&spec, &liar), "a lie is accepted");
                    self.refused += 1;
                }
            }
        }
    }
}

#[test]
fn after_any_changed_byte_nothing_else_is_accepted() {
    let mut tally = Tally::default();
    let every_value: Vec<u8> = (1..=255).collect();
    let every_bit: Vec<u8> = (0..8).map(|bit| 1 << bit).collect();
    for keys in [1, 2, 17, 1_000] {
        let (store, versions) = history(keys);
        for (version, (root, model)) in (0u64..).zip(&versions) {
            // The shortest values: most of their proofs is path.
            let mut entries: Vec<(&StateKey, &Vec<u8>)> = model.iter().collect();
            entries.sort_by_key(|(_, value)| value.len());
            for (key, value) in entries.into_iter().take(if keys > 2 { 3 } else { 1 }) {
                let bytes = presence(&store, version, root, key, value);
                let claim = Claim::new(root, key, value);
                // Every other value of a byte where that takes not too long.
                tally.mutate(&claim, &bytes, if keys > 2 { &every_bit } else { &every_value });
            }
        }
    }
    // A byte that could change without a meaning would be a second proof of the same; there is none.
    assert!(tally.refused > 1_000_000 && tally.same == 0, "{tally:?}");
}

/// Whoever chooses a value can make it look like a leaf, so that the leaf that it is in looks like a node above it. The
/// hashes are right; only the prefixes tell a leaf from a node, and the specification holds them apart.
#[test]
fn a_value_that_looks_like_a_leaf_smuggles_nothing_in() {
    let (smuggled, riches) = (StateKey::Balance(address(1), usd()), encode(&u128::MAX));
    let looks_like_a_leaf = [
        b"JMT::LeafNode".as_slice(),
        smuggled.tree_key().as_bytes(),
        Hash::new(Sha256::digest(&riches).into()).as_bytes(),
    ]
    .concat();
    let carrier = StateKey::Storage(address(2), Bytes::new(vec![1]).expect("short"));
    let mut changes: BTreeMap<StateKey, Option<Vec<u8>>> =
        (0..16).map(entry).map(|(key, value)| (key, Some(value))).collect();
    changes.insert(carrier.clone(), Some(looks_like_a_leaf.clone()));
    let (store, mut tree, mut batch) = (store(), PagedTree::default(), WriteBatch::default());
    let changes: Vec<StateChange> = changes.into_iter().collect();
    let root = tree.grow(&*store, 0, &changes, &mut batch).expect("grown");
    store.commit(batch).expect("written");
    let honest = existence(&presence(&store, 0, &root, &carrier, &looks_like_a_leaf));
    let step = InnerOp {
        hash: HashOp::Sha256.into(),
        prefix: [b"JMT::LeafNode".as_slice(), carrier.tree_key().as_bytes()].concat(),
        suffix: Vec::new(),
    };
    let path = std::iter::once(step).chain(honest.path.clone()).collect();
    let forged = ExistenceProof { key: encode(&smuggled), value: riches.clone(), path, ..honest };
    let calculated = calculate_existence_root::<Sha256Alone>(&forged).expect("it leads to a root");
    assert_eq!(calculated, root.as_bytes(), "the hashes alone do not tell");
    let forged = CommitmentProof { proof: Some(Proof::Exist(forged)) };
    assert!(!Claim::new(&root, &smuggled, &riches).is_accepted(&spec(), &forged));
}

#[test]
fn the_latest_and_older_states_of_a_chain_are_accepted_under_certified_roots() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    for round in 0..9u32 {
        let transfers = (0..4).map(|from| chain.transfer(from, address(100 + 4 * round + from), 5)).collect();
        chain.commit(&mut ledger, vec![(0, transfers)]);
    }
    let (reader, spec) = (ledger.reader(), spec());
    let keys: Vec<StateKey> = (0..4).chain(100..104).map(|who| StateKey::Balance(address(who), usd())).collect();
    let latest = reader.prove(&keys).expect("covered");
    assert_eq!(latest.height, Height::new(8));
    let mut before = Vec::new();
    for proven in [latest, reader.prove_at(&keys, Height::new(1)).expect("covered and kept")] {
        let summary = proven.summary_proof.verify(&Ed25519, &chain.genesis.committee()).expect("a good proof");
        for ((key, value), proof) in keys.iter().zip(&proven.values).zip(&proven.proofs) {
            let value = value.as_deref().expect("it holds something");
            let bytes = ics23_presence(&summary.state_root, key, value, proof).expect("it is there");
            assert!(Claim::new(&summary.state_root, key, value).is_accepted(&spec, &decoded(&bytes)), "{key:?}");
            before.push((key.clone(), value.to_vec()));
        }
    }
    // Who paid has had less since.
    assert_eq!((&before[0].0, &before[8].0), (&keys[0], &keys[0]));
    assert_ne!(before[0].1, before[8].1);
}
