//! Fetching what is missing: certificates, blocks that a certificate names, and runs of final blocks.
//!
//! What is wanted follows from the state anew after each step; only when and whom to ask next is remembered. One
//! peer is asked at a time, and another one when no answer came.

use std::collections::{BTreeMap, BTreeSet};

use althing_types::{Block, Certificate, Finalization, Hash, Height, Monotonic, ValidatorIndex, View};

use althing_types::canary::{Canary, seeded};

use crate::config::Keys;
use crate::core::{Context, Core};
use crate::message::{Message, RUN_BLOCKS_MAX, Run, fitting};
use crate::output::{Output, Recipient};
use crate::round::Round;
use crate::view::Justified;

/// Things fetched at the same time at most.
const FETCHES_MAX: usize = 64;
/// Ranges of certificates fetched at the same time at most, so that they leave room for blocks.
const RANGES_MAX: usize = 8;

/// Views that a leader asks for below the one that it lacks: what it lacks is rarely alone.
const CERTIFICATES_SPAN: u64 = 31;

/// Something missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Want {
    /// Certificates of these views.
    Certificates { from: View, to: View },
    /// A block that a certificate names.
    Block(Hash),
    /// Final blocks above this height.
    Run(Height),
}

/// A run of final blocks that stands in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunEnd {
    /// Its last block.
    pub(crate) end: Hash,
    /// The height of that.
    pub(crate) height: Height,
    /// A Finalization of it or of a descendant.
    pub(crate) finalization: Finalization,
}

/// Whom to ask, and when again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fetch {
    /// With whom it begins.
    turn: u16,
    /// How often somebody was asked.
    asks: u16,
    pub(crate) ask_at: Monotonic,
}

impl Core {
    /// Asks for what is missing, as far as it is time to.
    pub(crate) fn fetch<K: Keys>(&mut self, cx: &mut Context<'_, K>) {
        let wants = self.wants();
        let known = std::mem::take(&mut self.fetches);
        let again = self.config.delta_quarters(2);
        let mut fetches = BTreeMap::new();
        for want in wants {
            let mut fetch = known.get(&want).copied().unwrap_or_else(|| {
                self.asked = self.asked.wrapping_add(1);
                Fetch { turn: self.asked, ..Fetch::default() }
            });
            if cx.monotonic() >= fetch.ask_at
                && let Some(peer) = self.peer_to_ask(&fetch)
            {
                fetch = Fetch { asks: fetch.asks.wrapping_add(1), ask_at: cx.monotonic().plus(again), ..fetch };
                self.send(cx, Recipient::One(peer), want.request());
                if matches!(want, Want::Run(_)) {
                    self.show_branch(cx, peer);
                }
            }
            fetches.insert(want, fetch);
        }
        self.fetches = fetches;
    }

    /// The reachable validator whose turn it is. What is missing begins with another peer each time, so that none
    /// alone bears the load, and goes on to the next, so that none that is silent is asked twice in a row. When all were
    /// asked the guests follow: they may be the only ones left that know how an epoch ended (E4).
    fn peer_to_ask(&self, fetch: &Fetch) -> Option<ValidatorIndex> {
        let mut validators: Vec<ValidatorIndex> = self.peers.connected_validators().collect();
        let mine = validators.iter().filter(|index| **index < self.me()).count();
        validators.rotate_left(mine);
        let known = validators.len();
        let guests = self.peers.connected().map(|(index, _)| index).filter(|index| index.get() >= self.quorums().n());
        let guests: Vec<ValidatorIndex> = guests.collect();
        let round = usize::from(fetch.asks).checked_rem(known.saturating_add(guests.len()))?;
        let place = usize::from(fetch.turn).wrapping_add(round);
        if round < known {
            return validators.get(place.checked_rem(known)?).copied();
        }
        guests.get(round.saturating_sub(known)).copied()
    }

    /// What is missing now. While final blocks are missing only they are fetched: the blocks above come by runs too,
    /// or will be few when the runs have caught up (R5).
    fn wants(&self) -> Vec<Want> {
        let mut wants = self.missing_certificates();
        if self.chain.path_to(&self.floor.digest).is_some() {
            let certified = self.rounds.values().rev().flat_map(Round::block_certified);
            wants.extend(certified.filter_map(|digest| self.chain.missing_below(&digest)).map(Want::Block));
        } else {
            wants.extend(self.next_run().map(Want::Run));
        }
        let mut seen = BTreeSet::new();
        wants.retain(|want| seen.insert(*want));
        wants.truncate(FETCHES_MAX);
        wants
    }

    /// Above which height the next run of final blocks is wanted: while the batches of one are fetched and its blocks
    /// executed, the next one is asked for, from another peer. No more are on their way here than a run holds.
    fn next_run(&self) -> Option<Height> {
        let (above, end) = self.run_tip();
        let on_their_way = above.above(self.chain.base().header.height).saturating_add(count(self.uncommitted.len()));
        let has_room = on_their_way < count(RUN_BLOCKS_MAX) && !self.is_forked();
        (has_room && !self.is_boundary(&end)).then_some(above)
    }

    /// The last block of the last run, or the base.
    fn run_tip(&self) -> (Height, Hash) {
        let base = (self.chain.base().header.height, self.chain.base_id());
        self.runs.back().map_or(base, |run| (run.height, run.end))
    }

    /// Ranges of views whose certificates my own turn needs, or a proposal of a view that is not ahead of mine and
    /// not decided. Each ends at the highest view that lacks one, because an answer begins there.
    fn missing_certificates(&self) -> Vec<Want> {
        let own = (self.leader(self.view) == self.me()).then(|| self.parent_for(self.view).err()).flatten();
        let undecided = self.rounds.range(..=self.view).rev().filter(|(_, round)| !round.is_certified());
        let offered = undecided.filter_map(|(view, round)| {
            let offer = round.offer.filter(|offer| !offer.justified)?;
            let parent = self.stands_on(&offer.vote)?;
            match self.justified(*view, offer.vote.parent_view, &parent) {
                Justified::Missing(at) => Some(at),
                Justified::Yes | Justified::Never => None,
            }
        });
        let range = |at: View| {
            let from = View::new(at.get().saturating_sub(CERTIFICATES_SPAN)).max(self.floor.view.next());
            Want::Certificates { from, to: at }
        };
        own.into_iter().chain(offered).take(RANGES_MAX).map(range).collect()
    }

    /// A block that was asked for. It is kept only if a certificate or a waiting child names it.
    pub(crate) fn on_block(&mut self, block: Block) {
        let digest = block.header.id();
        let wanted = self.fetches.contains_key(&Want::Block(digest));
        if wanted && block.body_matches_header() {
            self.chain.add_orphan(digest, block);
        }
    }

    pub(crate) fn on_get_block<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, digest: Hash) {
        if !self.may_answer(cx, from) {
            return;
        }
        let committed = || self.uncommitted.values().find(|block| block.header.id() == digest);
        if let Some(block) = self.chain.block(&digest).or_else(committed).cloned() {
            self.send(cx, Recipient::One(from), Message::Block(Box::new(block)));
        }
    }

    /// Answers with every certificate of the views asked for, as many as fit; the floor stands for those below it.
    pub(crate) fn on_get_certificates<K: Keys>(
        &mut self,
        cx: &mut Context<'_, K>,
        from: ValidatorIndex,
        first: View,
        last: View,
    ) {
        if !self.may_answer(cx, from) {
            return;
        }
        let floor = self.floor.finalization.as_ref().filter(|_| first <= self.floor.view).cloned();
        let range = self.rounds.range(first..=last.max(first));
        let held = range.rev().flat_map(|(_, round)| round.certificates());
        let certificates = fitting(floor.map(Certificate::Finalization).into_iter().chain(held));
        if !certificates.is_empty() {
            self.send(cx, Recipient::One(from), Message::Certificates(certificates));
        }
    }

    pub(crate) fn on_get_run<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, above: Height) {
        if above < self.chain.base().header.height && self.may_answer(cx, from) {
            cx.out.push(Output::Serve { to: from, above });
        }
    }

    pub(crate) fn may_answer<K>(&mut self, cx: &Context<'_, K>, to: ValidatorIndex) -> bool {
        let window = self.config.delta_quarters(4);
        self.peers.get_mut(to).is_some_and(|peer| peer.may_answer(cx.monotonic(), window))
    }

    /// A run of final blocks (rule S1). It is believed only as a whole: linked to the base or to the run before, and
    /// certified at its end.
    pub(crate) fn on_run<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, run: Run) {
        let (above, _) = self.run_tip();
        let asked = self.fetches.contains_key(&Want::Run(above));
        let first = run.blocks.first().map(|block| block.header.height);
        if !asked || first != Some(above.next()) {
            return;
        }
        let trusted = run.blocks.last().map(|block| block.header.id()).filter(|_| seeded(Canary::RunUnverified));
        let Some(end) = run.linked_end().or(trusted) else {
            return self.misbehaved(cx, from, "a run of blocks that are not linked");
        };
        if run.finalization.vote.epoch > self.committee().epoch {
            // The peer is in a later epoch; it is asked again for what ends this one (E4).
            return;
        }
        if run.finalization.verify(cx.keys, self.committee()).is_err() && trusted.is_none() {
            return self.misbehaved(cx, from, "a run of blocks that is not final");
        }
        self.find_own(cx, &Certificate::Finalization(run.finalization.clone()));
        self.take_run(cx, from, run, end);
    }

    fn take_run<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, run: Run, end: Hash) {
        let (_, ours) = self.run_tip();
        let below = run.blocks.first().map(|block| block.header.parent);
        if below != Some(ours) {
            let theirs = run.finalization.vote.digest;
            return self.fork_without_proof(cx, ours, theirs, self.history.standing());
        }
        self.forget_orphans();
        for block in run.blocks.into_inner() {
            self.chain.add_orphan(block.header.id(), block);
            self.attach_blocks(cx);
        }
        if !self.chain.holds(&end) {
            // A body whose lane tips are forged does not fit: then another peer is asked for the run.
            return self.misbehaved(cx, from, "a run of blocks with forged lanes");
        }
        let height = self.chain.get(&end).map_or(self.chain.base().header.height, |entry| entry.block.header.height);
        self.runs.push_back(RunEnd { end, height, finalization: run.finalization.clone() });
        if self.is_above_floor(run.finalization.vote.view) {
            self.store(cx, Certificate::Finalization(run.finalization));
        }
    }
}

impl Want {
    fn request(self) -> Message {
        match self {
            Self::Certificates { from, to } => Message::GetCertificates { from, to },
            Self::Block(digest) => Message::GetBlock { digest },
            Self::Run(above) => Message::GetRun { above },
        }
    }
}

fn count(blocks: usize) -> u64 {
    u64::try_from(blocks).unwrap_or(u64::MAX)
}
