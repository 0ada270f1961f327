//! Judging proposals, field by field: rules V1 to V6.

use althing_types::{
    Body, Bytes, DataJudgement, Epoch, Evidence, Extension, Hash, Header, Height, List, TimeMs, ValidatorIndex, View,
    Vote,
};

use super::rig::{
    DELTA, ME, Rig, asked, blamed, digest, evidence, notarize, nullify, proposal, signed, tip, votes_sent, votes_timed,
};
use crate::{Config, Input, Message, Output};

/// A change of a header, and what it is.
type Change = (&'static str, fn(&mut Header));

const INVALID: [Change; 14] = [
    ("chain", |header| header.chain = digest(1)),
    ("epoch", |header| header.epoch = Epoch::new(1)),
    ("height of the parent", |header| header.height = Height::ZERO),
    ("height above", |header| header.height = Height::new(2)),
    ("highest height", |header| header.height = Height::new(u64::MAX)),
    ("time of the parent", |header| header.time = header.time.previous()),
    ("no time", |header| header.time = TimeMs::ZERO),
    ("proposer", |header| header.proposer = ValidatorIndex::new(1)),
    ("nobody as proposer", |header| header.proposer = ValidatorIndex::new(u16::MAX)),
    ("validators", |header| header.validators = digest(1)),
    ("params", |header| header.params = digest(1)),
    ("next validators", |header| header.next_validators = digest(1)),
    ("executed height without results", |header| header.executed_height = Height::new(1)),
    ("extension", |header| header.ext = List::truncated(vec![Extension { id: 1, bytes: Bytes::default() }])),
];

#[test]
fn each_invalid_header_field_ends_the_view_at_once() {
    for (what, change) in INVALID {
        let mut rig = Rig::new();
        let made = rig.block_of(&rig.genesis, 0, Body::default(), change);
        assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), [nullify(1, None)], "{what}");
    }
}

#[test]
fn a_lane_of_nobody_ends_the_view_at_once() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(3, 1), (4, 1)]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), [nullify(1, None)]);
}

#[test]
fn evidence_that_proves_nothing_or_is_out_of_order_ends_the_view_at_once() {
    let piece = |culprit, number| {
        let vote = |number| signed(culprit, notarize(9, 8, digest(number)));
        let pair = (vote(number), vote(number + 1));
        Evidence::of_votes(pair.0, pair.1).expect("a contradiction")
    };
    let mut bad = piece(0, 1);
    if let Evidence::Votes(vote, _) = &mut bad {
        vote.signature = signed(1, vote.vote).signature;
    }
    let mut two = vec![piece(0, 1), piece(1, 2)];
    two.sort();
    let descending: Vec<Evidence> = two.iter().rev().copied().collect();
    let twice = vec![piece(0, 1), piece(0, 1)];
    let mut one_culprit = vec![piece(0, 1), piece(0, 2)];
    one_culprit.sort();
    let invalid = [descending, twice, one_culprit, vec![bad]].map(|evidence| (evidence, false));
    for (evidence, valid) in [(two, true)].into_iter().chain(invalid) {
        let mut rig = Rig::new();
        let body = Body { evidence: List::truncated(evidence), ..Body::default() };
        let made = rig.block_of(&rig.genesis, 0, body, |_| {});
        let votes = votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new()));
        assert_eq!(votes, [if valid { notarize(1, 0, made.id()) } else { nullify(1, None) }]);
    }
}

#[test]
fn batches_that_can_never_be_valid_end_the_view_at_once() {
    let mut rig = Rig::new();
    rig.data = Some(DataJudgement::Invalid);
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), [nullify(1, None)]);
}

#[test]
fn an_empty_block_is_notarized() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), [notarize(1, 0, made.id())]);
}

/// Everything whose bytes anyone could have attached is dropped, and the true proposal still counts.
#[test]
fn a_wrong_body_or_justification_drops_the_message_only() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let good = proposal(0, 1, 0, &made.block, Vec::new());
    let mut results = good.clone();
    results.block.body.results = List::truncated(vec![super::rig::summary(&made.block)]);
    let mut other_block = good.clone();
    other_block.block.header.time = TimeMs::ZERO;
    let mut forged = good.clone();
    forged.vote.signature = signed(1, forged.vote.vote).signature;
    let mut unproven = good.clone();
    unproven.justification = List::truncated(vec![Rig::of(2, 1).skip(1)]);
    for (what, bad) in [("results", results), ("block", other_block), ("vote", forged), ("justification", unproven)] {
        let out = rig.hear(0, Message::Proposal(Box::new(bad)));
        assert!(votes_sent(&out).is_empty() && blamed(&out), "{what}");
        assert!(rig.core.chain.block(&made.id()).is_none(), "{what}");
    }
    let out = rig.hear(0, Message::Proposal(Box::new(good)));
    assert_eq!(votes_sent(&out), [notarize(1, 0, made.id())]);
}

#[test]
fn lanes_that_do_not_fit_the_header_are_dropped_and_the_view_is_not_given_up() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    for lanes in [vec![], vec![tip(0, 2)], vec![tip(0, 1), tip(0, 1)], vec![tip(1, 1)], vec![tip(0, 0)]] {
        let mut forged = made.block.clone();
        forged.body.lanes = List::truncated(lanes);
        let out = rig.hear(0, Message::Proposal(Box::new(proposal(0, 1, 0, &forged, Vec::new()))));
        assert_eq!(votes_sent(&out), []);
    }
    let out = rig.hear_proposal(1, 0, &made, Vec::new());
    assert_eq!(votes_sent(&out), [notarize(1, 0, made.id())]);
}

#[test]
fn a_proposal_of_somebody_else_or_with_anothers_vote_is_dropped() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let relayed = Message::Proposal(Box::new(proposal(0, 1, 0, &made.block, Vec::new())));
    assert_eq!(votes_sent(&rig.hear(1, relayed)), []);
    let usurped = Message::Proposal(Box::new(proposal(1, 1, 0, &made.block, Vec::new())));
    assert_eq!(votes_sent(&rig.hear(1, usurped)), []);
    let mut no_notarize = proposal(0, 1, 0, &made.block, Vec::new());
    no_notarize.vote = signed(0, nullify(9, None));
    assert_eq!(votes_sent(&rig.hear(0, Message::Proposal(Box::new(no_notarize)))), []);
}

// ---- V2 ----

#[test]
fn a_second_proposal_is_evidence_and_the_first_counts() {
    let mut rig = Rig::new();
    rig.data = Some(DataJudgement::Wait);
    let (first, second) = (rig.block(&rig.genesis, 0, &[(0, 1)]), rig.block(&rig.genesis, 0, &[(0, 2)]));
    rig.hear_proposal(1, 0, &first, Vec::new());
    let out = rig.hear_proposal(1, 0, &second, Vec::new());
    assert_eq!(evidence(&out).len(), 1);
    let out = rig.step(Input::Checked { digest: second.id(), judgement: DataJudgement::Valid });
    assert_eq!(votes_sent(&out), []);
    let out = rig.step(Input::Checked { digest: first.id(), judgement: DataJudgement::Valid });
    assert_eq!(votes_sent(&out), [notarize(1, 0, first.id())]);
}

#[test]
fn the_leaders_bare_vote_is_its_first_proposal() {
    let mut rig = Rig::new();
    let (first, second) = (rig.block(&rig.genesis, 0, &[(0, 1)]), rig.block(&rig.genesis, 0, &[(0, 2)]));
    rig.hear_vote(0, notarize(1, 0, first.id()));
    let out = rig.hear_proposal(1, 0, &second, Vec::new());
    assert_eq!((votes_sent(&out), evidence(&out).len()), (vec![], 1));
    let out = rig.hear_proposal(1, 0, &first, Vec::new());
    assert_eq!(votes_sent(&out), [notarize(1, 0, first.id())]);
}

// ---- V3 ----

#[test]
fn a_proposal_waits_for_its_parents_certificate_and_for_each_skip() {
    let mut rig = Rig::new();
    rig.connect_all();
    let parent = rig.block(&rig.genesis, 1, &[(0, 1)]);
    let made = rig.block(&parent, 0, &[(0, 2)]);
    rig.hear_proposal(2, 0, &parent, Vec::new());
    let out = rig.hear_certificates(vec![rig.skip(4)]);
    assert!(!votes_sent(&out).contains(&notarize(5, 2, made.id())));
    let out = rig.hear_proposal(5, 2, &made, Vec::new());
    assert_eq!(votes_sent(&out), []);
    assert_eq!(asked(&out), [Message::GetCertificates { from: View::new(1), to: View::new(2) }]);
    let out = rig.hear_certificates(vec![rig.notarization(2, 0, parent.id())]);
    assert!(!votes_sent(&out).contains(&notarize(5, 2, made.id())));
    assert_eq!(asked(&out), [Message::GetCertificates { from: View::new(1), to: View::new(3) }]);
    let out = rig.hear_certificates(vec![rig.skip(3)]);
    assert!(votes_sent(&out).contains(&notarize(5, 2, made.id())), "{out:?}");
}

#[test]
fn a_justification_stands_in_for_what_i_lack() {
    let mut rig = Rig::new();
    let parent = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &parent, Vec::new());
    let made = rig.block(&parent, 0, &[(0, 2)]);
    let mut justification = vec![rig.notarization(1, 0, parent.id())];
    justification.extend(rig.skips(2..=4));
    let out = rig.hear_proposal(5, 1, &made, justification);
    assert!(votes_sent(&out).contains(&notarize(5, 1, made.id())));
}

#[test]
fn many_missing_skips_are_asked_for_from_the_top_until_none_is_missing() {
    let mut rig = Rig::new();
    rig.connect_all();
    rig.hear_certificates(vec![rig.skip(200)]);
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    let mut out = rig.hear_proposal(201, 0, &made, Vec::new());
    for _ in 0..20 {
        let Some(Message::GetCertificates { from, to }) = asked(&out).into_iter().next() else { break };
        // The answer begins at the top and holds 64 certificates at most.
        let answer = (from.get()..=to.get()).rev().take(64).map(|view| rig.skip(view)).collect();
        out = rig.hear_certificates(answer);
    }
    assert!(votes_sent(&out).contains(&notarize(201, 0, made.id())), "{out:?}");
}

#[test]
fn a_block_beside_or_below_the_floor_waits_until_the_timers_end_its_view() {
    for (parent_view, on_floor) in [(0, false), (1, false), (1, true), (2, true), (u64::MAX, true)] {
        let mut rig = Rig::new();
        let blocks = rig.blocks(1);
        rig.others_finalize(1, 0, &blocks[0]);
        let parent = if on_floor { &blocks[0] } else { &rig.genesis };
        let made = rig.block(parent, 1, &[(0, 2)]);
        let votes = votes_sent(&rig.hear_proposal(2, parent_view, &made, Vec::new()));
        let valid = (parent_view, on_floor) == (1, true);
        assert_eq!(votes.len(), usize::from(valid), "{parent_view} {on_floor}");
    }
}

// ---- V4 ----

#[test]
fn a_time_ahead_waits_until_the_clock_reaches_it() {
    for (ahead_ms, waits_us) in [(2_000, 0), (2_001, 1_000), (2_250, 250_000)] {
        let mut rig = Rig::new();
        let made = rig.block_of(&rig.genesis, 0, Body::default(), |header| {
            header.time = TimeMs::new(header.time.previous().get() + ahead_ms);
        });
        let mut votes: Vec<(u64, Vote)> =
            votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())).into_iter().map(|vote| (0, vote)).collect();
        votes.extend(votes_timed(&rig.pass(2 * DELTA)));
        let first = votes.first().copied();
        assert_eq!(first, Some((waits_us, notarize(1, 0, made.id()))), "{ahead_ms} ms ahead");
    }
}

#[test]
fn a_time_ahead_is_judged_again_though_the_wall_clock_jumped_back() {
    let mut rig = Rig::new();
    let start = rig.now.wall;
    let made = rig.block_of(&rig.genesis, 0, Body::default(), |header| header.time = header.time.plus(2_099));
    rig.hear_proposal(1, 0, &made, Vec::new());
    rig.now.monotonic = rig.now.monotonic.plus_ms(100);
    rig.now.wall = TimeMs::new(start.get() - 50);
    assert_eq!(votes_sent(&rig.step(Input::Tick)), []);
    assert_eq!(rig.core.deadline(), Some(rig.now.monotonic.plus_ms(150)));
    rig.now.monotonic = rig.now.monotonic.plus_ms(150);
    rig.now.wall = TimeMs::new(start.get() + 100);
    assert_eq!(votes_sent(&rig.step(Input::Tick)), [notarize(1, 0, made.id())]);
}

#[test]
fn the_latest_time_waits_and_nothing_overflows() {
    let mut rig = Rig::new();
    let made = rig.block_of(&rig.genesis, 0, Body::default(), |header| header.time = TimeMs::new(u64::MAX));
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), []);
    let votes = votes_timed(&rig.pass(22 * DELTA / 4));
    assert_eq!(votes, [(22 * DELTA / 4, nullify(1, None))], "the timers end its view");
}

#[test]
fn a_leader_whose_clock_is_behind_uses_its_parents_time_and_one() {
    let mut rig = Rig::with(1, 0, |_: &mut Config| {});
    rig.now.wall = TimeMs::new(5);
    rig.now.monotonic = rig.now.monotonic.plus_ms(10);
    rig.work(&[(0, 1)], &[(0, 1)]);
    let out = rig.step(Input::Built { view: View::new(1), parent: rig.genesis.id(), lanes: vec![tip(0, 1)] });
    let times = out.iter().filter_map(|output| match output {
        Output::Finalized { block, .. } => Some(block.header.time),
        _ => None,
    });
    assert_eq!(times.collect::<Vec<_>>(), [rig.genesis.block.header.time.next()]);
}

// ---- the parent chain ----

#[test]
fn an_ancestor_without_its_batches_keeps_its_children_waiting() {
    let mut rig = Rig::new();
    rig.data = None;
    let blocks = rig.blocks(2);
    rig.hear_proposal(1, 0, &blocks[0], Vec::new());
    rig.hear_certificates(vec![rig.notarization(1, 0, blocks[0].id())]);
    rig.hear_proposal(2, 1, &blocks[1], Vec::new());
    let checked =
        |rig: &mut Rig, digest: Hash| votes_sent(&rig.step(Input::Checked { digest, judgement: DataJudgement::Valid }));
    assert_eq!(checked(&mut rig, blocks[1].id()), []);
    assert_eq!(checked(&mut rig, blocks[0].id()), [notarize(2, 1, blocks[1].id())]);
    assert_eq!(ME, 3);
}
