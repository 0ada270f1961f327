//! Whole networks of replicas in one thread, with a virtual clock and everything that can go wrong drawn from a seed.
//!
//! The replicas, their ledgers, their records and their messages are the real ones; logs and stores are the storage
//! room's twins, which lose what was not synced. What is modelled is what surrounds a replica: disks' and networks'
//! time, the threads, the clients, and liars. A run has three parts: faults, then a network that works (everybody must
//! make progress), then silence (nobody may say or write anything). `checker` restates the rules without using the code
//! that it checks. Processes, sockets and real disks are the matter of `cluster`.
//!
//! A failure prints its seed. `ALTHING_SEED=<n>` replays one seed, `ALTHING_SEEDS=<n>` runs that many, and
//! `ALTHING_FIRST_SEED=<n>` says where they begin.

mod checker;
mod clients;
mod keys;
mod liar;
mod node;
mod options;
mod random;
mod scenarios;
mod world;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use options::Options;
use world::{Outcome, World};

/// Seeds that `make test` runs.
const SEEDS_DEFAULT: u64 = 500;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Runs a world to its end. A panic of the code under test is a failure of the run.
fn run(options: Options) -> Outcome {
    let ended = catch_unwind(AssertUnwindSafe(|| World::new(options).run()));
    ended.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let failure = format!("a panic: {}", text.unwrap_or("without words"));
        Outcome { failure: Some(failure), ..Outcome::default() }
    })
}

/// Runs seeds on every core of the machine; returns what each run came to, by seed.
fn run_all(seeds: impl IntoIterator<Item = u64>, options: impl Fn(u64) -> Options + Sync) -> Vec<(u64, Outcome)> {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let next = AtomicU64::new(0);
    let done = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let outcome = run(options(*seed));
                    done.lock().expect("no run panics while it holds the lock").push((*seed, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no run panics while it holds the lock");
    done.sort_by_key(|(seed, _)| *seed);
    done
}

/// Fails with what every failed run has to say.
fn report(outcomes: &[(u64, Outcome)]) {
    let told = outcomes.iter().filter_map(|(seed, outcome)| {
        let failure = outcome.failure.as_ref()?;
        let replay =
            format!("ALTHING_SEED={seed} cargo test --release --workspace --test all simulation -- --nocapture");
        Some(format!("seed {seed}: {failure}\n  {:?}\n  replay: {replay}\n", Options::drawn(*seed)))
    });
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "{} of {} seeds failed\n{}", told.len(), outcomes.len(), told.concat());
}

/// How much was run.
fn tally(outcomes: &[(u64, Outcome)]) -> String {
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(|(_, outcome)| of(outcome)).sum::<u64>();
    let most = |of: fn(&Outcome) -> u64| outcomes.iter().map(|(_, outcome)| of(outcome)).max().unwrap_or_default();
    format!(
        "{} seeds: {} events, {} final blocks, {} transactions executed, {} accepted, {} crashes, {} views, \
         {} simulated seconds, {} pieces of evidence; slowest recovery {} ms, longest queue of blocks {}",
        outcomes.len(),
        sum(|outcome| outcome.events),
        sum(|outcome| outcome.blocks),
        sum(|outcome| outcome.transactions),
        sum(|outcome| outcome.accepted),
        sum(|outcome| outcome.crashes),
        sum(|outcome| outcome.views),
        sum(|outcome| outcome.simulated_ms) / 1000,
        sum(|outcome| outcome.evidence),
        most(|outcome| outcome.recovery_ms),
        most(|outcome| outcome.queue_max),
    )
}

#[test]
fn no_seed_forks_stalls_or_spins() {
    let first = number_from("ALTHING_FIRST_SEED").unwrap_or(0);
    let seeds: Vec<u64> = match number_from("ALTHING_SEED") {
        Some(seed) => vec![seed],
        None => (first..first + number_from("ALTHING_SEEDS").unwrap_or(SEEDS_DEFAULT)).collect(),
    };
    let outcomes = run_all(seeds, Options::drawn);
    println!("{}", tally(&outcomes));
    report(&outcomes);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let seeds = [1, 2, 3, 5, 8, 13, 21, 34];
    let first = run_all(seeds, Options::drawn);
    let second = run_all(seeds, Options::drawn);
    for ((seed, one), (_, other)) in first.iter().zip(&second) {
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
    let mut traces: Vec<u64> = first.iter().map(|(_, outcome)| outcome.trace).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), seeds.len(), "different seeds are different runs");
}

#[test]
fn real_signatures_change_nothing() {
    let outcomes = run_all(0..6, |seed| Options { real_signatures: true, ..Options::drawn(seed) });
    report(&outcomes);
    let free = run_all(0..6, |seed| Options { real_signatures: false, ..Options::drawn(seed) });
    for ((seed, real), (_, free)) in outcomes.iter().zip(&free) {
        assert_eq!(real.trace, free.trace, "seed {seed}");
    }
}
