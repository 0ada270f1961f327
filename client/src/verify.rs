//! Believing an answer: every value in it is compared with what the proof beside it shows, from the certificate of the
//! validators down to the bytes under a key.
//!
//! The caller gives the committee that genesis names and what it asked. A node that changes a value, leaves one out, or
//! proves something else than was asked is found out; what it can do is to give no answer, or an old one. How old is
//! said by the height.

mod account;
mod block;
mod transaction;

pub use account::{AskedAccount, verify_account};
pub use block::{AskedBlock, verify_block};
pub use transaction::verify_transaction;

use althing_rpc::api::{FormError, Hex};
use althing_types::{
    Committee, DecodeError, Ed25519, Hash, Height, MerkleError, ProofError, Summary, SummaryProof, View, decode,
};
use borsh::{BorshDeserialize, BorshSerialize};

/// Bytes of one proof at most: a chain of as many headers as may stand between an answer and its certificate.
const PROOF_BYTES_MAX: usize = 4 << 20;
/// The one encoding of proofs.
const ENCODING: &str = "borsh";

/// Why an answer is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// There is no proof in it.
    #[error("the answer holds no proof")]
    NoProof,
    /// The proof is in an encoding that this version does not know.
    #[error("the proof is encoded as {encoding}, this version reads {ENCODING}")]
    Encoding {
        /// The encoding.
        encoding: String,
    },
    /// A part of the proof is no such thing.
    #[error("{what} of the proof cannot be decoded: {error}")]
    Decode {
        /// Which part.
        what: &'static str,
        /// What is wrong.
        error: DecodeError,
    },
    /// The proof does not lead to a certificate of the validators.
    #[error("the proof of {what} does not hold: {error}")]
    Proof {
        /// What it should prove.
        what: String,
        /// What is wrong.
        error: ProofError,
    },
    /// Something does not stand under the root that was certified.
    #[error("the {what} does not stand in the certified block: {error}")]
    Inclusion {
        /// What it is.
        what: &'static str,
        /// What is wrong.
        error: MerkleError,
    },
    /// A key that the answer depends on is not proven.
    #[error("the answer does not prove {what}")]
    Missing {
        /// What is not proven.
        what: String,
    },
    /// The answer says something else than the proof.
    #[error("the answer says {said} for {what}, the proof shows {shown}")]
    Differs {
        /// What it is about.
        what: String,
        /// What the answer says.
        said: String,
        /// What the proof shows.
        shown: String,
    },
}

/// What an answer was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The height whose state or content was proven.
    pub height: Height,
    /// The block of that height.
    pub block: Hash,
    /// The state after it; none while no certificate covers the results of the height.
    pub state_root: Option<Hash>,
    /// The view in which the certificate was made.
    pub view: View,
    /// The height of the certified block.
    pub certified_height: Height,
    /// Validators whose signatures were checked.
    pub signers: u16,
}

/// A summary that a certificate covers, with what was checked on the way.
fn certified_summary(bytes: &Hex<Vec<u8>>, committee: &Committee) -> Result<(Summary, Verification), Unverified> {
    let proof: SummaryProof = decoded("the summary", bytes)?;
    let summary = proof.verify(&Ed25519, committee).map_err(|error| refused("the summary", error))?.into_inner();
    let last = proof.chain.headers.last().map_or(summary.height, |header| header.height);
    let verification = Verification {
        height: summary.height,
        block: summary.block,
        state_root: Some(summary.state_root),
        view: proof.chain.finalization.vote.view,
        certified_height: last,
        signers: committee.set.quorums().notarize(),
    };
    Ok((summary, verification))
}

fn decoded<T: BorshDeserialize + BorshSerialize>(what: &'static str, bytes: &Hex<Vec<u8>>) -> Result<T, Unverified> {
    decode(&bytes.0, PROOF_BYTES_MAX).map_err(|error| Unverified::Decode { what, error })
}

fn refused(what: impl Into<String>, error: ProofError) -> Unverified {
    Unverified::Proof { what: what.into(), error }
}

/// Compares what an answer says with what a proof shows.
fn same<T: PartialEq + std::fmt::Display>(what: &str, said: T, shown: T) -> Result<(), Unverified> {
    if said == shown {
        return Ok(());
    }
    Err(Unverified::Differs { what: what.to_owned(), said: said.to_string(), shown: shown.to_string() })
}

fn check_encoding(encoding: &str) -> Result<(), Unverified> {
    if encoding == ENCODING { Ok(()) } else { Err(Unverified::Encoding { encoding: encoding.to_owned() }) }
}

/// A form error is a lie about bytes that the proof fixes.
impl From<FormError> for Unverified {
    fn from(error: FormError) -> Self {
        Self::Missing { what: error.to_string() }
    }
}
