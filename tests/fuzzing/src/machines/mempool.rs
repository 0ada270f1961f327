//! The mempool: transactions, batches of all lanes, good, bad and forked, acknowledgements, questions, blocks and
//! crashes, in any order.
//!
//! Blocks come in the order of their heights, because the core of the same validator says them; all else is anybody's.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use althing_mempool::{
    Acks, Check, CheckedBatch, Config, DataMessage, Input, LANE_BATCHES_MAX, Lsn, Mempool, NextSequence, Output,
    POOL_TRANSACTIONS_MAX, Range, RejectedBatch, SharedBatch, check_batch,
};
use althing_types::{
    Batch, Bytes, Epoch, Hash, Height, LaneTip, List, Monotonic, Replay, SignedBatch, TimeMs, ValidatorIndex, View,
    leaf_hash,
};

use crate::keys::{LooseKeys, loose_signature};
use crate::memory::measured;
use crate::network::{Disk, ME, WALL_MS, chain, keys, submissions, transfer};
use crate::script::{NEAR_SAME, Script};

/// Steps of an input at most.
const STEPS_MAX: usize = 1_000;
/// Batches of each run of a lane.
const RUN_BATCHES: u64 = 10;
/// Outputs of one step at most.
const OUTPUTS_MAX: usize = 2_000;
/// Bytes that a mempool may hold at once, with everything around it.
const HELD_BYTES_MAX: usize = 16 << 20;
/// Where the steady clock begins, in microseconds.
const START_US: u64 = 1_000_000;

/// Batches of the others' lanes: two runs of each, and a fork from the middle of the first.
static BATCHES: LazyLock<Vec<CheckedBatch>> = LazyLock::new(|| {
    let mut batches = Vec::new();
    for lane in 0..u32::from(ME.get()) {
        let first = run(LaneTip { lane, seq: 0, tip: Hash::ZERO }, RUN_BATCHES, 0);
        let middle = first[first.len() / 2].tip();
        batches.extend(first);
        batches.extend(run(LaneTip { lane, seq: 0, tip: Hash::ZERO }, 3, 1_000));
        batches.extend(run(middle, 3, 2_000));
    }
    batches
});

/// Batches that are wrong: without a transaction, with one twice, for another chain, with one that is badly signed.
static REJECTED: LazyLock<Vec<RejectedBatch>> = LazyLock::new(|| {
    let bottom = |lane| LaneTip { lane, seq: 0, tip: Hash::ZERO };
    let twice = [transfer(1), transfer(1)].map(|it| it.to_bytes());
    let mut other = batch(bottom(1), vec![transfer(2).to_bytes()]);
    other.batch.chain = Hash::ZERO;
    let mut bad = transfer(5).to_bytes();
    bad.reverse();
    let wrong = [batch(bottom(0), Vec::new()), batch(bottom(2), twice.to_vec()), other, batch(bottom(0), vec![bad])];
    wrong.into_iter().filter_map(|signed| check(signed).err()).collect()
});

fn batch(below: LaneTip, transactions: Vec<Vec<u8>>) -> SignedBatch {
    let bytes = transactions.into_iter().filter_map(|bytes| Bytes::new(bytes).ok()).collect();
    let batch = Batch {
        chain: chain().committee.chain,
        epoch: Epoch::ZERO,
        lane: below.lane,
        seq: below.seq.saturating_add(1),
        previous: below.tip,
        transactions: List::truncated(bytes),
    };
    SignedBatch { batch, signature: loose_signature() }
}

fn check(signed: SignedBatch) -> Result<CheckedBatch, RejectedBatch> {
    let limits = &chain().genesis.params().limits;
    check_batch(Arc::new(signed), &chain().committee, limits, &keys(ME.get()))
}

/// Batches of one lane, each with a transaction, linked above a tip.
fn run(mut below: LaneTip, count: u64, salt: u64) -> Vec<CheckedBatch> {
    let next = |number: u64| {
        let made = check(batch(below, vec![transfer(10_000 + salt + number).to_bytes()])).expect("a good batch");
        below = made.tip();
        made
    };
    (0..count).map(next).collect()
}

/// A mempool and its surroundings.
struct Bench {
    config: Config,
    keys: LooseKeys,
    mempool: Mempool,
    now: Monotonic,
    wall: TimeMs,
    log: Disk<Lsn, Arc<SignedBatch>>,
    quick_disk: bool,
    height: u64,
    committed: u64,
    /// The tips of all lanes after each final block, from genesis on.
    cuts: Vec<Vec<LaneTip>>,
    /// The batches of my lane that left, by their numbers.
    lane: BTreeMap<u64, Hash>,
    /// Those that were ever durable.
    durable: BTreeMap<u64, Hash>,
}

/// A sequence of events: the first byte chooses the surroundings.
pub(crate) fn events(bytes: &[u8]) {
    // Made once, so that they do not count as held.
    assert!(!BATCHES.is_empty() && !REJECTED.is_empty() && !submissions().is_empty());
    let (_, held) = measured(|| run_script(bytes));
    assert!(held <= HELD_BYTES_MAX, "a mempool held {held} bytes at once, {HELD_BYTES_MAX} are allowed");
}

fn run_script(bytes: &[u8]) -> Bench {
    let mut script = Script::new(bytes);
    let mut bench = Bench::new(script.byte());
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        bench.happens(&mut script);
        bench.check_bounds();
    }
    bench
}

impl Bench {
    fn new(surroundings: u8) -> Self {
        let chain = chain();
        let config = Config {
            committee: chain.committee.clone(),
            me: ME,
            guests: 0,
            earlier: Vec::new(),
            params: *chain.genesis.params(),
            log_garbage_bytes_max: [500, 20_000, 64 << 20][usize::from(surroundings % 3)],
        };
        Self {
            mempool: Mempool::recover(config.clone(), Height::ZERO, &[], Vec::new()).expect("an empty log"),
            config,
            keys: keys(ME.get()),
            now: Monotonic::new(START_US),
            wall: TimeMs::new(WALL_MS),
            log: Disk::default(),
            quick_disk: surroundings & 0x10 == 0,
            height: 0,
            committed: 0,
            cuts: vec![Vec::new()],
            lane: BTreeMap::new(),
            durable: BTreeMap::new(),
        }
    }

    fn happens(&mut self, script: &mut Script<'_>) {
        let input = match script.byte() % 20 {
            0 | 1 => {
                let us = u64::from(script.short()) * 20;
                (self.now, self.wall) = (self.now.plus(us), self.wall.plus(us / 1_000));
                Input::Tick
            }
            2..=4 => Input::Admit(script.pick(submissions()).clone()),
            5..=7 => {
                let (from, batch) = (self.someone(script), script.pick(&BATCHES).clone());
                match self.mempool.is_worth_checking(batch.signed()) {
                    true => Input::Batch { from, batch },
                    false => Input::Repeated { from, lane: batch.tip().lane },
                }
            }
            8 => Input::Rejected { from: self.someone(script), rejected: script.pick(&REJECTED).clone() },
            9 | 10 => {
                let (from, epoch) = (self.someone(script), Epoch::new(u64::from(script.byte() / 250)));
                let acks =
                    Acks { epoch, tips: List::truncated(self.tips(script)), executed: Height::new(script.near(1)) };
                Input::Acks { from, acks }
            }
            11 => {
                let (from, tip) = (self.someone(script), self.tip(script));
                Input::GetBatches {
                    from,
                    range: Range { lane: tip.lane, first: script.near(1), last: tip.seq, tip: tip.tip },
                }
            }
            12 | 13 => self.judge(script),
            14 => Input::Build {
                view: View::new(script.near(self.height)),
                parent: Hash::ZERO,
                parent_cut: self.cut().to_vec(),
            },
            15 => match script.byte() % 4 {
                0 => Input::Hint { leader: self.someone(script) },
                1 => Input::ViewDied { view: View::new(script.near(self.height)) },
                2 => Input::Accused(vec![ValidatorIndex::new(u16::from(script.byte()) % ME.get())]),
                _ => Input::Peer { index: self.someone(script), connected: script.below(4) > 0 },
            },
            16 => return self.sync(usize::from(script.byte())),
            17 => return self.finalize(script),
            18 => return self.commit(script),
            _ => return self.crash(script),
        };
        self.step(input);
    }

    // ---- the surroundings ----

    fn step(&mut self, input: Input) {
        let mut out = Vec::new();
        self.mempool.step(&self.keys, self.now, self.wall, input, &mut out);
        assert!(out.len() < OUTPUTS_MAX, "{} outputs of one step", out.len());
        for output in out {
            match output {
                Output::Append { lsn, batch } => self.log.append(lsn, batch),
                Output::Compact { lsn, batches } => self.log.replace(lsn, batches),
                Output::Send { to, message } => self.check_sent(&to, &message),
                _ => {}
            }
        }
        if self.quick_disk {
            self.sync(usize::MAX);
        }
    }

    /// Nothing goes to me or twice to one, and of my lane nothing that is not durable, nor two batches for one place.
    fn check_sent(&mut self, to: &[ValidatorIndex], message: &DataMessage) {
        assert!(to.is_sorted_by(|a, b| a < b) && !to.contains(&ME), "a message to {to:?}");
        let batches: &[SharedBatch] = match message {
            DataMessage::Batch(batch) => std::slice::from_ref(batch),
            DataMessage::Batches(batches) => batches,
            DataMessage::Acks(_) | DataMessage::GetBatches { .. } => &[],
        };
        for batch in batches.iter().filter(|batch| batch.batch.lane == u32::from(ME.get())) {
            let (seq, digest) = (batch.batch.seq, batch.batch.digest());
            assert_eq!(self.durable.get(&seq), Some(&digest), "batch {seq} of my lane left and was not durable");
            let first = *self.lane.entry(seq).or_insert(digest);
            assert_eq!(first, digest, "a second batch {seq} of my lane");
        }
    }

    fn sync(&mut self, count: usize) {
        let last = self.log.write(count.min(self.log.waiting()));
        self.learn();
        if let Some(lsn) = last {
            self.step(Input::Durable(lsn));
        }
    }

    fn learn(&mut self) {
        for signed in self.log.records().iter().filter(|it| it.batch.lane == u32::from(ME.get())) {
            self.durable.insert(signed.batch.seq, signed.batch.digest());
        }
    }

    /// The tips after the last final block.
    fn cut(&self) -> &[LaneTip] {
        self.cuts.last().map_or(&[], Vec::as_slice)
    }

    /// A block becomes final that moves a lane on, or none.
    fn finalize(&mut self, script: &mut Script<'_>) {
        let named = self.tip(script);
        let mut cut = self.cut().to_vec();
        let below = cut.iter().find(|tip| tip.lane == named.lane).map_or(0, |tip| tip.seq);
        if named.lane < 4 && named.seq > below {
            cut.retain(|tip| tip.lane != named.lane);
            cut.push(named);
            cut.sort();
        }
        self.height += 1;
        self.cuts.push(cut.clone());
        self.step(Input::Finalized { digest: block_id(self.height), height: Height::new(self.height), cut });
    }

    /// The ledger commits the next final block, if there is one.
    fn commit(&mut self, script: &mut Script<'_>) {
        if self.committed == self.height {
            return;
        }
        self.committed += 1;
        let cut = self.cuts[usize::try_from(self.committed).unwrap_or(usize::MAX)].clone();
        let (decided, next) = (vec![script.pick(submissions()).id()], script.near(1));
        let numbered = transfer(4 * u64::from(script.byte() % 4));
        let sequences = match numbered.body().replay {
            Replay::Sequence { lane, .. } => vec![NextSequence { sender: numbered.body().sender, lane, next }],
            Replay::Expiring { .. } => Vec::new(),
        };
        self.step(Input::Committed { height: Height::new(self.committed), cut, decided, sequences });
    }

    /// The power goes, after so much more was written, and comes back; the core hands over again what was not
    /// committed.
    fn crash(&mut self, script: &mut Script<'_>) {
        self.log.crash(usize::from(script.byte()));
        self.learn();
        let cut = self.cuts[usize::try_from(self.committed).unwrap_or(usize::MAX)].clone();
        let (height, records) = (Height::new(self.committed), self.log.records().to_vec());
        let mempool = Mempool::recover(self.config.clone(), height, &cut, records);
        self.mempool = mempool.expect("its own log");
        self.height = self.committed;
        self.cuts.truncate(usize::try_from(self.height).unwrap_or(usize::MAX).saturating_add(1));
        self.step(Input::Tick);
    }

    fn check_bounds(&self) {
        let held = self.mempool.snapshot();
        assert!(held.pool_count <= POOL_TRANSACTIONS_MAX && held.own_batches <= LANE_BATCHES_MAX, "{held:?}");
        let past = self.mempool.deadline().filter(|at| *at <= self.now);
        assert_eq!(past, None, "a deadline in the past spins");
    }

    // ---- the others ----

    fn someone(&self, script: &mut Script<'_>) -> ValidatorIndex {
        let byte = script.byte();
        ValidatorIndex::new(if byte == u8::MAX { u16::MAX } else { u16::from(byte % 4) })
    }

    fn tip(&self, script: &mut Script<'_>) -> LaneTip {
        let known = match script.byte() % 8 {
            0 => {
                let (seq, digest) =
                    self.durable.last_key_value().map_or((0, Hash::ZERO), |(seq, digest)| (*seq, *digest));
                LaneTip { lane: u32::from(ME.get()), seq, tip: digest }
            }
            1 => LaneTip { lane: u32::from(script.byte()), seq: script.near(1), tip: Hash::ZERO },
            _ => return script.pick(&BATCHES).tip(),
        };
        LaneTip { seq: if script.byte() < 200 { known.seq } else { script.near(known.seq) }, ..known }
    }

    fn tips(&self, script: &mut Script<'_>) -> Vec<LaneTip> {
        let mut tips: Vec<LaneTip> = (0..script.byte() % 5).map(|_| self.tip(script)).collect();
        tips.sort();
        tips
    }

    /// A block of a height above the last final one, above its cut or another.
    fn judge(&self, script: &mut Script<'_>) -> Input {
        let height = self.height.saturating_add(1 + u64::from(script.byte() % 4));
        let parent_cut = if script.byte() < 200 { self.cut().to_vec() } else { self.tips(script) };
        let digest = block_id(height.wrapping_mul(u64::from(script.byte() % 2) + 1));
        let (proposer, lanes) = (self.someone(script), self.tips(script));
        Input::Check(Check { digest, height: Height::new(height), proposer, lanes, parent_cut })
    }
}

fn block_id(number: u64) -> Hash {
    leaf_hash(&number.to_le_bytes())
}

/// Lanes that grow and are made final, a full pool, and crashes, as inputs.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let connect: Vec<u8> = (0..3).flat_map(|index| [15, 3, index, 1]).collect();
    let admit: Vec<u8> = (0..6).flat_map(|which| [2, which]).chain([0, 255, 255]).collect();
    let receive: Vec<u8> = (0..48).flat_map(|which| [5, which / 16, which]).collect();
    let acknowledge: Vec<u8> = (0..3).flat_map(|from| [9, from, 0, 2, 0, 0, 3, 4, NEAR_SAME]).collect();
    let judged = vec![12, 0, 0, 0, 1, 2, 3, 4, 3, 20];
    let finalized = vec![17, 3, 4, 18, 1, NEAR_SAME, 0];
    let crash = vec![19, 0];
    let whole =
        [connect.clone(), admit.clone(), receive.clone(), acknowledge.clone(), judged.clone(), finalized.clone()]
            .concat();
    let seeds = [
        [vec![2], whole.clone(), vec![14, NEAR_SAME]].concat(),
        [vec![0], whole.clone(), crash.clone(), whole.clone()].concat(),
        [
            vec![0x11],
            connect.clone(),
            admit.clone(),
            vec![16, 1],
            acknowledge,
            crash.clone(),
            admit.clone(),
            vec![16, 9],
        ]
        .concat(),
        [vec![0x10], receive, judged, vec![16, 9, 11, 1, 3, 4, NEAR_SAME], finalized, crash].concat(),
        [vec![1], connect, admit.repeat(8), vec![8, 1, 0, 8, 2, 2, 15, 2, 1, 15, 0, 1]].concat(),
    ];
    let bench = run_script(&seeds[0]);
    let (others, mine) = (bench.mempool.snapshot().lanes[0].durable_seq, bench.lane.len());
    assert!(others > 8 && mine > 0, "the first input leaves the lanes at {others} and {mine}");
    seeds.to_vec()
}
