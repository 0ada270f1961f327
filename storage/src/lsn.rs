//! The position of a record in a log.
//!
//! Guarantees that positions are ordered, start at one and are never given to two durable records of one log. The
//! position is a count, not an address: it says nothing about the file or the offset where the record lies.

use std::fmt;

/// Log sequence number: the count of records since the log began, this one included.
///
/// The first record of a log has position one; [`Lsn::ZERO`] stands for "no record yet". Compaction does not start the
/// count again. A position whose record was lost in a crash before it was durable is given again after the restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// The position before the first record.
    pub const ZERO: Self = Self(0);

    /// The position with this count.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// The count as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position of the record that follows.
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The position `count` records further on.
    pub(crate) const fn plus(self, count: u64) -> Self {
        Self(self.0.checked_add(count).expect("no log lives long enough to hold 2^64 records"))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
