//! Addresses: 32 bytes, written as bech32m with the chain's prefix.
//!
//! An account's address is the hash of its policy at creation, so an account needs no registration, and rotating its
//! keys keeps the address. `0x` and 64 hexadecimal digits are accepted on input and never printed.

use std::fmt;

use bech32::{Bech32m, Hrp};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash;
use crate::policy::AuthPolicy;
use crate::tag::Tag;

/// An account or contract.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Address([u8; 32]);

/// The human-readable part of a chain's addresses (`addressPrefix` in genesis): 1 to 16 lower-case letters or digits
/// that begin with a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPrefix(String);

/// Why a text is no address of this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The prefix itself is not 1 to 16 lower-case letters or digits that begin with a letter.
    #[error("an address prefix is 1 to 16 lower-case letters or digits that begin with a letter, not {given:?}")]
    Prefix {
        /// The prefix as given.
        given: String,
    },
    /// The address carries the prefix of another chain.
    #[error("the address begins with {given:?}, addresses of this chain begin with {expected:?}")]
    OtherChain {
        /// The prefix of the address.
        given: String,
        /// This chain's prefix.
        expected: String,
    },
    /// The checksum or the alphabet is wrong: most likely a typing mistake.
    #[error("not a bech32m address: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// The address decodes to something that is not 32 bytes long.
    #[error("an address holds 32 bytes, this one holds {length}")]
    Length {
        /// Bytes in the address.
        length: usize,
    },
}

/// Longest address prefix in bytes.
const PREFIX_MAX: usize = 16;

impl AddressPrefix {
    /// A prefix, if it has the right form.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let rest = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if begins && rest && text.len() <= PREFIX_MAX && Hrp::parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(AddressError::Prefix { given: text.to_owned() })
        }
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// An address from its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The address of the account that was created with this policy.
    pub fn of_policy(policy: &AuthPolicy) -> Self {
        Self(*Hash::of(Tag::Address, policy).as_bytes())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text form on a chain with this prefix.
    pub fn to_text(self, prefix: &AddressPrefix) -> String {
        Hrp::parse(&prefix.0)
            .ok()
            .and_then(|hrp| bech32::encode_lower::<Bech32m>(hrp, &self.0).ok())
            .unwrap_or_default()
    }

    /// Reads the text form of this chain, or `0x` and 64 hexadecimal digits.
    pub fn from_text(text: &str, prefix: &AddressPrefix) -> Result<Self, AddressError> {
        if let Some(digits) = text.strip_prefix("0x") {
            return const_hex::decode_to_array::<_, 32>(digits)
                .map(Self)
                .map_err(|_| AddressError::Malformed { reason: "not 64 hexadecimal digits after 0x".to_owned() });
        }
        let parsed = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|error| AddressError::Malformed { reason: error.to_string() })?;
        let given = parsed.hrp().to_lowercase();
        if given != prefix.0 {
            return Err(AddressError::OtherChain { given, expected: prefix.0.clone() });
        }
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        let length = bytes.len();
        let address = Self(bytes.try_into().map_err(|_| AddressError::Length { length })?);
        // Padding bits and upper case are accepted by the library; only one form is an address.
        if address.to_text(prefix) == text {
            Ok(address)
        } else {
            Err(AddressError::Malformed { reason: "not in canonical lower-case form".to_owned() })
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash::new(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;

    #[test]
    fn text_round_trips_and_other_chains_are_named() {
        let dev = AddressPrefix::new("talt").expect("valid");
        let acme = AddressPrefix::new("acme").expect("valid");
        let address = Address::of_policy(&AuthPolicy::Key(SecretKey::from_seed(&[1; 32]).public_key()));
        let text = address.to_text(&dev);
        assert!(text.starts_with("talt1"), "{text}");
        assert_eq!(Address::from_text(&text, &dev), Ok(address));
        let hex = Hash::new(*address.as_bytes()).to_string();
        assert_eq!(Address::from_text(&hex, &dev), Ok(address));
        assert_eq!(
            Address::from_text(&text, &acme),
            Err(AddressError::OtherChain { given: "talt".into(), expected: "acme".into() })
        );
    }

    #[test]
    fn every_single_changed_character_is_noticed() {
        let dev = AddressPrefix::new("talt").expect("valid");
        let text = Address::new([0x5a; 32]).to_text(&dev);
        for place in 0..text.len() {
            for replacement in ['q', 'p', 'l', '7', 'b', 'Q', '1'] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[place] == replacement {
                    continue;
                }
                changed[place] = replacement;
                let changed: String = changed.into_iter().collect();
                assert!(Address::from_text(&changed, &dev).is_err(), "{changed}");
            }
        }
        assert!(Address::from_text(&text.to_uppercase(), &dev).is_err());
    }

    #[test]
    fn prefixes_have_one_form() {
        for bad in ["", "1a", "Alt", "al t", "abcdefghijklmnopq", "ältt"] {
            assert!(AddressPrefix::new(bad).is_err(), "{bad}");
        }
        assert!(AddressPrefix::new("a1").is_ok());
    }
}
