//! Fetching, serving and runs of final blocks: rules R5 and S1.

use althing_types::{Block, Finality, Hash, Header, Height, List, TimeMs, View};

use super::rig::{
    DELTA, Made, Rig, alarms, asked, blamed, digest, heights, notarize, nullify, said, signed, tip, votes_logged,
};
use crate::{Alarm, Message, Output, Run};

/// I know that the last of these blocks is final in view 9, and have none of them.
fn behind(length: u64) -> (Rig, Vec<Made>) {
    let mut rig = Rig::new();
    rig.connect_all();
    let blocks = rig.blocks(length);
    let end = blocks.last().expect("some").id();
    let out = rig.hear_certificates(vec![rig.finalization(9, end)]);
    assert!(asked(&out).contains(&Message::GetRun { above: Height::ZERO }));
    (rig, blocks)
}

fn run_of(rig: &Rig, blocks: &[Made], link: &[Made], view: u64) -> Run {
    let last = link.last().or(blocks.last()).expect("some").id();
    Run {
        blocks: List::truncated(blocks.iter().map(|made| made.block.clone()).collect()),
        link: List::truncated(link.iter().map(|made| made.block.header.clone()).collect()),
        finalization: rig.bare_finalization(view, last),
    }
}

fn hear_run(rig: &mut Rig, run: Run) -> Vec<Output> {
    rig.hear(0, Message::Run(Box::new(run)))
}

fn passed(rig: &mut Rig, us: u64) -> Vec<Message> {
    rig.pass(us).iter().flat_map(|(_, output)| asked(std::slice::from_ref(output))).collect()
}

#[test]
fn a_run_up_to_the_floor_is_handed_over_in_order() {
    let (mut rig, blocks) = behind(5);
    let run = run_of(&rig, &blocks, &[], 9);
    assert_eq!(heights(&hear_run(&mut rig, run)), [1, 2, 3, 4, 5]);
}

#[test]
fn a_run_may_end_below_the_certified_block_and_the_next_one_is_asked_for() {
    let (mut rig, blocks) = behind(5);
    let run = run_of(&rig, &blocks[..2], &blocks[2..], 9);
    let out = hear_run(&mut rig, run);
    assert_eq!(heights(&out), [1, 2]);
    assert!(asked(&out).contains(&Message::GetRun { above: Height::new(2) }));
    let run = run_of(&rig, &blocks[2..4], &[], 7);
    assert_eq!(heights(&hear_run(&mut rig, run)), [3, 4], "a Finalization below the floor will do");
}

#[test]
fn while_batches_of_a_run_are_fetched_other_peers_are_asked_for_the_next_runs_up_to_a_bound() {
    let (mut rig, blocks) = behind(100);
    rig.data = None;
    let (mut at, mut peers) = (0, Vec::new());
    while at < 100 {
        let part = &blocks[at..(at + 8).min(100)];
        let run = run_of(&rig, part, &blocks[at + part.len()..], 9);
        let out = hear_run(&mut rig, run);
        assert_eq!(heights(&out), Vec::<u64>::new(), "nothing is final without its batches");
        at += part.len();
        let next = Message::GetRun { above: Height::new(at as u64) };
        let to = said(&out).into_iter().find(|(_, message)| *message == next).map(|(to, _)| to);
        assert_eq!(to.is_some(), at < 64, "at most 64 blocks wait: {at}");
        let Some(to) = to else { break };
        peers.push(to);
    }
    peers.sort_unstable();
    peers.dedup();
    assert_eq!(peers, [0, 1, 2], "no peer bears it alone");
    // The batches arrive, and it goes on.
    let ids: Vec<Hash> = blocks[..at].iter().map(Made::id).collect();
    let valid = althing_types::DataJudgement::Valid;
    let out: Vec<Output> =
        ids.into_iter().flat_map(|digest| rig.step(crate::Input::Checked { digest, judgement: valid })).collect();
    assert_eq!(heights(&out), (1..=64).collect::<Vec<u64>>());
    assert!(!asked(&out).contains(&Message::GetRun { above: Height::new(64) }), "64 blocks wait for the ledger");
    let out: Vec<Output> = blocks[..40].iter().flat_map(|made| rig.execute(&made.block)).collect();
    assert!(asked(&out).contains(&Message::GetRun { above: Height::new(64) }));
}

#[test]
fn a_run_that_ends_above_the_floor_raises_it() {
    let (mut rig, blocks) = behind(2);
    let longer = rig.blocks(4);
    assert_eq!(longer[1].id(), blocks[1].id());
    let run = run_of(&rig, &longer, &[], 12);
    assert_eq!(heights(&hear_run(&mut rig, run)), [1, 2, 3, 4]);
    assert_eq!(super::rig::place(&rig), (13, 12));
}

/// What is wrong with a run.
type Mutation = (&'static str, fn(&mut Run, &[Made]));

const MUTATIONS: [Mutation; 14] = [
    ("no blocks", |run, _| run.blocks = List::empty()),
    ("a block is missing", |run, blocks| run.blocks = bodies(&[&blocks[0], &blocks[2]])),
    ("the first block is missing", |run, blocks| run.blocks = bodies(&[&blocks[1], &blocks[2]])),
    ("the last block is missing", |run, blocks| run.blocks = bodies(&[&blocks[0], &blocks[1]])),
    ("blocks are swapped", |run, blocks| run.blocks = bodies(&[&blocks[1], &blocks[0], &blocks[2]])),
    ("a block twice", |run, blocks| run.blocks = bodies(&[&blocks[0], &blocks[0], &blocks[2]])),
    ("another header", |run, _| change_block(run, 1, |block| block.header.time = TimeMs::ZERO)),
    ("other results", |run, blocks| {
        let results = List::truncated(vec![super::rig::summary(&blocks[0].block)]);
        change_block(run, 1, |block| block.body.results = results);
    }),
    ("a link that leads nowhere", |run, blocks| run.link = List::truncated(vec![blocks[0].block.header.clone()])),
    ("a view that nobody signed", |run, _| run.finalization.vote.view = View::new(10)),
    ("a digest that nobody signed", |run, _| run.finalization.vote.digest = digest(4)),
    ("an epoch that nobody signed", |run, _| run.finalization.vote.epoch = althing_types::Epoch::new(1)),
    ("a fast finalization", |run, _| run.finalization.finality = Finality::Fast { parent_view: View::ZERO }),
    ("a finalization of another committee", |run, blocks| {
        run.finalization = Rig::of(2, 1).bare_finalization(9, blocks[2].id());
    }),
];

fn bodies(blocks: &[&Made]) -> List<Block, { crate::RUN_BLOCKS_MAX }> {
    List::truncated(blocks.iter().map(|made| made.block.clone()).collect())
}

fn change_block(run: &mut Run, at: usize, change: impl FnOnce(&mut Block)) {
    let mut blocks = run.blocks.to_vec();
    change(&mut blocks[at]);
    run.blocks = List::truncated(blocks);
}

#[test]
fn each_change_of_a_valid_run_is_refused_as_a_whole_and_the_valid_one_taken_after_it() {
    for (what, mutate) in MUTATIONS {
        let (mut rig, blocks) = behind(3);
        let good = run_of(&rig, &blocks, &[], 9);
        let mut bad = good.clone();
        mutate(&mut bad, &blocks);
        let before = rig.core.chain.clone();
        let out = hear_run(&mut rig, bad);
        assert_eq!(heights(&out), Vec::<u64>::new(), "{what}");
        assert!(rig.core.snapshot().halted.is_none(), "{what}");
        assert_eq!(rig.core.chain, before, "{what}");
        assert!(passed(&mut rig, 2 * DELTA).contains(&Message::GetRun { above: Height::ZERO }), "{what}");
        assert_eq!(heights(&hear_run(&mut rig, good)), [1, 2, 3], "{what}");
    }
}

#[test]
fn a_run_that_nobody_asked_for_is_ignored() {
    let mut rig = Rig::new();
    rig.connect_all();
    let blocks = rig.blocks(2);
    let run = run_of(&rig, &blocks, &[], 9);
    assert_eq!(hear_run(&mut rig, run), []);
    assert_eq!(super::rig::place(&rig), (1, 0));
}

#[test]
fn a_final_run_beside_my_last_final_block_is_a_fork_and_i_never_vote_again() {
    let (mut rig, blocks) = behind(1);
    let run = run_of(&rig, &blocks, &[], 9);
    hear_run(&mut rig, run);
    let other = rig.block(&rig.genesis, 1, &[(1, 1)]);
    let above = rig.block(&other, 2, &[(2, 1)]);
    rig.hear_certificates(vec![rig.finalization(20, above.id())]);
    let run = run_of(&rig, std::slice::from_ref(&above), &[], 20);
    let out = hear_run(&mut rig, run);
    assert!(matches!(alarms(&out)[..], [Alarm::Fork { .. }]), "{out:?}");
    let mut out = rig.hear_vote(0, nullify(21, None));
    let made = rig.block(&above, 0, &[(2, 2)]);
    out.extend(rig.hear_proposal(21, 20, &made, Vec::new()));
    out.extend(rig.hear_certificates(vec![rig.notarization(21, 20, made.id()), rig.skip(23)]));
    out.extend(rig.work(&[(0, 99)], &[(0, 99)]));
    out.extend(rig.pass(100 * DELTA).into_iter().map(|(_, output)| output));
    assert_eq!(votes_logged(&out), []);
}

// ---- asking ----

#[test]
fn another_peer_is_asked_when_no_answer_came() {
    let (mut rig, _) = behind(3);
    let mut peers = Vec::new();
    for _ in 0..6 {
        let out: Vec<Output> = rig.pass(DELTA / 2).into_iter().map(|(_, output)| output).collect();
        peers.extend(said(&out).into_iter().filter(|(_, it)| matches!(it, Message::GetRun { .. })).map(|it| it.0));
    }
    assert_eq!(peers.len(), 6);
    assert!(peers.windows(3).all(|three| three[0] != three[1] && three[1] != three[2] && three[0] != three[2]));
}

/// Three things are missing and there are three peers: still each thing is asked of each peer.
#[test]
fn each_missing_thing_is_asked_of_every_peer_in_turn() {
    let mut rig = Rig::new();
    rig.connect_all();
    let certificates = (1..=3).map(|view| rig.notarization(view, 0, digest(view))).collect();
    let mut out = rig.hear_certificates(certificates);
    out.extend(rig.pass(8 * DELTA).into_iter().map(|(_, output)| output));
    for view in 1..=3 {
        let wanted = Message::GetBlock { digest: digest(view) };
        let mut peers: Vec<u16> = said(&out).into_iter().filter(|(_, it)| *it == wanted).map(|it| it.0).collect();
        peers.sort_unstable();
        peers.dedup();
        assert_eq!(peers, [0, 1, 2], "view {view}");
    }
}

#[test]
fn nobody_is_asked_while_nobody_is_reachable() {
    let mut rig = Rig::new();
    let out = rig.hear_certificates(vec![rig.notarization(1, 0, digest(1))]);
    assert_eq!(asked(&out), []);
    assert_eq!(passed(&mut rig, DELTA / 2), []);
    assert_eq!(asked(&rig.connect_all()), [Message::GetBlock { digest: digest(1) }]);
}

#[test]
fn a_block_that_nobody_asked_for_is_not_kept() {
    let mut rig = Rig::new();
    rig.connect_all();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear(0, Message::Block(Box::new(made.block.clone())));
    assert!(rig.core.chain.block(&made.id()).is_none());
}

// ---- serving ----

#[test]
fn blocks_are_served_from_the_tree_and_until_the_ledger_has_them() {
    let mut rig = Rig::new();
    let blocks = rig.blocks(2);
    let ask = |rig: &mut Rig, digest: Hash| said(&rig.hear(1, Message::GetBlock { digest })).len();
    assert_eq!(ask(&mut rig, blocks[0].id()), 0);
    rig.hear_proposal(1, 0, &blocks[0], Vec::new());
    assert_eq!(ask(&mut rig, blocks[0].id()), 1);
    rig.hear_certificates(vec![rig.finalization(1, blocks[0].id())]);
    assert_eq!(ask(&mut rig, blocks[0].id()), 1);
    rig.execute(&blocks[0].block);
    assert_eq!(ask(&mut rig, blocks[0].id()), 0);
}

#[test]
fn runs_are_served_by_the_archive_to_those_who_are_behind() {
    let mut rig = Rig::new();
    let blocks = rig.blocks(1);
    rig.others_finalize(1, 0, &blocks[0]);
    let serves = |rig: &mut Rig, above: u64| {
        let out = rig.hear(1, Message::GetRun { above: Height::new(above) });
        out.iter().filter(|output| matches!(output, Output::Serve { .. })).count()
    };
    assert_eq!((serves(&mut rig, 0), serves(&mut rig, 1), serves(&mut rig, u64::MAX)), (1, 0, 0));
}

#[test]
fn certificates_are_served_newest_first_with_the_floor_for_what_is_below() {
    let mut rig = Rig::new();
    rig.hear_certificates(vec![rig.finalization(3, rig.genesis.id())]);
    for view in 4..=100 {
        rig.hear_certificates(vec![rig.skip(view)]);
    }
    let mut ask = |from: u64, to: u64| -> Vec<u64> {
        let (from, to) = (View::new(from), View::new(to));
        let out = rig.hear(1, Message::GetCertificates { from, to });
        match &said(&out)[..] {
            [(1, Message::Certificates(certificates))] => certificates.iter().map(|it| it.view().get()).collect(),
            _ => Vec::new(),
        }
    };
    assert_eq!(ask(7, 9), [9, 8, 7]);
    assert_eq!(ask(2, 5), [3, 5, 4]);
    assert_eq!(ask(9, 7), [9], "a range that is upside down is its first view");
    assert_eq!(ask(101, 300), [] as [u64; 0]);
    assert_eq!(ask(u64::MAX, 0), [] as [u64; 0]);
    let all = ask(0, u64::MAX);
    assert_eq!((all.len(), all[0], all[1], all[63]), (64, 3, 100, 38));
}

#[test]
fn a_forged_block_of_a_peer_does_not_displace_the_one_in_the_tree() {
    let mut rig = Rig::new();
    let made = rig.block(&rig.genesis, 0, &[(0, 1)]);
    rig.hear_proposal(1, 0, &made, Vec::new());
    let mut forged = super::rig::proposal(0, 1, 0, &made.block, Vec::new());
    forged.block.body.lanes = List::truncated(vec![tip(0, 5)]);
    rig.hear(0, Message::Proposal(Box::new(forged)));
    assert_eq!(rig.core.chain.block(&made.id()), Some(&made.block));
    assert!(!blamed(&rig.hear(0, Message::Vote(signed(0, notarize(1, 0, made.id()))))));
    assert_eq!(Header::id(&made.block.header), made.id());
}
