//! Evidence: the table of what no honest validator signs together, and what proves nothing.

use super::*;
use crate::hash::Hash;
use crate::keys::SecretKey;
use crate::number::{Epoch, View};
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
