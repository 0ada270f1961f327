//! What agreement and the data plane say to each other: whether a block's batches are here, and how far lanes reach.

/// The data plane's word on a block's batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataJudgement {
    /// All are here and durable, linked to the parent's cut, well signed and within the caps.
    Valid,
    /// Some are missing or not durable yet, and are being fetched; another word follows.
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
/// reset when a block orders them. Lanes without a batch are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work {
    /// The highest batch per lane that this validator would include as a leader.
    pub lead: Vec<LaneSeq>,
    /// The highest batch per lane that is its own or acknowledged by a quorum, and held here: what a leader must not
    /// ignore.
    pub timer: Vec<LaneSeq>,
}
