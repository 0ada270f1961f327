//! What the core keeps in its log, and how a place in the log is named.

use crate::epoch::EpochRecord;
use althing_types::{Block, Certificate, Epoch, Evidence, Hash, SignedVote, View};
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
    Epoch(Box<EpochRecord>) = 5,
    /// What this validator knows of its own past; the last one counts (D10).
    Standing(Standing) = 4,
}

/// What a validator knows of its own past (rule D10). Tags are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Standing {
    /// The log holds all that it signed: it began with nothing signed.
    Whole {
        /// What it asks its peers with: drawn at random when the log was begun, so that no answer to another question
        /// is taken for one to this.
        question: Hash,
    } = 0,
    /// What it signed is lost or in doubt: it signs nothing.
    Recovering {
        /// What it asks its peers with.
        question: Hash,
        /// The highest view that is known to have a vote of its own; 0 if none is.
        above: View,
    } = 1,
    /// What it signed is lost, and is all of views up to this one.
    Abstaining {
        /// What it asks its peers with.
        question: Hash,
        /// The epoch of the view.
        epoch: Epoch,
        /// It never signs anything in this view or below.
        to: View,
    } = 2,
    /// A vote or batch of its own key was seen that is none of its own: another process signs, or what it signed is lost. It
    /// signs nothing until an operator has looked.
    Doubled {
        /// The vote; none if it was a batch that showed it.
        vote: Option<SignedVote>,
    } = 3,
    /// What it signed is lost, and is all of views that are closed: a block that does not end this epoch became final
    /// above them. So the epoch had not ended when it was lost, and the next one is entered with nothing signed in it. The
    /// own lane is silent until then.
    Settled {
        /// What it asks its peers with.
        question: Hash,
        /// The epoch.
        epoch: Epoch,
    } = 4,
}
