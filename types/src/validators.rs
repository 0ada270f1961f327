//! Validator sets and the arithmetic of quorums (`docs/spec/consensus.md`, section 2).
//!
//! One validator has one vote. A set carries the number of faults that it tolerates and whether its fast path is on,
//! so that a certificate can be verified with the set alone.

use std::io::{self, Read};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::canary::{Canary, seeded};
use crate::codec::{List, invalid};
use crate::hash::Hash;
use crate::keys::PublicKey;
use crate::number::{Epoch, ValidatorIndex, View};
use crate::tag::Tag;

/// Validators in a set at most.
pub const VALIDATORS_MAX: usize = 128;

/// One validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Validator {
    /// The key that votes and signs batches.
    pub key: PublicKey,
    /// The key of its network identity.
    pub node_key: PublicKey,
}

/// The validators of an epoch, ascending by key, with the parameters of their quorums.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct ValidatorSet {
    faulty: u16,
    fast_path: bool,
    validators: List<Validator, VALIDATORS_MAX>,
}

/// Why validators are no set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// There are none, or too many.
    #[error("{count} validators, 1 to {VALIDATORS_MAX} are possible")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// Two validators share a validator key or a node key, or a key stands in two roles.
    #[error("a key stands twice among the validators: {key}")]
    Duplicate {
        /// The key.
        key: PublicKey,
    },
    /// The encoded validators are not strictly ascending by key.
    #[error("the validators are not strictly ascending by key")]
    Order,
    /// Quorums with these numbers would not be safe.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
}

/// Why quorums cannot be formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{n} validators cannot tolerate {f} faults, at most {max}")]
pub struct QuorumError {
    /// Validators.
    pub n: u16,
    /// Faults that should be tolerated.
    pub f: u16,
    /// Faults that can be tolerated: (n − 1) / 3.
    pub max: u16,
}

/// The numbers of votes that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quorums {
    n: u16,
    f: u16,
    fast_path: bool,
}

impl Quorums {
    /// Quorums for `n` validators of which `f` may be faulty.
    pub const fn new(n: u16, f: u16, fast_path: bool) -> Result<Self, QuorumError> {
        let max = n.saturating_sub(1) / 3;
        if n == 0 || f > max { Err(QuorumError { n, f, max }) } else { Ok(Self { n, f, fast_path }) }
    }

    /// The most faults that `n` validators can tolerate.
    pub const fn faulty_max(n: u16) -> u16 {
        n.saturating_sub(1) / 3
    }

    /// Validators.
    pub const fn n(&self) -> u16 {
        self.n
    }

    /// Validators that may be faulty.
    pub const fn f(&self) -> u16 {
        self.f
    }

    /// Validators that the fast path can do without: p = (n − 3f − 1) / 2.
    pub const fn p(&self) -> u16 {
        self.n.saturating_sub(self.f.saturating_mul(3)).saturating_sub(1) / 2
    }

    /// Votes for a Notarization or a slow Finalization: q = (n + f) / 2 + 1, rounded down before the one is added.
    pub fn notarize(&self) -> u16 {
        (self.n.saturating_add(self.f) / 2).saturating_add(u16::from(!seeded(Canary::QuorumMinusOne)))
    }

    /// Votes for a Nullification: r = n − f.
    pub fn nullify(&self) -> u16 {
        self.n.saturating_sub(self.f).saturating_sub(u16::from(seeded(Canary::NullifyQuorumMinusOne)))
    }

    /// Notarize votes for a fast Finalization, n − p; none where the fast path is off.
    pub fn fast(&self) -> Option<u16> {
        let all_but_p = self.n.saturating_sub(self.p());
        self.fast_path.then(|| all_but_p.saturating_sub(u16::from(seeded(Canary::FastQuorumMinusOne))))
    }

    /// How many of `reports` nullify votes must report a digest for it to be recovered: m − f − p; none where the
    /// fast path is off, because then no block can be final that a Nullification could skip.
    pub fn recover(&self, reports: u16) -> Option<u16> {
        if self.fast_path && !seeded(Canary::VerdictIgnored) {
            Some(reports.saturating_sub(self.f).saturating_sub(self.p()))
        } else {
            None
        }
    }
}

impl ValidatorSet {
    /// A set of these validators in any order, tolerating `faulty` faults.
    pub fn new(mut validators: Vec<Validator>, faulty: u16, fast_path: bool) -> Result<Self, SetError> {
        validators.sort();
        let count = validators.len();
        let validators = List::new(validators).map_err(|_| SetError::Count { count })?;
        let set = Self { faulty, fast_path, validators };
        set.check()?;
        Ok(set)
    }

    fn check(&self) -> Result<(), SetError> {
        let count = self.validators.len();
        let n = u16::try_from(count).ok().filter(|n| *n > 0).ok_or(SetError::Count { count })?;
        let mut keys: Vec<PublicKey> = self.validators.iter().flat_map(|v| [v.key, v.node_key]).collect();
        keys.sort();
        if let Some([key, _]) = keys.array_windows().find(|[a, b]| a == b) {
            return Err(SetError::Duplicate { key: *key });
        }
        if !self.validators.is_sorted_by(|a, b| a.key < b.key) {
            return Err(SetError::Order);
        }
        Quorums::new(n, self.faulty, self.fast_path)?;
        Ok(())
    }

    /// The hash that headers carry.
    pub fn hash(&self) -> Hash {
        Hash::of(Tag::ValidatorSet, self)
    }

    /// Validators in the set.
    pub fn count(&self) -> u16 {
        u16::try_from(self.validators.len()).unwrap_or(u16::MAX)
    }

    /// The validators, ascending by key.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// The set's quorums.
    pub fn quorums(&self) -> Quorums {
        Quorums { n: self.count(), f: self.faulty, fast_path: self.fast_path }
    }

    /// The validator at an index.
    pub fn get(&self, index: ValidatorIndex) -> Option<&Validator> {
        self.validators.get(index.to_usize())
    }

    /// The index of the validator with this validator key.
    pub fn index_of(&self, key: &PublicKey) -> Option<ValidatorIndex> {
        let place = self.validators.binary_search_by(|validator| validator.key.cmp(key)).ok()?;
        u16::try_from(place).ok().map(ValidatorIndex::new)
    }

    /// Every index of the set, ascending.
    pub fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        (0..self.count()).map(ValidatorIndex::new)
    }

    /// Who leads a view: validators take turns, and each epoch begins with another one (`decisions.md` 1.17).
    pub fn leader(&self, epoch: Epoch, view: View) -> ValidatorIndex {
        let turn = u128::from(view.get().saturating_sub(1)).saturating_add(u128::from(epoch.get()));
        let place = turn.checked_rem(u128::from(self.count())).unwrap_or_default();
        ValidatorIndex::new(u16::try_from(place).unwrap_or_default())
    }
}

impl BorshDeserialize for ValidatorSet {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let (faulty, fast_path, validators) = <(u16, bool, List<_, VALIDATORS_MAX>)>::deserialize_reader(reader)?;
        let set = Self { faulty, fast_path, validators };
        set.check().map_err(|error| invalid(error.to_string()))?;
        Ok(set)
    }
}

/// Who can certify: a chain, an epoch and its validators. What verification of votes and certificates needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Committee {
    /// Hash of the genesis document.
    pub chain: Hash,
    /// The epoch.
    pub epoch: Epoch,
    /// Its validators.
    pub set: ValidatorSet,
}

#[cfg(test)]
mod tests;
