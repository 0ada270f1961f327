//! What a commit does, what it refuses, and that it is the same wherever it is done.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_contracts::{AssetRecord, SkipReason};
use althing_genesis::{DevNetwork, Genesis};
use althing_storage::{OrderedStore as _, RocksOptions, RocksStore, WriteBatch};
use althing_types::{
    Action, Hash, Height, LaneTip, List, Replay, SignedTransaction, StateKey, Status, Text, TimeMs, encode, leaf_hash,
    merkle_root,
};

use super::kit::{Chain, FUNDS, address, content, eventful, genesis, network, store, usd};
use crate::space::{META, META_SCHEMA, NODE};
use crate::tree::tests::root_of;
use crate::{BatchFault, FinalBlock, Ledger, LedgerError, OrderedBatch, PassedOver, SCHEMA_VERSION};

#[test]
fn transfers_move_money_and_the_summary_says_so() {
    let (mut chain, store) = (Chain::new(), store());
    let mut ledger = Ledger::open(store, &chain.genesis).expect("a fresh store");
    let before = ledger.head();
    let (first, second) = (chain.transfer(0, address(1), 30), chain.transfer(1, address(20), FUNDS + 30));
    let third = chain.transfer(0, address(1), FUNDS);
    let committed = chain.commit(&mut ledger, vec![(0, vec![first.clone(), second.clone(), third.clone()])]);

    let statuses: Vec<Status> = committed.included.iter().map(|included| included.status).collect();
    assert_eq!(statuses, [Status::Ok, Status::Ok, Status::Insufficient]);
    let reader = ledger.reader();
    let balance = |account: u32, height: u64| {
        let balances = reader.balances(&address(account), Height::new(height)).expect("readable");
        balances.first().map(|(asset, amount)| (*asset == usd(), *amount))
    };
    assert_eq!([0, 1, 20].map(|account| balance(account, 0)), [Some((true, FUNDS)), Some((true, FUNDS)), None]);
    assert_eq!(balance(0, 1), Some((true, FUNDS - 30)));
    assert_eq!(balance(1, 1), None, "a balance of zero has no entry");
    assert_eq!(balance(20, 1), Some((true, FUNDS + 30)));

    let summary = committed.summary;
    assert_eq!((summary.height, summary.tx_count, summary.vm), (Height::new(1), 3, 1));
    assert_eq!(summary.block, chain.parent.id());
    assert_ne!(summary.state_root, before.summary.state_root);
    let leaves: Vec<Hash> = [first, second, third].iter().map(|it| leaf_hash(&it.to_bytes())).collect();
    assert_eq!(summary.tx_root, merkle_root(&leaves));
    let receipts = reader.receipts(Height::new(1)).expect("readable");
    let leaves: Vec<Hash> = receipts.iter().map(|receipt| leaf_hash(&encode(receipt))).collect();
    assert_eq!(summary.receipts_root, merkle_root(&leaves));
    assert_eq!(summary.gas_used, receipts.iter().map(|receipt| receipt.gas_used).sum::<u64>());
    assert_eq!(ledger.head().summary, summary);
}

#[test]
fn the_state_of_genesis_is_its_assets_and_balances_and_no_policy() {
    let genesis = genesis();
    let ledger = Ledger::open(store(), &genesis).expect("a fresh store");
    let record = AssetRecord::V1 {
        symbol: "USD".parse().expect("a symbol"),
        name: Text::new("US dollar").expect("short"),
        decimals: 2,
        supply: 8 * FUNDS,
    };
    let balances = (0..8).map(|account| (StateKey::Balance(address(account), usd()), encode(&FUNDS)));
    let model: BTreeMap<StateKey, Vec<u8>> = balances.chain([(StateKey::Asset(usd()), record.to_bytes())]).collect();
    let head = ledger.head();
    assert_eq!(head.summary.state_root, root_of(&model));
    assert_eq!((head.id, head.summary.block), (genesis.header().id(), genesis.header().id()));
    assert_eq!((head.view.get(), head.certified, head.cut.len()), (0, None, 0));
    // The same chain, told without the keys behind its addresses.
    let mut document = genesis.document().clone();
    for account in &mut document.accounts {
        let key = account.public_key.take().expect("the network names keys");
        let policy = althing_types::AuthPolicy::Key(key.parse().expect("a key"));
        account.address = Some(althing_types::Address::of_policy(&policy).to_text(genesis.prefix()));
    }
    let silent = Genesis::new(document).expect("valid");
    assert_eq!(silent.hash(), genesis.hash());
    let other = Ledger::open(store(), &silent).expect("a fresh store");
    assert_eq!(other.head(), head);
}

#[test]
fn an_empty_block_changes_no_root_and_writes_no_node() {
    let (mut chain, store) = (Chain::new(), store());
    let mut ledger = Ledger::open(store.clone(), &chain.genesis).expect("a fresh store");
    let nodes = |store: &_| content(store)[usize::from(crate::space::NODE.0)].len();
    let (before, root) = (nodes(&*store), ledger.head().summary.state_root);
    let committed = chain.commit(&mut ledger, vec![]);
    let nothing = merkle_root(&[]);
    let summary = committed.summary;
    assert_eq!((summary.state_root, summary.tx_root, summary.receipts_root), (root, nothing, nothing));
    assert_eq!((summary.tx_count, summary.gas_used, nodes(&*store)), (0, 0, before));
    let paid_back = vec![chain.transfer(0, address(1), 7), chain.transfer(1, address(0), 7)];
    assert_eq!(chain.commit(&mut ledger, vec![(0, paid_back)]).summary.state_root, root);
    assert_eq!(nodes(&*store), before, "what was changed back is no change");
}

#[test]
fn a_block_is_executed_in_turns_of_its_lanes() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let mut named = BTreeMap::new();
    let mut batch = |chain: &mut Chain, lane: u32, name: &'static str, count: u32| {
        let transactions: Vec<SignedTransaction> = (0..count).map(|_| chain.transfer(lane, address(7), 1)).collect();
        named.extend(transactions.iter().map(|transaction| (transaction.id(), name)));
        (lane, transactions)
    };
    let batches = vec![
        batch(&mut chain, 3, "d1", 1),
        batch(&mut chain, 0, "a1", 2),
        batch(&mut chain, 3, "d2", 1),
        batch(&mut chain, 2, "c1", 1),
        batch(&mut chain, 3, "d3", 1),
    ];
    let committed = chain.commit(&mut ledger, batches);
    let order: Vec<&str> = committed.included.iter().map(|included| named[&included.id]).collect();
    // Height 1 begins with the second of the lanes 0, 2 and 3.
    assert_eq!(order, ["c1", "d1", "a1", "a1", "d2", "d3"]);
}

#[test]
fn what_is_passed_over_leaves_no_trace() {
    let (mut chain, store) = (Chain::new(), store());
    let mut ledger = Ledger::open(store, &chain.genesis).expect("a fresh store");
    let good = chain.transfer(0, address(1), 5);
    chain.commit(&mut ledger, vec![(1, vec![good.clone()])]);

    let transfer = |chain: &Chain, replay| {
        chain.transaction(2, replay, Action::Transfer { asset: usd(), to: address(3), amount: 1 })
    };
    let time = chain.parent.time;
    let expired = transfer(&chain, Replay::Expiring { valid_until: time, salt: 1 });
    let far = transfer(&chain, Replay::Expiring { valid_until: time.plus(1_000_000), salt: 1 });
    let ahead = transfer(&chain, Replay::Sequence { lane: 0, seq: 1 });
    let fresh = chain.transfer(2, address(3), 1);
    let batch = vec![good.clone(), expired.clone(), far.clone(), ahead.clone(), fresh.clone(), fresh.clone()];
    let committed = chain.commit(&mut ledger, vec![(3, batch)]);

    assert_eq!(committed.included.iter().map(|included| included.id).collect::<Vec<_>>(), [fresh.id()]);
    let skipped: Vec<_> = committed.skipped.iter().map(|it| (it.id, it.lane, it.reason)).collect();
    let refused = PassedOver::Refused;
    let expected = [
        (good.id(), 3, PassedOver::Duplicate),
        (expired.id(), 3, refused(SkipReason::Expired)),
        (far.id(), 3, refused(SkipReason::TooFarAhead)),
        (ahead.id(), 3, refused(SkipReason::SequenceAhead { next: 0 })),
        (fresh.id(), 3, PassedOver::Duplicate),
    ];
    assert_eq!(skipped, expected);
    let reader = ledger.reader();
    assert!(!reader.is_included(&expired.id()).expect("readable"));
    assert!(reader.is_included(&fresh.id()).expect("readable"));
    assert_eq!(reader.receipts(Height::new(2)).expect("readable").len(), 1);
    assert_eq!(committed.summary.tx_root, merkle_root(&[leaf_hash(&fresh.to_bytes())]));
}

#[test]
fn an_id_that_was_skipped_may_be_executed_later_in_the_block() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let good = chain.transfer(0, address(1), 5);
    let SignedTransaction::V1 { body, auth } = &good;
    let mut bare = auth.to_vec();
    bare[0].reveal = None;
    let spoilt = SignedTransaction::V1 { body: body.clone(), auth: List::truncated(bare) };
    assert_eq!(spoilt.id(), good.id());
    let committed = chain.commit(&mut ledger, vec![(0, vec![spoilt, good.clone()])]);
    assert_eq!(committed.included.len(), 1);
    assert_eq!(committed.skipped[0].reason, PassedOver::Refused(SkipReason::Unauthorized));
    assert_eq!(committed.summary.tx_root, merkle_root(&[leaf_hash(&good.to_bytes())]));
}

#[test]
fn a_sequence_lane_moves_on_with_what_is_executed() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let at = |chain: &Chain, seq, amount| {
        let action = Action::Transfer { asset: usd(), to: address(3), amount };
        chain.transaction(2, Replay::Sequence { lane: 9, seq }, action)
    };
    // The second fails and uses its number up all the same.
    let batch = vec![at(&chain, 0, 1), at(&chain, 1, 2 * FUNDS), at(&chain, 2, 1), at(&chain, 0, 7)];
    let committed = chain.commit(&mut ledger, vec![(0, batch)]);
    assert_eq!(committed.included.len(), 3);
    assert_eq!(committed.skipped[0].reason, PassedOver::Refused(SkipReason::SequenceUsed { next: 3 }));
    let again = at(&chain, 1, 2 * FUNDS);
    let committed = chain.commit(&mut ledger, vec![(0, vec![again])]);
    assert_eq!(committed.skipped[0].reason, PassedOver::Duplicate);
    let account = ledger.reader().account(&address(2), Height::new(1)).expect("readable");
    assert!(account.is_some());
    assert_eq!(ledger.reader().account(&address(2), Height::ZERO).expect("readable"), None);
}

#[test]
fn a_block_that_was_committed_is_answered_and_not_written_again() {
    let (mut chain, store) = (Chain::new(), store());
    let mut ledger = Ledger::open(store.clone(), &chain.genesis).expect("a fresh store");
    let (good, poor) = (chain.transfer(0, address(1), 5), chain.transfer(0, address(1), 2 * FUNDS));
    let block = chain.block(vec![(0, vec![good.clone(), poor, good])]);
    let first = ledger.commit(block.clone()).expect("a good block");
    chain.executed(&first);
    chain.commit(&mut ledger, vec![]);
    let (commits, bytes) = (store.commits(), content(&*store));
    let again = ledger.commit(block).expect("the same block");
    assert_eq!((again.summary, &again.included), (first.summary, &first.included));
    assert_eq!((store.commits(), content(&*store)), (commits, bytes));
    assert_eq!(ledger.head().header.height, Height::new(2));
}

#[test]
fn blocks_that_do_not_follow_are_refused_and_change_nothing() {
    let (mut chain, store) = (Chain::new(), store());
    let mut ledger = Ledger::open(store.clone(), &chain.genesis).expect("a fresh store");
    let sibling = chain.clone();
    chain.commit(&mut ledger, vec![]);
    let bytes = content(&*store);
    let check = |ledger: &mut Ledger<_>, block: FinalBlock, expected: &str| {
        let error = ledger.commit(block).expect_err("refused");
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
        assert_eq!(content(&*store), bytes);
    };
    let next = chain.clone().block(vec![]);
    let mut other = sibling.clone();
    other.parent.time = TimeMs::new(1);
    check(&mut ledger, other.block(vec![]), "Fork");
    check(&mut ledger, other.block(vec![]), "Fork");
    let mut ahead = chain.clone();
    ahead.block(vec![]);
    check(&mut ledger, ahead.block(vec![]), "Gap");
    let mut foreign = next.clone();
    foreign.block.header.chain = Hash::ZERO;
    check(&mut ledger, foreign, "OtherChain");
    let mut untrue = next.clone();
    untrue.block.header.results_root = Hash::ZERO;
    check(&mut ledger, untrue, "Body");
    let mut untrue = next.clone();
    untrue.block.header.lanes_root = Hash::ZERO;
    check(&mut ledger, untrue, "Body");
    ledger.commit(next).expect("the right one is still welcome");
}

#[test]
fn batches_must_be_exactly_those_that_the_block_orders() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    chain.commit(&mut ledger, vec![(0, vec![])]);
    let (one, two) = (chain.transfer(0, address(1), 5), chain.transfer(0, address(1), 6));
    let block = chain.block(vec![(0, vec![one]), (0, vec![two]), (2, vec![])]);
    let fault = |ledger: &mut Ledger<_>, change: &dyn Fn(&mut Vec<OrderedBatch>)| {
        let mut changed = block.clone();
        change(&mut changed.batches);
        match ledger.commit(changed) {
            Err(LedgerError::Batches { height, fault }) if height == Height::new(2) => Some(fault),
            _ => None,
        }
    };
    fn edited(batch: &OrderedBatch, edit: impl FnOnce(&mut althing_types::SignedBatch)) -> OrderedBatch {
        let mut signed = (*batch.signed).clone();
        edit(&mut signed);
        OrderedBatch { signed: Arc::new(signed), ..batch.clone() }
    }
    let ledger = &mut ledger;
    assert_eq!(fault(ledger, &|it| drop(it.pop())), Some(BatchFault::Count { given: 2, expected: 3 }));
    assert_eq!(fault(ledger, &|it| it.push(it[0].clone())), Some(BatchFault::Count { given: 4, expected: 3 }));
    assert_eq!(fault(ledger, &|it| it[1] = it[0].clone()), Some(BatchFault::Count { given: 3, expected: 3 }));
    let moved = |it: &mut Vec<OrderedBatch>| it[0] = edited(&it[0], |signed| signed.batch.seq = 9);
    assert_eq!(fault(ledger, &moved), Some(BatchFault::Link { lane: 0, seq: 2 }));
    let cut = |it: &mut Vec<OrderedBatch>| it[0] = edited(&it[0], |signed| signed.batch.previous = Hash::ZERO);
    assert_eq!(fault(ledger, &cut), Some(BatchFault::Link { lane: 0, seq: 2 }));
    let emptied = |it: &mut Vec<OrderedBatch>| it[0].ids = Arc::new(vec![]);
    assert_eq!(fault(ledger, &emptied), Some(BatchFault::Transactions { lane: 0, seq: 2 }));
    let more = |signed: &mut althing_types::SignedBatch| signed.batch.epoch = althing_types::Epoch::new(1);
    assert_eq!(fault(ledger, &|it| it[2] = edited(&it[2], more)), Some(BatchFault::Link { lane: 2, seq: 1 }));
    let other = |it: &mut Vec<OrderedBatch>| {
        it[1] = edited(&it[1], |signed| signed.batch.transactions = it[0].signed.batch.transactions.clone());
    };
    assert_eq!(fault(ledger, &other), Some(BatchFault::Tip { lane: 0 }));
    let mut shuffled = block.clone();
    shuffled.batches.rotate_left(1);
    assert_eq!(ledger.commit(shuffled).expect("any order will do").included.len(), 2);
}

#[test]
fn a_tip_far_away_costs_nothing_to_refuse() {
    let mut chain = Chain::new();
    let mut ledger = Ledger::open(store(), &chain.genesis).expect("a fresh store");
    let mut block = chain.block(vec![(0, vec![])]);
    let tip = LaneTip { lane: 0, seq: u64::MAX, tip: Hash::ZERO };
    block.block.body.lanes = List::truncated(vec![tip]);
    block.block.header.lanes_root = althing_types::lanes_root(&[tip]);
    let error = ledger.commit(block).expect_err("refused");
    assert!(matches!(error, LedgerError::Batches { fault: BatchFault::Count { expected: u64::MAX, .. }, .. }));
}

#[test]
fn a_store_of_another_chain_form_or_without_a_head_is_refused() {
    let (genesis, store) = (genesis(), store());
    drop(Ledger::open(store.clone(), &genesis).expect("a fresh store"));
    let later = DevNetwork { time: TimeMs::new(7), ..network(8) }.build().expect("valid");
    match Ledger::open(store.clone(), &later) {
        Err(LedgerError::OtherChain { found, expected }) => {
            assert_eq!((found, expected), (genesis.hash(), later.hash()));
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    let damage = |key: &[u8], value: Option<Vec<u8>>| {
        let before = store.get(META, key).expect("readable").expect("there");
        let mut batch = WriteBatch::default();
        match value {
            Some(value) => batch.put(META, key, value),
            None => batch.delete(META, key),
        }
        store.commit(batch).expect("written");
        let error = Ledger::open(store.clone(), &genesis).map(|_| ()).expect_err("refused");
        let mut batch = WriteBatch::default();
        batch.put(META, key, before);
        store.commit(batch).expect("written");
        error
    };
    let error = damage(META_SCHEMA, Some(encode(&9u32)));
    assert!(matches!(error, LedgerError::Version { found: 9, expected: SCHEMA_VERSION }), "{error:?}");
    for (key, value) in [(META_SCHEMA, None), (b"head", None), (b"head", Some(vec![1])), (b"chain", None)] {
        let error = damage(key, value);
        assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
    }
    Ledger::open(store.clone(), &genesis).expect("whole again");
}

#[test]
fn a_state_tree_that_is_not_that_of_the_head_is_refused() {
    let (mut chain, store) = (Chain::new(), store());
    let mut ledger = Ledger::open(store.clone(), &chain.genesis).expect("a fresh store");
    let root = |version: u64| [&version.to_be_bytes()[..], &[0]].concat();
    let genesis_root = store.get(NODE, &root(0)).expect("readable").expect("there");
    let transfer = chain.transfer(0, address(1), 5);
    chain.commit(&mut ledger, vec![(0, vec![transfer])]);
    drop(ledger);
    for replaced in [Some(genesis_root), Some(vec![9]), None] {
        let mut batch = WriteBatch::default();
        match replaced {
            Some(node) => batch.put(NODE, root(1), node),
            None => batch.delete(NODE, root(1)),
        }
        store.commit(batch).expect("written");
        let error = Ledger::open(store.clone(), &chain.genesis).map(|_| ()).expect_err("refused");
        assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
    }
}

#[test]
fn the_same_blocks_give_the_same_bytes_on_every_store() {
    for seed in 0..4 {
        let blocks = eventful(30, seed);
        let folder = tempfile::tempdir().expect("a folder");
        let disk = RocksStore::open(folder.path(), crate::SPACES, RocksOptions::default()).expect("a fresh store");
        let (memory, disk) = (store(), Arc::new(disk));
        let mut in_memory = Ledger::open(memory.clone(), &genesis()).expect("a fresh store");
        let mut on_disk = Ledger::open(disk.clone(), &genesis()).expect("a fresh store");
        let mut executed = 0;
        for (place, block) in blocks.into_iter().enumerate() {
            // One of them is opened anew now and then, so that what is remembered in memory makes no difference.
            if place % 7 == 3 {
                drop(on_disk);
                on_disk = Ledger::open(disk.clone(), &genesis()).expect("an old store");
            }
            let committed = in_memory.commit(block.clone()).expect("a good block");
            executed += committed.included.len();
            assert_eq!(committed, on_disk.commit(block).expect("a good block"));
        }
        assert!(executed > 30, "{executed}");
        assert_eq!(in_memory.head(), on_disk.head());
        assert!(content(&*memory) == content(&*disk), "seed {seed}");
    }
}
