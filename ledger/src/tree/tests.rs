//! The tree against its definition and against the crate `jmt`, over histories that create, delete and recreate.

use std::collections::BTreeMap;

use althing_storage::{Order, OrderedStore, SCAN_ENTRIES_MAX, Scan, WriteBatch};
use althing_types::{Hash, LeafReference, StateKey, Text, merkle_root};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::page::{At, Page};
use super::stored::{PageKey, load_page, stale_keys};
use super::{JmtTree, PagedTree, StateTree as _, TreeOptions};
use crate::error::LedgerError;
use crate::overlay::StateChange;
use crate::space::{NODE, NODE_STALE};
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

/// Trees that differ in what they may use, of which one forgets all pages and one shares the smallest work.
fn options(number: usize) -> TreeOptions {
    let all = [(256 << 20, 2), (0, 1), (4_000, 3), (256 << 20, 16)];
    let (memory_bytes, threads) = all[number % all.len()];
    TreeOptions { memory_bytes, threads }
}

/// One version after the other: what each sets or deletes.
fn check(history: Vec<BTreeMap<u16, Option<u8>>>, chosen: usize, reopen_every: usize) {
    let (store, jmt_store) = (store(), store());
    let (mut tree, mut jmt) = (PagedTree::new(options(chosen)), JmtTree::default());
    let (mut model, mut versions) = (Model::new(), Vec::new());
    for (version, changes) in (0u64..).zip(history) {
        let changes: Vec<StateChange> =
            changes.into_iter().map(|(number, value)| (key(number), value.map(|byte| vec![byte]))).collect();
        let (mut batch, mut jmt_batch) = (WriteBatch::default(), WriteBatch::default());
        let root = tree.grow(&*store, version, &changes, &mut batch).expect("grown");
        // The library has no version that changes nothing but the first.
        if !changes.is_empty() {
            let by_jmt = jmt.grow(&*jmt_store, version, &changes, &mut jmt_batch).expect("grown");
            assert_eq!(root, by_jmt, "version {version}");
        }
        for (key, value) in changes {
            match value {
                Some(value) => drop(model.insert(key, value)),
                None => drop(model.remove(&key)),
            }
        }
        assert_eq!(root, root_of(&model), "version {version}");
        store.commit(batch).expect("written");
        jmt_store.commit(jmt_batch).expect("written");
        tree.keep();
        jmt.keep();
        if versions.len() % reopen_every == 0 {
            tree = PagedTree::new(options(chosen + version as usize));
        }
        versions.push((root, model.clone()));
    }
    for (version, (root, model)) in (0u64..).zip(versions) {
        for number in 0..40 {
            let key = key(number);
            let proof = PagedTree::prove(&*store, version, root, &key.tree_key()).expect("provable");
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
            proptest::collection::btree_map(0u16..40, proptest::option::weighted(0.6, 0u8..4), 1..24), 1..8),
        chosen in 0usize..4,
        reopen_every in 1usize..4,
    ) {
        check(history, chosen, reopen_every);
    }
}

#[test]
fn a_tree_of_many_keys_agrees_with_its_definition() {
    let set = |range: std::ops::Range<u16>, value: u8| range.map(|n| (n, Some(value))).collect();
    let cleared = |range: std::ops::Range<u16>| range.map(|n| (n, None)).collect();
    check(vec![set(0..3000, 1), cleared(1000..3000), set(500..1500, 2), cleared(0..1499), set(0..10, 3)], 1, 2);
}

#[test]
fn a_tree_can_be_emptied_and_filled_again() {
    let one = || BTreeMap::from([(1, Some(1))]);
    let none = || BTreeMap::from([(1, None)]);
    check(vec![one(), none(), none(), one(), one(), none()], 0, 2);
    assert_eq!(root_of(&Model::new()), Hash::new(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__"));
    assert_ne!(root_of(&Model::new()), merkle_root(&[]));
}

#[test]
fn what_was_not_committed_is_forgotten() {
    let store = store();
    let mut tree = PagedTree::default();
    let grow = |tree: &mut PagedTree, version, value: u8| {
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
    assert!(PagedTree::open(&*store, 1, kept).is_ok() && PagedTree::open(&*store, 1, dropped).is_err());
    let model = Model::from([(key(1), vec![3])]);
    assert_eq!(grow(&mut tree, 2, 3).0, root_of(&model));
}

/// A tree of so many keys, all set in version 0, and its store.
fn tree_of(keys: u16, options: TreeOptions) -> (PagedTree, std::sync::Arc<althing_storage::FaultyStore>) {
    let (store, mut tree) = (store(), PagedTree::new(options));
    let changes: Vec<StateChange> = (0..keys).map(|number| (key(number), Some(vec![0]))).collect();
    let mut batch = WriteBatch::default();
    tree.grow(&*store, 0, &changes, &mut batch).expect("grown");
    store.commit(batch).expect("written");
    tree.keep();
    (tree, store)
}

#[test]
fn memory_and_threads_change_no_stored_byte() {
    let grown = |number: usize| {
        let (mut tree, store) = tree_of(3_000, options(number));
        for version in 1..20u64 {
            let changes: Vec<StateChange> =
                (0..600u16).map(|n| (key(n * 7 + version as u16), (n % 5 != 0).then(|| vec![version as u8]))).collect();
            let mut batch = WriteBatch::default();
            tree.grow(&*store, version, &changes, &mut batch).expect("grown");
            store.commit(batch).expect("written");
            tree.keep();
            let bound = options(number).memory_bytes;
            assert!(tree.memory_bytes() <= bound.max(1), "{} bytes of {bound}", tree.memory_bytes());
        }
        let all = Scan { from: &[], to: None, order: Order::Ascending, limit: SCAN_ENTRIES_MAX };
        (store.scan(NODE, all).expect("read"), store.scan(NODE_STALE, all).expect("read"))
    };
    let (pages, stale) = grown(0);
    assert!(pages.len() > 5_000 && stale.len() == 19);
    for number in 1..4 {
        assert!(grown(number) == (pages.clone(), stale.clone()), "options {number}");
    }
}

#[test]
fn memory_is_counted_as_it_is_and_the_oldest_pages_are_forgotten_first() {
    for memory_bytes in [256 << 20, 400_000, 200_000] {
        let (mut tree, store) = tree_of(3_000, TreeOptions { memory_bytes, threads: 1 });
        let mut least = usize::MAX;
        for version in 1..40u64 {
            let set = |n: u16| (!n.is_multiple_of(3) || version.is_multiple_of(2)).then(|| vec![version as u8]);
            let numbers = (0..20u16).map(|n| (n * 149 + version as u16 * 61) % 3_000);
            let changes: BTreeMap<StateKey, Option<Vec<u8>>> = numbers.map(|n| (key(n), set(n))).collect();
            let changes: Vec<StateChange> = changes.into_iter().collect();
            let mut batch = WriteBatch::default();
            tree.grow(&*store, version, &changes, &mut batch).expect("grown");
            store.commit(batch).expect("written");
            tree.keep();
            assert_eq!(tree.memory_bytes(), tree.counted(), "version {version}");
            assert!(tree.memory_bytes() <= memory_bytes);
            least = if version < 20 { usize::MAX } else { least.min(tree.memory_bytes()) };
        }
        // What was used lately is kept, not only what the last block used.
        assert!(least > memory_bytes.min(300_000) / 4, "{least} of {memory_bytes}");
    }
}

#[test]
fn a_key_that_is_named_twice_is_refused() {
    let (mut tree, store) = tree_of(10, TreeOptions::default());
    let changes = vec![(key(90), Some(vec![1])), (key(90), Some(vec![2]))];
    let refused = tree.grow(&*store, 1, &changes, &mut WriteBatch::default());
    assert!(matches!(refused, Err(LedgerError::Corrupt { .. })));
}

#[test]
fn a_leaf_in_another_place_than_its_own_is_damage() {
    let (store, mut tree) = (store(), PagedTree::default());
    let mut batch = WriteBatch::default();
    let root = tree.grow(&*store, 0, &[(key(1), Some(vec![1]))], &mut batch).expect("grown");
    store.commit(batch).expect("written");
    let topmost = [0; 9];
    let page = store.get(NODE, &topmost).expect("read").expect("there");
    assert!(PagedTree::open(&*store, 0, root).is_ok());
    for place in 0..16 {
        let mut moved = page.clone();
        moved[..2].copy_from_slice(&(1u16 << place).to_le_bytes());
        moved[2..4].copy_from_slice(&(1u16 << place).to_le_bytes());
        let is_its_own = moved == page;
        let mut batch = WriteBatch::default();
        batch.put(NODE, topmost, moved);
        store.commit(batch).expect("written");
        assert_eq!(PagedTree::open(&*store, 0, root).is_ok(), is_its_own, "{place}");
    }
}

#[test]
fn what_later_versions_do_not_have_is_named_once() {
    let (mut tree, store) = tree_of(2_000, TreeOptions::default());
    let mut stale = std::collections::BTreeSet::new();
    for version in 1..12u64 {
        let changes: Vec<StateChange> =
            (0..400u16).map(|n| (key(n * 5 + version as u16), (n % 4 != 0).then(|| vec![version as u8]))).collect();
        let mut batch = WriteBatch::default();
        tree.grow(&*store, version, &changes, &mut batch).expect("grown");
        store.commit(batch).expect("written");
        tree.keep();
        let record = store.get(NODE_STALE, &version.to_be_bytes()).expect("read").expect("there");
        for key in stale_keys(&record).expect("whole") {
            assert!(store.get(NODE, key).expect("read").is_some());
            assert!(stale.insert(key.to_vec()), "named twice");
        }
    }
    // Without them the last version is whole, and nothing else is left.
    let mut batch = WriteBatch::default();
    stale.iter().for_each(|key| batch.delete(NODE, key.clone()));
    store.commit(batch).expect("written");
    let all = Scan { from: &[], to: None, order: Order::Ascending, limit: SCAN_ENTRIES_MAX };
    assert_eq!(store.scan(NODE, all).expect("read").len(), pages_of(&*store, 11).len());
}

/// The keys of the pages of a version, all of which must be whole.
pub(crate) fn pages_of(store: &impl OrderedStore, version: u64) -> Vec<Vec<u8>> {
    fn below(store: &impl OrderedStore, page: &mut Page, path: &mut Vec<u8>, keys: &mut Vec<Vec<u8>>) {
        for place in 0..16 {
            let At::Page(child) = page.at(place) else { continue };
            path.push(place);
            let mut key = [0; 32];
            path.iter().enumerate().for_each(|(at, nibble)| key[at / 2] |= nibble << (4 * (1 - at % 2)));
            let page = load_page(store, child.version, &Hash::new(key), path.len(), Some(child.hash));
            keys.push(PageKey::new(child.version, &Hash::new(key), path.len()).as_bytes().to_vec());
            below(store, &mut page.expect("whole"), path, keys);
            path.pop();
        }
    }
    let mut keys = vec![PageKey::new(version, &Hash::ZERO, 0).as_bytes().to_vec()];
    let mut topmost = load_page(store, version, &Hash::ZERO, 0, None).expect("whole");
    below(store, &mut topmost, &mut Vec::new(), &mut keys);
    keys
}

#[test]
fn damaged_pages_are_errors() {
    let (_, store) = tree_of(600, TreeOptions::default());
    let changes: BTreeMap<StateKey, Vec<u8>> = (0..600).map(|number| (key(number), vec![0])).collect();
    let root = root_of(&changes);
    let all = Scan { from: &[], to: None, order: Order::Ascending, limit: SCAN_ENTRIES_MAX };
    let pages = store.scan(NODE, all).expect("read");
    let (mut refused, mut proven) = (0, 0);
    for (page, bytes) in pages.iter().step_by(7) {
        for bit in [0, 17, 8 * bytes.len() / 2, 8 * bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut batch = WriteBatch::default();
            batch.put(NODE, page.clone(), damaged);
            store.commit(batch).expect("written");
            for number in 0..600 {
                match PagedTree::prove(&*store, 0, root, &key(number).tree_key()) {
                    Ok(proof) => {
                        assert_eq!(proof.verify(&root, &key(number), Some(&[0])), Ok(()));
                        proven += 1;
                    }
                    Err(error) => {
                        assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
                        refused += 1;
                    }
                }
            }
        }
        let mut batch = WriteBatch::default();
        batch.put(NODE, page.clone(), bytes.clone());
        store.commit(batch).expect("written");
    }
    assert!(refused > 100 && proven > 100, "{refused} refused, {proven} proven");
}

#[test]
fn every_range_is_proven_and_pages_of_ranges_meet() {
    for keys in [0u16, 1, 2, 17, 700] {
        let (_, store) = if keys == 0 { empty() } else { tree_of(keys, TreeOptions::default()) };
        let model: BTreeMap<StateKey, Vec<u8>> = (0..keys).map(|number| (key(number), vec![0])).collect();
        let root = root_of(&model);
        let mut leaves: Vec<LeafReference> =
            model.iter().map(|(key, value)| LeafReference { key: key.tree_key(), value: sha256(&[value]) }).collect();
        leaves.sort_unstable();
        let (lowest, highest) = (Hash::ZERO, Hash::new([0xff; 32]));
        // All of it in pages of different length.
        for limit in [1, 7, 256, 1_000] {
            let (mut from, mut found) = (lowest, Vec::new());
            loop {
                let range = PagedTree::prove_range(&*store, 0, root, (&from, &highest), limit).expect("whole");
                assert_eq!(range.proof.verify(&root, &from, &range.to, &range.leaves), Ok(()));
                assert!(range.leaves.len() <= limit);
                found.extend(range.leaves);
                if range.to == highest {
                    break;
                }
                from = next_key(&range.to);
            }
            assert_eq!(found, leaves);
            if keys > 100 && limit == 1 {
                break;
            }
        }
        // From any key to any other.
        for number in 0..60u16 {
            let [one, other] = [number, number.wrapping_mul(31)].map(|number| key(number + 300).tree_key());
            let (from, to) = (one.min(other), one.max(other));
            let range = PagedTree::prove_range(&*store, 0, root, (&from, &to), 10_000).expect("whole");
            let expected: Vec<_> = leaves.iter().copied().filter(|leaf| (from..=to).contains(&leaf.key)).collect();
            assert_eq!((range.to, &range.leaves), (to, &expected));
            assert_eq!(range.proof.verify(&root, &from, &to, &expected), Ok(()));
        }
    }
}

fn empty() -> (PagedTree, std::sync::Arc<althing_storage::FaultyStore>) {
    let (mut tree, store) = (PagedTree::default(), store());
    let mut batch = WriteBatch::default();
    tree.grow(&*store, 0, &[], &mut batch).expect("grown");
    store.commit(batch).expect("written");
    (tree, store)
}

/// The key after this one.
fn next_key(key: &Hash) -> Hash {
    let mut bytes = *key.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, carries) = byte.overflowing_add(1);
        *byte = next;
        if !carries {
            break;
        }
    }
    Hash::new(bytes)
}
