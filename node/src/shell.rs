//! The half of a node that touches the world: threads, files, clocks, sockets.
//!
//! It decides nothing. It carries out what the replica asks for and reports what happened. The threads and what they
//! own: `replica` steps the replica; `votes` and `batches` own a log each; `ledger` owns the ledger; `verify` checks
//! transactions, `batches-in` batches of other validators; `answering` reads the ledger for peers; an async runtime
//! carries the network and serves the public window. An observer has neither replica nor logs: a task of the runtime
//! follows the chain and feeds the ledger's thread. A disk that fails ends the process; so does a panic on a
//! thread that owns something.

mod answering;
mod asking;
mod checker;
mod clock;
mod company;
mod data_folder;
mod desk;
mod entrance;
mod executor;
mod follow;
mod fork_file;
mod forwarding;
mod heads;
mod inbox;
mod intake;
mod join;
mod leash;
mod log_lines;
mod log_writer;
mod mailbox;
mod notes;
mod observer;
mod outbox;
mod p2p;
mod past;
mod pruning;
mod refusal;
mod repair;
mod signals;
mod start;
mod stop;
mod tasks;
mod telemetry;
mod tracker;
mod turns;
mod window;

pub use data_folder::{DataError, Owner};
pub use join::{RestoreFailure, RestoredTo, restore_backup, restore_snapshot};
pub use p2p::P2pError;
pub use past::{Recovery, begin, recover_votes};
pub use repair::{Examined, Part, RepairError, Repaired, State, Word, examine};
pub use start::{Identity, Node, NodeOptions, StartError};
pub use stop::{Reason, Stop};
pub use telemetry::TelemetryError;
