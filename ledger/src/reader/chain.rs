//! Blocks, certificates and summaries, and runs of blocks for those who catch up.

use althing_storage::{Order, OrderedStore, Scan};
use althing_types::{
    BATCH_BYTES_MAX, Block, Body, Epoch, Finalization, Hash, Header, Height, SignedBatch, Summary, encoded_len,
};

use super::Reader;
use crate::error::LedgerError;
use crate::record::{SummaryRecord, decoded};
use crate::space::{
    BATCH, BODY, BOUNDARY, CARRIER, FINALIZATION, HEADER, HEIGHT_OF, SUMMARY, by_batch, by_epoch, by_height,
};

/// Blocks of a run at most; consensus refuses more.
pub const RUN_BLOCKS_MAX: usize = 64;
/// Headers between the last block of a run and the certified one at most; consensus refuses more.
pub const RUN_LINK_MAX: usize = 1_024;
/// Bytes of a run's blocks at most, once it has one: beside the longest link they fit an answer of 1 MiB.
const RUN_BLOCK_BYTES_MAX: usize = BATCH_BYTES_MAX;

/// Final blocks, each the parent of the next, with the certificate that makes them final: the parts of an answer to a
/// validator that catches up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The blocks, ascending by height; at least one.
    pub blocks: Vec<Block>,
    /// The headers above the last block up to the one that is certified; empty if the last block is.
    pub link: Vec<Header>,
    /// The certificate of the last header, or of the last block if there is none.
    pub finalization: Finalization,
}

impl<S: OrderedStore> Reader<S> {
    /// The header of a height; none above the last committed block. Those of height 0 and of the last block of each
    /// epoch are kept for ever.
    pub fn header(&self, height: Height) -> Result<Option<Header>, LedgerError> {
        if !self.is_committed(height) {
            return Ok(None);
        }
        match self.load(HEADER, &by_height(height), "a header")? {
            Some(header) => Ok(Some(header)),
            None => self.kept(height, Ok(None)),
        }
    }

    /// The block of a height; none above the last committed block.
    pub fn block(&self, height: Height) -> Result<Option<Block>, LedgerError> {
        if self.is_committed(height) { self.kept(height, self.stored_block(height)) } else { Ok(None) }
    }

    /// The version of the state tree after a height, as far as it is there, whatever may be asked for.
    pub(crate) fn stored_version(&self, height: Height) -> Result<Option<u64>, LedgerError> {
        let record: Option<SummaryRecord> = self.load(SUMMARY, &by_height(height), "a summary")?;
        Ok(record.map(|record| record.tree_version))
    }

    /// The block of a height as far as it is there, whatever may be asked for.
    pub(crate) fn stored_block(&self, height: Height) -> Result<Option<Block>, LedgerError> {
        let Some(header) = self.load(HEADER, &by_height(height), "a header")? else { return Ok(None) };
        let body: Option<Body> = self.load(BODY, &by_height(height), "a body")?;
        let body = body.ok_or_else(|| LedgerError::corrupt("a body"))?;
        Ok(Some(Block { header, body }))
    }

    /// The height of a committed block; none if it is not kept any more.
    pub fn height_of(&self, id: &Hash) -> Result<Option<Height>, LedgerError> {
        let height: Option<Height> = self.load(HEIGHT_OF, id.as_bytes(), "a height")?;
        Ok(height.filter(|height| self.is_committed(*height) && *height >= self.earliest()))
    }

    /// The Finalization of the block of a height. None if the block became final through a descendant, as blocks do
    /// that were fetched by a node that catches up. That of the last block of each epoch is kept for ever.
    pub fn finalization(&self, height: Height) -> Result<Option<Finalization>, LedgerError> {
        if !self.is_committed(height) {
            return Ok(None);
        }
        match self.load(FINALIZATION, &by_height(height), "a finalization")? {
            Some(finalization) => Ok(Some(finalization)),
            None => self.kept(height, Ok(None)),
        }
    }

    /// What the execution of a height came to; none above the last committed block.
    pub fn summary(&self, height: Height) -> Result<Option<Summary>, LedgerError> {
        Ok(self.executed(height)?.map(|executed| executed.summary))
    }

    /// The summaries above a height up to the last committed block, ascending: what consensus begins with after a
    /// restart. The protocol bounds how many are outstanding.
    pub fn summaries_above(&self, height: Height) -> Result<Vec<Summary>, LedgerError> {
        let (from, to) = (by_height(height.next()), by_height(self.head().header.height.next()));
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: usize::MAX };
        let entries = self.store.scan(SUMMARY, scan)?;
        let summary = |(_, value): (Vec<u8>, Vec<u8>)| {
            decoded::<SummaryRecord>(&value, "a summary").map(|executed| executed.summary)
        };
        entries.into_iter().map(summary).collect()
    }

    /// A batch that a committed block ordered; none if there is none, or if it is not kept any more.
    pub fn batch(&self, epoch: Epoch, lane: u32, seq: u64) -> Result<Option<SignedBatch>, LedgerError> {
        self.load(BATCH, &by_batch(epoch, lane, seq), "a batch")
    }

    /// Final blocks above a height, at most `blocks_max`, [`RUN_BLOCKS_MAX`] and the bytes of an answer, with what
    /// shows that they are final. None if no block above it is committed, or none with a certificate near enough, or if
    /// the next block is not kept any more: the caller asks again later, or somebody else.
    pub fn run(&self, above: Height, blocks_max: usize) -> Result<Option<Run>, LedgerError> {
        match self.kept(above.next(), self.run_of(above, blocks_max)) {
            Err(LedgerError::Pruned { .. }) => Ok(None),
            run => run,
        }
    }

    fn run_of(&self, above: Height, blocks_max: usize) -> Result<Option<Run>, LedgerError> {
        let first = above.next();
        let count = u64::try_from(blocks_max.min(RUN_BLOCKS_MAX)).unwrap_or(0);
        let head = self.head().header.height;
        let Some(certified) = self.last_certified(head)? else { return Ok(None) };
        let (mut blocks, mut bytes) = (Vec::new(), 0usize);
        for height in first.get()..=certified.min(above.plus(count)).get() {
            let block = self.block(Height::new(height))?.ok_or_else(|| LedgerError::corrupt("a block"))?;
            bytes = bytes.saturating_add(encoded_len(&block));
            if bytes > RUN_BLOCK_BYTES_MAX && !blocks.is_empty() {
                break;
            }
            let ends_epoch = block.header.ends_epoch();
            blocks.push(block);
            if ends_epoch {
                // One certificate, of one epoch, stands for all of a run.
                break;
            }
        }
        let Some(last) = blocks.last().map(|block| block.header.height) else { return Ok(None) };
        let certificate = self.certificate_from(last, u64::try_from(RUN_LINK_MAX).unwrap_or(u64::MAX))?;
        let Some((certified, finalization)) = certificate else { return Ok(None) };
        Ok(Some(Run { blocks, link: self.headers(last.next(), certified)?, finalization }))
    }

    /// The Finalization of the last block of an epoch; none while the epoch goes on.
    pub fn boundary(&self, epoch: Epoch) -> Result<Option<Finalization>, LedgerError> {
        let last: Option<Height> = self.load(BOUNDARY, &by_epoch(epoch), "the end of an epoch")?;
        last.map_or(Ok(None), |last| self.finalization(last))
    }

    /// The summary of a height with the version of the state tree after it; none above the last committed block.
    pub(crate) fn executed(&self, height: Height) -> Result<Option<SummaryRecord>, LedgerError> {
        let load = || self.load(SUMMARY, &by_height(height), "a summary");
        if self.is_committed(height) { self.kept(height, load()) } else { Ok(None) }
    }

    /// The height of the block that carries a summary; none while no committed block does.
    pub(crate) fn carrier(&self, height: Height) -> Result<Option<Height>, LedgerError> {
        let carrier: Option<Height> = self.load(CARRIER, &by_height(height), "a height")?;
        Ok(carrier.filter(|carrier| self.is_committed(*carrier)))
    }

    /// The lowest Finalization at or above a height and at most `distance` above it.
    pub(super) fn certificate_from(
        &self,
        height: Height,
        distance: u64,
    ) -> Result<Option<(Height, Finalization)>, LedgerError> {
        let end = height.plus(distance).min(self.head().header.height);
        let (from, to) = (by_height(height), by_height(end.next()));
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: 1 };
        let Some((key, value)) = self.store.scan(FINALIZATION, scan)?.into_iter().next() else { return Ok(None) };
        Ok(Some((height_in(&key)?, decoded(&value, "a finalization")?)))
    }

    /// Headers from one height to another, both included.
    pub(super) fn headers(&self, first: Height, last: Height) -> Result<Vec<Header>, LedgerError> {
        let (from, to) = (by_height(first), by_height(last.next()));
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: usize::MAX };
        let entries = self.store.scan(HEADER, scan)?;
        entries.into_iter().map(|(_, value)| decoded(&value, "a header")).collect()
    }

    /// The highest height at or below `head` whose block has a Finalization of its own.
    pub(super) fn last_certified(&self, head: Height) -> Result<Option<Height>, LedgerError> {
        let to = by_height(head.next());
        let scan = Scan { from: &[], to: Some(&to), order: Order::Descending, limit: 1 };
        self.store.scan(FINALIZATION, scan)?.first().map(|(key, _)| height_in(key)).transpose()
    }
}

/// The height that a key consists of.
fn height_in(key: &[u8]) -> Result<Height, LedgerError> {
    let bytes = key.try_into().map_err(|_| LedgerError::corrupt("a height"))?;
    Ok(Height::new(u64::from_be_bytes(bytes)))
}
