//! What validators say to each other. Every message travels in an [`Envelope`] over a connection whose other end is
//! known, so the sender is not part of it.

use althing_types::{Block, Certificate, Epoch, Finalization, Hash, Height, List, SignedVote, View};
use borsh::{BorshDeserialize, BorshSerialize};

/// Certificates in one message at most (`decisions.md` 1.13).
pub const CERTIFICATES_MAX: usize = 64;
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

/// Final blocks, each the parent of the next, with the Finalization of the last (rule S1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Run {
    /// The blocks, ascending by height.
    pub blocks: List<Block, RUN_BLOCKS_MAX>,
    /// The certificate of the last block.
    pub finalization: Finalization,
}
