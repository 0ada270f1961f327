//! Runs one transaction against a read-only view of the state, and says what it writes and what its receipt is.
//!
//! [`execute()`] takes a transaction whose form was checked and whose signatures were verified. It returns a receipt with
//! a write set, or the reason why the transaction is skipped and leaves no trace. The rules are those of
//! `docs/spec/execution.md`, cited by number where they are carried out. Invariants:
//!
//! 1. The result is a function of the transaction, of the block's height, time and parameters, and of the values read.
//! 2. Signatures decide whether a transaction is executed, never how: two transactions with one body that are both
//!    executed on the same state have the same receipt and the same writes (rule A2).
//! 3. A transaction that fails writes nothing but the sequence number that it used.
//! 4. No action creates or destroys an asset; a transfer moves it.
//! 5. Nothing that a transaction holds makes this room panic; a stored value that does not decode does.
//!
//! It deliberately does not remember which transactions were executed before: that is for the ledger to say. Contracts
//! are not here yet; the overlay, the meter, authority and events are kept in files of their own because a virtual
//! machine needs them in the same form.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test that goes wrong should stop where it does"
    )
)]

mod authority;
mod events;
mod execute;
mod gas;
mod native;
mod overlay;
mod record;
mod replay;
mod skip;
mod touched;

pub use execute::{BlockContext, Execution, Outcome, execute};
pub use gas::{
    GAS_PER_BODY_BYTE, GAS_PER_READ, GAS_PER_SIGNATURE, GAS_PER_TRANSFER, GAS_PER_WRITE, gas_required, known_gas,
};
pub use overlay::{StateRead, WriteSet};
pub use record::{AssetRecord, decode_account, decode_balance, encode_balance};
pub use skip::SkipReason;
pub use touched::touched_accounts;
