//! Executing a chain again: the same results as the writer's, from a store that keeps no more than it needs.

use std::sync::Arc;

use althing_storage::{FaultyStore, Order, OrderedStore, Scan, StoreFaultPlan};
use althing_types::{Hash, Height};

use super::kit::{Chain, eventful, genesis, store};
use crate::space::{BATCH, BODY, HEADER, NODE, NODE_STALE, RECEIPT, STATE, STATE_AT, SUMMARY};
use crate::{FinalBlock, Ledger, LedgerError, Reader, SPACES, replay_spaces};

fn scratch() -> Arc<FaultyStore> {
    Arc::new(FaultyStore::new(&replay_spaces(), StoreFaultPlan::default()))
}

fn all(store: &FaultyStore, space: althing_storage::Space) -> usize {
    let scan = Scan { from: &[], to: None, order: Order::Ascending, limit: usize::MAX };
    store.scan(space, scan).expect("readable").len()
}

fn replay(ledger: &mut Ledger<FaultyStore>, given: &FinalBlock) -> Result<crate::Replayed, LedgerError> {
    ledger.replay(&given.block, &given.batches, |replayed| Ok(replayed.included.len().to_be_bytes().to_vec()))
}

#[test]
fn a_replay_comes_to_what_the_commit_came_to() {
    for seed in 0..4 {
        let (mut writer, scratch) = (Ledger::open(store(), &genesis()).expect("fresh"), scratch());
        let mut ledger = Ledger::open(scratch.clone(), &genesis()).expect("fresh");
        assert_eq!(ledger.note().expect("readable"), None);
        for block in eventful(40, seed) {
            let committed = writer.commit(block.clone()).expect("a good block");
            // Every block is executed by a ledger that was just opened.
            let replayed = replay(&mut ledger, &block).expect("a good block");
            assert_eq!((replayed.summary, &replayed.included), (committed.summary, &committed.included));
            assert_eq!(replayed.skipped, committed.skipped);
            let reader = writer.reader();
            let stored = reader.stored_results(committed.summary.height).expect("readable").expect("committed");
            assert_eq!((stored.places, stored.receipts), (replayed.places, replayed.receipts));
            let note = ledger.note().expect("readable").expect("there is one");
            assert_eq!(note, replayed.included.len().to_be_bytes());
            ledger = Ledger::open(scratch.clone(), &genesis()).expect("it goes on");
        }
        let state = |reader: &Reader<FaultyStore>| reader.state_from(&[], usize::MAX).expect("readable");
        assert_eq!(state(&ledger.reader()), state(&writer.reader()));
    }
}

#[test]
fn a_replay_keeps_what_the_next_block_needs_and_no_more() {
    let scratch = scratch();
    let mut ledger = Ledger::open(scratch.clone(), &genesis()).expect("fresh");
    let below = [STATE_AT, BODY].map(|space| all(&scratch, space));
    for block in eventful(60, 9) {
        replay(&mut ledger, &block).expect("a good block");
        assert!(all(&scratch, NODE_STALE) <= 1);
    }
    assert_eq!([STATE_AT, BODY].map(|space| all(&scratch, space)), below, "what genesis wrote");
    assert_eq!([HEADER, SUMMARY, RECEIPT, BATCH].map(|space| all(&scratch, space)), [1, 1, 0, 0]);
    // Of every version but the last, all that was replaced is gone: no more pages than leaves.
    assert!(all(&scratch, NODE) <= all(&scratch, STATE), "{} pages", all(&scratch, NODE));
}

#[test]
fn what_the_caller_refuses_leaves_nothing_behind() {
    let scratch = scratch();
    let mut ledger = Ledger::open(scratch.clone(), &genesis()).expect("fresh");
    let mut chain = Chain::new();
    let transfer = chain.transfer(0, super::kit::address(1), 5);
    let block = chain.block(vec![(0, vec![transfer])]);
    let refused = ledger.replay(&block.block, &block.batches, |_| Err(LedgerError::corrupt("a test")));
    assert!(matches!(refused, Err(LedgerError::Corrupt { what: "a test" })), "{refused:?}");
    assert_eq!(ledger.head().header.height, Height::ZERO);
    let replayed = replay(&mut ledger, &block).expect("the same block");
    assert_eq!(replayed.included.len(), 1);
}

#[test]
fn a_reader_without_a_writer_opens_its_own_chain_and_writes_nothing() {
    let store = store();
    let chain = genesis().hash();
    assert!(matches!(Reader::open(store.clone(), &chain), Err(LedgerError::Corrupt { .. })), "there is no ledger");
    let mut ledger = Ledger::open(store.clone(), &genesis()).expect("fresh");
    let mut made = Chain::new();
    made.commit(&mut ledger, vec![]);
    made.certify = false;
    made.commit(&mut ledger, vec![]);
    let commits = store.commits();
    let reader = Reader::open(store.clone(), &chain).expect("its chain");
    assert_eq!(reader.head().header.height.get(), 2);
    let certified = |height| reader.certified_from(Height::new(height)).expect("readable").map(Height::get);
    let below = |height| reader.certified_below(Height::new(height)).expect("readable").map(Height::get);
    assert_eq!((certified(1), certified(2), below(0), below(9)), (Some(1), None, None, Some(1)));
    let other = Reader::open(store.clone(), &Hash::new([1; 32]));
    assert!(matches!(other, Err(LedgerError::OtherChain { .. })), "{other:?}");
    assert_eq!(store.commits(), commits);
}

#[test]
fn the_two_lists_of_keyspaces_differ_so_that_no_store_is_taken_for_the_other() {
    assert_eq!(replay_spaces().len(), SPACES.len() + 1);
    assert!(replay_spaces().starts_with(SPACES));
}
