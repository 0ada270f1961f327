//! The whole validators behind the states of an automaton.
//!
//! A whole validator takes tens of kilobytes and an exploration meets millions, so states are told apart by a
//! fingerprint, 128 bits of SHA-256 over everything by which validators are compared, and only the validators that were
//! used lately are kept. Any other is made again by the steps by which it was met first, and must come out with the same
//! fingerprint.

use std::hash::{Hash, Hasher};

use althing_types::leaf_hash;

use super::table::{Id, Interner};
use super::validator::Validator;

/// Validators of one automaton that are kept at most.
const KEPT_MAX: usize = 1 << 15;
/// Not kept.
const NOWHERE: u32 = u32::MAX;

/// How a state was met first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The state before.
    pub(super) from: Id,
    /// The label of the step.
    pub(super) step: u8,
    /// Which crash within that step, if it was one.
    pub(super) crash: Option<u16>,
}

/// A validator that is kept.
struct Kept {
    id: Id,
    validator: Validator,
    /// Used since the hand last passed.
    used: bool,
}

/// Distinct validators by number, of which some are kept whole.
pub(super) struct Validators {
    fingerprints: Interner<u128>,
    origins: Vec<Origin>,
    /// The place of each validator among those kept.
    places: Vec<u32>,
    kept: Vec<Kept>,
    kept_max: usize,
    /// Where the next validator is looked for that makes room. The first one always stays.
    hand: usize,
}

impl Validators {
    /// Only the first validator, number 0, which nothing led to.
    pub(super) fn new(first: Validator) -> Self {
        let mut validators = Self {
            fingerprints: Interner::new(),
            origins: Vec::new(),
            places: Vec::new(),
            kept: Vec::new(),
            kept_max: KEPT_MAX,
            hand: 1,
        };
        validators.add(first, Origin { from: 0, step: 0, crash: None });
        validators
    }

    /// How many distinct validators there are.
    pub(super) const fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// The validator's number, and whether it is new.
    pub(super) fn add(&mut self, validator: Validator, origin: Origin) -> (Id, bool) {
        let (id, new) = self.fingerprints.add(fingerprint(&validator));
        if new {
            self.origins.push(origin);
            self.places.push(NOWHERE);
            self.keep(id, validator);
        }
        (id, new)
    }

    /// The validator with this number, made again by `step` if it is not kept: that is given a validator and what led
    /// from it to the next one.
    pub(super) fn get(&mut self, id: Id, mut step: impl FnMut(&Validator, Origin) -> Validator) -> &Validator {
        let mut path = Vec::new();
        let mut at = id;
        while self.places[at as usize] == NOWHERE {
            path.push(at);
            at = self.origins[at as usize].from;
        }
        if !path.is_empty() {
            let mut validator = self.kept[self.places[at as usize] as usize].validator.clone();
            for next in path.into_iter().rev() {
                validator = step(&validator, self.origins[next as usize]);
                let same = *self.fingerprints.get(next) == fingerprint(&validator);
                assert!(same, "the same step from the same validator leads elsewhere the second time");
                self.keep(next, validator.clone());
            }
        }
        let kept = &mut self.kept[self.places[id as usize] as usize];
        kept.used = true;
        &kept.validator
    }

    /// Keeps a validator, in the place of one that was not used since the hand last passed if there is no room.
    fn keep(&mut self, id: Id, validator: Validator) {
        let kept = Kept { id, validator, used: true };
        if self.kept.len() < self.kept_max {
            self.places[id as usize] = u32::try_from(self.kept.len()).expect("bounded");
            self.kept.push(kept);
            return;
        }
        while std::mem::take(&mut self.kept[self.hand].used) {
            self.advance();
        }
        let before = std::mem::replace(&mut self.kept[self.hand], kept);
        self.places[before.id as usize] = NOWHERE;
        self.places[id as usize] = u32::try_from(self.hand).expect("bounded");
        self.advance();
    }

    fn advance(&mut self) {
        self.hand = self.hand % (self.kept.len() - 1) + 1;
    }

    /// Keeps fewer, so that a small exploration has to make validators again.
    #[cfg(test)]
    pub(super) fn keep_at_most(&mut self, count: usize) {
        assert!(self.kept.len() <= count && count > 1, "before there are more");
        self.kept_max = count;
    }
}

/// What is hashed, in one piece.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        low_half(&self.0) as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn low_half(bytes: &[u8]) -> u128 {
    let hash = leaf_hash(bytes);
    u128::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes"))
}

fn fingerprint(validator: &Validator) -> u128 {
    let mut bytes = Bytes::default();
    validator.hash(&mut bytes);
    low_half(&bytes.0)
}
