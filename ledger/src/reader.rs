//! Those who read beside the writer: by height, so that what they return belongs together whatever is committed
//! meanwhile.
//!
//! A reader takes the head first. What the writer adds later has a higher height and is not looked at. Everything that
//! is returned was durable before it could be seen. Lists are bounded: whoever wants more asks again from where the
//! last answer ended. What is below the lowest height that is kept may vanish while it is read, which no reader takes for
//! damage.

mod chain;
mod evidence;
mod history;
mod offline;
mod proofs;
mod state;
mod transactions;

use std::sync::{Arc, PoisonError, RwLock};

use althing_contracts::BlockContext;
use althing_storage::{OrderedStore, Space};
use althing_types::{ChainParams, Height, TimeMs};
use borsh::BorshDeserialize;

pub use self::chain::{RUN_BLOCKS_MAX, RUN_LINK_MAX, Run};
pub use self::evidence::{EvidenceCursor, EvidenceEntry, EvidencePage};
pub use self::history::{HistoryCursor, HistoryEntry, HistoryPage};
pub use self::offline::StoredResults;
pub use self::proofs::{PROVEN_KEYS_MAX, ProvenRange, ProvenReceipt, ProvenState, ProvenTransaction};
pub use self::state::BALANCES_MAX;
pub use self::transactions::LocatedTransaction;
use crate::admission::LatestState;
use crate::error::LedgerError;
use crate::head::Head;
use crate::prune::Earliest;
use crate::record::load;

/// Items of a page at most, whatever its reader asks for (`decisions.md` section 2).
pub const PAGE_MAX: usize = 500;

/// One who reads beside the writer. Clones read the same ledger.
#[derive(Debug)]
pub struct Reader<S> {
    store: Arc<S>,
    head: Arc<RwLock<Arc<Head>>>,
    earliest: Earliest,
}

impl<S> Clone for Reader<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), head: self.head.clone(), earliest: self.earliest.clone() }
    }
}

impl<S: OrderedStore> Reader<S> {
    pub(crate) const fn new(store: Arc<S>, head: Arc<RwLock<Arc<Head>>>, earliest: Earliest) -> Self {
        Self { store, head, earliest }
    }

    /// The last committed block.
    pub fn head(&self) -> Arc<Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lowest height that can be asked for. What belongs to a lower one is [`LedgerError::Pruned`], but for the
    /// headers and certificates that [`Reader::header`] and [`Reader::finalization`] name.
    pub fn earliest(&self) -> Height {
        self.earliest.get()
    }

    /// What execution needs for a dry run above the last committed block: `time` is the caller's wall clock, which
    /// counts from the last block's time on.
    pub fn for_admission(&self, time: TimeMs, params: &ChainParams) -> (BlockContext, LatestState<S>) {
        let head = self.head();
        let context = BlockContext {
            height: head.header.height.next(),
            time: time.max(head.header.time.next()),
            params: *params,
        };
        (context, LatestState::new(self.store.clone()))
    }

    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    /// The store, to build a reader whose head stays behind.
    #[cfg(test)]
    pub(crate) fn store_for_tests(&self) -> Arc<S> {
        self.store.clone()
    }

    fn load<T: BorshDeserialize>(
        &self,
        space: Space,
        key: &[u8],
        what: &'static str,
    ) -> Result<Option<T>, LedgerError> {
        load(&*self.store, space, key, what)
    }

    /// Refuses a height above the last committed one.
    pub(crate) fn committed(&self, height: Height) -> Result<Height, LedgerError> {
        let head = self.head().header.height;
        if height > head { Err(LedgerError::HeightInFuture { height, head }) } else { Ok(height) }
    }

    /// What was found at a height, unless that is not kept any more: what was missing then is no damage. Asked after
    /// reading, because it is raised before anything is removed.
    pub(crate) fn kept<T>(&self, height: Height, found: Result<T, LedgerError>) -> Result<T, LedgerError> {
        let earliest = self.earliest();
        if height < earliest { Err(LedgerError::Pruned { height, earliest }) } else { found }
    }

    /// Whether the height is committed, for questions about what may not exist.
    fn is_committed(&self, height: Height) -> bool {
        height <= self.head().header.height
    }
}
