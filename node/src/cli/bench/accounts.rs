//! The accounts between which the transfers of a run go.
//!
//! Their keys follow from the key that pays and from a text, so that the next run finds them again and nobody else does.

use althing_genesis::{DevRole, dev_key};
use althing_types::{Address, AuthPolicy, Hash, SecretKey, Tag};

/// What the key that pays signs to derive the accounts. Nothing else is signed in this form.
const DERIVATION: &str = "accounts of althing bench";

/// An account of the run.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) key: SecretKey,
    pub(super) address: Address,
}

/// All accounts of the run.
#[derive(Debug)]
pub(super) struct Accounts {
    secret: String,
    wanted: u32,
}

impl Accounts {
    /// The first `wanted` accounts of a key and a text.
    pub(super) fn new(key: &SecretKey, seed: &str, wanted: u32) -> Self {
        let signature = key.sign(&Hash::of(Tag::DevKey, &(DERIVATION, seed)));
        Self { secret: const_hex::encode(signature.as_bytes()), wanted }
    }

    /// How many there are.
    pub(super) const fn count(&self) -> u32 {
        self.wanted
    }

    /// The account with an index. Costs some 20 µs.
    pub(super) fn account(&self, index: u32) -> Account {
        let key = dev_key(&self.secret, DevRole::Account, index);
        let address = Address::of_policy(&AuthPolicy::Key(key.public_key()));
        Account { key, address }
    }
}

/// Who sends a transfer, and who receives it: in each round every account sends once and receives once, and the receiver
/// is another one in each round.
pub(super) fn pair(number: u64, accounts: u32) -> (u32, u32) {
    let count = u64::from(accounts);
    let (round, sender) = (number / count, number % count);
    let step = 1 + round % (count - 1);
    let index = |index: u64| u32::try_from(index % count).expect("it is below the number of accounts");
    (index(sender), index(sender + step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_account_sends_and_receives_once_in_a_round_and_never_to_itself() {
        for accounts in [2, 3, 10] {
            for round in 0..20 {
                let numbers = round * u64::from(accounts)..(round + 1) * u64::from(accounts);
                let pairs: Vec<(u32, u32)> = numbers.map(|number| pair(number, accounts)).collect();
                assert!(pairs.iter().all(|(from, to)| from != to), "{pairs:?}");
                let senders: BTreeSet<u32> = pairs.iter().map(|(from, _)| *from).collect();
                let receivers: BTreeSet<u32> = pairs.iter().map(|(_, to)| *to).collect();
                assert_eq!(senders.len(), pairs.len());
                assert_eq!(senders, receivers);
            }
        }
    }

    #[test]
    fn accounts_follow_from_key_and_seed() {
        let (one, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let address = |key: &SecretKey, seed: &str, index: u32| Accounts::new(key, seed, 2).account(index).address;
        assert_eq!(address(&one, "a", 0), address(&one, "a", 0));
        let all = [address(&one, "a", 0), address(&one, "a", 1), address(&one, "b", 0), address(&other, "a", 0)];
        assert_eq!(BTreeSet::from(all).len(), all.len());
    }
}
