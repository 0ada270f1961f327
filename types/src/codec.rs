//! Canonical encoding: borsh with explicit tags, exact consumption and limits that are checked while decoding.
//!
//! [`decode`] accepts a byte string only if it is *the* encoding of the value: nothing may follow, and encoding the
//! value again must give the same bytes. Collections of wire types are [`List`], [`Bytes`] and [`Text`], whose
//! largest length is part of the type, so that no length prefix makes us allocate more than the type allows or than
//! the input can hold.

use std::io::{self, Read, Write};
use std::ops::Deref;

use borsh::{BorshDeserialize, BorshSerialize};

/// Bytes that a list reserves before its first item arrived.
const RESERVE_BYTES_MAX: usize = 4096;

/// Why bytes are no value of the expected type. Always the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input is longer than the caller allows for this type.
    #[error("{length} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The bytes end early, carry an unknown tag, exceed a limit of the type, or go on after the value.
    #[error("malformed bytes: {reason}")]
    Malformed {
        /// What the decoder met, for people; never part of a hash.
        reason: String,
    },
    /// The bytes decode, but are not the encoding of the value.
    #[error("the bytes are not the canonical encoding of their value")]
    NotCanonical,
}

/// Decodes a value of at most `max` bytes and refuses everything that is not its canonical encoding.
pub fn decode<T: BorshDeserialize + BorshSerialize>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { length: bytes.len(), max });
    }
    let value = T::try_from_slice(bytes).map_err(|error| DecodeError::Malformed { reason: error.to_string() })?;
    let mut compare = Compare { rest: bytes };
    match value.serialize(&mut compare) {
        Ok(()) if compare.rest.is_empty() => Ok(value),
        _ => Err(DecodeError::NotCanonical),
    }
}

/// The canonical encoding of a value.
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into a vector cannot fail, and no type of ours refuses to be encoded.
    let written = value.serialize(&mut bytes);
    debug_assert!(written.is_ok(), "encoding into memory cannot fail");
    bytes
}

/// The length of the canonical encoding in bytes, without building it.
pub fn encoded_len<T: BorshSerialize + ?Sized>(value: &T) -> usize {
    let mut count = Count { bytes: 0 };
    let written = value.serialize(&mut count);
    debug_assert!(written.is_ok(), "counting cannot fail");
    count.bytes
}

/// A writer that compares with expected bytes instead of keeping them.
struct Compare<'a> {
    rest: &'a [u8],
}

impl Write for Compare<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => self.rest = rest,
            None => return Err(invalid("not canonical")),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that counts.
struct Count {
    bytes: usize,
}

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error for a decoder of ours.
pub(crate) fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

/// Reads a length prefix and holds it against the limit.
fn read_length<R: Read>(reader: &mut R, max: usize, what: &str) -> io::Result<usize> {
    let length = u32::deserialize_reader(reader)?;
    let length = usize::try_from(length).map_err(|_| invalid("length does not fit this machine"))?;
    if length > max {
        return Err(invalid(format!("{length} {what}, at most {max} are allowed")));
    }
    Ok(length)
}

/// A list of at most `MAX` items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// The empty list.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// A list of these items, or the items back if there are more than `MAX`.
    pub fn new(items: Vec<T>) -> Result<Self, Vec<T>> {
        if items.len() > MAX { Err(items) } else { Ok(Self(items)) }
    }

    /// A list of the first `MAX` items.
    pub fn truncated(mut items: Vec<T>) -> Self {
        items.truncate(MAX);
        Self(items)
    }

    /// The items.
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a List<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: std::fmt::Debug, const MAX: usize> std::fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl<T: BorshDeserialize, const MAX: usize> BorshDeserialize for List<T, MAX> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let length = read_length(reader, MAX, "items")?;
        let item_bytes = size_of::<T>().max(1);
        let mut items = Vec::with_capacity(length.min(RESERVE_BYTES_MAX.checked_div(item_bytes).unwrap_or(0)));
        for _ in 0..length {
            items.push(T::deserialize_reader(reader)?);
        }
        Ok(Self(items))
    }
}

/// A byte string of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// A byte string, or the bytes back if there are more than `MAX`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Vec<u8>> {
        if bytes.len() > MAX { Err(bytes) } else { Ok(Self(bytes)) }
    }

    /// The bytes.
    pub fn into_inner(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> Deref for Bytes<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> std::fmt::Debug for Bytes<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&const_hex::encode_prefixed(&self.0))
    }
}

impl<const MAX: usize> BorshDeserialize for Bytes<MAX> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let length = read_length(reader, MAX, "bytes")?;
        let mut bytes = Vec::with_capacity(length.min(RESERVE_BYTES_MAX));
        let limit = u64::try_from(length).map_err(|_| invalid("length does not fit"))?;
        reader.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(Self(bytes)) } else { Err(invalid("bytes end early")) }
    }
}

/// A UTF-8 text of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// A text, or the text back if it has more than `MAX` bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        if text.len() > MAX { Err(text) } else { Ok(Self(text)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> std::fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<const MAX: usize> BorshDeserialize for Text<MAX> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let bytes = Bytes::<MAX>::deserialize_reader(reader)?;
        String::from_utf8(bytes.0).map(Self).map_err(|_| invalid("text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_and_oversize_are_refused() {
        assert_eq!(decode::<u16>(&[1, 0], 2), Ok(1));
        assert!(matches!(decode::<u16>(&[1, 0, 0], 3), Err(DecodeError::Malformed { .. })));
        assert_eq!(decode::<u16>(&[1, 0], 1), Err(DecodeError::TooLong { length: 2, max: 1 }));
        assert!(matches!(decode::<u16>(&[1], 2), Err(DecodeError::Malformed { .. })));
    }

    #[test]
    fn a_length_prefix_cannot_make_us_allocate() {
        let huge = u32::MAX.to_le_bytes();
        assert!(decode::<List<[u8; 32], 10>>(&huge, 64).is_err());
        assert!(decode::<List<[u8; 32], { usize::MAX }>>(&huge, 64).is_err());
        assert!(decode::<Bytes<{ usize::MAX }>>(&huge, 64).is_err());
    }

    #[test]
    fn limits_hold_exactly_at_the_edge() {
        let three = encode(&List::<u8, 3>::new(vec![1, 2, 3]).expect("fits"));
        assert!(decode::<List<u8, 3>>(&three, 64).is_ok());
        assert!(decode::<List<u8, 2>>(&three, 64).is_err());
        let text = encode(&Text::<3>::new("abc").expect("fits"));
        assert!(decode::<Text<3>>(&text, 64).is_ok());
        assert!(decode::<Text<2>>(&text, 64).is_err());
        assert!(decode::<Text<3>>(&[1, 0, 0, 0, 0xff], 64).is_err());
        assert_eq!(List::<u8, 2>::new(vec![1, 2, 3]), Err(vec![1, 2, 3]));
    }

    #[test]
    fn a_boolean_of_two_is_refused() {
        assert!(decode::<bool>(&[2], 1).is_err());
        assert!(decode::<Option<u8>>(&[2, 0], 2).is_err());
    }

    #[test]
    fn encoded_len_counts_what_encode_writes() {
        let value = (7u32, vec![1u8, 2, 3], Some(9u64));
        assert_eq!(encoded_len(&value), encode(&value).len());
    }
}
