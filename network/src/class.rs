//! What may wait for one peer in each class of messages.
//!
//! The figures allow a few seconds of a full network. Nothing here knows what is in a frame.

pub use althing_types::Class;

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

const MIB: usize = 1 << 20;

/// What may wait for one peer in this class.
pub(crate) const fn queue_limits(class: Class) -> QueueLimits {
    match class {
        Class::Votes => QueueLimits { frames_max: 1_024, bytes_max: 4 * MIB, overflow: Overflow::DropOldest },
        Class::Proposals => QueueLimits { frames_max: 64, bytes_max: 8 * MIB, overflow: Overflow::DropOldest },
        Class::Data => QueueLimits { frames_max: 4_096, bytes_max: 16 * MIB, overflow: Overflow::DropNewest },
        Class::Sync => QueueLimits { frames_max: 4_096, bytes_max: 8 * MIB, overflow: Overflow::DropNewest },
    }
}
