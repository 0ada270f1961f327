//! The classes of messages between nodes. A frame is length-limited bytes; its class says on which stream it travels,
//! how urgent it is and how long it may be. The figures are those of the table of limits in the design.

use std::sync::Arc;

const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

/// The bytes of one message. Many peers get the same, so they are shared.
pub type Frame = Arc<[u8]>;

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
    pub const fn index(self) -> usize {
        match self {
            Self::Votes => 0,
            Self::Proposals => 1,
            Self::Data => 2,
            Self::Sync => 3,
        }
    }
}
