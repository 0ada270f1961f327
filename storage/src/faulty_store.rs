//! The ordered store in memory that fails on purpose: a twin of the store on disk for tests and simulation.
//!
//! Guarantees that everything it does follows from its plan, the calls made and the seeds given: no file, no clock, no
//! randomness of its own. What it holds after a crash is always something that the store on disk might hold: every
//! batch whose commit succeeded and, of one that failed, all or nothing.
//!
//! Clones are handles to one store, as those of the store on disk are. Deliberately absent: damage. A store on disk
//! that meets damage ends the process, and needs no model.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::Change;
use crate::{Entry, Order, OrderedStore, SCAN_ENTRIES_MAX, Scan, Space, SpaceOptions, StoreError, WriteBatch};

/// One keyspace.
type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// What goes wrong with a store, and when. Calls are counted from one over the life of the store, openings included,
/// and only those that reach the disk count: refusals do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreFaultPlan {
    /// This call of [`OrderedStore::commit`] fails and poisons the store. Its batch may or may not survive a crash.
    pub fail_commit: Option<u64>,
    /// This read fails, whatever its kind. The store goes on.
    pub fail_read: Option<u64>,
}

/// An ordered store in memory, with faults by plan and crashes by seed.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    shared: Arc<Mutex<Memory>>,
}

/// What the clones of a handle share.
#[derive(Clone, Debug)]
struct Memory {
    plan: StoreFaultPlan,
    state: State,
    spaces: Vec<Entries>,
    /// The batch of which it is not known whether the disk has it.
    unsettled: Option<WriteBatch>,
    commits: u64,
    reads: u64,
}

/// Whether the store may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// A commit failed; what the disk holds is open until the crash.
    Poisoned,
    /// Power is gone; what the disk holds is settled.
    Crashed,
}

impl FaultyStore {
    /// An empty store with these keyspaces that will fail as planned.
    pub fn new(spaces: &[SpaceOptions], plan: StoreFaultPlan) -> Self {
        let spaces = spaces.iter().map(|_| Entries::new()).collect();
        let memory = Memory { plan, state: State::Open, spaces, unsettled: None, commits: 0, reads: 0 };
        Self { shared: Arc::new(Mutex::new(memory)) }
    }

    /// Pulls the plug: of a commit that failed, the seed decides whether the disk has it. Until
    /// [`FaultyStore::reopen`] every call on every handle is refused; a second crash meanwhile changes nothing.
    pub fn crash(&self, seed: u64) {
        let mut memory = self.memory();
        memory.state = State::Crashed;
        // The parity of the number of ones: neighbouring seeds differ, and so do seeds that are all even.
        let survives = seed.count_ones() % 2 == 1;
        match memory.unsettled.take() {
            Some(batch) if survives => memory.apply(&batch),
            _ => {}
        }
    }

    /// Opens the store again, like a new process, for every handle. Without a crash before it this is the end of the
    /// process alone: a commit that failed did not happen.
    pub fn reopen(&self) {
        let mut memory = self.memory();
        memory.unsettled = None;
        memory.state = State::Open;
    }

    /// A store of its own that holds the same, as a copy of the folder would: no handle of one reaches the other.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { shared: Arc::new(Mutex::new(self.memory().clone())) }
    }

    /// Changes the plan from here on; the counts of calls go on.
    pub fn set_plan(&self, plan: StoreFaultPlan) {
        self.memory().plan = plan;
    }

    /// How many commits have reached the disk, the one that failed included: for plans that fail a later one.
    pub fn commits(&self) -> u64 {
        self.memory().commits
    }

    /// How many reads have reached the disk: for plans that fail a later one.
    pub fn reads(&self) -> u64 {
        self.memory().reads
    }

    /// No change leaves the memory half done, so that a panic of another handle's thread harms nothing.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OrderedStore for FaultyStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.memory().read(space)?.get(key).cloned())
    }

    fn get_many(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut memory = self.memory();
        let entries = memory.read(space)?;
        Ok(keys.iter().map(|key| entries.get(key).cloned()).collect())
    }

    fn scan(&self, space: Space, scan: Scan<'_>) -> Result<Vec<Entry>, StoreError> {
        let mut memory = self.memory();
        let entries = memory.read(space)?;
        // A map refuses a reversed range with a panic.
        if scan.to.is_some_and(|to| to <= scan.from) {
            return Ok(Vec::new());
        }
        let to = scan.to.map_or(Bound::Unbounded, Bound::Excluded);
        let covered = entries.range::<[u8], _>((Bound::Included(scan.from), to));
        let copied = covered.map(|(key, value)| (key.clone(), value.clone()));
        let limit = scan.limit.min(SCAN_ENTRIES_MAX);
        Ok(match scan.order {
            Order::Ascending => copied.take(limit).collect(),
            Order::Descending => copied.rev().take(limit).collect(),
        })
    }

    fn commit(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut memory = self.memory();
        if memory.state != State::Open {
            return Err(StoreError::Poisoned);
        }
        if let Some(space) = batch.spaces().find(|space| memory.entries(*space).is_err()) {
            memory.state = State::Poisoned;
            return Err(StoreError::UnknownSpace { space: space.0 });
        }
        memory.commits += 1;
        if memory.plan.fail_commit == Some(memory.commits) {
            memory.state = State::Poisoned;
            memory.unsettled = Some(batch);
            return Err(planned("write to"));
        }
        memory.apply(&batch);
        Ok(())
    }

    fn reclaim(&self, space: Space, _from: &[u8], _to: &[u8]) -> Result<(), StoreError> {
        // What is removed takes no room here.
        self.memory().entries(space).map(drop)
    }
}

impl Memory {
    /// Counts a read and returns what it reads from.
    fn read(&mut self, space: Space) -> Result<&Entries, StoreError> {
        if self.state == State::Crashed {
            return Err(StoreError::Poisoned);
        }
        self.entries(space)?;
        self.reads += 1;
        if self.plan.fail_read == Some(self.reads) {
            return Err(planned("read"));
        }
        self.entries(space)
    }

    fn entries(&self, space: Space) -> Result<&Entries, StoreError> {
        self.spaces.get(usize::from(space.0)).ok_or(StoreError::UnknownSpace { space: space.0 })
    }

    /// Carries out a batch whose keyspaces exist.
    fn apply(&mut self, batch: &WriteBatch) {
        for change in batch.changes() {
            let entries = self.spaces.get_mut(usize::from(change.space().0)).expect("its keyspaces were looked up");
            match change {
                Change::Put { key, value, .. } => drop(entries.insert(key.to_vec(), value.to_vec())),
                Change::Delete { key, .. } => drop(entries.remove(key)),
                Change::DeleteRange { from, to, .. } => remove_range(entries, from, to),
            }
        }
    }
}

fn remove_range(entries: &mut Entries, from: &[u8], to: &[u8]) {
    // A map refuses a reversed range with a panic.
    if from < to {
        let covered = entries.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let keys: Vec<Vec<u8>> = covered.map(|(key, _)| key.clone()).collect();
        for key in keys {
            entries.remove(&key);
        }
    }
}

fn planned(operation: &'static str) -> StoreError {
    StoreError::io(operation, Path::new("memory"))(io::Error::other("this fault was planned"))
}
