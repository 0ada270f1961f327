//! The parts of a run: faults, then a network that works, then silence.

use std::collections::BTreeSet;

use super::{Event, Outcome, Phase, World};

/// How long progress may take once everything works.
const PROGRESS_MS: u64 = 60_000;
/// Blocks that everyone must finalize once everything works.
const PROGRESS_BLOCKS: u64 = 10;
/// How long an idle network is watched for a word or a write.
const SILENCE_MS: u64 = 5_000;
/// How long the network may take to become silent.
const SETTLING_MS: u64 = 60_000;
/// Steps of one replica at most within the time for which it is watched: the deadlines that are left run out.
const SILENT_STEPS_MAX: u64 = 40;

impl World {
    /// Runs to the end.
    pub(crate) fn run(mut self) -> Outcome {
        self.run_faults(self.options.faults_ms);
        self.run_progress();
        self.run_silence();
        self.finish()
    }

    /// What the run came to.
    pub(crate) fn finish(mut self) -> Outcome {
        self.outcome.failure = self.checker.failure.take();
        self.outcome.blocks = self.checker.height();
        self.outcome.transactions = self.checker.model.executed_count() as u64;
        self.outcome.fast = self.checker.fast();
        self.outcome.accepted = self.checker.accepted() as u64;
        self.outcome.simulated_ms = self.time / 1000;
        let running = self.nodes.iter().filter_map(|node| node.running.as_ref());
        let views = running.map(|running| running.replica.consensus().view.get());
        self.outcome.epochs = self.nodes.iter().map(|node| node.epoch().get()).max().unwrap_or_default();
        self.outcome.views = views.max().unwrap_or_default();
        self.outcome
    }

    /// The part in which things go wrong.
    pub(crate) fn run_faults(&mut self, for_ms: u64) {
        self.run_until(self.time + for_ms * 1000, |_| false);
    }

    /// Mends everything; then every honest validator must finalize and execute further blocks with new transactions.
    pub(crate) fn run_progress(&mut self) {
        self.phase = Phase::Progress;
        self.mend_all();
        if self.options.submit_every_ms == 0 {
            self.schedule(1_000, Event::Clients);
        }
        let began = self.time;
        let executed = self.checker.model.executed_count();
        let target = self.checker.height() + PROGRESS_BLOCKS;
        let reached = move |world: &Self| {
            world.checker.model.executed_count() > executed && world.honest().all(|node| node.height() >= target)
        };
        if !self.run_until(self.time + PROGRESS_MS * 1000, reached) {
            let told = self.describe();
            self.checker.fail(format!("no progress to height {target} within {PROGRESS_MS} ms: {told}"));
        }
        self.outcome.recovery_ms = (self.time - began) / 1000;
    }

    /// Nobody has anything to do any more: everything must come to rest, complete.
    pub(crate) fn run_silence(&mut self) {
        self.phase = Phase::Silence;
        self.silence_actors();
        self.last_activity = self.time;
        let silent = |world: &Self| world.time >= world.last_activity + SILENCE_MS * 1000;
        if !self.run_until(self.time + SETTLING_MS * 1000, silent) {
            let told = self.describe();
            self.checker.fail(format!("an idle network does not come to rest: {told}"));
        }
        let (steps, nodes) = (self.steps, self.nodes.len() as u64);
        self.run_until(self.time + SILENCE_MS * 1000, |_| false);
        if self.steps - steps > SILENT_STEPS_MAX * nodes {
            let told = self.describe();
            self.checker.fail(format!("an idle network spins: {} steps: {told}", self.steps - steps));
        }
        self.check_rest();
    }

    /// At rest everybody has the same chain, every promise is kept, and every result is certified.
    fn check_rest(&mut self) {
        if self.checker.failure.is_some() {
            return;
        }
        let honest: Vec<usize> =
            (0..self.nodes.len()).filter(|place| self.checker.is_honest(self.nodes[*place].index)).collect();
        let mut heads = BTreeSet::new();
        for place in honest {
            let running = self.nodes[place].running.as_ref().expect("everybody is up");
            let (reader, mempool) = (running.ledger.reader(), running.replica.mempool());
            let head = reader.head();
            heads.insert((head.header.height, head.summary.state_root));
            self.checker.compare_state(place, &reader);
            self.checker.rests(place, mempool.pool_count);
            if mempool.in_flight_count > 0 {
                let count = mempool.in_flight_count;
                self.checker.fail(format!("at rest, place {place}: {count} transactions count as in flight"));
            }
            if self.epochs.pending_after(&head.header).is_some() {
                self.checker.fail(format!("at rest, place {place}: the epoch does not end"));
            }
            if head.header.executed_height.get() < self.checker.model.last_work() {
                self.checker.fail(format!("at rest, place {place}: results are not carried"));
            }
        }
        if heads.len() != 1 {
            let told = self.describe();
            self.checker.fail(format!("at rest, but not at one place: {heads:?}: {told}"));
        }
        if let Some(failure) = &mut self.checker.failure {
            let told = self.nodes.iter().map(|node| node.height()).collect::<Vec<_>>();
            failure.push_str(&format!("; heights {told:?}"));
        }
    }
}
