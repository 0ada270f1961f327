//! Harnesses for machines: an input is a sequence of events, and whatever comes of it is checked after each.

pub(crate) mod core;
pub(crate) mod mempool;
pub(crate) mod replica;
