//! What is pruned is gone, what is kept reads as if nothing had been pruned, whatever crashes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_storage::{FaultyStore, Order, OrderedStore as _, SCAN_ENTRIES_MAX, Scan, Space, StoreFaultPlan};
use althing_types::{Address, Ed25519, Epoch, Hash, Height, StateKey, encode, leaf_hash};

use super::kit::{Chain, address, content, eventful_in_steps, genesis, store, usd};
use crate::reader::{HistoryPage, ProvenState};
use crate::record::{ExecutedAt, SummaryRecord, decoded};
use crate::space::{
    BATCH, BODY, CARRIER, EVIDENCE, FINALIZATION, HEADER, HEIGHT_OF, HISTORY, INCLUDED, NODE, NODE_STALE, RECEIPT,
    STATE_AT, STATE_STALE, SUMMARY, TX_AT, by_height, without_height,
};
use crate::tree::tests::pages_of;
use crate::{FinalBlock, HistoryCursor, Ledger, LedgerError, LocatedTransaction, Pruner, Reader, Retention};

/// Twenty seconds from block to block: what was executed can be ordered again for thirty of them, and is kept for as many
/// more.
const STEP_MS: u64 = 20_000;

type Store = Arc<FaultyStore>;

fn everything(store: &FaultyStore, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = Scan { from: &[], to: None, order: Order::Ascending, limit: SCAN_ENTRIES_MAX };
    store.scan(space, all).expect("readable")
}

fn open(store: &Store) -> Ledger<FaultyStore> {
    Ledger::open(store.clone(), &genesis()).expect("opened")
}

/// All that there is to do now. Returns how many steps that took.
fn finish(pruner: &mut Pruner<FaultyStore>) -> usize {
    let mut steps = 0;
    while pruner.step().expect("pruned") {
        steps += 1;
    }
    steps
}

/// A ledger that is pruned as it grows, and one that is not.
fn both(blocks: &[FinalBlock], retention: Retention) -> (Store, Store) {
    let (pruned, whole) = (store(), store());
    let (mut ledger, mut archive) = (open(&pruned), open(&whole));
    let mut pruner = ledger.pruner(retention).expect("a pruner").in_smallest_pieces();
    for block in blocks {
        ledger.commit(block.clone()).expect("a good block");
        archive.commit(block.clone()).expect("a good block");
        finish(&mut pruner);
    }
    (pruned, whole)
}

fn accounts() -> Vec<Address> {
    (0..12).map(address).collect()
}

type Everything =
    (Vec<Vec<(althing_types::AssetId, u128)>>, Result<ProvenState, String>, Vec<LocatedTransaction>, Option<Hash>);

/// What can be asked at a height.
fn all_at(reader: &Reader<FaultyStore>, height: Height) -> Result<Everything, LedgerError> {
    let balances = accounts().iter().map(|account| reader.balances(account, height)).collect::<Result<_, _>>()?;
    let keys: Vec<StateKey> = accounts().iter().map(|account| StateKey::Balance(*account, usd())).collect();
    let proven = match reader.prove_at(&keys, height) {
        Err(error @ LedgerError::ProofUnavailable { .. }) => Err(error.to_string()),
        proven => Ok(proven?),
    };
    let transactions = reader.transactions(height, 0, usize::MAX)?;
    for transaction in &transactions {
        let by_id = reader.transaction(&transaction.id)?;
        assert_eq!(by_id.as_ref(), Some(transaction));
    }
    Ok((balances, proven, transactions, reader.block(height)?.map(|block| block.header.id())))
}

/// The history of an account from a height on.
fn history(reader: &Reader<FaultyStore>, account: &Address, from: Height) -> HistoryPage {
    let mut page = reader.history(account, None, Order::Ascending, usize::MAX).expect("readable");
    page.entries.retain(|entry| entry.at.height >= from);
    page
}

#[test]
fn what_is_kept_reads_as_if_nothing_had_been_pruned_and_what_is_not_is_said_to_be_pruned() {
    let blocks = eventful_in_steps(160, 3, STEP_MS);
    let (pruned, whole) = (store(), store());
    let (mut ledger, mut archive) = (open(&pruned), open(&whole));
    let mut pruner = ledger.pruner(Retention::Window(80)).expect("a pruner");
    let (reader, reference) = (ledger.reader(), archive.reader());
    for block in &blocks {
        ledger.commit(block.clone()).expect("a good block");
        archive.commit(block.clone()).expect("a good block");
        // Also while something is half removed.
        while pruner.step().expect("pruned") {
            let earliest = reader.earliest();
            for height in [earliest.get().saturating_sub(1), earliest.get() / 2, 1] {
                let height = Height::new(height);
                if height < earliest {
                    assert!(matches!(all_at(&reader, height), Err(LedgerError::Pruned { .. })), "{height}");
                    assert!(matches!(reader.outcomes(height), Err(LedgerError::Pruned { .. })));
                    assert!(matches!(reader.summary(height), Err(LedgerError::Pruned { .. })));
                    assert!(reader.run(height, 8).expect("readable").is_none() || height.next() >= earliest);
                }
            }
            assert_eq!(all_at(&reader, earliest).expect("kept"), all_at(&reference, earliest).expect("kept"));
        }
    }
    let (earliest, head) = (reader.earliest(), ledger.head().header.height);
    assert!(earliest.get() > 160 - 80 - 16 && earliest.get() <= 160 - 80, "{earliest}");
    for height in earliest.get()..=head.get() {
        let height = Height::new(height);
        assert_eq!(all_at(&reader, height).expect("kept"), all_at(&reference, height).expect("kept"), "{height}");
    }
    for account in accounts() {
        assert_eq!(history(&reader, &account, Height::ZERO), history(&reference, &account, earliest));
    }
    assert!(reader.header(Height::ZERO).expect("kept for ever").is_some());
}

/// Each key below the lowest height that is kept is one that must be.
#[test]
fn nothing_is_left_of_what_is_pruned() {
    let blocks = eventful_in_steps(150, 9, STEP_MS);
    let (pruned, whole) = both(&blocks, Retention::Latest);
    let earliest = open(&pruned).reader().earliest();
    assert!(earliest.get() > 150 - 64 - 16 - 8, "{earliest}");
    for space in [HEADER, BODY, FINALIZATION, INCLUDED, RECEIPT, SUMMARY, STATE_STALE, CARRIER] {
        let ends = |key: &[u8]| (1..=4).any(|epoch| key == by_height(Height::new(37 * epoch)));
        // Header and certificate of the end of each epoch, and the header of genesis, stay.
        let stays = |key: &[u8]| match space {
            HEADER => ends(key) || key == by_height(Height::ZERO),
            FINALIZATION => ends(key),
            _ => false,
        };
        let kept = |key: &[u8]| key[..8] >= by_height(earliest)[..] || stays(key);
        // What the block at the lowest height replaced is gone.
        let is_stale = |key: &[u8]| space == STATE_STALE && key == by_height(earliest);
        let expected: Vec<_> =
            everything(&whole, space).into_iter().filter(|(key, _)| kept(key) && !is_stale(key)).collect();
        assert!(everything(&pruned, space) == expected, "{space:?}");
        assert!(expected.len() < everything(&whole, space).len() && !expected.is_empty());
    }
    let at = |value: &[u8]| decoded::<ExecutedAt>(value, "a place").expect("whole");
    let expected: Vec<_> =
        everything(&whole, TX_AT).into_iter().filter(|(_, value)| at(value).height >= earliest).collect();
    assert!(everything(&pruned, TX_AT) == expected);
    let heights: BTreeMap<_, _> = everything(&pruned, HEIGHT_OF).into_iter().collect();
    assert_eq!(heights.len(), everything(&pruned, BODY).len());
    let named = |key: &[u8]| key[32..40] >= by_height(earliest)[..];
    let expected: Vec<_> = everything(&whole, HISTORY).into_iter().filter(|(key, _)| named(key)).collect();
    assert!(everything(&pruned, HISTORY) == expected);
    let ordered: usize =
        blocks.iter().filter(|block| block.block.header.height >= earliest).map(|block| block.batches.len()).sum();
    assert_eq!(everything(&pruned, BATCH).len(), ordered);
    let pieces = |store: &FaultyStore| everything(store, EVIDENCE).len();
    assert!(pieces(&pruned) == pieces(&whole) && pieces(&whole) > 10);
    for epoch in 0..4 {
        assert!(open(&pruned).reader().boundary(Epoch::new(epoch)).expect("readable").is_some());
    }
    check_values(&pruned, &whole, earliest);
    check_pages(&pruned, &whole, earliest);
}

/// Of each key the values from the lowest height on are there, and the one that held there, if one did.
fn check_values(pruned: &FaultyStore, whole: &FaultyStore, earliest: Height) {
    let mut expected = Vec::new();
    let mut done: Option<Vec<u8>> = None;
    // Newest first within a key.
    for (key, value) in everything(whole, STATE_AT) {
        let place = without_height(&key).expect("a height").to_vec();
        let height = u64::MAX ^ u64::from_be_bytes(*key.last_chunk::<8>().expect("a height"));
        if height > earliest.get() {
            expected.push((key, value));
        } else if done.as_ref() != Some(&place) {
            if decoded::<Option<Vec<u8>>>(&value, "a value").expect("whole").is_some() {
                expected.push((key, value));
            }
            done = Some(place);
        }
    }
    assert!(everything(pruned, STATE_AT) == expected);
}

/// The pages are those of the trees of the heights that are kept.
fn check_pages(pruned: &FaultyStore, whole: &FaultyStore, earliest: Height) {
    let mut expected = BTreeSet::new();
    let mut lowest = u64::MAX;
    for (key, value) in everything(whole, SUMMARY) {
        if key >= by_height(earliest) {
            let version = decoded::<SummaryRecord>(&value, "a summary").expect("whole").tree_version;
            lowest = lowest.min(version);
            expected.extend(pages_of(whole, version));
        }
    }
    let found: BTreeSet<Vec<u8>> = everything(pruned, NODE).into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, expected);
    assert!(found.len() < everything(whole, NODE).len());
    let stale = everything(pruned, NODE_STALE);
    assert!(stale.iter().all(|(key, _)| key[..] > lowest.to_be_bytes()[..]) && !stale.is_empty());
}

#[test]
fn a_crash_at_any_write_of_the_pruner_leaves_what_no_crash_would_leave() {
    let blocks = eventful_in_steps(100, 5, STEP_MS);
    let (expected, whole) = both(&blocks, Retention::Latest);
    let reference = open(&whole).reader();
    let expected_commits = expected.commits();
    let expected = content(&*expected);
    let mut failures = 0;
    for fail_commit in (70..expected_commits).step_by(11) {
        let store = store();
        let plan = StoreFaultPlan { fail_commit: Some(fail_commit), fail_read: None };
        store.set_plan(plan);
        let mut ledger = open(&store);
        let mut pruner = ledger.pruner(Retention::Latest).expect("a pruner").in_smallest_pieces();
        let mut next = 0;
        while let Some(block) = blocks.get(next) {
            let result = ledger.commit(block.clone()).and_then(|_| while_there_is_more(&mut pruner));
            if let Err(error) = result {
                assert!(matches!(error, LedgerError::Store(_)), "{error}");
                failures += 1;
                store.crash(fail_commit);
                store.reopen();
                ledger = open(&store);
                pruner = ledger.pruner(Retention::Latest).expect("a pruner").in_smallest_pieces();
                next = usize::try_from(ledger.head().header.height.get()).expect("small");
                // What is half removed is below everything that can be asked for.
                let reader = ledger.reader();
                for height in reader.earliest().get()..=ledger.head().header.height.get() {
                    let height = Height::new(height);
                    let (ours, mut theirs) =
                        (all_at(&reader, height).expect("kept"), all_at(&reference, height).expect("kept"));
                    if ours.1.is_err() {
                        // What covers the newest results comes later.
                        theirs.1.clone_from(&ours.1);
                    }
                    assert!(ours == theirs, "commit {fail_commit}, height {height}");
                }
                while_there_is_more(&mut pruner).expect("pruned");
            } else {
                next += 1;
            }
        }
        assert!(content(&*store) == expected, "commit {fail_commit}");
    }
    assert!(failures > 20, "{failures}");
}

fn while_there_is_more(pruner: &mut Pruner<FaultyStore>) -> Result<(), LedgerError> {
    while pruner.step()? {}
    Ok(())
}

#[test]
fn an_archive_that_becomes_a_window_is_pruned_and_one_that_was_a_window_keeps_what_is_left() {
    let blocks = eventful_in_steps(150, 2, STEP_MS);
    let (expected, whole) = both(&blocks, Retention::Window(70));
    let mut late = open(&whole).pruner(Retention::Window(70)).expect("a pruner");
    assert!(finish(&mut late) > 60);
    // Raised at once instead of by and by, it may have got a few blocks further.
    let [early, late] = [&expected, &whole].map(|store| open(store).reader().earliest());
    assert!(early <= late && late.get() < early.get() + 16, "{early} {late}");
    check_pages(&whole, &both(&blocks, Retention::Archive).1, late);

    let before = content(&*expected);
    let ascending = |from: u64| {
        let cursor = Some(HistoryCursor { height: Height::new(from), index: 0 });
        open(&expected).reader().history(&address(0), cursor, Order::Ascending, 5)
    };
    assert!(matches!(ascending(early.get() - 1), Err(LedgerError::Pruned { .. })), "a walk would leave something out");
    assert!(ascending(early.get()).is_ok());
    let mut archive = open(&expected).pruner(Retention::Archive).expect("a pruner");
    assert_eq!(finish(&mut archive), 0);
    assert!(content(&*expected) == before);
}

#[test]
fn a_transaction_is_remembered_for_as_long_as_it_could_be_ordered_again() {
    let store = store();
    let mut chain = Chain::new();
    let mut ledger = open(&store);
    let mut pruner = ledger.pruner(Retention::Latest).expect("a pruner");
    let transfer = chain.transfer(0, address(1), 5);
    chain.commit(&mut ledger, vec![(0, vec![transfer.clone()])]);
    for _ in 0..200 {
        chain.commit(&mut ledger, Vec::new());
        assert_eq!(finish(&mut pruner), 0, "200 blocks in two seconds");
    }
    let again = chain.commit(&mut ledger, vec![(1, vec![transfer.clone()])]);
    assert!(again.included.is_empty() && again.skipped.len() == 1);
    assert!(ledger.reader().is_included(&transfer.id()).expect("readable"));

    // The window has passed twice for the block of the transaction, to the millisecond.
    let executed = ledger.reader().header(Height::new(1)).expect("readable").expect("kept").time;
    for window in [600_000, 1_200_000] {
        chain.step_ms = executed.get() + window - chain.parent.time.get();
        chain.commit(&mut ledger, Vec::new());
        finish(&mut pruner);
        assert!(ledger.reader().is_included(&transfer.id()).expect("readable"));
    }
    chain.step_ms = 200 * 10;
    for _ in 0..3 {
        chain.commit(&mut ledger, Vec::new());
    }
    assert!(finish(&mut pruner) > 100);
    assert!(!ledger.reader().is_included(&transfer.id()).expect("readable"));
    let again = chain.commit(&mut ledger, vec![(2, vec![transfer])]);
    assert!(again.included.is_empty(), "it has expired");
}

#[test]
fn results_that_no_certificate_covers_are_kept() {
    let store = store();
    let mut chain = Chain::new();
    chain.step_ms = STEP_MS;
    let mut ledger = open(&store);
    let mut pruner = ledger.pruner(Retention::Latest).expect("a pruner");
    for _ in 0..200 {
        // No block carries what came of it.
        let block = chain.block(Vec::new());
        ledger.commit(block).expect("a good block");
        finish(&mut pruner);
    }
    assert_eq!(ledger.reader().earliest(), Height::ZERO);
    assert_eq!(ledger.reader().summaries_above(Height::ZERO).expect("readable").len(), 200);
}

#[test]
fn a_receipt_of_a_pruned_block_still_verifies() {
    let store = store();
    let mut chain = Chain::new();
    chain.step_ms = STEP_MS;
    let mut ledger = open(&store);
    let mut pruner = ledger.pruner(Retention::Latest).expect("a pruner");
    let transfer = chain.transfer(0, address(1), 5);
    let committed = chain.commit(&mut ledger, vec![(0, vec![transfer.clone()])]);
    chain.commit(&mut ledger, Vec::new());
    let reader = ledger.reader();
    let proven = reader.prove_transaction(&transfer.id()).expect("readable").expect("executed");
    for _ in 0..200 {
        chain.commit(&mut ledger, Vec::new());
        finish(&mut pruner);
    }
    assert!(matches!(reader.prove_receipt(Height::new(1), 0), Err(LedgerError::Pruned { .. })));
    assert!(reader.prove_transaction(&transfer.id()).expect("readable").is_none());
    let summary = proven.summary_proof.verify(&Ed25519, &chain.genesis.committee()).expect("it needs genesis alone");
    assert_eq!(*summary, committed.summary);
    let receipt = leaf_hash(&encode(&proven.located.receipt));
    assert!(proven.receipt_proof.verify(&receipt, &summary.receipts_root).is_ok());
}
