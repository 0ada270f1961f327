//! Views: entering them, knowing whether there is work in them, and giving them up.

use althing_types::{Certificate, Hash, LaneSeq, Monotonic, Nullify, View, Vote, VoteKind};

use althing_types::canary::{Canary, seeded};

use crate::chain::Parent;
use crate::config::Keys;
use crate::core::{Context, Core};
use crate::journal::Pending;
use crate::judge::Judgement;
use crate::output::Output;
use crate::round::{Offer, Round};

/// How many views behind the current one votes are kept; facts and certificates are kept down to the floor.
pub(crate) const VOTES_KEPT: u64 = 64;
/// A leader this many heights behind its floor gives its view up at once (rule R1).
const SYNCING_HEIGHTS: u64 = 16;

/// Whether a proposal's parent and the views it passes over are certified here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Justified {
    /// They are.
    Yes,
    /// The certificate of the parent's view is missing, or this is the highest view without a skip.
    Missing(View),
    /// They cannot be: the parent stands below the floor or beside it.
    Never,
}

impl Justified {
    /// The view whose certificate is missing.
    pub(crate) const fn view(self) -> Option<View> {
        match self {
            Self::Missing(view) => Some(view),
            Self::Yes | Self::Never => None,
        }
    }
}

impl Core {
    /// Enters a view that a certificate of the one before opened (rule R0).
    pub(crate) fn enter<K: Keys>(&mut self, cx: &mut Context<'_, K>, view: View, by: Certificate) {
        if view > self.view {
            self.note_dead_turns(cx, view);
            self.view = view;
            self.entry = Some(by);
            self.building = None;
            self.timers.enter(cx.monotonic());
            for (_, round) in self.rounds.range_mut(..View::new(view.get().saturating_sub(VOTES_KEPT))) {
                round.forget_votes();
            }
            self.forget_orphans();
        }
        if seeded(Canary::AnnouncedBeforeSync) {
            self.announced = (self.view, self.floor.view);
        }
        // A floor that the ledger alone knows has no certificate in the log, and is not announced (D7).
        let floor = self.floor.finalization.as_ref().map_or(View::ZERO, |finalization| finalization.vote.view);
        self.journal.after_all(Pending::Announce { view: self.view, floor });
    }

    /// Forgets blocks without a parent here, unless a recent proposal, a certificate or a vote of mine names them or a
    /// block above them. A faulty leader could else fill their table for good.
    pub(crate) fn forget_orphans(&mut self) {
        let recent = self.rounds.range(View::new(self.view.get().saturating_sub(VOTES_KEPT))..);
        let offered = recent.filter_map(|(_, round)| round.offer.map(|offer| offer.vote.digest));
        let certified = self.rounds.values().flat_map(Round::block_certified);
        let mine = self.rounds.values().filter_map(|round| round.facts.report());
        self.chain.keep_orphans(offered.chain(certified).chain(mine).chain([self.floor.digest]));
    }

    /// Remembers when a view that I led and proposed in was given up: my next block carries no results (X5), and the
    /// data plane may doubt the lanes that I named (L8).
    fn note_dead_turns<K>(&mut self, cx: &mut Context<'_, K>, entered: View) {
        let left = self.rounds.range(self.view..entered);
        let mine = left.filter(|(view, round)| self.leader(**view) == self.me() && round.facts.notarize().is_some());
        let died: Vec<View> = mine.filter(|(_, round)| round.skip.is_some()).map(|(view, _)| *view).collect();
        self.turn_died |= !died.is_empty();
        cx.out.extend(died.into_iter().map(|view| Output::TurnDied { view }));
    }

    /// Whether the certificates for a parent and for every view above it up to `view` are held (V3).
    pub(crate) fn justified(&self, view: View, parent_view: View, parent: &Hash) -> Justified {
        let floor = self.floor.view;
        if parent_view >= view || parent_view < floor || (parent_view == floor && *parent != self.floor.digest) {
            return Justified::Never;
        }
        let parent_certified = parent_view == floor
            || self.rounds.get(&parent_view).is_some_and(|round| round.block_certified().any(|it| it == *parent));
        if !parent_certified {
            return Justified::Missing(parent_view);
        }
        let mut between = view.previous();
        while between > parent_view && !seeded(Canary::UnjustifiedAccepted) {
            if self.rounds.get(&between).is_none_or(|round| round.skip.is_none()) {
                return Justified::Missing(between);
            }
            between = between.previous();
        }
        Justified::Yes
    }

    /// Looks again at proposals whose certificates were incomplete.
    pub(crate) fn justify_offers(&mut self) {
        let open: Vec<(View, Offer)> = self
            .rounds
            .iter()
            .filter_map(|(view, round)| round.offer.filter(|offer| !offer.justified).map(|offer| (*view, offer)))
            .collect();
        for (view, offer) in open {
            let Some(parent) = self.stands_on(&offer.vote) else { continue };
            if self.justified(view, offer.vote.parent_view, &parent) == Justified::Yes {
                self.round_mut(view).offer = Some(Offer { justified: true, ..offer });
            }
        }
    }

    /// Notes since when there is timer work in this view, and lets the leader know of work that it may have missed
    /// (rules I2, I4).
    pub(crate) fn note_work<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        if !self.has_timer_work(cx.monotonic()) {
            self.timers.work_since = None;
        } else if self.timers.work_since.is_none() {
            self.timers.work_since = Some(cx.monotonic());
            let leader = self.leader(self.view);
            if leader != self.me() && self.lane_work(&self.work.timer) {
                cx.out.push(Output::Hint { leader });
            }
        }
    }

    /// Timer work (rule I2).
    fn has_timer_work(&self, now: Monotonic) -> bool {
        let round = self.rounds.get(&self.view);
        let leader = self.leader(self.view);
        let more_than_faulty = usize::from(self.quorums().f());
        self.lane_work(&self.work.timer)
            || self.standing_work(now)
            || round.is_some_and(|round| {
                round.offer.is_some()
                    || round.vote(VoteKind::Notarize, leader).is_some()
                    || round.nullify_count() > more_than_faulty
            })
    }

    /// Leader work (rule I1).
    pub(crate) fn has_leader_work(&self, now: Monotonic) -> bool {
        self.lane_work(&self.work.lead) || self.standing_work(now)
    }

    /// Work that does not come from the lanes: a tip that should be final by now, results to close with, a way out of
    /// rule X2, evidence, or views that have run far ahead.
    fn standing_work(&self, now: Monotonic) -> bool {
        let turns = u64::from(self.quorums().n()).saturating_mul(2);
        let far = self.view.above(self.floor.view) > turns;
        let overdue = self.tip_overdue_at().is_some_and(|at| now >= at);
        far || overdue || self.results_work() || self.change_work() || !self.evidence_work().is_empty()
    }

    /// When a tip that is not final becomes work: Δ after it was certified, because its finalize votes are on their
    /// way until then (`docs/adr/0003-idle-chain-does-not-spin.md`).
    pub(crate) fn tip_overdue_at(&self) -> Option<Monotonic> {
        let (tip_view, _) = self.tip();
        let quarters = if seeded(Canary::TipIsWorkAtOnce) { 0 } else { 4 };
        (tip_view > self.floor.view).then(|| self.timers.tip_since.plus(self.config.delta_quarters(quarters)))
    }

    /// The tip as a parent, if it is held.
    fn tip_parent(&self) -> Option<Parent<'_>> {
        self.chain.as_parent(&self.tip().1)
    }

    /// Whether a lane reaches above the tip's cut, and rule X2 lets a block advance it.
    pub(crate) fn lane_work(&self, lanes: &[LaneSeq]) -> bool {
        self.tip_parent().is_some_and(|parent| {
            let ordered = |lane: u32| parent.cut.iter().find(|tip| tip.lane == lane).map_or(0, |tip| tip.seq);
            lanes.iter().any(|reach| reach.seq > ordered(reach.lane)) && self.may_carry_lanes(&parent)
        })
    }

    fn results_work(&self) -> bool {
        self.tip_parent().is_some_and(|parent| {
            let carried = parent.header.executed_height;
            let ready = self.ready_above(&parent);
            let lifts = !self.may_carry_lanes(&parent) && ready.above(carried) >= 2;
            lifts || self.results.has_content(carried, ready)
        })
    }

    /// Gives the current view up where a rule says so (rule R4).
    pub(crate) fn nullify<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        let (view, floor) = (self.view, self.floor.view);
        let may = self.rounds.get(&view).is_none_or(|round| round.facts.may_nullify(view, floor));
        if !may || !self.may_sign(view) || !self.should_nullify(cx) {
            return;
        }
        let report = self.round_mut(view).facts.report();
        self.cast(cx, Vote::Nullify(Nullify { epoch: self.committee().epoch, view, report }));
    }

    /// Whether one of the reasons to give the view up holds (R4, T1, T2).
    fn should_nullify<K: Keys>(&mut self, cx: &Context<'_, K>) -> bool {
        let (view, now) = (self.view, cx.monotonic());
        let offer = self.rounds.get(&view).and_then(|round| round.offer);
        let judgement = offer.map(|offer| self.judge(view, &offer, cx.now));
        if judgement == Some(Judgement::Invalid) || self.leader_gave_up(view) {
            return true;
        }
        if judgement.is_none() && (self.leader_is_out(view, now) || self.cannot_lead(view)) {
            return true;
        }
        let late = |at: Option<Monotonic>| at.is_some_and(|at| now >= at);
        if judgement.is_none() && late(self.timers.leader_expires(&self.config, view, self.floor.view)) {
            return true;
        }
        if !late(self.timers.view_expires(&self.config, view, self.floor.view)) {
            return false;
        }
        if judgement == Some(Judgement::Wait) && !self.timers.extended {
            self.timers.extended = true;
        }
        late(self.timers.view_expires(&self.config, view, self.floor.view))
    }

    fn leader_gave_up(&self, view: View) -> bool {
        let leader = self.leader(view);
        self.rounds.get(&view).is_some_and(|round| round.vote(VoteKind::Nullify, leader).is_some())
    }

    /// The leader cannot be reached while a quorum can (rule I3): then a live leader should be waiting when work comes.
    fn leader_is_out(&self, view: View, now: Monotonic) -> bool {
        self.leader_out_at(view).is_some_and(|at| now >= at)
    }

    /// From when on an unreachable leader's view is given up: at once where there is work, else after Δ, so that
    /// connections that come and go do not cost an idle chain a view (I3).
    pub(crate) fn leader_out_at(&self, view: View) -> Option<Monotonic> {
        let leader = self.leader(view);
        let out = self.peers.get(leader).filter(|peer| leader != self.me() && !peer.connected)?;
        let quorum = self.peers.active() >= usize::from(self.quorums().notarize());
        let grace = if self.timers.work_since.is_some() { 0 } else { self.config.delta_quarters(4) };
        quorum.then(|| out.since.plus(grace))
    }

    /// I lead, but am more than a few heights behind what is final (R1).
    fn cannot_lead(&self, view: View) -> bool {
        let (have, height) = (self.chain.base().header.height, self.chain.block(&self.floor.digest));
        let behind = match height {
            Some(block) => block.header.height.above(have) > SYNCING_HEIGHTS,
            None => self.floor.digest != self.chain.base_id(),
        };
        self.leader(view) == self.me() && behind
    }
}
