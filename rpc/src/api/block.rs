//! Blocks as callers see them.

use althing_types::{Epoch, Hash, Height, TimeMs, View};
use serde::{Deserialize, Serialize};

use super::form::{Decimal, Hex};
use super::page::Page;
use super::transaction::{ReceiptView, TransactionView};

/// Which state an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// The height after whose execution the state was as the answer says.
    pub height: Decimal<Height>,
    /// The id of the block of that height.
    pub block_hash: Hex<Hash>,
    /// The root of the state after it.
    pub state_root: Hex<Hash>,
    /// The block's time, in milliseconds since 1970.
    pub time: Decimal<TimeMs>,
}

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderView {
    /// The block's height.
    pub height: Decimal<Height>,
    /// Its id: the hash of the header.
    pub block_hash: Hex<Hash>,
    /// The id of the block below.
    pub parent_hash: Hex<Hash>,
    /// The epoch whose validators agreed on it.
    pub epoch: Decimal<Epoch>,
    /// The proposer's time, in milliseconds since 1970.
    pub time: Decimal<TimeMs>,
    /// The proposer's index among the validators.
    pub proposer: u16,
    /// Hash of the validator set.
    pub validators_hash: Hex<Hash>,
    /// Hash of the next epoch's set in an epoch's last block, else zero.
    pub next_validators_hash: Hex<Hash>,
    /// Hash of the chain parameters.
    pub params_hash: Hex<Hash>,
    /// Commits to the tips of all lanes.
    pub lanes_root: Hex<Hash>,
    /// The highest height whose result this block or one below carries.
    pub executed_height: Decimal<Height>,
    /// Commits to the results that this block carries.
    pub results_root: Hex<Hash>,
    /// Commits to the evidence that this block carries.
    pub evidence_root: Hex<Hash>,
}

/// What the execution of a block came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultView {
    /// The root of the state after the block.
    pub state_root: Hex<Hash>,
    /// RFC 6962 root over its transactions.
    pub tx_root: Hex<Hash>,
    /// RFC 6962 root over their receipts.
    pub receipts_root: Hex<Hash>,
    /// Transactions that were executed.
    pub tx_count: u32,
    /// Gas that they used.
    pub gas_used: Decimal<u64>,
}

/// The answer of `chain_getBlock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockAnswer {
    /// The header.
    pub header: HeaderView,
    /// What its execution came to.
    pub result: ResultView,
    /// The view of the certificate that this node holds for the block itself; none where a certificate for a block
    /// above made it final.
    pub finalized_view: Option<Decimal<View>>,
    /// With detail `hashes`: the ids of its transactions in the order of execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx_ids: Option<Vec<Hex<Hash>>>,
    /// With detail `hashes`: those of them that did not end as `ok`, ascending by place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Vec<FailedTransaction>>,
    /// With detail `full`: a page of its transactions in the order of execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<Page<BlockTransaction>>,
    /// With `prove`: why the header is to be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<BlockProof>,
}

/// A transaction of a block that did not end as `ok`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedTransaction {
    /// Its place in the order of execution.
    pub index: u32,
    /// How it ended. `docs/rpc.md` lists the names.
    pub status: String,
}

/// A transaction in its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockTransaction {
    /// Its place in the order of execution.
    pub index: u32,
    /// What was asked for.
    pub transaction: TransactionView,
    /// What became of it.
    pub receipt: ReceiptView,
}

/// Why a header is to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockProof {
    /// How the fields below are encoded: always `borsh`.
    pub encoding: String,
    /// A `ChainProof`: the header itself, the headers above it up to one with a certificate, and the certificate.
    pub chain: Hex<Vec<u8>>,
    /// A `SummaryProof` of the block's result; none while no certificate covers it.
    pub summary: Option<Hex<Vec<u8>>>,
}

/// A block in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockItem {
    /// The block's height.
    pub height: Decimal<Height>,
    /// Its id.
    pub block_hash: Hex<Hash>,
    /// Its time, in milliseconds since 1970.
    pub time: Decimal<TimeMs>,
    /// The proposer's index among the validators.
    pub proposer: u16,
    /// The root of the state after it.
    pub state_root: Hex<Hash>,
    /// Transactions that were executed.
    pub tx_count: u32,
    /// Gas that they used.
    pub gas_used: Decimal<u64>,
}

/// What `chain_subscribeBlocks` sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum BlockNews {
    /// The next block. Heights come in order and without a gap.
    Block(BlockItem),
    /// The reader was too slow. Nothing follows; a new subscription may begin at this height.
    Lagged {
        /// The first height that was not sent.
        resume_from: Decimal<Height>,
    },
}
