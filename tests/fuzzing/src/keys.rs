//! Loose signatures: cheap, and forged by anybody but for one validator.
//!
//! A fuzzer cannot make a real signature. Here every signature that begins with one byte is good, so that whatever is
//! behind a signature is reached. Only the validator under test signs as its key and the hash side by side, so that
//! nobody speaks in its name; what it does to others who lie without bound is what is looked at.

use althing_consensus::Keys;
use althing_mempool::Signer;
use althing_types::{Hash, PublicKey, Scheme, Signature};

/// How a good signature of any other validator begins.
const GOOD: u8 = 1;

/// The signature of any validator but the one under test.
pub(crate) fn loose_signature() -> Signature {
    let mut bytes = [0; 64];
    bytes[0] = GOOD;
    Signature::new(bytes)
}

/// One validator's key, and how everybody's signatures are checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LooseKeys {
    mine: PublicKey,
    /// The key of the validator under test.
    guarded: PublicKey,
}

impl LooseKeys {
    /// The keys of a validator among those of which one is under test.
    pub(crate) const fn new(mine: PublicKey, guarded: PublicKey) -> Self {
        Self { mine, guarded }
    }

    fn signature(&self, key: &PublicKey, hash: &Hash) -> Signature {
        if *key != self.guarded {
            return loose_signature();
        }
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(key.as_bytes());
        bytes[32..].copy_from_slice(hash.as_bytes());
        Signature::new(bytes)
    }
}

impl Scheme for LooseKeys {
    fn verify(&self, key: &PublicKey, hash: &Hash, signature: &Signature) -> bool {
        if *key == self.guarded {
            return self.signature(key, hash) == *signature;
        }
        signature.as_bytes()[0] == GOOD
    }
}

impl Keys for LooseKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.signature(&self.mine, hash)
    }
}

impl Signer for LooseKeys {
    fn sign(&self, hash: &Hash) -> Signature {
        self.signature(&self.mine, hash)
    }
}
