//! What readers see: by height, page by page, and never more than was published.

use std::sync::{Arc, RwLock};

use althing_contracts::{Outcome, SkipReason, StateRead as _, execute};
use althing_storage::{FaultyStore, Order};
use althing_types::{Action, Epoch, Hash, Header, Height, Replay, StateKey, Status, TimeMs};

use super::kit::{Chain, FUNDS, START_MS, address, store, usd};
use crate::prune::Earliest;
use crate::{HistoryCursor, Ledger, LedgerError, PAGE_MAX, RUN_BLOCKS_MAX, Reader};

fn open(chain: &Chain) -> Ledger<FaultyStore> {
    Ledger::open(store(), &chain.genesis).expect("a fresh store")
}

#[test]
fn blocks_are_found_by_height_and_id() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let transfer = chain.transfer(0, address(1), 5);
    let block = chain.block(vec![(2, vec![transfer])]);
    let committed = ledger.commit(block.clone()).expect("a good block");
    let (reader, height, id) = (ledger.reader(), Height::new(1), block.block.header.id());
    assert_eq!(reader.block(height).expect("readable").as_ref(), Some(&block.block));
    assert_eq!(reader.header(height).expect("readable").as_ref(), Some(&block.block.header));
    assert_eq!(reader.height_of(&id).expect("readable"), Some(height));
    assert_eq!(reader.height_of(&chain.genesis.header().id()).expect("readable"), Some(Height::ZERO));
    assert_eq!(reader.finalization(height).expect("readable"), Some(block.finalization.clone()));
    assert_eq!(reader.summary(height).expect("readable"), Some(committed.summary));
    let batch = reader.batch(Epoch::ZERO, 2, 1).expect("readable").expect("ordered");
    assert_eq!(batch, *block.batches[0].signed);
    let nobody = (Height::new(2), Hash::ZERO);
    assert_eq!(reader.block(nobody.0).expect("readable"), None);
    assert_eq!(reader.finalization(nobody.0).expect("readable"), None);
    assert_eq!(reader.height_of(&nobody.1).expect("readable"), None);
    assert_eq!(reader.batch(Epoch::ZERO, 2, 2).expect("readable"), None);
    assert_eq!(ledger.head().view, block.finalization.vote.view);
    assert_eq!(ledger.head().cut, block.block.body.lanes.to_vec());
}

#[test]
fn only_its_own_finalization_is_stored_with_a_block() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    chain.certify = false;
    chain.commit(&mut ledger, vec![]);
    assert_eq!(ledger.reader().finalization(Height::new(1)).expect("readable"), None);
    assert_eq!(ledger.head().view.get(), 101);
}

#[test]
fn summaries_above_a_height_are_those_up_to_the_head() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let summaries: Vec<_> = (0..5).map(|_| chain.commit(&mut ledger, vec![]).summary).collect();
    let reader = ledger.reader();
    assert_eq!(reader.summaries_above(Height::new(2)).expect("readable"), summaries[2..]);
    assert_eq!(reader.summaries_above(Height::new(5)).expect("readable"), []);
    assert_eq!(reader.summaries_above(Height::new(u64::MAX)).expect("readable"), []);
}

#[test]
fn balances_of_old_heights_outlive_their_deletion() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let moves = [(0, 9, FUNDS), (9, 10, 400), (9, 0, FUNDS - 400), (10, 9, 400)];
    for (from, to, amount) in moves {
        let transfer = chain.transfer(from, address(to), amount);
        let committed = chain.commit(&mut ledger, vec![(0, vec![transfer])]);
        assert_eq!(committed.included[0].status, Status::Ok);
    }
    let reader = ledger.reader();
    let held = |account: u32| -> Vec<Option<u128>> {
        (0..=4)
            .map(|height| {
                let balances = reader.balances(&address(account), Height::new(height)).expect("readable");
                balances.first().map(|(_, amount)| *amount)
            })
            .collect()
    };
    assert_eq!(held(0), [Some(FUNDS), None, None, Some(FUNDS - 400), Some(FUNDS - 400)]);
    assert_eq!(held(9), [None, Some(FUNDS), Some(FUNDS - 400), None, Some(400)]);
    assert_eq!(held(10), [None, None, Some(400), Some(400), None]);
    assert_eq!(held(11), [None; 5]);
    let key = StateKey::Balance(address(9), usd());
    assert_eq!(reader.state(&key, Height::new(3)).expect("readable"), None);
    assert!(matches!(reader.state(&key, Height::new(5)), Err(LedgerError::HeightInFuture { .. })));
    assert!(matches!(reader.balances(&address(9), Height::new(5)), Err(LedgerError::HeightInFuture { .. })));
    let assets = reader.assets(Height::ZERO).expect("readable");
    assert_eq!(assets.len(), 1);
    let althing_contracts::AssetRecord::V1 { supply, decimals, .. } = &assets[0].1;
    assert_eq!((assets[0].0, *supply, *decimals), (usd(), 8 * FUNDS, 2));
}

#[test]
fn transactions_are_found_by_id_and_in_the_order_of_execution() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let batches = (0..3u32).map(|lane| (lane, (0..4).map(|_| chain.transfer(lane, address(9), 1)).collect())).collect();
    let committed = chain.commit(&mut ledger, batches);
    let reader = ledger.reader();
    let all = reader.transactions(Height::new(1), 0, usize::MAX).expect("readable");
    let ids: Vec<Hash> = all.iter().map(|located| located.id).collect();
    assert_eq!(ids, committed.included.iter().map(|included| included.id).collect::<Vec<_>>());
    assert!(all.iter().all(|it| it.time == TimeMs::new(START_MS + 10) && it.receipt.tx_id == it.id));
    assert_eq!(reader.transactions(Height::new(1), 5, 3).expect("readable"), all[5..8]);
    assert_eq!(reader.transactions(Height::new(1), 12, 3).expect("readable"), []);
    assert_eq!(reader.transactions(Height::new(1), u32::MAX, 3).expect("readable"), []);
    assert_eq!(reader.transactions(Height::ZERO, 0, 3).expect("readable"), []);
    assert!(reader.transactions(Height::new(2), 0, 3).is_err());
    for located in &all {
        assert_eq!(reader.transaction(&located.id).expect("readable").as_ref(), Some(located));
        let receipt = reader.receipt(Height::new(1), located.index).expect("readable");
        assert_eq!(receipt.as_ref(), Some(&located.receipt));
    }
    assert_eq!(reader.transaction(&Hash::ZERO).expect("readable"), None);
}

fn walk<S: althing_storage::OrderedStore>(reader: &Reader<S>, order: Order, limit: usize) -> Vec<HistoryCursor> {
    let (mut cursor, mut found) = (None, Vec::new());
    // More pages than there can be: a walk that does not move on must end as well.
    for _ in 0..100 {
        let page = reader.history(&address(9), cursor, order, limit).expect("readable");
        assert!(page.entries.len() <= limit);
        found.extend(page.entries.iter().map(|entry| entry.at));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return found,
        }
    }
    panic!("the walk does not end");
}

#[test]
fn pages_of_a_history_meet_without_gap_or_overlap() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let mut expected = Vec::new();
    for height in 1..=6u64 {
        let count = u32::try_from(height % 4).expect("small");
        let mut batch: Vec<_> = (0..count).map(|_| chain.transfer(1, address(9), 2)).collect();
        batch.push(chain.transfer(1, address(8), 2));
        chain.commit(&mut ledger, vec![(0, batch)]);
        expected.extend((0..count).map(|index| HistoryCursor { height: Height::new(height), index }));
    }
    let reader = ledger.reader();
    let page = reader.history(&address(9), None, Order::Ascending, usize::MAX).expect("readable");
    assert_eq!(page.entries.iter().map(|entry| entry.at).collect::<Vec<_>>(), expected);
    for entry in &page.entries {
        let located = reader.transaction(&entry.id).expect("readable").expect("executed");
        assert_eq!((located.height, located.index), (entry.at.height, entry.at.index));
    }
    for limit in 1..=expected.len() + 1 {
        assert_eq!(walk(&reader, Order::Ascending, limit), expected, "{limit}");
        let falling: Vec<_> = expected.iter().rev().copied().collect();
        assert_eq!(walk(&reader, Order::Descending, limit), falling, "{limit}");
    }
    let nothing = reader.history(&address(99), None, Order::Descending, PAGE_MAX).expect("readable");
    assert!(nothing.entries.is_empty() && nothing.next.is_none());
    let beyond = HistoryCursor { height: Height::new(u64::MAX), index: u32::MAX };
    let all = reader.history(&address(9), Some(beyond), Order::Descending, PAGE_MAX).expect("readable");
    assert_eq!(all.entries.len(), expected.len());
    let none = reader.history(&address(9), Some(beyond), Order::Ascending, PAGE_MAX).expect("readable");
    assert!(none.entries.is_empty());
}

#[test]
fn a_run_is_linked_and_ends_below_a_certificate() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let certified = |height: u64| matches!(height, 3 | 4 | 90 | 95);
    for height in 1..=100 {
        chain.certify = certified(height);
        chain.commit(&mut ledger, vec![]);
    }
    let reader = ledger.reader();
    let table = [(0, 2, 1, 2, 3), (0, 3, 1, 3, 3), (0, 4, 1, 4, 4), (4, 999, 5, 68, 90), (88, 999, 89, 95, 95)];
    for (above, blocks_max, first, last, end) in table {
        let run = reader.run(Height::new(above), blocks_max).expect("readable").expect("there is one");
        let heights: Vec<u64> = run.blocks.iter().map(|block| block.header.height.get()).collect();
        assert_eq!(heights, (first..=last).collect::<Vec<_>>(), "above {above}");
        assert!(heights.len() <= RUN_BLOCKS_MAX);
        let headers: Vec<&Header> = run.blocks.iter().map(|block| &block.header).chain(&run.link).collect();
        assert!(headers.windows(2).all(|pair| pair[1].parent == pair[0].id()));
        let top = headers.last().expect("at least one");
        assert_eq!((top.height.get(), top.id()), (end, run.finalization.vote.digest));
    }
    for (above, blocks_max) in [(95, 9), (100, 9), (u64::MAX, 9), (0, 0)] {
        assert_eq!(reader.run(Height::new(above), blocks_max).expect("readable"), None, "above {above}");
    }
}

#[test]
fn a_reader_sees_nothing_above_the_published_head() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let transfer = |chain: &mut Chain| vec![(0, vec![chain.transfer(0, address(9), 5)])];
    let batches = transfer(&mut chain);
    let first = chain.commit(&mut ledger, batches);
    // A reader whose head stays behind while the writer goes on.
    let reader = ledger.reader();
    let behind = Reader::new(reader.store_for_tests(), Arc::new(RwLock::new(ledger.head())), Earliest::default());
    let batches = transfer(&mut chain);
    let second = chain.commit(&mut ledger, batches);
    let (height, id) = (Height::new(2), second.included[0].id);
    let history = |reader: &Reader<_>| {
        let page = reader.history(&address(9), None, Order::Ascending, PAGE_MAX).expect("readable");
        page.entries.len()
    };
    let seen = |reader: &Reader<FaultyStore>| {
        (
            reader.header(height).expect("readable").is_some(),
            reader.finalization(height).expect("readable").is_some(),
            reader.summary(height).expect("readable").is_some(),
            reader.height_of(&second.summary.block).expect("readable").is_some(),
            reader.transaction(&id).expect("readable").is_some(),
            reader.prove_at(&[], Height::new(1)).is_ok(),
        )
    };
    assert_eq!((seen(&reader), history(&reader)), ((true, true, true, true, true, true), 2));
    assert_eq!((seen(&behind), history(&behind)), ((false, false, false, false, false, false), 1));
    assert_eq!(behind.summaries_above(Height::ZERO).expect("readable"), [first.summary]);
    assert!(matches!(behind.receipt(height, 0), Err(LedgerError::HeightInFuture { .. })));
    assert_eq!(behind.run(Height::ZERO, 9).expect("readable").expect("there is one").blocks.len(), 1);
}

#[test]
fn a_dry_run_sees_the_latest_state_and_changes_nothing() {
    let mut chain = Chain::new();
    let mut ledger = open(&chain);
    let transfer = chain.transfer(0, address(9), 5);
    chain.commit(&mut ledger, vec![(0, vec![transfer])]);
    let reader = ledger.reader();
    let params = *chain.genesis.params();
    let (context, state) = reader.for_admission(TimeMs::ZERO, &params);
    assert_eq!((context.height, context.time), (Height::new(2), chain.parent.time.next()));
    let (later, _) = reader.for_admission(chain.parent.time.plus(500), &params);
    assert_eq!(later.time, chain.parent.time.plus(500));
    let spend = chain.transfer(9, address(0), 5);
    for _ in 0..2 {
        let outcome = execute(&spend, spend.id(), &context, &state).expect("readable");
        assert!(matches!(outcome, Outcome::Executed(execution) if execution.receipt.status == Status::Ok));
    }
    let action = Action::Transfer { asset: usd(), to: address(0), amount: 1 };
    let ahead = chain.transaction(9, Replay::Sequence { lane: 0, seq: 4 }, action);
    let outcome = execute(&ahead, ahead.id(), &context, &state).expect("readable");
    assert_eq!(outcome, Outcome::Skipped(SkipReason::SequenceAhead { next: 0 }));
    assert!(state.read(&StateKey::Account(address(9))).expect("readable").is_none());
}
