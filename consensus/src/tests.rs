//! The rules one by one: a single core, and others' messages made by hand. Whole networks are simulated elsewhere.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that goes wrong should stop where it does"
)]

mod accusing;
mod agreement;
mod amnesia;
mod attacks;
mod catch_up;
mod certificates;
mod chaos;
mod durability;
mod epochs;
mod fast_path;
mod forking;
mod judging;
mod recovery;
mod results;
mod rig;
mod snapshot;
mod synchronising;
mod timers;
