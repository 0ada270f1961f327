//! Evidence: the table of what no honest validator signs together, and what proves nothing.

use super::*;
use crate::hash::Hash;
use crate::keys::SecretKey;
use crate::number::View;
use crate::scheme::Ed25519;
use crate::validators::{Validator, ValidatorSet};
use crate::vote::{Finalize, Notarize, Nullify};

const A: Hash = Hash::new([1; 32]);
const B: Hash = Hash::new([2; 32]);

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn committee() -> Committee {
    let validator = |i: u8| Validator { key: secret(i).public_key(), node_key: secret(100 + i).public_key() };
    let set = ValidatorSet::new((1..=4).map(validator).collect(), 1, false).expect("a set");
    Committee { chain: Hash::new([9; 32]), epoch: Epoch::new(2), set }
}

fn notarize(view: u64, parent: u64, digest: Hash) -> Vote {
    let (view, parent_view) = (View::new(view), View::new(parent));
    Vote::Notarize(Notarize { epoch: Epoch::new(2), view, parent_view, digest })
}

fn nullify(view: u64, report: Option<Hash>) -> Vote {
    Vote::Nullify(Nullify { epoch: Epoch::new(2), view: View::new(view), report })
}

fn finalize(view: u64, digest: Hash) -> Vote {
    Vote::Finalize(Finalize { epoch: Epoch::new(2), view: View::new(view), digest })
}

fn sign(vote: Vote, seed: u8) -> SignedVote {
    let committee = committee();
    let signer = committee.set.index_of(&secret(seed).public_key()).expect("a member");
    vote.sign(&committee.chain, signer, &secret(seed))
}

#[test]
fn the_table_of_contradictions() {
    let table = [
        (notarize(5, 4, A), notarize(5, 4, B), true),
        (notarize(5, 4, A), notarize(5, 3, A), true),
        (notarize(5, 4, A), notarize(6, 5, B), false),
        (notarize(5, 4, A), nullify(5, None), true),
        (notarize(5, 4, A), nullify(5, Some(B)), true),
        (notarize(5, 4, A), nullify(5, Some(A)), false),
        (finalize(5, A), nullify(5, Some(A)), true),
        (finalize(5, A), finalize(5, B), true),
        (finalize(5, A), finalize(6, B), false),
        (nullify(5, None), nullify(5, Some(A)), true),
        (finalize(5, A), notarize(5, 4, A), false),
        (finalize(5, A), notarize(5, 4, B), false),
        (finalize(5, A), finalize(5, A), false),
    ];
    for (a, b, contradicts) in table {
        for (one, other) in [(a, b), (b, a)] {
            let evidence = Evidence::of_votes(sign(one, 1), sign(other, 1));
            assert_eq!(evidence.is_some(), contradicts, "{one:?} and {other:?}");
            if let Some(evidence) = evidence {
                assert_eq!(evidence.verify(&Ed25519, &committee()), Ok(()));
            }
            assert_eq!(Evidence::of_votes(sign(one, 1), sign(other, 2)), None, "two signers");
        }
    }
}

#[test]
fn every_pair_has_its_kind() {
    use EvidenceKind::{FinalizeNullify, NotarizeNullify, TwoFinalize, TwoNotarize, TwoNullify};
    let table = [
        (notarize(5, 4, A), notarize(5, 3, A), TwoNotarize),
        (notarize(5, 4, A), nullify(5, Some(B)), NotarizeNullify),
        (finalize(5, A), nullify(5, Some(A)), FinalizeNullify),
        (finalize(5, A), finalize(5, B), TwoFinalize),
        (nullify(5, None), nullify(5, Some(A)), TwoNullify),
    ];
    for (a, b, kind) in table {
        let evidence = Evidence::of_votes(sign(a, 1), sign(b, 1)).expect("they contradict");
        assert_eq!((evidence.kind(), evidence.epoch()), (Some(kind), Epoch::new(2)));
        let [first, second] = evidence.statements();
        let decoded = |bytes: &[u8]| borsh::from_slice::<SignedVote>(bytes).expect("a vote");
        assert_eq!(evidence, Evidence::Votes(decoded(&first), decoded(&second)));
    }
    let harmless = Evidence::Votes(sign(finalize(5, A), 1), sign(notarize(5, 4, A), 1));
    assert_eq!(harmless.kind(), None);
    let words: std::collections::BTreeSet<&str> = EvidenceKind::ALL.map(EvidenceKind::words).into();
    assert_eq!(words.len(), EvidenceKind::ALL.len());
}

#[test]
fn two_groups_of_votes_accuse_exactly_those_who_contradict_themselves() {
    let these = [sign(finalize(5, A), 1), sign(finalize(5, A), 2), sign(finalize(5, A), 3)];
    let those = [sign(nullify(5, None), 2), sign(nullify(5, None), 3), sign(nullify(5, None), 4)];
    let found = Evidence::among(&these, &those);
    let mut expected: Vec<ValidatorIndex> = [2, 3].map(|seed| sign(finalize(5, A), seed).signer).into();
    expected.sort();
    assert_eq!(found.iter().map(Evidence::culprit).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|evidence| evidence.verify(&Ed25519, &committee()).is_ok()));
    assert_eq!(Evidence::among(&these, &these), vec![]);
}

#[test]
fn a_pair_has_one_encoding_and_both_signatures_count() {
    let (a, b) = (sign(notarize(5, 4, A), 1), sign(notarize(5, 4, B), 1));
    let Some(Evidence::Votes(first, second)) = Evidence::of_votes(a, b) else { panic!("they contradict") };
    assert_eq!(Evidence::of_votes(b, a), Some(Evidence::Votes(first, second)));
    let verify = |evidence: Evidence| evidence.verify(&Ed25519, &committee());
    assert_eq!(verify(Evidence::Votes(second, first)), Err(EvidenceError::Order));
    assert_eq!(verify(Evidence::Votes(first, first)), Err(EvidenceError::Order));
    let forged = SignedVote { signature: first.signature, ..second };
    let (low, high) = if first < forged { (first, forged) } else { (forged, first) };
    assert_eq!(verify(Evidence::Votes(low, high)), Err(EvidenceError::Signature));
    let other_epoch = Committee { epoch: Epoch::new(3), ..committee() };
    assert!(Evidence::Votes(first, second).verify(&Ed25519, &other_epoch).is_err());
}

#[test]
fn two_batches_for_one_place_are_evidence() {
    let committee = committee();
    let owner = committee.set.index_of(&secret(3).public_key()).expect("a member");
    let head = |digest, seq| BatchHead { epoch: committee.epoch, lane: u32::from(owner.get()), seq, digest };
    let signed = |head: BatchHead, seed| (head, secret(seed).sign(&head.sign_hash(&committee.chain)));
    let evidence = |a, b| Evidence::Batches(a, b).verify(&Ed25519, &committee);
    assert_eq!(evidence(signed(head(A, 7), 3), signed(head(B, 7), 3)), Ok(()));
    assert_eq!(Evidence::Batches(signed(head(A, 7), 3), signed(head(B, 7), 3)).culprit(), owner);
    assert_eq!(evidence(signed(head(A, 7), 3), signed(head(A, 7), 3)), Err(EvidenceError::Order));
    assert_eq!(evidence(signed(head(A, 6), 3), signed(head(B, 7), 3)), Err(EvidenceError::Unrelated));
    assert_eq!(evidence(signed(head(A, 7), 3), signed(head(B, 7), 2)), Err(EvidenceError::Signature));
}
