//! The state of the data plane of one validator, and what others may ask of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_types::{Hash, Height, LaneTip, Monotonic, SignedBatch, TimeMs, ValidatorIndex, Work};

use crate::batch::CheckedBatch;
use crate::build::Proposed;
use crate::config::{Config, LANE_BATCHES_MAX, LANE_BYTES_MAX, Signer};
use crate::epoch::Carried;
use crate::journal::{Journal, Lsn};
use crate::judge::{Checking, Walk};
use crate::lane::{Ack, Lane};
use crate::message::DataMessage;
use crate::output::Output;
use crate::peers::Peer;
use crate::pool::Pool;
use crate::underway::Underway;

/// What every step works with.
pub(crate) struct Context<'a> {
    pub(crate) signer: &'a dyn Signer,
    pub(crate) now: Monotonic,
    pub(crate) wall: TimeMs,
    pub(crate) out: &'a mut Vec<Output>,
}

/// The pool and the lanes of one validator in one epoch.
#[derive(Clone, Debug)]
pub struct Mempool {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    /// All lanes by number.
    pub(crate) lanes: Vec<Lane>,
    /// All validators by index, then the guests; the entry of this one is unused.
    pub(crate) peers: Vec<Peer>,
    pub(crate) journal: Journal,
    /// Blocks that are judged, and final ones that the ledger has not committed.
    pub(crate) checks: BTreeMap<(Height, Hash), Checking>,
    /// Batches whose check has begun.
    pub(crate) underway: Underway,
    /// Transactions in batches of our own lane that are not decided, with the batch's number.
    pub(crate) in_flight: BTreeMap<Hash, u64>,
    /// Transactions of the epoch before that wait for a batch of ours (E3).
    pub(crate) carried: Carried,
    /// Our newest batch. It stays in the log when nobody needs it any more, so that a restart can tell a lane that is
    /// all committed from one that was lost (D6).
    pub(crate) newest_own: Option<(LaneTip, Arc<SignedBatch>)>,
    /// Our lane lost data and says nothing more in this epoch.
    pub(crate) is_silent: bool,
    /// Our lane waits until it is known that its log is whole.
    pub(crate) is_held: bool,
    /// Lanes in which something changed within the step.
    pub(crate) touched: BTreeSet<u32>,
    /// Something arrived that a waiting block may need.
    pub(crate) must_judge: bool,
    /// Lanes whose acknowledgement changed, and when to say so (L2).
    pub(crate) unsaid: BTreeSet<u32>,
    pub(crate) ack_at: Option<Monotonic>,
    /// When everything is acknowledged once more, in case that the last change was lost.
    pub(crate) repeat_at: Option<Monotonic>,
    pub(crate) executed: Height,
    pub(crate) work: Work,
    /// The last block of ours, as far as demotion needs it (L8).
    pub(crate) proposed: Option<Proposed>,
    /// Questions asked in the current window, and when it ends.
    pub(crate) asked: (u32, Monotonic),
    pub(crate) wake: Option<Monotonic>,
}

/// What a node tells its operator about its pool and lanes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Transactions in the pool.
    pub pool_count: usize,
    /// Those of them that may leave it. The others wait for a sequence number before their own.
    pub ready_count: u64,
    /// Their bytes.
    pub pool_bytes: usize,
    /// Transactions in batches of our own that are not decided.
    pub in_flight_count: usize,
    /// Batches of our own lane beyond its final tip.
    pub own_batches: u64,
    /// Their bytes.
    pub own_bytes: usize,
    /// Whether our own lane is silent until the next epoch.
    pub is_silent: bool,
    /// Whether our own lane may hold no further batch before more of it is final (rule L3).
    pub is_window_full: bool,
    /// The number of our newest batch.
    pub own_seq: u64,
    /// By validator: the highest batch of ours that it acknowledged; of ourselves, what is durable here.
    pub own_acks: Vec<u64>,
    /// Whether something that was handed to the batch log is not durable yet.
    pub is_unsynced: bool,
    /// Bytes of batches that the batch log must keep.
    pub held_bytes: u64,
    /// Bytes of batches in the batch log.
    pub log_bytes: u64,
    /// Blocks whose batches are not all here.
    pub waiting_blocks: usize,
    /// Per lane: its final tip, the highest batch that is durable here, and the highest that a quorum acknowledged.
    pub lanes: Vec<LaneSnapshot>,
}

/// What a node tells its operator about one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// The last final batch.
    pub final_seq: u64,
    /// The highest batch up to which all are durable here.
    pub durable_seq: u64,
    /// The highest batch that a quorum acknowledged.
    pub quorum_seq: u64,
    /// Whether honest leaders extend it.
    pub is_tainted: bool,
    /// Turns of ours for which it is demoted still.
    pub demoted_turns: u64,
}

impl Mempool {
    /// An empty pool beside lanes that stand at their committed tips.
    pub(crate) fn with_cut(config: Config, executed: Height, cut: &[LaneTip], log_bytes: u64) -> Self {
        let validators = config.committee.set.count();
        let tip = |lane: u32| cut.iter().find(|tip| tip.lane == lane);
        let lane = |lane: u16| Lane::new(u32::from(lane), validators, tip(u32::from(lane)));
        Self {
            pool: Pool::default(),
            lanes: (0..validators).map(lane).collect(),
            peers: vec![Peer::default(); usize::from(validators.saturating_add(config.guests))],
            journal: Journal::with_bytes(log_bytes),
            checks: BTreeMap::new(),
            underway: Underway::default(),
            in_flight: BTreeMap::new(),
            carried: Carried::default(),
            newest_own: None,
            is_silent: !config.is_validator(),
            is_held: false,
            touched: BTreeSet::new(),
            must_judge: false,
            unsaid: BTreeSet::new(),
            ack_at: None,
            repeat_at: None,
            executed,
            work: Work::default(),
            proposed: None,
            asked: (0, Monotonic::ZERO),
            wake: None,
            config,
        }
    }

    /// When [`Mempool::step`] wants to be called with [`crate::Input::Tick`] at the latest; none while nothing waits
    /// for time to pass.
    pub const fn deadline(&self) -> Option<Monotonic> {
        self.wake
    }

    /// The batches that a block orders (L7), given its lanes and the tips of all lanes after its parent: ascending by
    /// lane and number. None if any is missing or not durable here; of a final block they stay until it is committed.
    pub fn batches_for(&self, lanes: &[LaneTip], parent_cut: &[LaneTip]) -> Option<Vec<CheckedBatch>> {
        let mut batches = Vec::new();
        for top in lanes {
            let lane = self.lane(top.lane)?;
            let mut walk = Walk::new(*top, parent_cut);
            let mut down = Vec::new();
            walk.descend(lane, |batch| down.push(batch.clone())).ok()?;
            if walk.next.is_some() || walk.lsn > self.journal.durable_to() {
                return None;
            }
            batches.extend(down.into_iter().rev());
        }
        Some(batches)
    }

    /// What a node tells its operator.
    pub fn snapshot(&self) -> Snapshot {
        let own = self.lane(self.config.own_lane());
        let (own_batches, own_bytes) = own.map_or((0, 0), |lane| lane.used_above(lane.final_tip().seq));
        let lanes = self.lanes.iter().map(|lane| LaneSnapshot {
            final_seq: lane.final_tip().seq,
            durable_seq: lane.durable(),
            quorum_seq: lane.quorum(),
            is_tainted: lane.is_tainted,
            demoted_turns: lane.standing.turns(),
        });
        Snapshot {
            pool_count: self.pool.count(),
            ready_count: self.pool.ready_count(),
            pool_bytes: self.pool.bytes(),
            in_flight_count: self.in_flight.len(),
            own_batches,
            own_bytes,
            is_silent: self.is_silent,
            is_window_full: self.own_window_is_full(),
            own_seq: own.map_or(0, |lane| lane.tip().seq),
            own_acks: own.map(|lane| self.own_acks(lane)).unwrap_or_default(),
            is_unsynced: !self.journal.is_synced(),
            held_bytes: self.held_bytes(),
            log_bytes: self.journal.bytes(),
            waiting_blocks: self.checks.values().filter(|check| check.is_waiting()).count(),
            lanes: lanes.collect(),
        }
    }

    /// How far each validator holds our lane, as far as we know.
    fn own_acks(&self, lane: &Lane) -> Vec<u64> {
        let me = self.config.me.to_usize();
        let of = |(index, ack): (usize, &Ack)| if index == me { lane.durable() } else { ack.matched };
        lane.acks.iter().enumerate().map(of).collect()
    }

    pub(crate) fn lane(&self, number: u32) -> Option<&Lane> {
        self.lanes.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn lane_mut(&mut self, number: u32) -> Option<&mut Lane> {
        self.lanes.get_mut(usize::try_from(number).ok()?)
    }

    pub(crate) fn own(&self) -> Option<&Lane> {
        self.lane(self.config.own_lane())
    }

    pub(crate) fn held_bytes(&self) -> u64 {
        self.lanes.iter().fold(0, |sum, lane| sum.saturating_add(lane.held_bytes()))
    }

    /// The reachable validators, ascending.
    pub(crate) fn connected(&self) -> Vec<ValidatorIndex> {
        let validators = self.config.committee.set.count();
        let mut connected = self.connected_with_guests();
        connected.retain(|index| index.get() < validators);
        connected
    }

    /// The reachable validators and guests, ascending.
    pub(crate) fn connected_with_guests(&self) -> Vec<ValidatorIndex> {
        let indexed = (0..u16::MAX).map(ValidatorIndex::new).zip(&self.peers);
        indexed.filter(|(index, peer)| peer.connected && *index != self.config.me).map(|(index, _)| index).collect()
    }

    /// Whether our own lane may hold no further batch before more of it is final (L3).
    pub(crate) fn own_window_is_full(&self) -> bool {
        let max = usize::try_from(self.config.share().of_batch().bytes).unwrap_or(usize::MAX);
        self.own().is_none_or(|lane| {
            let (count, bytes) = lane.used_above(lane.final_tip().seq);
            count >= LANE_BATCHES_MAX || bytes.saturating_add(max) > LANE_BYTES_MAX
        })
    }

    /// Hands a batch to the log and keeps it.
    pub(crate) fn append(&mut self, cx: &mut Context<'_>, batch: CheckedBatch) {
        let lsn = self.journal.append(batch.signed().clone(), batch.size().bytes, cx.out);
        self.place(batch, lsn);
    }

    /// Keeps a batch that stands at this place of the log.
    pub(crate) fn place(&mut self, batch: CheckedBatch, lsn: Lsn) {
        let number = batch.tip().lane;
        if number == self.config.own_lane() {
            self.note_newest(batch.tip(), batch.signed());
        }
        if let Some(lane) = self.lane_mut(number) {
            lane.keep(batch, lsn);
        }
        self.touched.insert(number);
        self.must_judge = true;
    }

    /// Remembers the highest batch of our own lane.
    pub(crate) fn note_newest(&mut self, tip: LaneTip, batch: &Arc<SignedBatch>) {
        if self.newest_own.as_ref().is_none_or(|(newest, _)| newest.seq < tip.seq) {
            self.newest_own = Some((tip, batch.clone()));
        }
    }

    pub(crate) fn send(cx: &mut Context<'_>, to: Vec<ValidatorIndex>, message: DataMessage) {
        if !to.is_empty() {
            cx.out.push(Output::Send { to, message });
        }
    }
}
