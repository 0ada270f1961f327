//! Proposing: what a leader builds on, what it carries, and why it may (rules R1, X5, I1).

use althing_types::{
    Block, Body, Certificate, Hash, Header, HeaderVersion, Height, LaneTip, List, Monotonic, Notarize, Summary, TimeMs,
    View, lanes_root,
};

use crate::chain::{Data, Parent};
use crate::config::Keys;
use crate::core::{Context, Core};
use crate::message::{CERTIFICATES_MAX, fitting};
use crate::output::Output;
use crate::round::Offer;
use crate::safety::Facts;

impl Core {
    /// The view and block that a proposal in `view` builds on, or the view whose certificate is missing (R1).
    pub(crate) fn parent_for(&self, view: View) -> Result<(View, Hash), View> {
        let mut at = view.previous();
        while at > self.floor.view {
            let round = self.rounds.get(&at).ok_or(at)?;
            if let Some(digest) = round.block_certified().next() {
                return Ok((at, digest));
            }
            if round.skip.is_none() {
                return Err(at);
            }
            at = at.previous();
        }
        Ok((self.floor.view, self.floor.digest))
    }

    /// The certificates that show that a block may stand in `view` above `parent`: the parent's, then the newest of
    /// the views passed over.
    pub(crate) fn justification(
        &self,
        view: View,
        parent_view: View,
        parent: &Hash,
    ) -> List<Certificate, CERTIFICATES_MAX> {
        let parent_certificate = if parent_view == self.floor.view {
            self.floor.finalization.clone().map(Certificate::Finalization)
        } else {
            self.rounds.get(&parent_view).and_then(|round| round.block_certificate(parent))
        };
        let passed_over = self.rounds.range(parent_view.next()..view.max(parent_view.next())).rev();
        let skips = passed_over.filter_map(|(_, round)| round.skip.clone().map(Certificate::Nullification));
        fitting(parent_certificate.into_iter().chain(skips))
    }

    /// Proposes if this validator leads, may, can, and has work (rule R1).
    pub(crate) fn propose<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        let Some((parent_view, parent)) = self.may_propose() else { return };
        let now = cx.monotonic();
        let waiting = self.building == Some(self.view);
        if waiting || now < self.propose_at() || !self.has_leader_work(now) {
            return;
        }
        if self.is_boundary(&parent) {
            return self.propose_again(cx, parent_view, parent);
        }
        if !self.lane_work(&self.work.lead) {
            return self.compose(cx, parent_view, parent, Vec::new());
        }
        if let Some(above) = self.chain.as_parent(&parent) {
            self.building = Some(self.view);
            cx.out.push(Output::Build { view: self.view, parent, cut: above.cut.to_vec() });
        }
    }

    /// When this validator may propose in its view (T4, T5).
    pub(crate) fn propose_at(&self) -> Monotonic {
        self.timers.propose_at(&self.config, self.view, self.floor.view)
    }

    /// Whether nothing but time and work keeps this validator from proposing; then what it would build on.
    pub(crate) fn may_propose(&self) -> Option<(View, Hash)> {
        let untouched = self.rounds.get(&self.view).is_none_or(|round| round.facts == Facts::default());
        if self.leader(self.view) != self.me() || !untouched || !self.may_sign(self.view) {
            return None;
        }
        let (parent_view, parent) = self.parent_for(self.view).ok()?;
        self.holds_all_data(&parent).then_some((parent_view, parent))
    }

    /// The data plane chose lanes.
    pub(crate) fn on_built<K: Keys>(&mut self, cx: &mut Context<'_, K>, view: View, parent: Hash, lanes: Vec<LaneTip>) {
        if self.building != Some(view) || view != self.view {
            return;
        }
        self.building = None;
        let Some((parent_view, expected)) = self.may_propose() else { return };
        if expected != parent {
            return;
        }
        if lanes.is_empty() {
            // It has nothing after all: what it announced is out of date until it announces anew.
            self.work.lead.clear();
        }
        if !lanes.is_empty() || self.has_leader_work(cx.monotonic()) {
            self.compose(cx, parent_view, parent, lanes);
        }
    }

    /// Makes a block, keeps it, and votes for it; the vote is the proposal (D1).
    fn compose<K: Keys>(&mut self, cx: &mut Context<'_, K>, parent_view: View, parent: Hash, lanes: Vec<LaneTip>) {
        let Some(above) = self.chain.as_parent(&parent) else { return };
        let results = self.results_to_carry(&above, lanes.is_empty());
        let executed_height = results.last().map_or(above.header.executed_height, |summary| summary.height);
        let lagging = above.header.height.next().above(executed_height) > u64::from(self.config.params.k);
        let evidence = if lagging { Vec::new() } else { self.includable(&parent) };
        let body = Body {
            lanes: if lagging { List::empty() } else { List::truncated(lanes) },
            results: List::truncated(results),
            evidence: List::truncated(evidence),
        };
        let header = self.header_above(&above, parent, &body, executed_height, cx.now.wall);
        let digest = header.id();
        let block = Block { header, body };
        if !self.chain.attach(digest, block, true) {
            // The data plane named lanes that do not advance the parent's cut; the view goes on without us.
            return;
        }
        if let Some(entry) = self.chain.get_mut(&digest) {
            entry.data = Data::Held;
        }
        let vote = Notarize { epoch: self.committee().epoch, view: self.view, parent_view, digest };
        self.turn_died = false;
        self.round_mut(vote.view).offer = Some(Offer { vote, justified: true });
        self.notarize(cx, vote);
    }

    /// The results that a block of ours carries (rule X5).
    fn results_to_carry(&self, parent: &Parent<'_>, only_results: bool) -> Vec<Summary> {
        let carried = parent.header.executed_height;
        let quorums = self.quorums();
        let all_but_few = quorums.n().saturating_sub(quorums.p());
        let lag = parent.header.height.next().above(carried);
        let pressing = lag > u64::from(self.config.params.k) / 2;
        let to = if only_results || pressing {
            self.ready_above(parent)
        } else if self.turn_died {
            Height::ZERO
        } else {
            self.ready_above(parent).min(self.results.reached_by(all_but_few, self.me()))
        };
        self.results.summaries(carried, to)
    }

    /// The header of a block of ours; its time is above the parent's whatever the clock says (V4).
    fn header_above(
        &self,
        parent: &Parent<'_>,
        parent_id: Hash,
        body: &Body,
        executed_height: Height,
        wall: TimeMs,
    ) -> Header {
        Header {
            version: HeaderVersion::V1,
            chain: self.committee().chain,
            epoch: self.committee().epoch,
            height: parent.header.height.next(),
            time: wall.max(parent.header.time.next()),
            parent: parent_id,
            proposer: self.me(),
            validators: self.set_hash,
            next_validators: self.next_validators_at(executed_height, parent.header).unwrap_or(Hash::ZERO),
            params: self.config.params_hash,
            lanes_root: lanes_root(&advanced(parent.cut, &body.lanes)),
            executed_height,
            results_root: body.results_root(),
            evidence_root: body.evidence_root(),
            ext: List::empty(),
        }
    }
}

/// A cut with some lanes advanced.
fn advanced(cut: &[LaneTip], lanes: &[LaneTip]) -> Vec<LaneTip> {
    let kept = cut.iter().filter(|tip| lanes.iter().all(|lane| lane.lane != tip.lane));
    let mut advanced: Vec<LaneTip> = kept.chain(lanes).copied().collect();
    advanced.sort();
    advanced
}
