//! What a core is told once: who it is, with whom it agrees, and the chain's parameters.

use crate::epoch::Opening;
use althing_types::{Committee, ConsensusParams, Hash, Monotonic, Quorums, Scheme, Signature, TimeMs, ValidatorIndex};

/// Views above the current one for which votes and proposals are kept.
pub const VIEWS_AHEAD_MAX: u64 = 256;

/// The present moment, twice: a steady clock for waiting, and wall time for the time of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now {
    /// A clock that never goes back.
    pub monotonic: Monotonic,
    /// Wall time; it may jump.
    pub wall: TimeMs,
}

/// The keys that a step works with: how votes are verified, and how this validator signs.
///
/// They are an argument of each step and no part of the state, so that the state can be compared, hashed and explored
/// (`docs/adr/0005-scheme-and-signer-as-arguments.md`).
pub trait Keys: Scheme {
    /// Signs a hash with this validator's key.
    fn sign(&self, hash: &Hash) -> Signature;
}

/// What a core is told once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The chain, the epoch and its validators.
    pub committee: Committee,
    /// Which of them this one is. An index at or above the size of the set is a guest's: a node that is known and no
    /// validator of this epoch. It follows, answers and asks, and signs nothing.
    pub me: ValidatorIndex,
    /// How many guests are known. Their indices follow those of the validators.
    pub guests: u16,
    /// How the epoch began; none in epoch 0, which begins with genesis.
    pub opening: Option<Opening>,
    /// Parameters of agreement.
    pub params: ConsensusParams,
    /// Hash of all chain parameters, as headers carry it.
    pub params_hash: Hash,
    /// Bytes of log after which the core asks for compaction. Default 8 MiB.
    pub log_bytes_max: u64,
}

impl Config {
    /// The quorums of the set.
    pub fn quorums(&self) -> Quorums {
        self.committee.set.quorums()
    }

    /// Δ in microseconds, times `quarters` / 4.
    pub(crate) fn delta_quarters(&self, quarters: u64) -> u64 {
        u64::from(self.params.delta_ms).saturating_mul(250).saturating_mul(quarters)
    }
}
