//! Results in headers: rules X1 to X5.

use althing_types::{Body, Hash, Height, List, Summary, ValidatorIndex, View};

use super::rig::{
    DELTA, Made, Rig, alarms, finalize, notarize, nullify, proposals_sent, summary, tip, votes_logged, votes_sent,
};
use crate::{Alarm, Config, Input, Output};

fn carrying(rig: &Rig, parent: &Made, proposer: u16, results: Vec<Summary>) -> Made {
    rig.block_of(parent, proposer, Body { results: List::truncated(results), ..Body::default() }, |_| {})
}

/// Three blocks are final in views 1 to 3, and the first of them were executed.
fn three_final(executed: usize) -> (Rig, Vec<Made>) {
    let mut rig = Rig::of(4, 2);
    let blocks = rig.blocks(3);
    for (view, made) in (1..).zip(&blocks) {
        rig.hear_certificates(vec![rig.notarization(view, view - 1, made.id())]);
        rig.hear_proposal(view, view - 1, made, Vec::new());
        rig.core.chain.add_orphan(made.id(), made.block.clone());
        rig.hear_certificates(vec![rig.finalization(view, made.id())]);
    }
    for made in &blocks[..executed] {
        rig.execute(&made.block);
    }
    (rig, blocks)
}

// ---- X1 ----

#[test]
fn the_carried_run_is_contiguous_and_ends_at_the_executed_height() {
    let (_, blocks) = three_final(3);
    let of = |heights: &[usize]| heights.iter().map(|at| summary(&blocks[*at].block)).collect::<Vec<_>>();
    let cases = [
        (of(&[]), 0, true),
        (of(&[0]), 1, true),
        (of(&[0, 1, 2]), 3, true),
        (of(&[1]), 2, false),
        (of(&[0, 2]), 3, false),
        (of(&[0, 0]), 1, false),
        (of(&[1, 0]), 1, false),
        (of(&[0, 1]), 1, false),
        (of(&[0]), 2, false),
        (of(&[]), 1, false),
        (of(&[0]), u64::MAX, false),
    ];
    for (results, executed, valid) in cases {
        let (mut rig, blocks) = three_final(3);
        let body = Body { results: List::truncated(results), ..Body::default() };
        let made = rig.block_of(&blocks[2], 3, body, |header| header.executed_height = Height::new(executed));
        let expected = if valid { notarize(4, 3, made.id()) } else { nullify(4, None) };
        let heights: Vec<u64> = made.block.body.results.iter().map(|it| it.height.get()).collect();
        assert_eq!(votes_sent(&rig.hear_proposal(4, 3, &made, Vec::new())), [expected], "{heights:?} {executed}");
    }
}

#[test]
fn results_of_the_block_itself_or_above_are_never_carried() {
    let (mut rig, blocks) = three_final(3);
    let mut results: Vec<Summary> = blocks.iter().map(|made| summary(&made.block)).collect();
    results.push(Summary { height: Height::new(4), ..results[2] });
    let made = carrying(&rig, &blocks[2], 3, results);
    assert_eq!(votes_sent(&rig.hear_proposal(4, 3, &made, Vec::new())), [nullify(4, None)]);
}

// ---- X2 ----

#[test]
fn more_than_k_above_the_executed_height_only_empty_blocks_are_valid() {
    for (height, lanes, valid) in [(8, true, true), (9, true, false), (9, false, true), (20, false, true)] {
        let mut rig = Rig::with(4, 2, |config: &mut Config| config.params.k = 8);
        let mut parent = rig.genesis.clone();
        for at in 1..height {
            let made = rig.block(&parent, 0, if at == 1 { &[(0, 1)] } else { &[] });
            rig.hear_certificates(vec![rig.finalization(at, made.id())]);
            rig.core.chain.add_orphan(made.id(), made.block.clone());
            rig.step(Input::Tick);
            parent = made;
        }
        let leader = rig.core.leader(View::new(height)).get();
        if leader == 2 {
            rig.hear_certificates(vec![rig.skip(height)]);
        }
        let view = if leader == 2 { height + 1 } else { height };
        let leader = rig.core.leader(View::new(view)).get();
        let made = rig.block(&parent, leader, if lanes { &[(0, 2)] } else { &[] });
        let out = rig.hear_proposal(view, height - 1, &made, Vec::new());
        let expected = if valid { notarize(view, height - 1, made.id()) } else { nullify(view, None) };
        assert_eq!(votes_sent(&out), [expected], "height {height}, lanes {lanes}");
    }
}

// ---- X3 ----

#[test]
fn a_carried_result_that_differs_ends_the_view_with_an_alarm_and_no_more() {
    let (mut rig, blocks) = three_final(1);
    let wrong = Summary { state_root: Hash::ZERO, ..summary(&blocks[0].block) };
    let made = carrying(&rig, &blocks[2], 3, vec![wrong]);
    let out = rig.hear_proposal(4, 3, &made, Vec::new());
    assert_eq!(votes_sent(&out), [nullify(4, None)]);
    assert_eq!(alarms(&out), [Alarm::ResultsDiffer { ours: summary(&blocks[0].block), theirs: wrong }]);
    rig.hear_certificates(vec![rig.skip(4)]);
    let good = carrying(&rig, &blocks[2], 0, vec![summary(&blocks[0].block)]);
    assert_eq!(votes_sent(&rig.hear_proposal(5, 3, &good, Vec::new())), [notarize(5, 3, good.id())]);
}

#[test]
fn a_carried_result_that_is_not_executed_yet_waits() {
    let (mut rig, blocks) = three_final(0);
    let made = carrying(&rig, &blocks[2], 3, vec![summary(&blocks[0].block)]);
    assert_eq!(votes_sent(&rig.hear_proposal(4, 3, &made, Vec::new())), []);
    assert_eq!(votes_sent(&rig.execute(&blocks[0].block)), [notarize(4, 3, made.id())]);
}

// ---- X4 ----

fn certified_lie() -> (Rig, Vec<Output>, Vec<Made>) {
    let (mut rig, blocks) = three_final(1);
    let wrong = Summary { state_root: Hash::ZERO, ..summary(&blocks[0].block) };
    let made = carrying(&rig, &blocks[2], 3, vec![wrong]);
    rig.hear_proposal(4, 3, &made, Vec::new());
    let out = rig.hear_certificates(vec![rig.notarization(4, 3, made.id())]);
    (rig, out, blocks)
}

#[test]
fn a_certified_result_that_differs_from_mine_stops_my_voting_for_good() {
    let (mut rig, out, blocks) = certified_lie();
    assert!(matches!(alarms(&out)[..], [Alarm::Diverged { .. }]), "{out:?}");
    assert!(rig.core.snapshot().halted.is_some());
    let good = rig.block(&blocks[2], 0, &[(0, 9)]);
    let mut out = rig.hear_proposal(5, 3, &good, Vec::new());
    out.extend(rig.hear_vote(0, nullify(5, None)));
    out.extend(rig.hear_certificates(vec![rig.notarization(6, 3, Hash::ZERO)]));
    out.extend(rig.work(&[(0, 99)], &[(0, 99)]));
    out.extend(rig.pass(200 * DELTA).into_iter().map(|(_, output)| output));
    assert_eq!(votes_logged(&out), []);
    assert_eq!(alarms(&out), []);
}

#[test]
fn one_who_stopped_voting_answers_and_follows() {
    let (mut rig, _, _) = certified_lie();
    let (first, last) = (View::new(4), View::new(4));
    let out = rig.hear(0, crate::Message::GetCertificates { from: first, to: last });
    assert_eq!(super::rig::said(&out).len(), 1);
    rig.hear_certificates(vec![rig.finalization(9, Hash::ZERO)]);
    assert_eq!(super::rig::place(&rig), (10, 9));
}

#[test]
fn one_who_executes_late_compares_with_what_was_certified_before() {
    let (mut rig, blocks) = three_final(0);
    let wrong = Summary { state_root: Hash::ZERO, ..summary(&blocks[0].block) };
    let made = carrying(&rig, &blocks[2], 3, vec![wrong]);
    rig.hear_proposal(4, 3, &made, Vec::new());
    let out = rig.hear_certificates(vec![rig.notarization(4, 3, made.id())]);
    assert_eq!((votes_sent(&out), alarms(&out)), (vec![finalize(4, made.id())], vec![]));
    assert!(matches!(alarms(&rig.execute(&blocks[0].block))[..], [Alarm::Diverged { .. }]));
}

// ---- X5 ----

/// I lead view 4 of four above one final and executed block.
fn leading(reports: &[u64], died: bool) -> Vec<u64> {
    let mut rig = Rig::new();
    rig.advance(100_000);
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.others_finalize(1, 0, &made);
    rig.execute(&made.block);
    for (from, executed) in (0..).map(ValidatorIndex::new).zip(reports) {
        rig.step(Input::Reported { from, executed: Height::new(*executed) });
    }
    rig.core.turn_died = died;
    rig.work(&[(1, 1)], &[(1, 1)]);
    rig.hear_certificates(rig.skips(2..=3));
    rig.advance(5_000);
    let lanes = vec![tip(1, 1)];
    let out = rig.step(Input::Built { view: View::new(4), parent: made.id(), lanes });
    let proposals = proposals_sent(&out);
    assert_eq!(proposals.len(), 1, "{reports:?}");
    assert!(!rig.core.turn_died);
    proposals[0].block.body.results.iter().map(|it| it.height.get()).collect()
}

#[test]
fn a_leader_carries_with_batches_what_all_but_p_executed() {
    assert_eq!(leading(&[1, 1, 1], false), [1]);
    assert_eq!(leading(&[1, 1, 0], false), [] as [u64; 0], "n − p is four of four");
    assert_eq!(leading(&[u64::MAX, u64::MAX, u64::MAX], false), [1], "never what it has not executed itself");
}

#[test]
fn after_a_turn_that_died_a_leader_carries_no_results_once() {
    assert_eq!(leading(&[1, 1, 1], true), [] as [u64; 0]);
}

#[test]
fn a_turn_is_noted_as_dead_when_my_proposal_was_skipped() {
    let mut rig = Rig::of(4, 0);
    rig.advance(10_000);
    rig.work(&[(0, 1)], &[(0, 1)]);
    rig.step(Input::Built { view: View::new(1), parent: rig.genesis.id(), lanes: vec![tip(0, 1)] });
    rig.hear_certificates(vec![rig.skip(1)]);
    assert!(rig.core.turn_died);
    let mut other = Rig::of(4, 0);
    other.hear_certificates(vec![other.skip(1)]);
    assert!(!other.core.turn_died, "nothing was proposed");
}

#[test]
fn a_quorum_suffices_once_more_than_half_of_k_is_outstanding() {
    for (below, carried) in [(3, false), (4, true)] {
        let mut rig = Rig::with(4, 3, |config: &mut Config| config.params.k = 8);
        rig.advance(100_000);
        let mut parent = rig.genesis.clone();
        for at in 1..=below {
            let made = rig.block(&parent, 0, &[(0, at)]);
            rig.core.chain.add_orphan(made.id(), made.block.clone());
            rig.hear_certificates(vec![rig.finalization(at, made.id())]);
            rig.execute(&made.block);
            parent = made;
        }
        for from in [0, 1].map(ValidatorIndex::new) {
            rig.step(Input::Reported { from, executed: Height::new(below) });
        }
        rig.work(&[(1, 1)], &[(1, 1)]);
        let turn = if below == 3 { 4 } else { 8 };
        rig.hear_certificates(rig.skips(below + 1..=turn - 1));
        rig.advance(5_000);
        let lanes = vec![tip(1, 1)];
        let out = rig.step(Input::Built { view: View::new(turn), parent: parent.id(), lanes });
        let proposals = proposals_sent(&out);
        assert_eq!(!proposals[0].block.body.results.is_empty(), carried, "{below} outstanding below");
    }
}
