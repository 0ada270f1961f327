//! Who may be asked: whose turn it is, and who is passed over for how long. It asks nobody itself, and time is given to
//! it.

use std::collections::BTreeMap;
use std::time::Duration;

use althing_network::Role;
use althing_types::PublicKey;

/// How long a peer is passed over that is asked too often, or does not have yet what another one told of.
pub(super) const MOMENT: Duration = Duration::from_millis(50);
/// How long a peer that did not answer is passed over. It doubles each time until the peer helps again, so that one
/// that never answers does not cost half of the time.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// How often it doubles at most: 16 seconds, about as long as a restart takes.
const DOUBLINGS_MAX: u32 = 3;
/// How long a peer that lied is passed over.
const LIAR_FOR: Duration = Duration::from_secs(60);

/// A node that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) struct Source {
    pub(in crate::shell) key: PublicKey,
    pub(in crate::shell) name: String,
    pub(in crate::shell) role: Role,
}

/// Everybody who may be asked.
#[derive(Debug)]
pub(in crate::shell) struct Sources {
    all: Vec<Source>,
    /// Who is passed over, and until when, by the process's age.
    aside: BTreeMap<PublicKey, Duration>,
    /// How often in a row a peer did not answer.
    silences: BTreeMap<PublicKey, u32>,
    turn: usize,
}

impl Sources {
    /// Nobody is passed over yet.
    pub(in crate::shell) const fn new(all: Vec<Source>) -> Self {
        Self { all, aside: BTreeMap::new(), silences: BTreeMap::new(), turn: 0 }
    }

    /// Everybody, whether connected or not.
    pub(in crate::shell) fn all(&self) -> impl Iterator<Item = &Source> {
        self.all.iter()
    }

    /// The peer whose turn it is, of those that are connected: a validator if there is one.
    pub(in crate::shell) fn pick(&mut self, now: Duration, is_here: impl Fn(&PublicKey) -> bool) -> Option<Source> {
        let usable = |role: Role| {
            let of_role = self.all.iter().filter(move |source| source.role == role);
            of_role.filter(|source| is_here(&source.key) && !self.is_aside(source, now)).collect::<Vec<_>>()
        };
        let validators = usable(Role::Validator);
        let usable = if validators.is_empty() { usable(Role::Observer) } else { validators };
        let picked = usable.get(self.turn.checked_rem(usable.len())?).map(|source| (*source).clone());
        self.turn = self.turn.wrapping_add(1);
        picked
    }

    /// Whether a peer is passed over now.
    pub(in crate::shell) fn is_aside(&self, source: &Source, now: Duration) -> bool {
        self.aside.get(&source.key).is_some_and(|until| *until > now)
    }

    /// It gave what was asked for.
    pub(in crate::shell) fn helped(&mut self, source: &Source) {
        self.silences.remove(&source.key);
    }

    /// It may help in a moment.
    pub(in crate::shell) fn set_aside(&mut self, source: &Source, now: Duration) {
        self.aside.insert(source.key, now + MOMENT);
    }

    /// It did not answer.
    pub(in crate::shell) fn silent(&mut self, source: &Source, now: Duration) {
        let before = self.silences.entry(source.key).or_default();
        self.aside.insert(source.key, now + SILENT_FOR * (1 << *before));
        *before = DOUBLINGS_MAX.min(*before + 1);
    }

    /// It lied.
    pub(in crate::shell) fn lied(&mut self, source: &Source, now: Duration) {
        self.aside.insert(source.key, now + LIAR_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::SecretKey;

    fn source(seed: u8, role: Role) -> Source {
        Source { key: SecretKey::from_seed(&[seed; 32]).public_key(), name: format!("{seed}"), role }
    }

    fn sources() -> (Sources, Vec<Source>) {
        let all = vec![source(1, Role::Validator), source(2, Role::Validator), source(3, Role::Observer)];
        (Sources::new(all.clone()), all)
    }

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn validators_take_turns_and_an_observer_is_asked_when_there_is_none() {
        let (mut sources, all) = sources();
        let picked: Vec<_> = (0..4).filter_map(|_| sources.pick(at(0), |_| true)).collect();
        assert_eq!(picked, [0, 1, 0, 1].map(|place| all[place].clone()));
        assert_eq!(sources.pick(at(0), |key| *key == all[2].key), Some(all[2].clone()));
        assert_eq!(sources.pick(at(0), |_| false), None);
    }

    #[test]
    fn one_that_has_nothing_yet_is_asked_again_after_a_moment() {
        let (mut sources, all) = sources();
        let is_first = |key: &PublicKey| *key == all[0].key;
        sources.set_aside(&all[0], at(1_000));
        assert_eq!(sources.pick(at(1_049), is_first), None);
        assert!(sources.pick(at(1_050), is_first).is_some());
    }

    #[test]
    fn one_that_stays_silent_is_passed_over_for_longer_until_it_helps() {
        let (mut sources, all) = sources();
        for seconds in [2, 4, 8, 16, 16] {
            sources.silent(&all[0], at(0));
            assert!(sources.is_aside(&all[0], at(seconds * 1_000 - 1)), "less than {seconds} s");
            assert!(!sources.is_aside(&all[0], at(seconds * 1_000)), "more than {seconds} s");
        }
        sources.helped(&all[0]);
        sources.silent(&all[0], at(0));
        assert!(!sources.is_aside(&all[0], at(2_000)));
        sources.lied(&all[0], at(0));
        assert!(sources.is_aside(&all[0], at(59_999)));
    }
}
