//! What the core keeps in its log, and how a place in the log is named.

use crate::epoch::EpochRecord;
use althing_types::{Block, Certificate, Evidence, SignedVote};
use borsh::{BorshDeserialize, BorshSerialize};

/// A place in the core's log: the first record is 1, and every output that concerns the log takes the next number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// The place before the first record.
    pub const ZERO: Self = Self(0);

    /// The place with this number.
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next place.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A record. Tags are never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Record {
    /// A vote of this validator. It is a fact from the moment that it is in the log.
    Vote(SignedVote) = 0,
    /// A certificate that was formed or received.
    Certificate(Certificate) = 1,
    /// A block whose data is durable here.
    Block(Box<Block>) = 2,
    /// Evidence that is in no final block yet (R9).
    Evidence(Evidence) = 3,
    /// How the epoch began whose records follow (E3).
    Epoch(Box<EpochRecord>) = 4,
}
