//! What callers send: the parameters of each method.
//!
//! Parameters may be given by name (an object) or by position (a list, in the order of the fields here). A field that
//! is not known is refused with the list of those that are. Absent and `null` mean the same.

use althing_types::{Hash, Height};
use serde::{Deserialize, Serialize};

use super::form::{Decimal, Hex};
use super::page::Order;
use super::prove::Prove;

/// The longest that a call waits for a transaction, in milliseconds (`decisions.md` section 2).
pub const WAIT_MS_MAX: u32 = 30_000;
/// How long a call waits for a transaction unless it says otherwise, in milliseconds.
pub const WAIT_MS_DEFAULT: u32 = 10_000;
/// Transactions in one `tx_submitMany` at most (`decisions.md` section 2).
pub const SUBMIT_MANY_MAX: usize = 1_000;

/// The parameters of a method that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// How far a transaction must have come before the call answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitUntil {
    /// It decodes, its signatures are good, and the node took it.
    None,
    /// It is in a batch of this node that is on its disk and on its way into a block.
    Accepted,
    /// It is in a final block that this node executed and wrote to its disk.
    #[default]
    Finalized,
}

/// How much of a block is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Detail {
    /// The header and the result of its execution.
    #[default]
    Header,
    /// Also the ids of all transactions.
    Hashes,
    /// Also the transactions with their receipts, a page of them.
    Full,
}

/// `chain_getBlock`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GetBlockParams {
    /// The block's height. With neither height nor hash the latest block is meant; both together are refused.
    pub height: Option<Decimal<Height>>,
    /// The block's id.
    pub hash: Option<Hex<Hash>>,
    /// How much of it; the header unless something else is said.
    pub detail: Option<Detail>,
    /// Whether to prove that the block is final.
    pub prove: Option<bool>,
    /// With detail `full`: where the page of transactions begins.
    pub cursor: Option<String>,
    /// With detail `full`: transactions at most.
    pub limit: Option<u32>,
}

/// `chain_listBlocks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ListBlocksParams {
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Blocks at most.
    pub limit: Option<u32>,
    /// Which end of the chain first; the newest unless something else is said.
    pub order: Option<Order>,
}

/// `evidence_list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ListEvidenceParams {
    /// Where the page begins.
    pub cursor: Option<String>,
    /// Pieces of final blocks at most.
    pub limit: Option<u32>,
    /// Only what accuses the validator at this place of the set.
    pub validator: Option<u16>,
}

/// `chain_subscribeBlocks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SubscribeBlocksParams {
    /// The first block that is wanted; the one after the latest unless something else is said.
    pub from_height: Option<Decimal<Height>>,
}

/// `tx_submit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubmitParams {
    /// The transaction's canonical bytes.
    pub tx: Hex<Vec<u8>>,
    /// What to wait for; `finalized` unless something else is said.
    #[serde(default)]
    pub wait_until: Option<WaitUntil>,
    /// How long to wait, in milliseconds, at most [`WAIT_MS_MAX`].
    #[serde(default)]
    pub timeout_ms: Option<u32>,
}

/// `tx_submitMany`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubmitManyParams {
    /// The transactions' canonical bytes, at most [`SUBMIT_MANY_MAX`].
    pub txs: Vec<Hex<Vec<u8>>>,
    /// What to wait for: `none` unless `accepted` is said; `finalized` is refused.
    #[serde(default)]
    pub wait_until: Option<WaitUntil>,
}

/// `tx_get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GetTransactionParams {
    /// The transaction's id.
    pub tx_id: Hex<Hash>,
    /// Whether to prove that it is in its block, and its receipt.
    #[serde(default)]
    pub prove: Option<bool>,
}

/// `tx_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WaitTransactionParams {
    /// The transaction's id.
    pub tx_id: Hex<Hash>,
    /// How long to wait, in milliseconds, at most [`WAIT_MS_MAX`].
    #[serde(default)]
    pub timeout_ms: Option<u32>,
}

/// `tx_simulate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SimulateParams {
    /// The transaction's canonical bytes.
    pub tx: Hex<Vec<u8>>,
}

/// `account_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GetAccountParams {
    /// The account's address.
    pub address: String,
    /// The height whose state is wanted; the latest unless something else is said.
    #[serde(default)]
    pub at: Option<Decimal<Height>>,
    /// Whether to prove the answer, and in which form. Without `at` it is then about the last height that a certificate
    /// covers.
    #[serde(default)]
    pub prove: Option<Prove>,
    /// Waits up to two seconds until the node has executed this height.
    #[serde(default)]
    pub min_height: Option<Decimal<Height>>,
}

/// `account_getHistory`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccountHistoryParams {
    /// The account's address.
    pub address: String,
    /// Where the page begins.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Transactions at most.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Which end first; the newest unless something else is said.
    #[serde(default)]
    pub order: Option<Order>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_by_name_and_by_position() {
        let named: GetBlockParams = serde_json::from_str(r#"{"height":"7","prove":true}"#).expect("named");
        let positional: GetBlockParams = serde_json::from_str(r#"["7",null,null,true]"#).expect("positional");
        assert_eq!(named, positional);
        let short: SubmitParams = serde_json::from_str(r#"["0x01"]"#).expect("trailing ones may be left out");
        assert_eq!(short, SubmitParams { tx: Hex(vec![1]), wait_until: None, timeout_ms: None });
        assert!(serde_json::from_str::<NoParams>("[]").is_ok());
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_known_ones() {
        let error = serde_json::from_str::<GetAccountParams>(r#"{"adress":"x"}"#).expect_err("misspelt").to_string();
        assert!(error.contains("adress") && error.contains("`address`"), "{error}");
        assert!(serde_json::from_str::<NoParams>(r#"{"x":1}"#).is_err());
        assert!(serde_json::from_str::<NoParams>("[1]").is_err());
    }
}
