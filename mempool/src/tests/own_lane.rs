//! Our own lane: when batches are cut, when they leave, and how far ahead of finality they may be.

use althing_types::{LaneTip, TimeMs, ValidatorIndex};

use super::rig::{Ask, DELTA, Rig, answered, config, sent_batches};
use crate::{AdmitError, DropReason, Input, Known, LANE_BATCHES_MAX, NextSequence, Output, Share};

fn appended(out: &[Output]) -> usize {
    out.iter().filter(|output| matches!(output, Output::Append { .. })).count()
}

/// Everybody acknowledges our tip.
fn ack_all(rig: &mut Rig) -> Vec<Output> {
    let tip = rig.own_tip();
    (1..4).flat_map(|from| rig.ack(from, tip)).collect()
}

#[test]
fn a_batch_leaves_only_when_it_is_durable() {
    let mut rig = Rig::new(0);
    rig.slow_disk = true;
    let out = rig.admit(&Ask::expiring(1, 1));
    assert_eq!((appended(&out), sent_batches(&out)), (1, vec![]));
    assert!(!out.iter().any(|output| matches!(output, Output::Accepted { .. } | Output::Work(_))));
    assert_eq!(sent_batches(&rig.wait(20 * DELTA)), vec![]);
    let out = rig.sync();
    assert_eq!(sent_batches(&out), vec![(vec![1, 2, 3], 1)]);
    assert!(out.iter().any(|output| matches!(output, Output::Accepted { seq: 1, ids } if ids.len() == 1)));
}

#[test]
fn a_snapshot_says_who_holds_our_newest_batch_and_whether_it_is_durable_here() {
    let mut rig = Rig::new(0);
    rig.slow_disk = true;
    rig.admit(&Ask::expiring(1, 1));
    let before = rig.mempool.snapshot();
    assert_eq!((before.own_seq, before.own_acks), (1, vec![0; 4]));
    assert!(before.is_unsynced && !before.is_window_full);
    rig.sync();
    let tip = rig.own_tip();
    rig.ack(2, tip);
    let after = rig.mempool.snapshot();
    assert_eq!((after.own_seq, after.own_acks, after.is_unsynced), (1, vec![1, 0, 1, 0], false));
}

#[test]
fn a_batch_is_cut_at_once_when_all_before_it_is_acknowledged_by_a_quorum() {
    let mut rig = Rig::new(0);
    assert_eq!(appended(&rig.admit(&Ask::expiring(1, 1))), 1);
    assert_eq!(appended(&rig.admit(&Ask::expiring(1, 2))), 0, "the first is not acknowledged");
    let tip = rig.own_tip();
    assert_eq!(appended(&rig.ack(1, tip)), 0, "two of four are no quorum");
    assert_eq!(appended(&rig.ack(1, tip)), 0, "one validator counts once");
    assert_eq!(appended(&rig.ack(2, tip)), 1);
}

#[test]
fn acknowledgements_of_another_digest_do_not_count() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let other = LaneTip { tip: super::rig::block_id(9), ..rig.own_tip() };
    rig.ack(1, other);
    rig.ack(2, other);
    assert_eq!(appended(&rig.admit(&Ask::expiring(1, 2))), 0);
}

#[test]
fn a_full_batch_does_not_wait_for_acknowledgements() {
    let mut config = config(4, 0);
    config.params.limits.block_transactions_max = 40;
    let mut rig = Rig::with(config);
    assert_eq!(appended(&rig.admit(&Ask::expiring(1, 0))), 1);
    for salt in 1..10 {
        assert_eq!(appended(&rig.admit(&Ask::expiring(1, salt))), 0);
    }
    assert_eq!(appended(&rig.admit(&Ask::expiring(1, 10))), 1, "a lane's share is ten transactions");
    assert_eq!(rig.mempool.snapshot().pool_count, 0);
}

#[test]
fn a_single_validator_acknowledges_itself() {
    let mut rig = Rig::with(config(1, 0));
    rig.slow_disk = true;
    assert_eq!(appended(&rig.admit(&Ask::expiring(1, 1))), 1);
    assert_eq!(appended(&rig.admit(&Ask::expiring(1, 2))), 0);
    assert_eq!(appended(&rig.sync()), 1);
}

#[test]
fn a_lane_stays_within_its_window_and_then_names_itself_busy() {
    let mut rig = Rig::new(0);
    for salt in 0..LANE_BATCHES_MAX {
        assert_eq!(appended(&rig.admit(&Ask::expiring(1, salt))), 1, "{salt}");
        ack_all(&mut rig);
    }
    assert!(rig.mempool.snapshot().is_window_full);
    let out = rig.admit(&Ask::expiring(1, 1_000));
    assert!(matches!(out[..], [Output::Admitted { .. }]), "the pool still takes transactions: {out:?}");
    let tip = rig.own_tip();
    assert_eq!(tip.seq, LANE_BATCHES_MAX);
    assert_eq!(appended(&rig.commit(1, &[tip])), 1, "finality makes room");
}

#[test]
fn a_transaction_that_is_here_is_known_by_its_place() {
    let mut rig = Rig::new(0);
    let known = |out: Vec<Output>| match out[0] {
        Output::Known { at, .. } => Some(at),
        _ => None,
    };
    rig.admit(&Ask::expiring(1, 1));
    assert_eq!(known(rig.admit(&Ask::expiring(1, 1))), Some(Known::Batched { seq: 1 }));
    rig.admit(&Ask::expiring(1, 2));
    assert_eq!(known(rig.admit(&Ask::expiring(1, 2))), Some(Known::Pooled));
    let tip = rig.own_tip();
    rig.step(Input::Finalized { digest: super::rig::block_id(1), height: super::rig::height(1), cut: vec![tip] });
    assert_eq!(known(rig.admit(&Ask::expiring(1, 1))), Some(Known::Batched { seq: 1 }), "final, but not executed");
    rig.commit(1, &[tip]);
    assert_eq!(known(rig.admit(&Ask::expiring(1, 1))), None);
}

#[test]
fn what_is_not_acknowledged_is_sent_again_after_4_delta_and_on_reconnection() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let tip = rig.own_tip();
    rig.ack(1, tip);
    assert_eq!(sent_batches(&rig.wait(4 * DELTA - 1)), vec![]);
    assert_eq!(sent_batches(&rig.wait(1)), vec![(vec![2, 3], 1)]);
    rig.step(Input::Peer { index: ValidatorIndex::new(3), connected: false });
    assert_eq!(sent_batches(&rig.wait(8 * DELTA - 1)), vec![], "who is slow is given more time");
    assert_eq!(sent_batches(&rig.wait(1)), vec![(vec![2], 1)], "nothing goes where nobody is");
    let out = rig.step(Input::Peer { index: ValidatorIndex::new(3), connected: true });
    assert_eq!(sent_batches(&out), vec![(vec![3], 1)]);
    let out = rig.step(Input::Peer { index: ValidatorIndex::new(1), connected: true });
    assert_eq!(sent_batches(&out), vec![], "from the first that is not acknowledged");
}

#[test]
fn the_time_to_the_next_repetition_doubles_up_to_64_delta_until_there_is_progress() {
    let mut rig = Rig::new(0);
    let first = {
        rig.admit(&Ask::expiring(1, 1));
        rig.own_tip()
    };
    for deltas in [4, 8, 16, 32, 64, 64] {
        assert_eq!(sent_batches(&rig.wait(deltas * DELTA - 1)), vec![]);
        assert_eq!(sent_batches(&rig.wait(1)), vec![(vec![1, 2, 3], 1)], "after {deltas} Δ");
    }
    [1, 2].into_iter().for_each(|from| drop(rig.ack(from, first)));
    rig.admit(&Ask::expiring(1, 2));
    let second = rig.own_tip();
    assert_eq!(second.seq, 2);
    rig.wait(2 * DELTA);
    rig.ack(1, first);
    let out = rig.wait(2 * DELTA);
    assert_eq!(sent_batches(&out), vec![(vec![1, 2], 2)], "4 Δ after it was sent, whatever is repeated meanwhile");
}

#[test]
fn who_acknowledges_more_and_not_all_is_waited_for_as_at_first() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let first = rig.own_tip();
    [1, 2].into_iter().for_each(|from| drop(rig.ack(from, first)));
    assert_eq!(sent_batches(&rig.wait(12 * DELTA)), vec![(vec![3], 1), (vec![3], 1)], "after 4 Δ and 8 Δ");
    rig.admit(&Ask::expiring(1, 2));
    let second = rig.own_tip();
    [1, 2].into_iter().for_each(|from| drop(rig.ack(from, second)));
    rig.ack(3, first);
    assert_eq!(sent_batches(&rig.wait(4 * DELTA - 1)), vec![]);
    assert_eq!(sent_batches(&rig.wait(1)), vec![(vec![3], 2)]);
}

#[test]
fn a_peer_that_does_not_keep_up_is_not_flooded() {
    let mut rig = Rig::new(0);
    rig.step(Input::Peer { index: ValidatorIndex::new(3), connected: false });
    for salt in 0..30 {
        for sender in 0..300 {
            rig.admit(&Ask { memo: 200, ..Ask::expiring(sender, salt) });
        }
        let tip = rig.own_tip();
        rig.ack(1, tip);
        rig.ack(2, tip);
    }
    let behind = rig.mempool.snapshot().own_bytes;
    assert!(behind > 3 << 20, "{behind}");
    let out = rig.step(Input::Peer { index: ValidatorIndex::new(3), connected: true });
    let first = sent_batches(&out);
    assert!(!first.is_empty() && (first.len() as u64) < rig.own_tip().seq);
    let (_, last) = first[first.len() - 1];
    let digest = rig.mempool.own().expect("a lane").digest_at(last).expect("sent");
    let out = rig.ack(3, LaneTip { lane: 0, seq: last, tip: digest });
    assert_eq!(sent_batches(&out)[0].1, last + 1, "acknowledgements draw what follows");
}

#[test]
fn a_leader_is_sent_what_its_acknowledgements_lack() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let first = rig.own_tip();
    rig.ack(1, first);
    rig.ack(2, first);
    rig.admit(&Ask::expiring(1, 2));
    assert_eq!(answered(&rig.step(Input::Hint { leader: ValidatorIndex::new(1) })), vec![2]);
    assert_eq!(answered(&rig.step(Input::Hint { leader: ValidatorIndex::new(3) })), vec![1, 2]);
    assert_eq!(answered(&rig.step(Input::Hint { leader: ValidatorIndex::new(0) })), vec![]);
}

#[test]
fn transactions_whose_time_is_over_are_dropped_before_they_leave() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    rig.admit(&Ask::expiring(1, 2));
    let tip = rig.own_tip();
    rig.wall = TimeMs::new(super::rig::WALL_MS + 60_001);
    let out = rig.ack(1, tip);
    assert!(
        out.iter().any(|out| matches!(out, Output::Dropped { reason: DropReason::Expired, ids } if ids.len() == 1))
    );
    assert_eq!(appended(&rig.ack(2, tip)), 0);
}

#[test]
fn numbered_transactions_leave_in_order_and_wait_for_gaps() {
    let mut rig = Rig::new(0);
    assert_eq!(appended(&rig.admit(&Ask::numbered(1, 2))), 0, "number 1 is missing");
    let pool = rig.mempool.snapshot();
    assert_eq!((pool.pool_count, pool.ready_count), (1, 0), "what waits for another number is no work");
    let out = rig.admit(&Ask::numbered(1, 1));
    let leaving = out.iter().find_map(|output| match output {
        Output::Accepted { ids, .. } => Some(ids.to_vec()),
        _ => None,
    });
    let id = |seq| Ask::numbered(1, seq).verified().id();
    assert_eq!(leaving, Some(vec![id(1), id(2)]));
    let out = rig.admit(&Ask { gas_limit: 31_000, ..Ask::numbered(1, 2) });
    assert!(matches!(out[0], Output::Refused { error: AdmitError::SequenceUsed { given: 2, next: 3 }, .. }));
}

#[test]
fn a_number_that_another_lane_used_up_drops_what_waited_with_it() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::numbered(1, 2));
    rig.admit(&Ask::numbered(1, 3));
    let sender = Ask::numbered(1, 2).verified().body().sender;
    let sequences = vec![NextSequence { sender, lane: 0, next: 3 }];
    let out = rig.step(Input::Committed { height: super::rig::height(1), cut: vec![], decided: vec![], sequences });
    assert!(out.iter().any(|output| matches!(output, Output::Dropped { reason: DropReason::SequenceUsed, .. })));
    assert_eq!(appended(&out), 1, "number 3 is next");
}

#[test]
fn a_transaction_that_another_lane_brought_leaves_the_pool() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    rig.admit(&Ask::expiring(1, 2));
    let decided = vec![Ask::expiring(1, 2).verified().id()];
    let out = rig.step(Input::Committed { height: super::rig::height(1), cut: vec![], decided, sequences: vec![] });
    assert!(out.iter().any(|output| matches!(output, Output::Dropped { reason: DropReason::Decided, .. })));
    assert_eq!(rig.mempool.snapshot().pool_count, 0);
}

#[test]
fn nothing_waits_when_there_is_nothing_to_do() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    ack_all(&mut rig);
    let tip = rig.own_tip();
    rig.commit(1, &[tip]);
    rig.wait(8 * DELTA);
    assert_eq!(rig.mempool.deadline(), None);
}

#[test]
fn every_batch_of_ours_fits_a_lanes_share() {
    let share = Share::of(&config(4, 0).params.limits, 4);
    assert_eq!(share, Share { bytes: 1 << 20, transactions: 5_000, gas: 125_000_000 });
    let mut rig = Rig::new(0);
    for salt in 0..40 {
        for sender in 0..100 {
            rig.admit(&Ask { gas_limit: 1_000_000, memo: 256, ..Ask::expiring(sender, salt) });
        }
    }
    let lane = rig.mempool.own().expect("a lane");
    let sizes: Vec<Share> = lane.between(0, u64::MAX).map(|batch| batch.size()).collect();
    assert!(sizes.len() > 20);
    assert!(sizes.iter().all(|size| size.fits(&share.of_batch())));
    assert!(sizes.iter().any(|size| size.gas == share.gas), "gas was what filled them: {sizes:?}");
}

#[test]
fn while_it_is_asked_whether_the_lane_is_whole_transactions_wait_and_then_leave() {
    let mut rig = Rig::new(0);
    rig.step(Input::Hold(true));
    let out = rig.admit(&Ask::expiring(1, 1));
    assert!(out.iter().any(|output| matches!(output, Output::Admitted { .. })), "{out:?}");
    assert_eq!(appended(&rig.wait(20 * DELTA)), 0);
    assert_eq!(appended(&rig.step(Input::Hold(false))), 1);
}

#[test]
fn who_lost_what_it_signed_drops_what_waits_and_takes_no_more_in() {
    let mut rig = Rig::new(0);
    rig.step(Input::Hold(true));
    rig.admit(&Ask::expiring(1, 1));
    let out = rig.step(Input::Silence);
    let dropped = |it: &Output| matches!(it, Output::Dropped { reason: DropReason::Silent, ids } if ids.len() == 1);
    assert!(out.contains(&Output::Silent) && out.iter().any(dropped), "{out:?}");
    let out = rig.admit(&Ask::expiring(1, 2));
    assert!(matches!(out[..], [Output::Refused { error: AdmitError::Silent, .. }]));
    assert_eq!(appended(&rig.step(Input::Hold(false))), 0);
}
