//! The state of height 0: the assets and balances of a genesis document, and nothing else of it.
//!
//! An account's policy is no state, although a document may tell it: it is no part of the genesis hash by itself, so
//! that two nodes of one chain may differ in whether their documents tell it.

use althing_contracts::{AssetRecord, encode_balance};
use althing_genesis::{Asset, Genesis};
use althing_types::{AssetId, StateKey, Text};

use crate::overlay::StateChange;

/// What genesis puts into the state, ascending by key.
pub(crate) fn entries(genesis: &Genesis) -> Vec<StateChange> {
    let mut entries: Vec<StateChange> = genesis.assets().iter().map(|asset| asset_entry(genesis, asset)).collect();
    for account in genesis.accounts() {
        for (symbol, amount) in &account.balances {
            let key = StateKey::Balance(account.address, AssetId::of_genesis(symbol));
            // Validation leaves no balance of zero in a document.
            entries.push((key, encode_balance(*amount)));
        }
    }
    entries.sort_unstable();
    entries
}

fn asset_entry(genesis: &Genesis, asset: &Asset) -> StateChange {
    let record = AssetRecord::V1 {
        symbol: asset.symbol.clone(),
        name: Text::new(asset.name.clone()).expect("validation holds names below the record's bound"),
        decimals: asset.decimals,
        supply: genesis.supply(&asset.symbol),
    };
    (StateKey::Asset(AssetId::of_genesis(&asset.symbol)), Some(record.to_bytes()))
}
