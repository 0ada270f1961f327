//! The whole room: chains of final blocks over the store in memory that fails on purpose, and over the one on disk.

mod accusing;
mod commits;
mod crashes;
mod foreign;
pub(crate) mod kit;
mod on_disk;
mod proving;
mod pruning;
mod reading;
mod replaying;
mod snapshots;
