//! What was handed over and is not committed yet, within bounds. Where there is no room the oldest is forgotten: then it
//! is not handed over again, and everything else stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use althing_rpc::Progress;
use althing_types::Hash;

/// Transactions that are remembered at most.
const COUNT_MAX: usize = 8_192;
/// Bytes of them at most.
const BYTES_MAX: usize = 32 * 1_024 * 1_024;
/// After how long one that is not committed is handed over again. Blocks take tenths of seconds.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The table.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_id: BTreeMap<Hash, Entry>,
    /// By the moment when it is handed over again; numbers make moments different.
    by_due: BTreeMap<(Duration, u64), Hash>,
    number: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    bytes: Arc<Vec<u8>>,
    is_accepted: bool,
    due: (Duration, u64),
    /// How often it was handed over again.
    rounds: u32,
}

/// A transaction that is to be handed over again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) id: Hash,
    pub(super) bytes: Arc<Vec<u8>>,
    /// Which time this is; the first is 1.
    pub(super) round: u32,
}

impl Table {
    /// Remembers a transaction that was handed over now.
    pub(super) fn note(&mut self, id: Hash, bytes: &Arc<Vec<u8>>, progress: &Progress, now: Duration) {
        self.forget(&id);
        let is_accepted = *progress == Progress::Accepted;
        self.number += 1;
        let due = (now + AGAIN_AFTER, self.number);
        self.bytes += bytes.len();
        self.by_due.insert(due, id);
        self.by_id.insert(id, Entry { bytes: bytes.clone(), is_accepted, due, rounds: 0 });
        while self.by_id.len() > COUNT_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.by_due.first_key_value().map(|(_, id)| *id) else { return };
            self.forget(&oldest);
        }
    }

    /// Notes how far a transaction has come.
    pub(super) fn update(&mut self, id: &Hash, progress: &Progress) {
        if let Some(entry) = self.by_id.get_mut(id) {
            entry.is_accepted = *progress == Progress::Accepted;
        }
    }

    /// Forgets a transaction, if it is here.
    pub(super) fn forget(&mut self, id: &Hash) {
        if let Some(entry) = self.by_id.remove(id) {
            self.by_due.remove(&entry.due);
            self.bytes -= entry.bytes.len();
        }
    }

    /// How far a transaction has come that is here.
    pub(super) fn progress(&self, id: &Hash) -> Option<Progress> {
        let entry = self.by_id.get(id)?;
        Some(if entry.is_accepted { Progress::Accepted } else { Progress::Pending })
    }

    /// Those that are to be handed over again now, at most `max`; they are due again later.
    pub(super) fn due(&mut self, now: Duration, max: usize) -> Vec<Due> {
        let due = self.by_due.range(..=(now, u64::MAX)).take(max).map(|(_, id)| *id);
        let due: Vec<Hash> = due.collect();
        let mut taken = Vec::with_capacity(due.len());
        for id in due {
            let Some(entry) = self.by_id.get_mut(&id) else { continue };
            self.by_due.remove(&entry.due);
            self.number += 1;
            entry.due = (now + AGAIN_AFTER, self.number);
            self.by_due.insert(entry.due, id);
            entry.rounds = entry.rounds.saturating_add(1);
            taken.push(Due { id, bytes: entry.bytes.clone(), round: entry.rounds });
        }
        taken
    }

    /// Transactions and bytes.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.by_id.len(), self.bytes)
    }

    /// Whether nothing is here.
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Hash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Hash::new(bytes)
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_not_committed_is_due_again_and_again_until_it_is_forgotten() {
        let mut table = Table::default();
        table.note(id(1), &Arc::new(vec![0; 10]), &Progress::Pending, at(0));
        assert!(table.due(at(2), 9).is_empty());
        let due = |round: u32| Due { id: id(1), bytes: Arc::new(vec![0; 10]), round };
        assert_eq!(table.due(at(3), 9), [due(1)]);
        assert!(table.due(at(4), 9).is_empty(), "it was handed over a moment ago");
        assert_eq!(table.due(at(6), 9), [due(2)]);
        table.forget(&id(1));
        assert!(table.due(at(60), 9).is_empty() && table.is_empty());
        assert_eq!(table.load(), (0, 0));
    }

    #[test]
    fn the_oldest_makes_room_by_count_and_by_bytes() {
        let mut table = Table::default();
        let small = Arc::new(vec![0; 1]);
        for number in 0..u64::try_from(COUNT_MAX).expect("small") + 5 {
            table.note(id(number), &small, &Progress::Accepted, at(number));
        }
        assert_eq!(table.load(), (COUNT_MAX, COUNT_MAX));
        assert_eq!((table.progress(&id(4)), table.progress(&id(5))), (None, Some(Progress::Accepted)));
        let large = Arc::new(vec![0; BYTES_MAX / 2 + 1]);
        for number in 1..=3 {
            table.note(id(u64::MAX - number), &large, &Progress::Pending, at(100_000 + number));
        }
        assert_eq!(table.load(), (1, BYTES_MAX / 2 + 1));
    }

    #[test]
    fn one_that_is_noted_twice_counts_once() {
        let mut table = Table::default();
        for _ in 0..2 {
            table.note(id(1), &Arc::new(vec![0; 10]), &Progress::Pending, at(0));
        }
        assert_eq!(table.load(), (1, 10));
        assert_eq!(table.due(at(3), 9).len(), 1);
    }
}
