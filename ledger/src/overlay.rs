//! The state while a block is executed: the store's values, each read once, with the changes of the block on top.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use althing_contracts::{StateRead, WriteSet};
use althing_storage::OrderedStore;
use althing_types::StateKey;

use crate::error::LedgerError;
use crate::space::{STATE, state};

/// The state of a block under execution. It holds what the block's transactions read and wrote, which their gas bounds.
pub(crate) struct BlockState<'a, S> {
    store: &'a S,
    /// Reading fills it, which no reader can tell.
    slots: RefCell<BTreeMap<StateKey, Slot>>,
}

/// A place in the state.
struct Slot {
    /// The value below the block.
    stored: Option<Vec<u8>>,
    /// The value that the block put in its place, if it did.
    written: Option<Option<Vec<u8>>>,
}

/// What a block changed in the state.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// All of it, ascending by key.
    pub(crate) all: Vec<StateChange>,
    /// The keys that had no value below the block.
    pub(crate) created: Vec<StateKey>,
}

/// A place in the state whose value a block changed, and the value after it.
pub type StateChange = (StateKey, Option<Vec<u8>>);

impl Slot {
    const fn current(&self) -> &Option<Vec<u8>> {
        match &self.written {
            Some(value) => value,
            None => &self.stored,
        }
    }
}

impl<'a, S: OrderedStore> BlockState<'a, S> {
    /// The state below the block.
    pub(crate) const fn new(store: &'a S) -> Self {
        Self { store, slots: RefCell::new(BTreeMap::new()) }
    }

    /// Reads many places at once, so that reading each of them later costs nothing.
    pub(crate) fn warm(&self, keys: Vec<StateKey>) -> Result<(), LedgerError> {
        let encoded: Vec<Vec<u8>> = keys.iter().map(state).collect();
        let values = self.store.get_many(STATE, &encoded)?;
        let mut slots = self.slots.borrow_mut();
        for (key, stored) in keys.into_iter().zip(values) {
            slots.entry(key).or_insert(Slot { stored, written: None });
        }
        Ok(())
    }

    /// Puts what an executed transaction wrote on top.
    pub(crate) fn apply(&mut self, writes: WriteSet) -> Result<(), LedgerError> {
        for (key, value) in writes {
            let slot = match self.slots.get_mut().entry(key) {
                Entry::Occupied(slot) => slot.into_mut(),
                Entry::Vacant(place) => {
                    let stored = self.store.get(STATE, &state(place.key()))?;
                    place.insert(Slot { stored, written: None })
                }
            };
            slot.written = Some(value);
        }
        Ok(())
    }

    /// What the block changed, ascending by key. What was changed and changed back is not among it.
    pub(crate) fn into_changes(self) -> Changes {
        let mut changes = Changes::default();
        for (key, slot) in self.slots.into_inner() {
            let Some(after) = slot.written.filter(|after| *after != slot.stored) else { continue };
            if slot.stored.is_none() {
                changes.created.push(key.clone());
            }
            changes.all.push((key, after));
        }
        changes
    }
}

impl<S: OrderedStore> StateRead for BlockState<'_, S> {
    type Error = LedgerError;

    fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>, LedgerError> {
        if let Some(slot) = self.slots.borrow().get(key) {
            return Ok(slot.current().clone());
        }
        let stored = self.store.get(STATE, &state(key))?;
        self.slots.borrow_mut().insert(key.clone(), Slot { stored: stored.clone(), written: None });
        Ok(stored)
    }
}
