//! Who waits for which transaction, and what became of it.
//!
//! Whoever submits a transaction may wait until it is accepted (in a batch of this validator that is durable here), or
//! committed. News comes from the replica and from the ledger's thread. A waiter that gave up is forgotten with the next
//! news of its transaction, or when room is needed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use althing_contracts::SkipReason;
use althing_ledger::{Committed, PassedOver};
use althing_types::Hash;
use tokio::sync::oneshot;

use super::stop::locked;

/// Waiters at most (`decisions.md` section 2).
pub(crate) const WAITERS_MAX: usize = 1_024;

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// In a batch that is durable here and on its way into a block.
    Accepted,
    /// Committed here in a final block.
    Committed,
}

/// What a waiter learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is in a batch of this validator that is durable here.
    Accepted,
    /// It is in a committed block.
    Committed,
    /// Its time ended before a block took it in.
    Expired,
    /// It will not be executed from where it stood. The text says why.
    Dropped(String),
}

/// A waiter's end of the wire.
pub(crate) type Receiver = oneshot::Receiver<News>;

/// Those who wait, by transaction.
#[derive(Debug)]
pub(crate) struct Tracker {
    waiters: Mutex<Waiters>,
}

#[derive(Debug)]
struct Waiters {
    by_transaction: BTreeMap<Hash, Vec<Waiter>>,
    count: usize,
}

#[derive(Debug)]
struct Waiter {
    stage: Stage,
    wire: oneshot::Sender<News>,
}

impl Tracker {
    /// Nobody waits.
    pub(crate) const fn new() -> Self {
        Self { waiters: Mutex::new(Waiters { by_transaction: BTreeMap::new(), count: 0 }) }
    }

    /// Waits for a transaction to come so far; none if too many wait already.
    pub(crate) fn wait(&self, id: Hash, stage: Stage) -> Option<Receiver> {
        let mut waiters = locked(&self.waiters);
        if waiters.count >= WAITERS_MAX {
            waiters.forget_those_who_gave_up();
        }
        if waiters.count >= WAITERS_MAX {
            return None;
        }
        let (wire, receiver) = oneshot::channel();
        waiters.by_transaction.entry(id).or_default().push(Waiter { stage, wire });
        waiters.count += 1;
        Some(receiver)
    }

    /// A transaction is in a batch of this validator that is durable here.
    pub(crate) fn accepted(&self, id: &Hash) {
        locked(&self.waiters).tell(id, Stage::Accepted, &News::Accepted);
    }

    /// A transaction left the pool without being ordered.
    pub(crate) fn dropped(&self, id: &Hash, news: &News) {
        locked(&self.waiters).tell(id, Stage::Committed, news);
    }

    /// A block was committed.
    pub(crate) fn committed(&self, committed: &Committed) {
        let mut waiters = locked(&self.waiters);
        if waiters.count == 0 {
            return;
        }
        for included in &committed.included {
            waiters.tell(&included.id, Stage::Committed, &News::Committed);
        }
        for skipped in &committed.skipped {
            waiters.tell(&skipped.id, Stage::Committed, &news_of(skipped.reason));
        }
    }

    /// Lets all who wait know that there will be no news: their wires are cut.
    pub(crate) fn close(&self) {
        let mut waiters = locked(&self.waiters);
        waiters.by_transaction.clear();
        waiters.count = 0;
    }

    /// How many wait, for metrics.
    pub(crate) fn count(&self) -> usize {
        locked(&self.waiters).count
    }
}

impl Waiters {
    /// Tells those who wait for this stage or an earlier one.
    fn tell(&mut self, id: &Hash, stage: Stage, news: &News) {
        let Some(waiting) = self.by_transaction.get_mut(id) else { return };
        let before = waiting.len();
        let told: Vec<Waiter> = waiting.extract_if(.., |waiter| waiter.stage <= stage).collect();
        waiting.retain(|waiter| !waiter.wire.is_closed());
        self.count -= before - waiting.len();
        if waiting.is_empty() {
            self.by_transaction.remove(id);
        }
        for waiter in told {
            // A waiter that gave up does not want to know.
            let _gone = waiter.wire.send(news.clone());
        }
    }

    fn forget_those_who_gave_up(&mut self) {
        self.by_transaction.retain(|_, waiting| {
            waiting.retain(|waiter| !waiter.wire.is_closed());
            !waiting.is_empty()
        });
        self.count = self.by_transaction.values().map(Vec::len).sum();
    }
}

/// What it means to a waiter that a block passed a transaction over. One that was executed before is committed.
fn news_of(reason: PassedOver) -> News {
    match reason {
        PassedOver::Duplicate => News::Committed,
        PassedOver::Refused(SkipReason::Expired) => News::Expired,
        other => News::Dropped(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Hash = Hash::new([7; 32]);

    #[test]
    fn a_waiter_learns_of_its_stage_and_of_no_earlier_one() {
        let tracker = Tracker::new();
        let mut early = tracker.wait(ID, Stage::Accepted).expect("room");
        let mut late = tracker.wait(ID, Stage::Committed).expect("room");
        tracker.accepted(&ID);
        assert_eq!(early.try_recv(), Ok(News::Accepted));
        assert!(late.try_recv().is_err());
        assert_eq!(tracker.count(), 1);
    }

    #[test]
    fn the_end_of_a_transaction_reaches_all_who_wait() {
        let tracker = Tracker::new();
        let stages = [Stage::Accepted, Stage::Committed];
        let waiting: Vec<_> = stages.iter().map(|stage| tracker.wait(ID, *stage).expect("room")).collect();
        tracker.dropped(&ID, &News::Expired);
        for mut receiver in waiting {
            assert_eq!(receiver.try_recv(), Ok(News::Expired));
        }
        assert_eq!(tracker.count(), 0);
    }

    #[test]
    fn a_transaction_that_was_executed_before_is_committed_and_an_expired_one_is_not() {
        assert_eq!(news_of(PassedOver::Duplicate), News::Committed);
        assert_eq!(news_of(PassedOver::Refused(SkipReason::Expired)), News::Expired);
        assert!(matches!(news_of(PassedOver::Refused(SkipReason::Unauthorized)), News::Dropped(_)));
    }

    #[test]
    fn those_who_gave_up_make_room() {
        let tracker = Tracker::new();
        let kept: Vec<_> = (0..WAITERS_MAX - 1).map(|_| tracker.wait(ID, Stage::Committed).expect("room")).collect();
        let gone = tracker.wait(Hash::ZERO, Stage::Committed).expect("room");
        assert!(tracker.wait(ID, Stage::Committed).is_none());
        drop(gone);
        assert!(tracker.wait(ID, Stage::Committed).is_some());
        assert_eq!(tracker.count(), WAITERS_MAX);
        drop(kept);
    }
}
