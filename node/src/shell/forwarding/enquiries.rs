//! How often validators are asked where a transaction is that nobody knows here: seldom, however many callers ask this
//! node. Such questions share what a validator answers one peer with blocks, batches and transactions on their way, and
//! anybody may ask for any id. What is not asked is unknown; it asks nobody itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use althing_types::{Hash, PublicKey};
use tokio::sync::Semaphore;

use crate::shell::stop::locked;

/// Questions to one validator that are under way at most.
pub(super) const UNDER_WAY_MAX: usize = 1;
/// The time that one question takes of what may be asked: ten in a second, a tenth of what a validator answers a peer.
const EVERY: Duration = Duration::from_millis(100);
/// How much of that time may be used ahead, so that a few callers at once are all answered.
const AHEAD_MAX: Duration = Duration::from_millis(900);
/// How long it is remembered that a transaction was unknown.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// Transactions of which that is remembered at most; beyond it the oldest is forgotten. A hundred validators do not say
/// it of more in that time.
const UNKNOWN_MAX: usize = 1_024;

/// What was asked lately.
#[derive(Debug, Default)]
pub(super) struct Enquiries(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    validators: BTreeMap<PublicKey, Budget>,
    unknown: BTreeSet<Hash>,
    /// The same by the moment when they became unknown.
    since: BTreeSet<(Duration, Hash)>,
}

#[derive(Debug)]
struct Budget {
    /// When everything that was asked has used up its time.
    used_until: Duration,
    turn: Arc<Semaphore>,
}

impl Enquiries {
    /// Takes a question to a validator out of its budget; none if it must not be asked. Whoever asks holds a permit of
    /// what this returns meanwhile.
    pub(super) fn begin(&self, id: &Hash, to: PublicKey, now: Duration) -> Option<Arc<Semaphore>> {
        let mut lately = locked(&self.0);
        lately.forget_before(now.saturating_sub(UNKNOWN_FOR));
        if lately.unknown.contains(id) {
            return None;
        }
        let fresh = || Budget { used_until: Duration::ZERO, turn: Arc::new(Semaphore::new(UNDER_WAY_MAX)) };
        let budget = lately.validators.entry(to).or_insert_with(fresh);
        let used_until = budget.used_until.max(now);
        if used_until.saturating_sub(now) > AHEAD_MAX {
            return None;
        }
        budget.used_until = used_until + EVERY;
        Some(budget.turn.clone())
    }

    /// Remembers for a moment that nobody knew a transaction.
    pub(super) fn note_unknown(&self, id: Hash, now: Duration) {
        let mut lately = locked(&self.0);
        if lately.unknown.insert(id) {
            lately.since.insert((now, id));
        }
        if lately.since.len() > UNKNOWN_MAX
            && let Some((_, oldest)) = lately.since.pop_first()
        {
            lately.unknown.remove(&oldest);
        }
    }
}

impl Lately {
    fn forget_before(&mut self, then: Duration) {
        while let Some((_, id)) = self.since.first().copied().filter(|(since, _)| *since <= then) {
            self.since.pop_first();
            self.unknown.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::SecretKey;

    fn id(number: u64) -> Hash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Hash::new(bytes)
    }

    fn validator(seed: u8) -> PublicKey {
        SecretKey::from_seed(&[seed; 32]).public_key()
    }

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_validator_is_asked_ten_times_at_once_and_then_ten_times_in_a_second() {
        let enquiries = Enquiries::default();
        let mut number = 0;
        let mut asked = |to: PublicKey, now: u64| {
            number += 1;
            enquiries.begin(&id(number), to, at(now)).is_some()
        };
        let at_once = (0..1_000).filter(|_| asked(validator(1), 5_000)).count();
        assert_eq!(at_once, 10);
        let in_a_second = (5_001..=6_000).filter(|now| asked(validator(1), *now)).count();
        assert_eq!(in_a_second, 10);
        assert!(asked(validator(2), 6_000), "another one has a budget of its own");
    }

    #[test]
    fn what_was_unknown_a_moment_ago_is_not_asked_again() {
        let enquiries = Enquiries::default();
        enquiries.note_unknown(id(1), at(1_000));
        assert!(enquiries.begin(&id(1), validator(1), at(1_999)).is_none());
        assert!(enquiries.begin(&id(2), validator(1), at(1_999)).is_some());
        assert!(enquiries.begin(&id(1), validator(1), at(2_000)).is_some());
    }

    #[test]
    fn little_is_remembered() {
        let enquiries = Enquiries::default();
        let count = u64::try_from(UNKNOWN_MAX).expect("small");
        (0..count + 7).for_each(|number| enquiries.note_unknown(id(number), at(number / 10_000)));
        (0..3).for_each(|_| enquiries.note_unknown(id(count), at(0)));
        let lately = locked(&enquiries.0);
        assert_eq!((lately.unknown.len(), lately.since.len()), (UNKNOWN_MAX, UNKNOWN_MAX));
        assert!(!lately.unknown.contains(&id(6)) && lately.unknown.contains(&id(7)));
    }
}
