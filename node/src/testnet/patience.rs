//! Waiting for something outside of this process, for so long and no longer.

use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked again. Short beside everything that is waited for, long beside the looking.
const PAUSE: Duration = Duration::from_millis(10);

/// A time until which something is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    end: Instant,
}

impl Patience {
    /// From now on, for so long.
    pub(super) fn of(duration: Duration) -> Self {
        Self { end: now() + duration }
    }

    /// Whether the time is over.
    pub(super) fn is_over(self) -> bool {
        now() >= self.end
    }

    /// How much of the time is left, if any is.
    pub(super) fn left(self) -> Option<Duration> {
        self.end.checked_duration_since(now()).filter(|left| !left.is_zero())
    }

    /// Looks until it is so, or the time is over; says whether it is so.
    pub(super) fn until(self, mut is_so: impl FnMut() -> bool) -> bool {
        loop {
            if is_so() {
                return true;
            }
            if self.is_over() {
                return false;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// The steady clock.
#[expect(clippy::disallowed_methods, reason = "other processes are waited for in real time")]
fn now() -> Instant {
    Instant::now()
}
