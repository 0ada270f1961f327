//! A token bucket: how often something may happen over time, and how much of it at once.

use tokio::time::Instant;

/// The bucket. It starts full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_second: u32,
    at_once: u64,
    /// In thousandths, because a bucket is filled for each millisecond.
    tokens: u64,
    filled: Instant,
}

impl Bucket {
    /// A bucket from which so much may be taken each second, and so much at once.
    pub(crate) fn new(per_second: u32, at_once: u32) -> Self {
        let at_once = u64::from(at_once) * 1_000;
        Self { per_second, at_once, tokens: at_once, filled: Instant::now() }
    }

    /// Takes so many tokens, if they are there.
    pub(crate) fn take(&mut self, tokens: u32, now: Instant) -> bool {
        let passed = u64::try_from((now - self.filled).as_millis()).unwrap_or(u64::MAX);
        if passed > 0 {
            let new = passed.saturating_mul(u64::from(self.per_second));
            self.tokens = self.tokens.saturating_add(new).min(self.at_once);
            self.filled = now;
        }
        match self.tokens.checked_sub(u64::from(tokens) * 1_000) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_gives_what_is_in_it_and_is_filled_over_time() {
        let mut bucket = Bucket::new(10, 3);
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
}
