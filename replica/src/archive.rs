//! Between the replica and the ledger: committing a final block, and answering peers from what is committed.
//!
//! Whoever carries out a replica's actions calls these, a node from threads of its own and the simulator from its
//! loop, so that both do the same. Nothing here is kept.

use std::collections::BTreeMap;

use althing_consensus::{Envelope, Message as ConsensusMessage, RUN_BLOCKS_MAX, Run};
use althing_ledger::{Committed, FinalBlock, Ledger, LedgerError, OrderedBatch, Reader};
use althing_mempool::{ANSWER_BYTES_MAX, BATCHES_MAX, CheckedBatch, DataMessage, NextSequence, Range, SharedBatch};
use althing_storage::OrderedStore;
use althing_types::{Block, Certificate, Epoch, Finalization, Hash, Height, List, Replay, encoded_len};

use super::{Message, Outcome};

/// A final block as the ledger takes it. Its batches were decoded once and are shared with the mempool.
pub fn final_block(block: Block, finalization: Finalization, batches: Vec<CheckedBatch>) -> FinalBlock {
    let ordered = |batch: CheckedBatch| OrderedBatch {
        signed: batch.signed().clone(),
        transactions: batch.transactions().clone(),
        ids: batch.ids().clone(),
    };
    FinalBlock { block, finalization, batches: batches.into_iter().map(ordered).collect() }
}

/// Executes and commits a block, and says what the replica has to know of it.
pub fn commit<S: OrderedStore>(ledger: &mut Ledger<S>, block: FinalBlock) -> Result<(Committed, Outcome), LedgerError> {
    let sequences = sequences(&block);
    let committed = ledger.commit(block)?;
    let included = committed.included.iter().map(|included| included.id);
    let moved = included.clone().filter_map(|id| sequences.get(&id).copied()).collect();
    let decided = included.chain(committed.skipped.iter().map(|skipped| skipped.id)).collect();
    let cut = ledger.head().cut.clone();
    // No transaction can change the validators yet.
    let change = None;
    let outcome = Outcome { summary: committed.summary, cut, decided, sequences: moved, change };
    Ok((committed, outcome))
}

/// Final blocks above a height, as an answer to a peer; none if there are none that can be shown to be final yet.
/// `hints` is the envelope that goes with [`super::Action::ServeBlocks`].
pub fn blocks_above<S: OrderedStore>(
    reader: &Reader<S>,
    hints: Envelope,
    above: Height,
) -> Result<Option<Message>, LedgerError> {
    let run = run_above(reader, above)?;
    let envelope = |run| Envelope { message: ConsensusMessage::Run(Box::new(run)), ..hints };
    Ok(run.map(|run| Message::Consensus(Box::new(envelope(run)))))
}

/// Final blocks above a height with what shows that they are final; none if there are none yet.
pub fn run_above<S: OrderedStore>(reader: &Reader<S>, above: Height) -> Result<Option<Run>, LedgerError> {
    let Some(run) = reader.run(above, RUN_BLOCKS_MAX)? else { return Ok(None) };
    let (blocks, link) = (List::truncated(run.blocks), List::truncated(run.link));
    Ok(Some(Run { blocks, link, finalization: run.finalization }))
}

/// What ended an epoch, as an answer to a peer that is still in it; none if it has not ended here.
pub fn end_of_epoch<S: OrderedStore>(
    reader: &Reader<S>,
    hints: Envelope,
    epoch: Epoch,
) -> Result<Option<Message>, LedgerError> {
    let finalization = reader.boundary(epoch)?;
    let certificates = finalization.map(|finalization| List::truncated(vec![Certificate::Finalization(finalization)]));
    let envelope = |certificates| Envelope { message: ConsensusMessage::Certificates(certificates), ..hints };
    Ok(certificates.map(|certificates| Message::Consensus(Box::new(envelope(certificates)))))
}

/// Committed batches of a lane as a message to a peer; none if there are none to send.
pub fn batches_down<S: OrderedStore>(
    reader: &Reader<S>,
    epoch: Epoch,
    range: &Range,
) -> Result<Option<Message>, LedgerError> {
    let batches = lane_down(reader, epoch, range)?;
    Ok((!batches.is_empty()).then_some(Message::Data(DataMessage::Batches(batches))))
}

/// Committed batches of a lane from the highest down, as many as fit an answer; none if the highest is not the one that
/// was asked for. The asker verifies each by the one above it (rule L5).
pub fn lane_down<S: OrderedStore>(
    reader: &Reader<S>,
    epoch: Epoch,
    range: &Range,
) -> Result<List<SharedBatch, BATCHES_MAX>, LedgerError> {
    let (mut next, mut bytes, mut batches) = (Some((range.last, range.tip)), 0usize, Vec::new());
    while let Some((seq, digest)) = next.filter(|(seq, _)| *seq >= range.first && batches.len() < BATCHES_MAX) {
        let found = reader.batch(epoch, range.lane, seq)?;
        let Some(batch) = found.filter(|batch| batch.batch.digest() == digest) else { break };
        bytes = bytes.saturating_add(encoded_len(&batch));
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
        next = seq.checked_sub(1).map(|seq| (seq, batch.batch.previous));
        batches.push(SharedBatch(batch.into()));
    }
    Ok(List::truncated(batches))
}

/// What each transaction with a sequence number makes its sender's lane expect next, if it is executed.
fn sequences(block: &FinalBlock) -> BTreeMap<Hash, NextSequence> {
    let of_batch = |batch: &OrderedBatch| {
        let transactions = batch.ids.iter().zip(batch.transactions.iter());
        let moved = transactions.filter_map(|(id, transaction)| match transaction.body().replay {
            Replay::Sequence { lane, seq } => {
                Some((*id, NextSequence { sender: transaction.body().sender, lane, next: seq.saturating_add(1) }))
            }
            Replay::Expiring { .. } => None,
        });
        moved.collect::<Vec<_>>()
    };
    block.batches.iter().flat_map(of_batch).collect()
}
