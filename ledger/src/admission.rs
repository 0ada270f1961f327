//! The latest state, for dry runs at admission. Their answer is advice: by the time a transaction is executed the state
//! has moved on.

use std::sync::Arc;

use althing_contracts::StateRead;
use althing_storage::OrderedStore;
use althing_types::StateKey;

use crate::error::LedgerError;
use crate::space::{STATE, state};

/// A view of the latest state. Between two reads of it a block may be committed, so that they may be of two heights.
#[derive(Debug)]
pub struct LatestState<S> {
    store: Arc<S>,
}

impl<S> LatestState<S> {
    pub(crate) const fn new(store: Arc<S>) -> Self {
        Self { store }
    }
}

impl<S: OrderedStore> StateRead for LatestState<S> {
    type Error = LedgerError;

    fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.store.get(STATE, &state(key))?)
    }
}
