//! Stalls that are induced, and what is said about each: cause, who, and what to do. Most of them happen to real
//! replicas on a bench; the few that cannot be brought about there are facts changed by hand.

mod bench;

use althing_consensus::{Alarm, Lack, Memory, Message as ConsensusMessage, Standing};
use althing_mempool::DataMessage;
use althing_network::{PeerState, Trouble};
use althing_rpc::api::{WhyAnswer, WhyCause, WhyReason, WhyState};
use althing_types::{Epoch, Hash, Height, Replay, ValidatorIndex, View, Vote};

use self::bench::{Bench, unreachable_for};
use super::{Facts, Place, Validator, judge};
use crate::replica::Message;

/// Long enough for anything that goes on to have become final.
const LONG_MS: u64 = 15_000;

/// What a validator says, and whether it names these nodes and this remedy.
fn check(facts: &Facts, cause: WhyCause, who: &[String], remedy: &str) -> WhyAnswer {
    let why = judge(facts);
    assert_eq!(why.first.cause, cause, "{why:#?}");
    let named: Vec<&String> = why.first.who.iter().map(|party| &party.name).collect();
    assert_eq!(named, who.iter().collect::<Vec<_>>(), "{why:#?}");
    let all_named = who.iter().all(|name| *name == facts.name || why.first.sentence.contains(name));
    assert!(all_named, "the sentence leaves somebody out: {}", why.first.sentence);
    assert!(why.first.remedy.clone().unwrap_or_default().contains(remedy), "{why:#?}");
    println!(
        "{:?}: {}\n  to do: {}",
        why.first.cause,
        why.first.sentence,
        why.first.remedy.clone().unwrap_or_default()
    );
    why
}

fn is_stalled(why: &WhyAnswer) -> bool {
    why.state == WhyState::Stalled && why.first.since_ms.is_some_and(|ms| ms.0 >= 3_000)
}

/// Changes what agreement, mempool and so on say.
fn changed(facts: &Facts, change: impl FnOnce(&mut Validator)) -> Facts {
    let mut facts = facts.clone();
    let Place::Validator(Some(here)) = &mut facts.place else { panic!("it is a validator") };
    change(here);
    facts
}

fn leader(bench: &Bench, node: usize) -> usize {
    let Place::Validator(Some(here)) = bench.facts(node).place else { panic!("it is a validator") };
    here.consensus.leader.to_usize()
}

#[test]
fn without_work_it_says_plainly_that_there_is_nothing_to_do() {
    let mut bench = Bench::new(4);
    let why = check(&bench.facts(0), WhyCause::Idle, &[], "");
    assert_eq!((why.state, why.also.len(), why.first.remedy), (WhyState::Ok, 0, None));
    bench.submit(0, 1);
    bench.run(LONG_MS);
    assert!(bench.nodes[0].height() > Height::ZERO, "nothing became final");
    let why = check(&bench.facts(1), WhyCause::Idle, &[], "");
    assert!(why.first.sentence.contains("there is nothing to do"), "{}", why.first.sentence);
}

#[test]
fn while_blocks_come_it_says_so() {
    let mut bench = Bench::new(4);
    for salt in 0..30 {
        bench.submit(0, salt);
        bench.run(200);
    }
    bench.submit(0, 99);
    bench.run(1);
    let why = check(&bench.facts(0), WhyCause::Progressing, &[], "");
    assert_eq!(why.state, WhyState::Ok);
}

#[test]
fn two_of_four_away_are_named_each_with_its_reason() {
    let mut bench = Bench::new(4);
    bench.cut_off(2);
    bench.cut_off(3);
    bench.submit(0, 1);
    bench.run(LONG_MS);
    bench.seen.insert(2, unreachable_for(840, true, Trouble::NoAnswer));
    let theirs = Hash::new([0x9f; 32]);
    let other = PeerState::OtherChain {
        genesis: theirs,
        chain_id: "other".to_owned(),
        seen: std::time::Duration::from_secs(1),
    };
    bench.seen.insert(3, other);
    let names = [bench.name(2), bench.name(3)];
    let why = check(&bench.facts(0), WhyCause::NoQuorum, &names, "althing genesis diff");
    assert!(is_stalled(&why), "{why:#?}");
    let sentence = &why.first.sentence;
    for part in ["need 3 of 4 validators, have 2", "unreachable for 14 min at 192.0.2.7:26702", "genesis 0x9f9f9f9f…"]
    {
        assert!(sentence.contains(part), "{part} is not in: {sentence}");
    }
    let reasons: Vec<WhyReason> = why.first.who.iter().map(|party| party.reason).collect();
    assert_eq!(reasons, [WhyReason::Unreachable, WhyReason::OtherGenesis]);
    assert_eq!(why.first.who[0].since_ms.map(|ms| ms.0), Some(840_000));
    bench.heal();
    bench.seen.clear();
    bench.run(LONG_MS);
    check(&bench.facts(0), WhyCause::Idle, &[], "");
}

#[test]
fn each_reason_for_which_a_validator_is_away_has_words_and_a_remedy_of_its_own() {
    let mut bench = Bench::new(4);
    bench.cut_off(2);
    bench.cut_off(3);
    bench.run(1_000);
    let cases = [
        (unreachable_for(60, false, Trouble::NoAnswer), WhyReason::NeverReached, "never reached", "start"),
        (unreachable_for(60, true, Trouble::Lost), WhyReason::Unreachable, "unreachable for 60 s", "start"),
        (unreachable_for(60, false, Trouble::OtherNode), WhyReason::WrongKey, "not the one that answers", "node key"),
        (unreachable_for(60, false, Trouble::HungUp), WhyReason::Refuses, "hangs up", "genesis documents"),
        (unreachable_for(60, false, Trouble::OtherProgram), WhyReason::OtherProgram, "another program", "same version"),
        (unreachable_for(60, true, Trouble::KeptOut), WhyReason::KeptOut, "kept out", "let in again"),
        (unreachable_for(60, false, Trouble::NoAddress), WhyReason::NoAddress, "away", "[p2p.peers]"),
        (PeerState::Waiting, WhyReason::NoAddress, "its address is not known", "[p2p.peers]"),
    ];
    let names = [bench.name(2), bench.name(3)];
    for (state, reason, words, remedy) in cases {
        bench.seen.insert(3, state);
        let why = check(&bench.facts(0), WhyCause::NoQuorum, &names, remedy);
        assert_eq!(why.first.who[1].reason, reason);
        assert!(why.first.who[1].text.contains(words), "{}", why.first.who[1].text);
    }
}

#[test]
fn two_validators_can_spare_none_and_it_is_said() {
    let mut bench = Bench::new(2);
    bench.cut_off(1);
    bench.submit(0, 1);
    bench.run(LONG_MS);
    let why = check(&bench.facts(0), WhyCause::NoQuorum, &[bench.name(1)], "start");
    assert!(why.first.sentence.contains("2 validators can spare none"), "{}", why.first.sentence);
}

#[test]
fn one_of_four_away_is_no_stall_and_is_said_beside() {
    let mut bench = Bench::new(4);
    bench.cut_off(3);
    bench.submit(0, 1);
    bench.run(LONG_MS);
    let why = check(&bench.facts(0), WhyCause::Idle, &[], "");
    assert_eq!((why.state, why.also.len()), (WhyState::Degraded, 1), "{why:#?}");
    let also = &why.also[0];
    assert_eq!((also.cause, &also.who[0].name), (WhyCause::PeersAway, &bench.name(3)));
    assert!(also.sentence.contains("3 suffice, no other may fail"), "{}", also.sentence);
}

#[test]
fn of_three_a_leader_that_is_away_holds_up_its_view() {
    let mut bench = Bench::new(3);
    let gone = leader(&bench, 0);
    let asked = (gone + 1) % 3;
    bench.cut_off(gone);
    bench.submit(asked, 1);
    bench.run(LONG_MS);
    let why = check(&bench.facts(asked), WhyCause::LeaderUnreachable, &[bench.name(gone)], "start");
    assert!(is_stalled(&why), "{why:#?}");
    assert!(why.first.sentence.contains("takes 3 of 3 validators, 2 are here"), "{}", why.first.sentence);
}

#[test]
fn of_three_a_leader_that_stands_still_is_named() {
    let mut bench = Bench::new(3);
    let still = leader(&bench, 0);
    let asked = (still + 1) % 3;
    bench.nodes[still].is_frozen = true;
    bench.submit(asked, 1);
    bench.run(LONG_MS);
    let why = check(&bench.facts(asked), WhyCause::LeaderSilent, &[bench.name(still)], "stand still");
    assert!(is_stalled(&why), "{why:#?}");
}

#[test]
fn validators_that_are_connected_and_do_not_vote_are_named() {
    let mut bench = Bench::new(4);
    bench.nodes[2].is_frozen = true;
    bench.nodes[3].is_frozen = true;
    bench.submit(0, 1);
    bench.run(LONG_MS);
    for asked in [0, 1] {
        let names = [bench.name(2), bench.name(3)];
        let why = check(&bench.facts(asked), WhyCause::VotesMissing, &names, "stand still");
        assert!(is_stalled(&why), "{why:#?}");
        assert!(why.first.sentence.contains("the votes of 3 of 4 validators"), "{}", why.first.sentence);
    }
}

#[test]
fn a_node_whose_disk_does_not_sync_says_so_and_the_other_misses_its_votes() {
    let mut bench = Bench::new(2);
    bench.nodes[1].never_syncs = true;
    bench.submit(0, 1);
    bench.run(LONG_MS);
    let why = check(&bench.facts(1), WhyCause::DiskSlow, &[bench.name(1)], "disk of the data folder");
    assert!(is_stalled(&why) && why.first.sentence.contains("log of votes"), "{why:#?}");
    check(&bench.facts(0), WhyCause::VotesMissing, &[bench.name(1)], "disk may be overloaded");
}

#[test]
fn results_that_two_validators_do_not_compute_hold_blocks_back() {
    let mut bench = Bench::new(4);
    bench.nodes[2].never_executes = true;
    bench.nodes[3].never_executes = true;
    for salt in 0..80 {
        bench.submit(0, salt);
        bench.run(250);
    }
    bench.run(LONG_MS);
    let names = [bench.name(2), bench.name(3)];
    let why = check(&bench.facts(0), WhyCause::ExecutionBehind, &names, "execute too slowly");
    assert!(is_stalled(&why), "{why:#?}");
    let why = check(&bench.facts(2), WhyCause::ExecutionBehind, &[bench.name(2)], "executes too slowly");
    assert!(why.first.sentence.contains("has executed block 0 of"), "{}", why.first.sentence);
}

#[test]
fn a_node_that_computed_something_else_says_that_it_diverged() {
    let mut bench = Bench::new(4);
    bench.nodes[3].miscomputes = true;
    for salt in 0..10 {
        bench.submit(0, salt);
        bench.run(1_000);
    }
    let why = check(&bench.facts(3), WhyCause::Diverged, &[bench.name(3)], "evidence");
    assert_eq!(why.state, WhyState::Stalled);
    let well = judge(&bench.facts(0));
    assert_eq!(well.state, WhyState::Ok, "the others go on: {well:#?}");
}

#[test]
fn a_fork_is_said_before_anything_else() {
    let mut bench = Bench::new(4);
    bench.cut_off(2);
    bench.cut_off(3);
    bench.run(1_000);
    let alarm = Alarm::Fork { ours: Hash::ZERO, theirs: Hash::new([7; 32]), proof: None };
    let facts = changed(&bench.facts(0), |here| here.consensus.halted = Some(alarm));
    let why = check(&facts, WhyCause::Forked, &[bench.name(0)], "evidence");
    assert_eq!(why.also[0].cause, WhyCause::NoQuorum, "{why:#?}");
}

#[test]
fn a_node_that_was_away_says_how_far_behind_it_is_and_when_nobody_helps() {
    let mut bench = Bench::new(4);
    bench.cut_off(3);
    for salt in 0..30 {
        bench.submit(0, salt);
        bench.run(500);
    }
    bench.heal();
    bench.run(3_000);
    let height = bench.nodes[0].height();
    let why = check(&bench.facts(3), WhyCause::Syncing, &[bench.name(3)], "wait");
    assert_eq!(why.state, WhyState::Behind);
    assert!(why.first.sentence.contains("it is at block 0 of"), "{}", why.first.sentence);
    // Nobody on this bench serves the past.
    bench.run(LONG_MS);
    let why = check(&bench.facts(3), WhyCause::SyncStalled, &[bench.name(3)], "its log");
    assert!(is_stalled(&why) && why.first.sentence.contains(&format!("of {height}")), "{why:#?}");
}

#[test]
fn the_pace_of_catching_up_tells_how_long_it_takes() {
    let mut bench = Bench::new(4);
    bench.submit(3, 1);
    bench.run(3_000);
    let mut facts = changed(&bench.facts(3), |here| here.consensus.reported = Height::new(1_000));
    let now = facts.now.monotonic;
    facts.head.height = Height::new(100);
    facts.pulse = super::Pulse::default();
    facts.pulse.note(now, Height::new(10), Height::new(1_000), false);
    facts.pulse.note(now.plus_ms(1_000), Height::new(100), Height::new(1_000), false);
    let why = check(&facts, WhyCause::Syncing, &[bench.name(3)], "wait");
    assert!(why.first.sentence.contains("needs about 10 s"), "{}", why.first.sentence);
}

#[test]
fn a_lane_that_lost_batches_is_silent_and_says_where_to_submit_instead() {
    let mut bench = Bench::new(4);
    for salt in 0..3 {
        bench.submit(3, salt);
        bench.run(2_000);
    }
    bench.restart_without_batches(3);
    bench.run(2_000);
    let why = check(&bench.facts(3), WhyCause::LaneSilent, &[bench.name(3)], "another validator");
    assert_eq!(why.state, WhyState::Stalled);
    assert_eq!(judge(&bench.facts(0)).state, WhyState::Ok);
}

#[test]
fn a_block_that_is_dated_too_far_ahead_names_both_clocks() {
    let mut bench = Bench::new(3);
    let fast = leader(&bench, 0);
    let (slow, gone) = ((fast + 1) % 3, (fast + 2) % 3);
    bench.nodes[fast].clock_ms = 3_600_000;
    bench.cut_off(gone);
    bench.submit(fast, 1);
    bench.run(LONG_MS);
    let names = [bench.name(fast), bench.name(slow)];
    let why = check(&bench.facts(slow), WhyCause::ClockApart, &names, "NTP");
    assert!(is_stalled(&why) && why.first.sentence.contains("59 min ahead"), "{why:#?}");
}

#[test]
fn a_clock_that_is_behind_the_chain_is_said_though_the_others_go_on() {
    let mut bench = Bench::new(4);
    for node in 0..3 {
        bench.nodes[node].clock_ms = 600_000;
    }
    for salt in 0..5 {
        bench.submit(0, salt);
        bench.run(3_000);
    }
    let why = judge(&bench.facts(3));
    let skewed = why.also.iter().find(|also| also.cause == WhyCause::ClockSkewed);
    let skewed = skewed.unwrap_or_else(|| panic!("{why:#?}"));
    assert_eq!(skewed.who[0].name, bench.name(3));
    assert!(skewed.remedy.as_ref().is_some_and(|remedy| remedy.contains("NTP")), "{skewed:#?}");
    assert!(judge(&bench.facts(0)).also.is_empty());
}

/// Whether a message carries batches of the first validator.
fn is_batch_of_first(from: usize, message: &Message) -> bool {
    from == 0 && matches!(message, Message::Data(DataMessage::Batch(_) | DataMessage::Batches(_)))
}

#[test]
fn batches_that_a_block_orders_and_nobody_gives_are_named_with_who_proposed_it() {
    let mut bench = Bench::new(2);
    bench.is_lost = is_batch_of_first;
    let leads = leader(&bench, 0);
    assert_eq!(leads, 0, "the first view is the first validator's");
    bench.submit(0, 1);
    bench.run(500);
    // Views with such a block end by their timers; this one is looked at as if it had lasted.
    let mut facts = bench.facts(1);
    facts.pulse.note(facts.now.monotonic, Height::ZERO, Height::ZERO, true);
    facts.now.monotonic = facts.now.monotonic.plus_ms(5_000);
    let why = check(&facts, WhyCause::DataMissing, &[bench.name(0)], "log of this node");
    assert!(is_stalled(&why) && why.first.sentence.contains("lacks batches"), "{why:#?}");
}

#[test]
fn a_validator_whose_batches_reach_nobody_is_told_so() {
    let mut bench = Bench::new(4);
    bench.is_lost = is_batch_of_first;
    bench.submit(0, 1);
    bench.run(LONG_MS);
    bench.run_until(60, |bench| judge(&bench.facts(0)).first.cause == WhyCause::AcksMissing);
    let names = [bench.name(1), bench.name(2), bench.name(3)];
    check(&bench.facts(0), WhyCause::AcksMissing, &names, "keep up");
}

#[test]
fn where_no_cause_fits_it_says_so_and_what_it_sees() {
    let mut bench = Bench::new(4);
    bench.is_lost = |_, message| match message {
        Message::Consensus(envelope) => {
            matches!(&envelope.message, ConsensusMessage::Vote(vote) if matches!(vote.vote, Vote::Notarize(_)))
        }
        Message::Data(_) => false,
    };
    bench.submit(0, 1);
    bench.run(LONG_MS);
    bench.run_until(60, |bench| judge(&bench.facts(0)).first.cause == WhyCause::NoAgreement);
    let why = check(&bench.facts(0), WhyCause::NoAgreement, &[], "consensus_state");
    assert!(is_stalled(&why), "{why:#?}");
}

#[test]
fn a_lack_that_only_this_node_has_is_named() {
    let mut bench = Bench::new(4);
    bench.nodes[2].is_frozen = true;
    bench.nodes[3].is_frozen = true;
    bench.submit(0, 1);
    bench.run(LONG_MS);
    let asked = if leader(&bench, 0) == 0 { 1 } else { 0 };
    let leader = bench.name(leader(&bench, 0));
    let with = |lack| changed(&bench.facts(asked), |here| here.consensus.lack = Some(lack));
    let of_view = with(Lack::Certificate(althing_types::View::new(7)));
    let why = check(&of_view, WhyCause::DataMissing, std::slice::from_ref(&leader), "log");
    assert!(why.first.sentence.contains("the certificate of view 7"), "{}", why.first.sentence);
    check(&with(Lack::Block), WhyCause::DataMissing, &[leader], "log");
    let of_result = with(Lack::Result(Height::new(5)));
    check(&of_result, WhyCause::ExecutionBehind, &[bench.name(asked)], "executes too slowly");
}

#[test]
fn a_lane_without_room_is_said_with_who_did_not_acknowledge() {
    let mut bench = Bench::new(4);
    bench.nodes[2].is_frozen = true;
    bench.nodes[3].is_frozen = true;
    bench.submit(0, 1);
    bench.run(LONG_MS);
    let full = changed(&bench.facts(0), |here| here.mempool.is_window_full = true);
    let why = check(&full, WhyCause::VotesMissing, &[bench.name(2), bench.name(3)], "stand still");
    let also = &why.also[0];
    let named: Vec<String> = also.who.iter().map(|party| party.name.clone()).collect();
    assert_eq!((also.cause, named), (WhyCause::LaneFull, vec![bench.name(2), bench.name(3)]));
}

#[test]
fn transactions_that_wait_for_a_number_before_their_own_are_no_stall() {
    let mut bench = Bench::new(4);
    bench.submit_with(0, Replay::Sequence { lane: 0, seq: 1 });
    bench.run(5_000);
    let why = check(&bench.facts(0), WhyCause::SequenceGap, &[], "missing sequence number");
    assert_eq!(why.state, WhyState::Ok);
}

#[test]
fn logs_and_disks_that_are_nearly_full_are_said_beside_the_rest() {
    let bench = Bench::new(4);
    let mut facts = bench.facts(0);
    facts.disks.votes_bytes = 900 << 20;
    facts.disks.free_bytes = Some(100 << 20);
    let why = check(&facts, WhyCause::Idle, &[], "");
    assert_eq!(why.state, WhyState::Degraded);
    let also: Vec<WhyCause> = why.also.iter().map(|also| also.cause).collect();
    assert_eq!(also, [WhyCause::LogNearlyFull, WhyCause::DiskNearlyFull]);
    assert!(why.also.iter().all(|also| also.who[0].name == bench.name(0) && also.remedy.is_some()), "{why:#?}");
}

#[test]
fn a_node_whose_thread_does_not_answer_says_that_much() {
    let bench = Bench::new(4);
    let facts = Facts { place: Place::Validator(None), ..bench.facts(0) };
    assert_eq!(check(&facts, WhyCause::Unresponsive, &[], "restart").state, WhyState::Stalled);
}

#[test]
fn an_observer_is_judged_by_whom_it_follows_and_how_far() {
    let mut bench = Bench::new(4);
    let observer = |bench: &Bench, horizon: u64, handed_over: usize| {
        let place = Place::Observer { horizon: Height::new(horizon), handed_over };
        let mut facts = Facts { place, name: "observer-0".to_owned(), ..bench.facts(0) };
        // Seen from outside all four are peers.
        facts.peers.push(bench.facts(1).peers.remove(0));
        facts
    };
    check(&observer(&bench, 0, 0), WhyCause::Idle, &[], "");
    let own = ["observer-0".to_owned()];
    let why = check(&observer(&bench, 100, 0), WhyCause::Syncing, &own, "wait");
    assert_eq!(why.state, WhyState::Behind);

    let mut waiting = observer(&bench, 0, 7);
    waiting.pulse.note(waiting.now.monotonic, Height::ZERO, Height::ZERO, true);
    check(&waiting, WhyCause::Progressing, &[], "");
    waiting.now.monotonic = waiting.now.monotonic.plus_ms(20_000);
    let why = check(&waiting, WhyCause::ValidatorsStalled, &own, "ask a validator");
    assert!(is_stalled(&why) && why.first.sentence.contains("7 transactions"), "{why:#?}");

    for node in 0..4 {
        bench.seen.insert(node, unreachable_for(60, true, Trouble::NoAnswer));
    }
    let names: Vec<String> = (0..4).map(|node| bench.name(node)).collect();
    let why = check(&observer(&bench, 0, 0), WhyCause::ObserverAlone, &names, "start");
    assert!(is_stalled(&why), "{why:#?}");
}

/// A validator that says this of its past, and was answered so by the others.
fn with_past(validators: u16, standing: Standing, answers: &[(u16, Memory)], needed: usize) -> Facts {
    changed(&Bench::new(validators).facts(0), |here| {
        here.consensus.standing = Some(standing);
        here.consensus.answers = answers.iter().map(|(index, memory)| (ValidatorIndex::new(*index), *memory)).collect();
        here.consensus.answers_needed = needed;
    })
}

#[test]
fn what_a_validator_lost_and_whom_it_waits_for_is_told_until_it_votes_again() {
    let name = |index: usize| Bench::new(4).name(index);
    let (question, whole, lost) = (Hash::ZERO, Memory::Whole, Memory::Lost);
    let recovering = Standing::Recovering { question, above: View::ZERO };
    let facts = with_past(4, recovering, &[(1, whole), (2, whole)], 3);
    let why = check(&facts, WhyCause::VotesLost, &[name(3)], "by itself");
    assert_eq!(why.state, WhyState::Degraded);
    assert!(why.first.sentence.contains("2 of 3 other validators have proven their views"), "{}", why.first.sentence);
    let facts = with_past(4, recovering, &[(1, whole), (2, lost)], 3);
    let why = judge(&facts);
    let told = format!("cannot end while {} recover as well", name(2));
    assert!(why.first.sentence.contains(&told), "{}", why.first.sentence);
    let why = judge(&with_past(3, recovering, &[(1, whole), (2, whole)], 3));
    assert!(why.first.sentence.contains("there are only 2, so it cannot end"), "{}", why.first.sentence);

    let abstaining = Standing::Abstaining { question, epoch: Epoch::ZERO, to: View::new(9) };
    let why = check(&with_past(4, abstaining, &[], 2), WhyCause::VotesLost, &[name(0)], "a few transactions");
    assert!(why.first.sentence.contains("votes above view 9"), "{}", why.first.sentence);
    let passed = Standing::Abstaining { question, epoch: Epoch::ZERO, to: View::ZERO };
    assert_eq!(judge(&with_past(4, passed, &[], 2)).first.cause, WhyCause::Idle);

    let facts = with_past(4, Standing::Whole { question }, &[(1, Memory::Asking), (2, lost)], 2);
    let facts = changed(&facts, |here| here.consensus.is_asking = true);
    let why = check(&facts, WhyCause::AsksPeers, &[name(2), name(3)], "reach this node");
    assert!(why.first.sentence.contains("1 of 2 have answered"), "{}", why.first.sentence);

    let facts = with_past(4, Standing::Doubled { vote: None }, &[], 2);
    let why = check(&facts, WhyCause::KeyDoubled, &[name(0)], "recover-vote-log");
    assert_eq!(why.state, WhyState::Stalled);
}
