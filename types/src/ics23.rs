//! Proofs of presence as ICS-23 has them, so that verifiers which know nothing of us can check a value of the state.
//!
//! A [`StateProof`] that shows a value becomes a `CommitmentProof` in protobuf, as `docs/spec/proofs.md` gives it byte
//! by byte. The key there is the encoding of the [`StateKey`], the value the bytes as they are: a tree key and the hash
//! of a value are plain SHA-256 of these, which the leaf operation of ICS-23 says without any remainder. Nothing is
//! written that was not verified before, so what comes out is accepted under the root it was made for, with
//! [`ICS23_SPEC`].
//!
//! There is no proof of absence here: in ICS-23 it names the neighbours of the absent key with their keys and values,
//! which nobody asked for. The compact form proves absence and shows hashes only.
//!
//! The protobuf is written by hand: four messages of one form each. It needs no library, and the one that verifies it
//! in tests is foreign for that reason.

use crate::codec::encode;
use crate::hash::Hash;
use crate::proof::{LEAF_PREFIX, NODE_PREFIX, ProofError, Side, StateProof};
use crate::state::StateKey;

/// The name of the `ProofSpec` that proofs are made for. It changes if [`ICS23_SPEC`] does.
pub const ICS23_SPEC_NAME: &str = "jmt-sha256";

/// The `ProofSpec` in protobuf. A verifier takes it from here or from the specification, and never from a node: whoever
/// chooses the specification of a proof can prove anything.
pub const ICS23_SPEC: [u8; 76] = *b"\
    \x0a\x15\x08\x01\x10\x01\x18\x01\x2a\x0dJMT::LeafNode\
    \x12\x2e\x0a\x02\x00\x01\x10\x20\x18\x10\x20\x10\x2a\x20SPARSE_MERKLE_PLACEHOLDER_HASH__\x30\x01\
    \x18\x80\x02\x28\x01";

/// `HashOp.SHA256`.
const SHA256: u8 = 1;

/// Why there is no proof in the form of ICS-23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ics23Error {
    /// The value has no bytes. ICS-23 knows no such values; the compact form does.
    #[error("a value without bytes has no proof in the form of ICS-23")]
    EmptyValue,
    /// The compact proof does not show the value under this root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// The compact proof that a key has a value under a root as an ICS-23 `CommitmentProof` of existence, in protobuf. It
/// takes about 55 bytes for each level of the tree, beside key and value.
///
/// # Errors
///
/// [`Ics23Error::EmptyValue`], and [`Ics23Error::Proof`] if the proof does not verify.
pub fn ics23_presence(root: &Hash, key: &StateKey, value: &[u8], proof: &StateProof) -> Result<Vec<u8>, Ics23Error> {
    if value.is_empty() {
        return Err(Ics23Error::EmptyValue);
    }
    proof.verify(root, key, Some(value))?;
    let mut existence = Message::default();
    existence.bytes(1, &encode(key));
    existence.bytes(2, value);
    existence.bytes(3, &leaf_operation());
    for (side, sibling) in proof.steps(&key.tree_key()) {
        existence.bytes(4, &inner_operation(side, &sibling));
    }
    let mut commitment = Message::default();
    commitment.bytes(1, &existence.0);
    Ok(commitment.0)
}

/// A `LeafOp`: SHA-256(prefix ‖ SHA-256(key) ‖ SHA-256(value)). `LengthOp.NO_PREFIX` is 0, which protobuf leaves out.
fn leaf_operation() -> Vec<u8> {
    let mut leaf = Message::default();
    leaf.number(1, SHA256);
    leaf.number(2, SHA256);
    leaf.number(3, SHA256);
    leaf.bytes(5, LEAF_PREFIX);
    leaf.0
}

/// An `InnerOp`: SHA-256(prefix ‖ what was there ‖ suffix).
fn inner_operation(side: Side, sibling: &Hash) -> Vec<u8> {
    let mut inner = Message::default();
    inner.number(1, SHA256);
    match side {
        Side::Left => inner.bytes(2, &[&NODE_PREFIX[..], sibling.as_bytes()].concat()),
        Side::Right => {
            inner.bytes(2, NODE_PREFIX);
            inner.bytes(3, sibling.as_bytes());
        }
    }
    inner.0
}

/// A protobuf message in the making. Fields are written in ascending order, those of a default value not at all.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// A field that is a number from 1 to 127.
    fn number(&mut self, field: u8, number: u8) {
        self.0.extend([field << 3, number]);
    }

    /// A field that is a byte string or a message.
    fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.0.push(field << 3 | 2);
        let mut length = bytes.len();
        while length > 0x7f {
            let [low, ..] = length.to_le_bytes();
            self.0.push(low | 0x80);
            length >>= 7;
        }
        let [low, ..] = length.to_le_bytes();
        self.0.push(low);
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
