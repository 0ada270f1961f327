//! Evidence: two signed statements of one validator that an honest one never makes together (rule R9).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::keys::Signature;
use crate::lane::BatchHead;
use crate::number::ValidatorIndex;
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
        (a.signer == b.signer && votes_conflict(&a.vote, &b.vote)).then_some(evidence)
    }

    /// Who misbehaved.
    pub fn culprit(&self) -> ValidatorIndex {
        match self {
            Self::Votes(vote, _) => vote.signer,
            Self::Batches((head, _), _) => ValidatorIndex::new(u16::try_from(head.lane).unwrap_or(u16::MAX)),
        }
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
    if !votes_conflict(&a.vote, &b.vote) {
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

/// Whether no honest validator casts both votes: the table of rule R9.
fn votes_conflict(a: &Vote, b: &Vote) -> bool {
    if (a.epoch(), a.view()) != (b.epoch(), b.view()) {
        return false;
    }
    match (a, b) {
        (Vote::Notarize(_), Vote::Notarize(_))
        | (Vote::Finalize(_), Vote::Finalize(_))
        | (Vote::Nullify(_), Vote::Nullify(_)) => a != b,
        (Vote::Finalize(_), Vote::Nullify(_)) | (Vote::Nullify(_), Vote::Finalize(_)) => true,
        (Vote::Notarize(notarize), Vote::Nullify(nullify)) | (Vote::Nullify(nullify), Vote::Notarize(notarize)) => {
            nullify.report != Some(notarize.digest)
        }
        (Vote::Notarize(_), Vote::Finalize(_)) | (Vote::Finalize(_), Vote::Notarize(_)) => false,
    }
}

#[cfg(test)]
mod tests;
