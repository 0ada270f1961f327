//! How fast a chain is audited: `make bench-audit`.
//!
//! A chain of signed transfers is made, executed and written to an archive; that takes about as long as the audit, and is not
//! measured. Then the archive is audited as `althing verify` does, from the genesis document alone. Wall time counts what a
//! user waits for, processor time all threads together, the store's own among them. The smallest of some rounds counts. The last line is JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_ledger::{Ledger, OrderedBatch, replay_spaces};
use althing_node::audit::{Archive, ArchiveWriter, Audit, Entry, audit};
use althing_storage::{FaultyStore, StoreFaultPlan};
use althing_types::{
    Action, Address, AssetId, AuthPolicy, AuthProof, Batch, Block, Body, Bytes, Finalization, Finalize, Hash, Header,
    Height, LaneTip, List, Replay, SecretKey, SignedBatch, SignedTransaction, Summary, TimeMs, TransactionBody,
    ValidatorIndex, View, Vote, lanes_root,
};
use rustix::time::{ClockId, clock_gettime};

/// The text that all keys follow from.
const SEED: &str = "audit";
/// Validators, each of which has a batch in each block.
const VALIDATORS: u16 = 4;
/// How often the archive is audited.
const ROUNDS: u32 = 3;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let at = given.iter().position(|argument| argument == name);
        let number = at.and_then(|at| given.get(at + 1)?.parse::<u64>().ok());
        number.filter(|number| *number > 0).unwrap_or(otherwise)
    };
    let (transactions, batch) = (number("--transactions", 500_000), number("--batch", 100));
    let (accounts, threads) = (number("--accounts", 1_000), number("--threads", 2));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chain.althing");
    let accounts = u16::try_from(accounts).expect("at most 65,535 accounts");
    let genesis = network(accounts).build().expect("a valid document");
    let made = write_chain(&genesis, accounts, transactions, batch, &path);
    let bytes = File::open(&path).and_then(|file| file.metadata()).expect("it was written").len();
    say(&format!("{made} transfers of {accounts} accounts in batches of {batch}: {bytes} bytes"));
    let rounds = (0..ROUNDS).map(|_| measure(&genesis, &path, usize::try_from(threads).expect("few")));
    let (wall, cpu) = rounds.min().expect("there are rounds");
    let (rate, micros) = (u128::from(made) * 1_000_000 / wall.as_micros(), cpu.as_nanos() / 10 / u128::from(made));
    say(&format!(
        "{rate} transactions per second; {}.{:02} µs of processor time for each; {threads} threads for signatures",
        micros / 100,
        micros % 100
    ));
    say(&format!(
        "{{\"transactions\":{made},\"batch\":{batch},\"accounts\":{accounts},\"wallMs\":{},\"cpuMs\":{}}}",
        wall.as_millis(),
        cpu.as_millis()
    ));
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads it");
}

/// Wall time and processor time of one audit.
fn measure(genesis: &Genesis, path: &Path, threads: usize) -> (Duration, Duration) {
    let work = tempfile::tempdir().expect("a folder");
    let stop = AtomicBool::new(false);
    let archive = Archive::open(path, genesis).expect("an archive");
    let (wall, cpu) = (clock(ClockId::Monotonic), clock(ClockId::ProcessCPUTime));
    audit(Audit { genesis, threads, stop: &stop }, archive, work.path(), |_| {}).expect("nothing is wrong");
    (clock(ClockId::Monotonic) - wall, clock(ClockId::ProcessCPUTime) - cpu)
}

fn clock(id: ClockId) -> Duration {
    let now = clock_gettime(id);
    Duration::new(u64::try_from(now.tv_sec).expect("positive"), u32::try_from(now.tv_nsec).expect("below a second"))
}

fn network(accounts: u16) -> DevNetwork {
    DevNetwork {
        chain_id: "audit".to_owned(),
        seed: SEED.to_owned(),
        validators: VALIDATORS,
        observers: 0,
        accounts,
        p2p_base_port: 26_700,
        time: TimeMs::new(1_000_000),
    }
}

/// Makes a chain of at least so many transfers and writes it. Returns how many there are.
fn write_chain(genesis: &Genesis, accounts: u16, transactions: u64, batch: u64, path: &Path) -> u64 {
    let heights = transactions.div_ceil(batch * u64::from(VALIDATORS));
    let out = BufWriter::new(File::create(path).expect("it can be written"));
    let mut writer = ArchiveWriter::begin(out, genesis, Height::new(1), Height::new(heights)).expect("written");
    let store = Arc::new(FaultyStore::new(&replay_spaces(), StoreFaultPlan::default()));
    let mut ledger = Ledger::open(store, genesis).expect("a fresh store");
    let mut maker = Maker::new(genesis.clone(), accounts, batch);
    for _ in 0..heights {
        let (entry, ordered) = maker.next();
        let replayed = ledger.replay(&entry.block, &ordered, |_| Ok::<_, althing_ledger::LedgerError>(Vec::new()));
        maker.executed = Some(replayed.expect("a good block").summary);
        writer.entry(&entry).expect("written");
    }
    writer.finish().expect("written");
    heights * batch * u64::from(VALIDATORS)
}

/// Who signs everything.
struct Maker {
    genesis: Genesis,
    validators: Vec<SecretKey>,
    accounts: Vec<(SecretKey, Address)>,
    parent: Header,
    cut: BTreeMap<u32, LaneTip>,
    batch: u64,
    salt: u64,
    /// The result that the next block carries.
    executed: Option<Summary>,
}

impl Maker {
    fn new(genesis: Genesis, accounts: u16, batch: u64) -> Self {
        let mut validators: Vec<SecretKey> =
            (0..VALIDATORS).map(|index| dev_key(SEED, DevRole::Validator, index.into())).collect();
        validators.sort_by_key(SecretKey::public_key);
        let account = |index: u16| {
            let key = dev_key(SEED, DevRole::Account, index.into());
            let address = Address::of_policy(&AuthPolicy::Key(key.public_key()));
            (key, address)
        };
        let accounts = (0..accounts).map(account).collect();
        let parent = genesis.header();
        Self { genesis, validators, accounts, parent, cut: BTreeMap::new(), batch, salt: 0, executed: None }
    }

    fn next(&mut self) -> (Entry, Vec<OrderedBatch>) {
        let ordered: Vec<OrderedBatch> = (0..u32::from(VALIDATORS)).map(|lane| self.lane(lane)).collect();
        let tips: Vec<LaneTip> = self.cut.values().copied().collect();
        let results: Vec<Summary> = self.executed.take().into_iter().collect();
        let executed_height = results.last().map_or(self.parent.executed_height, |summary| summary.height);
        let lanes_root = lanes_root(&tips);
        let body = Body { lanes: List::truncated(tips), results: List::truncated(results), ..Body::default() };
        let header = Header {
            height: self.parent.height.next(),
            time: self.parent.time.plus(100),
            parent: self.parent.id(),
            lanes_root,
            executed_height,
            results_root: body.results_root(),
            evidence_root: body.evidence_root(),
            ..self.parent.clone()
        };
        self.parent = header.clone();
        let finalization = Some(self.finalize(&header));
        let batches = ordered.iter().map(|batch| (*batch.signed).clone()).collect();
        (Entry { block: Block { header, body }, finalization, batches, stored: None, digest: Hash::ZERO }, ordered)
    }

    fn finalize(&self, header: &Header) -> Finalization {
        let committee = self.genesis.committee();
        let vote = Finalize { epoch: committee.epoch, view: View::new(header.height.get()), digest: header.id() };
        let signers = committee.set.indices().zip(&self.validators);
        let votes: Vec<_> = signers
            .map(|(index, key): (ValidatorIndex, &SecretKey)| Vote::Finalize(vote).sign(&committee.chain, index, key))
            .collect();
        Finalization::slow(vote, &committee, &votes).expect("a quorum")
    }

    fn lane(&mut self, lane: u32) -> OrderedBatch {
        let below = self.cut.get(&lane).copied();
        let transactions: Vec<SignedTransaction> = (0..self.batch).map(|_| self.transfer()).collect();
        let bytes = transactions.iter().map(|transaction| Bytes::new(transaction.to_bytes()).expect("short"));
        let batch = Batch {
            chain: self.genesis.hash(),
            epoch: self.parent.epoch,
            lane,
            seq: below.map_or(1, |tip| tip.seq + 1),
            previous: below.map_or(Hash::ZERO, |tip| tip.tip),
            transactions: List::new(bytes.collect()).expect("a batch holds so many"),
        };
        let head = batch.head();
        self.cut.insert(lane, LaneTip { lane, seq: head.seq, tip: head.digest });
        let key = &self.validators[usize::try_from(lane).expect("few")];
        let signature = key.sign(&head.sign_hash(&self.genesis.hash()));
        let ids = transactions.iter().map(SignedTransaction::id).collect();
        OrderedBatch {
            signed: Arc::new(SignedBatch { batch, signature }),
            transactions: Arc::new(transactions),
            ids: Arc::new(ids),
        }
    }

    fn transfer(&mut self) -> SignedTransaction {
        self.salt += 1;
        let count = self.accounts.len();
        // Steps that share no factor with the number of accounts would meet all pairs; these meet enough.
        let from = usize::try_from(self.salt * 7).expect("small") % count;
        let to = usize::try_from(self.salt * 13 + 1).expect("small") % count;
        let (key, sender) = &self.accounts[from];
        let body = TransactionBody {
            chain: self.genesis.hash(),
            sender: *sender,
            replay: Replay::Expiring { valid_until: self.parent.time.plus(60_000), salt: self.salt },
            gas_limit: 100_000,
            sponsor: None,
            action: Action::Transfer {
                asset: AssetId::of_genesis(&DevNetwork::ASSET.parse().expect("a symbol")),
                to: self.accounts[to].1,
                amount: 1,
            },
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
        let reveal = Some(AuthPolicy::Key(key.public_key()));
        let proof = AuthProof { who: *sender, reveal, sigs };
        SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
    }
}
