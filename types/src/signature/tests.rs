//! Signature verdicts: single, batch and strict agree where they must and differ only where they should.

use super::*;
use crate::keys::SecretKey;
use crate::tag::Tag;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;

fn item(seed: u8, message: u64) -> SignedItem {
    let secret = SecretKey::from_seed(&[seed; 32]);
    let hash = Hash::of(Tag::Vote, &message);
    SignedItem { key: secret.public_key(), hash, signature: secret.sign(&hash) }
}

/// A signature by a key with a torsion component, or with one in R: what splits libraries.
fn crafted(message: u64, key_torsion: usize, r_torsion: usize) -> SignedItem {
    let secret = Scalar::from(1_000_003u64 + message);
    let nonce = Scalar::from(77_777u64 + message);
    let public: EdwardsPoint = ED25519_BASEPOINT_POINT * secret + EIGHT_TORSION[key_torsion];
    let r: EdwardsPoint = ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[r_torsion];
    let (key, r) = (public.compress().to_bytes(), r.compress().to_bytes());
    let hash = Hash::of(Tag::Vote, &message);
    let mut hasher = Sha512::new();
    hasher.update(r);
    hasher.update(key);
    hasher.update(hash.as_bytes());
    let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r);
    bytes[32..].copy_from_slice(&(nonce + k * secret).to_bytes());
    SignedItem { key: PublicKey::Ed25519(key), hash, signature: Signature::new(bytes) }
}

#[test]
fn good_signatures_pass_every_rule() {
    let items: Vec<SignedItem> = (0..40).map(|i| item(i, u64::from(i) % 3)).collect();
    assert!(items.iter().all(verify_one));
    assert!(items.iter().all(verify_strict));
    assert!(verify_batch(&items));
    assert!(verify_batch(&[]));
}

#[test]
fn each_bad_signature_is_found_among_good_ones() {
    for bad in [0usize, 1, 17, 38, 39] {
        let mut items: Vec<SignedItem> = (0..40).map(|i| item(i, 5)).collect();
        items[bad].hash = Hash::of(Tag::Vote, &6u64);
        assert!(!verify_batch(&items));
        let verdicts = verify_each(&items);
        assert_eq!(verdicts.iter().position(|good| !good), Some(bad));
        assert_eq!(verdicts.iter().filter(|good| !**good).count(), 1);
    }
}

#[test]
fn single_and_batch_agree_on_torsion() {
    for message in 0..64u64 {
        for (key_torsion, r_torsion) in [(0, 0), (1, 0), (0, 1), (1, 1), (3, 5), (7, 2)] {
            let crafted = crafted(message, key_torsion, r_torsion);
            let alone = verify_one(&crafted);
            assert!(alone, "ZIP-215 multiplies by the cofactor");
            let in_company = [crafted, item(9, message), crafted];
            assert_eq!(verify_batch(&in_company), alone);
            if r_torsion != 0 && key_torsion == 0 {
                assert!(!verify_strict(&crafted), "a browser would refuse it");
            }
        }
    }
}

#[test]
fn an_s_that_is_not_reduced_is_refused_everywhere() {
    let good = item(3, 3);
    let mut bytes = *good.signature.as_bytes();
    // Adds the group order 2^252 + 27742317777372353535851937790883648493 to s.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0u16;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    let crafted = SignedItem { signature: Signature::new(bytes), ..good };
    assert!(!verify_one(&crafted) && !verify_strict(&crafted) && !verify_batch(&[crafted]));
}

#[test]
fn small_order_and_non_canonical_keys_are_refused_everywhere() {
    // With A of small order and R = B·s, the cofactored equation holds for every message.
    let nonce = Scalar::from(5u64);
    let r = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r);
    bytes[32..].copy_from_slice(&nonce.to_bytes());
    for point in EIGHT_TORSION {
        let key = PublicKey::Ed25519(point.compress().to_bytes());
        let crafted = SignedItem { key, hash: Hash::of(Tag::Vote, &1u8), signature: Signature::new(bytes) };
        assert!(!verify_one(&crafted) && !verify_strict(&crafted) && !verify_batch(&[crafted, item(1, 1)]));
    }
}

#[test]
fn coefficients_depend_on_every_item() {
    let one = [item(1, 1), item(2, 2)];
    let other = [item(1, 1), item(2, 3)];
    let first = |items: &[SignedItem]| Coefficients::over(items).next_bytes::<16>();
    assert_eq!(first(&one), first(&one));
    assert_ne!(first(&one), first(&other));
    assert_ne!(Coefficients::over(&one).next_bytes::<128>()[..64], Coefficients::over(&one).next_bytes::<128>()[64..]);
}
