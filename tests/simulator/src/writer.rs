//! A log and the thread that writes it: what was handed over waits, is written together, and is durable after one sync.
//!
//! A crash carries out a random part of what was being written and keeps a random prefix of that. What waited was in
//! memory and is gone. Of a replacement that was under way either the old log or the new one is left.

use althing_storage::{AppendLog as _, FaultPlan, FaultyLog, LogError, Unsynced};

use super::random::Random;

/// What a log is asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Command<L> {
    /// Add a record.
    Append(L, Vec<u8>),
    /// Replace the whole log.
    Replace(L, Vec<Vec<u8>>),
}

/// What is to be written, and what is being written.
#[derive(Clone, Debug)]
pub(crate) struct Writer<L> {
    waiting: Vec<Command<L>>,
    writing: Vec<Command<L>>,
}

impl<L> Default for Writer<L> {
    fn default() -> Self {
        Self { waiting: Vec::new(), writing: Vec::new() }
    }
}

/// What a sync came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Synced<L> {
    /// The last place that is durable.
    pub(crate) last: L,
    /// Whether the log was replaced.
    pub(crate) replaced: bool,
}

/// A log on a simulated disk. It survives crashes.
#[derive(Debug)]
pub(crate) struct DiskLog {
    log: FaultyLog,
    /// Replacements so far: the plan of a failure counts them.
    replaces: u64,
}

impl DiskLog {
    /// An empty log.
    pub(crate) fn new() -> Self {
        Self { log: FaultyLog::new(plan(None)), replaces: 0 }
    }

    /// A log that holds these records, durable.
    pub(crate) fn holding<'a>(records: impl IntoIterator<Item = &'a Vec<u8>>) -> Self {
        let mut disk = Self::new();
        for record in records {
            disk.log.append(record).expect("the model's disk does not fail");
        }
        disk.log.sync().expect("the model's disk does not fail");
        disk
    }

    /// Opens the log again and returns its records.
    pub(crate) fn reopen(&mut self) -> Vec<Vec<u8>> {
        self.log.reopen()
    }

    /// The records that are durable now.
    pub(crate) fn durable_records(&self) -> &[Vec<u8>] {
        self.log.durable_records()
    }

    /// Carries out a command; says its place and whether it replaced the log.
    fn carry_out<L>(&mut self, command: Command<L>) -> Result<(L, bool), LogError> {
        match command {
            Command::Append(lsn, bytes) => self.log.append(&bytes).map(|_| (lsn, false)),
            Command::Replace(lsn, records) => {
                self.replaces += 1;
                self.log.replace(&records).map(|_| (lsn, true))
            }
        }
    }
}

fn plan(fail_replace: Option<u64>) -> FaultPlan {
    FaultPlan { unsynced: Unsynced::KeepPrefix, fail_replace, ..FaultPlan::default() }
}

impl<L: Copy> Writer<L> {
    /// Hands over a command.
    pub(crate) fn post(&mut self, command: Command<L>) {
        self.waiting.push(command);
    }

    /// Begins to write all that waits; false if there is nothing, or a sync is under way.
    pub(crate) fn begin(&mut self) -> bool {
        let begins = self.writing.is_empty() && !self.waiting.is_empty();
        if begins {
            self.writing = std::mem::take(&mut self.waiting);
        }
        begins
    }

    /// How much waits and is being written.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.writing.len()
    }

    /// Ends the sync that is under way.
    pub(crate) fn end(&mut self, disk: &mut DiskLog) -> Option<Synced<L>> {
        let (mut last, mut replaced) = (None, false);
        for command in std::mem::take(&mut self.writing) {
            let (lsn, is_replacement) = disk.carry_out(command).expect("the model's disk does not fail");
            last = Some(lsn);
            replaced |= is_replacement;
        }
        disk.log.sync().expect("the model's disk does not fail");
        last.map(|last| Synced { last, replaced })
    }

    /// The power goes.
    pub(crate) fn crash(self, disk: &mut DiskLog, random: &mut Random) {
        let done = random.below(self.writing.len() as u64 + 1) as usize;
        let last_fails = random.chance(500);
        for (place, command) in self.writing.into_iter().take(done).enumerate() {
            if last_fails && place + 1 == done {
                disk.log.set_plan(plan(Some(disk.replaces + 1)));
            }
            // Only the last can fail, and only if it is a replacement.
            let _failed = disk.carry_out(command);
        }
        disk.log.crash(random.next());
        disk.log.set_plan(plan(None));
    }
}
