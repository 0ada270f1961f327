//! What the public window shows of this node: the backend of the server, over the ledger's reader and the entrance.
//!
//! Nothing here decides. Reads go to the ledger by height, the same at a validator and at an observer; transactions go
//! through the entrance; what differs between the two is in the file about the node itself. Errors of this room's parts
//! become codes of the catalogue.

mod condition;
mod why;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use althing_contracts::{AssetRecord, Outcome};
use althing_genesis::Genesis;
use althing_ledger::{
    EvidenceCursor, EvidenceEntry, EvidencePage, HistoryCursor, LedgerError, LocatedTransaction, Reader,
};
use althing_network::Handle;
use althing_rpc::api::{
    ApiError, ConsensusAnswer, Decimal, ErrorCode, HealthAnswer, Hex, Notation, Order as PageOrder, PeerView,
    StatusAnswer, ValidatorView, ValidatorsAnswer, WaitUntil, WhyAnswer,
};
use althing_rpc::{
    AccountRecord, AssetEntry, Backend, BlockId, BlockRecord, ChainInfo, EvidenceRecord, HeadRecord, HistoryRecord,
    Progress, ProvenState, ServerOptions, Simulation, Submission, TransactionProofRecord, TransactionRecord, serve,
};
use althing_storage::{Order as ScanOrder, RocksStore};
use althing_types::{
    Address, AssetId, ChainProof, Evidence, Hash, Height, Monotonic, PublicKey, SignedTransaction, StateKey, Status,
    SummaryProof, ValidatorIndex,
};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(super) use self::why::Folders;
use super::clock::Clock;
use super::entrance::{Entrance, Pool};
use super::forwarding::Forwarding;
use super::heads::Horizon;
use super::intake::Rejected;
use super::refusal::{internal, ledger_failed, rejected};
use super::stop::Stop;
use super::tasks;
use crate::config::RpcConfig;
use crate::why::{Chain as Members, Pulse};

/// How often the metrics library tidies up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The backend.
pub(super) struct Window {
    chain: ChainInfo,
    validators: ValidatorsAnswer,
    parts: WindowParts,
    /// Since when there has been work without a new block, and above which height.
    stuck: Mutex<Option<(Monotonic, Height)>>,
    /// Who agrees, and under which parameters.
    members: Members,
    /// How the ledger has grown of late.
    pulse: Mutex<Pulse>,
}

/// What a window looks at.
pub(super) struct WindowParts {
    pub(super) place: Place,
    pub(super) node_key: PublicKey,
    /// The node's name in the genesis document.
    pub(super) name: String,
    pub(super) folders: Folders,
    /// The network; none of a chain of one validator without observers.
    pub(super) network: Option<Handle>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) store: RocksStore,
    pub(super) heads: watch::Receiver<Height>,
    pub(super) clock: Clock,
    pub(super) stop: Stop,
    pub(super) metrics: PrometheusHandle,
}

/// What the node is.
pub(super) enum Place {
    /// It votes.
    Validator(Pool),
    /// It follows.
    Observer {
        /// How high the chain is.
        horizon: Arc<Horizon>,
        /// Its way to the validators.
        forwarding: Arc<Forwarding>,
    },
}

impl Window {
    /// A window of a chain's node.
    pub(super) fn new(genesis: &Genesis, parts: WindowParts) -> Self {
        let assets = genesis.assets().iter();
        let names = assets.map(|asset| (AssetId::of_genesis(&asset.symbol), asset.symbol.as_str().to_owned()));
        let chain = ChainInfo {
            chain_id: genesis.chain_id().to_owned(),
            genesis: genesis.hash(),
            notation: Notation::new(genesis.prefix().clone(), names.collect()),
            document: genesis.document().to_json(),
        };
        Self {
            chain,
            validators: validators(genesis),
            parts,
            stuck: Mutex::new(None),
            members: why::chain(genesis),
            pulse: Mutex::default(),
        }
    }

    /// Serves until the node ends; the task ends when calls under way have.
    pub(super) fn open(self, runtime: &Runtime, listener: TcpListener, config: &RpcConfig) -> JoinHandle<()> {
        let (stop, metrics) = (self.parts.stop.clone(), self.parts.metrics.clone());
        let options = ServerOptions { allowed_hosts: config.allowed_hosts.clone(), ..ServerOptions::default() };
        let asked = stop.clone();
        let window = Arc::new(self);
        let serving = serve(listener, window.clone(), options, async move {
            asked.reason().await;
        });
        let _entered = runtime.enter();
        tasks::keep("pulse", move || window.clone().keep_pulse());
        tasks::keep("upkeep", move || {
            let metrics = metrics.clone();
            async move {
                loop {
                    tokio::time::sleep(UPKEEP_EVERY).await;
                    metrics.run_upkeep();
                }
            }
        });
        // It owns the listener, so it cannot begin again: a node without a window ends.
        tokio::spawn(async move {
            match tokio::spawn(serving).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => tracing::error!(%error, "the public window failed"),
                Err(error) => tasks::broke("window", &error),
            }
            stop.ask();
        })
    }

    fn reader(&self) -> &Reader<RocksStore> {
        &self.parts.entrance.reader
    }

    fn failed(&self, error: LedgerError) -> ApiError {
        ledger_failed(&self.parts.stop, error)
    }

    fn record(&self, height: Height) -> Result<Option<BlockRecord>, ApiError> {
        let read = || -> Result<Option<BlockRecord>, LedgerError> {
            let (Some(header), Some(summary)) = (self.reader().header(height)?, self.reader().summary(height)?) else {
                return Ok(None);
            };
            let finalized_view = self.reader().finalization(height)?.map(|finalization| finalization.vote.view);
            Ok(Some(BlockRecord { header, summary, finalized_view }))
        };
        read().map_err(|error| self.failed(error))
    }

    fn transaction_record(&self, located: LocatedTransaction) -> Result<TransactionRecord, ApiError> {
        let header = self.reader().header(located.height).map_err(|error| self.failed(error))?;
        let header = header.ok_or_else(|| ApiError::new(ErrorCode::Internal, "a header is missing"))?;
        let LocatedTransaction { height, index, bytes, receipt, time, .. } = located;
        Ok(TransactionRecord { height, block: header.id(), time, index, bytes, receipt })
    }
}

impl Backend for Window {
    fn chain(&self) -> &ChainInfo {
        &self.chain
    }

    fn head(&self) -> HeadRecord {
        let head = self.reader().head();
        HeadRecord { header: head.header.clone(), summary: head.summary, certified: head.certified.unwrap_or_default() }
    }

    fn heads(&self) -> watch::Receiver<Height> {
        self.parts.heads.clone()
    }

    fn validators(&self) -> ValidatorsAnswer {
        self.validators.clone()
    }

    fn metrics(&self) -> String {
        if let Ok(usage) = self.parts.store.usage() {
            gauge!("althing_storage_bytes", "kind" => "sst").set(usage.sst_bytes as f64);
            gauge!("althing_storage_bytes", "kind" => "blob").set(usage.blob_bytes as f64);
            gauge!("althing_storage_bytes", "kind" => "cache").set(usage.cache_bytes as f64);
        }
        gauge!("althing_rpc_waiting_transactions").set(self.parts.entrance.tracker.count() as f64);
        self.parts.metrics.render()
    }

    fn status(&self) -> impl Future<Output = Result<StatusAnswer, ApiError>> + Send {
        self.node_status()
    }

    fn why(&self) -> impl Future<Output = Result<WhyAnswer, ApiError>> + Send {
        self.node_why()
    }

    async fn peers(&self) -> Result<Vec<PeerView>, ApiError> {
        Ok(self.peer_views())
    }

    fn consensus(&self) -> impl Future<Output = Result<ConsensusAnswer, ApiError>> + Send {
        self.consensus_state()
    }

    fn health(&self) -> impl Future<Output = HealthAnswer> + Send {
        self.node_health()
    }

    fn block(&self, id: BlockId) -> Result<Option<BlockRecord>, ApiError> {
        match id {
            BlockId::Height(height) => self.record(height),
            BlockId::Hash(hash) => match self.reader().height_of(&hash).map_err(|error| self.failed(error))? {
                Some(height) => self.record(height),
                None => Ok(None),
            },
        }
    }

    fn blocks(&self, from: Height, limit: usize, order: PageOrder) -> Result<Vec<BlockRecord>, ApiError> {
        let head = self.reader().head().header.height.get();
        let heights: Box<dyn Iterator<Item = u64>> = match order {
            PageOrder::Asc => Box::new(from.get()..=head),
            PageOrder::Desc => Box::new((0..=from.get().min(head)).rev()),
        };
        let earliest = self.reader().earliest().get();
        // Downwards the list ends where what is kept does.
        let heights = heights.take_while(|height| matches!(order, PageOrder::Asc) || *height >= earliest);
        heights.take(limit).filter_map(|height| self.record(Height::new(height)).transpose()).collect()
    }

    fn prove_block(&self, height: Height) -> Result<(ChainProof, Option<SummaryProof>), ApiError> {
        let chain = self.reader().prove_header(height).map_err(|error| self.failed(error))?;
        let chain = chain.ok_or_else(|| self.failed(LedgerError::ProofUnavailable { height }))?;
        match self.reader().prove_summary(height) {
            Ok(summary) => Ok((chain, Some(summary))),
            Err(LedgerError::ProofUnavailable { .. }) => Ok((chain, None)),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn outcomes(&self, height: Height) -> Result<Vec<(Hash, Status)>, ApiError> {
        self.reader().outcomes(height).map_err(|error| self.failed(error))
    }

    fn transactions(&self, height: Height, from: u32, limit: usize) -> Result<Vec<TransactionRecord>, ApiError> {
        let located = self.reader().transactions(height, from, limit).map_err(|error| self.failed(error))?;
        located.into_iter().map(|located| self.transaction_record(located)).collect()
    }

    fn transaction(&self, id: &Hash) -> Result<Option<TransactionRecord>, ApiError> {
        let located = self.reader().transaction(id).map_err(|error| self.failed(error))?;
        located.map(|located| self.transaction_record(located)).transpose()
    }

    fn prove_transaction(&self, id: &Hash) -> Result<TransactionProofRecord, ApiError> {
        let proven = self.reader().prove_transaction(id).map_err(|error| self.failed(error))?;
        let proven = proven.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "no block holds this transaction"))?;
        Ok(TransactionProofRecord {
            transaction: proven.transaction_proof,
            receipt: proven.receipt_proof,
            summary: proven.summary_proof,
        })
    }

    fn account(&self, address: &Address, at: Height) -> Result<AccountRecord, ApiError> {
        let block = self.record(at)?.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such height"))?;
        Ok(AccountRecord {
            account: self.reader().account(address, at).map_err(|error| self.failed(error))?,
            balances: self.reader().balances(address, at).map_err(|error| self.failed(error))?,
            header: block.header,
            summary: block.summary,
        })
    }

    fn prove(&self, keys: &[StateKey], at: Option<Height>) -> Result<ProvenState, ApiError> {
        let proven = match at {
            // It follows from the genesis document, and no certificate will ever cover it.
            Some(Height::ZERO) => {
                return Err(ApiError::new(ErrorCode::NotFound, "the state of height 0 has no certificate"));
            }
            Some(height) => self.reader().prove_at(keys, height),
            None => self.reader().prove(keys),
        };
        let proven = proven.map_err(|error| self.failed(error))?;
        Ok(ProvenState {
            height: proven.height,
            values: proven.values,
            proofs: proven.proofs,
            summary: proven.summary_proof,
        })
    }

    fn history(
        &self,
        address: &Address,
        beyond: Option<(Height, u32)>,
        order: PageOrder,
        limit: usize,
    ) -> Result<Vec<HistoryRecord>, ApiError> {
        let mut cursor = beyond.map(|(height, index)| HistoryCursor { height, index });
        let order = match order {
            PageOrder::Asc => ScanOrder::Ascending,
            PageOrder::Desc => ScanOrder::Descending,
        };
        let record = |id: Hash| -> Result<Option<HistoryRecord>, ApiError> {
            let Some(located) = self.reader().transaction(&id).map_err(|error| self.failed(error))? else {
                return Ok(None);
            };
            let transaction = SignedTransaction::from_bytes(&located.bytes, &self.chain.genesis);
            let transaction = transaction.map_err(|error| internal("a stored transaction does not decode", &error))?;
            Ok(Some(HistoryRecord {
                height: located.height,
                index: located.index,
                time: located.time,
                id,
                status: located.receipt.status,
                sender: transaction.body().sender,
            }))
        };
        let mut records = Vec::new();
        // A page of the ledger may be shorter than what is asked for.
        while records.len() < limit {
            let rest = limit.saturating_sub(records.len());
            let page = self.reader().history(address, cursor, order, rest).map_err(|error| self.failed(error))?;
            for entry in &page.entries {
                records.extend(record(entry.id)?);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(records)
    }

    fn evidence(
        &self,
        culprit: Option<ValidatorIndex>,
        beyond: Option<(Height, u32)>,
        limit: usize,
    ) -> Result<Vec<EvidenceRecord>, ApiError> {
        let mut cursor = beyond.map(|(height, index)| EvidenceCursor { height, index });
        let (epoch, mut records) = (self.reader().head().header.epoch, Vec::new());
        // A page of the ledger may be shorter than what is asked for.
        while records.len() < limit {
            let rest = limit.saturating_sub(records.len());
            let page = match culprit {
                Some(culprit) => self.reader().evidence_against(epoch, culprit, cursor, rest),
                None => self.reader().evidence(cursor, rest),
            };
            let EvidencePage { entries, next } = page.map_err(|error| self.failed(error))?;
            let record =
                |EvidenceEntry { at, evidence }| EvidenceRecord { height: at.height, index: at.index, evidence };
            records.extend(entries.into_iter().map(record));
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(records)
    }

    async fn pending_evidence(&self) -> Result<Vec<Evidence>, ApiError> {
        match &self.parts.place {
            Place::Validator(pool) => pool.look(|replica| replica.consensus().evidence).await,
            Place::Observer { .. } => Ok(Vec::new()),
        }
    }

    fn assets(&self) -> Result<Vec<AssetEntry>, ApiError> {
        let head = self.reader().head().header.height;
        let assets = self.reader().assets(head).map_err(|error| self.failed(error))?;
        let entry = |(id, AssetRecord::V1 { symbol, name, decimals, supply })| AssetEntry {
            id,
            symbol: symbol.as_str().to_owned(),
            name: name.as_str().to_owned(),
            decimals,
            supply,
        };
        Ok(assets.into_iter().map(entry).collect())
    }

    fn simulate(&self, bytes: &[u8]) -> Result<Simulation, ApiError> {
        let transaction = SignedTransaction::from_bytes(bytes, &self.chain.genesis)?;
        let head = self.reader().head();
        let id = transaction.id();
        match self.parts.entrance.intake.dry_run(&transaction, id).map_err(|error| self.failed(error))? {
            Outcome::Executed(execution) => {
                Ok(Simulation { header: head.header.clone(), summary: head.summary, receipt: execution.receipt })
            }
            Outcome::Skipped(reason) => Err(rejected(&self.parts.stop, Rejected::Skipped(id, reason))),
        }
    }

    fn submit(&self, bytes: Vec<u8>) -> impl Future<Output = Result<Submission, ApiError>> + Send {
        self.parts.entrance.submit(bytes)
    }

    fn progress(&self, id: Hash) -> impl Future<Output = Result<Progress, ApiError>> + Send {
        self.parts.entrance.progress(id)
    }

    fn wait(&self, id: Hash, until: WaitUntil) -> impl Future<Output = Result<Progress, ApiError>> + Send {
        self.parts.entrance.wait(id, until)
    }
}

fn validators(genesis: &Genesis) -> ValidatorsAnswer {
    let set = genesis.validator_set();
    let quorums = set.quorums();
    let view = |(index, validator): (u16, &althing_genesis::GenesisValidator)| ValidatorView {
        index,
        name: validator.name.clone(),
        key: Hex(validator.key),
        node_key: Hex(validator.node_key),
    };
    ValidatorsAnswer {
        epoch: Decimal(genesis.header().epoch),
        f: quorums.f(),
        quorum: quorums.notarize(),
        validators_hash: Hex(set.hash()),
        validators: (0..).zip(genesis.validators()).map(view).collect(),
    }
}
