//! When to dial again: soon at first, rarely later, never not at all.
//!
//! The pause grows by half each time, so that it stays below half of how long a peer has been away: one that comes back
//! after a few seconds is found within two. Jitter keeps many nodes from dialling the same peer at the same moment.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause, jitter apart.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);
/// A connection that held so long proves that the peer is well: the next pause is the first again.
pub(crate) const STABLE: Duration = Duration::from_secs(60);

/// The pauses between dials to one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// Starts with the shortest pause.
    pub(crate) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// The pause before the next dial, up to a quarter longer by `jitter`. The one after it is half as long again.
    pub(crate) fn pause(&mut self, jitter: u8) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_add(pause / 2).min(LONGEST);
        pause + pause / 4 * u32::from(jitter) / 255
    }

    /// Starts over.
    pub(crate) const fn reset(&mut self) {
        *self = Self::new();
    }
}

/// A random byte; without randomness, which cannot be in a running system, no jitter.
pub(crate) fn jitter() -> u8 {
    getrandom::u32().map_or(0, |value| value.to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_stay_there() {
        let mut backoff = Backoff::new();
        let pauses: Vec<u128> = (0..20).map(|_| backoff.pause(0).as_millis()).collect();
        assert_eq!(pauses[..4], [250, 375, 562, 843]);
        assert_eq!(pauses[13..], [30_000; 7]);
        assert_eq!(backoff.pause(255).as_millis(), 37_500);
        backoff.reset();
        assert_eq!(backoff.pause(0).as_millis(), 250);
    }

    #[test]
    fn who_comes_back_within_five_seconds_is_dialled_within_two() {
        let mut backoff = Backoff::new();
        let mut away = Duration::ZERO;
        while away < Duration::from_secs(5) {
            let pause = backoff.pause(255);
            assert!(
                pause < Duration::from_secs(2) || away + pause > Duration::from_secs(5),
                "{pause:?} after {away:?}"
            );
            away += pause;
        }
    }
}
