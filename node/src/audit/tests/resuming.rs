//! An audit that was interrupted goes on where it stopped, over the same source and no other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use althing_types::Height;

use super::kit::{Chain, HEIGHTS, archive_of, open, sentence};
use crate::audit::{Audit, AuditError, Report, audit};

/// Audits an archive in a folder, and asks to stop after a height.
fn run(chain: &Chain, archive: &[u8], work: &Path, stop_at: u64) -> Result<Report, AuditError> {
    let stop = AtomicBool::new(false);
    let what = Audit { genesis: &chain.genesis, threads: 2, stop: &stop };
    let progress = |report: &Report| stop.store(report.height.get() == stop_at, Ordering::Relaxed);
    audit(what, open(archive, &chain.genesis)?, work, progress).map(|(report, ..)| report)
}

#[test]
fn an_audit_goes_on_where_it_stopped() {
    let (chain, work) = (Chain::new(), tempfile::tempdir().expect("a folder"));
    let archive = chain.archive();
    let whole = run(&chain, &archive, tempfile::tempdir().expect("a folder").path(), 0).expect("nothing is wrong");
    let mut height = 0;
    for stop_at in [2, 3, 7] {
        let stopped = run(&chain, &archive, work.path(), stop_at);
        assert!(matches!(stopped, Err(AuditError::Interrupted { height }) if height.get() == stop_at), "{stopped:?}");
        height = stop_at;
    }
    let report = run(&chain, &archive, work.path(), 0).expect("nothing is wrong");
    assert_eq!(report.resumed_above, Some(Height::new(height)));
    assert_eq!(report.now.blocks, HEIGHTS - height, "what was verified is not verified again");
    assert_eq!((report.all, report.state_root), (whole.all, whole.state_root));
    let again = run(&chain, &archive, work.path(), 0).expect("nothing is wrong");
    assert_eq!((again.now.blocks, again.all), (0, whole.all));
}

#[test]
fn an_audit_does_not_go_on_over_something_else() {
    let (mut chain, work) = (Chain::new(), tempfile::tempdir().expect("a folder"));
    run(&chain, &chain.archive(), work.path(), 5).expect_err("it is stopped");
    // The part that was verified is exchanged: nobody would look at it again.
    let other = chain.entry(2).finalization.clone();
    chain.entry(2).finalization = None;
    let result = run(&chain, &chain.archive(), work.path(), 0);
    assert!(matches!(result, Err(AuditError::OtherSource { height }) if height.get() == 5), "{result:?}");
    chain.entry(2).finalization = other;
    run(&chain, &chain.archive(), work.path(), 0).expect("nothing is wrong");
}

#[test]
fn a_fault_is_found_again_and_nothing_above_it_is_taken() {
    let (mut chain, work) = (Chain::new(), tempfile::tempdir().expect("a folder"));
    chain.entry(6).finalization = chain.entry(5).finalization.clone();
    for _ in 0..2 {
        let found = sentence(run(&chain, &chain.archive(), work.path(), 0));
        assert!(found.starts_with("height 6: the certificate is for the block 0x"), "{found}");
    }
}

#[test]
fn parts_are_verified_one_above_the_other() {
    let (chain, work) = (Chain::new(), tempfile::tempdir().expect("a folder"));
    let part = |first: u64, last: u64| {
        let entries = chain.entries.iter().filter(|entry| (first..=last).contains(&entry.block.header.height.get()));
        let entries: Vec<_> = entries.cloned().collect();
        archive_of(&chain.genesis, &entries, Height::new(first), Height::new(last))
    };
    let gap = run(&chain, &part(6, 8), work.path(), 0);
    assert!(matches!(gap, Err(AuditError::Gap { first, next }) if (first.get(), next.get()) == (6, 1)), "{gap:?}");
    run(&chain, &part(1, 5), work.path(), 0).expect("the lower part");
    let report = run(&chain, &part(6, 8), work.path(), 0).expect("the upper part");
    assert_eq!((report.all.blocks, report.now.blocks, report.state_root), (HEIGHTS, 3, chain.state_root));
}

#[test]
fn the_store_of_a_node_is_no_work_folder() {
    let (chain, folder) = (Chain::new(), tempfile::tempdir().expect("a folder"));
    let options = althing_storage::RocksOptions::default();
    drop(althing_storage::RocksStore::open(folder.path(), althing_ledger::SPACES, options).expect("a store"));
    let result = run(&chain, &chain.archive(), folder.path(), 0);
    assert!(matches!(result, Err(AuditError::Ledger(_))), "{result:?}");
}
