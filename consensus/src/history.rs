//! Certificates of views that agreement is done with, kept for a while so that a fork can be proven (rule R10).
//!
//! They take part in nothing: no vote, no view and no floor follows from them. They are kept in memory, the newest
//! [`HISTORY_VIEWS`] views of them, at most [`KEPT_OF_VIEW`] for each; a restart takes back what the log still holds.

use std::collections::BTreeMap;

use althing_types::{Certificate, Hash, Quorums, View};

/// Views whose certificates are kept. Two sides of a fork that meet within so many views can prove it.
pub(crate) const HISTORY_VIEWS: usize = 1_024;
/// Certificates of one view at most: one of each kind, and as many that contradict them.
const KEPT_OF_VIEW: usize = 8;

/// The certificates of past views.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    views: BTreeMap<View, Vec<Certificate>>,
    /// Final blocks that were not handed over yet, by the view of their Finalization.
    awaited: BTreeMap<View, Hash>,
    /// The view of the last Finalization whose own block was handed over: where my chain stands.
    standing: View,
}

impl History {
    /// Keeps a verified certificate, unless one that says the same is kept.
    pub(crate) fn keep(&mut self, certificate: Certificate, quorums: &Quorums) {
        let kept = self.views.entry(certificate.view()).or_default();
        if kept.len() < KEPT_OF_VIEW && !kept.iter().any(|known| says_the_same(known, &certificate, quorums)) {
            kept.push(certificate);
        }
        while self.views.len() > HISTORY_VIEWS {
            self.views.pop_first();
        }
    }

    /// What is kept of the newest views, from the highest down.
    pub(crate) fn newest(&self, views: usize) -> impl Iterator<Item = &[Certificate]> {
        self.views.values().rev().take(views).map(Vec::as_slice)
    }

    /// What is kept of a view.
    pub(crate) fn of(&self, view: View) -> &[Certificate] {
        self.views.get(&view).map_or(&[], Vec::as_slice)
    }

    /// A block became final, and has to be handed over.
    pub(crate) fn await_block(&mut self, view: View, digest: Hash) {
        self.awaited.insert(view, digest);
        while self.awaited.len() > HISTORY_VIEWS {
            self.awaited.pop_first();
        }
    }

    /// A block was handed over. With `certified`, the view of its own Finalization: every block that was final in this
    /// view or an earlier one stands on the chain below it, so one that was not handed over shows a fork; its view.
    pub(crate) fn handed_over(&mut self, digest: &Hash, certified: Option<View>) -> Option<(View, Hash)> {
        self.awaited.retain(|_, awaited| awaited != digest);
        let view = certified?;
        self.standing = self.standing.max(view);
        self.awaited.first_key_value().map(|(view, digest)| (*view, *digest)).filter(|(at, _)| *at <= view)
    }

    /// The view of the last Finalization whose own block was handed over; 0 if there is none.
    pub(crate) const fn standing(&self) -> View {
        self.standing
    }

    /// The chain begins at a block that is final in this view.
    pub(crate) const fn stand(&mut self, view: View) {
        self.standing = view;
    }
}

/// Whether another certificate adds nothing: the same kind about the same thing, and of Nullifications the same verdict.
fn says_the_same(a: &Certificate, b: &Certificate, quorums: &Quorums) -> bool {
    match (a, b) {
        (Certificate::Notarization(a), Certificate::Notarization(b)) => a.vote == b.vote,
        (Certificate::Finalization(a), Certificate::Finalization(b)) => (a.vote, a.finality) == (b.vote, b.finality),
        (Certificate::Nullification(a), Certificate::Nullification(b)) => a.verdict(quorums) == b.verdict(quorums),
        _ => false,
    }
}
