//! What befalls the simulated world: crashes, restarts, cuts of the network, and their end.

use althing_replica::Event as ReplicaEvent;

use althing_types::{Epoch, Height};

use super::super::options::Options;
use super::{Event, Phase, World};
use crate::byzantine::Strategy;
use crate::node::Loss;

impl World {
    /// Some stay down once faults are over.
    pub(super) fn may_restart(&self, place: usize) -> bool {
        (self.phase == Phase::Faults || self.remains(place)) && self.nodes[place].running.is_none()
    }

    pub(super) fn start(&mut self, place: usize) {
        let logs = self.log_limits();
        let started = self.nodes[place].start(&self.genesis, &self.epochs, logs);
        let node = &self.nodes[place];
        if let Err(error) = started {
            // A twin's log may hold what its other instance signed.
            if self.checker.is_honest(node.index) {
                self.checker.fail(format!("place {place} does not start: {error}"));
            }
            return;
        }
        let running = node.running.as_ref().expect("it has just started");
        self.checker.synced(place, &node.disk, true);
        self.checker.reopened(place, &running.ledger.reader());
        let is_guest = self.epochs.index_of(node.epoch(), node.index).is_none();
        if running.replica.mempool().is_silent && !is_guest && !self.checker.is_excused(node.index) {
            self.checker.fail(format!("place {place} restarts with a silent lane"));
        }
        self.told.retain(|(of, _), _| *of != place);
        let strategy = self.options.actor(node.index.get()).map(|actor| actor.strategy);
        if strategy.is_some_and(Strategy::has_floods) {
            let (life, after) = (node.life, self.random.between(1_000, 100_000));
            self.schedule(after, Event::Speak { place, life });
        }
        self.step(place, ReplicaEvent::Tick);
        for other in 0..self.nodes.len() {
            self.notice(place, other);
        }
    }

    /// Pulls the plug of a validator.
    pub(crate) fn crash(&mut self, place: usize) {
        self.note_seat(place);
        self.nodes[place].crash(&mut self.random);
        let strategy = self.options.actor(self.nodes[place].index.get()).map(|actor| actor.strategy);
        if strategy == Some(Strategy::Amnesiac) {
            self.nodes[place].wipe();
            self.checker.wiped(place, Height::ZERO);
        }
        if self.phase == Phase::Faults {
            self.lose_some(place);
        }
        self.outcome.crashes += 1;
        for other in 0..self.nodes.len() {
            self.disconnect(place, other);
            self.notice(place, other);
        }
    }

    /// Notes whether a node is or was a validator of the epochs up to its own.
    fn note_seat(&mut self, place: usize) {
        let node = &self.nodes[place];
        if node.running.is_some() {
            let mut epochs = (0..=node.epoch().get()).map(Epoch::new);
            let is_seated = epochs.any(|epoch| self.epochs.index_of(epoch, node.index).is_some());
            self.nodes[place].was_seated |= is_seated;
        }
    }

    /// Disks of a node that is down may be lost if they are among those that may; or copied, to be lost another time.
    fn lose_some(&mut self, place: usize) {
        let node = &self.nodes[place];
        let index = node.index.get();
        let is_unused = self.options.newcomers.contains(&index) && !node.was_seated;
        if !is_unused && !self.options.forgetful.contains(&index) {
            return;
        }
        if self.random.chance(600) {
            let losses = [Loss::Folder, Loss::Folder, Loss::Logs, Loss::VoteLog, Loss::Newer, Loss::Newer];
            let loss = if is_unused { Loss::Unused } else { *self.random.pick(&losses) };
            self.lose_disks(place, loss);
        } else if self.random.chance(500) {
            let committed = self.checker.committed(place);
            self.nodes[place].keep_copy(committed);
        }
    }

    /// The disks of a validator that is down are lost; its operator says so.
    pub(crate) fn lose_disks(&mut self, place: usize, loss: Loss) {
        let committed = self.checker.committed(place);
        let left = self.nodes[place].forget(loss, committed);
        self.checker.wiped(place, left);
        self.outcome.losses += 1;
    }

    /// Pulls the plug of a validator, which comes back by itself.
    pub(super) fn crash_and_return(&mut self, place: usize) {
        self.crash(place);
        let longest = *self.random.pick(&[5_000, 3_000_000]);
        let after = self.random.between(1_000, longest);
        self.schedule(after, Event::Restart { place });
    }

    /// The power goes now, or between two of the next actions.
    pub(super) fn crash_some(&mut self) {
        let everybody = self.random.chance(self.options.crash_all);
        let one = self.random.below(self.nodes.len() as u64) as usize;
        for place in 0..self.nodes.len() {
            if (!everybody && place != one) || self.nodes[place].running.is_none() {
                continue;
            }
            if self.random.chance(500) {
                self.nodes[place].power = Some(self.random.below(24));
            } else {
                self.crash_and_return(place);
            }
        }
        self.schedule_fault(self.options.crash_every_ms, Event::Crash);
    }

    /// A clock jumps to another place within its bounds, back or forth.
    pub(super) fn jump(&mut self) {
        let place = self.random.below(self.nodes.len() as u64) as usize;
        let bound = self.options.skew_ms;
        self.nodes[place].skew_ms = self.random.below(2 * bound + 1) as i64 - bound as i64;
        self.schedule_fault(self.options.jump_every_ms, Event::Jump);
    }

    /// A round of a script: who reaches whom.
    pub(super) fn begin_round(&mut self, number: usize) {
        let Some(script) = &self.options.script else { return };
        let (round_ms, sides) = (script.round_ms, script.sides.get(number).copied());
        let Some(sides) = sides else { return };
        self.round = Some(sides);
        self.blocked.clear();
        for a in 0..self.nodes.len() {
            for b in (0..self.nodes.len()).filter(|b| (sides >> a & 1) != (sides >> b & 1)) {
                self.blocked.insert((a, b));
            }
            for b in 0..a {
                self.disconnect(a, b);
            }
        }
        self.notice_all();
        self.schedule(round_ms * 1000, Event::Round { number: number + 1 });
    }

    pub(super) fn cut(&mut self) {
        let places = self.nodes.len();
        let side: Vec<bool> = (0..places).map(|_| self.random.chance(500)).collect();
        let one_way = self.random.chance(300);
        for a in 0..places {
            for b in 0..places {
                if side[a] != side[b] && (side[a] || !one_way) {
                    self.blocked.insert((a, b));
                    if self.options.partition_noticed {
                        self.disconnect(a, b);
                    }
                }
            }
        }
        self.listen_anew();
        self.notice_all();
        let after = self.random.between(50_000, self.options.partition_ms_max * 1_000);
        self.schedule(after, Event::Mend);
        self.schedule_fault(self.options.partition_every_ms, Event::Cut);
    }

    /// Everybody chooses one of two twins to listen to. Whoever chooses the other one connects anew.
    fn listen_anew(&mut self) {
        for place in 0..self.sides.len() {
            let side = self.random.chance(500);
            if std::mem::replace(&mut self.sides[place], side) != side {
                let twins: Vec<usize> =
                    (0..self.nodes.len()).filter(|at| !self.checker.is_honest(self.nodes[*at].index)).collect();
                twins.into_iter().for_each(|twin| self.disconnect(place, twin));
            }
        }
    }

    pub(super) fn mend(&mut self) {
        self.blocked.clear();
        self.notice_all();
    }

    /// Everything works from now on: no loss, short delays, everybody up; twins fall silent.
    pub(crate) fn mend_all(&mut self) {
        let calm = Options::calm(self.options.seed, self.options.validators);
        self.options = Options {
            loss: 0,
            duplication: 0,
            failed_sync: 0,
            straggler: 0,
            stall: 0,
            delay_us: (500, 20_000),
            sync_us: calm.sync_us,
            execute_us: calm.execute_us,
            check_us: calm.check_us,
            ..self.options.clone()
        };
        self.blocked.clear();
        self.round = None;
        for place in 0..self.nodes.len() {
            self.nodes[place].power = None;
            let remains = self.remains(place);
            match self.nodes[place].running.is_some() {
                false if remains => self.start(place),
                true if !remains => self.crash(place),
                _ => {}
            }
        }
        self.notice_all();
    }

    /// Whether a validator takes part once faults are over: the honest do, Byzantine ones with one instance may, until
    /// everything must come to rest.
    fn remains(&self, place: usize) -> bool {
        match self.options.actor(self.nodes[place].index.get()) {
            None => true,
            Some(actor) => self.phase == Phase::Progress && self.options.actors_stay && !actor.has_twin,
        }
    }

    /// Byzantine validators fall silent.
    pub(super) fn silence_actors(&mut self) {
        for place in 0..self.nodes.len() {
            if !self.remains(place) && self.nodes[place].running.is_some() {
                self.crash(place);
            }
        }
    }
}
