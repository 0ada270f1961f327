//! One validator alone: what is submitted comes out as a final block, whatever is durable when, and across restarts.

use std::collections::BTreeSet;
use std::sync::Arc;

use althing_consensus::{Now, Record};
use althing_genesis::{DevNetwork, DevRole, Genesis, dev_key};
use althing_mempool::{Candidate, DataMessage, SharedBatch};
use althing_types::{
    Action as Act, Address, AssetId, AuthPolicy, AuthProof, Block, Bytes, Hash, LaneTip, List, Monotonic, Replay,
    Scheme, SecretKey, Signature, SignedBatch, SignedTransaction, Summary, TimeMs, TransactionBody, leaf_hash,
};

use super::{Action, Config, Event, Found, Note, Outcome, Replica};

const WALL_MS: u64 = 1_760_000_000_000;

struct RealKeys(SecretKey);

impl Scheme for RealKeys {
    fn verify(&self, key: &althing_types::PublicKey, hash: &Hash, signature: &Signature) -> bool {
        althing_types::Ed25519.verify(key, hash, signature)
    }
}

impl althing_consensus::Keys for RealKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.0.sign(hash)
    }
}

impl althing_mempool::Signer for RealKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.0.sign(hash)
    }
}

/// A validator with disks that answer at once, and a ledger that hashes what it is given.
struct Bench {
    genesis: Genesis,
    keys: RealKeys,
    replica: Replica,
    micros: u64,
    votes: Vec<Record>,
    batches: Vec<Arc<SignedBatch>>,
    blocks: Vec<(Block, Vec<LaneTip>, Summary)>,
    executed: Vec<Hash>,
    accepted: BTreeSet<Hash>,
    idle_turns: u32,
}

impl Bench {
    fn new() -> Self {
        let network = DevNetwork {
            chain_id: "bench".to_owned(),
            seed: "bench".to_owned(),
            validators: 1,
            observers: 0,
            accounts: 2,
            p2p_base_port: 26_700,
            time: TimeMs::new(WALL_MS),
        };
        let genesis = network.build().expect("valid");
        let keys = RealKeys(dev_key("bench", DevRole::Validator, 0));
        let replica = Replica::start(config(&genesis), found(&genesis, &[], &[], &[])).expect("new");
        Self {
            genesis,
            keys,
            replica,
            micros: 1,
            votes: Vec::new(),
            batches: Vec::new(),
            blocks: Vec::new(),
            executed: Vec::new(),
            accepted: BTreeSet::new(),
            idle_turns: 0,
        }
    }

    /// The process ends and starts again with what is on its disks.
    fn restart(&mut self) {
        let found = found(&self.genesis, &self.blocks, &self.votes, &self.batches);
        self.replica = Replica::start(config(&self.genesis), found).expect("it goes on");
    }

    fn transaction(&self, salt: u64) -> Candidate {
        let key = dev_key("bench", DevRole::Account, 0);
        let policy = AuthPolicy::Key(key.public_key());
        let body = TransactionBody {
            chain: self.genesis.hash(),
            sender: Address::of_policy(&policy),
            replay: Replay::Expiring { valid_until: TimeMs::new(WALL_MS + 60_000), salt },
            gas_limit: 100_000,
            sponsor: None,
            action: Act::Transfer {
                asset: AssetId::of_genesis(&self.genesis.first_asset().expect("one").symbol),
                to: Address::new([1; 32]),
                amount: 1,
            },
            trees: List::empty(),
            memo: Bytes::default(),
            ext: List::empty(),
        };
        let sigs = List::truncated(vec![(key.public_key(), key.sign(&body.sign_hash()))]);
        let auth = AuthProof { who: body.sender, reveal: Some(policy), sigs };
        let transaction = SignedTransaction::V1 { body, auth: List::truncated(vec![auth]) };
        Candidate::new(transaction.verify().expect("well signed"), 0)
    }

    /// Gives an event and carries everything out until nothing is left to do, at most up to a number of actions.
    fn run(&mut self, event: Event) {
        self.run_until(event, usize::MAX);
    }

    /// The same, but the power goes before the action with this number.
    fn run_until(&mut self, event: Event, power: usize) {
        let mut events = vec![event];
        let mut done = 0;
        while !events.is_empty() {
            let mut actions = Vec::new();
            for event in std::mem::take(&mut events) {
                self.micros += 10;
                let wall = TimeMs::new(WALL_MS + self.micros / 1_000);
                let now = Now { monotonic: Monotonic::new(self.micros), wall };
                self.replica.step(&self.keys, now, event, &mut actions);
            }
            for action in actions {
                if done >= power {
                    return;
                }
                done += 1;
                events.extend(self.carry_out(action));
            }
            // Timers of a few milliseconds stand for the pace of blocks.
            let soon = self.replica.deadline().filter(|deadline| deadline.get() < self.micros + 20_000);
            if let Some(deadline) = soon.filter(|_| events.is_empty() && self.idle_turns < 100) {
                self.idle_turns += 1;
                self.micros = deadline.get();
                events.push(Event::Tick);
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::AppendVote { lsn, record } => {
                self.votes.push(*record);
                Some(Event::VotesDurable(lsn))
            }
            Action::CompactVotes { lsn, records } => {
                self.votes = records;
                Some(Event::VotesDurable(lsn))
            }
            Action::AppendBatch { lsn, batch } => {
                self.batches.push(batch);
                Some(Event::BatchesDurable(lsn))
            }
            Action::CompactBatches { lsn, batches } => {
                self.batches = batches;
                Some(Event::BatchesDurable(lsn))
            }
            Action::Execute { block, batches, .. } => {
                let ids: Vec<Hash> = batches.iter().flat_map(|batch| batch.ids().to_vec()).collect();
                self.executed.extend(&ids);
                let empty = Vec::new();
                let cut_below = self.blocks.last().map_or(&empty, |(_, cut, _)| cut);
                let cut = block.cut_above(cut_below).expect("it extends the block below");
                let summary = Summary {
                    height: block.header.height,
                    block: block.header.id(),
                    state_root: leaf_hash(&block.header.height.get().to_le_bytes()),
                    tx_root: Hash::ZERO,
                    receipts_root: Hash::ZERO,
                    tx_count: u32::try_from(ids.len()).expect("few"),
                    gas_used: 0,
                    vm: 1,
                };
                self.blocks.push((*block, cut.clone(), summary));
                let outcome = Outcome { summary, cut, decided: ids, sequences: Vec::new(), change: None };
                Some(Event::Committed(Box::new(outcome)))
            }
            Action::Note(Note::Accepted(ids)) => {
                self.accepted.extend(ids.iter());
                None
            }
            Action::Note(Note::Alarm(alarm)) => panic!("{alarm:?}"),
            Action::Note(_) | Action::Send { .. } => None,
            Action::CheckBatch { .. }
            | Action::ServeEnd { .. }
            | Action::ServeBlocks { .. }
            | Action::ServeBatches { .. } => {
                panic!("nobody else is there: {action:?}")
            }
        }
    }
}

fn config(genesis: &Genesis) -> Config {
    let key = dev_key("bench", DevRole::Validator, 0).public_key();
    let me = genesis.validator_set().index_of(&key).expect("it is the only one");
    Config::at_genesis(genesis.committee(), me, *genesis.params(), genesis.header())
}

fn found(
    genesis: &Genesis,
    blocks: &[(Block, Vec<LaneTip>, Summary)],
    votes: &[Record],
    batches: &[Arc<SignedBatch>],
) -> Found {
    let (header, cut) = blocks
        .last()
        .map_or_else(|| (genesis.header(), Vec::new()), |(block, cut, _)| (block.header.clone(), cut.clone()));
    let carried = header.executed_height;
    let summaries = blocks.iter().map(|(_, _, summary)| *summary).filter(|summary| summary.height > carried).collect();
    // The view that the ledger knows may be any up to the log's; the lowest is the hardest.
    Found {
        header,
        cut,
        view: althing_types::View::ZERO,
        summaries,
        accused: Vec::new(),
        change: None,
        votes: votes.to_vec(),
        batches: batches.to_vec(),
    }
}

#[test]
fn what_is_submitted_is_executed_once_and_the_result_is_carried() {
    let mut bench = Bench::new();
    let transaction = bench.transaction(1);
    let id = transaction.id();
    bench.run(Event::Submit(transaction));
    assert_eq!(bench.executed, [id]);
    assert!(bench.accepted.contains(&id));
    let last = &bench.blocks.last().expect("blocks").0;
    assert_eq!(last.header.executed_height.get() + 1, last.header.height.get(), "a closing block carries the result");
    assert_eq!(bench.replica.committed(), last.header.height);
}

#[test]
fn without_work_there_is_no_block() {
    let mut bench = Bench::new();
    bench.run(Event::Tick);
    assert!(bench.blocks.is_empty());
    bench.run(Event::Submit(bench.transaction(1)));
    let (blocks, turns) = (bench.blocks.len(), bench.idle_turns);
    bench.run(Event::Tick);
    assert_eq!(bench.blocks.len(), blocks);
    assert!(turns < 20, "{turns} turns for one transaction: it spins");
}

#[test]
fn many_transactions_are_executed_in_the_order_of_their_coming() {
    let mut bench = Bench::new();
    let mut ids = Vec::new();
    for salt in 0..50 {
        let transaction = bench.transaction(salt);
        ids.push(transaction.id());
        bench.run(Event::Submit(transaction));
    }
    assert_eq!(bench.executed, ids);
}

#[test]
fn power_may_go_before_any_action_and_what_was_accepted_is_executed_once() {
    for power in 0..40 {
        let mut bench = Bench::new();
        bench.run(Event::Submit(bench.transaction(1)));
        let second = bench.transaction(2);
        let id = second.id();
        bench.run_until(Event::Submit(second), power);
        let was_accepted = bench.accepted.contains(&id);
        bench.restart();
        bench.run(Event::Tick);
        let times = bench.executed.iter().filter(|executed| **executed == id).count();
        assert!(times <= 1, "power {power}: executed {times} times");
        assert!(times == 1 || !was_accepted, "power {power}: accepted and lost");
        bench.run(Event::Submit(bench.transaction(3)));
        assert_eq!(bench.executed.len(), 2 + times, "power {power}: the chain goes on");
    }
}

#[test]
fn a_batch_that_is_here_is_not_checked_again_however_often_it_comes() {
    let mut bench = Bench::new();
    bench.run(Event::Submit(bench.transaction(1)));
    let known = bench.batches.first().expect("it was cut").clone();
    let mut news = known.as_ref().clone();
    news.batch.seq += 7;
    let mut offer = |batch: Arc<SignedBatch>| {
        let message = DataMessage::Batch(SharedBatch(batch));
        let now = Now { monotonic: Monotonic::new(bench.micros), wall: TimeMs::new(WALL_MS) };
        let (mut actions, from) = (Vec::new(), super::Contact::new(0));
        bench.replica.step(&bench.keys, now, Event::Data { from, message }, &mut actions);
        actions.iter().filter(|action| matches!(action, Action::CheckBatch { .. })).count()
    };
    assert_eq!((0..100).map(|_| offer(known.clone())).sum::<usize>(), 0);
    let news = Arc::new(news);
    assert_eq!((0..100).map(|_| offer(news.clone())).sum::<usize>(), 1, "what is not known is looked at once");
}
