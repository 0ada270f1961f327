//! Validation of what concerns the chain as a whole: its address prefix and its parameters.

use althing_types::{
    AddressPrefix, BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, ChainParams, ConsensusParams, LimitParams,
    TransactionParams,
};

use crate::document::{ConsensusEntry, Document, LimitsEntry};
use crate::error::{Fault, GenesisError};
use crate::text::{excerpt, parse_u64};

/// The prefix of addresses where the document names none.
const PREFIX: &str = "alt";
/// The same on development networks, so that addresses of the two are not taken for each other.
const PREFIX_DEV: &str = "talt";

/// Ranges of the parameters, least and largest. Those of `ConsensusParams` and `TransactionParams` are the ones that
/// `althing_types` documents.
const DELTA_MS: (u64, u64) = (1, 60_000);
const K: (u64, u64) = (8, 256);
const MAX_CLOCK_SKEW_MS: (u64, u64) = (1, 600_000);
const TRUST_PERIOD_DAYS: (u64, u64) = (1, 3_650);
const MAX_WINDOW_MS: (u64, u64) = (1_000, 3_600_000);
/// A block must be able to hold one full batch, and its bodies must fit what peers send each other.
const BLOCK_BYTES: (u64, u64) = (524_288, 64 * 1024 * 1024);
/// A block must be able to hold the transactions of one full batch.
const BLOCK_TRANSACTIONS: (u64, u64) = (5_000, 1_000_000);
/// One transaction of the largest gas must fit into a block; 60 s of work is more than any view lasts.
const BLOCK_GAS: (u64, u64) = (1_000_000, 60_000_000_000);
/// A transfer with several signatures must be possible.
const TRANSACTION_GAS_MIN: u64 = 1_000_000;

const _: () = assert!(BATCH_BYTES_MAX == 524_288 && BATCH_TRANSACTIONS_MAX == 5_000);

/// The prefix of the chain's addresses.
pub(crate) fn prefix(document: &Document) -> Result<AddressPrefix, GenesisError> {
    let default = if document.dev { PREFIX_DEV } else { PREFIX };
    let text = document.address_prefix.as_deref().unwrap_or(default);
    AddressPrefix::new(text).map_err(|_| {
        let fault = althing_types::AddressError::Prefix { given: excerpt(text) };
        Fault::Address(fault).at("addressPrefix")
    })
}

/// The chain parameters. What depends on the number of validators is checked beside them.
pub(crate) fn params(document: &Document) -> Result<ChainParams, GenesisError> {
    let consensus = consensus(&document.consensus)?;
    let max_window_ms = document.tx.max_window_ms;
    in_range(max_window_ms, MAX_WINDOW_MS, "tx.maxWindowMs")?;
    let limits = limits(&document.limits)?;
    Ok(ChainParams { consensus, transactions: TransactionParams { max_window_ms }, limits })
}

fn consensus(entry: &ConsensusEntry) -> Result<ConsensusParams, GenesisError> {
    in_range(entry.delta_ms, DELTA_MS, "consensus.deltaMs")?;
    let (given, limit) = (u64::from(entry.min_block_interval_ms), u64::from(entry.delta_ms));
    if given > limit {
        return Err(Fault::Above { given, other: "consensus.deltaMs", limit }.at("consensus.minBlockIntervalMs"));
    }
    in_range(entry.k, K, "consensus.k")?;
    in_range(entry.max_clock_skew_ms, MAX_CLOCK_SKEW_MS, "consensus.maxClockSkewMs")?;
    in_range(entry.trust_period_days, TRUST_PERIOD_DAYS, "consensus.trustPeriodDays")?;
    Ok(ConsensusParams {
        delta_ms: entry.delta_ms,
        min_block_interval_ms: entry.min_block_interval_ms,
        k: entry.k,
        max_clock_skew_ms: entry.max_clock_skew_ms,
        trust_period_days: entry.trust_period_days,
    })
}

fn limits(entry: &LimitsEntry) -> Result<LimitParams, GenesisError> {
    in_range(entry.block_bytes_max, BLOCK_BYTES, "limits.blockBytesMax")?;
    in_range(entry.block_transactions_max, BLOCK_TRANSACTIONS, "limits.blockTransactionsMax")?;
    let gas = |text: &str, path: &str| parse_u64(text).map_err(|fault| fault.at(path));
    let block_gas_max = gas(&entry.block_gas_max, "limits.blockGasMax")?;
    in_range(block_gas_max, BLOCK_GAS, "limits.blockGasMax")?;
    let transaction_gas_max = gas(&entry.transaction_gas_max, "limits.transactionGasMax")?;
    in_range(transaction_gas_max, (TRANSACTION_GAS_MIN, BLOCK_GAS.1), "limits.transactionGasMax")?;
    if transaction_gas_max > block_gas_max {
        let fault = Fault::Above { given: transaction_gas_max, other: "limits.blockGasMax", limit: block_gas_max };
        return Err(fault.at("limits.transactionGasMax"));
    }
    Ok(LimitParams {
        block_bytes_max: entry.block_bytes_max,
        block_transactions_max: entry.block_transactions_max,
        block_gas_max,
        transaction_gas_max,
    })
}

fn in_range(given: impl Into<u64>, (min, max): (u64, u64), path: &str) -> Result<(), GenesisError> {
    let given = given.into();
    if (min..=max).contains(&given) { Ok(()) } else { Err(Fault::Range { given, min, max }.at(path)) }
}
