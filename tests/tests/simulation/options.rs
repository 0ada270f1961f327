//! What a run may meet: drawn from its seed, so that every seed is another kind of network (swarm testing).

use super::random::Random;

/// The kind of network and of misfortune. Times are in milliseconds unless the name says otherwise, chances per mille.
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
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let validators = *random.pick(&[1, 4, 4, 4, 7]);
        let faulty = (validators - 1) / 3;
        let slow = random.chance(200);
        Self {
            seed,
            validators,
            twins: if random.chance(350) { random.between(0, u64::from(faulty)) as u16 } else { 0 },
            lies: random.chance(600),
            faults_ms: random.between(1_000, 8_000),
            streams: random.chance(500),
            loss: *random.pick(&[0, 0, 10, 50, 150, 300]),
            duplication: *random.pick(&[0, 0, 50, 200]),
            delay_us: (random.between(50, 2_000), random.between(2_000, if slow { 400_000 } else { 40_000 })),
            straggler: *random.pick(&[0, 0, 5, 30]),
            sync_us: (random.between(20, 500), random.between(500, if slow { 60_000 } else { 8_000 })),
            stall: *random.pick(&[0, 0, 3, 20]),
            execute_us: (random.between(50, 500), random.between(500, if slow { 300_000 } else { 10_000 })),
            check_us: (random.between(20, 100), random.between(100, if slow { 100_000 } else { 2_000 })),
            crash_every_ms: *random.pick(&[0, 0, 300, 1_000, 3_000]),
            crash_all: *random.pick(&[0, 100, 300]),
            partition_every_ms: *random.pick(&[0, 0, 300, 800, 3_000]),
            partition_noticed: random.chance(500),
            partition_ms_max: *random.pick(&[100, 1_000, 3_000]),
            submit_every_ms: *random.pick(&[20, 60, 200, 1_000]),
            burst_max: *random.pick(&[1, 1, 3, 20]),
            careful_clients: false,
            skew_ms: *random.pick(&[0, 100, 900]),
            k: *random.pick(&[8, 8, 32]),
            interval_ms: *random.pick(&[5, 20, 60]),
            vote_log_bytes_max: *random.pick(&[4_000, 30_000, 8 << 20]),
            batch_garbage_bytes_max: *random.pick(&[1_000, 20_000, 64 << 20]),
            real_signatures: seed % 10 == 9,
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
            streams: true,
            loss: 0,
            duplication: 0,
            delay_us: (200, 400),
            straggler: 0,
            sync_us: (100, 200),
            stall: 0,
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
            k: 32,
            interval_ms: 5,
            vote_log_bytes_max: 8 << 20,
            batch_garbage_bytes_max: 64 << 20,
            real_signatures: false,
        }
    }
}
