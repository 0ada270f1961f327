//! Snapshots: what is built of one goes on as the ledger that it was taken of, lies are refused before anything of them is
//! kept, and a crash in between costs nothing.

use std::sync::Arc;

use althing_storage::{FaultyStore, Order, OrderedStore as _, SCAN_ENTRIES_MAX, Scan, Space, StoreFaultPlan};
use althing_types::{Bytes, Epoch, Hash, Height, List, StateKey, lanes_root};

use super::kit::{Chain, address, content, eventful_in_one_epoch, eventful_in_steps, genesis, store, usd};
use crate::record::{ExecutedAt, decoded};
use crate::space::{BODY, EVIDENCE, HEADER, NODE, NODE_STALE, RECEIPT, STATE, STATE_AT, SUMMARY, TX_AT};
use crate::tree::tests::pages_of;
use crate::{
    Accusation, FinalBlock, Ledger, LedgerError, PassedOver, PlacedReceipt, Reader, Restoration, RestoreError,
    Restored, Retention, Skipped, SnapshotBase, StateChunk,
};

/// A transaction can be ordered again for thirty blocks.
const STEP_MS: u64 = 20_000;
/// Bytes of a chunk here: a few entries.
const CHUNK_BYTES: usize = 300;

type Store = Arc<FaultyStore>;

fn open(store: &Store) -> Ledger<FaultyStore> {
    Ledger::open(store.clone(), &genesis()).expect("opened")
}

fn grown(blocks: &[FinalBlock]) -> Ledger<FaultyStore> {
    let mut ledger = open(&store());
    for block in blocks {
        ledger.commit(block.clone()).expect("a good block");
    }
    ledger
}

fn base_of(reader: &Reader<FaultyStore>) -> SnapshotBase {
    reader.snapshot_base(genesis().params()).expect("readable").expect("enough is kept")
}

/// Fetches what is missing and hands it over, one part at a time. Says whether something was.
fn advance(reader: &Reader<FaultyStore>, to: &mut Restoration<FaultyStore>) -> Result<bool, RestoreError> {
    if let Some((_, above, _)) = to.blocks_above() {
        let run = reader.run(above, 5)?.expect("it is kept");
        to.take_blocks(&run.blocks, &run.finalization)?;
        return Ok(true);
    }
    if let Some((from, last)) = to.receipts_from() {
        let mut receipts = reader.snapshot_receipts(from, last)?.into_inner();
        receipts.truncate(3);
        to.take_receipts(&receipts)?;
        return Ok(true);
    }
    // The last of the ranges first, as if its answer had come first.
    let Some((from, end)) = to.missing().last().copied() else { return Ok(false) };
    let chunk = reader.chunk_within(to.height(), (&from, &end), CHUNK_BYTES)?;
    to.take_chunk(&from, &chunk)?;
    Ok(true)
}

fn build(reader: &Reader<FaultyStore>, store: &Store) -> Restored {
    let mut building = Restoration::begin(store.clone(), &genesis(), &base_of(reader)).expect("a good base");
    let mut progress = 0;
    while advance(reader, &mut building).expect("good parts") {
        assert!(building.progress() >= progress);
        progress = building.progress();
    }
    assert_eq!(building.progress(), 1_000_000);
    building.finish().expect("complete")
}

fn everything(store: &FaultyStore, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = Scan { from: &[], to: None, order: Order::Ascending, limit: SCAN_ENTRIES_MAX };
    store.scan(space, all).expect("readable")
}

#[test]
fn a_ledger_built_of_a_snapshot_goes_on_as_the_one_that_it_was_taken_of() {
    let blocks = eventful_in_one_epoch(180, 5, STEP_MS);
    for taken_at in [1, 3, 40, 100] {
        let mut whole = grown(&blocks[..taken_at]);
        let Some(base) = whole.reader().snapshot_base(genesis().params()).expect("readable") else {
            assert!(taken_at < 5, "no block carries what a certificate covers");
            continue;
        };
        let built = store();
        let restored = build(&whole.reader(), &built);
        let height = restored.height;
        assert_eq!((height, Some(height.next())), (base.height(), whole.head().certified));
        assert_eq!(restored.state_root, whole.reader().summary(height).expect("readable").expect("kept").state_root);

        let mut ledger = open(&built);
        assert_eq!(ledger.head().header.height, height);
        assert_eq!(ledger.reader().earliest(), height.next());
        assert!(matches!(ledger.reader().prove(&[]), Err(LedgerError::ProofUnavailable { .. })));
        let balance = StateKey::Balance(address(0), usd());
        assert!(matches!(ledger.reader().state(&balance, height), Err(LedgerError::Pruned { .. })));
        let first = usize::try_from(height.get()).expect("small");
        let mut duplicates = 0;
        for block in &blocks[first..] {
            let committed = ledger.commit(block.clone()).expect("a good block");
            if block.block.header.height > whole.head().header.height {
                let expected = whole.commit(block.clone()).expect("a good block");
                assert_eq!((committed.summary, &committed.included), (expected.summary, &expected.included));
                // Why may differ: what expired long ago is known to be a duplicate by an archive alone.
                let ids = |skipped: &[Skipped]| skipped.iter().map(|skipped| skipped.id).collect::<Vec<_>>();
                assert_eq!(ids(&committed.skipped), ids(&expected.skipped));
                duplicates += committed.skipped.len();
            }
            let (at, reader) = (block.block.header.height, whole.reader());
            assert_eq!(ledger.reader().summary(at).expect("kept"), reader.summary(at).expect("kept"));
            assert_eq!(lanes_root(&ledger.head().cut), block.block.header.lanes_root);
            let (ours, theirs) = (ledger.reader().state(&balance, at), reader.state(&balance, at));
            assert_eq!(ours.expect("kept"), theirs.expect("kept"));
        }
        assert!(duplicates > 10, "{duplicates}");
        let proven = ledger.reader().prove(std::slice::from_ref(&balance)).expect("readable");
        assert_eq!(proven, whole.reader().prove(&[balance]).expect("readable"));
        // Everything that speaks of the state, or of what is above the snapshot, is the same.
        for space in [STATE, EVIDENCE, crate::space::ACCUSED, crate::space::RAW_KEY] {
            let (ours, theirs) = (everything(&built, space), everything(&whole.reader().store_for_tests(), space));
            assert!(ours.iter().all(|entry| theirs.contains(entry)), "{space:?}");
        }
        assert_eq!(everything(&built, STATE), everything(&whole.reader().store_for_tests(), STATE));
        assert_eq!(ledger.reader().accused(Epoch::ZERO).expect("readable").len(), 1);
    }
}

/// A transaction that is still valid is ordered again above the snapshot: it was executed below, and must not be again.
#[test]
fn what_was_executed_below_a_snapshot_is_not_executed_above_it() {
    let mut chain = Chain::new();
    let mut whole = open(&store());
    let transfer = chain.transfer(0, address(1), 5);
    chain.commit(&mut whole, vec![(0, vec![transfer.clone()])]);
    for _ in 0..40 {
        let other = chain.transfer(2, address(3), 1);
        chain.commit(&mut whole, vec![(1, vec![other])]);
    }
    let built = store();
    let height = build(&whole.reader(), &built).height;
    let mut ledger = open(&built);
    assert!(height.get() > 30 && ledger.reader().is_included(&transfer.id()).expect("readable"));
    for above in height.next().get()..=whole.head().header.height.get() {
        let run = whole.reader().run(Height::new(above - 1), 1).expect("readable").expect("kept");
        let block = run.blocks[0].clone();
        let batches = chain.batches_of(&whole, &block);
        ledger.commit(FinalBlock { block, finalization: run.finalization, batches }).expect("a good block");
    }
    let again = chain.block(vec![(2, vec![transfer])]);
    for committed in [whole.commit(again.clone()), ledger.commit(again.clone())] {
        let committed = committed.expect("a good block");
        assert!(committed.included.is_empty());
        assert_eq!(committed.skipped[0].reason, PassedOver::Duplicate);
    }
    assert_eq!(whole.head().summary, ledger.head().summary);
}

/// What must not be executed again stays for as long as it could be; then nothing is left of it.
#[test]
fn what_came_with_a_snapshot_is_pruned_when_its_time_is_over() {
    let blocks = eventful_in_one_epoch(260, 6, STEP_MS);
    let (whole, built) = (grown(&blocks[..100]), store());
    let height = build(&whole.reader(), &built).height;
    let mut ledger = open(&built);
    let mut pruner = ledger.pruner(Retention::Latest).expect("a pruner").in_smallest_pieces();
    while pruner.step().expect("pruned") {}
    let before = everything(&built, TX_AT).len();
    assert!(before > 20, "{before}");
    for block in &blocks[usize::try_from(height.get()).expect("small")..] {
        let committed = ledger.commit(block.clone()).expect("a good block");
        let known = ledger.reader().outcomes(block.block.header.height).expect("kept").len();
        assert_eq!(known, committed.included.len());
        while pruner.step().expect("pruned") {}
        for (_, at) in everything(&built, TX_AT) {
            let at: ExecutedAt = decoded(&at, "a place").expect("it decodes");
            let low = at.height.get() + 30 + 1 >= ledger.head().header.height.get();
            assert!(low || at.height >= pruner.earliest(), "{}", at.height);
        }
    }
    let earliest = pruner.earliest();
    assert!(earliest > height);
    for space in [HEADER, BODY, RECEIPT, SUMMARY, crate::space::CUT] {
        let below = everything(&built, space).into_iter().filter(|(key, _)| {
            let height = u64::from_be_bytes(key[..8].try_into().expect("a height"));
            height < earliest.get() && height > 0
        });
        assert_eq!(below.count(), 0, "{space:?}");
    }
    // One page or value for each that the versions from the lowest height on have.
    let versions = earliest.get()..=ledger.head().header.height.get();
    let mut pages = std::collections::BTreeSet::new();
    for height in versions {
        let version = ledger.reader().stored_version(Height::new(height)).expect("readable").expect("kept");
        pages.extend(pages_of(&*built, version));
    }
    let stored: std::collections::BTreeSet<Vec<u8>> =
        everything(&built, NODE).into_iter().map(|(key, _)| key).collect();
    assert!(stored == pages, "{} pages are stored, {} are reached", stored.len(), pages.len());
    assert!(everything(&built, NODE_STALE).len() < 200);
    assert!(everything(&built, STATE_AT).len() < 400);
}

#[test]
fn a_crash_between_any_two_writes_costs_no_part() {
    let blocks = eventful_in_one_epoch(60, 7, STEP_MS);
    let whole = grown(&blocks);
    let reader = whole.reader();
    let reference = store();
    let expected = build(&reader, &reference);
    let commits = reference.commits();
    assert!(commits > 30, "{commits}");
    for failing in 1..=commits {
        let built = store();
        built.set_plan(StoreFaultPlan { fail_commit: Some(failing), fail_read: None });
        let begun = Restoration::begin(built.clone(), &genesis(), &base_of(&reader));
        let failed = begun.and_then(|mut building| {
            while advance(&reader, &mut building)? {}
            building.finish()
        });
        assert!(matches!(failed, Err(RestoreError::Ledger(LedgerError::Store(_)))), "{failed:?}");
        built.crash(failing);
        built.set_plan(StoreFaultPlan::default());
        built.reopen();
        let resumed = Restoration::resume(built.clone(), &genesis()).expect("readable");
        let empty = content(&*built).iter().all(Vec::is_empty);
        if resumed.is_none() && !empty {
            // The last write of all was carried out though it failed.
            assert_eq!(failing, commits);
            let again = Restoration::begin(built.clone(), &genesis(), &base_of(&reader));
            assert!(matches!(again, Err(RestoreError::Ledger(LedgerError::Corrupt { .. }))), "{again:?}");
            assert_eq!(open(&built).head().header.height, expected.height);
            continue;
        }
        assert!(empty || Ledger::open(built.clone(), &genesis()).is_err(), "it is no ledger yet");
        let resumed = resumed.map_or_else(|| Restoration::begin(built.clone(), &genesis(), &base_of(&reader)), Ok);
        let mut building = resumed.expect("a good base");
        while advance(&reader, &mut building).expect("good parts") {}
        let fetched = built.commits();
        assert_eq!(building.finish().expect("complete"), expected, "{failing}");
        assert!(fetched <= commits + 8, "{fetched} commits after the one that failed");
        let next = &blocks[usize::try_from(expected.height.get()).expect("small")];
        assert_eq!(open(&built).commit(next.clone()).expect("good").summary.height, expected.height.next());
    }
}

/// What is changed, and how.
type Lie<T> = (&'static str, Box<dyn Fn(&mut T)>);

/// Changes one thing after the other of a good part, and expects each to be refused and nothing to be written.
fn refused<T: Clone>(
    building: &mut Restoration<FaultyStore>,
    store: &Store,
    good: &T,
    lies: Vec<Lie<T>>,
    take: impl Fn(&mut Restoration<FaultyStore>, &T) -> Result<(), RestoreError>,
) {
    let strip = |content: Vec<Vec<althing_storage::Entry>>| content.into_iter().skip(1).collect::<Vec<_>>();
    for (what, lie) in lies {
        let mut part = good.clone();
        lie(&mut part);
        let before = strip(content(&**store));
        let taken = take(building, &part);
        assert!(matches!(taken, Err(RestoreError::Foreign(_) | RestoreError::Chunk(_))), "{what}: {taken:?}");
        assert!(strip(content(&**store)) == before, "{what} left something behind");
    }
}

fn flipped<const MAX: usize>(bytes: &Bytes<MAX>) -> Bytes<MAX> {
    let mut other = bytes.to_vec();
    *other.last_mut().expect("it is not empty") ^= 1;
    Bytes::new(other).expect("as long as before")
}

#[test]
fn a_lie_in_any_part_is_refused_and_leaves_nothing_behind() {
    let blocks = eventful_in_one_epoch(90, 8, STEP_MS);
    let whole = grown(&blocks);
    let reader = whole.reader();
    let good = base_of(&reader);
    let begun = |change: &dyn Fn(&mut SnapshotBase)| {
        let mut base = good.clone();
        change(&mut base);
        let store = store();
        Restoration::begin(store.clone(), &genesis(), &base).map(|building| (building, store))
    };
    assert!(begun(&|base| base.cut = List::empty()).is_err());
    assert!(begun(&|base| base.header = base.floor.clone()).is_err());
    assert!(begun(&|base| base.floor.chain = Hash::ZERO).is_err());
    assert!(begun(&|base| base.floor.height = Height::ZERO).is_err());

    // A floor without what could be ordered again, which fits everything else; and one with more than is needed.
    let with_floor = |height: Height| {
        begun(&|base| {
            base.floor = reader.header(height).expect("readable").expect("kept");
            base.cut = List::truncated(cut_at(&blocks, height));
            base.evidence = List::empty();
        })
    };
    let too_high = with_floor(good.floor.height.next()).map(|_| ());
    assert!(matches!(too_high, Err(RestoreError::Foreign("a base that begins too high"))), "{too_high:?}");
    let low = good.floor.height.previous();
    let (mut building, _) = with_floor(low).expect("nothing is known of the first block yet");
    let run = reader.run(low, 64).expect("readable").expect("kept");
    let taken = building.take_blocks(&run.blocks, &run.finalization);
    assert!(matches!(taken, Err(RestoreError::Foreign("a base that begins too low"))), "{taken:?}");
    assert!(!good.evidence.is_empty());
    let accused = |change: &dyn Fn(&mut Vec<Accusation>)| {
        begun(&|base| {
            let mut evidence = base.evidence.to_vec();
            change(&mut evidence);
            base.evidence = List::truncated(evidence);
        })
    };
    assert!(accused(&|evidence| evidence[0].height = good.height()).is_err());
    assert!(accused(&|evidence| evidence[0].height = Height::ZERO).is_err());
    assert!(accused(&|evidence| evidence.push(evidence[0])).is_err());
    assert!(accused(&|evidence| evidence.clear()).is_ok(), "who is accused learns it again");

    let (mut building, store) = begun(&|_| ()).expect("a good base");
    let (_, above, _) = building.blocks_above().expect("no block is here");
    let run = reader.run(above, 64).expect("readable").expect("kept");
    let finalization = run.finalization.clone();
    refused(
        &mut building,
        &store,
        &run.blocks,
        vec![
            ("a block less", Box::new(|blocks| drop(blocks.remove(0)))),
            ("a gap", Box::new(|blocks| drop(blocks.remove(1)))),
            ("another body", Box::new(|blocks| blocks[1].body.results = List::empty())),
            (
                "other lanes",
                Box::new(|blocks| {
                    let place = blocks.iter().position(|block| !block.body.lanes.is_empty()).expect("there are lanes");
                    blocks[place].body.lanes = List::empty();
                }),
            ),
        ],
        |building, blocks| building.take_blocks(blocks, &finalization),
    );
    assert!(building.missing().is_empty() && building.receipts_from().is_none());
    while building.blocks_above().is_some() {
        advance(&reader, &mut building).expect("good blocks");
    }

    while let Some((from, last)) = building.receipts_from() {
        let receipts: Vec<PlacedReceipt> = reader.snapshot_receipts(from, last).expect("kept").into_inner();
        refused(
            &mut building,
            &store,
            &receipts.iter().filter(|receipt| receipt.height == from.0).cloned().collect::<Vec<_>>(),
            vec![
                ("another receipt", Box::new(|receipts| receipts[0].bytes = flipped(&receipts[0].bytes))),
                ("another height", Box::new(|receipts| receipts[0].height = Height::ZERO)),
                ("another place", Box::new(|receipts| receipts[0].index += 1)),
            ],
            |building, receipts| building.take_receipts(receipts),
        );
        building.take_receipts(&receipts).expect("good receipts");
    }

    while let Some((from, end)) = building.missing().first().copied() {
        let chunk = reader.chunk_within(good.height(), (&from, &end), CHUNK_BYTES).expect("kept");
        let mut lies: Vec<Lie<StateChunk>> = vec![
            ("a range beyond", Box::new(|chunk| chunk.to = Hash::new([0xff; 32]))),
            ("no proof", Box::new(|chunk| chunk.proof.parts = List::empty())),
        ];
        if from.as_bytes()[0] >= 0xf0 {
            drop(lies.remove(0));
        }
        if !chunk.entries.is_empty() {
            lies.push((
                "another value",
                Box::new(|chunk| {
                    let mut entries = chunk.entries.to_vec();
                    entries[0].value = flipped(&entries[0].value);
                    chunk.entries = List::truncated(entries);
                }),
            ));
            lies.push((
                "an entry less",
                Box::new(|chunk| chunk.entries = List::truncated(chunk.entries[1..].to_vec())),
            ));
            lies.push((
                "an entry twice",
                Box::new(|chunk| {
                    let mut entries = chunk.entries.to_vec();
                    entries.push(entries[0].clone());
                    chunk.entries = List::truncated(entries);
                }),
            ));
        }
        refused(&mut building, &store, &chunk, lies, |building, chunk| building.take_chunk(&from, chunk));
        building.take_chunk(&from, &chunk).expect("a good chunk");
        building.take_chunk(&from, &chunk).expect("it is not missing any more");
    }
    building.finish().expect("complete");
    open(&store);
}

fn cut_at(blocks: &[FinalBlock], height: Height) -> Vec<althing_types::LaneTip> {
    let upto = blocks.iter().filter(|block| block.block.header.height <= height);
    upto.fold(Vec::new(), |cut, block| block.block.cut_above(&cut).expect("a good block"))
}

#[test]
fn an_unfinished_snapshot_is_no_ledger_and_no_other_chains() {
    let whole = grown(&eventful_in_one_epoch(60, 9, STEP_MS));
    let (reader, built) = (whole.reader(), store());
    let mut building = Restoration::begin(built.clone(), &genesis(), &base_of(&reader)).expect("a good base");
    advance(&reader, &mut building).expect("good parts");
    assert!(matches!(building.finish(), Err(RestoreError::Foreign(_))));
    assert!(Ledger::open(built.clone(), &genesis()).is_err());
    let other = super::kit::network(7).build().expect("valid");
    assert!(Restoration::resume(built.clone(), &other).expect("readable").is_none());
    assert!(Restoration::resume(store(), &genesis()).expect("readable").is_none());
    // Nothing is built upon what is there: neither upon a part of a snapshot, nor upon a ledger.
    let finished = store();
    build(&reader, &finished);
    for full in [built.clone(), finished, reader.store_for_tests()] {
        let begun = Restoration::begin(full, &genesis(), &base_of(&reader));
        assert!(matches!(begun, Err(RestoreError::Ledger(LedgerError::Corrupt { .. }))), "{begun:?}");
    }
    assert!(Restoration::resume(built, &genesis()).expect("readable").is_some());
}

#[test]
fn nobody_hands_out_what_is_pruned_or_of_a_later_epoch() {
    let blocks = eventful_in_one_epoch(260, 10, STEP_MS);
    let mut ledger = grown(&blocks[..100]);
    let mut pruner = ledger.pruner(Retention::Latest).expect("a pruner");
    let early = base_of(&ledger.reader());
    for block in &blocks[100..] {
        ledger.commit(block.clone()).expect("a good block");
        while pruner.step().expect("pruned") {}
        let base = base_of(&ledger.reader());
        assert!(base.floor.height >= ledger.reader().earliest());
    }
    let reader = ledger.reader();
    let range = (&Hash::ZERO, &Hash::new([0xff; 32]));
    assert!(matches!(reader.snapshot_chunk(early.height(), range), Err(LedgerError::Pruned { .. })));
    assert!(matches!(reader.snapshot_receipts((early.height(), 0), early.height()), Err(LedgerError::Pruned { .. })));
    let beyond = Height::new(9_999);
    assert!(matches!(reader.snapshot_chunk(beyond, range), Err(LedgerError::HeightInFuture { .. })));

    let ended = grown(&eventful_in_steps(60, 11, STEP_MS));
    assert_eq!(ended.reader().snapshot_base(genesis().params()).expect("readable"), None);
    // A ledger that was built of a snapshot hands one out once it has enough of its own.
    let built = store();
    let height = build(&grown(&blocks[..100]).reader(), &built).height;
    let mut ledger = open(&built);
    assert_eq!(ledger.reader().snapshot_base(genesis().params()).expect("readable"), None);
    for block in &blocks[usize::try_from(height.get()).expect("small")..200] {
        ledger.commit(block.clone()).expect("a good block");
    }
    let again = store();
    assert!(build(&ledger.reader(), &again).height > height);
}
