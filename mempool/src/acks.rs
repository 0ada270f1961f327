//! Acknowledgements: what others hold, and saying what is durable here (L2, D5).

use althing_types::{LaneTip, List, Monotonic, ValidatorIndex};

use crate::config::ACK_DELAY_MS;
use crate::message::{Acks, DataMessage};
use crate::state::{Context, Mempool};

impl Mempool {
    /// Another validator says what it holds. Acknowledgements are cumulative: one that says less than an earlier one
    /// says nothing.
    pub(crate) fn on_acks(&mut self, cx: &mut Context<'_>, from: ValidatorIndex, acks: &Acks) {
        if from == self.config.me || acks.epoch != self.config.committee.epoch {
            return;
        }
        self.answer_first(cx, from);
        for tip in &acks.tips {
            let Some(ack) = self.lane_mut(tip.lane).and_then(|lane| lane.acks.get_mut(from.to_usize())) else {
                continue;
            };
            let is_progress = tip.seq > ack.seq;
            if tip.seq >= ack.seq {
                (ack.seq, ack.digest) = (tip.seq, Some(tip.tip));
                self.touched.insert(tip.lane);
            }
            if tip.lane == self.config.own_lane() {
                self.on_own_ack(cx, from, tip, is_progress);
            }
        }
    }

    /// A peer that speaks for the first time may have entered the epoch after I did, and lack what I said before (E3).
    fn answer_first(&mut self, cx: &mut Context<'_>, from: ValidatorIndex) {
        let first = self.peers.get_mut(from.to_usize()).filter(|peer| peer.connected && !peer.is_heard);
        if let Some(peer) = first {
            peer.is_heard = true;
            if self.config.is_validator() && from.get() < self.config.committee.set.count() {
                self.acknowledge_all(cx, vec![from]);
            }
        }
    }

    /// A peer holds batches of ours: what stands still is sent again later. If more peers than can be faulty hold
    /// batches that we do not know, our log was lost (D6).
    fn on_own_ack(&mut self, cx: &mut Context<'_>, from: ValidatorIndex, tip: &LaneTip, is_progress: bool) {
        let delta = self.config.delta_quarters(1);
        let faulty = usize::from(self.config.quorums().f());
        let Some(lane) = self.own() else { return };
        let (top, known) = (lane.tip().seq, lane.digest_at(tip.seq) == Some(tip.tip));
        let ahead = lane.acks.iter().filter(|ack| ack.seq > top).count();
        if let Some(peer) = self.peers.get_mut(from.to_usize()).filter(|_| known) {
            if tip.seq >= top {
                peer.has_all();
            } else if is_progress {
                peer.goes_on(cx.now, delta);
            }
        }
        if ahead > faulty {
            self.fall_silent(cx);
        }
    }

    /// Notes that the acknowledgement of a lane has to be said anew.
    pub(crate) fn note_unsaid(&mut self, now: Monotonic, lane: u32) {
        self.unsaid.insert(lane);
        self.ack_at.get_or_insert(now.plus_ms(ACK_DELAY_MS));
    }

    /// Says what changed, once it is time to or when a batch of ours leaves anyway; and everything once more after
    /// 4 Δ of rest, in case that the last word was lost.
    pub(crate) fn acknowledge(&mut self, cx: &mut Context<'_>) {
        let to = if self.config.is_validator() { self.connected() } else { Vec::new() };
        if self.ack_at.is_some_and(|at| cx.now >= at) {
            let acks = self.acks(self.unsaid.iter().copied());
            (self.ack_at, self.unsaid) = (None, Default::default());
            self.repeat_at = Some(cx.now.plus(self.config.delta_quarters(16)));
            Self::send(cx, to, DataMessage::Acks(acks));
        } else if self.repeat_at.is_some_and(|at| cx.now >= at) {
            self.repeat_at = None;
            self.acknowledge_all(cx, to);
        }
    }

    /// Says what is held of all lanes.
    pub(crate) fn acknowledge_all(&mut self, cx: &mut Context<'_>, to: Vec<ValidatorIndex>) {
        let all = self.lanes.iter().map(|lane| lane.final_tip().lane);
        let acks = self.acks(all);
        Self::send(cx, to, DataMessage::Acks(acks));
    }

    /// What is durable here in some lanes, ascending.
    fn acks(&self, lanes: impl Iterator<Item = u32>) -> Acks {
        let tips = lanes.filter_map(|number| self.lane(number)?.acknowledged()).collect();
        Acks { epoch: self.config.committee.epoch, tips: List::truncated(tips), executed: self.executed }
    }
}
