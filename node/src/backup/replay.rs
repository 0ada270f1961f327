//! Taking the blocks of an archive into a ledger, as a node takes them that follows a chain: certificates are believed, and
//! nothing else. Blocks are believed once a certificate at or above them is read, batches by their digests, and every result
//! that a block carries is held against what came of executing.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{RUN_BLOCKS_MAX, RUN_LINK_MAX, Run};
use althing_genesis::Genesis;
use althing_ledger::{FinalBlock, Ledger, LedgerError};
use althing_mempool::SharedBatch;
use althing_storage::OrderedStore;
use althing_types::{Committee, Ed25519, Finalization, Height, List, SignedBatch, encoded_len};

use super::BackupError;
use crate::audit::{Entry, Source};
use crate::following::{FollowError, Tip, verify_run};
use crate::replica::archive;

/// Blocks that may wait for a certificate: as many as one shows to be final.
const WAITING_MAX: usize = RUN_BLOCKS_MAX + RUN_LINK_MAX;
/// Bytes of batches that may wait with them, where the chain's limits do not allow more: results that are outstanding bound how
/// many blocks order anything before one is final (X2).
const WAITING_BYTES_MAX: usize = 512 << 20;

/// Takes all blocks of a source that are above the ledger's last one. `progress` hears of each height. Returns the certificate of
/// the last one; none if there was nothing to take.
///
/// # Errors
///
/// [`BackupError::Unverified`] or [`BackupError::Results`] for the first block that is not what the validators certified, and
/// what the file, the ledger and the disk say. What was taken before is in the ledger.
pub(crate) fn replay<S: OrderedStore>(
    ledger: &mut Ledger<S>,
    source: &mut impl Source,
    genesis: &Genesis,
    mut progress: impl FnMut(Height),
) -> Result<Option<Finalization>, BackupError> {
    let committee = genesis.committee();
    let (of_block, blocks) = (genesis.params().limits.block_bytes_max, u32::from(genesis.params().consensus.k));
    let most =
        usize::try_from(u64::from(of_block) * u64::from(blocks + 1)).unwrap_or(usize::MAX).max(WAITING_BYTES_MAX);
    let (mut waiting, mut bytes, mut last) = (Vec::new(), 0usize, None);
    while let Some(mut entry) = source.next_entry()? {
        if entry.block.header.height <= ledger.head().header.height {
            continue;
        }
        let size = entry.batches.iter().map(encoded_len).fold(0usize, usize::saturating_add);
        bytes = bytes.saturating_add(size);
        let certificate = entry.finalization.take();
        waiting.push(entry);
        let Some(finalization) = certificate else {
            if waiting.len() >= WAITING_MAX || bytes > most {
                let count = waiting.len();
                return Err(BackupError::Unverified(format!("{count} blocks without a certificate at their end")));
            }
            continue;
        };
        take(ledger, std::mem::take(&mut waiting), &finalization, &committee, &mut progress)?;
        (bytes, last) = (0, Some(finalization));
    }
    match waiting.first() {
        Some(entry) => {
            let height = entry.block.header.height;
            Err(BackupError::Unverified(format!("no certificate covers the blocks from height {height} on")))
        }
        None => Ok(last),
    }
}

/// Takes blocks of which the last one has a certificate.
fn take<S: OrderedStore>(
    ledger: &mut Ledger<S>,
    entries: Vec<Entry>,
    finalization: &Finalization,
    committee: &Committee,
    progress: &mut impl FnMut(Height),
) -> Result<(), BackupError> {
    let mut entries = std::collections::VecDeque::from(entries);
    while !entries.is_empty() {
        let now: Vec<Entry> = entries.drain(..entries.len().min(RUN_BLOCKS_MAX)).collect();
        let link = entries.iter().map(|entry| entry.block.header.clone()).collect();
        let mut batches = BTreeMap::new();
        let mut blocks = Vec::with_capacity(now.len());
        for Entry { block, batches: of_block, .. } in now {
            batches.extend(of_block.into_iter().map(|signed| ((signed.batch.lane, signed.batch.seq), signed)));
            blocks.push(block);
        }
        let run =
            Run { blocks: List::truncated(blocks), link: List::truncated(link), finalization: finalization.clone() };
        for block in verified(run, batches, ledger, committee)? {
            let height = block.block.header.height;
            commit(ledger, block)?;
            progress(height);
        }
    }
    Ok(())
}

/// The blocks of a run with their batches, once all of it is found to be what the validators certified.
fn verified<S: OrderedStore>(
    run: Run,
    mut batches: BTreeMap<(u32, u64), SignedBatch>,
    ledger: &Ledger<S>,
    committee: &Committee,
) -> Result<Vec<FinalBlock>, BackupError> {
    let wrong = |error: FollowError| match error.is_contradiction() {
        true => BackupError::Contradiction(error.to_string()),
        false => BackupError::Unverified(error.to_string()),
    };
    let (portions, _) = verify_run(run, &Tip::from(&*ledger.head()), committee, &Ed25519).map_err(wrong)?;
    let mut blocks = Vec::new();
    for mut portion in portions {
        let (_, missing) = portion.missing();
        for range in missing {
            let of_lane = (range.first..=range.last).rev().map_while(|seq| batches.remove(&(range.lane, seq)));
            let of_lane = of_lane.map(|signed| SharedBatch(Arc::new(signed))).collect();
            portion.take(range.lane, of_lane, committee, &Ed25519).map_err(wrong)?;
        }
        let height = portion.tip().height;
        let lacking = || BackupError::Unverified(format!("a batch that is ordered up to height {height} is not in it"));
        blocks.extend(portion.into_blocks().ok_or_else(lacking)?);
    }
    Ok(blocks)
}

/// Executes a block, once the results that it carries are found to be those of this ledger.
fn commit<S: OrderedStore>(ledger: &mut Ledger<S>, block: FinalBlock) -> Result<(), BackupError> {
    let (reader, at) = (ledger.reader(), block.block.header.height);
    for said in &block.block.body.results {
        let executed = match reader.summary(said.height) {
            // Below the state that it began with nothing was executed.
            Err(LedgerError::Pruned { .. }) => continue,
            executed => executed?,
        };
        if executed.is_some_and(|executed| executed != *said) {
            return Err(BackupError::Results { at, height: said.height });
        }
    }
    archive::commit(ledger, block)?;
    Ok(())
}
