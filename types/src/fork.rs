//! Proof that more than f validators broke the rules: a final block, and certificates of the same view that no honest
//! majority forms beside it (rule R10 of `docs/spec/consensus.md`).
//!
//! The proof holds no headers and no second final block. A Finalization excludes every other certificate of its view
//! (section 15, step 5), so the certificates of that one view name the culprits, whichever blocks were built on them;
//! and a node that saw both certificates need not have the blocks.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::certificate::{Certificate, CertificateError, Finality, Finalization, Verdict};
use crate::codec::List;
use crate::evidence::Evidence;
use crate::number::{ValidatorIndex, View};
use crate::scheme::Scheme;
use crate::validators::{Committee, Quorums};
use crate::vote::SignedVote;

/// Certificates beside the Finalization at most: what contradicts it, what it was built on, and one more.
pub const FORK_CERTIFICATES_MAX: usize = 3;
/// Bytes of an encoded proof at most: four certificates of 128 signers each, in as many groups, take less.
pub const FORK_PROOF_BYTES_MAX: usize = 64 * 1024;

/// Proof of a fork. Tags are never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum ForkProof {
    /// The first form.
    V1 {
        /// A block is final.
        finalization: Finalization,
        /// Certificates of the same view, strictly ascending; at least one contradicts the Finalization.
        beside: List<Certificate, FORK_CERTIFICATES_MAX>,
    } = 1,
}

/// Why a proof of a fork is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForkProofError {
    /// A certificate does not verify.
    #[error("a certificate of the proof does not verify: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificates are of different views, or not strictly ascending.
    #[error("the certificates of the proof are not of one view, in order")]
    Frame,
    /// Nothing contradicts the Finalization.
    #[error("no certificate of the proof contradicts the finalization")]
    NoConflict,
    /// Too few signed both sides.
    #[error("the proof names {culprits} culprits, at least {needed} are needed")]
    TooFew {
        /// Who signed contradicting statements.
        culprits: usize,
        /// f and one.
        needed: usize,
    },
}

impl ForkProof {
    /// The view of the proof.
    pub const fn view(&self) -> View {
        let Self::V1 { finalization, .. } = self;
        finalization.vote.view
    }

    /// The block that is final by the proof's Finalization.
    pub const fn finalization(&self) -> &Finalization {
        let Self::V1 { finalization, .. } = self;
        finalization
    }

    /// The certificates beside the Finalization.
    pub fn beside(&self) -> &[Certificate] {
        let Self::V1 { beside, .. } = self;
        beside
    }

    /// The proof in verified certificates of one view; none if they show no fork, or too few culprits.
    pub fn among(certificates: &[Certificate], committee: &Committee) -> Option<Self> {
        let finalizations = certificates.iter().filter_map(|certificate| match certificate {
            Certificate::Finalization(finalization) => Some(finalization),
            _ => None,
        });
        finalizations.into_iter().find_map(|finalization| {
            let own = Certificate::Finalization(finalization.clone());
            let others = certificates.iter().filter(|it| contradict(&own, it, &committee.set.quorums()));
            others.into_iter().find_map(|other| Self::of(finalization, other, certificates, committee))
        })
    }

    /// The proof of a Finalization and a certificate that contradicts it. Finalize votes contradict no Notarize, so where
    /// those two meet a Notarization of the final block is needed as well.
    fn of(
        finalization: &Finalization,
        other: &Certificate,
        known: &[Certificate],
        committee: &Committee,
    ) -> Option<Self> {
        let digest = finalization.vote.digest;
        let built_on =
            known.iter().filter(|it| matches!(it, Certificate::Notarization(it) if it.vote.digest == digest));
        let helpers = std::iter::once(None).chain(built_on.map(Some));
        helpers.into_iter().find_map(|helper| {
            let mut beside: Vec<Certificate> = helper.into_iter().chain([other]).cloned().collect();
            beside.sort();
            let proof = Self::V1 { finalization: finalization.clone(), beside: List::truncated(beside) };
            (proof.evidence(committee).len() >= needed(committee)).then_some(proof)
        })
    }

    /// Every pair of contradicting statements in the proof, one for each culprit, ascending by culprit. The pairs verify
    /// if the certificates do.
    pub fn evidence(&self, committee: &Committee) -> Vec<Evidence> {
        let own = Certificate::Finalization(self.finalization().clone());
        let groups: Vec<Vec<SignedVote>> =
            std::iter::once(&own).chain(self.beside()).map(|certificate| certificate.votes(committee)).collect();
        let mut found: BTreeMap<ValidatorIndex, Evidence> = BTreeMap::new();
        let mut seen: Vec<SignedVote> = Vec::new();
        for group in groups {
            for evidence in Evidence::among(&seen, &group) {
                found.entry(evidence.culprit()).or_insert(evidence);
            }
            seen.extend(group);
        }
        found.into_values().collect()
    }

    /// Verifies the proof with the validators of its epoch alone, and names the culprits, ascending: those who signed
    /// statements that no honest validator signs together. They are f + 1 at least.
    ///
    /// # Errors
    ///
    /// [`ForkProofError`] if a certificate does not verify, if the certificates do not belong together or show no fork, or
    /// if they name too few.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<Vec<ValidatorIndex>, ForkProofError> {
        let own = Certificate::Finalization(self.finalization().clone());
        let beside = self.beside();
        if beside.iter().any(|it| it.view() != self.view()) || !beside.is_sorted_by(|a, b| a < b) {
            return Err(ForkProofError::Frame);
        }
        if !beside.iter().any(|it| contradict(&own, it, &committee.set.quorums())) {
            return Err(ForkProofError::NoConflict);
        }
        for certificate in std::iter::once(&own).chain(beside) {
            certificate.verify(scheme, committee)?;
        }
        let culprits: Vec<ValidatorIndex> = self.evidence(committee).iter().map(Evidence::culprit).collect();
        let needed = needed(committee);
        if culprits.len() < needed {
            return Err(ForkProofError::TooFew { culprits: culprits.len(), needed });
        }
        Ok(culprits)
    }
}

/// Whether no two honest majorities form both certificates of one view: at most one digest is notarized, and a final block
/// excludes every Nullification that lets its view be passed over.
pub fn contradict(a: &Certificate, b: &Certificate, quorums: &Quorums) -> bool {
    if a.view() != b.view() {
        return false;
    }
    match (a, b) {
        (Certificate::Notarization(a), Certificate::Notarization(b)) => a.vote != b.vote,
        (Certificate::Finalization(a), Certificate::Finalization(b)) => a.vote != b.vote,
        (Certificate::Finalization(a), Certificate::Notarization(b))
        | (Certificate::Notarization(b), Certificate::Finalization(a)) => a.vote.digest != b.vote.digest,
        (Certificate::Finalization(a), Certificate::Nullification(b))
        | (Certificate::Nullification(b), Certificate::Finalization(a)) => {
            a.finality == Finality::Slow || b.verdict(quorums) != Verdict::Recover(a.vote.digest)
        }
        (Certificate::Notarization(_) | Certificate::Nullification(_), Certificate::Nullification(_))
        | (Certificate::Nullification(_), Certificate::Notarization(_)) => false,
    }
}

/// f and one: fewer culprits break nothing.
fn needed(committee: &Committee) -> usize {
    usize::from(committee.set.quorums().f()).saturating_add(1)
}

#[cfg(test)]
mod tests;
