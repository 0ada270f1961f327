//! What the public window shows of this node: the backend of the server, over the ledger's reader and the replica.
//!
//! Nothing here decides. Reads go to the ledger by height; questions about what is not committed go to the replica's
//! thread and come back; errors of this room's parts become codes of the catalogue.

mod refusal;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use althing_contracts::{AssetRecord, Outcome};
use althing_genesis::Genesis;
use althing_ledger::{HistoryCursor, LedgerError, LocatedTransaction, Reader};
use althing_mempool::Known;
use althing_network::{PeerState, PeerStatus, Role as PeerRole};
use althing_rpc::api::{
    ApiError, CheckView, ConsensusAnswer, Decimal, ErrorCode, HeadView, HealthAnswer, Hex, MempoolView, Notation,
    Order as PageOrder, PROTOCOL, PeerCountView, PeerView, Role, StatusAnswer, SyncState, SyncView, TimerView,
    ValidatorView, ValidatorsAnswer, VersionView, VotesView, WaitUntil,
};
use althing_rpc::{
    AccountRecord, AssetEntry, Backend, BlockId, BlockRecord, ChainInfo, HeadRecord, HistoryRecord, Inclusion,
    Progress, ProvenState, ServerOptions, Simulation, Submission, TransactionProofRecord, TransactionRecord, serve,
};
use althing_storage::{Order as ScanOrder, RocksStore};
use althing_types::{
    Address, AssetId, ChainProof, Hash, Height, Monotonic, PublicKey, SignedTransaction, StateKey, SummaryProof,
    ValidatorIndex, VoteKind,
};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::intake::{Intake, Rejected};
use super::mailbox::Mailbox;
use super::outbox::Outbox;
use super::start::Parts;
use super::stop::{Stop, locked};
use super::tracker::{News, Stage, Tracker};
use super::turns::{Admission, Order};
use crate::config::RpcConfig;
use crate::replica::Replica;
use refusal::{busy, internal, ledger_failed, refused_by_pool, rejected};

/// How long work may wait before the node counts as not ready.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How often the metrics library tidies up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The backend.
pub(super) struct Window {
    chain: ChainInfo,
    validators: ValidatorsAnswer,
    node_key: PublicKey,
    me: ValidatorIndex,
    outbox: Outbox,
    reader: Reader<RocksStore>,
    store: RocksStore,
    heads: watch::Receiver<Height>,
    intake: Intake<RocksStore>,
    orders: Arc<Mailbox<Order>>,
    tracker: Arc<Tracker>,
    clock: Clock,
    stop: Stop,
    metrics: PrometheusHandle,
    /// Since when there has been work without a new block, and above which height.
    stuck: Mutex<Option<(Monotonic, Height)>>,
}

impl Window {
    /// A window over these parts of a node.
    pub(super) fn new(parts: &Parts, genesis: &Genesis, me: ValidatorIndex, metrics: PrometheusHandle) -> Self {
        let assets = genesis.assets().iter();
        let names = assets.map(|asset| (AssetId::of_genesis(&asset.symbol), asset.symbol.as_str().to_owned()));
        let chain = ChainInfo {
            chain_id: genesis.chain_id().to_owned(),
            genesis: genesis.hash(),
            notation: Notation::new(genesis.prefix().clone(), names.collect()),
            document: genesis.document().to_json(),
        };
        let node_key = genesis.validators().get(me.to_usize()).map(|validator| validator.node_key);
        Self {
            chain,
            validators: validators(genesis),
            node_key: node_key.expect("the validator was found in this document"),
            me,
            outbox: parts.outbox.clone(),
            reader: parts.reader.clone(),
            store: parts.store.clone(),
            heads: parts.height.clone(),
            intake: parts.intake.clone(),
            orders: parts.orders.clone(),
            tracker: parts.tracker.clone(),
            clock: parts.clock,
            stop: parts.stop.clone(),
            metrics,
            stuck: Mutex::new(None),
        }
    }

    /// Serves until the node ends; the task ends when calls under way have.
    pub(super) fn open(self, runtime: &Runtime, listener: TcpListener, config: &RpcConfig) -> JoinHandle<()> {
        let (stop, metrics) = (self.stop.clone(), self.metrics.clone());
        let options = ServerOptions { allowed_hosts: config.allowed_hosts.clone(), ..ServerOptions::default() };
        let asked = stop.clone();
        let serving = serve(listener, Arc::new(self), options, async move {
            asked.reason().await;
        });
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                metrics.run_upkeep();
            }
        });
        runtime.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the public window failed");
                stop.ask();
            }
        })
    }

    /// Looks at the replica from its own thread.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Replica) -> T + Send + 'static) -> Result<T, ApiError> {
        let (answer, receiver) = oneshot::channel();
        let order = Order::Inspect(Box::new(move |replica| {
            // Whoever asked may have given up.
            let _gone = answer.send(look(replica));
        }));
        self.orders.offer(order).map_err(busy)?;
        receiver.await.map_err(|_| ApiError::new(ErrorCode::ShuttingDown, "the node is about to end"))
    }

    /// Where a transaction is that no block decided yet. It counts as accepted once its batch is durable.
    async fn pending(&self, id: Hash) -> Result<Option<Progress>, ApiError> {
        let me = self.me.to_usize();
        self.look(move |replica| match replica.whereabouts(&id)? {
            Known::Pooled => Some(Progress::Pending),
            Known::Batched { seq } => {
                let durable = replica.mempool().lanes.get(me).is_some_and(|lane| lane.durable_seq >= seq);
                Some(if durable { Progress::Accepted } else { Progress::Pending })
            }
        })
        .await
    }

    /// Where a transaction stands on the chain. The ledger is read on a thread that may block.
    async fn included(&self, id: Hash) -> Result<Option<Progress>, ApiError> {
        let reader = self.reader.clone();
        let found = tokio::task::spawn_blocking(move || reader.transaction(&id)).await;
        let found = found.map_err(|error| internal("the ledger was not read", &error))?.map_err(ledger_failed)?;
        Ok(found.map(|located| {
            let LocatedTransaction { height, index, receipt, .. } = located;
            Progress::Finalized(Box::new(Inclusion { height, index, receipt }))
        }))
    }

    fn record(&self, height: Height) -> Result<Option<BlockRecord>, ApiError> {
        let read = || -> Result<Option<BlockRecord>, LedgerError> {
            let (Some(header), Some(summary)) = (self.reader.header(height)?, self.reader.summary(height)?) else {
                return Ok(None);
            };
            let finalized_view = self.reader.finalization(height)?.map(|finalization| finalization.vote.view);
            Ok(Some(BlockRecord { header, summary, finalized_view }))
        };
        read().map_err(ledger_failed)
    }

    fn transaction_record(&self, located: LocatedTransaction) -> Result<TransactionRecord, ApiError> {
        let header = self.reader.header(located.height).map_err(ledger_failed)?;
        let header = header.ok_or_else(|| ApiError::new(ErrorCode::Internal, "a header is missing"))?;
        let LocatedTransaction { height, index, bytes, receipt, time, .. } = located;
        Ok(TransactionRecord { height, block: header.id(), time, index, bytes, receipt })
    }

    /// Whether work has been waiting for long without a new block.
    fn is_stuck(&self, has_work: bool) -> bool {
        let (now, height) = (self.clock.now().monotonic, *self.heads.borrow());
        let mut stuck = locked(&self.stuck);
        match *stuck {
            _ if !has_work => *stuck = None,
            Some((since, at)) if at == height => {
                return now.get().saturating_sub(since.get())
                    > u64::try_from(STUCK_AFTER.as_micros()).unwrap_or(u64::MAX);
            }
            _ => *stuck = Some((now, height)),
        }
        false
    }

    /// Puts what was verified into the pool, and says how far it has come.
    async fn pool(&self, bytes: Vec<u8>) -> Result<Submission, ApiError> {
        let candidate = match self.intake.pass(bytes).await {
            Ok(candidate) => candidate,
            Err(rejected_as) => return self.known(rejected_as).await,
        };
        let (id, (answer, receiver)) = (candidate.id(), oneshot::channel());
        self.orders.offer(Order::Submit(Box::new(candidate), answer)).map_err(busy)?;
        let admission =
            receiver.await.map_err(|_| ApiError::new(ErrorCode::ShuttingDown, "the node is about to end"))?;
        match admission {
            Admission::Admitted => Ok(Submission { id, duplicate: false, progress: Progress::Pending }),
            Admission::Known => Ok(Submission { id, duplicate: true, progress: self.progress(id).await? }),
            Admission::Refused(error) => Err(refused_by_pool(&error)),
        }
    }

    /// A transaction that was rejected may be one that is here already, and that a newer state would refuse. Whoever
    /// sends the same bytes again gets the same answer.
    async fn known(&self, rejected_as: Rejected) -> Result<Submission, ApiError> {
        let id = match &rejected_as {
            Rejected::Included(id) | Rejected::Skipped(id, _) => *id,
            Rejected::Fails(receipt) => receipt.tx_id,
            _ => return Err(rejected(rejected_as)),
        };
        match self.progress(id).await? {
            Progress::Unknown => Err(rejected(rejected_as)),
            progress => Ok(Submission { id, duplicate: true, progress }),
        }
    }
}

impl Backend for Window {
    fn chain(&self) -> &ChainInfo {
        &self.chain
    }

    fn head(&self) -> HeadRecord {
        let head = self.reader.head();
        HeadRecord { header: head.header.clone(), summary: head.summary, certified: head.certified.unwrap_or_default() }
    }

    fn heads(&self) -> watch::Receiver<Height> {
        self.heads.clone()
    }

    fn validators(&self) -> ValidatorsAnswer {
        self.validators.clone()
    }

    fn metrics(&self) -> String {
        if let Ok(usage) = self.store.usage() {
            gauge!("althing_storage_bytes", "kind" => "sst").set(usage.sst_bytes as f64);
            gauge!("althing_storage_bytes", "kind" => "blob").set(usage.blob_bytes as f64);
            gauge!("althing_storage_bytes", "kind" => "cache").set(usage.cache_bytes as f64);
        }
        gauge!("althing_rpc_waiting_transactions").set(self.tracker.count() as f64);
        self.metrics.render()
    }

    async fn status(&self) -> Result<StatusAnswer, ApiError> {
        let (pool, reported) = self.look(|replica| (replica.mempool(), replica.consensus().reported)).await?;
        let head = self.reader.head();
        let is_behind = is_behind(head.header.height, reported);
        let peers = self.outbox.peers();
        let connected = peers.iter().filter(|peer| is_connected(peer)).count();
        Ok(StatusAnswer {
            chain_id: self.chain.chain_id.clone(),
            genesis_hash: Hex(self.chain.genesis),
            address_prefix: self.chain.notation.prefix().as_str().to_owned(),
            role: Role::Validator,
            node_key: Hex(self.node_key),
            version: VersionView { semver: env!("CARGO_PKG_VERSION").to_owned(), protocol: PROTOCOL },
            sync: SyncView {
                state: if is_behind { SyncState::Syncing } else { SyncState::Synced },
                height: Decimal(head.header.height),
                target_height: Decimal(reported.max(head.header.height)),
            },
            latest: HeadView {
                height: Decimal(head.header.height),
                block_hash: Hex(head.id),
                state_root: Hex(head.summary.state_root),
                time: Decimal(head.header.time),
                epoch: Decimal(head.header.epoch),
                certified_height: Decimal(head.certified.unwrap_or_default()),
            },
            earliest_height: Decimal(Height::ZERO),
            peers: PeerCountView { connected: count(connected), expected: count(peers.len()) },
            mempool: MempoolView {
                txs: u32::try_from(pool.pool_count).unwrap_or(u32::MAX),
                bytes: Decimal(u64::try_from(pool.pool_bytes).unwrap_or(u64::MAX)),
            },
            uptime_ms: Decimal(u64::try_from(self.clock.uptime().as_millis()).unwrap_or(u64::MAX)),
        })
    }

    async fn peers(&self) -> Result<Vec<PeerView>, ApiError> {
        Ok(self.outbox.peers().into_iter().map(peer_view).collect())
    }

    async fn consensus(&self) -> Result<ConsensusAnswer, ApiError> {
        let (snapshot, deadline) = self.look(|replica| (replica.consensus(), replica.deadline())).await?;
        let voted = |kind: VoteKind| {
            let of_kind = snapshot.voted.iter().filter(|(voted, _)| *voted == kind);
            of_kind.map(|(_, signer)| signer.get()).collect::<Vec<u16>>()
        };
        let now = self.clock.now().monotonic;
        let timer = |deadline: Monotonic| TimerView {
            name: "next".to_owned(),
            in_ms: Decimal(deadline.get().saturating_sub(now.get()) / 1_000),
        };
        Ok(ConsensusAnswer {
            epoch: Decimal(self.reader.head().header.epoch),
            height: Decimal(snapshot.height),
            view: Decimal(snapshot.view),
            leader: snapshot.leader.get(),
            entered_ms_ago: Decimal(now.get().saturating_sub(snapshot.entered.get()) / 1_000),
            final_view: Decimal(snapshot.floor),
            final_block: Hex(snapshot.final_block),
            votes: VotesView {
                notarize: voted(VoteKind::Notarize),
                nullify: voted(VoteKind::Nullify),
                finalize: voted(VoteKind::Finalize),
            },
            missing: snapshot.missing.iter().map(|index| index.get()).collect(),
            timers: deadline.map(timer).into_iter().collect(),
            halted: snapshot.halted.map(|alarm| format!("{alarm:?}")),
        })
    }

    async fn health(&self) -> HealthAnswer {
        let looked = self
            .look(|replica| {
                let consensus = replica.consensus();
                (consensus.halted.is_some(), consensus.reported, replica.mempool())
            })
            .await;
        let check = |ok: bool, detail: &str| CheckView { ok, detail: detail.to_owned() };
        let (live, voting, work, synced) = match &looked {
            Ok((halted, reported, pool)) => {
                let has_work = pool.pool_count > 0 || pool.in_flight_count > 0;
                let is_synced = !is_behind(*self.heads.borrow(), *reported);
                (true, !halted && !pool.is_silent, !self.is_stuck(has_work), is_synced)
            }
            Err(_) => (false, false, false, false),
        };
        let validators = self.outbox.peers().into_iter().filter(|peer| peer.role == PeerRole::Validator);
        let connected = count(validators.filter(is_connected).count());
        let needed = u32::from(self.validators.quorum).saturating_sub(1);
        let missing = format!("{connected} other validators are connected, {needed} are needed; see node_peers");
        let serving = !self.stop.is_set();
        let checks = [
            ("replica", check(live, if live { "it answers" } else { "it does not answer" })),
            ("serving", check(serving, if serving { "yes" } else { "the node is about to end" })),
            ("voting", check(voting, if voting { "yes" } else { "this node stopped for good; see its log" })),
            ("peers", check(connected >= needed, if connected >= needed { "enough are connected" } else { &missing })),
            ("sync", check(synced, if synced { "it has what the others have" } else { "it is catching up" })),
            (
                "work",
                check(work, if work { "none has been waiting for long" } else { "work has waited for over 10 s" }),
            ),
        ];
        let ready = checks.iter().all(|(_, check)| check.ok);
        HealthAnswer { live, ready, checks: checks.map(|(name, check)| (name.to_owned(), check)).into() }
    }

    fn block(&self, id: BlockId) -> Result<Option<BlockRecord>, ApiError> {
        match id {
            BlockId::Height(height) => self.record(height),
            BlockId::Hash(hash) => match self.reader.height_of(&hash).map_err(ledger_failed)? {
                Some(height) => self.record(height),
                None => Ok(None),
            },
        }
    }

    fn blocks(&self, from: Height, limit: usize, order: PageOrder) -> Result<Vec<BlockRecord>, ApiError> {
        let head = self.reader.head().header.height.get();
        let heights: Box<dyn Iterator<Item = u64>> = match order {
            PageOrder::Asc => Box::new(from.get()..=head),
            PageOrder::Desc => Box::new((0..=from.get().min(head)).rev()),
        };
        heights.take(limit).filter_map(|height| self.record(Height::new(height)).transpose()).collect()
    }

    fn prove_block(&self, height: Height) -> Result<(ChainProof, Option<SummaryProof>), ApiError> {
        let chain = self.reader.prove_header(height).map_err(ledger_failed)?;
        let chain = chain.ok_or_else(|| ledger_failed(LedgerError::ProofUnavailable { height }))?;
        match self.reader.prove_summary(height) {
            Ok(summary) => Ok((chain, Some(summary))),
            Err(LedgerError::ProofUnavailable { .. }) => Ok((chain, None)),
            Err(error) => Err(ledger_failed(error)),
        }
    }

    fn transaction_ids(&self, height: Height) -> Result<Vec<Hash>, ApiError> {
        self.reader.transaction_ids(height).map_err(ledger_failed)
    }

    fn transactions(&self, height: Height, from: u32, limit: usize) -> Result<Vec<TransactionRecord>, ApiError> {
        let located = self.reader.transactions(height, from, limit).map_err(ledger_failed)?;
        located.into_iter().map(|located| self.transaction_record(located)).collect()
    }

    fn transaction(&self, id: &Hash) -> Result<Option<TransactionRecord>, ApiError> {
        let located = self.reader.transaction(id).map_err(ledger_failed)?;
        located.map(|located| self.transaction_record(located)).transpose()
    }

    fn prove_transaction(&self, id: &Hash) -> Result<TransactionProofRecord, ApiError> {
        let proven = self.reader.prove_transaction(id).map_err(ledger_failed)?;
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
            account: self.reader.account(address, at).map_err(ledger_failed)?,
            balances: self.reader.balances(address, at).map_err(ledger_failed)?,
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
            Some(height) => self.reader.prove_at(keys, height),
            None => self.reader.prove(keys),
        };
        let proven = proven.map_err(ledger_failed)?;
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
        let cursor = beyond.map(|(height, index)| HistoryCursor { height, index });
        let order = match order {
            PageOrder::Asc => ScanOrder::Ascending,
            PageOrder::Desc => ScanOrder::Descending,
        };
        let page = self.reader.history(address, cursor, order, limit).map_err(ledger_failed)?;
        let record = |id: Hash| -> Result<Option<HistoryRecord>, ApiError> {
            let Some(located) = self.reader.transaction(&id).map_err(ledger_failed)? else { return Ok(None) };
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
        page.entries.iter().filter_map(|entry| record(entry.id).transpose()).collect()
    }

    fn assets(&self) -> Result<Vec<AssetEntry>, ApiError> {
        let head = self.reader.head().header.height;
        let assets = self.reader.assets(head).map_err(ledger_failed)?;
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
        let head = self.reader.head();
        let id = transaction.id();
        match self.intake.dry_run(&transaction, id).map_err(ledger_failed)? {
            Outcome::Executed(execution) => {
                Ok(Simulation { header: head.header.clone(), summary: head.summary, receipt: execution.receipt })
            }
            Outcome::Skipped(reason) => Err(rejected(Rejected::Skipped(id, reason))),
        }
    }

    fn submit(&self, bytes: Vec<u8>) -> impl Future<Output = Result<Submission, ApiError>> + Send {
        self.pool(bytes)
    }

    /// What is not committed is asked for first: whatever leaves the replica meanwhile is on the chain then.
    async fn progress(&self, id: Hash) -> Result<Progress, ApiError> {
        if let Some(progress) = self.pending(id).await? {
            return Ok(progress);
        }
        Ok(self.included(id).await?.unwrap_or(Progress::Unknown))
    }

    /// The wire is laid before the first look, so that no news falls between the two.
    async fn wait(&self, id: Hash, until: WaitUntil) -> Result<Progress, ApiError> {
        let stage = if until == WaitUntil::Finalized { Stage::Committed } else { Stage::Accepted };
        let news = self.tracker.wait(id, stage);
        let news =
            news.ok_or_else(|| ApiError::new(ErrorCode::Overloaded, "too many callers wait").retry_after_ms(500))?;
        let progress = self.progress(id).await?;
        if progress.is_at_least(until) {
            return Ok(progress);
        }
        match news.await {
            Ok(News::Accepted) => Ok(Progress::Accepted),
            Ok(News::Committed) => Ok(self.included(id).await?.unwrap_or(Progress::Unknown)),
            Ok(News::Expired) => Ok(Progress::Expired),
            Ok(News::Dropped(reason)) => Ok(Progress::Dropped { reason }),
            Err(_) => Err(ApiError::new(ErrorCode::ShuttingDown, "the node is about to end")),
        }
    }
}

/// Blocks that a node may be behind what others report without counting as one that catches up: reports travel while
/// blocks are executed.
const BEHIND_MAX: u64 = 16;

/// Whether a node lacks what at least one honest validator has had for a while.
fn is_behind(height: Height, reported: Height) -> bool {
    reported.get().saturating_sub(height.get()) > BEHIND_MAX
}

fn is_connected(peer: &PeerStatus) -> bool {
    matches!(peer.state, PeerState::Connected { .. })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn peer_view(peer: PeerStatus) -> PeerView {
    let connected = is_connected(&peer);
    let millis = |time: Duration| Decimal(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let (since, why, agent) = match peer.state {
        PeerState::Connected { for_, agent, .. } => (Some(for_), None, Some(agent)),
        PeerState::Unreachable { for_, why, .. } => (Some(for_), Some(why), None),
        PeerState::OtherChain { genesis, chain_id, .. } => {
            (None, Some(format!("it is on chain {chain_id} with genesis {genesis}")), None)
        }
        PeerState::Waiting => (None, Some("it has not come yet, and its address is not known".to_owned()), None),
    };
    PeerView {
        name: peer.name,
        node_key: Hex(peer.key),
        role: match peer.role {
            PeerRole::Validator => Role::Validator,
            PeerRole::Observer => Role::Observer,
        },
        connected,
        address: peer.address.map(|address| address.to_string()),
        since_ms: since.map(millis),
        why,
        agent,
        round_trip_us: peer.round_trip.map(|time| Decimal(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))),
        bytes_in: Decimal(peer.bytes_in),
        bytes_out: Decimal(peer.bytes_out),
        frames_dropped: Decimal(peer.frames_dropped),
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
