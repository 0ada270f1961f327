//! Accounts and assets as callers see them.

use std::collections::BTreeMap;

use althing_types::{Hash, Height, PublicKey, TimeMs};
use serde::{Deserialize, Serialize};

use super::block::Context;
use super::form::{Decimal, Hex};

/// The answer of `account_get`. An account that never held anything has empty balances; that is no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountAnswer {
    /// The account's address.
    pub address: String,
    /// What it holds, by the asset's symbol, in the smallest unit. Assets that it does not hold are left out.
    pub balances: BTreeMap<String, Decimal<u128>>,
    /// Who may act for it; none while it has no record, because its address then is the hash of its policy.
    pub policy: Option<PolicyView>,
    /// Its sequence lanes, ascending by lane.
    pub lanes: Vec<AccountLaneView>,
    /// Whether it is frozen.
    pub frozen: bool,
    /// Which state this is.
    pub context: Context,
    /// With `prove`: why it is to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<AccountProof>,
}

/// The next number of a sequence lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountLaneView {
    /// The lane.
    pub lane: u32,
    /// The next sequence number.
    pub next: Decimal<u64>,
}

/// Who may act for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PolicyView {
    /// One key.
    Key {
        /// The key.
        key: Hex<PublicKey>,
    },
    /// Keys whose weights add up to at least `need`.
    Threshold {
        /// The sum of weights that suffices.
        need: u16,
        /// The keys, ascending.
        keys: Vec<PolicyKeyView>,
    },
    /// A contract decides. Reserved.
    Contract {
        /// The contract.
        address: String,
    },
}

/// A key and how much its signature weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyKeyView {
    /// The key.
    pub key: Hex<PublicKey>,
    /// Its weight.
    pub weight: u16,
}

/// Why an account's answer is to be believed. It covers the account's record and its balance of every asset, held or
/// not, so that leaving one out cannot lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountProof {
    /// How the fields below are encoded: always `borsh`.
    pub encoding: String,
    /// The proven keys: the account's record first, then its balance of each asset in the order of `asset_list`.
    pub state_proofs: Vec<ProvenKey>,
    /// A `SummaryProof` of the height in the context: it names the state root that the proofs lead to.
    pub summary_proof: Hex<Vec<u8>>,
    /// With `prove` as `"ics23"`: what the proofs of that form are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ics23: Option<Ics23View>,
}

/// What proofs in the form of ICS-23 are for, so that whoever hands them on need not read the rest. Nobody has to
/// believe it: a verifier has the specification from elsewhere, and the root from the summary's proof or a source of
/// its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ics23View {
    /// The name of the `ProofSpec`: always `jmt-sha256`.
    pub spec: String,
    /// The height whose state is shown, as in the context.
    pub height: Decimal<Height>,
    /// The state root, as in the context: the commitment root of ICS-23.
    pub state_root: Hex<Hash>,
}

/// A place in the state, what stands there, and the path to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenKey {
    /// A `StateKey`.
    pub key: Hex<Vec<u8>>,
    /// The value's bytes; none if nothing stands there.
    pub value: Option<Hex<Vec<u8>>>,
    /// A `StateProof`.
    pub proof: Hex<Vec<u8>>,
    /// With `prove` as `"ics23"`, where there is a value: an ICS-23 `CommitmentProof` of existence in protobuf, of
    /// `key` and `value` as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ics23: Option<Hex<Vec<u8>>>,
}

/// A transaction in an account's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryItem {
    /// The height of its block.
    pub height: Decimal<Height>,
    /// Its place in that block.
    pub index: u32,
    /// The block's time, in milliseconds since 1970.
    pub time: Decimal<TimeMs>,
    /// Its id.
    pub tx_id: Hex<Hash>,
    /// How it ended, as in its receipt.
    pub status: String,
    /// Who acted.
    pub sender: String,
}

/// An asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetView {
    /// Its symbol, by which balances are listed.
    pub symbol: String,
    /// Its id, by which transactions name it.
    pub asset_id: Hex<Hash>,
    /// Its name in full.
    pub name: String,
    /// How many digits people write after the point.
    pub decimals: u8,
    /// How much of it there is, in the smallest unit.
    pub supply: Decimal<u128>,
}
