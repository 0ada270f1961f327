//! All that one validator can do, as an automaton that is found out step by step: its states are whole validators, its
//! transitions are steps of the real core, and each is computed once.
//!
//! A step is *silent* if no vote leaves in it. Others cannot notice a silent step, and what made it possible stays
//! possible: votes that were sent can be delivered at any time. So a silent step may as well be taken later, just before
//! the step that sends a vote. [`Automaton::burst`] therefore gives what a validator can become by any silent steps and
//! one that sends; and of those that sent the same only the ones that none of the others turns into by silent steps.
//! That is no assumption about the core: which states turn into which is read off its own transitions.

use std::collections::BTreeMap;
use std::rc::Rc;

use althing_types::Epoch;

use super::forge::Forge;
use super::kept::{Origin, Validators};
use super::label::{Label, Labels};
use super::stage::{Stage, Votes};
use super::table::{Id, Interner};
use super::validator::Validator;

/// Bursts that are remembered at most; then all are forgotten, and found out again where they are asked for.
const BURSTS_MAX: usize = 1 << 20;

/// Where a step with a label leads, if not back to the same state without complaint.
#[derive(Clone, Copy)]
struct Edge {
    label: u8,
    to: Id,
}

/// What is kept of a state beside the validator itself.
struct State {
    sent: Votes,
    finals: u32,
    crashes: u8,
    /// The place of the validator among its views.
    standing: Standing,
    /// The labels whose steps were computed.
    known: Labels,
    /// Where those lead that lead elsewhere, in the order of the labels.
    edges: Vec<Edge>,
    /// The certificates that it holds, once somebody asked.
    held: Option<Labels>,
    /// The states after a crash within a step, in the order of the labels.
    crashes_within: Vec<Edge>,
}

/// How far a validator got.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// The epoch that it is in.
    pub(super) epoch: Epoch,
    /// The current view, in its epoch.
    pub(super) view: u64,
    /// The view of the highest Finalization that it knows.
    pub(super) floor: u64,
    /// Whether it left the last view that is explored of its epoch.
    pub(super) is_through: bool,
}

/// What a validator can become until its next vote leaves.
pub(super) struct Burst {
    /// The states after that vote.
    pub(super) to: Vec<Id>,
    /// Blocks that it may know to be final before, as a set of one bit each.
    pub(super) finals: u32,
    /// A step in which something went wrong: the state before it, the label, and what.
    pub(super) broken: Option<(Id, u8, u32)>,
}

impl State {
    fn of(validator: &Validator, stage: &Stage) -> Self {
        let standing = Standing {
            epoch: validator.epoch(),
            view: validator.view(),
            floor: validator.core.snapshot().floor.get(),
            is_through: validator.is_through(stage),
        };
        let (sent, crashes, finals) = (validator.sent, validator.crashes, validator.finals(stage));
        let (known, edges, held, crashes_within) = (Labels::default(), Vec::new(), None, Vec::new());
        Self { sent, finals, crashes, standing, known, edges, held, crashes_within }
    }
}

/// All that one validator can do.
pub(super) struct Automaton {
    pub(super) me: u16,
    validators: Validators,
    states: Vec<State>,
    /// What went wrong, each complaint once.
    broken: Vec<String>,
    /// The steps in which something went wrong: by state, label and the state after it, the place of the complaint.
    broken_steps: BTreeMap<(Id, u8, Id), u32>,
    bursts: Interner<(Id, Labels)>,
    known: Vec<Rc<Burst>>,
    /// Steps of the real core that were computed.
    pub(super) steps: u64,
    /// When each state was last marked, so that marks need not be taken away.
    marks: Vec<u32>,
    mark: u32,
}

impl Automaton {
    /// The automaton of a validator; its first state is number 0.
    pub(super) fn new(stage: &mut Stage, me: u16) -> Self {
        let first = Validator::new(stage, me);
        Self {
            me,
            states: vec![State::of(&first, stage)],
            validators: Validators::new(first),
            broken: Vec::new(),
            broken_steps: BTreeMap::new(),
            bursts: Interner::new(),
            known: Vec::new(),
            steps: 0,
            marks: vec![0],
            mark: 0,
        }
    }

    /// Distinct states so far.
    pub(super) const fn len(&self) -> usize {
        self.validators.len()
    }

    /// How far the validator in a state got.
    pub(super) fn standing(&self, id: Id) -> Standing {
        self.states[id as usize].standing
    }

    /// The validator in a state.
    pub(super) fn validator(&mut self, stage: &mut Stage, forge: &mut Forge, id: Id) -> &Validator {
        let me = self.me;
        self.validators.get(id, |before, origin| {
            let stepped = before.apply(stage, forge, me, Label::of(origin.step));
            let mut stepped = stepped.expect("it led somewhere the first time");
            match origin.crash {
                None => stepped.after,
                Some(place) => stepped.crashed.swap_remove(usize::from(place)).0,
            }
        })
    }

    #[cfg(test)]
    pub(super) fn keep_at_most(&mut self, count: usize) {
        self.validators.keep_at_most(count);
    }

    /// The certificates that it holds and gives to whoever asks.
    pub(super) fn held(&mut self, stage: &mut Stage, forge: &mut Forge, id: Id) -> Labels {
        if let Some(known) = self.states[id as usize].held {
            return known;
        }
        let mut labels = Labels::default();
        let me = self.me;
        for certificate in self.validator(stage, forge, id).held(stage, me) {
            if let Some(label) = forge.label(stage, certificate) {
                labels.insert(label);
            }
        }
        self.states[id as usize].held = Some(labels);
        labels
    }

    /// The votes that left before this state.
    pub(super) fn sent(&self, id: Id) -> Votes {
        self.states[id as usize].sent
    }

    /// How often the validator crashed before this state.
    pub(super) fn crashes(&self, id: Id) -> u8 {
        self.states[id as usize].crashes
    }

    pub(super) fn complaint(&self, index: u32) -> &str {
        &self.broken[index as usize]
    }

    fn add(&mut self, stage: &Stage, validator: Validator, origin: Origin) -> Id {
        let state = State::of(&validator, stage);
        let (id, new) = self.validators.add(validator, origin);
        if new {
            self.states.push(state);
            self.marks.push(0);
        }
        id
    }

    /// Remembers what went wrong in a step, if something did.
    fn complain(&mut self, step: (Id, u8, Id), broken: Option<String>) {
        let Some(what) = broken else { return };
        let known = self.broken.iter().position(|known| *known == what);
        let index = known.unwrap_or(self.broken.len());
        if known.is_none() {
            self.broken.push(what);
        }
        self.broken_steps.insert(step, u32::try_from(index).expect("few kinds of complaints"));
    }

    /// What went wrong in a step.
    fn broken(&self, from: Id, edge: Edge) -> Option<u32> {
        if self.broken.is_empty() { None } else { self.broken_steps.get(&(from, edge.label, edge.to)).copied() }
    }

    /// Takes the step with a label from a state, if that was not done before.
    fn explore(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, label: u8) {
        if self.states[from as usize].known.contains_number(label) {
            return;
        }
        self.states[from as usize].known.insert(Label::of(label));
        let me = self.me;
        let Some(stepped) = self.validator(stage, forge, from).apply(stage, forge, me, Label::of(label)) else {
            return;
        };
        self.steps += 1;
        let to = self.add(stage, stepped.after, Origin { from, step: label, crash: None });
        if to != from || stepped.broken.is_some() {
            let edges = &mut self.states[from as usize].edges;
            let place = edges.partition_point(|edge| edge.label < label);
            edges.insert(place, Edge { label, to });
        }
        self.complain((from, label, to), stepped.broken);
        for (place, (crashed, broken)) in (0..).zip(stepped.crashed) {
            let to = self.add(stage, crashed, Origin { from, step: label, crash: Some(place) });
            self.states[from as usize].crashes_within.push(Edge { label, to });
            self.complain((from, label, to), broken);
        }
    }

    /// Where a label leads from a state; the state itself if nowhere.
    pub(super) fn next(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, label: Label) -> Id {
        self.explore(stage, forge, from, label.number());
        let edges = &self.states[from as usize].edges;
        edges.iter().find(|edge| edge.label == label.number()).map_or(from, |edge| edge.to)
    }

    /// Every step from a state with one of these labels, crashes within the step included if there may be any.
    fn steps_from(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, labels: &Labels, out: &mut Vec<Edge>) {
        for label in labels.without(&self.states[from as usize].known).numbers() {
            self.explore(stage, forge, from, label);
        }
        let State { edges, crashes_within, .. } = &self.states[from as usize];
        let within: &[Edge] = if labels.contains(Label::Crash) { crashes_within } else { &[] };
        out.clear();
        out.extend(edges.iter().chain(within).filter(|edge| labels.contains_number(edge.label)));
    }

    /// The states that silent steps lead to from this one, in the order of their distance, each with the place in the
    /// list that it was reached from and the label; and the steps that send, likewise.
    fn reach(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, labels: &Labels) -> Reach {
        self.mark += 1;
        let mark = self.mark;
        let sent = self.sent(from);
        let mut reach = Reach { silent: vec![(from, 0, 0)], sending: Vec::new(), broken: None };
        self.marks[from as usize] = mark;
        let mut steps = Vec::new();
        let mut at = 0;
        while let Some((state, ..)) = reach.silent.get(at).copied() {
            self.steps_from(stage, forge, state, labels, &mut steps);
            for edge in &steps {
                if let Some(broken) = self.broken(state, *edge) {
                    reach.broken.get_or_insert((state, edge.label, broken));
                }
                let to = edge.to as usize;
                if self.states[to].sent != sent {
                    reach.sending.push((edge.to, at, edge.label));
                } else if self.marks[to] != mark {
                    self.marks[to] = mark;
                    reach.silent.push((edge.to, at, edge.label));
                }
            }
            at += 1;
        }
        reach
    }

    /// What a validator can become until its next vote leaves, while exactly these labels are possible.
    pub(super) fn burst(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, labels: &Labels) -> Rc<Burst> {
        if self.bursts.len() >= BURSTS_MAX {
            (self.bursts, self.known) = (Interner::new(), Vec::new());
        }
        let (key, new) = self.bursts.add((from, *labels));
        if !new {
            return Rc::clone(&self.known[key as usize]);
        }
        let reach = self.reach(stage, forge, from, labels);
        let finals = reach.silent.iter().fold(0, |all, (state, ..)| all | self.states[*state as usize].finals);
        let mut targets: Vec<Id> = reach.sending.iter().map(|(to, ..)| *to).collect();
        let mut seen = Vec::new();
        targets.retain(|to| {
            let new = !seen.contains(to);
            seen.push(*to);
            new
        });
        let to = self.least(stage, forge, targets, labels);
        let burst = Rc::new(Burst { to, finals, broken: reach.broken });
        self.known.push(Rc::clone(&burst));
        burst
    }

    /// The states of which none is what another one turns into by silent steps. Of two that turn into each other the
    /// first stays.
    fn least(&mut self, stage: &mut Stage, forge: &mut Forge, states: Vec<Id>, labels: &Labels) -> Vec<Id> {
        let mut covered = vec![false; states.len()];
        for (place, state) in states.iter().enumerate() {
            if covered[place] {
                continue;
            }
            self.reach(stage, forge, *state, labels);
            for (other, covered) in covered.iter_mut().enumerate() {
                let reached = self.marks[states[other] as usize] == self.mark;
                *covered |= other != place && reached;
            }
        }
        states.into_iter().zip(covered).filter(|(_, covered)| !covered).map(|(state, _)| state).collect()
    }

    /// The labels by which a state is reached from another one by silent steps and one that sends, or by silent steps to
    /// where something goes wrong.
    pub(super) fn path(&mut self, ends: (&mut Stage, &mut Forge), from: Id, labels: &Labels, to: Goal) -> Vec<u8> {
        let (stage, forge) = ends;
        let reach = self.reach(stage, forge, from, labels);
        let last = match to {
            Goal::Sends(to) => reach.sending.iter().find(|(state, ..)| *state == to).map(|(_, at, by)| (*at, *by)),
            Goal::Step(state, by) => reach.silent.iter().position(|(known, ..)| *known == state).map(|at| (at, by)),
            Goal::Final(block) => {
                let known = |(state, ..): &(Id, usize, u8)| self.states[*state as usize].finals >> block & 1 == 1;
                let at = reach.silent.iter().position(known);
                at.filter(|at| *at > 0).map(|at| (reach.silent[at].1, reach.silent[at].2))
            }
        };
        let Some((mut at, by)) = last else { return Vec::new() };
        let mut path = vec![by];
        while at > 0 {
            let (_, before, by) = reach.silent[at];
            path.push(by);
            at = before;
        }
        path.reverse();
        path
    }
}

/// Where silent steps lead.
struct Reach {
    silent: Vec<(Id, usize, u8)>,
    sending: Vec<(Id, usize, u8)>,
    broken: Option<(Id, u8, u32)>,
}

/// What a path should lead to.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// A state after a step that sends.
    Sends(Id),
    /// A step with this label from this state.
    Step(Id, u8),
    /// A state in which this block is known to be final.
    Final(u8),
}
