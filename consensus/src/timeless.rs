//! A core without its history: what an exhaustive exploration compares, so that runs which differ only in when
//! something happened, or in how much was logged before, meet in one state.
//!
//! It changes no rule and is called by nothing that agrees.

use althing_types::{Certificate, Monotonic};

use crate::core::Core;
use crate::fetch::Fetch;
use crate::history::History;
use crate::record::Lsn;
use crate::round::Round;
use crate::timers::Timers;

impl Core {
    /// The same state as if all of it had come about at `now`: its view was entered then, by one of the certificates
    /// that it holds of the view below, its timers begin then, nobody was asked, answered or accused of anything, and
    /// the log begins with what is not durable yet; certificates of closed views, which only prove forks, are forgotten. The deadline is that of the next step.
    pub fn timeless(&self, now: Monotonic) -> Self {
        let mut core = self.clone();
        let durable = core.journal.rebase();
        core.floor.lsn = core.floor.lsn.above(durable);
        core.chain.rebase(durable);
        core.rounds.values_mut().for_each(Round::forget_accusations);
        core.rounds.retain(|_, round| *round != Round::default());
        core.entry = core.first_entry().or(core.entry);
        let begun = Timers::default();
        core.timers = Timers { entered: now, entered_before: now, tip_since: now, repeat_at: now, ..begun };
        core.peers.begin_anew(now);
        core.fetches.values_mut().for_each(|fetch| *fetch = Fetch::default());
        core.asked = 0;
        core.history = History::default();
        core.clock_wake = None;
        core.wake = None;
        core
    }

    /// The first of the certificates that open the current view.
    fn first_entry(&self) -> Option<Certificate> {
        let below = self.view.previous();
        if below == self.floor.view {
            return self.floor.finalization.clone().map(Certificate::Finalization);
        }
        self.rounds.get(&below).and_then(|round| round.certificates().into_iter().next())
    }
}

impl Lsn {
    /// The place counted from another one; the places up to that one become the place before the first record.
    pub(crate) const fn above(self, other: Self) -> Self {
        Self::new(self.get().saturating_sub(other.get()))
    }
}
