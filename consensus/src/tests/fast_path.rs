//! The fast path: final after two message delays when all but p answer, and recovery of what may have been (rules F1 to
//! F3, R5, C3).

use althing_types::{Certificate, Epoch, Finality, Finalization, Hash, Notarize, Nullification, View, Vote};

use super::rig::{
    DELTA, Made, Rig, alarms, asked, finalize, heights, notarize, nullify, place, proposals_sent, signed, votes_sent,
};
use crate::{Alarm, Input, Message, Output, Record};

/// One of four with the fast path on, and the proposal of view 1 that it notarized.
fn proposed() -> (Rig, Made, Vec<Output>) {
    let mut rig = Rig::fast(4);
    let block = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let out = rig.hear_proposal(1, 0, &block, Vec::new());
    (rig, block, out)
}

/// A Nullification of view 1 by 0, 1 and 2 with these reports.
fn nullification(rig: &Rig, reports: [Option<Hash>; 3]) -> Certificate {
    let votes: Vec<_> = (0..3).zip(reports).map(|(by, report)| signed(by, nullify(1, report))).collect();
    let made = Nullification::of(Epoch::ZERO, View::new(1), &rig.config.committee, &votes);
    Certificate::Nullification(made.expect("a quorum"))
}

fn fast_finalization(rig: &Rig, digest: Hash) -> Certificate {
    let votes: Vec<_> = (0..4).map(|by| signed(by, notarize(1, 0, digest))).collect();
    let vote = Notarize { epoch: Epoch::ZERO, view: View::new(1), parent_view: View::ZERO, digest };
    Certificate::Finalization(Finalization::fast(vote, &rig.config.committee, &votes).expect("all of them"))
}

#[test]
fn all_notarize_votes_make_a_block_final_without_any_finalize_vote() {
    let (mut rig, block, out) = proposed();
    assert_eq!(votes_sent(&out), [notarize(1, 0, block.id())]);
    let out = rig.hear_vote(1, notarize(1, 0, block.id()));
    assert_eq!(votes_sent(&out), [finalize(1, block.id())], "three of four notarize it");
    assert_eq!((heights(&out), place(&rig)), (vec![], (2, 0)));
    let out = rig.hear_vote(2, notarize(1, 0, block.id()));
    assert_eq!((heights(&out), place(&rig)), (vec![1], (2, 1)), "all four do");
    let fast = out.iter().any(|output| match output {
        Output::Finalized { finalization, .. } => finalization.finality == Finality::Fast { parent_view: View::ZERO },
        _ => false,
    });
    assert!(fast);
}

#[test]
fn with_the_fast_path_off_they_do_not() {
    let mut rig = Rig::of(4, 3);
    let block = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &block, Vec::new());
    rig.hear_vote(1, notarize(1, 0, block.id()));
    assert_eq!(heights(&rig.hear_vote(2, notarize(1, 0, block.id()))), Vec::<u64>::new());
    let refused = Rig::fast(4);
    rig.hear_certificates(vec![fast_finalization(&refused, block.id())]);
    assert_eq!(place(&rig), (2, 0));
}

#[test]
fn votes_above_different_parents_do_not_add_up() {
    let mut rig = Rig::with(5, 4, |config| config.committee = Rig::fast(5).config.committee);
    let block = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &block, Vec::new());
    for by in [1, 2] {
        rig.hear_vote(by, notarize(1, 0, block.id()));
    }
    assert_eq!(place(&rig).0, 2, "four of five notarize it");
    rig.hear_vote(3, notarize(1, 7, block.id()));
    assert_eq!(place(&rig).1, 0);
}

/// F3: a validator that learns of the fast Finalization first still sends its Finalize, durable like any other vote.
#[test]
fn a_fast_finalization_counts_as_a_notarization_in_the_step_that_raises_the_floor() {
    let (mut rig, block, _) = proposed();
    rig.slow_disk = true;
    let certificate = fast_finalization(&rig, block.id());
    let out = rig.hear_certificates(vec![certificate.clone()]);
    assert_eq!((votes_sent(&out), place(&rig)), (vec![], (2, 1)), "its record is not durable");
    let out = rig.sync();
    assert_eq!(votes_sent(&out), [finalize(1, block.id())]);
    let again = rig.hear_certificates(vec![certificate]);
    assert_eq!(votes_sent(&again), []);
}

/// The simulator found it: a compaction leaves the vote out of the log, and it was sent once the new log was durable.
#[test]
fn a_finalize_vote_that_a_compaction_leaves_out_is_never_sent() {
    let mut rig = Rig::fast(4);
    rig.config.log_bytes_max = 1;
    rig.core = crate::Core::new(rig.config.clone(), rig.core.anchor().clone());
    let block = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &block, Vec::new());
    rig.slow_disk = true;
    rig.hear_certificates(vec![fast_finalization(&rig, block.id())]);
    assert!(!rig.log.iter().any(is_finalize));
    assert_eq!(votes_sent(&rig.sync()), []);
}

#[test]
fn after_a_replay_nothing_is_signed_for_the_view_of_the_floor() {
    let (mut rig, block, _) = proposed();
    rig.slow_disk = true;
    rig.hear_certificates(vec![fast_finalization(&rig, block.id())]);
    let without_the_vote: Vec<Record> = rig.log.iter().filter(|it| !is_finalize(it)).cloned().collect();
    assert_eq!(without_the_vote.len() + 1, rig.log.len());
    for log in [without_the_vote, rig.log.clone()] {
        let mut again = rig.restarted(log).expect("its own log");
        again.slow_disk = false;
        let mut out = again.step(Input::Tick);
        out.extend(again.connect_all());
        out.extend(again.hear_certificates(vec![fast_finalization(&rig, block.id())]));
        out.extend(again.pass(20 * DELTA).into_iter().map(|(_, output)| output));
        assert!(votes_sent(&out).iter().all(|vote| vote.view() > View::new(1)), "{:?}", votes_sent(&out));
    }
}

fn is_finalize(record: &Record) -> bool {
    matches!(record, Record::Vote(vote) if matches!(vote.vote, Vote::Finalize(_)))
}

#[test]
fn after_a_nullify_a_fast_finalization_gets_no_finalize_vote() {
    let (mut rig, block, _) = proposed();
    rig.work(&[], &[(0, 1)]);
    let out: Vec<Output> = rig.pass(10 * DELTA).into_iter().map(|(_, output)| output).collect();
    assert!(votes_sent(&out).contains(&nullify(1, Some(block.id()))));
    let out = rig.hear_certificates(vec![fast_finalization(&rig, block.id())]);
    assert_eq!((votes_sent(&out), heights(&out)), (vec![], vec![1]));
}

// ---- recovery ----

/// The third lies: two of the three honest notarized the block, so it may be final somewhere.
#[test]
fn a_block_that_enough_report_is_built_on_and_never_passed_over() {
    let (mut rig, block, _) = proposed();
    let id = block.id();
    rig.hear_certificates(vec![nullification(&rig, [Some(id), None, Some(id)])]);
    rig.hear_certificates(vec![rig.skip(2), rig.skip(3)]);
    rig.work(&[(1, 1)], &[]);
    let out = rig.advance(5_000);
    let build = out.iter().find_map(|output| match output {
        Output::Build { view, parent, .. } => Some((view.get(), *parent)),
        _ => None,
    });
    assert_eq!(build, Some((4, id)));
    let lanes = vec![super::rig::tip(1, 1)];
    let out = rig.step(Input::Built { view: View::new(4), parent: id, lanes });
    let proposals = proposals_sent(&out);
    assert_eq!(proposals.len(), 1);
    assert_eq!(proposals[0].justification.first(), Some(&nullification(&rig, [Some(id), None, Some(id)])));
}

#[test]
fn a_proposal_that_passes_over_a_recovered_block_waits_for_ever() {
    let (mut rig, block, _) = proposed();
    let id = block.id();
    let other = rig.block(&rig.genesis, 1, &[(1, 1)]);
    let recover = nullification(&rig, [Some(id), None, Some(id)]);
    let out = rig.hear_proposal(2, 0, &other, vec![recover]);
    assert!(votes_sent(&out).iter().all(|vote| !matches!(vote, Vote::Notarize(_))), "{:?}", votes_sent(&out));
    let child = rig.block(&block, 2, &[(1, 1)]);
    rig.hear_certificates(vec![rig.skip(2)]);
    let out = rig.hear_proposal(3, 1, &child, Vec::new());
    assert_eq!(votes_sent(&out), [notarize(3, 1, child.id())]);
}

#[test]
fn a_block_that_too_few_report_may_be_passed_over() {
    let (mut rig, block, _) = proposed();
    rig.hear_certificates(vec![nullification(&rig, [Some(block.id()), None, None])]);
    let other = rig.block(&rig.genesis, 1, &[(1, 1)]);
    let out = rig.hear_proposal(2, 0, &other, Vec::new());
    assert_eq!(votes_sent(&out), [notarize(2, 0, other.id())]);
}

/// A leader that proposes twice and lies to both sides brings about two Nullifications that demand different blocks.
/// Neither can be final, and whoever holds one must accept what is built on the other (found by seed 100488).
#[test]
fn two_blocks_of_one_view_that_are_both_recovered_make_nobody_refuse_the_other() {
    let mut rig = Rig::with(5, 4, |config| config.committee = Rig::fast(5).config.committee);
    let (one, other) = (rig.block(&rig.genesis, 0, &[(0, 1)]), rig.block(&rig.genesis, 0, &[(1, 1)]));
    let (a, b) = (one.id(), other.id());
    let recover = |rig: &Rig, reports: [(u16, Hash); 4]| {
        let votes: Vec<_> = reports.iter().map(|(by, report)| signed(*by, nullify(1, Some(*report)))).collect();
        let made = Nullification::of(Epoch::ZERO, View::new(1), &rig.config.committee, &votes);
        Certificate::Nullification(made.expect("a quorum"))
    };
    // Validator 0 leads and lies; 1 and 4 notarized the one block, 2 and 3 the other.
    let first = recover(&rig, [(0, a), (1, a), (2, b), (4, a)]);
    let second = recover(&rig, [(0, b), (1, a), (2, b), (3, b)]);
    rig.connect_all();
    rig.hear_proposal(1, 0, &one, Vec::new());
    rig.hear_certificates(vec![first]);
    let child = rig.block(&other, 1, &[(2, 1)]);
    let out = rig.hear_proposal(2, 1, &child, vec![second]);
    assert_eq!(asked(&out), [Message::GetBlock { digest: b }]);
    let out = rig.hear(0, Message::Block(Box::new(other.block)));
    assert_eq!(votes_sent(&out), [notarize(2, 1, child.id())]);
}

/// More than f lie: a block is final by the fast path on one side, and this side holds a Recover of it and a Skip. The
/// Skip is kept beside the Recover when the view closes, because it alone contradicts the Finalization (R10).
#[test]
fn a_skip_beside_a_recover_proves_a_fork_after_its_view_is_closed() {
    let (mut rig, block, _) = proposed();
    let id = block.id();
    rig.hear_certificates(vec![nullification(&rig, [Some(id), None, Some(id)]), rig.skip(1)]);
    let other = rig.block(&rig.genesis, 1, &[(1, 1)]);
    rig.hear_proposal(2, 0, &other, Vec::new());
    let closed = rig.hear_certificates(vec![rig.finalization(2, other.id())]);
    assert_eq!((heights(&closed), place(&rig)), (vec![1], (3, 2)));
    let out = rig.hear_certificates(vec![fast_finalization(&rig, id)]);
    let proof = alarms(&out).into_iter().find_map(|alarm| match alarm {
        Alarm::Fork { proof, .. } => proof,
        _ => None,
    });
    let culprits = proof.expect("a proof").verify(rig.scheme(), &rig.config.committee).expect("it holds");
    assert!(culprits.len() >= 2, "{culprits:?}");
}

#[test]
fn a_recovered_block_that_is_not_here_is_fetched_at_once() {
    let mut rig = Rig::fast(4);
    rig.connect_all();
    let block = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let out = rig.hear_certificates(vec![nullification(&rig, [Some(block.id()), Some(block.id()), None])]);
    assert_eq!(asked(&out), [Message::GetBlock { digest: block.id() }]);
}

/// Case 1 of section 17. All notarize d, one validator sees all the votes, and the others give the view up while f of
/// them lie about it: whichever r Nullify votes come together, d is recovered.
#[test]
fn a_hidden_fast_commit_cannot_be_passed_over() {
    for n in [4, 5, 6, 7, 8, 9, 10, 13] {
        let set = Rig::fast(n).config.committee.set;
        let quorums = set.quorums();
        let (f, p) = (u32::from(quorums.f()), u32::from(quorums.p()));
        for m in u32::from(quorums.nullify())..=u32::from(n) {
            // Of the m, f lie and p honest ones did not vote for d.
            let truthful = m - f - p;
            assert!(truthful >= u32::from(quorums.recover(m as u16).expect("the fast path is on")), "n = {n}, m = {m}");
            assert!(f + p < u32::from(quorums.recover(m as u16).expect("the fast path is on")), "n = {n}, m = {m}");
        }
    }
}
