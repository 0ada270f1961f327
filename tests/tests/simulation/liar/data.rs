//! Lies about batches: withheld, forked and spoilt ones, acknowledgements of what is not held, and useless questions.

use althing_mempool::{Acks, DataMessage, Range, SharedBatch};
use althing_types::{Batch, Bytes, Committee, Hash, Height, LaneTip, List, SignedBatch};

use super::{Node, Random};

/// What a liar says instead of this, or beside it.
pub(super) fn distort(random: &mut Random, node: &Node, committee: &Committee, said: &DataMessage) -> Vec<DataMessage> {
    match (said, random.below(10)) {
        // Withheld: the owner shows it to some only.
        (DataMessage::Batch(_), 0 | 1) => Vec::new(),
        (DataMessage::Batch(batch), 2) => vec![forked(random, node, committee, batch)],
        (DataMessage::Batch(batch), 3) => vec![said.clone(), forked(random, node, committee, batch)],
        (DataMessage::Batch(batch), 4) if random.chance(100) => vec![spoilt(node, committee, batch)],
        (DataMessage::Acks(acks), 0 | 1) => vec![DataMessage::Acks(false_acks(random, acks))],
        (DataMessage::Batches(batches), 0) => {
            let kept = batches.iter().filter(|_| random.chance(500)).cloned().collect();
            vec![DataMessage::Batches(List::truncated(kept))]
        }
        (DataMessage::Batches(batches), 1) => {
            let wrong = batches.iter().rev().cloned().collect();
            vec![DataMessage::Batches(List::truncated(wrong))]
        }
        (DataMessage::GetBatches { epoch, range }, 0) => {
            let range = Range { first: random.below(4), last: random.below(1_000), ..*range };
            vec![said.clone(), DataMessage::GetBatches { epoch: *epoch, range }]
        }
        (_, 9) => Vec::new(),
        _ => vec![said.clone()],
    }
}

/// Another batch for the same place.
fn forked(random: &mut Random, node: &Node, committee: &Committee, batch: &SharedBatch) -> DataMessage {
    let mut other = batch.batch.clone();
    if random.chance(200) {
        other.previous = Hash::new([0xfe; 32]);
    } else {
        let mut transactions = other.transactions.into_inner();
        match transactions.len() {
            0 | 1 => other.seq += 1,
            _ => transactions.rotate_left(1),
        }
        other.transactions = List::truncated(transactions);
    }
    sign(node, committee, other)
}

/// The same batch with a transaction whose signature does not verify.
fn spoilt(node: &Node, committee: &Committee, batch: &SharedBatch) -> DataMessage {
    let mut other = batch.batch.clone();
    let mut transactions = other.transactions.into_inner();
    if let Some(first) = transactions.first_mut() {
        let mut bytes = first.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        *first = Bytes::new(bytes).expect("it is as long as before");
    }
    other.transactions = List::truncated(transactions);
    sign(node, committee, other)
}

fn sign(node: &Node, committee: &Committee, batch: Batch) -> DataMessage {
    let signature = node.keys.signature(&batch.head().sign_hash(&committee.chain));
    DataMessage::Batch(SharedBatch(SignedBatch { batch, signature }.into()))
}

/// Acknowledgements of batches that nobody has, or of others than are held, and of heights that are not executed.
fn false_acks(random: &mut Random, acks: &Acks) -> Acks {
    let lie = |random: &mut Random, tip: &LaneTip| match random.below(3) {
        0 => LaneTip { seq: tip.seq + random.between(1, 3), ..*tip },
        1 => LaneTip { tip: Hash::new([0xac; 32]), ..*tip },
        _ => *tip,
    };
    let tips = acks.tips.iter().map(|tip| lie(random, tip)).collect();
    let executed = Height::new(acks.executed.get() + random.below(5));
    Acks { epoch: acks.epoch, tips: List::truncated(tips), executed }
}
