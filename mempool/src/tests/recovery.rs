//! Restarts: what the log brings back, what it cannot, and that a lane never forks.

use std::collections::BTreeMap;

use althing_types::{Hash, Height, LaneTip};

use super::rig::{Ask, DELTA, Random, Rig, acked, bottom, config, height, run, sent_batches};
use crate::{AdmitError, DataMessage, Input, Known, Mempool, Output, RecoverError};

/// Runs of random work and crashes.
const SEEDS: u64 = 60;
/// Steps of each.
const STEPS: u64 = 250;

#[test]
fn a_lane_goes_on_above_its_highest_batch_in_the_log() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let first = rig.own_tip();
    rig.crash(Height::ZERO, &[]);
    assert_eq!(rig.own_tip(), first);
    let out = rig.admit(&Ask::expiring(1, 1));
    assert!(matches!(out[0], Output::Known { at: Known::Batched { seq: 1 }, .. }), "{out:?}");
    rig.connect_all();
    rig.ack(1, first);
    rig.ack(2, first);
    rig.admit(&Ask::expiring(1, 2));
    assert_eq!(rig.own_tip().seq, 2);
}

#[test]
fn what_left_before_a_crash_is_sent_again_as_it_was() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let before = rig.durable_log();
    rig.crash(Height::ZERO, &[]);
    let mut out = Vec::new();
    for index in [1, 2] {
        out.extend(rig.step(Input::Peer { index: althing_types::ValidatorIndex::new(index), connected: true }));
    }
    assert_eq!(sent_batches(&out), vec![(vec![1], 1), (vec![2], 1)]);
    assert_eq!(rig.durable_log(), before);
}

#[test]
fn others_lanes_come_back_and_are_acknowledged_again() {
    let mut rig = Rig::new(0);
    let lane = run(bottom(2), 3, 0);
    lane.iter().for_each(|batch| drop(rig.receive(batch)));
    rig.crash(height(1), &[lane[0].tip()]);
    let out = rig.step(Input::Peer { index: althing_types::ValidatorIndex::new(1), connected: true });
    assert_eq!(acked(&out), vec![lane[2].tip()]);
    let lanes = rig.mempool.batches_for(&[lane[2].tip()], &[lane[0].tip()]);
    assert_eq!(lanes.map(|batches| batches.len()), Some(2));
}

#[test]
fn a_restart_announces_how_far_the_lanes_reach() {
    let mut rig = Rig::new(0);
    run(bottom(2), 2, 0).iter().for_each(|batch| drop(rig.receive(batch)));
    rig.crash(Height::ZERO, &[]);
    assert!(rig.step(Input::Tick).iter().any(|out| matches!(out, Output::Work(work) if work.lead[0].seq == 2)));
}

#[test]
fn a_lane_whose_log_was_lost_is_silent() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let tip = rig.own_tip();
    rig.commit(1, &[tip]);
    let mut lost = Mempool::recover(rig.config.clone(), height(1), &[tip], Vec::new()).expect("nothing to refuse");
    std::mem::swap(&mut rig.mempool, &mut lost);
    let out = rig.admit(&Ask::expiring(1, 2));
    assert!(matches!(out[0], Output::Refused { error: AdmitError::Silent, .. }), "{out:?}");
    assert!(rig.mempool.snapshot().is_silent);
}

#[test]
fn a_lane_whose_log_is_an_older_copy_is_silent() {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(1, 1));
    let (older, first) = (rig.durable_log(), rig.own_tip());
    rig.ack(1, first);
    rig.ack(2, first);
    rig.admit(&Ask::expiring(1, 2));
    let cut = [rig.own_tip()];
    let lost = Mempool::recover(rig.config.clone(), height(1), &cut, older).expect("nothing to refuse");
    assert!(lost.snapshot().is_silent);
}

#[test]
fn a_lane_whose_log_has_a_gap_is_silent() {
    let lane = run(bottom(2), 3, 0);
    let logged = [&lane[0], &lane[2]].map(|batch| batch.signed().clone()).to_vec();
    let lost = Mempool::recover(config(4, 2), Height::ZERO, &[], logged).expect("nothing to refuse");
    assert!(lost.snapshot().is_silent);
}

#[test]
fn a_lane_that_is_all_committed_and_compacted_is_not_silent() {
    let mut config = config(4, 0);
    config.log_garbage_bytes_max = 1;
    let mut rig = Rig::with(config);
    let lane = run(bottom(2), 1, 0);
    rig.receive(&lane[0]);
    for salt in 1..4 {
        rig.admit(&Ask::expiring(1, salt));
        let tip = rig.own_tip();
        rig.ack(1, tip);
        rig.ack(2, tip);
    }
    let cut = [rig.own_tip(), lane[0].tip()];
    let out = rig.commit(1, &cut);
    let kept = out.iter().find_map(|output| match output {
        Output::Compact { batches, .. } => Some(batches.iter().map(|batch| batch.batch.seq).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(kept, Some(vec![3]), "our newest batch stays");
    rig.crash(height(1), &cut);
    assert!(!rig.mempool.snapshot().is_silent);
    rig.admit(&Ask::expiring(1, 9));
    assert_eq!(rig.own_tip().seq, 4);
}

#[test]
fn a_log_with_two_batches_of_ours_for_one_place_is_refused() {
    let logged = [run(bottom(2), 1, 0), run(bottom(2), 1, 1)].concat();
    let logged = logged.iter().map(|batch| batch.signed().clone()).collect();
    let refused = Mempool::recover(config(4, 2), Height::ZERO, &[], logged).err();
    assert_eq!(refused, Some(RecoverError::Forked { seq: 1 }));
}

/// One life after another: whatever left is remembered by its number.
struct Lives {
    rig: Rig,
    left: BTreeMap<u64, Hash>,
    height: u64,
    cut: Vec<LaneTip>,
    salt: u64,
}

impl Lives {
    /// Outputs are carried out up to a boundary; behind it the power goes.
    fn carry_out(&mut self, out: &[Output], boundary: usize) {
        for output in &out[..boundary.min(out.len())] {
            if let Output::Send { message: DataMessage::Batch(batch), .. } = output {
                let digest = batch.batch.digest();
                let before = self.left.insert(batch.batch.seq, digest);
                assert!(before.is_none_or(|before| before == digest), "two batches {} left", batch.batch.seq);
                let logged = self.rig.durable_log();
                assert!(logged.iter().any(|held| held.batch.digest() == digest), "it left before it was durable (D6)");
            }
        }
    }

    fn turn(&mut self, random: &mut Random) -> Vec<Output> {
        let tip = self.rig.own_tip();
        match random.below(10) {
            0..=4 => {
                self.salt += 1;
                self.rig.admit(&Ask::expiring(random.below(3) as u16, self.salt))
            }
            5 | 6 => self.rig.sync(),
            7 => self.rig.ack(1 + random.below(2) as u16, tip),
            8 => self.rig.wait(random.below(6 * DELTA)),
            _ => {
                let durable = self.rig.mempool.own().map(|lane| lane.durable()).expect("a lane");
                let digest = self.rig.mempool.own().and_then(|lane| lane.digest_at(durable)).expect("held");
                if self.left.contains_key(&durable) {
                    self.height += 1;
                    self.cut = vec![LaneTip { lane: 0, seq: durable, tip: digest }];
                    return self.rig.commit(self.height, &self.cut.clone());
                }
                Vec::new()
            }
        }
    }
}

#[test]
fn a_lane_never_forks_whatever_a_crash_interrupts() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let mut config = config(4, 0);
        config.log_garbage_bytes_max = 1_000 + random.below(4_000);
        let mut rig = Rig::with(config);
        rig.slow_disk = true;
        let mut lives = Lives { rig, left: BTreeMap::new(), height: 0, cut: Vec::new(), salt: 0 };
        for _ in 0..STEPS {
            let out = lives.turn(&mut random);
            let crash = random.below(12) == 0;
            let boundary = if crash { random.below(out.len() as u64 + 1) as usize } else { out.len() };
            lives.carry_out(&out, boundary);
            if crash {
                let (at, cut) = (height(lives.height), lives.cut.clone());
                lives.rig.crash(at, &cut);
                assert!(!lives.rig.mempool.snapshot().is_silent, "seed {seed}: nothing that left was lost");
                lives.rig.connect_all();
            }
        }
        assert!(lives.left.len() > 5, "seed {seed}: only {} batches left", lives.left.len());
    }
}
