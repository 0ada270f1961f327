//! Judging what a block orders, and fetching what is missing of it.

use althing_types::{LaneTip, ValidatorIndex};

use super::rig::{
    Ask, DELTA, Rig, answered, block_id, bottom, check, config, height, questions, run, signed_batch, words,
};
use crate::{CheckedBatch, Input, Output, Range, check_batch};
use althing_types::DataJudgement::{Invalid, Valid, Wait};

/// A batch arrives from somebody who does not own its lane.
fn relay(rig: &mut Rig, from: u16, batch: &CheckedBatch) -> Vec<Output> {
    rig.step(Input::Batch { from: ValidatorIndex::new(from), batch: batch.clone() })
}

#[test]
fn a_block_without_batches_is_valid() {
    assert_eq!(words(&Rig::new(0).judge(1, 1, &[])), vec![Valid]);
}

#[test]
fn a_block_is_valid_once_all_its_batches_are_durable() {
    let mut rig = Rig::new(0);
    rig.slow_disk = true;
    let lane = run(bottom(2), 2, 0);
    rig.receive(&lane[0]);
    assert_eq!(words(&rig.judge(1, 1, &[lane[1].tip()])), vec![Wait]);
    assert_eq!(words(&rig.sync()), vec![]);
    assert_eq!(words(&rig.receive(&lane[1])), vec![], "it is here, but not durable");
    assert_eq!(words(&rig.sync()), vec![Valid]);
    assert_eq!(words(&rig.judge(1, 1, &[lane[1].tip()])), vec![Valid], "asked again, it says so again");
}

#[test]
fn a_block_is_judged_from_its_parents_cut() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    let above = |rig: &mut Rig, at: u64, cut: LaneTip| words(&rig.judge_above(at, 1, &[lane[2].tip()], &[cut]));
    assert_eq!(above(&mut rig, 1, lane[1].tip()), vec![Valid]);
    assert_eq!(above(&mut rig, 2, run(bottom(2), 2, 1)[1].tip()), vec![Invalid], "linked to another tip");
    assert_eq!(above(&mut rig, 3, lane[2].tip()), vec![Invalid], "does not advance");
    let batches = rig.mempool.batches_for(&[lane[2].tip()], &[lane[0].tip()]).expect("all here");
    assert_eq!(batches.iter().map(|batch| batch.tip().seq).collect::<Vec<_>>(), vec![2, 3]);
}

#[test]
fn what_cannot_be_in_any_block_is_invalid_without_a_question() {
    let mut rig = Rig::new(0);
    let tip = run(bottom(2), 1, 0)[0].tip();
    assert_eq!(words(&rig.judge(1, 1, &[LaneTip { lane: 4, ..tip }])), vec![Invalid], "no such lane");
    assert_eq!(words(&rig.judge(2, 1, &[LaneTip { seq: 20_001, ..tip }])), vec![Invalid], "more than the cap");
    assert_eq!(words(&rig.judge(3, 1, &[LaneTip { seq: u64::MAX, ..tip }])), vec![Invalid]);
    assert_eq!(questions(&rig.wait(4 * DELTA)), vec![]);
}

#[test]
fn a_block_beyond_the_caps_is_invalid_and_one_at_the_caps_is_valid() {
    let mut config = config(4, 0);
    config.params.limits.block_gas_max = 400_000;
    let limits = config.params.limits;
    let mut rig = Rig::with(config);
    let mut tip = bottom(2);
    let lane: Vec<CheckedBatch> = (0..5)
        .map(|salt| {
            let ask = Ask { gas_limit: 100_000, ..Ask::expiring(1, salt) };
            let signed = signed_batch(4, 2, tip, &[ask]).into();
            let batch = check_batch(signed, &rig.config.committee, &limits, &althing_types::Ed25519).expect("a share");
            tip = batch.tip();
            batch
        })
        .collect();
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    let word = words(&rig.judge(1, 1, &[lane[3].tip()]));
    assert_eq!(word, vec![Valid], "what others leave of their shares one lane may take");
    assert_eq!(words(&rig.judge(2, 1, &[lane[4].tip()])), vec![Invalid]);
}

#[test]
fn an_invalid_batch_makes_the_block_that_names_it_invalid() {
    let mut rig = Rig::new(0);
    let bad = signed_batch(4, 2, bottom(2), &[Ask::expiring(1, 1), Ask::expiring(1, 1)]);
    let tip = LaneTip { lane: 2, seq: 1, tip: bad.batch.digest() };
    assert_eq!(words(&rig.judge(1, 1, &[tip])), vec![Wait]);
    let rejected = check(4, bad).expect_err("one transaction stands twice");
    let out = rig.step(Input::Rejected { from: ValidatorIndex::new(1), rejected });
    assert_eq!(words(&out), vec![Invalid]);
    assert_eq!(questions(&rig.wait(8 * DELTA)), vec![], "there is nothing left to ask for");
}

#[test]
fn a_batch_in_another_place_than_the_block_says_makes_it_invalid() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    for (at, wrong) in [LaneTip { seq: 2, ..lane[0].tip() }, LaneTip { lane: 3, ..lane[0].tip() }].iter().enumerate() {
        let mut rig = rig.clone();
        assert_eq!(words(&rig.judge(at as u64, 1, &[*wrong])), vec![Wait]);
        assert_eq!(words(&relay(&mut rig, 1, &lane[0])), vec![Invalid]);
    }
    rig.judge(1, 1, &[lane[0].tip()]);
    assert_eq!(words(&relay(&mut rig, 1, &lane[0])), vec![Valid]);
}

#[test]
fn missing_batches_are_asked_from_the_proposer_then_the_owner_then_the_others() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    let range = Range { lane: 2, first: 1, last: 3, tip: lane[2].tip().tip };
    let out = rig.judge(1, 1, &[lane[2].tip()]);
    assert_eq!(questions(&out), vec![], "the batch may be on its way");
    assert_eq!(questions(&rig.wait(DELTA / 8)), vec![(1, range)]);
    assert_eq!(questions(&rig.wait(DELTA / 2)), vec![(2, range)]);
    assert_eq!(questions(&rig.wait(DELTA / 2)), vec![(3, range)]);
    assert_eq!(questions(&rig.wait(DELTA / 2)), vec![(1, range)]);
    rig.step(Input::Peer { index: ValidatorIndex::new(2), connected: false });
    let asked: Vec<u16> = questions(&rig.wait(2 * DELTA)).into_iter().map(|(peer, _)| peer).collect();
    assert_eq!(asked, vec![1, 3, 1, 3], "only those who can be reached");
}

/// The caller is to check a batch, and has not done it yet.
fn begin(rig: &mut Rig, from: u16, batch: &CheckedBatch) -> bool {
    rig.mempool.begin_check(ValidatorIndex::new(from), batch.signed())
}

#[test]
fn a_copy_of_the_same_sender_is_not_checked_while_the_first_is() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    assert!(begin(&mut rig, 2, &lane[0]));
    assert!(!begin(&mut rig, 2, &lane[0]), "it would stand behind the first");
    assert!(begin(&mut rig, 3, &lane[0]), "who has a long queue must not hold it up");
    assert!(begin(&mut rig, 2, &run(bottom(2), 1, 1)[0]), "another batch for the same place");
    relay(&mut rig, 3, &lane[0]);
    assert!(!begin(&mut rig, 2, &lane[0]), "the first is still being checked");
    relay(&mut rig, 2, &lane[0]);
    assert!(begin(&mut rig, 2, &lane[0]), "nothing is remembered of a check that ended");
}

#[test]
fn what_is_being_checked_is_not_asked_for_unless_it_takes_long_or_fails() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    let range = |first| Range { lane: 2, first, last: 3, tip: lane[2].tip().tip };
    rig.judge(1, 1, &[lane[2].tip()]);
    assert!(begin(&mut rig, 2, &lane[2]));
    assert_eq!(questions(&rig.wait(DELTA - 1)), vec![]);
    assert_eq!(questions(&rig.wait(DELTA / 2)), vec![(1, range(1))], "it takes long");
    assert_eq!(questions(&rig.wait(DELTA / 2)), vec![(3, range(1))], "its owner sent it, and could only send it again");
    assert_eq!(questions(&rig.wait(DELTA / 2)), vec![(1, range(1))]);

    let mut rig = Rig::new(0);
    let mut forged = lane[2].signed().as_ref().clone();
    forged.signature = lane[1].signed().signature;
    let forged = check(4, forged).expect_err("nobody signed it");
    rig.judge(1, 1, &[lane[2].tip()]);
    assert!(rig.mempool.begin_check(ValidatorIndex::new(2), forged.signed()));
    rig.wait(DELTA / 4);
    rig.step(Input::Rejected { from: ValidatorIndex::new(2), rejected: forged });
    assert_eq!(questions(&rig.wait(DELTA / 2)), vec![(1, range(1))], "it fails");
}

#[test]
fn whoever_keeps_sending_copies_cannot_hold_a_fetch_back() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    rig.judge(1, 1, &[lane[0].tip()]);
    let asked: Vec<u16> = (1..12)
        .flat_map(|salt| {
            let junk = run(bottom(2), 1, salt).remove(0);
            assert!(begin(&mut rig, 3, &junk));
            let out = rig.wait(DELTA / 8);
            relay(&mut rig, 3, &junk);
            questions(&out).into_iter().map(|(peer, _)| peer).collect::<Vec<u16>>()
        })
        .collect();
    assert_eq!(asked, vec![1], "once Δ is over");
}

#[test]
fn different_batches_of_one_sender_for_one_place_are_not_remembered_without_end() {
    let mut rig = Rig::new(0);
    let many: Vec<CheckedBatch> = (0..9).map(|salt| run(bottom(2), 1, salt).remove(0)).collect();
    let mut begun = || many.iter().filter(|batch| begin(&mut rig, 3, batch)).count();
    assert_eq!((begun(), begun()), (9, 7), "two are remembered, and all are checked");
    many.iter().for_each(|batch| drop(relay(&mut rig, 3, batch)));
    assert!(begin(&mut rig, 3, &many[0]));
}

#[test]
fn only_what_lies_above_what_is_being_checked_is_asked_for() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    assert!(begin(&mut rig, 2, &lane[1]));
    rig.judge(1, 1, &[lane[2].tip()]);
    let range = Range { lane: 2, first: 3, last: 3, tip: lane[2].tip().tip };
    assert_eq!(questions(&rig.wait(DELTA / 8)), vec![(1, range)]);
}

#[test]
fn what_was_fetched_is_verified_from_the_tip_down_and_the_rest_is_asked_for() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 4, 0);
    rig.judge(1, 1, &[lane[3].tip()]);
    rig.wait(DELTA / 8);
    relay(&mut rig, 1, &lane[3]);
    relay(&mut rig, 1, &lane[2]);
    let rest = Range { lane: 2, first: 1, last: 2, tip: lane[1].tip().tip };
    assert_eq!(questions(&rig.wait(DELTA / 8)), vec![(1, rest)], "from whom the first part came");
    relay(&mut rig, 1, &lane[1]);
    assert_eq!(words(&relay(&mut rig, 1, &lane[0])), vec![Valid]);
    assert_eq!(rig.mempool.snapshot().lanes[2].durable_seq, 4, "the lane goes on above them");
}

#[test]
fn a_wrong_answer_does_not_take_the_place_of_a_right_one() {
    let mut rig = Rig::new(0);
    let (right, wrong) = (run(bottom(2), 1, 0), run(bottom(2), 1, 1));
    rig.judge(1, 1, &[right[0].tip()]);
    assert_eq!(words(&relay(&mut rig, 1, &wrong[0])), vec![]);
    assert_eq!(words(&relay(&mut rig, 3, &right[0])), vec![Valid], "the other fork came first and is kept beside");
    assert_eq!(rig.mempool.snapshot().lanes[2].durable_seq, 1);
}

#[test]
fn what_a_block_names_is_kept_beyond_the_window() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 300, 0);
    assert_eq!(words(&rig.judge(1, 1, &[lane[299].tip()])), vec![Wait]);
    let words: Vec<_> = lane.iter().rev().flat_map(|batch| words(&relay(&mut rig, 1, batch))).collect();
    assert_eq!(words, vec![Valid]);
}

#[test]
fn only_what_is_on_disk_is_served_from_the_highest_down() {
    let mut rig = Rig::new(0);
    rig.slow_disk = true;
    let lane = run(bottom(2), 3, 0);
    let ask = |rig: &mut Rig, first| {
        let range = Range { lane: 2, first, last: 3, tip: lane[2].tip().tip };
        rig.step(Input::GetBatches { from: ValidatorIndex::new(3), range })
    };
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    assert_eq!(ask(&mut rig, 1), vec![]);
    rig.sync();
    assert_eq!(answered(&ask(&mut rig, 1)), vec![3, 2, 1]);
    assert_eq!(answered(&ask(&mut rig, 3)), vec![3]);
    rig.commit(1, &[lane[2].tip()]);
    assert!(matches!(ask(&mut rig, 1)[..], [Output::Serve { .. }]), "the ledger has them now");
}

#[test]
fn a_peer_that_asks_too_often_is_not_answered() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 1, 0);
    rig.receive(&lane[0]);
    let range = Range { lane: 2, first: 1, last: 1, tip: lane[0].tip().tip };
    let from = ValidatorIndex::new(3);
    let count =
        |rig: &mut Rig| (0..100).map(|_| answered(&rig.step(Input::GetBatches { from, range })).len()).sum::<usize>();
    assert_eq!(count(&mut rig), 32);
    rig.step(Input::Peer { index: from, connected: true });
    assert_eq!(count(&mut rig), 0, "a reconnection buys nothing");
    rig.wait(DELTA);
    assert_eq!(count(&mut rig), 32);
}

#[test]
fn an_answer_fits_one_frame() {
    let mut rig = Rig::new(0);
    let mut tip = bottom(2);
    for batch in 0..4u64 {
        let asks: Vec<Ask> = (0..800).map(|salt| Ask { memo: 200, ..Ask::expiring(1, batch * 1_000 + salt) }).collect();
        let batch = check(4, signed_batch(4, 2, tip, &asks)).expect("a good batch");
        assert!(batch.size().bytes > 300_000, "{}", batch.size().bytes);
        tip = batch.tip();
        rig.receive(&batch);
    }
    let range = Range { lane: 2, first: 1, last: 4, tip: tip.tip };
    let out = rig.step(Input::GetBatches { from: ValidatorIndex::new(3), range });
    let bytes = out.iter().find_map(|output| match output {
        Output::Send { message, .. } => Some(althing_types::encode(message)),
        _ => None,
    });
    let bytes = bytes.expect("an answer");
    assert!(bytes.len() <= crate::FRAME_BYTES_MAX);
    assert!(crate::DataMessage::from_bytes(&bytes).is_ok());
}

#[test]
fn unobtainable_batches_do_not_keep_others_from_being_fetched() {
    let mut rig = Rig::new(0);
    for at in 1..600 {
        rig.judge(at, 1, &[LaneTip { lane: 1, seq: 1, tip: block_id(at) }]);
    }
    rig.wait(DELTA);
    let lane = run(bottom(2), 1, 0);
    rig.judge(600, 1, &[lane[0].tip()]);
    let asked = questions(&rig.wait(2 * DELTA));
    assert!(asked.iter().any(|(_, range)| range.lane == 2), "{}", asked.len());
}

#[test]
fn finality_ends_the_search_for_what_stands_beside_it_and_not_for_what_it_orders() {
    let mut rig = Rig::new(0);
    let (ordered, beside) = (run(bottom(2), 1, 0), run(bottom(3), 1, 0));
    rig.judge(1, 1, &[ordered[0].tip()]);
    let other = crate::Check {
        digest: block_id(77),
        height: height(1),
        proposer: ValidatorIndex::new(1),
        lanes: vec![beside[0].tip()],
        parent_cut: vec![],
    };
    rig.step(Input::Check(other));
    let cut = vec![ordered[0].tip()];
    rig.step(Input::Finalized { digest: block_id(1), height: height(1), cut: cut.clone() });
    let asked = questions(&rig.wait(DELTA));
    assert!(!asked.is_empty() && asked.iter().all(|(_, range)| range.lane == 2));
    assert_eq!(rig.mempool.batches_for(&cut, &[]), None);
    assert_eq!(words(&relay(&mut rig, 1, &ordered[0])), vec![Valid]);
    assert_eq!(rig.mempool.batches_for(&cut, &[]).map(|batches| batches.len()), Some(1));
    rig.commit(1, &cut);
    assert_eq!(rig.mempool.snapshot().held_bytes, 0);
}
