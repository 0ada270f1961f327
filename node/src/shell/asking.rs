//! What nodes ask each other by request, and what they answer: transactions on their way, final blocks, batches.
//!
//! The encoding is borsh; tags are never reused. 16 to 31 are reserved for parts of the state tree; those from 32 on are
//! for snapshots. Bytes from outside are decoded here, once, within the limits of the network. Votes never travel this way.

use std::borrow::Cow;

use althing_consensus::Run;
use althing_ledger::{PlacedReceipt, RECEIPTS_MAX, SnapshotBase, StateChunk};
use althing_mempool::{BATCHES_MAX, Range, SharedBatch};
use althing_network::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX};
use althing_rpc::Progress;
use althing_rpc::api::{ApiError, ErrorCode};
use althing_types::{Bytes, DEPLOY_BYTES_MAX, DecodeError, Epoch, Hash, Height, List, Text, decode};
use borsh::{BorshDeserialize, BorshSerialize};

/// Transactions in one request at most. A validator keeps an answer back until those in it are durable or a moment is
/// over, so that few share the fate of the slowest.
pub(crate) const SUBMITTED_MAX: usize = 64;
/// Bytes of transactions in one request at most, unless it is one alone.
pub(crate) const SUBMITTED_BYTES_MAX: usize = REQUEST_BYTES_MAX / 2;
/// Bytes of a sentence in an answer at most.
const SENTENCE_BYTES_MAX: usize = 1_024;
/// Bytes of the values of an error at most, as JSON.
const INFO_BYTES_MAX: usize = 4_096;

const _: () = assert!(DEPLOY_BYTES_MAX + 1_024 < REQUEST_BYTES_MAX, "any transaction fits a request");

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub(crate) enum Request {
    /// Take these transactions into the pool. Saying it again changes nothing.
    Submit(List<Bytes<DEPLOY_BYTES_MAX>, SUBMITTED_MAX>) = 0,
    /// Final blocks above a height (rule S1).
    Blocks {
        /// The height.
        above: Height,
    } = 1,
    /// Committed batches of a lane, from the highest down (rule L5).
    Batches {
        /// The epoch of the lane.
        epoch: Epoch,
        /// Which.
        range: Range,
    } = 2,
    /// How far a transaction has come.
    Whereabouts {
        /// Its id.
        id: Hash,
    } = 3,
    /// Where the blocks of a snapshot begin that the peer can hand out.
    Snapshot = 32,
    /// Receipts of a snapshot.
    SnapshotReceipts {
        /// The height and the place of the first.
        from: (Height, u32),
        /// The height of the last.
        last: Height,
    } = 33,
    /// A part of the state of a snapshot.
    SnapshotChunk {
        /// The height of the snapshot.
        height: Height,
        /// The lowest tree key.
        from: Hash,
        /// The highest tree key.
        to: Hash,
    } = 34,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub(crate) enum Answer {
    /// What became of each transaction, in their order.
    Submitted(List<Taken, SUBMITTED_MAX>) = 0,
    /// Blocks above the height; none if there are none that can be shown to be final yet.
    Blocks(Option<Box<Run>>) = 1,
    /// Batches; none if the highest is not the one that was asked for.
    Batches(List<SharedBatch, BATCHES_MAX>) = 2,
    /// How far the transaction has come.
    Whereabouts(Standing) = 3,
    /// Where the blocks of a snapshot begin; none if the peer has none to hand out.
    Snapshot(Option<Box<SnapshotBase>>) = 32,
    /// Receipts; none if they are not kept.
    SnapshotReceipts(Option<List<PlacedReceipt, RECEIPTS_MAX>>) = 33,
    /// The part of the state; none if it is not kept.
    SnapshotChunk(Option<Box<StateChunk>>) = 34,
}

/// What became of a transaction that was submitted.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub(crate) enum Taken {
    /// It was taken, or was there.
    Yes {
        /// Whether it was there before.
        duplicate: bool,
        /// How far it has come.
        standing: Standing,
    } = 0,
    /// It was refused, for the reason that a caller of the validator would have seen.
    No(Refusal) = 1,
}

/// How far a transaction has come, by the word of the node that says so.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub(crate) enum Standing {
    /// The node knows nothing of it.
    Unknown = 0,
    /// It waits in the node's pool.
    Pending = 1,
    /// It is in a durable batch of the node's.
    Accepted = 2,
    /// It is in a committed block. Whoever asks sees it there as soon as it has the block.
    Finalized = 3,
    /// Its time ended before a block took it in.
    Expired = 4,
    /// It will not be executed from where it stood.
    Dropped {
        /// Why, for people.
        reason: Text<SENTENCE_BYTES_MAX>,
    } = 5,
}

/// An error of the public window on its way between nodes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Refusal {
    /// The number in the catalogue.
    code: i32,
    /// The sentence.
    message: Text<SENTENCE_BYTES_MAX>,
    /// The values that the sentence speaks of, as a JSON object; empty if there are none.
    info: Text<INFO_BYTES_MAX>,
    /// When a retry makes sense, in milliseconds.
    retry_after_ms: Option<u64>,
}

impl Request {
    /// Decodes a request.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, REQUEST_BYTES_MAX)
    }
}

impl Answer {
    /// Decodes an answer.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, ANSWER_BYTES_MAX)
    }
}

impl From<&Progress> for Standing {
    fn from(progress: &Progress) -> Self {
        match progress {
            Progress::Unknown => Self::Unknown,
            Progress::Pending => Self::Pending,
            Progress::Accepted => Self::Accepted,
            Progress::Finalized(_) => Self::Finalized,
            Progress::Expired => Self::Expired,
            Progress::Dropped { reason } => Self::Dropped { reason: shortened(reason) },
        }
    }
}

impl Standing {
    /// What a node that has not seen the transaction in a block of its own makes of it: `finalized` is said of blocks
    /// that are committed here, so another node's word for it counts as accepted.
    pub(crate) fn into_progress(self) -> Progress {
        match self {
            Self::Unknown => Progress::Unknown,
            Self::Pending => Progress::Pending,
            Self::Accepted | Self::Finalized => Progress::Accepted,
            Self::Expired => Progress::Expired,
            Self::Dropped { reason } => Progress::Dropped { reason: reason.as_str().to_owned() },
        }
    }
}

impl From<&ApiError> for Refusal {
    fn from(error: &ApiError) -> Self {
        let info =
            if error.info.is_empty() { String::new() } else { serde_json::Value::from(error.info.clone()).to_string() };
        Self {
            code: error.code.number(),
            message: shortened(&error.message),
            // Values that are too long to travel are left out: the sentence says what matters.
            info: Text::new(info).unwrap_or_default(),
            retry_after_ms: error.retry_after_ms,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        // A number that a newer node knows and this one does not.
        let code = ErrorCode::from_number(refusal.code).unwrap_or(ErrorCode::Internal);
        let message = Cow::Owned(refusal.message.as_str().to_owned());
        let info = serde_json::from_str(refusal.info.as_str()).unwrap_or_default();
        Self { code, message, info, retry_after_ms: refusal.retry_after_ms }
    }
}

/// As much of a text as fits, cut between characters.
fn shortened<const MAX: usize>(text: &str) -> Text<MAX> {
    let end = (0..=text.len().min(MAX)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Text::new(&text[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::encode;

    #[test]
    fn an_error_arrives_as_it_left() {
        let error = ApiError::new(ErrorCode::MempoolFull, "the pool is full, retry in 250 ms")
            .with_number("count", u64::MAX)
            .retry_after_ms(250);
        let taken = Taken::No(Refusal::from(&error));
        let answer = encode(&Answer::Submitted(List::truncated(vec![taken])));
        let Ok(Answer::Submitted(taken)) = Answer::from_bytes(&answer) else { panic!("it decodes") };
        let [Taken::No(refusal)] = &taken[..] else { panic!("one refusal") };
        assert_eq!(ApiError::from(refusal.clone()), error);
    }

    #[test]
    fn a_long_sentence_is_cut_between_characters_and_long_values_are_left_out() {
        let error = ApiError::new(ErrorCode::TxPolicy, "é".repeat(SENTENCE_BYTES_MAX)).with("x", "y".repeat(5_000));
        let arrived = ApiError::from(Refusal::from(&error));
        assert_eq!(arrived.message, "é".repeat(SENTENCE_BYTES_MAX / 2));
        assert!(arrived.info.is_empty() && arrived.code == ErrorCode::TxPolicy);
    }

    #[test]
    fn a_code_that_is_not_known_here_is_an_internal_error() {
        let refusal = Refusal { code: 9_999, ..Refusal::from(&ApiError::new(ErrorCode::TxPolicy, "no")) };
        assert_eq!(ApiError::from(refusal).code, ErrorCode::Internal);
    }

    #[test]
    fn another_nodes_word_for_finalized_is_no_more_than_accepted() {
        assert_eq!(Standing::Finalized.into_progress(), Progress::Accepted);
        assert_eq!(Standing::Unknown.into_progress(), Progress::Unknown);
    }

    #[test]
    fn reserved_tags_and_trailing_bytes_are_refused() {
        let request = encode(&Request::Blocks { above: Height::new(7) });
        assert_eq!(Request::from_bytes(&request), Ok(Request::Blocks { above: Height::new(7) }));
        for tag in [4, 16, 35, 48] {
            assert!(Request::from_bytes(&[&[tag], &request[1..]].concat()).is_err(), "{tag}");
        }
        assert!(Request::from_bytes(&[&request[..], &[0]].concat()).is_err());
    }
}
