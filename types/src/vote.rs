//! Votes: notarize a block, finalize it, or give a view up. Epoch, view and kind are part of what is signed.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash;
use crate::keys::{SecretKey, Signature};
use crate::number::{Epoch, ValidatorIndex, View};
use crate::scheme::Scheme;
use crate::tag::Tag;
use crate::validators::Committee;

/// "This block may stand at this view, above the block of `parent_view`." The leader's own is its proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Notarize {
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// The view of the certificate that the block builds on.
    pub parent_view: View,
    /// The block's id.
    pub digest: Hash,
}

/// "I give this view up; in it I had notarized this block, or none and never will."
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Nullify {
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// Digest of the sender's own notarize vote in this view. Recorded from the first version on, so that the fast
    /// path is a switch and no new wire format.
    pub report: Option<Hash>,
}

/// "I saw this block notarized and have not given the view up."
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Finalize {
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// The block's id.
    pub digest: Hash,
}

/// A vote. Tags are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Vote {
    /// See [`Notarize`].
    Notarize(Notarize) = 0,
    /// See [`Nullify`].
    Nullify(Nullify) = 1,
    /// See [`Finalize`].
    Finalize(Finalize) = 2,
}

/// The kind of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoteKind {
    /// A [`Notarize`].
    Notarize,
    /// A [`Nullify`].
    Nullify,
    /// A [`Finalize`].
    Finalize,
}

impl Vote {
    /// The epoch of the vote.
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Notarize(vote) => vote.epoch,
            Self::Nullify(vote) => vote.epoch,
            Self::Finalize(vote) => vote.epoch,
        }
    }

    /// The view of the vote.
    pub const fn view(&self) -> View {
        match self {
            Self::Notarize(vote) => vote.view,
            Self::Nullify(vote) => vote.view,
            Self::Finalize(vote) => vote.view,
        }
    }

    /// The kind of the vote.
    pub const fn kind(&self) -> VoteKind {
        match self {
            Self::Notarize(_) => VoteKind::Notarize,
            Self::Nullify(_) => VoteKind::Nullify,
            Self::Finalize(_) => VoteKind::Finalize,
        }
    }

    /// The 32 bytes that are signed on a chain.
    pub fn sign_hash(&self, chain: &Hash) -> Hash {
        Hash::to_sign(Tag::Vote, chain, self)
    }

    /// Signs the vote as the validator at `signer`.
    pub fn sign(self, chain: &Hash, signer: ValidatorIndex, secret: &SecretKey) -> SignedVote {
        SignedVote { vote: self, signer, signature: secret.sign(&self.sign_hash(chain)) }
    }
}

/// A vote with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct SignedVote {
    /// The vote.
    pub vote: Vote,
    /// Who voted: the index in the epoch's validator set.
    pub signer: ValidatorIndex,
    /// The signature of that validator's key.
    pub signature: Signature,
}

impl SignedVote {
    /// Whether the signer is one of the committee and signed this vote of this epoch.
    pub fn verify(&self, scheme: &impl Scheme, committee: &Committee) -> bool {
        self.vote.epoch() == committee.epoch
            && committee.set.get(self.signer).is_some_and(|validator| {
                scheme.verify(&validator.key, &self.vote.sign_hash(&committee.chain), &self.signature)
            })
    }
}
