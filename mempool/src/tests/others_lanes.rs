//! Others' lanes: what is kept and acknowledged, what is dropped, and what is evidence.

use althing_types::{Ed25519, Evidence, LaneSeq, LaneTip, List, ValidatorIndex, Work};

use super::rig::{Ask, DELTA, Rig, acked, bottom, check, committee, run, sign_batch, signed_batch};
use crate::{CheckedBatch, Input, LANE_BATCHES_MAX, Output};

fn work(out: &[Output]) -> Option<&Work> {
    out.iter().rev().find_map(|output| match output {
        Output::Work(work) => Some(work),
        _ => None,
    })
}

fn evidence(out: &[Output]) -> Vec<Evidence> {
    let found = out.iter().filter_map(|output| match output {
        Output::Evidence(evidence) => Some(*evidence),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_batch_is_acknowledged_within_5_ms_of_being_durable_and_not_before() {
    let mut rig = Rig::new(0);
    rig.slow_disk = true;
    let lane = run(bottom(2), 1, 0);
    assert!(matches!(rig.receive(&lane[0])[..], [Output::Append { .. }]));
    assert_eq!(acked(&rig.wait(10 * DELTA)), vec![]);
    assert_eq!(acked(&rig.sync()), vec![]);
    assert_eq!(acked(&rig.wait(4_999)), vec![]);
    assert_eq!(acked(&rig.wait(1)), vec![lane[0].tip()]);
}

#[test]
fn an_acknowledgement_names_the_highest_contiguous_batch() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    rig.receive(&lane[2]);
    assert_eq!(acked(&rig.wait(5_000)), vec![]);
    rig.receive(&lane[0]);
    assert_eq!(acked(&rig.wait(5_000)), vec![lane[0].tip()]);
    rig.receive(&lane[1]);
    assert_eq!(acked(&rig.wait(5_000)), vec![lane[2].tip()], "the third waited for the second");
}

#[test]
fn what_was_acknowledged_is_said_again_when_it_comes_again_and_on_connection() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    rig.receive(&lane[0]);
    rig.wait(8 * DELTA);
    rig.receive(&lane[0]);
    assert_eq!(acked(&rig.wait(5_000)), vec![lane[0].tip()]);
    let out = rig.step(Input::Peer { index: ValidatorIndex::new(3), connected: true });
    assert_eq!(acked(&out), vec![lane[0].tip()]);
}

#[test]
fn an_acknowledgement_is_repeated_once_at_rest() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    rig.receive(&lane[0]);
    rig.wait(5_000);
    assert_eq!(acked(&rig.wait(4 * DELTA)), vec![lane[0].tip()]);
    assert_eq!(acked(&rig.wait(40 * DELTA)), vec![]);
}

#[test]
fn two_batches_for_one_place_are_evidence_and_the_first_is_kept() {
    let mut rig = Rig::new(0);
    let (first, second) = (run(bottom(2), 2, 0), run(bottom(2), 2, 1));
    rig.receive(&first[0]);
    let out = rig.receive(&second[0]);
    let found = evidence(&out);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].verify(&Ed25519, &committee(4)), Ok(()));
    assert_eq!(found[0].culprit(), ValidatorIndex::new(2));
    assert_eq!(work(&out), Some(&Work::default()), "nobody extends the lane any more");
    assert_eq!(evidence(&rig.receive(&second[0])), vec![], "once is enough");
    rig.receive(&second[1]);
    rig.receive(&first[1]);
    assert_eq!(acked(&rig.wait(5_000)), vec![first[1].tip()], "what came first is still acknowledged");
}

#[test]
fn two_batches_for_one_place_are_evidence_while_they_wait_for_their_predecessor() {
    let mut rig = Rig::new(0);
    let (first, second) = (run(bottom(2), 2, 0), run(bottom(2), 2, 1));
    rig.receive(&first[1]);
    assert_eq!(evidence(&rig.receive(&second[1])).len(), 1);
}

#[test]
fn a_batch_is_checked_only_where_that_can_be_of_use() {
    let mut rig = Rig::new(0);
    let window = 2 * LANE_BATCHES_MAX;
    let (lane, fork) = (run(bottom(2), window + 2, 0), run(bottom(2), 3, 1));
    let worth = |rig: &Rig, batch: &CheckedBatch| rig.mempool.is_worth_checking(batch.signed());
    assert!(worth(&rig, &lane[0]) && worth(&rig, &lane[1]), "what is new and within the window");
    rig.receive(&lane[0]);
    rig.receive(&lane[2]);
    assert!(!worth(&rig, &lane[0]), "what is kept");
    assert!(!worth(&rig, &lane[2]), "what waits for its predecessor");
    assert!(!worth(&rig, &lane[window as usize]), "what is beyond the window");
    assert!(worth(&rig, &fork[0]) && worth(&rig, &fork[2]), "what is evidence");
    rig.receive(&fork[0]);
    assert!(!worth(&rig, &fork[0]) && !worth(&rig, &fork[2]), "evidence that is not needed any more");
    rig.judge(1, 1, &[fork[1].tip()]);
    assert!(worth(&rig, &fork[1]), "what a block names");
    rig.judge(2, 1, &[lane[2].tip()]);
    assert!(worth(&rig, &lane[2]), "what waits, and a block names it");
    rig.commit(1, &[lane[0].tip()]);
    assert!(!worth(&rig, &lane[0]) && !worth(&rig, &fork[0]), "what is committed");
    let ours = run(bottom(0), 1, 0);
    assert!(worth(&rig, &ours[0]), "what shows that our log was lost");
}

#[test]
fn a_batch_that_does_not_link_is_dropped() {
    let mut rig = Rig::new(0);
    let (first, second) = (run(bottom(2), 2, 0), run(bottom(2), 2, 1));
    rig.receive(&first[0]);
    let out = rig.receive(&second[1]);
    assert!(!out.iter().any(|output| matches!(output, Output::Append { .. })));
    assert!(!rig.receive(&first[1]).is_empty(), "it does not stand in the way of the one that links");
    assert_eq!(acked(&rig.wait(5_000)), vec![first[1].tip()]);
}

#[test]
fn a_receivers_window_is_twice_the_owners_and_moves_with_finality() {
    let mut rig = Rig::new(0);
    let window = 2 * LANE_BATCHES_MAX;
    let lane = run(bottom(2), window + 2, 0);
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    assert_eq!(acked(&rig.wait(5_000)), vec![lane[window as usize - 1].tip()]);
    rig.commit(1, &[lane[0].tip()]);
    rig.receive(&lane[window as usize]);
    rig.receive(&lane[window as usize + 1]);
    assert_eq!(acked(&rig.wait(5_000)), vec![lane[window as usize].tip()]);
}

#[test]
fn a_receivers_window_moves_with_blocks_that_are_valid() {
    let mut rig = Rig::new(0);
    let window = 2 * LANE_BATCHES_MAX;
    let lane = run(bottom(2), window + 1, 0);
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    rig.judge(1, 1, &[lane[9].tip()]);
    rig.receive(&lane[window as usize]);
    assert_eq!(acked(&rig.wait(5_000)), vec![lane[window as usize].tip()]);
}

#[test]
fn a_batch_that_its_owner_signed_and_that_is_invalid_taints_the_lane() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    rig.receive(&lane[0]);
    let twice = signed_batch(4, 2, lane[0].tip(), &[Ask::expiring(1, 1), Ask::expiring(1, 1)]);
    let (owner, relay) = (ValidatorIndex::new(2), ValidatorIndex::new(1));
    let rejected = check(4, twice).expect_err("one transaction stands twice");
    let out = rig.step(Input::Rejected { from: relay, rejected });
    assert!(matches!(out[0], Output::Misbehaved { peer, .. } if peer == owner));
    assert_eq!(work(&out), Some(&Work::default()));

    let mut forged = signed_batch(4, 3, bottom(3), &[Ask::expiring(1, 1)]);
    forged.signature = lane[0].signed().signature;
    let rejected = check(4, forged).expect_err("not signed");
    let out = rig.step(Input::Rejected { from: relay, rejected });
    assert!(matches!(out[..], [Output::Misbehaved { peer, .. }] if peer == relay), "{out:?}");
}

#[test]
fn work_names_what_a_leader_would_include_and_what_a_quorum_holds() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    let seq = |seq| LaneSeq { lane: 2, seq };
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    rig.ack(1, lane[1].tip());
    let out = rig.ack(2, lane[2].tip());
    assert_eq!(work(&out), Some(&Work { lead: vec![seq(3)], timer: vec![seq(2)] }));
    assert_eq!(work(&rig.ack(3, lane[0].tip())), None, "a lower word changes nothing");
    rig.ack(3, LaneTip { seq: 9, ..lane[0].tip() });
    assert_eq!(rig.mempool.snapshot().lanes[2].quorum_seq, 2, "an unknown tip counts as far as it was known");
}

#[test]
fn an_acknowledgement_that_is_ahead_counts_once_its_batch_is_here() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 2, 0);
    rig.ack(1, lane[1].tip());
    rig.ack(3, lane[1].tip());
    rig.receive(&lane[0]);
    assert_eq!(rig.mempool.snapshot().lanes[2].quorum_seq, 0);
    let out = rig.receive(&lane[1]);
    assert_eq!(work(&out).map(|work| work.timer.clone()), Some(vec![LaneSeq { lane: 2, seq: 2 }]));
}

#[test]
fn after_finality_the_other_fork_can_be_the_lane() {
    let mut rig = Rig::new(0);
    let (first, second) = (run(bottom(2), 2, 0), run(bottom(2), 3, 1));
    first.iter().for_each(|batch| drop(rig.receive(batch)));
    rig.commit(1, &[second[1].tip()]);
    rig.receive(&second[2]);
    assert_eq!(acked(&rig.wait(5_000)), vec![second[2].tip()]);
}

#[test]
fn nothing_is_acknowledged_above_final_batches_that_are_missing() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    let cut = vec![lane[1].tip()];
    rig.step(Input::Finalized { digest: super::rig::block_id(1), height: super::rig::height(1), cut: cut.clone() });
    rig.receive(&lane[2]);
    assert_eq!(acked(&rig.wait(5_000)), vec![], "two batches below are missing here (D5)");
    rig.commit(1, &cut);
    assert_eq!(acked(&rig.wait(5_000)), vec![lane[2].tip()]);
}

#[test]
fn lanes_are_pruned_when_the_ledger_has_them_and_for_no_other_reason() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 2, 0);
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    let parts = |rig: &Rig| rig.mempool.batches_for(&[lane[1].tip()], &[]).map(|batches| batches.len());
    rig.judge(1, 2, &[lane[1].tip()]);
    assert_eq!(parts(&rig), Some(2), "proposed");
    let cut = vec![lane[1].tip()];
    rig.step(Input::Finalized { digest: super::rig::block_id(1), height: super::rig::height(1), cut: cut.clone() });
    assert_eq!(parts(&rig), Some(2), "final");
    rig.commit(1, &cut);
    assert_eq!(parts(&rig), None, "committed");
    assert_eq!(rig.mempool.snapshot().held_bytes, 0);
}

/// Not everybody sees an invalid batch, and nothing proves it to the others: what a quorum holds is work for them, so it is
/// taken by those who saw it as well, and nothing beyond it (seed 928).
#[test]
fn of_a_lane_with_an_invalid_batch_a_leader_takes_what_a_quorum_holds_and_no_more() {
    let mut rig = Rig::new(2);
    let lane: Vec<CheckedBatch> = run(bottom(0), 2, 0);
    rig.receive(&lane[0]);
    rig.receive(&lane[1]);
    let batch = &run(bottom(0), 3, 7)[2];
    let mut twice = batch.batch().clone();
    let transaction = twice.transactions.first().expect("it has one").clone();
    twice.transactions = List::truncated(vec![transaction.clone(), transaction]);
    let rejected = check(4, sign_batch(4, twice)).expect_err("one transaction stands twice");
    let out = rig.step(Input::Rejected { from: ValidatorIndex::new(0), rejected });
    assert_eq!(work(&out).map(|work| work.lead.clone()), Some(vec![]), "nobody else holds it");
    let mut out = rig.ack(0, lane[0].tip());
    for from in [1, 3] {
        out.extend(rig.ack(from, lane[0].tip()));
    }
    let first = vec![LaneSeq { lane: 0, seq: 1 }];
    assert_eq!(work(&out).map(|work| (work.lead.clone(), work.timer.clone())), Some((first.clone(), first)));
}

/// Some saw the fork of the lane and some did not: what no leader proposes must be nobody's work (seed 100043).
#[test]
fn the_lane_of_an_accused_validator_is_nobodys_work() {
    let mut rig = Rig::new(2);
    let lane: Vec<CheckedBatch> = run(bottom(0), 1, 0);
    rig.receive(&lane[0]);
    let mut out = rig.ack(0, lane[0].tip());
    for from in [1, 3] {
        out.extend(rig.ack(from, lane[0].tip()));
    }
    let is_work = |out: &[Output]| work(out).map(|work| !work.timer.is_empty());
    assert_eq!(is_work(&out), Some(true), "{out:?}");
    let out = rig.step(Input::Accused(vec![ValidatorIndex::new(0)]));
    assert_eq!(is_work(&out), Some(false), "{out:?}");
}

#[test]
fn a_validator_that_is_accused_itself_falls_silent() {
    let mut rig = Rig::new(2);
    let out = rig.step(Input::Accused(vec![ValidatorIndex::new(2)]));
    assert!(out.iter().any(|output| matches!(output, Output::Silent)), "{out:?}");
    let out = rig.admit(&Ask::expiring(1, 1));
    assert!(matches!(out[..], [Output::Refused { error: crate::AdmitError::Silent, .. }]));
}

#[test]
fn a_batch_of_our_own_that_we_do_not_have_silences_us() {
    let mut rig = Rig::new(2);
    let lane: Vec<CheckedBatch> = run(bottom(2), 1, 0);
    let out = rig.step(Input::Batch { from: ValidatorIndex::new(1), batch: lane[0].clone() });
    assert!(matches!(out[..], [Output::Silent]), "{out:?}");
    let out = rig.admit(&Ask::expiring(1, 1));
    assert!(matches!(out[..], [Output::Refused { error: crate::AdmitError::Silent, .. }]));
}

#[test]
fn more_peers_than_can_be_faulty_can_tell_us_that_we_lost_batches() {
    let mut rig = Rig::new(2);
    rig.admit(&Ask::expiring(1, 1));
    let ahead = LaneTip { seq: 2, ..rig.own_tip() };
    assert!(!rig.ack(0, ahead).contains(&Output::Silent), "one may lie");
    assert!(rig.ack(1, ahead).contains(&Output::Silent));
}

#[test]
fn a_batch_for_another_epoch_or_lane_is_nobodys_or_the_messengers_fault() {
    let mut rig = Rig::new(0);
    let mut other = signed_batch(4, 2, bottom(2), &[Ask::expiring(1, 1)]).batch;
    other.epoch = althing_types::Epoch::new(1);
    let rejected = check(4, sign_batch(4, other)).expect_err("of another epoch");
    assert_eq!(rig.step(Input::Rejected { from: ValidatorIndex::new(1), rejected }), vec![]);
}
