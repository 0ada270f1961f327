//! Vectors of proofs, made by the definition of the state tree, with the verdict of each: what `tests/vectors/proofs.py`
//! and verifiers in other languages are held against (`docs/spec/proofs.md`).

use althing_types::{
    Address, AssetId, EMPTY_SUBTREE, Hash, ICS23_SPEC, LeafReference, List, RangePart, RangeProof, StateKey,
    StateProof, decode, encode, ics23_presence, state_node_hash,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{python, vectors_path};

/// Keys and values of the tree.
const KEYS: u8 = 40;

fn asset() -> AssetId {
    AssetId::of_genesis(&"USD".parse().expect("a symbol"))
}

fn key(number: u8) -> StateKey {
    StateKey::Balance(Address::new([number; 32]), asset())
}

fn value(number: u8) -> Vec<u8> {
    encode(&u128::from(number))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    const_hex::encode_prefixed(bytes)
}

fn hashed(value: &[u8]) -> Hash {
    Hash::new(Sha256::digest(value).into())
}

fn leaf(number: u8) -> LeafReference {
    LeafReference { key: key(number).tree_key(), value: hashed(&value(number)) }
}

fn leaves() -> Vec<LeafReference> {
    let mut leaves: Vec<LeafReference> = (0..KEYS).map(leaf).collect();
    leaves.sort_unstable();
    leaves
}

fn bit(key: &Hash, level: usize) -> bool {
    key.as_bytes()[level / 8] >> (7 - level % 8) & 1 == 1
}

fn halves(leaves: &[LeafReference], level: usize) -> [Vec<LeafReference>; 2] {
    let (right, left) = leaves.iter().partition(|leaf| bit(&leaf.key, level));
    [left, right]
}

fn subtree(leaves: &[LeafReference], level: usize) -> Hash {
    match leaves {
        [] => EMPTY_SUBTREE,
        [leaf] => leaf.hash(),
        many => {
            let [left, right] = halves(many, level).map(|half| subtree(&half, level + 1));
            state_node_hash(&left, &right)
        }
    }
}

fn state_proof(key: &Hash) -> StateProof {
    let (mut rest, mut siblings) = (leaves(), Vec::new());
    while rest.len() > 1 {
        let level = siblings.len();
        let [left, right] = halves(&rest, level);
        let (mine, other) = if bit(key, level) { (right, left) } else { (left, right) };
        siblings.push((!other.is_empty()).then(|| subtree(&other, level + 1)));
        rest = mine;
    }
    siblings.reverse();
    StateProof { leaf: rest.first().copied(), siblings: List::new(siblings).expect("short") }
}

/// The parts for a subtree that a bound leads into: `on` says which of the two.
fn parts_on(leaves: &[LeafReference], level: usize, bounds: [&Hash; 2], on: [bool; 2], parts: &mut Vec<RangePart>) {
    let [from, to] = bounds;
    match leaves {
        [] => return parts.push(RangePart::Empty),
        [leaf] if (*from..=*to).contains(&leaf.key) => return parts.push(RangePart::Within),
        [leaf] => return parts.push(RangePart::Leaf(*leaf)),
        _ => parts.push(RangePart::Split),
    }
    for (half, is_right) in halves(leaves, level).iter().zip([false, true]) {
        let below = on[0] && !is_right && bit(from, level);
        let above = on[1] && is_right && !bit(to, level);
        let on = [on[0] && is_right == bit(from, level), on[1] && is_right == bit(to, level)];
        if below || above {
            parts.push(match &half[..] {
                [] => RangePart::Empty,
                [leaf] => RangePart::Leaf(*leaf),
                many => RangePart::Node(subtree(many, level + 1)),
            });
        } else if on != [false, false] {
            parts_on(half, level + 1, bounds, on, parts);
        }
    }
}

fn range_proof(from: &Hash, to: &Hash) -> RangeProof {
    let mut parts = Vec::new();
    parts_on(&leaves(), 0, [from, to], [true, true], &mut parts);
    RangeProof { parts: List::new(parts).expect("short") }
}

/// A state proof with what it is said to show, and whether it does.
fn state_vector(key: &StateKey, value: Option<&[u8]>, bytes: &[u8]) -> Value {
    let root = subtree(&leaves(), 0);
    let proof = decode::<StateProof>(bytes, bytes.len());
    let good = proof.is_ok_and(|proof| proof.verify(&root, key, value).is_ok());
    json!({ "kind": "state", "key": hex(key.tree_key().as_bytes()), "value": value.map(hex), "bytes": hex(bytes), "good": good })
}

fn range_vector(from: &Hash, to: &Hash, leaves: &[LeafReference], bytes: &[u8]) -> Value {
    let root = subtree(&self::leaves(), 0);
    let proof = decode::<RangeProof>(bytes, bytes.len());
    let good = proof.is_ok_and(|proof| proof.verify(&root, from, to, leaves).is_ok());
    let leaf = |leaf: &LeafReference| json!({ "key": hex(leaf.key.as_bytes()), "value": hex(leaf.value.as_bytes()) });
    let leaves: Vec<Value> = leaves.iter().map(leaf).collect();
    let (from, to) = (hex(from.as_bytes()), hex(to.as_bytes()));
    json!({ "kind": "range", "from": from, "to": to, "leaves": leaves, "bytes": hex(bytes), "good": good })
}

fn state_vectors() -> Vec<Value> {
    let mut vectors = Vec::new();
    for number in (0..KEYS + 12).step_by(3) {
        let (key, held) = (key(number), (number < KEYS).then(|| value(number)));
        let bytes = encode(&state_proof(&key.tree_key()));
        vectors.push(state_vector(&key, held.as_deref(), &bytes));
        let other = if held.is_some() { None } else { Some(value(number)) };
        vectors.push(state_vector(&key, other.as_deref(), &bytes));
        let mut spoilt = bytes.clone();
        let place = usize::from(number) * 7 % bytes.len();
        spoilt[place] ^= 1 << (number % 8);
        vectors.push(state_vector(&key, held.as_deref(), &spoilt));
    }
    vectors
}

/// A proof of presence in the form of ICS-23, which is good as it was made and with nothing else.
fn ics23_vector(key: &StateKey, value: &[u8], bytes: &[u8], good: bool) -> Value {
    json!({ "kind": "ics23", "key": hex(encode(key)), "value": hex(value), "bytes": hex(bytes), "good": good })
}

fn ics23_vectors() -> Vec<Value> {
    let (root, mut vectors) = (subtree(&leaves(), 0), Vec::new());
    for number in (0..KEYS).step_by(4) {
        let (key, other, value) = (key(number), key((number + 1) % KEYS), value(number));
        let bytes = ics23_presence(&root, &key, &value, &state_proof(&key.tree_key())).expect("it is there");
        vectors.push(ics23_vector(&key, &value, &bytes, true));
        vectors.push(ics23_vector(&other, &value, &bytes, false));
        vectors.push(ics23_vector(&key, &self::value(number + 1), &bytes, false));
        for part in 0..4 {
            let mut spoilt = bytes.clone();
            let place = (usize::from(number) * 13 + part * bytes.len() / 4) % bytes.len();
            spoilt[place] ^= 1 << ((usize::from(number) / 4 + part) % 8);
            vectors.push(ics23_vector(&key, &value, &spoilt, false));
        }
    }
    vectors
}

fn range_vectors() -> Vec<Value> {
    let (all, mut vectors) = (leaves(), Vec::new());
    let (lowest, highest) = (Hash::ZERO, Hash::new([0xff; 32]));
    let stranger = |number: u8| key(KEYS + number).tree_key();
    let mut ranges = vec![(lowest, highest), (all[7].key, all[7].key), (stranger(0), stranger(0))];
    ranges.extend((0..12).map(|number| {
        let (one, other) = (all[usize::from(number) * 3].key, stranger(number));
        (one.min(other), one.max(other))
    }));
    for (number, (from, to)) in ranges.into_iter().enumerate() {
        let held: Vec<LeafReference> = all.iter().copied().filter(|leaf| (from..=to).contains(&leaf.key)).collect();
        let bytes = encode(&range_proof(&from, &to));
        vectors.push(range_vector(&from, &to, &held, &bytes));
        if let Some((_, fewer)) = held.split_first() {
            vectors.push(range_vector(&from, &to, fewer, &bytes));
        }
        let mut spoilt = bytes.clone();
        let place = number * 11 % bytes.len();
        spoilt[place] ^= 1 << (number % 8);
        vectors.push(range_vector(&from, &to, &held, &spoilt));
    }
    vectors
}

#[test]
fn proofs_keep_their_bytes_and_their_verdicts() {
    let leaf = |number| json!({ "key": hex(key(number).tree_key().as_bytes()), "value": hex(value(number)) });
    let vectors: Vec<Value> = [state_vectors(), ics23_vectors(), range_vectors()].concat();
    let good = vectors.iter().filter(|vector| vector["good"] == true).count();
    assert!(good >= 30 && vectors.len() - good >= 40, "{good} of {} are good", vectors.len());
    let document = json!({
        "leaves": (0..KEYS).map(leaf).collect::<Vec<Value>>(),
        "root": hex(subtree(&leaves(), 0).as_bytes()),
        "ics23Spec": hex(ICS23_SPEC),
        "proofs": vectors,
    });
    let mut now = serde_json::to_string_pretty(&document).expect("plain JSON");
    now.push('\n');
    let path = vectors_path().join("proofs.json");
    if std::env::var_os("ALTHING_BLESS").is_some() {
        std::fs::write(&path, &now).expect("the vectors can be written");
    }
    let frozen = std::fs::read_to_string(&path).expect("the vectors are in the repository");
    assert!(now == frozen, "a proof changed: if that is meant, ALTHING_BLESS=1 writes the vectors anew");
}

#[test]
fn the_text_has_the_bytes_of_the_ics_23_specification() {
    let text = include_str!("../../../docs/spec/proofs.md");
    let text: String = text.split_whitespace().collect();
    assert!(text.contains(&const_hex::encode(ICS23_SPEC)));
}

/// The same verdicts by a program that shares no code with ours.
#[test]
fn python_comes_to_the_same_verdicts() {
    match python("proofs.py", "") {
        Some(said) => assert!(said.contains("as expected"), "{said}"),
        None => crate::skipped("python3 is not installed"),
    }
}
