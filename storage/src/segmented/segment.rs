//! One segment file that is being written.
//!
//! Guarantees that a segment bears its name only when its header and its base records are durable: a file with a
//! damaged header is never the trace of a crash. It does not know about poisoning: whoever calls must not go on after
//! an error.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::frame::{self, HEADER_BYTES, Header, MARK_BYTES};
use crate::{LogError, Lsn};

/// How much of a base is encoded before it is written: large enough for the disk, small enough for the memory.
const CHUNK_BYTES: usize = 1 << 20;

/// A segment that is open for writing at its end.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) index: u64,
    pub(super) salt: u64,
    /// Where the next frame goes.
    pub(super) used: u64,
}

impl Segment {
    /// Creates a segment that begins with `base`, durably: file first, then its name.
    pub(super) fn create(
        folder: &Folder,
        header: &Header,
        base: &[Vec<u8>],
        reserve_bytes: u64,
    ) -> Result<Self, LogError> {
        let temporary = folder.temporary_path(header.index);
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&temporary);
        let file = file.map_err(LogError::io("create", &temporary))?;
        reserve(&file, &temporary, reserve_bytes)?;
        let mut segment = Self { file, path: temporary, index: header.index, salt: header.salt, used: 0 };
        segment.write(&header.encode())?;
        segment.write_base(header.first, base)?;
        segment.file.sync_all().map_err(LogError::io("sync", &segment.path))?;
        let path = folder.segment_path(header.index);
        folder.put_in_place(&segment.path, &path)?;
        segment.path = path;
        Ok(segment)
    }

    /// Writes frames at the end. Short and interrupted writes are continued.
    pub(super) fn write(&mut self, frames: &[u8]) -> Result<(), LogError> {
        self.file.write_all_at(frames, self.used).map_err(LogError::io("write to", &self.path))?;
        self.used += frames.len() as u64;
        Ok(())
    }

    /// Makes the contents durable.
    pub(super) fn sync(&self) -> Result<(), LogError> {
        self.file.sync_data().map_err(LogError::io("sync", &self.path))
    }

    /// Notes that all records up to `last` are durable. The caller must have synced them; the mark itself becomes
    /// durable with the next sync, and until then it survives the end of the process but perhaps not of the machine.
    pub(super) fn mark(&mut self, last: Lsn) -> Result<(), LogError> {
        self.write(&frame::encode_mark(self.salt, last, self.used))
    }

    /// Writes the base with its mark. The mark may go along with the records here, because nobody sees the file before
    /// it is synced and renamed.
    fn write_base(&mut self, first: Lsn, base: &[Vec<u8>]) -> Result<(), LogError> {
        if base.is_empty() {
            return Ok(());
        }
        let mut lsn = first;
        let mut last = first;
        let mut chunk = Vec::new();
        for record in base {
            frame::encode_record(&mut chunk, self.salt, lsn, record);
            last = lsn;
            lsn = lsn.next();
            if chunk.len() >= CHUNK_BYTES {
                self.write(&chunk)?;
                chunk.clear();
            }
        }
        self.write(&chunk)?;
        self.mark(last)
    }
}

/// The bytes of a segment that begins with `base`, marks included.
pub(super) fn base_bytes(base: &[Vec<u8>]) -> u64 {
    let records: usize = base.iter().map(|record| record.len() + frame::RECORD_OVERHEAD_BYTES).sum();
    (HEADER_BYTES + records + MARK_BYTES) as u64
}

/// A number that nobody outside this process can foresee. The standard library seeds its hashers from the operating
/// system's randomness, which is all that is asked for here: it defends a checksum, not a key.
pub(super) fn fresh_salt(index: u64) -> u64 {
    RandomState::new().hash_one(index)
}

/// Reserves the space of a segment, so that a full disk is noticed when a segment is created rather than in the middle
/// of it, and so that most syncs need not change the size of the file. A file system that cannot do it goes without.
#[cfg(target_os = "linux")]
fn reserve(file: &File, path: &Path, bytes: u64) -> Result<(), LogError> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::{Errno, retry_on_intr};
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, bytes)) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(LogError::io("reserve space for", path)(error)),
    }
}

/// Elsewhere a segment grows as it is written.
#[cfg(not(target_os = "linux"))]
fn reserve(_file: &File, _path: &Path, _bytes: u64) -> Result<(), LogError> {
    Ok(())
}
