//! Removes what one block left: its frame, batches, receipts and indexes, and what the block above it replaced in the
//! state and in its tree.

use althing_contracts::touched_accounts;
use althing_storage::{Order, OrderedStore, Scan, Space, WriteBatch};
use althing_types::{Block, Header, Height, LaneTip, Receipt, SignedTransaction, encode};

use super::PrunedRecord;
use crate::error::LedgerError;
use crate::reader::Reader;
use crate::record::{decoded, load};
use crate::space::{
    BATCH, BODY, CARRIER, CUT, FINALIZATION, HEADER, HEIGHT_OF, HISTORY, INCLUDED, META, META_PRUNED, NODE, NODE_STALE,
    RECEIPT, STATE_AT, STATE_STALE, SUMMARY, TX_AT, above_versions, by_account, by_batch, by_height, by_index,
    state_at,
};
use crate::tree::stale_keys;

/// Removes what lies at the height `record.swept`, in pieces of about so many bytes of keys, and returns how far the store
/// is pruned after it.
pub(super) fn sweep<S: OrderedStore>(
    store: &S,
    reader: &Reader<S>,
    record: &PrunedRecord,
    piece_bytes: usize,
) -> Result<PrunedRecord, LedgerError> {
    let height = record.swept;
    let mut broom = Broom { store, batch: WriteBatch::default(), piece_bytes };
    let frame = Frame::load(reader, record)?;
    // What follows from other entries goes first, those entries last and all at once: whoever begins again finds them.
    remove_traces(&mut broom, reader, &frame.block.header)?;
    remove_replaced(&mut broom, reader, height.next())?;

    let Broom { mut batch, .. } = broom;
    frame.remove(&mut batch, &record.cut);
    let version = tree_version(reader, height.next())?;
    batch.delete(NODE_STALE, version.to_be_bytes());
    batch.delete(STATE_STALE, by_height(height.next()));
    let next = PrunedRecord { earliest: record.earliest, swept: height.next(), cut: frame.cut };
    batch.put(META, META_PRUNED, encode(&next));
    store.commit(batch)?;
    Ok(next)
}

/// What gathers removals, and carries them out whenever there are many.
struct Broom<'a, S> {
    store: &'a S,
    batch: WriteBatch,
    piece_bytes: usize,
}

impl<S: OrderedStore> Broom<'_, S> {
    fn remove(&mut self, space: Space, key: &[u8]) -> Result<(), LedgerError> {
        self.batch.delete(space, key);
        if self.batch.bytes() >= self.piece_bytes {
            self.store.commit(std::mem::take(&mut self.batch))?;
        }
        Ok(())
    }
}

/// A block as it is found again, and the tips of all lanes above it.
struct Frame {
    block: Block,
    cut: Vec<LaneTip>,
}

impl Frame {
    fn load<S: OrderedStore>(reader: &Reader<S>, record: &PrunedRecord) -> Result<Self, LedgerError> {
        let block = reader.stored_block(record.swept)?.ok_or_else(|| LedgerError::corrupt("a block"))?;
        let cut = block.cut_above(&record.cut).ok_or_else(|| LedgerError::corrupt("the lanes of a block"))?;
        // Lanes begin anew in the next epoch (E3).
        let cut = if block.header.ends_epoch() { Vec::new() } else { cut };
        Ok(Self { block, cut })
    }

    /// Everything that stands under its height, and its batches.
    fn remove(&self, batch: &mut WriteBatch, below: &[LaneTip]) {
        let Block { header, body } = &self.block;
        let height = header.height;
        let key = by_height(height);
        for space in [BODY, INCLUDED, SUMMARY, CARRIER, CUT] {
            batch.delete(space, &key);
        }
        if height > Height::ZERO && !header.ends_epoch() {
            batch.delete(HEADER, &key);
            batch.delete(FINALIZATION, &key);
        }
        batch.delete(HEIGHT_OF, header.id().as_bytes());
        for tip in &body.lanes {
            let known = below.iter().find(|known| known.lane == tip.lane).map_or(0, |known| known.seq);
            for seq in known.saturating_add(1)..=tip.seq {
                batch.delete(BATCH, by_batch(header.epoch, tip.lane, seq));
            }
        }
    }
}

/// Removes the places of a block's transactions, their receipts, and their parts in the history of accounts. Of a height that
/// came with a snapshot there are receipts alone.
fn remove_traces<S: OrderedStore>(
    broom: &mut Broom<'_, S>,
    reader: &Reader<S>,
    header: &Header,
) -> Result<(), LedgerError> {
    let height = header.height;
    let places = reader.places(height)?;
    if places.is_empty() {
        return remove_receipts(broom, height);
    }
    let bytes = reader.bytes_of(header, &places)?;
    for (bytes, index) in bytes.iter().zip(0u32..) {
        let transaction = SignedTransaction::from_bytes(bytes, &header.chain);
        let transaction = transaction.map_err(|_| LedgerError::corrupt("a transaction"))?;
        broom.remove(TX_AT, transaction.id().as_bytes())?;
        broom.remove(RECEIPT, &by_index(height, index))?;
        for account in touched_accounts(&transaction) {
            broom.remove(HISTORY, &by_account(&account, height, index))?;
        }
    }
    Ok(())
}

/// Removes the receipts of a height, and where their transactions were executed. Those that are gone already are no trouble.
fn remove_receipts<S: OrderedStore>(broom: &mut Broom<'_, S>, height: Height) -> Result<(), LedgerError> {
    let (mut from, to) = (by_height(height), by_height(height.next()));
    loop {
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: 256 };
        let found = broom.store.scan(RECEIPT, scan)?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        from = [&last[..], &[0]].concat();
        for (key, receipt) in found {
            let receipt: Receipt = decoded(&receipt, "a receipt")?;
            broom.remove(TX_AT, receipt.tx_id.as_bytes())?;
            broom.remove(RECEIPT, &key)?;
        }
    }
}

/// The version of the state tree after a height.
fn tree_version<S: OrderedStore>(reader: &Reader<S>, height: Height) -> Result<u64, LedgerError> {
    reader.stored_version(height)?.ok_or_else(|| LedgerError::corrupt("a summary"))
}

/// Removes the values and the pages of the tree that the block of a height replaced.
fn remove_replaced<S: OrderedStore>(
    broom: &mut Broom<'_, S>,
    reader: &Reader<S>,
    height: Height,
) -> Result<(), LedgerError> {
    let store = broom.store;
    let changed: Option<Vec<Vec<u8>>> = load(store, STATE_STALE, &by_height(height), "the changes of a block")?;
    for key in changed.unwrap_or_default() {
        remove_older(broom, &key, height)?;
    }
    let version = tree_version(reader, height)?;
    if let Some(record) = store.get(NODE_STALE, &version.to_be_bytes())? {
        for key in stale_keys(&record)? {
            broom.remove(NODE, key)?;
        }
    }
    Ok(())
}

/// Removes what a place of the state held before a height, and also that it holds nothing from there on. What it held
/// before that is removed already, height by height.
fn remove_older<S: OrderedStore>(broom: &mut Broom<'_, S>, key: &[u8], height: Height) -> Result<(), LedgerError> {
    let (from, to) = (state_at(key, height), above_versions(key));
    let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: 2 };
    let mut held = broom.store.scan(STATE_AT, scan)?;
    if let Some((newest, value)) = held.first() {
        let value: Option<Vec<u8>> = decoded(value, "a value of the state")?;
        if *newest == from && value.is_some() {
            held.remove(0);
        }
    }
    // The oldest first: what is there must never be taken for the value of a later height.
    for (older, _) in held.iter().rev() {
        broom.remove(STATE_AT, older)?;
    }
    Ok(())
}
