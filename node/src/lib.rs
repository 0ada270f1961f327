//! The binary `althing` and what it is made of: the only room that knows all rooms, and that touches files, terminals,
//! the clock and randomness.
//!
//! [`replica`] composes consensus and mempool into one machine without I/O; [`shell`] gives it threads, disks and sockets;
//! [`cli`] is the command line; [`keys`] are keys on disk; [`config`] is what may differ between nodes; [`testnet`] is a
//! whole network on one machine; [`snapshot`] is the state in a file; [`backup`] is a folder that grows
//! with the chain; [`audit`] verifies a chain from its genesis document alone; [`why`] judges what keeps blocks from becoming final.

pub mod audit;
pub mod backup;
pub mod cli;
pub mod config;
mod files;
pub mod following;
pub mod keys;
pub use althing_replica as replica;
pub mod shell;
pub mod snapshot;
pub mod testnet;
pub mod why;
