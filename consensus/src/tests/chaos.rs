//! Random messages in great number, with extreme numbers among them: nothing makes a core panic or contradict itself,
//! and its tables stay small.

use althing_types::{
    Block, Body, Certificate, DataJudgement, Epoch, Evidence, Finality, Hash, Height, LaneSeq, List, SignedVote,
    TimeMs, ValidatorIndex, View, Vote, Work,
};

use super::rig::{Made, Rig, digest, finalize, notarize, nullify, proposal, signed, summary, tip};
use crate::{Config, Envelope, Input, Message, Output, Record, Run, VIEWS_AHEAD_MAX};

/// Messages and other inputs in all.
const INPUTS: u64 = 200_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize].clone()
    }

    /// A number near another, or an extreme one.
    fn near(&mut self, middle: u64) -> u64 {
        match self.below(20) {
            0 => 0,
            1 => u64::MAX,
            2 => u64::MAX - 1,
            3 => middle.saturating_add(VIEWS_AHEAD_MAX),
            4 => middle.saturating_add(VIEWS_AHEAD_MAX + 1),
            5 => self.next(),
            6..=11 => middle,
            _ => middle.saturating_add(self.below(6)).saturating_sub(3),
        }
    }
}

/// What the messages speak of.
struct Chaos {
    random: Random,
    rig: Rig,
    blocks: Vec<Made>,
    votes: Vec<SignedVote>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let me = random.below(4) as u16;
        let bytes = random.pick(&[1, 3_000, 40_000]);
        let rig = Rig::with(4, me, |config: &mut Config| config.log_bytes_max = bytes);
        let blocks = vec![rig.genesis.clone()];
        Self { random, rig, blocks, votes: Vec::new() }
    }

    fn view(&mut self) -> u64 {
        let view = self.rig.core.snapshot().view.get();
        self.random.near(view)
    }

    /// A view near mine that a quorum could have got to.
    fn real_view(&mut self) -> u64 {
        let view = self.rig.core.snapshot().view.get();
        (view + self.random.below(4)).saturating_sub(2).max(1)
    }

    fn digest(&mut self) -> Hash {
        if self.random.below(10) == 0 { digest(self.random.below(5)) } else { self.random.pick(&self.blocks).id() }
    }

    fn vote(&mut self) -> Vote {
        let (view, parent_view, digest) = (self.view(), self.view(), self.digest());
        match self.random.below(4) {
            0 => notarize(view, parent_view, digest),
            1 => nullify(view, None),
            2 => nullify(view, Some(digest)),
            _ => finalize(view, digest),
        }
    }

    fn block(&mut self) -> Made {
        if self.random.below(3) == 0 {
            return self.random.pick(&self.blocks);
        }
        let parent = self.random.pick(&self.blocks);
        let proposer = self.random.below(5) as u16;
        let mut body = Body::default();
        if self.random.below(2) == 0 {
            let lane = self.random.below(5) as u32;
            body.lanes = List::truncated(vec![tip(lane, self.random.near(3))]);
        }
        if self.random.below(5) == 0 {
            body.results = List::truncated(vec![summary(&parent.block)]);
        }
        let (spoil, number) = (self.random.below(30), self.random.near(5));
        let made = self.rig.block_of(&parent, proposer, body, |header| match spoil {
            0 => header.height = Height::new(number),
            1 => header.time = TimeMs::new(number),
            2 => header.executed_height = Height::new(number),
            3 => header.parent = digest(number),
            4 => header.epoch = Epoch::new(number),
            5 => header.proposer = ValidatorIndex::new(u16::MAX),
            _ => {}
        });
        if self.blocks.len() < 60 {
            self.blocks.push(made.clone());
        }
        made
    }

    fn certificate(&mut self) -> Certificate {
        // Only one block per view is certified, as with honest validators, and nothing is final that forks.
        let (view, forged) = (self.real_view(), self.random.below(3) == 0);
        let maker = if forged { Rig::of(self.random.pick(&[1, 2, 5, 9]), 0) } else { self.rig.clone() };
        let view = if forged { self.view() } else { view };
        let chosen = self.blocks[view as usize % self.blocks.len().min(3)].id();
        match self.random.below(8) {
            0..=2 => maker.notarization(view, view.saturating_sub(1), chosen),
            3..=6 => maker.skip(view),
            _ if forged => maker.finalization(view, chosen),
            _ => maker.finalization(view, self.rig.core.snapshot().final_block),
        }
    }

    fn block_bytes(&mut self) -> Block {
        let mut block = self.block().block;
        if self.random.below(4) == 0 {
            block.body.lanes = List::truncated(vec![tip(9, self.random.near(1))]);
        }
        block
    }

    fn run(&mut self) -> Run {
        let count = self.random.below(4);
        let blocks: Vec<Block> = (0..count).map(|_| self.block_bytes()).collect();
        let link = (0..self.random.below(3)).map(|_| self.block().block.header).collect();
        let (view, digest) = (self.view(), self.digest());
        let mut finalization = Rig::of(4, 3).bare_finalization(view, digest);
        if self.random.below(2) == 0 {
            finalization.finality = Finality::Fast { parent_view: View::new(view) };
        }
        Run { blocks: List::truncated(blocks), link: List::truncated(link), finalization }
    }

    fn message(&mut self, from: u16) -> Message {
        match self.random.below(16) {
            0..=5 => {
                let signer = if self.random.below(20) == 0 { u16::MAX } else { from };
                let (vote, other) = (self.vote(), self.vote());
                let mut vote = signed(signer, vote);
                if self.random.below(20) == 0 {
                    vote.signature = signed(from, other).signature;
                }
                Message::Vote(vote)
            }
            6..=8 => {
                let (view, parent_view, block) = (self.view(), self.view(), self.block_bytes());
                let justification = (0..self.random.below(3)).map(|_| self.certificate()).collect();
                Message::Proposal(Box::new(proposal(from, view, parent_view, &block, justification)))
            }
            9 => {
                Message::Certificates(List::truncated((0..self.random.below(4)).map(|_| self.certificate()).collect()))
            }
            10 => Message::Status,
            11 | 12 => Message::GetCertificates { from: View::new(self.view()), to: View::new(self.view()) },
            13 => Message::GetBlock { digest: self.digest() },
            14 => Message::Block(Box::new(self.block_bytes())),
            _ if self.random.below(2) == 0 => Message::GetRun { above: Height::new(self.random.near(2)) },
            _ => Message::Run(Box::new(self.run())),
        }
    }

    fn input(&mut self) -> Input {
        let index =
            ValidatorIndex::new(if self.random.below(50) == 0 { u16::MAX } else { self.random.below(5) as u16 });
        let lanes = |random: &mut Random| vec![LaneSeq { lane: random.near(1) as u32 & 0xffff, seq: random.near(3) }];
        match self.random.below(40) {
            0 => Input::Tick,
            1 => Input::Peer { index, connected: self.random.below(3) > 0 },
            2 => Input::Work(Work { lead: lanes(&mut self.random), timer: lanes(&mut self.random) }),
            3 => Input::Reported { from: index, executed: Height::new(self.random.near(3)) },
            4 => {
                let judgement = self.random.pick(&[DataJudgement::Valid, DataJudgement::Wait]);
                Input::Checked { digest: self.digest(), judgement }
            }
            5 => {
                let view = View::new(self.view());
                let lanes = vec![tip(self.random.below(4) as u32, self.random.near(2))];
                Input::Built { view, parent: self.rig.core.tip().1, lanes }
            }
            _ => {
                let from = index.get();
                let message = self.message(from);
                let (view, floor) = (View::new(self.view()), View::new(self.view()));
                let epoch = Epoch::new(u64::from(self.random.below(100) == 0));
                Input::Message { from: index, envelope: Envelope { epoch, view, floor, message } }
            }
        }
    }

    fn step(&mut self) {
        let input = self.input();
        self.rig.now.monotonic = self.rig.now.monotonic.plus(self.random.below(40_000));
        let jump = self.random.near(self.rig.now.wall.get());
        self.rig.now.wall = TimeMs::new(if jump > 1 << 50 { self.rig.now.wall.get() } else { jump.max(5) });
        self.rig.slow_disk = self.random.below(4) > 0;
        let mut out = self.rig.step(input);
        if self.random.below(3) == 0 {
            out.extend(self.rig.sync());
        }
        self.check(&out);
    }

    fn check(&mut self, out: &[Output]) {
        assert!(self.rig.core.deadline().is_none_or(|at| at > self.rig.now.monotonic));
        for output in out {
            if let Output::Append { record: Record::Vote(vote), .. } = output {
                let known = self.votes.iter().rev().take(60);
                assert_eq!(known.filter_map(|known| Evidence::of_votes(*known, *vote)).next(), None);
                self.votes.push(*vote);
            }
        }
        let (floor, view) = (self.rig.core.snapshot().floor.get(), self.rig.core.snapshot().view.get());
        assert!(self.rig.core.rounds.len() as u64 <= (view - floor) + VIEWS_AHEAD_MAX + 8);
        assert!(self.rig.core.fetches.len() <= 64);
        assert!(out.len() < 2_000, "{} outputs of one step", out.len());
    }
}

#[test]
fn nothing_that_arrives_makes_a_core_panic_or_contradict_itself() {
    let lives = 100;
    let (mut views, mut votes, mut blocks) = (0, 0, 0);
    for seed in 0..lives {
        let mut chaos = Chaos::new(seed);
        for _ in 0..INPUTS / lives {
            chaos.step();
            if chaos.random.below(400) == 0 {
                let log = chaos.rig.log.clone();
                chaos.rig = chaos.rig.restarted(log).expect("its own log");
            }
        }
        let snapshot = chaos.rig.core.snapshot();
        views += snapshot.view.get();
        votes += chaos.votes.len();
        blocks += chaos.blocks.len();
    }
    assert!(views > 1_000 && votes > 1_000 && blocks > 100, "{views} views, {votes} votes, {blocks} blocks");
}
