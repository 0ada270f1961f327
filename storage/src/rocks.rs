//! The ordered store on disk: RocksDB, one column family for each keyspace, one write-ahead log for all of them.
//!
//! # Invariants
//!
//! 1. A commit is one record in the write-ahead log, synced before [`OrderedStore::commit`] returns. After a crash all
//!    of its changes are there or none.
//! 2. The poison is set before a commit or a flush begins and lifted when it has succeeded. A failure in the background
//!    counts like one of the next commit.
//! 3. What is read is checked against its checksum: damage is an error, never another value. What damage to the
//!    write-ahead log means is at the head of `options::guard`; that it is another one, at the head of `ahead`.
//! 4. One handle works in a folder, or any number that only read; and a folder is opened with the keyspaces that it was made
//!    for and no others.
//! 5. A handle that only reads ([`RocksStore::open_read_only`], [`RocksStore::open_beside`]) writes nothing into the folder. The
//!    second is the exception to the fourth: it stands beside a writer.
//!
//! The exception to the first is a store that can be made again ([`RocksStore::open_scratch`]): nothing is synced there.
//!
//! Clones of a handle share the store, which is closed when the last of them is dropped. Nothing is lost if that never
//! happens; [`RocksStore::flush`] before it saves the next opening the reading of the write-ahead log.
//!
//! Deliberately absent: reads within a batch, snapshots, repair, and any answer to a disk that
//! reports a sync and does not carry it out.

mod ahead;
mod fault;
mod folder;
mod options;
mod tail;
#[cfg(test)]
mod tests;
mod usage;
mod whole;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rocksdb::{ColumnFamily, CompactOptions, DB, DBRawIterator, ErrorKind, FlushOptions, ReadOptions, WriteOptions};

use self::folder::Folder;
pub use self::options::RocksOptions;
pub use self::usage::StoreUsage;
pub use self::whole::StoreContent;
use crate::store::Change;
use crate::{Entry, Order, OrderedStore, SCAN_ENTRIES_MAX, Scan, Space, SpaceOptions, StoreError, WriteBatch};

/// How often opening beside a writer is tried again.
const BESIDE_TRIES: usize = 5;
/// How long to wait in between: longer than it takes to replace a few files.
const BESIDE_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait before the engine is asked again: about what a flush takes, and short beside a merge.
const PAUSE: Duration = Duration::from_millis(1);

/// An ordered store in a folder of its own.
#[derive(Clone, Debug)]
pub struct RocksStore {
    shared: Arc<Shared>,
}

/// What the clones of a handle share. The fields are dropped in this order: the folder stays locked until the engine
/// has closed its files.
#[derive(Debug)]
struct Shared {
    db: DB,
    /// The keyspaces, each in its place.
    names: Vec<&'static str>,
    /// Whether a commit or a flush has failed. Held locked while one is under way.
    poisoned: Mutex<bool>,
    promise: Promise,
    folder: Folder,
    _own: Option<OwnFolder>,
}

/// A folder for what the engine writes while it only reads elsewhere. It goes away with the handle.
#[derive(Debug)]
struct OwnFolder(PathBuf);

impl OwnFolder {
    fn make() -> Result<Self, StoreError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("althing-beside-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                // Left over by a process with the same number.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(path.clone())).map_err(StoreError::io("create", &path)),
            }
        }
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        // What is left over is small, and in a folder that the system empties.
        let _ignored = std::fs::remove_dir_all(&self.0);
    }
}

/// What a handle promises of its commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    /// They are durable when they return.
    Durable,
    /// They are whole. A process that ends loses none, a machine that stops may lose the last ones.
    Whole,
    /// There are none.
    ReadOnly,
}

impl RocksStore {
    /// Opens the store in `folder`, or creates one if there is none. The place of a keyspace in `spaces` is its number;
    /// on disk it goes by its name, which may be any but `default`.
    ///
    /// Opening reads what was committed since the last flush from the write-ahead log and may take some seconds after a
    /// crash. A creation that was cut short is carried on.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] if the store is open already, [`StoreError::WrongSchema`] if it was made for other
    /// keyspaces, and [`StoreError::Corrupt`] if what must be read to open it is damaged or gone. Damage elsewhere
    /// shows when it is read.
    pub fn open(folder: &Path, spaces: &[SpaceOptions], options: RocksOptions) -> Result<Self, StoreError> {
        Self::open_promising(folder, spaces, options, Promise::Durable)
    }

    /// Opens a store whose content can be made again from something else, or creates one: commits are whole and in order,
    /// and not synced. A process that is killed loses none of them. A machine that stops may lose the last ones, or leave a
    /// folder that is refused as damaged; then the folder is deleted and made anew.
    ///
    /// # Errors
    ///
    /// As [`RocksStore::open`].
    pub fn open_scratch(folder: &Path, spaces: &[SpaceOptions], options: RocksOptions) -> Result<Self, StoreError> {
        Self::open_promising(folder, spaces, options, Promise::Whole)
    }

    /// Opens the store in `folder` for reading. Nothing in the folder is written, also where opening has to read what was
    /// committed since the last flush from the write-ahead log, which then stays in memory. Several may read at once, and
    /// nobody can write meanwhile; commits and flushes on this handle are refused.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] if somebody has opened it for writing, [`StoreError::Io`] if the folder is not there,
    /// [`StoreError::Corrupt`] if there is no whole store in it, and as [`RocksStore::open`].
    pub fn open_read_only(folder: &Path, spaces: &[SpaceOptions], options: RocksOptions) -> Result<Self, StoreError> {
        let names: Vec<&'static str> = spaces.iter().map(|space| space.name).collect();
        refuse_unclear_names(folder, &names)?;
        let folder = Folder::lock_shared(folder)?;
        if !refuse_other_spaces(&folder, &names)? {
            let reason = "there is no store that was made to its end".to_owned();
            return Err(StoreError::Corrupt { folder: folder.path().to_path_buf(), reason });
        }
        ahead::refuse_gap(folder.path())?;
        let (database, families) = options::layout(options, spaces);
        let db = DB::open_cf_descriptors_read_only(&database, folder.path(), families, false)
            .map_err(fault::engine("open", folder.path()))?;
        let (poisoned, promise) = (Mutex::new(false), Promise::ReadOnly);
        Ok(Self { shared: Arc::new(Shared { db, names, poisoned, promise, folder, _own: None }) })
    }

    /// Opens the store in `folder` as it is at this moment, also while somebody else has it open and writes to it, who does not
    /// notice. Nothing in the folder is written. What is committed later is not seen. It keeps the files that it needs
    /// open, and has a temporary folder of its own for what the engine has to say.
    ///
    /// # Errors
    ///
    /// As [`RocksStore::open_read_only`], but for [`StoreError::InUse`]. The writer may replace files while they are looked
    /// for; after a few times that counts as the disk's fault.
    pub fn open_beside(folder: &Path, spaces: &[SpaceOptions], options: RocksOptions) -> Result<Self, StoreError> {
        let names: Vec<&'static str> = spaces.iter().map(|space| space.name).collect();
        refuse_unclear_names(folder, &names)?;
        let mut tries = 0;
        loop {
            match Self::look_beside(folder, &names, spaces, options) {
                Err(StoreError::Io { .. } | StoreError::Corrupt { .. }) if tries < BESIDE_TRIES => tries += 1,
                opened => return opened,
            }
            thread::sleep(BESIDE_PAUSE);
        }
    }

    fn look_beside(
        folder: &Path,
        names: &[&'static str],
        spaces: &[SpaceOptions],
        options: RocksOptions,
    ) -> Result<Self, StoreError> {
        let folder = Folder::unlocked(folder)?;
        if !refuse_other_spaces(&folder, names)? {
            let reason = "there is no store that was made to its end".to_owned();
            return Err(StoreError::Corrupt { folder: folder.path().to_path_buf(), reason });
        }
        let own = OwnFolder::make()?;
        let (mut database, families) = options::layout(options, spaces);
        // Files that the writer replaces must stay readable.
        database.set_max_open_files(-1);
        let db = DB::open_cf_descriptors_as_secondary(&database, folder.path(), &own.0, families)
            .map_err(fault::engine("open", folder.path()))?;
        let (poisoned, promise, names) = (Mutex::new(false), Promise::ReadOnly, names.to_vec());
        Ok(Self { shared: Arc::new(Shared { db, names, poisoned, promise, folder, _own: Some(own) }) })
    }

    fn open_promising(
        folder: &Path,
        spaces: &[SpaceOptions],
        options: RocksOptions,
        promise: Promise,
    ) -> Result<Self, StoreError> {
        let names: Vec<&'static str> = spaces.iter().map(|space| space.name).collect();
        refuse_unclear_names(folder, &names)?;
        let folder = Folder::lock(folder)?;
        // First: the list of keyspaces stands in a file that may end in such a record.
        tail::mend(folder.path())?;
        let finished = refuse_other_spaces(&folder, &names)?;
        ahead::refuse_gap(folder.path())?;
        let (database, families) = options::layout(options, spaces);
        let db = DB::open_cf_descriptors(&database, folder.path(), families)
            .map_err(fault::engine("open", folder.path()))?;
        if !finished {
            folder.record_spaces(&names)?;
        }
        Ok(Self { shared: Arc::new(Shared { db, names, poisoned: Mutex::new(false), promise, folder, _own: None }) })
    }

    /// Whether the store in `folder` ends in a record that was being written when the power failed, or that lost its end to
    /// damage. Opening it for writing drops that record; until then who only reads takes it for damage.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the folder cannot be read.
    pub fn ends_torn(folder: &Path) -> Result<bool, StoreError> {
        Ok(!tail::torn(folder)?.is_empty())
    }

    /// Writes what is in memory to tables, so that the next opening has no write-ahead log to read. For a clean stop;
    /// nothing depends on it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Poisoned`] after an earlier failure, else what the disk said. A failure poisons the store.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.shared.guarded(|| self.shared.flush())
    }

    /// What the store takes now.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the folder cannot be listed.
    pub fn usage(&self) -> Result<StoreUsage, StoreError> {
        StoreUsage::read(&self.shared.db, self.folder(), &self.shared.names)
    }

    fn folder(&self) -> &Path {
        self.shared.folder.path()
    }
}

impl OrderedStore for RocksStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let family = self.shared.family(space)?;
        self.shared.db.get_cf(family, key).map_err(fault::engine("read", self.folder()))
    }

    fn get_many(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let family = self.shared.family(space)?;
        let values = self.shared.db.batched_multi_get_cf(family, keys, false);
        let values = values.into_iter().map(|value| value.map(|value| value.map(|bytes| bytes.to_vec())));
        values.collect::<Result<_, _>>().map_err(fault::engine("read", self.folder()))
    }

    fn scan(&self, space: Space, scan: Scan<'_>) -> Result<Vec<Entry>, StoreError> {
        let family = self.shared.family(space)?;
        if scan.limit == 0 || scan.to.is_some_and(|to| to <= scan.from) {
            return Ok(Vec::new());
        }
        let mut bounds = ReadOptions::default();
        bounds.set_iterate_lower_bound(scan.from);
        if let Some(to) = scan.to {
            bounds.set_iterate_upper_bound(to);
        }
        let mut cursor = self.shared.db.raw_iterator_cf_opt(family, bounds);
        let entries = collect(&mut cursor, scan.order, scan.limit.min(SCAN_ENTRIES_MAX));
        // A cursor that meets damage ends like one that meets the end.
        cursor.status().map_err(fault::engine("read", self.folder()))?;
        Ok(entries)
    }

    fn commit(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.shared.guarded(|| self.shared.write(&batch))
    }

    /// The engine merges what it has between the keys, which drops what was removed there.
    fn reclaim(&self, space: Space, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        let family = self.shared.family(space)?;
        if from < to {
            let mut options = CompactOptions::default();
            // Merging that commits cause goes on beside.
            options.set_exclusive_manual_compaction(false);
            self.shared.db.compact_range_cf_opt(family, Some(from), Some(to), &options);
        }
        self.shared.refuse_after_background_error()
    }
}

impl Shared {
    /// Carries out a change under the poison, which stays if the change fails or panics. One change at a time.
    fn guarded(&self, change: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        if self.promise == Promise::ReadOnly {
            let (folder, reason) = (self.folder.path().to_path_buf(), "it was opened for reading only".to_owned());
            return Err(StoreError::Refused { operation: "write to", folder, reason });
        }
        let mut poisoned = self.poisoned.lock().map_err(|_| StoreError::Poisoned)?;
        if *poisoned {
            return Err(StoreError::Poisoned);
        }
        *poisoned = true;
        change()?;
        *poisoned = false;
        Ok(())
    }

    /// Writes a batch as soon as the engine takes it.
    ///
    /// The engine takes nothing while merging lags too far behind. Left to itself it would wait within the write, on a
    /// full disk for ever: there it hopes that somebody makes room. Asked not to wait it refuses, having written
    /// nothing, and whether to ask again is decided here.
    fn write(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        loop {
            self.refuse_after_background_error()?;
            match self.db.write_opt(self.translate(batch)?, &self.promise.options()) {
                Err(error) if error.kind() == ErrorKind::Incomplete => thread::sleep(PAUSE),
                outcome => return outcome.map_err(fault::engine("write to", self.folder.path())),
            }
        }
    }

    /// Writes all buffers to tables. Like [`Shared::write`] it must not leave the waiting to the engine.
    fn flush(&self) -> Result<(), StoreError> {
        let families: Vec<&ColumnFamily> = self.names.iter().map(|name| self.family_named(name)).collect();
        let mut begin_only = FlushOptions::default();
        begin_only.set_wait(false);
        self.refuse_after_background_error()?;
        let begun = self.db.flush_cfs_opt(&families, &begin_only);
        begun.map_err(fault::engine("flush", self.folder.path()))?;
        while usage::buffers_to_flush(&self.db, self.folder.path(), &self.names)? > 0 {
            self.refuse_after_background_error()?;
            thread::sleep(PAUSE);
        }
        self.refuse_after_background_error()
    }

    /// Fails if work in the background has ever failed.
    ///
    /// The engine counts such failures and, for those it regards as grave, refuses writes; it alone knows the cause. An
    /// empty batch asks for it.
    fn refuse_after_background_error(&self) -> Result<(), StoreError> {
        if usage::background_errors(&self.db, self.folder.path())? == 0 {
            return Ok(());
        }
        match self.db.write_opt(rocksdb::WriteBatch::default(), &self.promise.options()) {
            Err(error) if error.kind() != ErrorKind::Incomplete => {
                Err(fault::engine("write to", self.folder.path())(error))
            }
            _ => Err(StoreError::Background { folder: self.folder.path().to_path_buf() }),
        }
    }

    /// The batch as the engine takes it.
    fn translate(&self, batch: &WriteBatch) -> Result<rocksdb::WriteBatch, StoreError> {
        let mut translated = rocksdb::WriteBatch::default();
        for change in batch.changes() {
            let family = self.family(change.space())?;
            match change {
                Change::Put { key, value, .. } => translated.put_cf(family, key, value),
                Change::Delete { key, .. } => translated.delete_cf(family, key),
                // The engine takes a reversed range into its log and then refuses it, now and on each opening.
                Change::DeleteRange { from, to, .. } if from < to => translated.delete_range_cf(family, from, to),
                Change::DeleteRange { .. } => {}
            }
        }
        Ok(translated)
    }

    fn family(&self, space: Space) -> Result<&ColumnFamily, StoreError> {
        let name = self.names.get(usize::from(space.0)).ok_or(StoreError::UnknownSpace { space: space.0 })?;
        Ok(self.family_named(name))
    }

    fn family_named(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("the store was opened with all of its keyspaces")
    }
}

impl Promise {
    /// Synced before it returns, if that is promised, and never waiting within the engine.
    fn options(self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self == Self::Durable);
        options.set_no_slowdown(true);
        options
    }
}

/// Copies entries from where the bounds of the cursor begin.
fn collect(cursor: &mut DBRawIterator<'_>, order: Order, limit: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    match order {
        Order::Ascending => cursor.seek_to_first(),
        Order::Descending => cursor.seek_to_last(),
    }
    while let Some((key, value)) = cursor.item() {
        entries.push((key.to_vec(), value.to_vec()));
        if entries.len() == limit {
            break;
        }
        match order {
            Order::Ascending => cursor.next(),
            Order::Descending => cursor.prev(),
        }
    }
    entries
}

/// Fails unless the names can be told from each other and from the engine's own.
fn refuse_unclear_names(folder: &Path, names: &[&str]) -> Result<(), StoreError> {
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    let usable =
        |name: &&str| !matches!(*name, "" | rocksdb::DEFAULT_COLUMN_FAMILY_NAME) && !name.contains(['\n', '\0']);
    if distinct.len() == names.len() && names.iter().all(usable) {
        return Ok(());
    }
    let reason = "the names of the keyspaces are not distinct, or one is not usable".to_owned();
    Err(StoreError::Refused { operation: "open", folder: folder.to_path_buf(), reason })
}

/// Fails if the folder holds a store with other keyspaces, or has lost its data. Returns whether the store was created
/// to the end.
fn refuse_other_spaces(folder: &Folder, names: &[&str]) -> Result<bool, StoreError> {
    let recorded = folder.spaces()?;
    let finished = recorded.is_some();
    let has_data = folder.has_data()?;
    if finished && !has_data {
        let reason = "the file SPACES says that there is a store, and the file CURRENT is gone".to_owned();
        return Err(StoreError::Corrupt { folder: folder.path().to_path_buf(), reason });
    }
    let mut found = BTreeSet::new();
    if has_data {
        let listed = DB::list_cf(&rocksdb::Options::default(), folder.path());
        found.extend(listed.map_err(fault::engine("open", folder.path()))?);
        found.remove(rocksdb::DEFAULT_COLUMN_FAMILY_NAME);
    }
    if recorded.iter().flatten().any(|name| has_data && !found.contains(name)) {
        let reason = "the engine's record of files lacks keyspaces that the file SPACES names".to_owned();
        return Err(StoreError::Corrupt { folder: folder.path().to_path_buf(), reason });
    }
    let needed: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
    // What a cut creation lacks is created now; what a finished store lacks must never reappear empty.
    let missing = if finished { needed.difference(&found).cloned().collect() } else { Vec::new() };
    found.extend(recorded.into_iter().flatten());
    let unknown: Vec<String> = found.difference(&needed).cloned().collect();
    if unknown.is_empty() && missing.is_empty() {
        return Ok(finished);
    }
    Err(StoreError::WrongSchema { folder: folder.path().to_path_buf(), unknown, missing })
}
