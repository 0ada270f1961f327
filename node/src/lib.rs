//! The binary `althing` and what it is made of: the only room that knows all rooms, and that touches files, terminals,
//! the clock and randomness.
//!
//! What exists so far is the command line for genesis documents and keys ([`cli`]) and keys on disk ([`keys`]).

pub mod cli;
mod files;
pub mod keys;
