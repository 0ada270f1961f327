//! How messages between validators become frames, and on which stream a frame travels.
//!
//! Small messages that agreement waits for are votes, whatever they are about; blocks on their way to being agreed
//! are proposals; batches are data; what a peer fetches of the past is sync. A stream of one class never waits for
//! another's. Bytes from outside are decoded here, once, within the limits of their class (`decisions.md` section 2). The
//! shell and the simulator use this one table, so that what is simulated is what travels.

use althing_consensus::Message as ConsensusMessage;
use althing_mempool::DataMessage;
pub use althing_types::{Class, Frame};
use althing_types::{DecodeError, decode, encode};

use super::Message;

/// What is wrong with a frame. No honest peer sends such a one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It is no message, or more than one, or larger than its class allows.
    #[error("a frame that is no message: {0}")]
    Decode(#[from] DecodeError),
    /// It came on another stream than its kind travels on.
    #[error("a message of {right} on the stream of {found}", right = .right.name(), found = .found.name())]
    OtherStream {
        /// Where it belongs.
        right: Class,
        /// Where it came.
        found: Class,
    },
}

/// The frame of a message, and its class.
pub fn to_frame(message: &Message) -> (Class, Frame) {
    (class_of(message), encode(message).into())
}

/// The message in a frame.
///
/// # Errors
///
/// [`WireError`]. It is the sender's fault.
pub fn from_frame(class: Class, bytes: &[u8]) -> Result<Message, WireError> {
    let message: Message = decode(bytes, class.frame_bytes_max())?;
    let right = class_of(&message);
    if right == class { Ok(message) } else { Err(WireError::OtherStream { right, found: class }) }
}

fn class_of(message: &Message) -> Class {
    match message {
        Message::Consensus(envelope) => match &envelope.message {
            ConsensusMessage::Vote(_)
            | ConsensusMessage::Status
            | ConsensusMessage::GetCertificates { .. }
            | ConsensusMessage::GetBlock { .. }
            | ConsensusMessage::GetRun { .. }
            | ConsensusMessage::GetView { .. }
            | ConsensusMessage::Evidence(_) => Class::Votes,
            ConsensusMessage::Proposal(_)
            | ConsensusMessage::Certificates(_)
            | ConsensusMessage::Block(_)
            | ConsensusMessage::View(_)
            | ConsensusMessage::Fork(_) => Class::Proposals,
            ConsensusMessage::Run(_) => Class::Sync,
        },
        Message::Data(DataMessage::Acks(_) | DataMessage::GetBatches { .. }) => Class::Votes,
        Message::Data(DataMessage::Batch(_) | DataMessage::Batches(_)) => Class::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_consensus::{Envelope, Memory, ViewProof};
    use althing_mempool::{Acks, Range};
    use althing_types::{Epoch, Hash, Height, List, View};

    fn envelope(message: ConsensusMessage) -> Message {
        let hints = Envelope { epoch: Epoch::ZERO, view: View::new(3), floor: View::new(2), message };
        Message::Consensus(Box::new(hints))
    }

    #[test]
    fn each_message_comes_back_from_its_own_stream_and_from_no_other() {
        let range = Range { lane: 1, first: 2, last: 3, tip: Hash::ZERO };
        let proof = ViewProof { question: Hash::ZERO, memory: Memory::Lost, entry: None, yours: List::empty() };
        let acks = Acks { epoch: Epoch::ZERO, tips: List::empty(), executed: Height::new(4) };
        let messages = [
            (Class::Votes, envelope(ConsensusMessage::Status)),
            (Class::Votes, envelope(ConsensusMessage::GetRun { above: Height::new(7) })),
            (Class::Votes, envelope(ConsensusMessage::GetBlock { digest: Hash::ZERO })),
            (Class::Votes, envelope(ConsensusMessage::Evidence(List::empty()))),
            (Class::Votes, envelope(ConsensusMessage::GetView { question: Hash::ZERO })),
            (Class::Proposals, envelope(ConsensusMessage::View(Box::new(proof)))),
            (Class::Proposals, envelope(ConsensusMessage::Certificates(List::empty()))),
            (Class::Votes, Message::Data(DataMessage::Acks(acks))),
            (Class::Votes, Message::Data(DataMessage::GetBatches { epoch: Epoch::ZERO, range })),
            (Class::Data, Message::Data(DataMessage::Batches(List::empty()))),
        ];
        for (expected, message) in messages {
            let (class, frame) = to_frame(&message);
            assert_eq!(class, expected, "{message:?}");
            for stream in [Class::Votes, Class::Proposals, Class::Data, Class::Sync] {
                let arrived = from_frame(stream, &frame);
                assert_eq!(arrived.is_ok(), stream == class, "{message:?} on {stream:?}");
                assert!(arrived.is_err() || arrived.is_ok_and(|arrived| arrived == message));
            }
        }
    }

    #[test]
    fn garbage_a_cut_frame_and_trailing_bytes_are_refused() {
        let (class, frame) = to_frame(&envelope(ConsensusMessage::Status));
        let longer = [&frame[..], &[0]].concat();
        for bytes in [&frame[..frame.len() - 1], &longer, &[], &[9], &[0xff; 64]] {
            assert!(from_frame(class, bytes).is_err(), "{bytes:?}");
        }
    }
}
