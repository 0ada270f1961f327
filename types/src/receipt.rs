//! Receipts: what became of a transaction. They hold numbers, never sentences, because they are hashed.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::address::Address;
use crate::codec::{Bytes, List, Text};
use crate::hash::Hash;

/// Events in one receipt at most.
pub const EVENTS_MAX: usize = 64;
/// Topics of one event at most.
const TOPICS_MAX: usize = 4;
/// Bytes of an event's data at most.
const EVENT_DATA_MAX: usize = 4096;
/// Bytes of an event's name at most.
const EVENT_NAME_MAX: usize = 64;

/// How a transaction ended. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Status {
    /// Every effect was applied.
    Ok = 0,
    /// The contract declared this error; what it used was charged.
    ContractError(u32) = 1,
    /// The gas limit was reached; the whole limit was charged.
    OutOfGas = 2,
    /// The contract trapped; the whole limit was charged.
    Trap = 3,
    /// The logical stack limit was reached; the whole limit was charged.
    StackLimit = 4,
    /// The signatures do not satisfy the account's policy.
    AuthRequired = 5,
    /// A role or a freeze forbids the action.
    Denied = 6,
    /// No contract stands at the address.
    NoContract = 7,
    /// The contract has no such method.
    NoMethod = 8,
    /// The arguments do not decode.
    BadArgs = 9,
    /// A contract was entered a second time.
    Reentrancy = 10,
    /// Calls were nested too deep.
    DepthLimit = 11,
    /// A balance does not suffice.
    Insufficient = 12,
    /// The contract or feature is not active yet.
    NotActive = 13,
    /// A limit of a transaction was exceeded.
    Limit = 14,
    /// The asset does not exist.
    NoAsset = 15,
    /// A balance would exceed the largest amount.
    Overflow = 16,
    /// The sequence number is not the next one of its lane.
    Sequence = 17,
}

/// Something that a transaction announced.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Event {
    /// Place among the transaction's events.
    pub index: u32,
    /// The contract that spoke, or the zero address for native actions.
    pub contract: Address,
    /// The event's name.
    pub name: Text<EVENT_NAME_MAX>,
    /// What the event can be found by.
    pub topics: List<Hash, TOPICS_MAX>,
    /// Further content.
    pub data: Bytes<EVENT_DATA_MAX>,
}

/// What became of a transaction. A leaf of the block's receipts root is borsh of this.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// The transaction's replay id.
    pub tx_id: Hash,
    /// How it ended.
    pub status: Status,
    /// Gas that was charged.
    pub gas_used: u64,
    /// Fee that was charged, 0 where fees are off.
    pub fee: u128,
    /// Hash of the returned bytes, zero if there are none.
    pub return_hash: Hash,
    /// What it announced.
    pub events: List<Event, EVENTS_MAX>,
}
