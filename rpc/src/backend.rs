//! What the server needs from a node, and the values in which it is told.
//!
//! Values of the chain come as types of the room `types`; the server alone turns them into shapes, so that the same
//! thing looks the same in every answer. What only describes the node comes as the shape itself.

use std::future::Future;

use althing_types::{
    Account, Address, AssetId, ChainProof, Evidence, Hash, Header, Height, InclusionProof, Receipt, StateKey,
    StateProof, Status, Summary, SummaryProof, TimeMs, ValidatorIndex, View,
};
use tokio::sync::watch;

use crate::api::{
    ApiError, ConsensusAnswer, HealthAnswer, Notation, Order, PeerView, StatusAnswer, ValidatorsAnswer, WaitUntil,
    WhyAnswer,
};

/// What a node supplies.
///
/// Methods are of three kinds. Those that say *from memory* are called on the reactor and must not block. Those that
/// say *may block* are called on threads for that purpose, a bounded number at once. Those that return a future must
/// not block it; the server drops the future when the caller's time is over, which must do no harm.
///
/// Where a height is given, the server has checked that it is not above the head. A method answers
/// [`ErrorCode::Pruned`](crate::api::ErrorCode::Pruned) for heights that are no longer kept and
/// [`ErrorCode::Internal`](crate::api::ErrorCode::Internal) where the store cannot be read; the sentence of the latter
/// goes to the caller, so it names no path of the machine.
pub trait Backend: Send + Sync + 'static {
    /// The chain. From memory.
    fn chain(&self) -> &ChainInfo;

    /// The last executed block. From memory.
    fn head(&self) -> HeadRecord;

    /// Changes with every executed block, to its height. A block is readable before this names it.
    fn heads(&self) -> watch::Receiver<Height>;

    /// The validators of the current epoch. From memory.
    fn validators(&self) -> ValidatorsAnswer;

    /// Metrics in the text format of Prometheus. May block.
    fn metrics(&self) -> String;

    /// What `node_status` says.
    fn status(&self) -> impl Future<Output = Result<StatusAnswer, ApiError>> + Send;

    /// What `node_why` says.
    fn why(&self) -> impl Future<Output = Result<WhyAnswer, ApiError>> + Send;

    /// What `node_peers` says.
    fn peers(&self) -> impl Future<Output = Result<Vec<PeerView>, ApiError>> + Send;

    /// What `consensus_state` says.
    fn consensus(&self) -> impl Future<Output = Result<ConsensusAnswer, ApiError>> + Send;

    /// How the node is. If this takes longer than a few seconds, the node counts as not alive.
    fn health(&self) -> impl Future<Output = HealthAnswer> + Send;

    /// A block; none if there is none with this id. May block.
    fn block(&self, id: BlockId) -> Result<Option<BlockRecord>, ApiError>;

    /// Blocks from a height on, upwards or downwards, at most `limit`; fewer where the chain ends. May block.
    fn blocks(&self, from: Height, limit: usize, order: Order) -> Result<Vec<BlockRecord>, ApiError>;

    /// Why a block is final, and why its result is to be believed if a certificate covers it yet. May block.
    fn prove_block(&self, height: Height) -> Result<(ChainProof, Option<SummaryProof>), ApiError>;

    /// The ids of a block's transactions with how they ended, in the order of execution. May block.
    fn outcomes(&self, height: Height) -> Result<Vec<(Hash, Status)>, ApiError>;

    /// A block's transactions from a place on, at most `limit`. May block.
    fn transactions(&self, height: Height, from: u32, limit: usize) -> Result<Vec<TransactionRecord>, ApiError>;

    /// A final transaction; none if no executed block holds it. May block.
    fn transaction(&self, id: &Hash) -> Result<Option<TransactionRecord>, ApiError>;

    /// Why a final transaction and its receipt are to be believed;
    /// [`ErrorCode::ProofUnavailable`](crate::api::ErrorCode::ProofUnavailable) while no certificate covers it. May
    /// block.
    fn prove_transaction(&self, id: &Hash) -> Result<TransactionProofRecord, ApiError>;

    /// An account after a height. May block.
    fn account(&self, address: &Address, at: Height) -> Result<AccountRecord, ApiError>;

    /// Values of the state with proofs, after a height; with none after the last height that a certificate covers.
    /// [`ErrorCode::ProofUnavailable`](crate::api::ErrorCode::ProofUnavailable) where no certificate covers it. May
    /// block.
    fn prove(&self, keys: &[StateKey], at: Option<Height>) -> Result<ProvenState, ApiError>;

    /// The transactions that touched an account, beyond a place where one is given, at most `limit`. May block.
    fn history(
        &self,
        address: &Address,
        beyond: Option<(Height, u32)>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<HistoryRecord>, ApiError>;

    /// The evidence of final blocks of the current epoch against a validator, or all of final blocks, beyond a place where
    /// one is given, ascending, at most `limit`. May block.
    fn evidence(
        &self,
        culprit: Option<ValidatorIndex>,
        beyond: Option<(Height, u32)>,
        limit: usize,
    ) -> Result<Vec<EvidenceRecord>, ApiError>;

    /// Evidence that this node holds and that no final block holds yet; none at an observer.
    fn pending_evidence(&self) -> impl Future<Output = Result<Vec<Evidence>, ApiError>> + Send;

    /// The native assets, always in the same order. May block.
    fn assets(&self) -> Result<Vec<AssetEntry>, ApiError>;

    /// What a transaction would come to on the latest state. May block.
    fn simulate(&self, bytes: &[u8]) -> Result<Simulation, ApiError>;

    /// Takes a transaction: decodes it, verifies it, and puts it into the pool. A transaction that is known already is
    /// no error. Answers without waiting for a block.
    fn submit(&self, bytes: Vec<u8>) -> impl Future<Output = Result<Submission, ApiError>> + Send;

    /// How far a transaction has come.
    fn progress(&self, id: Hash) -> impl Future<Output = Result<Progress, ApiError>> + Send;

    /// Answers once a transaction has come so far, or will never come there. Answers at once if that is so already;
    /// no news is lost between a `submit` that answered and a `wait` that follows.
    fn wait(&self, id: Hash, until: WaitUntil) -> impl Future<Output = Result<Progress, ApiError>> + Send;
}

/// What does not change about a chain.
#[derive(Clone, Debug)]
pub struct ChainInfo {
    /// Its name.
    pub chain_id: String,
    /// The hash of the genesis document.
    pub genesis: Hash,
    /// How its values are written.
    pub notation: Notation,
    /// The genesis document.
    pub document: String,
}

/// The last executed block.
#[derive(Clone, Debug)]
pub struct HeadRecord {
    /// Its header.
    pub header: Header,
    /// Its result.
    pub summary: Summary,
    /// The highest height whose state can be proven.
    pub certified: Height,
}

/// Which block is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// The one of this height.
    Height(Height),
    /// The one with this id.
    Hash(Hash),
}

/// An executed block.
#[derive(Clone, Debug)]
pub struct BlockRecord {
    /// Its header.
    pub header: Header,
    /// Its result.
    pub summary: Summary,
    /// The view of its own Finalization, if the node holds one.
    pub finalized_view: Option<View>,
}

/// A final transaction.
#[derive(Clone, Debug)]
pub struct TransactionRecord {
    /// The height of its block.
    pub height: Height,
    /// The id of its block.
    pub block: Hash,
    /// The time of its block.
    pub time: TimeMs,
    /// Its place in the order of execution.
    pub index: u32,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// What became of it.
    pub receipt: Receipt,
}

/// Why a final transaction and its receipt are to be believed.
#[derive(Clone, Debug)]
pub struct TransactionProofRecord {
    /// Its place under `tx_root`.
    pub transaction: InclusionProof,
    /// Its receipt's place under `receipts_root`.
    pub receipt: InclusionProof,
    /// The result that names both roots.
    pub summary: SummaryProof,
}

/// An account after a block.
#[derive(Clone, Debug)]
pub struct AccountRecord {
    /// The block.
    pub header: Header,
    /// Its result.
    pub summary: Summary,
    /// The account's record, if it has one.
    pub account: Option<Account>,
    /// What it holds; no zeros.
    pub balances: Vec<(AssetId, u128)>,
}

/// Values of the state with proofs.
#[derive(Clone, Debug)]
pub struct ProvenState {
    /// The height after whose block the state was so.
    pub height: Height,
    /// The values, in the order of the keys.
    pub values: Vec<Option<Vec<u8>>>,
    /// The paths, in the order of the keys.
    pub proofs: Vec<StateProof>,
    /// Why the root is to be believed.
    pub summary: SummaryProof,
}

/// A transaction in an account's history.
#[derive(Clone, Copy, Debug)]
pub struct HistoryRecord {
    /// The height of its block.
    pub height: Height,
    /// Its place in the order of execution.
    pub index: u32,
    /// The time of its block.
    pub time: TimeMs,
    /// Its id.
    pub id: Hash,
    /// How it ended.
    pub status: Status,
    /// Who acted.
    pub sender: Address,
}

/// Evidence in a final block.
#[derive(Clone, Copy, Debug)]
pub struct EvidenceRecord {
    /// The height of the block.
    pub height: Height,
    /// Its place among the block's evidence.
    pub index: u32,
    /// The piece.
    pub evidence: Evidence,
}

/// A native asset.
#[derive(Clone, Debug)]
pub struct AssetEntry {
    /// Its id.
    pub id: AssetId,
    /// Its symbol.
    pub symbol: String,
    /// Its name in full.
    pub name: String,
    /// How many digits people write after the point.
    pub decimals: u8,
    /// How much of it there is.
    pub supply: u128,
}

/// What a transaction would come to.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The block after which it was tried.
    pub header: Header,
    /// Its result.
    pub summary: Summary,
    /// What would become of the transaction.
    pub receipt: Receipt,
}

/// A transaction that was taken.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Its id.
    pub id: Hash,
    /// Whether the node knew it already.
    pub duplicate: bool,
    /// How far it has come.
    pub progress: Progress,
}

/// How far a transaction has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The node knows nothing of it.
    Unknown,
    /// It waits in the pool.
    Pending,
    /// It is in a batch of this node that is durable here.
    Accepted,
    /// It is in an executed block.
    Finalized(Box<Inclusion>),
    /// Its time ended before a block took it in.
    Expired,
    /// It will not be executed from where it stood.
    Dropped {
        /// Why, for people.
        reason: String,
    },
}

/// Where a final transaction stands and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The height of its block.
    pub height: Height,
    /// Its place in the order of execution.
    pub index: u32,
    /// What became of it.
    pub receipt: Receipt,
}

impl Progress {
    /// Whether a wait until this point is over.
    pub const fn is_at_least(&self, until: WaitUntil) -> bool {
        match self {
            Self::Unknown => false,
            Self::Pending => matches!(until, WaitUntil::None),
            Self::Accepted => matches!(until, WaitUntil::None | WaitUntil::Accepted),
            Self::Finalized(_) | Self::Expired | Self::Dropped { .. } => true,
        }
    }
}
