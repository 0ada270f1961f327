//! `althing-simulate`: runs the simulator from the command line. `make simulate` and its like call it; `docs/testing.md`
//! says what for.
#![expect(clippy::print_stdout, reason = "a program for people and scripts that talks on standard output")]
#![expect(clippy::disallowed_methods, reason = "how long a run takes is what it reports; no run reads the clock")]

use std::process::ExitCode;
use std::time::Instant;

#[cfg(feature = "canary")]
use althing_tests_simulator::hunt;
use althing_tests_simulator::{Options, Strategy, Tally, explore, keep_panics_of_runs, run_all, twins_case};
#[cfg(feature = "canary")]
use althing_types::canary::Canary;
use clap::{Parser, Subcommand};

/// Runs whole networks of replicas in one thread each, from seeds.
#[derive(Debug, Parser)]
#[command(name = "althing-simulate")]
struct Arguments {
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Networks whose kind, faults and Byzantine validators are drawn from their seeds
    Seeds(Range),
    /// Networks whose validators change, with faults as in seeds
    Epochs(Range),
    /// Cases of Twins: one validator in two instances under enumerated partitions
    Twins(Range),
    /// Seeds in which the last validator follows one strategy
    Strategy {
        /// Its name, or `list`
        name: String,
        #[command(flatten)]
        range: Range,
    },
    /// Every order in which four validators can take their steps over a few views, with the real core
    Explore {
        /// The last view in which something is proposed or given up
        #[arg(long, default_value_t = 2)]
        views: u64,
        /// Views of a second epoch, which follows the first one's boundary block; 0 for entering it and no more
        #[arg(long)]
        next_views: Option<u64>,
        /// Which validator is faulty; number V - 1 leads view V. All are honest without it
        #[arg(long)]
        faulty: Option<u16>,
        /// Whether the fast path is on
        #[arg(long)]
        fast_path: bool,
        /// Crashes at most, of all validators together
        #[arg(long, default_value_t = 0)]
        crashes: u8,
        /// Ends after so many minutes, complete or not
        #[arg(long, default_value_t = 60)]
        minutes: u64,
        /// The seeded bug that is set free, by its name
        #[cfg(feature = "canary")]
        #[arg(long)]
        canary: Option<String>,
    },
    /// Seeded bugs, one after the other: each must be found
    #[cfg(feature = "canary")]
    Canaries {
        /// Only one of them, by its number: of the day, of the commit
        #[arg(long)]
        only: Option<u64>,
        /// Only the one of this name
        #[arg(long)]
        name: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Range {
    /// How many
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Whether to run each twice and compare the trace hashes
    #[arg(long)]
    twice: bool,
}

impl Range {
    fn options(&self, of: impl Fn(u64) -> Options) -> Vec<Options> {
        (self.first..self.first.saturating_add(self.count)).map(of).collect()
    }
}

fn main() -> ExitCode {
    keep_panics_of_runs();
    match Arguments::parse().run {
        Run::Seeds(range) => simulate(&range, "seeds", "seeds", Options::drawn),
        Run::Epochs(range) => simulate(&range, "seeds", "seeds", Options::with_epochs),
        Run::Twins(range) => simulate(&range, "cases of Twins", "cases", twins_case),
        Run::Strategy { name, range } => match Strategy::ALL.into_iter().find(|it| it.name() == name) {
            Some(strategy) => simulate(&range, "seeds", "seeds", |seed| Options::with_strategy(seed, strategy)),
            None => {
                Strategy::ALL.iter().for_each(|strategy| println!("{}", strategy.name()));
                if name == "list" { ExitCode::SUCCESS } else { ExitCode::from(2) }
            }
        },
        Run::Explore {
            views,
            next_views,
            faulty,
            fast_path,
            crashes,
            minutes,
            #[cfg(feature = "canary")]
            canary,
        } => {
            #[cfg(feature = "canary")]
            if let Some(name) = canary {
                let known = Canary::ALL.into_iter().find(|it| format!("{it:?}") == name);
                althing_types::canary::seed(Some(known.expect("a name of a seeded bug")));
            }
            let bounds = explore::Bounds { next_views, crashes, ..explore::Bounds::new(views, faulty, fast_path) };
            let began = Instant::now();
            let report = explore::run_while(&bounds, &mut || began.elapsed().as_secs() < minutes.saturating_mul(60));
            println!("{report}");
            println!("explored {views} views: {} violations, {} s", report.violations.len(), began.elapsed().as_secs());
            if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        #[cfg(feature = "canary")]
        Run::Canaries { only, name } => canaries(only, name.as_deref()),
    }
}

#[cfg(feature = "canary")]
fn canaries(only: Option<u64>, name: Option<&str>) -> ExitCode {
    let all: Vec<Canary> =
        Canary::ALL.into_iter().filter(|it| name.is_none_or(|name| name == format!("{it:?}"))).collect();
    let chosen: Vec<Canary> = match only {
        Some(number) => all.get((number % all.len().max(1) as u64) as usize).copied().into_iter().collect(),
        None => all,
    };
    let mut found = 0;
    for canary in &chosen {
        let (began, hunt) = (Instant::now(), hunt(*canary));
        let seconds = began.elapsed().as_secs();
        match &hunt.found {
            Some(failure) => {
                found += 1;
                let what: String = failure.what.chars().take(160).collect();
                println!("{canary:?}: found after {} runs, {seconds} s: {}: {what}", hunt.runs, failure.options.name());
            }
            None => println!("{canary:?}: NOT FOUND in {} runs, {seconds} s", hunt.runs),
        }
    }
    println!("canaries found: {found} of {}", chosen.len());
    if found == chosen.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn simulate(range: &Range, what: &str, unit: &str, of: impl Fn(u64) -> Options) -> ExitCode {
    let began = Instant::now();
    let tally = run(range.options(&of));
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    println!("{tally}");
    let met: Vec<String> = tally.strategies.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("strategies met: {}", met.join(", "));
    let mut findings = tally.failures.len();
    if range.twice {
        let again = run(range.options(&of));
        let differ = tally.traces.iter().zip(&again.traces).filter(|(one, other)| one != other).count();
        println!("run twice: {differ} of {} trace hashes differ", tally.runs);
        findings += differ;
    }
    println!("{} times faster than real time", tally.sum.simulated_ms / took_ms);
    println!("simulated {} {what}: {findings} findings, {} {unit}/h", tally.runs, tally.runs * 3_600_000 / took_ms);
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(runs: Vec<Options>) -> Tally {
    let total = runs.len() as u64;
    run_all(runs, |ended, failure| {
        if let Some(failure) = failure {
            println!("FINDING {failure}");
        } else if ended.is_multiple_of(1_000) {
            println!("{ended} of {total}");
        }
        true
    })
}
