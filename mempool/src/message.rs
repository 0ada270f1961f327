//! What validators say to each other about batches. Decoding is bounded by the frame.
//!
//! No message is signed as a whole: a batch carries its owner's signature, acknowledgements and requests need none
//! (L2), because the connection says whose they are.

use std::io::{self, Read, Write};
use std::ops::Deref;
use std::sync::Arc;

use althing_types::{DecodeError, Epoch, Hash, Height, LaneTip, List, SignedBatch, VALIDATORS_MAX, decode};
use borsh::{BorshDeserialize, BorshSerialize};

/// Bytes of an encoded message at most (`decisions.md` section 2).
pub const FRAME_BYTES_MAX: usize = 640 * 1024;
/// Batches in one message at most. No batch is shorter than 250 bytes, so a frame holds no more.
pub const BATCHES_MAX: usize = 2_560;
/// Bytes of batches that an answer holds at most, so that it fits a frame with what stands around them.
pub const ANSWER_BYTES_MAX: usize = FRAME_BYTES_MAX - 1024;

const _: () = assert!(ANSWER_BYTES_MAX > althing_types::BATCH_BYTES_MAX, "any batch fits an answer");

/// A batch that is shared between a lane and the messages that carry it. Its encoding is the batch's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedBatch(pub Arc<SignedBatch>);

/// How far the sender holds each lane, and how far it executed (L2).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Acks {
    /// The epoch of the lanes.
    pub epoch: Epoch,
    /// Per lane the highest contiguous batch that is durable at the sender, ascending by lane. Lanes that did not
    /// change since the last acknowledgement may be left out.
    pub tips: List<LaneTip, VALIDATORS_MAX>,
    /// The highest height that the sender executed.
    pub executed: Height,
}

/// A run of batches of one lane, ending in a known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Range {
    /// The lane.
    pub lane: u32,
    /// The lowest number that is wanted.
    pub first: u64,
    /// The highest number that is wanted.
    pub last: u64,
    /// The digest of the batch with that number; those below follow by their links.
    pub tip: Hash,
}

/// A message of the data plane. Tags are never reused.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum DataMessage {
    /// A batch of the sender's own lane.
    Batch(SharedBatch) = 0,
    /// What the sender holds.
    Acks(Acks) = 1,
    /// Batches that the sender lacks.
    GetBatches {
        /// The epoch of the lane.
        epoch: Epoch,
        /// Which.
        range: Range,
    } = 2,
    /// Batches of any lane: an answer, from the highest down and as many as fit, or those that a leader seems to lack.
    Batches(List<SharedBatch, BATCHES_MAX>) = 3,
}

impl DataMessage {
    /// Decodes a message of at most [`FRAME_BYTES_MAX`] bytes. Batches in it are not checked yet.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, FRAME_BYTES_MAX)
    }
}

impl Deref for SharedBatch {
    type Target = SignedBatch;

    fn deref(&self) -> &SignedBatch {
        &self.0
    }
}

impl BorshSerialize for SharedBatch {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl BorshDeserialize for SharedBatch {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        SignedBatch::deserialize_reader(reader).map(Arc::new).map(Self)
    }
}
