//! Evidence: two signed statements of one validator that an honest one never makes together (rule R9).

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::encode;
use crate::keys::Signature;
use crate::lane::BatchHead;
use crate::number::{Epoch, ValidatorIndex};
use crate::scheme::Scheme;
use crate::validators::Committee;
use crate::vote::{SignedVote, Vote};

/// Proof of misbehaviour. The first statement is smaller than the second, so that a pair has one encoding (R9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Evidence {
    /// Two votes of one view that contradict each other.
    Votes(SignedVote, SignedVote) = 0,
    /// Two batches for one place in a lane.
    Batches((BatchHead, Signature), (BatchHead, Signature)) = 1,
}

/// Which of the pairs of rule R9 a piece of evidence is. Tags are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EvidenceKind {
    /// Two Notarize with different bodies.
    TwoNotarize = 0,
    /// A Notarize, and a Nullify that does not report it.
    NotarizeNullify = 1,
    /// A Finalize and a Nullify.
    FinalizeNullify = 2,
    /// Two different Finalize.
    TwoFinalize = 3,
    /// Two Nullify with different reports.
    TwoNullify = 4,
    /// Two batches for one place in a lane.
    TwoBatches = 5,
}

impl EvidenceKind {
    /// Every kind, in the order of the rule.
    pub const ALL: [Self; 6] = [
        Self::TwoNotarize,
        Self::NotarizeNullify,
        Self::FinalizeNullify,
        Self::TwoFinalize,
        Self::TwoNullify,
        Self::TwoBatches,
    ];

    /// The kind in words, the same in every answer, log line and metric.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TwoNotarize => "two notarize votes",
            Self::NotarizeNullify => "a notarize vote and a nullify vote that denies it",
            Self::FinalizeNullify => "a finalize vote and a nullify vote",
            Self::TwoFinalize => "two finalize votes",
            Self::TwoNullify => "two nullify votes",
            Self::TwoBatches => "two batches for one place in a lane",
        }
    }
}

/// Why a piece of evidence proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The two statements are the same, or in the wrong order.
    #[error("the statements are not strictly ascending")]
    Order,
    /// An honest validator may have made both statements.
    #[error("the statements do not contradict each other")]
    NoConflict,
    /// The statements are of different validators, views or epochs.
    #[error("the statements are not of one signer, epoch and place")]
    Unrelated,
    /// A signature does not verify.
    #[error("a signature of the evidence does not verify")]
    Signature,
}

impl Evidence {
    /// Evidence of two votes, in canonical order; none if an honest validator may have cast both.
    pub fn of_votes(a: SignedVote, b: SignedVote) -> Option<Self> {
        let evidence = if a < b { Self::Votes(a, b) } else { Self::Votes(b, a) };
        (a.signer == b.signer && conflict(&a.vote, &b.vote).is_some()).then_some(evidence)
    }

    /// Who misbehaved.
    pub fn culprit(&self) -> ValidatorIndex {
        match self {
            Self::Votes(vote, _) => vote.signer,
            Self::Batches((head, _), _) => ValidatorIndex::new(u16::try_from(head.lane).unwrap_or(u16::MAX)),
        }
    }

    /// The epoch of both statements.
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Votes(vote, _) => vote.vote.epoch(),
            Self::Batches((head, _), _) => head.epoch,
        }
    }

    /// Which pair of rule R9 it is; none if the two votes do not contradict each other, so that it verifies nowhere.
    pub fn kind(&self) -> Option<EvidenceKind> {
        match self {
            Self::Votes(a, b) => conflict(&a.vote, &b.vote),
            Self::Batches(..) => Some(EvidenceKind::TwoBatches),
        }
    }

    /// The canonical bytes of the two statements with their signatures, the smaller statement first.
    pub fn statements(&self) -> [Vec<u8>; 2] {
        match self {
            Self::Votes(a, b) => [encode(a), encode(b)],
            Self::Batches(a, b) => [encode(a), encode(b)],
        }
    }

    /// Every pair among two groups of votes that no honest validator signs together, one for each culprit, ascending by
    /// culprit. At most as many as there are validators among the votes.
    pub fn among(these: &[SignedVote], those: &[SignedVote]) -> Vec<Self> {
        let mut found: BTreeMap<ValidatorIndex, Self> = BTreeMap::new();
        for a in these {
            for b in those.iter().filter(|b| b.signer == a.signer) {
                if let Some(evidence) = Self::of_votes(*a, *b) {
                    found.entry(a.signer).or_insert(evidence);
                }
            }
        }
        found.into_values().collect()
    }

    /// Checks that the evidence proves misbehaviour of a validator of this epoch.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<(), EvidenceError> {
        match self {
            Self::Votes(a, b) => verify_votes(a, b, scheme, committee),
            Self::Batches(a, b) => verify_batches(a, b, scheme, committee),
        }
    }
}

fn verify_votes(
    a: &SignedVote,
    b: &SignedVote,
    scheme: &impl Scheme,
    committee: &Committee,
) -> Result<(), EvidenceError> {
    if a >= b {
        return Err(EvidenceError::Order);
    }
    if a.signer != b.signer {
        return Err(EvidenceError::Unrelated);
    }
    if conflict(&a.vote, &b.vote).is_none() {
        return Err(EvidenceError::NoConflict);
    }
    if a.verify(scheme, committee) && b.verify(scheme, committee) { Ok(()) } else { Err(EvidenceError::Signature) }
}

/// Two heads for one place in a lane, both signed by its owner (L9).
fn verify_batches(
    a: &(BatchHead, Signature),
    b: &(BatchHead, Signature),
    scheme: &impl Scheme,
    committee: &Committee,
) -> Result<(), EvidenceError> {
    let ((first, _), (second, _)) = (a, b);
    if a >= b {
        return Err(EvidenceError::Order);
    }
    if (first.epoch, first.lane, first.seq) != (second.epoch, second.lane, second.seq) {
        return Err(EvidenceError::Unrelated);
    }
    if first.digest == second.digest {
        return Err(EvidenceError::NoConflict);
    }
    let owner = u16::try_from(first.lane).ok().and_then(|lane| committee.set.get(ValidatorIndex::new(lane)));
    let signed = |(head, signature): &(BatchHead, Signature)| {
        head.epoch == committee.epoch
            && owner.is_some_and(|owner| scheme.verify(&owner.key, &head.sign_hash(&committee.chain), signature))
    };
    if signed(a) && signed(b) { Ok(()) } else { Err(EvidenceError::Signature) }
}

/// Which pair of rule R9 two votes are; none if an honest validator may cast both.
fn conflict(a: &Vote, b: &Vote) -> Option<EvidenceKind> {
    if (a.epoch(), a.view()) != (b.epoch(), b.view()) {
        return None;
    }
    let (kind, contradict) = match (a, b) {
        (Vote::Notarize(_), Vote::Notarize(_)) => (EvidenceKind::TwoNotarize, a != b),
        (Vote::Finalize(_), Vote::Finalize(_)) => (EvidenceKind::TwoFinalize, a != b),
        (Vote::Nullify(_), Vote::Nullify(_)) => (EvidenceKind::TwoNullify, a != b),
        (Vote::Finalize(_), Vote::Nullify(_)) | (Vote::Nullify(_), Vote::Finalize(_)) => {
            (EvidenceKind::FinalizeNullify, true)
        }
        (Vote::Notarize(notarize), Vote::Nullify(nullify)) | (Vote::Nullify(nullify), Vote::Notarize(notarize)) => {
            (EvidenceKind::NotarizeNullify, nullify.report != Some(notarize.digest))
        }
        (Vote::Notarize(_), Vote::Finalize(_)) | (Vote::Finalize(_), Vote::Notarize(_)) => return None,
    };
    contradict.then_some(kind)
}

#[cfg(test)]
mod tests;
