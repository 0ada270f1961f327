//! Keys and values of the authenticated state that a client may want to prove.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::address::Address;
use crate::asset::AssetId;
use crate::codec::{Bytes, List, Text, encode};
use crate::hash::Hash;
use crate::policy::AuthPolicy;

/// Bytes of a contract's storage key at most.
const STORAGE_KEY_MAX: usize = 256;
/// Sequence lanes of an account at most.
const ACCOUNT_LANES_MAX: usize = 16;

/// A place in the state. Tags are never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum StateKey {
    /// A value of the system itself.
    System(Text<64>) = 0,
    /// An account's record; absent while the account has never set a policy or used a sequence lane.
    Account(Address) = 1,
    /// A role of an account.
    Role(Address, u16) = 2,
    /// A contract's record.
    Contract(Address) = 3,
    /// Code by its hash.
    Code(Hash) = 4,
    /// A contract's own storage.
    Storage(Address, Bytes<STORAGE_KEY_MAX>) = 5,
    /// A native asset's record.
    Asset(AssetId) = 6,
    /// How much of an asset an account holds: a u128, absent when zero.
    Balance(Address, AssetId) = 7,
}

impl StateKey {
    /// The key's place in the state tree: plain SHA-256 of its encoding, without a tag, because that is the form
    /// that foreign verifiers of ICS-23 proofs expect. The tree's own separators keep it apart from other hashes.
    pub fn tree_key(&self) -> Hash {
        Hash::raw(&[&encode(self)])
    }
}

/// The next number that a sequence lane of an account expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct AccountLane {
    /// The lane.
    pub lane: u32,
    /// The next sequence number.
    pub next: u64,
}

/// An account's record. Version 1 of its form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Account {
    /// The first form.
    V1 {
        /// Who may act for the account now.
        policy: AuthPolicy,
        /// Sequence lanes, ascending by lane.
        lanes: List<AccountLane, ACCOUNT_LANES_MAX>,
        /// [`Account::FROZEN`] or nothing. Other bits are zero.
        flags: u32,
    } = 1,
}

impl Account {
    /// The flag of an account that may do nothing.
    pub const FROZEN: u32 = 1;
}
