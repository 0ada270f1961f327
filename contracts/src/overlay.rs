//! The view that a transaction runs on: the state below, and above it what the transaction wrote so far.
//!
//! Writes come in two layers. What was kept stays whatever happens later; what is pending is kept or dropped as a
//! whole. Nothing here reaches the state below: the caller applies the write set, or does not.

use std::collections::BTreeMap;

use althing_types::StateKey;

/// What a transaction writes: the new value per key; none deletes the value. A key may be written with the value that
/// it has already. Bounded by the actions of a transaction.
pub type WriteSet = BTreeMap<StateKey, Option<Vec<u8>>>;

/// A read-only view of the state, as of the transaction before.
pub trait StateRead {
    /// Why a value cannot be read: the fault of the world or of the store, never of a transaction.
    type Error;

    /// The value at a key, or none if there is none. Two reads of one key during one transaction must answer alike. An
    /// error ends the execution at once: the transaction then has no outcome, and the caller must not go on without it.
    fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// A state with the writes of one transaction above it.
pub(crate) struct Overlay<'a, S> {
    below: &'a S,
    kept: WriteSet,
    pending: WriteSet,
}

impl<'a, S: StateRead> Overlay<'a, S> {
    /// An overlay without writes.
    pub(crate) const fn new(below: &'a S) -> Self {
        Self { below, kept: WriteSet::new(), pending: WriteSet::new() }
    }

    /// The value as the transaction sees it now.
    pub(crate) fn read(&self, key: &StateKey) -> Result<Option<Vec<u8>>, S::Error> {
        match self.pending.get(key).or_else(|| self.kept.get(key)) {
            Some(written) => Ok(written.clone()),
            None => self.below.read(key),
        }
    }

    /// Writes a value, or deletes it. Pending until [`Self::keep`] or [`Self::discard`].
    pub(crate) fn write(&mut self, key: StateKey, value: Option<Vec<u8>>) {
        self.pending.insert(key, value);
    }

    /// Makes the pending writes final.
    pub(crate) fn keep(&mut self) {
        self.kept.append(&mut self.pending);
    }

    /// Drops the pending writes.
    pub(crate) fn discard(&mut self) {
        self.pending.clear();
    }

    /// What was kept. Writes that are still pending are lost.
    pub(crate) fn into_writes(self) -> WriteSet {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::Address;

    struct Below;

    impl StateRead for Below {
        type Error = ();

        fn read(&self, _: &StateKey) -> Result<Option<Vec<u8>>, ()> {
            Ok(Some(vec![0]))
        }
    }

    #[test]
    fn what_is_dropped_uncovers_what_was_kept() {
        let key = StateKey::Account(Address::new([1; 32]));
        let mut overlay = Overlay::new(&Below);
        assert_eq!(overlay.read(&key), Ok(Some(vec![0])));
        overlay.write(key.clone(), Some(vec![1]));
        overlay.keep();
        overlay.write(key.clone(), None);
        assert_eq!(overlay.read(&key), Ok(None));
        overlay.discard();
        assert_eq!(overlay.read(&key), Ok(Some(vec![1])));
        overlay.write(key.clone(), Some(vec![2]));
        assert_eq!(overlay.into_writes(), WriteSet::from([(key, Some(vec![1]))]));
    }
}
