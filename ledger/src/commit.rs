//! Turns a block and what it came to into the one batch of writes that commits it.

use althing_storage::WriteBatch;
use althing_types::{Block, Evidence, Hash, Height, LaneTip, StateKey, encode};

use crate::block::{FinalBlock, OrderedBatch};
use crate::execute::Executed;
use crate::head::Head;
use crate::overlay::StateChange;
use crate::record::{ExecutedAt, Place, SummaryRecord};
use crate::space::{
    ACCUSED, BATCH, BODY, BOUNDARY, CARRIER, CUT, CUT_EVERY, EVIDENCE, FINALIZATION, HEADER, HEIGHT_OF, HISTORY,
    INCLUDED, META, META_HEAD, RAW_KEY, RECEIPT, STATE, STATE_AT, STATE_STALE, SUMMARY, TX_AT, by_account, by_batch,
    by_culprit, by_epoch, by_height, by_index, state, state_at,
};

/// Writes what is stored of a block and of its execution, but the nodes of the state tree.
pub(crate) fn write_block(batch: &mut WriteBatch, given: &FinalBlock, executed: &Executed, head: &Head) {
    let (height, id) = (head.header.height, head.id);
    write_frame(batch, &given.block, id);
    if given.finalization.vote.digest == id {
        batch.put(FINALIZATION, by_height(height), encode(&given.finalization));
    }
    for summary in &given.block.body.results {
        batch.put(CARRIER, by_height(summary.height), encode(&height));
    }
    write_evidence(batch, &given.block);
    given.batches.iter().for_each(|ordered| write_batch(batch, ordered));
    write_traces(batch, executed, height);
    write_state(batch, &executed.changes.all, height);
    write_raw_keys(batch, &executed.changes.created);
    if !executed.changes.all.is_empty() {
        let changed: Vec<Vec<u8>> = executed.changes.all.iter().map(|(key, _)| state(key)).collect();
        batch.put(STATE_STALE, by_height(height), encode(&changed));
    }
    write_cut(batch, height, &head.cut);
    write_head(batch, head);
}

/// Writes a block's header and body and how to find it.
pub(crate) fn write_frame(batch: &mut WriteBatch, block: &Block, id: Hash) {
    let height = block.header.height;
    batch.put(HEADER, by_height(height), encode(&block.header));
    batch.put(BODY, by_height(height), encode(&block.body));
    batch.put(HEIGHT_OF, *id.as_bytes(), encode(&height));
    if block.header.ends_epoch() {
        batch.put(BOUNDARY, by_epoch(block.header.epoch), encode(&height));
    }
}

/// Writes the values that hold from a height on.
pub(crate) fn write_state(batch: &mut WriteBatch, changes: &[StateChange], height: Height) {
    for (key, value) in changes {
        let key = state(key);
        batch.put(STATE_AT, state_at(&key, height), encode(value));
        match value {
            Some(value) => batch.put(STATE, key, value.clone()),
            None => batch.delete(STATE, key),
        }
    }
}

/// Writes how keys of the state are found by their places in the state tree.
pub(crate) fn write_raw_keys<'k>(batch: &mut WriteBatch, keys: impl IntoIterator<Item = &'k StateKey>) {
    for key in keys {
        batch.put(RAW_KEY, *key.tree_key().as_bytes(), state(key));
    }
}

/// Writes the tips of all lanes after a block, if its height is one of those.
pub(crate) fn write_cut(batch: &mut WriteBatch, height: Height, cut: &Vec<LaneTip>) {
    if height.get().is_multiple_of(CUT_EVERY) {
        batch.put(CUT, by_height(height), encode(cut));
    }
}

/// Writes what a store is opened again from.
pub(crate) fn write_head(batch: &mut WriteBatch, head: &Head) {
    let executed = SummaryRecord { summary: head.summary, tree_version: head.tree_version };
    batch.put(SUMMARY, by_height(head.header.height), encode(&executed));
    batch.put(META, META_HEAD, encode(&head.record()));
}

/// Writes the evidence of a block, to be found by its place and by whom it accuses (R9).
pub(crate) fn write_evidence(batch: &mut WriteBatch, block: &Block) {
    for (evidence, index) in block.body.evidence.iter().zip(0u32..) {
        write_accusation(batch, block.header.height, index, evidence);
    }
}

/// Writes a piece of evidence and its place.
pub(crate) fn write_accusation(batch: &mut WriteBatch, height: Height, index: u32, evidence: &Evidence) {
    batch.put(EVIDENCE, by_index(height, index), encode(evidence));
    batch.put(ACCUSED, by_culprit(evidence.epoch(), evidence.culprit(), height, index), Vec::new());
}

fn write_batch(batch: &mut WriteBatch, ordered: &OrderedBatch) {
    let of = &ordered.signed.batch;
    batch.put(BATCH, by_batch(of.epoch, of.lane, of.seq), encode(&*ordered.signed));
}

fn write_traces(batch: &mut WriteBatch, executed: &Executed, height: Height) {
    let places: Vec<Place> = executed.traces.iter().map(|trace| trace.place).collect();
    if !places.is_empty() {
        batch.put(INCLUDED, by_height(height), encode(&places));
    }
    for (included, trace) in executed.included.iter().zip(&executed.traces) {
        let index = included.index;
        batch.put(TX_AT, *included.id.as_bytes(), encode(&ExecutedAt { height, index, place: trace.place }));
        batch.put(RECEIPT, by_index(height, index), trace.receipt.clone());
        for account in &trace.accounts {
            batch.put(HISTORY, by_account(account, height, index), *included.id.as_bytes());
        }
    }
}
