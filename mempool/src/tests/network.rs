//! Four validators' data planes against each other, over a network that loses, delays and reorders messages, with a
//! stand-in for agreement: a leader in turn proposes, and a block that a quorum finds valid is final.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_types::{DataJudgement, Ed25519, Hash, Height, LaneTip, Monotonic, ValidatorIndex, View};

use super::rig::{Ask, Random, Rig, block_id, height};
use crate::{Check, DataMessage, Input, Output, SharedBatch, check_batch};

/// How long a network runs at most, in milliseconds of its own time.
const END_MS: u64 = 60_000;
/// Transactions that are offered while it runs.
const TRANSACTIONS: u64 = 120;

struct Block {
    lanes: Vec<LaneTip>,
    parent_cut: Vec<LaneTip>,
    cut: Vec<LaneTip>,
    valid: BTreeSet<usize>,
}

struct Network {
    random: Random,
    rigs: Vec<Rig>,
    /// Messages on their way, by the millisecond of their arrival.
    flying: BTreeMap<(u64, u64), (usize, usize, DataMessage)>,
    sent: u64,
    loss_percent: u64,
    now_ms: u64,
    /// Final blocks from height 1, and how far each validator committed.
    chain: Vec<Block>,
    committed: Vec<usize>,
    proposed: Option<(Block, u64)>,
    leader: usize,
    in_blocks: BTreeSet<Hash>,
    crashes: u64,
}

impl Network {
    fn new(seed: u64, loss_percent: u64) -> Self {
        Self {
            random: Random(seed),
            rigs: (0..4).map(Rig::new).collect(),
            flying: BTreeMap::new(),
            sent: 0,
            loss_percent,
            now_ms: 1_000,
            chain: Vec::new(),
            committed: vec![0; 4],
            proposed: None,
            leader: 0,
            in_blocks: BTreeSet::new(),
            crashes: 0,
        }
    }

    fn step(&mut self, who: usize, input: Input) {
        self.rigs[who].now = Monotonic::new(self.now_ms * 1_000);
        let out = self.rigs[who].step(input);
        self.carry_out(who, out);
    }

    fn carry_out(&mut self, who: usize, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Send { to, message } => {
                    for to in to {
                        self.send(who, to.to_usize(), message.clone());
                    }
                }
                Output::Checked { digest, judgement } => self.judged(who, digest, judgement),
                Output::Built { lanes, .. } if !lanes.is_empty() => self.propose(who, lanes),
                Output::Serve { to, range } => {
                    // The archive: every block's batches that this validator committed.
                    let batches = self.archive(who, range.lane, range.first, range.last);
                    self.send(who, to.to_usize(), DataMessage::Batches(althing_types::List::truncated(batches)));
                }
                Output::Evidence(_) | Output::Misbehaved { .. } | Output::Silent | Output::Dropped { .. } => {
                    panic!("nobody misbehaves here: {output:?}");
                }
                _ => {}
            }
        }
    }

    fn archive(&self, who: usize, lane: u32, first: u64, last: u64) -> Vec<SharedBatch> {
        let mut batches: Vec<_> = self.rigs[who].durable_log();
        batches.retain(|batch| batch.batch.lane == lane && (first..=last).contains(&batch.batch.seq));
        batches.sort_by_key(|batch| std::cmp::Reverse(batch.batch.seq));
        batches.into_iter().map(SharedBatch).collect()
    }

    fn send(&mut self, from: usize, to: usize, message: DataMessage) {
        assert!(althing_types::encoded_len(&message) <= crate::FRAME_BYTES_MAX);
        if self.random.below(100) >= self.loss_percent {
            self.sent += 1;
            let at = self.now_ms + 1 + self.random.below(40);
            self.flying.insert((at, self.sent), (from, to, message));
        }
    }

    fn deliver(&mut self, from: usize, to: usize, message: DataMessage) {
        let from = ValidatorIndex::new(from as u16);
        let batches = match message {
            DataMessage::Batch(batch) => vec![batch],
            DataMessage::Batches(batches) => batches.into_inner(),
            DataMessage::Acks(acks) => return self.step(to, Input::Acks { from, acks }),
            DataMessage::GetBatches { range, .. } => return self.step(to, Input::GetBatches { from, range }),
        };
        for SharedBatch(signed) in batches {
            let config = &self.rigs[to].config;
            let checked = check_batch(Arc::clone(&signed), &config.committee, &config.params.limits, &Ed25519);
            self.step(to, Input::Batch { from, batch: checked.expect("nobody sends anything else") });
        }
    }

    fn top(&self) -> Vec<LaneTip> {
        self.chain.last().map_or_else(Vec::new, |block| block.cut.clone())
    }

    fn propose(&mut self, who: usize, lanes: Vec<LaneTip>) {
        let parent_cut = self.top();
        let kept = parent_cut.iter().filter(|tip| lanes.iter().all(|lane| lane.lane != tip.lane));
        let mut cut: Vec<LaneTip> = kept.chain(&lanes).copied().collect();
        cut.sort();
        let at = self.chain.len() as u64 + 1;
        self.proposed = Some((Block { lanes, parent_cut, cut, valid: BTreeSet::new() }, self.now_ms + 3_000));
        for to in 0..4 {
            let (block, _) = self.proposed.as_ref().expect("just proposed");
            let check = Check {
                digest: block_id(at),
                height: height(at),
                proposer: ValidatorIndex::new(who as u16),
                lanes: block.lanes.clone(),
                parent_cut: block.parent_cut.clone(),
            };
            self.step(to, Input::Check(check));
            if self.proposed.is_none() {
                return;
            }
        }
    }

    fn judged(&mut self, who: usize, digest: Hash, judgement: DataJudgement) {
        assert_ne!(judgement, DataJudgement::Invalid);
        let at = self.chain.len() as u64 + 1;
        if let Some((block, _)) = self.proposed.as_mut().filter(|_| digest == block_id(at))
            && judgement == DataJudgement::Valid
        {
            block.valid.insert(who);
        }
    }

    /// A block that a quorum found valid is final; everybody hears of it, and commits it once all of it is there.
    fn agree(&mut self) {
        if let Some((block, _)) = self.proposed.take_if(|(block, _)| block.valid.len() >= 3) {
            let (at, cut) = (self.chain.len() as u64 + 1, block.cut.clone());
            self.chain.push(block);
            for who in 0..4 {
                self.step(who, Input::Finalized { digest: block_id(at), height: height(at), cut: cut.clone() });
            }
        } else if self.proposed.as_ref().is_some_and(|(_, until)| self.now_ms > *until) {
            panic!("a block of honest validators was never found valid by a quorum");
        }
        for who in 0..4 {
            while let Some(block) = self.chain.get(self.committed[who]) {
                let Some(batches) = self.rigs[who].mempool.batches_for(&block.lanes, &block.parent_cut) else { break };
                let decided: Vec<Hash> = batches.iter().flat_map(|batch| batch.ids().to_vec()).collect();
                self.in_blocks.extend(&decided);
                self.committed[who] += 1;
                let (height, cut) = (Height::new(self.committed[who] as u64), block.cut.clone());
                self.step(who, Input::Committed { height, cut, decided, sequences: Vec::new() });
            }
        }
    }

    /// The first message on its way, if it has arrived.
    fn next_arrival(&mut self) -> Option<(usize, usize, DataMessage)> {
        let entry = self.flying.first_entry()?;
        (entry.key().0 <= self.now_ms).then(|| entry.remove())
    }

    fn millisecond(&mut self) {
        self.now_ms += 1;
        while let Some((from, to, message)) = self.next_arrival() {
            self.deliver(from, to, message);
        }
        for who in 0..4 {
            let due = self.rigs[who].mempool.deadline().is_some_and(|at| at.get() <= self.now_ms * 1_000);
            if due {
                self.step(who, Input::Tick);
            }
        }
        self.agree();
        if self.now_ms.is_multiple_of(20) && self.proposed.is_none() {
            self.leader = (self.leader + 1) % 4;
            let (view, parent, parent_cut) = (View::new(self.now_ms), block_id(0), self.top());
            if self.committed[self.leader] == self.chain.len() {
                self.step(self.leader, Input::Build { view, parent, parent_cut });
            }
        }
    }
}

/// Every transaction that was admitted is in a block, everybody committed all, and then nothing moves any more.
fn converges(seed: u64, loss_percent: u64, crashes: bool) {
    let mut network = Network::new(seed, loss_percent);
    let mut offered = BTreeSet::new();
    while network.now_ms < END_MS {
        network.millisecond();
        if offered.len() < TRANSACTIONS as usize && network.random.below(10) == 0 {
            let ask = Ask::expiring(network.random.below(7) as u16, offered.len() as u64);
            offered.insert(ask.verified().id());
            let who = network.random.below(4) as usize;
            network.step(who, Input::Admit(ask.candidate()));
        }
        let settled = network.in_blocks == offered && network.committed.iter().all(|at| *at == network.chain.len());
        if offered.len() == TRANSACTIONS as usize && settled {
            break;
        }
        if crashes && network.now_ms.is_multiple_of(150) {
            let who = network.random.below(4) as usize;
            // What only the pool held is lost with the power, and offered again by nobody.
            if network.rigs[who].mempool.snapshot().pool_count == 0 {
                let at = network.committed[who];
                let cut = at.checked_sub(1).map_or_else(Vec::new, |at| network.chain[at].cut.clone());
                network.crashes += 1;
                network.rigs[who].crash(Height::new(at as u64), &cut);
                assert!(!network.rigs[who].mempool.snapshot().is_silent, "seed {seed}");
                for index in (0..4).map(ValidatorIndex::new) {
                    network.step(who, Input::Peer { index, connected: true });
                    network.step(
                        index.to_usize(),
                        Input::Peer { index: ValidatorIndex::new(who as u16), connected: true },
                    );
                }
                network.check_again(who);
            }
        }
    }
    assert_eq!(network.crashes > 3, crashes, "seed {seed}: {} crashes", network.crashes);
    let missing = offered.difference(&network.in_blocks).count();
    assert_eq!((missing, network.now_ms < END_MS), (0, true), "seed {seed}: {:?}", network.rigs[0].mempool.snapshot());
    for _ in 0..3_000 {
        network.millisecond();
    }
    assert_eq!(network.flying.len(), 0, "seed {seed}: the network does not come to rest");
    for rig in &network.rigs {
        let snapshot = rig.mempool.snapshot();
        assert_eq!((snapshot.pool_count, snapshot.in_flight_count, snapshot.held_bytes), (0, 0, 0), "seed {seed}");
        assert_eq!(rig.mempool.deadline(), None, "seed {seed}");
    }
}

impl Network {
    /// After a restart the core hands its blocks over again.
    fn check_again(&mut self, who: usize) {
        let proposer = ValidatorIndex::new(self.leader as u16);
        let open = self.proposed.iter().map(|(block, _)| block);
        let blocks = self.chain.iter().chain(open).zip(1..).skip(self.committed[who]);
        let blocks: Vec<(Check, Vec<LaneTip>)> = blocks
            .map(|(block, at)| {
                let (lanes, parent_cut) = (block.lanes.clone(), block.parent_cut.clone());
                (Check { digest: block_id(at), height: height(at), proposer, lanes, parent_cut }, block.cut.clone())
            })
            .collect();
        let final_height = height(self.chain.len() as u64);
        for (check, cut) in blocks {
            let (digest, height) = (check.digest, check.height);
            self.step(who, Input::Check(check));
            if height <= final_height {
                self.step(who, Input::Finalized { digest, height, cut });
            }
        }
    }
}

#[test]
fn four_validators_converge_on_a_good_network() {
    for seed in 0..4 {
        converges(seed, 0, false);
    }
}

#[test]
fn four_validators_converge_on_a_network_that_loses_a_quarter_of_all_messages() {
    for seed in 0..8 {
        converges(seed, 25, false);
    }
}

#[test]
fn four_validators_converge_though_each_loses_its_power_again_and_again() {
    for seed in 0..8 {
        converges(seed, 10, true);
    }
}
