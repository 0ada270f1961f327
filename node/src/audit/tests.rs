//! A good chain verifies; with one thing changed at a time it does not, and the sentence says what and where.

mod forgeries;
mod format;
pub(crate) mod kit;
mod resuming;
mod stores;
