//! Timers to the microsecond, and when a chain has work or rests: rules T1 to T5 and I1 to I4.

use althing_types::{DataJudgement, Hash, Height, ValidatorIndex, View, Vote};

use super::rig::{
    DELTA, Made, Rig, digest, finalize, notarize, nullify, place, proposals_sent, summary, votes_sent, votes_timed,
};
use crate::{Input, Message, Output};

/// 2.5 Δ.
const LEADER: u64 = 625_000;
/// 3.5 Δ.
const VIEW: u64 = 875_000;

fn first_nullify(out: &[(u64, Output)]) -> Option<u64> {
    votes_timed(out).into_iter().find(|(_, vote)| matches!(vote, Vote::Nullify(_))).map(|(at, _)| at)
}

// ---- T1, T2 ----

#[test]
fn without_a_proposal_the_view_is_given_up_after_exactly_the_leader_timer() {
    let mut rig = Rig::new();
    rig.work(&[], &[(0, 1)]);
    assert_eq!(votes_sent(&rig.advance(LEADER - 1)), []);
    assert_eq!(votes_sent(&rig.advance(1)), [nullify(1, None)]);
}

#[test]
fn the_timer_runs_from_the_work_if_that_is_later_than_the_view() {
    let mut rig = Rig::new();
    rig.advance(12_345);
    rig.work(&[], &[(0, 1)]);
    assert_eq!(first_nullify(&rig.pass(10 * LEADER)), Some(12_345 + LEADER));
}

#[test]
fn the_timer_runs_from_the_view_if_that_is_later_than_the_work() {
    let mut rig = Rig::new();
    rig.work(&[], &[(0, 1)]);
    rig.advance(100_000);
    rig.hear_certificates(vec![rig.skip(1)]);
    assert_eq!(first_nullify(&rig.pass(10 * LEADER)), Some(100_000 + LEADER));
}

#[test]
fn with_a_valid_proposal_the_view_is_given_up_after_exactly_the_view_timer() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    assert_eq!(votes_sent(&rig.advance(VIEW - 1)).iter().filter(|vote| matches!(vote, Vote::Nullify(_))).count(), 0);
    assert!(votes_sent(&rig.advance(1)).contains(&nullify(1, Some(made.id()))));
}

#[test]
fn a_waiting_proposal_extends_the_view_timer_once_by_two_delta() {
    let mut rig = Rig::new();
    rig.data = Some(DataJudgement::Wait);
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    assert_eq!(first_nullify(&rig.pass(20 * VIEW)), Some(VIEW + 2 * DELTA));
}

#[test]
fn without_work_no_timer_runs() {
    let mut rig = Rig::new();
    rig.step(Input::Tick);
    assert_eq!(rig.core.deadline(), None);
    rig.work(&[(0, 1)], &[]);
    assert_eq!(rig.core.deadline(), None, "leader work of another is no timer work");
    rig.work(&[], &[(0, 0)]);
    assert_eq!(rig.core.deadline(), None, "nothing above the cut");
}

#[test]
fn a_vote_of_the_leader_or_f_plus_one_nullifies_are_timer_work() {
    let mut rig = Rig::new();
    rig.hear_vote(1, nullify(1, None));
    assert_eq!(rig.core.deadline(), None, "one may be faulty");
    rig.hear_vote(2, nullify(1, None));
    assert_eq!(first_nullify(&rig.pass(LEADER)), Some(LEADER));
    let mut rig = Rig::new();
    rig.hear_vote(1, notarize(1, 0, digest(1)));
    assert_eq!(rig.core.deadline(), None, "not the leader's");
    rig.hear_vote(0, notarize(1, 0, digest(1)));
    assert_eq!(first_nullify(&rig.pass(LEADER)), Some(LEADER));
}

#[test]
fn a_view_with_a_certificate_has_no_timer_any_more() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.others_finalize(1, 0, &made);
    assert_eq!(first_nullify(&rig.pass(100 * VIEW)), None);
    assert_eq!(rig.core.deadline(), None);
}

// ---- T3 ----

#[test]
fn timers_grow_by_half_from_the_third_view_above_the_floor_and_at_most_eightfold() {
    let spans = [
        (1, 625_000),
        (2, 625_000),
        (3, 937_500),
        (5, 2_109_375),
        (6, 3_164_062),
        (7, 4_746_093),
        (9, 5_000_000),
        (51, 5_000_000),
        (1_000_001, 5_000_000),
    ];
    for (view, span) in spans {
        let mut rig = Rig::new();
        rig.work(&[], &[(0, 1)]);
        if view > 1 {
            rig.hear_certificates(vec![rig.skip(view - 1)]);
        }
        assert_eq!(first_nullify(&rig.pass(20_000_000)), Some(span), "view {view}");
    }
}

#[test]
fn growth_counts_from_the_floor() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_certificates(vec![rig.skip(49)]);
    rig.hear_proposal(50, 0, &made, rig.skips(1..=48));
    rig.hear_certificates(vec![rig.finalization(50, made.id())]);
    rig.work(&[], &[(0, 2)]);
    assert_eq!(first_nullify(&rig.pass(20_000_000)), Some(LEADER));
}

// ---- T4 ----

#[test]
fn a_leader_proposes_at_once_but_not_before_the_block_interval() {
    for (between, waits) in [(0, 5_000), (4_999, 1), (5_000, 0), (60_000, 0)] {
        let mut rig = Rig::new();
        rig.advance(100_000);
        rig.work(&[(0, 1)], &[]);
        rig.hear_certificates(vec![rig.skip(1), rig.skip(2)]);
        rig.advance(between);
        let mut out = rig.hear_certificates(vec![rig.skip(3)]);
        let asks = |out: &[Output]| out.iter().any(|output| matches!(output, Output::Build { .. }));
        if waits > 0 {
            assert!(!asks(&out), "{between}");
            assert!(!asks(&rig.advance(waits - 1)), "{between}");
            out = rig.advance(1);
        }
        assert!(asks(&out), "{between}");
    }
}

// ---- T5 ----

#[test]
fn a_leader_far_above_the_floor_waits_eight_delta() {
    // 64 and 4 for each of 4 validators are entered as fast as may be. I lead every fourth view.
    for (view, waits) in [(76, 0), (80, 0), (84, 2_000_000), (400, 2_000_000)] {
        let mut rig = Rig::new();
        rig.advance(100_000);
        rig.work(&[(0, 1)], &[]);
        let passed: Vec<u64> = (1..view - 1).collect();
        for views in passed.chunks(32) {
            rig.hear_certificates(views.iter().map(|view| rig.skip(*view)).collect());
        }
        rig.advance(5_000);
        let mut out = rig.hear_certificates(vec![rig.skip(view - 1)]);
        assert_eq!(place(&rig).0, view);
        let asks = |out: &[Output]| out.iter().any(|output| matches!(output, Output::Build { .. }));
        if waits > 0 {
            assert!(!asks(&out), "{view}");
            assert!(!asks(&rig.advance(waits - 1)), "{view}");
            out = rig.advance(1);
        }
        assert!(asks(&out), "{view}");
    }
}

// ---- I1, I2 ----

/// I lead view 4, and the block of view 3 is notarized.
fn unfinal_tip() -> (Rig, Made) {
    let mut rig = Rig::new();
    rig.advance(100_000);
    let made = rig.block(&rig.genesis, 2, &[(0, 1)]);
    rig.hear_proposal(3, 0, &made, rig.skips(1..=2));
    rig.hear_certificates(vec![rig.notarization(3, 0, made.id())]);
    (rig, made)
}

#[test]
fn an_unfinal_tip_becomes_work_for_the_leader_after_exactly_delta() {
    let (mut rig, made) = unfinal_tip();
    assert_eq!(proposals_sent(&rig.advance(DELTA - 1)), []);
    let proposals = proposals_sent(&rig.advance(1));
    assert_eq!(proposals.len(), 1);
    assert_eq!((proposals[0].block.header.parent, proposals[0].block.body.is_empty()), (made.id(), true));
}

#[test]
fn a_tip_that_becomes_final_in_time_is_no_work() {
    let (mut rig, made) = unfinal_tip();
    rig.advance(DELTA - 1);
    rig.hear_certificates(vec![rig.finalization(3, made.id())]);
    let out: Vec<Output> = rig.pass(100 * DELTA).into_iter().map(|(_, output)| output).collect();
    assert_eq!((proposals_sent(&out), votes_sent(&out)), (vec![], vec![]));
    assert_eq!(rig.core.deadline(), None);
}

#[test]
fn an_unfinal_tip_is_timer_work_after_delta() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    rig.hear_certificates(vec![rig.notarization(1, 0, made.id())]);
    assert_eq!(first_nullify(&rig.pass(20 * DELTA)), Some(DELTA + LEADER));
}

/// A block is final in view 3 and I lead view 4.
fn executed_by(reports: &[u16], content: bool) -> (Rig, Vec<Output>, Made) {
    let mut rig = Rig::new();
    rig.advance(100_000);
    let lanes: &[(u32, u64)] = if content { &[(0, 1)] } else { &[] };
    let made = rig.block(&rig.genesis, 2, lanes);
    rig.hear_proposal(3, 0, &made, rig.skips(1..=2));
    let mut out = rig.hear_certificates(vec![rig.notarization(3, 0, made.id()), rig.finalization(3, made.id())]);
    out.extend(rig.advance(5_000));
    assert_eq!(proposals_sent(&out), []);
    out.extend(rig.execute(&made.block));
    for from in reports {
        let from = ValidatorIndex::new(*from);
        out.extend(rig.step(Input::Reported { from, executed: Height::new(1) }));
    }
    (rig, out, made)
}

#[test]
fn results_with_transactions_that_a_quorum_executed_are_closed_by_one_block() {
    let (_, out, made) = executed_by(&[0, 1], true);
    let proposals = proposals_sent(&out);
    assert_eq!(proposals.len(), 1);
    assert_eq!(*proposals[0].block.body.results, [summary(&made.block)]);
    assert!(proposals[0].block.body.lanes.is_empty());
}

#[test]
fn results_without_transactions_or_without_a_quorum_are_no_work() {
    for (reports, content) in [(&[0, 1, 2][..], false), (&[0][..], true), (&[][..], true)] {
        let (mut rig, mut out, _) = executed_by(reports, content);
        out.extend(rig.pass(100 * DELTA).into_iter().map(|(_, output)| output));
        assert_eq!(proposals_sent(&out), [], "{reports:?} {content}");
        assert_eq!(rig.core.deadline(), None);
    }
}

#[test]
fn a_leader_far_above_the_floor_has_work() {
    for (views, works) in [(7, false), (11, true)] {
        let mut rig = Rig::new();
        rig.advance(100_000);
        let mut out = rig.hear_certificates(rig.skips(1..=views));
        out.extend(rig.advance(5_000));
        assert_eq!(place(&rig).0, views + 1);
        assert_eq!(!proposals_sent(&out).is_empty(), works, "{views}");
    }
}

#[test]
fn batches_that_the_tip_orders_already_are_no_work() {
    let (mut rig, made) = unfinal_tip();
    rig.hear_certificates(vec![rig.finalization(3, made.id())]);
    rig.advance(5_000);
    let out = rig.work(&[(0, 1)], &[(0, 1)]);
    assert!(!out.iter().any(|output| matches!(output, Output::Build { .. })));
    assert_eq!(rig.core.deadline(), None);
    let out = rig.work(&[(0, 2)], &[(0, 1)]);
    assert!(out.iter().any(|output| matches!(output, Output::Build { .. })));
}

#[test]
fn a_leader_whose_data_plane_has_nothing_after_all_stays_silent() {
    let mut rig = Rig::of(4, 0);
    rig.advance(100_000);
    let out = rig.work(&[(1, 1)], &[]);
    assert!(out.iter().any(|output| matches!(output, Output::Build { .. })), "{out:?}");
    let out = rig.step(Input::Built { view: View::new(1), parent: rig.genesis.id(), lanes: Vec::new() });
    assert_eq!(out, []);
    assert_eq!(rig.core.deadline(), None);
}

// ---- I3 ----

#[test]
fn the_view_of_an_unreachable_leader_is_given_up_after_delta_if_there_is_no_work() {
    let mut rig = Rig::new();
    for index in [1, 2].map(ValidatorIndex::new) {
        rig.step(Input::Peer { index, connected: true });
        rig.hear_with(index.get(), 1, 0, Message::Status);
    }
    assert_eq!(first_nullify(&rig.pass(10 * DELTA)), Some(DELTA));
}

#[test]
fn a_leader_that_comes_back_in_time_keeps_its_idle_view() {
    let mut rig = Rig::new();
    rig.connect_all();
    for from in 0..3 {
        rig.hear_with(from, 1, 0, Message::Status);
    }
    let index = ValidatorIndex::ZERO;
    rig.advance(10 * DELTA);
    rig.step(Input::Peer { index, connected: false });
    rig.advance(DELTA - 1);
    rig.step(Input::Peer { index, connected: true });
    rig.hear_with(0, 1, 0, Message::Status);
    assert_eq!(first_nullify(&rig.pass(100 * DELTA)), None);
}

// ---- I4 ----

#[test]
fn a_leader_is_told_once_in_a_view_of_batches_that_it_ignores() {
    let mut rig = Rig::new();
    let hints = |out: &[Output]| out.iter().filter(|output| matches!(output, Output::Hint { .. })).count();
    assert_eq!(hints(&rig.work(&[], &[(1, 1)])), 1);
    assert_eq!(hints(&rig.work(&[], &[(1, 2)])), 0);
    assert_eq!(hints(&rig.hear_certificates(vec![rig.skip(1)])), 1);
}

// ---- rest ----

#[test]
fn after_a_step_the_deadline_is_in_the_future_and_a_tick_between_does_nothing() {
    let (mut rig, _) = unfinal_tip();
    for _ in 0..200 {
        let Some(deadline) = rig.core.deadline() else { break };
        assert!(deadline > rig.now.monotonic);
        let before = deadline.above(rig.now.monotonic);
        if before > 1 {
            assert_eq!(rig.advance(before / 2), []);
            assert_eq!(rig.core.deadline(), Some(deadline));
        }
        rig.advance(deadline.above(rig.now.monotonic));
    }
}

#[test]
fn a_chain_that_rests_has_no_deadline_and_says_nothing() {
    let mut rig = Rig::new();
    rig.connect_all();
    for from in 0..3 {
        rig.hear_with(from, 1, 0, Message::Status);
    }
    assert_eq!(rig.core.deadline(), None);
    assert!(rig.pass(1_000 * DELTA).is_empty());
    assert_eq!(votes_sent(&rig.hear_certificates(vec![rig.notarization(1, 0, Hash::ZERO)])), [finalize(1, Hash::ZERO)]);
}
