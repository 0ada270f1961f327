//! The log in memory that fails on purpose: a twin of the log on disk for tests and simulation.
//!
//! Guarantees that everything it does follows from its plan, the calls made and the seeds given: no file, no clock, no
//! randomness of its own. What it keeps after a crash is always something that the log on disk might have kept: all
//! durable records and a prefix of the others, or, after a compaction that failed, the old log or the new one.
//!
//! Deliberately absent: damage. Corrupt bytes make the log on disk refuse to open, which is the end of a process and
//! needs no model.

#[cfg(test)]
mod tests;

use std::io;
use std::mem;
use std::path::Path;

use crate::log::refuse_too_large;
use crate::{AppendLog, LogError, Lsn, PENDING_BYTES_MAX, TOTAL_BYTES_DEFAULT};

/// What a record counts beyond its payload, as on disk.
const RECORD_OVERHEAD_BYTES: u64 = 8;

/// What becomes, in a crash, of records that were appended and never reported durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them are lost, and so is a compaction that failed.
    Lose,
    /// A prefix survives, its length drawn from the seed of the crash; a compaction that failed happened or did not.
    #[default]
    KeepPrefix,
    /// All of them survive, and a compaction that failed has happened.
    Keep,
}

/// What goes wrong, and when. Calls are counted from one over the life of the log, openings included, and only those
/// that reach the disk count: refusals do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// This call of [`AppendLog::append`] fails and poisons the log.
    pub fail_append: Option<u64>,
    /// This call of [`AppendLog::sync`] fails and poisons the log. What waited may or may not survive.
    pub fail_sync: Option<u64>,
    /// This call of [`AppendLog::replace`] fails and poisons the log. The old log or the new one survives.
    pub fail_replace: Option<u64>,
    /// What becomes of unsynced records in a crash.
    pub unsynced: Unsynced,
    /// How large the log may grow.
    pub total_bytes: u64,
}

impl Default for FaultPlan {
    /// Nothing fails, and a crash keeps a prefix.
    fn default() -> Self {
        Self {
            fail_append: None,
            fail_sync: None,
            fail_replace: None,
            unsynced: Unsynced::KeepPrefix,
            total_bytes: TOTAL_BYTES_DEFAULT,
        }
    }
}

/// An append-only log in memory, with faults by plan and crashes by seed.
#[derive(Clone, Debug, Default)]
pub struct FaultyLog {
    plan: FaultPlan,
    state: State,
    durable: Vec<Vec<u8>>,
    durable_lsn: Lsn,
    pending: Vec<Vec<u8>>,
    durable_bytes: u64,
    pending_bytes: u64,
    /// The base of a compaction of which it is not known whether it happened.
    unsettled: Option<Vec<Vec<u8>>>,
    appends: u64,
    syncs: u64,
    replaces: u64,
}

/// Whether the handle may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// A call failed; what the disk holds is open until the crash.
    Poisoned,
    /// Power is gone; what the disk holds is settled.
    Crashed,
}

impl FaultyLog {
    /// An empty log that will fail as planned.
    pub fn new(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// Pulls the plug and returns what the log holds when it is opened again. Until [`FaultyLog::reopen`] every call
    /// is refused; a second crash meanwhile changes nothing.
    pub fn crash(&mut self, seed: u64) -> Vec<Vec<u8>> {
        if self.state == State::Crashed {
            return self.durable.clone();
        }
        self.state = State::Crashed;
        let unsettled = self.unsettled.take();
        let mut pending = mem::take(&mut self.pending);
        let appended = self.durable_lsn.plus(pending.len() as u64);
        let mut random = SplitMix(seed);
        let (replaced, kept) = match self.plan.unsynced {
            Unsynced::Lose => (false, 0),
            Unsynced::KeepPrefix => (random.below(2) == 1, random.below(pending.len() as u64 + 1)),
            Unsynced::Keep => (true, pending.len() as u64),
        };
        match unsettled {
            Some(base) if replaced => self.become_base(appended, base),
            _ => {
                pending.truncate(usize::try_from(kept).expect("it is at most the length of a vector"));
                self.pending = pending;
                self.settle();
            }
        }
        self.durable.clone()
    }

    /// Opens the log again, like a new process, and returns its records. Without a crash before it this is the end of
    /// the process alone: unsynced records were in its memory and are gone; a compaction that failed did not happen.
    pub fn reopen(&mut self) -> Vec<Vec<u8>> {
        self.forget_pending();
        self.unsettled = None;
        self.state = State::Open;
        self.durable.clone()
    }

    /// The records that are durable now, for checkers.
    pub fn durable_records(&self) -> &[Vec<u8>] {
        &self.durable
    }

    /// Changes the plan from here on; the counts of calls go on.
    pub fn set_plan(&mut self, plan: FaultPlan) {
        self.plan = plan;
    }

    /// Makes durable what waits.
    fn settle(&mut self) {
        self.durable_lsn = self.appended();
        self.durable_bytes += counted(&self.pending);
        self.durable.append(&mut self.pending);
        self.forget_pending();
    }

    fn become_base(&mut self, before: Lsn, base: Vec<Vec<u8>>) {
        self.durable_lsn = before.plus(base.len() as u64);
        self.durable_bytes = counted(&base);
        self.durable = base;
        self.forget_pending();
    }

    fn forget_pending(&mut self) {
        self.pending.clear();
        self.pending_bytes = 0;
    }

    fn appended(&self) -> Lsn {
        self.durable_lsn.plus(self.pending.len() as u64)
    }

    fn fail(&mut self, operation: &'static str) -> LogError {
        self.state = State::Poisoned;
        LogError::io(operation, Path::new("memory"))(io::Error::other("this fault was planned"))
    }

    fn refuse_unless_open(&self) -> Result<(), LogError> {
        if self.state == State::Open { Ok(()) } else { Err(LogError::Poisoned) }
    }

    fn refuse_beyond_total(&self, bytes: u64) -> Result<(), LogError> {
        let bytes_max = self.plan.total_bytes;
        if bytes > bytes_max { Err(LogError::Full { bytes, bytes_max }) } else { Ok(()) }
    }
}

impl AppendLog for FaultyLog {
    fn append(&mut self, record: &[u8]) -> Result<Lsn, LogError> {
        self.refuse_unless_open()?;
        refuse_too_large(record)?;
        let bytes = RECORD_OVERHEAD_BYTES + record.len() as u64;
        self.refuse_beyond_total(self.bytes() + bytes)?;
        self.appends += 1;
        if self.plan.fail_append == Some(self.appends) {
            return Err(self.fail("append to"));
        }
        self.pending.push(record.to_vec());
        self.pending_bytes += bytes;
        if self.pending_bytes > PENDING_BYTES_MAX as u64 {
            self.settle();
        }
        Ok(self.appended())
    }

    fn sync(&mut self) -> Result<Lsn, LogError> {
        self.refuse_unless_open()?;
        self.syncs += 1;
        if self.plan.fail_sync == Some(self.syncs) {
            return Err(self.fail("sync"));
        }
        self.settle();
        Ok(self.durable_lsn)
    }

    fn replace(&mut self, base: &[Vec<u8>]) -> Result<Lsn, LogError> {
        self.refuse_unless_open()?;
        base.iter().try_for_each(|record| refuse_too_large(record))?;
        self.refuse_beyond_total(counted(base))?;
        self.replaces += 1;
        if self.plan.fail_replace == Some(self.replaces) {
            self.unsettled = Some(base.to_vec());
            return Err(self.fail("replace"));
        }
        self.become_base(self.appended(), base.to_vec());
        Ok(self.durable_lsn)
    }

    fn durable(&self) -> Lsn {
        self.durable_lsn
    }

    fn bytes(&self) -> u64 {
        self.durable_bytes + self.pending_bytes
    }
}

/// What records count against the limit.
fn counted(records: &[Vec<u8>]) -> u64 {
    records.iter().map(|record| RECORD_OVERHEAD_BYTES + record.len() as u64).sum()
}

/// A small generator, good enough to draw lengths from a seed.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
