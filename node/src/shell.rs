//! The half of a node that touches the world: threads, files, clocks, sockets.
//!
//! It decides nothing. It carries out what the replica asks for and reports what happened. The threads and what they
//! own: `replica` steps the replica; `votes` and `batches` own a log each; `ledger` owns the ledger; `verify` checks
//! signatures; an async runtime serves the public window. A disk that fails ends the process; so does a panic on a
//! thread that owns something.

mod clock;
mod data_folder;
mod executor;
mod intake;
mod leash;
mod log_writer;
mod mailbox;
mod notes;
mod start;
mod stop;
mod telemetry;
mod tracker;
mod turns;
mod window;

pub use data_folder::DataError;
pub use start::{Node, NodeOptions, StartError};
pub use stop::{Reason, Stop};
pub use telemetry::TelemetryError;
