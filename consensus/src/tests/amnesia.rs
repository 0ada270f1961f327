//! Lost logs, older copies and second processes: no second vote, and no false alarm (rule D10).

use althing_types::{Certificate, Epoch, Evidence, Hash, List, View, Vote};

use super::rig::{
    DELTA, ME, Rig, alarms, batch_evidence, blamed, digest, finalize, heights, notarize, nullify, place, said, signed,
    votes_logged, votes_sent,
};
use crate::{Anchor, Core, Input, LaneLicence, Memory, Message, Output, Record, RecoverError, Standing, ViewProof};

const QUESTION: Hash = Hash::new([0x71; 32]);

/// The last of some, whose log holds these records.
fn of(validators: u16, records: Vec<Record>) -> Rig {
    Rig::of(validators, validators - 1).restarted(records).expect("a log of its own")
}

/// One of four that says this of its past.
fn with(standing: Standing) -> Rig {
    of(4, vec![Record::Standing(standing)])
}

const fn recovering(above: u64) -> Standing {
    Standing::Recovering { question: QUESTION, above: View::new(above) }
}

const fn abstaining(to: u64) -> Standing {
    Standing::Abstaining { question: QUESTION, epoch: Epoch::ZERO, to: View::new(to) }
}

const WHOLE: Standing = Standing::Whole { question: QUESTION };

/// A peer answers.
fn answer(rig: &mut Rig, from: u16, memory: Memory, entry: Option<Certificate>, yours: &[Vote]) -> Vec<Output> {
    let yours = List::truncated(yours.iter().map(|vote| signed(rig.config.me.get(), *vote)).collect());
    let proof = ViewProof { question: QUESTION, memory, entry, yours };
    rig.hear(from, Message::View(Box::new(proof)))
}

fn standing(rig: &Rig) -> Standing {
    rig.core.snapshot().standing.expect("the log says so")
}

/// A leader proposes, a Notarization arrives, time passes: whoever may sign does.
fn tempt(rig: &mut Rig, views: std::ops::RangeInclusive<u64>) -> Vec<Output> {
    let mut out = rig.connect_all();
    for view in views {
        let (_, floor) = place(rig);
        let leader = rig.core.leader(View::new(view)).get();
        let made = rig.block(&rig.genesis, leader, &[(0, 1)]);
        if leader != rig.config.me.get() {
            out.extend(rig.hear_proposal(view, 0, &made, rig.skips(floor + 1..=view - 1)));
        }
        out.extend(rig.work(&[(3, 50)], &[(3, 50)]));
        out.extend(rig.pass(30 * DELTA).into_iter().map(|(_, output)| output));
        out.extend(rig.hear_certificates(vec![rig.notarization(view, 0, made.id()), rig.skip(view)]));
    }
    out
}

#[test]
fn who_lost_its_log_signs_nothing_until_enough_others_proved_their_views() {
    let mut rig = with(recovering(0));
    let out = tempt(&mut rig, 1..=4);
    assert_eq!((votes_logged(&out), votes_sent(&out)), (Vec::new(), Vec::new()));
    assert_eq!(place(&rig).0, 5, "it takes part otherwise");
    assert_eq!(rig.core.lane_licence(), LaneLicence::Silent);
    for from in [0, 1] {
        let entry = rig.skip(4);
        answer(&mut rig, from, Memory::Whole, Some(entry), &[]);
        assert_eq!(standing(&rig), recovering(0));
    }
    let entry = rig.skip(6);
    let out = answer(&mut rig, 2, Memory::Whole, Some(entry), &[]);
    assert_eq!(standing(&rig), abstaining(9));
    assert!(out.contains(&Output::Standing(abstaining(9))));
    let out = tempt(&mut rig, 7..=11);
    let signed: Vec<u64> = votes_logged(&out).iter().map(|vote| vote.view().get()).collect();
    assert!(!signed.is_empty() && signed.iter().all(|view| *view > 9), "{signed:?}");
    assert_eq!(rig.core.lane_licence(), LaneLicence::Silent, "numbers of its lane may have been used");
}

#[test]
fn what_a_recovered_validator_may_not_sign_it_never_signs_after_restarts_and_compaction() {
    let small = |records: Vec<Record>| {
        let rig = Rig::with(4, ME, |config| config.log_bytes_max = 1);
        rig.restarted(records).expect("a log of its own")
    };
    let mut rig = small(vec![Record::Standing(recovering(0))]);
    rig.connect_all();
    for from in 0..3 {
        answer(&mut rig, from, Memory::Whole, None, &[]);
    }
    assert_eq!(standing(&rig), abstaining(3), "no certificate proves the first view");
    for _ in 0..3 {
        rig = small(rig.log.clone());
        assert_eq!(standing(&rig), abstaining(3));
        let out = rig.connect_all();
        assert!(votes_logged(&out).is_empty());
        answer(&mut rig, 0, Memory::Whole, None, &[]);
        answer(&mut rig, 1, Memory::Whole, None, &[]);
        let out = tempt(&mut rig, 1..=3);
        assert!(votes_logged(&out).iter().all(|vote| vote.view().get() > 3), "{out:?}");
    }
    let out = tempt(&mut rig, 5..=6);
    assert!(!votes_logged(&out).is_empty(), "it votes again");
    rig = small(rig.log.clone());
    assert_eq!(standing(&rig), abstaining(3));
}

#[test]
fn only_proofs_by_different_validators_that_remember_count() {
    let mut rig = of(7, vec![Record::Standing(recovering(0))]);
    rig.connect_all();
    let entry = rig.skip(1);
    for _ in 0..3 {
        for (from, memory) in [(0, Memory::Whole), (1, Memory::Whole), (2, Memory::Lost), (3, Memory::Asking)] {
            answer(&mut rig, from, memory, Some(entry.clone()), &[]);
        }
        rig.hear_with(4, 9_000, 8_000, Message::Status);
        rig.hear_with(5, 9_000, 8_000, Message::Status);
    }
    let old = ViewProof { question: Hash::ZERO, memory: Memory::Whole, entry: None, yours: List::empty() };
    for from in [2, 3, 4, 5] {
        rig.hear(from, Message::View(Box::new(old.clone())));
    }
    let forged = rig.skip(5_000);
    let forged = match forged {
        Certificate::Nullification(mut it) => {
            it.view = View::new(6_000);
            Certificate::Nullification(it)
        }
        other => other,
    };
    let out = answer(&mut rig, 4, Memory::Whole, Some(forged), &[]);
    assert!(blamed(&out));
    assert_eq!(standing(&rig), recovering(0), "two of five proved anything");
    for from in [2, 3, 5] {
        assert_eq!(standing(&rig), recovering(0));
        answer(&mut rig, from, Memory::Whole, None, &[]);
    }
    assert_eq!(standing(&rig), abstaining(4));
}

#[test]
fn votes_that_an_old_log_still_holds_are_stayed_above() {
    let mut rig = with(recovering(40));
    for from in 0..3 {
        answer(&mut rig, from, Memory::Whole, None, &[]);
    }
    assert_eq!(standing(&rig), abstaining(40), "what is lost beside them is bounded by what the others prove");
    let mut rig = with(recovering(40));
    let entry = rig.skip(50);
    for from in 0..3 {
        answer(&mut rig, from, Memory::Whole, Some(entry.clone()), &[]);
    }
    assert_eq!(standing(&rig), abstaining(53));
}

#[test]
fn where_no_fault_is_tolerated_a_lost_log_is_never_made_up_for() {
    for validators in [2, 3] {
        let mut rig = of(validators, vec![Record::Standing(recovering(0))]);
        for from in 0..validators - 1 {
            answer(&mut rig, from, Memory::Whole, None, &[]);
        }
        assert_eq!(standing(&rig), recovering(0));
        assert!(rig.core.snapshot().answers_needed > rig.core.snapshot().answers.len());
    }
}

#[test]
fn a_validator_that_begins_asks_before_it_signs_and_again_until_it_is_answered() {
    let mut rig = with(WHOLE);
    let is_question = |message: &Message| matches!(message, Message::GetView { question } if *question == QUESTION);
    let asked = |out: &[Output]| said(out).into_iter().filter(|(_, it)| is_question(it)).count();
    assert_eq!(asked(&rig.connect_all()), 3);
    let out: Vec<Output> = rig.pass(8 * DELTA).into_iter().map(|(_, output)| output).collect();
    assert!((6..12).contains(&asked(&out)), "ever more slowly: {}", asked(&out));
    let out = tempt(&mut rig, 1..=2);
    assert_eq!(votes_logged(&out), []);
    assert_eq!(rig.core.lane_licence(), LaneLicence::Held);
    answer(&mut rig, 0, Memory::Asking, None, &[]);
    answer(&mut rig, 1, Memory::Lost, None, &[]);
    assert_eq!(rig.core.lane_licence(), LaneLicence::Held, "who forgot everything cannot say what I signed");
    let out = answer(&mut rig, 2, Memory::Asking, None, &[]);
    assert_eq!(rig.core.lane_licence(), LaneLicence::Open);
    let finalizes = votes_logged(&out).iter().filter(|vote| matches!(vote, Vote::Finalize(_))).count();
    assert_eq!(finalizes, 2, "what it held back is said now: {out:?}");
    let out: Vec<Output> = rig.pass(40 * DELTA).into_iter().map(|(_, output)| output).collect();
    assert_eq!(asked(&out), 0);
    // A chain of one validator has nobody to ask.
    let mut alone = of(1, vec![Record::Standing(WHOLE)]);
    alone.step(Input::Tick);
    assert_eq!(alone.core.lane_licence(), LaneLicence::Open);
}

/// What must be so once a vote of this validator's key was seen that is not its own.
fn check_doubled(rig: &mut Rig, vote: Option<Vote>) {
    let seen = vote.map(|vote| signed(ME, vote));
    assert_eq!(standing(rig), Standing::Doubled { vote: seen });
    assert_eq!(rig.core.lane_licence(), LaneLicence::Silent);
    let (view, _) = place(rig);
    let out = tempt(rig, view..=view + 4);
    assert_eq!((votes_logged(&out), votes_sent(&out)), (Vec::new(), Vec::new()));
    let mut again = rig.restarted(rig.log.clone()).expect("a log of its own");
    assert_eq!(standing(&again), Standing::Doubled { vote: seen });
    again.connect_all();
    for from in 0..3 {
        answer(&mut again, from, Memory::Whole, None, &[]);
    }
    let out = tempt(&mut again, view + 5..=view + 6);
    assert_eq!((votes_logged(&out), votes_sent(&out)), (Vec::new(), Vec::new()));
}

#[test]
fn who_was_begun_anew_by_mistake_learns_it_from_its_peers_before_it_votes() {
    let mut rig = with(WHOLE);
    rig.connect_all();
    let old = nullify(1, None);
    answer(&mut rig, 0, Memory::Whole, None, &[old]);
    check_doubled(&mut rig, Some(old));
}

#[test]
fn an_older_copy_of_a_log_is_found_out_although_the_floor_passed_its_votes() {
    let mut before = with(WHOLE);
    for from in [0, 1] {
        answer(&mut before, from, Memory::Whole, None, &[]);
    }
    let out = before.hear_vote(0, nullify(1, None));
    assert_eq!(votes_logged(&out), [nullify(1, None)]);
    let mut copy = before.restarted(before.log.clone()).expect("a log of its own");
    copy.connect_all();
    copy.hear_certificates(vec![copy.finalization(30, digest(30))]);
    answer(&mut copy, 0, Memory::Whole, None, &[nullify(1, None)]);
    assert_eq!(standing(&copy), WHOLE, "this one is in the copy");
    answer(&mut copy, 1, Memory::Whole, None, &[finalize(29, digest(29))]);
    check_doubled(&mut copy, Some(finalize(29, digest(29))));
}

#[test]
fn who_sees_its_own_name_in_a_certificate_that_it_has_no_part_in_stops() {
    for entry in [false, true] {
        let mut rig = with(WHOLE);
        rig.connect_all();
        answer(&mut rig, 0, Memory::Whole, None, &[]);
        answer(&mut rig, 1, Memory::Whole, None, &[]);
        let votes: Vec<_> = [0, 1, ME].map(|voter| signed(voter, finalize(5, digest(5)))).to_vec();
        let Vote::Finalize(vote) = finalize(5, digest(5)) else { unreachable!("as made") };
        let made = althing_types::Finalization::slow(vote, &rig.config.committee, &votes).expect("a quorum");
        let certificate = Certificate::Finalization(made);
        match entry {
            true => answer(&mut rig, 2, Memory::Whole, Some(certificate), &[]),
            false => rig.hear_certificates(vec![certificate]),
        };
        check_doubled(&mut rig, Some(finalize(5, digest(5))));
    }
}

#[test]
fn a_vote_that_is_not_durable_yet_stays_here_once_another_one_was_seen() {
    let mut rig = with(WHOLE);
    rig.connect_all();
    answer(&mut rig, 0, Memory::Whole, None, &[]);
    answer(&mut rig, 1, Memory::Whole, None, &[]);
    rig.slow_disk = true;
    let out = rig.hear_vote(0, nullify(1, None));
    assert_eq!(votes_logged(&out), [nullify(1, None)]);
    answer(&mut rig, 2, Memory::Whole, None, &[notarize(1, 0, digest(7))]);
    assert_eq!(votes_sent(&rig.sync()), []);
    rig.slow_disk = false;
    let mut again = rig.restarted(rig.log.clone()).expect("a log of its own");
    again.connect_all();
    again.hear_vote(0, nullify(1, None));
    again.hear_vote(1, nullify(1, None));
    assert_eq!(place(&again).0, 1, "nor does it count after a restart");
    check_doubled(&mut rig, Some(notarize(1, 0, digest(7))));
}

#[test]
fn nobody_can_bring_about_a_false_alarm() {
    let mut rig = with(WHOLE);
    rig.connect_all();
    answer(&mut rig, 0, Memory::Whole, None, &[]);
    answer(&mut rig, 1, Memory::Whole, None, &[]);
    rig.hear_vote(0, nullify(1, None));
    // My own vote, as everybody may show it.
    answer(&mut rig, 2, Memory::Whole, None, &[nullify(1, None)]);
    // Another one, in my name, and with the signature of somebody else.
    let mut forged = signed(2, notarize(2, 0, digest(1)));
    forged.signer = rig.config.me;
    let (entry, yours) = (None, List::truncated(vec![forged]));
    let proof = ViewProof { question: QUESTION, memory: Memory::Whole, entry, yours };
    assert!(blamed(&rig.hear(2, Message::View(Box::new(proof)))));
    assert_eq!(standing(&rig), WHOLE);
    // One of a closed view: what I signed there is forgotten.
    rig.hear_certificates(vec![rig.finalization(8, digest(8))]);
    answer(&mut rig, 2, Memory::Whole, None, &[nullify(3, None)]);
    assert_eq!(standing(&rig), WHOLE);
}

#[test]
fn evidence_against_oneself_stops_a_validator_unless_it_is_of_the_time_that_it_lost() {
    let pair = |view| {
        let evidence = Evidence::of_votes(signed(ME, nullify(view, None)), signed(ME, notarize(view, 0, digest(1))));
        evidence.expect("a contradiction")
    };
    let hear = |rig: &mut Rig, evidence| rig.hear(0, Message::Evidence(List::truncated(vec![evidence])));
    let mut rig = with(WHOLE);
    hear(&mut rig, pair(2));
    assert!(matches!(standing(&rig), Standing::Doubled { .. }));
    let mut rig = with(WHOLE);
    hear(&mut rig, batch_evidence(ME, 1, ME));
    check_doubled(&mut rig, None);
    let mut rig = with(abstaining(9));
    hear(&mut rig, pair(9));
    hear(&mut rig, batch_evidence(ME, 1, ME));
    assert_eq!(standing(&rig), abstaining(9));
    let mut rig = with(abstaining(9));
    hear(&mut rig, pair(10));
    assert!(matches!(standing(&rig), Standing::Doubled { .. }));
}

#[test]
fn a_question_is_answered_with_the_view_and_the_newest_votes_of_whoever_asks() {
    let ask = |rig: &mut Rig| {
        let out = rig.hear(2, Message::GetView { question: digest(3) });
        let answers = said(&out).into_iter().filter_map(|(to, message)| match message {
            Message::View(proof) => Some((to, *proof)),
            _ => None,
        });
        let answers: Vec<(u16, ViewProof)> = answers.collect();
        assert_eq!(answers.len(), 1);
        assert_eq!((answers[0].0, answers[0].1.question), (2, digest(3)));
        answers[0].1.clone()
    };
    let mut rig = Rig::new();
    let first = ask(&mut rig);
    assert_eq!((first.memory, first.entry, first.yours.len()), (Memory::Whole, None, 0));
    rig.hear_certificates(vec![rig.finalization(3, digest(3))]);
    let closed = ask(&mut rig);
    assert_eq!(closed.entry, Some(rig.finalization(3, digest(3))));
    assert_eq!(closed.yours.to_vec(), [signed(2, finalize(3, digest(3)))], "from the certificate of a closed view");
    rig.hear_vote(2, nullify(4, None));
    assert_eq!(ask(&mut rig).yours.first(), Some(&signed(2, nullify(4, None))));
    let memories = [
        (with(WHOLE), Memory::Asking),
        (with(recovering(0)), Memory::Lost),
        (with(abstaining(3)), Memory::Lost),
        (with(Standing::Doubled { vote: None }), Memory::Lost),
    ];
    for (mut rig, memory) in memories {
        assert_eq!(ask(&mut rig).memory, memory);
    }
    let mut passed = with(abstaining(3));
    passed.hear_certificates(vec![passed.skip(3)]);
    assert_eq!(ask(&mut passed).memory, Memory::Asking, "it left behind what it may have forgotten");
}

#[test]
fn a_log_that_says_that_it_was_lost_may_end_below_the_ledger_and_catches_up() {
    let before = Rig::new();
    let blocks = before.blocks(3);
    let anchor = Anchor { header: blocks[0].block.header.clone(), cut: blocks[0].cut.clone() };
    let recover = |standing: Standing| {
        let records = vec![Record::Standing(standing)];
        let ledger = View::new(5);
        Core::recover(before.config.clone(), before.genesis.id(), anchor.clone(), ledger, records)
    };
    assert!(matches!(recover(WHOLE), Err(RecoverError::LogBehind { .. })));
    assert!(matches!(recover(abstaining(4)), Err(RecoverError::LogBehind { .. })));
    assert!(recover(abstaining(5)).is_ok());
    let mut rig = before.clone();
    rig.core = recover(recovering(0)).expect("it says so");
    let out = rig.connect_all();
    let announced = out.iter().filter_map(|output| match output {
        Output::Send { envelope, .. } => Some((envelope.view, envelope.floor)),
        _ => None,
    });
    assert!(announced.into_iter().all(|hints| hints == (View::new(1), View::ZERO)), "no certificate is here");
    // The ledger's last block is final with that of a descendant.
    let mut out = rig.hear_certificates(vec![rig.finalization(5, blocks[1].id())]);
    out.extend(rig.hear(0, Message::Block(Box::new(blocks[1].block.clone()))));
    out.extend(rig.pass(2 * DELTA).into_iter().map(|(_, output)| output));
    let run = crate::Run {
        blocks: List::truncated(vec![blocks[1].block.clone()]),
        link: List::empty(),
        finalization: rig.bare_finalization(5, blocks[1].id()),
    };
    out.extend(rig.hear(0, Message::Run(Box::new(run))));
    out.extend(rig.others_finalize(6, 5, &blocks[2]));
    assert_eq!(heights(&out), [2, 3], "{out:?}");
    assert!(alarms(&out).is_empty(), "{out:?}");
}

#[test]
fn whose_ledger_is_ahead_of_its_log_announces_no_floor_that_no_certificate_shows() {
    let before = Rig::new();
    let blocks = before.blocks(2);
    let anchor = Anchor { header: blocks[0].block.header.clone(), cut: blocks[0].cut.clone() };
    let records = vec![Record::Standing(recovering(0))];
    let mut rig = before.clone();
    rig.core =
        Core::recover(before.config.clone(), before.genesis.id(), anchor, View::new(5), records).expect("it may");
    rig.connect_all();
    // It enters a view by a certificate that makes nothing final.
    let mut out = rig.hear_certificates(vec![rig.notarization(8, 5, blocks[1].id())]);
    out.extend(rig.hear(0, Message::GetView { question: QUESTION }));
    let announced = out.iter().rev().find_map(|output| match output {
        Output::Send { envelope, .. } => Some((envelope.view.get(), envelope.floor.get())),
        _ => None,
    });
    assert_eq!(announced, Some((9, 0)), "{out:?}");
}
