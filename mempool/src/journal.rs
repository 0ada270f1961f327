//! What was handed to the batch log, and how much of it is durable.

use std::sync::Arc;

use althing_types::SignedBatch;

use crate::output::Output;

/// A place in the batch log of this run: the first record is 1, and every output that concerns the log takes the next
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// The place before the first record: what a restart found in the log stands there.
    pub const ZERO: Self = Self(0);

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The batch log as the machine sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    last: Lsn,
    durable: Lsn,
    /// Bytes of batches in the log.
    bytes: u64,
}

impl Journal {
    /// A log that holds so many bytes of batches, all durable.
    pub(crate) fn with_bytes(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Appends a batch of so many bytes.
    pub(crate) fn append(&mut self, batch: Arc<SignedBatch>, bytes: u64, out: &mut Vec<Output>) -> Lsn {
        self.bytes = self.bytes.saturating_add(bytes);
        let lsn = self.take();
        out.push(Output::Append { lsn, batch });
        lsn
    }

    /// Replaces the log by batches of so many bytes in all.
    pub(crate) fn compact(&mut self, batches: Vec<Arc<SignedBatch>>, bytes: u64, out: &mut Vec<Output>) {
        self.bytes = bytes;
        let lsn = self.take();
        out.push(Output::Compact { lsn, batches });
    }

    fn take(&mut self) -> Lsn {
        self.last = Lsn(self.last.0.saturating_add(1));
        self.last
    }

    /// Notes that the log is durable up to a place; a place that was never handed out says nothing.
    pub(crate) fn durable(&mut self, lsn: Lsn) {
        self.durable = self.durable.max(lsn.min(self.last));
    }

    /// Whether all that was handed to the log is durable.
    pub(crate) fn is_synced(&self) -> bool {
        self.durable >= self.last
    }

    /// Up to where the log is durable.
    pub(crate) const fn durable_to(&self) -> Lsn {
        self.durable
    }

    /// Bytes of batches in the log.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}
