//! How much is asked for at once and how long an answer may take: much and short while answers come fast, little and
//! long behind a slow link. Answers that are given up go on to fill the link, so asking for all of it again would never
//! end. It knows no peer: one that is slow is passed over elsewhere.

use std::time::Duration;

/// Lanes that are asked for at the same time at most; each answer holds at most 1 MiB.
pub(in crate::shell) const LANES_MAX: usize = 4;
/// How long an answer may take while they come fast.
const FAST_PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take otherwise: as long as the network lets an answer take.
const SLOW_PATIENCE: Duration = Duration::from_secs(10);
/// An answer within this time shows room for one more question.
const QUICK: Duration = Duration::from_millis(500);

/// The pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) struct Pace {
    lanes: usize,
}

impl Pace {
    /// Fast, until something else shows.
    pub(in crate::shell) const fn new() -> Self {
        Self { lanes: LANES_MAX }
    }

    /// Lanes to ask for at once.
    pub(super) const fn lanes(self) -> usize {
        self.lanes
    }

    /// How long an answer may take.
    pub(super) const fn patience(self) -> Duration {
        if self.lanes == LANES_MAX { FAST_PATIENCE } else { SLOW_PATIENCE }
    }

    /// Notes how long it took until the last of the answers was here.
    pub(super) fn answered(&mut self, took: Duration) {
        self.lanes = match took {
            _ if took <= QUICK => LANES_MAX.min(self.lanes + 1),
            _ if took > FAST_PATIENCE => 1.max(self.lanes / 2),
            _ => self.lanes,
        };
    }

    /// Notes that an answer was given up.
    pub(super) const fn late(&mut self) {
        self.lanes = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_an_answer_that_did_not_come_one_lane_is_asked_for_with_more_patience() {
        let mut pace = Pace::new();
        assert_eq!((pace.lanes(), pace.patience()), (4, 2 * SECOND));
        pace.late();
        assert_eq!((pace.lanes(), pace.patience()), (1, 10 * SECOND));
        pace.answered(5 * SECOND);
        assert_eq!((pace.lanes(), pace.patience()), (1, 10 * SECOND), "the link is still slow");
    }

    #[test]
    fn quick_answers_bring_the_questions_back_one_by_one_and_slow_ones_halve_them() {
        let mut pace = Pace::new();
        pace.late();
        for lanes in [2, 3] {
            pace.answered(SECOND / 10);
            assert_eq!((pace.lanes(), pace.patience()), (lanes, 10 * SECOND));
        }
        pace.answered(3 * SECOND);
        assert_eq!(pace.lanes(), 1);
        (0..5).for_each(|_| pace.answered(SECOND / 10));
        assert_eq!(pace, Pace::new());
        pace.answered(SECOND);
        assert_eq!(pace, Pace::new());
    }
}
