//! Authority: whether the accounts that a transaction needs signed as their policies demand (A1).
//!
//! That the signatures verify, and that a revealed policy hashes to its address, was checked before. What is decided
//! here depends on the state: the policy that an account has now.

use althing_types::{Account, Address, AuthPolicy, AuthProof, List, PublicKey, SignedTransaction, StateKey};

use crate::gas::count;
use crate::overlay::StateRead;
use crate::record::decode_account;
use crate::skip::SkipReason;

/// What the accounts that signed allow.
#[derive(Debug)]
pub(crate) struct Authority {
    /// The sender's account: its record, or the record that it would begin with.
    pub(crate) sender: Account,
    /// The fewest signatures that satisfy the policies of all who must sign (G2).
    pub(crate) signatures_least: u64,
    /// Whether one of them is frozen (A3).
    pub(crate) frozen: bool,
}

/// Decides whether the sender and the sponsor signed as they must (A1).
pub(crate) fn authorize<S: StateRead>(
    transaction: &SignedTransaction,
    state: &S,
) -> Result<Result<Authority, SkipReason>, S::Error> {
    let body = transaction.body();
    let Some(sender) = party(transaction, body.sender, state)? else {
        return Ok(Err(SkipReason::Unauthorized));
    };
    let mut authority = Authority { signatures_least: fewest(policy_of(&sender)), frozen: is_frozen(&sender), sender };
    if let Some(payer) = body.sponsor.map(|sponsor| sponsor.payer).filter(|payer| *payer != body.sender) {
        let Some(payer) = party(transaction, payer, state)? else {
            return Ok(Err(SkipReason::Unauthorized));
        };
        authority.signatures_least = authority.signatures_least.saturating_add(fewest(policy_of(&payer)));
        authority.frozen |= is_frozen(&payer);
    }
    Ok(Ok(authority))
}

/// The account of somebody who signed as his policy demands, or none.
fn party<S: StateRead>(transaction: &SignedTransaction, who: Address, state: &S) -> Result<Option<Account>, S::Error> {
    let Some(proof) = transaction.auth().iter().find(|proof| proof.who == who) else { return Ok(None) };
    let recorded = state.read(&StateKey::Account(who))?.map(|bytes| stored_account(&bytes));
    let Some(account) = recorded.or_else(|| first_record(proof)) else { return Ok(None) };
    let signers: Vec<PublicKey> = proof.sigs.iter().map(|(key, _)| *key).collect();
    Ok(policy_of(&account).is_satisfied_by(&signers).then_some(account))
}

/// The record that an account without one begins with: the policy behind its address, if it is revealed.
fn first_record(proof: &AuthProof) -> Option<Account> {
    let policy = proof.reveal.clone()?;
    Some(Account::V1 { policy, lanes: List::empty(), flags: 0 })
}

/// A stored account. A record that does not decode was not written by this room: the state is broken.
pub(crate) fn stored_account(bytes: &[u8]) -> Account {
    decode_account(bytes).expect("only this room writes accounts, in this form")
}

const fn policy_of(account: &Account) -> &AuthPolicy {
    let Account::V1 { policy, .. } = account;
    policy
}

const fn is_frozen(account: &Account) -> bool {
    let Account::V1 { flags, .. } = account;
    *flags & Account::FROZEN != 0
}

/// The fewest signatures that can satisfy a policy: the heaviest keys first. All of them if they never do.
fn fewest(policy: &AuthPolicy) -> u64 {
    let AuthPolicy::Threshold { need, keys } = policy else { return 1 };
    let mut weights: Vec<u32> = keys.iter().map(|entry| u32::from(entry.weight)).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    let mut missing = u32::from(*need);
    let signers = weights.into_iter().take_while(|weight| {
        let is_needed = missing > 0;
        missing = missing.saturating_sub(*weight);
        is_needed
    });
    count(signers.count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::{SecretKey, WeightedKey};

    fn threshold(need: u16, weights: &[u16]) -> AuthPolicy {
        let mut keys: Vec<PublicKey> =
            (0..weights.len()).map(|i| SecretKey::from_seed(&[i as u8; 32]).public_key()).collect();
        keys.sort();
        let keys = keys.into_iter().zip(weights).map(|(key, weight)| WeightedKey { key, weight: *weight });
        AuthPolicy::Threshold { need, keys: List::new(keys.collect()).expect("few") }
    }

    #[test]
    fn the_fewest_signatures_are_those_of_the_heaviest_keys() {
        let table: [(u16, &[u16], u64); 6] = [
            (1, &[1, 1, 1], 1),
            (2, &[1, 1, 1], 2),
            (3, &[1, 1, 1], 3),
            (3, &[1, 3, 1, 1], 1),
            (4, &[1, 3, 1, 1], 2),
            (u16::MAX, &[u16::MAX; 32], 1),
        ];
        for (need, weights, expected) in table {
            assert_eq!(fewest(&threshold(need, weights)), expected, "{need} of {weights:?}");
        }
        assert_eq!(fewest(&AuthPolicy::Key(SecretKey::from_seed(&[1; 32]).public_key())), 1);
    }

    #[test]
    fn no_fewer_signatures_satisfy_a_policy() {
        let (need, weights) = (7, [1, 4, 2, 1, 3]);
        let policy = threshold(need, &weights);
        let AuthPolicy::Threshold { keys, .. } = &policy else { panic!("a threshold") };
        let subsets = (0u32..32).map(|bits| {
            let signers = keys.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
            signers.map(|(_, entry)| entry.key).collect::<Vec<_>>()
        });
        let least = subsets.filter(|signers| policy.is_satisfied_by(signers)).map(|signers| signers.len()).min();
        assert_eq!(least.map(count), Some(fewest(&policy)));
    }
}
