//! Certificates, evidence and proofs of forks: what verifies says what it should, by arithmetic of this file's own.

use std::collections::BTreeSet;

use althing_types::{
    Certificate, Committee, Evidence, FORK_PROOF_BYTES_MAX, Finality, ForkProof, ValidatorIndex, Verdict, Vote,
};

use super::canonical;
use crate::network::{committees, keys};

/// Bytes of a certificate at most: 128 signatures, each in a group of its own, take less.
const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a piece of evidence at most: two votes take less.
const EVIDENCE_BYTES_MAX: usize = 1_024;

/// A certificate.
pub(crate) fn certificate(bytes: &[u8]) {
    if let Some(certificate) = canonical::<Certificate>(bytes, CERTIFICATE_BYTES_MAX) {
        check_certificate(&certificate);
    }
}

/// A certificate that verifies holds as many good votes as the protocol asks for, of as many validators of the set, all
/// for what the certificate says.
pub(crate) fn check_certificate(certificate: &Certificate) {
    for committee in committees() {
        let votes = certificate.votes(committee);
        if certificate.verify(&keys(0), committee).is_err() {
            continue;
        }
        let signers: BTreeSet<ValidatorIndex> = votes.iter().map(|vote| vote.signer).collect();
        assert_eq!(signers.len(), votes.len(), "a validator counts twice");
        let good = votes.iter().all(|vote| vote.verify(&keys(0), committee) && vote.vote.view() == certificate.view());
        assert!(good, "a vote in a certificate is bad, or of another view");
        let (n, f) = (usize::from(committee.set.count()), usize::from(committee.set.count() - 1) / 3);
        let enough = match certificate {
            Certificate::Notarization(it) => {
                votes.len() == (n + f) / 2 + 1 && votes.iter().all(|vote| vote.vote == Vote::Notarize(it.vote))
            }
            Certificate::Nullification(_) => {
                votes.len() >= n - f && votes.iter().all(|vote| matches!(vote.vote, Vote::Nullify(_)))
            }
            Certificate::Finalization(it) if it.finality == Finality::Slow => {
                votes.len() == (n + f) / 2 + 1 && votes.iter().all(|vote| vote.vote == Vote::Finalize(it.vote))
            }
            Certificate::Finalization(it) => {
                let says = |vote: &Vote| matches!(vote, Vote::Notarize(vote) if vote.digest == it.vote.digest);
                let p = (n - 3 * f - 1) / 2;
                committee.set.quorums().fast().is_some()
                    && votes.len() == n - p
                    && votes.iter().all(|vote| says(&vote.vote))
            }
        };
        assert!(enough, "{certificate:?} verifies among {n} validators");
        check_verdict(certificate, committee);
    }
}

/// What is to be recovered was reported by all but those who may lie or be left out.
fn check_verdict(certificate: &Certificate, committee: &Committee) {
    let Certificate::Nullification(nullification) = certificate else { return };
    let votes = nullification.votes(committee);
    let Verdict::Recover(digest) = nullification.verdict(&committee.set.quorums()) else { return };
    let says = |vote: &Vote| matches!(vote, Vote::Nullify(vote) if vote.report == Some(digest));
    let (n, f) = (usize::from(committee.set.count()), usize::from(committee.set.count() - 1) / 3);
    let p = (n - 3 * f - 1) / 2;
    let reports = votes.iter().filter(|vote| says(&vote.vote)).count();
    assert!(reports + f + p >= votes.len(), "{digest} is recovered with {reports} reports of {}", votes.len());
}

/// A piece of evidence.
pub(crate) fn evidence(bytes: &[u8]) {
    if let Some(evidence) = canonical::<Evidence>(bytes, EVIDENCE_BYTES_MAX) {
        check_evidence(&evidence);
    }
}

/// Evidence that verifies is of one validator of the set, and of two statements. Nobody can accuse the guarded one.
pub(crate) fn check_evidence(evidence: &Evidence) {
    for committee in committees() {
        if evidence.verify(&keys(0), committee).is_ok() {
            let [first, second] = evidence.statements();
            assert!(first != second && evidence.kind().is_some(), "{evidence:?} proves nothing");
            assert!(committee.set.get(evidence.culprit()).is_some(), "{evidence:?} accuses nobody");
            assert_eq!(evidence.epoch(), committee.epoch, "{evidence:?} is of another epoch");
        }
    }
}

/// A proof of a fork.
pub(crate) fn fork_proof(bytes: &[u8]) {
    if let Some(proof) = canonical::<ForkProof>(bytes, FORK_PROOF_BYTES_MAX) {
        check_fork_proof(&proof);
    }
}

/// A proof that verifies names more validators than may be faulty, each with evidence that verifies by itself.
pub(crate) fn check_fork_proof(proof: &ForkProof) {
    for committee in committees() {
        let evidence = proof.evidence(committee);
        let Ok(culprits) = proof.verify(&keys(0), committee) else { continue };
        assert!(culprits.len() * 3 >= usize::from(committee.set.count()), "too few are proven to have forked");
        assert!(culprits.is_sorted_by(|a, b| a < b), "a culprit is named twice");
        assert_eq!(evidence.iter().map(Evidence::culprit).collect::<Vec<_>>(), culprits, "culprits without evidence");
        for piece in evidence {
            assert_eq!(piece.verify(&keys(0), committee), Ok(()), "{piece:?} of a proof does not verify");
        }
    }
}
