//! Keys of simulated validators: real ones, or ones whose signatures cost nothing and that no actor forges.

use althing_consensus::Keys;
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
    /// The key of the validator with this number.
    pub(crate) fn new(number: u16, real: bool) -> Self {
        let mut seed = [0x5e; 32];
        seed[..2].copy_from_slice(&number.to_le_bytes());
        if real { Self::Real(SecretKey::from_seed(&seed)) } else { Self::Free(PublicKey::Ed25519(seed)) }
    }

    /// The public key.
    pub(crate) fn public_key(&self) -> PublicKey {
        match self {
            Self::Real(secret) => secret.public_key(),
            Self::Free(key) => *key,
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
        match self {
            Self::Real(secret) => secret.sign(hash),
            Self::Free(key) => free_signature(key, hash),
        }
    }
}
