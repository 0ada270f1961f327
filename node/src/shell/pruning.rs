//! The thread that removes what the operator does not keep, beside the thread that commits.
//!
//! It works half of the time at most, in pieces that a commit does not wait for, so that a node which has much to remove, as
//! an archive that becomes a window, stays a good validator meanwhile.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use althing_ledger::{LedgerError, Pruner};
use althing_storage::OrderedStore;
use metrics::gauge;

use super::mailbox::{Mail, Mailbox};
use super::stop::{Stop, spawn};

/// How often it looks whether there is something to remove.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// It rests for as long as it worked, and no longer than this.
const REST_MAX: Duration = Duration::from_millis(100);

/// Starts the thread. It ends soon after its mailbox, which nothing is ever put into, is closed.
pub(super) fn start<S: OrderedStore + 'static>(
    pruner: Pruner<S>,
    closed: Arc<Mailbox<()>>,
    stop: Stop,
) -> JoinHandle<()> {
    spawn("pruner", stop.clone(), move || {
        if let Err(error) = run(pruner, &closed) {
            match error {
                LedgerError::Store(error) => stop.disk_failed("pruning the ledger", &error),
                error => stop.chain_failed(format!("pruning the ledger: {error}")),
            }
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the shell: it measures how long its own work takes")]
fn run<S: OrderedStore>(mut pruner: Pruner<S>, closed: &Mailbox<()>) -> Result<(), LedgerError> {
    loop {
        let began = std::time::Instant::now();
        let more = pruner.step()?;
        gauge!("althing_storage_earliest_height").set(pruner.earliest().get() as f64);
        let rest = if more { began.elapsed().min(REST_MAX) } else { LOOK_EVERY };
        if let Mail::Closed = closed.take(Some(rest), 1) {
            return Ok(());
        }
    }
}
