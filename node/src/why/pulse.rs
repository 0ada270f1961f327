//! How the ledger has grown of late: when the last block came, since when work has waited, and how fast a node that
//! catches up does so. Somebody notes it now and then, and that is as exact as it is.

use std::collections::VecDeque;

use althing_types::{Height, Monotonic};

/// Notes that are kept: with one in a second, the last half minute.
const NOTES_MAX: usize = 30;

/// What was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When the height was seen to have grown; none since the start.
    grew_at: Option<Monotonic>,
    /// Since when there has been work without a new block.
    work_since: Option<Monotonic>,
    /// Since when higher blocks have been known without one of them coming.
    lacking_since: Option<Monotonic>,
    /// The last moments and heights.
    notes: VecDeque<(Monotonic, Height)>,
}

impl Pulse {
    /// Notes how high the ledger is, how high the chain is known to be, and whether work waits.
    pub fn note(&mut self, now: Monotonic, height: Height, known: Height, has_work: bool) {
        let grew = self.notes.back().is_some_and(|(_, before)| height > *before);
        if grew {
            self.grew_at = Some(now);
        }
        let since = |before: Option<Monotonic>, holds: bool| match before {
            _ if !holds => None,
            Some(since) if !grew => Some(since),
            _ => Some(now),
        };
        self.work_since = since(self.work_since, has_work);
        self.lacking_since = since(self.lacking_since, known > height);
        self.notes.push_back((now, height));
        if self.notes.len() > NOTES_MAX {
            self.notes.pop_front();
        }
    }

    /// When the last block came, if one came since the start.
    pub(super) const fn grew_at(&self) -> Option<Monotonic> {
        self.grew_at
    }

    /// Since when there has been work without a new block.
    pub(super) const fn work_since(&self) -> Option<Monotonic> {
        self.work_since
    }

    /// Since when higher blocks have been known without one of them coming.
    pub(super) const fn lacking_since(&self) -> Option<Monotonic> {
        self.lacking_since
    }

    /// Blocks that came since the oldest note, and the microseconds in which they did; none without any.
    pub(super) fn pace(&self) -> Option<(u64, u64)> {
        let ((from, low), (to, high)) = (self.notes.front()?, self.notes.back()?);
        let (blocks, micros) = (high.above(*low), to.above(*from));
        (blocks > 0 && micros > 0).then_some((blocks, micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::new(seconds * SECOND)
    }

    #[test]
    fn work_counts_from_when_it_came_and_anew_with_every_block() {
        let mut pulse = Pulse::default();
        let steps = [
            (1, 5, false, None, None),
            (2, 5, true, Some(2), None),
            (9, 5, true, Some(2), None),
            (10, 6, true, Some(10), Some(10)),
            (11, 6, true, Some(10), Some(10)),
            (12, 6, false, None, Some(10)),
        ];
        for (second, height, has_work, since, grew) in steps {
            let known = Height::new(if has_work { 9 } else { 0 });
            pulse.note(at(second), Height::new(height), known, has_work);
            assert_eq!(pulse.lacking_since(), pulse.work_since(), "they count alike");
            assert_eq!((pulse.work_since(), pulse.grew_at()), (since.map(at), grew.map(at)), "after {second} s");
        }
    }

    #[test]
    fn the_pace_is_that_of_the_last_half_minute() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.pace(), None);
        for second in 0..100 {
            pulse.note(at(second), Height::new(second * 3), Height::ZERO, false);
        }
        assert_eq!(pulse.pace(), Some((87, 29 * SECOND)));
        assert_eq!(pulse.notes.len(), NOTES_MAX);
    }
}
