//! Worlds: every combination of what the honest validators can have become, found breadth first.
//!
//! A world is one state of each honest validator. The messages that may arrive are not part of it: they follow from what
//! was sent, because a message may be delivered at any time, any number of times, or never.

use super::automaton::{Automaton, Burst, Goal};
use super::forge::Forge;
use super::label::{BlockId, Label, Labels};
use super::properties::{Findings, Rules};
use super::stage::{Stage, Votes};
use super::table::{Id, Interner};
use super::{Bounds, Report, Violation};

/// Honest validators at most.
const HONEST_MAX: usize = 4;
/// Violations that are reported at most; one is too many.
const VIOLATIONS_MAX: usize = 8;
/// How often, in worlds, the caller is asked whether to go on.
const ASKED_EVERY: usize = 256;

/// One state of each honest validator; places beyond the last stay zero.
type World = [Id; HONEST_MAX];

/// What the votes of a moment allow: what may be delivered, and what must hold.
#[derive(Clone)]
struct Pool {
    labels: Labels,
    findings: Findings,
}

/// Where a world came from.
#[derive(Clone, Copy)]
struct Origin {
    before: Id,
    place: u8,
    depth: u16,
}

/// An exploration under way.
pub(super) struct Exploration {
    pub(super) stage: Stage,
    pub(super) forge: Forge,
    pub(super) rules: Rules,
    /// One for each kind of honest validator: those that lead no view that is explored are of one kind.
    pub(super) automata: Vec<Automaton>,
    /// The kind of each honest validator.
    pub(super) kinds: Vec<usize>,
    worlds: Interner<World>,
    visited: usize,
    origins: Vec<Origin>,
    sent: Interner<[Votes; HONEST_MAX]>,
    pools: Vec<Pool>,
    violations: Vec<Violation>,
}

impl Exploration {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let mut stage = Stage::new(bounds);
        let forge = Forge::new(&stage);
        let honest: Vec<u16> = (0..stage.count()).filter(|index| !stage.is_faulty(*index)).collect();
        assert!(honest.len() <= HONEST_MAX, "so many honest validators do not fit a world");
        let leads = |index: u16| (1..=stage.views).any(|view| stage.leader(view) == index);
        let (leaders, followers): (Vec<u16>, Vec<u16>) = honest.iter().partition(|index| leads(**index));
        let alike = followers.last().map(|_| leaders.len());
        let kinds = (0..leaders.len()).chain(followers.iter().filter_map(|_| alike)).collect();
        let members = leaders.into_iter().chain(followers.last().copied());
        let automata = members.map(|me| Automaton::new(&mut stage, me)).collect();
        let rules = Rules::new(stage.count(), bounds.fast_path, bounds.faulty.is_some());
        let mut worlds = Interner::new();
        worlds.add([0; HONEST_MAX]);
        let origins = vec![Origin { before: 0, place: 0, depth: 0 }];
        let (sent, pools, violations) = (Interner::new(), Vec::new(), Vec::new());
        Self { stage, forge, rules, automata, kinds, worlds, visited: 0, origins, sent, pools, violations }
    }

    /// Visits worlds until there are no more, something is wrong, or the bounds or the caller say stop.
    pub(super) fn run(mut self, bounds: &Bounds, go_on: &mut dyn FnMut() -> bool) -> Report {
        let mut complete = false;
        while self.worlds.len() < bounds.worlds_max && self.violations.len() < VIOLATIONS_MAX {
            if self.visited.is_multiple_of(ASKED_EVERY) && !go_on() {
                break;
            }
            if !self.visit_next(bounds) {
                complete = true;
                break;
            }
        }
        let depth = self.origins[..self.visited.max(1)].last().map_or(0, |origin| origin.depth);
        Report {
            visited: self.visited,
            worlds: self.worlds.len(),
            pools: self.pools.len(),
            validators: self.automata.iter().map(Automaton::len).sum(),
            steps: self.automata.iter().map(|automaton| automaton.steps).sum(),
            blocks: self.stage.blocks.len(),
            depth,
            complete,
            violations: self.violations,
        }
    }

    /// Visits the next world; false if there is none.
    pub(super) fn visit_next(&mut self, bounds: &Bounds) -> bool {
        let left = self.visited < self.worlds.len();
        if left {
            self.visit(Id::try_from(self.visited).expect("a number of a world"), bounds);
            self.visited += 1;
        }
        left
    }

    fn visit(&mut self, id: Id, bounds: &Bounds) {
        let world = *self.worlds.get(id);
        let pool = self.pool(&world);
        if let Some(what) = pool.findings.broken.clone() {
            return self.violate(id, what, None);
        }
        let labels = self.possible(&world, &pool);
        let mut finals = [0u32; HONEST_MAX];
        for place in 0..self.kinds.len() {
            let kind = self.kinds[place];
            let Self { automata, stage, forge, .. } = self;
            let burst = automata[kind].burst(stage, forge, world[place], &labels);
            if let Some((state, label, broken)) = burst.broken {
                let what = automata[kind].complaint(broken).to_owned();
                return self.violate(id, what, Some((place, Goal::Step(state, label))));
            }
            finals[place] = burst.finals;
            if !self.repeats(&world, place) {
                self.follow(id, place, &burst);
            }
        }
        self.compare(id, &finals, pool.findings.finals);
        if bounds.liveness && !self.violations.iter().any(|known| known.world == id) {
            self.check_liveness(id, &world);
        }
    }

    /// Whether a validator before this one is of its kind and in its state: then what it can do was followed already.
    fn repeats(&self, world: &World, place: usize) -> bool {
        (0..place).any(|before| self.kinds[before] == self.kinds[place] && world[before] == world[place])
    }

    fn follow(&mut self, id: Id, place: usize, burst: &Burst) {
        let world = *self.worlds.get(id);
        let depth = self.origins[id as usize].depth + 1;
        for to in &burst.to {
            let mut next = world;
            next[place] = *to;
            let next = self.sorted(next);
            if self.worlds.add(next).1 {
                let place = u8::try_from(place).expect("few validators");
                self.origins.push(Origin { before: id, place, depth });
            }
        }
    }

    /// The same world with validators of one kind in the order of their states: which of them is which is all the same.
    fn sorted(&self, mut world: World) -> World {
        let last = self.kinds.last().copied().unwrap_or_default();
        let first = self.kinds.iter().position(|kind| *kind == last).unwrap_or_default();
        world[first..self.kinds.len()].sort_unstable();
        world
    }

    /// What the honest validators know to be final must be so by the votes, and on one chain.
    fn compare(&mut self, id: Id, finals: &[u32; HONEST_MAX], by_votes: u32) {
        let bits = |set: u32| (0..32u8).filter(move |bit| set >> bit & 1 == 1);
        for (place, mine) in finals.iter().enumerate() {
            if let Some(block) = bits(mine & !by_votes).next() {
                let what = format!("{} is final for a validator without a quorum", self.stage.block(block).name);
                return self.violate(id, what, Some((place, Goal::Final(block))));
            }
            for other in &finals[..place] {
                let forks = |a: &BlockId| bits(*other).any(|b| !self.stage.on_one_chain(*a, b));
                if let Some(block) = bits(*mine).find(forks) {
                    let what = format!("{} is final for one, another for another", self.stage.block(block).name);
                    return self.violate(id, what, Some((place, Goal::Final(block))));
                }
            }
        }
    }

    // ---- what may be delivered ----

    /// What was sent, as sorted sets, and what follows from it.
    fn pool(&mut self, world: &World) -> Pool {
        let mut sent = [0; HONEST_MAX];
        for (place, kind) in self.kinds.iter().enumerate() {
            sent[place] = self.automata[*kind].sent(world[place]);
        }
        sent[..self.kinds.len()].sort_unstable();
        let (id, new) = self.sent.add(sent);
        if new {
            let sent = &sent[..self.kinds.len()];
            let pool = Pool { labels: self.deliverable(sent, true), findings: self.rules.examine(&self.stage, sent) };
            self.pools.push(pool);
        }
        self.pools[id as usize].clone()
    }

    /// The labels that these votes make possible, with those that the faulty validator adds and with timers, or without.
    pub(super) fn deliverable(&mut self, sent: &[Votes], with_faulty: bool) -> Labels {
        let Self { stage, forge, .. } = self;
        let count = |number: u8| sent.iter().map(|votes| u32::from(votes >> number & 1 == 1)).sum::<u32>();
        let lies = u32::from(with_faulty && stage.faulty.is_some());
        let mut labels = Labels::default();
        for block in stage.block_ids() {
            let made = stage.block(block);
            let notarize = count(Stage::notarize(block));
            if !(made.by_faulty && with_faulty) && notarize == 0 {
                continue;
            }
            // What a faulty leader reports makes no difference to those whom it makes give up.
            let leader_gave_up = !made.by_faulty && count(Stage::reported(block)) > 0;
            let possible = [
                (Label::Proposal(block), true),
                (Label::Block(block), stage.thorough),
                (Label::LeaderReported(block), stage.thorough && leader_gave_up),
                (Label::Notarization(block), notarize + lies >= forge.notarize()),
                (Label::Finalization(block), count(Stage::finalize(block)) + lies >= forge.finalize()),
                (Label::FastFinalization(block), forge.fast().is_some_and(|fast| notarize + lies >= fast)),
            ];
            possible.iter().filter(|(_, possible)| *possible).for_each(|(label, _)| labels.insert(*label));
        }
        for view in 1..=stage.views {
            let nothing = Stage::nothing(view);
            let reported = stage.block_ids().filter(|block| stage.block(*block).view == view).map(Stage::reported);
            let votes = std::iter::once(nothing).chain(reported).map(|number| (number, count(number)));
            let votes = votes.filter_map(|(number, count)| u8::try_from(count).ok().map(|count| (number, count)));
            let votes: Vec<(u8, u8)> = votes.filter(|(number, count)| *count > 0 || *number == nothing).collect();
            if stage.thorough && (stage.is_faulty(stage.leader(view)) || count(nothing) > 0) {
                labels.insert(Label::LeaderGaveUp(u8::try_from(view).expect("few views")));
            }
            labels.union(&forge.verdicts(stage, view, votes, lies > 0));
        }
        labels.insert(Label::Lead);
        if stage.has_next {
            labels.insert(Label::Enter);
        }
        if with_faulty {
            labels.insert(Label::Fire);
        }
        labels
    }

    /// The labels of a world: what may be delivered, and a crash while there was none too many.
    fn possible(&self, world: &World, pool: &Pool) -> Labels {
        let places = self.kinds.iter().zip(world);
        let crashes: u8 = places.map(|(kind, state)| self.automata[*kind].crashes(*state)).sum();
        let mut labels = pool.labels;
        if crashes < self.stage.crashes {
            labels.insert(Label::Crash);
        }
        labels
    }

    // ---- what went wrong ----

    pub(super) fn violate(&mut self, id: Id, what: String, last: Option<(usize, Goal)>) {
        if self.violations.iter().all(|known| known.what != what) {
            let trace = self.trace(id, last);
            self.violations.push(Violation { what, trace, world: id });
        }
    }

    /// The steps that lead to a world and to what went wrong in it. A validator that stands for several of its kind is
    /// named by its place among the honest ones.
    fn trace(&mut self, id: Id, last: Option<(usize, Goal)>) -> Vec<String> {
        let mut worlds = vec![id];
        while let Some(at) = worlds.last().copied().filter(|at| *at > 0) {
            worlds.push(self.origins[at as usize].before);
        }
        worlds.reverse();
        let mut lines = Vec::new();
        for pair in worlds.windows(2) {
            let (before, after) = (*self.worlds.get(pair[0]), *self.worlds.get(pair[1]));
            let place = usize::from(self.origins[pair[1] as usize].place);
            let to = (0..self.kinds.len())
                .filter(|other| self.kinds[*other] == self.kinds[place])
                .map(|other| after[other])
                .find(|to| {
                    let mut next = before;
                    next[place] = *to;
                    self.sorted(next) == after
                });
            let goal = Goal::Sends(to.unwrap_or_default());
            lines.push(self.line(&before, place, goal));
        }
        if let Some((place, goal)) = last {
            let world = *self.worlds.get(id);
            lines.push(self.line(&world, place, goal));
        }
        lines
    }

    fn line(&mut self, world: &World, place: usize, goal: Goal) -> String {
        let pool = self.pool(world);
        let labels = self.possible(world, &pool);
        let kind = self.kinds[place];
        let before = self.automata[kind].sent(world[place]);
        let Self { automata, stage, forge, .. } = self;
        let path = automata[kind].path((&mut *stage, forge), world[place], &labels, goal);
        let steps: Vec<String> = path.into_iter().map(|number| describe(stage, Label::of(number))).collect();
        let sends = match goal {
            Goal::Sends(to) => stage.words(automata[kind].sent(to) & !before),
            Goal::Step(..) | Goal::Final(_) => "nothing yet".to_owned(),
        };
        let (who, steps) = (format!("validator {} (place {place})", automata[kind].me), steps.join("; "));
        format!("{who}: {steps} -> sends {sends}")
    }
}

/// A label in words.
fn describe(stage: &Stage, label: Label) -> String {
    let name = |block: BlockId| stage.block(block).name.as_str();
    match label {
        Label::Proposal(it) => format!("gets the proposal {}", name(it)),
        Label::Notarization(it) => format!("gets a Notarization of {}", name(it)),
        Label::Finalization(it) => format!("gets a Finalization of {}", name(it)),
        Label::FastFinalization(it) => format!("gets a fast Finalization of {}", name(it)),
        Label::Recover(it) => format!("gets a Nullification that recovers {}", name(it)),
        Label::Block(it) => format!("gets the block {}", name(it)),
        Label::LeaderReported(it) => format!("gets the leader's Nullify that reports {}", name(it)),
        Label::LeaderGaveUp(view) => format!("gets the leader's Nullify of view {view} that reports nothing"),
        Label::Skip(view) => format!("gets a Nullification that skips view {view}"),
        Label::Lead => "proposes".to_owned(),
        Label::Fire => "its timers expire".to_owned(),
        Label::Crash => "crashes".to_owned(),
        Label::Enter => "enters the next epoch".to_owned(),
    }
}
