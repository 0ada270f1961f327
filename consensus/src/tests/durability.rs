//! What must be durable before what: rules D1 to D4 and D7 to D9.

use althing_types::{View, Vote, VoteKind};

use super::rig::{
    DELTA, Rig, digest, finalize, heights, notarize, nullify, place, proposals_sent, said, votes_logged, votes_sent,
};
use crate::{Input, Message, Output, Record};

/// What happens to a validator.
type Act = fn(&mut Rig) -> Vec<Output>;

fn slow() -> Rig {
    let mut rig = Rig::new();
    rig.slow_disk = true;
    rig
}

#[test]
fn no_vote_leaves_before_its_record_is_durable() {
    let block = |rig: &Rig| rig.block(&rig.genesis, 0, &[(0, 1)]);
    let cases: [(&str, Act, Vote); 3] = [
        (
            "Notarize",
            |rig| rig.hear_proposal(1, 0, &rig.block(&rig.genesis, 0, &[(0, 1)]), Vec::new()),
            notarize(1, 0, block(&slow()).id()),
        ),
        ("Nullify", |rig| rig.hear_vote(0, nullify(1, None)), nullify(1, None)),
        ("Finalize", |rig| rig.hear_certificates(vec![rig.notarization(1, 0, digest(1))]), finalize(1, digest(1))),
    ];
    for (what, act, vote) in cases {
        let mut rig = slow();
        let mut out = act(&mut rig);
        let data = rig.core.chain.entries().map(|(id, _)| *id).collect::<Vec<_>>();
        out.extend(
            data.into_iter()
                .flat_map(|digest| rig.step(Input::Checked { digest, judgement: althing_types::DataJudgement::Valid })),
        );
        assert_eq!(votes_logged(&out), [vote], "{what}");
        out.extend(rig.pass(2 * DELTA).into_iter().map(|(_, output)| output));
        assert_eq!(votes_sent(&out), [], "{what}");
        assert_eq!(votes_sent(&rig.sync()), [vote], "{what}");
    }
}

#[test]
fn a_sync_releases_only_the_votes_that_it_covers() {
    let mut rig = slow();
    let out = rig.hear_vote(0, nullify(1, None));
    let first = out.iter().find_map(|output| match output {
        Output::Append { lsn, .. } => Some(*lsn),
        _ => None,
    });
    rig.hear_certificates(vec![rig.skip(1)]);
    assert_eq!(votes_logged(&rig.hear_vote(1, nullify(2, None))), [nullify(2, None)]);
    let out = rig.step(Input::Durable(first.expect("the vote's place")));
    assert_eq!(votes_sent(&out), [nullify(1, None)]);
    assert_eq!(votes_sent(&rig.sync()), [nullify(2, None)]);
}

#[test]
fn a_proposal_leaves_only_when_its_block_and_vote_are_durable() {
    let mut rig = Rig::of(4, 0);
    rig.slow_disk = true;
    rig.advance(10_000);
    rig.work(&[(0, 1)], &[(0, 1)]);
    let lanes = vec![super::rig::tip(0, 1)];
    let out = rig.step(Input::Built { view: View::new(1), parent: rig.genesis.id(), lanes });
    assert_eq!((proposals_sent(&out).len(), votes_logged(&out).len()), (0, 1));
    assert_eq!(proposals_sent(&rig.sync()).len(), 1);
}

#[test]
fn the_block_and_its_ancestors_stand_in_the_log_before_the_vote() {
    let mut rig = Rig::new();
    let blocks = rig.blocks(2);
    rig.hear_certificates(vec![rig.notarization(1, 0, blocks[0].id())]);
    rig.hear_proposal(1, 0, &blocks[0], Vec::new());
    rig.hear_proposal(2, 1, &blocks[1], Vec::new());
    let place_of = |wanted: &dyn Fn(&Record) -> bool| rig.log.iter().position(wanted).expect("it is in the log");
    let vote = place_of(&|record| matches!(record, Record::Vote(vote) if vote.vote == notarize(2, 1, blocks[1].id())));
    for made in &blocks {
        let block = place_of(&|record| matches!(record, Record::Block(block) if block.header.id() == made.id()));
        assert!(block < vote);
    }
    let entry = place_of(&|record| matches!(record, Record::Certificate(it) if it.view() == View::new(1)));
    assert!(entry < vote);
}

#[test]
fn the_certificate_that_opened_a_view_stands_in_the_log_before_its_votes() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.skip(1)]);
    rig.hear_vote(1, nullify(2, None));
    rig.hear_certificates(vec![rig.notarization(2, 0, digest(1))]);
    let kinds: Vec<&str> = rig
        .log
        .iter()
        .map(|record| match record {
            Record::Vote(_) => "vote",
            Record::Certificate(_) => "certificate",
            Record::Block(_) => "block",
            Record::Evidence(_) => "evidence",
            Record::Epoch(_) => "epoch",
            Record::Standing(_) => "standing",
        })
        .collect();
    // The leader gave the view up, and stands in the certificate that it notarized: that is evidence.
    assert_eq!(kinds, ["certificate", "vote", "evidence", "certificate"], "a Nullify forbids the Finalize");
}

#[test]
fn my_own_vote_counts_only_when_it_is_durable() {
    let mut rig = slow();
    rig.hear_vote(1, nullify(1, None));
    rig.hear_vote(0, nullify(1, None));
    assert_eq!(place(&rig).0, 1, "mine is signed and not durable");
    assert!(rig.core.rounds[&View::new(1)].vote(VoteKind::Nullify, rig.config.me).is_none());
    rig.sync();
    assert_eq!(place(&rig).0, 2);
}

#[test]
fn a_fact_holds_from_the_moment_that_it_is_signed() {
    let mut rig = slow();
    rig.hear_vote(0, nullify(1, None));
    let out = rig.hear_certificates(vec![rig.notarization(1, 0, digest(1))]);
    assert_eq!(votes_logged(&out), []);
}

#[test]
fn a_view_and_a_floor_are_announced_only_when_durable() {
    let announced = |rig: &mut Rig| {
        let envelope = rig.core.envelope(Message::Status);
        (envelope.view.get(), envelope.floor.get())
    };
    let mut rig = slow();
    assert_eq!(announced(&mut rig), (1, 0));
    rig.hear_certificates(vec![rig.skip(4)]);
    assert_eq!(announced(&mut rig), (1, 0));
    rig.sync();
    assert_eq!(announced(&mut rig), (5, 0));
    rig.hear_certificates(vec![rig.finalization(9, digest(1))]);
    assert_eq!(announced(&mut rig), (5, 0));
    rig.sync();
    assert_eq!(announced(&mut rig), (10, 9));
    let again = rig.restarted(rig.log.clone()).expect("its own log").core.envelope(Message::Status);
    assert_eq!((again.view.get(), again.floor.get()), (10, 9));
}

#[test]
fn a_block_is_handed_over_only_when_it_and_its_finalization_are_durable() {
    let mut rig = slow();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let certificates = vec![rig.notarization(1, 0, made.id()), rig.finalization(1, made.id())];
    let mut out = rig.hear_certificates(certificates);
    out.extend(rig.sync());
    // The Finalization is durable; now the block comes.
    rig.connect_all();
    rig.core.fetches.insert(crate::fetch::Want::Block(made.id()), crate::fetch::Fetch::default());
    out.extend(rig.hear(0, Message::Block(Box::new(made.block.clone()))));
    assert_eq!(heights(&out), Vec::<u64>::new());
    assert_eq!(heights(&rig.sync()), [1]);
}

#[test]
fn a_finalization_that_is_not_durable_hands_nothing_over() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    rig.slow_disk = true;
    assert_eq!(heights(&rig.hear_certificates(vec![rig.finalization(1, made.id())])), Vec::<u64>::new());
    assert_eq!(heights(&rig.sync()), [1]);
}

#[test]
fn certificates_of_peers_may_be_relayed_at_once_and_hints_may_not() {
    let mut rig = slow();
    rig.connect_all();
    rig.hear_certificates(vec![rig.skip(4)]);
    let out = rig.hear(0, Message::GetCertificates { from: View::new(4), to: View::new(4) });
    assert_eq!(said(&out).len(), 1);
    let hinted = out.iter().filter_map(|output| match output {
        Output::Send { envelope, .. } => Some(envelope.view.get()),
        _ => None,
    });
    assert_eq!(hinted.collect::<Vec<_>>(), [1]);
}
