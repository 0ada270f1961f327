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
}

impl<S: OrderedStore + 'static> Executor<S> {
    /// Starts the thread. It ends when its queue is closed and empty.
    pub(crate) fn start(mut self, stop: Stop) -> JoinHandle<()> {
        spawn("ledger", stop.clone(), move || {
            if let Err(error) = self.run() {
                match error {
                    LedgerError::Store(error) => stop.disk_failed("the ledger", &error),
                    error => stop.chain_failed(error.to_string()),
                }
            }
        })
    }

    fn run(&mut self) -> Result<(), LedgerError> {
        while let Mail::Some(blocks) = self.blocks.take(None, 1) {
            for block in blocks {
                self.commit(block)?;
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
