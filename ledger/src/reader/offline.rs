//! Reading a store that nobody writes to: for those who copy or audit a chain.

use std::sync::{Arc, RwLock};

use althing_storage::{Entry, Order, OrderedStore, Scan};
use althing_types::{Hash, Height, Summary};

use super::Reader;
use crate::error::LedgerError;
use crate::head::Head;
use crate::prune::{Earliest, PrunedRecord};
use crate::record::{Place, load};
use crate::space::{META, META_CHAIN, META_SCHEMA, SCHEMA_VERSION, STATE};

/// What is stored of the execution of a block, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResults {
    /// The summary.
    pub summary: Summary,
    /// The places of the executed transactions, in the order of execution.
    pub places: Vec<Place>,
    /// The encoded receipts, in the same order.
    pub receipts: Vec<Vec<u8>>,
}

impl<S: OrderedStore> Reader<S> {
    /// A reader of a store without a writer. Nothing is written, so the store may be open for reading only.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Version`] or [`LedgerError::OtherChain`] if the store is not this version's or not this chain's,
    /// [`LedgerError::Corrupt`] if it holds no ledger, or one whose head does not fit together.
    pub fn open(store: Arc<S>, chain: &Hash) -> Result<Self, LedgerError> {
        let form: Option<u32> = load(&*store, META, META_SCHEMA, "the form of the store")?;
        match form.ok_or_else(|| LedgerError::corrupt("the form of the store"))? {
            SCHEMA_VERSION => {}
            found => return Err(LedgerError::Version { found, expected: SCHEMA_VERSION }),
        }
        let found: Option<Hash> = load(&*store, META, META_CHAIN, "the name of the chain")?;
        let found = found.ok_or_else(|| LedgerError::corrupt("the name of the chain"))?;
        if found != *chain {
            return Err(LedgerError::OtherChain { found, expected: *chain });
        }
        let (head, pruned) = (Head::load(&*store)?, PrunedRecord::load(&*store)?);
        Ok(Self::new(store, Arc::new(RwLock::new(Arc::new(head))), Earliest::new(pruned.earliest)))
    }

    /// What is stored of the execution of a height; none if there is no summary of it. The caps of a block bound it.
    pub fn stored_results(&self, height: Height) -> Result<Option<StoredResults>, LedgerError> {
        let Some(summary) = self.summary(height)? else { return Ok(None) };
        let (places, receipts) = (self.places(height)?, self.encoded_receipts(height, 0, usize::MAX)?);
        Ok(Some(StoredResults { summary, places, receipts }))
    }

    /// Entries of the latest state, ascending by their encoded keys, from a key on. The first whose key is `from` is among
    /// them.
    pub fn state_from(&self, from: &[u8], limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let scan = Scan { from, to: None, order: Order::Ascending, limit };
        Ok(self.store.scan(STATE, scan)?)
    }

    /// The lowest height at or above this one whose block has a Finalization of its own; none if there is none.
    pub fn certified_from(&self, height: Height) -> Result<Option<Height>, LedgerError> {
        Ok(self.certificate_from(height, u64::MAX)?.map(|(height, _)| height))
    }

    /// The highest height at or below this one whose block has a Finalization of its own; none if there is none.
    pub fn certified_below(&self, height: Height) -> Result<Option<Height>, LedgerError> {
        self.last_certified(height.min(self.head().header.height))
    }
}
