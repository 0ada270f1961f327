//! What of a height can be checked beside all others: every signature, and the form of all that is signed.

use std::sync::Arc;

use althing_ledger::{OrderedBatch, StoredResults};
use althing_mempool::{BatchError, CheckedBatch, Share, check_batches};
use althing_types::{
    Block, Committee, Ed25519, Finalization, Hash, Height, LimitParams, SignedBatch, SignedTransaction,
    TransactionError,
};

use super::fault::Fault;
use super::source::{BatchPlace, Entry};

/// What the checks need of a chain.
#[derive(Clone, Debug)]
pub(super) struct Checker {
    pub(super) committee: Committee,
    pub(super) limits: LimitParams,
}

/// A height whose signatures were looked at.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) block: Block,
    pub(super) id: Hash,
    /// Whether the block has a certificate of its own.
    pub(super) is_certified: bool,
    pub(super) stored: Option<StoredResults>,
    pub(super) digest: Hash,
    /// Where its batches say that they belong.
    pub(super) places: Vec<BatchPlace>,
    /// What is wrong first, if anything is.
    pub(super) outcome: Result<Sound, Fault>,
}

/// A height in which every signature is good.
#[derive(Debug, Default)]
pub(super) struct Sound {
    pub(super) batches: Vec<OrderedBatch>,
    /// What all batches take together.
    pub(super) size: Share,
    /// Transactions in the batches.
    pub(super) transactions: u64,
    /// Signatures that were verified.
    pub(super) signatures: u64,
}

impl Checker {
    /// Checks a height. What is wrong with a transaction is found before what is wrong with its batch, and that before
    /// what is wrong with the block, because a fault of the inner one is the cause of the others.
    pub(super) fn check(&self, entry: Entry) -> Checked {
        let Entry { block, finalization, batches, stored, digest } = entry;
        let id = block.header.id();
        let places = batches.iter().map(|signed| BatchPlace::from(&signed.batch)).collect();
        let outcome = self.check_all(&block, id, finalization.as_ref(), batches);
        Checked { is_certified: finalization.is_some(), id, block, stored, digest, places, outcome }
    }

    fn check_all(
        &self,
        block: &Block,
        id: Hash,
        finalization: Option<&Finalization>,
        batches: Vec<SignedBatch>,
    ) -> Result<Sound, Fault> {
        let height = block.header.height;
        let mut sound = Sound::default();
        let batches = batches.into_iter().map(Arc::new).collect();
        let checked = check_batches(batches, &self.committee, &self.limits, &Ed25519);
        let checked =
            checked.map_err(|rejected| self.innermost(height, rejected.signed(), rejected.error().clone()))?;
        checked.iter().for_each(|checked| sound.add(checked));
        if let Some(finalization) = finalization {
            sound.signatures = sound.signatures.saturating_add(self.check_certificate(height, id, finalization)?);
        }
        for (index, evidence) in block.body.evidence.iter().enumerate() {
            let culprit = evidence.culprit().get();
            let verified = evidence.verify(&Ed25519, &self.committee);
            verified.map_err(|error| Fault::Evidence { height, index, culprit, error })?;
            sound.signatures = sound.signatures.saturating_add(2);
        }
        Ok(sound)
    }

    /// Verifies the certificate of a block. Returns how many signatures it holds.
    fn check_certificate(&self, height: Height, id: Hash, finalization: &Finalization) -> Result<u64, Fault> {
        let named = finalization.vote.digest;
        if named != id {
            return Err(Fault::CertificateBlock { height, named, found: id });
        }
        let verified = finalization.verify(&Ed25519, &self.committee);
        verified.map_err(|error| Fault::Certificate { height, error })?;
        Ok(count(finalization.votes(&self.committee).len()))
    }

    /// What is wrong with a batch that was refused: a transaction in it, if one is.
    fn innermost(&self, height: Height, signed: &SignedBatch, error: BatchError) -> Fault {
        let (lane, seq) = (signed.batch.lane, signed.batch.seq);
        let transaction = |index: usize, error: TransactionError| {
            let bytes = signed.batch.transactions.get(index);
            let decoded = bytes.and_then(|bytes| SignedTransaction::from_bytes(bytes, &self.committee.chain).ok());
            let id = decoded.map(|transaction| transaction.id());
            Fault::Transaction { height, lane, seq, index, id, error: Box::new(error) }
        };
        if let BatchError::Transaction { index, error } = error {
            return transaction(index, error);
        }
        for (index, bytes) in signed.batch.transactions.iter().enumerate() {
            let decoded = SignedTransaction::from_bytes(bytes, &self.committee.chain);
            if let Err(error) = decoded.and_then(SignedTransaction::verify) {
                return transaction(index, error);
            }
        }
        Fault::Batch { height, lane, seq, error: Box::new(error) }
    }
}

impl Sound {
    fn add(&mut self, checked: &CheckedBatch) {
        let signatures: usize =
            checked.transactions().iter().flat_map(SignedTransaction::auth).map(|proof| proof.sigs.len()).sum();
        self.size = self.size.plus(&checked.size());
        self.transactions = self.transactions.saturating_add(count(checked.transactions().len()));
        // Those of the transactions, and the owner's.
        self.signatures = self.signatures.saturating_add(count(signatures)).saturating_add(1);
        self.batches.push(OrderedBatch {
            signed: checked.signed().clone(),
            transactions: checked.transactions().clone(),
            ids: checked.ids().clone(),
        });
    }
}

pub(super) fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
