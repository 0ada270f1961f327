//! What validators say to each other. Every message travels in an [`Envelope`] over a connection whose other end is
//! known, so the sender is not part of it.

use althing_types::{
    BLOCK_EVIDENCE_MAX, Block, Certificate, Epoch, Evidence, Finalization, ForkProof, Hash, Header, Height, List,
    SignedVote, View, encoded_len,
};
use borsh::{BorshDeserialize, BorshSerialize};

/// Votes of the asker in an answer at most: one view has three of them.
const OWN_VOTES_MAX: usize = 4;
/// Certificates in one message at most (`decisions.md` 1.13).
pub const CERTIFICATES_MAX: usize = 64;
/// Bytes of the certificates in one message at most (`decisions.md` 1.13, rule R1).
const CERTIFICATES_BYTES_MAX: usize = 256 * 1024;
/// Headers between a run and its certificate at most: about 400 KiB.
pub const RUN_LINK_MAX: usize = 1_024;
/// Blocks in a run at most.
pub const RUN_BLOCKS_MAX: usize = 64;

/// A message with hints about its sender. The hints are not signed: whoever lies about them harms only itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Envelope {
    /// The sender's epoch.
    pub epoch: Epoch,
    /// The highest view that the sender entered by a certificate that is durable with it.
    pub view: View,
    /// The view of the highest Finalization that is durable with it.
    pub floor: View,
    /// The message.
    pub message: Message,
}

/// A message. Tags are never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Message {
    /// A vote of the sender.
    Vote(SignedVote) = 0,
    /// The sender leads a view and proposes a block.
    Proposal(Box<Proposal>) = 1,
    /// Certificates that the receiver asked for or seems to lack.
    Certificates(List<Certificate, CERTIFICATES_MAX>) = 2,
    /// Nothing but the hints of the envelope.
    Status = 3,
    /// Asks for the certificates of these views, both included.
    GetCertificates {
        /// The first view.
        from: View,
        /// The last view.
        to: View,
    } = 4,
    /// Asks for a block.
    GetBlock {
        /// Its id.
        digest: Hash,
    } = 5,
    /// A block that the receiver asked for.
    Block(Box<Block>) = 6,
    /// Asks for final blocks above a height.
    GetRun {
        /// The height of the last final block that the sender has.
        above: Height,
    } = 7,
    /// Final blocks that the receiver asked for.
    Run(Box<Run>) = 8,
    /// Evidence that the sender verified and holds durably (rule R9).
    Evidence(List<Evidence, BLOCK_EVIDENCE_MAX>) = 9,
    /// More than f validators broke the rules, and this names them (rule R10).
    Fork(Box<ForkProof>) = 10,
    /// Asks for a proof of the receiver's view, and for votes of the sender that the receiver holds (rule D10).
    GetView {
        /// What the answer has to repeat.
        question: Hash,
    } = 11,
    /// The answer to [`Message::GetView`].
    View(Box<ViewProof>) = 12,
}

/// In which view the sender is, proven, and what it holds of the asker's votes (rule D10).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ViewProof {
    /// The question that this answers.
    pub question: Hash,
    /// Whether the sender knows all that it signed itself.
    pub memory: Memory,
    /// The certificate that opened the sender's view; none in the first view of an epoch.
    pub entry: Option<Certificate>,
    /// The newest votes of the asker that the sender holds.
    pub yours: List<SignedVote, OWN_VOTES_MAX>,
}

/// Whether a validator knows all that it signed. Tags are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Memory {
    /// It does, or has left behind all views in which it may not.
    Whole = 0,
    /// It believes so, and has not asked enough others yet.
    Asking = 1,
    /// It does not.
    Lost = 2,
}

/// A block, the leader's vote for it, and why it may stand in this view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The leader's own Notarize: the proposal's signature.
    pub vote: SignedVote,
    /// The block.
    pub block: Block,
    /// The certificate of the parent and the newest certificates of the views passed over.
    pub justification: List<Certificate, CERTIFICATES_MAX>,
}

/// Final blocks, each the parent of the next, with the certificate that makes them final (rule S1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Run {
    /// The blocks, ascending by height.
    pub blocks: List<Block, RUN_BLOCKS_MAX>,
    /// The headers above the last block up to the one that is certified; empty if the last block is.
    pub link: List<Header, RUN_LINK_MAX>,
    /// The certificate of the last header, or of the last block if there is none.
    pub finalization: Finalization,
}

impl Run {
    /// The id of the last block, if every body belongs to its header, every block and header is the child of the one
    /// before, and the certificate is for the last of them (S1).
    pub fn linked_end(&self) -> Option<Hash> {
        let mut below: Option<Hash> = None;
        for block in &self.blocks {
            let linked = below.is_none_or(|below| below == block.header.parent);
            below = (linked && block.body_matches_header()).then(|| block.header.id());
            below?;
        }
        let end = below?;
        let mut last = end;
        for header in &self.link {
            last = (header.parent == last).then(|| header.id())?;
        }
        (last == self.finalization.vote.digest).then_some(end)
    }
}

/// As many of these certificates as one message may hold, in their order.
pub(crate) fn fitting(certificates: impl Iterator<Item = Certificate>) -> List<Certificate, CERTIFICATES_MAX> {
    let mut bytes = 0usize;
    let fitting = certificates.take_while(|certificate| {
        bytes = bytes.saturating_add(encoded_len(certificate));
        bytes <= CERTIFICATES_BYTES_MAX
    });
    List::truncated(fitting.take(CERTIFICATES_MAX).collect())
}
