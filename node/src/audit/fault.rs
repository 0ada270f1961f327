//! What an audit finds wrong, one sentence each, and what keeps it from going on.

use std::io;
use std::path::PathBuf;

use althing_ledger::LedgerError;
use althing_mempool::BatchError;
use althing_types::{CertificateError, DecodeError, EvidenceError, Hash, Height, TransactionError};

/// The first thing that is wrong with a chain. It says at which height, and names transaction, key, lane and validator
/// where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is another chain.
    #[error("this is the chain with genesis {found}, and the genesis document given is {expected}")]
    OtherChain {
        /// The genesis hash that was found.
        found: Hash,
        /// The genesis hash of the document.
        expected: Hash,
    },
    /// The file is no archive, or is not in the form of one.
    #[error("the archive is malformed {}: {what}", after(*.height))]
    Malformed {
        /// The last whole height.
        height: Option<Height>,
        /// What is wrong there.
        what: String,
    },
    /// The file ends before the archive does.
    #[error("the archive is cut off {}{}", after(*.height), until(*.last))]
    Cut {
        /// The last whole height.
        height: Option<Height>,
        /// The height that it should end with, once that was read.
        last: Option<Height>,
    },
    /// The digest at the end is not that of what stands before it.
    #[error("the archive has the digest {found}, and {named} stands at its end: the file was changed or damaged")]
    Digest {
        /// The digest of what was read.
        found: Hash,
        /// The digest at the end.
        named: Hash,
    },
    /// Something is not in the store, or does not decode.
    #[error("height {height}: the store has {what} missing or damaged")]
    Missing {
        /// The height.
        height: Height,
        /// What it is.
        what: String,
    },
    /// Another height stands where this one is due.
    #[error("height {expected} is missing: the block of height {found} stands in its place")]
    Height {
        /// The height that is due.
        expected: Height,
        /// The one that stands there.
        found: Height,
    },
    /// The block does not stand on the one below.
    #[error("height {height}: the block names {named} as its parent, and the block of the height below is {below}")]
    Parent {
        /// The height.
        height: Height,
        /// The parent that it names.
        named: Hash,
        /// The block below.
        below: Hash,
    },
    /// A field of the header cannot be so on this chain.
    #[error("height {height}: the header's {field} is not as this chain has it")]
    Header {
        /// The height.
        height: Height,
        /// The field.
        field: &'static str,
    },
    /// A part of the body is not what the header commits to.
    #[error("height {height}: the {part} of the body are not those that the header commits to")]
    Body {
        /// The height.
        height: Height,
        /// The part.
        part: &'static str,
    },
    /// The results or the evidence that a block carries break a rule.
    #[error("height {height}: the block breaks the rule {rule}")]
    Rule {
        /// The height.
        height: Height,
        /// The rule.
        rule: &'static str,
    },
    /// A piece of evidence proves nothing.
    #[error("height {height}: evidence {index} against validator {culprit} proves nothing: {error}")]
    Evidence {
        /// The height.
        height: Height,
        /// Its place in the block, from 0.
        index: usize,
        /// Whom it accuses.
        culprit: u16,
        /// Why.
        error: EvidenceError,
    },
    /// The certificate is for another block.
    #[error("height {height}: the certificate is for the block {named}, and the block here is {found}")]
    CertificateBlock {
        /// The height.
        height: Height,
        /// The block that was certified.
        named: Hash,
        /// The block that stands here.
        found: Hash,
    },
    /// The certificate does not verify.
    #[error("height {height}: the certificate does not verify: {error}")]
    Certificate {
        /// The height.
        height: Height,
        /// Why.
        error: CertificateError,
    },
    /// No certificate covers the last heights.
    #[error("heights {from} to {to}: no certificate stands at or above them, so nothing shows that they are final")]
    Uncovered {
        /// The first of them.
        from: Height,
        /// The last of them.
        to: Height,
    },
    /// Another batch stands where one is due, or none does.
    #[error("height {height}: {found} stands where batch {seq} of lane {lane} is due")]
    BatchPlace {
        /// The height.
        height: Height,
        /// The lane.
        lane: u32,
        /// The number that is due.
        seq: u64,
        /// What stands there.
        found: String,
    },
    /// There are more batches than the block orders.
    #[error("height {height}: batch {seq} of lane {lane} is there, and the block does not order it")]
    BatchSurplus {
        /// The height.
        height: Height,
        /// The lane of the first.
        lane: u32,
        /// Its number.
        seq: u64,
    },
    /// A batch is wrong.
    #[error("height {height}: batch {seq} of lane {lane}: {error}")]
    Batch {
        /// The height.
        height: Height,
        /// The lane.
        lane: u32,
        /// The number.
        seq: u64,
        /// What is wrong with it.
        error: Box<BatchError>,
    },
    /// A batch is not the one that the chain names.
    #[error("height {height}: {what}")]
    Link {
        /// The height.
        height: Height,
        /// What is wrong.
        what: String,
    },
    /// A transaction is wrong.
    #[error("height {height}: transaction {index} of batch {seq} of lane {lane}{}: {error}", named(.id.as_ref()))]
    Transaction {
        /// The height.
        height: Height,
        /// The lane.
        lane: u32,
        /// The batch's number.
        seq: u64,
        /// The place in the batch, from 0.
        index: usize,
        /// Its replay id, if it is a transaction at all.
        id: Option<Hash>,
        /// What is wrong with it.
        error: Box<TransactionError>,
    },
    /// The batches take more than a block may.
    #[error("height {height}: the batches take more than a block may")]
    Caps {
        /// The height.
        height: Height,
    },
    /// The chain says something else of an execution than comes of it.
    #[error("height {height}: {by} {field} {said} of height {of}, and executing it again gives {executed}")]
    Result {
        /// The height of the block that says it, or whose stored results do.
        height: Height,
        /// Who says it.
        by: &'static str,
        /// The height that was executed.
        of: Height,
        /// What differs.
        field: &'static str,
        /// What is said.
        said: String,
        /// What comes of it.
        executed: String,
    },
    /// What a node stored of a transaction is not what comes of it.
    #[error("height {height}: the stored {what} of transaction {index} ({id}) is not what executing it again gives")]
    Stored {
        /// The height.
        height: Height,
        /// What is stored.
        what: &'static str,
        /// The place in the order of execution, from 0.
        index: usize,
        /// The replay id.
        id: Hash,
    },
    /// The latest state that a node stored is not what the chain leads to.
    #[error(
        "height {height}: the stored state has {found} under the key {key}, and executing the chain gives {executed}"
    )]
    State {
        /// The last height.
        height: Height,
        /// The encoded key, in hexadecimal digits.
        key: String,
        /// What is stored.
        found: String,
        /// What should be.
        executed: String,
    },
}

/// What ends an audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Something is wrong with the chain.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// The audit's own store, or that of the node, cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The source begins above what the audit has.
    #[error("it begins at height {first}, and what is below height {next} is all that has been verified")]
    Gap {
        /// The first height of the source.
        first: Height,
        /// The height that comes next.
        next: Height,
    },
    /// The audit that the store holds went over something else.
    #[error("the audit that is to go on went over something else up to height {height}")]
    OtherSource {
        /// The height that it got to.
        height: Height,
    },
    /// The caller asked it to stop.
    #[error("interrupted at height {height}")]
    Interrupted {
        /// The last height that was verified.
        height: Height,
    },
}

impl From<Fault> for AuditError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl Fault {
    /// Bytes of an archive that are no value of their kind.
    pub(super) fn undecodable(height: Option<Height>, what: &str, error: &DecodeError) -> Self {
        Self::Malformed { height, what: format!("{what} does not decode: {error}") }
    }
}

fn after(height: Option<Height>) -> String {
    height.map_or_else(|| "at its beginning".to_owned(), |height| format!("after height {height}"))
}

fn until(last: Option<Height>) -> String {
    last.map_or_else(String::new, |last| format!(": it should go on to height {last}"))
}

fn named(id: Option<&Hash>) -> String {
    id.map_or_else(String::new, |id| format!(" ({id})"))
}
