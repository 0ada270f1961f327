//! The log on disk: records in segment files, one of which is written at its end.
//!
//! # Invariants
//!
//! 1. Frames are written in one piece per sync, then synced, then marked; only then does the caller learn of it.
//! 2. Nothing is written after bytes that might not be durable: a sync covers all that was written before, and opening
//!    settles the tail first.
//! 3. A finished segment is durable to its last byte before the next one is created.
//! 4. Files get their name when they are complete, and are deleted when what replaces them is durable under its name.
//! 5. The poison is set before the first byte of any change goes out and lifted when the change is complete.
//!
//! How a log is read back, and what counts as corruption, is at the head of `recovery`; the bytes are in `frame`.
//!
//! Deliberately absent: threads, retries, checks of free space beyond reserving a segment ahead, and any protection
//! against a disk that reports a sync and does not carry it out.

mod folder;
mod frame;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use self::folder::Folder;
use self::frame::{HEADER_BYTES, Header, MARK_BYTES, RECORD_OVERHEAD_BYTES};
use self::recovery::{Recovered, Tail};
use self::segment::Segment;
use crate::log::refuse_too_large;
use crate::{AppendLog, LogError, Lsn, PENDING_BYTES_MAX, TOTAL_BYTES_DEFAULT};

/// The size at which a new segment begins unless the options say otherwise, in bytes. It bounds what is reserved in
/// advance; the number of segments of a full log stays below a hundred.
pub const SEGMENT_BYTES_DEFAULT: u64 = 16 << 20;

const _: () = assert!(TOTAL_BYTES_DEFAULT / SEGMENT_BYTES_DEFAULT < 100, "a full log has few segments");

/// The sizes of a log. They may differ from one opening to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// After a sync that leaves the segment at this size or beyond, a new one begins.
    pub segment_bytes: u64,
    /// How large the log may grow. While it is compacted, the disk must hold old and new at once.
    pub total_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES_DEFAULT, total_bytes: TOTAL_BYTES_DEFAULT }
    }
}

/// An append-only log in a folder of its own.
///
/// Dropping it discards what was not synced.
#[derive(Debug)]
pub struct SegmentedLog {
    folder: Folder,
    identity: [u8; 32],
    options: Options,
    /// The finished segments, each with its length in use.
    older: Vec<(u64, u64)>,
    segment: Segment,
    /// Frames that are not written yet.
    pending: Vec<u8>,
    appended: Lsn,
    durable: Lsn,
    poisoned: bool,
}

impl SegmentedLog {
    /// Opens the log in `folder`, or creates one if the folder holds none, and returns it with all of its records.
    ///
    /// The records returned are durable, also those of which the earlier process never learnt that they were. The
    /// caller that finds none although it has a past must treat the log as lost. `identity` binds the log to whatever
    /// must not be confused: a log of another identity is refused.
    ///
    /// # Errors
    ///
    /// Every error means that the process must not go on with this log; see [`LogError`] for each.
    pub fn open(folder: &Path, identity: &[u8; 32], options: Options) -> Result<(Self, Vec<Vec<u8>>), LogError> {
        let folder = Folder::lock(folder)?;
        let recovered = recovery::read(&folder, identity)?;
        // The names found here may not be durable yet: the process that gave them may have died just before it synced.
        folder.sync()?;
        folder.remove(&recovered.leftovers)?;
        let Recovered { records, last, older, tail, .. } = recovered;
        let segment = match &tail {
            Some(tail) => settle(&folder, tail, last)?,
            None => create_first(&folder, *identity, &options)?,
        };
        let pending = Vec::new();
        let identity = *identity;
        let (appended, durable) = (last, last);
        let log = Self { folder, identity, options, older, segment, pending, appended, durable, poisoned: false };
        Ok((log, records))
    }

    /// Reads the log in `folder` as [`SegmentedLog::open`] would, and changes nothing; none if there is no log. Records at its end
    /// that are returned need not be durable.
    ///
    /// # Errors
    ///
    /// As [`SegmentedLog::open`].
    pub fn read(folder: &Path, identity: &[u8; 32]) -> Result<Option<Vec<Vec<u8>>>, LogError> {
        let Some(folder) = Folder::look(folder)? else { return Ok(None) };
        let recovered = recovery::read(&folder, identity)?;
        Ok(recovered.tail.is_some().then_some(recovered.records))
    }

    /// Writes, syncs and marks what is pending, and begins a new segment when this one is large enough.
    fn commit(&mut self) -> Result<(), LogError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.poisoned = true;
        self.segment.write(&self.pending)?;
        self.segment.sync()?;
        self.segment.mark(self.appended)?;
        self.pending.clear();
        self.durable = self.appended;
        if self.segment.used >= self.options.segment_bytes {
            self.rotate()?;
        }
        self.poisoned = false;
        Ok(())
    }

    /// Finishes the segment, last mark included, and begins the next one.
    fn rotate(&mut self) -> Result<(), LogError> {
        self.segment.sync()?;
        let next = self.next_segment(false, &[])?;
        let finished = std::mem::replace(&mut self.segment, next);
        self.older.push((finished.index, finished.used));
        Ok(())
    }

    /// Creates the segment after the current one.
    fn next_segment(&self, base: bool, records: &[Vec<u8>]) -> Result<Segment, LogError> {
        let index = self.segment.index.checked_add(1).expect("no log lives long enough for 2^64 segments");
        let header = Header {
            base,
            identity: self.identity,
            index,
            first: self.appended.next(),
            sealed: self.appended.plus(records.len() as u64),
            salt: segment::fresh_salt(index),
        };
        let reserve_bytes = self.options.segment_bytes.max(segment::base_bytes(records));
        Segment::create(&self.folder, &header, records, reserve_bytes)
    }

    fn refuse_if_poisoned(&self) -> Result<(), LogError> {
        if self.poisoned { Err(LogError::Poisoned) } else { Ok(()) }
    }

    fn refuse_beyond_total(&self, bytes: u64) -> Result<(), LogError> {
        let bytes_max = self.options.total_bytes;
        if bytes > bytes_max { Err(LogError::Full { bytes, bytes_max }) } else { Ok(()) }
    }
}

impl AppendLog for SegmentedLog {
    fn append(&mut self, record: &[u8]) -> Result<Lsn, LogError> {
        self.refuse_if_poisoned()?;
        refuse_too_large(record)?;
        // Besides the record, its commit may cost a mark and the header of the next segment.
        let growth = RECORD_OVERHEAD_BYTES + record.len() + MARK_BYTES + HEADER_BYTES;
        self.refuse_beyond_total(self.bytes().saturating_add(growth as u64))?;
        let lsn = self.appended.next();
        frame::encode_record(&mut self.pending, self.segment.salt, lsn, record);
        self.appended = lsn;
        if self.pending.len() > PENDING_BYTES_MAX {
            self.commit()?;
        }
        Ok(lsn)
    }

    fn sync(&mut self) -> Result<Lsn, LogError> {
        self.refuse_if_poisoned()?;
        self.commit()?;
        Ok(self.durable)
    }

    fn replace(&mut self, base: &[Vec<u8>]) -> Result<Lsn, LogError> {
        self.refuse_if_poisoned()?;
        base.iter().try_for_each(|record| refuse_too_large(record))?;
        self.refuse_beyond_total(segment::base_bytes(base))?;
        self.poisoned = true;
        let next = self.next_segment(true, base)?;
        // The new segment is the log from here on; the old ones are only in the way.
        let finished = std::mem::replace(&mut self.segment, next);
        self.pending.clear();
        self.appended = self.appended.plus(base.len() as u64);
        self.durable = self.appended;
        let mut old: Vec<PathBuf> = self.older.drain(..).map(|(index, _)| self.folder.segment_path(index)).collect();
        old.push(finished.path);
        self.folder.remove(&old)?;
        self.poisoned = false;
        Ok(self.durable)
    }

    fn durable(&self) -> Lsn {
        self.durable
    }

    fn bytes(&self) -> u64 {
        let older: u64 = self.older.iter().map(|(_, bytes)| bytes).sum();
        older + self.segment.used + self.pending.len() as u64
    }
}

/// Creates the first segment of a new log.
fn create_first(folder: &Folder, identity: [u8; 32], options: &Options) -> Result<Segment, LogError> {
    let index = 1;
    let salt = segment::fresh_salt(index);
    let header = Header { base: true, identity, index, first: Lsn::ZERO.next(), sealed: Lsn::ZERO, salt };
    Segment::create(folder, &header, &[], options.segment_bytes)
}

/// Opens the last segment for writing and makes what was read from it durable.
///
/// The last mark and the records behind it are written once more before the sync: if the process before this one ended
/// because a sync had failed, the kernel may hold their pages as clean although the disk has never seen them, and a
/// sync alone would do nothing. What follows the last whole frame is overwritten with zeros, so that no remnant of it
/// can ever be read as a continuation of what is written next.
fn settle(folder: &Folder, tail: &Tail, last: Lsn) -> Result<Segment, LogError> {
    let path = folder.segment_path(tail.index);
    let file = OpenOptions::new().read(true).write(true).open(&path).map_err(LogError::io("open", &path))?;
    let mut segment = Segment { file, path, index: tail.index, salt: tail.salt, used: tail.used };
    let garbage_bytes = usize::try_from(tail.garbage_bytes).expect("the garbage was counted in memory");
    let mut bytes = tail.unsynced.clone();
    bytes.resize(bytes.len() + garbage_bytes, 0);
    if bytes.is_empty() {
        return Ok(segment);
    }
    let offset = tail.used - tail.unsynced.len() as u64;
    segment.file.write_all_at(&bytes, offset).map_err(LogError::io("write to", &segment.path))?;
    segment.sync()?;
    if tail.unmarked {
        segment.mark(last)?;
    }
    Ok(segment)
}
