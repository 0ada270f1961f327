//! Auditing a chain with nothing but its genesis document: the library behind `althing export` and `althing verify`.
//!
//! A [`Source`] gives the blocks of a chain with everything that they order: from an [`Archive`], or from the store of a node
//! that is stopped. [`audit`] believes none of it. It verifies every signature, follows every hash, executes every
//! transaction again on a state of its own, and compares. The first thing that is wrong ends it, as a [`Fault`] that says
//! where and what.
//!
//! One thread reads, some verify signatures, and the caller's executes; what is under way at once is bounded. Where it
//! got to stands in its store after every block, so that an audit that was interrupted can go on.
//!
//! It deliberately writes to no terminal, and knows one epoch, as this version of the chain does.

mod archive;
mod chain;
mod check;
mod fault;
mod pipeline;
mod run;
mod source;
mod stored;
#[cfg(test)]
pub(crate) mod tests;

pub use archive::{ARCHIVE_VERSION, Archive, ArchiveWriter, MAGIC};
pub use fault::{AuditError, Fault};
pub use run::{Audit, Figures, Report, UNCOVERED_MAX, audit, compare_state};
pub use source::{Entry, Source};
pub use stored::StoreSource;
