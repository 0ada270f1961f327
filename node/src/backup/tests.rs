//! Blocks of an archive with one thing changed at a time are not taken, and what stands below them is.

use std::sync::Arc;

use althing_ledger::{Ledger, SPACES};
use althing_storage::{FaultyStore, StoreFaultPlan};
use althing_types::{Hash, Height, List, Signature};

use super::{BackupError, replay};
use crate::audit::tests::kit::{BARE, Chain, HEIGHTS, open};

fn empty(chain: &Chain) -> Ledger<FaultyStore> {
    let store = Arc::new(FaultyStore::new(SPACES, StoreFaultPlan::default()));
    Ledger::open(store, &chain.genesis).expect("a fresh store")
}

/// Takes all blocks of the chain's archive in. Returns how high the ledger is, and what went wrong.
fn taken(ledger: &mut Ledger<FaultyStore>, chain: &Chain) -> (u64, Result<Option<Height>, BackupError>) {
    let mut archive = open(&chain.archive(), &chain.genesis).expect("it has the form");
    let mut last = None;
    let replayed = replay(ledger, &mut archive, &chain.genesis, |height| last = Some(height));
    (ledger.head().header.height.get(), replayed.map(|certificate| certificate.and(last)))
}

#[track_caller]
fn refused(chain: &Chain, below: u64) -> String {
    let (height, outcome) = taken(&mut empty(chain), chain);
    assert_eq!(height, below, "{outcome:?}");
    outcome.expect_err("something is wrong with it").to_string()
}

#[test]
fn the_chain_as_it_is_is_taken_once() {
    let chain = Chain::new();
    let mut ledger = empty(&chain);
    let (height, outcome) = taken(&mut ledger, &chain);
    assert_eq!((height, outcome.expect("it is good")), (HEIGHTS, Some(Height::new(HEIGHTS))));
    assert_eq!(ledger.head().summary.state_root, chain.state_root);
    let (height, outcome) = taken(&mut ledger, &chain);
    assert_eq!((height, outcome.expect("nothing is left of it")), (HEIGHTS, None));
}

#[test]
fn blocks_that_no_certificate_covers_are_not_taken() {
    let mut chain = Chain::new();
    chain.entry(HEIGHTS).finalization = None;
    assert!(refused(&chain, HEIGHTS - 1).contains("no certificate covers the blocks from height 8 on"));
    let mut chain = Chain::new();
    let other = chain.entry(5).finalization.clone();
    chain.entry(4).finalization = other;
    refused(&chain, BARE - 1);
    let mut chain = Chain::new();
    chain.entry(4).finalization.as_mut().expect("it has one").vote.digest = Hash::ZERO;
    refused(&chain, BARE - 1);
}

/// Something that somebody without keys does to an archive.
type Change = fn(&mut Chain);

#[test]
fn what_a_certificate_does_not_speak_of_is_not_taken() {
    let changes: [(&str, Change); 5] = [
        ("a body", |chain| {
            let other = chain.entry(7).block.body.clone();
            chain.entry(5).block.body = other;
        }),
        ("a header", |chain| chain.entry(5).block.header.time = chain.genesis.header().time),
        ("a batch of another place", |chain| {
            let other = chain.entry(7).batches.clone();
            chain.entry(5).batches = other;
        }),
        ("no batch", |chain| chain.entry(5).batches.clear()),
        ("a batch that its owner did not sign", |chain| {
            chain.entry(5).batches[1].signature = Signature::new([7; 64]);
        }),
    ];
    for (what, change) in changes {
        let mut chain = Chain::new();
        change(&mut chain);
        let sentence = refused(&chain, 4);
        assert!(sentence.starts_with("the backup does not verify: "), "{what}: {sentence}");
    }
}

#[test]
fn a_result_that_is_not_that_of_execution_is_named() {
    let chain = Chain::with(&|height, body| {
        if height == 5 {
            let mut results = body.results.clone().into_inner();
            results.last_mut().expect("it carries two").state_root = Hash::ZERO;
            body.results = List::truncated(results);
        }
    });
    let sentence = refused(&chain, 4);
    assert_eq!(
        sentence,
        "the block at height 5 carries a result of height 4 to which executing the backup does not lead"
    );
}
