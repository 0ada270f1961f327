//! The thread that owns the ledger: it executes and commits final blocks in their order and tells everybody.
//!
//! Whoever waits for a transaction is told after the block is durable, never before (rule D8). An error of the disk
//! ends the process; so does a block that does not fit onto the ledger, because then this node is not what it thinks.

use std::sync::Arc;
use std::thread::JoinHandle;

use althing_ledger::{Committed, FinalBlock, Ledger, LedgerError};
use althing_storage::OrderedStore;
use althing_types::Height;
use tokio::sync::watch;

use super::mailbox::{Mail, Mailbox};
use super::stop::{Stop, spawn};
use crate::replica::{Outcome, archive};

/// Told after each commit: what came of the block, and what the replica has to know of it.
pub(crate) type Told = Box<dyn Fn(&Committed, Outcome) + Send>;

/// A ledger, and whom it tells.
pub(crate) struct Executor<S> {
    /// The ledger.
    pub(crate) ledger: Ledger<S>,
    /// Final blocks, ascending. The replica hands over no more than consensus allows to be outstanding.
    pub(crate) blocks: Arc<Mailbox<FinalBlock>>,
    /// Told after each commit.
    pub(crate) committed: Told,
    /// The height of the last committed block, for those who wait for the next one.
    pub(crate) height: watch::Sender<Height>,
    /// Whether what a block certifies about earlier ones is compared here (rule X4). A validator's replica does that by
    /// itself, and stays up; a node that only follows ends before it commits on top of a wrong state.
    pub(crate) compares: bool,
}

/// Why a block was not committed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The ledger refused it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What was computed here is not what the validators certified.
    #[error("the result of height {0} differs")]
    Diverged(Height),
}

impl<S: OrderedStore + 'static> Executor<S> {
    /// Starts the thread. It ends when its queue is closed and empty.
    pub(crate) fn start(mut self, stop: Stop) -> JoinHandle<()> {
        spawn("ledger", stop.clone(), move || {
            if let Err(error) = self.run() {
                match error {
                    Failure::Ledger(LedgerError::Store(error)) => stop.disk_failed("the ledger", &error),
                    // What is damaged contradicts nothing: it is gone.
                    Failure::Ledger(error @ LedgerError::Corrupt { .. }) => stop.disk_failed("the ledger", &error),
                    Failure::Ledger(error) => stop.chain_failed(error.to_string()),
                    Failure::Diverged(height) => stop.chain_failed(format!(
                        "the validators certified another result of height {height} than this node computed"
                    )),
                }
            }
        })
    }

    fn run(&mut self) -> Result<(), Failure> {
        while let Mail::Some(blocks) = self.blocks.take(None, 1) {
            for block in blocks {
                if self.compares {
                    self.compare(&block)?;
                }
                self.commit(block)?;
            }
        }
        Ok(())
    }

    /// Compares the results that a final block carries with what was computed here.
    fn compare(&self, block: &FinalBlock) -> Result<(), Failure> {
        let reader = self.ledger.reader();
        for certified in &block.block.body.results {
            let ours = match reader.summary(certified.height) {
                // It came with a snapshot, out of a certified block like this one.
                Err(LedgerError::Pruned { .. }) => None,
                ours => ours?,
            };
            if ours.is_some_and(|ours| ours != *certified) {
                return Err(Failure::Diverged(certified.height));
            }
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the shell: it measures how long a commit takes")]
    fn commit(&mut self, block: FinalBlock) -> Result<(), LedgerError> {
        let (proposer, view) = (block.block.header.proposer, block.finalization.vote.view);
        let began = std::time::Instant::now();
        let (committed, outcome) = archive::commit(&mut self.ledger, block)?;
        let took = began.elapsed();
        let summary = committed.summary;
        tracing::info!(
            height = summary.height.get(),
            txs = summary.tx_count,
            skipped = committed.skipped.len(),
            view = view.get(),
            proposer = proposer.get(),
            micros = took.as_micros(),
            "committed"
        );
        super::telemetry::block_committed(&committed, took);
        self.height.send_replace(summary.height);
        (self.committed)(&committed, outcome);
        Ok(())
    }
}
