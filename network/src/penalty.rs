//! How long a peer that misbehaved is not let in: shortly at first, so that a mistake costs little, and longer each
//! time.
//!
//! Nothing here closes anything or knows what was done; it counts. A restart of the event loop forgets.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause: a few heights of a chain whose quorum needs the peer.
const FIRST: Duration = Duration::from_secs(10);
/// The longest pause. It is reached with the seventh misbehaviour, and keeps one that goes on to six an hour.
const LONGEST: Duration = Duration::from_secs(600);
/// A peer that behaved for so long after a pause is treated as on its first day: three of the longest pauses.
const FORGOTTEN: Duration = Duration::from_secs(1_800);

/// The pauses of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Penalty {
    next: Duration,
    until: Option<Instant>,
}

impl Penalty {
    /// None so far.
    pub(crate) const fn new() -> Self {
        Self { next: FIRST, until: None }
    }

    /// Begins a pause and says how long it is. Nothing while one runs: what the peer sent before it was cut off is
    /// judged a moment later, and is no new misbehaviour.
    pub(crate) fn impose(&mut self, now: Instant) -> Option<Duration> {
        if self.until(now).is_some() {
            return None;
        }
        if self.until.is_some_and(|until| now >= until + FORGOTTEN) {
            self.next = FIRST;
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(LONGEST);
        self.until = Some(now + pause);
        Some(pause)
    }

    /// The end of the pause that runs, if one does.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_forgotten_after_a_quiet_time() {
        let mut penalty = Penalty::new();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let pause = penalty.impose(now).expect("none is running");
            assert_eq!(penalty.impose(now), None, "one at a time");
            assert_eq!(penalty.impose(now + pause - Duration::from_millis(1)), None, "to its end");
            now += pause;
            assert_eq!(penalty.until(now), None, "it is over");
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        now += FORGOTTEN - Duration::from_millis(1);
        assert_eq!(penalty.impose(now), Some(LONGEST), "not yet forgotten");
        now += LONGEST + FORGOTTEN;
        assert_eq!(penalty.impose(now), Some(FIRST), "forgotten");
    }
}
