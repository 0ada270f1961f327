//! What the replica wants known: to those who wait for a transaction, and to the operator.
//!
//! What a peer does wrong is told once in a minute for each peer and kind, with the number of times, so that nobody fills
//! a log by it; and the network, which closes the connection for a while. Agreement does without who misbehaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use althing_consensus::{Alarm, Standing};
use althing_mempool::{AdmitError, DropReason};
use althing_types::EvidenceKind;
use metrics::counter;

use super::clock::Clock;
use super::fork_file::ForkFile;
use super::outbox::Outbox;
use super::tracker::{News, Tracker};
use crate::replica::{Contact, Note};

/// How long a wrong of one peer is not told again.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// Where notes go.
#[derive(Debug)]
pub(crate) struct Notes {
    /// Those who wait.
    tracker: Arc<Tracker>,
    clock: Clock,
    outbox: Outbox,
    forks: ForkFile,
    /// When each wrong of each peer was told, and how often it was seen since. There are a few kinds.
    told: BTreeMap<(Contact, &'static str), (Duration, u64)>,
}

impl Notes {
    /// Nothing was told yet.
    pub(crate) const fn new(tracker: Arc<Tracker>, clock: Clock, outbox: Outbox, forks: ForkFile) -> Self {
        Self { tracker, clock, outbox, forks, told: BTreeMap::new() }
    }

    /// Passes a note on.
    pub(crate) fn take(&mut self, note: Note) {
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
                let (culprit, kind) = (evidence.culprit().get(), evidence.kind().map_or("", EvidenceKind::words));
                counter!("althing_evidence_total", "culprit" => culprit.to_string(), "kind" => kind).increment(1);
                tracing::error!(
                    culprit,
                    kind,
                    remedy = "tell its operator: two nodes may run with one key, or the key is stolen; `althing evidence \
                              show` has the statements, and a block will hold them",
                    "a validator provably misbehaved"
                );
            }
            Note::Standing(standing) => tell_standing(&standing),
            Note::Misbehaved(peer, what) => self.misbehaved(peer, what),
            Note::Epoch(epoch) => tracing::info!(epoch = epoch.get(), "a new epoch begins"),
            Note::Silent => tracing::error!(
                "this validator takes no transactions in until the next epoch: batches of it were lost (rule D6), or it is \
                 accused because another process signs with its key (rule L8); `althing evidence list` says which"
            ),
            Note::Alarm(alarm) => self.raise(&alarm),
        }
    }

    /// Tells the operator. A node that votes no more stays up, is not ready, and keeps what it has as
    /// evidence; one that can prove a fork writes the proof and ends.
    fn raise(&mut self, alarm: &Alarm) {
        match alarm {
            // The replica says whom by a note of its own.
            Alarm::Misbehaved { .. } => {}
            Alarm::OtherValidators { theirs } => {
                tracing::error!(%theirs, "the epoch ended with other validators than this node computed; it votes no more");
            }
            Alarm::ResultsDiffer { ours, theirs } => {
                tracing::error!(?ours, ?theirs, "a leader carries another result than ours");
            }
            Alarm::Diverged { ours, theirs } => {
                tracing::error!(?ours, ?theirs, "this node differs from what a quorum certified and votes no more");
            }
            Alarm::Fork { proof: Some(proof), .. } => self.forks.found(proof),
            Alarm::Fork { ours, theirs, proof: None } => {
                tracing::error!(%ours, %theirs, "two final blocks contradict each other; this node votes no more");
            }
        }
    }

    /// A validator sent or signed what no honest one does.
    fn misbehaved(&mut self, peer: Contact, what: &'static str) {
        counter!("althing_misbehaviour_total", "peer" => peer.get().to_string()).increment(1);
        self.outbox.misbehaved(peer, what);
        let now = self.clock.uptime();
        let (told_at, times) = self.told.entry((peer, what)).or_default();
        *times += 1;
        if *times == 1 || now.saturating_sub(*told_at) >= TOLD_FOR {
            tracing::warn!(peer = peer.get(), what, times = *times, "a validator misbehaves");
            *told_at = now;
        }
    }
}

/// What this validator learnt of its own past (rule D10).
fn tell_standing(standing: &Standing) {
    match standing {
        Standing::Abstaining { to, .. } => tracing::warn!(
            view = to.get(),
            "enough other validators have proven their views; this validator votes again above this view"
        ),
        Standing::Doubled { vote } => {
            counter!("althing_own_votes_foreign_total").increment(1);
            let view = vote.as_ref().map(|vote| vote.vote.view().get());
            tracing::error!(
                view,
                ?vote,
                remedy = "make sure that no other process has this validator's key; then stop this node, give it \
                          `althing node recover-vote-log`, and start it again",
                "a vote of this validator's own key was seen that it did not cast; it votes no more"
            );
        }
        Standing::Whole { .. } | Standing::Recovering { .. } | Standing::Settled { .. } => {}
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
        DropReason::TooLarge => "a new epoch began, and its lanes are too small for it",
        DropReason::Silent => "this validator lost data and orders nothing until the next epoch",
    };
    News::Dropped(why.to_owned())
}
