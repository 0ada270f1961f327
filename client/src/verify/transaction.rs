//! A transaction and its receipt: both stand in a certified block, at the same place.

use althing_rpc::api::{Decimal, TransactionAnswer, TransactionStatus};
use althing_types::{
    Committee, DEPLOY_BYTES_MAX, Hash, InclusionProof, Receipt, SignedTransaction, decode, encode, leaf_hash,
};

use super::{Unverified, Verification, certified_summary, check_encoding, decoded, same};

/// Checks the answer of `tx_get` for a final transaction; returns what was checked, and the receipt as it is certified.
pub fn verify_transaction(
    answer: &TransactionAnswer,
    id: Hash,
    committee: &Committee,
) -> Result<(Verification, Receipt), Unverified> {
    let proof = answer.proof.as_ref().ok_or(Unverified::NoProof)?;
    check_encoding(&proof.encoding)?;
    let (summary, verification) = certified_summary(&proof.summary, committee)?;
    let missing = |what: &str| Unverified::Missing { what: what.to_owned() };
    let bytes = &answer.tx.as_ref().ok_or_else(|| missing("the transaction's bytes"))?.0;
    let transaction: SignedTransaction =
        decode(bytes, DEPLOY_BYTES_MAX).map_err(|error| Unverified::Decode { what: "the transaction", error })?;
    same("the transaction's id", id, transaction.id())?;
    let at: InclusionProof = decoded("the transaction's place", &proof.tx_inclusion)?;
    at.verify(&leaf_hash(bytes), &summary.tx_root)
        .map_err(|error| Unverified::Inclusion { what: "transaction", error })?;
    let receipt: Receipt = decoded("the receipt", &proof.receipt)?;
    let receipt_at: InclusionProof = decoded("the receipt's place", &proof.receipt_inclusion)?;
    receipt_at
        .verify(&leaf_hash(&proof.receipt.0), &summary.receipts_root)
        .map_err(|error| Unverified::Inclusion { what: "receipt", error })?;
    same("the receipt's place", receipt_at.index, at.index)?;
    // Another count would let one leaf stand at two places.
    same("the number of transactions", at.count, summary.tx_count)?;
    same("the number of receipts", receipt_at.count, summary.tx_count)?;
    same("the transaction that the answer is about", answer.tx_id.0, id)?;
    same("the receipt's transaction", receipt.tx_id, id)?;
    check_words(answer, &receipt, at.index, summary.height)?;
    Ok((verification, receipt))
}

/// Compares what the answer says in words with the certified receipt.
fn check_words(
    answer: &TransactionAnswer,
    receipt: &Receipt,
    index: u32,
    height: althing_types::Height,
) -> Result<(), Unverified> {
    let missing = |what: &str| Unverified::Missing { what: what.to_owned() };
    if answer.status != TransactionStatus::Finalized {
        return Err(missing("that the transaction is final"));
    }
    let said = answer.receipt.as_ref().ok_or_else(|| missing("the receipt"))?;
    // The number of a status is the first byte of its encoding.
    same("the status", said.code, encode(&receipt.status).first().copied().unwrap_or(u8::MAX))?;
    same("the gas used", said.gas_used, Decimal(receipt.gas_used))?;
    same("the place", answer.index.unwrap_or(u32::MAX), index)?;
    same("the height", answer.height.unwrap_or_default(), Decimal(height))
}
