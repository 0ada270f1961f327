//! What validators send each other and keep in their logs: frames, transactions, batches, blocks and records.

use std::sync::Arc;

use althing_consensus::{Message as ConsensusMessage, Record, Standing};
use althing_mempool::{BatchError, DataMessage, Fault, check_batch};
use althing_replica::{Message, wire};
use althing_storage::RECORD_BYTES_MAX;
use althing_types::{
    BATCH_BYTES_MAX, Block, Class, DEPLOY_BYTES_MAX, LaneTip, SignedBatch, SignedTransaction, TRANSACTION_BYTES_MAX,
    encode, lanes_root, merkle_root,
};

use super::canonical;
use super::certificates::{check_certificate, check_evidence, check_fork_proof};
use crate::memory::frugal;
use crate::network::{chain, keys};

/// Frames of every class: the first byte chooses it. What is a message in one class is none in another, and what is in
/// a message can be checked without harm.
pub(crate) fn frame(bytes: &[u8]) {
    let Some((class, bytes)) = bytes.split_first() else { return };
    let class = Class::ALL[usize::from(*class) % Class::COUNT];
    let Ok(message) = frugal(bytes.len(), || wire::from_frame(class, bytes)) else { return };
    assert!(bytes.len() <= class.frame_bytes_max(), "a frame beyond the limit of its class was taken");
    assert!(wire::to_frame(&message) == (class, bytes.into()), "{message:?} came of another frame than its own");
    for other in Class::ALL.into_iter().filter(|other| *other != class) {
        assert!(wire::from_frame(other, bytes).is_err(), "{message:?} is good on two streams");
    }
    match message {
        Message::Consensus(envelope) => look_at(envelope.message),
        Message::Data(DataMessage::Batch(batch)) => look_at_batch(batch.0),
        Message::Data(DataMessage::Batches(batches)) => {
            batches.iter().for_each(|batch| look_at_batch(batch.0.clone()));
        }
        Message::Data(DataMessage::Acks(_) | DataMessage::GetBatches { .. }) => {}
    }
}

fn look_at(message: ConsensusMessage) {
    match message {
        ConsensusMessage::Vote(vote) => {
            vote.verify(&keys(0), &chain().committee);
        }
        ConsensusMessage::Proposal(proposal) => {
            look_at_block(&proposal.block);
            proposal.justification.iter().for_each(check_certificate);
        }
        ConsensusMessage::Certificates(certificates) => certificates.iter().for_each(check_certificate),
        ConsensusMessage::Block(block) => look_at_block(&block),
        ConsensusMessage::Run(run) => {
            if let Some(end) = run.linked_end() {
                assert!(run.blocks.last().is_some_and(|block| block.header.id() == end), "a run ends elsewhere");
            }
            run.blocks.iter().for_each(look_at_block);
        }
        ConsensusMessage::Evidence(pieces) => pieces.iter().for_each(check_evidence),
        ConsensusMessage::Fork(proof) => check_fork_proof(&proof),
        ConsensusMessage::Status
        | ConsensusMessage::GetCertificates { .. }
        | ConsensusMessage::GetBlock { .. }
        | ConsensusMessage::GetRun { .. }
        | ConsensusMessage::GetView { .. } => {}
        ConsensusMessage::View(proof) => {
            proof.entry.iter().for_each(check_certificate);
            for vote in &proof.yours {
                vote.verify(&keys(0), &chain().committee);
            }
        }
    }
}

/// A transaction as a client submits it.
pub(crate) fn transaction(bytes: &[u8]) {
    canonical::<SignedTransaction>(bytes, DEPLOY_BYTES_MAX);
    let chain = chain().committee.chain;
    let Ok(transaction) = frugal(bytes.len(), || SignedTransaction::from_bytes(bytes, &chain)) else { return };
    assert!(transaction.to_bytes() == bytes, "{transaction:?} came of other bytes than its own");
    assert!(bytes.len() <= TRANSACTION_BYTES_MAX, "a transaction that deploys nothing is longer than any may be");
    assert!(transaction.body().action.reserved_name().is_none(), "an action that is reserved was let in");
    let id = transaction.id();
    if let Ok(verified) = transaction.verify() {
        assert!(verified.id() == id, "verifying changed a transaction");
    }
}

/// A batch with its signature. Its owner's signature is good if the owner wants it, so the contents are reached.
pub(crate) fn batch(bytes: &[u8]) {
    if let Some(batch) = canonical::<SignedBatch>(bytes, RECORD_BYTES_MAX) {
        look_at_batch(batch.into());
    }
}

fn look_at_batch(batch: Arc<SignedBatch>) {
    let chain = chain();
    let limits = &chain.genesis.params().limits;
    match check_batch(batch.clone(), &chain.committee, limits, &keys(0)) {
        Ok(checked) => {
            assert!(encode(&*batch).len() <= BATCH_BYTES_MAX, "a batch beyond every limit passed");
            assert_eq!(checked.transactions().len(), batch.batch.transactions.len(), "a transaction got lost");
            for (transaction, bytes) in checked.transactions().iter().zip(&batch.batch.transactions) {
                assert!(transaction.to_bytes() == **bytes, "a transaction came of other bytes than its own");
                assert!(transaction.clone().verify().is_ok(), "a transaction that is badly signed passed");
            }
        }
        Err(rejected) => {
            let known = !rejected.error().name().is_empty() && !rejected.to_string().is_empty();
            assert!(known, "a refusal without words");
            let foreign = matches!(rejected.error(), BatchError::Lane { .. } | BatchError::Signature { .. });
            assert_eq!(foreign, rejected.error().fault() == Fault::Messenger, "the wrong one is to blame");
        }
    }
}

/// A block.
pub(crate) fn block(bytes: &[u8]) {
    if let Some(block) = canonical::<Block>(bytes, Class::Proposals.frame_bytes_max()) {
        look_at_block(&block);
    }
}

fn look_at_block(block: &Block) {
    let carries_nothing = block.body.results.is_empty() && block.body.evidence.is_empty();
    let nothing = merkle_root(&[]);
    if carries_nothing {
        let names_nothing = block.header.results_root == nothing && block.header.evidence_root == nothing;
        assert_eq!(block.body_matches_header(), names_nothing, "an empty body and its header disagree");
    }
    let below = [LaneTip { lane: 1, seq: 3, tip: nothing }];
    for parent_cut in [&[][..], &below] {
        if let Some(cut) = block.cut_above(parent_cut) {
            assert!(cut.is_sorted_by(|a, b| a.lane < b.lane), "the tips after a block are not ascending");
            assert!(lanes_root(&cut) == block.header.lanes_root, "the tips are not those of the header");
            let moved = |tip: &LaneTip| block.body.lanes.contains(tip) || parent_cut.contains(tip);
            assert!(cut.iter().all(moved), "a tip after the block is neither its own nor its parent's");
        }
    }
}

/// A record of the log of votes.
pub(crate) fn record(bytes: &[u8]) {
    match canonical::<Record>(bytes, RECORD_BYTES_MAX) {
        Some(Record::Vote(vote)) => {
            vote.verify(&keys(0), &chain().committee);
        }
        Some(Record::Certificate(certificate)) => check_certificate(&certificate),
        Some(Record::Block(block)) => look_at_block(&block),
        Some(Record::Evidence(evidence)) => check_evidence(&evidence),
        Some(Record::Epoch(opening)) => check_certificate(&althing_types::Certificate::Finalization(opening.boundary)),
        Some(Record::Standing(Standing::Doubled { vote: Some(vote) })) => {
            vote.verify(&keys(0), &chain().committee);
        }
        Some(Record::Standing(_)) => {}
        None => {}
    }
}
