//! Forgetting: removes what lies below the heights that an operator chose to keep, beside the writer.
//!
//! # Invariants
//!
//! 1. Nothing that can still be asked for is removed: the lowest readable height is raised first, and readers look at it
//!    after they have read.
//! 2. Nothing that decides about a later block is removed: the latest state and its tree stay, results that no
//!    certificate covers stay, and the place of a transaction stays for as long as the transaction could be ordered
//!    again and be valid.
//! 3. What was removed half way is removed to the end later: what tells what to remove goes last, together with the
//!    note that it is done.
//!
//! Each piece is a commit of its own, and a block waits for one at most: never are two unfinished writes at the end of the
//! store's log, which after a power failure could not be told from damage.
//!
//! Kept for ever, because they are few and others rest on them: the header of height 0, header and certificate of each
//! block that ends an epoch (E2), and evidence.

mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use althing_storage::{OrderedStore, WriteBatch};
use althing_types::{ChainParams, Height, LaneTip, TimeMs, encode};
use borsh::{BorshDeserialize, BorshSerialize};

use self::sweep::sweep;
use crate::error::LedgerError;
use crate::reader::Reader;
use crate::record::load;
use crate::space::{BATCH, BY_HEIGHT, META, META_PRUNED, NODE_STALE, by_batch, by_height};

/// Heights below the last one that are always kept: more than any peer that is merely slow asks for.
pub const RETAINED_BLOCKS_MIN: u64 = 64;
/// Heights that a window keeps unless something else is said.
pub const WINDOW_BLOCKS_DEFAULT: u64 = 100_000;
/// By how many heights the lowest one is raised at least, so that it is not written down for each block.
const RAISE_MIN: u64 = 16;
/// Heights after which the store is asked for the room of those that were removed.
const RECLAIM_EVERY: u64 = 1_024;

/// Bytes of keys that are removed at once, about: what a commit may have to wait for.
const PIECE_BYTES: usize = 64 << 10;

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// All of it.
    Archive,
    /// This many heights below the last one, at least [`RETAINED_BLOCKS_MIN`].
    Window(u64),
    /// As little as the protocol needs.
    Latest,
}

impl Retention {
    /// Heights below the last one that are kept; none for all.
    const fn blocks(self) -> Option<u64> {
        match self {
            Self::Archive => None,
            Self::Window(blocks) if blocks > RETAINED_BLOCKS_MIN => Some(blocks),
            Self::Window(_) | Self::Latest => Some(RETAINED_BLOCKS_MIN),
        }
    }
}

/// How far a store is pruned, in [`META`].
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct PrunedRecord {
    /// The lowest height that can be asked for.
    pub(crate) earliest: Height,
    /// Everything below this height is removed. Never above `earliest`.
    pub(crate) swept: Height,
    /// The tips of all lanes below the block of the height `swept`.
    pub(crate) cut: Vec<LaneTip>,
}

impl PrunedRecord {
    /// The record of a store, which nothing was removed from while there is none.
    pub(crate) fn load<S: OrderedStore>(store: &S) -> Result<Self, LedgerError> {
        let record: Option<Self> = load(store, META, META_PRUNED, "how far it is pruned")?;
        let record = record.unwrap_or_default();
        if record.swept > record.earliest {
            return Err(LedgerError::corrupt("how far it is pruned"));
        }
        Ok(record)
    }
}

/// The lowest height that can be asked for, shared by all who read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Earliest(Arc<AtomicU64>);

impl Earliest {
    pub(crate) fn new(height: Height) -> Self {
        Self(Arc::new(AtomicU64::new(height.get())))
    }

    pub(crate) fn get(&self) -> Height {
        Height::new(self.0.load(Ordering::SeqCst))
    }

    fn raise(&self, height: Height) {
        self.0.store(height.get(), Ordering::SeqCst);
    }
}

/// Removes what need not be kept. There is one for a store, on a thread of its own choice.
#[derive(Debug)]
pub struct Pruner<S> {
    store: Arc<S>,
    reader: Reader<S>,
    retention: Retention,
    /// For how long after its block a transaction could be valid, in milliseconds.
    replay_ms: u64,
    earliest: Earliest,
    record: PrunedRecord,
    /// The store was asked for the room of the heights below this one since it was opened.
    reclaimed: Height,
    /// Bytes of keys that are removed at once, about.
    piece_bytes: usize,
}

impl<S: OrderedStore> Pruner<S> {
    pub(crate) fn new(
        store: Arc<S>,
        reader: Reader<S>,
        retention: Retention,
        params: &ChainParams,
        earliest: Earliest,
    ) -> Result<Self, LedgerError> {
        let record = PrunedRecord::load(&*store)?;
        let replay_ms = u64::from(params.transactions.max_window_ms);
        let (reclaimed, piece_bytes) = (Height::ZERO, PIECE_BYTES);
        Ok(Self { store, reader, retention, replay_ms, earliest, record, reclaimed, piece_bytes })
    }

    /// Removes one key at a time, so that a crash can come between any two.
    #[cfg(test)]
    pub(crate) fn in_smallest_pieces(self) -> Self {
        Self { piece_bytes: 1, ..self }
    }

    /// Does a bounded piece of the work: raises the lowest height that can be asked for, or removes what one block left.
    /// Returns whether there is more to do now; if not, there may be after further blocks. What was begun is gone on
    /// with after a restart, unless the store is an archive then.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`], and what the store says; after a failed write every later commit fails as well.
    pub fn step(&mut self) -> Result<bool, LedgerError> {
        if self.retention == Retention::Archive {
            return Ok(false);
        }
        if self.record.swept.get() >= self.reclaimed.get().saturating_add(RECLAIM_EVERY) {
            self.reclaim()?;
            return Ok(true);
        }
        if self.record.swept < self.record.earliest && self.is_due(self.record.swept)? {
            self.record = sweep(&*self.store, &self.reader, &self.record, self.piece_bytes)?;
            return Ok(true);
        }
        let goal = self.goal()?;
        if goal.get() >= self.record.earliest.get().saturating_add(RAISE_MIN) {
            self.raise(goal)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The lowest height that can be asked for.
    pub fn earliest(&self) -> Height {
        self.record.earliest
    }

    /// Whether what lies at a height may go: always, but where the ledger was built of a snapshot, whose last blocks say
    /// what must not be executed again, and hold results that no block carries yet.
    fn is_due(&self, height: Height) -> Result<bool, LedgerError> {
        let (head, header) = (self.reader.head(), self.reader.header(height)?);
        let header = header.ok_or_else(|| LedgerError::corrupt("a header"))?;
        let is_covered = height < head.certified.unwrap_or_default().min(head.header.executed_height);
        Ok(is_covered && header.time.get().saturating_add(self.replay_ms) < head.header.time.get())
    }

    /// The lowest height that must be kept now.
    fn goal(&self) -> Result<Height, LedgerError> {
        let head = self.reader.head();
        let certified = head.certified.unwrap_or_default();
        let kept = self.retention.blocks().and_then(|blocks| head.header.height.get().checked_sub(blocks));
        let goal = Height::new(kept.unwrap_or(0)).min(certified).min(head.header.executed_height);
        self.beyond_replay(goal, head.header.time)
    }

    /// The highest height up to `goal` below which no transaction can be valid again, nor could for as long as that: what was
    /// executed at a time may be ordered again until the longest window has passed.
    fn beyond_replay(&self, goal: Height, now: TimeMs) -> Result<Height, LedgerError> {
        let (mut low, mut high) = (self.record.earliest.get(), goal.get());
        // All heights below `low` are old enough, none from `high` on is known to be.
        while low < high {
            let middle = low.midpoint(high);
            let header = self.reader.header(Height::new(middle))?.ok_or_else(|| LedgerError::corrupt("a header"))?;
            // As long again as a transaction may wait, whoever fetches a snapshot finds what belongs to it.
            if header.time.get().saturating_add(self.replay_ms.saturating_mul(2)) < now.get() {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(Height::new(low))
    }

    /// Raises the lowest height that can be asked for. Readers know before anything is removed.
    fn raise(&mut self, goal: Height) -> Result<(), LedgerError> {
        let record = PrunedRecord { earliest: goal, ..self.record.clone() };
        let mut batch = WriteBatch::default();
        batch.put(META, META_PRUNED, encode(&record));
        self.store.commit(batch)?;
        self.earliest.raise(goal);
        self.record = record;
        Ok(())
    }

    /// Asks for the room of what was removed where nothing is added in between, so that the store has no cause of its own
    /// to merge it. It has in all other spaces. What was given back before costs nothing more.
    fn reclaim(&mut self) -> Result<(), LedgerError> {
        let swept = self.record.swept;
        let executed = self.reader.stored_version(swept)?.ok_or_else(|| LedgerError::corrupt("a summary"))?;
        let header = self.reader.header(swept)?.ok_or_else(|| LedgerError::corrupt("a header"))?;
        for space in BY_HEIGHT {
            self.store.reclaim(*space, &by_height(Height::ZERO), &by_height(swept))?;
        }
        self.store.reclaim(NODE_STALE, &[], &executed.to_be_bytes())?;
        self.store.reclaim(BATCH, &[], &by_batch(header.epoch, 0, 0))?;
        for tip in &self.record.cut {
            let (from, to) = (by_batch(header.epoch, tip.lane, 0), by_batch(header.epoch, tip.lane, tip.seq));
            self.store.reclaim(BATCH, &from, &to)?;
        }
        self.reclaimed = swept;
        Ok(())
    }
}
