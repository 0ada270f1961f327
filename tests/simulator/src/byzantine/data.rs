//! Lies about batches: withheld, forked and spoilt ones, acknowledgements of what is not held, and useless questions.

use althing_mempool::{Acks, DataMessage, Range, SharedBatch};
use althing_replica::Message;
use althing_types::{Batch, Bytes, Hash, Height, LaneTip, List, SignedBatch};

use super::{Scene, Strategy, Utterance};
use crate::random::Random;

/// What a receiver gets instead of a message of the data plane.
pub(super) fn respond(strategy: Strategy, scene: &mut Scene<'_>, said: &DataMessage) -> Vec<Utterance> {
    let quorum = scene.committee.set.quorums().notarize();
    let same = || vec![Utterance::now(Message::Data(said.clone()))];
    match (strategy, said) {
        // Shown to one fewer than a quorum, itself included.
        (Strategy::SelectiveSender, DataMessage::Batch(_)) if scene.receiver.get() + 1 >= quorum => Vec::new(),
        (Strategy::Censor, DataMessage::Acks(acks)) => {
            let own = u32::from(scene.me.get());
            let tips = acks.tips.iter().filter(|tip| tip.lane == own).copied().collect();
            let acks = Acks { epoch: acks.epoch, tips: List::truncated(tips), executed: acks.executed };
            vec![Utterance::now(Message::Data(DataMessage::Acks(acks)))]
        }
        (Strategy::Censor, DataMessage::Batches(_)) => Vec::new(),
        (Strategy::SyncLiar, DataMessage::Batches(batches)) => {
            let told = match scene.random.below(4) {
                0 => return Vec::new(),
                1 => DataMessage::Batches(List::truncated(batches.iter().rev().cloned().collect())),
                2 => DataMessage::Batches(List::empty()),
                _ => batches.first().map_or_else(|| said.clone(), |batch| spoilt(scene, batch)),
            };
            vec![Utterance::now(Message::Data(told))]
        }
        _ => same(),
    }
}

/// What the mixed strategy says instead of this, or beside it.
pub(super) fn distort(scene: &mut Scene<'_>, said: &DataMessage) -> Vec<Utterance> {
    let told = match (said, scene.random.below(10)) {
        // Withheld: the owner shows it to some only.
        (DataMessage::Batch(_), 0 | 1) => Vec::new(),
        (DataMessage::Batch(batch), 2) => vec![forked(scene, batch)],
        (DataMessage::Batch(batch), 3) => vec![said.clone(), forked(scene, batch)],
        (DataMessage::Batch(batch), 4) if scene.random.chance(100) => vec![spoilt(scene, batch)],
        (DataMessage::Acks(acks), 0 | 1) => vec![DataMessage::Acks(false_acks(scene.random, acks))],
        (DataMessage::Batches(batches), 0) => {
            let kept = batches.iter().filter(|_| scene.random.chance(500)).cloned().collect();
            vec![DataMessage::Batches(List::truncated(kept))]
        }
        (DataMessage::Batches(batches), 1) => {
            let wrong = batches.iter().rev().cloned().collect();
            vec![DataMessage::Batches(List::truncated(wrong))]
        }
        (DataMessage::GetBatches { epoch, range }, 0) => {
            let range = Range { first: scene.random.below(4), last: scene.random.below(1_000), ..*range };
            vec![said.clone(), DataMessage::GetBatches { epoch: *epoch, range }]
        }
        (_, 9) => Vec::new(),
        _ => vec![said.clone()],
    };
    told.into_iter().map(|told| Utterance::now(Message::Data(told))).collect()
}

/// Another batch for the same place.
fn forked(scene: &mut Scene<'_>, batch: &SharedBatch) -> DataMessage {
    let mut other = batch.batch.clone();
    if scene.random.chance(200) {
        other.previous = Hash::new([0xfe; 32]);
    } else {
        let mut transactions = other.transactions.into_inner();
        match transactions.len() {
            0 | 1 => other.seq += 1,
            _ => transactions.rotate_left(1),
        }
        other.transactions = List::truncated(transactions);
    }
    sign(scene, other)
}

/// The same batch with a transaction whose signature does not verify.
fn spoilt(scene: &Scene<'_>, batch: &SharedBatch) -> DataMessage {
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
    sign(scene, other)
}

fn sign(scene: &Scene<'_>, batch: Batch) -> DataMessage {
    let signature = scene.node.keys.signature(&batch.head().sign_hash(&scene.committee.chain));
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
