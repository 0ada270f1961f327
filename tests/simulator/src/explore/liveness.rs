//! Whether honest validators get on from every world by themselves: once everything that they sent and hold is delivered
//! and timers expire, while the faulty validator is silent, every one of them leaves the last view that is explored.
//! Where nobody did anything in that view yet and its leader is honest, a block of it becomes final for all. Where an epoch
//! ends, the same is asked of the last view of each: of the first epoch, whose change is pending, that everybody enters the
//! next. Nobody enters it and leaves another one behind.
//!
//! What is delivered is one fair order, not all of them: certificates and proposals first, and timers only when nothing
//! else is left. A validator that relays a certificate (R7) or answers for one (R1) makes it available to the others.

use super::label::{Label, Labels};
use super::stage::{Stage, Votes};
use super::succession::NEXT;
use super::table::Id;
use super::world::Exploration;

impl Exploration {
    /// Reports a world from which some honest validator does not get on.
    pub(super) fn check_liveness(&mut self, id: Id, world: &[Id]) {
        let mut now: Vec<Id> = world[..self.kinds.len()].to_vec();
        loop {
            let before = now.clone();
            self.deliver_all(&mut now);
            if now == before {
                self.expire_all(&mut now);
            }
            if now == before {
                break;
            }
        }
        let standings = || now.iter().zip(&self.kinds).map(|(state, kind)| self.automata[*kind].standing(*state));
        let views: Vec<(u64, u64)> = standings().map(|it| (it.epoch.get(), it.view)).collect();
        let entered = standings().filter(|it| it.epoch == NEXT).count();
        if standings().any(|it| !it.is_through) {
            return self.violate(id, format!("stuck: the honest validators end in epochs and views {views:?}"), None);
        }
        if entered > 0 && entered < views.len() {
            return self.violate(id, format!("only some enter the next epoch: epochs and views {views:?}"), None);
        }
        let (first, last) = (self.stage.first_views, self.stage.views);
        let may_end = self.stage.has_next && self.is_fresh(world, first);
        if may_end && entered == 0 {
            return self.violate(id, "an honest leader cannot end the epoch".to_owned(), None);
        }
        let is_there = if self.stage.has_next { entered > 0 && last > first } else { true };
        if is_there && self.is_fresh(world, last) && !self.is_final(&now, last) {
            self.violate(id, "an honest leader to whom everything was delivered gets no block final".to_owned(), None);
        }
    }

    /// Whether the leader of a view is honest and nobody signed anything in that view or above.
    fn is_fresh(&self, world: &[Id], view: u64) -> bool {
        let counted = |number: u8| {
            let vote = self.stage.vote(number);
            self.stage.counted(vote.epoch(), vote.view())
        };
        let of_view = |number: &u8| counted(*number).is_some_and(|of| of >= view);
        let of_block = |it| [Stage::notarize(it), Stage::finalize(it), Stage::reported(it)];
        let nothing = (view..=self.stage.views).map(Stage::nothing);
        let numbers = self.stage.block_ids().flat_map(of_block).chain(nothing);
        let votes: Votes = numbers.filter(of_view).fold(0, |all, number| all | 1 << number);
        let mut sent = self.kinds.iter().zip(world).map(|(kind, state)| self.automata[*kind].sent(*state));
        !self.stage.is_faulty(self.stage.leader(view)) && sent.all(|sent| sent & votes == 0)
    }

    /// Whether every honest validator knows a block of this view to be final.
    fn is_final(&self, now: &[Id], view: u64) -> bool {
        let (_, view) = self.stage.at(view);
        now.iter().zip(&self.kinds).all(|(state, kind)| self.automata[*kind].standing(*state).floor == view.get())
    }

    /// Everybody gets everything that honest validators sent or hold, and whoever may propose does.
    fn deliver_all(&mut self, now: &mut [Id]) {
        let labels = self.honest_labels(now);
        for (place, state) in now.iter_mut().enumerate() {
            let Self { automata, stage, forge, kinds, .. } = self;
            let automaton = &mut automata[kinds[place]];
            for number in labels.numbers() {
                *state = automaton.next(stage, forge, *state, Label::of(number));
            }
        }
    }

    fn expire_all(&mut self, now: &mut [Id]) {
        for (place, state) in now.iter_mut().enumerate() {
            let Self { automata, stage, forge, kinds, .. } = self;
            *state = automata[kinds[place]].next(stage, forge, *state, Label::Fire);
        }
    }

    /// What honest validators can deliver without the faulty one.
    fn honest_labels(&mut self, now: &[Id]) -> Labels {
        let sent: Vec<_> = now.iter().zip(&self.kinds).map(|(state, kind)| self.automata[*kind].sent(*state)).collect();
        let mut labels = self.deliverable(&sent, false);
        for (state, kind) in now.iter().zip(&self.kinds) {
            let held = self.automata[*kind].held(&mut self.stage, &mut self.forge, *state);
            labels.union(&held);
        }
        labels
    }
}
