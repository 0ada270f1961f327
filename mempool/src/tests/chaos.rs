//! Random inputs in great number, with extreme numbers among them: nothing makes a mempool panic, put out a second
//! batch for a place, or keep more than its bounds.

use std::collections::BTreeMap;

use althing_types::{Epoch, Hash, LaneTip, List, ValidatorIndex, View};

use super::rig::{Ask, Random, Rig, block_id, bottom, config, height, run};
use crate::{Acks, Candidate, CheckedBatch, Input, LANE_BATCHES_MAX, LANE_BYTES_MAX, Lsn, Output, Range, Snapshot};

/// Runs.
const SEEDS: u64 = 12;
/// Inputs of each.
const INPUTS: u64 = 4_000;

/// What the inputs speak of.
struct Chaos {
    random: Random,
    rig: Rig,
    batches: Vec<CheckedBatch>,
    asks: Vec<Candidate>,
    heights: u64,
    cut: Vec<LaneTip>,
    /// Batches of our own that were handed to the log.
    own: BTreeMap<u64, Hash>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut config = config(4, 0);
        config.log_garbage_bytes_max = 20_000;
        let mut batches = Vec::new();
        for lane in 1..4 {
            for salt in 0..3 {
                batches.extend(run(bottom(lane), 12, salt));
            }
            // A fork from the middle of a lane.
            let middle = batches[batches.len() - 6].tip();
            batches.extend(run(middle, 4, 9));
        }
        let asks = (0..300u64).map(|i| match i % 3 {
            0 => Ask::numbered((i % 5) as u16, i / 15),
            _ => Ask::expiring((i % 7) as u16, i),
        });
        let (asks, cut) = (asks.map(|ask| ask.candidate()).collect(), Vec::new());
        Self { random: Random(seed), rig: Rig::with(config), batches, asks, heights: 0, cut, own: BTreeMap::new() }
    }

    fn number(&mut self) -> u64 {
        match self.random.below(12) {
            0 => 0,
            1 => u64::MAX,
            2 => self.random.next(),
            _ => self.random.below(20),
        }
    }

    fn who(&mut self) -> ValidatorIndex {
        let extreme = self.random.below(20) == 0;
        ValidatorIndex::new(if extreme { u16::MAX } else { self.random.below(4) as u16 })
    }

    fn tip(&mut self) -> LaneTip {
        match self.random.below(8) {
            0 => LaneTip { lane: self.number() as u32, seq: self.number(), tip: block_id(self.random.next()) },
            1 => LaneTip { seq: self.number(), ..self.random.pick(&self.batches).tip() },
            2 => self.rig.own_tip(),
            _ => self.random.pick(&self.batches).tip(),
        }
    }

    fn tips(&mut self) -> Vec<LaneTip> {
        let count = self.random.below(5);
        let mut tips: Vec<LaneTip> = (0..count).map(|_| self.tip()).collect();
        tips.sort();
        tips
    }

    fn input(&mut self) -> Input {
        match self.random.below(20) {
            0..=4 => Input::Admit(self.random.pick(&self.asks)),
            5..=9 => Input::Batch { from: self.who(), batch: self.random.pick(&self.batches) },
            10 | 11 => {
                let epoch = Epoch::new(self.random.below(8) / 7);
                let acks = Acks { epoch, tips: List::truncated(self.tips()), executed: height(self.number()) };
                Input::Acks { from: self.who(), acks }
            }
            12 => {
                let (first, tip) = (self.number(), self.tip());
                let range = Range { lane: tip.lane, first, last: tip.seq, tip: tip.tip };
                Input::GetBatches { from: self.who(), range }
            }
            13 | 14 => Input::Check(crate::Check {
                digest: block_id(self.random.next()),
                height: height(self.heights + 1 + self.random.below(4)),
                proposer: self.who(),
                lanes: self.tips(),
                parent_cut: if self.random.below(2) == 0 { self.cut.clone() } else { self.tips() },
            }),
            15 => Input::Build { view: View::new(self.number()), parent: block_id(0), parent_cut: self.tips() },
            16 => Input::Peer { index: self.who(), connected: self.random.below(3) > 0 },
            17 => Input::Hint { leader: self.who() },
            18 => Input::ViewDied { view: View::new(self.number()) },
            _ => self.finality(),
        }
    }

    /// Finality comes from our own core, so it is in order; what it makes final is anybody's guess.
    fn finality(&mut self) -> Input {
        if self.random.below(4) > 0 {
            return Input::Durable(Lsn::ZERO);
        }
        self.heights += 1;
        let at = height(self.heights);
        let named = self.random.pick(&self.batches).tip();
        let below = self.cut.iter().find(|tip| tip.lane == named.lane).map_or(0, |tip| tip.seq);
        if named.seq > below {
            self.cut.retain(|tip| tip.lane != named.lane);
            self.cut.push(named);
            self.cut.sort();
        }
        let cut = self.cut.clone();
        match self.random.below(2) {
            0 => Input::Finalized { digest: block_id(self.random.next()), height: at, cut },
            _ => {
                let decided = vec![self.random.pick(&self.asks).id()];
                Input::Committed { height: at, cut, decided, sequences: Vec::new() }
            }
        }
    }

    /// What comes of a batch that is not worth its check when it is not checked: nothing else than if it had been.
    fn spared(&self, input: &Input) -> Option<(Vec<Output>, Snapshot)> {
        let Input::Batch { from, batch } = input else { return None };
        let spare = !self.rig.mempool.is_worth_checking(batch.signed());
        spare.then(|| {
            let mut rig = self.rig.clone();
            let out = rig.step(Input::Repeated { from: *from, lane: batch.tip().lane });
            (out, rig.mempool.snapshot())
        })
    }

    fn check(&mut self, out: &[Output]) {
        for output in out {
            if let Output::Append { batch, .. } = output
                && batch.batch.lane == 0
            {
                let before = self.own.insert(batch.batch.seq, batch.batch.digest());
                assert_eq!(before, None, "a second batch {}", batch.batch.seq);
            }
        }
        for (number, lane) in self.rig.mempool.lanes.iter().enumerate() {
            let (count, bytes) = lane.used_above(lane.window_base());
            let part = if number == 0 { 1 } else { 2 };
            assert!(count <= part * LANE_BATCHES_MAX && bytes <= part as usize * LANE_BYTES_MAX, "lane {number}");
            assert!(lane.durable() <= lane.tip().seq && lane.quorum() <= lane.tip().seq);
        }
        let deadline = self.rig.mempool.deadline();
        assert!(deadline.is_none_or(|at| at > self.rig.now), "a deadline in the past spins");
    }
}

#[test]
fn no_input_breaks_a_bound_or_forks_our_lane() {
    let mut spares = 0;
    for seed in 0..SEEDS {
        let mut chaos = Chaos::new(seed);
        chaos.rig.slow_disk = seed % 2 == 0;
        for _ in 0..INPUTS {
            let input = chaos.input();
            let spared = chaos.spared(&input);
            let mut out = chaos.rig.step(input);
            if let Some((expected, after)) = spared {
                assert_eq!((&out, chaos.rig.mempool.snapshot()), (&expected, after), "a check was spared that matters");
                spares += 1;
            }
            if chaos.random.below(5) == 0 {
                let wait = chaos.random.below(200_000);
                out.extend(chaos.rig.wait(wait));
            }
            if chaos.random.below(5) == 0 {
                out.extend(chaos.rig.sync());
            }
            chaos.check(&out);
        }
    }
    assert!(spares > 1_000, "only {spares} batches were not worth a check");
}
