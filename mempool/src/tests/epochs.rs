//! Where an epoch ends and the next begins: new lanes, and what is taken over (rule E3).

use std::sync::Arc;

use althing_types::{Committee, Epoch, Hash, Height, List, SignedBatch, ValidatorIndex};

use super::rig::{Ask, Rig, acked, committee, height};
use crate::{Acks, AdmitError, Config, DropReason, Input, Known, Output};

/// The settings of an epoch with the same validators.
fn of_epoch(rig: &Rig, number: u64) -> Config {
    let in_epoch = |number| Committee { epoch: Epoch::new(number), ..committee(4) };
    let earlier = (0..number).map(|number| (in_epoch(number), rig.config.me)).collect();
    Config { committee: in_epoch(number), earlier, ..rig.config.clone() }
}

fn appended(out: &[Output]) -> Vec<Arc<SignedBatch>> {
    let batches = out.iter().filter_map(|it| if let Output::Append { batch, .. } = it { Some(batch) } else { None });
    batches.cloned().collect()
}

fn ids_of(batches: &[Arc<SignedBatch>]) -> Vec<Hash> {
    let bytes = batches.iter().flat_map(|batch| batch.batch.transactions.iter());
    let decoded = bytes.map(|bytes| althing_types::SignedTransaction::from_bytes(bytes, &super::rig::chain()));
    decoded.map(|transaction| transaction.expect("ours").id()).collect()
}

fn asks() -> Vec<Ask> {
    vec![Ask::expiring(1, 1), Ask::expiring(2, 2), Ask::numbered(3, 1), Ask::expiring(4, 4)]
}

fn id(ask: &Ask) -> Hash {
    ask.candidate().id()
}

/// A validator with a batch that is committed, three that are not, and a transaction in the pool.
fn busy() -> (Rig, Vec<Hash>) {
    let mut rig = Rig::new(0);
    rig.admit(&Ask::expiring(9, 9));
    let committed = rig.own_tip();
    rig.ack(1, committed);
    rig.ack(2, committed);
    for ask in asks() {
        rig.admit(&ask);
        let tip = rig.own_tip();
        rig.ack(1, tip);
        rig.ack(2, tip);
    }
    rig.commit(1, &[committed]);
    let ids = asks().iter().map(id).collect();
    (rig, ids)
}

#[test]
fn what_no_block_ordered_goes_into_the_new_lane_in_its_order_and_before_anything_else() {
    let (mut rig, ids) = busy();
    let config = of_epoch(&rig, 1);
    let out = rig.enter(config, height(1));
    let batches = appended(&out);
    assert_eq!(ids_of(&batches), ids, "what is committed is not ordered again");
    assert!(batches.iter().all(|batch| batch.batch.epoch == Epoch::new(1)));
    assert_eq!(batches.iter().map(|batch| batch.batch.seq).collect::<Vec<_>>(), [1]);
    let again = rig.admit(&asks()[0]);
    assert!(matches!(again[0], Output::Known { at: Known::Batched { seq: 1 }, .. }), "{again:?}");
}

#[test]
fn a_crash_at_any_moment_of_the_passage_keeps_what_was_accepted() {
    for synced in [false, true] {
        for epochs in 1..=3 {
            let (mut rig, ids) = busy();
            rig.slow_disk = true;
            let config = of_epoch(&rig, 1);
            rig.enter(config, height(1));
            if synced {
                rig.sync();
            }
            // Several epochs may end before the log is written.
            rig.config = of_epoch(&rig, if synced { 1 } else { epochs });
            rig.slow_disk = false;
            rig.crash(height(1), &[]);
            let out = rig.step(Input::Tick);
            let in_log: Vec<_> =
                rig.durable_log().into_iter().filter(|it| it.batch.epoch == rig.config.committee.epoch).collect();
            let ordered = ids_of(&in_log);
            assert!(ids.iter().all(|id| ordered.contains(id)), "synced {synced}, epoch {epochs}: {out:?}");
            for batch in &in_log {
                let mut ids = ids_of(std::slice::from_ref(batch));
                let count = ids.len();
                ids.sort();
                ids.dedup();
                assert_eq!(ids.len(), count, "one transaction twice in a batch");
            }
        }
    }
}

#[test]
fn what_a_batch_of_the_new_lane_holds_is_not_taken_over_twice() {
    let (mut rig, ids) = busy();
    let mut old = rig.durable_log();
    let config = of_epoch(&rig, 1);
    let out = rig.enter(config, height(1));
    // A log that still holds the old batches beside the new one: the replacement was not written.
    old.extend(appended(&out));
    rig.mempool = crate::Mempool::recover(rig.config.clone(), height(1), &[], old).expect("our own log");
    let out = rig.step(Input::Tick);
    let again = ids_of(&appended(&out));
    assert!(ids.iter().all(|id| !again.contains(id)), "{again:?}");
}

#[test]
fn the_old_batches_leave_the_log_once_their_transactions_are_in_new_ones() {
    let (mut rig, ids) = busy();
    let mut config = of_epoch(&rig, 1);
    config.log_garbage_bytes_max = 0;
    rig.enter(config, height(1));
    rig.sync();
    rig.admit(&Ask::expiring(7, 7));
    let log = rig.durable_log();
    assert!(log.iter().all(|batch| batch.batch.epoch == Epoch::new(1)));
    let ordered = ids_of(&log);
    assert!(ids.iter().all(|id| ordered.contains(id)));
}

#[test]
fn what_no_batch_of_a_larger_set_can_hold_is_given_up_and_said() {
    let (mut rig, ids) = busy();
    let mut config = of_epoch(&rig, 1);
    // A fourth of the block's gas holds what one of them asks for, a fifth does not.
    config.params.limits.block_gas_max = 4 * 32_000;
    config.committee.set = committee(5).set;
    let out = rig.enter(config.clone(), height(1));
    let dropped = |out: &[Output]| {
        let of = |it: &Output| match it {
            Output::Dropped { ids, reason: DropReason::TooLarge } => ids.clone(),
            _ => Vec::new(),
        };
        let mut dropped: Vec<Hash> = out.iter().flat_map(of).collect();
        dropped.sort();
        dropped
    };
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(dropped(&out), expected);
    // A restart finds the same.
    let (old, _) = busy();
    rig.mempool = crate::Mempool::recover(config, height(1), &[], old.durable_log()).expect("our own log");
    assert!(dropped(&rig.step(Input::Tick)).len() >= ids.len());
    assert_eq!(rig.mempool.snapshot().in_flight_count, 0);
}

#[test]
fn what_a_committed_batch_of_the_new_lane_holds_is_done_with_after_a_restart() {
    let (mut rig, ids) = busy();
    let mut log = rig.durable_log();
    let config = of_epoch(&rig, 1);
    log.extend(appended(&rig.enter(config, height(1))));
    let tip = rig.own_tip();
    rig.mempool = crate::Mempool::recover(rig.config.clone(), height(2), &[tip], log).expect("our own log");
    let again = ids_of(&appended(&rig.step(Input::Tick)));
    // The batch that is committed in the old epoch comes before it in the log, and holds another one.
    assert!(ids.iter().all(|id| !again.contains(id)), "{again:?}");
}

#[test]
fn who_leaves_the_validators_lets_go_of_everything_and_says_so() {
    let (mut rig, ids) = busy();
    let me = ValidatorIndex::new(4);
    let config = Config { me, guests: 1, ..of_epoch(&rig, 1) };
    let out = rig.enter(config, height(1));
    let dropped = out.iter().find_map(|it| match it {
        Output::Dropped { ids, reason: DropReason::Silent } => Some(ids.clone()),
        _ => None,
    });
    let dropped = dropped.expect("whoever waits is told");
    assert!(ids.iter().all(|id| dropped.contains(id)));
    let refused = rig.admit(&Ask::expiring(1, 50));
    assert!(matches!(refused[0], Output::Refused { error: AdmitError::Silent, .. }), "{refused:?}");
    let said = rig.wait(10_000_000);
    assert!(!said.iter().any(|it| matches!(it, Output::Send { .. } | Output::Append { .. })), "{said:?}");
}

#[test]
fn a_peer_that_enters_later_is_told_once_what_is_held() {
    let (mut rig, _) = busy();
    let config = of_epoch(&rig, 1);
    rig.enter(config, height(1));
    rig.connect_all();
    rig.wait(10_000_000);
    let acks = Acks { epoch: Epoch::new(1), tips: List::empty(), executed: Height::new(1) };
    let from = ValidatorIndex::new(2);
    let out = rig.step(Input::Acks { from, acks: acks.clone() });
    assert_eq!(acked(&out).len(), 1, "{out:?}");
    let out = rig.step(Input::Acks { from, acks });
    assert_eq!(acked(&out).len(), 0, "{out:?}");
}
