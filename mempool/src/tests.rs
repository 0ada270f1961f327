//! Tests of the machine as a whole.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that goes wrong should stop where it does"
)]

mod building;
mod chaos;
mod epochs;
mod judging;
mod network;
mod others_lanes;
mod own_lane;
mod recovery;
pub(crate) mod rig;
