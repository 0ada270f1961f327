//! A chain with everybody's keys: blocks over two lanes, certificates, results, and the store of a node that has it all.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_ledger::{FinalBlock, Ledger, OrderedBatch, SPACES, replay_spaces};
use althing_storage::{FaultyStore, StoreFaultPlan};
use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Batch, Block, Body, Bytes, Committee, Finalization, Finalize,
    Hash, Header, Height, LaneTip, List, Replay, SecretKey, SignedBatch, SignedTransaction, Summary, TimeMs,
    TransactionBody, ValidatorIndex, View, Vote, lanes_root,
};

use crate::audit::run::audit_in;
use crate::audit::{Archive, ArchiveWriter, Audit, AuditError, Entry, Report, Source};

/// The text that all keys follow from.
const SEED: &str = "audit";
/// Blocks of the chain.
pub(crate) const HEIGHTS: u64 = 8;
/// The height that has no certificate of its own.
pub(crate) const BARE: u64 = 3;
/// Transactions of a batch.
pub(super) const EACH: usize = 3;

pub(super) fn network(time: u64) -> DevNetwork {
    DevNetwork {
        chain_id: "audit".to_owned(),
        seed: SEED.to_owned(),
        validators: 4,
        observers: 0,
        accounts: 8,
        p2p_base_port: 26_700,
        time: TimeMs::new(time),
    }
}

fn account(index: u32) -> SecretKey {
    dev_key(SEED, DevRole::Account, index)
}

pub(super) fn address(index: u32) -> Address {
    Address::of_policy(&AuthPolicy::Key(account(index).public_key()))
}

/// A chain and the store of a node that committed it.
pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) entries: Vec<Entry>,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) state_root: Hash,
}

/// What a quorum of liars does to each body before it certifies the block.
pub(crate) type Lie<'a> = &'a dyn Fn(u64, &mut Body);

impl Chain {
    pub(crate) fn new() -> Self {
        Self::with(&|_, _| {})
    }

    /// A chain whose bodies were changed by its validators before they signed.
    pub(crate) fn with(lie: Lie<'_>) -> Self {
        let genesis = network(1_000_000).build().expect("valid");
        let store = Arc::new(FaultyStore::new(SPACES, StoreFaultPlan::default()));
        let mut ledger = Ledger::open(store.clone(), &genesis).expect("a fresh store");
        let mut maker = Maker { parent: genesis.header(), cut: BTreeMap::new(), salt: 0, genesis: genesis.clone() };
        let mut outstanding: Vec<Summary> = Vec::new();
        let mut entries = Vec::new();
        for height in 1..=HEIGHTS {
            // One height orders nothing, and one carries two results.
            let lanes: &[u32] = if height == 6 { &[] } else { &[0, 2] };
            let carried = if height == 4 { Vec::new() } else { std::mem::take(&mut outstanding) };
            let (block, batches) = maker.block(lanes, carried, lie);
            let id = block.header.id();
            let own = genesis.finalize(View::new(height + 10), id);
            let ordered = batches.iter().map(|signed| ordered(signed, &genesis.hash())).collect();
            let certificate = if height == BARE { genesis.finalize(View::new(99), Hash::ZERO) } else { own.clone() };
            let given = FinalBlock { block: block.clone(), finalization: certificate, batches: ordered };
            outstanding.push(ledger.commit(given).expect("a good block").summary);
            let finalization = (height != BARE).then_some(own);
            entries.push(Entry { block, finalization, batches, stored: None, digest: Hash::ZERO });
        }
        let state_root = ledger.head().summary.state_root;
        Self { genesis, entries, store, state_root }
    }

    /// The archive of these entries, as a writer makes it that believes them.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let height = |entry: Option<&Entry>| entry.expect("there are some").block.header.height;
        archive_of(&self.genesis, &self.entries, height(self.entries.first()), height(self.entries.last()))
    }

    /// Verifies the archive with the genesis document.
    pub(super) fn verify(&self) -> Result<Report, AuditError> {
        verify(&self.archive(), &self.genesis)
    }

    /// The sentence that an audit of the archive ends with.
    #[track_caller]
    pub(super) fn sentence(&self) -> String {
        sentence(self.verify())
    }

    pub(crate) fn entry(&mut self, height: u64) -> &mut Entry {
        let place = self.entries.iter().position(|entry| entry.block.header.height.get() == height);
        &mut self.entries[place.expect("it is there")]
    }
}

#[track_caller]
pub(super) fn sentence<T: std::fmt::Debug>(result: Result<T, AuditError>) -> String {
    match result {
        Err(AuditError::Fault(fault)) => fault.to_string(),
        other => panic!("no fault was found: {other:?}"),
    }
}

pub(crate) fn archive_of(genesis: &Genesis, entries: &[Entry], first: Height, last: Height) -> Vec<u8> {
    let mut writer = ArchiveWriter::begin(Vec::new(), genesis, first, last).expect("in memory");
    entries.iter().for_each(|entry| writer.entry(entry).expect("in memory"));
    writer.finish().expect("in memory").0
}

pub(crate) fn open(archive: &[u8], genesis: &Genesis) -> Result<Archive<Cursor<Vec<u8>>>, AuditError> {
    Archive::begin(Cursor::new(archive.to_vec()), Path::new("archive"), genesis)
}

pub(super) fn verify(archive: &[u8], genesis: &Genesis) -> Result<Report, AuditError> {
    verify_source(open(archive, genesis)?, genesis)
}

/// Audits a source with a state in memory.
pub(super) fn verify_source<S: Source>(source: S, genesis: &Genesis) -> Result<Report, AuditError> {
    let work = Arc::new(FaultyStore::new(&replay_spaces(), StoreFaultPlan::default()));
    let what = Audit { genesis, threads: 2, stop: &AtomicBool::new(false) };
    audit_in(what, source, work, |_| {}).map(|(report, ..)| report)
}

/// Who signs for a chain.
pub(super) trait Signing {
    fn validator(&self, index: u16) -> SecretKey;
    fn finalize(&self, view: View, digest: Hash) -> Finalization;
    fn sign_batch(&self, batch: Batch) -> SignedBatch;
}

impl Signing for Genesis {
    fn validator(&self, index: u16) -> SecretKey {
        let public = self.validator_set().get(ValidatorIndex::new(index)).expect("a member").key;
        (0..4).map(|n| dev_key(SEED, DevRole::Validator, n)).find(|it| it.public_key() == public).expect("ours")
    }

    fn finalize(&self, view: View, digest: Hash) -> Finalization {
        let committee = self.committee();
        let vote = Finalize { epoch: committee.epoch, view, digest };
        certificate(vote, &committee, |index| self.validator(index))
    }

    fn sign_batch(&self, batch: Batch) -> SignedBatch {
        let index = u16::try_from(batch.lane).expect("small");
        let signature = self.validator(index).sign(&batch.head().sign_hash(&self.hash()));
        SignedBatch { batch, signature }
    }
}

/// A certificate that the first of a committee sign with these keys.
pub(super) fn certificate(vote: Finalize, committee: &Committee, key: impl Fn(u16) -> SecretKey) -> Finalization {
    let quorum = committee.set.quorums().notarize();
    let sign = |index| Vote::Finalize(vote).sign(&committee.chain, ValidatorIndex::new(index), &key(index));
    Finalization::slow(vote, committee, &(0..quorum).map(sign).collect::<Vec<_>>()).expect("a quorum")
}

struct Maker {
    genesis: Genesis,
    parent: Header,
    cut: BTreeMap<u32, LaneTip>,
    salt: u64,
}

impl Maker {
    fn block(&mut self, lanes: &[u32], results: Vec<Summary>, lie: Lie<'_>) -> (Block, Vec<SignedBatch>) {
        let batches: Vec<SignedBatch> = lanes.iter().map(|lane| self.batch(*lane)).collect();
        let tip = |signed: &SignedBatch| LaneTip {
            lane: signed.batch.lane,
            seq: signed.batch.seq,
            tip: signed.batch.digest(),
        };
        let tips: Vec<LaneTip> = batches.iter().map(tip).collect();
        self.cut.extend(tips.iter().map(|tip| (tip.lane, *tip)));
        let executed_height = results.last().map_or(self.parent.executed_height, |summary| summary.height);
        let mut body = Body { lanes: List::truncated(tips), results: List::truncated(results), ..Body::default() };
        let height = self.parent.height.next();
        lie(height.get(), &mut body);
        let header = Header {
            height,
            time: self.parent.time.plus(10),
            parent: self.parent.id(),
            lanes_root: lanes_root(&self.cut.values().copied().collect::<Vec<_>>()),
            executed_height,
            results_root: body.results_root(),
            evidence_root: body.evidence_root(),
            ..self.parent.clone()
        };
        self.parent = header.clone();
        (Block { header, body }, batches)
    }

    fn batch(&mut self, lane: u32) -> SignedBatch {
        let below = self.cut.get(&lane).copied();
        let transactions = (0..EACH).map(|_| {
            self.salt += 1;
            let (from, amount) = (u32::try_from(self.salt % 8).expect("small"), u128::from(self.salt));
            let transaction = transfer(&self.genesis, self.parent.time, from, amount, self.salt);
            Bytes::new(transaction.to_bytes()).expect("short")
        });
        let transactions = List::truncated(transactions.collect());
        self.genesis.sign_batch(Batch {
            chain: self.genesis.hash(),
            epoch: self.parent.epoch,
            lane,
            seq: below.map_or(1, |tip| tip.seq + 1),
            previous: below.map_or(Hash::ZERO, |tip| tip.tip),
            transactions,
        })
    }
}

/// A signed transfer to the next account.
pub(super) fn transfer(genesis: &Genesis, now: TimeMs, from: u32, amount: u128, salt: u64) -> SignedTransaction {
    let asset = AssetId::of_genesis(&DevNetwork::ASSET.parse().expect("a symbol"));
    let body = TransactionBody {
        chain: genesis.hash(),
        sender: address(from),
        replay: Replay::Expiring { valid_until: now.plus(60_000), salt },
        gas_limit: 1_000_000,
        sponsor: None,
        action: Action::Transfer { asset, to: address((from + 1) % 8), amount },
        trees: List::empty(),
        memo: Bytes::default(),
        ext: List::empty(),
    };
    sign(body, from)
}

/// A body with the signature of an account of the network.
pub(super) fn sign(body: TransactionBody, from: u32) -> SignedTransaction {
    let secret = account(from);
    let sigs = List::truncated(vec![(secret.public_key(), secret.sign(&body.sign_hash()))]);
    let proof = AuthProof { who: body.sender, reveal: Some(AuthPolicy::Key(secret.public_key())), sigs };
    SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
}

/// A batch as the ledger takes it.
fn ordered(signed: &SignedBatch, chain: &Hash) -> OrderedBatch {
    let decoded = signed.batch.transactions.iter().map(|bytes| SignedTransaction::from_bytes(bytes, chain));
    let transactions: Vec<SignedTransaction> = decoded.collect::<Result<_, _>>().expect("they decode");
    let ids = transactions.iter().map(SignedTransaction::id).collect();
    OrderedBatch { signed: Arc::new(signed.clone()), transactions: Arc::new(transactions), ids: Arc::new(ids) }
}
