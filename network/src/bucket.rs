//! A token bucket: how often something may happen over time, and how much of it at once.
//!
//! It knows no clock: every call brings the time. What is refused takes nothing, so that whoever goes on asking is not
//! kept out for ever.

use std::time::Duration;

use tokio::time::Instant;

/// Parts of a token: a bucket of so many tokens a minute gains as many parts in a millisecond.
const PARTS: i64 = 60_000;

/// The bucket. It starts full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Parts that are gained in a millisecond.
    gain: i64,
    /// Parts that it holds at most.
    full: i64,
    /// Parts that are in it; less than nothing after a charge that it could not pay.
    parts: i64,
    filled: Instant,
}

impl Bucket {
    /// A bucket from which so much may be taken each second, and so much at once.
    pub(crate) fn per_second(tokens: u32, at_once: u32) -> Self {
        Self::new(i64::from(tokens) * 60, at_once)
    }

    /// A bucket from which so much may be taken each minute, and so much at once.
    pub(crate) fn per_minute(tokens: u32, at_once: u32) -> Self {
        Self::new(i64::from(tokens), at_once)
    }

    fn new(gain: i64, at_once: u32) -> Self {
        let full = i64::from(at_once) * PARTS;
        Self { gain: gain.max(1), full, parts: full, filled: Instant::now() }
    }

    /// Takes so many tokens, if they are there.
    pub(crate) fn take(&mut self, tokens: u32, now: Instant) -> bool {
        self.fill(now);
        let left = self.parts - i64::from(tokens) * PARTS;
        if left >= 0 {
            self.parts = left;
        }
        left >= 0
    }

    /// Takes so many tokens, whether they are there or not, and says how long it takes until they are. The caller sees
    /// to it that not everybody runs up debts at once.
    pub(crate) fn charge(&mut self, tokens: u32, now: Instant) -> Duration {
        self.fill(now);
        self.parts = self.parts.saturating_sub(i64::from(tokens) * PARTS);
        let debt = self.parts.min(0).unsigned_abs();
        Duration::from_millis(debt.div_ceil(self.gain.unsigned_abs()))
    }

    fn fill(&mut self, now: Instant) {
        let passed = i64::try_from(now.saturating_duration_since(self.filled).as_millis()).unwrap_or(i64::MAX);
        if passed > 0 {
            self.parts = self.parts.saturating_add(passed.saturating_mul(self.gain)).min(self.full);
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_is_in_it_and_is_filled_over_time() {
        let mut bucket = Bucket::per_second(10, 3);
        let start = bucket.filled;
        assert!((0..3).all(|_| bucket.take(1, start)));
        assert!(!bucket.take(1, start), "it is empty");
        assert!(!bucket.take(1, start + Duration::from_millis(99)), "not yet");
        assert!(bucket.take(1, start + Duration::from_millis(101)), "one came back");
        assert!(!bucket.take(1, start + Duration::from_millis(102)));
        let later = start + Duration::from_secs(3_600);
        assert!(bucket.take(3, later) && !bucket.take(1, later), "it holds no more than it did");
        assert!(!bucket.take(4, later + Duration::from_secs(60)), "and never gives more at once");
    }

    #[test]
    fn a_slow_bucket_is_filled_as_exactly_as_a_fast_one() {
        let mut bucket = Bucket::per_minute(6, 1);
        let start = bucket.filled;
        assert!(bucket.take(1, start));
        assert!(!bucket.take(1, start + Duration::from_millis(9_999)));
        assert!(bucket.take(1, start + Duration::from_millis(10_000)), "one in ten seconds");
    }

    #[test]
    fn a_charge_beyond_what_is_there_is_paid_by_waiting() {
        let mut bucket = Bucket::per_second(1_000, 2_000);
        let start = bucket.filled;
        assert_eq!(bucket.charge(2_000, start), Duration::ZERO, "it was full");
        assert_eq!(bucket.charge(500, start), Duration::from_millis(500));
        assert_eq!(bucket.charge(500, start), Duration::from_millis(1_000), "debts add up");
        let paid = start + Duration::from_millis(1_000);
        assert!(!bucket.take(1, paid - Duration::from_millis(1)), "a debt is no credit");
        assert_eq!(bucket.charge(0, paid), Duration::ZERO);
    }
}
