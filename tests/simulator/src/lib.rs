//! Whole networks of replicas in one thread, with a virtual clock and everything that can go wrong drawn from a seed.
//!
//! The replicas, their ledgers, their records and their messages are the real ones; logs and stores are the storage
//! room's twins, which lose what was not synced. What is modelled is what surrounds a replica: disks' and networks'
//! time, the threads, the clients, and Byzantine actors. A run has three parts: faults, then a network that works
//! (everybody must make progress), then silence (nobody may say or write anything). `checker` restates the rules without
//! using the code that it checks. Processes, sockets and real disks are the matter of `cluster`.
//!
//! `explore` is another kind of test: a few real cores, without a seed, through every order of their steps.
//!
//! It is built without RocksDB, in seconds, so that a fault can be put in and looked for at once. The binary
//! `althing-simulate` runs seeds, cases of Twins and canaries; `docs/testing.md` says how to replay one.

mod byzantine;
mod campaign;
#[cfg(feature = "canary")]
mod canaries;
mod checker;
mod clients;
mod epochs;
pub mod explore;
mod keys;
mod node;
mod options;
mod random;
mod twins;
mod world;
mod writer;

#[cfg(test)]
mod boundaries;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;

pub use byzantine::Strategy;
pub use campaign::{Failure, Tally, keep_panics_of_runs, run_all};
#[cfg(feature = "canary")]
pub use canaries::{HUNT_RUNS_MAX, Hunt, hunt};
pub use options::{Actor, Options};
pub use twins::{Script, case as twins_case};
pub use world::Outcome;
