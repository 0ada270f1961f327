//! What counts as a vote and as a certificate: rules C1 to C3, at the door of the core.

use althing_types::{
    Certificate, Committee, Finality, Notarization, Notarize, Nullification, SignedVote, View, Vote, VoteKind,
};

use super::rig::{
    Rig, alarms, blamed, committee, digest, evidence, finalize, notarize, nullify, place, signed, votes_sent,
};
use crate::Message;

fn as_notarize(vote: Vote) -> Notarize {
    match vote {
        Vote::Notarize(vote) => vote,
        _ => unreachable!("as made"),
    }
}

fn notarization(committee: &Committee, votes: &[SignedVote]) -> Certificate {
    let vote = as_notarize(notarize(1, 0, digest(1)));
    Certificate::Notarization(Notarization::of(vote, committee, votes).expect("enough votes"))
}

fn nullification(committee: &Committee, votes: &[SignedVote]) -> Certificate {
    let made = Nullification::of(committee.epoch, View::new(1), committee, votes);
    Certificate::Nullification(made.expect("enough votes"))
}

fn votes(signers: &[u16], vote: Vote) -> Vec<SignedVote> {
    signers.iter().map(|signer| signed(*signer, vote)).collect()
}

#[test]
fn a_certificate_that_is_not_exactly_its_quorum_of_validators_is_refused() {
    let four = committee(4);
    let vote = notarize(1, 0, digest(1));
    let mut forged = votes(&[0, 1, 2], vote);
    forged[1].signature = signed(1, notarize(1, 0, digest(2))).signature;
    let cases = [
        ("the quorum", notarization(&four, &votes(&[0, 1, 2], vote)), true),
        ("a signer twice", notarization(&four, &votes(&[0, 1, 1], vote)), false),
        ("somebody outside", notarization(&four, &votes(&[0, 1, 9], vote)), false),
        ("a surplus", notarization(&committee(5), &votes(&[0, 1, 2, 3], vote)), false),
        ("too few", notarization(&committee(2), &votes(&[0, 1], vote)), false),
        ("a bitmap of a larger set", notarization(&committee(9), &votes(&[0, 1, 2, 3, 4, 5, 6], vote)), false),
        ("a signature of another vote", notarization(&four, &forged), false),
        ("votes of another parent", notarization(&four, &votes(&[0, 1, 2], notarize(1, 1, digest(1)))), false),
        ("nullifies with r", nullification(&four, &votes(&[0, 1, 2], nullify(1, None))), true),
        ("nullifies with a surplus", nullification(&four, &votes(&[0, 1, 2, 3], nullify(1, None))), true),
        ("nullifies with one twice", nullification(&four, &votes(&[0, 1, 1], nullify(1, None))), false),
        ("too few nullifies", nullification(&committee(2), &votes(&[0, 1], nullify(1, None))), false),
    ];
    for (what, certificate, valid) in cases {
        let mut rig = Rig::new();
        let out = rig.hear_certificates(vec![certificate]);
        assert_eq!((place(&rig).0 == 2, blamed(&out)), (valid, !valid), "{what}");
    }
}

#[test]
fn one_signer_in_two_groups_of_a_nullification_is_refused() {
    let reports = [None, Some(digest(1)), Some(digest(2))];
    let mixed: Vec<SignedVote> =
        (0..).zip(reports).map(|(signer, report)| signed(signer, nullify(1, report))).collect();
    let twice = vec![mixed[0], signed(0, nullify(1, Some(digest(3)))), mixed[1]];
    for (votes, valid) in [(mixed, true), (twice, false)] {
        let mut rig = Rig::new();
        rig.hear_certificates(vec![nullification(&committee(4), &votes)]);
        assert_eq!(place(&rig).0 == 2, valid);
    }
}

#[test]
fn a_fast_finalization_is_refused_while_the_fast_path_is_off() {
    let mut rig = Rig::new();
    let mut finalization = rig.bare_finalization(1, digest(1));
    finalization.finality = Finality::Fast { parent_view: View::ZERO };
    assert!(blamed(&rig.hear_certificates(vec![Certificate::Finalization(finalization)])));
    assert_eq!(place(&rig), (1, 0));
}

#[test]
fn a_certificate_of_another_epoch_says_nothing_here_and_makes_no_proposal() {
    let mut rig = Rig::new();
    let mut finalization = rig.bare_finalization(1, digest(1));
    finalization.vote.epoch = althing_types::Epoch::new(1);
    let other = Certificate::Finalization(finalization);
    // What ended another epoch may come late, so nobody is blamed for it.
    assert!(!blamed(&rig.hear_certificates(vec![other.clone()])));
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    assert!(blamed(&rig.hear_proposal(1, 0, &made, vec![other])));
    assert_eq!(place(&rig), (1, 0));
}

#[test]
fn a_message_from_nobody_is_dropped() {
    let mut rig = Rig::new();
    let message = Message::Certificates(althing_types::List::truncated(vec![rig.skip(1)]));
    let envelope = rig.core.envelope(message);
    let inputs = [(4, envelope.clone()), (u16::MAX, envelope.clone()), (3, envelope)];
    for (from, envelope) in inputs {
        let from = althing_types::ValidatorIndex::new(from);
        assert_eq!(rig.step(crate::Input::Message { from, envelope }), []);
    }
    assert_eq!(place(&rig), (1, 0));
}

#[test]
fn a_vote_that_another_peer_relays_is_ignored() {
    let mut rig = Rig::new();
    let vote = signed(0, nullify(1, None));
    rig.hear(1, Message::Vote(vote));
    assert!(rig.core.rounds.is_empty());
    rig.hear(0, Message::Vote(vote));
    assert!(rig.core.rounds[&View::new(1)].vote(VoteKind::Nullify, vote.signer).is_some());
}

#[test]
fn a_vote_that_does_not_verify_is_not_counted() {
    let mut rig = Rig::new();
    let mut vote = signed(0, nullify(1, None));
    vote.signature = signed(1, vote.vote).signature;
    assert!(blamed(&rig.hear(0, Message::Vote(vote))));
    let mut other_epoch = signed(0, nullify(1, None));
    if let Vote::Nullify(nullify) = &mut other_epoch.vote {
        nullify.epoch = althing_types::Epoch::new(1);
    }
    assert!(blamed(&rig.hear(0, Message::Vote(signed(0, other_epoch.vote)))));
    assert!(rig.core.rounds.is_empty());
}

#[test]
fn votes_count_together_only_if_every_field_is_the_same() {
    let mut rig = Rig::of(7, 6);
    for (signer, parent_view) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1)] {
        rig.hear_vote(signer, notarize(3, parent_view, digest(1)));
    }
    assert_eq!(place(&rig).0, 1, "five votes for one digest above two parents");
    // The leader of view 3 is validator 2; these two are honest stragglers.
    rig.hear_vote(0, notarize(3, 0, digest(1)));
    assert_eq!(place(&rig).0, 1, "four of five");
}

#[test]
fn the_first_vote_of_a_kind_counts_and_the_second_is_evidence() {
    let mut rig = Rig::new();
    rig.hear_vote(0, notarize(1, 0, digest(1)));
    rig.hear_vote(1, notarize(1, 0, digest(1)));
    assert_eq!(evidence(&rig.hear_vote(2, notarize(1, 0, digest(2)))), []);
    assert_eq!(evidence(&rig.hear_vote(2, notarize(1, 0, digest(1)))).len(), 1);
    assert_eq!(place(&rig).0, 1, "the second does not complete the quorum");
}

#[test]
fn each_pair_that_no_honest_validator_signs_is_evidence_in_either_order() {
    let (a, b) = (digest(1), digest(2));
    let pairs = [
        (notarize(1, 0, a), notarize(1, 0, b), true),
        (notarize(2, 0, a), notarize(2, 1, a), true),
        (notarize(1, 0, a), nullify(1, None), true),
        (notarize(1, 0, a), nullify(1, Some(b)), true),
        (notarize(1, 0, a), nullify(1, Some(a)), false),
        (finalize(1, a), nullify(1, None), true),
        (finalize(1, a), nullify(1, Some(a)), true),
        (finalize(1, a), finalize(1, b), true),
        (nullify(1, None), nullify(1, Some(a)), true),
        (notarize(1, 0, a), finalize(1, a), false),
        (notarize(1, 0, a), finalize(1, b), false),
        (notarize(1, 0, a), notarize(2, 0, b), false),
    ];
    for (one, other, is_evidence) in pairs {
        for (first, second) in [(one, other), (other, one)] {
            let mut rig = Rig::new();
            assert_eq!(evidence(&rig.hear_vote(2, first)), []);
            let found = evidence(&rig.hear_vote(2, second));
            assert_eq!(found.len(), usize::from(is_evidence), "{first:?} {second:?}");
            let keys = rig.clone();
            assert!(found.iter().all(|it| it.verify(keys.scheme(), &keys.config.committee).is_ok()));
        }
    }
}

#[test]
fn a_quorum_of_finalize_votes_makes_a_finalization() {
    let mut rig = Rig::new();
    for signer in 0..3 {
        assert_eq!(place(&rig), (1, 0));
        rig.hear_vote(signer, finalize(1, digest(1)));
    }
    assert_eq!(place(&rig), (2, 1));
}

#[test]
fn a_report_is_never_counted_as_a_vote() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_vote(0, notarize(1, 0, made.id()));
    rig.hear_vote(1, notarize(1, 0, made.id()));
    rig.hear_vote(2, nullify(1, Some(made.id())));
    assert_eq!(place(&rig).0, 1);
}

#[test]
fn a_kind_that_is_held_is_not_verified_again() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.skip(1)]);
    let forged = nullification(&committee(4), &votes(&[0, 1, 1], nullify(1, None)));
    let out = rig.hear_certificates(vec![forged]);
    assert_eq!((alarms(&out), votes_sent(&out)), (vec![], vec![]));
}
