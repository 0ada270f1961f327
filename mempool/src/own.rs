//! Our own lane: cutting batches, sending them, and falling silent (L1, L3, D6).
//!
//! A batch is appended to the log when it is cut, and sent when it is durable. So whatever left this validator is in
//! its log, and after a crash the lane goes on above it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use althing_types::canary::{Canary, seeded};
use althing_types::{Batch, BatchHead, Bytes, Hash, List, SignedBatch, SignedTransaction, ValidatorIndex, Verified};

use crate::batch::CheckedBatch;
use crate::candidate::DropReason;
use crate::config::UNACKNOWLEDGED_BYTES_MAX;
use crate::lane::Lane;
use crate::message::{ANSWER_BYTES_MAX, DataMessage, SharedBatch};
use crate::output::Output;
use crate::pool::room_of_batch;
use crate::state::{Context, Mempool};

impl Mempool {
    /// Cuts batches: at once when nothing of ours is unacknowledged, otherwise when one is full (L1). With one
    /// validator a batch is acknowledged when it is durable here.
    pub(crate) fn cut(&mut self, cx: &mut Context<'_>) {
        let room = room_of_batch(&self.config.share().of_batch());
        self.cut_carried(cx, &room);
        while self.may_cut() && (self.is_all_acknowledged() || self.pool.fills(&room)) {
            let taken = self.pool.take(&room);
            if taken.is_empty() {
                return;
            }
            self.cut_batch(cx, taken);
        }
    }

    fn may_cut(&self) -> bool {
        self.has_room_to_cut() && self.pool.is_ready()
    }

    /// Whether our lane may hold one more batch.
    pub(crate) fn has_room_to_cut(&self) -> bool {
        !self.is_silent && !self.is_held && !self.own_window_is_full()
    }

    /// Whether a quorum acknowledged our newest batch, and so all of ours.
    fn is_all_acknowledged(&self) -> bool {
        self.own().is_some_and(|lane| lane.quorum() >= lane.tip().seq)
    }

    fn cut_batch(&mut self, cx: &mut Context<'_>, taken: Vec<(Hash, Arc<Verified<SignedTransaction>>)>) {
        let inner = |(id, transaction): (Hash, Arc<Verified<SignedTransaction>>)| {
            (id, Arc::unwrap_or_clone(transaction).into_inner())
        };
        self.seal(cx, taken.into_iter().map(inner).collect());
    }

    /// Makes the next batch of our lane of these transactions, signs it and hands it to the log.
    pub(crate) fn seal(&mut self, cx: &mut Context<'_>, taken: Vec<(Hash, SignedTransaction)>) {
        let Some(top) = self.own().map(Lane::tip) else { return };
        let (ids, transactions): (Vec<Hash>, Vec<SignedTransaction>) = taken.into_iter().unzip();
        let bytes = transactions.iter().map(|transaction| {
            Bytes::new(transaction.to_bytes()).expect("nothing longer than the longest transaction is admitted")
        });
        let batch = Batch {
            chain: self.config.committee.chain,
            epoch: self.config.committee.epoch,
            lane: self.config.own_lane(),
            seq: top.seq.saturating_add(1),
            previous: top.tip,
            transactions: List::truncated(bytes.collect()),
        };
        let Batch { epoch, lane, seq, .. } = batch;
        let digest = batch.digest();
        let signature = cx.signer.sign(&BatchHead { epoch, lane, seq, digest }.sign_hash(&batch.chain));
        self.in_flight.extend(ids.iter().map(|id| (*id, seq)));
        self.append(cx, CheckedBatch::own(SignedBatch { batch, signature }, digest, transactions, ids));
    }

    /// Batches of ours became durable.
    pub(crate) fn accept(&self, cx: &mut Context<'_>, seqs: RangeInclusive<u64>) {
        let Some(lane) = self.own() else { return };
        let batches = lane.between(seqs.start().saturating_sub(1), *seqs.end());
        cx.out.extend(batches.map(|batch| Output::Accepted { seq: batch.tip().seq, ids: batch.ids().clone() }));
    }

    /// Sends what is durable of our lane to everybody who lacks it, as far as each keeps up (L3, D6).
    pub(crate) fn send_own(&mut self, cx: &mut Context<'_>) {
        let mut sends: BTreeMap<u64, Vec<ValidatorIndex>> = BTreeMap::new();
        for index in self.connected() {
            for seq in self.next_for(cx, index) {
                sends.entry(seq).or_default().push(index);
            }
        }
        let Some(lane) = self.own().filter(|_| !sends.is_empty()) else { return };
        for (seq, to) in sends {
            let batch = lane.between(seq.saturating_sub(1), seq).next();
            if let Some(batch) = batch {
                let message = DataMessage::Batch(SharedBatch(batch.signed().clone()));
                Self::send(cx, to, message);
            }
        }
        // An acknowledgement that waits rides along.
        self.ack_at = self.ack_at.map(|at| at.min(cx.now));
    }

    /// The batches of ours that a peer is sent now. What it does not acknowledge in time is sent again.
    fn next_for(&mut self, cx: &Context<'_>, index: ValidatorIndex) -> RangeInclusive<u64> {
        let delta = self.config.delta_quarters(1);
        let own = usize::from(self.config.me.get());
        let nothing = RangeInclusive::new(1, 0);
        let (Some(lane), Some(peer)) = (self.lanes.get(own), self.peers.get_mut(index.to_usize())) else {
            return nothing;
        };
        let matched = lane.acks.get(index.to_usize()).map_or(0, |ack| ack.matched);
        let done = matched.max(lane.final_tip().seq);
        if peer.resend_at.is_some_and(|at| cx.now >= at) {
            peer.send_again(done);
        }
        let above = peer.sent.max(done);
        if done >= lane.tip().seq {
            peer.has_all();
        }
        let sendable = if seeded(Canary::BatchBeforeSync) { lane.tip().seq } else { lane.durable() };
        if above >= sendable {
            return nothing;
        }
        let on_their_way = lane.between(done, above).fold(0usize, |sum, batch| sum.saturating_add(batch.bytes()));
        let mut bytes = on_their_way;
        let fitting = lane.between(above, sendable).take_while(|batch| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(batch.bytes());
            first || bytes <= UNACKNOWLEDGED_BYTES_MAX
        });
        let Some(last) = fitting.last().map(|batch| batch.tip().seq) else { return nothing };
        peer.sent = last;
        peer.expect(cx.now, delta);
        above.saturating_add(1)..=last
    }

    /// Sends a leader what its acknowledgements lack of the lanes that are timer work, as much as fits one message
    /// (I4).
    pub(crate) fn on_hint(&mut self, cx: &mut Context<'_>, leader: ValidatorIndex) {
        if leader == self.config.me {
            return;
        }
        let mut bytes = 0usize;
        let lacking = self.lanes.iter().filter(|lane| !lane.is_tainted).flat_map(|lane| {
            let own = lane.final_tip().lane == self.config.own_lane();
            let to = if own { lane.durable() } else { lane.quorum().min(lane.durable()) };
            let held = lane.acks.get(leader.to_usize()).map_or(0, |ack| ack.seq);
            lane.between(held.max(lane.final_tip().seq), to)
        });
        let fitting = lacking.take_while(|batch| {
            bytes = bytes.saturating_add(batch.bytes());
            bytes <= ANSWER_BYTES_MAX
        });
        let batches: Vec<SharedBatch> = fitting.map(|batch| SharedBatch(batch.signed().clone())).collect();
        if !batches.is_empty() {
            Self::send(cx, vec![leader], DataMessage::Batches(List::truncated(batches)));
        }
    }

    /// Batches of ours were lost: whatever number comes next may have been used, so none is used any more in this
    /// epoch (D6).
    pub(crate) fn fall_silent(&mut self, cx: &mut Context<'_>) {
        if !self.is_silent {
            self.is_silent = true;
            cx.out.push(Output::Silent);
            let mut ids = self.pool.clear();
            ids.extend(self.let_go(|_, _| true));
            Self::dropped(cx, ids, DropReason::Silent);
        }
    }
}
