//! The store of a node that is stopped, as a source: what an archive would hold, and what the node stored of each execution.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use althing_genesis::Genesis;
use althing_ledger::{LedgerError, Reader, SPACES};
use althing_storage::{OrderedStore, RocksOptions, RocksStore, StoreError};
use althing_types::{Block, Hash, Height, LaneTip, LimitParams};

use super::fault::{AuditError, Fault};
use super::source::{BatchPlace, Entry, Source, ordered, parts, running};

/// Blocks out of a node's store.
pub struct StoreSource<S = RocksStore> {
    reader: Reader<S>,
    limits: LimitParams,
    first: Height,
    last: Height,
    next: Height,
    /// The cut below the next block. It is not verified here, and says only what is read.
    cut: Vec<LaneTip>,
    digest: Hash,
    with_results: bool,
}

impl<S> fmt::Debug for StoreSource<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSource").field("first", &self.first).field("last", &self.last).finish_non_exhaustive()
    }
}

impl StoreSource {
    /// Opens the store in a folder for reading, and leaves the folder as it is. The source holds all of its heights.
    ///
    /// # Errors
    ///
    /// The store is in use by a node, is not there, is damaged, or is of another chain or version.
    pub fn open(db: &Path, genesis: &Genesis) -> Result<Self, AuditError> {
        let store = RocksStore::open_read_only(db, SPACES, RocksOptions::default()).map_err(LedgerError::from)?;
        Self::of(Arc::new(store), genesis)
    }

    /// The same of a store that a node may be writing to. The source holds what was there when it was opened.
    ///
    /// # Errors
    ///
    /// The store is not there, is damaged, or is of another chain or version.
    pub fn open_beside(db: &Path, genesis: &Genesis) -> Result<Self, AuditError> {
        let store = RocksStore::open_beside(db, SPACES, RocksOptions::default()).map_err(LedgerError::from)?;
        Self::of(Arc::new(store), genesis)
    }
}

impl<S: OrderedStore> StoreSource<S> {
    /// The source over a store that nobody writes to.
    pub fn of(store: Arc<S>, genesis: &Genesis) -> Result<Self, AuditError> {
        let reader = Reader::open(store, &genesis.hash())?;
        let (first, last) = (Height::ZERO.next(), reader.head().header.height);
        Ok(Self {
            reader,
            limits: genesis.params().limits,
            first,
            last,
            next: first,
            cut: Vec::new(),
            digest: genesis.hash(),
            with_results: true,
        })
    }

    /// Leaves out what the node stored of each execution, and all heights but these.
    pub fn only(mut self, first: Height, last: Height) -> Result<Self, AuditError> {
        let below = first.previous();
        let missing = |what: &str| Fault::Missing { height: below, what: what.to_owned() };
        (self.with_results, self.last) = (false, last.min(self.last));
        let header = self.reader.header(below)?.ok_or_else(|| missing("the header"))?;
        let is_fresh = below == Height::ZERO || header.ends_epoch();
        let cut = if is_fresh { Some(Vec::new()) } else { self.reader.cut(below)? };
        self.cut = cut.ok_or_else(|| missing("where the lanes stand after it"))?;
        (self.first, self.next) = (first, first);
        Ok(self)
    }

    /// One who reads the same store.
    pub const fn reader(&self) -> &Reader<S> {
        &self.reader
    }

    fn advance(&mut self, block: &Block) {
        for tip in &block.body.lanes {
            match self.cut.iter_mut().find(|known| known.lane == tip.lane) {
                Some(known) => *known = *tip,
                None => self.cut.push(*tip),
            }
        }
        if block.header.ends_epoch() {
            self.cut.clear();
        }
        self.next = self.next.next();
    }

    fn missing(&self, what: impl Into<String>) -> AuditError {
        Fault::Missing { height: self.next, what: what.into() }.into()
    }

    /// What the ledger says of damage, with the height.
    fn load<T>(&self, loaded: Result<T, LedgerError>) -> Result<T, AuditError> {
        loaded.map_err(|error| match error {
            LedgerError::Corrupt { what } => self.missing(what),
            LedgerError::Store(StoreError::Corrupt { reason, .. }) => self.missing(format!("something ({reason})")),
            error => error.into(),
        })
    }

    /// The batches that a block orders. Of a block that orders more than any may, none: it is refused anyway.
    fn batches(&self, block: &Block) -> Result<Vec<althing_types::SignedBatch>, AuditError> {
        let most = u64::from(self.limits.block_transactions_max);
        let places = ordered(block, &self.cut, most).unwrap_or_default();
        let batch = |BatchPlace { epoch, lane, seq }: BatchPlace| {
            let batch = self.load(self.reader.batch(epoch, lane, seq))?;
            batch.ok_or_else(|| self.missing(format!("batch {seq} of lane {lane}")))
        };
        places.into_iter().map(batch).collect()
    }
}

impl<S: OrderedStore> Source for StoreSource<S> {
    fn first(&self) -> Height {
        self.first
    }

    fn last(&self) -> Height {
        self.last
    }

    fn kind(&self) -> &'static str {
        "store"
    }

    fn may_end_uncovered(&self) -> bool {
        true
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, AuditError> {
        let height = self.next;
        if height > self.last {
            return Ok(None);
        }
        let block = self.load(self.reader.block(height))?.ok_or_else(|| self.missing("the block"))?;
        let batches = self.batches(&block)?;
        let finalization = self.load(self.reader.finalization(height))?;
        let stored = if self.with_results { self.load(self.reader.stored_results(height))? } else { None };
        if self.with_results && stored.is_none() {
            return Err(self.missing("the summary"));
        }
        let mut entry = Entry { block, finalization, batches, stored, digest: self.digest };
        let digest = parts(&entry).fold(self.digest, |digest, (part, bytes)| running(&digest, part, &bytes));
        (entry.digest, self.digest) = (digest, digest);
        self.advance(&entry.block);
        Ok(Some(entry))
    }
}
