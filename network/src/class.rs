//! The classes of frames: what each may weigh, how much of it may wait, and what is dropped when too much does.
//!
//! The figures are those of the table of limits in the design; those of the queues allow a few seconds of a full
//! network. Nothing here knows what is in a frame.

/// What a frame is about. Earlier ones are written first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Votes and certificates: small, and nothing may stand in front of them.
    Votes,
    /// Proposals of blocks.
    Proposals,
    /// Batches and what is said about them.
    Data,
    /// Blocks and chunks for those who are behind.
    Sync,
}

/// What happens to a frame that finds the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It goes in, and the oldest go: only the newest word counts.
    DropOldest,
    /// It is refused: the sender can say it again later.
    DropNewest,
}

/// What may wait for one peer in one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// Frames at most.
    pub(crate) frames_max: usize,
    /// Bytes of all frames at most.
    pub(crate) bytes_max: usize,
    /// What goes when either is reached.
    pub(crate) overflow: Overflow,
}

const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

impl Class {
    /// How many classes there are.
    pub const COUNT: usize = 4;
    /// All of them, the most urgent first.
    pub const ALL: [Self; Self::COUNT] = [Self::Votes, Self::Proposals, Self::Data, Self::Sync];

    /// Bytes of one frame at most. A sender is refused above it, and a peer that sends more is cut off.
    pub const fn frame_bytes_max(self) -> usize {
        match self {
            Self::Votes => 64 * KIB,
            Self::Proposals | Self::Sync => MIB,
            Self::Data => 640 * KIB,
        }
    }

    /// The word for it in protocol names, metrics and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Votes => "votes",
            Self::Proposals => "proposals",
            Self::Data => "data",
            Self::Sync => "sync",
        }
    }

    /// Its place in [`Class::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Votes => 0,
            Self::Proposals => 1,
            Self::Data => 2,
            Self::Sync => 3,
        }
    }

    /// What may wait.
    pub(crate) const fn queue_limits(self) -> QueueLimits {
        match self {
            Self::Votes => QueueLimits { frames_max: 1_024, bytes_max: 4 * MIB, overflow: Overflow::DropOldest },
            Self::Proposals => QueueLimits { frames_max: 64, bytes_max: 8 * MIB, overflow: Overflow::DropOldest },
            Self::Data => QueueLimits { frames_max: 4_096, bytes_max: 16 * MIB, overflow: Overflow::DropNewest },
            Self::Sync => QueueLimits { frames_max: 4_096, bytes_max: 8 * MIB, overflow: Overflow::DropNewest },
        }
    }
}
