//! The state at a height: single places, an account with its balances, and the assets.

use althing_contracts::{AssetRecord, decode_account, decode_balance};
use althing_storage::{Order, OrderedStore, Scan};
use althing_types::{Account, Address, AssetId, Height, StateKey};

use super::Reader;
use crate::error::LedgerError;
use crate::record::decoded;
use crate::space::{STATE_AT, above_prefix, above_versions, assets, balances_of, state, state_at, without_height};

/// Balances of an account, or assets, that are listed at most. Genesis names 256 at most.
pub const BALANCES_MAX: usize = 1_024;

impl<S: OrderedStore> Reader<S> {
    /// The value of a place in the state after a height; none if there was none.
    pub fn state(&self, key: &StateKey, height: Height) -> Result<Option<Vec<u8>>, LedgerError> {
        let height = self.committed(height)?;
        self.kept(height, self.value_at(&state(key), height))
    }

    /// What an account held after a height, ascending by asset id, without what it held none of: the first
    /// [`BALANCES_MAX`] assets.
    pub fn balances(&self, address: &Address, height: Height) -> Result<Vec<(AssetId, u128)>, LedgerError> {
        let height = self.committed(height)?;
        let entries = self.kept(height, self.listed(&balances_of(address), height))?;
        let balance = |(key, value): (StateKey, Vec<u8>)| match (key, decode_balance(&value)) {
            (StateKey::Balance(_, asset), Ok(amount)) => Ok((asset, amount)),
            _ => Err(LedgerError::corrupt("a balance")),
        };
        entries.into_iter().map(balance).collect()
    }

    /// An account's record after a height; none for an account that had never set a policy or used a sequence lane.
    pub fn account(&self, address: &Address, height: Height) -> Result<Option<Account>, LedgerError> {
        let value = self.state(&StateKey::Account(*address), height)?;
        let damaged = || LedgerError::corrupt("an account");
        value.map(|bytes| decode_account(&bytes).map_err(|_| damaged())).transpose()
    }

    /// The assets after a height, ascending by id: the first [`BALANCES_MAX`].
    pub fn assets(&self, height: Height) -> Result<Vec<(AssetId, AssetRecord)>, LedgerError> {
        let height = self.committed(height)?;
        let entries = self.kept(height, self.listed(&assets(), height))?;
        let asset = |(key, value): (StateKey, Vec<u8>)| match (key, AssetRecord::from_bytes(&value)) {
            (StateKey::Asset(id), Ok(record)) => Ok((id, record)),
            _ => Err(LedgerError::corrupt("an asset")),
        };
        entries.into_iter().map(asset).collect()
    }

    /// The newest value of an encoded key that is not newer than a height.
    fn value_at(&self, key: &[u8], height: Height) -> Result<Option<Vec<u8>>, LedgerError> {
        let (from, to) = (state_at(key, height), above_versions(key));
        let scan = Scan { from: &from, to: Some(&to), order: Order::Ascending, limit: 1 };
        match self.store.scan(STATE_AT, scan)?.into_iter().next() {
            Some((_, value)) => decoded(&value, "a value of the state"),
            None => Ok(None),
        }
    }

    /// The keys that begin with `prefix` and had a value after a height, with their values. Two seeks for each key.
    fn listed(&self, prefix: &[u8], height: Height) -> Result<Vec<(StateKey, Vec<u8>)>, LedgerError> {
        let end = above_prefix(prefix);
        let mut from = prefix.to_vec();
        let mut found = Vec::new();
        while found.len() < BALANCES_MAX {
            let scan = Scan { from: &from, to: end.as_deref(), order: Order::Ascending, limit: 1 };
            let Some((key, _)) = self.store.scan(STATE_AT, scan)?.into_iter().next() else { break };
            let key = without_height(&key).ok_or_else(|| LedgerError::corrupt("a key of the state"))?;
            if let Some(value) = self.value_at(key, height)? {
                found.push((decoded(key, "a key of the state")?, value));
            }
            from = above_versions(key);
        }
        Ok(found)
    }
}
