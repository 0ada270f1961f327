//! Transactions and receipts as callers see them.

use althing_types::{Hash, Height, PublicKey, TimeMs};
use serde::{Deserialize, Serialize};

use super::account::PolicyView;
use super::block::Context;
use super::error::ErrorObject;
use super::form::{Decimal, Hex};

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransactionStatus {
    /// This node knows nothing of it. It may still become final until its `validUntil`.
    Unknown,
    /// It waits in this node's pool.
    Pending,
    /// It is in a batch of this node that is on its disk and on its way into a block.
    Accepted,
    /// It is in a final block that this node executed. Whether it succeeded is in the receipt.
    Finalized,
    /// Its time ended before a block took it in. This is the node's word; it cannot be proven.
    Expired,
    /// It will not be executed from where it stood; `reason` says why.
    Dropped,
}

/// The answer of `tx_submit` and `tx_wait`. That the time was over is no error: the status then says how far it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitAnswer {
    /// The transaction's id.
    pub tx_id: Hex<Hash>,
    /// How far it has come.
    pub status: TransactionStatus,
    /// Whether the node knew it already. Sending the same bytes again is no error and has no further effect.
    pub duplicate: bool,
    /// The height of its block, once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<Decimal<Height>>,
    /// Its place in that block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// What became of it, once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptView>,
    /// Why it was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer of `tx_submitMany`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitManyAnswer {
    /// What became of each, in the order of the request.
    pub items: Vec<SubmitManyItem>,
}

/// What became of one of several transactions: it was taken, or an error says why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitManyItem {
    /// The transaction's id, if it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_id: Option<Hex<Hash>>,
    /// How far it has come, if it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TransactionStatus>,
    /// Whether the node knew it already.
    pub duplicate: bool,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}

/// The answer of `tx_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionAnswer {
    /// The transaction's id.
    pub tx_id: Hex<Hash>,
    /// How far it has come.
    pub status: TransactionStatus,
    /// The height of its block, once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<Decimal<Height>>,
    /// The id of its block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_hash: Option<Hex<Hash>>,
    /// Its place in the block's order of execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The block's time, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Decimal<TimeMs>>,
    /// What was asked for, once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionView>,
    /// The transaction's canonical bytes, once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<Hex<Vec<u8>>>,
    /// What became of it, once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptView>,
    /// Why it was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// With `prove`, once it is final: why it and its receipt are to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<TransactionProof>,
}

/// Why a transaction and its receipt are to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionProof {
    /// How the fields below are encoded: always `borsh`.
    pub encoding: String,
    /// The `Receipt`, a leaf under `receipts_root`. The transaction itself is `tx` of the answer.
    pub receipt: Hex<Vec<u8>>,
    /// An `InclusionProof` of the transaction's bytes under the summary's `tx_root`.
    pub tx_inclusion: Hex<Vec<u8>>,
    /// An `InclusionProof` of the receipt under the summary's `receipts_root`.
    pub receipt_inclusion: Hex<Vec<u8>>,
    /// A `SummaryProof` of the block's result.
    pub summary: Hex<Vec<u8>>,
}

/// The answer of `tx_simulate`: what execution on the latest state would come to. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulateAnswer {
    /// The state that it was tried on.
    pub context: Context,
    /// The transaction's id.
    pub tx_id: Hex<Hash>,
    /// What would become of it.
    pub receipt: ReceiptView,
}

/// A transaction, written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionView {
    /// Its id.
    pub tx_id: Hex<Hash>,
    /// Hash of the genesis document of the chain that it is for.
    pub chain: Hex<Hash>,
    /// Who acts.
    pub sender: String,
    /// How a second execution is refused.
    pub replay: ReplayView,
    /// The most gas that it may use.
    pub gas_limit: Decimal<u64>,
    /// Who pays, if not the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<SponsorView>,
    /// What is done.
    pub action: ActionView,
    /// A remark: bytes, mostly text.
    pub memo: Hex<Vec<u8>>,
    /// The keys that signed, by account in the order of the transaction.
    pub signers: Vec<Hex<PublicKey>>,
}

/// How a second execution of a transaction is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ReplayView {
    /// By its id, while it is valid.
    Expiring {
        /// The last block time at which it may execute, in milliseconds since 1970.
        valid_until: Decimal<TimeMs>,
        /// Makes two otherwise equal transactions different.
        salt: Decimal<u64>,
    },
    /// By its number.
    Sequence {
        /// The lane of the sender.
        lane: u32,
        /// Its number in the lane.
        seq: Decimal<u64>,
    },
}

/// Who pays for a transaction in place of its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SponsorView {
    /// Who pays.
    pub payer: String,
    /// The largest fee that the payer agreed to.
    pub max_fee: Decimal<u128>,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ActionView {
    /// Several actions that take effect together or not at all.
    Batch {
        /// The actions.
        actions: Vec<Self>,
    },
    /// Moves an amount from the sender.
    Transfer {
        /// The asset's symbol; its id where the symbol is not known.
        asset: String,
        /// The asset's id.
        asset_id: Hex<Hash>,
        /// To whom.
        to: String,
        /// How much, in the smallest unit.
        amount: Decimal<u128>,
    },
    /// Replaces the policy of the sender's account.
    SetPolicy {
        /// The policy from then on.
        policy: PolicyView,
    },
    /// An action that this version knows by name only.
    Reserved {
        /// Its name.
        name: String,
    },
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    /// The transaction's id.
    pub tx_id: Hex<Hash>,
    /// How it ended: `ok`, or the name of what failed. `docs/rpc.md` lists the names.
    pub status: String,
    /// The number of the status, which is what the receipt's hash covers.
    pub code: u8,
    /// With status `contractError`: the number that the contract declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract_code: Option<u32>,
    /// Gas that was charged.
    pub gas_used: Decimal<u64>,
    /// Fee that was charged.
    pub fee: Decimal<u128>,
    /// Hash of the returned bytes, zero if there are none.
    pub return_hash: Hex<Hash>,
    /// What it announced.
    pub events: Vec<EventView>,
}

impl ReceiptView {
    /// Whether every effect was applied.
    pub const fn is_ok(&self) -> bool {
        self.code == 0
    }
}

/// Something that a transaction announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Its place among the transaction's events.
    pub index: u32,
    /// The contract that spoke; none for actions of the chain itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Its name.
    pub name: String,
    /// What it can be found by.
    pub topics: Vec<Hex<Hash>>,
    /// Further content.
    pub data: Hex<Vec<u8>>,
}
