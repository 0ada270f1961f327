//! Keys of simulated validators: real ones, or ones whose signatures cost nothing and that no actor forges.
//!
//! The public keys are always those of the development network, because genesis accepts only real ones.

use althing_consensus::Keys;
use althing_mempool::Signer;
use althing_types::{Ed25519, Hash, PublicKey, Scheme, SecretKey, Signature};

/// The key of one validator, and how everybody's signatures are checked.
#[derive(Clone, Debug)]
pub(crate) enum SimulatedKeys {
    /// Ed25519.
    Real(SecretKey),
    /// A signature is the key and the hash side by side.
    Free(PublicKey),
}

impl SimulatedKeys {
    /// The key with this secret.
    pub(crate) fn new(secret: SecretKey, real: bool) -> Self {
        if real { Self::Real(secret) } else { Self::Free(secret.public_key()) }
    }

    /// Signs a hash.
    pub(crate) fn signature(&self, hash: &Hash) -> Signature {
        match self {
            Self::Real(secret) => secret.sign(hash),
            Self::Free(key) => free_signature(key, hash),
        }
    }
}

fn free_signature(key: &PublicKey, hash: &Hash) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(key.as_bytes());
    bytes[32..].copy_from_slice(hash.as_bytes());
    Signature::new(bytes)
}

impl Scheme for SimulatedKeys {
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool {
        match self {
            Self::Real(_) => Ed25519.verify(key, hash, signature),
            Self::Free(_) => free_signature(key, hash) == *signature,
        }
    }
}

impl Keys for SimulatedKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.signature(hash)
    }
}

impl Signer for SimulatedKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.signature(hash)
    }
}
