//! Seeded bugs: each breaks one rule, so that the simulator can be seen to find it.
//!
//! They are behind the feature `canary`, which nothing in the workspace enables and only `make canaries` asks for; in
//! every other build [`seeded`] is always false and costs nothing. Even with the feature a bug does nothing until
//! `seed` sets it free, for the whole process.

/// A seeded bug, named after the rule that it breaks (`docs/spec/consensus.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Canary {
    /// C2: one vote fewer is a quorum.
    QuorumMinusOne,
    /// C2: one Nullify fewer is a quorum.
    NullifyQuorumMinusOne,
    /// F1: one Notarize fewer is a fast quorum.
    FastQuorumMinusOne,
    /// C1: certificates are not verified.
    CertificateUnverified,
    /// C2: votes are not verified.
    VoteUnverified,
    /// C3: a Nullification always says Skip.
    VerdictIgnored,
    /// R4: a Nullify reports nothing.
    ReportDropped,
    /// R2: a Notarize may follow a Nullify.
    NotarizeAfterNullify,
    /// R2: a second Notarize may follow a first.
    SecondNotarize,
    /// R2: after a Finalize another block may be notarized.
    NotarizeAfterFinalize,
    /// R3: a Finalize may follow a Nullify.
    FinalizeAfterNullify,
    /// R7: nobody is pushed certificates.
    NothingPushed,
    /// R8: nothing is said again.
    NothingRepeated,
    /// V1, V3, V4: a block is sound whatever its header says.
    UnsoundAccepted,
    /// V3: views that are passed over need no certificate.
    UnjustifiedAccepted,
    /// X1, X2: what a block carries may be anything.
    AnythingCarried,
    /// X3: carried results are not compared.
    ResultsUncompared,
    /// D2 to D4, D9: a vote is sent and counted before it is durable.
    VoteBeforeSync,
    /// D5: what is not durable is acknowledged.
    AckBeforeSync,
    /// D6: an own batch is sent before it is durable.
    BatchBeforeSync,
    /// D7: a view is announced before its certificate is durable.
    AnnouncedBeforeSync,
    /// D8: a block is handed over before its certificate is durable.
    FinalBeforeSync,
    /// D8: compaction forgets what was signed above the floor.
    FactsCompacted,
    /// D9: votes in the log are not taken back in.
    VotesNotReplayed,
    /// D10: what a recovered validator may not sign in is ignored.
    AbstentionIgnored,
    /// I1: a tip is work as soon as it is certified.
    TipIsWorkAtOnce,
    /// S1: a run of final blocks is believed unverified.
    RunUnverified,
    /// L1: a batch is taken whoever signed it and whatever it holds.
    BatchUnverified,
    /// L4: a block is notarized without its batches.
    NotarizeWithoutBatches,
    /// L4: the batches of ancestors are not looked at.
    AncestorsUnchecked,
    /// L5: missing batches are not fetched.
    NothingFetched,
    /// L10: a lane is pruned when its batch is final, before the ledger has committed it.
    PrunedEarly,
    /// E1: a pending change ends no epoch.
    EpochNeverEnds,
    /// E2: a boundary block may have a child in its epoch.
    ChildOfBoundary,
    /// E3: the log does not say how an epoch began.
    OpeningNotLogged,
    /// E3: what no block of the old epoch ordered is forgotten.
    CarriedForgotten,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 36] = [
        Self::QuorumMinusOne,
        Self::NullifyQuorumMinusOne,
        Self::FastQuorumMinusOne,
        Self::CertificateUnverified,
        Self::VoteUnverified,
        Self::VerdictIgnored,
        Self::ReportDropped,
        Self::NotarizeAfterNullify,
        Self::SecondNotarize,
        Self::NotarizeAfterFinalize,
        Self::FinalizeAfterNullify,
        Self::NothingPushed,
        Self::NothingRepeated,
        Self::UnsoundAccepted,
        Self::UnjustifiedAccepted,
        Self::AnythingCarried,
        Self::ResultsUncompared,
        Self::VoteBeforeSync,
        Self::AckBeforeSync,
        Self::BatchBeforeSync,
        Self::AnnouncedBeforeSync,
        Self::FinalBeforeSync,
        Self::FactsCompacted,
        Self::VotesNotReplayed,
        Self::AbstentionIgnored,
        Self::TipIsWorkAtOnce,
        Self::RunUnverified,
        Self::BatchUnverified,
        Self::NotarizeWithoutBatches,
        Self::AncestorsUnchecked,
        Self::NothingFetched,
        Self::PrunedEarly,
        Self::EpochNeverEnds,
        Self::ChildOfBoundary,
        Self::OpeningNotLogged,
        Self::CarriedForgotten,
    ];
}

/// Whether this bug is free. Always false without the feature `canary`.
#[cfg(not(feature = "canary"))]
#[inline(always)]
pub const fn seeded(_: Canary) -> bool {
    false
}

#[cfg(feature = "canary")]
static FREE: std::sync::Mutex<Option<Canary>> = std::sync::Mutex::new(None);

/// Whether this bug is free.
#[cfg(feature = "canary")]
pub fn seeded(canary: Canary) -> bool {
    *FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) == Some(canary)
}

/// Sets one bug free, and only that; or none.
#[cfg(feature = "canary")]
pub fn seed(canary: Option<Canary>) {
    *FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = canary;
}
