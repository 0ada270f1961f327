//! What a node says about itself: events on standard error, and metrics for whoever asks.
//!
//! Metrics are derived from what the machines put out; no machine holds one. Names and labels are in
//! `docs/operations.md`. Labels never hold a transaction, an address or anything else that a stranger chooses.

use std::io;
use std::time::Duration;

use althing_ledger::Committed;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use super::log_lines::LogLines;
use crate::config::{LogConfig, LogFormat};

/// Upper bounds of the buckets of every histogram, in seconds.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of events is no filter.
    #[error("log.filter is no filter: {0}")]
    Filter(String),
    /// The system has no room for the thread that writes them.
    #[error("cannot start the thread of the log: {0}")]
    Thread(#[source] io::Error),
    /// Metrics are installed already: two nodes in one process.
    #[error("metrics cannot be installed: {0}")]
    Metrics(#[from] BuildError),
}

/// Writes events to standard error from here on. A second call changes nothing.
pub(crate) fn install_log(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| TelemetryError::Filter(error.to_string()))?;
    let lines = LogLines::start(io::stderr()).map_err(TelemetryError::Thread)?;
    let colours = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone());
    // What cannot be logged must not end the node, as a report of it to the same place would.
    let builder = builder.log_internal_errors(false);
    let installed = match config.format {
        LogFormat::Human => builder.with_ansi(colours).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if installed.is_ok() {
        lines.install();
    }
    Ok(())
}

/// Collects metrics from here on. The caller runs the upkeep of what it gets now and then.
pub(crate) fn install_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let matcher = Matcher::Suffix("_seconds".to_owned());
    let handle = PrometheusBuilder::new().set_buckets_for_metric(matcher, SECONDS)?.install_recorder()?;
    gauge!("althing_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// A block was executed and committed.
pub(crate) fn block_committed(committed: &Committed, took: Duration) {
    gauge!("althing_ledger_height").set(committed.summary.height.get() as f64);
    histogram!("althing_ledger_commit_seconds").record(took);
    counter!("althing_ledger_blocks_total").increment(1);
    counter!("althing_ledger_gas_total").increment(committed.summary.gas_used);
    let failed = committed.included.iter().filter(|included| included.status != althing_types::Status::Ok).count();
    let succeeded = committed.included.len() - failed;
    counter!("althing_ledger_transactions_total", "result" => "ok").increment(succeeded as u64);
    counter!("althing_ledger_transactions_total", "result" => "failed").increment(failed as u64);
    counter!("althing_ledger_transactions_total", "result" => "skipped").increment(committed.skipped.len() as u64);
}

/// A log was synced.
pub(crate) fn log_synced(name: &'static str, took: Duration, records: usize) {
    histogram!("althing_storage_sync_seconds", "log" => name).record(took);
    counter!("althing_storage_log_records_total", "log" => name).increment(records as u64);
}
