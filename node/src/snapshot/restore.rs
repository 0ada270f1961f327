//! Building a ledger of a file, with the same checks as of what peers send.

use std::sync::Arc;

use althing_genesis::Genesis;
use althing_ledger::{Restoration, RestoreError, Restored};
use althing_storage::OrderedStore;
use althing_types::Ed25519;

use super::{Part, SnapshotError, SnapshotFile};
use crate::following::{FollowError, Tip, verify_base, verify_blocks};

/// Builds a ledger in an empty store of all parts of a file. `progress` is told how many of its bytes are read.
///
/// # Errors
///
/// [`SnapshotError::Unverified`] if anything in it is not what the validators certified, [`SnapshotError::Malformed`], and what
/// disk and ledger say.
pub(crate) fn restore<S: OrderedStore>(
    store: Arc<S>,
    genesis: &Genesis,
    mut file: SnapshotFile,
    mut progress: impl FnMut(u64, u64),
) -> Result<Restored, SnapshotError> {
    let Some(Part::Base(base)) = file.next_part()? else {
        return Err(SnapshotError::Unverified("it does not say where its blocks begin".to_owned()));
    };
    let committee = genesis.committee();
    let wrong = |error: FollowError| SnapshotError::Unverified(error.to_string());
    verify_base(&base, &committee, &Ed25519).map_err(wrong)?;
    let mut building = Restoration::begin(store, genesis, &base).map_err(unverified)?;
    while let Some(part) = file.next_part()? {
        match part {
            Part::Base(_) => return Err(SnapshotError::Unverified("it begins twice".to_owned())),
            Part::Run(run) => {
                let Some((id, height, cut)) = building.blocks_above() else { continue };
                let tip = Tip { id, height, cut: cut.to_vec() };
                verify_blocks(&run, &tip, &committee, &Ed25519).map_err(wrong)?;
                building.take_blocks(&run.blocks, &run.finalization).map_err(unverified)?;
            }
            Part::Receipts(receipts) => building.take_receipts(&receipts).map_err(unverified)?,
            Part::Chunk(from, chunk) => building.take_chunk(&from, &chunk).map_err(unverified)?,
        }
        let (read, bytes) = file.position();
        progress(read, bytes);
    }
    let restored = building.finish().map_err(unverified)?;
    let told = file.summary();
    if (told.height, told.state_root, told.entries) != (restored.height, restored.state_root, restored.entries) {
        return Err(SnapshotError::Unverified("it says something else of itself at its end".to_owned()));
    }
    Ok(restored)
}

fn unverified(error: RestoreError) -> SnapshotError {
    match error {
        RestoreError::Ledger(error) => error.into(),
        error => SnapshotError::Unverified(error.to_string()),
    }
}
