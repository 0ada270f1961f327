//! A backend that is made up: a chain whose blocks follow from their heights, one transfer in each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use althing_types::{
    Account, AccountLane, Action, Address, AddressPrefix, AssetId, AssetSymbol, AuthPolicy, AuthProof, Bytes,
    ChainProof, Committee, EMPTY_SUBTREE, Epoch, Evidence, Finalization, Finalize, Hash, Header, Height,
    InclusionProof, LeafReference, List, Nullify, Receipt, Replay, SecretKey, SignedTransaction, StateKey, StateProof,
    Status, Summary, SummaryProof, TimeMs, TransactionBody, Validator, ValidatorIndex, ValidatorSet, View, Vote,
    encode, genesis_header, state_node_hash,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::api::{
    ApiError, CheckView, ConsensusAnswer, Decimal, ErrorCode, HealthAnswer, Hex, MempoolView, Notation, Order,
    PeerCountView, PeerView, Role, StatusAnswer, SyncState, SyncView, ValidatorView, ValidatorsAnswer, VersionView,
    VotesView, WaitUntil, WhyAnswer, WhyCause, WhyFinding, WhyState,
};
use crate::backend::*;

/// A chain of which everything is known in advance.
pub(super) struct Fake {
    chain: ChainInfo,
    pub(super) committee: Committee,
    secret: SecretKey,
    heads: watch::Sender<Height>,
    taken: Mutex<BTreeMap<Hash, Progress>>,
    /// Whether transactions that are waited for become final.
    pub(super) finalizes: watch::Sender<bool>,
    pub(super) is_ready: AtomicBool,
    /// What a read of an account meets, if it must wait.
    pub(super) barrier: Mutex<Option<Arc<Barrier>>>,
    pub(super) waiting: AtomicUsize,
    /// How often a list of blocks was read.
    pub(super) lists_read: AtomicUsize,
}

/// The genesis hash of the chain.
pub(super) const CHAIN: Hash = Hash::new([0xc4; 32]);
/// How many units the account of the tests holds: more than a floating-point number can tell apart.
pub(super) const BALANCE: u128 = (1 << 100) + 1;

impl Fake {
    /// A chain of ten blocks.
    pub(super) fn new() -> Self {
        let secret = SecretKey::from_seed(&[1; 32]);
        let node_key = SecretKey::from_seed(&[2; 32]).public_key();
        let validator = Validator { key: secret.public_key(), node_key };
        let set = ValidatorSet::new(vec![validator], 0, false).expect("one is a set");
        let committee = Committee { chain: CHAIN, epoch: Epoch::ZERO, set };
        let prefix = AddressPrefix::new("talt").expect("valid");
        let chain = ChainInfo {
            chain_id: "made-up".to_owned(),
            genesis: CHAIN,
            notation: Notation::new(prefix, [(asset(), "USD".to_owned())].into()),
            document: "{\"chainId\":\"made-up\"}".to_owned(),
        };
        Self {
            chain,
            committee,
            secret,
            heads: watch::Sender::new(Height::new(10)),
            taken: Mutex::default(),
            finalizes: watch::Sender::new(true),
            is_ready: AtomicBool::new(true),
            barrier: Mutex::default(),
            waiting: AtomicUsize::new(0),
            lists_read: AtomicUsize::new(0),
        }
    }

    /// Two Nullify with different reports in the view of a height's number, by validator 0 or 1.
    fn evidence_of(&self, height: Height) -> Evidence {
        let signer = ValidatorIndex::new(u16::try_from(height.get() % 2).expect("small"));
        let vote = |report| Nullify { epoch: Epoch::ZERO, view: View::new(height.get()), report };
        let [one, two] = [None, Some(Hash::ZERO)].map(|it| Vote::Nullify(vote(it)).sign(&CHAIN, signer, &self.secret));
        Evidence::of_votes(one, two).expect("they contradict")
    }

    /// The chain grows to this height.
    pub(super) fn grow_to(&self, height: u64) {
        self.heads.send_replace(Height::new(height));
    }

    pub(super) fn header(&self, height: Height) -> Header {
        let genesis = genesis_header(CHAIN, TimeMs::new(1_000), self.committee.set.hash(), Hash::ZERO);
        let results_root = althing_types::merkle_root(&[self.summary_of(height).leaf()]);
        Header { height, time: TimeMs::new(1_000 + height.get()), results_root, ..genesis }
    }

    /// The result without the id of the block, which carries its own result in this chain.
    fn summary_of(&self, height: Height) -> Summary {
        Summary {
            height,
            block: Hash::new([0xb1; 32]),
            state_root: state_root(),
            tx_root: Hash::new([1; 32]),
            receipts_root: Hash::new([2; 32]),
            tx_count: 1,
            gas_used: 1 << 60,
            vm: 1,
        }
    }

    fn record(&self, height: Height) -> BlockRecord {
        let header = self.header(height);
        let summary = Summary { block: header.id(), ..self.summary_of(height) };
        BlockRecord { header, summary, finalized_view: Some(View::new(height.get())) }
    }

    fn chain_proof(&self, height: Height) -> ChainProof {
        let header = self.header(height);
        let vote = Finalize { epoch: Epoch::ZERO, view: View::new(height.get()), digest: header.id() };
        let signed = Vote::Finalize(vote).sign(&CHAIN, ValidatorIndex::ZERO, &self.secret);
        let finalization = Finalization::slow(vote, &self.committee, [&signed]).expect("a quorum of one");
        ChainProof { headers: List::truncated(vec![header]), finalization }
    }

    fn summary_proof(&self, height: Height) -> SummaryProof {
        let summary = self.summary_of(height);
        let inclusion = InclusionProof::of(&[summary.leaf()], 0).expect("a leaf");
        SummaryProof { summary, inclusion, chain: self.chain_proof(height) }
    }

    fn is_there(&self, height: Height) -> bool {
        height <= *self.heads.borrow()
    }

    fn transaction_of(&self, height: Height) -> TransactionRecord {
        let transaction = transfer(height.get());
        TransactionRecord {
            height,
            block: self.header(height).id(),
            time: self.header(height).time,
            index: 0,
            receipt: receipt(transaction.id()),
            bytes: transaction.to_bytes(),
        }
    }

    fn find(&self, id: &Hash) -> Option<TransactionRecord> {
        let head = self.heads.borrow().get();
        let height = (1..=head.min(20)).find(|height| transfer(*height).id() == *id)?;
        Some(self.transaction_of(Height::new(height)))
    }
}

/// The asset of the chain.
pub(super) fn asset() -> AssetId {
    let symbol: AssetSymbol = "USD".parse().expect("valid");
    AssetId::of_genesis(&symbol)
}

/// The account of the tests.
pub(super) fn account() -> Address {
    Address::of_policy(&AuthPolicy::Key(SecretKey::from_seed(&[3; 32]).public_key()))
}

/// A signed transfer.
pub(super) fn transfer(salt: u64) -> SignedTransaction {
    let key = SecretKey::from_seed(&[3; 32]);
    let body = TransactionBody {
        chain: CHAIN,
        sender: account(),
        replay: Replay::Expiring { valid_until: TimeMs::new(60_000), salt },
        gas_limit: 100_000,
        sponsor: None,
        action: Action::Transfer { asset: asset(), to: Address::new([9; 32]), amount: BALANCE },
        trees: List::empty(),
        memo: Bytes::default(),
        ext: List::empty(),
    };
    let signature = key.sign(&body.sign_hash());
    let reveal = Some(AuthPolicy::Key(key.public_key()));
    let proof = AuthProof { who: account(), reveal, sigs: List::truncated(vec![(key.public_key(), signature)]) };
    SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
}

fn receipt(tx_id: Hash) -> Receipt {
    Receipt { tx_id, status: Status::Ok, gas_used: 25_000, fee: 0, return_hash: Hash::ZERO, events: List::empty() }
}

fn record_of_account() -> Account {
    let lanes = List::truncated(vec![AccountLane { lane: 0, next: u64::MAX }]);
    let policy = AuthPolicy::Key(SecretKey::from_seed(&[3; 32]).public_key());
    Account::V1 { policy, lanes, flags: 0 }
}

/// All of the state at every height: the account of the tests.
fn state() -> [(StateKey, Vec<u8>); 2] {
    let record = (StateKey::Account(account()), encode(&record_of_account()));
    [record, (StateKey::Balance(account(), asset()), encode(&BALANCE))]
}

/// The path to one of the two leaves of the state, the other of which stands beside it; of any other key a proof that
/// shows nothing.
fn state_proof(key: &StateKey) -> StateProof {
    let [mine, other] = match state() {
        [one, other] if one.0 == *key => [one, other],
        [one, other] if other.0 == *key => [other, one],
        _ => return StateProof { leaf: None, siblings: List::empty() },
    }
    .map(|(key, value)| LeafReference { key: key.tree_key(), value: Hash::new(Sha256::digest(value).into()) });
    let shared = (0..256).take_while(|level| bit(&mine.key, *level) == bit(&other.key, *level));
    let siblings = std::iter::once(Some(other.hash())).chain(shared.map(|_| None)).collect();
    StateProof { leaf: Some(mine), siblings: List::truncated(siblings) }
}

fn state_root() -> Hash {
    let proof = state_proof(&StateKey::Account(account()));
    let leaf = proof.leaf.expect("it is there");
    (0..proof.siblings.len()).rev().zip(proof.siblings.iter()).fold(leaf.hash(), |hash, (level, sibling)| {
        let sibling = sibling.unwrap_or(EMPTY_SUBTREE);
        if bit(&leaf.key, level) { state_node_hash(&sibling, &hash) } else { state_node_hash(&hash, &sibling) }
    })
}

fn bit(key: &Hash, level: usize) -> bool {
    key.as_bytes()[level / 8] << (level % 8) & 0x80 != 0
}

impl Backend for Fake {
    fn chain(&self) -> &ChainInfo {
        &self.chain
    }

    fn head(&self) -> HeadRecord {
        let height = *self.heads.borrow();
        let BlockRecord { header, summary, .. } = self.record(height);
        HeadRecord { header, summary, certified: height.previous() }
    }

    fn heads(&self) -> watch::Receiver<Height> {
        self.heads.subscribe()
    }

    fn validators(&self) -> ValidatorsAnswer {
        let set = &self.committee.set;
        let views = set.validators().iter().map(|validator| ValidatorView {
            index: 0,
            name: "validator-0".to_owned(),
            key: Hex(validator.key),
            node_key: Hex(validator.node_key),
        });
        ValidatorsAnswer {
            epoch: Decimal(Epoch::ZERO),
            f: 0,
            quorum: 1,
            validators_hash: Hex(set.hash()),
            validators: views.collect(),
        }
    }

    fn metrics(&self) -> String {
        "althing_made_up 1\n".to_owned()
    }

    async fn status(&self) -> Result<StatusAnswer, ApiError> {
        let head = self.head();
        Ok(StatusAnswer {
            chain_id: self.chain.chain_id.clone(),
            genesis_hash: Hex(CHAIN),
            address_prefix: "talt".to_owned(),
            role: Role::Validator,
            node_key: Hex(self.secret.public_key()),
            version: VersionView { semver: "0.0.0".to_owned(), protocol: crate::api::PROTOCOL },
            sync: SyncView {
                state: SyncState::Synced,
                height: Decimal(head.header.height),
                target_height: Decimal(head.header.height),
            },
            latest: crate::api::HeadView {
                height: Decimal(head.header.height),
                block_hash: Hex(head.summary.block),
                state_root: Hex(head.summary.state_root),
                time: Decimal(head.header.time),
                epoch: Decimal(Epoch::ZERO),
                certified_height: Decimal(head.certified),
            },
            earliest_height: Decimal(Height::ZERO),
            peers: PeerCountView { connected: 0, expected: 0 },
            mempool: MempoolView { txs: 0, bytes: Decimal(0) },
            uptime_ms: Decimal(u64::MAX),
        })
    }

    async fn why(&self) -> Result<WhyAnswer, ApiError> {
        let first = WhyFinding {
            cause: WhyCause::Idle,
            sentence: "nothing waits".to_owned(),
            who: Vec::new(),
            since_ms: None,
            remedy: None,
        };
        Ok(WhyAnswer {
            node: "validator-0".to_owned(),
            role: Role::Validator,
            state: WhyState::Ok,
            first,
            also: Vec::new(),
            height: Decimal(*self.heads.borrow()),
            view: Some(Decimal(View::new(11))),
        })
    }

    async fn peers(&self) -> Result<Vec<PeerView>, ApiError> {
        Ok(Vec::new())
    }

    async fn consensus(&self) -> Result<ConsensusAnswer, ApiError> {
        Ok(ConsensusAnswer {
            epoch: Decimal(Epoch::ZERO),
            height: Decimal(*self.heads.borrow()),
            view: Decimal(View::new(11)),
            leader: 0,
            entered_ms_ago: Decimal(3),
            final_view: Decimal(View::new(10)),
            final_block: Hex(Hash::ZERO),
            votes: VotesView::default(),
            missing: vec![],
            timers: vec![],
            halted: None,
        })
    }

    async fn health(&self) -> HealthAnswer {
        let ready = self.is_ready.load(Ordering::Relaxed);
        let check = CheckView { ok: ready, detail: "work waits for 9 s".to_owned() };
        HealthAnswer { live: true, ready, checks: [("progress".to_owned(), check)].into() }
    }

    fn block(&self, id: BlockId) -> Result<Option<BlockRecord>, ApiError> {
        let height = match id {
            BlockId::Height(height) => Some(height).filter(|height| self.is_there(*height)),
            BlockId::Hash(hash) => (0..=10).map(Height::new).find(|height| self.header(*height).id() == hash),
        };
        Ok(height.map(|height| self.record(height)))
    }

    fn blocks(&self, from: Height, limit: usize, order: Order) -> Result<Vec<BlockRecord>, ApiError> {
        self.lists_read.fetch_add(1, Ordering::Relaxed);
        let head = self.heads.borrow().get();
        let heights: Vec<u64> = match order {
            Order::Asc => (from.get()..=head).take(limit).collect(),
            Order::Desc => (0..=from.get().min(head)).rev().take(limit).collect(),
        };
        Ok(heights.into_iter().map(|height| self.record(Height::new(height))).collect())
    }

    fn prove_block(&self, height: Height) -> Result<(ChainProof, Option<SummaryProof>), ApiError> {
        Ok((self.chain_proof(height), Some(self.summary_proof(height))))
    }

    fn outcomes(&self, height: Height) -> Result<Vec<(Hash, Status)>, ApiError> {
        let status = if height.get() % 2 == 1 { Status::Insufficient } else { Status::Ok };
        Ok(vec![(transfer(height.get()).id(), status)])
    }

    fn transactions(&self, height: Height, from: u32, limit: usize) -> Result<Vec<TransactionRecord>, ApiError> {
        Ok(if from == 0 && limit > 0 { vec![self.transaction_of(height)] } else { vec![] })
    }

    fn transaction(&self, id: &Hash) -> Result<Option<TransactionRecord>, ApiError> {
        Ok(self.find(id))
    }

    fn prove_transaction(&self, id: &Hash) -> Result<TransactionProofRecord, ApiError> {
        let record = self.find(id).expect("it was found before");
        if record.height == *self.heads.borrow() {
            return Err(ApiError::new(ErrorCode::ProofUnavailable, "no certificate covers the height yet"));
        }
        let inclusion = InclusionProof::of(&[Hash::ZERO], 0).expect("a leaf");
        let summary = self.summary_proof(record.height);
        Ok(TransactionProofRecord { transaction: inclusion.clone(), receipt: inclusion, summary })
    }

    fn account(&self, address: &Address, at: Height) -> Result<AccountRecord, ApiError> {
        let barrier = self.barrier.lock().expect("not poisoned").clone();
        if let Some(barrier) = barrier {
            barrier.wait();
        }
        let is_ours = *address == account();
        let BlockRecord { header, summary, .. } = self.record(at);
        Ok(AccountRecord {
            header,
            summary,
            account: is_ours.then(record_of_account),
            balances: if is_ours { vec![(asset(), BALANCE)] } else { vec![] },
        })
    }

    fn prove(&self, keys: &[StateKey], at: Option<Height>) -> Result<ProvenState, ApiError> {
        let head = *self.heads.borrow();
        if at == Some(head) {
            return Err(ApiError::new(ErrorCode::ProofUnavailable, "no certificate covers the height yet"));
        }
        let height = at.unwrap_or(head.previous());
        let value = |key: &StateKey| state().into_iter().find(|(there, _)| there == key).map(|(_, value)| value);
        Ok(ProvenState {
            height,
            values: keys.iter().map(value).collect(),
            proofs: keys.iter().map(state_proof).collect(),
            summary: self.summary_proof(height),
        })
    }

    fn history(
        &self,
        _: &Address,
        beyond: Option<(Height, u32)>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<HistoryRecord>, ApiError> {
        let head = self.heads.borrow().get();
        let heights: Vec<u64> = match (order, beyond) {
            (Order::Asc, None) => (1..=head).collect(),
            (Order::Asc, Some((last, _))) => (last.get() + 1..=head).collect(),
            (Order::Desc, None) => (1..=head).rev().collect(),
            (Order::Desc, Some((last, _))) => (1..last.get()).rev().collect(),
        };
        let record = |height: u64| HistoryRecord {
            height: Height::new(height),
            index: 0,
            time: TimeMs::new(height),
            id: Hash::ZERO,
            status: Status::Ok,
            sender: account(),
        };
        Ok(heights.into_iter().take(limit).map(record).collect())
    }

    /// One piece in every block, against validator 0 in those of even height and 1 in the others.
    fn evidence(
        &self,
        culprit: Option<ValidatorIndex>,
        beyond: Option<(Height, u32)>,
        limit: usize,
    ) -> Result<Vec<EvidenceRecord>, ApiError> {
        let after = beyond.map_or(0, |(height, _)| height.get());
        let heights = (after + 1..=self.heads.borrow().get()).map(Height::new);
        let records = heights.map(|height| EvidenceRecord { height, index: 0, evidence: self.evidence_of(height) });
        let wanted = records.filter(|record| culprit.is_none_or(|culprit| record.evidence.culprit() == culprit));
        Ok(wanted.take(limit).collect())
    }

    async fn pending_evidence(&self) -> Result<Vec<Evidence>, ApiError> {
        Ok(vec![self.evidence_of(Height::new(99))])
    }

    fn assets(&self) -> Result<Vec<AssetEntry>, ApiError> {
        let (symbol, name) = ("USD".to_owned(), "Dollars".to_owned());
        Ok(vec![AssetEntry { id: asset(), symbol, name, decimals: 2, supply: u128::MAX }])
    }

    fn simulate(&self, bytes: &[u8]) -> Result<Simulation, ApiError> {
        let transaction = SignedTransaction::from_bytes(bytes, &CHAIN)?;
        let HeadRecord { header, summary, .. } = self.head();
        Ok(Simulation { header, summary, receipt: receipt(transaction.id()) })
    }

    async fn submit(&self, bytes: Vec<u8>) -> Result<Submission, ApiError> {
        let transaction = SignedTransaction::from_bytes(&bytes, &CHAIN)?;
        let id = transaction.verify()?.id();
        let mut taken = self.taken.lock().expect("not poisoned");
        let duplicate = taken.contains_key(&id);
        let progress = taken.entry(id).or_insert(Progress::Pending).clone();
        Ok(Submission { id, duplicate, progress })
    }

    async fn progress(&self, id: Hash) -> Result<Progress, ApiError> {
        Ok(self.taken.lock().expect("not poisoned").get(&id).cloned().unwrap_or(Progress::Unknown))
    }

    async fn wait(&self, id: Hash, until: WaitUntil) -> Result<Progress, ApiError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut finalizes = self.finalizes.subscribe();
        drop(finalizes.wait_for(|finalizes| *finalizes).await);
        if until == WaitUntil::Accepted {
            return Ok(Progress::Accepted);
        }
        let inclusion = Inclusion { height: Height::new(u64::MAX), index: 7, receipt: receipt(id) };
        Ok(Progress::Finalized(Box::new(inclusion)))
    }
}
