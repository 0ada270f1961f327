//! What a mempool asks its surroundings to do.

use std::sync::Arc;

use althing_types::{DataJudgement, Evidence, Hash, LaneTip, SignedBatch, ValidatorIndex, View, Work};

use crate::candidate::{AdmitError, DropReason, Known};
use crate::journal::Lsn;
use crate::message::{DataMessage, Range};

/// What a mempool asks for. Outputs are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append a batch to the batch log; answer with [`crate::Input::Durable`] once it is synced. One sync may cover
    /// many.
    Append {
        /// Its place.
        lsn: Lsn,
        /// The batch.
        batch: Arc<SignedBatch>,
    },
    /// Replace the whole batch log by these batches, durably; then answer with [`crate::Input::Durable`].
    Compact {
        /// The place that stands for the replacement.
        lsn: Lsn,
        /// Everything that a restart needs.
        batches: Vec<Arc<SignedBatch>>,
    },
    /// Send a message to some validators. All that it depends on is durable.
    Send {
        /// To whom, ascending; never this one.
        to: Vec<ValidatorIndex>,
        /// The message.
        message: DataMessage,
    },
    /// A peer asks for batches that the ledger holds: answer from the archive, from the highest down, with at most
    /// one frame.
    Serve {
        /// Who asks.
        to: ValidatorIndex,
        /// Which.
        range: Range,
    },
    /// A transaction was admitted.
    Admitted {
        /// Its id.
        id: Hash,
    },
    /// A transaction that is here already was offered again.
    Known {
        /// Its id.
        id: Hash,
        /// Where it is.
        at: Known,
    },
    /// A transaction was not admitted.
    Refused {
        /// Its id.
        id: Hash,
        /// Why.
        error: AdmitError,
    },
    /// These transactions are in a batch of our own lane that is durable here.
    Accepted {
        /// The batch's number.
        seq: u64,
        /// Their ids, in the batch's order.
        ids: Arc<Vec<Hash>>,
    },
    /// These admitted transactions left the pool without a batch of ours.
    Dropped {
        /// Their ids.
        ids: Vec<Hash>,
        /// Why.
        reason: DropReason,
    },
    /// The word on a block; it may come several times, the last one holds.
    Checked {
        /// The block's id.
        digest: Hash,
        /// The word.
        judgement: DataJudgement,
    },
    /// The lanes of a block of ours: the answer to [`crate::Input::Build`].
    Built {
        /// The view that was asked for.
        view: View,
        /// The parent that was asked for.
        parent: Hash,
        /// The lanes to advance, ascending; empty if there is nothing to include.
        lanes: Vec<LaneTip>,
    },
    /// How far the lanes reach changed.
    Work(Work),
    /// The owner of a lane signed two batches for one place (L9). Given once per lane.
    Evidence(Evidence),
    /// A validator sent or signed something that no honest one does.
    Misbehaved {
        /// Who.
        peer: ValidatorIndex,
        /// What.
        what: &'static str,
    },
    /// This validator's own lane is silent until the next epoch, because batches of it were lost (D6).
    Silent,
}
