//! The signature scheme of votes as a parameter, so that a simulation can replace it by something cheap.
//!
//! The node uses [`Ed25519`]. A scheme is a pure function of bytes; it holds no state that a step could change.

use crate::hash::Hash;
use crate::keys::{PublicKey, Signature};
use crate::signature::{SignedItem, verify_strict};

/// How a vote's signature is checked.
pub trait Scheme {
    /// Whether `signature` is the signature of `key` over `hash`.
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool;
}

/// Ed25519 under the strict rule (see [`verify_strict`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct Ed25519;

impl Scheme for Ed25519 {
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool {
        verify_strict(&SignedItem { key: *key, hash: *hash, signature: *signature })
    }
}
