//! All that one validator can do, as an automaton that is found out step by step: its states are whole validators, its
//! transitions are steps of the real core, and each is computed once.
//!
//! A step is *silent* if no vote leaves in it. Others cannot notice a silent step, and what made it possible stays
//! possible: votes that were sent can be delivered at any time. So a silent step may as well be taken later, just before
//! the step that sends a vote. [`Automaton::burst`] therefore gives what a validator can become by any silent steps and
//! one that sends; and of those that sent the same only the ones that none of the others turns into by silent steps.
//! That is no assumption about the core: which states turn into which is read off its own transitions.

use std::rc::Rc;

use althing_consensus::Core;

use super::forge::Forge;
use super::label::{Label, Labels};
use super::stage::{Stage, Votes};
use super::table::{Id, Interner};
use super::validator::Validator;

/// A transition that was not computed yet.
const UNKNOWN: Id = Id::MAX;

/// Where a step leads, and what went wrong in it, by its place in the list.
#[derive(Clone, Copy)]
struct Edge {
    to: Id,
    broken: Option<u32>,
}

/// What is kept of a state beside the validator itself.
struct State {
    sent: Votes,
    crashes: u8,
    finals: u32,
    edges: Vec<Edge>,
    /// The certificates that it holds, once somebody asked.
    held: Option<Labels>,
    /// The states after a crash within a step, in the order of the labels.
    crashes_within: Vec<(u8, Edge)>,
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

/// All that one validator can do.
pub(super) struct Automaton {
    pub(super) me: u16,
    validators: Interner<Validator>,
    states: Vec<State>,
    broken: Vec<String>,
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
        let mut automaton = Self {
            me,
            validators: Interner::new(),
            states: Vec::new(),
            broken: Vec::new(),
            bursts: Interner::new(),
            known: Vec::new(),
            steps: 0,
            marks: Vec::new(),
            mark: 0,
        };
        let first = Validator::new(stage, me);
        automaton.add(stage, first);
        automaton
    }

    /// Distinct states so far.
    pub(super) const fn len(&self) -> usize {
        self.validators.len()
    }

    pub(super) fn core(&self, id: Id) -> &Core {
        &self.validators.get(id).core
    }

    /// The view of the highest Finalization that the validator knows.
    pub(super) fn floor(&self, id: Id) -> u64 {
        self.core(id).snapshot().floor.get()
    }

    /// The validator in a state.
    pub(super) fn validator(&self, id: Id) -> &Validator {
        self.validators.get(id)
    }

    /// The certificates that it holds and gives to whoever asks.
    pub(super) fn held(&mut self, stage: &Stage, forge: &mut Forge, id: Id) -> Labels {
        if let Some(known) = self.states[id as usize].held {
            return known;
        }
        let mut labels = Labels::default();
        for certificate in self.validators.get(id).held(stage, self.me) {
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

    fn add(&mut self, stage: &Stage, validator: Validator) -> Id {
        let (sent, crashes, finals) = (validator.sent, validator.crashes, validator.finals(stage));
        let (id, new) = self.validators.add(validator);
        if new {
            self.states.push(State {
                sent,
                crashes,
                finals,
                edges: Vec::new(),
                held: None,
                crashes_within: Vec::new(),
            });
            self.marks.push(0);
        }
        id
    }

    fn complain(&mut self, broken: Option<String>) -> Option<u32> {
        let what = broken?;
        let known = self.broken.iter().position(|known| *known == what);
        let index = known.unwrap_or(self.broken.len());
        if known.is_none() {
            self.broken.push(what);
        }
        Some(u32::try_from(index).expect("few kinds of complaints"))
    }

    /// Where a label leads from a state; the state itself if nowhere.
    fn edge(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, number: u8) -> Edge {
        let unknown = Edge { to: UNKNOWN, broken: None };
        let edges = &mut self.states[from as usize].edges;
        if edges.len() <= usize::from(number) {
            edges.resize(usize::from(number) + 1, unknown);
        }
        let known = edges[usize::from(number)];
        if known.to != UNKNOWN {
            return known;
        }
        let stepped = self.validators.get(from).apply(stage, forge, self.me, Label::of(number));
        let mut edge = Edge { to: from, broken: None };
        if let Some(stepped) = stepped {
            self.steps += 1;
            let broken = self.complain(stepped.broken);
            edge = Edge { to: self.add(stage, stepped.after), broken };
            for (crashed, broken) in stepped.crashed {
                let within = Edge { broken: self.complain(broken), to: self.add(stage, crashed) };
                self.states[from as usize].crashes_within.push((number, within));
            }
        }
        self.states[from as usize].edges[usize::from(number)] = edge;
        edge
    }

    /// Where a label leads from a state.
    pub(super) fn next(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, label: Label) -> Id {
        self.edge(stage, forge, from, label.number()).to
    }

    /// Every step from a state with one of these labels, crashes within the step included if there may be any.
    fn steps_from(
        &mut self,
        stage: &mut Stage,
        forge: &mut Forge,
        from: Id,
        labels: &Labels,
        out: &mut Vec<(u8, Edge)>,
    ) {
        out.clear();
        for number in labels.numbers() {
            let edge = self.edge(stage, forge, from, number);
            if edge.to != from || edge.broken.is_some() {
                out.push((number, edge));
            }
        }
        if labels.contains(Label::Crash) {
            let within = &self.states[from as usize].crashes_within;
            out.extend(within.iter().filter(|(number, _)| labels.contains(Label::of(*number))));
        }
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
            for (number, edge) in &steps {
                if let Some(broken) = edge.broken {
                    reach.broken.get_or_insert((state, *number, broken));
                }
                let to = edge.to as usize;
                if self.states[to].sent != sent {
                    reach.sending.push((edge.to, at, *number));
                } else if self.marks[to] != mark {
                    self.marks[to] = mark;
                    reach.silent.push((edge.to, at, *number));
                }
            }
            at += 1;
        }
        reach
    }

    /// What a validator can become until its next vote leaves, while exactly these labels are possible.
    pub(super) fn burst(&mut self, stage: &mut Stage, forge: &mut Forge, from: Id, labels: &Labels) -> Rc<Burst> {
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
