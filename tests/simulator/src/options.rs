//! What a run may meet: drawn from its seed, so that every seed is another kind of network (swarm testing).

use crate::byzantine::Strategy;
use crate::random::Random;
use crate::twins::Script;

/// A Byzantine validator of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Its index.
    pub(crate) index: u16,
    /// How it lies.
    pub(crate) strategy: Strategy,
    /// Whether two instances run with its key.
    pub(crate) has_twin: bool,
}

/// How the validators of a run change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EpochScript {
    /// Who the validators of each epoch are, by their contacts, ascending.
    pub(crate) members: Vec<Vec<u16>>,
    /// For each epoch but the last, the height from which on its states hold the change that ends it.
    pub(crate) changes: Vec<u64>,
}

/// The kind of network and of misfortune. Times are in milliseconds unless the name says otherwise, chances per mille.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Everything else that is drawn in the run follows from it.
    pub(crate) seed: u64,
    /// Validators.
    pub(crate) validators: u16,
    /// Whether n − p notarize votes make a block final.
    pub(crate) fast_path: bool,
    /// Byzantine validators, ascending by index.
    pub(crate) actors: Vec<Actor>,
    /// Honest validators whose disks may be lost whenever they crash; at most f with those that lie.
    pub(crate) forgetful: Vec<u16>,
    /// Those whose disks may be lost until they are validators for the first time.
    pub(crate) newcomers: Vec<u16>,
    /// Whether those with one instance go on after the faults, when the honest must make progress.
    pub(crate) actors_stay: bool,
    /// Which validators the epochs have, and when they change; everybody in one epoch if there is none.
    pub(crate) epochs: Option<EpochScript>,
    /// Partitions one after the other, instead of those that are drawn.
    pub(crate) script: Option<Script>,
    /// How long faults last.
    pub(crate) faults_ms: u64,
    /// Whether messages travel on streams: whole and in order for each peer and class while the connection lasts.
    /// Otherwise each goes its own way, and loss and duplication count.
    pub(crate) streams: bool,
    /// Chance that a message is lost.
    pub(crate) loss: u64,
    /// Chance that a message arrives twice.
    pub(crate) duplication: u64,
    /// Delay of a message, from and to, in microseconds.
    pub(crate) delay_us: (u64, u64),
    /// Chance that a message is held up for up to two seconds.
    pub(crate) straggler: u64,
    /// Time of a sync, from and to, in microseconds.
    pub(crate) sync_us: (u64, u64),
    /// Chance that a sync stalls for up to two seconds.
    pub(crate) stall: u64,
    /// Time of executing a block, from and to, in microseconds.
    pub(crate) execute_us: (u64, u64),
    /// Time of checking a batch, from and to, in microseconds.
    pub(crate) check_us: (u64, u64),
    /// Mean time between two crashes; none if zero.
    pub(crate) crash_every_ms: u64,
    /// Chance that a crash takes everybody.
    pub(crate) crash_all: u64,
    /// Mean time between two partitions; none if zero.
    pub(crate) partition_every_ms: u64,
    /// Whether connections notice a partition, or messages vanish silently.
    pub(crate) partition_noticed: bool,
    /// How long a partition lasts at most.
    pub(crate) partition_ms_max: u64,
    /// Mean time between two transactions while there is work; none if zero.
    pub(crate) submit_every_ms: u64,
    /// Transactions that clients send at once at most.
    pub(crate) burst_max: u64,
    /// Whether clients ask one validator for what can be executed, and nothing else.
    pub(crate) careful_clients: bool,
    /// How far clocks are off at most.
    pub(crate) skew_ms: u64,
    /// Mean time between two jumps of a clock; none if zero.
    pub(crate) jump_every_ms: u64,
    /// Chance that a sync fails; then the process stops and comes back.
    pub(crate) failed_sync: u64,
    /// Execution summaries that may be outstanding.
    pub(crate) k: u16,
    /// The least time between two proposals.
    pub(crate) interval_ms: u32,
    /// Bytes of the vote log before compaction.
    pub(crate) vote_log_bytes_max: u64,
    /// Bytes of the batch log that nobody needs before compaction.
    pub(crate) batch_garbage_bytes_max: u64,
    /// Whether votes and batches carry real Ed25519 signatures.
    pub(crate) real_signatures: bool,
}

impl Options {
    /// The options of a seed.
    pub fn drawn(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let validators = *random.pick(&[1, 4, 4, 4, 4, 4, 5, 5, 7, 7, 7, 10]);
        let slow = random.chance(200);
        let actors = actors(&mut random, seed, validators);
        Self {
            forgetful: forgetful(seed, validators, &actors),
            actors,
            actors_stay: random.chance(500),
            epochs: None,
            script: None,
            fast_path: random.chance(500),
            faults_ms: random.between(1_000, 8_000),
            streams: random.chance(500),
            loss: *random.pick(&[0, 0, 10, 50, 150, 300]),
            duplication: *random.pick(&[0, 0, 50, 200, 500]),
            delay_us: (random.between(50, 2_000), random.between(2_000, if slow { 400_000 } else { 40_000 })),
            straggler: *random.pick(&[0, 0, 5, 30]),
            sync_us: (random.between(20, 500), random.between(500, if slow { 60_000 } else { 8_000 })),
            stall: *random.pick(&[0, 0, 3, 20]),
            execute_us: (random.between(50, 500), random.between(500, if slow { 300_000 } else { 10_000 })),
            check_us: (random.between(20, 100), random.between(100, if slow { 100_000 } else { 2_000 })),
            crash_every_ms: *random.pick(&[0, 0, 300, 1_000, 3_000]),
            crash_all: *random.pick(&[0, 100, 300]),
            failed_sync: *random.pick(&[0, 0, 2, 10]),
            partition_every_ms: *random.pick(&[0, 0, 300, 800, 3_000]),
            partition_noticed: random.chance(500),
            partition_ms_max: *random.pick(&[100, 1_000, 3_000]),
            submit_every_ms: *random.pick(&[20, 60, 200, 1_000]),
            burst_max: *random.pick(&[1, 1, 3, 20]),
            skew_ms: *random.pick(&[0, 100, 900]),
            jump_every_ms: *random.pick(&[0, 0, 500, 3_000]),
            k: *random.pick(&[8, 8, 32]),
            interval_ms: *random.pick(&[5, 20, 60]),
            vote_log_bytes_max: *random.pick(&[4_000, 30_000, 8 << 20]),
            batch_garbage_bytes_max: *random.pick(&[1_000, 20_000, 64 << 20]),
            real_signatures: seed % 10 == 9,
            careful_clients: false,
            ..Self::calm(seed, validators)
        }
    }

    /// The options of a seed, with the last validator following one strategy.
    pub fn with_strategy(seed: u64, strategy: Strategy) -> Self {
        let drawn = Self::drawn(seed);
        let validators = drawn.validators.max(4);
        let has_twin = drawn.actors.iter().any(|actor| actor.has_twin);
        let actor = Actor { index: validators - 1, strategy, has_twin };
        Self { validators, actors: vec![actor], forgetful: Vec::new(), ..drawn }
    }

    /// The options of a seed, with validators that change, and disks that may be lost.
    pub fn with_epochs(seed: u64) -> Self {
        Self::with_changes(seed).with_losses()
    }

    /// The options of a seed, with validators that change: sets that grow and shrink, one member after the other or all
    /// at once. No disk is lost.
    pub(crate) fn with_changes(seed: u64) -> Self {
        let drawn = Self::drawn(seed);
        let mut random = Random::new(seed ^ 0x0e90_c45e);
        let validators = random.between(3, 8) as u16;
        let epochs = random.between(2, 4) as usize;
        let mut members: Vec<Vec<u16>> = Vec::new();
        for _ in 0..epochs {
            let least = u64::from(validators).min(4);
            let count = if random.chance(300) {
                random.between(1, least)
            } else {
                random.between(least, u64::from(validators))
            };
            let mut left: Vec<u16> = (0..validators).collect();
            let disjoint = members.last().filter(|_| random.chance(300)).cloned().unwrap_or_default();
            left.retain(|contact| !disjoint.contains(contact) || disjoint.len() == usize::from(validators));
            while left.len() as u64 > count {
                left.remove(random.below(left.len() as u64) as usize);
            }
            members.push(left);
        }
        let mut at = 0;
        let changes = (1..epochs).map(|_| {
            at += random.between(1, 8);
            at
        });
        let script = EpochScript { changes: changes.collect(), members };
        // One liar at most, and only where every set can do without it.
        let can_lie = script.members.iter().all(|members| members.len() >= 4);
        let liar = random.below(u64::from(validators)) as u16;
        let strategy = Strategy::ALL[seed as usize % Strategy::ALL.len()];
        let actor = Actor { index: liar, strategy, has_twin: strategy == Strategy::Twin };
        let actors = if can_lie { vec![actor] } else { Vec::new() };
        Self { validators, actors, epochs: Some(script), forgetful: Vec::new(), ..drawn }
    }

    /// Disks that may be lost, in most seeds, as far as every set can do without their owners and those that lie: what is
    /// lost in one epoch is not made up for before another one. Often nobody lies, so that there is room for it. They are
    /// chosen apart from everything else, which stays what it was.
    fn with_losses(mut self) -> Self {
        let mut random = Random::new(self.seed ^ 0x10_55e5);
        let Some(script) = self.epochs.clone().filter(|_| random.chance(700)) else { return self };
        if random.chance(600) {
            self.actors.clear();
        }
        let first = random.below(u64::from(self.validators)) as u16;
        for index in (0..self.validators).map(|number| (first + number) % self.validators) {
            if self.actor(index).is_some() {
                continue;
            }
            self.forgetful.push(index);
            if !self.tolerates_losses(&script) {
                self.forgetful.pop();
                let is_new = script.members.first().is_some_and(|members| !members.contains(&index));
                if is_new && random.chance(700) {
                    self.newcomers.push(index);
                }
            }
        }
        if self.crash_every_ms == 0 && !(self.forgetful.is_empty() && self.newcomers.is_empty()) {
            self.crash_every_ms = 1_000;
        }
        self
    }

    /// Whether no set has more than f members that lie or may lose their disks.
    fn tolerates_losses(&self, script: &EpochScript) -> bool {
        let is_hurt = |index: &&u16| self.actor(**index).is_some() || self.forgetful.contains(index);
        script.members.iter().all(|members| members.iter().filter(is_hurt).count() <= (members.len() - 1) / 3)
    }

    /// A network in which nothing goes wrong.
    pub(crate) fn calm(seed: u64, validators: u16) -> Self {
        Self {
            seed,
            validators,
            fast_path: false,
            actors: Vec::new(),
            forgetful: Vec::new(),
            newcomers: Vec::new(),
            actors_stay: false,
            epochs: None,
            script: None,
            faults_ms: 1_000,
            streams: true,
            loss: 0,
            duplication: 0,
            delay_us: (200, 400),
            straggler: 0,
            sync_us: (100, 200),
            stall: 0,
            failed_sync: 0,
            execute_us: (100, 200),
            check_us: (50, 100),
            crash_every_ms: 0,
            crash_all: 0,
            partition_every_ms: 0,
            partition_noticed: true,
            partition_ms_max: 1_000,
            submit_every_ms: 50,
            burst_max: 1,
            careful_clients: true,
            skew_ms: 0,
            jump_every_ms: 0,
            k: 32,
            interval_ms: 5,
            vote_log_bytes_max: 8 << 20,
            batch_garbage_bytes_max: 64 << 20,
            real_signatures: false,
        }
    }

    /// What the run is called.
    pub fn name(&self) -> String {
        let kind = match (&self.script, &self.epochs) {
            (Some(_), _) => "twins case",
            (None, Some(_)) => "epochs seed",
            (None, None) => "seed",
        };
        format!("{kind} {}", self.seed)
    }

    /// The command that runs it again.
    pub fn replay(&self) -> String {
        let kind = match (&self.script, &self.epochs) {
            (Some(_), _) => "twins",
            (None, Some(_)) => "epochs",
            (None, None) => "seeds",
        };
        format!("make simulate RUN={kind} FIRST={} SEEDS=1", self.seed)
    }

    /// The names of the strategies in the run.
    pub fn strategies(&self) -> Vec<&'static str> {
        self.actors.iter().map(|actor| actor.strategy.name()).collect()
    }

    pub(crate) fn actor(&self, index: u16) -> Option<&Actor> {
        self.actors.iter().find(|actor| actor.index == index)
    }

    /// The indices of those with two instances, ascending.
    pub(crate) fn twins(&self) -> impl Iterator<Item = u16> {
        self.actors.iter().filter(|actor| actor.has_twin).map(|actor| actor.index)
    }
}

/// Those of a seed whose disks may be lost: what is left of f beside those that lie, in every other seed. They are chosen
/// apart from everything else, which stays what it was.
fn forgetful(seed: u64, validators: u16, actors: &[Actor]) -> Vec<u16> {
    let mut random = Random::new(seed ^ 0xf0_76e7);
    let left = usize::from((validators - 1) / 3).saturating_sub(actors.len());
    if left == 0 || random.chance(500) {
        return Vec::new();
    }
    let first = random.below(u64::from(validators)) as u16;
    let others = (0..validators).map(|number| (first + number) % validators);
    others.filter(|index| actors.iter().all(|actor| actor.index != *index)).take(left).collect()
}

/// The Byzantine validators of a seed: none, or up to f. Strategies take turns, so that each is met as often.
fn actors(random: &mut Random, seed: u64, validators: u16) -> Vec<Actor> {
    let faulty = (validators - 1) / 3;
    if faulty == 0 || random.chance(100) {
        return Vec::new();
    }
    let count = random.between(1, u64::from(faulty)) as u16;
    let first = random.below(u64::from(validators)) as u16;
    let of = |number: u16| Actor {
        index: (first + number) % validators,
        strategy: Strategy::ALL[(seed as usize + usize::from(number)) % Strategy::ALL.len()],
        has_twin: false,
    };
    let mut actors: Vec<Actor> = (0..count).map(of).collect();
    for actor in &mut actors {
        actor.has_twin = actor.strategy == Strategy::Twin || random.chance(200);
    }
    actors.sort_by_key(|actor| actor.index);
    actors
}
