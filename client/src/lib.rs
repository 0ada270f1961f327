//! Asks a node, follows a transaction, and verifies what the node answers against the genesis validators.
//!
//! [`Connection`] asks one node or the first of several that answers. [`BlockFeed`] hears of each block as it becomes
//! final. [`TransactionBuilder`] makes transactions. The
//! verifying half believes nothing but certificates: it is given the validators that genesis names, and compares every
//! value of an answer with what the proof in it shows. It deliberately reads no clock, draws no randomness and keeps no
//! keys; what needs them is the caller's.

mod builder;
mod connection;
mod error;
mod feed;
mod verify;

pub use builder::{BuildError, TransactionBuilder, add_signature, assemble, sign_simple};
pub use connection::Connection;
pub use error::{ClientError, Refusal};
pub use feed::BlockFeed;
pub use verify::{
    AskedAccount, AskedBlock, Unverified, Verification, verify_account, verify_block, verify_transaction,
};
