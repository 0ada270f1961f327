//! A block: its header is final, and its results are certified.

use althing_rpc::api::{BlockAnswer, Decimal, Hex};
use althing_types::{ChainProof, Committee, Ed25519, Hash, Header, Height};

use super::{Unverified, Verification, certified_summary, check_encoding, decoded, refused, same};

/// Which block was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBlock {
    /// The latest one, whichever that is.
    Latest,
    /// The one of this height.
    Height(Height),
    /// The one with this hash.
    Hash(Hash),
}

/// Checks header and result in the answer of `chain_getBlock`; nothing else in it is covered by the proof. Without
/// certified results, which follow a moment later, only the header is checked, and the verification has no state root.
pub fn verify_block(
    answer: &BlockAnswer,
    asked: AskedBlock,
    committee: &Committee,
) -> Result<Verification, Unverified> {
    let proof = answer.proof.as_ref().ok_or(Unverified::NoProof)?;
    check_encoding(&proof.encoding)?;
    let chain: ChainProof = decoded("the chain", &proof.chain)?;
    let header = chain.verify(&Ed25519, committee).map_err(|error| refused("the header", error))?.into_inner();
    check_header(answer, header)?;
    match asked {
        AskedBlock::Latest => {}
        AskedBlock::Height(height) => same("the height that was asked for", header.height, height)?,
        AskedBlock::Hash(hash) => same("the block that was asked for", header.id(), hash)?,
    }
    let Some(summary) = &proof.summary else {
        return Ok(Verification {
            height: header.height,
            block: header.id(),
            state_root: None,
            view: chain.finalization.vote.view,
            certified_height: chain.headers.last().map_or(header.height, |last| last.height),
            signers: committee.set.quorums().notarize(),
        });
    };
    let (summary, verification) = certified_summary(summary, committee)?;
    same("the height of the results", summary.height, header.height)?;
    same("the block of the results", summary.block, header.id())?;
    let said = answer.result;
    same("the state root", said.state_root.0, summary.state_root)?;
    same("the root of the transactions", said.tx_root.0, summary.tx_root)?;
    same("the root of the receipts", said.receipts_root.0, summary.receipts_root)?;
    same("the number of transactions", said.tx_count, summary.tx_count)?;
    same("the gas used", said.gas_used, Decimal(summary.gas_used))?;
    Ok(verification)
}

fn check_header(answer: &BlockAnswer, shown: &Header) -> Result<(), Unverified> {
    let said = &answer.header;
    same("the block's hash", said.block_hash.0, shown.id())?;
    same("the height", said.height, Decimal(shown.height))?;
    same("the time", said.time, Decimal(shown.time))?;
    same("the epoch", said.epoch, Decimal(shown.epoch))?;
    same("the proposer", said.proposer, shown.proposer.get())?;
    same("the executed height", said.executed_height, Decimal(shown.executed_height))?;
    let hashes: [(&str, &Hex<_>, _); 7] = [
        ("the parent", &said.parent_hash, shown.parent),
        ("the validators", &said.validators_hash, shown.validators),
        ("the next validators", &said.next_validators_hash, shown.next_validators),
        ("the parameters", &said.params_hash, shown.params),
        ("the lanes", &said.lanes_root, shown.lanes_root),
        ("the results", &said.results_root, shown.results_root),
        ("the evidence", &said.evidence_root, shown.evidence_root),
    ];
    hashes.into_iter().try_for_each(|(what, said, shown)| same(what, said.0, shown))
}
