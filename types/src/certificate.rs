//! Certificates: enough votes of one view to decide something, in a form that anyone with the validator set can check.
//!
//! A certificate holds the signers as a bitmap and their signatures in the same order. Every bit must name a
//! validator, every signature must verify, and a Notarization or Finalization holds exactly its quorum, so that no
//! surplus is stored or relayed (`decisions.md` 1.7).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::{Bytes, List};
use crate::hash::Hash;
use crate::keys::Signature;
use crate::number::{Epoch, ValidatorIndex, View};
use crate::scheme::Scheme;
use crate::validators::{Committee, Quorums, VALIDATORS_MAX};
use crate::vote::{Finalize, Notarize, Nullify, SignedVote, Vote};

/// Bytes of a bitmap at most.
const BITMAP_BYTES_MAX: usize = VALIDATORS_MAX / 8;

/// A set of validators: bit i of byte i / 8 stands for index i, lowest bit first. Its length is ⌈n / 8⌉ bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Bitmap(Bytes<BITMAP_BYTES_MAX>);

impl Bitmap {
    /// The set of these indices among `n` validators. Indices of `n` and above are left out.
    pub fn of(n: u16, indices: impl IntoIterator<Item = ValidatorIndex>) -> Self {
        let mut bytes = vec![0u8; usize::from(n).div_ceil(8)];
        for index in indices.into_iter().filter(|index| index.get() < n) {
            if let Some(byte) = bytes.get_mut(index.to_usize() / 8) {
                *byte |= 1 << (index.get() % 8);
            }
        }
        bytes.truncate(BITMAP_BYTES_MAX);
        Self(Bytes::new(bytes).unwrap_or_default())
    }

    /// The indices, ascending, or an error if the length is not ⌈n / 8⌉ or a bit of `n` or above is set.
    pub fn indices(&self, n: u16) -> Result<Vec<ValidatorIndex>, CertificateError> {
        if self.0.len() != usize::from(n).div_ceil(8) {
            return Err(CertificateError::Bitmap);
        }
        let set = (0..u16::MAX).take(self.0.len().saturating_mul(8)).filter(|index| self.holds(*index));
        let indices: Vec<ValidatorIndex> = set.map(ValidatorIndex::new).collect();
        match indices.last() {
            Some(last) if last.get() >= n => Err(CertificateError::Bitmap),
            _ => Ok(indices),
        }
    }

    fn holds(&self, index: u16) -> bool {
        self.0.get(usize::from(index / 8)).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It belongs to another epoch than the validators that it is checked with.
    #[error("a certificate of epoch {given}, the validators are those of epoch {expected}")]
    Epoch {
        /// The certificate's epoch.
        given: Epoch,
        /// The validators' epoch.
        expected: Epoch,
    },
    /// The bitmap has another length than the set needs, or names somebody outside the set.
    #[error("the signers' bitmap does not fit the validator set")]
    Bitmap,
    /// There are more or fewer signatures than signers.
    #[error("{signatures} signatures of {signers} signers")]
    Count {
        /// Signatures.
        signatures: usize,
        /// Signers.
        signers: usize,
    },
    /// Too few or too many signers.
    #[error("{signers} signers, the quorum is {quorum}")]
    Quorum {
        /// Signers.
        signers: usize,
        /// The quorum.
        quorum: u16,
    },
    /// The groups of a Nullification are not strictly ascending, one is empty, or two share a signer.
    #[error("the groups of the nullification are not in canonical form")]
    Groups,
    /// A fast Finalization where the fast path is off.
    #[error("a fast finalization, but the fast path is off")]
    NoFastPath,
    /// A signature does not verify.
    #[error("the signature of validator {signer} does not verify")]
    Signature {
        /// The signer.
        signer: ValidatorIndex,
    },
}

/// Signers and their signatures over one vote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
struct Signatures {
    signers: Bitmap,
    signatures: List<Signature, VALIDATORS_MAX>,
}

impl Signatures {
    /// The signatures of votes that are ascending by signer.
    fn of<'a>(n: u16, votes: impl IntoIterator<Item = &'a SignedVote>) -> Self {
        let (signers, signatures): (Vec<_>, Vec<_>) =
            votes.into_iter().map(|vote| (vote.signer, vote.signature)).unzip();
        Self { signers: Bitmap::of(n, signers), signatures: List::truncated(signatures) }
    }

    /// Checks that everyone named signed `vote`.
    fn verify(&self, vote: &Vote, scheme: &impl Scheme, committee: &Committee) -> Result<(), CertificateError> {
        let signers = self.signers.indices(committee.set.count())?;
        if signers.len() != self.signatures.len() {
            return Err(CertificateError::Count { signatures: self.signatures.len(), signers: signers.len() });
        }
        let hash = vote.sign_hash(&committee.chain);
        for (signer, signature) in signers.iter().zip(&self.signatures) {
            let key = committee.set.get(*signer).map(|validator| validator.key).ok_or(CertificateError::Bitmap)?;
            if !scheme.verify(&key, &hash, signature) {
                return Err(CertificateError::Signature { signer: *signer });
            }
        }
        Ok(())
    }

    /// The votes that the signatures stand for.
    fn votes(&self, vote: Vote, n: u16) -> Vec<SignedVote> {
        let signers = self.signers.indices(n).unwrap_or_default();
        let pairs = signers.into_iter().zip(&self.signatures);
        pairs.map(|(signer, signature)| SignedVote { vote, signer, signature: *signature }).collect()
    }
}

/// Refuses a certificate of another epoch, or one with another number of signatures than its quorum, before any
/// signature is verified (C2).
fn check_frame(committee: &Committee, epoch: Epoch, signers: usize, quorum: u16) -> Result<(), CertificateError> {
    if epoch != committee.epoch {
        return Err(CertificateError::Epoch { given: epoch, expected: committee.epoch });
    }
    if signers != usize::from(quorum) { Err(CertificateError::Quorum { signers, quorum }) } else { Ok(()) }
}

/// q validators notarized one block in one view, above one parent view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Notarization {
    /// What they voted.
    pub vote: Notarize,
    signatures: Signatures,
}

impl Notarization {
    /// The certificate of the first q of these votes, all for `vote` and ascending by signer; none if they are fewer.
    pub fn of<'a>(
        vote: Notarize,
        committee: &Committee,
        votes: impl IntoIterator<Item = &'a SignedVote>,
    ) -> Option<Self> {
        let quorum = usize::from(committee.set.quorums().notarize());
        let votes: Vec<&SignedVote> = votes.into_iter().take(quorum).collect();
        let signatures = Signatures::of(committee.set.count(), votes.iter().copied());
        (votes.len() == quorum).then_some(Self { vote, signatures })
    }

    /// Verifies the certificate with the validators of its epoch.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<(), CertificateError> {
        let quorum = committee.set.quorums().notarize();
        check_frame(committee, self.vote.epoch, self.signatures.signatures.len(), quorum)?;
        self.signatures.verify(&Vote::Notarize(self.vote), scheme, committee)
    }

    /// The votes in the certificate.
    pub fn votes(&self, committee: &Committee) -> Vec<SignedVote> {
        self.signatures.votes(Vote::Notarize(self.vote), committee.set.count())
    }
}

/// Nullify votes with one report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ReportGroup {
    /// What these signers report to have notarized.
    pub report: Option<Hash>,
    signatures: Signatures,
}

/// What a Nullification says about its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// No block of the view can be final: it may be passed over.
    Skip,
    /// This block may be final: whoever builds past the view builds on it.
    Recover(Hash),
}

/// At least r validators gave a view up, grouped by what they report, ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Nullification {
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    groups: List<ReportGroup, VALIDATORS_MAX>,
}

impl Nullification {
    /// The certificate of these nullify votes of one view, ascending by signer; none if they are fewer than r.
    pub fn of<'a>(
        epoch: Epoch,
        view: View,
        committee: &Committee,
        votes: impl IntoIterator<Item = &'a SignedVote>,
    ) -> Option<Self> {
        let votes: Vec<(Option<Hash>, &SignedVote)> = votes
            .into_iter()
            .filter_map(|signed| match signed.vote {
                Vote::Nullify(nullify) => Some((nullify.report, signed)),
                _ => None,
            })
            .collect();
        if votes.len() < usize::from(committee.set.quorums().nullify()) {
            return None;
        }
        let mut reports: Vec<Option<Hash>> = votes.iter().map(|(report, _)| *report).collect();
        reports.sort();
        reports.dedup();
        let group = |report: Option<Hash>| {
            let mine = votes.iter().filter(|(other, _)| *other == report).map(|(_, signed)| *signed);
            ReportGroup { report, signatures: Signatures::of(committee.set.count(), mine) }
        };
        Some(Self { epoch, view, groups: List::truncated(reports.into_iter().map(group).collect()) })
    }

    /// Verifies the certificate with the validators of its epoch.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<(), CertificateError> {
        let quorum = committee.set.quorums().nullify();
        let count = usize::from(self.signature_count());
        check_frame(committee, self.epoch, count.min(usize::from(quorum)), quorum)?;
        if !self.groups.is_sorted_by(|a, b| a.report < b.report) {
            return Err(CertificateError::Groups);
        }
        self.check_signers(committee.set.count())?;
        for group in &self.groups {
            let vote = Vote::Nullify(Nullify { epoch: self.epoch, view: self.view, report: group.report });
            group.signatures.verify(&vote, scheme, committee)?;
        }
        Ok(())
    }

    /// Refuses empty groups and signers that stand twice, before any signature is verified.
    fn check_signers(&self, n: u16) -> Result<(), CertificateError> {
        let mut signers = Vec::new();
        for group in &self.groups {
            if group.signatures.signatures.is_empty() {
                return Err(CertificateError::Groups);
            }
            signers.extend(group.signatures.signers.indices(n)?);
        }
        signers.sort();
        if signers.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(CertificateError::Groups) }
    }

    /// Reports in the certificate.
    fn signature_count(&self) -> u16 {
        let count: usize = self.groups.iter().map(|group| group.signatures.signatures.len()).sum();
        u16::try_from(count).unwrap_or(u16::MAX)
    }

    /// Whether the view may be passed over or a block of it must be recovered: a pure function of the certificate.
    /// With the fast path off the answer is always [`Verdict::Skip`] (C3).
    pub fn verdict(&self, quorums: &Quorums) -> Verdict {
        let Some(threshold) = quorums.recover(self.signature_count()) else { return Verdict::Skip };
        let enough = |group: &&ReportGroup| group.signatures.signatures.len() >= usize::from(threshold);
        let reported = self.groups.iter().filter(enough).find_map(|group| group.report);
        reported.map_or(Verdict::Skip, Verdict::Recover)
    }

    /// The votes in the certificate.
    pub fn votes(&self, committee: &Committee) -> Vec<SignedVote> {
        let of = |group: &ReportGroup| {
            let vote = Vote::Nullify(Nullify { epoch: self.epoch, view: self.view, report: group.report });
            group.signatures.votes(vote, committee.set.count())
        };
        self.groups.iter().flat_map(of).collect()
    }
}

/// Which votes made a block final (F1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Finality {
    /// q finalize votes.
    Slow = 0,
    /// n − p notarize votes that build on this parent view.
    Fast {
        /// The parent view of the notarize votes.
        parent_view: View,
    } = 1,
}

/// A block is final, and with it every block below.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Finalization {
    /// What the finalize votes said, or what the notarize votes of the fast path amount to.
    pub vote: Finalize,
    /// Which votes made it final.
    pub finality: Finality,
    signatures: Signatures,
}

impl Finalization {
    /// The certificate of the first q of these finalize votes, ascending by signer; none if they are fewer.
    pub fn slow<'a>(
        vote: Finalize,
        committee: &Committee,
        votes: impl IntoIterator<Item = &'a SignedVote>,
    ) -> Option<Self> {
        let quorum = usize::from(committee.set.quorums().notarize());
        let votes: Vec<&SignedVote> = votes.into_iter().take(quorum).collect();
        let signatures = Signatures::of(committee.set.count(), votes.iter().copied());
        (votes.len() == quorum).then_some(Self { vote, finality: Finality::Slow, signatures })
    }

    /// The certificate of the first n − p of these notarize votes, all for `vote` and ascending by signer; none if they
    /// are fewer or the fast path is off (F1).
    pub fn fast<'a>(
        vote: Notarize,
        committee: &Committee,
        votes: impl IntoIterator<Item = &'a SignedVote>,
    ) -> Option<Self> {
        let quorum = usize::from(committee.set.quorums().fast()?);
        let votes: Vec<&SignedVote> = votes.into_iter().take(quorum).collect();
        let signatures = Signatures::of(committee.set.count(), votes.iter().copied());
        let Notarize { epoch, view, parent_view, digest } = vote;
        let vote = Finalize { epoch, view, digest };
        (votes.len() == quorum).then_some(Self { vote, finality: Finality::Fast { parent_view }, signatures })
    }

    /// The vote whose signatures the certificate holds.
    fn signed_vote(&self) -> Vote {
        let Finalize { epoch, view, digest } = self.vote;
        match self.finality {
            Finality::Slow => Vote::Finalize(self.vote),
            Finality::Fast { parent_view } => Vote::Notarize(Notarize { epoch, view, parent_view, digest }),
        }
    }

    /// Verifies the certificate with the validators of its epoch.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<(), CertificateError> {
        let quorums = committee.set.quorums();
        let quorum = match self.finality {
            Finality::Slow => quorums.notarize(),
            Finality::Fast { .. } => quorums.fast().ok_or(CertificateError::NoFastPath)?,
        };
        check_frame(committee, self.vote.epoch, self.signatures.signatures.len(), quorum)?;
        self.signatures.verify(&self.signed_vote(), scheme, committee)
    }

    /// The votes in the certificate.
    pub fn votes(&self, committee: &Committee) -> Vec<SignedVote> {
        self.signatures.votes(self.signed_vote(), committee.set.count())
    }
}

/// Any certificate. Tags are never reused (C1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Certificate {
    /// See [`Notarization`].
    Notarization(Notarization) = 0,
    /// See [`Nullification`].
    Nullification(Nullification) = 1,
    /// See [`Finalization`].
    Finalization(Finalization) = 2,
}

impl Certificate {
    /// The certificate's view.
    pub const fn view(&self) -> View {
        match self {
            Self::Notarization(certificate) => certificate.vote.view,
            Self::Nullification(certificate) => certificate.view,
            Self::Finalization(certificate) => certificate.vote.view,
        }
    }

    /// The certificate's epoch.
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Notarization(certificate) => certificate.vote.epoch,
            Self::Nullification(certificate) => certificate.epoch,
            Self::Finalization(certificate) => certificate.vote.epoch,
        }
    }

    /// Verifies the certificate with the validators of its epoch.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> Result<(), CertificateError> {
        match self {
            Self::Notarization(certificate) => certificate.verify(scheme, committee),
            Self::Nullification(certificate) => certificate.verify(scheme, committee),
            Self::Finalization(certificate) => certificate.verify(scheme, committee),
        }
    }

    /// The votes in the certificate.
    pub fn votes(&self, committee: &Committee) -> Vec<SignedVote> {
        match self {
            Self::Notarization(certificate) => certificate.votes(committee),
            Self::Nullification(certificate) => certificate.votes(committee),
            Self::Finalization(certificate) => certificate.votes(committee),
        }
    }
}

#[cfg(test)]
mod tests;
