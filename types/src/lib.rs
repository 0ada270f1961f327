//! The vocabulary of Althing: what every room says to every other, and what a light client needs to check an answer.
//!
//! It guarantees that a value has exactly one encoding, that decoding is bounded, that no two kinds of value share a
//! hash or a signature, and that verification is a pure function of bytes. It deliberately does no I/O, reads no
//! clock, holds no randomness and no order that depends on the process.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        reason = "a test that goes wrong should stop where it does"
    )
)]

mod address;
mod asset;
mod block;
pub mod canary;
mod certificate;
mod codec;
mod evidence;
mod fork;
mod frame;
mod hash;
mod ics23;
mod keys;
mod lane;
mod merkle;
mod number;
mod params;
mod policy;
mod proof;
mod range;
mod receipt;
mod scheme;
mod signature;
mod state;
mod tag;
mod transaction;
mod validators;
mod verified;
mod vote;
mod work;

pub use address::{Address, AddressError, AddressPrefix};
pub use asset::{AssetId, AssetSymbol, SymbolError};
pub use block::{
    BLOCK_EVIDENCE_MAX, BLOCK_LANES_MAX, BLOCK_RESULTS_MAX, Block, Body, EXTENSIONS_MAX, Extension, Header,
    HeaderVersion, Summary, genesis_header,
};
pub use certificate::{
    Bitmap, Certificate, CertificateError, Finality, Finalization, Notarization, Nullification, ReportGroup, Verdict,
};
pub use codec::{Bytes, DecodeError, List, Text, decode, encode, encoded_len};
pub use evidence::{Evidence, EvidenceError, EvidenceKind};
pub use fork::{FORK_CERTIFICATES_MAX, FORK_PROOF_BYTES_MAX, ForkProof, ForkProofError, contradict};
pub use frame::{Class, Frame};
pub use hash::{Hash, HashError};
pub use ics23::{ICS23_SPEC, ICS23_SPEC_NAME, Ics23Error, ics23_presence};
pub use keys::{KeyError, PublicKey, SecretKey, Signature};
pub use lane::{BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, Batch, BatchHead, LaneTip, SignedBatch, lanes_root};
pub use merkle::{InclusionProof, MerkleError, leaf_hash, merkle_root};
pub use number::{Epoch, Height, Monotonic, TimeMs, ValidatorIndex, View};
pub use params::{ChainParams, ConsensusParams, LimitParams, TransactionParams};
pub use policy::{AuthPolicy, POLICY_KEYS_MAX, PolicyError, WeightedKey};
pub use proof::{
    CHAIN_HEADERS_MAX, ChainProof, EMPTY_SUBTREE, LeafReference, ProofError, StateProof, SummaryProof, state_node_hash,
};
pub use range::{RANGE_PARTS_MAX, RangePart, RangeProof};
pub use receipt::{EVENTS_MAX, Event, Receipt, Status};
pub use scheme::{Ed25519, Scheme};
pub use signature::{SignedItem, verify_batch, verify_each, verify_one, verify_strict};
pub use state::{Account, AccountLane, StateKey};
pub use tag::Tag;
pub use transaction::{
    Action, AuthNode, AuthProof, AuthTree, BATCH_ACTIONS_MAX, DEPLOY_BYTES_MAX, MEMO_BYTES_MAX, Replay, RoleGrant,
    SignedTransaction, Sponsorship, TRANSACTION_BYTES_MAX, TransactionBody, TransactionError,
};
pub use validators::{Committee, QuorumError, Quorums, SetError, VALIDATORS_MAX, Validator, ValidatorSet};
pub use verified::Verified;
pub use vote::{Finalize, Notarize, Nullify, SignedVote, Vote, VoteKind};
pub use work::{DataJudgement, LaneSeq, Work};
