//! The data plane of the simulated world: batches that spread, get lost and are made up for, and reports of execution.

use althing_consensus::Input;
use althing_types::{DataJudgement, Height, ValidatorIndex};

use super::{DATA_EVERY_US, Event, Phase, World};

impl World {
    pub(super) fn produce(&mut self) {
        let every = if self.phase == Phase::Faults { self.options.batch_every_ms } else { 50 };
        if self.phase == Phase::Silence || every == 0 {
            return;
        }
        let place = self.random.below(u64::from(self.options.validators)) as usize;
        self.submit(place);
        let after = self.random.between(every * 200, every * 1800);
        self.schedule(after, Event::Produce);
    }

    /// Lets a validator produce a batch, if it is up and honest.
    pub(crate) fn submit(&mut self, place: usize) {
        let lane = self.nodes[place].index.to_usize();
        if self.nodes[place].core.is_some() && self.checker.is_honest(self.nodes[place].index) {
            self.nodes[place].produced += 1;
            let seq = self.nodes[place].produced;
            self.batches(place, lane, seq);
            for receiver in 0..self.nodes.len() {
                self.offer_batches(place, receiver, lane, seq);
            }
        }
    }

    pub(super) fn offer_batches(&mut self, from: usize, to: usize, lane: usize, seq: u64) {
        if from != to && self.passes(from, to) && !self.random.chance(self.options.loss) {
            let after = self.delay();
            self.schedule(after, Event::Batches { place: to, lane, seq });
        }
    }

    /// Batches of a lane arrive; without those before they are of no use.
    pub(super) fn batches(&mut self, place: usize, lane: usize, seq: u64) {
        let node = &mut self.nodes[place];
        if node.core.is_none() || node.disk.held[lane] >= seq {
            return;
        }
        if node.disk.held[lane] + 1 == seq || seq <= self.highest_elsewhere(place, lane) {
            self.nodes[place].disk.held[lane] = seq;
        }
        for digest in self.nodes[place].completed_checks() {
            self.step(place, Input::Checked { digest, judgement: DataJudgement::Valid });
        }
        self.tell_work(place);
    }

    pub(super) fn highest_elsewhere(&self, place: usize, lane: usize) -> u64 {
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != place);
        others.map(|(_, node)| node.disk.held[lane]).max().unwrap_or_default()
    }

    pub(super) fn tell_work(&mut self, place: usize) {
        let quorum = usize::from(self.config.quorums().notarize());
        let n = usize::from(self.options.validators);
        let acknowledged = (0..n).map(|lane| {
            let mut held: Vec<u64> = self.nodes.iter().take(n).map(|node| node.disk.held[lane]).collect();
            held.sort_unstable();
            held[n - quorum]
        });
        let acknowledged: Vec<u64> = acknowledged.collect();
        let work = self.nodes[place].work(&acknowledged);
        self.step(place, Input::Work(work));
    }

    /// Everybody asks somebody for the batches that it lacks, and tells how far it executed.
    pub(super) fn repair_data(&mut self) {
        for place in 0..self.nodes.len() {
            for other in 0..self.nodes.len() {
                if place == other || !self.passes(other, place) || self.nodes[place].core.is_none() {
                    continue;
                }
                for lane in 0..usize::from(self.options.validators) {
                    let seq = self.nodes[other].disk.held[lane];
                    if seq > self.nodes[place].disk.held[lane] && self.random.chance(500) {
                        self.offer_batches(other, place, lane, seq);
                    }
                }
                self.report(other, place);
            }
            self.tell_work(place);
        }
        self.schedule(DATA_EVERY_US, Event::Data);
    }

    /// One validator hears how far another executed.
    pub(super) fn report(&mut self, from: usize, to: usize) {
        let executed = Height::new(self.nodes[from].disk.ledger.len() as u64);
        let news = self.reported.get(&(to, from)).is_none_or(|known| *known < executed);
        if news && !self.random.chance(self.options.loss) {
            self.reported.insert((to, from), executed);
            let (after, life) = (self.delay(), self.nodes[to].life);
            let input = Box::new(Input::Reported { from: self.nodes[from].index, executed });
            self.schedule(after, Event::Input { place: to, life, input });
        }
    }

    pub(super) fn hint(&mut self, place: usize, leader: ValidatorIndex) {
        let leaders: Vec<usize> = (0..self.nodes.len()).filter(|to| self.nodes[*to].index == leader).collect();
        for to in leaders {
            for lane in 0..usize::from(self.options.validators) {
                let seq = self.nodes[place].disk.held[lane];
                self.offer_batches(place, to, lane, seq);
            }
        }
    }
}
