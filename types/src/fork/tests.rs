//! Proofs of forks: for each way in which a view can hold too much, exactly the double signers are named.

use super::*;
use crate::certificate::{Bitmap, Notarization, Nullification};
use crate::codec::{decode, encode};
use crate::hash::Hash;
use crate::keys::SecretKey;
use crate::number::Epoch;
use crate::scheme::Ed25519;
use crate::validators::{Validator, ValidatorSet};
use crate::vote::{Finalize, Notarize, Nullify, Vote};

const A: Hash = Hash::new([1; 32]);
const B: Hash = Hash::new([2; 32]);
const VIEW: View = View::new(5);

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// A committee, with the seeds of its keys in the order of its indices.
fn committee(n: u8, f: u16, fast_path: bool) -> (Committee, Vec<u8>) {
    let mut seeds: Vec<u8> = (1..=n).collect();
    seeds.sort_by_key(|seed| secret(*seed).public_key());
    let node_key = |i: u8| SecretKey::from_seed(&[[i; 16], [0xee; 16]].concat().try_into().expect("32 bytes"));
    let validator = |i: &u8| Validator { key: secret(*i).public_key(), node_key: node_key(*i).public_key() };
    let set = ValidatorSet::new(seeds.iter().map(validator).collect(), f, fast_path).expect("a set");
    (Committee { chain: Hash::new([9; 32]), epoch: Epoch::ZERO, set }, seeds)
}

struct Bench {
    committee: Committee,
    seeds: Vec<u8>,
}

impl Bench {
    fn new(n: u8, f: u16, fast_path: bool) -> Self {
        let (committee, seeds) = committee(n, f, fast_path);
        Self { committee, seeds }
    }

    fn votes(&self, vote: Vote, signers: impl IntoIterator<Item = u16>) -> Vec<SignedVote> {
        let sign = |signer: u16| {
            vote.sign(&self.committee.chain, ValidatorIndex::new(signer), &secret(self.seeds[usize::from(signer)]))
        };
        signers.into_iter().map(sign).collect()
    }

    fn notarize(digest: Hash) -> Notarize {
        Notarize { epoch: Epoch::ZERO, view: VIEW, parent_view: View::new(4), digest }
    }

    fn notarization(&self, digest: Hash, signers: impl IntoIterator<Item = u16>) -> Certificate {
        let vote = Self::notarize(digest);
        let votes = self.votes(Vote::Notarize(vote), signers);
        Certificate::Notarization(Notarization::of(vote, &self.committee, &votes).expect("a quorum"))
    }

    fn finalization(&self, digest: Hash, signers: impl IntoIterator<Item = u16>) -> Certificate {
        let vote = Finalize { epoch: Epoch::ZERO, view: VIEW, digest };
        let votes = self.votes(Vote::Finalize(vote), signers);
        Certificate::Finalization(Finalization::slow(vote, &self.committee, &votes).expect("a quorum"))
    }

    fn nullification(&self, signers: impl IntoIterator<Item = u16>) -> Certificate {
        let vote = Vote::Nullify(Nullify { epoch: Epoch::ZERO, view: VIEW, report: None });
        let votes = self.votes(vote, signers);
        Certificate::Nullification(Nullification::of(Epoch::ZERO, VIEW, &self.committee, &votes).expect("a quorum"))
    }

    fn culprits(&self, certificates: &[Certificate]) -> Option<Vec<u16>> {
        let proof = ForkProof::among(certificates, &self.committee)?;
        let bytes = encode(&proof);
        assert_eq!(decode::<ForkProof>(&bytes, FORK_PROOF_BYTES_MAX).as_ref(), Ok(&proof));
        let culprits = proof.verify(&Ed25519, &self.committee).expect("what was made verifies");
        assert!(proof.evidence(&self.committee).iter().all(|it| it.verify(&Ed25519, &self.committee).is_ok()));
        Some(culprits.iter().map(|culprit| culprit.get()).collect())
    }
}

#[test]
fn each_way_to_fork_a_view_names_those_who_signed_both_sides() {
    let bench = Bench::new(4, 1, false);
    let (finalization, skip) = (bench.finalization(A, [0, 1, 2]), bench.nullification([1, 2, 3]));
    assert_eq!(bench.culprits(&[finalization.clone(), skip]), Some(vec![1, 2]));
    let other = bench.finalization(B, [0, 2, 3]);
    assert_eq!(bench.culprits(&[finalization.clone(), other]), Some(vec![0, 2]));
    let (ours, theirs) = (bench.notarization(A, [0, 1, 3]), bench.notarization(B, [0, 2, 3]));
    assert_eq!(bench.culprits(&[finalization.clone(), theirs.clone()]), None, "finalize contradicts no notarize");
    assert_eq!(bench.culprits(&[theirs, finalization, ours]), Some(vec![0, 3]));
}

#[test]
fn certificates_that_go_together_are_no_fork() {
    let bench = Bench::new(7, 2, false);
    let (notarization, skip) = (bench.notarization(A, 0..5), bench.nullification(2..7));
    assert_eq!(bench.culprits(&[notarization.clone(), skip.clone()]), None);
    assert_eq!(bench.culprits(&[notarization.clone(), bench.finalization(A, 2..7)]), None);
    assert_eq!(bench.culprits(&[notarization, bench.notarization(B, 2..7), skip]), None, "nothing is final");
}

#[test]
fn a_fast_finalization_excludes_all_but_its_own_recovery() {
    // n = 6, f = 1, p = 1: five notarize votes are final, and r = 5 reports demand recovery if three of them agree.
    let bench = Bench::new(6, 1, true);
    assert_eq!(bench.committee.set.quorums().fast(), Some(5));
    let vote = Finalize { epoch: Epoch::ZERO, view: VIEW, digest: A };
    let votes = bench.votes(Vote::Notarize(Bench::notarize(A)), 0..5);
    let skip = bench.nullification(1..6);
    // Its canonical bytes: what it says, the signers, their signatures.
    let signatures: List<_, 128> = List::truncated(votes.iter().map(|vote| vote.signature).collect());
    let signers = Bitmap::of(6, votes.iter().map(|vote| vote.signer));
    let fast: Finalization =
        borsh::from_slice(&encode(&(vote, Finality::Fast { parent_view: View::new(4) }, signers, signatures)))
            .expect("a finalization");
    let fast = Certificate::Finalization(fast);
    assert_eq!(fast.verify(&Ed25519, &bench.committee), Ok(()));
    assert_eq!(bench.culprits(&[fast.clone(), skip]), Some(vec![1, 2, 3, 4]));
    assert_eq!(bench.culprits(&[fast.clone(), bench.notarization(B, 2..6)]), Some(vec![2, 3, 4]));
    let report = Vote::Nullify(Nullify { epoch: Epoch::ZERO, view: VIEW, report: Some(A) });
    let recovery = Nullification::of(Epoch::ZERO, VIEW, &bench.committee, &bench.votes(report, 0..5));
    let recovery = Certificate::Nullification(recovery.expect("a quorum"));
    assert!(!contradict(&fast, &recovery, &bench.committee.set.quorums()));
    assert_eq!(bench.culprits(&[fast, recovery.clone()]), None);
    assert_eq!(
        bench.culprits(&[bench.finalization(A, 1..5), recovery]),
        Some(vec![1, 2, 3, 4]),
        "finalize and nullify"
    );
}

#[test]
fn a_proof_that_proves_nothing_is_refused() {
    let bench = Bench::new(4, 1, false);
    let Certificate::Finalization(finalization) = bench.finalization(A, [0, 1, 2]) else { panic!("as made") };
    let proof = |beside: Vec<Certificate>| ForkProof::V1 {
        finalization: finalization.clone(),
        beside: List::truncated(beside),
    };
    let verify = |proof: &ForkProof| proof.verify(&Ed25519, &bench.committee);
    assert_eq!(verify(&proof(vec![])), Err(ForkProofError::NoConflict));
    assert_eq!(verify(&proof(vec![bench.notarization(A, [0, 1, 2])])), Err(ForkProofError::NoConflict));
    let alone = proof(vec![bench.notarization(B, [1, 2, 3])]);
    assert_eq!(verify(&alone), Err(ForkProofError::TooFew { culprits: 0, needed: 2 }));
    let skip = bench.nullification([1, 2, 3]);
    assert_eq!(verify(&proof(vec![skip.clone(), skip.clone()])), Err(ForkProofError::Frame));
    assert_eq!(verify(&proof(vec![skip.clone()])), Ok(vec![ValidatorIndex::new(1), ValidatorIndex::new(2)]));
    let other_chain = Committee { chain: A, ..bench.committee.clone() };
    let refused = proof(vec![skip]).verify(&Ed25519, &other_chain);
    assert!(matches!(refused, Err(ForkProofError::Certificate(CertificateError::Signature { .. }))));
    let other_view = Nullify { epoch: Epoch::ZERO, view: View::new(6), report: None };
    let votes = bench.votes(Vote::Nullify(other_view), 1..4);
    let other = Nullification::of(Epoch::ZERO, View::new(6), &bench.committee, &votes).expect("a quorum");
    assert_eq!(verify(&proof(vec![Certificate::Nullification(other)])), Err(ForkProofError::Frame));
}

#[test]
fn the_largest_proof_fits_its_bound() {
    let bench = Bench::new(127, 42, false);
    let reports = |signer: u16| Some(Hash::new([u8::try_from(signer).expect("small"); 32]));
    let votes: Vec<SignedVote> = (0..127)
        .flat_map(|signer| {
            let vote = Nullify { epoch: Epoch::ZERO, view: VIEW, report: reports(signer) };
            bench.votes(Vote::Nullify(vote), [signer])
        })
        .collect();
    let large = Nullification::of(Epoch::ZERO, VIEW, &bench.committee, &votes).expect("a quorum");
    let Certificate::Finalization(finalization) = bench.finalization(A, 0..127) else { panic!("as made") };
    let beside = vec![Certificate::Nullification(large); FORK_CERTIFICATES_MAX];
    let proof = ForkProof::V1 { finalization, beside: List::truncated(beside) };
    assert!(encode(&proof).len() < FORK_PROOF_BYTES_MAX, "{}", encode(&proof).len());
}
