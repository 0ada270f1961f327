//! Crashes at every place of the log, restarts, and compaction: rules D8 to D10, and R2 to R4 across lives.

use althing_types::{Certificate, Evidence, SignedVote, View, Vote};

use super::rig::{DELTA, Rig, digest, finalize, heights, notarize, nullify, place, signed, votes_logged, votes_sent};
use crate::{Config, Input, Output, Record, RecoverError};

/// Twelve views in which a bit of everything happens; the log holds every record.
fn eventful(rig: &mut Rig) -> Vec<Output> {
    let mut out = rig.connect_all();
    let blocks = rig.blocks(3);
    out.extend(rig.others_finalize(1, 0, &blocks[0]));
    out.extend(rig.hear_proposal(2, 1, &blocks[1], Vec::new()));
    out.extend(rig.hear_certificates(vec![rig.notarization(2, 1, blocks[1].id())]));
    let dead = rig.block(&blocks[1], 2, &[(2, 1)]);
    out.extend(rig.hear_proposal(3, 2, &dead, Vec::new()));
    out.extend(rig.hear_vote(2, nullify(3, Some(dead.id()))));
    out.extend(rig.hear_certificates(vec![rig.skip(3)]));
    out.extend(rig.work(&[(1, 1)], &[(1, 1)]));
    out.extend(rig.advance(5_000));
    let lanes = vec![super::rig::tip(1, 1)];
    out.extend(rig.step(Input::Built { view: View::new(4), parent: blocks[1].id(), lanes }));
    out.extend(rig.pass(6 * DELTA).into_iter().map(|(_, output)| output));
    out.extend(rig.hear_certificates(vec![rig.skip(4), rig.skip(5)]));
    out.extend(rig.hear_vote(1, nullify(6, None)));
    out.extend(rig.hear_certificates(vec![rig.notarization(7, 2, digest(70)), rig.skip(8)]));
    out.extend(rig.hear_certificates(vec![rig.skip(6)]));
    out.extend(rig.pass(12 * DELTA).into_iter().map(|(_, output)| output));
    out.extend(rig.hear_certificates(vec![rig.finalization(2, blocks[1].id())]));
    out.extend(rig.hear_certificates(vec![rig.skip(9), rig.skip(10), rig.skip(11)]));
    out
}

/// Everything that could lead a forgetful validator into a contradiction, but a proof that others forked: that stops it.
fn tempt(rig: &mut Rig) -> Vec<Output> {
    let mut out = Vec::new();
    for view in 1..=12 {
        let (_, floor) = place(rig);
        for (lane, seq) in [(0, 1), (3, 7)] {
            let leader = rig.core.leader(View::new(view)).get();
            let made = rig.block(&rig.genesis, leader, &[(lane, seq)]);
            if leader != rig.config.me.get() {
                out.extend(rig.hear_proposal(view, 0, &made, rig.skips(floor + 1..=view - 1)));
            }
            if view > floor {
                out.extend(rig.hear_certificates(vec![rig.notarization(view, 0, digest(1_000 + view))]));
            }
        }
        if rig.core.leader(View::new(view)) != rig.config.me {
            let leader = rig.core.leader(View::new(view)).get();
            out.extend(rig.hear_vote(leader, nullify(view, None)));
        }
        out.extend(rig.work(&[(3, 50)], &[(3, 50)]));
        out.extend(rig.pass(30 * DELTA).into_iter().map(|(_, output)| output));
    }
    out
}

fn votes_in(records: &[Record]) -> Vec<SignedVote> {
    let votes = records.iter().filter_map(|record| match record {
        Record::Vote(vote) => Some(*vote),
        _ => None,
    });
    votes.collect()
}

fn check_no_contradiction(votes: &[SignedVote], told: &str) {
    for (at, one) in votes.iter().enumerate() {
        for other in &votes[at + 1..] {
            assert_eq!(Evidence::of_votes(*one, *other), None, "{told}");
            let late = matches!((one.vote, other.vote), (Vote::Nullify(_), Vote::Notarize(_)));
            assert!(!late || one.vote.view() != other.vote.view(), "{told}: {one:?}, then {other:?}");
        }
    }
}

#[test]
fn whatever_prefix_of_the_log_a_crash_leaves_no_vote_contradicts_another() {
    let mut rig = Rig::new();
    eventful(&mut rig);
    let log = rig.log.clone();
    let kinds = |of: fn(&Vote) -> bool| votes_in(&log).iter().filter(|vote| of(&vote.vote)).count();
    assert!(kinds(|it| matches!(it, Vote::Notarize(_))) >= 4);
    assert!(kinds(|it| matches!(it, Vote::Nullify(_))) >= 3);
    assert!(kinds(|it| matches!(it, Vote::Finalize(_))) >= 3);
    for length in 0..=log.len() {
        let mut again = rig.restarted(log[..length].to_vec()).expect("its own log");
        let out = tempt(&mut again);
        assert!(!votes_logged(&out).is_empty(), "it takes part again");
        check_no_contradiction(&votes_in(&again.log), &format!("{length} of {} records", log.len()));
    }
}

#[test]
fn compaction_at_any_moment_forgets_nothing_that_binds() {
    let mut whole = Rig::new();
    eventful(&mut whole);
    for log_bytes_max in [1, 300, 700, 1_500, 3_000] {
        let mut rig = Rig::with(4, 3, |config: &mut Config| config.log_bytes_max = log_bytes_max);
        eventful(&mut rig);
        let floor = rig.core.snapshot().floor;
        let above = |records: &[Record]| {
            let mut votes = votes_in(records);
            votes.retain(|vote| vote.vote.view() > floor);
            votes.sort();
            votes
        };
        assert_eq!(above(&rig.log), above(&whole.log), "{log_bytes_max}");
        let mut again = rig.restarted(rig.log.clone()).expect("its own log");
        assert_eq!(place(&again), place(&rig));
        let before = rig.log.len();
        let voted = votes_in(&rig.log);
        let out = tempt(&mut again);
        let all: Vec<SignedVote> =
            voted.into_iter().chain(votes_logged(&out).into_iter().map(|it| signed(3, it))).collect();
        check_no_contradiction(&all, &format!("{log_bytes_max}, {before} records"));
    }
}

#[test]
fn what_i_signed_long_ago_survives_compaction() {
    let mut rig = Rig::with(4, 3, |config: &mut Config| config.log_bytes_max = 6_000);
    rig.hear_certificates(vec![rig.skip(1)]);
    rig.hear_vote(1, nullify(2, None));
    assert_eq!(votes_in(&rig.log).len(), 1);
    let mut compacted = false;
    for view in 2..=150 {
        let out = rig.hear_certificates(vec![rig.skip(view)]);
        compacted |= view > 100 && out.iter().any(|output| matches!(output, Output::Compact { .. }));
    }
    assert!(compacted);
    assert_eq!(votes_in(&rig.log)[0].vote, nullify(2, None));
    let mut again = rig.restarted(rig.log.clone()).expect("its own log");
    let mut out = again.hear_certificates(vec![again.notarization(2, 0, digest(1))]);
    let made = again.block(&again.genesis, 1, &[(0, 1)]);
    out.extend(again.hear_proposal(2, 0, &made, Vec::new()));
    assert!(!votes_logged(&out).iter().any(|vote| vote.view() == View::new(2)), "{out:?}");
}

#[test]
fn a_block_that_i_notarized_survives_restarts_and_compaction_until_it_is_final() {
    let mut rig = Rig::with(4, 3, |config: &mut Config| config.log_bytes_max = 6_000);
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    let kept = |rig: &Rig| {
        rig.log.iter().any(|record| matches!(record, Record::Block(block) if block.header.id() == made.id()))
    };
    assert!(kept(&rig));
    for life in 0..3 {
        rig = rig.restarted(rig.log.clone()).expect("its own log");
        let mut compacted = false;
        for view in 1..=60 {
            let out = rig.hear_certificates(vec![rig.skip(100 * life + view)]);
            compacted |= out.iter().any(|output| matches!(output, Output::Compact { .. }));
        }
        assert!(compacted && kept(&rig), "life {life}");
    }
}

#[test]
fn after_a_restart_my_votes_are_repeated_as_they_were_signed() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    let mut again = rig.restarted(rig.log.clone()).expect("its own log");
    again.work(&[], &[(0, 1)]);
    let out: Vec<Output> = again.pass(DELTA).into_iter().map(|(_, output)| output).collect();
    assert!(votes_sent(&out).contains(&notarize(1, 0, made.id())));
    assert_eq!(votes_logged(&out), []);
}

#[test]
fn a_leader_that_restarts_repeats_its_proposal_and_makes_no_other() {
    let mut rig = Rig::of(4, 0);
    rig.advance(10_000);
    rig.work(&[(0, 1)], &[(0, 1)]);
    let lanes = vec![super::rig::tip(0, 1)];
    let out = rig.step(Input::Built { view: View::new(1), parent: rig.genesis.id(), lanes });
    let first = super::rig::proposals_sent(&out);
    let mut again = rig.restarted(rig.log.clone()).expect("its own log");
    let mut out = again.work(&[(0, 2)], &[(0, 2)]);
    out.extend(again.pass(DELTA).into_iter().map(|(_, output)| output));
    let repeated = super::rig::proposals_sent(&out);
    assert!(!repeated.is_empty() && repeated.iter().all(|proposal| *proposal == first[0]));
}

#[test]
fn a_notarization_that_was_durable_before_its_finalize_is_finalized_after_the_restart() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.notarization(1, 0, digest(1))]);
    let certificate = rig.log.iter().take_while(|record| !matches!(record, Record::Vote(_))).cloned().collect();
    let mut again = rig.restarted(certificate).expect("its own log");
    assert_eq!(votes_sent(&again.step(Input::Tick)), [finalize(1, digest(1))]);
}

#[test]
fn one_validator_alone_goes_on_from_every_prefix_of_its_log() {
    let mut rig = Rig::of(1, 0);
    let lead = |rig: &mut Rig, seq: u64| {
        rig.advance(10_000);
        let mut out = rig.work(&[(0, seq)], &[(0, seq)]);
        let (view, _) = place(rig);
        let parent = rig.core.tip().1;
        let lanes = vec![super::rig::tip(0, seq)];
        out.extend(rig.step(Input::Built { view: View::new(view), parent, lanes }));
        out.extend(rig.pass(8 * DELTA).into_iter().map(|(_, output)| output));
        out
    };
    assert_eq!(heights(&lead(&mut rig, 1)), [1]);
    assert_eq!(heights(&lead(&mut rig, 2)), [2]);
    for length in 0..=rig.log.len() {
        let mut again = rig.restarted(rig.log[..length].to_vec()).expect("its own log");
        let mut out: Vec<Output> = again.pass(8 * DELTA).into_iter().map(|(_, output)| output).collect();
        out.extend(lead(&mut again, 9));
        let heights = heights(&out);
        assert!(!heights.is_empty(), "{length} records");
        assert_eq!(heights, (1..=heights.len() as u64).collect::<Vec<_>>());
        check_no_contradiction(&votes_in(&again.log), &format!("{length} records"));
    }
}

#[test]
fn votes_of_all_that_only_logs_remember_form_the_certificate_again() {
    let mut rig = Rig::new();
    rig.hear_vote(1, nullify(1, None));
    rig.hear_vote(0, nullify(1, None));
    let own: Vec<Record> = rig.log.iter().filter(|record| matches!(record, Record::Vote(_))).cloned().collect();
    let mut again = rig.restarted(own).expect("its own log");
    assert_eq!(place(&again).0, 1);
    again.hear_vote(0, nullify(1, None));
    again.hear_vote(2, nullify(1, None));
    assert_eq!(place(&again).0, 2);
}

#[test]
fn blocks_that_the_ledger_lacks_are_handed_over_again() {
    let mut rig = Rig::new();
    let blocks = rig.blocks(2);
    rig.others_finalize(1, 0, &blocks[0]);
    rig.others_finalize(2, 1, &blocks[1]);
    let mut again = rig.restarted(rig.log.clone()).expect("its own log");
    assert_eq!(heights(&again.step(Input::Tick)), [1, 2]);
}

#[test]
fn blocks_that_the_ledger_lacks_survive_compaction_and_those_that_it_has_do_not() {
    for executed in [0, 1, 2] {
        let mut rig = Rig::with(4, 3, |config: &mut Config| config.log_bytes_max = 1);
        let blocks = rig.blocks(2);
        rig.others_finalize(1, 0, &blocks[0]);
        rig.others_finalize(2, 1, &blocks[1]);
        for made in &blocks[..executed] {
            rig.execute(&made.block);
        }
        rig.hear_certificates(vec![rig.skip(3)]);
        let kept = rig.log.iter().filter(|record| matches!(record, Record::Block(_))).count();
        assert_eq!(kept, 2 - executed, "{executed} executed");
    }
}

#[test]
fn a_log_behind_the_ledger_or_of_another_validator_is_refused() {
    let mut rig = Rig::new();
    rig.hear_vote(0, nullify(1, None));
    let anchor = rig.core.anchor().clone();
    let behind = crate::Core::recover(rig.config.clone(), rig.genesis.id(), anchor, View::new(5), rig.log.clone());
    let expected = RecoverError::LogBehind { log: View::ZERO, ledger: View::new(5) };
    assert_eq!(behind.map(|_| ()), Err(expected));
    let foreign = Record::Vote(signed(0, nullify(1, None)));
    assert_eq!(rig.restarted(vec![foreign]).map(|_| ()), Err(RecoverError::OtherValidator));
}

#[test]
fn a_log_that_contradicts_itself_stops_the_process() {
    let rig = Rig::new();
    let votes = [notarize(1, 0, digest(1)), notarize(1, 0, digest(2))];
    let records = votes.map(|vote| Record::Vote(signed(3, vote))).to_vec();
    let recovered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| rig.restarted(records).map(|_| ())));
    assert!(recovered.is_err());
}

#[test]
fn replay_signs_and_sends_nothing_and_finds_view_and_floor() {
    let mut rig = Rig::new();
    eventful(&mut rig);
    let again = rig.restarted(rig.log.clone()).expect("its own log");
    assert_eq!(place(&again), place(&rig));
    assert_eq!(again.log, rig.log);
    assert_eq!(again.core.entry.as_ref().map(Certificate::view), rig.core.entry.as_ref().map(Certificate::view));
}
