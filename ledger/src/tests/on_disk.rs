//! What pruning gives back of a real disk.

use std::sync::Arc;

use althing_storage::{RocksOptions, RocksStore};
use althing_types::SignedTransaction;

use super::kit::{Chain, address};
use crate::{Ledger, Retention, SPACES};

/// Blocks of each half of a run.
const BLOCKS: u64 = 1_100;
/// Transfers of a block.
const TRANSFERS: u32 = 16;

/// Bytes in files of the store.
fn bytes(store: &RocksStore) -> u64 {
    store.flush().expect("flushed");
    let usage = store.usage().expect("listed");
    usage.sst_bytes + usage.blob_bytes
}

/// Bytes on disk after one half and after both.
fn grown(retention: Retention) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = RocksOptions::default();
    // Not synced: what files hold is asked, and not what a power failure leaves.
    let store = RocksStore::open_scratch(&folder.path().join("db"), SPACES, options).expect("a store");
    let mut chain = Chain::new();
    // A transaction can be ordered again for twenty blocks.
    chain.step_ms = 30_000;
    let mut ledger = Ledger::open(Arc::new(store.clone()), &chain.genesis).expect("a fresh store");
    let mut pruner = ledger.pruner(retention).expect("a pruner");
    let mut half = |chain: &mut Chain| {
        for number in 0..BLOCKS {
            let transfers: Vec<SignedTransaction> =
                (0..TRANSFERS).map(|from| chain.transfer(from % 8, address(from + number as u32 % 50), 1)).collect();
            chain.commit(&mut ledger, vec![(0, transfers)]);
            while pruner.step().expect("pruned") {}
        }
        bytes(&store)
    };
    (half(&mut chain), half(&mut chain))
}

#[test]
fn a_window_gives_disk_back_and_stays_flat() {
    let (archive, window) = (grown(Retention::Archive), grown(Retention::Window(200)));
    println!("bytes after {BLOCKS} and {} blocks: all kept {archive:?}, 200 kept {window:?}", 2 * BLOCKS);
    assert!(archive.1 > archive.0 + archive.0 / 2, "an archive grows: {archive:?}");
    assert!(window.1 < archive.1 / 3, "{window:?} of {archive:?}");
    assert!(window.1 < window.0 + window.0 / 2, "a window stays as it is: {window:?}");
}
