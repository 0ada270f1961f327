//! Quorum arithmetic against brute force, and what is no validator set.

use super::*;
use crate::keys::SecretKey;

fn validator(seed: u8) -> Validator {
    let key = |salt: u8| SecretKey::from_seed(&[seed, salt].repeat(16).try_into().expect("32")).public_key();
    Validator { key: key(1), node_key: key(2) }
}

#[test]
fn quorums_intersect_for_every_size() {
    for n in 1..=200u16 {
        for f in 0..=Quorums::faulty_max(n) {
            let quorums = Quorums::new(n, f, true).expect("tolerable");
            let (q, r, p) = (quorums.notarize(), quorums.nullify(), quorums.p());
            let fast = quorums.fast().expect("on");
            assert!(2 * q - n > f, "two notarizations share an honest validator: n={n} f={f}");
            assert!(q + r - n > f, "finalization and nullification share an honest validator: n={n} f={f}");
            assert!(fast + q - n > f, "fast finalization and notarization share one: n={n} f={f}");
            assert!(q <= n - f && r <= n - f, "honest validators alone decide: n={n} f={f}");
            assert!(n > 3 * f + 2 * p, "n={n} f={f} p={p}");
            assert!(q == 1 || 2 * (q - 1) - n.min(2 * (q - 1)) <= f, "q is the smallest: n={n} f={f}");
        }
        assert!(Quorums::new(n, Quorums::faulty_max(n) + 1, false).is_err());
    }
    assert!(Quorums::new(0, 0, false).is_err());
}

#[test]
fn quorums_are_those_of_the_specification() {
    let table = [
        (1, 0, 0, 1, 1, 1),
        (2, 0, 0, 2, 2, 2),
        (3, 0, 1, 2, 3, 2),
        (4, 1, 0, 3, 3, 4),
        (5, 1, 0, 4, 4, 5),
        (6, 1, 1, 4, 5, 5),
        (7, 2, 0, 5, 5, 7),
        (7, 1, 1, 5, 6, 6),
        (10, 3, 0, 7, 7, 10),
        (100, 33, 0, 67, 67, 100),
        (100, 27, 9, 64, 73, 91),
    ];
    for (n, f, p, q, r, fast) in table {
        let quorums = Quorums::new(n, f, true).expect("tolerable");
        assert_eq!((quorums.p(), quorums.notarize(), quorums.nullify()), (p, q, r), "n={n} f={f}");
        assert_eq!(quorums.fast(), Some(fast), "n={n} f={f}");
        assert_eq!(Quorums::new(n, f, false).expect("tolerable").fast(), None);
    }
}

#[test]
fn sets_are_ordered_and_without_repetition() {
    let set = ValidatorSet::new(vec![validator(3), validator(1), validator(2)], 0, false).expect("fine");
    assert!(set.validators().is_sorted());
    for index in set.indices() {
        let key = set.get(index).expect("in range").key;
        assert_eq!(set.index_of(&key), Some(index));
    }
    assert_eq!(set.get(ValidatorIndex::new(3)), None);
    assert!(matches!(ValidatorSet::new(vec![validator(1); 2], 0, false), Err(SetError::Duplicate { .. })));
    let shared = Validator { node_key: validator(1).node_key, ..validator(2) };
    assert!(matches!(ValidatorSet::new(vec![validator(1), shared], 0, false), Err(SetError::Duplicate { .. })));
    let crossed = Validator { node_key: validator(1).key, ..validator(2) };
    assert!(matches!(ValidatorSet::new(vec![validator(1), crossed], 0, false), Err(SetError::Duplicate { .. })));
    assert!(matches!(ValidatorSet::new(vec![], 0, false), Err(SetError::Count { .. })));
    assert!(matches!(ValidatorSet::new(vec![validator(1)], 1, false), Err(SetError::Quorum(_))));
}

#[test]
fn an_unordered_encoding_is_refused() {
    let set = ValidatorSet::new(vec![validator(1), validator(2)], 0, false).expect("fine");
    let mut swapped = set.validators().to_vec();
    swapped.reverse();
    let bytes = crate::encode(&(0u16, false, swapped));
    assert!(crate::decode::<ValidatorSet>(&bytes, 4096).is_err());
    assert_eq!(crate::decode::<ValidatorSet>(&crate::encode(&set), 4096), Ok(set));
}

#[test]
fn leaders_take_turns_and_epochs_begin_with_another() {
    let set = ValidatorSet::new((1..=4).map(validator).collect(), 1, false).expect("fine");
    let turns: Vec<u16> = (1..=5).map(|view| set.leader(Epoch::ZERO, View::new(view)).get()).collect();
    assert_eq!(turns, [0, 1, 2, 3, 0]);
    assert_eq!(set.leader(Epoch::new(1), View::new(1)).get(), 1);
    assert!(set.leader(Epoch::new(u64::MAX), View::new(u64::MAX)).get() < 4);
}
