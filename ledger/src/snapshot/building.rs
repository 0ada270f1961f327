//! Building a ledger out of the parts of a snapshot, each checked before anything of it is kept.
//!
//! # Invariants
//!
//! 1. Nothing is written that was not checked, and each write is a commit of its own that says how far the building is. It goes
//!    on from there after a restart.
//! 2. Until the end the store is no ledger: it has no form and no head, and [`crate::Ledger::open`] would take it for damaged.
//! 3. What is built depends on the parts alone and not on their order, but for the versions of the state tree.
//!
//! That blocks are final is the caller's to know.

use std::collections::BTreeSet;
use std::sync::Arc;

use althing_genesis::Genesis;
use althing_storage::{Order, OrderedStore, Scan, WriteBatch};
use althing_types::{
    Block, Finalization, Hash, Header, Height, LaneTip, ProofError, Receipt, Summary, encode, lanes_root, leaf_hash,
    merkle_root,
};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Accusation, HEIGHT_RECEIPTS_BYTES_MAX, PlacedReceipt, SnapshotBase, StateChunk};
use crate::commit::{
    write_accusation, write_cut, write_evidence, write_frame, write_head, write_raw_keys, write_state,
};
use crate::error::LedgerError;
use crate::head::Head;
use crate::overlay::StateChange;
use crate::prune::PrunedRecord;
use crate::record::{ExecutedAt, Place, SummaryRecord, decoded, load};
use crate::space::{
    HEADER, META, META_CHAIN, META_PRUNED, META_RESTORE, META_SCHEMA, RECEIPT, SCHEMA_VERSION, SUMMARY, TX_AT,
    by_height, by_index,
};
use crate::tree::{PagedTree, StateTree as _, forget_replaced};

/// Why a part is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The part is not what was asked for, or does not belong to the snapshot. Nothing of it was kept.
    #[error("{0}")]
    Foreign(&'static str),
    /// The entries of a chunk are not those of the certified state. Nothing of it was kept.
    #[error("a part of the state that its proof does not show: {0}")]
    Chunk(#[from] ProofError),
    /// The store, or what it holds.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A snapshot that is being built into a store of its own.
#[derive(Debug)]
pub struct Restoration<S> {
    store: Arc<S>,
    tree: PagedTree,
    record: Record,
    /// Receipts of the height `record.receipts` that are here already, and their bytes.
    receipts: Vec<Vec<u8>>,
    receipts_bytes: usize,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The height.
    pub height: Height,
    /// The root of its state.
    pub state_root: Hash,
    /// Entries of the state.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// What shows that the block of the height is final: its certificate, or that of a descendant.
    pub finalization: Finalization,
}

/// How far the building is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Record {
    form: u32,
    chain: Hash,
    /// The height whose state it is.
    height: Height,
    /// The height of the block below the first one, and the tips of all lanes after it.
    floor: Height,
    floor_cut: Vec<LaneTip>,
    /// The last block that is here: id, height, and tips of all lanes after it.
    id: Hash,
    above: Height,
    cut: Vec<LaneTip>,
    /// Id of the block of the height, the tips of all lanes after it, and its certificate, or that of a descendant.
    base: Option<(Hash, Vec<LaneTip>, Finalization)>,
    /// What the execution of the height came to, by a certificate.
    summary: Summary,
    /// Whether all blocks up to the one that carries that summary are here.
    is_followed: bool,
    /// The highest height whose summary a block up to the height carries.
    executed: Height,
    /// Transactions of blocks from this time on, in milliseconds, can be ordered again above the height.
    repeatable_from: u64,
    /// Receipts of all heights below this one are here.
    receipts: Height,
    /// What is missing of the state: from a tree key on up to another.
    spans: Vec<(Hash, Hash)>,
    /// The version and root of the tree; none before the first entry.
    tree: Option<(u64, Hash)>,
    entries: u64,
    bytes: u64,
}

impl<S: OrderedStore> Restoration<S> {
    /// Begins to build in an empty store that was opened with [`crate::SPACES`].
    ///
    /// # Errors
    ///
    /// [`RestoreError::Foreign`] if the base contradicts itself or is of another chain; evidence in it has to be verified by
    /// the caller. [`LedgerError::Corrupt`] if the store is not empty.
    pub fn begin(store: Arc<S>, genesis: &Genesis, base: &SnapshotBase) -> Result<Self, RestoreError> {
        let holds = |key: &[u8]| store.get(META, key).map_err(LedgerError::from).map(|found| found.is_some());
        if holds(META_SCHEMA)? || holds(META_RESTORE)? {
            return Err(LedgerError::corrupt("a store that has to be empty").into());
        }
        let SnapshotBase { header, proof, floor, cut, evidence } = base;
        let height = &header.height;
        let is_meant = (proof.summary.height, proof.summary.block) == (*height, header.id());
        let is_cut = if floor.ends_epoch() { cut.is_empty() } else { lanes_root(cut) == floor.lanes_root };
        let is_above = *height > floor.height && (floor.height > Height::ZERO || floor.id() == genesis.header().id());
        if floor.chain != genesis.hash() || !is_above || !is_cut || !is_meant {
            return Err(RestoreError::Foreign("a base that does not fit together"));
        }
        let replay_ms = u64::from(genesis.params().transactions.max_window_ms);
        let is_old = floor.time.get().saturating_add(replay_ms) < header.time.get();
        if floor.height > Height::ZERO && !(is_old && floor.height <= header.executed_height) {
            return Err(RestoreError::Foreign("a base that begins too high"));
        }
        refuse_strange_evidence(floor, evidence)?;
        let record = Record {
            form: SCHEMA_VERSION,
            chain: floor.chain,
            height: *height,
            floor: floor.height,
            floor_cut: cut.to_vec(),
            id: floor.id(),
            above: floor.height,
            cut: cut.to_vec(),
            base: None,
            summary: proof.summary,
            is_followed: false,
            executed: header.executed_height,
            repeatable_from: header.time.get().saturating_sub(replay_ms),
            receipts: floor.height.next(),
            spans: snapshot_ranges(),
            tree: None,
            entries: 0,
            bytes: 0,
        };
        let mut batch = WriteBatch::default();
        // As in every ledger.
        batch.put(HEADER, by_height(Height::ZERO), encode(&genesis.header()));
        for accusation in evidence.iter() {
            write_accusation(&mut batch, accusation.height, accusation.index, &accusation.evidence);
        }
        let mut restoration =
            Self { store, tree: PagedTree::default(), record, receipts: Vec::new(), receipts_bytes: 0 };
        restoration.commit(batch)?;
        Ok(restoration)
    }

    /// Goes on with what a store holds; none if nothing was begun in it, or something else.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`], and what the store says.
    pub fn resume(store: Arc<S>, genesis: &Genesis) -> Result<Option<Self>, LedgerError> {
        let Some(bytes) = store.get(META, META_RESTORE)? else { return Ok(None) };
        // A record of another form does not decode, or says so.
        let Ok(record) = borsh::from_slice::<Record>(&bytes) else { return Ok(None) };
        if record.form != SCHEMA_VERSION || record.chain != genesis.hash() {
            return Ok(None);
        }
        let tree = match record.tree {
            Some((version, root)) => PagedTree::open(&*store, version, root)?,
            None => PagedTree::default(),
        };
        Ok(Some(Self { store, tree, record, receipts: Vec::new(), receipts_bytes: 0 }))
    }

    /// The height whose state it is.
    pub const fn height(&self) -> Height {
        self.record.height
    }

    /// The last block that is here, below which the next ones begin: id, height, and the tips of all lanes after it. None once
    /// all of them are here.
    pub fn blocks_above(&self) -> Option<(Hash, Height, &[LaneTip])> {
        let record = &self.record;
        (!record.is_followed).then_some((record.id, record.above, &record.cut))
    }

    /// Takes the next blocks, which the caller knows to be final by this certificate. Blocks above the one that carries
    /// the summary of the snapshot's height are left aside.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Foreign`] if they do not follow, or do not fit what the base says.
    pub fn take_blocks(&mut self, blocks: &[Block], finalization: &Finalization) -> Result<(), RestoreError> {
        let mut record = self.record.clone();
        let mut batch = WriteBatch::default();
        for block in blocks {
            if record.is_followed {
                break;
            }
            if record.above == record.floor {
                reaches_no_further_than_needed(&record, &block.header)?;
            }
            take_block(&mut record, block, finalization, &mut batch)?;
        }
        self.record = record;
        self.commit(batch)?;
        Ok(self.skip_empty()?)
    }

    /// From where on receipts are missing, and up to which height; none if none are, or if not all blocks are here.
    pub fn receipts_from(&self) -> Option<((Height, u32), Height)> {
        let is_due = self.record.is_followed && self.record.receipts <= self.record.height;
        let index = u32::try_from(self.receipts.len()).unwrap_or(u32::MAX);
        is_due.then_some(((self.record.receipts, index), self.record.height))
    }

    /// Takes the next receipts. They are kept once all of a height are here and found to be what its summary commits to.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Foreign`] if they are not the next ones or not the right ones; all of the height are asked for again
    /// then, because none can be told from the others.
    pub fn take_receipts(&mut self, receipts: &[PlacedReceipt]) -> Result<(), RestoreError> {
        let mut batch = WriteBatch::default();
        let taken = receipts.iter().try_for_each(|receipt| self.take_receipt(receipt, &mut batch));
        if taken.is_err() {
            self.forget_receipts();
        }
        // Whole heights stay, whatever came behind them.
        self.commit(batch)?;
        taken
    }

    /// Forgets the receipts of a height of which not all are here: they are asked for again from the first on. For whoever goes
    /// on with another peer, who should not have to answer for what the one before began.
    pub fn forget_receipts(&mut self) {
        self.receipts.clear();
        self.receipts_bytes = 0;
    }

    fn take_receipt(&mut self, receipt: &PlacedReceipt, batch: &mut WriteBatch) -> Result<(), RestoreError> {
        let Some(((height, index), _)) = self.receipts_from() else { return Ok(()) };
        if (receipt.height, receipt.index) != (height, index) {
            return Err(RestoreError::Foreign("receipts that were not asked for"));
        }
        self.receipts_bytes = self.receipts_bytes.saturating_add(receipt.bytes.len());
        if self.receipts_bytes > HEIGHT_RECEIPTS_BYTES_MAX {
            return Err(RestoreError::Foreign("more receipts than a block can have"));
        }
        self.receipts.push(receipt.bytes.to_vec());
        let summary = self.summary_of(height)?;
        if self.receipts.len() < usize::try_from(summary.tx_count).unwrap_or(usize::MAX) {
            return Ok(());
        }
        let leaves: Vec<Hash> = self.receipts.iter().map(|bytes| leaf_hash(bytes)).collect();
        if merkle_root(&leaves) != summary.receipts_root {
            return Err(RestoreError::Foreign("receipts that a certified summary does not name"));
        }
        self.receipts_bytes = 0;
        for (bytes, index) in std::mem::take(&mut self.receipts).into_iter().zip(0u32..) {
            let receipt: Receipt = decoded(&bytes, "a receipt")?;
            // Below the lowest readable height nobody asks where in a batch it stood.
            let place = Place { lane: 0, seq: 0, index: 0 };
            batch.put(TX_AT, *receipt.tx_id.as_bytes(), encode(&ExecutedAt { height, index, place }));
            batch.put(RECEIPT, by_index(height, index), bytes);
        }
        self.record.receipts = height.next();
        Ok(self.skip_empty()?)
    }

    /// Passes over heights that executed nothing.
    fn skip_empty(&mut self) -> Result<(), LedgerError> {
        while let Some(((height, _), _)) = self.receipts_from() {
            if self.summary_of(height)?.tx_count > 0 {
                break;
            }
            self.record.receipts = height.next();
        }
        Ok(())
    }

    fn summary_of(&self, height: Height) -> Result<Summary, LedgerError> {
        let record: Option<SummaryRecord> = load(&*self.store, SUMMARY, &by_height(height), "a summary")?;
        record.map(|record| record.summary).ok_or_else(|| LedgerError::corrupt("a summary"))
    }

    /// What is missing of the state: from a tree key on up to another, in ranges that can be asked for side by side. None at
    /// all before all blocks are here, because nothing can be checked before.
    pub fn missing(&self) -> &[(Hash, Hash)] {
        if self.record.is_followed { &self.record.spans } else { &[] }
    }

    /// Takes the chunk that begins a missing range. A chunk of a range that is not missing any more is left aside.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Chunk`] or [`RestoreError::Foreign`] if it is not what the state holds there.
    pub fn take_chunk(&mut self, from: &Hash, chunk: &StateChunk) -> Result<(), RestoreError> {
        let summary = self.record.summary;
        let Some(place) = self.record.spans.iter().position(|(begin, _)| begin == from) else { return Ok(()) };
        let Some((_, to)) = self.record.spans.get(place).copied() else { return Ok(()) };
        let covers_something = chunk.to == to || !chunk.entries.is_empty();
        if chunk.to > to || !covers_something {
            return Err(RestoreError::Foreign("a chunk of another range"));
        }
        chunk.verify(&summary.state_root, from)?;
        let changes: Vec<StateChange> =
            chunk.entries.iter().map(|entry| (entry.key.clone(), Some(entry.value.to_vec()))).collect();
        let mut batch = WriteBatch::default();
        if !changes.is_empty() {
            self.grow(&changes, &mut batch)?;
            write_state(&mut batch, &changes, self.record.height);
            write_raw_keys(&mut batch, changes.iter().map(|(key, _)| key));
        }
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        self.record.entries = self.record.entries.saturating_add(count);
        self.record.bytes = self.record.bytes.saturating_add(chunk.bytes());
        match tree_key_above(&chunk.to).filter(|next| *next <= to) {
            Some(next) => {
                if let Some(span) = self.record.spans.get_mut(place) {
                    span.0 = next;
                }
            }
            None => drop(self.record.spans.remove(place)),
        }
        self.commit(batch)?;
        self.tree.keep();
        Ok(())
    }

    /// Adds the tree of the next version to a batch, and removes what the version before had replaced.
    fn grow(&mut self, changes: &[StateChange], batch: &mut WriteBatch) -> Result<(), LedgerError> {
        let version = match self.record.tree {
            Some((version, _)) => {
                forget_replaced(&*self.store, version, batch)?;
                version.saturating_add(1)
            }
            None => 0,
        };
        let root = self.tree.grow(&*self.store, version, changes, batch)?;
        self.record.tree = Some((version, root));
        Ok(())
    }

    /// Whether the next blocks are the first ones: they show that the base is right, which nothing else does.
    pub fn is_at_floor(&self) -> bool {
        self.record.above == self.record.floor
    }

    /// How much of the state is here, in millionths. The keys of the state are spread evenly, so that the part of their space
    /// that is covered is the part of the state, but for the size of the values.
    pub fn progress(&self) -> u64 {
        let Record { spans, .. } = &self.record;
        let top = |hash: &Hash| hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)));
        let missing = |(from, to): &(Hash, Hash)| top(to).saturating_sub(top(from));
        let missing: u64 = spans.iter().map(missing).fold(0, u64::saturating_add);
        1_000_000u64.saturating_sub(missing.saturating_mul(1_000_000) >> 32)
    }

    /// Entries of the state that are here, and the bytes of their keys and values.
    pub const fn counted(&self) -> (u64, u64) {
        (self.record.entries, self.record.bytes)
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.record.is_followed && self.receipts_from().is_none() && self.record.spans.is_empty()
    }

    /// Makes the store a ledger.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Foreign`] if something is missing, [`LedgerError::Corrupt`] if the tree that was built has another root
    /// than the certified one: the store lost something, and the building has to begin anew.
    pub fn finish(mut self) -> Result<Restored, RestoreError> {
        let mut batch = WriteBatch::default();
        if self.is_complete() && self.record.tree.is_none() {
            self.grow(&[], &mut batch)?;
        }
        let Record { height, floor, base, summary, tree, entries, bytes, .. } = self.record.clone();
        let parts = base.zip(tree).filter(|_| self.is_complete());
        let Some(((id, cut, finalization), (version, root))) = parts else {
            return Err(RestoreError::Foreign("a snapshot that is not complete"));
        };
        if root != summary.state_root {
            return Err(LedgerError::corrupt("the state tree of a snapshot").into());
        }
        let header = load(&*self.store, HEADER, &by_height(height), "a header")?;
        let header = header.ok_or_else(|| LedgerError::corrupt("a header"))?;
        forget_replaced(&*self.store, version, &mut batch)?;
        self.date_summaries(version, &mut batch)?;
        let view = finalization.vote.view;
        let head = Head { header, id, view, cut, summary, certified: None, tree_version: version };
        write_head(&mut batch, &head);
        let pruned = PrunedRecord { earliest: height.next(), swept: floor.next(), cut: self.record.floor_cut };
        batch.put(META, META_PRUNED, encode(&pruned));
        batch.put(META, META_SCHEMA, encode(&SCHEMA_VERSION));
        batch.put(META, META_CHAIN, encode(&self.record.chain));
        batch.delete(META, META_RESTORE);
        self.store.commit(batch).map_err(LedgerError::from)?;
        Ok(Restored { height, state_root: root, entries, bytes, finalization })
    }

    /// Gives all summaries the version of the tree that was built: there is no other.
    fn date_summaries(&self, version: u64, batch: &mut WriteBatch) -> Result<(), LedgerError> {
        let mut from = Vec::new();
        loop {
            let scan = Scan { from: &from, to: None, order: Order::Ascending, limit: 1_024 };
            let found = self.store.scan(SUMMARY, scan)?;
            let Some((last, _)) = found.last() else { return Ok(()) };
            from = [&last[..], &[0]].concat();
            for (key, value) in found {
                let record: SummaryRecord = decoded(&value, "a summary")?;
                batch.put(SUMMARY, key, encode(&SummaryRecord { tree_version: version, ..record }));
            }
        }
    }

    /// Commits a batch together with how far the building is.
    fn commit(&mut self, mut batch: WriteBatch) -> Result<(), LedgerError> {
        batch.put(META, META_RESTORE, encode(&self.record));
        Ok(self.store.commit(batch)?)
    }
}

/// Refuses evidence that cannot stand where it is said to, or twice: the caller verified that each piece is evidence.
fn refuse_strange_evidence(floor: &Header, evidence: &[Accusation]) -> Result<(), RestoreError> {
    let places: BTreeSet<(Height, u32)> = evidence.iter().map(|it| (it.height, it.index)).collect();
    let culprits: BTreeSet<_> = evidence.iter().map(|it| it.evidence.culprit()).collect();
    let is_below =
        |it: &Accusation| it.evidence.epoch() == floor.epoch && it.height > Height::ZERO && it.height <= floor.height;
    let are_distinct = places.len() == evidence.len() && culprits.len() == evidence.len();
    if are_distinct && evidence.iter().all(is_below) {
        return Ok(());
    }
    Err(RestoreError::Foreign("evidence that cannot stand where it is said to"))
}

/// Refuses a base whose blocks begin lower than they have to: whoever joins would fetch for ever.
fn reaches_no_further_than_needed(record: &Record, first: &Header) -> Result<(), RestoreError> {
    let is_needed = first.time.get() >= record.repeatable_from || record.floor == record.executed;
    if is_needed { Ok(()) } else { Err(RestoreError::Foreign("a base that begins too low")) }
}

/// Takes one block, and writes what is kept of it.
fn take_block(
    record: &mut Record,
    block: &Block,
    finalization: &Finalization,
    batch: &mut WriteBatch,
) -> Result<(), RestoreError> {
    let header = &block.header;
    let is_next = header.parent == record.id && header.height == record.above.next() && header.chain == record.chain;
    if !is_next || !block.body_matches_header() {
        return Err(RestoreError::Foreign("blocks that do not follow the last one"));
    }
    let cut = block.cut_above(&record.cut).ok_or(RestoreError::Foreign("a block with forged lanes"))?;
    let id = header.id();
    for summary in block.body.results.iter().filter(|summary| summary.height > record.floor) {
        if summary.height <= record.height {
            let summary = SummaryRecord { summary: *summary, tree_version: 0 };
            batch.put(SUMMARY, by_height(summary.summary.height), encode(&summary));
        }
        record.is_followed |= *summary == record.summary;
    }
    if header.height <= record.height {
        write_frame(batch, block, id);
        write_evidence(batch, block);
        write_cut(batch, header.height, &cut);
    }
    if header.height == record.height {
        if id != record.summary.block {
            return Err(RestoreError::Foreign("another block than the one whose state it is"));
        }
        record.base = Some((id, cut.clone(), finalization.clone()));
    }
    (record.id, record.above, record.cut) = (id, header.height, cut);
    if !record.is_followed && header.ends_epoch() {
        return Err(RestoreError::Foreign("a snapshot whose epoch ends below the results of its height"));
    }
    Ok(())
}

/// The ranges of tree keys in which the state is handed out side by side: those below the places of the topmost page.
pub fn snapshot_ranges() -> Vec<(Hash, Hash)> {
    let range = |nibble: u8| {
        let (mut from, mut to) = ([0; 32], [0xff; 32]);
        (from[0], to[0]) = (nibble << 4, nibble << 4 | 0x0f);
        (Hash::new(from), Hash::new(to))
    };
    (0..16).map(range).collect()
}

/// The tree key above one; none above the highest.
pub fn tree_key_above(key: &Hash) -> Option<Hash> {
    let mut bytes = *key.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, is_carried) = byte.overflowing_add(1);
        *byte = next;
        if !is_carried {
            return Some(Hash::new(bytes));
        }
    }
    None
}
