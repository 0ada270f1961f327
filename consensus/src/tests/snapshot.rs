//! What a snapshot says of the view: the proposal that is here, what a vote for it lacks, and what waits for the disk.

use althing_types::{DataJudgement, Height, View};

use super::rig::{Rig, summary};
use crate::{Input, Lack};

#[test]
fn a_proposal_whose_batches_are_missing_says_so_until_they_are_here() {
    let mut rig = Rig::of(4, 2);
    let before = rig.core.snapshot();
    assert_eq!((before.offer, before.lack, before.work_since), (None, None, None));
    rig.data = Some(DataJudgement::Wait);
    let made = rig.block(&rig.genesis.clone(), 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    let waiting = rig.core.snapshot();
    assert_eq!((waiting.offer, waiting.lack), (Some(Some(made.block.header.time)), Some(Lack::Batches)));
    assert!(waiting.work_since.is_some(), "a proposal is timer work");
    rig.step(Input::Checked { digest: made.id(), judgement: DataJudgement::Valid });
    assert_eq!(rig.core.snapshot().lack, None);
}

#[test]
fn a_certificate_that_is_missing_below_a_proposal_or_below_my_own_turn_is_named() {
    let mut rig = Rig::of(4, 2);
    let blocks = rig.blocks(2);
    rig.hear_certificates(vec![rig.skip(1)]);
    rig.hear_proposal(2, 1, &blocks[1], Vec::new());
    assert_eq!(rig.core.snapshot().lack, Some(Lack::Certificate(View::new(1))));
    // In view 3 it is my turn, and of view 1 I hold no certificate that lets it be built upon or passed over.
    let mut rig = Rig::of(4, 2);
    rig.hear_certificates(vec![rig.skip(2)]);
    let mine = rig.core.snapshot();
    assert_eq!((mine.view, mine.leader), (View::new(3), rig.config.me));
    assert_eq!(mine.lack, Some(Lack::Certificate(View::new(1))));
}

#[test]
fn a_tip_that_is_not_final_and_a_log_that_is_not_synced_are_seen() {
    let mut rig = Rig::of(4, 2);
    let made = rig.block(&rig.genesis.clone(), 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    assert!(!rig.core.snapshot().is_unsynced);
    rig.slow_disk = true;
    rig.hear_certificates(vec![rig.notarization(1, 0, made.id())]);
    let certified = rig.core.snapshot();
    assert_eq!((certified.tip, certified.floor), (View::new(1), View::ZERO));
    assert!(certified.is_unsynced && certified.tip_voted.is_empty(), "my own vote waits for the disk");
    rig.sync();
    let synced = rig.core.snapshot();
    assert_eq!((synced.is_unsynced, synced.tip_voted), (false, vec![rig.config.me]));
}

#[test]
fn what_was_executed_here_and_elsewhere_is_told_beside_what_is_carried() {
    let mut rig = Rig::of(4, 2);
    let made = rig.block(&rig.genesis.clone(), 0, &[(0, 1)]);
    rig.others_finalize(1, 0, &made);
    let from = althing_types::ValidatorIndex::new(1);
    rig.step(Input::Reported { from, executed: Height::new(1) });
    let before = rig.core.snapshot();
    let reported: Vec<(u16, u64)> = before.peers.iter().map(|peer| (peer.index.get(), peer.executed.get())).collect();
    assert_eq!(reported, [(0, 0), (1, 1), (3, 0)]);
    assert_eq!((before.executed, before.carried, before.is_held_back), (Height::ZERO, Height::ZERO, false));
    rig.step(Input::Executed(summary(&made.block)));
    assert_eq!(rig.core.snapshot().executed, Height::new(1));
}
