//! The node, its peers and the validators as callers see them.

use std::collections::BTreeMap;

use althing_types::{Epoch, Hash, Height, PublicKey, TimeMs, View};
use serde::{Deserialize, Serialize};

use super::form::{Decimal, Hex};

/// The answer of `node_status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    /// The chain's name. Display only: the hash says which chain it is.
    pub chain_id: String,
    /// The hash of the genesis document.
    pub genesis_hash: Hex<Hash>,
    /// What addresses of this chain begin with.
    pub address_prefix: String,
    /// What the node is.
    pub role: Role,
    /// The validator's key, or an observer's node key.
    pub node_key: Hex<PublicKey>,
    /// What the node runs.
    pub version: VersionView,
    /// Whether it follows the chain.
    pub sync: SyncView,
    /// The last block that it executed.
    pub latest: HeadView,
    /// The first height that it still keeps.
    pub earliest_height: Decimal<Height>,
    /// Its peers.
    pub peers: PeerCountView,
    /// What waits in its pool.
    pub mempool: MempoolView,
    /// How long the process has run, in milliseconds.
    pub uptime_ms: Decimal<u64>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It votes.
    Validator,
    /// It follows.
    Observer,
}

/// What a node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// The version of the program.
    pub semver: String,
    /// The version of these shapes: it grows when a field or a method goes or changes its meaning.
    pub protocol: u32,
}

/// Whether a node follows the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncView {
    /// Whether it does.
    pub state: SyncState,
    /// The last height that it executed.
    pub height: Decimal<Height>,
    /// The highest height that it knows to be final.
    pub target_height: Decimal<Height>,
}

/// Whether a node follows the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SyncState {
    /// It has executed what it knows to be final.
    Synced,
    /// It is catching up.
    Syncing,
}

/// The last block that a node executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadView {
    /// Its height.
    pub height: Decimal<Height>,
    /// Its id.
    pub block_hash: Hex<Hash>,
    /// The root of the state after it.
    pub state_root: Hex<Hash>,
    /// Its time, in milliseconds since 1970.
    pub time: Decimal<TimeMs>,
    /// The epoch whose validators agreed on it.
    pub epoch: Decimal<Epoch>,
    /// The highest height whose state can be proven now.
    pub certified_height: Decimal<Height>,
}

/// How many peers a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerCountView {
    /// Connected ones.
    pub connected: u32,
    /// Those that should be.
    pub expected: u32,
}

/// What waits in a node's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MempoolView {
    /// Transactions.
    pub txs: u32,
    /// Their bytes.
    pub bytes: Decimal<u64>,
}

/// A peer in the answer of `node_peers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Its name in the genesis document.
    pub name: String,
    /// The key of its network identity.
    pub node_key: Hex<PublicKey>,
    /// What it is.
    pub role: Role,
    /// Whether it is connected.
    pub connected: bool,
    /// Where it is reached, if that is known.
    pub address: Option<String>,
    /// For how long it has been connected, or not been, in milliseconds; none if it was never tried.
    pub since_ms: Option<Decimal<u64>>,
    /// Why it is not connected, in one sentence.
    pub why: Option<String>,
    /// What it runs, by its own word.
    pub agent: Option<String>,
    /// How long a message takes to it and back, in microseconds.
    pub round_trip_us: Option<Decimal<u64>>,
    /// Bytes of messages that came from it since the node started.
    pub bytes_in: Decimal<u64>,
    /// Bytes of messages that went to it.
    pub bytes_out: Decimal<u64>,
    /// Messages to it that were dropped, because it was slow.
    pub frames_dropped: Decimal<u64>,
}

/// The answer of `validators_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorsAnswer {
    /// The epoch whose validators these are.
    pub epoch: Decimal<Epoch>,
    /// How many of them may be faulty.
    pub f: u16,
    /// How many votes make a block final.
    pub quorum: u16,
    /// Hash of the validator set, as headers carry it.
    pub validators_hash: Hex<Hash>,
    /// The validators, ascending by key: their place is their index.
    pub validators: Vec<ValidatorView>,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorView {
    /// Its place in the set.
    pub index: u16,
    /// Its name in the genesis document.
    pub name: String,
    /// The key that votes.
    pub key: Hex<PublicKey>,
    /// The key of its network identity.
    pub node_key: Hex<PublicKey>,
}

/// The answer of `consensus_state`: why the chain stands where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsensusAnswer {
    /// The epoch.
    pub epoch: Decimal<Epoch>,
    /// The height of the last block that was handed to execution.
    pub height: Decimal<Height>,
    /// The view that the node is in.
    pub view: Decimal<View>,
    /// The index of the validator that leads it.
    pub leader: u16,
    /// How long ago the node entered it, in milliseconds.
    pub entered_ms_ago: Decimal<u64>,
    /// The view of the highest Finalization.
    pub final_view: Decimal<View>,
    /// The id of the block that it made final.
    pub final_block: Hex<Hash>,
    /// Whose votes of this view are here.
    pub votes: VotesView,
    /// Validators that cannot be reached, by index.
    pub missing: Vec<u16>,
    /// Timers that run.
    pub timers: Vec<TimerView>,
    /// Why this validator stopped voting for good, if it did.
    pub halted: Option<String>,
}

/// Whose votes are here, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VotesView {
    /// Votes that the proposal is good.
    pub notarize: Vec<u16>,
    /// Votes to give the view up.
    pub nullify: Vec<u16>,
    /// Votes that the notarized block is final.
    pub finalize: Vec<u16>,
}

/// A timer that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimerView {
    /// Its name.
    pub name: String,
    /// When it fires, in milliseconds from now.
    pub in_ms: Decimal<u64>,
}

/// The answer of `node_genesis`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenesisAnswer {
    /// The hash of the document. Whoever trusts it computes it anew.
    pub genesis_hash: Hex<Hash>,
    /// The document as text, which parses to the document with this hash.
    pub document: String,
}

/// The answer of `rpc_methods`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodsAnswer {
    /// The version of these shapes, as in `node_status`.
    pub protocol: u32,
    /// What can be called.
    pub methods: Vec<MethodView>,
}

/// A method that can be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodView {
    /// Its name.
    pub name: String,
    /// Its parameters in the order in which they may be given by position.
    pub params: Vec<String>,
    /// What it does.
    pub summary: String,
}

/// What `/livez?verbose` and `/readyz?verbose` list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthAnswer {
    /// Whether the process makes progress. A supervisor restarts one that does not.
    pub live: bool,
    /// Whether it should be asked.
    pub ready: bool,
    /// What was looked at, by name.
    pub checks: BTreeMap<String, CheckView>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// Whether all is well.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}
