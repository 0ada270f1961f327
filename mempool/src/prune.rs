//! Finality and what is forgotten with it (L10).
//!
//! A final block moves the lanes' tips; its batches stay until the ledger has committed it. Nothing is forgotten for
//! any other reason.

use std::sync::Arc;

use althing_types::canary::{Canary, seeded};
use althing_types::{Hash, Height, LaneTip, SignedBatch, encoded_len};

use crate::candidate::NextSequence;
use crate::lane::Lane;
use crate::state::{Context, Mempool};

impl Mempool {
    /// A block is final. Blocks beside it are not judged any further.
    pub(crate) fn on_finalized(&mut self, cx: &mut Context<'_>, digest: Hash, height: Height, cut: &[LaneTip]) {
        self.checks.retain(|(at, id), check| {
            check.is_final |= *at == height && *id == digest;
            *at > height || check.is_final
        });
        self.finalize_lanes(cx, cut);
    }

    fn finalize_lanes(&mut self, cx: &mut Context<'_>, cut: &[LaneTip]) {
        for tip in cut {
            let own = tip.lane == self.config.own_lane();
            let Some(lane) = self.lane_mut(tip.lane).filter(|lane| lane.final_tip().seq < tip.seq) else { continue };
            let lost = own && lane.digest_at(tip.seq) != Some(tip.tip);
            lane.finalize(*tip);
            if seeded(Canary::PrunedEarly) {
                lane.commit(tip.seq);
            }
            self.touched.insert(tip.lane);
            self.must_judge = true;
            if lost {
                // A batch of ours that we do not have is final (D6).
                self.fall_silent(cx);
            }
        }
    }

    /// The ledger committed a block: its batches and transactions are forgotten here.
    pub(crate) fn on_committed(&mut self, cx: &mut Context<'_>, height: Height, cut: &[LaneTip]) {
        self.checks.retain(|(at, _), _| *at > height);
        self.finalize_lanes(cx, cut);
        for tip in cut {
            let own = tip.lane == self.config.own_lane();
            let Some(lane) = self.lane_mut(tip.lane).filter(|lane| lane.committed() < tip.seq) else { continue };
            let had_gap = lane.acknowledged().is_none();
            let gone = lane.commit(tip.seq);
            if had_gap {
                self.note_unsaid(cx.now, tip.lane);
            }
            for batch in gone.iter().filter(|_| own) {
                for id in batch.ids().iter() {
                    self.in_flight.remove(id);
                }
                for transaction in batch.transactions().iter() {
                    self.pool.note_decided(transaction.body().sender, transaction.body().replay);
                }
            }
        }
        if height > self.executed {
            self.executed = height;
            self.note_unsaid(cx.now, self.config.own_lane());
        }
    }

    /// Transactions that need no second attempt leave the pool.
    pub(crate) fn on_decided(&mut self, cx: &mut Context<'_>, decided: &[Hash], sequences: &[NextSequence]) {
        let mut gone = self.pool.decide(decided);
        gone.extend(sequences.iter().flat_map(|known| self.pool.learn_sequence(known)).collect::<Vec<_>>());
        Self::drop_each(cx, gone);
    }

    /// Replaces the log when enough of it is not needed any more. Our newest batch always stays in it (D6).
    pub(crate) fn compact(&mut self, cx: &mut Context<'_>) {
        // A restart would take over again what is taken over (E3).
        let max = if self.carried.leaves_log() { 0 } else { self.config.log_garbage_bytes_max };
        if self.journal.bytes().saturating_sub(self.held_bytes().saturating_add(self.carried.bytes())) <= max {
            return;
        }
        let newest = self.newest_own.as_ref();
        let newest = newest.filter(|(tip, _)| self.own().is_none_or(|lane| lane.held(tip.seq, tip.tip).is_none()));
        let newest = newest.map(|(_, batch)| batch.clone());
        let marker = newest.as_ref().map_or(0, |batch| u64::try_from(encoded_len(&**batch)).unwrap_or(u64::MAX));
        let needed = self.held_bytes().saturating_add(marker).saturating_add(self.carried.bytes());
        if self.journal.bytes().saturating_sub(needed) <= max {
            return;
        }
        let held = self.lanes.iter().flat_map(Lane::all_held).map(|batch| batch.signed().clone());
        let carried = self.carried.batches().iter().cloned();
        let batches: Vec<Arc<SignedBatch>> = carried.chain(newest).chain(held).collect();
        self.journal.compact(batches, needed, cx.out);
    }
}
