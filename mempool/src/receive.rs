//! Batches that arrive: what is kept, what waits, what is dropped, and what is evidence (L1, L3, L9).

use std::sync::Arc;

use althing_types::{
    Batch, DataJudgement, Evidence, Hash, LaneTip, Monotonic, SignedBatch, ValidatorIndex, encoded_len,
};

use crate::batch::{CheckedBatch, Fault, RejectedBatch};
use crate::config::{LANE_BATCHES_MAX, LANE_BYTES_MAX, NAMED_BYTES_MAX, RECEIVER_PART};
use crate::lane::Lane;
use crate::output::Output;
use crate::state::{Context, Mempool};

impl Mempool {
    /// Whether a batch that arrived is worth the check of all its signatures: it could be kept, or be evidence, or a
    /// block names it. What is here already, or committed, or beyond the window, is not, however often it is sent (L1).
    /// Changes nothing; costs comparisons, and a hash where only its name can make it useful.
    pub fn is_worth_checking(&self, signed: &SignedBatch) -> bool {
        let Batch { lane: number, seq, .. } = signed.batch;
        // The check refuses a lane that there is not before it looks at anything else.
        let Some(lane) = self.lane(number) else { return true };
        if seq <= lane.committed() || lane.has_held(signed) {
            return false;
        }
        let known = lane.known_at(seq);
        let is_rival = !lane.is_exposed && known.is_some_and(|known| **known.signed() != *signed);
        // A batch of ours that is not here shows that our log was lost (D6).
        let is_own = number == self.config.own_lane();
        let could_wait = known.is_none() && seq > lane.tip().seq && self.is_within(lane, seq, encoded_len(signed));
        is_own || is_rival || could_wait || self.is_named(signed.batch.digest())
    }

    /// A batch arrived that the caller would check. Says whether to: then the check begins now, and its result follows
    /// as [`crate::Input::Batch`] or [`crate::Input::Rejected`] from the same sender. Says no where the same copy is
    /// being checked, however often it is sent; nothing needs to follow.
    pub fn begin_check(&mut self, from: ValidatorIndex, signed: &Arc<SignedBatch>) -> bool {
        self.underway.begin(from, signed)
    }

    /// Somebody sent a batch that needs no check. If it is the owner, an acknowledgement was lost, so it is said once
    /// more.
    pub(crate) fn on_repeated(&mut self, now: Monotonic, from: ValidatorIndex, lane: u32) {
        if from != self.config.me && u32::from(from.get()) == lane {
            self.note_unsaid(now, lane);
        }
    }

    /// A batch arrived, from its owner or from anybody who holds it: its signature says whose it is.
    pub(crate) fn on_batch(&mut self, cx: &mut Context<'_>, from: ValidatorIndex, batch: CheckedBatch) {
        self.underway.end(from, batch.signed());
        let tip = batch.tip();
        if self.lane(tip.lane).is_none_or(|lane| lane.held(tip.seq, tip.tip).is_some() || tip.seq <= lane.committed()) {
            return self.on_repeated(cx.now, from, tip.lane);
        }
        self.expose(cx, &batch);
        if tip.lane == self.config.own_lane() {
            // We signed it and do not have it: our log was lost (D6).
            self.fall_silent(cx);
        }
        match self.wanted(cx, &batch) {
            Some(is_final) if is_final || self.bytes_beside() < NAMED_BYTES_MAX => self.append(cx, batch),
            Some(_) => {}
            None => self.receive(batch),
        }
    }

    /// Takes a batch that no block names, if it comes within the receiver's window (L3).
    fn receive(&mut self, batch: CheckedBatch) {
        let (tip, own) = (batch.tip(), self.config.own_lane());
        let Some(lane) = self.lane(tip.lane).filter(|_| tip.lane != own) else { return };
        if !self.is_within(lane, tip.seq, batch.bytes()) || tip.seq <= lane.tip().seq || lane.rival(&batch).is_some() {
            return;
        }
        if let Some(lane) = self.lane_mut(tip.lane) {
            lane.wait(batch);
            self.touched.insert(tip.lane);
        }
    }

    /// Whether the receiver's window has room for a batch of so many bytes at this place (L3).
    fn is_within(&self, lane: &Lane, seq: u64, bytes: usize) -> bool {
        let base = lane.window_base();
        // One batch is kept for each number, so the highest number bounds the count as well.
        let ahead_max = LANE_BATCHES_MAX.saturating_mul(u64::try_from(RECEIVER_PART).unwrap_or(1));
        let (_, used) = lane.used_above(base);
        seq <= base.saturating_add(ahead_max)
            && used.saturating_add(bytes) <= LANE_BYTES_MAX.saturating_mul(RECEIVER_PART)
    }

    /// Whether a block that waits names a batch.
    fn is_named(&self, digest: Hash) -> bool {
        self.checks.values().any(|check| check.places_of(digest).next().is_some())
    }

    /// Gives out evidence if the owner signed another batch for the same place (L9, R9).
    fn expose(&mut self, cx: &mut Context<'_>, batch: &CheckedBatch) {
        let Some(lane) = self.lane_mut(batch.tip().lane).filter(|lane| !lane.is_exposed) else { return };
        let Some(rival) = lane.rival(batch) else { return };
        let (a, b) = ((rival.head(), rival.signed().signature), (batch.head(), batch.signed().signature));
        lane.is_exposed = true;
        lane.is_tainted = true;
        cx.out.push(Output::Evidence(if a < b { Evidence::Batches(a, b) } else { Evidence::Batches(b, a) }));
    }

    /// Everybody knows these to be faulty. Whoever saw a fork of a lane leaves it alone at once (L9); from here on the
    /// others do as well, so that nobody takes for work what no leader will propose.
    pub(crate) fn on_accused(&mut self, cx: &mut Context<'_>, culprits: &[ValidatorIndex]) {
        for culprit in culprits {
            if let Some(lane) = self.lane_mut(u32::from(culprit.get())) {
                lane.is_tainted = true;
            }
            if *culprit == self.config.me {
                // Another process signs with our key, or did.
                self.fall_silent(cx);
            }
        }
    }

    /// A batch did not pass. If its owner signed it only what a quorum holds is taken of the lane (L1, L8), and a block that
    /// names it is invalid.
    pub(crate) fn on_rejected(&mut self, cx: &mut Context<'_>, from: ValidatorIndex, rejected: &RejectedBatch) {
        self.underway.end(from, rejected.signed());
        let what = rejected.error().name();
        match rejected.error().fault() {
            Fault::Nobody => {}
            Fault::Messenger => cx.out.push(Output::Misbehaved { peer: from, what }),
            Fault::Owner => {
                let place = rejected.place();
                for ((_, digest), check) in &mut self.checks {
                    if check.places_of(place.tip).next().is_some() {
                        check.say(*digest, DataJudgement::Invalid, cx.out);
                    }
                }
                let owner = ValidatorIndex::new(u16::try_from(place.lane).unwrap_or(u16::MAX));
                if let Some(lane) = self.lane_mut(place.lane).filter(|lane| !lane.is_spoilt) {
                    lane.is_spoilt = true;
                    cx.out.push(Output::Misbehaved { peer: owner, what });
                }
            }
        }
    }

    /// Whether a block that waits names this batch, and whether any such block is final. A block that names it for
    /// another place than its own is invalid.
    fn wanted(&mut self, cx: &mut Context<'_>, batch: &CheckedBatch) -> Option<bool> {
        let tip = batch.tip();
        let mut wanted = None;
        for ((_, digest), check) in &mut self.checks {
            let places: Vec<LaneTip> = check.places_of(tip.tip).collect();
            if places.iter().any(|place| *place != tip) {
                check.say(*digest, DataJudgement::Invalid, cx.out);
            } else if !places.is_empty() {
                wanted = Some(check.is_final || wanted == Some(true));
            }
        }
        wanted
    }

    /// Bytes of batches that are kept only because blocks name them.
    fn bytes_beside(&self) -> usize {
        self.lanes.iter().fold(0, |sum, lane| sum.saturating_add(lane.bytes_beside()))
    }
}
