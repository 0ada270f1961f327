//! Judging proposals: Valid, Invalid or Wait (rules V and X).
//!
//! *Invalid* follows only from bytes that hash to the signed digest, from the batches they name, from the parent
//! chain and from our own executed results. Everything that may still change is *Wait*.

use std::collections::BTreeSet;

use althing_types::{Block, Evidence, Height, Notarize, View, Vote};

use althing_types::canary::{Canary, seeded};

use crate::chain::{Data, Parent};
use crate::config::{Keys, Now};
use crate::core::{Context, Core};
use crate::output::{Alarm, Output};
use crate::record::Record;
use crate::results::Comparison;
use crate::round::Offer;

/// What to do with a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Judgement {
    /// Notarize it.
    Valid,
    /// Give its view up.
    Invalid,
    /// Something is missing; judge again when it arrives.
    Wait,
}

impl Core {
    /// Puts every block whose parent is known into the tree, and asks the data plane for its batches.
    pub(crate) fn attach_blocks<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        while let Some((digest, block)) = self.chain.next_ready() {
            let Some(parent) = self.chain.as_parent(&block.header.parent) else { continue };
            let cut = parent.cut.to_vec();
            let sound = self.is_sound(cx.keys, &block, &parent);
            if self.chain.attach(digest, block.clone(), sound) && sound {
                cx.out.push(Output::Check { digest, block: Box::new(block), cut });
            }
        }
    }

    /// Whether a block obeys every rule that is a function of its bytes and of its parent (V3, V4, V6, X1,
    /// X2, E1).
    fn is_sound(&self, keys: &impl Keys, block: &Block, parent: &Parent<'_>) -> bool {
        if seeded(Canary::UnsoundAccepted) {
            return true;
        }
        let header = &block.header;
        let committee = self.committee();
        header.chain == committee.chain
            && header.epoch == committee.epoch
            && header.validators == self.set_hash
            && header.params == self.config.params_hash
            && header.height == parent.header.height.next()
            && header.time > parent.header.time
            // A boundary block has no child in its epoch but itself (E2).
            && !self.ends_this_epoch(parent.header)
            && header.ext.is_empty()
            && block.body.lanes.iter().all(|tip| tip.lane < u32::from(committee.set.count()))
            && self.carries_soundly(block, parent)
            && is_strictly_ascending(&block.body.evidence)
            && accuses_each_once(&block.body.evidence)
            && block.body.evidence.iter().all(|evidence| self.proves(keys, evidence))
    }

    /// Whether the results that a block carries are contiguous and leave room for what it orders (X1, X2).
    fn carries_soundly(&self, block: &Block, parent: &Parent<'_>) -> bool {
        if seeded(Canary::AnythingCarried) {
            return true;
        }
        let results = &block.body.results;
        let (before, carried) = (parent.header.executed_height, block.header.executed_height);
        let mut expected = before;
        let contiguous = results.iter().all(|summary| {
            expected = expected.next();
            summary.height == expected
        });
        let x1 = contiguous
            && expected == carried
            && carried <= parent.header.height
            && results.len() <= usize::from(self.config.params.k);
        let lagging = block.header.height.above(carried) > u64::from(self.config.params.k);
        x1 && !(lagging && (!block.body.lanes.is_empty() || !block.body.evidence.is_empty()))
    }

    /// The highest height whose result a child of `parent` could carry: executed here and by a quorum, and in reach
    /// of one block (X1).
    pub(crate) fn ready_above(&self, parent: &Parent<'_>) -> Height {
        let reach = parent.header.executed_height.plus(u64::from(self.config.params.k));
        self.results.ready(&self.quorums(), self.me()).min(parent.header.height).min(reach)
    }

    /// Whether a child of `parent` may advance lanes if it carries what is ready (X2).
    pub(crate) fn may_carry_lanes(&self, parent: &Parent<'_>) -> bool {
        let carried = self.ready_above(parent).max(parent.header.executed_height);
        parent.header.height.next().above(carried) <= u64::from(self.config.params.k)
    }

    /// Judges the first proposal of a view (V1, V4, X3).
    pub(crate) fn judge(&mut self, view: View, offer: &Offer, now: Now) -> Judgement {
        if !offer.justified {
            return Judgement::Wait;
        }
        let Some(entry) = self.chain.get(&offer.vote.digest) else { return Judgement::Wait };
        if !entry.sound || entry.data == Data::Invalid {
            return Judgement::Invalid;
        }
        if self.is_proposed_again(&offer.vote) {
            // Its certificate has an honest voter, who judged the rest (E2).
            return if self.holds_all_data(&offer.vote.digest) { Judgement::Valid } else { Judgement::Wait };
        }
        if entry.block.header.proposer != self.leader(view) {
            return Judgement::Invalid;
        }
        let carried = entry.block.body.results.iter().map(|summary| self.results.compare(summary));
        let mut carried: Vec<Comparison> = carried.collect();
        if seeded(Canary::ResultsUncompared) {
            carried.clear();
        }
        if carried.iter().any(|comparison| matches!(comparison, Comparison::Differs(_))) {
            return Judgement::Invalid;
        }
        let ends_rightly = match self.next_validators(&entry.block.header) {
            Some(expected) if expected != entry.block.header.next_validators => return Judgement::Invalid,
            expected => expected.is_some(),
        };
        let ahead = entry.block.header.time.above(now.wall.plus(u64::from(self.config.params.max_clock_skew_ms)));
        if ahead > 0 {
            let wake = now.monotonic.plus_ms(ahead);
            self.clock_wake = Some(self.clock_wake.map_or(wake, |known| known.min(wake)));
            return Judgement::Wait;
        }
        let executed = carried.iter().all(|comparison| *comparison == Comparison::Same);
        if executed && ends_rightly && self.holds_all_data(&offer.vote.digest) {
            Judgement::Valid
        } else {
            Judgement::Wait
        }
    }

    /// Whether a block and every ancestor above the base are here with their batches, and sound (rule R2, L4).
    pub(crate) fn holds_all_data(&self, digest: &althing_types::Hash) -> bool {
        self.chain.path_to(digest).is_some_and(|path| {
            let least = if seeded(Canary::AncestorsUnchecked) { path.len().saturating_sub(1) } else { 0 };
            let entries = path.iter().skip(least).filter_map(|id| self.chain.get(id));
            let is_held = |data: Data| data == Data::Held || seeded(Canary::NotarizeWithoutBatches);
            entries.into_iter().all(|entry| entry.sound && is_held(entry.data))
        })
    }

    /// Notarizes every proposal that is Valid, also of a view that was left (rule R2).
    pub(crate) fn notarize_valid<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        self.clock_wake = None;
        let quorums = self.quorums();
        let offers: Vec<(View, Offer)> = self
            .rounds
            .range(..=self.view)
            .filter(|(_, round)| round.wants(althing_types::VoteKind::Notarize, &quorums))
            .filter_map(|(view, round)| round.offer.map(|offer| (*view, offer)))
            .filter(|(view, offer)| {
                self.rounds.get(view).is_some_and(|round| round.facts.may_notarize(&offer.vote, self.floor.view))
            })
            .collect();
        for (view, offer) in offers {
            if self.judge(view, &offer, cx.now) == Judgement::Valid {
                self.notarize(cx, offer.vote);
            } else {
                self.alarm_on_difference(cx, &offer);
            }
        }
    }

    /// Notarizes a block: it and its ancestors go to the log before the vote does (rule D2).
    pub(crate) fn notarize<K: Keys>(&mut self, cx: &mut Context<'_, K>, vote: Notarize) {
        if !self.may_sign(vote.view) {
            return;
        }
        for id in self.chain.path_to(&vote.digest).unwrap_or_default() {
            self.log_block(cx, &id);
        }
        self.cast(cx, Vote::Notarize(vote));
    }

    /// Appends a block of the tree to the log, once.
    pub(crate) fn log_block<K>(&mut self, cx: &mut Context<'_, K>, id: &althing_types::Hash) {
        let Some(entry) = self.chain.get_mut(id).filter(|entry| entry.lsn.is_none()) else { return };
        let record = Record::Block(Box::new(entry.block.clone()));
        entry.lsn = Some(self.journal.append(record, cx.out));
    }

    /// Tells the operator that a leader carries a result that differs from ours (X3). We go on voting.
    fn alarm_on_difference<K>(&self, cx: &mut Context<'_, K>, offer: &Offer) {
        let Some(entry) = self.chain.get(&offer.vote.digest).filter(|_| offer.vote.view == self.view) else { return };
        let differing = entry.block.body.results.iter().find_map(|theirs| match self.results.compare(theirs) {
            Comparison::Differs(ours) => Some(Alarm::ResultsDiffer { ours, theirs: *theirs }),
            _ => None,
        });
        let already = self.rounds.get(&self.view).is_some_and(|round| round.facts.has_nullified());
        if let Some(alarm) = differing.filter(|_| !already && self.halted.is_none()) {
            cx.out.push(Output::Alarm(alarm));
        }
    }
}

/// Whether no validator is accused twice in one block: what a faulty leader could fill its blocks with has this bound.
fn accuses_each_once(evidence: &[Evidence]) -> bool {
    let culprits: BTreeSet<_> = evidence.iter().map(|piece| (piece.epoch(), piece.culprit())).collect();
    culprits.len() == evidence.len()
}

fn is_strictly_ascending(evidence: &[Evidence]) -> bool {
    evidence.is_sorted_by(|a, b| a < b)
}
