//! Whether honest validators get on from every world by themselves: once everything that they sent and hold is delivered
//! and timers expire, while the faulty validator is silent, every one of them leaves the last view that is explored.
//! Where nobody did anything in that view yet and its leader is honest, a block of it becomes final for all.
//!
//! What is delivered is one fair order, not all of them: certificates and proposals first, and timers only when nothing
//! else is left. A validator that relays a certificate (R7) or answers for one (R1) makes it available to the others.

use super::label::{Label, Labels};
use super::stage::{Stage, Votes};
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
        let views: Vec<u64> =
            now.iter().zip(&self.kinds).map(|(state, kind)| self.automata[*kind].view(*state)).collect();
        if views.iter().any(|view| *view <= self.stage.views) {
            return self.violate(id, format!("stuck: the honest validators end in the views {views:?}"), None);
        }
        if self.is_fresh(world) && !self.last_view_is_final(&now) {
            self.violate(id, "an honest leader to whom everything was delivered gets no block final".to_owned(), None);
        }
    }

    /// Whether the leader of the last view is honest and nobody signed anything in that view.
    fn is_fresh(&self, world: &[Id]) -> bool {
        let last = self.stage.views;
        let of_view = |number: &u8| self.stage.vote(*number).view().get() == last;
        let of_block = |it| [Stage::notarize(it), Stage::finalize(it), Stage::reported(it)];
        let numbers = self.stage.block_ids().flat_map(of_block).chain([Stage::nothing(last)]);
        let votes: Votes = numbers.filter(of_view).fold(0, |all, number| all | 1 << number);
        let mut sent = self.kinds.iter().zip(world).map(|(kind, state)| self.automata[*kind].sent(*state));
        !self.stage.is_faulty(self.stage.leader(last)) && sent.all(|sent| sent & votes == 0)
    }

    /// Whether every honest validator knows a block of the last view to be final.
    fn last_view_is_final(&self, now: &[Id]) -> bool {
        now.iter().zip(&self.kinds).all(|(state, kind)| self.automata[*kind].floor(*state) == self.stage.views)
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
            let held = self.automata[*kind].held(&self.stage, &mut self.forge, *state);
            labels.union(&held);
        }
        labels
    }
}
