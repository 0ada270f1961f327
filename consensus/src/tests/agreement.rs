//! How views are entered, proposals made, and the three votes cast: rules R0 to R6.

use althing_types::{Certificate, DataJudgement, Hash, ValidatorIndex, View, Vote};

use super::rig::{
    DELTA, Rig, alarms, asked, digest, evidence, finalize, height, heights, notarize, nullify, place, proposals_sent,
    votes_sent,
};
use crate::{Alarm, Input, Message, Output};

// ---- R0 ----

#[test]
fn any_certificate_of_a_view_opens_the_next() {
    let certificates: [fn(&Rig) -> Certificate; 3] =
        [|rig| rig.notarization(1, 0, digest(1)), |rig| rig.skip(1), |rig| rig.finalization(1, digest(1))];
    for make in certificates {
        let mut rig = Rig::new();
        rig.hear_certificates(vec![make(&rig)]);
        assert_eq!(place(&rig).0, 2);
    }
}

#[test]
fn a_certificate_far_ahead_is_jumped_to_and_an_older_one_changes_nothing() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.skip(5_000)]);
    assert_eq!(place(&rig), (5_001, 0));
    rig.hear_certificates(vec![rig.skip(7)]);
    assert_eq!(place(&rig), (5_001, 0));
}

#[test]
fn no_timer_opens_a_view() {
    let mut rig = Rig::new();
    rig.connect_all();
    rig.work(&[(0, 1)], &[(0, 1)]);
    rig.pass(1_000 * DELTA);
    assert_eq!(place(&rig), (1, 0));
}

// ---- R1 ----

/// View 1 is notarized, 2 and 3 are skipped, and I lead view 4.
fn my_turn(work: bool) -> (Rig, Vec<Output>, Hash) {
    let mut rig = Rig::new();
    rig.advance(10 * DELTA);
    if work {
        rig.work(&[(1, 1)], &[]);
    }
    let parent = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &parent, Vec::new());
    let mut out = rig.hear_certificates(vec![rig.notarization(1, 0, parent.id()), rig.skip(2), rig.skip(3)]);
    out.extend(rig.advance(5_000));
    (rig, out, parent.id())
}

fn build(out: &[Output]) -> Option<(View, Hash)> {
    out.iter().find_map(|output| match output {
        Output::Build { view, parent, .. } => Some((*view, *parent)),
        _ => None,
    })
}

#[test]
fn a_leader_builds_on_the_highest_certified_view_below_the_skipped_ones() {
    let (mut rig, out, parent) = my_turn(true);
    assert_eq!(build(&out), Some((View::new(4), parent)));
    let lanes = vec![super::rig::tip(1, 1)];
    let out = rig.step(Input::Built { view: View::new(4), parent, lanes: lanes.clone() });
    let proposals = proposals_sent(&out);
    assert_eq!(proposals.len(), 1);
    let block = &proposals[0].block;
    assert_eq!(votes_sent(&out), [notarize(4, 1, block.header.id())]);
    assert_eq!((block.header.parent, block.header.height.get(), &*block.body.lanes), (parent, 2, &*lanes));
    let justification = [rig.notarization(1, 0, parent), rig.skip(3), rig.skip(2)];
    assert_eq!(*proposals[0].justification, justification);
}

#[test]
fn a_leader_that_lacks_a_skip_asks_for_it_and_proposes_when_it_has_it() {
    let mut rig = Rig::new();
    rig.connect_all();
    rig.advance(10 * DELTA);
    rig.work(&[(1, 1)], &[]);
    let out = rig.hear_certificates(vec![rig.skip(1), rig.skip(3)]);
    let wanted = Message::GetCertificates { from: View::new(1), to: View::new(2) };
    assert_eq!(asked(&out), [wanted]);
    assert_eq!(build(&rig.advance(5_000)), None);
    let out = rig.hear_certificates(vec![rig.skip(2)]);
    assert_eq!(build(&out), Some((View::new(4), rig.genesis.id())));
}

#[test]
fn a_leader_without_the_parent_or_its_batches_does_not_propose() {
    for held in [false, true] {
        let mut rig = Rig::new();
        rig.advance(10 * DELTA);
        rig.work(&[(1, 1)], &[]);
        rig.data = Some(DataJudgement::Wait);
        let parent = rig.block(&rig.genesis, 2, &[(0, 1)]);
        if held {
            rig.hear_proposal(3, 0, &parent, rig.skips(1..=2));
        }
        let mut out = rig.hear_certificates(vec![rig.skip(1), rig.skip(2), rig.notarization(3, 0, parent.id())]);
        out.extend(rig.advance(5_000));
        assert_eq!((place(&rig).0, build(&out)), (4, None), "held: {held}");
    }
}

#[test]
fn a_leader_that_gave_its_view_up_does_not_propose_in_it() {
    let (mut rig, out, parent) = my_turn(true);
    assert!(build(&out).is_some());
    rig.work(&[(1, 1)], &[(1, 1)]);
    let gave_up = rig.pass(30 * DELTA);
    assert!(gave_up.iter().any(|(_, output)| votes_sent(std::slice::from_ref(output)) == [nullify(4, None)]));
    let out = rig.step(Input::Built { view: View::new(4), parent, lanes: vec![super::rig::tip(1, 1)] });
    assert_eq!(proposals_sent(&out), []);
}

#[test]
fn lanes_chosen_for_another_view_or_parent_are_not_used() {
    for (view, right_parent) in [(3, true), (4, false), (5, true)] {
        let (mut rig, _, parent) = my_turn(true);
        let parent = if right_parent { parent } else { digest(9) };
        let out = rig.step(Input::Built { view: View::new(view), parent, lanes: vec![super::rig::tip(1, 1)] });
        assert_eq!(proposals_sent(&out), [], "view {view}, {right_parent}");
    }
}

#[test]
fn a_justification_holds_the_parent_and_the_newest_skips_only() {
    let mut rig = Rig::new();
    rig.advance(10 * DELTA);
    rig.hear_certificates(vec![rig.finalization(7, rig.genesis.id())]);
    for view in 8..=107 {
        rig.hear_certificates(vec![rig.skip(view)]);
    }
    // More than 2n views above the floor there is work even without batches.
    let proposals = proposals_sent(&rig.advance(8 * DELTA));
    let justification = proposals[0].justification.to_vec();
    assert_eq!(justification.len(), 64);
    assert_eq!(justification[0], rig.finalization(7, rig.genesis.id()));
    assert_eq!((justification[1].view().get(), justification[63].view().get()), (107, 45));
}

#[test]
fn a_leader_more_than_sixteen_heights_behind_gives_its_view_up_at_once() {
    for (height, gives_up) in [(None, true), (Some(17), true), (Some(16), false)] {
        let mut rig = Rig::new();
        let made = rig.block_of(&rig.genesis, 2, Default::default(), |header| {
            header.height = height.map_or(header.height, althing_types::Height::new);
            header.parent = digest(3);
        });
        if height.is_some() {
            rig.hear_proposal(3, 2, &made, Vec::new());
        }
        let out = rig.hear_certificates(vec![rig.finalization(3, made.id())]);
        assert_eq!(votes_sent(&out) == [nullify(4, None)], gives_up, "{height:?}");
    }
}

// ---- R2 ----

#[test]
fn the_first_valid_proposal_of_the_leader_is_notarized_once() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), [notarize(1, 0, made.id())]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), []);
    let other = rig.block(&rig.genesis, 0, &[(0, 2)]);
    let out = rig.hear_proposal(1, 0, &other, Vec::new());
    assert_eq!((votes_sent(&out), evidence(&out).len()), (vec![], 1));
    assert!(rig.core.chain.block(&other.id()).is_none(), "its block is not judged");
}

#[test]
fn nothing_is_notarized_after_a_nullify() {
    let mut rig = Rig::new();
    assert_eq!(votes_sent(&rig.hear_vote(0, nullify(1, None))), [nullify(1, None)]);
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), []);
}

#[test]
fn nothing_is_notarized_at_or_below_the_floor() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_certificates(vec![rig.finalization(1, digest(5))]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), []);
}

#[test]
fn after_a_finalize_no_other_block_is_notarized() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let out = rig.hear_certificates(vec![rig.notarization(1, 0, digest(5))]);
    assert_eq!(votes_sent(&out), [finalize(1, digest(5))]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), []);
}

#[test]
fn a_proposal_of_a_view_that_was_left_is_notarized_late() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.skip(1)]);
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), [notarize(1, 0, made.id())]);
}

#[test]
fn a_proposal_of_a_view_ahead_waits_until_the_view_is_entered() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 1, &[(0, 1)]);
    assert_eq!(votes_sent(&rig.hear_proposal(2, 0, &made, Vec::new())), []);
    assert_eq!(votes_sent(&rig.hear_certificates(vec![rig.skip(1)])), [notarize(2, 0, made.id())]);
}

// ---- R3 ----

#[test]
fn a_notarized_block_is_finalized_once_though_i_never_notarized_it() {
    let mut rig = Rig::new();
    let certificate = rig.notarization(1, 0, digest(5));
    assert_eq!(votes_sent(&rig.hear_certificates(vec![certificate.clone()])), [finalize(1, digest(5))]);
    assert_eq!(votes_sent(&rig.hear_certificates(vec![certificate])), []);
    assert_eq!(place(&rig).0, 2);
}

#[test]
fn a_notarization_of_a_view_that_was_left_is_finalized() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.skip(1), rig.skip(2)]);
    let out = rig.hear_certificates(vec![rig.notarization(1, 0, digest(5))]);
    assert_eq!(votes_sent(&out), [finalize(1, digest(5))]);
}

#[test]
fn nothing_is_finalized_after_a_nullify_or_below_the_floor() {
    let mut rig = Rig::new();
    rig.hear_vote(0, nullify(1, None));
    assert_eq!(votes_sent(&rig.hear_certificates(vec![rig.notarization(1, 0, digest(5))])), []);
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.finalization(3, digest(6))]);
    assert_eq!(votes_sent(&rig.hear_certificates(vec![rig.notarization(2, 0, digest(5))])), []);
}

// ---- R4 ----

#[test]
fn the_view_of_a_leader_that_gave_up_is_given_up() {
    let mut rig = Rig::new();
    assert_eq!(votes_sent(&rig.hear_vote(1, nullify(1, None))), [], "validator 1 does not lead view 1");
    assert_eq!(votes_sent(&rig.hear_vote(0, nullify(1, None))), [nullify(1, None)]);
    assert_eq!(votes_sent(&rig.hear_vote(0, nullify(1, None))), []);
}

#[test]
fn a_nullify_reports_what_i_notarized() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    assert_eq!(votes_sent(&rig.hear_vote(0, nullify(1, None))), [nullify(1, Some(made.id()))]);
}

#[test]
fn only_the_current_view_is_given_up() {
    let mut rig = Rig::new();
    assert_eq!(votes_sent(&rig.hear_vote(1, nullify(2, None))), [], "view 2 is ahead");
    assert_eq!(votes_sent(&rig.hear_certificates(vec![rig.skip(2)])), []);
    assert_eq!(votes_sent(&rig.hear_vote(0, nullify(1, None))), [], "view 1 is left");
}

#[test]
fn a_view_in_which_i_finalized_is_not_given_up() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    rig.hear_certificates(vec![rig.notarization(1, 0, made.id())]);
    let mut again = rig.restarted(rig.log.clone()).expect("its own log");
    again.hear_vote(0, nullify(1, None));
    again.work(&[], &[(0, 9)]);
    let votes: Vec<Vote> =
        again.pass(100 * DELTA).iter().flat_map(|it| votes_sent(std::slice::from_ref(&it.1))).collect();
    assert!(!votes.iter().any(|vote| matches!(vote, Vote::Nullify(it) if it.view == View::new(1))), "{votes:?}");
}

#[test]
fn the_view_of_an_unreachable_leader_is_given_up_only_while_a_quorum_is_reachable() {
    for (reachable, gives_up) in [(vec![1, 2], true), (vec![1], false), (vec![], false)] {
        let mut rig = Rig::new();
        rig.work(&[], &[(1, 1)]);
        for index in [0, 1, 2].map(ValidatorIndex::new) {
            rig.step(Input::Peer { index, connected: true });
        }
        let lost = [1, 2].into_iter().filter(|it| !reachable.contains(it)).chain([0]);
        let out: Vec<Output> = lost
            .flat_map(|index| rig.step(Input::Peer { index: ValidatorIndex::new(index), connected: false }))
            .collect();
        assert_eq!(votes_sent(&out) == [nullify(1, None)], gives_up, "{reachable:?}");
    }
}

// ---- R5 ----

#[test]
fn r_nullify_votes_open_the_next_view_whatever_they_report() {
    let mut rig = Rig::new();
    rig.hear_vote(1, nullify(1, Some(digest(1))));
    rig.hear_vote(2, nullify(1, None));
    assert_eq!(place(&rig).0, 1);
    // The leader gives up as well, so I do, and there are four.
    rig.hear_vote(0, nullify(1, Some(digest(2))));
    assert_eq!(place(&rig).0, 2);
    assert!(rig.core.rounds[&View::new(1)].skip.is_some());
    assert!(rig.core.rounds[&View::new(1)].recover.is_empty(), "the verdict is Skip while the fast path is off");
}

#[test]
fn a_notarized_block_and_its_ancestors_are_fetched() {
    let mut rig = Rig::new();
    rig.connect_all();
    let blocks = rig.blocks(2);
    let out = rig.hear_certificates(vec![rig.notarization(2, 1, blocks[1].id())]);
    assert_eq!(asked(&out), [Message::GetBlock { digest: blocks[1].id() }]);
    let out = rig.hear(0, Message::Block(Box::new(blocks[1].block.clone())));
    assert_eq!(asked(&out), [Message::GetBlock { digest: blocks[0].id() }]);
    let out = rig.hear(0, Message::Block(Box::new(blocks[0].block.clone())));
    assert_eq!(asked(&out), []);
    assert!(rig.core.chain.holds(&blocks[1].id()));
}

// ---- R6 ----

#[test]
fn a_finalization_makes_all_ancestors_final_in_order() {
    let mut rig = Rig::new();
    let blocks = rig.blocks(3);
    for (view, made) in (1..).zip(&blocks) {
        rig.hear_proposal(view, view - 1, made, Vec::new());
        rig.hear_certificates(vec![rig.notarization(view, view - 1, made.id())]);
    }
    assert_eq!(height(&rig).get(), 0);
    let out = rig.hear_certificates(vec![rig.finalization(3, blocks[2].id())]);
    assert_eq!(heights(&out), [1, 2, 3]);
    assert_eq!(place(&rig), (4, 3));
    assert!(rig.core.rounds.range(..=View::new(3)).next().is_none());
}

#[test]
fn nothing_is_handed_over_without_its_batches() {
    let mut rig = Rig::new();
    rig.data = Some(DataJudgement::Wait);
    let blocks = rig.blocks(1);
    assert_eq!(heights(&rig.others_finalize(1, 0, &blocks[0])), Vec::<u64>::new());
    let out = rig.step(Input::Checked { digest: blocks[0].id(), judgement: DataJudgement::Valid });
    assert_eq!(heights(&out), [1]);
}

#[test]
fn a_final_block_that_breaks_the_rules_stops_the_voting_for_good() {
    let mut rig = Rig::new();
    let bad = rig.block_of(&rig.genesis, 0, Default::default(), |header| header.time = Default::default());
    let out = rig.others_finalize(1, 0, &bad);
    assert!(alarms(&out).iter().any(|alarm| matches!(alarm, Alarm::Fork { .. })), "{out:?}");
    assert_eq!(heights(&out), Vec::<u64>::new());
    let good = rig.block(&rig.genesis, 1, &[(0, 1)]);
    let mut out = rig.hear_proposal(2, 0, &good, Vec::new());
    out.extend(rig.hear_certificates(vec![rig.notarization(2, 0, good.id()), rig.skip(3)]));
    out.extend(rig.hear_vote(0, nullify(5, None)));
    out.extend(rig.work(&[(0, 9)], &[(0, 9)]));
    out.extend(rig.pass(200 * DELTA).into_iter().map(|(_, output)| output));
    let later: Vec<Vote> = super::rig::votes_logged(&out);
    assert_eq!(later, []);
}
