//! A whole replica: frames from anybody in any bytes, transactions, time, slow disks, and crashes.
//!
//! An input is a sequence of steps, each a byte that chooses and what belongs to it. Seeds are what happened to a
//! validator of a network that worked, so a fuzzer changes a history that makes progress.

use althing_mempool::DataMessage;
use althing_replica::{Contact, Event, Message, wire};
use althing_types::{Class, ValidatorIndex};

use crate::memory::measured;
use crate::network::{ME, Said, Traffic, VALIDATORS, Validator, chain, submissions, traffic};
use crate::script::Script;

/// Steps of an input at most.
const STEPS_MAX: usize = 2_000;
/// Bytes that a replica may hold after an input beyond four for each byte of it: its tables, its ledger and its logs.
const HELD_BYTES_MAX: usize = 24 << 20;

/// Something that happens to a validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Time passes, in microseconds, and it wakes up.
    Pass(u16),
    /// A frame arrives.
    Frame {
        /// From whom.
        from: ValidatorIndex,
        /// On which stream.
        class: Class,
        /// What.
        bytes: Vec<u8>,
    },
    /// The log of votes writes so much of what waits.
    SyncVotes(u8),
    /// The log of batches writes so much of what waits.
    SyncBatches(u8),
    /// One batch is checked.
    CheckOne,
    /// All batches that wait are checked.
    CheckAll,
    /// The ledger commits one block.
    CommitOne,
    /// The ledger commits all blocks that wait.
    CommitAll,
    /// A client submits a transaction.
    Submit(u8),
    /// A validator becomes reachable or unreachable.
    Peer {
        /// Who.
        index: ValidatorIndex,
        /// Whether messages to it can arrive.
        connected: bool,
    },
    /// The power goes, after so much was written to each log, and comes back.
    Crash(u8, u8),
    /// Much time passes, in milliseconds.
    PassLong(u16),
}

impl Step {
    /// The next step of an input.
    fn read(script: &mut Script<'_>) -> Self {
        match script.byte() % 12 {
            0 => Self::Pass(script.short()),
            1 => {
                let from = ValidatorIndex::new(u16::from(script.byte()));
                let class = Class::ALL[script.below(Class::COUNT)];
                let length = usize::from(script.short());
                Self::Frame { from, class, bytes: script.take(length).to_vec() }
            }
            2 => Self::SyncVotes(script.byte()),
            3 => Self::SyncBatches(script.byte()),
            4 => Self::CheckOne,
            5 => Self::CheckAll,
            6 => Self::CommitOne,
            7 => Self::CommitAll,
            8 => Self::Submit(script.byte()),
            9 => Self::Peer { index: ValidatorIndex::new(u16::from(script.byte())), connected: script.flag() },
            10 => Self::Crash(script.byte(), script.byte()),
            _ => Self::PassLong(script.short()),
        }
    }

    /// The bytes that are read as this step. A frame that is too long for them is cut.
    fn write(&self, out: &mut Vec<u8>) {
        let low = |number: u16| u8::try_from(number & 0xff).unwrap_or_default();
        let short = |number: u16| [low(number), low(number >> 8)];
        match self {
            Self::Pass(us) => out.extend([&[0][..], &short(*us)].concat()),
            Self::Frame { from, class, bytes } => {
                let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
                let class = u8::try_from(class.index()).unwrap_or_default();
                out.extend([1, low(from.get()), class]);
                out.extend(short(length));
                out.extend(bytes.iter().take(usize::from(length)));
            }
            Self::SyncVotes(count) => out.extend([2, *count]),
            Self::SyncBatches(count) => out.extend([3, *count]),
            Self::CheckOne => out.push(4),
            Self::CheckAll => out.push(5),
            Self::CommitOne => out.push(6),
            Self::CommitAll => out.push(7),
            Self::Submit(which) => out.extend([8, *which]),
            Self::Peer { index, connected } => out.extend([9, low(index.get()), u8::from(*connected)]),
            Self::Crash(votes, batches) => out.extend([10, *votes, *batches]),
            Self::PassLong(ms) => out.extend([&[11][..], &short(*ms)].concat()),
        }
    }

    /// Lets it happen.
    pub(crate) fn carry_out(&self, validator: &mut Validator) -> Said {
        match self {
            Self::Pass(us) => {
                validator.pass(u64::from(*us));
                validator.step(Event::Tick)
            }
            Self::PassLong(ms) => {
                validator.pass(u64::from(*ms) * 1_000);
                validator.step(Event::Tick)
            }
            Self::Frame { from, class, bytes } => receive(validator, *from, *class, bytes),
            Self::SyncVotes(count) => validator.sync_votes(usize::from(*count)),
            Self::SyncBatches(count) => validator.sync_batches(usize::from(*count)),
            Self::CheckOne => validator.check_next().unwrap_or_default(),
            Self::CheckAll => all(validator, Validator::check_next),
            Self::CommitOne => validator.commit_next().unwrap_or_default(),
            Self::CommitAll => all(validator, Validator::commit_next),
            Self::Submit(which) => {
                let candidate = submissions()[usize::from(*which) % submissions().len()].clone();
                validator.step(Event::Submit(candidate))
            }
            Self::Peer { index, connected } => {
                let contact = Contact::new(index.get());
                validator.step(Event::Peer { contact, connected: *connected })
            }
            Self::Crash(votes, batches) => {
                validator.crash(usize::from(*votes), usize::from(*batches));
                Said::new()
            }
        }
    }
}

fn all(validator: &mut Validator, mut next: impl FnMut(&mut Validator) -> Option<Said>) -> Said {
    std::iter::from_fn(|| next(validator)).flatten().collect()
}

/// What the shell does with a frame of a validator: one that is no message ends the connection.
fn receive(validator: &mut Validator, from: ValidatorIndex, class: Class, bytes: &[u8]) -> Said {
    let from = Contact::new(from.get());
    match wire::from_frame(class, bytes) {
        Ok(Message::Consensus(envelope)) => validator.step(Event::Consensus { from, envelope }),
        Ok(Message::Data(message)) => validator.step(Event::Data { from, message }),
        Err(_) => validator.step(Event::Peer { contact: from, connected: false }),
    }
}

/// A sequence of steps of the last of four validators.
pub(crate) fn events(bytes: &[u8]) {
    let (_, held) = measured(|| run(bytes));
    let allowed = HELD_BYTES_MAX + 4 * bytes.len();
    assert!(held <= allowed, "a replica held {held} bytes at once, {allowed} are allowed");
}

fn run(bytes: &[u8]) -> Validator {
    let (mut script, mut validator) = (Script::new(bytes), Validator::new(chain(), ME));
    for _ in 0..STEPS_MAX {
        if script.is_over() || validator.has_stopped {
            break;
        }
        Step::read(&mut script).carry_out(&mut validator);
        validator.check_bounds();
    }
    // What it knows is what it can be asked.
    let (consensus, mempool) = (validator.replica.consensus(), validator.replica.mempool());
    assert!(consensus.view > consensus.floor, "{consensus:?}");
    assert_eq!(mempool.lanes.len(), usize::from(VALIDATORS), "a lane got lost");
    validator
}

/// Histories of networks that work, whole and in part, as inputs.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let whole = |traffic: &Traffic| {
        let mut bytes = Vec::new();
        traffic.steps.iter().for_each(|step| step.write(&mut bytes));
        bytes
    };
    let networks = [traffic(40, 6, 0), traffic(120, 40, 7), traffic(300, 30, 3)];
    let crashing = |traffic: &Traffic| {
        let mut bytes = Vec::new();
        for (place, step) in traffic.steps.iter().enumerate() {
            step.write(&mut bytes);
            if place % 97 == 96 {
                Step::Crash(1, 0).write(&mut bytes);
                (0..VALIDATORS).for_each(|index| {
                    Step::Peer { index: ValidatorIndex::new(index), connected: true }.write(&mut bytes);
                });
            }
        }
        bytes
    };
    let single = |step: Step| {
        let mut bytes = Vec::new();
        step.write(&mut bytes);
        bytes
    };
    let asks = networks[0].frames.iter().filter(|(class, frame)| is_asking(*class, frame)).take(3);
    let asks =
        asks.map(|(class, frame)| Step::Frame { from: ValidatorIndex::ZERO, class: *class, bytes: frame.to_vec() });
    let short = asks.map(single);
    let all = networks.iter().map(whole).chain(networks.iter().map(crashing)).chain(short);
    let cut = all.map(|mut bytes| {
        bytes.truncate(SEED_BYTES_MAX);
        bytes
    });
    let seeds: Vec<Vec<u8>> = cut.collect();
    let height = run(&seeds[0]).height();
    assert!(height > 2, "the first input leads to height {height} only");
    seeds
}

/// Bytes of a seed at most, so that the corpus stays small and a fuzzer quick.
const SEED_BYTES_MAX: usize = 24 * 1024;

fn is_asking(class: Class, frame: &[u8]) -> bool {
    matches!(wire::from_frame(class, frame), Ok(Message::Data(DataMessage::GetBatches { .. })))
}
