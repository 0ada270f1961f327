//! A simulated validator: a real core with a real log, and models of its data plane and its ledger.
//!
//! The data plane model knows batches only by lane and number. A batch is held or not; what is held is durable. The
//! ledger model executes a block by hashing it into the state root, and commits durably. Both keep their disks across
//! a crash and lose everything else.

use std::collections::BTreeMap;

use althing_consensus::{Anchor, Config, Core, Input, Record};
use althing_storage::{AppendLog, FaultPlan, FaultyLog, Unsynced};
use althing_types::{
    AssetId, Block, DataJudgement, Finalization, Hash, Header, Height, LaneSeq, LaneTip, Summary, ValidatorIndex, View,
    Work, decode, encode, leaf_hash,
};

use super::keys::SimulatedKeys;
use super::random::Random;

/// Records are small here.
const RECORD_BYTES_MAX: usize = 8 << 20;

/// A block that the ledger committed.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) block: Block,
    pub(crate) finalization: Finalization,
    pub(crate) summary: Summary,
}

/// The disks of a validator: they survive crashes.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) log: FaultyLog,
    /// The highest batch of each lane that is held.
    pub(crate) held: Vec<u64>,
    /// The ledger, by height from 1.
    pub(crate) ledger: Vec<Committed>,
}

/// A simulated validator.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) index: ValidatorIndex,
    pub(crate) keys: SimulatedKeys,
    pub(crate) disk: Disk,
    /// None while it is down.
    pub(crate) core: Option<Core>,
    /// Counts its lives; what was scheduled in an earlier one is void.
    pub(crate) life: u64,
    /// Whether a sync is under way.
    pub(crate) syncing: bool,
    /// Records appended and not yet covered by a sync.
    pub(crate) unsynced: bool,
    /// The core's place of the last record appended.
    pub(crate) appended: Option<althing_consensus::Lsn>,
    /// When the node's next wake-up is scheduled.
    pub(crate) wake: Option<u64>,
    /// How far its clock is off.
    pub(crate) skew_ms: i64,
    /// Blocks whose batches are not all held.
    pub(crate) checks: BTreeMap<Hash, Block>,
    /// Final blocks that wait for execution.
    pub(crate) queue: Vec<(Block, Finalization)>,
    pub(crate) executing: bool,
    /// The highest batch of its own lane.
    pub(crate) produced: u64,
    /// Headers that were proposed, with their views; only liars remember them.
    pub(crate) seen: BTreeMap<Hash, (Header, View)>,
}

/// What a batch's digest is in the model.
pub(crate) fn batch_digest(lane: u32, seq: u64) -> Hash {
    leaf_hash(&encode(&(lane, seq)))
}

/// The state root after nothing.
pub(crate) fn first_state_root() -> Hash {
    *AssetId::of_genesis(&"SIM".parse().expect("a symbol")).as_hash()
}

impl Node {
    pub(crate) fn new(index: ValidatorIndex, keys: SimulatedKeys, validators: u16, skew_ms: i64) -> Self {
        let plan = FaultPlan { unsynced: Unsynced::KeepPrefix, ..FaultPlan::default() };
        let disk = Disk { log: FaultyLog::new(plan), held: vec![0; usize::from(validators)], ledger: Vec::new() };
        Self {
            index,
            keys,
            disk,
            core: None,
            life: 0,
            syncing: false,
            unsynced: false,
            appended: None,
            wake: None,
            skew_ms,
            checks: BTreeMap::new(),
            queue: Vec::new(),
            executing: false,
            produced: 0,
            seen: BTreeMap::new(),
        }
    }

    /// Pulls the plug.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        self.disk.log.crash(random.next());
        self.core = None;
        self.life += 1;
        self.syncing = false;
        self.unsynced = false;
        self.appended = None;
        self.wake = None;
        self.checks.clear();
        self.queue.clear();
        self.executing = false;
    }

    /// Opens the log and the ledger again. Returns what the core must be told first.
    pub(crate) fn start(&mut self, config: Config, genesis: &Header) -> Vec<Input> {
        let records = self.disk.log.reopen();
        let records = records.iter().map(|bytes| decode(bytes, RECORD_BYTES_MAX).expect("a record of ours"));
        let records: Vec<Record> = records.collect();
        let (anchor, view) = self.anchor(genesis);
        let carried = anchor.header.executed_height;
        let core = Core::recover(config, genesis.id(), anchor, view, records).expect("the log is never behind");
        self.core = Some(core);
        let executed = self.disk.ledger.iter().map(|committed| committed.summary);
        let mut inputs: Vec<Input> = executed.filter(|summary| summary.height > carried).map(Input::Executed).collect();
        inputs.push(Input::Tick);
        inputs
    }

    fn anchor(&self, genesis: &Header) -> (Anchor, View) {
        match self.disk.ledger.last() {
            None => (Anchor { header: genesis.clone(), cut: Vec::new() }, View::ZERO),
            Some(last) => {
                let blocks = self.disk.ledger.iter().map(|committed| &committed.block);
                let cut = blocks.fold(Vec::new(), |cut: Vec<LaneTip>, block| block.cut_above(&cut).expect("final"));
                (Anchor { header: last.block.header.clone(), cut }, last.finalization.vote.view)
            }
        }
    }

    /// The next height that the ledger executes.
    pub(crate) fn next_height(&self) -> Height {
        Height::new(self.disk.ledger.len() as u64 + 1)
    }

    /// Executes the first queued block and commits it.
    pub(crate) fn execute(&mut self) -> Option<Summary> {
        self.executing = false;
        if self.queue.is_empty() {
            return None;
        }
        let (block, finalization) = self.queue.remove(0);
        assert_eq!(block.header.height, self.next_height(), "blocks are handed over in order");
        let before = self.disk.ledger.last().map_or_else(first_state_root, |last| last.summary.state_root);
        let summary = Summary {
            height: block.header.height,
            block: block.header.id(),
            state_root: leaf_hash(&encode(&(before, block.header.id()))),
            tx_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            tx_count: block.body.lanes.len() as u32,
            gas_used: 0,
            vm: 1,
        };
        self.disk.ledger.push(Committed { block, finalization, summary });
        Some(summary)
    }

    /// Whether every batch that a block orders is held.
    pub(crate) fn holds(&self, block: &Block) -> bool {
        block.body.lanes.iter().all(|tip| self.disk.held.get(tip.lane as usize).is_some_and(|held| *held >= tip.seq))
    }

    /// The model's word on a block.
    pub(crate) fn check(&self, block: &Block) -> DataJudgement {
        if block.body.lanes.iter().any(|tip| batch_digest(tip.lane, tip.seq) != tip.tip) {
            DataJudgement::Invalid
        } else if self.holds(block) {
            DataJudgement::Valid
        } else {
            DataJudgement::Wait
        }
    }

    /// Blocks whose last batch has arrived.
    pub(crate) fn completed_checks(&mut self) -> Vec<Hash> {
        let complete: Vec<Hash> =
            self.checks.iter().filter(|(_, block)| self.holds(block)).map(|(digest, _)| *digest).collect();
        for digest in &complete {
            self.checks.remove(digest);
        }
        complete
    }

    /// Lanes that a block of this node advances.
    pub(crate) fn lanes_above(&self, cut: &[LaneTip]) -> Vec<LaneTip> {
        let lanes = (0u32..).zip(&self.disk.held);
        let ordered = |lane: u32| cut.iter().find(|tip| tip.lane == lane).map_or(0, |tip| tip.seq);
        lanes
            .filter(|(lane, held)| **held > ordered(*lane))
            .map(|(lane, held)| LaneTip { lane, seq: *held, tip: batch_digest(lane, *held) })
            .collect()
    }

    /// What the data plane tells the core. `acknowledged` is the highest batch per lane that a quorum holds.
    pub(crate) fn work(&self, acknowledged: &[u64]) -> Work {
        let held = (0u32..).zip(&self.disk.held);
        let lead = held.clone().map(|(lane, seq)| LaneSeq { lane, seq: *seq });
        let own = u32::from(self.index.get());
        let timer = held.zip(acknowledged).map(|((lane, held), acknowledged)| LaneSeq {
            lane,
            seq: if lane == own { *held } else { *held.min(acknowledged) },
        });
        Work { lead: lead.collect(), timer: timer.collect() }
    }

    /// Carries out what concerns the log.
    pub(crate) fn append(&mut self, lsn: althing_consensus::Lsn, record: &Record) {
        self.disk.log.append(&encode(record)).expect("the model's disk is large");
        self.appended = Some(lsn);
        self.unsynced = true;
    }

    /// Replaces the log.
    pub(crate) fn compact(&mut self, lsn: althing_consensus::Lsn, records: &[Record]) {
        let base: Vec<Vec<u8>> = records.iter().map(encode).collect();
        self.disk.log.replace(&base).expect("the model's disk is large");
        self.appended = Some(lsn);
        self.unsynced = true;
    }
}
