//! What `make test` runs of the simulator.

use crate::{Options, Strategy, Tally, run_all, twins};

/// Seeds that `make test` runs.
const SEEDS: u64 = 3_000;
/// Seeds in which each strategy of Byzantine validators is met, at least.
const STRATEGY_SEEDS_MIN: u64 = 100;
/// Seeds with changing validators that `make test` runs.
const EPOCH_SEEDS: u64 = 500;
/// Cases of Twins that `make test` runs.
const TWINS: u64 = 500;

fn run(runs: impl IntoIterator<Item = Options>) -> Tally {
    let tally = run_all(runs.into_iter().collect(), |_, _| true);
    let told: Vec<String> = tally.failures.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} of {} runs failed\n{}", told.len(), tally.runs, told.join("\n"));
    tally
}

#[test]
fn no_seed_forks_stalls_or_spins() {
    let tally = run((0..SEEDS).map(Options::drawn));
    for strategy in Strategy::ALL {
        let met = tally.strategies.get(strategy.name()).copied().unwrap_or_default();
        assert!(met >= STRATEGY_SEEDS_MIN, "{}: {met} seeds", strategy.name());
    }
    assert!(tally.sum.fast > SEEDS && tally.sum.evidence > SEEDS && tally.sum.crashes > SEEDS, "{tally}");
}

#[test]
fn no_change_of_validators_forks_stalls_or_loses_anything() {
    let tally = run((0..EPOCH_SEEDS).map(Options::with_epochs));
    assert!(tally.sum.epochs > EPOCH_SEEDS && tally.sum.crashes > EPOCH_SEEDS, "{tally}");
    assert!(tally.sum.losses > EPOCH_SEEDS / 2, "{tally}");
}

#[test]
fn no_case_of_twins_forks_or_stalls() {
    let tally = run((0..TWINS).map(twins::case));
    assert!(tally.sum.evidence > TWINS / 4, "{tally}");
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

/// 1024139: who loses its log while it abstains must not abstain for longer each time.
#[test]
fn seeds_that_once_failed() {
    run([1_024_139].map(Options::drawn));
}

#[test]
fn real_signatures_change_nothing() {
    let runs = |real_signatures| (0..6).map(move |seed| Options { real_signatures, ..Options::drawn(seed) });
    assert_eq!(run(runs(true)).traces, run(runs(false)).traces);
}
