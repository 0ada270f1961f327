//! How values are written in JSON: large integers as decimal strings, bytes as hexadecimal strings.
//!
//! Each value has one form. `"07"`, `"+7"`, `7` and `"0xAB"` are refused, so that two programs never disagree about
//! what a text means, and a number above 2^53 never passes through a floating-point one.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use althing_types::{Epoch, Hash, Height, PublicKey, Signature, TimeMs, View};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An integer of up to 64 or 128 bits, written as a decimal string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<T>(pub T);

/// Bytes, written as `0x` and two lower-case hexadecimal digits for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<T>(pub T);

/// An integer that [`Decimal`] can hold.
pub trait DecimalValue: Copy {
    /// The value as the widest integer.
    fn widen(self) -> u128;

    /// The value of an integer, or none if it is too large.
    fn narrow(value: u128) -> Option<Self>;
}

/// Something made of bytes that [`Hex`] can hold.
pub trait HexValue: Sized {
    /// The number of bytes, where it is fixed.
    const LENGTH: Option<usize>;

    /// The bytes.
    fn bytes(&self) -> &[u8];

    /// The value of these bytes, or none if their number is wrong.
    fn from_bytes(bytes: Vec<u8>) -> Option<Self>;
}

/// Why a text is no value of its kind. The sentence says what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not a decimal integer in its one form.
    #[error("expected an integer as a decimal string, for example \"42\"")]
    Decimal,
    /// An integer that does not fit.
    #[error("the integer is too large")]
    TooLarge,
    /// Not hexadecimal digits after `0x`.
    #[error("expected 0x followed by lower-case hexadecimal digits, two for each byte")]
    Hex,
    /// The number of bytes is wrong.
    #[error("expected {expected} bytes, which is 0x followed by {} hexadecimal digits", expected.saturating_mul(2))]
    Length {
        /// How many bytes are expected.
        expected: usize,
    },
}

macro_rules! decimal_values {
    ($($integer:ty),+; $($number:ty),+) => {
        $(impl DecimalValue for $integer {
            fn widen(self) -> u128 { u128::from(self) }

            fn narrow(value: u128) -> Option<Self> { Self::try_from(value).ok() }
        })+
        $(impl DecimalValue for $number {
            fn widen(self) -> u128 { u128::from(self.get()) }

            fn narrow(value: u128) -> Option<Self> { u64::try_from(value).ok().map(Self::new) }
        })+
    };
}

decimal_values!(u64, u128; Height, View, Epoch, TimeMs);

impl<T: DecimalValue> fmt::Display for Decimal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.widen().fmt(f)
    }
}

impl<T: DecimalValue> FromStr for Decimal<T> {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return Err(FormError::Decimal);
        }
        let wide: u128 = text.parse().map_err(|_| FormError::TooLarge)?;
        T::narrow(wide).map(Self).ok_or(FormError::TooLarge)
    }
}

impl<T: DecimalValue> Serialize for Decimal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: DecimalValue> Deserialize<'de> for Decimal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor::new("an integer as a decimal string, for example \"42\""))
    }
}

impl HexValue for Vec<u8> {
    const LENGTH: Option<usize> = None;

    fn bytes(&self) -> &[u8] {
        self
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Some(bytes)
    }
}

impl HexValue for Hash {
    const LENGTH: Option<usize> = Some(32);

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }
}

impl HexValue for PublicKey {
    const LENGTH: Option<usize> = Some(32);

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.try_into().ok().map(Self::Ed25519)
    }
}

impl HexValue for Signature {
    const LENGTH: Option<usize> = Some(64);

    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }

    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }
}

impl<T: HexValue> fmt::Display for Hex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode_prefixed(self.0.bytes()))
    }
}

impl<T: HexValue> FromStr for Hex<T> {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let digits = text.strip_prefix("0x").ok_or(FormError::Hex)?;
        // The length is looked at first, so that a long text costs nothing where a short one is expected.
        if let Some(expected) = T::LENGTH
            && digits.len() != expected.saturating_mul(2)
        {
            return Err(FormError::Length { expected });
        }
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(FormError::Hex);
        }
        let bytes = const_hex::decode(digits).map_err(|_| FormError::Hex)?;
        T::from_bytes(bytes).map(Self).ok_or(FormError::Hex)
    }
}

impl<T: HexValue> Serialize for Hex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&const_hex::encode_prefixed(self.0.bytes()))
    }
}

impl<'de, T: HexValue> Deserialize<'de> for Hex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor::new("0x followed by lower-case hexadecimal digits"))
    }
}

/// Reads a value from a JSON string, and says what is expected where there is none.
struct TextVisitor<T> {
    expected: &'static str,
    value: PhantomData<T>,
}

impl<T> TextVisitor<T> {
    const fn new(expected: &'static str) -> Self {
        Self { expected, value: PhantomData }
    }
}

impl<T: FromStr<Err = FormError>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_two_to_the_fifty_third_keep_every_digit() {
        for text in ["0", "9007199254740993", "18446744073709551615"] {
            let value: Decimal<u64> = serde_json::from_str(&format!("\"{text}\"")).expect(text);
            assert_eq!(serde_json::to_string(&value).expect("text"), format!("\"{text}\""));
        }
        let widest = u128::MAX.to_string();
        assert_eq!(widest.parse(), Ok(Decimal(u128::MAX)));
        assert_eq!("18446744073709551616".parse::<Decimal<u64>>(), Err(FormError::TooLarge));
        assert_eq!(format!("{widest}0").parse::<Decimal<u128>>(), Err(FormError::TooLarge));
    }

    #[test]
    fn an_integer_has_one_form() {
        for bad in ["\"07\"", "\"+7\"", "\"-7\"", "\" 7\"", "\"\"", "\"7.0\"", "\"0x7\"", "7", "null"] {
            let error = serde_json::from_str::<Decimal<u64>>(bad).expect_err(bad).to_string();
            assert!(error.contains("decimal string"), "{bad}: {error}");
        }
    }

    #[test]
    fn bytes_have_one_form() {
        assert_eq!("0x00ff".parse(), Ok(Hex(vec![0u8, 0xff])));
        assert_eq!("0x".parse(), Ok(Hex(Vec::<u8>::new())));
        for bad in ["00ff", "0x0", "0x0F", "0xzz", "0X00"] {
            assert_eq!(bad.parse::<Hex<Vec<u8>>>(), Err(FormError::Hex), "{bad}");
        }
        assert_eq!("0x00".parse::<Hex<Hash>>(), Err(FormError::Length { expected: 32 }));
        let hash = Hash::new([7; 32]);
        assert_eq!(hash.to_string().parse(), Ok(Hex(hash)));
        assert_eq!(Hex(hash).to_string(), hash.to_string());
    }
}
