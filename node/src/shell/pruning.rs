//! The thread that removes what the operator does not keep, beside the thread that commits.
//!
//! It rests for as long as it works, and writes in pieces that a commit hardly waits for, so that a node which has much to
//! remove, as an archive that becomes a window, stays a good validator meanwhile. What was to be removed and is damaged harms
//! nobody: the node goes on, and grows.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use althing_ledger::{LedgerError, Pruner};
use althing_storage::{OrderedStore, StoreError};
use metrics::gauge;

use super::mailbox::{Mail, Mailbox};
use super::start::{Door, inner_mailbox};
use super::stop::{Stop, spawn};

/// How often it looks whether there is something to remove.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Starts the thread. It ends soon after the door is closed.
pub(super) fn start<S: OrderedStore + 'static>(pruner: Pruner<S>, stop: Stop) -> (JoinHandle<()>, Door) {
    // Nothing is ever put into it.
    let closed: Arc<Mailbox<()>> = inner_mailbox();
    let closing = closed.clone();
    let thread = spawn("pruner", stop.clone(), move || match run(pruner, &closed) {
        Ok(()) => {}
        Err(LedgerError::Store(error)) if !matches!(error, StoreError::Corrupt { .. }) => {
            stop.disk_failed("pruning the ledger", &error);
        }
        Err(error) => {
            tracing::error!(%error, "nothing is pruned any more: check the disk, and replace the data folder");
            while !matches!(closed.take(None, 1), Mail::Closed) {}
        }
    });
    (thread, Door(Box::new(move || closing.close())))
}

#[expect(clippy::disallowed_methods, reason = "this is the shell: it measures how long its own work takes")]
fn run<S: OrderedStore>(mut pruner: Pruner<S>, closed: &Mailbox<()>) -> Result<(), LedgerError> {
    loop {
        let began = std::time::Instant::now();
        let more = pruner.step()?;
        gauge!("althing_storage_earliest_height").set(pruner.earliest().get() as f64);
        let rest = if more { began.elapsed() } else { LOOK_EVERY };
        if let Mail::Closed = closed.take(Some(rest), 1) {
            return Ok(());
        }
    }
}
