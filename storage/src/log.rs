//! The door of the log: what every append-only log of this room promises, and the limits that all of them share.
//!
//! Deliberately absent: reading while the log is open (a log is read once, when it is opened), batches that survive as
//! a whole or not at all, and any say in when to sync.

use crate::{LogError, Lsn};

/// The largest record, in bytes.
///
/// A block is at most 4 MiB; twice that leaves room for whatever surrounds it in one record.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

/// How many bytes a log buffers before it commits on its own account.
///
/// Four records of the largest size: enough that a caller who syncs once per turn never meets it, and small enough
/// that one who never syncs does not fill the memory.
pub const PENDING_BYTES_MAX: usize = 4 * RECORD_BYTES_MAX;

/// How large a log may grow unless its options say otherwise, in bytes.
pub const TOTAL_BYTES_DEFAULT: u64 = 1 << 30;

const _: () = assert!(PENDING_BYTES_MAX as u64 <= TOTAL_BYTES_DEFAULT, "the buffer must fit in the log");

/// An append-only log of opaque records.
///
/// Records are kept in the order of their appending. A crash keeps every durable record and a prefix, possibly empty,
/// of those appended after it: never a record without all of its predecessors.
///
/// After any call has failed with an error for which [`LogError::is_fatal`] holds, the log is poisoned: every later
/// call returns [`LogError::Poisoned`], and the caller must stop the process. It must not drop the log and open it
/// again to go on, because the records it believes to be written may be gone.
pub trait AppendLog {
    /// Adds a record to the end and returns its position. Nothing is durable yet: the caller must not act on the
    /// record before [`AppendLog::sync`] has returned this position or a later one.
    ///
    /// The log may commit early when more than [`PENDING_BYTES_MAX`] bytes wait.
    ///
    /// # Errors
    ///
    /// [`LogError::RecordTooLarge`] and [`LogError::Full`] are decided before anything is written and leave the log as
    /// it was; every other error poisons it.
    fn append(&mut self, record: &[u8]) -> Result<Lsn, LogError>;

    /// Makes every appended record durable and returns the position of the last one. With nothing to write it returns
    /// at once. From here on the caller may act on every record up to the position returned.
    ///
    /// # Errors
    ///
    /// Every error poisons the log. The records that waited may or may not be found after the restart.
    fn sync(&mut self) -> Result<Lsn, LogError>;

    /// Compacts: afterwards the log consists of the records of `base`, in this order, and nothing else. They are new
    /// records with positions of their own, and they are durable when the call returns the position of the last one
    /// (or, when `base` is empty, the last position given so far).
    ///
    /// Records that were appended and not synced are replaced like all others: `base` must stand for them too. A
    /// caller that waits for the position of such a record may take it as durable when this returns, in the sense that
    /// whatever is left of it is in `base`. A crash meanwhile leaves either the old log or the new one.
    ///
    /// # Errors
    ///
    /// [`LogError::RecordTooLarge`] and [`LogError::Full`] (the base alone exceeds the limit) are decided before
    /// anything is written and leave the log as it was; every other error poisons it.
    fn replace(&mut self, base: &[Vec<u8>]) -> Result<Lsn, LogError>;

    /// The position of the last durable record. It is zero for a log that has never held one: a caller that knows of a
    /// past must then treat its log as lost.
    fn durable(&self) -> Lsn;

    /// The bytes that count against the limit of the log: all of its records, buffered ones included, with framing.
    fn bytes(&self) -> u64;
}

/// Refuses a record beyond the limit; every log asks this before anything else.
pub(crate) fn refuse_too_large(record: &[u8]) -> Result<(), LogError> {
    let bytes = record.len();
    if bytes > RECORD_BYTES_MAX {
        return Err(LogError::RecordTooLarge { bytes, bytes_max: RECORD_BYTES_MAX });
    }
    Ok(())
}
