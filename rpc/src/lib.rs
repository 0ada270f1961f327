//! The public window: the shapes of requests and answers, and a server over a trait that it defines.
//!
//! [`api`] holds the shapes and the catalogue of errors; a client needs no more. With the feature `server` the room
//! also serves them: JSON-RPC over HTTP and WebSocket, health and metrics, on one port. What a node must supply for
//! that is the trait `Backend`. The room never reaches into the state, and it believes nothing that comes from
//! outside: everything is bounded in bytes, in count and in time.
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that goes wrong should stop where it does")
)]

pub mod api;
#[cfg(feature = "server")]
mod backend;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "server")]
pub use backend::{
    AccountRecord, AssetEntry, Backend, BlockId, BlockRecord, ChainInfo, EvidenceRecord, HeadRecord, HistoryRecord,
    Inclusion, Progress, ProvenState, Simulation, Submission, TransactionProofRecord, TransactionRecord,
};
#[cfg(feature = "server")]
pub use server::{Limits, ServerOptions, serve};
