//! Which batches a block orders (rule L7), and in which order their transactions are executed (rule L6).
//!
//! The order: the lanes that the block names, ascending, begin with the one at place `height mod count`, and wrap
//! round. Of each lane in turn the next batch is taken, by number, until none is left; a lane without a further batch
//! is passed over. Within a batch the transactions stand in its own order. So nobody is always first, and whoever has
//! many batches cannot keep others out of the first round.

use std::collections::BTreeMap;

use althing_types::{Block, Hash, Height, LaneTip};

use crate::block::OrderedBatch;
use crate::error::BatchFault;

/// The batches that a block orders, in the order of execution. `parent_cut` is the cut below the block, ascending.
pub(crate) fn arrange<'a>(
    block: &Block,
    parent_cut: &[LaneTip],
    batches: &'a [OrderedBatch],
) -> Result<Vec<&'a OrderedBatch>, BatchFault> {
    let by_place: BTreeMap<(u32, u64), &OrderedBatch> =
        batches.iter().map(|batch| ((batch.signed.batch.lane, batch.signed.batch.seq), batch)).collect();
    let mut expected = 0u64;
    let mut lanes = Vec::new();
    for tip in &block.body.lanes {
        let below = parent_cut.iter().find(|known| known.lane == tip.lane);
        expected = expected.saturating_add(tip.seq.saturating_sub(below.map_or(0, |known| known.seq)));
        lanes.push((tip, below));
    }
    let given = batches.len();
    let complete = by_place.len() == given && u64::try_from(given).is_ok_and(|given| given == expected);
    if !complete {
        return Err(BatchFault::Count { given, expected });
    }
    let linked = lanes.into_iter().map(|(tip, below)| linked_lane(block, tip, below, &by_place));
    Ok(take_turns(block.header.height, linked.collect::<Result<_, _>>()?))
}

/// The batches of a lane above its tip below the block, up to the one that the block names. They are as many as were
/// given at most, because the caller counted them.
fn linked_lane<'a>(
    block: &Block,
    tip: &LaneTip,
    below: Option<&LaneTip>,
    by_place: &BTreeMap<(u32, u64), &'a OrderedBatch>,
) -> Result<Vec<&'a OrderedBatch>, BatchFault> {
    let (mut seq, mut previous) = below.map_or((0, Hash::ZERO), |known| (known.seq, known.tip));
    let lane = tip.lane;
    let mut linked = Vec::new();
    while seq < tip.seq {
        seq = seq.saturating_add(1);
        let broken = BatchFault::Link { lane, seq };
        let ordered = *by_place.get(&(lane, seq)).ok_or(broken)?;
        let batch = &ordered.signed.batch;
        let frame = (batch.chain, batch.epoch, batch.previous);
        if frame != (block.header.chain, block.header.epoch, previous) {
            return Err(broken);
        }
        let count = batch.transactions.len();
        if ordered.transactions.len() != count || ordered.ids.len() != count {
            return Err(BatchFault::Transactions { lane, seq });
        }
        previous = batch.digest();
        linked.push(ordered);
    }
    if previous == tip.tip { Ok(linked) } else { Err(BatchFault::Tip { lane }) }
}

/// Takes the batches of all lanes in turn, beginning with a lane that rotates with the height.
fn take_turns<T: Copy>(height: Height, lanes: Vec<Vec<T>>) -> Vec<T> {
    let count = u64::try_from(lanes.len()).unwrap_or(u64::MAX);
    let first = height.get().checked_rem(count).and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
    let rounds = lanes.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..rounds).flat_map(|round| {
        let lanes = lanes.iter().cycle().skip(first).take(lanes.len());
        lanes.filter_map(move |lane| lane.get(round).copied())
    });
    turns.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_turns_and_the_first_rotates_with_the_height() {
        let lanes = || vec![vec!["a1", "a2", "a3"], vec!["b1"], vec!["c1", "c2"]];
        let table: [(u64, &[&str]); 4] = [
            (0, &["a1", "b1", "c1", "a2", "c2", "a3"]),
            (1, &["b1", "c1", "a1", "c2", "a2", "a3"]),
            (2, &["c1", "a1", "b1", "c2", "a2", "a3"]),
            (3, &["a1", "b1", "c1", "a2", "c2", "a3"]),
        ];
        for (height, expected) in table {
            assert_eq!(take_turns(Height::new(height), lanes()), expected, "height {height}");
        }
        assert!(take_turns::<u8>(Height::new(7), vec![]).is_empty());
        assert_eq!(take_turns(Height::new(u64::MAX), vec![vec![1, 2]]), [1, 2]);
    }
}
