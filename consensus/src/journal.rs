//! What was handed to the log, how much of it is durable, and what waits for that (rules D1 to D9).

use std::collections::VecDeque;

use crate::output::Output;
use crate::record::{Lsn, Record};
use althing_types::{Evidence, SignedVote, View};

/// Something that may happen only once a place of the log is durable (D7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Pending {
    /// My vote is counted and sent (D2 to D4, D9).
    Vote(SignedVote),
    /// My view and floor are announced (D7).
    Announce {
        /// The view that a certificate opened.
        view: View,
        /// The view of the highest Finalization.
        floor: View,
    },
    /// Evidence is told (R9).
    Evidence(Evidence),
}

/// The log as the core sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Journal {
    last: Lsn,
    durable: Lsn,
    pending: VecDeque<(Lsn, Pending)>,
    bytes: u64,
}

impl Journal {
    /// Appends a record.
    pub(crate) fn append(&mut self, record: Record, out: &mut Vec<Output>) -> Lsn {
        let bytes = u64::try_from(althing_types::encoded_len(&record)).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        let lsn = self.take();
        out.push(Output::Append { lsn, record });
        lsn
    }

    /// Replaces the log by these records. They hold no vote of a view at or below the floor, so that one which waits to
    /// be sent never is (F3).
    pub(crate) fn compact(&mut self, records: Vec<Record>, floor: View, out: &mut Vec<Output>) {
        self.bytes = 0;
        self.pending.retain(|(_, pending)| match pending {
            Pending::Vote(vote) => vote.vote.view() > floor,
            Pending::Announce { .. } | Pending::Evidence(_) => true,
        });
        let lsn = self.take();
        out.push(Output::Compact { lsn, records });
    }

    /// The same log for the next epoch: votes of the old one are not sent any more, evidence is told still (E3, E4).
    pub(crate) fn into_next_epoch(mut self) -> Self {
        self.pending.retain(|(_, pending)| matches!(pending, Pending::Evidence(_)));
        self
    }

    fn take(&mut self) -> Lsn {
        self.last = self.last.next();
        self.last
    }

    /// Lets something happen once everything appended so far is durable.
    pub(crate) fn after_all(&mut self, pending: Pending) {
        self.pending.push_back((self.last, pending));
    }

    /// Notes that the log is durable up to a place; returns what may happen now, in order.
    pub(crate) fn durable(&mut self, lsn: Lsn) -> Vec<Pending> {
        self.durable = self.durable.max(lsn.min(self.last));
        let mut ready = Vec::new();
        while let Some((_, pending)) = self.pending.pop_front_if(|(at, _)| *at <= self.durable) {
            ready.push(pending);
        }
        ready
    }

    /// Counts places from the last durable one on, as if the log began there; returns where it was.
    pub(crate) fn rebase(&mut self) -> Lsn {
        let durable = self.durable;
        self.last = self.last.above(durable);
        self.pending.iter_mut().for_each(|(at, _)| *at = at.above(durable));
        self.durable = Lsn::ZERO;
        self.bytes = 0;
        durable
    }

    /// Whether a place of the log is durable.
    pub(crate) fn is_durable(&self, lsn: Lsn) -> bool {
        lsn <= self.durable
    }

    /// Whether all that was appended is durable.
    pub(crate) fn is_synced(&self) -> bool {
        self.durable >= self.last
    }

    /// The last place handed out.
    pub(crate) const fn last(&self) -> Lsn {
        self.last
    }

    /// Bytes appended since the last compaction.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}
