//! `althing verify`: a chain is audited offline with nothing but the genesis document.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use althing_genesis::Genesis;
use althing_ledger::Reader;
use althing_storage::RocksStore;
use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::audit::{Archive, Audit, AuditError, Figures, Report, Source, StoreSource, audit, compare_state};
use crate::cli::export::{at_fault, chain_of, failed};
use crate::cli::failure::Failure;
use crate::cli::node::read_genesis;
use crate::cli::output::{Output, list};
use crate::cli::progress::{Progress, per_second};
use crate::cli::remote;
use crate::cli::{Exit, home_or_default};

/// Threads that verify signatures at most.
const THREADS_MAX: u16 = 256;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing verify --archive chain.althing --genesis genesis.json
  althing verify --data net/node-0/data --genesis net/genesis.json
  althing verify --archive chain.althing --genesis genesis.json --work audit   # can go on where it stopped

Verified are all certificates, headers, lanes, batches, signatures, and by executing every transaction again all roots. Of a
data folder also what the node stored of each execution, and its latest state; the node must be stopped. Take the genesis
document from somebody whom you trust: it is all that is believed.

Exit codes: 0 everything verifies, 1 it could not be carried out, 6 no such file, 10 something does not verify, and the
message says what, 75 a node uses the store, 78 invalid genesis document, 130 interrupted.")]
#[command(group = clap::ArgGroup::new("source").args(["data", "archive"]).required(true))]
pub(crate) struct Verify {
    /// The data folder of a stopped node
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file that `althing export` wrote
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// The genesis document [default: HOME/config/genesis.json]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Where the state is made; named again, the audit goes on where it stopped [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Threads that verify signatures [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(THREADS_MAX)))]
    threads: Option<u16>,
}

/// Where the state of the audit is made.
struct Work {
    path: PathBuf,
    /// Whether it stays.
    is_kept: bool,
    _temporary: Option<TempDir>,
}

/// What is shown at the end.
struct Outcome {
    report: Report,
    /// Entries of the state that were compared with those of a store.
    state_entries: Option<u64>,
    time: Duration,
}

impl Verify {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let work = Work::of(self.work.as_deref())?;
        let (outcome, genesis) = match (&self.data, &self.archive) {
            (Some(data), _) => {
                let (data, genesis) = chain_of(Some(data), self.genesis.as_deref(), home)?;
                let outcome = self.data_folder(&data, &genesis, &work, output)?;
                (outcome, genesis)
            }
            (None, Some(archive)) => {
                let genesis = match &self.genesis {
                    Some(path) => read_genesis(path)?,
                    None => read_genesis(&home_or_default(home)?.join("config/genesis.json"))?,
                };
                let source = Archive::open(archive, &genesis).map_err(|error| failed(archive, error))?;
                let (report, _, _, time) = self.audit(source, &genesis, &work, output)?;
                (Outcome { report, state_entries: None, time }, genesis)
            }
            (None, None) => return Err(Failure::usage("give --archive FILE or --data DIR")),
        };
        output.either(|| human(&outcome, &genesis), fields(&outcome, &genesis))?;
        Ok(Exit::Done)
    }

    fn data_folder(&self, data: &Path, genesis: &Genesis, work: &Work, output: &Output) -> Result<Outcome, Failure> {
        let source = StoreSource::open(&data.join("db"), genesis).map_err(|error| failed(data, error))?;
        let (report, source, executed, time) = self.audit(source, genesis, work, output)?;
        let compared = compare_state(source.reader(), &executed).map_err(|error| failed(data, error))?;
        Ok(Outcome { report, state_entries: Some(compared), time })
    }

    /// Carries the audit out, and shows how far it is.
    fn audit<S: Source>(
        &self,
        source: S,
        genesis: &Genesis,
        work: &Work,
        output: &Output,
    ) -> Result<(Report, S, Reader<RocksStore>, Duration), Failure> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.threads.map_or(cores, usize::from);
        let stop = interruptible();
        let what = Audit { genesis, threads, stop: &stop };
        let mut progress = Progress::begin(output);
        let mut is_first = true;
        let result = audit(what, source, &work.path, |report| {
            if std::mem::take(&mut is_first)
                && let Some(height) = report.resumed_above
            {
                progress.end();
                output.note(&format!("goes on above height {height}, where an earlier run had got to"));
            }
            let (height, last, executed) = (report.height, report.last, report.now.transactions);
            progress.show(height.get(), last.get(), |time| {
                let rate = per_second(executed, time);
                format!("height {height} of {last}, {executed} transactions, {rate} per second")
            });
        });
        let time = progress.elapsed();
        progress.end();
        let (report, source, executed) = result.map_err(|error| work.explained(error))?;
        Ok((report, source, executed, time))
    }
}

impl Work {
    fn of(named: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = named {
            return Ok(Self { path: path.to_owned(), is_kept: true, _temporary: None });
        }
        let temporary = tempfile::tempdir();
        let temporary =
            temporary.map_err(|error| Failure::new(Exit::Failed, "IO", format!("no temporary folder: {error}")))?;
        Ok(Self { path: temporary.path().to_owned(), is_kept: false, _temporary: Some(temporary) })
    }

    /// Why the audit ended before its end.
    fn explained(&self, error: AuditError) -> Failure {
        let (work, is_kept) = (self.path.as_path(), self.is_kept);
        match error {
            AuditError::Fault(fault) => at_fault(&fault),
            AuditError::Interrupted { height } => {
                let message = format!("interrupted; everything up to height {height} verifies");
                let failure = Failure::new(Exit::Interrupted, "INTERRUPTED", message);
                if is_kept {
                    failure.hint("the same command goes on from there")
                } else {
                    failure.hint("with --work DIR it could go on from there")
                }
            }
            AuditError::Gap { .. } => failed(work, error)
                .hint("verify the part below first, with the same --work DIR; without one begin at height 1"),
            AuditError::OtherSource { .. } => {
                failed(work, error).hint("give --work another folder, or delete this one to begin anew")
            }
            AuditError::Ledger(_) if is_kept => {
                let failure = failed(work, error);
                let message = format!("the work folder {}: {}", work.display(), failure.message());
                Failure::new(Exit::Failed, "WORK_FOLDER", message)
                    .hint("give --work an empty folder, or delete this one to begin anew; no data folder of a node")
            }
            error => failed(work, error),
        }
    }
}

/// A flag that Ctrl-C sets. A second one ends the process where it stands; the next run goes on all the same.
fn interruptible() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let waiting = move || {
        let Ok(runtime) = remote::runtime() else { return };
        for is_first in [true, false] {
            if runtime.block_on(tokio::signal::ctrl_c()).is_err() {
                return;
            }
            flag.store(true, Ordering::Relaxed);
            if !is_first {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    };
    // Without the thread Ctrl-C ends the process at once, which does no harm either.
    let _unwatched = thread::Builder::new().name("interrupt".to_owned()).spawn(waiting);
    stop
}

fn figures(figures: &Figures) -> Value {
    json!({
        "blocks": figures.blocks.to_string(),
        "certificates": figures.certificates.to_string(),
        "batches": figures.batches.to_string(),
        "transactions": figures.transactions.to_string(),
        "executed": figures.executed.to_string(),
        "signatures": figures.signatures.to_string(),
    })
}

fn fields(outcome: &Outcome, genesis: &Genesis) -> Value {
    let Outcome { report, state_entries, time } = outcome;
    json!({
        "verified": true,
        "genesisHash": genesis.hash().to_string(),
        "chainId": genesis.chain_id(),
        "height": report.height.to_string(),
        "blockHash": report.block.to_string(),
        "stateRoot": report.state_root.to_string(),
        "total": figures(&report.all),
        "thisRun": figures(&report.now),
        "resumedAbove": report.resumed_above.map(|height| height.to_string()),
        "resultsTo": report.results_to.to_string(),
        "uncovered": report.uncovered.to_string(),
        "stateEntries": state_entries.map(|entries| entries.to_string()),
        "millis": u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        "transactionsPerSecond": per_second(report.now.transactions, *time),
    })
}

fn human(outcome: &Outcome, genesis: &Genesis) -> String {
    let Outcome { report, state_entries, time } = outcome;
    let all = &report.all;
    let rate = per_second(report.now.transactions, *time);
    let mut pairs = vec![
        ("verified", format!("{}, against genesis {}", genesis.chain_id(), genesis.hash())),
        ("tip", format!("height {}, block {}", report.height, report.block)),
        ("state root", report.state_root.to_string()),
        (
            "results",
            format!("certified up to height {}, and executed up to height {}", report.results_to, report.height),
        ),
        ("blocks", format!("{}, {} of them with a certificate of their own", all.blocks, all.certificates)),
        ("transactions", format!("{} in {} batches, {} executed", all.transactions, all.batches, all.executed)),
        ("signatures", all.signatures.to_string()),
        ("time", format!("{}.{:03} s, {rate} transactions per second", time.as_secs(), time.subsec_millis())),
    ];
    if let Some(height) = report.resumed_above {
        pairs.push(("resumed", format!("above height {height}; {} transactions in this run", report.now.transactions)));
    }
    if let Some(entries) = state_entries {
        pairs.push(("stored state", format!("{entries} entries, all as executed")));
    }
    if report.uncovered > 0 {
        let what = "at the end, which no certificate here covers; the node was stopped while it caught up";
        pairs.push(("uncovered", format!("{} heights {what}", report.uncovered)));
    }
    list(&pairs)
}
