//! One faulty validator with time on its hands: nothing that it sends stops an honest one, or costs it without bound.

use althing_types::{Body, DataJudgement, Hash, Height, List, View, Vote};

use super::rig::{
    DELTA, Made, Rig, alarms, asked, blamed, digest, evidence, finalize, height, heights, notarize, place, proposal,
    said, signed, tip, votes_sent,
};
use crate::{Config, Message, Output, RUN_BLOCKS_MAX, Run};

/// A proposal of validator 0 in a view that it leads, of a block above a parent that nobody has.
fn junk(rig: &Rig, view: u64, height: Height, parent_view: u64) -> Message {
    let made = rig.block_of(&rig.genesis, 0, Body::default(), |header| {
        header.height = height;
        header.parent = digest(1_000_000 + view);
    });
    Message::Proposal(Box::new(proposal(0, view, parent_view, &made.block, Vec::new())))
}

/// Views that validator 0 leads, from a view on.
fn views_of_zero(from: u64) -> impl Iterator<Item = u64> {
    (from..).filter(|view| view % 4 == 1)
}

#[test]
fn junk_blocks_of_any_height_do_not_crowd_out_honest_ones() {
    for height in [1, 2, u64::MAX] {
        check_room_for_honest_blocks(Height::new(height));
    }
}

fn check_room_for_honest_blocks(height: Height) {
    let mut rig = Rig::new();
    for view in views_of_zero(1).take(600) {
        rig.hear(0, junk(&rig, view, height, 0));
        let (_, floor) = place(&rig);
        rig.hear_certificates(rig.skips(view.max(floor + 1)..=view + 3));
        if view % 64 == 1 {
            // Progress elsewhere does not matter: the junk of a view goes when nobody needs it any more.
            let (now, _) = place(&rig);
            rig.hear_certificates(vec![rig.finalization(now, rig.genesis.id())]);
        }
    }
    let (view, floor) = place(&rig);
    rig.hear_certificates(rig.skips(view..=view));
    let made = rig.block(&rig.genesis, rig.core.leader(View::new(view + 1)).get(), &[(0, 1)]);
    let skipped = rig.skips(floor + 1..=view);
    let out = rig.hear_proposal(view + 1, floor, &made, skipped);
    assert_eq!(votes_sent(&out), [notarize(view + 1, floor, made.id())]);
}

#[test]
fn junk_proposals_do_not_keep_final_blocks_from_being_fetched() {
    for below in [1, 3] {
        let mut rig = Rig::new();
        rig.connect_all();
        for view in views_of_zero(1).take_while(|view| *view <= 257) {
            rig.hear(0, junk(&rig, view, Height::new(9), view.saturating_sub(below)));
        }
        let blocks = rig.blocks(3);
        let out = rig.hear_certificates(vec![rig.finalization(2, blocks[2].id())]);
        assert!(asked(&out).contains(&Message::GetRun { above: Height::ZERO }), "{below} views below");
    }
}

#[test]
fn junk_proposals_do_not_keep_certified_blocks_from_being_fetched() {
    for below in [1, 3] {
        let mut rig = Rig::new();
        rig.connect_all();
        for view in views_of_zero(1).take_while(|view| *view <= 257) {
            rig.hear(0, junk(&rig, view, Height::new(9), view.saturating_sub(below)));
        }
        let wanted = digest(7);
        let out = rig.hear_certificates(vec![rig.notarization(2, 0, wanted)]);
        assert!(asked(&out).contains(&Message::GetBlock { digest: wanted }), "{below} views below");
    }
}

#[test]
fn parents_of_blocks_that_nobody_certified_are_not_asked_for() {
    let mut rig = Rig::new();
    rig.connect_all();
    rig.pass(4 * DELTA);
    let message = junk(&rig, 5, Height::new(9), 4);
    assert_eq!(asked(&rig.hear(0, message)), []);
    assert!(rig.pass(40 * DELTA).iter().all(|(_, output)| asked(std::slice::from_ref(output)).is_empty()));
}

/// A run whose bodies name other lanes than the headers commit to: every link and the Finalization hold.
fn forged_run(rig: &Rig, blocks: &[Made]) -> Message {
    let forged = blocks.iter().map(|made| {
        let mut block = made.block.clone();
        block.body.lanes = List::truncated(vec![tip(0, 900)]);
        block
    });
    let end = blocks.last().expect("some").id();
    let blocks = List::truncated(forged.collect());
    Message::Run(Box::new(Run { blocks, link: List::empty(), finalization: rig.bare_finalization(9, end) }))
}

#[test]
fn a_run_with_forged_lanes_is_asked_for_again() {
    for length in [1, 3] {
        let mut rig = Rig::new();
        rig.connect_all();
        let blocks = rig.blocks(length);
        rig.hear_certificates(vec![rig.finalization(9, blocks.last().expect("some").id())]);
        let out = rig.hear(0, forged_run(&rig, &blocks));
        assert!(blamed(&out), "{length}");
        let again = rig.pass(2 * DELTA);
        let again = again.iter().flat_map(|(_, output)| asked(std::slice::from_ref(output)));
        assert!(again.into_iter().any(|it| it == Message::GetRun { above: Height::ZERO }), "{length}");
        let honest = blocks.iter().map(|made| made.block.clone()).collect();
        let finalization = rig.bare_finalization(9, blocks.last().expect("some").id());
        let run = Run { blocks: List::truncated(honest), link: List::empty(), finalization };
        let out = rig.hear(1, Message::Run(Box::new(run)));
        assert_eq!(heights(&out), (1..=length).collect::<Vec<u64>>());
    }
}

#[test]
fn a_body_with_forged_lanes_is_dropped_and_the_true_one_taken() {
    let mut rig = Rig::new();
    rig.connect_all();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_certificates(vec![rig.notarization(1, 0, made.id())]);
    let mut forged = made.block.clone();
    forged.body.lanes = List::truncated(vec![tip(0, 2)]);
    rig.hear(0, Message::Block(Box::new(forged)));
    assert!(!rig.core.chain.holds(&made.id()));
    rig.hear(1, Message::Block(Box::new(made.block.clone())));
    assert!(rig.core.chain.holds(&made.id()));
}

#[test]
fn each_validator_is_accused_once_in_a_view() {
    let mut rig = Rig::new();
    let mut pieces = 0;
    for number in 0..200 {
        pieces += evidence(&rig.hear_vote(0, notarize(1, 0, digest(number)))).len();
        pieces += evidence(&rig.hear_vote(0, finalize(1, digest(number)))).len();
    }
    assert!((1..=2).contains(&pieces), "{pieces} pieces of evidence");
}

#[test]
fn a_message_with_many_bad_certificates_is_given_up_at_the_first() {
    let mut rig = Rig::new();
    let good = rig.skip(1);
    let mut stolen = Rig::of(5, 4);
    stolen.connect_all();
    let mut certificates: Vec<_> = (1..=60).map(|view| stolen.notarization(view, 0, digest(view))).collect();
    certificates.push(good);
    let out = rig.hear_certificates(certificates);
    assert_eq!(alarms(&out).len(), 1);
    assert_eq!(place(&rig), (1, 0));
}

#[test]
fn catch_up_waits_for_the_ledger() {
    let mut rig = Rig::new();
    rig.connect_all();
    let blocks = rig.blocks(400);
    let end = blocks[399].id();
    let mut out = rig.hear_certificates(vec![rig.finalization(900, end)]);
    for _ in 0..100 {
        let from = height(&rig).get() as usize;
        if !asked(&out).contains(&Message::GetRun { above: height(&rig) }) {
            break;
        }
        let to = (from + RUN_BLOCKS_MAX).min(400);
        let served = blocks[from..to].iter().map(|made| made.block.clone()).collect();
        let link = List::truncated(blocks[to..].iter().map(|made| made.block.header.clone()).collect());
        let run = Run { blocks: List::truncated(served), link, finalization: rig.bare_finalization(900, end) };
        out = rig.hear(0, Message::Run(Box::new(run)));
    }
    assert!(height(&rig).get() <= 200, "{} blocks in memory that the ledger does not have", height(&rig));
    let next = height(&rig);
    let out: Vec<Output> = (0..next.get() as usize).flat_map(|at| rig.execute(&blocks[at].block)).collect();
    assert!(asked(&out).contains(&Message::GetRun { above: next }));
}

#[test]
fn lies_about_views_floors_and_results_change_nothing_but_what_the_liar_gets() {
    let mut rig = Rig::new();
    rig.connect_all();
    for _ in 0..100 {
        let out = rig.hear_with(0, u64::MAX, u64::MAX, Message::Status);
        assert!(said(&out).len() <= 1);
    }
    rig.step(crate::Input::Reported { from: althing_types::ValidatorIndex::ZERO, executed: Height::new(u64::MAX) });
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    assert_eq!(votes_sent(&rig.hear_proposal(1, 0, &made, Vec::new())), [notarize(1, 0, made.id())]);
    assert_eq!(rig.core.results.ready(&rig.config.quorums(), rig.config.me), Height::ZERO);
}

#[test]
fn answers_to_one_peer_are_limited_and_others_are_served() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.skip(1)]);
    let request = || Message::GetCertificates { from: View::ZERO, to: View::new(u64::MAX) };
    let answers = |rig: &mut Rig, from| (0..100).map(|_| said(&rig.hear(from, request())).len()).sum::<usize>();
    assert_eq!(answers(&mut rig, 0), 32);
    assert_eq!(answers(&mut rig, 1), 32);
    rig.advance(DELTA - 1);
    assert_eq!(answers(&mut rig, 0), 0);
    rig.advance(1);
    assert_eq!(answers(&mut rig, 0), 32);
}

#[test]
fn a_reconnection_buys_no_further_answers() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.skip(1)]);
    let request = || Message::GetCertificates { from: View::ZERO, to: View::new(u64::MAX) };
    let answers = |rig: &mut Rig| (0..100).map(|_| said(&rig.hear(0, request())).len()).sum::<usize>();
    assert_eq!(answers(&mut rig), 32);
    for connected in [false, true] {
        rig.step(crate::Input::Peer { index: althing_types::ValidatorIndex::ZERO, connected });
    }
    assert_eq!(answers(&mut rig), 0);
}

#[test]
fn votes_far_ahead_or_below_the_floor_are_not_kept() {
    let mut rig = Rig::new();
    let kept = |rig: &Rig, view: u64| {
        let round = rig.core.rounds.get(&View::new(view));
        round.is_some_and(|round| round.vote(althing_types::VoteKind::Nullify, 0.into_index()).is_some())
    };
    for (view, expected) in [(1, true), (257, true), (258, false), (u64::MAX, false)] {
        rig.hear_vote(0, super::rig::nullify(view, None));
        assert_eq!(kept(&rig, view), expected, "view {view}");
    }
    rig.hear_certificates(vec![rig.finalization(20, digest(1))]);
    rig.hear_vote(1, super::rig::nullify(20, None));
    assert!(rig.core.rounds.range(..=View::new(20)).next().is_none());
}

trait IntoIndex {
    fn into_index(self) -> althing_types::ValidatorIndex;
}

impl IntoIndex for u16 {
    fn into_index(self) -> althing_types::ValidatorIndex {
        althing_types::ValidatorIndex::new(self)
    }
}

#[test]
fn a_block_that_a_leader_hides_behind_another_view_is_not_taken() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    // Validator 1 does not lead view 1, and validator 0 does not lead view 2.
    for (from, view) in [(1, 1), (0, 2)] {
        let proposal = proposal(from, view, 0, &made.block, Vec::new());
        rig.hear(from, Message::Proposal(Box::new(proposal)));
        assert!(rig.core.chain.block(&made.id()).is_none());
    }
    let mut other = proposal(0, 1, 0, &made.block, Vec::new());
    other.vote = signed(0, Vote::clone(&notarize(1, 0, Hash::ZERO)));
    assert!(blamed(&rig.hear(0, Message::Proposal(Box::new(other)))));
}

#[test]
fn a_core_that_compacts_at_every_step_still_rests() {
    let mut rig = Rig::with(4, 3, |config: &mut Config| config.log_bytes_max = 1);
    rig.data = Some(DataJudgement::Valid);
    let made = rig.block(&rig.genesis, 0, &[]);
    rig.others_finalize(1, 0, &made);
    let out = rig.advance(10);
    assert!(!out.iter().any(|output| matches!(output, Output::Compact { .. })), "{out:?}");
}
