//! What a run comes to: counts, latencies, and how many became final in each second.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// The largest latency that is told apart, in microseconds: as long as a run and its wait may take.
const LATENCY_US_MAX: u64 = 2 * 3_600 * 1_000_000;
/// Digits of a latency that are kept. Three are exact to a thousandth.
const DIGITS: u8 = 3;
/// Reasons that are told apart at most, and their length. They come from nodes.
const REASONS_MAX: usize = 32;
/// Characters of a reason at most.
const REASON_CHARS_MAX: usize = 80;
/// What further reasons are called.
const OTHER: &str = "other";

/// The figures of a run.
pub(super) struct Figures {
    /// Transactions that were sent, each counted once.
    pub(super) submitted: u64,
    /// Those that became final and took effect.
    pub(super) finalized: u64,
    /// Those that were refused for good, or became final without effect.
    pub(super) failed: u64,
    /// Those of which nothing was heard in time.
    pub(super) unfinished: u64,
    /// Those that were due and never sent.
    pub(super) unsent: u64,
    /// How often a transaction was sent again.
    pub(super) retries: u64,
    /// Why transactions failed.
    pub(super) failures: BTreeMap<String, u64>,
    /// How many became final in each second from the start.
    pub(super) per_second: Vec<u64>,
    /// The length of the run, in microseconds.
    pub(super) length_us: u64,
    /// Processor time of this process during the run, in microseconds.
    pub(super) cpu_us: u64,
    latencies: Histogram<u64>,
    last_final_us: u64,
}

impl Figures {
    /// Figures of a run that has not begun.
    pub(super) fn new() -> Self {
        let latencies = Histogram::new_with_max(LATENCY_US_MAX, DIGITS).expect("the bounds are in order");
        Self {
            submitted: 0,
            finalized: 0,
            failed: 0,
            unfinished: 0,
            unsent: 0,
            retries: 0,
            failures: BTreeMap::new(),
            per_second: Vec::new(),
            length_us: 0,
            cpu_us: 0,
            latencies,
            last_final_us: 0,
        }
    }

    /// The run begins.
    pub(super) fn begin(&mut self) {
        self.cpu_us = processor_us();
    }

    /// The run ended; transactions were due for so long. It lasted until the last one was final, if that was later.
    pub(super) fn end(&mut self, due_us: u64) {
        self.length_us = due_us.max(self.last_final_us).max(1);
        self.cpu_us = processor_us().saturating_sub(self.cpu_us);
    }

    /// A transaction that was due at a time became final at another, both from the start.
    pub(super) fn finalize(&mut self, due_us: u64, at_us: u64) {
        self.finalized += 1;
        self.latencies.saturating_record(at_us.saturating_sub(due_us));
        self.last_final_us = self.last_final_us.max(at_us);
        // A run is bounded to hours, so the seconds are few.
        let second = usize::try_from(at_us / 1_000_000).unwrap_or(usize::MAX).min(100_000);
        if self.per_second.len() <= second {
            self.per_second.resize(second + 1, 0);
        }
        if let Some(count) = self.per_second.get_mut(second) {
            *count += 1;
        }
    }

    /// A transaction failed.
    pub(super) fn fail(&mut self, reason: &str) {
        self.failed += 1;
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let is_known = self.failures.contains_key(&reason) || self.failures.len() < REASONS_MAX;
        let reason = if is_known { reason } else { OTHER.to_owned() };
        *self.failures.entry(reason).or_default() += 1;
    }

    /// A latency that so many per thousand did not exceed, in milliseconds; none if nothing became final.
    pub(super) fn latency_ms(&self, per_mille: u64) -> Option<f64> {
        let at = scaled(per_mille, 1_000);
        (!self.latencies.is_empty()).then(|| scaled(self.latencies.value_at_quantile(at), 1_000))
    }

    /// The largest latency, in milliseconds; none if nothing became final.
    pub(super) fn latency_ms_max(&self) -> Option<f64> {
        (!self.latencies.is_empty()).then(|| scaled(self.latencies.max(), 1_000))
    }

    /// How long the run was, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        scaled(self.length_us / 1_000, 1_000)
    }

    /// How many became final each second, to a tenth.
    pub(super) fn per_second_on_average(&self) -> f64 {
        let tenths = u128::from(self.finalized).saturating_mul(10_000_000) / u128::from(self.length_us.max(1));
        scaled(u64::try_from(tenths).unwrap_or(u64::MAX), 10)
    }

    /// A line for people during the run.
    pub(super) fn progress(&self, elapsed: Duration, in_flight: usize) -> String {
        let p50 = self.latency_ms(500).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        let Self { submitted, finalized, failed, .. } = self;
        let seconds = elapsed.as_secs();
        format!(
            "{seconds:>4} s  {submitted} submitted  {finalized} final  {failed} failed  {in_flight} in flight  p50 {p50}"
        )
    }

    /// What scripts read.
    pub(super) fn fields(&self) -> Value {
        json!({
            "submitted": self.submitted,
            "finalized": self.finalized,
            "failed": self.failed,
            "unfinished": self.unfinished,
            "unsent": self.unsent,
            "retries": self.retries,
            "failures": self.failures,
            "seconds": self.seconds(),
            "finalizedPerSecond": self.per_second_on_average(),
            "latencyMs": {
                "p50": self.latency_ms(500),
                "p90": self.latency_ms(900),
                "p99": self.latency_ms(990),
                "max": self.latency_ms_max(),
            },
            "perSecond": self.per_second,
            "generatorCpuSeconds": scaled(self.cpu_us / 1_000, 1_000),
        })
    }
}

/// A duration in microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A whole number of fractions as people and scripts read it. All of them are far below 2^53, so that nothing is lost.
#[expect(clippy::float_arithmetic, reason = "figures for people; nothing is decided by them")]
fn scaled(fractions: u64, of_one: u64) -> f64 {
    fractions as f64 / of_one as f64
}

/// Processor time that this process has used, in user and system mode.
fn processor_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(time.tv_sec).saturating_mul(1_000_000).saturating_add(part(time.tv_nsec) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_when_a_transaction_was_due() {
        let mut figures = Figures::new();
        for number in 0..100 {
            figures.finalize(number * 1_000, number * 1_000 + (number + 1) * 1_000);
        }
        assert!(figures.latency_ms(500).is_some_and(|ms| (49.9..=50.1).contains(&ms)), "{:?}", figures.latency_ms(500));
        assert!(figures.latency_ms(990).is_some_and(|ms| (98.9..=99.1).contains(&ms)));
        assert!(figures.latency_ms_max().is_some_and(|ms| (99.9..=100.1).contains(&ms)));
    }

    #[test]
    fn a_run_lasts_until_the_last_one_is_final() {
        let mut figures = Figures::new();
        figures.finalize(0, 400_000);
        figures.finalize(0, 2_500_000);
        figures.end(1_000_000);
        assert_eq!(figures.per_second, [1, 0, 1]);
        assert_eq!(figures.fields()["seconds"], 2.5);
        assert_eq!(figures.fields()["finalizedPerSecond"], 0.8);
        let mut short = Figures::new();
        short.finalize(0, 400_000);
        short.end(1_000_000);
        assert_eq!(short.fields()["finalizedPerSecond"], 1.0);
    }

    #[test]
    fn nothing_final_has_no_latency() {
        let mut figures = Figures::new();
        figures.end(1_000_000);
        assert_eq!(figures.fields()["latencyMs"]["p50"], Value::Null);
        assert_eq!(figures.fields()["finalizedPerSecond"], 0.0);
    }

    #[test]
    fn reasons_are_counted_and_bounded() {
        let mut figures = Figures::new();
        for number in 0..REASONS_MAX + 5 {
            figures.fail(&format!("{number}"));
        }
        figures.fail("0");
        figures.fail(&"x".repeat(1_000));
        assert_eq!(figures.failures.len(), REASONS_MAX + 1);
        assert_eq!((figures.failures["0"], figures.failures[OTHER]), (2, 6));
        assert_eq!(figures.failed, REASONS_MAX as u64 + 7);
    }
}
