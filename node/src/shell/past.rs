//! What an operator says of a validator's past, while it is stopped: that it never voted, or that what it voted is lost
//! (rule D10).
//!
//! `node run` never makes a validator's folder, because a folder that is missing looks the same in both cases. Nothing is
//! signed here and nobody is asked; what is written decides what the node does when it starts.

use std::path::Path;

use althing_consensus::{Record, Standing};
use althing_genesis::Genesis;
use althing_storage::{AppendLog as _, LogError};
use althing_types::{Hash, PublicKey, View, encode};

use super::data_folder::{DataFolder, Owner};
use super::start::{BATCHES, StartError, VOTES, decoded, open_ledger, open_log};
use crate::config::Config;

/// What came of letting a validator recover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The height that its ledger has.
    pub height: u64,
    /// The highest view in which the old log held a vote; 0 if none did.
    pub voted: u64,
    /// How many other validators have to prove their views before it votes.
    pub needed: usize,
    /// How many there are.
    pub others: usize,
}

/// Begins the folder of a validator that never voted on this chain. One that was begun only half is begun again.
///
/// # Errors
///
/// If the validator is not one of the chain, the folder was in use, or the disk fails.
pub fn begin(genesis: &Genesis, key: &PublicKey, data: &Path, config: &Config) -> Result<(), StartError> {
    let folder = taken(genesis, key, data)?;
    folder.refuse_begun()?;
    let (_store, ledger) = open_ledger(&folder, genesis, config)?;
    let (mut log, records) = open_log(VOTES, &folder, genesis, key)?;
    let records: Vec<Record> = decoded(VOTES, &records)?;
    let is_new = records.iter().all(|record| matches!(record, Record::Standing(Standing::Whole { .. })));
    if !is_new || ledger.head().header.height.get() > 0 {
        return Err(super::DataError::Begun { folder: data.to_owned() }.into());
    }
    if records.is_empty() {
        let standing = Standing::Whole { question: question()? };
        log.append(&encode(&Record::Standing(standing))).and_then(|_| log.sync()).map_err(failed)?;
    }
    let _batches = open_log(BATCHES, &folder, genesis, key)?;
    Ok(folder.bind(&genesis.hash())?)
}

/// Makes a folder without a trustworthy vote log one of a validator that recovers. What the ledger has stays, and what
/// the log has of others; its own votes are forgotten, and it will vote above them only.
///
/// # Errors
///
/// If the validator is not one of the chain, the folder is in use or holds the proof of a fork, or the disk fails.
pub fn recover_votes(genesis: &Genesis, key: &PublicKey, data: &Path, config: &Config) -> Result<Recovery, StartError> {
    recover_in(&taken(genesis, key, data)?, genesis, key, config)
}

/// The same in a folder that this process holds.
pub(super) fn recover_in(
    folder: &DataFolder,
    genesis: &Genesis,
    key: &PublicKey,
    config: &Config,
) -> Result<Recovery, StartError> {
    let (_store, ledger) = open_ledger(folder, genesis, config)?;
    let (mut log, records) = open_log(VOTES, folder, genesis, key)?;
    let records: Vec<Record> = decoded(VOTES, &records)?;
    let above = records.iter().map(voted_in).max().unwrap_or_default();
    let standing = Record::Standing(Standing::Recovering { question: question()?, above });
    let of_others = records.into_iter().filter(|record| !matches!(record, Record::Vote(_) | Record::Standing(_)));
    let kept: Vec<Vec<u8>> = std::iter::once(standing).chain(of_others).map(|record| encode(&record)).collect();
    log.replace(&kept).and_then(|_| log.sync()).map_err(failed)?;
    let _batches = open_log(BATCHES, folder, genesis, key)?;
    folder.bind(&genesis.hash())?;
    let set = genesis.validator_set();
    let (needed, others) = (usize::from(set.quorums().nullify()), usize::from(set.count()).saturating_sub(1));
    Ok(Recovery { height: ledger.head().header.height.get(), voted: above.get(), needed, others })
}

/// The folder of a validator of the chain.
fn taken(genesis: &Genesis, key: &PublicKey, data: &Path) -> Result<DataFolder, StartError> {
    if genesis.validator_set().index_of(key).is_none() {
        return Err(StartError::NotAValidator { key: *key });
    }
    let folder = DataFolder::open(data, &genesis.hash(), Owner::Validator(*key))?;
    folder.refuse_fork()?;
    Ok(folder)
}

/// The view of a vote of the validator's own that a record tells of.
const fn voted_in(record: &Record) -> View {
    match record {
        Record::Vote(signed) | Record::Standing(Standing::Doubled { vote: Some(signed) }) => signed.vote.view(),
        Record::Standing(Standing::Abstaining { to, .. }) => *to,
        Record::Standing(Standing::Recovering { above, .. }) => *above,
        Record::Standing(Standing::Whole { .. } | Standing::Settled { .. } | Standing::Doubled { vote: None })
        | Record::Certificate(_)
        | Record::Block(_)
        | Record::Evidence(_)
        | Record::Epoch(_) => View::ZERO,
    }
}

/// What the validator will ask the others with.
fn question() -> Result<Hash, StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| StartError::Random)?;
    Ok(Hash::new(bytes))
}

const fn failed(error: LogError) -> StartError {
    StartError::Log { name: VOTES, error }
}
