//! A chain for tests: a genesis with known keys, and blocks that order signed batches and carry results.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_storage::{Entry, FaultyStore, Order, OrderedStore, Scan, Space, StoreFaultPlan};
use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Batch, Block, Body, Bytes, Evidence, Finalization, Finalize, Hash,
    Header, LaneTip, List, Replay, SecretKey, SignedBatch, SignedTransaction, Summary, Tag, TimeMs, TransactionBody,
    ValidatorIndex, View, Vote, lanes_root,
};

use crate::{Committed, FinalBlock, Ledger, OrderedBatch, SPACES};

/// The text that all keys follow from.
const SEED: &str = "ledger";
/// What each account of genesis holds.
pub(crate) const FUNDS: u128 = 1_000_000_000_000;
/// The time of height 0.
pub(crate) const START_MS: u64 = 1_000_000;

pub(crate) fn network(accounts: u16) -> DevNetwork {
    DevNetwork {
        chain_id: "ledger".to_owned(),
        seed: SEED.to_owned(),
        validators: 4,
        observers: 0,
        accounts,
        p2p_base_port: 26_700,
        time: TimeMs::new(START_MS),
    }
}

pub(crate) fn genesis() -> Genesis {
    network(8).build().expect("valid")
}

pub(crate) fn store() -> Arc<FaultyStore> {
    Arc::new(FaultyStore::new(SPACES, StoreFaultPlan::default()))
}

pub(crate) fn usd() -> AssetId {
    AssetId::of_genesis(&DevNetwork::ASSET.parse().expect("a symbol"))
}

pub(crate) fn address(account: u32) -> Address {
    Address::of_policy(&AuthPolicy::Key(key(account).public_key()))
}

fn key(account: u32) -> SecretKey {
    dev_key(SEED, DevRole::Account, account)
}

/// Everything that a store holds.
pub(crate) fn content<S: OrderedStore>(store: &S) -> Vec<Vec<Entry>> {
    let scan = Scan { from: &[], to: None, order: Order::Ascending, limit: usize::MAX };
    (0u8..).take(SPACES.len()).map(|space| store.scan(Space(space), scan).expect("readable")).collect()
}

/// Builds the blocks of a chain.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) parent: Header,
    cut: BTreeMap<u32, LaneTip>,
    salt: u64,
    /// Milliseconds from a block to the next.
    pub(crate) step_ms: u64,
    /// Whether blocks come with a Finalization of their own.
    pub(crate) certify: bool,
    /// Summaries that no block carries yet.
    results: Vec<Summary>,
    /// Evidence that the next block holds.
    pub(crate) evidence: Vec<Evidence>,
    /// Whether the next block is the last of its epoch.
    pub(crate) ends_epoch: bool,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::of(genesis())
    }

    pub(crate) fn of(genesis: Genesis) -> Self {
        let parent = genesis.header();
        Self {
            genesis,
            parent,
            cut: BTreeMap::new(),
            salt: 0,
            step_ms: 10,
            certify: true,
            results: Vec::new(),
            evidence: Vec::new(),
            ends_epoch: false,
        }
    }

    /// A transfer that is valid for long enough, different from every other.
    pub(crate) fn transfer(&mut self, from: u32, to: Address, amount: u128) -> SignedTransaction {
        self.salt += 1;
        let valid_until = self.parent.time.plus(60_000);
        let replay = Replay::Expiring { valid_until, salt: self.salt };
        self.transaction(from, replay, Action::Transfer { asset: usd(), to, amount })
    }

    pub(crate) fn transaction(&self, from: u32, replay: Replay, action: Action) -> SignedTransaction {
        let secret = key(from);
        let policy = AuthPolicy::Key(secret.public_key());
        let body = TransactionBody {
            chain: self.genesis.hash(),
            sender: Address::of_policy(&policy),
            replay,
            gas_limit: 1_000_000,
            sponsor: None,
            action,
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        let signature = secret.sign(&body.sign_hash());
        let sigs = List::truncated(vec![(secret.public_key(), signature)]);
        let proof = AuthProof { who: body.sender, reveal: Some(policy), sigs };
        SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
    }

    /// The next final block: each entry is a batch of a lane. It carries the results that were handed in.
    pub(crate) fn block(&mut self, batches: Vec<(u32, Vec<SignedTransaction>)>) -> FinalBlock {
        let mut named = BTreeMap::new();
        let mut ordered = Vec::new();
        for (lane, transactions) in batches {
            let batch = self.batch(lane, transactions);
            let tip = LaneTip { lane, seq: batch.signed.batch.seq, tip: batch.signed.batch.digest() };
            self.cut.insert(lane, tip);
            named.insert(lane, tip);
            ordered.push(batch);
        }
        let results = std::mem::take(&mut self.results);
        let executed_height = results.last().map_or(self.parent.executed_height, |summary| summary.height);
        let lanes = List::truncated(named.into_values().collect());
        let body = Body {
            lanes,
            results: List::truncated(results),
            evidence: List::truncated(std::mem::take(&mut self.evidence)),
        };
        let next_validators = if std::mem::take(&mut self.ends_epoch) { self.parent.validators } else { Hash::ZERO };
        let header = Header {
            epoch: self.parent.epoch_above(),
            next_validators,
            height: self.parent.height.next(),
            time: self.parent.time.plus(self.step_ms),
            parent: self.parent.id(),
            lanes_root: lanes_root(&self.cut.values().copied().collect::<Vec<_>>()),
            executed_height,
            results_root: body.results_root(),
            evidence_root: body.evidence_root(),
            ..self.parent.clone()
        };
        self.parent = header.clone();
        if header.ends_epoch() {
            // Lanes begin anew.
            self.cut.clear();
        }
        let digest = if self.certify { header.id() } else { Hash::ZERO };
        let finalization = self.finalize(View::new(header.height.get() + 100), digest);
        FinalBlock { block: Block { header, body }, finalization, batches: ordered }
    }

    /// Hands in what the execution of a block came to, for the next block to carry.
    pub(crate) fn executed(&mut self, committed: &Committed) {
        self.results.push(committed.summary);
    }

    /// Commits a block and lets the next one carry its result.
    pub(crate) fn commit<S: OrderedStore>(
        &mut self,
        ledger: &mut Ledger<S>,
        batches: Vec<(u32, Vec<SignedTransaction>)>,
    ) -> Committed {
        let block = self.block(batches);
        let committed = ledger.commit(block).expect("a good block");
        self.executed(&committed);
        committed
    }

    /// The batches that a committed block ordered, one of each lane that it names.
    pub(crate) fn batches_of<S: OrderedStore>(&self, ledger: &Ledger<S>, block: &Block) -> Vec<OrderedBatch> {
        let ordered = |tip: &LaneTip| {
            let signed = ledger.reader().batch(block.header.epoch, tip.lane, tip.seq).expect("readable").expect("kept");
            let decoded = signed
                .batch
                .transactions
                .iter()
                .map(|bytes| SignedTransaction::from_bytes(bytes, &self.genesis.hash()));
            let transactions: Vec<SignedTransaction> = decoded.collect::<Result<_, _>>().expect("they decode");
            let ids = transactions.iter().map(SignedTransaction::id).collect();
            OrderedBatch { signed: Arc::new(signed), transactions: Arc::new(transactions), ids: Arc::new(ids) }
        };
        block.body.lanes.iter().map(ordered).collect()
    }

    fn batch(&self, lane: u32, transactions: Vec<SignedTransaction>) -> OrderedBatch {
        let below = self.cut.get(&lane);
        let bytes = transactions.iter().map(|transaction| Bytes::new(transaction.to_bytes()).expect("short"));
        let batch = Batch {
            chain: self.genesis.hash(),
            epoch: self.parent.epoch_above(),
            lane,
            seq: below.map_or(1, |tip| tip.seq + 1),
            previous: below.map_or(Hash::ZERO, |tip| tip.tip),
            transactions: List::truncated(bytes.collect()),
        };
        let index = u16::try_from(lane).expect("small");
        let signature = self.validator(index).sign(&batch.head().sign_hash(&self.genesis.hash()));
        let ids = transactions.iter().map(SignedTransaction::id).collect();
        OrderedBatch {
            signed: Arc::new(SignedBatch { batch, signature }),
            transactions: Arc::new(transactions),
            ids: Arc::new(ids),
        }
    }

    fn finalize(&self, view: View, digest: Hash) -> Finalization {
        let committee = self.genesis.committee();
        let vote = Finalize { epoch: committee.epoch, view, digest };
        let votes: Vec<_> = (0..3)
            .map(|index| {
                Vote::Finalize(vote).sign(&committee.chain, ValidatorIndex::new(index), &self.validator(index))
            })
            .collect();
        Finalization::slow(vote, &committee, &votes).expect("a quorum")
    }

    fn validator(&self, index: u16) -> SecretKey {
        let set = self.genesis.validator_set();
        let public = set.get(ValidatorIndex::new(index)).expect("a member").key;
        (0..4).map(|n| dev_key(SEED, DevRole::Validator, n)).find(|it| it.public_key() == public).expect("ours")
    }
}

/// Numbers that look random and follow from a seed.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 += 1;
        let hash = Hash::of(Tag::DevKey, &self.0);
        let (first, _) = hash.as_bytes().split_first_chunk::<8>().expect("32 bytes");
        u64::from_le_bytes(*first) % bound
    }
}

/// A chain of blocks with something of everything: transfers that succeed and fail, balances that go and come back,
/// duplicates, sequence numbers, empty blocks, and blocks without a certificate of their own.
pub(crate) fn eventful(length: u64, seed: u64) -> Vec<FinalBlock> {
    let mut chain = Chain::new();
    eventful_blocks(&mut chain, length, seed, |_| ())
}

/// The same over a long time: so many milliseconds from a block to the next, with evidence and ends of epochs.
pub(crate) fn eventful_in_steps(length: u64, seed: u64, step_ms: u64) -> Vec<FinalBlock> {
    let mut chain = Chain::new();
    chain.step_ms = step_ms;
    eventful_blocks(&mut chain, length, seed, |chain| {
        let height = chain.parent.height.get() + 1;
        chain.ends_epoch = height % 37 == 0;
        chain.evidence = (height % 11 == 0).then(|| super::accusing::piece(2, height)).into_iter().collect();
    })
}

/// The same without ends of epochs.
pub(crate) fn eventful_in_one_epoch(length: u64, seed: u64, step_ms: u64) -> Vec<FinalBlock> {
    let mut chain = Chain::new();
    chain.step_ms = step_ms;
    eventful_blocks(&mut chain, length, seed, |chain| {
        let height = chain.parent.height.get() + 1;
        chain.evidence = (height % 11 == 0).then(|| super::accusing::piece(2, height)).into_iter().collect();
    })
}

fn eventful_blocks(chain: &mut Chain, length: u64, seed: u64, before: impl Fn(&mut Chain)) -> Vec<FinalBlock> {
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let mut numbers = Numbers::new(seed << 32);
    let mut earlier: Vec<SignedTransaction> = Vec::new();
    let mut blocks = Vec::new();
    for _ in 0..length {
        let mut batches = Vec::new();
        for _ in 0..numbers.below(4) {
            let count = numbers.below(5);
            let lane = u32::try_from(numbers.below(4)).expect("small");
            let transactions: Vec<_> =
                (0..count).map(|_| eventful_transaction(chain, &mut numbers, &earlier)).collect();
            earlier.extend(transactions.iter().cloned());
            batches.push((lane, transactions));
        }
        before(chain);
        chain.certify = numbers.below(3) > 0 || chain.ends_epoch;
        let block = chain.block(batches);
        let committed = ledger.commit(block.clone()).expect("a good block");
        chain.executed(&committed);
        blocks.push(block);
    }
    blocks
}

fn eventful_transaction(chain: &mut Chain, numbers: &mut Numbers, earlier: &[SignedTransaction]) -> SignedTransaction {
    let account = |numbers: &mut Numbers| u32::try_from(numbers.below(12)).expect("small");
    let (from, to) = (account(numbers), address(account(numbers)));
    match numbers.below(8) {
        0 if !earlier.is_empty() => {
            let place = numbers.below(u64::try_from(earlier.len()).expect("small"));
            earlier[usize::try_from(place).expect("small")].clone()
        }
        1 => {
            let replay = Replay::Sequence { lane: 0, seq: numbers.below(4) };
            chain.transaction(from, replay, Action::Transfer { asset: usd(), to, amount: 5 })
        }
        2 => chain.transfer(from, to, FUNDS),
        3 => chain.transfer(from, to, 2 * FUNDS),
        _ => {
            let amount = u128::from(numbers.below(1_000) + 1);
            chain.transfer(from, to, amount)
        }
    }
}
