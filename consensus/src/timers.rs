//! The timers of a view (rules T1 to T5). They are moments in the state, never callbacks: a late wake-up finds the
//! state as it is and cannot act on a view that has passed.

use althing_types::{Monotonic, View};

use crate::config::Config;

/// The leader timer in quarters of Δ: 2.5 Δ (T1).
const LEADER_QUARTERS: u64 = 10;
/// The view timer in quarters of Δ: 3.5 Δ (T2).
const VIEW_QUARTERS: u64 = 14;
/// What the view timer is extended by, once, while a fetch runs: 2 Δ.
const EXTENSION_QUARTERS: u64 = 8;
/// Timers grow to at most this multiple (T3).
const SCALE_MAX: u64 = 8;
/// Views above the floor that are entered as fast as may be, beside [`FAST_VIEWS_EACH`] for each validator (T5).
const FAST_VIEWS: u64 = 64;
/// How many more of them there are for each validator (T5).
const FAST_VIEWS_EACH: u64 = 4;
/// What a leader waits in later ones: 8 Δ (T5).
const PATIENCE_QUARTERS: u64 = 32;

/// When the current view began and since when there is work in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timers {
    /// When the view was entered.
    pub(crate) entered: Monotonic,
    /// When the view before was entered.
    pub(crate) entered_before: Monotonic,
    /// Since when timer work is known in this view; the timers of R4 run only then.
    pub(crate) work_since: Option<Monotonic>,
    /// Whether the view timer was extended for a fetch.
    pub(crate) extended: bool,
    /// Since when the tip is certified without being final.
    pub(crate) tip_since: Monotonic,
    /// When own messages are repeated next (R8).
    pub(crate) repeat_at: Monotonic,
}

impl Timers {
    /// Begins a view.
    pub(crate) fn enter(&mut self, now: Monotonic) {
        *self = Self { entered: now, entered_before: self.entered, work_since: None, extended: false, ..*self };
    }

    fn started(&self) -> Option<Monotonic> {
        self.work_since.map(|since| since.max(self.entered))
    }

    /// When the leader timer expires; none while there is no timer work (T1).
    pub(crate) fn leader_expires(&self, config: &Config, view: View, floor: View) -> Option<Monotonic> {
        self.started().map(|start| start.plus(scaled(config, LEADER_QUARTERS, view, floor)))
    }

    /// When the view timer expires; none while there is no timer work (T2).
    pub(crate) fn view_expires(&self, config: &Config, view: View, floor: View) -> Option<Monotonic> {
        let quarters = if self.extended { VIEW_QUARTERS.saturating_add(EXTENSION_QUARTERS) } else { VIEW_QUARTERS };
        self.started().map(|start| start.plus(scaled(config, quarters, view, floor)))
    }

    /// When this validator may propose in the view that it entered (T4, T5).
    pub(crate) fn propose_at(&self, config: &Config, view: View, floor: View) -> Monotonic {
        let interval = self.entered_before.plus_ms(u64::from(config.params.min_block_interval_ms));
        let fast = u64::from(config.quorums().n()).saturating_mul(FAST_VIEWS_EACH).saturating_add(FAST_VIEWS);
        let patience = if view.above(floor) > fast { config.delta_quarters(PATIENCE_QUARTERS) } else { 0 };
        interval.max(self.entered.plus(patience))
    }
}

/// A span in quarters of Δ, times 1.5 for every view above floor + 2, at most eight times (T3).
fn scaled(config: &Config, quarters: u64, view: View, floor: View) -> u64 {
    let base = config.delta_quarters(quarters);
    let most = base.saturating_mul(SCALE_MAX);
    let mut span = base;
    for _ in 0..view.above(floor).saturating_sub(2) {
        span = span.saturating_mul(3) / 2;
        if span >= most {
            return most;
        }
    }
    span
}
