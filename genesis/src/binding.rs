//! What the participants sign before the chain exists: the binding of a validator's two keys, and the approval of the
//! whole document.
//!
//! A binding is signed by *both* keys, so that nobody can enter a node key that he does not hold and thereby pose as
//! somebody else's machine, and nobody can enter somebody else's validator key. It carries the chain's name instead of
//! the genesis hash, because entries are made before there is a document to hash. An approval is over the genesis
//! hash, which covers all that matters.

use althing_types::{Hash, PublicKey, SecretKey, Signature, SignedItem, Tag, verify_strict};
use borsh::BorshSerialize;

use crate::error::Fault;
use crate::text::parse_hex;

/// What both keys of a validator sign: this validator key and this node key belong together on this chain.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct KeyBinding {
    /// The chain's name.
    pub chain_id: String,
    /// The key that votes.
    pub validator_key: PublicKey,
    /// The key of the network identity.
    pub node_key: PublicKey,
}

/// The signatures of a validator key and a node key over their [`KeyBinding`]. In text, 256 hexadecimal digits: the
/// validator key's signature, then the node key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct BindingProof {
    /// By the validator key.
    pub by_validator: Signature,
    /// By the node key.
    pub by_node: Signature,
}

impl KeyBinding {
    /// The 32 bytes that both keys sign.
    pub fn hash(&self) -> Hash {
        Hash::of(Tag::KeyBinding, self)
    }
}

impl BindingProof {
    /// Binds two keys on the chain of this name.
    pub fn sign(chain_id: &str, validator: &SecretKey, node: &SecretKey) -> Self {
        let (validator_key, node_key) = (validator.public_key(), node.public_key());
        let hash = KeyBinding { chain_id: chain_id.to_owned(), validator_key, node_key }.hash();
        Self { by_validator: validator.sign(&hash), by_node: node.sign(&hash) }
    }

    /// Reads the text form.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let bytes: [u8; 128] = parse_hex(text)?;
        let (first, second) = bytes.split_at(64);
        match (first.try_into(), second.try_into()) {
            (Ok(first), Ok(second)) => {
                Ok(Self { by_validator: Signature::new(first), by_node: Signature::new(second) })
            }
            _ => Err(Fault::Hex { digits: 256 }),
        }
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        let mut bytes = self.by_validator.as_bytes().to_vec();
        bytes.extend_from_slice(self.by_node.as_bytes());
        const_hex::encode_prefixed(bytes)
    }

    /// Checks both signatures under the strict rule, like those of votes.
    pub(crate) fn verify(&self, binding: &KeyBinding) -> Result<(), Fault> {
        let hash = binding.hash();
        let parts = [("validator", binding.validator_key, self.by_validator), ("node", binding.node_key, self.by_node)];
        for (whose, key, signature) in parts {
            if !verify_strict(&SignedItem { key, hash, signature }) {
                return Err(Fault::Proof { whose, chain_id: binding.chain_id.clone() });
            }
        }
        Ok(())
    }
}

/// The 32 bytes that a validator key signs to approve the document with this genesis hash.
pub fn approval_hash(genesis: &Hash) -> Hash {
    Hash::to_sign(Tag::GenesisApproval, genesis, &())
}
