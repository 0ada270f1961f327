//! What single parts cost on this machine: checking signatures, decoding a batch, committing a block. The state tree has a
//! bench of its own, `tree.rs`. One line for each, with the cost of one item; the smallest of several rounds, because everything else on the
//! machine only adds.
//!
//! It asserts nothing about speed: a number is for people, beside the machine that it was measured on. Whole networks are
//! measured by `althing bench tx`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use althing_client::{TransactionBuilder, sign_simple};
use althing_genesis::{AccountEntry, Balances, DevNetwork, DevRole, Genesis, dev_key};
use althing_ledger::{FinalBlock, Ledger, OrderedBatch, SPACES};
use althing_storage::{FaultyStore, OrderedStore, RocksOptions, RocksStore, StoreFaultPlan};
use althing_types::{
    Action, Address, AssetId, AuthPolicy, Batch, Block, Body, Bytes, Committee, Finalization, Finalize, Hash, Header,
    LaneTip, List, Replay, SecretKey, SignedBatch, SignedItem, SignedTransaction, TimeMs, ValidatorIndex, View, Vote,
    decode, encode, lanes_root, verify_batch, verify_one,
};

/// Rounds of each measurement.
const ROUNDS: u32 = 5;
/// Transfers of a block and of a batch.
const TRANSFERS: u64 = 1_000;
/// The text that all keys follow from.
const SEED: &str = "micro";
/// More gas than a transfer needs.
const GAS_LIMIT: u64 = 1_000_000;

fn main() {
    let genesis = genesis(1_000);
    let transfers = Chain::new(&genesis, 1_000).transfers(TRANSFERS);
    signatures(&transfers);
    decoding(&genesis, &transfers);
    commits(1_000);
    commits(100_000);
}

fn signatures(transfers: &[SignedTransaction]) {
    let items: Vec<SignedItem> = transfers.iter().flat_map(SignedTransaction::signed_items).collect();
    measure("signature, one by one", 256, || items.iter().take(256).for_each(|item| assert!(verify_one(item))));
    for size in [64, 256] {
        let some = items.get(..size).unwrap_or(&items);
        measure(&format!("signature, {size} together"), size as u64, || assert!(verify_batch(some)));
    }
}

fn decoding(genesis: &Genesis, transfers: &[SignedTransaction]) {
    let batch = encode(&batch(genesis, 1, Hash::ZERO, transfers));
    measure("transaction of a batch, decoded and checked but for its signature", TRANSFERS, || {
        let signed: SignedBatch = decode(&batch, batch.len()).expect("it was encoded");
        for bytes in signed.batch.transactions.iter() {
            SignedTransaction::from_bytes(bytes, &genesis.hash()).expect("it is good");
        }
    });
    measure("transaction, its id and the hash of its bytes", TRANSFERS, || {
        for transfer in transfers {
            assert_ne!(transfer.id(), transfer.bytes_hash());
        }
    });
}

/// Blocks of transfers between so many accounts, on disk and in memory: the difference is the disk.
fn commits(accounts: u32) {
    let genesis = genesis(accounts);
    // Beside the build products, because a folder for temporary files may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let disk = RocksStore::open(folder.path(), SPACES, RocksOptions::default()).expect("a fresh store");
    commit(&format!("transfer in a block, {accounts} accounts, on disk"), &genesis, accounts, Arc::new(disk));
    let memory = FaultyStore::new(SPACES, StoreFaultPlan::default());
    commit(&format!("transfer in a block, {accounts} accounts, in memory"), &genesis, accounts, Arc::new(memory));
}

fn commit<S: OrderedStore>(what: &str, genesis: &Genesis, accounts: u32, store: Arc<S>) {
    let mut ledger = Ledger::open(store, genesis).expect("a fresh store");
    let mut chain = Chain::new(genesis, accounts);
    // The first round reads what later ones find in memory.
    let mut blocks: Vec<FinalBlock> = (0..ROUNDS).map(|_| chain.block()).collect();
    blocks.reverse();
    measure(what, TRANSFERS, || {
        let committed = ledger.commit(blocks.pop().expect("one for each round")).expect("a good block");
        assert_eq!(committed.included.len() as u64, TRANSFERS);
    });
}

/// Carries something out a few times, and writes what one item of the quickest time took.
fn measure(what: &str, items: u64, mut work: impl FnMut()) {
    let rounds = (0..ROUNDS).map(|_| {
        let start = clock();
        work();
        start.elapsed()
    });
    report(what, items, rounds);
}

/// Writes what one item of the quickest round took.
fn report(what: &str, items: u64, rounds: impl Iterator<Item = Duration>) {
    let best = rounds.min().unwrap_or_default();
    let nanos = best.as_nanos() / u128::from(items);
    let line = format!("{:>7}.{:03} us  {what}\n", nanos / 1_000, nanos % 1_000);
    std::io::stdout().lock().write_all(line.as_bytes()).expect("somebody reads");
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
fn clock() -> Instant {
    Instant::now()
}

fn genesis(accounts: u32) -> Genesis {
    let network = DevNetwork {
        chain_id: "micro".to_owned(),
        seed: SEED.to_owned(),
        validators: 4,
        observers: 0,
        accounts: 0,
        p2p_base_port: 26_700,
        time: TimeMs::new(1_000_000),
    };
    let balances = Balances(vec![(DevNetwork::ASSET.to_owned(), "1000000".to_owned())]);
    let account = |index| AccountEntry {
        public_key: Some(key(index).public_key().to_string()),
        balances: balances.clone(),
        ..AccountEntry::default()
    };
    (0..accounts).map(account).fold(network.builder(), |builder, entry| builder.account(entry)).build().expect("valid")
}

fn key(account: u32) -> SecretKey {
    dev_key(SEED, DevRole::Account, account)
}

fn batch(genesis: &Genesis, seq: u64, previous: Hash, transfers: &[SignedTransaction]) -> SignedBatch {
    let bytes = transfers.iter().map(|transfer| Bytes::new(transfer.to_bytes()).expect("short"));
    let (chain, epoch) = (genesis.hash(), genesis.header().epoch);
    let batch = Batch { chain, epoch, lane: 0, seq, previous, transactions: List::truncated(bytes.collect()) };
    let signature = validators(genesis)[0].sign(&batch.head().sign_hash(&chain));
    SignedBatch { batch, signature }
}

/// The validators' keys in the order of the committee.
fn validators(genesis: &Genesis) -> Vec<SecretKey> {
    let keys = (0..4).map(|index| dev_key(SEED, DevRole::Validator, index));
    let by_key: BTreeMap<_, SecretKey> = keys.map(|key| (key.public_key(), key)).collect();
    assert_eq!(by_key.len(), usize::from(genesis.validator_set().quorums().n()));
    by_key.into_values().collect()
}

/// Makes final blocks, each of one batch of transfers.
struct Chain<'a> {
    genesis: &'a Genesis,
    accounts: Vec<(SecretKey, Address)>,
    parent: Header,
    tip: Option<LaneTip>,
    sent: u64,
}

impl<'a> Chain<'a> {
    fn new(genesis: &'a Genesis, accounts: u32) -> Self {
        let account = |index| {
            let key = key(index);
            let address = Address::of_policy(&AuthPolicy::Key(key.public_key()));
            (key, address)
        };
        let accounts = (0..accounts).map(account).collect();
        Self { genesis, accounts, parent: genesis.header(), tip: None, sent: 0 }
    }

    /// Transfers between accounts that are far from each other, so that blocks touch different ones.
    fn transfers(&mut self, count: u64) -> Vec<SignedTransaction> {
        let asset = AssetId::of_genesis(&DevNetwork::ASSET.parse().expect("a symbol"));
        let all = self.accounts.len() as u64;
        let at = |number: u64| &self.accounts[usize::try_from(number % all).expect("small")];
        let numbers = self.sent..self.sent + count;
        self.sent = numbers.end;
        let transfer = |number: u64| {
            let ((key, from), (_, to)) = (at(number * 7_919), at(number * 7_919 + 1));
            let replay = Replay::Expiring { valid_until: self.parent.time.plus(60_000), salt: number };
            let action = Action::Transfer { asset, to: *to, amount: 1 };
            let body = TransactionBuilder::new(self.genesis.hash(), *from, replay, action).gas_limit(GAS_LIMIT).build();
            sign_simple(body, key).expect("it is good")
        };
        numbers.map(transfer).collect()
    }

    fn block(&mut self) -> FinalBlock {
        let transactions = self.transfers(TRANSFERS);
        let (seq, previous) = self.tip.map_or((1, Hash::ZERO), |tip| (tip.seq + 1, tip.tip));
        let signed = batch(self.genesis, seq, previous, &transactions);
        let tip = LaneTip { lane: 0, seq, tip: signed.batch.digest() };
        self.tip = Some(tip);
        let body = Body { lanes: List::truncated(vec![tip]), results: List::empty(), evidence: List::empty() };
        let header = Header {
            height: self.parent.height.next(),
            time: self.parent.time.plus(10),
            parent: self.parent.id(),
            lanes_root: lanes_root(&[tip]),
            results_root: body.results_root(),
            evidence_root: body.evidence_root(),
            ..self.parent.clone()
        };
        self.parent = header.clone();
        let finalization = finalization(self.genesis, &header);
        let ids = transactions.iter().map(SignedTransaction::id).collect();
        let batch = OrderedBatch { signed: Arc::new(signed), transactions: Arc::new(transactions), ids: Arc::new(ids) };
        FinalBlock { block: Block { header, body }, finalization, batches: vec![batch] }
    }
}

fn finalization(genesis: &Genesis, header: &Header) -> Finalization {
    let committee: Committee = genesis.committee();
    let vote = Finalize { epoch: committee.epoch, view: View::new(header.height.get()), digest: header.id() };
    let keys = validators(genesis);
    let votes = (0..)
        .zip(&keys)
        .take(3)
        .map(|(index, key)| Vote::Finalize(vote).sign(&committee.chain, ValidatorIndex::new(index), key));
    Finalization::slow(vote, &committee, &votes.collect::<Vec<_>>()).expect("a quorum")
}
