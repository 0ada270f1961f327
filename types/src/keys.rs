//! Ed25519 keys and signatures as values, and which public keys we accept at all.
//!
//! A public key is accepted when its encoding is canonical, names a point of the curve and that point is not of small
//! order (`decisions.md` 1.6). Keys of validators and nodes must also be free of torsion. Verification itself is in
//! `signature`; no other file of the project calls a signature library.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::Signer as _;

use crate::hash::Hash;

/// A public key. Tags 1 and above are reserved for other schemes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum PublicKey {
    /// An Ed25519 key (RFC 8032).
    Ed25519([u8; 32]) = 0,
}

/// Why a public key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not `0x` and 64 hexadecimal digits.
    #[error("a public key is 0x followed by 64 hexadecimal digits")]
    Text,
    /// The coordinate is not below the field's prime: another encoding of the same point exists.
    #[error("the public key is not canonically encoded")]
    NotCanonical,
    /// The point is one of the eight of small order, for which signatures prove nothing.
    #[error("the public key is of small order")]
    SmallOrder,
    /// No point of the curve has this encoding.
    #[error("the public key is no point of the curve")]
    NotOnCurve,
    /// The point has a torsion component; refused for validators and nodes.
    #[error("the public key is not free of torsion")]
    Torsion,
}

/// The prime of the field, 2^255 − 19, in little-endian bytes.
const FIELD_PRIME: [u8; 32] = {
    let mut bytes = [0xff; 32];
    let [first, .., last] = &mut bytes;
    *first = 0xed;
    *last = 0x7f;
    bytes
};

/// The coordinates of the points of small order, in canonical little-endian form without the sign bit.
/// A test derives them from the library's torsion points.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        let [first, ..] = &mut one;
        *first = 1;
        one
    },
    {
        let mut minus_one = FIELD_PRIME;
        let [first, ..] = &mut minus_one;
        *first = 0xec;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

impl PublicKey {
    /// The 32 bytes of the key, as RFC 8032 encodes them.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        match self {
            Self::Ed25519(bytes) => bytes,
        }
    }

    /// Refuses encodings that are not canonical and points of small order. Costs a few comparisons; whether the
    /// bytes name a point at all shows when a signature is verified, or in [`PublicKey::check`].
    pub fn check_form(&self) -> Result<(), KeyError> {
        let mut coordinate = *self.as_bytes();
        if let Some(last) = coordinate.last_mut() {
            *last &= 0x7f;
        }
        if coordinate.iter().rev().cmp(FIELD_PRIME.iter().rev()).is_ge() {
            return Err(KeyError::NotCanonical);
        }
        if SMALL_ORDER.contains(&coordinate) { Err(KeyError::SmallOrder) } else { Ok(()) }
    }

    /// Checks that the key can verify signatures at all. Costs one point decompression, about 4 µs.
    pub fn check(&self) -> Result<(), KeyError> {
        self.check_form()?;
        CompressedEdwardsY(*self.as_bytes()).decompress().map(|_| ()).ok_or(KeyError::NotOnCurve)
    }

    /// Checks a key of a validator or node: everything of [`PublicKey::check`], and that the point is free of
    /// torsion. Costs about 30 µs, so not for transactions.
    pub fn check_prime_order(&self) -> Result<(), KeyError> {
        self.check_form()?;
        let point = CompressedEdwardsY(*self.as_bytes()).decompress().ok_or(KeyError::NotOnCurve)?;
        if point.is_torsion_free() { Ok(()) } else { Err(KeyError::Torsion) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode_prefixed(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash::new(*self.as_bytes()).fmt(f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("0x").ok_or(KeyError::Text)?;
        const_hex::decode_to_array::<_, 32>(digits).map(Self::Ed25519).map_err(|_| KeyError::Text)
    }
}

/// An Ed25519 signature, R ‖ s. Which scheme it belongs to follows from the key that stands beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature from its bytes.
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode_prefixed(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = const_hex::encode(self.0);
        f.write_str(text.get(..8).unwrap_or_default())
    }
}

/// A secret key. Its memory is overwritten when it is dropped, and it does not show itself.
#[derive(Clone)]
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// The key of this 32-byte seed (RFC 8032, section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed. Handle with care: whoever has it is the owner of the key.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    /// Signs the 32 bytes of a sign hash (see [`Hash::to_sign`]).
    pub fn sign(&self, hash: &Hash) -> Signature {
        Signature(self.0.sign(hash.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use std::collections::BTreeSet;

    fn without_sign(mut bytes: [u8; 32]) -> [u8; 32] {
        bytes[31] &= 0x7f;
        bytes
    }

    #[test]
    fn the_small_order_table_is_the_library_s() {
        let derived: BTreeSet<[u8; 32]> =
            EIGHT_TORSION.iter().map(|point| without_sign(point.compress().to_bytes())).collect();
        assert_eq!(derived, SMALL_ORDER.into_iter().collect());
    }

    #[test]
    fn small_order_and_non_canonical_keys_are_refused() {
        for point in EIGHT_TORSION {
            for sign in [0, 0x80] {
                let mut bytes = point.compress().to_bytes();
                bytes[31] ^= sign;
                assert_eq!(PublicKey::Ed25519(bytes).check_form(), Err(KeyError::SmallOrder));
            }
        }
        for offset in 0..19u8 {
            let mut bytes = FIELD_PRIME;
            bytes[0] = bytes[0].saturating_add(offset);
            assert_eq!(PublicKey::Ed25519(bytes).check_form(), Err(KeyError::NotCanonical));
        }
    }

    #[test]
    fn mixed_order_keys_verify_transactions_but_are_no_validators() {
        let honest = SecretKey::from_seed(&[7; 32]).public_key();
        assert_eq!(honest.check_prime_order(), Ok(()));
        let point = CompressedEdwardsY(*honest.as_bytes()).decompress().expect("a key of ours");
        let mixed = PublicKey::Ed25519((point + EIGHT_TORSION[1]).compress().to_bytes());
        assert_eq!(mixed.check(), Ok(()));
        assert_eq!(mixed.check_prime_order(), Err(KeyError::Torsion));
    }

    #[test]
    fn bytes_that_are_no_point_are_refused() {
        let off_curve = (2..=255u8)
            .map(|low| {
                let mut bytes = [0; 32];
                bytes[0] = low;
                PublicKey::Ed25519(bytes)
            })
            .find(|key| key.check() == Err(KeyError::NotOnCurve));
        assert!(off_curve.is_some());
    }

    #[test]
    fn a_secret_key_does_not_show_its_seed() {
        let key = SecretKey::from_seed(&[0xab; 32]);
        assert!(!format!("{key:?}").contains("abab"));
    }
}
