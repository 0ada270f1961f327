//! Choosing the lanes of a block: shares, standing, and what is never extended.

use althing_types::{Ed25519, LaneSeq, LaneTip, ValidatorIndex, View};

use super::rig::{Ask, Rig, block_id, bottom, config, run, signed_batch};
use crate::{Input, Output, Range, check_batch};

/// The lanes of a block above a cut.
fn build(rig: &mut Rig, view: u64, cut: &[LaneTip]) -> Vec<LaneTip> {
    let (view, parent) = (View::new(view), block_id(0));
    let out = rig.step(Input::Build { view, parent, parent_cut: cut.to_vec() });
    let lanes = out.into_iter().find_map(|output| match output {
        Output::Built { view: v, parent: p, lanes } => Some((v, p, lanes)),
        _ => None,
    });
    let lanes = lanes.expect("always an answer");
    assert_eq!((lanes.0, lanes.1), (view, parent));
    lanes.2
}

fn seqs(lanes: &[LaneTip]) -> Vec<(u32, u64)> {
    lanes.iter().map(|tip| (tip.lane, tip.seq)).collect()
}

/// A validator that holds so many batches of each lane, of 100 gas each, in a chain whose blocks hold this much gas.
fn with_gas(block_gas_max: u64, batches: [u64; 4]) -> Rig {
    let mut config = config(4, 0);
    config.params.limits.block_gas_max = block_gas_max;
    let limits = config.params.limits;
    let mut rig = Rig::with(config);
    for lane in 1..4u32 {
        let mut tip = bottom(lane);
        for salt in 0..batches[lane as usize] {
            let ask = Ask { gas_limit: 100, ..Ask::expiring(lane as u16, salt) };
            let signed = signed_batch(4, lane, tip, &[ask]).into();
            let batch = check_batch(signed, &rig.config.committee, &limits, &Ed25519).expect("a good batch");
            tip = batch.tip();
            rig.receive(&batch);
        }
    }
    rig
}

#[test]
fn lanes_get_equal_shares_and_what_is_left_in_their_order() {
    // Caps of 16 batches in all: four for each of four lanes.
    let cases = [
        ([0, 9, 9, 9], vec![(1, 8), (2, 4), (3, 4)], "the unused share of lane 0 goes to lane 1 first"),
        ([0, 5, 9, 9], vec![(1, 5), (2, 7), (3, 4)], "what lane 1 does not need goes on to lane 2"),
        ([0, 1, 1, 30], vec![(1, 1), (2, 1), (3, 14)], "one lane may take all that is left"),
        ([0, 0, 0, 30], vec![(3, 16)], "the whole block"),
        ([0, 4, 4, 4], vec![(1, 4), (2, 4), (3, 4)], "exactly the shares"),
        ([0, 2, 0, 3], vec![(1, 2), (3, 3)], "everything fits"),
    ];
    for (batches, expected, why) in cases {
        let mut rig = with_gas(1_600, batches);
        assert_eq!(seqs(&build(&mut rig, 1, &[])), expected, "{why}");
    }
}

#[test]
fn a_share_is_rounded_down_and_a_block_holds_no_more_than_the_shares() {
    let mut rig = with_gas(1_799, [0, 9, 9, 9]);
    assert_eq!(seqs(&build(&mut rig, 1, &[])), vec![(1, 9), (2, 4), (3, 4)], "449 for each, 1,796 in all");
}

#[test]
fn what_is_built_is_what_others_find_valid() {
    for batches in [[0, 9, 9, 9], [0, 1, 30, 2], [0, 0, 0, 30]] {
        let mut rig = with_gas(1_600, batches);
        let lanes = build(&mut rig, 1, &[]);
        let out = rig.judge(1, 0, &lanes);
        assert_eq!(super::rig::words(&out), vec![althing_types::DataJudgement::Valid]);
        let mut more = lanes.clone();
        let place = more.iter().position(|tip| u64::from(tip.seq as u32) < batches[tip.lane as usize]);
        if let Some(place) = place {
            let lane = rig.mempool.lane(more[place].lane).expect("a lane");
            more[place] = LaneTip { tip: lane.digest_at(more[place].seq + 1).expect("held"), ..more[place] };
            more[place].seq += 1;
            assert_eq!(super::rig::words(&rig.judge(2, 0, &more)), vec![althing_types::DataJudgement::Invalid]);
        }
    }
}

#[test]
fn a_block_goes_on_from_its_parents_cut_and_never_below() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    assert_eq!(build(&mut rig, 1, &[lane[1].tip()]), vec![lane[2].tip()]);
    assert_eq!(build(&mut rig, 2, &[lane[2].tip()]), vec![]);
    let fork = run(bottom(2), 2, 1);
    assert_eq!(build(&mut rig, 3, &[fork[1].tip()]), vec![], "the parent holds the other fork");
    rig.commit(1, &[lane[1].tip()]);
    assert_eq!(build(&mut rig, 4, &[lane[0].tip()]), vec![], "a parent below what is final");
    assert_eq!(build(&mut rig, 5, &[lane[1].tip()]), vec![lane[2].tip()]);
}

#[test]
fn only_what_is_durable_is_proposed() {
    let mut rig = Rig::new(0);
    rig.slow_disk = true;
    let lane = run(bottom(2), 1, 0);
    rig.receive(&lane[0]);
    rig.admit(&Ask::expiring(1, 1));
    assert_eq!(build(&mut rig, 1, &[]), vec![]);
    rig.sync();
    assert_eq!(seqs(&build(&mut rig, 1, &[])), vec![(0, 1), (2, 1)]);
}

#[test]
fn a_lane_with_evidence_of_a_fork_is_not_extended() {
    let mut rig = Rig::new(0);
    rig.receive(&run(bottom(2), 1, 0)[0]);
    rig.receive(&run(bottom(2), 1, 1)[0]);
    assert_eq!(build(&mut rig, 1, &[]), vec![]);
}

/// Validators ask for the tip of lane 2.
fn fetched_by(rig: &mut Rig, tip: LaneTip, from: &[u16]) {
    for from in from {
        let range = Range { lane: tip.lane, first: 1, last: tip.seq, tip: tip.tip };
        rig.step(Input::GetBatches { from: ValidatorIndex::new(*from), range });
    }
}

#[test]
fn a_lane_that_others_had_to_fetch_is_demoted_for_twice_as_many_turns_each_time() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    rig.receive(&lane[0]);
    for turns in [2, 4, 8] {
        assert_eq!(build(&mut rig, 1, &[]), vec![lane[0].tip()]);
        fetched_by(&mut rig, lane[0].tip(), &[3, 3, 3]);
        assert_eq!(rig.mempool.snapshot().lanes[2].demoted_turns, 0, "one of four may lie");
        fetched_by(&mut rig, lane[0].tip(), &[1]);
        assert_eq!(rig.mempool.snapshot().lanes[2].demoted_turns, turns);
        for _ in 0..turns {
            assert_eq!(build(&mut rig, 1, &[]), vec![]);
        }
    }
}

#[test]
fn a_demoted_lane_is_extended_by_what_a_quorum_acknowledged() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 2, 0);
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    build(&mut rig, 7, &[]);
    let out = rig.step(Input::ViewDied { view: View::new(7) });
    assert!(out.iter().any(|out| matches!(out, Output::Work(work) if work.lead.is_empty())), "{out:?}");
    rig.ack(2, lane[1].tip());
    let out = rig.ack(3, lane[0].tip());
    let lead = vec![LaneSeq { lane: 2, seq: 1 }];
    assert!(out.iter().any(|out| matches!(out, Output::Work(work) if work.lead == lead)), "{out:?}");
    assert_eq!(build(&mut rig, 8, &[]), vec![lane[0].tip()]);
}

#[test]
fn a_view_that_died_demotes_only_what_it_may_have_waited_for() {
    let mut rig = Rig::new(0);
    let (waited, acknowledged) = (run(bottom(2), 1, 0), run(bottom(3), 1, 0));
    rig.receive(&waited[0]);
    rig.receive(&acknowledged[0]);
    build(&mut rig, 7, &[]);
    rig.ack(1, acknowledged[0].tip());
    rig.ack(3, acknowledged[0].tip());
    rig.step(Input::ViewDied { view: View::new(6) });
    assert_eq!(rig.mempool.snapshot().lanes[2].demoted_turns, 0, "another view");
    rig.step(Input::ViewDied { view: View::new(7) });
    let turns: Vec<u64> = rig.mempool.snapshot().lanes.iter().map(|lane| lane.demoted_turns).collect();
    assert_eq!(turns, vec![0, 0, 2, 0]);
}
