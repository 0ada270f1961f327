//! The tree against its definition, over histories that create, delete and recreate.

use std::collections::BTreeMap;

use althing_storage::{OrderedStore as _, WriteBatch};
use althing_types::{Hash, LeafReference, StateKey, Text, merkle_root};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{JmtTree, StateTree as _};
use crate::overlay::StateChange;
use crate::tests::kit::store;

fn sha256(parts: &[&[u8]]) -> Hash {
    Hash::new(Sha256::digest(parts.concat()).into())
}

fn bit(key: &Hash, level: usize) -> bool {
    key.as_bytes()[level / 8] << (level % 8) & 0x80 != 0
}

/// The root by the definition in `types/src/proof.rs`: a recursion over all leaves.
fn by_definition(leaves: &[LeafReference], level: usize) -> Hash {
    match leaves {
        [] => Hash::new(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__"),
        [leaf] => sha256(&[b"JMT::LeafNode", leaf.key.as_bytes(), leaf.value.as_bytes()]),
        many => {
            let (right, left): (Vec<_>, Vec<_>) = many.iter().copied().partition(|leaf| bit(&leaf.key, level));
            let (left, right) = (by_definition(&left, level + 1), by_definition(&right, level + 1));
            sha256(&[b"JMT::IntrnalNode", left.as_bytes(), right.as_bytes()])
        }
    }
}

/// Keys and values.
pub(crate) type Model = BTreeMap<StateKey, Vec<u8>>;

/// The root of these keys and values.
pub(crate) fn root_of(model: &Model) -> Hash {
    let leaf = |(key, value): (&StateKey, &Vec<u8>)| LeafReference { key: key.tree_key(), value: sha256(&[value]) };
    by_definition(&model.iter().map(leaf).collect::<Vec<_>>(), 0)
}

fn key(number: u16) -> StateKey {
    StateKey::System(Text::new(format!("{number}")).expect("short"))
}

/// One version after the other: what each sets or deletes.
fn check(history: Vec<BTreeMap<u16, Option<u8>>>, reopen_every: usize) {
    let store = store();
    let mut tree = JmtTree::default();
    let (mut model, mut versions) = (Model::new(), Vec::new());
    for (version, changes) in (0u64..).zip(history) {
        let changes: Vec<StateChange> =
            changes.into_iter().map(|(number, value)| (key(number), value.map(|byte| vec![byte]))).collect();
        let mut batch = WriteBatch::default();
        let root = tree.grow(&*store, version, &changes, &mut batch).expect("grown");
        for (key, value) in changes {
            match value {
                Some(value) => drop(model.insert(key, value)),
                None => drop(model.remove(&key)),
            }
        }
        assert_eq!(root, root_of(&model), "version {version}");
        store.commit(batch).expect("written");
        tree.keep();
        if versions.len() % reopen_every == 0 {
            tree = JmtTree::default();
        }
        versions.push((root, model.clone()));
    }
    for (version, (root, model)) in (0u64..).zip(versions) {
        assert_eq!(JmtTree::root(&*store, version).expect("there"), root);
        for number in 0..40 {
            let key = key(number);
            let proof = JmtTree::prove(&*store, version, &key.tree_key()).expect("provable");
            let value = model.get(&key).map(Vec::as_slice);
            assert_eq!(proof.verify(&root, &key, value), Ok(()), "version {version}, key {number}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn root_and_proofs_follow_from_keys_and_values_alone(
        history in proptest::collection::vec(
            proptest::collection::btree_map(0u16..40, proptest::option::weighted(0.6, 0u8..4), 0..24), 1..8),
        reopen_every in 1usize..4,
    ) {
        check(history, reopen_every);
    }
}

#[test]
fn a_tree_of_many_keys_agrees_with_its_definition() {
    let set = |range: std::ops::Range<u16>, value: u8| range.map(|n| (n, Some(value))).collect();
    let cleared = |range: std::ops::Range<u16>| range.map(|n| (n, None)).collect();
    check(vec![set(0..3000, 1), cleared(1000..3000), set(500..1500, 2), cleared(0..1499), set(0..10, 3)], 2);
}

#[test]
fn a_tree_can_be_emptied_and_filled_again() {
    let one = || BTreeMap::from([(1, Some(1))]);
    let none = || BTreeMap::from([(1, None)]);
    check(vec![BTreeMap::new(), one(), none(), none(), one(), one(), none()], 2);
    assert_eq!(root_of(&Model::new()), Hash::new(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__"));
    assert_ne!(root_of(&Model::new()), merkle_root(&[]));
}

#[test]
fn what_was_not_committed_is_forgotten() {
    let store = store();
    let mut tree = JmtTree::default();
    let grow = |tree: &mut JmtTree, version, value: u8| {
        let mut batch = WriteBatch::default();
        let root = tree.grow(&*store, version, &[(key(1), Some(vec![value]))], &mut batch).expect("grown");
        (root, batch)
    };
    let (_, batch) = grow(&mut tree, 0, 0);
    store.commit(batch).expect("written");
    tree.keep();
    let (dropped, _) = grow(&mut tree, 1, 1);
    let (kept, batch) = grow(&mut tree, 1, 2);
    assert_ne!(dropped, kept);
    store.commit(batch).expect("written");
    tree.keep();
    assert_eq!(JmtTree::root(&*store, 1).expect("there"), kept);
    let model = Model::from([(key(1), vec![3])]);
    assert_eq!(grow(&mut tree, 2, 3).0, root_of(&model));
}
