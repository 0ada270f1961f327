//! Transactions: what an account asks for, how a replay is refused, and who signed.
//!
//! Every tag of the format is reserved from the first version. `Transfer`, `Batch` and `SetPolicy` work; the other
//! actions decode and are refused by name, so that an older node never mistakes a newer transaction for junk.
//! Whether signatures are good is a pure function of the bytes, checked once ([`SignedTransaction::verify`]); whether
//! these signers satisfy the account's policy is decided at execution (`decisions.md` 1.3).

use std::io::{self, Read};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::address::Address;
use crate::asset::AssetId;
use crate::block::{EXTENSIONS_MAX, Extension};
use crate::codec::{Bytes, DecodeError, List, Text, decode, encode, encoded_len, invalid};
use crate::hash::Hash;
use crate::keys::{PublicKey, Signature};
use crate::number::TimeMs;
use crate::policy::{AuthPolicy, POLICY_KEYS_MAX, PolicyError};
use crate::signature::{SignedItem, verify_each};
use crate::tag::Tag;
use crate::verified::Verified;

/// Bytes of a transaction at most (`decisions.md` section 2).
pub const TRANSACTION_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a transaction that deploys or upgrades a contract at most.
pub const DEPLOY_BYTES_MAX: usize = 384 * 1024;
/// Actions in a batch at most.
pub const BATCH_ACTIONS_MAX: usize = 64;
/// Bytes of a memo at most.
pub const MEMO_BYTES_MAX: usize = 256;
/// Authority trees of a transaction at most.
const TREES_MAX: usize = 16;
/// Calls below one call of an authority tree at most.
const TREE_CHILDREN_MAX: usize = 16;
/// Depth of an authority tree at most: calls nest at most 8 deep.
const TREE_DEPTH_MAX: usize = 8;
/// Accounts that authorise one transaction at most: sender, sponsor and the trees' owners.
const AUTH_MAX: usize = TREES_MAX + 2;

/// How a second execution of the same transaction is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Replay {
    /// The transaction is valid until a time, and its id may occur once within the window. No state is written.
    Expiring {
        /// The last block time at which it may execute.
        valid_until: TimeMs,
        /// Makes two otherwise equal transactions different.
        salt: u64,
    } = 0,
    /// The transaction is the next one of a numbered lane of its sender.
    Sequence {
        /// The lane.
        lane: u32,
        /// Its place in the lane.
        seq: u64,
    } = 1,
}

/// Somebody other than the sender pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Sponsorship {
    /// Who pays; signs the transaction too.
    pub payer: Address,
    /// The largest fee that the payer agreed to.
    pub max_fee: u128,
}

/// Grants or revokes a role. Reserved: refused by name for the time being.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct RoleGrant {
    /// True to grant, false to revoke.
    pub grant: bool,
    /// Whose role.
    pub to: Address,
    /// Which role.
    pub role: u16,
    /// What the role is limited to, in the form that the role defines.
    pub scope: Bytes<256>,
    /// When it ends.
    pub expires: Option<TimeMs>,
}

/// What a transaction does. Tags are never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Action {
    /// Several actions that take effect together or not at all. A batch holds no batch.
    Batch(List<Self, BATCH_ACTIONS_MAX>) = 0,
    /// Calls a contract. Reserved.
    Call {
        /// The contract.
        contract: Address,
        /// The method's name.
        method: Text<64>,
        /// Its arguments.
        args: Bytes<TRANSACTION_BYTES_MAX>,
    } = 1,
    /// Deploys a contract. Reserved.
    Deploy {
        /// The module.
        code: Bytes<DEPLOY_BYTES_MAX>,
        /// Makes the contract's address different.
        salt: Hash,
        /// Arguments of its constructor.
        init: Bytes<TRANSACTION_BYTES_MAX>,
        /// Who may upgrade it.
        admin: Option<Address>,
    } = 2,
    /// Replaces a contract's code. Reserved.
    Upgrade {
        /// The contract.
        contract: Address,
        /// The new module.
        code: Bytes<DEPLOY_BYTES_MAX>,
        /// Arguments of its migration.
        migrate: Bytes<TRANSACTION_BYTES_MAX>,
    } = 3,
    /// Moves an amount of a native asset from the sender.
    Transfer {
        /// Which asset.
        asset: AssetId,
        /// To whom.
        to: Address,
        /// How much, in the asset's smallest unit; at least 1.
        amount: u128,
    } = 4,
    /// Replaces the policy of the sender's account.
    SetPolicy {
        /// The policy from now on.
        policy: AuthPolicy,
    } = 5,
    /// Grants or revokes a role. Reserved.
    Role(RoleGrant) = 6,
    /// A decision of the governors: validators, parameters, machine version, pause. Reserved.
    Govern(Bytes<TRANSACTION_BYTES_MAX>) = 7,
}

impl Action {
    /// The name of an action that this version refuses, or none for one that it executes.
    pub fn reserved_name(&self) -> Option<&'static str> {
        match self {
            Self::Transfer { .. } | Self::SetPolicy { .. } => None,
            Self::Batch(actions) => actions.iter().find_map(Self::reserved_name),
            Self::Call { .. } => Some("call"),
            Self::Deploy { .. } => Some("deploy"),
            Self::Upgrade { .. } => Some("upgrade"),
            Self::Role(_) => Some("role"),
            Self::Govern(_) => Some("govern"),
        }
    }

    /// Decodes an action; inside a batch another batch is refused, so recursion ends here.
    fn read<R: Read>(reader: &mut R, inside_batch: bool) -> io::Result<Self> {
        Ok(match u8::deserialize_reader(reader)? {
            0 if inside_batch => return Err(invalid("a batch inside a batch")),
            0 => Self::Batch(ActionList::deserialize_reader(reader)?.0),
            1 => Self::Call { contract: read(reader)?, method: read(reader)?, args: read(reader)? },
            2 => Self::Deploy { code: read(reader)?, salt: read(reader)?, init: read(reader)?, admin: read(reader)? },
            3 => Self::Upgrade { contract: read(reader)?, code: read(reader)?, migrate: read(reader)? },
            4 => Self::Transfer { asset: read(reader)?, to: read(reader)?, amount: read(reader)? },
            5 => Self::SetPolicy { policy: read(reader)? },
            6 => Self::Role(read(reader)?),
            7 => Self::Govern(read(reader)?),
            tag => return Err(invalid(format!("unknown action {tag}"))),
        })
    }
}

fn read<T: BorshDeserialize, R: Read>(reader: &mut R) -> io::Result<T> {
    T::deserialize_reader(reader)
}

impl BorshDeserialize for Action {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        Self::read(reader, false)
    }
}

/// The actions of a batch, each of which is no batch.
struct ActionList(List<Action, BATCH_ACTIONS_MAX>);

impl BorshDeserialize for ActionList {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let count = u32::deserialize_reader(reader)?;
        let mut actions = Vec::new();
        for _ in 0..count {
            if actions.len() >= BATCH_ACTIONS_MAX {
                return Err(invalid(format!("a batch of {count} actions, at most {BATCH_ACTIONS_MAX} are allowed")));
            }
            actions.push(Action::read(reader, true)?);
        }
        Ok(Self(List::truncated(actions)))
    }
}

/// A call that somebody authorised, with the calls below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct AuthNode {
    /// The contract that is called.
    pub contract: Address,
    /// The method's name.
    pub method: Text<64>,
    /// Hash of the arguments.
    pub args_hash: Hash,
    /// What the call may call in its turn.
    pub subs: List<Self, TREE_CHILDREN_MAX>,
}

impl AuthNode {
    fn read<R: Read>(reader: &mut R, depth: usize) -> io::Result<Self> {
        if depth >= TREE_DEPTH_MAX {
            return Err(invalid(format!("an authority tree deeper than {TREE_DEPTH_MAX}")));
        }
        let (contract, method, args_hash) = (read(reader)?, read(reader)?, read(reader)?);
        let count = u32::deserialize_reader(reader)?;
        let mut subs = Vec::new();
        for _ in 0..count {
            if subs.len() >= TREE_CHILDREN_MAX {
                return Err(invalid(format!("{count} calls below one, at most {TREE_CHILDREN_MAX} are allowed")));
            }
            subs.push(Self::read(reader, depth.saturating_add(1))?);
        }
        Ok(Self { contract, method, args_hash, subs: List::truncated(subs) })
    }
}

impl BorshDeserialize for AuthNode {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        Self::read(reader, 0)
    }
}

/// Authority of one account for a tree of calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct AuthTree {
    /// Whose authority.
    pub who: Address,
    /// Until when.
    pub valid_until: TimeMs,
    /// Makes two otherwise equal trees different.
    pub salt: u64,
    /// The call at the top.
    pub root: AuthNode,
}

/// Everything about a transaction but its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct TransactionBody {
    /// Hash of the genesis document: the chain that this is for.
    pub chain: Hash,
    /// Who acts.
    pub sender: Address,
    /// How a second execution is refused.
    pub replay: Replay,
    /// The most gas that it may use.
    pub gas_limit: u64,
    /// Who pays, if not the sender.
    pub sponsor: Option<Sponsorship>,
    /// What is done.
    pub action: Action,
    /// Authority for calls below. Reserved: must be empty.
    pub trees: List<AuthTree, TREES_MAX>,
    /// A remark for people and other systems.
    pub memo: Bytes<MEMO_BYTES_MAX>,
    /// Fields of later versions, strictly ascending by id. None is known yet, so it must be empty.
    pub ext: List<Extension, EXTENSIONS_MAX>,
}

impl TransactionBody {
    /// The replay id: what receipts and users call the transaction (`decisions.md` 1.4).
    pub fn id(&self) -> Hash {
        Hash::of(Tag::TransactionId, self)
    }

    /// What its signers sign.
    pub fn sign_hash(&self) -> Hash {
        Hash::to_sign(Tag::TransactionSign, &self.chain, self)
    }
}

/// The signatures of one account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct AuthProof {
    /// Whose signatures.
    pub who: Address,
    /// The policy behind the address, for an account that never set one.
    pub reveal: Option<AuthPolicy>,
    /// Signatures with their keys, strictly ascending by key.
    pub sigs: List<(PublicKey, Signature), POLICY_KEYS_MAX>,
}

/// A transaction as it travels. The first byte is the format's version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum SignedTransaction {
    /// The first format. Tag 0xE0 is reserved for Ethereum transactions.
    V1 {
        /// What is asked for.
        body: TransactionBody,
        /// Who signed, strictly ascending by account.
        auth: List<AuthProof, AUTH_MAX>,
    } = 1,
}

/// Why a transaction is refused before execution. Codes and hints for people are the concern of the RPC room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The bytes are no transaction.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The transaction is longer than its kind may be.
    #[error("a transaction of {length} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes of the transaction.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// It is for another chain.
    #[error("the transaction is for the chain with genesis {given}, this chain has genesis {expected}")]
    WrongChain {
        /// The genesis hash that it names.
        given: Hash,
        /// This chain's genesis hash.
        expected: Hash,
    },
    /// The action is reserved for a later version.
    #[error("the action {name:?} is not enabled on this chain")]
    NotEnabled {
        /// The action's name.
        name: &'static str,
    },
    /// A field that this version does not know is used.
    #[error("{field} must be empty in this version")]
    Reserved {
        /// The field.
        field: &'static str,
    },
    /// A transfer of nothing, or a batch of nothing.
    #[error("{what} does nothing")]
    Empty {
        /// The action.
        what: &'static str,
    },
    /// Accounts or keys are not strictly ascending.
    #[error("{what} are not strictly ascending")]
    Order {
        /// What is out of order.
        what: &'static str,
    },
    /// Sender or sponsor did not sign, or somebody signed who has no part in it.
    #[error("signatures of exactly the sender and the sponsor are expected")]
    Signers,
    /// An account has no signature.
    #[error("an account is named without a signature")]
    NoSignature,
    /// A policy is not acceptable.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A revealed policy does not belong to the address.
    #[error("the revealed policy does not belong to the account")]
    Reveal,
    /// A signature does not verify.
    #[error("the signature of key {key} does not verify")]
    BadSignature {
        /// The key.
        key: PublicKey,
    },
}

impl SignedTransaction {
    /// Decodes a transaction and checks its form: everything that needs neither state nor a clock, but not the
    /// signatures. `chain` is the genesis hash of this chain.
    pub fn from_bytes(bytes: &[u8], chain: &Hash) -> Result<Self, TransactionError> {
        let transaction: Self = decode(bytes, DEPLOY_BYTES_MAX)?;
        transaction.check_form(chain)?;
        Ok(transaction)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// What is asked for.
    pub const fn body(&self) -> &TransactionBody {
        match self {
            Self::V1 { body, .. } => body,
        }
    }

    /// Who signed.
    pub fn auth(&self) -> &[AuthProof] {
        match self {
            Self::V1 { auth, .. } => auth,
        }
    }

    /// The replay id, see [`TransactionBody::id`].
    pub fn id(&self) -> Hash {
        self.body().id()
    }

    /// Hash of the full bytes: keys verdicts and seen-caches, because two transactions with one id can differ in
    /// their signatures (`decisions.md` 1.4).
    pub fn bytes_hash(&self) -> Hash {
        Hash::of(Tag::TransactionBytes, self)
    }

    /// Checks everything that is a pure function of the bytes and the chain, except the signatures.
    pub fn check_form(&self, chain: &Hash) -> Result<(), TransactionError> {
        let body = self.body();
        if body.chain != *chain {
            return Err(TransactionError::WrongChain { given: body.chain, expected: *chain });
        }
        self.check_size()?;
        check_action(&body.action)?;
        if !body.trees.is_empty() {
            return Err(TransactionError::Reserved { field: "trees" });
        }
        if !body.ext.is_empty() {
            return Err(TransactionError::Reserved { field: "ext" });
        }
        self.check_auth()
    }

    fn check_size(&self) -> Result<(), TransactionError> {
        let max = match self.body().action {
            Action::Deploy { .. } | Action::Upgrade { .. } => DEPLOY_BYTES_MAX,
            _ => TRANSACTION_BYTES_MAX,
        };
        let length = encoded_len(self);
        if length > max { Err(TransactionError::TooLarge { length, max }) } else { Ok(()) }
    }

    fn check_auth(&self) -> Result<(), TransactionError> {
        let auth = self.auth();
        if !auth.is_sorted_by(|a, b| a.who < b.who) {
            return Err(TransactionError::Order { what: "accounts" });
        }
        let body = self.body();
        let mut expected = vec![body.sender];
        expected.extend(body.sponsor.map(|sponsor| sponsor.payer));
        expected.sort();
        expected.dedup();
        if !auth.iter().map(|proof| proof.who).eq(expected) {
            return Err(TransactionError::Signers);
        }
        auth.iter().try_for_each(check_proof)
    }

    /// The signatures to verify, in order.
    pub fn signed_items(&self) -> Vec<SignedItem> {
        let hash = self.body().sign_hash();
        let proofs = self.auth().iter().flat_map(|proof| proof.sigs.iter());
        proofs.map(|(key, signature)| SignedItem { key: *key, hash, signature: *signature }).collect()
    }

    /// Verifies every signature of a transaction whose form was checked.
    pub fn verify(self) -> Result<Verified<Self>, TransactionError> {
        let items = self.signed_items();
        match verify_each(&items).iter().zip(&items).find(|(good, _)| !**good) {
            Some((_, item)) => Err(TransactionError::BadSignature { key: item.key }),
            None => Ok(Verified::new(self)),
        }
    }

    /// Verifies every signature of many transactions in one batch. The verdicts are in the order given.
    pub fn verify_many(transactions: Vec<Self>) -> Vec<Result<Verified<Self>, TransactionError>> {
        let items: Vec<Vec<SignedItem>> = transactions.iter().map(Self::signed_items).collect();
        let mut verdicts = verify_each(&items.concat()).into_iter();
        let judged = transactions.into_iter().zip(items).map(|(transaction, items)| {
            let verdicts: Vec<bool> = verdicts.by_ref().take(items.len()).collect();
            match items.iter().zip(verdicts).find(|(_, good)| !good) {
                Some((item, _)) => Err(TransactionError::BadSignature { key: item.key }),
                None => Ok(Verified::new(transaction)),
            }
        });
        judged.collect()
    }
}

fn check_action(action: &Action) -> Result<(), TransactionError> {
    if let Some(name) = action.reserved_name() {
        return Err(TransactionError::NotEnabled { name });
    }
    match action {
        Action::Batch(actions) if actions.is_empty() => Err(TransactionError::Empty { what: "a batch of no actions" }),
        Action::Batch(actions) => actions.iter().try_for_each(check_action),
        Action::Transfer { amount: 0, .. } => Err(TransactionError::Empty { what: "a transfer of 0" }),
        Action::SetPolicy { policy } => Ok(policy.check()?),
        _ => Ok(()),
    }
}

fn check_proof(proof: &AuthProof) -> Result<(), TransactionError> {
    if proof.sigs.is_empty() {
        return Err(TransactionError::NoSignature);
    }
    if !proof.sigs.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(TransactionError::Order { what: "keys" });
    }
    match &proof.reveal {
        Some(policy) if Address::of_policy(policy) != proof.who => Err(TransactionError::Reveal),
        Some(policy) => Ok(policy.check_revealed()?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
