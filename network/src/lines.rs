//! How many lines of the log one peer, or one kind of event, may cause: a few at once, then few a minute.
//!
//! What is left out is counted, and the next line that may be written says how many there were. Nothing here writes.

use tokio::time::Instant;

use crate::bucket::Bucket;

/// Lines about one thing at once: a peer that is restarted a few times is followed line by line.
const AT_ONCE: u32 = 8;
/// Lines about one thing in a minute after that.
const PER_MINUTE: u32 = 6;

/// The lines about one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    rate: Bucket,
    unsaid: u64,
}

impl Lines {
    /// A few lines are free.
    pub(crate) fn new() -> Self {
        Self { rate: Bucket::per_minute(PER_MINUTE, AT_ONCE), unsaid: 0 }
    }

    /// For what happens to everybody at once, and needs to be said only now and then: one line, then six a minute.
    pub(crate) fn sparse() -> Self {
        Self { rate: Bucket::per_minute(PER_MINUTE, 1), unsaid: 0 }
    }

    /// Whether a line may be written now. If so, how many were left out since the last.
    pub(crate) fn say(&mut self, now: Instant) -> Option<u64> {
        if self.rate.take(1, now) {
            Some(std::mem::take(&mut self.unsaid))
        } else {
            self.unsaid = self.unsaid.saturating_add(1);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_that_come_too_fast_are_counted_and_said_later() {
        let mut lines = Lines::new();
        let now = Instant::now();
        let said = (0..1_000).filter(|_| lines.say(now).is_some()).count();
        assert_eq!(said, 8);
        assert_eq!(lines.say(now + Duration::from_secs(9)), None);
        assert_eq!(lines.say(now + Duration::from_secs(11)), Some(993));
        let mut sparse = Lines::sparse();
        assert_eq!((sparse.say(now), sparse.say(now)), (Some(0), None));
    }
}
