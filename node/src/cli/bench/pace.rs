//! When transactions are due. The times are settled before the run and never move, whatever the network does.

use std::time::Duration;

/// Transactions per second at most; far more than one process can send.
const PER_SECOND_MAX: u64 = 100_000;
/// Up to this rate each transaction is sent alone, with a call that waits until it is final.
const LONE_PER_SECOND_MAX: u64 = 50;

/// How many transactions are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// So many each second, evenly spaced.
    PerSecond(u64),
    /// As many as there is room for under the bound of those under way. Each is due when it is sent.
    Max,
}

impl Rate {
    /// A rate as a user writes it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse() {
            Ok(per_second @ 1..=PER_SECOND_MAX) => Ok(Self::PerSecond(per_second)),
            _ => Err(format!("a number from 1 to {PER_SECOND_MAX}, or max")),
        }
    }

    /// Whether each transaction is sent alone, as a user would.
    pub(super) const fn is_lone(self) -> bool {
        matches!(self, Self::PerSecond(1..=LONE_PER_SECOND_MAX))
    }

    /// How many transactions a run of so many milliseconds has; without a fixed rate nobody knows.
    pub(super) fn total(self, duration_ms: u64) -> Option<u64> {
        match self {
            Self::PerSecond(per_second) => Some(per_second.saturating_mul(duration_ms) / 1_000),
            Self::Max => None,
        }
    }
}

/// The times at which the transactions of an even rate are due, from the start of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    per_second: u64,
    total: u64,
}

impl Pace {
    /// The pace of a run of so many milliseconds; none where the network sets it.
    pub(super) fn new(rate: Rate, duration_ms: u64) -> Option<Self> {
        match (rate, rate.total(duration_ms)) {
            (Rate::PerSecond(per_second), Some(total)) => Some(Self { per_second, total }),
            _ => None,
        }
    }

    /// How many transactions the run has.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// When a transaction is due, in microseconds. The first is due at once.
    pub(super) fn due_us(&self, number: u64) -> u64 {
        let us = u128::from(number).saturating_mul(1_000_000) / u128::from(self.per_second);
        u64::try_from(us).unwrap_or(u64::MAX)
    }

    /// How many transactions are due after so long.
    pub(super) fn due(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_micros().saturating_mul(u128::from(self.per_second)) / 1_000_000;
        u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1).min(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_or_max() {
        assert_eq!(Rate::parse("max"), Ok(Rate::Max));
        assert_eq!(Rate::parse("1"), Ok(Rate::PerSecond(1)));
        assert_eq!(Rate::parse("100000"), Ok(Rate::PerSecond(100_000)));
        for bad in ["0", "100001", "-1", "1.5", "MAX", "", "fast"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn low_rates_are_lone() {
        assert!(Rate::PerSecond(1).is_lone() && Rate::PerSecond(50).is_lone());
        assert!(!Rate::PerSecond(51).is_lone() && !Rate::Max.is_lone());
    }

    #[test]
    fn transactions_are_due_evenly_and_no_more_than_there_are() {
        let pace = Pace::new(Rate::PerSecond(3), 2_000).expect("a rate");
        assert_eq!(pace.total(), 6);
        let times: Vec<u64> = (0..6).map(|number| pace.due_us(number)).collect();
        assert_eq!(times, [0, 333_333, 666_666, 1_000_000, 1_333_333, 1_666_666]);
        let due = |ms| pace.due(Duration::from_millis(ms));
        assert_eq!([due(0), due(333), due(334), due(999), due(1_000), due(60_000)], [1, 1, 2, 3, 4, 6]);
        assert!(Pace::new(Rate::Max, 1_000).is_none());
    }

    #[test]
    fn a_transaction_is_due_when_its_time_has_come_and_not_before() {
        let pace = Pace::new(Rate::PerSecond(7_919), 10_000).expect("a rate");
        for number in [1, 2, 100, 7_918, 50_000] {
            let us = pace.due_us(number);
            assert!(pace.due(Duration::from_micros(us + 1)) > number, "{number}");
            assert!(pace.due(Duration::from_micros(us - 1)) <= number, "{number}");
        }
    }
}
