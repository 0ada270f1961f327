//! Many runs on every core of the machine, what they came to together, and how a failed one is replayed.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::options::Options;
use crate::world::{Outcome, World};

thread_local! {
    /// Whether this thread is in a run, whose panics are findings.
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics of the code under test from being printed where they happen: they are told with their run. All others
/// are printed as ever.
pub fn keep_panics_of_runs() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IN_RUN.get() {
            before(panic);
        }
    }));
}

/// Runs a world to its end. A panic of the code under test is a failure of the run.
fn run(options: Options) -> Outcome {
    IN_RUN.set(true);
    let ended = catch_unwind(AssertUnwindSafe(|| World::new(options).run()));
    IN_RUN.set(false);
    ended.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let failure = format!("a panic: {}", text.unwrap_or("without words"));
        Outcome { failure: Some(failure), ..Outcome::default() }
    })
}

/// A run that failed: which, and what it has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The options of the run; they begin with its seed.
    pub options: Options,
    /// What a checker saw first.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  {:?}\n  replay: {}", self.options.name(), self.what, self.options, self.options.replay())
    }
}

/// What many runs came to together.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs that ended.
    pub runs: u64,
    /// Runs that failed, by their order.
    pub failures: Vec<Failure>,
    /// The trace hash of each run, in the order of the runs.
    pub traces: Vec<u64>,
    /// Sums, and for the last two the largest, of what the runs came to.
    pub sum: Outcome,
    /// Runs with each strategy of Byzantine validators, by its name.
    pub strategies: std::collections::BTreeMap<&'static str, u64>,
}

impl Tally {
    fn of(runs: Vec<(Options, Outcome)>) -> Self {
        let mut tally = Self::default();
        for (options, outcome) in runs {
            tally.runs += 1;
            tally.traces.push(outcome.trace);
            tally.sum.add(&outcome);
            for strategy in options.strategies() {
                *tally.strategies.entry(strategy).or_default() += 1;
            }
            if let Some(what) = outcome.failure {
                tally.failures.push(Failure { options, what });
            }
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = &self.sum;
        write!(
            f,
            "{} runs: {} events, {} final blocks, {} transactions executed, {} accepted, {} crashes, {} disks lost, {} views, \
             {} epochs ended, {} simulated seconds, {} pieces of evidence; slowest recovery {} ms, longest queue of blocks {}",
            self.runs,
            sum.events,
            sum.blocks,
            sum.transactions,
            sum.accepted,
            sum.crashes,
            sum.losses,
            sum.views,
            sum.epochs,
            sum.simulated_ms / 1000,
            sum.evidence,
            sum.recovery_ms,
            sum.queue_max,
        )
    }
}

/// Runs worlds on every core of the machine, in no particular order. `told` hears of each run that ended, from any
/// thread: how many did so far, and the failure if it failed. It ends early if `told` says false.
pub fn run_all(runs: Vec<Options>, told: impl Fn(u64, Option<&Failure>) -> bool + Sync) -> Tally {
    let next = AtomicU64::new(0);
    let ended = AtomicU64::new(0);
    let stopped = AtomicBool::new(false);
    let done = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((place, options)) = take(&next, &runs).filter(|_| !stopped.load(Ordering::Relaxed)) {
                    let outcome = run(options.clone());
                    let failure = outcome.failure.clone().map(|what| Failure { options: options.clone(), what });
                    let count = ended.fetch_add(1, Ordering::Relaxed) + 1;
                    if !told(count, failure.as_ref()) {
                        stopped.store(true, Ordering::Relaxed);
                    }
                    done.lock().expect("no run panics while it holds the lock").push((place, options, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no run panics while it holds the lock");
    done.sort_by_key(|(place, ..)| *place);
    Tally::of(done.into_iter().map(|(_, options, outcome)| (options.clone(), outcome)).collect())
}

fn take<'a>(next: &AtomicU64, runs: &'a [Options]) -> Option<(usize, &'a Options)> {
    let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok()?;
    runs.get(place).map(|options| (place, options))
}
