//! What a replica asks its surroundings to do.

use std::sync::Arc;

use super::Contact;
use althing_consensus::{Alarm, Envelope, Record, Standing};
use althing_mempool::{AdmitError, CheckedBatch, DataMessage, DropReason, Known, Range, SharedBatch};
use althing_types::{Block, Committee, Epoch, Evidence, Finalization, Hash, Height, SignedBatch};
use borsh::{BorshDeserialize, BorshSerialize};

/// A message to other validators. Tags are never reused.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Message {
    /// Of consensus.
    Consensus(Box<Envelope>) = 0,
    /// Of the data plane.
    Data(DataMessage) = 1,
}

/// Something that somebody wants to know, and that nothing depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A transaction was admitted.
    Admitted(Hash),
    /// A transaction that is here already was offered again.
    Known(Hash, Known),
    /// A transaction was not admitted.
    Refused(Hash, AdmitError),
    /// These transactions are in a batch of our own that is durable here.
    Accepted(Arc<Vec<Hash>>),
    /// These transactions left the pool without a batch of ours.
    Dropped(Vec<Hash>, DropReason),
    /// A validator provably misbehaved.
    Evidence(Box<Evidence>),
    /// Something that an operator must know.
    Alarm(Box<Alarm>),
    /// A validator sent or signed something that no honest one does.
    Misbehaved(Contact, &'static str),
    /// An epoch began.
    Epoch(Epoch),
    /// What this validator knows of its own past changed (rule D10).
    Standing(Standing),
    /// This validator's own lane is silent until the next epoch, because batches of it were lost (rule D6).
    Silent,
}

/// What a replica asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Append to the log of consensus; answer with [`crate::Event::VotesDurable`].
    AppendVote {
        /// The record's place.
        lsn: althing_consensus::Lsn,
        /// The record.
        record: Box<Record>,
    },
    /// Replace the log of consensus.
    CompactVotes {
        /// The place that stands for the replacement.
        lsn: althing_consensus::Lsn,
        /// All that the log holds afterwards.
        records: Vec<Record>,
    },
    /// Append to the log of batches; answer with [`crate::Event::BatchesDurable`].
    AppendBatch {
        /// The record's place.
        lsn: althing_mempool::Lsn,
        /// The batch.
        batch: Arc<SignedBatch>,
    },
    /// Replace the log of batches.
    CompactBatches {
        /// The place that stands for the replacement.
        lsn: althing_mempool::Lsn,
        /// All that the log holds afterwards.
        batches: Vec<Arc<SignedBatch>>,
    },
    /// Send a message. What it depends on is durable.
    Send {
        /// To whom; never this one.
        to: Vec<Contact>,
        /// The message.
        message: Message,
    },
    /// Check a batch on another thread; answer with [`crate::Event::Batch`], in the order of these actions
    /// for each sender.
    CheckBatch {
        /// Who sent it.
        from: Contact,
        /// The batch.
        batch: SharedBatch,
        /// The validators by whom it is checked.
        committee: Arc<Committee>,
    },
    /// Execute and commit a final block; answer with [`crate::Event::Committed`]. Blocks come in the order
    /// of their heights.
    Execute {
        /// The block.
        block: Box<Block>,
        /// The certificate of the block or of a descendant.
        finalization: Box<Finalization>,
        /// All batches that it orders.
        batches: Vec<CheckedBatch>,
    },
    /// Send final blocks above this height to a peer, from the ledger.
    ServeBlocks {
        /// Who asks.
        to: Contact,
        /// The height of the last final block that it has.
        above: Height,
        /// The envelope of the answer, with this validator's hints.
        hints: Box<Envelope>,
    },
    /// Send a peer of an earlier epoch the Finalization that ended that epoch, from the ledger.
    ServeEnd {
        /// Who.
        to: Contact,
        /// Its epoch.
        epoch: Epoch,
        /// The envelope of the answer, with this validator's hints.
        hints: Box<Envelope>,
    },
    /// Send batches to a peer, from the ledger, from the highest down.
    ServeBatches {
        /// Who asks.
        to: Contact,
        /// The epoch of the lane.
        epoch: Epoch,
        /// Which.
        range: Range,
    },
    /// Tell somebody.
    Note(Note),
}
