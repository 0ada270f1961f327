//! What can happen to a core.

use althing_types::{Hash, Height, LaneTip, Summary, ValidatorIndex, View};

use crate::message::Envelope;
use crate::record::Lsn;

/// The data plane's word on a block's batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataJudgement {
    /// All are here and durable, linked to the parent's cut, well signed and within the caps.
    Valid,
    /// Some are missing and are being fetched; another word follows.
    Wait,
    /// A batch holds a bad signature, or the batches exceed the caps or do not link. A pure function of the bytes.
    Invalid,
}

/// A sequence number of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneSeq {
    /// The lane.
    pub lane: u32,
    /// The number of a batch in it.
    pub seq: u64,
}

/// How far each lane reaches, as the data plane sees it. The core compares with the tip's cut, so the numbers need no
/// reset when a block orders them (rules I1 and I2).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work {
    /// The highest batch per lane that this validator would include as a leader.
    pub lead: Vec<LaneSeq>,
    /// The highest batch per lane that is its own or acknowledged by a quorum: what a leader must not ignore.
    pub timer: Vec<LaneSeq>,
}

/// What can happen to a core. The order of inputs is the order of events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A message arrived over the connection of this validator.
    Message {
        /// Who sent it.
        from: ValidatorIndex,
        /// What it says.
        envelope: Envelope,
    },
    /// The time of [`crate::Core::deadline`] has come; harmless at any other time.
    Tick,
    /// The answer to [`crate::Output::Build`].
    Built {
        /// The view that was asked for.
        view: View,
        /// The parent that was asked for.
        parent: Hash,
        /// The lanes to advance, ascending; empty if there is nothing to include.
        lanes: Vec<LaneTip>,
    },
    /// An answer to [`crate::Output::Check`]; it may come several times.
    Checked {
        /// The block.
        digest: Hash,
        /// The data plane's word.
        judgement: DataJudgement,
    },
    /// Everything up to this place of the log is durable.
    Durable(Lsn),
    /// The data plane's view of the lanes changed.
    Work(Work),
    /// The ledger executed and durably committed the final block of this height.
    Executed(Summary),
    /// A validator reports how far it executed.
    Reported {
        /// Who.
        from: ValidatorIndex,
        /// The height.
        executed: Height,
    },
    /// A validator became reachable or unreachable.
    Peer {
        /// Who.
        index: ValidatorIndex,
        /// Whether messages to it can arrive.
        connected: bool,
    },
}
