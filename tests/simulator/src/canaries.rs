//! Canaries: the suite must find each seeded bug, or it is blind to a rule.
//!
//! A hunt lets one bug free and runs seeds and cases of Twins in turn until a checker complains, or its budget is
//! used up.

use althing_types::canary::{Canary, seed};

use crate::campaign::{Failure, run_all};
use crate::options::Options;
use crate::twins;

/// Runs that a hunt may take.
pub const HUNT_RUNS_MAX: u64 = 3_000;

/// What a hunt came to.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The bug.
    pub canary: Canary,
    /// Runs until it was found, or all.
    pub runs: u64,
    /// What found it.
    pub found: Option<Failure>,
}

/// Lets one bug free in this process and looks for it.
pub fn hunt(canary: Canary) -> Hunt {
    seed(Some(canary));
    let runs = (0..HUNT_RUNS_MAX).map(|number| match number % 4 {
        3 => twins::case(number / 4),
        1 => Options::with_epochs(1_000_000 + number),
        _ => Options::drawn(1_000_000 + number),
    });
    let tally = run_all(runs.collect(), |_, failure| failure.is_none());
    seed(None);
    Hunt { canary, runs: tally.runs, found: tally.failures.into_iter().next() }
}
