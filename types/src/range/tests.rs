//! Range proofs by the definition of the tree: they verify, nothing can be left out or added, and no changed one shows more.

use proptest::prelude::*;

use super::*;
use crate::codec::{decode, encode};

/// The root by the definition of the tree.
fn root_of(leaves: &[LeafReference]) -> Hash {
    Subtree::holding(leaves, 0).hash()
}

/// The proof by its definition: a walk over all leaves.
fn prove(leaves: &[LeafReference], place: Place, from: &Hash, to: &Hash, parts: &mut Vec<RangePart>) {
    match leaves {
        [] => parts.push(RangePart::Empty),
        [leaf] if (*from..=*to).contains(&leaf.key) => parts.push(RangePart::Within),
        [leaf] => parts.push(RangePart::Leaf(*leaf)),
        many => {
            parts.push(RangePart::Split);
            let (left, right) = halves(many, place.depth);
            for (leaves, is_right) in [(left, false), (right, true)] {
                match half(place, is_right, from, to) {
                    Half::On(place) => prove(leaves, place, from, to, parts),
                    Half::Between => {}
                    Half::Beside => parts.push(match leaves {
                        [] => RangePart::Empty,
                        [leaf] => RangePart::Leaf(*leaf),
                        many => RangePart::Node(Subtree::holding(many, place.depth + 1).hash()),
                    }),
                }
            }
        }
    }
}

fn proof(leaves: &[LeafReference], from: &Hash, to: &Hash) -> RangeProof {
    let mut parts = Vec::new();
    prove(leaves, Place { depth: 0, on_from: true, on_to: true, path: *from }, from, to, &mut parts);
    RangeProof { parts: List::new(parts).expect("within the bound") }
}

/// Keys that share many bits, so that paths are long and lone leaves hang at all depths.
fn key() -> impl Strategy<Value = Hash> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0x80), Just(0xff), any::<u8>()];
    (byte.clone(), byte.clone(), byte, any::<bool>()).prop_map(|(first, second, last, is_deep)| {
        let mut bytes = [0; 32];
        (bytes[0], bytes[1]) = (first, second);
        bytes[if is_deep { 31 } else { 2 }] = last;
        Hash::new(bytes)
    })
}

fn tree() -> impl Strategy<Value = Vec<LeafReference>> {
    prop::collection::btree_map(key(), any::<u8>(), 0..24).prop_map(|leaves| {
        leaves.into_iter().map(|(key, value)| LeafReference { key, value: Hash::raw(&[&[value]]) }).collect()
    })
}

fn within(leaves: &[LeafReference], from: &Hash, to: &Hash) -> Vec<LeafReference> {
    leaves.iter().copied().filter(|leaf| (*from..=*to).contains(&leaf.key)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exactly_what_is_in_the_range_is_proven(leaves in tree(), one in key(), other in key(), at in any::<prop::sample::Index>()) {
        let (from, to) = (one.min(other), one.max(other));
        let (root, proof, held) = (root_of(&leaves), proof(&leaves, &from, &to), within(&leaves, &from, &to));
        prop_assert_eq!(proof.verify(&root, &from, &to, &held), Ok(()));
        let bytes = encode(&proof);
        prop_assert_eq!(decode::<RangeProof>(&bytes, bytes.len()), Ok(proof.clone()));
        if !held.is_empty() {
            let mut fewer = held.clone();
            fewer.remove(at.index(held.len()));
            prop_assert!(proof.verify(&root, &from, &to, &fewer).is_err(), "one is left out");
            let mut changed = held.clone();
            changed[at.index(held.len())].value = Hash::ZERO;
            prop_assert!(proof.verify(&root, &from, &to, &changed).is_err(), "a value is changed");
        }
        let stranger = LeafReference { key: one, value: Hash::ZERO };
        let mut more: Vec<LeafReference> = held.iter().copied().filter(|leaf| leaf.key != one).collect();
        more.push(stranger);
        more.sort_unstable();
        prop_assert!(proof.verify(&root, &from, &to, &more).is_err(), "one is added");
        prop_assert!(to == from || proof.verify(&root, &to, &from, &held).is_err(), "a reversed range");
    }

    #[test]
    fn a_changed_proof_shows_nothing_else(leaves in tree(), one in key(), other in key(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (from, to) = (one.min(other), one.max(other));
        let (root, proof, held) = (root_of(&leaves), proof(&leaves, &from, &to), within(&leaves, &from, &to));
        let mut bytes = encode(&proof);
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok(changed) = decode::<RangeProof>(&bytes, bytes.len()) {
            // A leaf beside the range may also be named by its hash, as a larger subtree is.
            prop_assert!(changed.verify(&root, &from, &to, &held).is_err(), "{proof:?} became {changed:?}");
        }
        for left_out in 0..held.len() {
            let mut fewer = held.clone();
            fewer.remove(left_out);
            // The proof for the range without the leaf, from the tree without it, is for another root.
            let mut without = leaves.clone();
            without.retain(|leaf| leaf.key != held[left_out].key);
            let other = super::tests::proof(&without, &from, &to);
            prop_assert!(other.verify(&root, &from, &to, &fewer).is_err());
        }
    }
}

#[test]
fn a_range_of_a_large_tree_takes_a_kilobyte_or_two() {
    let leaf = |number: u32| LeafReference { key: Hash::raw(&[&number.to_le_bytes()]), value: Hash::ZERO };
    let mut leaves: Vec<LeafReference> = (0..100_000).map(leaf).collect();
    leaves.sort_unstable();
    let (from, to) = (leaves[40_000].key, leaves[40_999].key);
    let proof = proof(&leaves, &from, &to);
    assert_eq!(proof.verify(&root_of(&leaves), &from, &to, &leaves[40_000..41_000]), Ok(()));
    assert!(encode(&proof).len() < 2_048, "{} bytes", encode(&proof).len());
    let (lowest, highest) = (Hash::ZERO, Hash::new([0xff; 32]));
    let whole = super::tests::proof(&leaves, &lowest, &highest);
    assert_eq!(whole.verify(&root_of(&leaves), &lowest, &highest, &leaves), Ok(()));
}
