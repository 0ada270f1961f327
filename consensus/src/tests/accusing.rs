//! Evidence: kept once and durably, told to everybody, put into one block, and never about an honest validator (R9).

use althing_types::{
    BLOCK_EVIDENCE_MAX, BatchHead, Body, Epoch, Evidence, Hash, List, Scheme, Signature, SignedVote, ValidatorIndex,
    View,
};

use super::rig::{
    DELTA, Made, Rig, batch_evidence, blamed, digest, evidence, finalize, heights, notarize, nullify, proposals_sent,
    said, signed, votes_sent,
};
use crate::{Config, Envelope, Input, Message, Output, Recipient, Record};

/// Two Notarize of a validator in a view.
fn pair(culprit: u16, view: u64) -> Evidence {
    let votes = [1, 2].map(|number| signed(culprit, notarize(view, 0, digest(number))));
    Evidence::of_votes(votes[0], votes[1]).expect("they contradict")
}

fn told(pieces: &[Evidence]) -> Message {
    Message::Evidence(List::truncated(pieces.to_vec()))
}

/// Evidence that left for everybody.
fn gossiped(out: &[Output]) -> Vec<Evidence> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send { to: Recipient::All, envelope: Envelope { message: Message::Evidence(pieces), .. } } => {
                Some(pieces.to_vec())
            }
            _ => None,
        })
        .flatten()
        .collect()
}

fn logged(out: &[Output]) -> usize {
    out.iter().filter(|output| matches!(output, Output::Append { record: Record::Evidence(_), .. })).count()
}

/// A block above a parent that holds evidence.
fn accusing(rig: &Rig, parent: &Made, proposer: u16, pieces: &[Evidence]) -> Made {
    rig.block_of(parent, proposer, Body { evidence: List::truncated(pieces.to_vec()), ..Body::default() }, |_| {})
}

#[test]
fn evidence_is_told_only_once_it_is_durable() {
    let mut rig = Rig::new();
    rig.slow_disk = true;
    rig.hear_vote(1, notarize(1, 0, digest(1)));
    let out = rig.hear_vote(1, notarize(1, 0, digest(2)));
    assert_eq!((logged(&out), gossiped(&out), evidence(&out)), (1, vec![], vec![]));
    let out = rig.sync();
    assert_eq!((gossiped(&out), evidence(&out)), (vec![pair(1, 1)], vec![pair(1, 1)]));
}

#[test]
fn what_a_peer_tells_is_verified_kept_and_told_on_once() {
    let mut rig = Rig::new();
    let out = rig.hear(0, told(&[pair(1, 1)]));
    assert_eq!((logged(&out), gossiped(&out), evidence(&out)), (1, vec![pair(1, 1)], vec![pair(1, 1)]));
    for from in [0, 1, 2] {
        let out = rig.hear(from, told(&[pair(1, 1), pair(1, 5)]));
        assert_eq!((logged(&out), gossiped(&out), blamed(&out)), (0, vec![], false), "nothing new");
    }
    assert_eq!(rig.core.snapshot().evidence, [pair(1, 1)]);
}

#[test]
fn junk_is_refused_and_its_sender_named() {
    let rig = Rig::new();
    let Evidence::Votes(a, b) = pair(1, 1) else { unreachable!("as made") };
    let forged = SignedVote { signature: Signature::new([7; 64]), ..b };
    let stranger = |vote: SignedVote| SignedVote { signer: ValidatorIndex::new(9), ..vote };
    let harmless = [signed(1, notarize(1, 0, digest(1))), signed(1, finalize(1, digest(1)))];
    let junk = [
        Evidence::Votes(b, a),
        Evidence::Votes(a, a),
        Evidence::Votes(a.min(forged), a.max(forged)),
        Evidence::Votes(stranger(a), stranger(b)),
        Evidence::Votes(harmless[0], harmless[1]),
        batch_evidence(2, 3, 3),
    ];
    for piece in junk {
        let mut rig = rig.clone();
        let out = rig.hear(0, told(&[piece, pair(2, 1)]));
        assert!(blamed(&out), "{piece:?}");
        assert_eq!((logged(&out), rig.core.snapshot().evidence), (0, vec![]), "{piece:?}");
    }
}

#[test]
fn at_most_six_pieces_are_held_for_each_validator() {
    let mut rig = Rig::new();
    for view in 1..40 {
        for culprit in [0, 1, 2] {
            let (a, b) = (digest(1), digest(2));
            let votes = [
                notarize(view, 0, a),
                notarize(view, 0, b),
                finalize(view, a),
                finalize(view, b),
                nullify(view, None),
                nullify(view, Some(b)),
            ];
            let votes = votes.map(|vote| signed(culprit, vote));
            let pairs = votes.iter().flat_map(|one| votes.iter().filter_map(|two| Evidence::of_votes(*one, *two)));
            for piece in pairs.chain([batch_evidence(culprit, view, culprit)]).collect::<Vec<_>>() {
                rig.hear(3 - culprit.min(2), told(&[piece]));
                rig.step(Input::Evidence(piece));
            }
        }
    }
    assert_eq!(rig.core.snapshot().evidence.len(), 3 * 6);
}

#[test]
fn what_the_data_plane_finds_is_evidence_as_well() {
    let mut rig = Rig::new();
    let found = batch_evidence(1, 7, 1);
    assert_eq!(gossiped(&rig.step(Input::Evidence(found))), [found]);
    assert_eq!(gossiped(&rig.step(Input::Evidence(found))), []);
    let forged = batch_evidence(2, 7, 1);
    assert_eq!(logged(&rig.step(Input::Evidence(forged))), 0);
}

#[test]
fn a_vote_that_only_a_certificate_shows_is_evidence() {
    let mut rig = Rig::new();
    rig.hear_vote(0, nullify(1, None));
    let out = rig.hear_certificates(vec![rig.notarization(1, 0, digest(1))]);
    let found = evidence(&out);
    assert_eq!(found.iter().map(Evidence::culprit).collect::<Vec<_>>(), [ValidatorIndex::ZERO]);
    assert!(found.iter().all(|piece| piece.verify(rig.scheme(), &rig.config.committee).is_ok()));
}

#[test]
fn a_peer_that_connects_is_told_what_is_in_no_final_block() {
    let mut rig = Rig::new();
    rig.hear(0, told(&[pair(1, 1), pair(2, 1)]));
    rig.hear(0, told(&[batch_evidence(1, 7, 1)]));
    let out = rig.step(Input::Peer { index: ValidatorIndex::new(2), connected: true });
    assert!(said(&out).contains(&(2, told(&[pair(1, 1), pair(2, 1)]))), "one piece for each culprit");
    let made = accusing(&rig, &rig.genesis, 0, &[pair(1, 1)]);
    rig.others_finalize(1, 0, &made);
    let out = rig.step(Input::Peer { index: ValidatorIndex::new(2), connected: true });
    assert!(said(&out).contains(&(2, told(&[pair(2, 1)]))));
}

/// Validator 3 of four, which leads view 4, in that view.
fn leader(change: impl FnOnce(&mut Config)) -> Rig {
    let mut rig = Rig::with(4, 3, change);
    rig.connect_all();
    rig.hear_certificates(rig.skips(1..=3));
    rig
}

#[test]
fn evidence_is_work_for_a_leader_and_goes_into_one_block() {
    let mut rig = leader(|_| {});
    assert_eq!(proposals_sent(&rig.advance(DELTA)), [], "nothing to do");
    let out = rig.hear(0, told(&[pair(2, 1), pair(1, 9)]));
    let proposals = proposals_sent(&out);
    let [proposal] = proposals.as_slice() else { panic!("one proposal: {proposals:?}") };
    let mut expected = vec![pair(1, 9), pair(2, 1)];
    expected.sort();
    assert_eq!(proposal.block.body.evidence.to_vec(), expected);
    let id = proposal.block.header.id();
    // Others judge it Valid, and once it is final nothing is left to do.
    let mut voter = Rig::of(4, 1);
    voter.hear_certificates(voter.skips(1..=3));
    let out = voter.hear(3, Message::Proposal(Box::new(proposal.clone())));
    assert_eq!(votes_sent(&out), [notarize(4, 0, id)]);
    let out = rig.hear_certificates(vec![rig.notarization(4, 0, id), rig.finalization(4, id)]);
    assert_eq!(heights(&out), [1]);
    assert_eq!(rig.core.snapshot().evidence, []);
    let view = View::new(5);
    assert_eq!(rig.core.snapshot().view, view);
    rig.hear_certificates(rig.skips(5..=7));
    assert_eq!(proposals_sent(&rig.hear(0, told(&[batch_evidence(1, 7, 1)]))), [], "the culprit is done with");
    let later = rig.pass(50 * DELTA);
    assert!(later.iter().all(|(_, output)| proposals_sent(std::slice::from_ref(output)).is_empty()), "it rests");
}

#[test]
fn evidence_in_an_ancestor_that_is_not_final_yet_is_not_put_into_a_block_again() {
    let mut rig = leader(|_| {});
    let made = accusing(&rig, &rig.genesis, 0, &[pair(1, 1)]);
    rig.hear_proposal(5, 0, &made, vec![rig.skip(4)]);
    rig.hear_certificates(vec![rig.notarization(5, 0, made.id())]);
    rig.hear_certificates(rig.skips(6..=7));
    rig.advance(10_000);
    assert_eq!(proposals_sent(&rig.hear(0, told(&[pair(1, 1)]))), []);
    let out = rig.work(&[(0, 1)], &[(0, 1)]);
    let build = out.iter().find_map(|output| match output {
        Output::Build { view, parent, .. } => Some((*view, *parent)),
        _ => None,
    });
    let (view, parent) = build.expect("it leads view 8 and has a batch");
    assert_eq!(parent, made.id());
    let out = rig.step(Input::Built { view, parent, lanes: vec![super::rig::tip(0, 1)] });
    assert_eq!(proposals_sent(&out)[0].block.body.evidence.to_vec(), []);
    let out = rig.hear(0, told(&[pair(2, 1)]));
    assert_eq!(logged(&out), 1);
}

#[test]
fn no_evidence_goes_into_a_block_that_x2_wants_empty() {
    let mut rig = leader(|config| config.params.k = 1);
    let blocks = rig.blocks(1);
    let empty = rig.block(&blocks[0], 1, &[]);
    rig.hear_certificates(vec![rig.skip(4)]);
    rig.hear_proposal(5, 0, &blocks[0], Vec::new());
    rig.hear_certificates(vec![rig.notarization(5, 0, blocks[0].id()), rig.finalization(5, blocks[0].id())]);
    rig.hear_proposal(6, 5, &empty, Vec::new());
    rig.hear_certificates(vec![rig.notarization(6, 5, empty.id()), rig.finalization(6, empty.id())]);
    rig.hear_certificates(rig.skips(7..=7));
    // Two heights are not executed, and one may be outstanding.
    assert_eq!(proposals_sent(&rig.hear(0, told(&[pair(1, 1)]))), []);
    let rested = rig.pass(20 * DELTA);
    assert!(rested.iter().all(|(_, output)| gossiped(std::slice::from_ref(output)).is_empty()), "no work, no noise");
}

#[test]
fn followers_with_evidence_do_not_wait_for_a_leader_that_ignores_it_and_tell_it_again() {
    let mut rig = Rig::of(4, 2);
    rig.connect_all();
    rig.hear(1, told(&[pair(3, 1)]));
    let out = rig.pass(4 * DELTA);
    let again = out.iter().flat_map(|(_, output)| gossiped(std::slice::from_ref(output))).count();
    assert!((1..=5).contains(&again), "about once in each delta: {again}");
    let votes: Vec<_> = out.iter().flat_map(|(_, output)| votes_sent(std::slice::from_ref(output))).collect();
    assert!(votes.contains(&nullify(1, None)), "the view of a leader that stays silent is given up");
}

#[test]
fn evidence_survives_a_restart_and_a_compaction_and_a_final_accusation_ends_it() {
    for log_bytes_max in [1, 8 << 20] {
        let mut rig = Rig::with(4, 3, |config| config.log_bytes_max = log_bytes_max);
        rig.hear(0, told(&[pair(1, 1), pair(2, 1)]));
        rig.hear_certificates(rig.skips(1..=2));
        let mut again = rig.restarted(rig.log.clone()).expect("it goes on");
        assert_eq!(again.core.snapshot().evidence, [pair(1, 1), pair(2, 1)]);
        again.core = again.core.with_accused([(Epoch::ZERO, ValidatorIndex::new(1))]);
        assert_eq!(again.core.snapshot().evidence, [pair(2, 1)]);
        assert_eq!(logged(&again.hear(0, told(&[pair(1, 8)]))), 0, "done with before the restart");
        // A block that was final and not committed is handed over again, and ends what it accuses.
        let made = accusing(&rig, &rig.genesis, 2, &[pair(2, 1)]);
        rig.hear_certificates(vec![rig.notarization(3, 0, made.id())]);
        rig.hear_proposal(3, 0, &made, Vec::new());
        rig.hear_certificates(vec![rig.finalization(3, made.id())]);
        let mut again = rig.restarted(rig.log.clone()).expect("it goes on");
        assert_eq!(heights(&again.advance(1)), [1]);
        assert_eq!(again.core.snapshot().evidence, [pair(1, 1)]);
    }
}

#[test]
fn a_block_holds_at_most_its_bound_and_the_rest_comes_later() {
    let mut rig = Rig::of(128, 0);
    rig.connect_all();
    for culprit in 1..100u16 {
        rig.hear(culprit, told(&[pair(culprit, 1)]));
    }
    let work = rig.core.evidence_work();
    assert_eq!(work.len(), BLOCK_EVIDENCE_MAX);
    assert!(work.is_sorted_by(|a, b| a < b));
}

/// Whatever an honest validator signs before and after a crash, in whatever order it is shown, accuses nobody.
#[test]
fn an_honest_validator_is_not_accused_by_a_crash_or_by_repetition() {
    for cut in 0..8 {
        let mut rig = Rig::new();
        rig.connect_all();
        let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
        let mut votes = votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new()));
        votes.extend(votes_sent(&rig.hear_vote(0, nullify(1, Some(made.id())))));
        votes.extend(votes_sent(&rig.hear_vote(1, nullify(1, None))));
        votes.extend(votes_sent(&rig.hear_certificates(vec![rig.notarization(1, 0, made.id())])));
        let kept: Vec<Record> = rig.log.iter().take(cut).cloned().collect();
        let durable = rig.log.len() <= cut;
        let mut again = rig.restarted(kept).expect("it goes on");
        let mut later = again.connect_all();
        later.extend(again.hear_proposal(1, 0, &made, Vec::new()));
        later.extend(again.pass(6 * DELTA).into_iter().map(|(_, output)| output));
        if durable {
            votes.extend(votes_sent(&later));
        } else {
            // What was not durable was not sent before the crash either.
            votes = votes_sent(&later);
        }
        let mut witness = Rig::of(4, 1);
        for vote in votes.iter().chain(votes.iter().rev()) {
            assert_eq!(evidence(&witness.hear_vote(3, *vote)), [], "{cut}: {votes:?}");
        }
    }
}

/// What a scheme of the bench says of a lane owner's signature.
#[test]
fn evidence_about_batches_is_verified_with_the_owner_of_the_lane() {
    let rig = Rig::new();
    let verify = |evidence: Evidence| evidence.verify(rig.scheme(), &rig.config.committee);
    assert!(verify(batch_evidence(1, 7, 1)).is_ok());
    assert!(verify(batch_evidence(1, 7, 2)).is_err());
    let Evidence::Batches((head, signature), _) = batch_evidence(1, 7, 1) else { unreachable!("as made") };
    let owner = rig.config.committee.set.get(ValidatorIndex::new(1)).expect("a member").key;
    let signs =
        |head: &BatchHead| rig.scheme().verify(&owner, &head.sign_hash(&rig.config.committee.chain), &signature);
    assert!(signs(&head) && !signs(&BatchHead { digest: Hash::ZERO, ..head }));
}
