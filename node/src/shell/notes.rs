//! What the replica wants known: to those who wait for a transaction, and to the operator.

use std::sync::Arc;

use althing_consensus::Alarm;
use althing_mempool::{AdmitError, DropReason};
use metrics::counter;

use super::tracker::{News, Tracker};
use crate::replica::Note;

/// Where notes go.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    /// Those who wait.
    pub(crate) tracker: Arc<Tracker>,
}

impl Notes {
    /// Passes a note on.
    pub(crate) fn take(&self, note: Note) {
        match note {
            // Whoever submitted it was answered in the same turn.
            Note::Admitted(_) | Note::Known(..) => {}
            Note::Refused(_, error) => {
                counter!("althing_mempool_refused_total", "reason" => reason(&error)).increment(1);
            }
            Note::Accepted(ids) => ids.iter().for_each(|id| self.tracker.accepted(id)),
            // The block that decided them tells those who wait.
            Note::Dropped(_, DropReason::Decided) => {}
            Note::Dropped(ids, reason) => {
                let news = news_of(reason);
                ids.iter().for_each(|id| self.tracker.dropped(id, &news));
            }
            Note::Evidence(evidence) => {
                tracing::error!(culprit = evidence.culprit().get(), "a validator provably misbehaved");
            }
            Note::Misbehaved(peer, what) => tracing::warn!(peer = peer.get(), what, "a validator misbehaves"),
            Note::Silent => tracing::error!(
                "batches of this validator were lost; it takes no transactions in until the next epoch (rule D6)"
            ),
            Note::Alarm(alarm) => raise(&alarm),
        }
    }
}

/// Tells the operator. A node that votes no more stays up, is not ready, and keeps what it has as evidence.
fn raise(alarm: &Alarm) {
    match alarm {
        Alarm::Misbehaved { peer, what } => tracing::warn!(peer = peer.get(), what, "a validator misbehaves"),
        Alarm::ResultsDiffer { ours, theirs } => {
            tracing::error!(?ours, ?theirs, "a leader carries another result than ours");
        }
        Alarm::Diverged { ours, theirs } => {
            tracing::error!(?ours, ?theirs, "this node differs from what a quorum certified and votes no more");
        }
        Alarm::Fork { ours, theirs } => {
            tracing::error!(%ours, %theirs, "two final blocks contradict each other; this node votes no more");
        }
    }
}

/// A label of bounded number.
const fn reason(error: &AdmitError) -> &'static str {
    match error {
        AdmitError::Full { .. } => "full",
        AdmitError::LaneBusy { .. } => "lane_busy",
        AdmitError::Silent => "silent",
        AdmitError::SenderQuota { .. } => "sender_quota",
        AdmitError::Expired { .. } => "expired",
        AdmitError::TooFarAhead { .. } => "too_far_ahead",
        AdmitError::GasLimit { .. } => "gas_limit",
        AdmitError::TooLarge { .. } => "too_large",
        AdmitError::SequenceUsed { .. } => "sequence_used",
        AdmitError::SequenceTooFar { .. } => "sequence_too_far",
    }
}

fn news_of(reason: DropReason) -> News {
    let why = match reason {
        DropReason::Expired => return News::Expired,
        DropReason::SequenceUsed => "another transaction used its sequence number",
        DropReason::Waited => "the sequence numbers before its own did not come",
        DropReason::Decided => "a block of another lane decided it",
        DropReason::Silent => "this validator lost data and orders nothing until the next epoch",
    };
    News::Dropped(why.to_owned())
}
