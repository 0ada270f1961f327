//! Harnesses for single decoders: what decodes is canonical, takes little memory, and can be looked at without harm.

pub(crate) mod certificates;
pub(crate) mod folder;
pub(crate) mod messages;
pub(crate) mod proofs;
pub(crate) mod texts;
pub(crate) mod window;

use std::fmt::Debug;

use althing_types::{decode, encode, encoded_len};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::memory::frugal;

/// Decodes, and asserts what holds of every type: the value has one encoding, which are these bytes, in the limit of
/// its type, and decoding took memory in proportion to its input.
fn canonical<T: BorshDeserialize + BorshSerialize + PartialEq + Debug>(bytes: &[u8], max: usize) -> Option<T> {
    let value: T = frugal(bytes.len(), || decode(bytes, max)).ok()?;
    let again = encode(&value);
    assert!(again == bytes, "{value:?} came of other bytes than its encoding");
    assert!(
        again.len() <= max && encoded_len(&value) == again.len(),
        "{value:?} is longer than its limit, or counted wrong"
    );
    Some(value)
}
