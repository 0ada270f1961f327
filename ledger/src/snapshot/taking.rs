//! Handing out the parts of a snapshot, from whatever is kept.

use althing_storage::{Order, OrderedStore, Scan};
use althing_types::{Bytes, ChainParams, Epoch, Hash, Height, LaneTip, List, StateKey, TimeMs};

use super::{
    Accusation, CHUNK_BYTES, CHUNK_ENTRIES_MAX, PlacedReceipt, RECEIPTS_BYTES, RECEIPTS_MAX, SnapshotBase, StateChunk,
    StateEntry,
};
use crate::error::LedgerError;
use crate::reader::Reader;
use crate::record::{decoded, load};
use crate::space::{CUT, CUT_EVERY, HEIGHT_BYTES, RAW_KEY, RECEIPT, by_height, by_index};
use crate::tree::{PagedTree, Range};

/// Headers between the one that carries the summary and the certificate at most.
const LINK_MAX: usize = 1_024;

impl<S: OrderedStore> Reader<S> {
    /// The base of a snapshot of the height below the newest one whose results a certificate covers: so whoever begins with it
    /// can prove what it answers as soon as it has executed one block. None if there is no such height or if too little is kept
    /// below it; and none once the first epoch has ended: a ledger of a later one rests on the ends of those
    /// before, which no part of a snapshot holds yet. It can be asked for its parts until they are
    /// pruned, which [`crate::Pruner`] puts off for a while.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`], and what the store says.
    pub fn snapshot_base(&self, params: &ChainParams) -> Result<Option<SnapshotBase>, LedgerError> {
        let certified = self.head().certified.unwrap_or_default().previous();
        let Some(height) = Some(certified).filter(|height| *height >= self.earliest().max(Height::new(1))) else {
            return Ok(None);
        };
        match self.base_of(height, params) {
            Err(LedgerError::Pruned { .. }) => Ok(None),
            Err(LedgerError::ProofUnavailable { .. }) => Ok(None),
            base => base,
        }
    }

    fn base_of(&self, height: Height, params: &ChainParams) -> Result<Option<SnapshotBase>, LedgerError> {
        let missing = || LedgerError::corrupt("a header");
        let header = self.header(height)?.ok_or_else(missing)?;
        let repeatable = self.first_repeatable(height, header.time, u64::from(params.transactions.max_window_ms))?;
        let floor = repeatable.min(header.executed_height.next()).previous();
        if floor < self.earliest() {
            return Ok(None);
        }
        let proof = self.prove_summary(height)?;
        let headers = &proof.chain.headers;
        if headers.len() > LINK_MAX || headers.iter().any(|header| header.epoch > Epoch::ZERO || header.ends_epoch()) {
            return Ok(None);
        }
        let Some(cut) = self.cut(floor)? else { return Ok(None) };
        let mut evidence = Vec::new();
        for culprit in self.accused(header.epoch)? {
            let page = self.evidence_against(header.epoch, culprit, None, 1)?;
            let below = page.entries.into_iter().filter(|entry| entry.at.height <= floor);
            evidence.extend(below.map(|entry| Accusation {
                height: entry.at.height,
                index: entry.at.index,
                evidence: entry.evidence,
            }));
        }
        let floor = self.header(floor)?.ok_or_else(missing)?;
        let (cut, evidence) = (List::truncated(cut), List::truncated(evidence));
        Ok(Some(SnapshotBase { header, proof, floor, cut, evidence }))
    }

    /// The lowest height up to `height` of which a transaction may be ordered again above it, as far down as is kept.
    fn first_repeatable(&self, height: Height, now: TimeMs, replay_ms: u64) -> Result<Height, LedgerError> {
        let (mut low, mut high) = (self.earliest().get(), height.get());
        while low < high {
            let middle = low.midpoint(high);
            let header = self.header(Height::new(middle))?.ok_or_else(|| LedgerError::corrupt("a header"))?;
            if header.time.get().saturating_add(replay_ms) < now.get() {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(Height::new(low))
    }

    /// The tips of all lanes after a height; none if what they follow from is not kept.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`], and what the store says.
    pub fn cut(&self, height: Height) -> Result<Option<Vec<LaneTip>>, LedgerError> {
        let below = height.get().saturating_sub(height.get().checked_rem(CUT_EVERY).unwrap_or(0));
        // It may be below the lowest height that is kept, and may vanish while it is read.
        self.kept(Height::new(below), self.cut_above(below, height))
    }

    fn cut_above(&self, below: u64, height: Height) -> Result<Option<Vec<LaneTip>>, LedgerError> {
        let stored: Option<Vec<LaneTip>> = load(self.store(), CUT, &by_height(Height::new(below)), "a cut")?;
        let Some(mut cut) = stored else { return Ok(None) };
        for height in below.saturating_add(1)..=height.get() {
            let Some(block) = self.stored_block(Height::new(height))? else { return Ok(None) };
            cut = block.cut_above(&cut).ok_or_else(|| LedgerError::corrupt("the lanes of a block"))?;
        }
        Ok(Some(cut))
    }

    /// Receipts from a place on up to the end of a height, as many as fit a part.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Pruned`], [`LedgerError::HeightInFuture`], and what the store says.
    pub fn snapshot_receipts(
        &self,
        (first, index): (Height, u32),
        last: Height,
    ) -> Result<List<PlacedReceipt, RECEIPTS_MAX>, LedgerError> {
        let last = self.committed(last)?;
        self.kept(first, self.receipts_between((first, index), last))
    }

    fn receipts_between(
        &self,
        (first, index): (Height, u32),
        last: Height,
    ) -> Result<List<PlacedReceipt, RECEIPTS_MAX>, LedgerError> {
        let (mut from, to) = (by_index(first, index), by_height(last.next()));
        let (mut receipts, mut bytes) = (Vec::new(), 0usize);
        loop {
            let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: 256 };
            let found = self.store().scan(RECEIPT, scan)?;
            let Some((highest, _)) = found.last() else { break };
            from = [&highest[..], &[0]].concat();
            for (key, value) in found {
                bytes = bytes.saturating_add(value.len());
                if receipts.len() >= RECEIPTS_MAX || (bytes > RECEIPTS_BYTES && !receipts.is_empty()) {
                    return Ok(List::truncated(receipts));
                }
                let (height, index) = place(&key).ok_or_else(|| LedgerError::corrupt("the place of a receipt"))?;
                let bytes = Bytes::new(value).map_err(|_| LedgerError::corrupt("a receipt"))?;
                receipts.push(PlacedReceipt { height, index, bytes });
            }
        }
        Ok(List::truncated(receipts))
    }

    /// The state after a height from one tree key to another, both included, as much as fits a chunk. Where it ends before
    /// `to`, the next chunk begins above the key that it ends with.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Pruned`], [`LedgerError::HeightInFuture`], [`LedgerError::Corrupt`], and what the store says.
    pub fn snapshot_chunk(&self, height: Height, range: (&Hash, &Hash)) -> Result<StateChunk, LedgerError> {
        self.chunk_within(height, range, CHUNK_BYTES)
    }

    /// The same with another bound in bytes.
    pub(crate) fn chunk_within(
        &self,
        height: Height,
        range: (&Hash, &Hash),
        bytes_max: usize,
    ) -> Result<StateChunk, LedgerError> {
        let height = self.committed(height)?;
        self.kept(height, self.chunk_of(height, range, bytes_max))
    }

    fn chunk_of(&self, height: Height, range: (&Hash, &Hash), bytes_max: usize) -> Result<StateChunk, LedgerError> {
        let executed = self.executed(height)?.ok_or_else(|| LedgerError::corrupt("a summary"))?;
        let (version, root) = (executed.tree_version, executed.summary.state_root);
        let prove = |limit| PagedTree::prove_range(self.store(), version, root, range, limit);
        let Range { leaves, to, proof } = prove(CHUNK_ENTRIES_MAX)?;
        let (mut entries, mut bytes) = (Vec::new(), 0usize);
        let tree_keys: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.key.as_bytes().to_vec()).collect();
        for key in self.store().get_many(RAW_KEY, &tree_keys)? {
            let key = key.ok_or_else(|| LedgerError::corrupt("a key of the state"))?;
            let key: StateKey = decoded(&key, "a key of the state")?;
            let value = self.state(&key, height)?.ok_or_else(|| LedgerError::corrupt("a value of the state"))?;
            let value = Bytes::new(value).map_err(|_| LedgerError::corrupt("a value of the state"))?;
            let entry = StateEntry { key, value };
            bytes = bytes.saturating_add(althing_types::encoded_len(&entry));
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        let (to, proof) = if entries.len() < leaves.len() {
            let shorter = prove(entries.len())?;
            (shorter.to, shorter.proof)
        } else {
            (to, proof)
        };
        Ok(StateChunk { entries: List::truncated(entries), to, proof })
    }
}

/// The height and index that a key consists of.
fn place(key: &[u8]) -> Option<(Height, u32)> {
    let (height, index) = key.split_at_checked(HEIGHT_BYTES)?;
    let height = u64::from_be_bytes(height.try_into().ok()?);
    Some((Height::new(height), u32::from_be_bytes(index.try_into().ok()?)))
}
