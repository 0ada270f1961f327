//! Certificates: exactly what a quorum of one epoch signed verifies, and every other form is refused.

use super::*;
use crate::keys::SecretKey;
use crate::scheme::Ed25519;
use crate::validators::{Validator, ValidatorSet};

const DIGEST: Hash = Hash::new([0xd1; 32]);

struct Bench {
    committee: Committee,
    secrets: Vec<SecretKey>,
}

fn bench(n: u8, fast_path: bool) -> Bench {
    let secret = |seed: u8| SecretKey::from_seed(&[seed; 32]);
    let validator = |i: u8| Validator { key: secret(i).public_key(), node_key: secret(100 + i).public_key() };
    let f = Quorums::faulty_max(u16::from(n));
    let set = ValidatorSet::new((1..=n).map(validator).collect(), f, fast_path).expect("a set");
    let owner = |validator: &Validator| (1..=n).map(secret).find(|it| it.public_key() == validator.key).expect("one");
    let secrets = set.validators().iter().map(owner).collect();
    Bench { committee: Committee { chain: Hash::new([7; 32]), epoch: Epoch::new(3), set }, secrets }
}

impl Bench {
    fn vote(&self, signer: u16, vote: Vote) -> SignedVote {
        vote.sign(&self.committee.chain, ValidatorIndex::new(signer), &self.secrets[usize::from(signer)])
    }

    fn votes(&self, signers: &[u16], vote: Vote) -> Vec<SignedVote> {
        signers.iter().map(|signer| self.vote(*signer, vote)).collect()
    }

    fn notarize(&self) -> Notarize {
        Notarize { epoch: self.committee.epoch, view: View::new(9), parent_view: View::new(8), digest: DIGEST }
    }

    fn notarization(&self, signers: &[u16]) -> Option<Notarization> {
        let vote = self.notarize();
        Notarization::of(vote, &self.committee, &self.votes(signers, Vote::Notarize(vote)))
    }

    fn nullify(&self, report: Option<Hash>) -> Vote {
        Vote::Nullify(Nullify { epoch: self.committee.epoch, view: View::new(9), report })
    }

    fn nullification(&self, votes: &[SignedVote]) -> Option<Nullification> {
        Nullification::of(self.committee.epoch, View::new(9), &self.committee, votes)
    }

    fn finalization(&self) -> Finalization {
        let vote = Finalize { epoch: self.committee.epoch, view: View::new(9), digest: DIGEST };
        let votes = self.votes(&[0, 1, 3], Vote::Finalize(vote));
        Finalization::slow(vote, &self.committee, &votes).expect("a quorum")
    }
}

#[test]
fn a_quorum_forms_a_certificate_and_one_less_does_not() {
    let bench = bench(4, false);
    assert_eq!(bench.notarization(&[0, 2]), None);
    let certificate = bench.notarization(&[0, 2, 3]).expect("a quorum");
    assert_eq!(certificate.verify(&Ed25519, &bench.committee), Ok(()));
    let four = bench.notarization(&[0, 1, 2, 3]).expect("more than a quorum");
    assert_eq!(four.votes(&bench.committee).len(), 3, "no surplus is stored");
    assert_eq!(bench.finalization().verify(&Ed25519, &bench.committee), Ok(()));
}

#[test]
fn every_flipped_bit_spoils_a_certificate() {
    let bench = bench(4, false);
    let certificate = Certificate::Finalization(bench.finalization());
    let bytes = crate::encode(&certificate);
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[place] ^= 1 << bit;
            let verified = crate::decode::<Certificate>(&bad, bytes.len())
                .is_ok_and(|certificate| certificate.verify(&Ed25519, &bench.committee).is_ok());
            assert!(!verified, "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn a_certificate_belongs_to_its_epoch_chain_and_set() {
    let bench = bench(4, false);
    let certificate = bench.finalization();
    let next = Committee { epoch: Epoch::new(4), ..bench.committee.clone() };
    assert!(matches!(certificate.verify(&Ed25519, &next), Err(CertificateError::Epoch { .. })));
    let elsewhere = Committee { chain: Hash::ZERO, ..bench.committee.clone() };
    assert!(matches!(certificate.verify(&Ed25519, &elsewhere), Err(CertificateError::Signature { .. })));
    let larger = Committee { set: super::tests::bench(5, false).committee.set, ..bench.committee.clone() };
    assert!(certificate.verify(&Ed25519, &larger).is_err());
}

#[test]
fn signers_are_counted_once_and_within_the_set() {
    let bench = bench(4, false);
    let good = bench.notarization(&[0, 1, 2]).expect("a quorum");
    let vote = bench.vote(0, Vote::Notarize(good.vote));
    let twice = Signatures {
        signers: Bitmap::of(4, [0, 1].map(ValidatorIndex::new)),
        signatures: List::truncated(vec![vote.signature; 3]),
    };
    let outside = Signatures {
        signers: Bitmap(Bytes::new(vec![0b0100_0011]).expect("short")),
        signatures: good.signatures.signatures.clone(),
    };
    let long = Signatures {
        signers: Bitmap(Bytes::new(vec![0b0111, 0]).expect("short")),
        signatures: good.signatures.signatures.clone(),
    };
    let surplus = Signatures::of(4, &bench.votes(&[0, 1, 2, 3], Vote::Notarize(good.vote)));
    for signatures in [twice, outside, long, surplus] {
        let forged = Notarization { signatures, ..good.clone() };
        assert!(forged.verify(&Ed25519, &bench.committee).is_err(), "{forged:?}");
    }
}

#[test]
fn votes_of_another_kind_or_view_do_not_count() {
    let bench = bench(4, false);
    let finalize = Finalize { epoch: bench.committee.epoch, view: View::new(9), digest: DIGEST };
    let notarize_votes = bench.votes(&[0, 1, 2], Vote::Notarize(bench.notarize()));
    let crossed = Finalization::slow(finalize, &bench.committee, &notarize_votes).expect("three signatures");
    assert!(crossed.verify(&Ed25519, &bench.committee).is_err());
    let other_view = Finalize { view: View::new(10), ..finalize };
    let votes = bench.votes(&[0, 1, 2], Vote::Finalize(finalize));
    let moved = Finalization::slow(other_view, &bench.committee, &votes).expect("three signatures");
    assert!(moved.verify(&Ed25519, &bench.committee).is_err());
}

#[test]
fn a_fast_finalization_needs_the_fast_path() {
    let on = bench(4, true);
    let off = bench(4, false);
    let vote = Finalize { epoch: on.committee.epoch, view: View::new(9), digest: DIGEST };
    let fast = |bench: &Bench, signers: &[u16]| Finalization {
        vote,
        finality: Finality::Fast { parent_view: View::new(8) },
        signatures: Signatures::of(4, &bench.votes(signers, Vote::Notarize(bench.notarize()))),
    };
    assert_eq!(fast(&on, &[0, 1, 2, 3]).verify(&Ed25519, &on.committee), Ok(()));
    assert!(matches!(fast(&on, &[0, 1, 2]).verify(&Ed25519, &on.committee), Err(CertificateError::Quorum { .. })));
    assert_eq!(fast(&off, &[0, 1, 2, 3]).verify(&Ed25519, &off.committee), Err(CertificateError::NoFastPath));
}

#[test]
fn nullify_votes_are_grouped_by_report_and_give_a_verdict() {
    for (fast_path, reports, verdict) in [
        (true, [None, None, None], Verdict::Skip),
        (true, [Some(DIGEST), Some(DIGEST), None], Verdict::Recover(DIGEST)),
        (true, [Some(DIGEST), None, None], Verdict::Skip),
        (false, [Some(DIGEST), Some(DIGEST), Some(DIGEST)], Verdict::Skip),
    ] {
        let bench = bench(4, fast_path);
        let votes: Vec<SignedVote> =
            (0..3).zip(reports).map(|(signer, report)| bench.vote(signer, bench.nullify(report))).collect();
        assert_eq!(bench.nullification(&votes[..2]), None);
        let certificate = bench.nullification(&votes).expect("a quorum");
        assert_eq!(certificate.verify(&Ed25519, &bench.committee), Ok(()));
        assert_eq!(certificate.verdict(&bench.committee.set.quorums()), verdict, "{reports:?}");
        assert_eq!(certificate.votes(&bench.committee).len(), 3);
    }
}

#[test]
fn the_groups_of_a_nullification_have_one_form() {
    let bench = bench(7, false);
    let reports = [None, None, None, Some(DIGEST), Some(DIGEST)];
    let votes: Vec<SignedVote> =
        (0..5).zip(reports).map(|(signer, report)| bench.vote(signer, bench.nullify(report))).collect();
    let good = bench.nullification(&votes).expect("a quorum");
    assert_eq!(good.verify(&Ed25519, &bench.committee), Ok(()));
    let with_groups = |groups: Vec<ReportGroup>| Nullification { groups: List::truncated(groups), ..good.clone() };
    let (none, some) = (good.groups[0].clone(), good.groups[1].clone());
    let empty = ReportGroup { report: Some(Hash::ZERO), signatures: Signatures::of(7, &[]) };
    // The same signer once with each report.
    let doubled = ReportGroup {
        report: Some(DIGEST),
        signatures: Signatures::of(7, &[bench.vote(2, bench.nullify(Some(DIGEST))), votes[3]]),
    };
    let split = ReportGroup { report: None, signatures: Signatures::of(7, &votes[..1]) };
    for groups in [
        vec![some.clone(), none.clone()],
        vec![none.clone(), empty, some.clone()],
        vec![none.clone(), doubled],
        vec![split.clone(), split, some.clone(), none.clone()],
        vec![none.clone(), none, some],
    ] {
        assert!(with_groups(groups).verify(&Ed25519, &bench.committee).is_err());
    }
}

/// One key that stands in many groups must not make us verify many signatures.
#[test]
fn doubled_signers_are_refused_before_any_signature_is_verified() {
    struct Never;
    impl Scheme for Never {
        fn verify(&self, _: &crate::PublicKey, _: &Hash, _: &Signature) -> bool {
            panic!("a signature was verified")
        }
    }
    let bench = bench(7, false);
    let group = |report: u8| {
        let report = Some(Hash::new([report; 32]));
        ReportGroup { report, signatures: Signatures::of(7, &[bench.vote(2, bench.nullify(report))]) }
    };
    let groups = List::truncated((1..=6).map(group).collect());
    let certificate = Nullification { epoch: bench.committee.epoch, view: View::new(9), groups };
    assert_eq!(certificate.verify(&Never, &bench.committee), Err(CertificateError::Groups));
}

#[test]
fn bitmaps_round_trip_for_every_size() {
    for n in 1..=VALIDATORS_MAX as u16 {
        let odd: Vec<ValidatorIndex> = (0..n).filter(|i| i % 2 == 1).map(ValidatorIndex::new).collect();
        let bitmap = Bitmap::of(n, odd.clone());
        assert_eq!(bitmap.indices(n), Ok(odd));
        assert_eq!(Bitmap::of(n, [ValidatorIndex::new(n)]).indices(n), Ok(vec![]));
        assert_eq!(bitmap.indices(n + 8), Err(CertificateError::Bitmap));
    }
}

#[test]
fn a_certificate_of_the_largest_set_fits_a_frame() {
    let n = VALIDATORS_MAX as u16;
    let signatures = Signatures {
        signers: Bitmap::of(n, (0..n).map(ValidatorIndex::new)),
        signatures: List::truncated(vec![Signature::new([0; 64]); VALIDATORS_MAX]),
    };
    let bytes = crate::encoded_len(&signatures);
    assert!(bytes < 16 * 1024, "{bytes}");
}
