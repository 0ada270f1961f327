//! What can happen to a mempool.

use althing_types::{Hash, Height, LaneTip, ValidatorIndex, View};

use crate::batch::{CheckedBatch, RejectedBatch};
use crate::candidate::{Candidate, NextSequence};
use crate::journal::Lsn;
use crate::message::{Acks, Range};

/// A block whose batches are to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The block's id.
    pub digest: Hash,
    /// Its height.
    pub height: Height,
    /// Who proposed it: the first to be asked for what is missing (L5).
    pub proposer: ValidatorIndex,
    /// The lanes that it advances, ascending by lane, each above the parent's tip.
    pub lanes: Vec<LaneTip>,
    /// The tips of all lanes after its parent, ascending by lane.
    pub parent_cut: Vec<LaneTip>,
}

/// What can happen to a mempool. The order of inputs is the order of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A transaction asks to be admitted; answered at once.
    Admit(Candidate),
    /// A batch arrived and passed [`crate::check_batch`] with the committee and limits of this machine. The batches of one connection are given in the order in
    /// which they arrived.
    Batch {
        /// Who sent it.
        from: ValidatorIndex,
        /// The batch.
        batch: CheckedBatch,
    },
    /// A batch arrived that is not worth a check ([`crate::Mempool::is_worth_checking`]).
    Repeated {
        /// Who sent it.
        from: ValidatorIndex,
        /// The lane that it names.
        lane: u32,
    },
    /// A batch arrived and did not pass.
    Rejected {
        /// Who sent it.
        from: ValidatorIndex,
        /// What is wrong.
        rejected: RejectedBatch,
    },
    /// A validator says what it holds. How far it executed is for agreement to know, not for this machine.
    Acks {
        /// Who.
        from: ValidatorIndex,
        /// What.
        acks: Acks,
    },
    /// A validator asks for batches of this epoch.
    GetBatches {
        /// Who.
        from: ValidatorIndex,
        /// Which.
        range: Range,
    },
    /// Everything up to this place of the batch log is durable.
    Durable(Lsn),
    /// Say whether the batches that a block orders are here, and fetch what is missing.
    Check(Check),
    /// Choose lanes for a block of ours.
    Build {
        /// The view that we lead.
        view: View,
        /// The parent.
        parent: Hash,
        /// The tips of all lanes after the parent, ascending by lane.
        parent_cut: Vec<LaneTip>,
    },
    /// A view that we led was nullified with our proposal in it.
    ViewDied {
        /// The view.
        view: View,
    },
    /// A block became final. Blocks come in the order of their heights.
    Finalized {
        /// Its id.
        digest: Hash,
        /// Its height.
        height: Height,
        /// The tips of all lanes after it, ascending by lane.
        cut: Vec<LaneTip>,
    },
    /// A final block of this epoch accuses these validators: no honest leader extends their lanes any more (L8).
    Accused(Vec<ValidatorIndex>),
    /// Whether batches of our own lane wait until it is known that no other was signed for their places (rule D10).
    Hold(bool),
    /// What we signed is lost, or another process signs with our key: our own lane is silent for the rest of the epoch.
    Silence,
    /// The ledger executed a final block and durably committed it with its batches.
    Committed {
        /// Its height.
        height: Height,
        /// The tips of all lanes after it, ascending by lane.
        cut: Vec<LaneTip>,
        /// Transactions of the block that need no second attempt: executed, or skipped for good.
        decided: Vec<Hash>,
        /// The sequence lanes that the block moved on.
        sequences: Vec<NextSequence>,
    },
    /// A validator became reachable or unreachable.
    Peer {
        /// Who.
        index: ValidatorIndex,
        /// Whether messages to it can arrive.
        connected: bool,
    },
    /// The leader ignores work: send it what its acknowledgements lack (I4).
    Hint {
        /// Who leads.
        leader: ValidatorIndex,
    },
    /// The time of [`crate::Mempool::deadline`] has come; harmless at any other time.
    Tick,
}
