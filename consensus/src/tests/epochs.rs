//! How an epoch ends and the next one begins (rules E1 to E4).

use althing_types::{
    Body, Certificate, Committee, Epoch, Hash, Header, Height, List, Notarization, Notarize, ValidatorIndex,
    ValidatorSet, View, Vote,
};

use super::rig::{
    DELTA, Made, Rig, alarms, batch_evidence, blamed, committee, digest, finalize, heights, notarize, nullify, place,
    proposal, proposals_sent, said, signed, summary, votes_logged, votes_sent,
};
use crate::{Anchor, Config, Core, Input, Message, Opening, Output, Record, RecoverError, Standing};

/// The set of the next epoch: more validators than before.
fn next_set() -> ValidatorSet {
    committee(7).set
}

/// One block is final and executed, and its state holds a change.
fn with_change() -> (Rig, Made) {
    let mut rig = Rig::new();
    let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
    assert_eq!(heights(&rig.others_finalize(1, 0, &first)), [1]);
    rig.step(Input::SetChange { height: Height::new(1), set: next_set().hash() });
    rig.execute(&first.block);
    (rig, first)
}

/// A block above another that carries its result, and names these next validators.
fn carrying(rig: &Rig, parent: &Made, proposer: u16, next: Hash) -> Made {
    let body = Body { results: List::truncated(vec![summary(&parent.block)]), ..Body::default() };
    rig.block_of(parent, proposer, body, |header| header.next_validators = next)
}

/// The boundary block of that epoch, proposed in view 2.
fn boundary(rig: &Rig, first: &Made) -> Made {
    carrying(rig, first, 1, next_set().hash())
}

#[test]
fn a_block_that_carries_the_change_must_name_the_next_set_and_no_other_may() {
    let other = committee(5).set.hash();
    for (next, is_right) in [(next_set().hash(), true), (Hash::ZERO, false), (other, false)] {
        let (mut rig, first) = with_change();
        let made = carrying(&rig, &first, 1, next);
        let votes = votes_logged(&rig.hear_proposal(2, 1, &made, Vec::new()));
        let expected = if is_right { notarize(2, 1, made.id()) } else { nullify(2, None) };
        assert_eq!(votes, [expected], "{next}");
    }
    // A block that carries nothing new ends nothing, whatever the state holds.
    for (next, is_right) in [(next_set().hash(), false), (Hash::ZERO, true)] {
        let (mut rig, first) = with_change();
        let lanes = List::truncated(vec![super::rig::tip(0, 2)]);
        let made = rig.block_of(&first, 1, Body { lanes, ..Body::default() }, |header| header.next_validators = next);
        let votes = votes_logged(&rig.hear_proposal(2, 1, &made, Vec::new()));
        let expected = if is_right { notarize(2, 1, made.id()) } else { nullify(2, None) };
        assert_eq!(votes, [expected], "{next}");
    }
}

#[test]
fn without_a_change_no_block_ends_the_epoch() {
    let mut rig = Rig::new();
    let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.others_finalize(1, 0, &first);
    rig.execute(&first.block);
    let made = boundary(&rig, &first);
    assert_eq!(votes_logged(&rig.hear_proposal(2, 1, &made, Vec::new())), [nullify(2, None)]);
}

#[test]
fn whether_a_block_ends_the_epoch_waits_for_the_execution_that_decides_it() {
    for next in [next_set().hash(), Hash::ZERO] {
        let mut rig = Rig::new();
        let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
        rig.others_finalize(1, 0, &first);
        let made = carrying(&rig, &first, 1, next);
        assert_eq!(votes_logged(&rig.hear_proposal(2, 1, &made, Vec::new())), []);
        rig.step(Input::SetChange { height: Height::new(1), set: next_set().hash() });
        let votes = votes_logged(&rig.execute(&first.block));
        let expected = if next == Hash::ZERO { nullify(2, None) } else { notarize(2, 1, made.id()) };
        assert_eq!(votes, [expected]);
    }
}

#[test]
fn a_leader_ends_the_epoch_with_the_first_block_that_carries_the_change() {
    let mut rig = Rig::of(4, 1);
    let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.connect_all();
    rig.others_finalize(1, 0, &first);
    rig.step(Input::SetChange { height: Height::new(1), set: next_set().hash() });
    let mut out = rig.execute(&first.block);
    for from in [0, 2, 3] {
        let from = ValidatorIndex::new(from);
        out.extend(rig.step(Input::Reported { from, executed: Height::new(1) }));
    }
    out.extend(rig.advance(DELTA));
    let proposals = proposals_sent(&out);
    let header: &Header = &proposals.first().expect("a pending change is work").block.header;
    assert_eq!((header.executed_height, header.next_validators), (Height::new(1), next_set().hash()));
}

/// The boundary block is certified in view 2 and not final.
fn certified() -> (Rig, Made) {
    let (mut rig, first) = with_change();
    let last = boundary(&rig, &first);
    rig.hear_proposal(2, 1, &last, Vec::new());
    rig.hear_certificates(vec![rig.notarization(2, 1, last.id())]);
    assert_eq!(place(&rig), (3, 1));
    (rig, last)
}

#[test]
fn a_boundary_block_has_no_child_but_itself() {
    let (mut rig, last) = certified();
    let child = rig.block(&last, 2, &[(0, 2)]);
    assert_eq!(votes_logged(&rig.hear_proposal(3, 2, &child, Vec::new())), [nullify(3, None)]);
    let (mut rig, last) = certified();
    let votes = votes_logged(&rig.hear_proposal(3, 2, &last, Vec::new()));
    assert_eq!(votes, [notarize(3, 2, last.id())], "the same block, though its proposer does not lead");
}

#[test]
fn an_ordinary_block_cannot_be_proposed_again() {
    let mut rig = Rig::new();
    let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &first, Vec::new());
    rig.hear_certificates(vec![rig.notarization(1, 0, first.id())]);
    let votes = votes_logged(&rig.hear_proposal(2, 1, &first, Vec::new()));
    assert!(!votes.contains(&notarize(2, 1, first.id())), "{votes:?}");
}

#[test]
fn a_leader_proposes_the_boundary_block_again_until_it_is_final() {
    let (mut rig, last) = certified();
    rig.connect_all();
    rig.hear_certificates(vec![rig.skip(3)]);
    let out: Vec<Output> = rig.pass(2 * DELTA).into_iter().map(|(_, output)| output).collect();
    let proposals = proposals_sent(&out);
    let again = proposals.first().expect("I lead view 4");
    assert_eq!(again.vote, signed(super::rig::ME, notarize(4, 2, last.id())));
    assert_eq!(again.block, last.block);
    let shown: Vec<View> = again.justification.iter().map(Certificate::view).collect();
    assert_eq!(shown, [View::new(2), View::new(3)], "its own certificate, and what was passed over");
    // It is final in the view in which it was proposed again.
    let out = rig.hear_certificates(vec![rig.notarization(4, 2, last.id()), rig.finalization(4, last.id())]);
    assert_eq!(heights(&out), [2]);
    assert!(rig.core.is_over());
}

#[test]
fn nothing_is_signed_after_the_boundary_block_is_final() {
    let (mut rig, last) = certified();
    rig.hear_certificates(vec![rig.finalization(2, last.id())]);
    rig.connect_all();
    rig.work(&[(1, 9)], &[(1, 9)]);
    let child = rig.block(&last, 2, &[(0, 2)]);
    let mut votes = votes_logged(&rig.hear_proposal(3, 2, &child, Vec::new()));
    votes.extend(rig.pass(60 * DELTA).into_iter().flat_map(|(_, output)| votes_logged(&[output])));
    assert_eq!(votes, []);
}

/// The settings of epoch 1, which begins above this block, for the validator that stands on the bench.
fn of_epoch_1(rig: &Rig, last: &Made) -> Config {
    let set = next_set();
    let key = rig.config.committee.set.get(rig.config.me).expect("it is one of them").key;
    let opening = Opening {
        height: last.block.header.height,
        finalization: rig.bare_finalization(2, last.id()),
        previous: rig.config.committee.clone(),
    };
    let me = set.index_of(&key).expect("it stays");
    let committee = Committee { epoch: Epoch::new(1), set, ..rig.config.committee.clone() };
    Config { committee, me, opening: Some(opening), ..rig.config.clone() }
}

/// The same validator in epoch 1, and the block that it begins above.
fn in_epoch_1() -> (Rig, Made) {
    let (mut rig, last) = certified();
    rig.hear_certificates(vec![rig.finalization(2, last.id())]);
    rig.execute(&last.block);
    let config = of_epoch_1(&rig, &last);
    let anchor = Anchor { header: last.block.header.clone(), cut: Vec::new() };
    rig.core = rig.core.clone().succeed(config.clone(), anchor);
    rig.config = config;
    (rig, last)
}

/// The first block of epoch 1, by the leader of its first view.
fn first_of_epoch_1(rig: &Rig, last: &Made, next: Hash) -> Made {
    let leader = rig.core.leader(View::new(1)).get();
    let lanes = List::truncated(vec![super::rig::tip(6, 1)]);
    let parent = Made { cut: Vec::new(), ..last.clone() };
    let (validators, epoch) = (rig.config.committee.set.hash(), rig.config.committee.epoch);
    rig.block_of(&parent, leader, Body { lanes, ..Body::default() }, |header| {
        (header.epoch, header.validators, header.next_validators) = (epoch, validators, next);
    })
}

fn notarize_in_epoch_1(view: u64, parent_view: u64, digest: Hash) -> Vote {
    let (view, parent_view) = (View::new(view), View::new(parent_view));
    Vote::Notarize(Notarize { epoch: Epoch::new(1), view, parent_view, digest })
}

fn hear_in_epoch_1(rig: &mut Rig, from: u16, message: Message) -> Vec<Output> {
    let envelope = crate::Envelope { epoch: Epoch::new(1), view: View::new(1), floor: View::ZERO, message };
    rig.step(Input::Message { from: ValidatorIndex::new(from), envelope })
}

#[test]
fn the_next_epoch_begins_with_view_1_and_a_record_of_how_it_began() {
    let (mut rig, last) = in_epoch_1();
    let old = rig.log.len();
    let made = first_of_epoch_1(&rig, &last, Hash::ZERO);
    let leader = rig.core.leader(View::new(1)).get();
    let mut proposal = proposal(leader, 1, 0, &made.block, Vec::new());
    proposal.vote = signed(leader, notarize_in_epoch_1(1, 0, made.id()));
    let out = hear_in_epoch_1(&mut rig, leader, Message::Proposal(Box::new(proposal)));
    assert_eq!(votes_sent(&out), [notarize_in_epoch_1(1, 0, made.id())]);
    let Some(Record::Epoch(record)) = rig.log.get(old) else { panic!("{:?}", rig.log.get(old)) };
    assert_eq!((record.epoch, &record.set), (Epoch::new(1), &next_set()));
    assert_eq!(record.boundary.vote.digest, last.id());
    assert_eq!(place(&rig), (1, 0));
}

#[test]
fn states_below_an_epochs_start_do_not_end_it() {
    // The boundary block carried height 1, whose state holds the change that ended epoch 0.
    let (mut rig, last) = in_epoch_1();
    let ended = first_of_epoch_1(&rig, &last, next_set().hash());
    let leader = rig.core.leader(View::new(1)).get();
    let mut wrong = proposal(leader, 1, 0, &ended.block, Vec::new());
    wrong.vote = signed(leader, notarize_in_epoch_1(1, 0, ended.id()));
    let votes = votes_logged(&hear_in_epoch_1(&mut rig, leader, Message::Proposal(Box::new(wrong))));
    assert!(matches!(votes[..], [Vote::Nullify(vote)] if vote.view == View::new(1)), "{votes:?}");
}

#[test]
fn places_in_the_log_go_on_so_that_an_old_sync_says_nothing_new() {
    let (mut rig, last) = certified();
    rig.hear_certificates(vec![rig.finalization(2, last.id())]);
    rig.execute(&last.block);
    let highest = |out: &[Output]| {
        out.iter().filter_map(|it| if let Output::Append { lsn, .. } = it { Some(*lsn) } else { None }).max()
    };
    let anchor = Anchor { header: last.block.header.clone(), cut: Vec::new() };
    rig.slow_disk = true;
    let before =
        highest(&rig.hear_vote(0, finalize(9, digest(9)))).or(highest(&rig.hear_certificates(vec![rig.skip(9)])));
    rig.core = rig.core.clone().succeed(of_epoch_1(&rig, &last), anchor);
    let after = highest(&rig.step(Input::Tick)).expect("the record of the epoch");
    assert!(before.is_some_and(|before| before < after), "{before:?} {after:?}");
}

#[test]
fn a_restart_reads_its_own_epoch_and_refuses_a_later_one() {
    let (rig, last) = in_epoch_1();
    let anchor = || Anchor { header: last.block.header.clone(), cut: Vec::new() };
    let recover =
        |config: &Config, records: Vec<Record>| Core::recover(config.clone(), last.id(), anchor(), View::ZERO, records);
    // The log of epoch 0 says nothing any more, whatever was signed in it.
    let core = recover(&rig.config, rig.log.clone()).expect("it goes on");
    assert_eq!(core.snapshot().view, View::new(1));
    let mut epoch_1 = rig.clone();
    epoch_1.step(Input::Tick);
    let voted = signed(rig.config.me.get(), notarize_in_epoch_1(1, 0, digest(7)));
    let mut records = epoch_1.log.clone();
    records.push(Record::Vote(voted));
    let core = recover(&rig.config, records.clone()).expect("it goes on");
    assert!(core.rounds.get(&View::new(1)).is_some_and(|round| round.own == [voted]), "its vote is a fact");
    // A log that knows neither how this epoch began nor how the one before ended may lack votes.
    let lost = recover(&rig.config, Vec::new());
    assert_eq!(lost.err(), Some(RecoverError::LogBehind { log: View::ZERO, ledger: View::new(2) }));
    // A ledger that is older than the log must not vote: it does not know what it signed.
    let mut older = rig.config.clone();
    (older.committee, older.opening) = (committee(4), None);
    let error = Core::recover(older, rig.genesis.id(), anchor(), View::ZERO, records.clone());
    assert_eq!(error.err(), Some(RecoverError::LedgerBehind { log: Epoch::new(1), ledger: Epoch::ZERO }));
    let mut other = rig.config.clone();
    other.committee.set = committee(10).set;
    assert_eq!(recover(&other, records).err(), Some(RecoverError::OtherSet));
}

#[test]
fn a_compacted_log_still_says_how_its_epoch_began() {
    let (mut rig, last) = in_epoch_1();
    let mut config = rig.config.clone();
    config.log_bytes_max = 1;
    let anchor = Anchor { header: last.block.header.clone(), cut: Vec::new() };
    rig.core = rig.core.clone().succeed(config, anchor);
    rig.step(Input::Tick);
    assert!(matches!(rig.log.first(), Some(Record::Epoch(_))), "{:?}", rig.log.first());
}

#[test]
fn a_validator_that_is_late_learns_how_its_epoch_ended() {
    let (mut rig, last) = certified();
    let later = |message| crate::Envelope { epoch: Epoch::new(1), view: View::new(5), floor: View::new(4), message };
    let from = ValidatorIndex::new(1);
    let out = rig.step(Input::Message { from, envelope: later(Message::Status) });
    assert_eq!(said(&out), [(1, Message::Status)], "it says where it is");
    let shown = Message::Certificates(List::truncated(vec![rig.finalization(2, last.id())]));
    let out = rig.step(Input::Message { from, envelope: later(shown) });
    assert_eq!((heights(&out), blamed(&out)), (vec![2], false));
    // The views that the peer announced are those of another epoch.
    assert_eq!(rig.core.peers.get(from).expect("a peer").view, View::ZERO);
}

#[test]
fn votes_of_another_epoch_are_not_counted() {
    let (mut rig, last) = in_epoch_1();
    let vote = signed(0, notarize(1, 0, last.id()));
    hear_in_epoch_1(&mut rig, 0, Message::Vote(vote));
    assert!(rig.core.rounds.get(&View::new(1)).is_none_or(|round| round.votes().count() == 0));
    let committee_0 = committee(4);
    let votes: Vec<_> = (0..3).map(|signer| signed(signer, notarize(1, 0, last.id()))).collect();
    let Vote::Notarize(body) = notarize(1, 0, last.id()) else { unreachable!("as made") };
    let old = Certificate::Notarization(Notarization::of(body, &committee_0, &votes).expect("a quorum of epoch 0"));
    let shown = Message::Certificates(List::truncated(vec![old]));
    hear_in_epoch_1(&mut rig, 0, shown);
    assert_eq!(place(&rig), (1, 0));
}

#[test]
fn evidence_of_the_epoch_before_is_taken_and_of_an_earlier_one_is_not() {
    let (mut rig, _) = in_epoch_1();
    let told = |evidence| Message::Evidence(List::truncated(vec![evidence]));
    hear_in_epoch_1(&mut rig, 0, told(batch_evidence(2, 5, 2)));
    assert_eq!(rig.core.snapshot().evidence, [batch_evidence(2, 5, 2)]);
    rig.config.opening.as_mut().expect("it has one").previous.epoch = Epoch::new(7);
    let (config, anchor) = (rig.config.clone(), rig.core.anchor().clone());
    let log = rig.log.iter().filter(|record| !matches!(record, Record::Evidence(_))).cloned().collect();
    rig.core = Core::recover(config, anchor.header.id(), anchor, View::ZERO, log).expect("it goes on");
    assert!(blamed(&hear_in_epoch_1(&mut rig, 0, told(batch_evidence(2, 5, 2)))));
}

#[test]
fn a_guest_follows_and_signs_nothing() {
    let mut rig = Rig::with(4, 4, |config| config.guests = 1);
    rig.connect_all();
    let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let mut out = rig.others_finalize(1, 0, &first);
    assert_eq!(heights(&out), [1]);
    out.extend(rig.execute(&first.block));
    rig.work(&[(0, 5)], &[(0, 5)]);
    out.extend(rig.pass(60 * DELTA).into_iter().map(|(_, output)| output));
    assert_eq!((votes_logged(&out), votes_sent(&out), alarms(&out)), (vec![], vec![], vec![]));
}

#[test]
fn guests_are_told_what_they_lack_and_are_no_part_of_a_quorum() {
    let mut rig = Rig::with(4, 3, |config| config.guests = 2);
    rig.step(Input::Peer { index: ValidatorIndex::new(4), connected: true });
    rig.step(Input::Peer { index: ValidatorIndex::new(5), connected: true });
    assert_eq!(rig.core.peers.active(), 1, "a guest takes no part");
    let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.others_finalize(1, 0, &first);
    let told = rig.pass(2 * DELTA).into_iter().map(|(_, output)| output).collect::<Vec<_>>();
    let shown = said(&told).into_iter().filter(|(to, message)| *to == 4 && matches!(message, Message::Certificates(_)));
    assert!(shown.count() > 0, "the Finalization is pushed to who lacks it");
    let vote = signed(4, nullify(2, None));
    assert!(blamed(&rig.hear(4, Message::Vote(vote))), "a guest has no vote");
}

/// What a validator knows of its past in epoch 1 if it knew this in epoch 0, where one block became final in view 1: as it
/// goes on, and as it starts again from its log.
fn past_in_epoch_1(standing: Standing) -> [Option<Standing>; 2] {
    let mut rig = Rig::new().restarted(vec![Record::Standing(standing)]).expect("a log of its own");
    let first = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.others_finalize(1, 0, &first);
    rig.step(Input::SetChange { height: Height::new(1), set: next_set().hash() });
    rig.execute(&first.block);
    let last = boundary(&rig, &first);
    rig.hear_proposal(2, 1, &last, Vec::new());
    rig.hear_certificates(vec![rig.notarization(2, 1, last.id()), rig.finalization(2, last.id())]);
    rig.execute(&last.block);
    let (config, log) = (of_epoch_1(&rig, &last), rig.log.clone());
    let anchor = || Anchor { header: last.block.header.clone(), cut: Vec::new() };
    let on = rig.core.clone().succeed(config.clone(), anchor());
    let again = Core::recover(config, last.id(), anchor(), View::ZERO, log).expect("a log of its own");
    [on, again].map(|core| core.snapshot().standing)
}

#[test]
fn who_may_have_been_in_the_next_epoch_before_its_log_was_lost_recovers_there_as_well() {
    let question = digest(3);
    let abstaining = |to| Standing::Abstaining { question, epoch: Epoch::ZERO, to: View::new(to) };
    let recovering = Standing::Recovering { question, above: View::ZERO };
    // Only the boundary block became final above what was lost.
    assert_eq!(past_in_epoch_1(abstaining(1)), [Some(recovering); 2]);
    assert_eq!(past_in_epoch_1(abstaining(7)), [Some(recovering); 2]);
    assert_eq!(past_in_epoch_1(Standing::Recovering { question, above: View::new(4) }), [Some(recovering); 2]);
    let doubled = Standing::Doubled { vote: None };
    assert_eq!(past_in_epoch_1(doubled), [Some(doubled); 2]);
}

#[test]
fn who_saw_its_epoch_go_on_after_its_log_was_lost_begins_the_next_one_whole() {
    let question = digest(3);
    let abstaining = Standing::Abstaining { question, epoch: Epoch::ZERO, to: View::ZERO };
    let whole = Standing::Whole { question };
    assert_eq!(past_in_epoch_1(abstaining), [Some(whole); 2]);
    assert_eq!(past_in_epoch_1(whole), [Some(whole); 2]);
}
