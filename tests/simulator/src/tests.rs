//! What `make test` runs of the simulator.

use crate::{Options, Tally, run_all};

/// Seeds that `make test` runs.
const SEEDS: u64 = 3_000;

fn run(runs: impl IntoIterator<Item = Options>) -> Tally {
    let tally = run_all(runs.into_iter().collect(), |_, _| true);
    let told: Vec<String> = tally.failures.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} of {} runs failed\n{}", told.len(), tally.runs, told.join("\n"));
    tally
}

#[test]
fn no_seed_forks_stalls_or_spins() {
    run((0..SEEDS).map(Options::drawn));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let seeds = || (10_000..10_050).map(Options::drawn);
    let (first, second) = (run(seeds()), run(seeds()));
    assert_eq!(first.traces, second.traces);
    let mut traces = first.traces;
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 50, "different seeds are different runs");
}

#[test]
fn real_signatures_change_nothing() {
    let runs = |real_signatures| (0..6).map(move |seed| Options { real_signatures, ..Options::drawn(seed) });
    assert_eq!(run(runs(true)).traces, run(runs(false)).traces);
}
