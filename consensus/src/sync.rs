//! Keeping views together: pushing certificates to those who lack them, repeating what may be lost, and waking up in
//! time (rules R7 and R8).

use althing_types::{Certificate, List, Monotonic, SignedVote, ValidatorIndex, View, VoteKind};

use althing_types::canary::{Canary, seeded};

use crate::config::Keys;
use crate::core::{Context, Core};
use crate::message::Message;
use crate::output::Recipient;
use crate::peers::Peer;
use crate::round::Round;

/// Views that are not final whose messages are repeated.
const REPEATED_VIEWS: usize = 8;

impl Core {
    /// Pushes certificates to every reachable peer that is not known to have caught up (R7).
    pub(crate) fn synchronise<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        if seeded(Canary::NothingPushed) {
            return;
        }
        let now = cx.monotonic();
        let due: Vec<(ValidatorIndex, View, View)> = self
            .peers
            .connected()
            .filter(|(_, peer)| self.push_due(peer).is_some_and(|at| now >= at))
            .map(|(index, peer)| (index, peer.view, peer.floor))
            .collect();
        for (index, view, floor) in due {
            let certificates = self.certificates_for(view, floor);
            self.send(cx, Recipient::One(index), Message::Certificates(List::truncated(certificates)));
            let next = now.plus(self.config.delta_quarters(4));
            if let Some(peer) = self.peers.get_mut(index) {
                peer.push_at = next;
            }
        }
    }

    /// When certificates should be pushed to a peer; none if it announced all that I announce. A peer that is one
    /// view behind gets Δ/4 to form the certificate by itself.
    fn push_due(&self, peer: &Peer) -> Option<Monotonic> {
        let (view, floor) = self.announced;
        if peer.view >= view && peer.floor >= floor {
            return None;
        }
        let grace = self.timers.entered.plus(self.config.delta_quarters(1));
        let far_behind = view.above(peer.view) >= 2;
        Some(if far_behind { peer.push_at } else { peer.push_at.max(grace) })
    }

    /// The certificates that move a peer with this view and floor to mine.
    fn certificates_for(&self, view: View, floor: View) -> Vec<Certificate> {
        let finalization = self.floor.finalization.as_ref().filter(|_| floor < self.floor.view).cloned();
        let moved = finalization.as_ref().map(|finalization| finalization.vote.view.next());
        let entry = self.entry.clone().filter(|_| moved.is_none_or(|moved| moved < self.view) && view < self.view);
        finalization.map(Certificate::Finalization).into_iter().chain(entry).collect()
    }

    /// Tells a peer that pushed certificates where I am, so that it stops (R7).
    pub(crate) fn tell_status<K: Keys>(&mut self, cx: &mut Context<'_, K>, to: ValidatorIndex) {
        let next = cx.monotonic().plus(self.config.delta_quarters(1));
        let Some(peer) = self.peers.get_mut(to).filter(|peer| cx.now.monotonic >= peer.nudge_at) else { return };
        peer.nudge_at = next;
        self.send(cx, Recipient::One(to), Message::Status);
    }

    /// Lets a peer that is well ahead know that I am not, so that it pushes certificates.
    pub(crate) fn nudge<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex) {
        let Some(peer) = self.peers.get(from) else { return };
        let later = cx.monotonic() >= self.timers.entered.plus(self.config.delta_quarters(1));
        let well_ahead = peer.view.above(self.view) >= 2 || (later && peer.floor > self.floor.view);
        if well_ahead {
            self.tell_status(cx, from);
        }
    }

    /// Repeats my messages of views that still lack the certificate they could help to form, and evidence that the
    /// next leader should know of (R8).
    pub(crate) fn repeat<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        if cx.monotonic() < self.timers.repeat_at || seeded(Canary::NothingRepeated) {
            return;
        }
        let (votes, evidence) = (self.votes_to_repeat(), self.evidence_work());
        if votes.is_empty() && evidence.is_empty() {
            return;
        }
        self.timers.repeat_at = cx.monotonic().plus(self.config.delta_quarters(4));
        for vote in votes {
            let message = self.vote_message(vote);
            self.send(cx, Recipient::All, message);
        }
        if !evidence.is_empty() {
            self.send(cx, Recipient::All, Message::Evidence(List::truncated(evidence)));
        }
    }

    fn votes_to_repeat(&self) -> Vec<SignedVote> {
        let (tip_view, _) = self.tip();
        let newest = self.rounds.range(..=self.view).rev().take(REPEATED_VIEWS);
        let tip = self.rounds.get(&tip_view).map(|round| (&tip_view, round));
        let mut votes: Vec<SignedVote> =
            newest.chain(tip).flat_map(|(view, round)| self.votes_of_view(*view, round, tip_view)).collect();
        votes.sort();
        votes.dedup();
        votes
    }

    /// My durable votes of a view that can still help: finalize votes of the tip, and the rest while nothing of the
    /// view is certified. Where there is no work nobody waits for the rest, and they are repeated when there is.
    fn votes_of_view(&self, view: View, round: &Round, tip_view: View) -> Vec<SignedVote> {
        if !self.past.licence().permits(view) {
            return Vec::new();
        }
        let mine = |kind| round.vote(kind, self.me()).copied();
        if view == tip_view && round.notarization.is_some() {
            return mine(VoteKind::Finalize).into_iter().collect();
        }
        if round.is_certified() || self.timers.work_since.is_none() {
            return Vec::new();
        }
        mine(VoteKind::Notarize).into_iter().chain(mine(VoteKind::Nullify)).collect()
    }

    /// The next moment at which a rule has something to do though nothing happens.
    pub(crate) fn next_wake(&self, now: Monotonic) -> Option<Monotonic> {
        let (view, floor) = (self.view, self.floor.view);
        let undecided = self.rounds.get(&view).is_none_or(|round| round.facts.may_nullify(view, floor));
        let timers = [
            self.timers.leader_expires(&self.config, view, floor),
            self.timers.view_expires(&self.config, view, floor),
        ];
        let out = self.leader_out_at(view).filter(|_| self.rounds.get(&view).is_none_or(|it| it.offer.is_none()));
        let timers = timers.into_iter().flatten().chain(out).filter(|_| undecided && self.may_sign(view));
        let propose = self.may_propose().map(|_| self.propose_at());
        let repeats = !self.votes_to_repeat().is_empty() || !self.evidence_work().is_empty();
        let repeat = repeats.then_some(self.timers.repeat_at);
        let pushes = self.peers.connected().filter_map(|(_, peer)| self.push_due(peer));
        let asks = self.fetches.values().map(|fetch| fetch.ask_at).filter(|_| self.peers.connected().next().is_some());
        let asks = asks.chain(self.ask_deadline());
        let moments = timers.chain(propose).chain(repeat).chain(self.tip_overdue_at()).chain(self.clock_wake);
        moments.chain(pushes).chain(asks).filter(|at| *at > now).min()
    }
}
