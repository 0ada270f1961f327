//! Executing a chain again, by whoever holds it against what others say of it.
//!
//! A replay executes a block as a commit does, with the same code, and comes to the same summary. It keeps only what the
//! next block needs: the state with its tree, which ids were executed, the cut, and the summaries that no block has carried
//! yet. So its store has a list of keyspaces of its own ([`replay_spaces`]), is refused by a node, and refuses the store of
//! one.

use std::sync::{Arc, PoisonError};

use althing_contracts::BlockContext;
use althing_storage::{OrderedStore, Space, SpaceOptions, WriteBatch};
use althing_types::{Block, Height, Summary, View, encode};

use super::{Ledger, summarise};
use crate::block::{Included, OrderedBatch, Skipped};
use crate::commit::write_head;
use crate::error::LedgerError;
use crate::execute::{Executed, execute_batches};
use crate::head::Head;
use crate::order::arrange;
use crate::record::Place;
use crate::space::{HEADER, SPACES, STATE, SUMMARY, TX_AT, by_height, state};
use crate::tree::{StateTree as _, forget_replaced};

/// What the caller keeps beside the state, behind the keyspaces of every ledger.
const NOTE: SpaceOptions = SpaceOptions { name: "note", point_reads: true, compress: false, large_values: false };
/// The one key there.
const NOTE_KEY: &[u8] = b"note";

/// What executing a block again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// What its execution came to.
    pub summary: Summary,
    /// The executed transactions, in the order of execution.
    pub included: Vec<Included>,
    /// Where each of them stands, in the same order.
    pub places: Vec<Place>,
    /// The encoded receipt of each of them, in the same order.
    pub receipts: Vec<Vec<u8>>,
    /// The transactions that left no trace.
    pub skipped: Vec<Skipped>,
}

/// What the store of a ledger that replays must be opened with.
pub fn replay_spaces() -> Vec<SpaceOptions> {
    SPACES.iter().copied().chain([NOTE]).collect()
}

/// The keyspace of the note.
fn note_space() -> Space {
    Space(u8::try_from(SPACES.len()).expect("a store has fewer than 256 keyspaces"))
}

impl<S: OrderedStore> Ledger<S> {
    /// Executes the next block. The caller is shown what came of it, and judges: then the state and a note of the caller's are
    /// kept, in one write, or nothing is. Only for a ledger whose store was opened with [`replay_spaces`]; whether it is
    /// durable is the store's to say.
    ///
    /// # Errors
    ///
    /// The caller's own; and as [`Ledger::commit`], where a block that is not the next one is a [`LedgerError::Gap`].
    pub fn replay<E: From<LedgerError>>(
        &mut self,
        block: &Block,
        batches: &[OrderedBatch],
        judge: impl FnOnce(&Replayed) -> Result<Vec<u8>, E>,
    ) -> Result<Replayed, E> {
        let head = self.head();
        let mut cut = self.cut_above(&head, block)?;
        if block.header.ends_epoch() {
            // Lanes begin anew (E3).
            cut.clear();
        }
        let (height, id) = (block.header.height, block.header.id());
        let ordered = arrange(block, &head.cut, batches).map_err(|fault| LedgerError::Batches { height, fault })?;
        let context = BlockContext { height, time: block.header.time, params: self.params };
        let executed = execute_batches(&*self.store, &context, &ordered)?;

        let mut batch = WriteBatch::default();
        forget_replaced(&*self.store, head.tree_version, &mut batch)?;
        let (state_root, tree_version) = self.grow_tree(&head, &executed.changes.all, &mut batch)?;
        let summary = summarise(height, id, state_root, &executed);
        let header = block.header.clone();
        let next = Head { header, id, view: View::ZERO, cut, summary, certified: None, tree_version };
        write_needed(&mut batch, block, &executed, &head);
        batch.put(HEADER, by_height(height), encode(&next.header));
        write_head(&mut batch, &next);
        let Executed { included, traces, skipped, .. } = executed;
        let (places, receipts) = traces.into_iter().map(|trace| (trace.place, trace.receipt)).unzip();
        let replayed = Replayed { summary, included, places, receipts, skipped };
        batch.put(note_space(), NOTE_KEY, judge(&replayed)?);
        self.store.commit(batch).map_err(LedgerError::from)?;
        self.tree.keep();
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(replayed)
    }

    /// The note that went with the last replayed block; none before the first.
    pub fn note(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.store.get(note_space(), NOTE_KEY)?)
    }
}

/// Writes what the next blocks need of an executed one, and removes what they do not need any more.
fn write_needed(batch: &mut WriteBatch, block: &Block, executed: &Executed, below: &Head) {
    for (key, value) in &executed.changes.all {
        match value {
            Some(value) => batch.put(STATE, state(key), value),
            None => batch.delete(STATE, state(key)),
        }
    }
    for included in &executed.included {
        // Only whether there is something is asked.
        batch.put(TX_AT, included.id.as_bytes(), []);
    }
    batch.delete(HEADER, by_height(below.header.height));
    if below.header.height == Height::ZERO {
        // Nobody carries the summary of genesis.
        batch.delete(SUMMARY, by_height(Height::ZERO));
    }
    for carried in &block.body.results {
        batch.delete(SUMMARY, by_height(carried.height));
    }
}
