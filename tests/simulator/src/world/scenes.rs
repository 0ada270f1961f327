//! What named scenarios do to the simulated world, and ask of it.

use althing_consensus::Standing;
use althing_types::Height;

use super::{Loses, World};
use crate::node::Loss;

impl World {
    /// What a validator knows of its own past, and whether enough others answered what it asked.
    pub(crate) fn standing_at(&self, place: usize) -> (Option<Standing>, bool) {
        let running = self.nodes[place].running.as_ref().expect("it is up");
        let snapshot = running.replica.consensus();
        (snapshot.standing, snapshot.answers.len() >= snapshot.answers_needed)
    }

    /// The disks of a validator go with its power; its operator lets it recover.
    pub(crate) fn lose_and_recover(&mut self, place: usize) {
        self.lose_and_recover_from(place, Loss::Folder);
    }

    /// A part of the disks of a validator goes with its power; its operator lets it recover.
    pub(crate) fn lose_and_recover_from(&mut self, place: usize, loss: Loss) {
        self.crash(place);
        self.lose_disks(place, loss);
        self.start(place);
    }

    /// The operator of a validator copies its disks while it is stopped for a moment.
    pub(crate) fn stop_and_copy(&mut self, place: usize) {
        self.crash(place);
        let committed = self.checker.committed(place);
        self.nodes[place].keep_copy(committed);
        self.start(place);
    }

    /// The disks of a validator go with its power, and its operator begins it anew as if it had never run.
    pub(crate) fn lose_and_begin(&mut self, place: usize) {
        let index = self.nodes[place].index;
        self.crash(place);
        self.nodes[place].wipe();
        self.nodes[place].begin();
        self.checker.wiped(place, Height::ZERO);
        self.checker.expect_doubled(index);
        self.start(place);
    }

    /// All processes with a validator's key begin with logs that say so, as those of the honest do.
    pub(crate) fn begin_all_of(&mut self, index: u16) {
        for place in (0..self.nodes.len()).filter(|place| self.nodes[*place].index.get() == index).collect::<Vec<_>>() {
            self.crash(place);
            self.nodes[place].wipe();
            self.nodes[place].begin();
            self.checker.wiped(place, Height::ZERO);
            self.start(place);
        }
    }

    /// Cuts everything between one validator and all others.
    pub(crate) fn isolate(&mut self, place: usize) {
        for other in 0..self.nodes.len() {
            self.blocked.insert((place, other));
            self.blocked.insert((other, place));
            self.disconnect(place, other);
            self.notice(place, other);
        }
    }

    /// Divides four validators, of which two have twins, so that each half is a quorum of its own.
    pub(crate) fn tear(&mut self) {
        let side = |place: usize| place == 1 || place >= 4;
        for a in 0..self.nodes.len() {
            self.sides[a] = side(a);
            for b in (0..self.nodes.len()).filter(|b| side(*b) != side(a)) {
                self.blocked.insert((a, b));
            }
            for b in 0..self.nodes.len() {
                self.disconnect(a, b);
            }
        }
        self.notice_all();
    }

    /// Loses messages from now on; nothing with none.
    pub(crate) fn lose(&mut self, loses: Option<Loses>) {
        self.loses = loses;
    }

    /// Lets the power of a validator go after so many actions; it comes back by itself.
    pub(crate) fn cut_power(&mut self, place: usize, actions: u64) {
        self.nodes[place].power = Some(actions);
    }

    /// The height that a validator committed.
    pub(crate) fn height_at(&self, place: usize) -> u64 {
        self.nodes[place].height()
    }

    /// The view that a validator is in.
    pub(crate) fn view_at(&self, place: usize) -> u64 {
        self.nodes[place].running.as_ref().map_or(0, |running| running.replica.consensus().view.get())
    }

    /// Lets time pass until a condition holds; whether it did in time.
    pub(crate) fn until(&mut self, within_ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        self.run_until(self.time + within_ms * 1000, done)
    }

    /// Removes every cut.
    pub(crate) fn heal(&mut self) {
        self.mend();
    }

    /// Starts a validator that is down.
    pub(crate) fn restart(&mut self, place: usize) {
        self.start(place);
    }

    /// The highest height that is final somewhere.
    pub(crate) fn height(&self) -> u64 {
        self.checker.height()
    }

    /// Lets time pass.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.run_until(self.time + ms * 1000, |_| false);
    }

    /// Lets time pass until everybody who is up committed a height; the time that it took in microseconds, or none.
    pub(crate) fn until_all_reach(&mut self, height: u64, within_ms: u64) -> Option<u64> {
        let began = self.time;
        let done =
            |world: &Self| world.honest().filter(|node| node.running.is_some()).all(|node| node.height() >= height);
        self.run_until(self.time + within_ms * 1000, done).then(|| self.time - began)
    }
}
