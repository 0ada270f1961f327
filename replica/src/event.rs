//! What can happen to a replica.

use althing_consensus::Envelope;
use althing_mempool::{Candidate, CheckedBatch, DataMessage, NextSequence, RejectedBatch};
use althing_types::{Hash, LaneTip, Summary, ValidatorSet};

use super::Contact;

/// What can happen to a replica. Everything from outside was decoded within its limits.
#[derive(Clone, Debug)]
pub enum Event {
    /// The time of [`crate::Replica::deadline`] has come; harmless at any other time.
    Tick,
    /// Somebody wants a transaction executed; its signatures are verified.
    Submit(Candidate),
    /// A message of consensus arrived.
    Consensus {
        /// Who sent it.
        from: Contact,
        /// What it says.
        envelope: Box<Envelope>,
    },
    /// A message of the data plane arrived. Batches in it come back as [`Event::Batch`] once they were checked.
    Data {
        /// Who sent it.
        from: Contact,
        /// What it says.
        message: DataMessage,
    },
    /// A batch was checked, in the order in which the batches of one connection arrived.
    Batch {
        /// Who sent it.
        from: Contact,
        /// The batch, or what is wrong with it.
        checked: Result<CheckedBatch, RejectedBatch>,
    },
    /// The log of consensus is durable up to here.
    VotesDurable(althing_consensus::Lsn),
    /// The log of batches is durable up to here.
    BatchesDurable(althing_mempool::Lsn),
    /// The ledger executed and committed a block.
    Committed(Box<Outcome>),
    /// A validator became reachable or unreachable.
    Peer {
        /// Who.
        contact: Contact,
        /// Whether messages to it can arrive.
        connected: bool,
    },
}

/// What came of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The tips of all lanes after it.
    pub cut: Vec<LaneTip>,
    /// What the execution came to.
    pub summary: Summary,
    /// The transactions that it executed or passed over.
    pub decided: Vec<Hash>,
    /// The sequence lanes that it moved on.
    pub sequences: Vec<NextSequence>,
    /// The change of the validator set that the state after it holds, if one is pending.
    pub change: Option<ValidatorSet>,
}
