//! Executed transactions with their receipts: by id, by height and place.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use althing_storage::{Order, OrderedStore, Scan};
use althing_types::{Epoch, Hash, Header, Height, Receipt, SignedBatch, Status, TimeMs};

use super::{PAGE_MAX, Reader};
use crate::error::LedgerError;
use crate::record::{ExecutedAt, Place, decoded};
use crate::space::{INCLUDED, RECEIPT, TX_AT, by_height, by_index};

/// An executed transaction and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedTransaction {
    /// Its replay id.
    pub id: Hash,
    /// The height of its block.
    pub height: Height,
    /// Its place in the order of execution.
    pub index: u32,
    /// The lane that it came in.
    pub lane: u32,
    /// The number of its batch in the lane.
    pub seq: u64,
    /// Its full bytes.
    pub bytes: Vec<u8>,
    /// What became of it.
    pub receipt: Receipt,
    /// The time of its block.
    pub time: TimeMs,
}

impl<S: OrderedStore> Reader<S> {
    /// An executed transaction by its replay id. None if it was never executed, as far as this node has got, or if it is
    /// not kept any more.
    pub fn transaction(&self, id: &Hash) -> Result<Option<LocatedTransaction>, LedgerError> {
        let Some(at) = self.executed_at(id)? else { return Ok(None) };
        match self.kept(at.height, self.located(at.height, at.index, &[at.place])) {
            Ok(page) => Ok(page.into_iter().next()),
            Err(LedgerError::Pruned { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a transaction was executed, as far as that is kept: always as long as it could be ordered again and be
    /// valid.
    pub fn is_included(&self, id: &Hash) -> Result<bool, LedgerError> {
        Ok(self.executed_at(id)?.is_some())
    }

    /// Executed transactions of a height from a place on, in the order of execution: at most `limit` and [`PAGE_MAX`].
    pub fn transactions(
        &self,
        height: Height,
        from_index: u32,
        limit: usize,
    ) -> Result<Vec<LocatedTransaction>, LedgerError> {
        let height = self.committed(height)?;
        self.kept(height, self.transactions_from(height, from_index, limit))
    }

    fn transactions_from(
        &self,
        height: Height,
        from_index: u32,
        limit: usize,
    ) -> Result<Vec<LocatedTransaction>, LedgerError> {
        let places = self.places(height)?;
        let first = usize::try_from(from_index).unwrap_or(usize::MAX).min(places.len());
        let wanted = places.get(first..).unwrap_or_default();
        self.located(height, from_index, wanted.get(..limit.min(PAGE_MAX)).unwrap_or(wanted))
    }

    /// The ids of all executed transactions of a height with how they ended, in the order of execution. The caps of a
    /// block bound them.
    pub fn outcomes(&self, height: Height) -> Result<Vec<(Hash, Status)>, LedgerError> {
        let height = self.committed(height)?;
        let receipts = self.kept(height, self.receipts(height))?;
        Ok(receipts.into_iter().map(|receipt| (receipt.tx_id, receipt.status)).collect())
    }

    /// The receipt at a place; none if the block executed no such transaction.
    pub fn receipt(&self, height: Height, index: u32) -> Result<Option<Receipt>, LedgerError> {
        let height = self.committed(height)?;
        self.kept(height, self.load(RECEIPT, &by_index(height, index), "a receipt"))
    }

    /// All receipts of a height, in the order of execution. The caps of a block bound them.
    pub(crate) fn receipts(&self, height: Height) -> Result<Vec<Receipt>, LedgerError> {
        let receipts = self.encoded_receipts(height, 0, usize::MAX)?;
        receipts.iter().map(|bytes| decoded(bytes, "a receipt")).collect()
    }

    /// Encoded receipts of a height from a place on.
    pub(super) fn encoded_receipts(
        &self,
        height: Height,
        from_index: u32,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, LedgerError> {
        let (from, to) = (by_index(height, from_index), by_height(height.next()));
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit };
        Ok(self.store.scan(RECEIPT, scan)?.into_iter().map(|(_, receipt)| receipt).collect())
    }

    /// Where a transaction was executed.
    pub(super) fn executed_at(&self, id: &Hash) -> Result<Option<ExecutedAt>, LedgerError> {
        let at: Option<ExecutedAt> = self.load(TX_AT, id.as_bytes(), "the place of a transaction")?;
        Ok(at.filter(|at| self.is_committed(at.height)))
    }

    /// The places of all executed transactions of a height in their lanes, in the order of execution.
    pub(crate) fn places(&self, height: Height) -> Result<Vec<Place>, LedgerError> {
        Ok(self.load(INCLUDED, &by_height(height), "the order of a block")?.unwrap_or_default())
    }

    /// The bytes of transactions of one block. Each batch is read once.
    pub(crate) fn bytes_of(&self, header: &Header, places: &[Place]) -> Result<Vec<Vec<u8>>, LedgerError> {
        let mut batches: BTreeMap<(u32, u64), SignedBatch> = BTreeMap::new();
        let mut bytes = Vec::with_capacity(places.len());
        for place in places {
            let signed = match batches.entry((place.lane, place.seq)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.ordered_batch(header.epoch, place)?),
            };
            let index = usize::try_from(place.index).unwrap_or(usize::MAX);
            let transaction = signed.batch.transactions.get(index);
            bytes.push(transaction.ok_or_else(|| LedgerError::corrupt("the order of a block"))?.to_vec());
        }
        Ok(bytes)
    }

    fn ordered_batch(&self, epoch: Epoch, place: &Place) -> Result<SignedBatch, LedgerError> {
        self.batch(epoch, place.lane, place.seq)?.ok_or_else(|| LedgerError::corrupt("a batch"))
    }

    /// Transactions that stand one after the other in the order of execution.
    fn located(
        &self,
        height: Height,
        from_index: u32,
        places: &[Place],
    ) -> Result<Vec<LocatedTransaction>, LedgerError> {
        let header = self.header(height)?.ok_or_else(|| LedgerError::corrupt("a header"))?;
        let receipts = self.encoded_receipts(height, from_index, places.len())?;
        if receipts.len() != places.len() {
            return Err(LedgerError::corrupt("a receipt"));
        }
        let bytes = self.bytes_of(&header, places)?;
        let mut located = Vec::with_capacity(places.len());
        for (((place, bytes), receipt), index) in places.iter().zip(bytes).zip(receipts).zip(from_index..) {
            let receipt: Receipt = decoded(&receipt, "a receipt")?;
            let Place { lane, seq, .. } = *place;
            let (id, time) = (receipt.tx_id, header.time);
            located.push(LocatedTransaction { id, height, index, lane, seq, bytes, receipt, time });
        }
        Ok(located)
    }
}
