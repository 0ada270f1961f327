//! Who may act for an account: one key, or keys with weights of which enough must sign.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::address::Address;
use crate::codec::List;
use crate::keys::{KeyError, PublicKey};

/// Keys in a threshold policy at most.
pub const POLICY_KEYS_MAX: usize = 32;

/// A key and how much its signature weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct WeightedKey {
    /// The key.
    pub key: PublicKey,
    /// Its weight, at least 1.
    pub weight: u16,
}

/// What must have signed for an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum AuthPolicy {
    /// This key.
    Key(PublicKey) = 0,
    /// Keys whose weights add up to at least `need`; ascending by key.
    Threshold {
        /// The sum of weights that suffices, at least 1.
        need: u16,
        /// The keys, ascending, without repetition.
        keys: List<WeightedKey, POLICY_KEYS_MAX>,
    } = 1,
    /// A contract decides. The tag is reserved; no such account exists yet.
    Contract(Address) = 2,
}

/// Why a policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A key is not acceptable.
    #[error("key {index} of the policy: {error}")]
    Key {
        /// The key's place.
        index: usize,
        /// What is wrong with it.
        error: KeyError,
    },
    /// The keys are not strictly ascending.
    #[error("the keys of the policy are not strictly ascending")]
    Order,
    /// A weight or the threshold is zero.
    #[error("weights and the threshold of a policy are at least 1")]
    Zero,
    /// All keys together do not reach the threshold: the account would be lost.
    #[error("the keys of the policy weigh {sum}, {need} are needed: nobody could ever sign")]
    Unreachable {
        /// The sum of all weights.
        sum: u32,
        /// The threshold.
        need: u16,
    },
    /// Contract accounts are not enabled on this chain.
    #[error("contract accounts are not enabled")]
    ContractNotEnabled,
}

impl AuthPolicy {
    /// Checks that the policy is well formed and can be satisfied.
    pub fn check(&self) -> Result<(), PolicyError> {
        match self {
            Self::Key(key) => key.check().map_err(|error| PolicyError::Key { index: 0, error }),
            Self::Threshold { need, keys } => check_threshold(*need, keys),
            Self::Contract(_) => Err(PolicyError::ContractNotEnabled),
        }
    }

    /// The same for a policy that a transaction reveals. Whether the key of a single-key policy names a point is left to
    /// the check of its signature, without which the transaction has no authority: that costs as much as all else about
    /// the form of a transfer.
    pub(crate) fn check_revealed(&self) -> Result<(), PolicyError> {
        match self {
            Self::Key(key) => key.check_form().map_err(|error| PolicyError::Key { index: 0, error }),
            Self::Threshold { .. } | Self::Contract(_) => self.check(),
        }
    }

    /// Whether signatures of exactly these keys satisfy the policy. A key outside the policy makes it fail, so that
    /// a transaction has no bytes that mean nothing. `signers` must be strictly ascending.
    pub fn is_satisfied_by(&self, signers: &[PublicKey]) -> bool {
        match self {
            Self::Key(key) => signers == [*key],
            Self::Threshold { need, keys } => {
                let weight_of = |signer: &PublicKey| {
                    keys.binary_search_by(|entry| entry.key.cmp(signer)).ok().and_then(|place| keys.get(place))
                };
                let weights: Option<Vec<u32>> =
                    signers.iter().map(|signer| weight_of(signer).map(|entry| u32::from(entry.weight))).collect();
                weights.is_some_and(|weights| weights.iter().sum::<u32>() >= u32::from(*need))
            }
            Self::Contract(_) => false,
        }
    }
}

fn check_threshold(need: u16, keys: &[WeightedKey]) -> Result<(), PolicyError> {
    if need == 0 || keys.iter().any(|entry| entry.weight == 0) {
        return Err(PolicyError::Zero);
    }
    if !keys.is_sorted_by(|a, b| a.key < b.key) {
        return Err(PolicyError::Order);
    }
    for (index, entry) in keys.iter().enumerate() {
        entry.key.check().map_err(|error| PolicyError::Key { index, error })?;
    }
    let sum: u32 = keys.iter().map(|entry| u32::from(entry.weight)).sum();
    if sum < u32::from(need) { Err(PolicyError::Unreachable { sum, need }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;

    fn keys(count: u8) -> Vec<PublicKey> {
        let mut keys: Vec<PublicKey> = (1..=count).map(|i| SecretKey::from_seed(&[i; 32]).public_key()).collect();
        keys.sort();
        keys
    }

    fn threshold(need: u16, weights: &[u16]) -> AuthPolicy {
        let entries = keys(u8::try_from(weights.len()).expect("few"));
        let entries = entries.into_iter().zip(weights).map(|(key, weight)| WeightedKey { key, weight: *weight });
        AuthPolicy::Threshold { need, keys: List::new(entries.collect()).expect("few") }
    }

    #[test]
    fn a_threshold_counts_weights() {
        let policy = threshold(3, &[1, 2, 1]);
        let keys = keys(3);
        assert_eq!(policy.check(), Ok(()));
        assert!(policy.is_satisfied_by(&[keys[0], keys[1]]));
        assert!(policy.is_satisfied_by(&keys));
        assert!(!policy.is_satisfied_by(&[keys[0], keys[2]]));
        assert!(!policy.is_satisfied_by(&[]));
    }

    #[test]
    fn a_stranger_s_signature_spoils_a_policy() {
        let stranger = SecretKey::from_seed(&[99; 32]).public_key();
        let mut signers = keys(3);
        signers.push(stranger);
        signers.sort();
        assert!(!threshold(1, &[1, 1, 1]).is_satisfied_by(&signers));
        assert!(!AuthPolicy::Key(keys(1)[0]).is_satisfied_by(&[stranger]));
    }

    #[test]
    fn contradictory_policies_are_refused() {
        assert_eq!(threshold(0, &[1]).check(), Err(PolicyError::Zero));
        assert_eq!(threshold(1, &[1, 0]).check(), Err(PolicyError::Zero));
        assert_eq!(threshold(4, &[1, 2]).check(), Err(PolicyError::Unreachable { sum: 3, need: 4 }));
        let mut entries: Vec<WeightedKey> = keys(2).into_iter().map(|key| WeightedKey { key, weight: 1 }).collect();
        entries.reverse();
        let policy = AuthPolicy::Threshold { need: 1, keys: List::new(entries).expect("few") };
        assert_eq!(policy.check(), Err(PolicyError::Order));
        assert_eq!(AuthPolicy::Contract(Address::new([0; 32])).check(), Err(PolicyError::ContractNotEnabled));
    }
}
