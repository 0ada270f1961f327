//! The safety kernel: the few rules that decide whether this validator may sign.
//!
//! Everything that keeps two honest validators from finalizing different blocks comes down to three facts per view
//! that survive crashes: my Notarize, my Nullify, my Finalize. This file is the only one that changes them.
//!
//! 1. At most one Notarize per view, and none after Nullify (rule R2).
//! 2. At most one of Finalize and Nullify per view (rules R3, R4).
//! 3. A Nullify reports my Notarize truthfully; "none" is a promise never to notarize in the view (rule R4).
//! 4. After Finalize(v, d) only d may be notarized in v (rule R2).
//! 5. Nothing is signed for a view at or below the floor (rule R6).
//! 6. Nothing is signed in a view in which this validator may have signed what it does not remember (rule D10).

use althing_types::canary::{Canary, seeded};
use althing_types::{Finalize, Hash, Notarize, Nullify, View, Vote};

/// In which views this validator may sign at all, given what it knows of its own past (D10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Licence {
    /// In none.
    Nowhere,
    /// In those above this one; 0 for all.
    Above(View),
}

impl Licence {
    /// Whether anything may be signed in this view, a late Notarize included (D10).
    pub(crate) fn permits(self, view: View) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Above(to) => view > to || seeded(Canary::AbstentionIgnored),
        }
    }
}

/// What this validator signed in one view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Facts {
    notarize: Option<Notarize>,
    nullify: Option<Nullify>,
    finalize: Option<Finalize>,
}

impl Facts {
    /// My Notarize in the view.
    pub(crate) const fn notarize(&self) -> Option<&Notarize> {
        self.notarize.as_ref()
    }

    /// Whether I cast this vote.
    pub(crate) fn holds(&self, vote: &Vote) -> bool {
        match vote {
            Vote::Notarize(vote) => self.notarize == Some(*vote),
            Vote::Nullify(vote) => self.nullify == Some(*vote),
            Vote::Finalize(vote) => self.finalize == Some(*vote),
        }
    }

    /// Whether I gave the view up.
    pub(crate) const fn has_nullified(&self) -> bool {
        self.nullify.is_some()
    }

    /// What a Nullify of mine must report (R4).
    pub(crate) fn report(&self) -> Option<Hash> {
        self.notarize.map(|vote| vote.digest).filter(|_| !seeded(Canary::ReportDropped))
    }

    /// Whether I may notarize this block in this view (R2).
    pub(crate) fn may_notarize(&self, vote: &Notarize, floor: View) -> bool {
        let first = self.notarize.is_none() || seeded(Canary::SecondNotarize);
        let not_given_up = self.nullify.is_none() || seeded(Canary::NotarizeAfterNullify);
        let only_what_i_finalized = self.finalize.is_none_or(|finalize| finalize.digest == vote.digest)
            || seeded(Canary::NotarizeAfterFinalize);
        vote.view > floor && first && not_given_up && only_what_i_finalized
    }

    /// Whether I may vote to finalize in this view (R3).
    pub(crate) fn may_finalize(&self, view: View, floor: View) -> bool {
        let not_given_up = self.nullify.is_none() || seeded(Canary::FinalizeAfterNullify);
        view > floor && self.finalize.is_none() && not_given_up
    }

    /// Whether I may give this view up (R4).
    pub(crate) fn may_nullify(&self, view: View, floor: View) -> bool {
        view > floor && self.finalize.is_none() && self.nullify.is_none()
    }

    /// Makes a vote a fact before it is signed.
    ///
    /// # Panics
    /// If it is of a view in which nothing may be signed, or contradicts a fact ([`Facts::record`]).
    pub(crate) fn commit(&mut self, vote: &Vote, licence: Licence) {
        assert!(licence.permits(vote.view()), "a vote in a view whose votes may be forgotten: {vote:?}");
        self.record(vote);
    }

    /// Makes a vote of the log a fact.
    ///
    /// # Panics
    /// If the vote contradicts a fact: then this validator is about to equivocate, and stopping is the only safe
    /// thing to do.
    pub(crate) fn record(&mut self, vote: &Vote) {
        let floor = View::ZERO;
        match vote {
            Vote::Notarize(vote) => {
                assert!(self.notarize == Some(*vote) || self.may_notarize(vote, floor), "a second notarize: {vote:?}");
                self.notarize = Some(*vote);
            }
            Vote::Nullify(vote) => {
                assert!(
                    self.nullify == Some(*vote) || self.may_nullify(vote.view, floor),
                    "nullify against a fact: {vote:?}"
                );
                assert!(vote.report == self.report(), "a nullify with a false report: {vote:?}");
                self.nullify = Some(*vote);
            }
            Vote::Finalize(vote) => {
                assert!(
                    self.finalize == Some(*vote) || self.may_finalize(vote.view, floor),
                    "finalize against a fact: {vote:?}"
                );
                self.finalize = Some(*vote);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::Epoch;

    const VIEW: View = View::new(3);
    const A: Hash = Hash::new([1; 32]);
    const B: Hash = Hash::new([2; 32]);

    fn notarize(digest: Hash) -> Notarize {
        Notarize { epoch: Epoch::ZERO, view: VIEW, parent_view: View::new(2), digest }
    }

    fn nullify(report: Option<Hash>) -> Vote {
        Vote::Nullify(Nullify { epoch: Epoch::ZERO, view: VIEW, report })
    }

    fn finalize(digest: Hash) -> Vote {
        Vote::Finalize(Finalize { epoch: Epoch::ZERO, view: VIEW, digest })
    }

    fn facts(votes: &[Vote]) -> Facts {
        let mut facts = Facts::default();
        votes.iter().for_each(|vote| facts.record(vote));
        facts
    }

    #[test]
    fn one_notarize_per_view_and_none_after_nullify() {
        let floor = View::new(2);
        assert!(facts(&[]).may_notarize(&notarize(A), floor));
        assert!(!facts(&[Vote::Notarize(notarize(A))]).may_notarize(&notarize(A), floor));
        assert!(!facts(&[nullify(None)]).may_notarize(&notarize(A), floor));
        assert!(facts(&[finalize(A)]).may_notarize(&notarize(A), floor));
        assert!(!facts(&[finalize(A)]).may_notarize(&notarize(B), floor));
    }

    #[test]
    fn finalize_and_nullify_exclude_each_other() {
        let floor = View::new(2);
        assert!(!facts(&[finalize(A)]).may_nullify(VIEW, floor));
        assert!(!facts(&[nullify(None)]).may_finalize(VIEW, floor));
        assert!(!facts(&[nullify(None)]).may_nullify(VIEW, floor));
        assert!(!facts(&[finalize(A)]).may_finalize(VIEW, floor));
    }

    #[test]
    fn nothing_is_signed_at_or_below_the_floor() {
        let facts = Facts::default();
        assert!(!facts.may_notarize(&notarize(A), VIEW));
        assert!(!facts.may_nullify(VIEW, VIEW));
        assert!(!facts.may_finalize(VIEW, VIEW));
    }

    fn panics(votes: &[Vote]) -> bool {
        std::panic::catch_unwind(|| facts(votes)).is_err()
    }

    #[test]
    fn who_forgot_what_it_signed_signs_nothing_where_it_may_have() {
        let commit = |licence: Licence| std::panic::catch_unwind(|| Facts::default().commit(&nullify(None), licence));
        assert!(commit(Licence::Nowhere).is_err());
        assert!(commit(Licence::Above(VIEW)).is_err());
        assert!(commit(Licence::Above(VIEW.previous())).is_ok());
        assert!(!Licence::Nowhere.permits(View::new(u64::MAX)));
    }

    #[test]
    fn a_contradiction_stops_the_process() {
        let (a, b) = (Vote::Notarize(notarize(A)), Vote::Notarize(notarize(B)));
        assert!(panics(&[a, b]));
        assert!(panics(&[nullify(None), a]));
        assert!(panics(&[a, nullify(None)]), "a false report");
        assert!(panics(&[a, nullify(Some(B))]), "a false report");
        assert!(panics(&[finalize(A), nullify(None)]));
        assert!(panics(&[nullify(None), finalize(A)]));
        assert!(!panics(&[a, a, nullify(Some(A)), nullify(Some(A))]), "replay repeats facts");
    }
}
