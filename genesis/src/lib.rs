//! The genesis document: how a chain begins, as a text that people can read and as a hash that they can compare.
//!
//! [`Genesis::parse`] accepts a JSON document only if nothing in it is wrong, contradictory or superfluous, and names
//! the field otherwise. What a document means is brought into one canonical order and hashed; that hash is the name of
//! the chain in everything that is signed. The room does no I/O and draws no keys: texts and keys are handed in.
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
        reason = "a test that goes wrong should stop where it does"
    )
)]

mod binding;
mod builder;
mod canonical;
mod chain;
mod dev;
mod diff;
mod document;
mod error;
mod genesis;
mod holdings;
mod p2p;
mod participants;
mod shape;
mod text;
mod warning;

pub use binding::{BindingProof, KeyBinding, approval_hash};
pub use builder::GenesisBuilder;
pub use dev::{DevNetwork, DevRole, dev_key};
pub use diff::{Difference, diff};
pub use document::{
    AccountEntry, AssetEntry, Balances, ConsensusEntry, DOCUMENT_BYTES_MAX, Document, LimitsEntry, ObserverEntry,
    PolicyEntry, PolicyKeyEntry, RecoveryEntry, SCHEMA, SignatureEntry, TransactionsEntry, ValidatorEntry,
};
pub use error::{Fault, GenesisError};
pub use genesis::{ACCOUNTS_MAX, ASSETS_MAX, Account, Asset, Genesis, GenesisValidator, OBSERVERS_MAX, Observer};
pub use p2p::{Host, P2pAddress};
pub use text::{parse_amount, parse_time, time_text};
pub use warning::Warning;
