//! Batches that were checked once and for all: [`check_batch`] is a pure function, which the caller runs on a worker
//! thread, and its result is the only form in which a batch enters the machine.
//!
//! What is wrong with a batch is held against its owner only where its signature proves that the owner made it so;
//! everything else is the messenger's.

use std::collections::BTreeSet;
use std::sync::Arc;

use althing_types::canary::{Canary, seeded};
use althing_types::{
    BATCH_TRANSACTIONS_MAX, Batch, BatchHead, Committee, Epoch, Hash, LaneTip, LimitParams, Scheme, SignedBatch,
    SignedTransaction, TransactionError, ValidatorIndex, Verified, encoded_len,
};

use crate::config::Share;

/// A batch whose owner signed it, whose transactions are well formed and well signed, and which fits a lane's share.
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBatch {
    signed: Arc<SignedBatch>,
    digest: Hash,
    transactions: Arc<Vec<SignedTransaction>>,
    ids: Arc<Vec<Hash>>,
    size: Share,
}

/// Who is to blame for a batch that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The owner of the lane signed it: whoever has the bytes can prove that.
    Owner,
    /// Who sent it made it up, or should have refused it.
    Messenger,
    /// Nobody, as far as we can tell: it belongs to another epoch.
    Nobody,
}

/// Why a batch is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// It is of another epoch.
    #[error("the batch is of epoch {given}, this is epoch {expected}")]
    Epoch {
        /// The epoch that it names.
        given: u64,
        /// The epoch of the committee.
        expected: u64,
    },
    /// No validator has this lane.
    #[error("no validator has the lane {lane}")]
    Lane {
        /// The lane that it names.
        lane: u32,
    },
    /// Its owner did not sign it.
    #[error("the owner of lane {lane} did not sign the batch")]
    Signature {
        /// The lane that it names.
        lane: u32,
    },
    /// It is for another chain.
    #[error("the batch is for the chain with genesis {given}")]
    Chain {
        /// The genesis hash that it names.
        given: Hash,
    },
    /// Its number is 0, or it is the first and has one before it, or it is a later one and has none.
    #[error("a batch with number {seq} cannot have this link")]
    Place {
        /// The number that it names.
        seq: u64,
    },
    /// It holds no transaction.
    #[error("the batch holds no transaction")]
    Empty,
    /// It takes more than a lane's share of a block, or more bytes than any batch may have.
    #[error("the batch takes {size:?}, at most {max:?} is allowed")]
    TooLarge {
        /// What it takes.
        size: Share,
        /// What a batch may take.
        max: Share,
    },
    /// A transaction in it is malformed or badly signed.
    #[error("transaction {index} of the batch: {error}")]
    Transaction {
        /// Its place in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        error: TransactionError,
    },
    /// A transaction asks for more gas than any may.
    #[error("transaction {index} of the batch asks for {gas} gas, at most {max} is allowed")]
    Gas {
        /// Its place in the batch, from 0.
        index: usize,
        /// What it asks for.
        gas: u64,
        /// What a transaction may ask for.
        max: u64,
    },
    /// A transaction stands twice in it.
    #[error("transaction {index} of the batch stands in it before")]
    Twice {
        /// The place of the second, from 0.
        index: usize,
    },
}

impl BatchError {
    /// Who is to blame. The owner's signature is verified before anything that only the owner can have got wrong.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Epoch { .. } => Fault::Nobody,
            Self::Lane { .. } | Self::Signature { .. } => Fault::Messenger,
            Self::Chain { .. }
            | Self::Place { .. }
            | Self::Empty
            | Self::TooLarge { .. }
            | Self::Transaction { .. }
            | Self::Gas { .. }
            | Self::Twice { .. } => Fault::Owner,
        }
    }

    /// What is wrong in a word that names no number, for alarms and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Epoch { .. } => "a batch of another epoch",
            Self::Lane { .. } => "a batch of a lane that does not exist",
            Self::Signature { .. } => "a batch that its owner did not sign",
            Self::Chain { .. } => "a batch for another chain",
            Self::Place { .. } => "a batch with an impossible link",
            Self::Empty => "a batch without a transaction",
            Self::TooLarge { .. } => "a batch beyond its lane's share",
            Self::Transaction { .. } => "a batch with an invalid transaction",
            Self::Gas { .. } => "a batch with a transaction beyond the gas limit",
            Self::Twice { .. } => "a batch with one transaction twice",
        }
    }
}

/// A batch that was refused. Made by [`check_batch`] and [`check_batches`] only, so that what it says of the owner is true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct RejectedBatch {
    #[source]
    error: Box<BatchError>,
    signed: Arc<SignedBatch>,
    place: LaneTip,
}

impl RejectedBatch {
    /// What is wrong with it.
    pub fn error(&self) -> &BatchError {
        &self.error
    }

    /// The batch.
    pub const fn signed(&self) -> &Arc<SignedBatch> {
        &self.signed
    }

    /// The epoch that it names.
    pub fn epoch(&self) -> Epoch {
        self.signed.batch.epoch
    }

    /// The lane and number that it names, and its digest.
    pub const fn place(&self) -> LaneTip {
        self.place
    }
}

impl CheckedBatch {
    /// The batch as it travels.
    pub const fn signed(&self) -> &Arc<SignedBatch> {
        &self.signed
    }

    /// The batch without its signature.
    pub fn batch(&self) -> &Batch {
        &self.signed.batch
    }

    /// Its digest.
    pub const fn digest(&self) -> Hash {
        self.digest
    }

    /// The transactions in the batch's order.
    pub const fn transactions(&self) -> &Arc<Vec<SignedTransaction>> {
        &self.transactions
    }

    /// The transactions' ids in the batch's order.
    pub const fn ids(&self) -> &Arc<Vec<Hash>> {
        &self.ids
    }

    /// What it takes of a block.
    pub const fn size(&self) -> Share {
        self.size
    }

    /// Its lane, its number and its digest.
    pub fn tip(&self) -> LaneTip {
        place(&self.signed, self.digest)
    }

    /// Bytes of the encoded batch with its signature.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.size.bytes).unwrap_or(usize::MAX)
    }

    /// What its owner signed, without hashing again.
    pub(crate) fn head(&self) -> BatchHead {
        let Batch { epoch, lane, seq, .. } = self.signed.batch;
        BatchHead { epoch, lane, seq, digest: self.digest }
    }

    /// A batch of our own, put together from transactions that were verified at admission.
    pub(crate) fn own(signed: SignedBatch, digest: Hash, transactions: Vec<SignedTransaction>, ids: Vec<Hash>) -> Self {
        let size = size_of_batch(&signed, &transactions);
        let (transactions, ids) = (Arc::new(transactions), Arc::new(ids));
        Self { signed: Arc::new(signed), digest, transactions, ids, size }
    }

    /// A batch from our own log: it was checked before it was appended, so no signature is verified again.
    pub(crate) fn from_log(
        signed: Arc<SignedBatch>,
        committee: &Committee,
        limits: &LimitParams,
    ) -> Result<Self, BatchError> {
        let digest = signed.batch.digest();
        check_content(&signed, committee, limits).map(|(transactions, ids, size)| Self {
            signed,
            digest,
            transactions: transactions.into(),
            ids,
            size,
        })
    }
}

/// Checks a batch that came from outside: its lane and epoch, its owner's signature under `scheme`, its place, its
/// share of a block, and every transaction's form and signature. A pure function of the batch, the committee and the
/// chain's limits (L1). Costs about 18 µs for each transaction.
pub fn check_batch(
    signed: Arc<SignedBatch>,
    committee: &Committee,
    limits: &LimitParams,
    scheme: &impl Scheme,
) -> Result<CheckedBatch, RejectedBatch> {
    let digest = signed.batch.digest();
    let checked = check_owner(&signed, digest, committee, scheme)
        .and_then(|()| check_content(&signed, committee, limits))
        .and_then(|(transactions, ids, size)| {
            Ok((all_good(SignedTransaction::verify_many(transactions).into_iter())?, ids, size))
        });
    match checked {
        Ok((transactions, ids, size)) => {
            Ok(CheckedBatch { signed, digest, transactions: Arc::new(transactions), ids, size })
        }
        Err(error) => Err(rejected(&signed, digest, error)),
    }
}

/// Checks many batches as [`check_batch`] does each, with all signatures of transactions verified together: in small batches
/// that is about half the work. The first batch that is refused ends it; where none is otherwise, that is the one with the
/// first bad signature.
pub fn check_batches(
    batches: Vec<Arc<SignedBatch>>,
    committee: &Committee,
    limits: &LimitParams,
    scheme: &impl Scheme,
) -> Result<Vec<CheckedBatch>, RejectedBatch> {
    let (mut formed, mut all) = (Vec::with_capacity(batches.len()), Vec::new());
    for signed in batches {
        let digest = signed.batch.digest();
        let content = check_owner(&signed, digest, committee, scheme)
            .and_then(|()| check_content(&signed, committee, limits))
            .map_err(|error| rejected(&signed, digest, error));
        let (transactions, ids, size) = content?;
        all.extend(transactions);
        formed.push((signed, digest, ids, size));
    }
    let mut verdicts = SignedTransaction::verify_many(all).into_iter();
    let batches =
        formed.into_iter().map(|(signed, digest, ids, size)| match all_good(verdicts.by_ref().take(ids.len())) {
            Ok(transactions) => Ok(CheckedBatch { signed, digest, transactions: Arc::new(transactions), ids, size }),
            Err(error) => Err(rejected(&signed, digest, error)),
        });
    batches.collect()
}

fn rejected(signed: &Arc<SignedBatch>, digest: Hash, error: BatchError) -> RejectedBatch {
    RejectedBatch { error: Box::new(error), signed: signed.clone(), place: place(signed, digest) }
}

fn place(signed: &SignedBatch, digest: Hash) -> LaneTip {
    LaneTip { lane: signed.batch.lane, seq: signed.batch.seq, tip: digest }
}

fn check_owner(
    signed: &SignedBatch,
    digest: Hash,
    committee: &Committee,
    scheme: &impl Scheme,
) -> Result<(), BatchError> {
    let Batch { epoch, lane, seq, .. } = signed.batch;
    if epoch != committee.epoch {
        return Err(BatchError::Epoch { given: epoch.get(), expected: committee.epoch.get() });
    }
    let index = u16::try_from(lane).map_err(|_| BatchError::Lane { lane })?;
    let owner = committee.set.get(ValidatorIndex::new(index)).ok_or(BatchError::Lane { lane })?;
    let hash = BatchHead { epoch, lane, seq, digest }.sign_hash(&committee.chain);
    if scheme.verify(&owner.key, &hash, &signed.signature) || seeded(Canary::BatchUnverified) {
        Ok(())
    } else {
        Err(BatchError::Signature { lane })
    }
}

/// What the signatures of a transaction are worth.
type Verdict = Result<Verified<SignedTransaction>, TransactionError>;
type Content = (Vec<SignedTransaction>, Arc<Vec<Hash>>, Share);

/// Everything about a batch but signatures.
fn check_content(signed: &SignedBatch, committee: &Committee, limits: &LimitParams) -> Result<Content, BatchError> {
    let batch = &signed.batch;
    if batch.chain != committee.chain {
        return Err(BatchError::Chain { given: batch.chain });
    }
    if batch.seq == 0 || (batch.seq == 1) != (batch.previous == Hash::ZERO) {
        return Err(BatchError::Place { seq: batch.seq });
    }
    if batch.transactions.is_empty() {
        return Err(BatchError::Empty);
    }
    let mut transactions = Vec::with_capacity(batch.transactions.len().min(BATCH_TRANSACTIONS_MAX));
    for (index, bytes) in batch.transactions.iter().enumerate() {
        let decoded = SignedTransaction::from_bytes(bytes, &committee.chain);
        let transaction = decoded.map_err(|error| BatchError::Transaction { index, error })?;
        let (gas, max) = (transaction.body().gas_limit, limits.transaction_gas_max);
        if gas > max {
            return Err(BatchError::Gas { index, gas, max });
        }
        transactions.push(transaction);
    }
    let size = size_of_batch(signed, &transactions);
    let max = Share::of(limits, committee.set.count()).of_batch();
    if !size.fits(&max) {
        return Err(BatchError::TooLarge { size, max });
    }
    let mut seen = BTreeSet::new();
    let ids: Vec<Hash> = transactions.iter().map(SignedTransaction::id).collect();
    if let Some(index) = ids.iter().position(|id| !seen.insert(*id)) {
        return Err(BatchError::Twice { index });
    }
    Ok((transactions, Arc::new(ids), size))
}

/// The transactions of a batch, if all of their signatures are good.
fn all_good(verdicts: impl Iterator<Item = Verdict>) -> Result<Vec<SignedTransaction>, BatchError> {
    verdicts
        .enumerate()
        .map(|(index, verdict)| match verdict {
            Ok(transaction) => Ok(transaction.into_inner()),
            Err(error) => Err(BatchError::Transaction { index, error }),
        })
        .collect()
}

fn size_of_batch(signed: &SignedBatch, transactions: &[SignedTransaction]) -> Share {
    Share {
        bytes: u64::try_from(encoded_len(signed)).unwrap_or(u64::MAX),
        transactions: u64::try_from(transactions.len()).unwrap_or(u64::MAX),
        gas: transactions.iter().fold(0, |sum, transaction| sum.saturating_add(transaction.body().gas_limit)),
    }
}

#[cfg(test)]
mod tests;
