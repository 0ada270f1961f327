//! Answers with proofs, for clients that trust no node: state, and that a transaction was executed.
//!
//! The chain of reasoning is that of `althing_types`: a Finalization, headers down to the block that carries a summary,
//! the summary's place in it, and below the summary a path through the state tree or the tree of transactions.

use althing_storage::OrderedStore;
use althing_types::{
    CHAIN_HEADERS_MAX, ChainProof, Hash, Height, InclusionProof, LeafReference, List, RangeProof, Receipt, StateKey,
    StateProof, Summary, SummaryProof, leaf_hash,
};

use super::{LocatedTransaction, Reader};
use crate::error::LedgerError;
use crate::tree::{PagedTree, Range};

/// Places in the state that are proven at once at most.
pub const PROVEN_KEYS_MAX: usize = 1_024;

/// Values of the state after a height, with their proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenState {
    /// The height.
    pub height: Height,
    /// The values in the order of the keys; none where there is none.
    pub values: Vec<Option<Vec<u8>>>,
    /// For each key the path to its value, or to where it would stand, below the summary's state root.
    pub proofs: Vec<StateProof>,
    /// The summary of the height, up to a certificate.
    pub summary_proof: SummaryProof,
}

/// All leaves of the state tree after a height from one tree key to another, with the proof that there are no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenRange {
    /// The height.
    pub height: Height,
    /// The leaves, ascending by tree key.
    pub leaves: Vec<LeafReference>,
    /// The highest tree key that the range covers: that which was asked for, or that of the last leaf if there are more.
    pub to: Hash,
    /// What shows that the tree holds these leaves and no others there, below the summary's state root.
    pub proof: RangeProof,
    /// The summary of the height, up to a certificate.
    pub summary_proof: SummaryProof,
}

/// An executed transaction with the proofs of what it said and of what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenTransaction {
    /// The transaction and its receipt.
    pub located: LocatedTransaction,
    /// The place of its full bytes below the summary's `tx_root`.
    pub transaction_proof: InclusionProof,
    /// The place of its receipt below the summary's `receipts_root`.
    pub receipt_proof: InclusionProof,
    /// The summary of the height, up to a certificate.
    pub summary_proof: SummaryProof,
}

/// A receipt with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Its place below the summary's `receipts_root`.
    pub receipt_proof: InclusionProof,
    /// The summary of the height, up to a certificate.
    pub summary_proof: SummaryProof,
}

impl<S: OrderedStore> Reader<S> {
    /// Values of the state with their proofs, after the last height whose results a certificate covers.
    ///
    /// # Errors
    ///
    /// [`LedgerError::ProofUnavailable`] while there is no such height, [`LedgerError::TooMany`] beyond
    /// [`PROVEN_KEYS_MAX`].
    pub fn prove(&self, keys: &[StateKey]) -> Result<ProvenState, LedgerError> {
        let head = self.head();
        let height = head.certified.ok_or(LedgerError::ProofUnavailable { height: head.header.height })?;
        self.prove_at(keys, height)
    }

    /// Values of the state with their proofs, after a height.
    ///
    /// # Errors
    ///
    /// [`LedgerError::ProofUnavailable`] while no certificate covers the results of the height, which never happens
    /// for height 0: its state follows from genesis. [`LedgerError::HeightInFuture`], [`LedgerError::Pruned`] and
    /// [`LedgerError::TooMany`].
    pub fn prove_at(&self, keys: &[StateKey], height: Height) -> Result<ProvenState, LedgerError> {
        let (given, max) = (keys.len(), PROVEN_KEYS_MAX);
        if given > max {
            return Err(LedgerError::TooMany { given, max });
        }
        let height = self.committed(height)?;
        self.kept(height, self.proven_state(keys, height))
    }

    fn proven_state(&self, keys: &[StateKey], height: Height) -> Result<ProvenState, LedgerError> {
        let summary_proof = self.prove_summary(height)?;
        let executed = self.executed(height)?.ok_or_else(|| LedgerError::corrupt("a summary"))?;
        let values = keys.iter().map(|key| self.state(key, height)).collect::<Result<_, _>>()?;
        let (version, root) = (executed.tree_version, executed.summary.state_root);
        let proofs = keys.iter().map(|key| PagedTree::prove(&*self.store, version, root, &key.tree_key()));
        Ok(ProvenState { height, values, proofs: proofs.collect::<Result<_, _>>()?, summary_proof })
    }

    /// The first leaves of the state tree after a height from one tree key to another, both included: at most `limit` and
    /// [`PROVEN_KEYS_MAX`]. Where they end before `to`, the next range begins above the key that they end with.
    ///
    /// # Errors
    ///
    /// As [`Reader::prove_at`]. If `from` is above `to` there is no leaf, and no proof of it either: nobody accepts it.
    pub fn prove_range(
        &self,
        height: Height,
        (from, to): (&Hash, &Hash),
        limit: usize,
    ) -> Result<ProvenRange, LedgerError> {
        let height = self.committed(height)?;
        self.kept(height, self.proven_range(height, (from, to), limit.clamp(1, PROVEN_KEYS_MAX)))
    }

    fn proven_range(&self, height: Height, range: (&Hash, &Hash), limit: usize) -> Result<ProvenRange, LedgerError> {
        let summary_proof = self.prove_summary(height)?;
        let executed = self.executed(height)?.ok_or_else(|| LedgerError::corrupt("a summary"))?;
        let (version, root) = (executed.tree_version, executed.summary.state_root);
        let Range { leaves, to, proof } = PagedTree::prove_range(&*self.store, version, root, range, limit)?;
        Ok(ProvenRange { height, leaves, to, proof, summary_proof })
    }

    /// The summary of a height, up to a certificate. Fails as [`Reader::prove_at`] does.
    pub fn prove_summary(&self, height: Height) -> Result<SummaryProof, LedgerError> {
        let height = self.committed(height)?;
        self.kept(height, self.proven_summary(height))
    }

    fn proven_summary(&self, height: Height) -> Result<SummaryProof, LedgerError> {
        let unavailable = || LedgerError::ProofUnavailable { height };
        let summary = self.summary(height)?.ok_or_else(|| LedgerError::corrupt("a summary"))?;
        let carrier = self.carrier(height)?.ok_or_else(unavailable)?;
        let body = self.block(carrier)?.ok_or_else(|| LedgerError::corrupt("a block"))?.body;
        let place = body.results.iter().position(|carried| carried.height == height);
        let place = place.and_then(|place| u32::try_from(place).ok());
        let leaves: Vec<Hash> = body.results.iter().map(Summary::leaf).collect();
        let inclusion = place.and_then(|place| InclusionProof::of(&leaves, place));
        let inclusion = inclusion.ok_or_else(|| LedgerError::corrupt("the results in a block"))?;
        let chain = self.prove_header(carrier)?.ok_or_else(unavailable)?;
        Ok(SummaryProof { summary, inclusion, chain })
    }

    /// A header, up to a certificate; none while there is no certificate near enough above it.
    pub fn prove_header(&self, height: Height) -> Result<Option<ChainProof>, LedgerError> {
        let distance = u64::try_from(CHAIN_HEADERS_MAX).unwrap_or(u64::MAX).saturating_sub(1);
        let Some((certified, finalization)) = self.certificate_from(height, distance)? else {
            return self.kept(height, Ok(None));
        };
        let headers = List::truncated(self.kept(height, self.headers(height, certified))?);
        Ok(Some(ChainProof { headers, finalization }))
    }

    /// An executed transaction with its proofs; none if it was never executed. Reads all transactions of its block.
    ///
    /// # Errors
    ///
    /// [`LedgerError::ProofUnavailable`] while no certificate covers the results of its height.
    pub fn prove_transaction(&self, id: &Hash) -> Result<Option<ProvenTransaction>, LedgerError> {
        let Some(located) = self.transaction(id)? else { return Ok(None) };
        let (height, index) = (located.height, located.index);
        let proven = self.prove_receipt(height, index)?.ok_or_else(|| LedgerError::corrupt("a receipt"))?;
        let header = self.header(height)?.ok_or_else(|| LedgerError::corrupt("a header"))?;
        let all = self.places(height).and_then(|places| self.bytes_of(&header, &places));
        let bytes = self.kept(height, all)?;
        let transaction_proof = included(&bytes, index)?;
        let ProvenReceipt { receipt_proof, summary_proof, .. } = proven;
        Ok(Some(ProvenTransaction { located, transaction_proof, receipt_proof, summary_proof }))
    }

    /// The receipt at a place with its proof; none if the block executed no such transaction. Fails as
    /// [`Reader::prove_transaction`] does.
    pub fn prove_receipt(&self, height: Height, index: u32) -> Result<Option<ProvenReceipt>, LedgerError> {
        let Some(receipt) = self.receipt(height, index)? else { return Ok(None) };
        let summary_proof = self.prove_summary(height)?;
        let receipts = self.kept(height, self.encoded_receipts(height, 0, usize::MAX))?;
        let receipt_proof = included(&receipts, index)?;
        Ok(Some(ProvenReceipt { receipt, receipt_proof, summary_proof }))
    }
}

/// The proof of one leaf among all.
fn included(leaves: &[Vec<u8>], index: u32) -> Result<InclusionProof, LedgerError> {
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    InclusionProof::of(&hashes, index).ok_or_else(|| LedgerError::corrupt("the order of a block"))
}
