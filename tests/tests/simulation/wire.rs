//! How messages travel: on the stream of their class, as bytes within its limit.

use althing_consensus::{Envelope, Message as ConsensusMessage};
use althing_mempool::DataMessage;
use althing_node::replica::Message;
use althing_types::{DecodeError, decode, encode};

/// The streams between two validators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Votes, and everything else of agreement that is short.
    Votes,
    /// Proposals, blocks and certificates.
    Proposals,
    /// Batches and acknowledgements.
    Data,
    /// Runs of final blocks.
    Sync,
}

impl Class {
    /// Bytes of a frame at most (`decisions.md` section 2).
    pub(crate) const fn frame_bytes_max(self) -> usize {
        match self {
            Self::Votes => 64 << 10,
            Self::Proposals | Self::Sync => 1 << 20,
            Self::Data => 640 << 10,
        }
    }

    /// The class of a message.
    pub(crate) fn of(message: &Message) -> Self {
        let Message::Consensus(envelope) = message else { return Self::Data };
        match envelope.message {
            ConsensusMessage::Vote(_)
            | ConsensusMessage::Status
            | ConsensusMessage::GetCertificates { .. }
            | ConsensusMessage::GetBlock { .. }
            | ConsensusMessage::GetRun { .. } => Self::Votes,
            ConsensusMessage::Proposal(_) | ConsensusMessage::Certificates(_) | ConsensusMessage::Block(_) => {
                Self::Proposals
            }
            ConsensusMessage::Run(_) => Self::Sync,
        }
    }
}

/// The bytes of a message.
pub(crate) fn to_bytes(message: &Message) -> Vec<u8> {
    match message {
        Message::Consensus(envelope) => encode(envelope.as_ref()),
        Message::Data(message) => encode(message),
    }
}

/// The message of a frame.
pub(crate) fn from_bytes(class: Class, bytes: &[u8]) -> Result<Message, DecodeError> {
    let max = class.frame_bytes_max();
    Ok(match class {
        Class::Data => Message::Data(decode::<DataMessage>(bytes, max)?),
        _ => Message::Consensus(Box::new(decode::<Envelope>(bytes, max)?)),
    })
}
