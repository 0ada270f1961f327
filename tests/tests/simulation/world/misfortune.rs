//! What befalls the simulated world: crashes, restarts, cuts of the network, and how connections notice them.

use althing_consensus::{Config, Input};
use althing_types::ValidatorIndex;

use super::super::options::Options;
use super::{Event, Phase, World};

impl World {
    /// Twins stay down once faults are over.
    pub(super) fn may_restart(&self, place: usize) -> bool {
        let wanted = self.phase == Phase::Faults || self.checker.is_honest(self.nodes[place].index);
        wanted && self.nodes[place].core.is_none()
    }

    pub(super) fn start(&mut self, place: usize) {
        let config = Config { me: self.nodes[place].index, ..self.config.clone() };
        let inputs = self.nodes[place].start(config, &self.genesis);
        self.checker.synced(place, &self.nodes[place]);
        self.reported.retain(|(to, _), _| *to != place);
        for input in inputs {
            self.step(place, input);
        }
        self.tell_work(place);
        for other in 0..self.nodes.len() {
            self.notice(place, other);
        }
    }

    /// Both ends of a connection notice its state after a while.
    pub(super) fn notice(&mut self, a: usize, b: usize) {
        if self.nodes[a].index != self.nodes[b].index {
            for (place, other) in [(a, b), (b, a)] {
                let life = self.nodes[place].life;
                let after = self.random.between(100, 20_000);
                self.schedule(after, Event::Notice { place, life, index: self.nodes[other].index });
            }
        }
    }

    /// A validator notices whether another can be reached; one with two instances can while one of them can.
    pub(super) fn noticed(&mut self, place: usize, index: ValidatorIndex) {
        let cut = |other| self.blocked.contains(&(place, other)) || self.blocked.contains(&(other, place));
        let mut others = (0..self.nodes.len()).filter(|other| self.nodes[*other].index == index);
        let noticed = self.options.partition_noticed;
        let connected = others.any(|other| self.nodes[other].core.is_some() && !(noticed && cut(other)));
        self.step(place, Input::Peer { index, connected });
    }

    /// Pulls the plug of a validator.
    pub(crate) fn crash(&mut self, place: usize) {
        self.nodes[place].crash(&mut self.random);
        self.checker.synced(place, &self.nodes[place]);
        self.outcome.crashes += 1;
        for other in 0..self.nodes.len() {
            self.notice(place, other);
        }
    }

    pub(super) fn crash_some(&mut self) {
        let everybody = self.random.chance(self.options.crash_all);
        let one = self.random.below(self.nodes.len() as u64) as usize;
        for place in 0..self.nodes.len() {
            if (everybody || place == one) && self.nodes[place].core.is_some() {
                self.crash(place);
                let after = self.random.between(1_000, 3_000_000);
                self.schedule(after, Event::Restart { place });
            }
        }
        self.schedule_fault(self.options.crash_every_ms, Event::Crash);
    }

    pub(super) fn cut(&mut self) {
        let places = self.nodes.len();
        let side: Vec<bool> = (0..places).map(|_| self.random.chance(500)).collect();
        let one_way = self.random.chance(300);
        for a in 0..places {
            for b in 0..places {
                if side[a] != side[b] && (side[a] || !one_way) {
                    self.blocked.insert((a, b));
                }
            }
        }
        self.sides = (0..places).map(|_| self.random.chance(500)).collect();
        self.notice_all();
        let after = self.random.between(50_000, 3_000_000);
        self.schedule(after, Event::Mend);
        self.schedule_fault(self.options.partition_every_ms, Event::Cut);
    }

    pub(super) fn mend(&mut self) {
        self.blocked.clear();
        self.notice_all();
    }

    pub(super) fn notice_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..a {
                self.notice(a, b);
            }
        }
    }

    /// Everything works from now on: no loss, short delays, everybody up; twins fall silent.
    pub(super) fn mend_all(&mut self) {
        let calm = Options::calm(self.options.seed, self.options.validators);
        self.options = Options {
            loss: 0,
            duplication: 0,
            straggler: 0,
            stall: 0,
            delay_us: (500, 20_000),
            sync_us: calm.sync_us,
            execute_us: calm.execute_us,
            ..self.options.clone()
        };
        self.blocked.clear();
        for place in 0..self.nodes.len() {
            let honest = self.checker.is_honest(self.nodes[place].index);
            match self.nodes[place].core.is_some() {
                false if honest => self.start(place),
                true if !honest => self.crash(place),
                _ => {}
            }
        }
        self.notice_all();
    }
}
