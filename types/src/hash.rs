//! SHA-256 hashes and the one way to compute them: under a domain tag, with the tag's length in front.
//!
//! `Hash::of(tag, value)` is `SHA-256(len(tag) as u8 ‖ tag ‖ borsh(value))`. Signatures are over
//! [`Hash::to_sign`], which also binds the chain. No other function of the project feeds SHA-256, except the two
//! trees whose form is fixed from outside (RFC 6962 in `merkle`, the Jellyfish Merkle tree in `proof`).

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};

use crate::tag::Tag;

/// A SHA-256 digest. Its text form is `0x` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Hash([u8; 32]);

/// Why a text is no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The text is not `0x` followed by 64 hexadecimal digits.
    #[error("a hash is 0x followed by 64 hexadecimal digits, this text has {length} characters")]
    Malformed {
        /// Characters in the text.
        length: usize,
    },
}

impl Hash {
    /// The hash of nothing: 32 zero bytes. It stands where a hash is absent by rule (a parent of the first block).
    pub const ZERO: Self = Self([0; 32]);

    /// A hash from its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of `value` under `tag`.
    pub fn of<T: BorshSerialize + ?Sized>(tag: Tag, value: &T) -> Self {
        let mut hasher = Hasher::tagged(tag);
        hasher.absorb(value);
        hasher.finish()
    }

    /// The 32 bytes that a key signs for `value` on the chain `chain` (`decisions.md` 1.5):
    /// `SHA-256(len(tag) ‖ tag ‖ chain ‖ borsh(value))`.
    pub fn to_sign<T: BorshSerialize + ?Sized>(tag: Tag, chain: &Self, value: &T) -> Self {
        let mut hasher = Hasher::tagged(tag);
        hasher.absorb(chain);
        hasher.absorb(value);
        hasher.finish()
    }

    /// SHA-256 of raw parts, for the two trees whose form is fixed from outside.
    pub(crate) fn raw(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

/// A SHA-256 state that values are written into without an intermediate buffer.
struct Hasher(Sha256);

impl Hasher {
    fn tagged(tag: Tag) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([tag.length()]);
        hasher.update(tag.as_str().as_bytes());
        Self(hasher)
    }

    fn absorb<T: BorshSerialize + ?Sized>(&mut self, value: &T) {
        // A hasher accepts every byte and our types never fail to encode, so there is no error to carry.
        let written = value.serialize(self);
        debug_assert!(written.is_ok(), "encoding into a hasher cannot fail");
    }

    fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode_prefixed(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = const_hex::encode(self.0);
        f.write_str(text.get(..8).unwrap_or_default())
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = HashError::Malformed { length: text.chars().count() };
        let digits = text.strip_prefix("0x").ok_or_else(|| malformed.clone())?;
        const_hex::decode_to_array::<_, 32>(digits).map(Self).map_err(|_| malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_and_its_length_separate_domains() {
        let one = Hash::of(Tag::TransactionId, &7u64);
        let other = Hash::of(Tag::BlockId, &7u64);
        assert_ne!(one, other);
        let by_hand = {
            let tag = Tag::BlockId.as_str();
            Hash::raw(&[&[tag.len() as u8], tag.as_bytes(), &7u64.to_le_bytes()])
        };
        assert_eq!(other, by_hand);
    }

    #[test]
    fn a_signature_binds_the_chain() {
        let chain_a = Hash::new([1; 32]);
        let chain_b = Hash::new([2; 32]);
        assert_ne!(Hash::to_sign(Tag::Vote, &chain_a, &1u8), Hash::to_sign(Tag::Vote, &chain_b, &1u8));
    }

    #[test]
    fn text_form_round_trips_and_junk_is_refused() {
        let hash = Hash::of(Tag::BlockId, &1u8);
        assert_eq!(hash.to_string().parse::<Hash>(), Ok(hash));
        let upper = hash.to_string().to_uppercase();
        for junk in ["", "0x", "00", upper.as_str(), &hash.to_string()[..65], &format!("{hash}0")] {
            assert!(junk.parse::<Hash>().is_err(), "{junk}");
        }
    }
}
