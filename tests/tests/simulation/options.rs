//! What a run may meet: drawn from its seed, so that every seed is another kind of network (swarm testing).

use super::random::Random;

/// The kind of network and of misfortune. Times are in milliseconds, chances per mille.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Everything else that is drawn in the run follows from it.
    pub(crate) seed: u64,
    /// Validators.
    pub(crate) validators: u16,
    /// Validators of which two instances run with one key.
    pub(crate) twins: u16,
    /// Whether the validators with two instances also lie.
    pub(crate) lies: bool,
    /// How long faults last.
    pub(crate) faults_ms: u64,
    /// Chance that a message is lost.
    pub(crate) loss: u64,
    /// Chance that a message arrives twice.
    pub(crate) duplication: u64,
    /// Delay of a message, from and to, in microseconds; messages overtake each other within it.
    pub(crate) delay_us: (u64, u64),
    /// Chance that a message is held up for up to two seconds.
    pub(crate) straggler: u64,
    /// Time of a sync, from and to, in microseconds.
    pub(crate) sync_us: (u64, u64),
    /// Chance that a sync stalls for up to two seconds.
    pub(crate) stall: u64,
    /// Time of executing a block, from and to, in microseconds.
    pub(crate) execute_us: (u64, u64),
    /// Mean time between two crashes; none if zero.
    pub(crate) crash_every_ms: u64,
    /// Chance that a crash takes everybody.
    pub(crate) crash_all: u64,
    /// Mean time between two partitions; none if zero.
    pub(crate) partition_every_ms: u64,
    /// Whether connections notice a partition, or messages vanish silently.
    pub(crate) partition_noticed: bool,
    /// Mean time between two batches while there is work.
    pub(crate) batch_every_ms: u64,
    /// How far clocks are off at most.
    pub(crate) skew_ms: u64,
    /// Execution summaries that may be outstanding.
    pub(crate) k: u16,
    /// Bytes of log before compaction.
    pub(crate) log_bytes_max: u64,
    /// Blocks in a run of catch-up at most.
    pub(crate) run_blocks: usize,
    /// Whether votes carry real Ed25519 signatures.
    pub(crate) real_signatures: bool,
    /// Whether messages travel as bytes.
    pub(crate) encoded: bool,
}

impl Options {
    /// The options of a seed.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let validators = *random.pick(&[1, 4, 4, 4, 7]);
        let faulty = (validators - 1) / 3;
        let slow = random.chance(200);
        Self {
            seed,
            validators,
            twins: if random.chance(350) { random.between(0, u64::from(faulty)) as u16 } else { 0 },
            lies: random.chance(500),
            faults_ms: random.between(2_000, 12_000),
            loss: *random.pick(&[0, 0, 10, 50, 150, 300]),
            duplication: *random.pick(&[0, 0, 50, 200]),
            delay_us: (random.between(50, 2_000), random.between(2_000, if slow { 400_000 } else { 40_000 })),
            straggler: *random.pick(&[0, 0, 5, 30]),
            sync_us: (random.between(20, 500), random.between(500, if slow { 60_000 } else { 8_000 })),
            stall: *random.pick(&[0, 0, 3, 20]),
            execute_us: (random.between(50, 500), random.between(500, if slow { 300_000 } else { 10_000 })),
            crash_every_ms: *random.pick(&[0, 0, 500, 1_500, 4_000]),
            crash_all: *random.pick(&[0, 100, 300]),
            partition_every_ms: *random.pick(&[0, 0, 800, 3_000]),
            partition_noticed: random.chance(500),
            batch_every_ms: *random.pick(&[10, 50, 200, 1_000]),
            skew_ms: *random.pick(&[0, 100, 900]),
            k: *random.pick(&[8, 8, 32]),
            log_bytes_max: *random.pick(&[4_000, 30_000, 8 << 20]),
            run_blocks: *random.pick(&[1, 3, 64]),
            real_signatures: false,
            encoded: random.chance(250),
        }
    }

    /// A network in which nothing goes wrong.
    pub(crate) fn calm(seed: u64, validators: u16) -> Self {
        Self {
            seed,
            validators,
            twins: 0,
            lies: false,
            faults_ms: 1_000,
            loss: 0,
            duplication: 0,
            delay_us: (200, 400),
            straggler: 0,
            sync_us: (100, 200),
            stall: 0,
            execute_us: (100, 200),
            crash_every_ms: 0,
            crash_all: 0,
            partition_every_ms: 0,
            partition_noticed: true,
            batch_every_ms: 50,
            skew_ms: 0,
            k: 32,
            log_bytes_max: 8 << 20,
            run_blocks: 64,
            real_signatures: false,
            encoded: true,
        }
    }
}
