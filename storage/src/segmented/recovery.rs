//! Reading a log back: which files count, which records they hold, and what is a crash and what is corruption.
//!
//! # Which files count
//!
//! The newest base segment and everything after it. Older segments are what a compaction did not get round to
//! deleting, and temporary files what it did not get round to naming; both go. The first segment of a log is a base
//! segment with an empty base, so that a log without one has lost its beginning.
//!
//! # A torn tail or corruption
//!
//! A disk may persist unsynced writes in any order, so after power loss the bytes after the last sync are a patchwork
//! of new data and zeros. The frame where reading stops is therefore judged by what follows it:
//!
//! 1. If a valid mark follows anywhere in the segment, the damaged bytes had been durable (`frame` says why): corrupt.
//! 2. If the segment is not the last one, everything in it had been durable, its last mark included, before the next
//!    one was created: corrupt, and so is a segment that does not end in a mark or continue the count.
//! 3. If records that the header declares durable are missing: corrupt.
//! 4. Otherwise the rest was never reported durable: it is dropped. Whole records before the damage are kept, also
//!    when no mark stands after them, because they may have been reported.
//!
//! The mark of the latest sync is not itself synced. Damage to records of that very sync, on top of power loss before
//! the mark reached the disk, is thus taken for a torn tail: two independent faults within seconds. A missing tail
//! that ends exactly between two frames, or a missing last segment, leaves no trace and cannot be noticed here.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::folder::{Folder, Listing};
use super::frame::{self, Frame, HEADER_BYTES, Header, HeaderError, MARK_BYTES, RECORD_OVERHEAD_BYTES, VERSION};
use crate::{LogError, Lsn};

/// What a folder turned out to hold.
#[derive(Debug)]
pub(super) struct Recovered {
    /// All records, in order.
    pub(super) records: Vec<Vec<u8>>,
    /// The position of the last of them.
    pub(super) last: Lsn,
    /// The finished segments that count, each with its length in use.
    pub(super) older: Vec<(u64, u64)>,
    /// The segment at the end, unless the log is new.
    pub(super) tail: Option<Tail>,
    /// Files that do not count.
    pub(super) leftovers: Vec<PathBuf>,
}

/// The segment at the end of the log, with what is known about its bytes.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) index: u64,
    pub(super) salt: u64,
    /// Where the last whole frame ends.
    pub(super) used: u64,
    /// Whether records follow the last mark, so that they have to be synced and marked before they are shown.
    pub(super) unmarked: bool,
    /// The bytes before `used` from the last mark on: the mark itself may never have reached the disk either.
    pub(super) unsynced: Vec<u8>,
    /// How many bytes after `used` may be something else than zero.
    pub(super) garbage_bytes: u64,
}

/// Reads the whole log and changes nothing.
pub(super) fn read(folder: &Folder, identity: &[u8; 32]) -> Result<Recovered, LogError> {
    let Listing { segments, temporary } = folder.list()?;
    let (headers, superseded) = live_headers(folder, &segments, identity)?;
    let mut leftovers = temporary;
    leftovers.extend(superseded.iter().map(|index| folder.segment_path(*index)));
    let last = headers.first().map_or(Lsn::ZERO, Header::before);
    let mut recovered = Recovered { records: Vec::new(), last, older: Vec::new(), tail: None, leftovers };
    for (place, header) in headers.iter().enumerate() {
        recovered.read_segment(&folder.segment_path(header.index), header, place + 1 == headers.len())?;
    }
    Ok(recovered)
}

impl Recovered {
    fn read_segment(&mut self, path: &Path, header: &Header, is_last: bool) -> Result<(), LogError> {
        if header.first != self.last.next() {
            return Err(corrupt(path, 0, "the segment does not continue the one before it"));
        }
        let bytes = fs::read(path).map_err(LogError::io("read", path))?;
        let mut scan = Scan::run(&bytes, header);
        scan.check(path, &bytes, header, is_last)?;
        self.records.append(&mut scan.records);
        self.last = scan.last;
        if is_last {
            self.tail = Some(scan.into_tail(&bytes, header));
        } else {
            self.older.push((header.index, scan.used as u64));
        }
        Ok(())
    }
}

/// How far a segment can be read.
struct Scan {
    records: Vec<Vec<u8>>,
    last: Lsn,
    /// Where the last mark (or the header) ends: everything before it had been durable.
    proven: usize,
    /// Where the last whole frame ends.
    used: usize,
    /// Why reading stopped, unless a zero word or the end of the file was met.
    stopped: Option<&'static str>,
}

impl Scan {
    fn run(bytes: &[u8], header: &Header) -> Self {
        let (last, start) = (header.before(), HEADER_BYTES);
        let mut scan = Self { records: Vec::new(), last, proven: start, used: start, stopped: None };
        loop {
            match frame::decode(bytes, scan.used, header.salt, scan.last) {
                Frame::Record(payload) => {
                    scan.records.push(payload.to_vec());
                    scan.last = scan.last.next();
                    scan.used += RECORD_OVERHEAD_BYTES + payload.len();
                }
                Frame::Mark => {
                    scan.used += MARK_BYTES;
                    scan.proven = scan.used;
                }
                Frame::End => return scan,
                Frame::Bad(reason) => {
                    scan.stopped = Some(reason);
                    return scan;
                }
            }
        }
    }

    /// Decides between a torn tail and corruption, by the rules at the head of this file.
    fn check(&self, path: &Path, bytes: &[u8], header: &Header, is_last: bool) -> Result<(), LogError> {
        let offset = self.used as u64;
        let rest_is_zero = bytes[self.used..].iter().all(|byte| *byte == 0);
        if !rest_is_zero && frame::find_mark(bytes, self.used, header.salt).is_some() {
            return Err(corrupt(
                path,
                offset,
                self.stopped.unwrap_or("there is a hole before records that were synced"),
            ));
        }
        if !is_last && !rest_is_zero {
            return Err(corrupt(path, offset, self.stopped.unwrap_or("there are bytes after the end of the segment")));
        }
        let ends_in_mark = self.proven == self.used && self.used > HEADER_BYTES;
        if !is_last && !ends_in_mark {
            return Err(corrupt(path, offset, "the end of the segment is missing"));
        }
        if self.last < header.sealed {
            return Err(corrupt(path, offset, "records with which the segment began are missing"));
        }
        Ok(())
    }

    fn into_tail(self, bytes: &[u8], header: &Header) -> Tail {
        let garbage = bytes[self.used..].iter().rposition(|byte| *byte != 0).map_or(0, |place| place + 1);
        let marked_to = if self.proven > HEADER_BYTES { self.proven - MARK_BYTES } else { HEADER_BYTES };
        Tail {
            index: header.index,
            salt: header.salt,
            used: self.used as u64,
            unmarked: self.proven < self.used,
            unsynced: bytes[marked_to..self.used].to_vec(),
            garbage_bytes: garbage as u64,
        }
    }
}

/// The headers of the segments that count, ascending, and the indices of those that do not.
fn live_headers<'a>(
    folder: &Folder,
    segments: &'a [u64],
    identity: &[u8; 32],
) -> Result<(Vec<Header>, &'a [u64]), LogError> {
    let mut headers: Vec<Header> = Vec::new();
    for (place, index) in segments.iter().enumerate().rev() {
        let path = folder.segment_path(*index);
        let header = read_header(&path, *index, identity)?;
        if headers.last().is_some_and(|newer| Some(newer.index) != index.checked_add(1)) {
            return Err(corrupt(&folder.segment_path(index + 1), 0, "the segment is missing"));
        }
        let is_base = header.base;
        headers.push(header);
        if is_base {
            headers.reverse();
            return Ok((headers, &segments[..place]));
        }
    }
    match segments.first() {
        None => Ok((headers, segments)),
        Some(first) => Err(corrupt(&folder.segment_path(first.saturating_sub(1)), 0, "the segment is missing")),
    }
}

fn read_header(path: &Path, index: u64, identity: &[u8; 32]) -> Result<Header, LogError> {
    let file = File::open(path).map_err(LogError::io("open", path))?;
    let mut bytes = [0; HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(corrupt(path, 0, "the file is shorter than its header"));
        }
        Err(error) => return Err(LogError::io("read", path)(error)),
    }
    let header = Header::decode(&bytes).map_err(|error| match error {
        HeaderError::Corrupt(reason) => corrupt(path, 0, reason),
        HeaderError::Version(found) => LogError::Version { file: path.to_path_buf(), found, known: VERSION },
    })?;
    if header.identity != *identity {
        return Err(LogError::WrongIdentity { file: path.to_path_buf() });
    }
    if header.index != index {
        return Err(corrupt(path, 0, "the header does not agree with the name of the file"));
    }
    Ok(header)
}

fn corrupt(file: &Path, offset: u64, reason: &'static str) -> LogError {
    LogError::Corrupt { file: file.to_path_buf(), offset, reason }
}
