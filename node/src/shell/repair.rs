//! `althing repair`: what of a stopped node's data folder is damaged, and making room for what others have.
//!
//! Examining changes nothing. Repairing deletes nothing: what is damaged gets another name, `db.damaged-1` for instance, and
//! what takes its place is such that the next start goes on from there: an empty ledger, which the start fills from peers as that
//! of any node that is behind; a log of votes that says that its votes are lost; a log of batches that is empty.
//!
//! # What must not be forgotten
//!
//! Nothing but the ledger shows that the logs of a validator reach to their end (D6, D10). Who takes a ledger away must
//! therefore have held the logs against it. Where its head cannot be read, the operator says that the logs are those of
//! the last run, or gives the votes up. An empty log of batches is safe where the ledger has batches of this lane, which
//! keep it silent, and where the votes are given up, which does as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use althing_consensus::{Record, refuse_log_behind};
use althing_genesis::Genesis;
use althing_ledger::{Head, LedgerError, Reader, SPACES};
use althing_storage::{LogError, RocksOptions, RocksStore, SegmentedLog, StoreContent, StoreError};
use althing_types::{Epoch, Hash, Height, LaneTip, SignedBatch, Tag};

use super::data_folder::{Binding, DataError, DataFolder, Owner};
use super::past::{Recovery, recover_in};
use super::start::{BATCHES, StartError, VOTES, decoded, open_log};
use crate::config::Config;

/// What the engine writes of a file that is gone, or that the disk cannot give back.
const UNREADABLE: [&str; 2] = ["No such file", "Input/output error"];

/// A part of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What binds the folder to its chain and node.
    Version,
    /// The ledger's store.
    Store,
    /// The log of votes.
    Votes,
    /// The log of batches.
    Batches,
}

impl Part {
    /// Its name in the folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Store => "db",
            Self::Votes => VOTES,
            Self::Batches => BATCHES,
        }
    }
}

/// How a part was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is whole; what it holds.
    Whole(String),
    /// It is damaged, or not what it must be; how.
    Damaged(String),
    /// It is not there.
    Missing,
}

impl State {
    /// Whether something has to be done about it.
    pub const fn is_bad(&self) -> bool {
        !matches!(self, Self::Whole(_))
    }
}

/// What an operator says before something is repaired.
#[derive(Clone, Copy, Debug, Default)]
pub struct Word {
    /// No other process votes with this key, and none will: the votes may be given up.
    pub gives_votes_up: bool,
    /// The logs are those of the node's last run.
    pub vouches_for_logs: bool,
    /// What was damaged is deleted at the end.
    pub discards: bool,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// What was set aside, under its new name.
    pub set_aside: Vec<PathBuf>,
    /// Whether the store is an empty one now.
    pub is_emptied: bool,
    /// What came of giving the votes up.
    pub recovery: Option<Recovery>,
    /// Whether the log of batches was begun anew.
    pub lost_batches: bool,
}

/// Why nothing was repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Examining failed, or the disk did.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Nobody else has the chain.
    #[error("{} is damaged, and a chain of one validator has nobody who could bring it back", part.display())]
    Alone {
        /// What is damaged.
        part: PathBuf,
    },
    /// The votes have to be given up, and the operator did not say so.
    #[error(
        "{why}, so this validator must forget what it voted: it will not vote until enough others have proven where they are"
    )]
    Votes {
        /// Why they have to be.
        why: &'static str,
    },
    /// Nothing shows whether the logs are whole, and the operator did not say so.
    #[error(
        "the last block of the damaged store cannot be read, so nothing shows whether the logs of votes and batches reach to their end"
    )]
    Unwitnessed,
}

/// A data folder that was examined and is held by this process.
#[derive(Debug)]
pub struct Examined<'a> {
    genesis: &'a Genesis,
    config: &'a Config,
    folder: DataFolder,
    /// How each part was found.
    pub parts: Vec<(Part, State)>,
    /// The last block of the ledger, if it can be read.
    head: Option<Arc<Head>>,
    /// Whether the log of votes can be read, whatever it says.
    has_records: bool,
    /// Whether the ledger has batches of this lane that the log does not reach up to (D6).
    lacks_batches: bool,
}

impl From<DataError> for RepairError {
    fn from(error: DataError) -> Self {
        Self::Start(error.into())
    }
}

/// Examines the data folder of a node that does not run. Nothing in it is changed, with one exception unless `only_look` is
/// set: what a start would do first, ending a change of stores and dropping a commit that a power failure cut short.
///
/// # Errors
///
/// If the folder is in use, of another chain, node or version, if there is none, or if the disk fails.
pub fn examine<'a>(
    genesis: &'a Genesis,
    owner: Owner,
    data: &Path,
    config: &'a Config,
    only_look: bool,
    progress: impl FnMut(usize, usize, &StoreContent),
) -> Result<Examined<'a>, StartError> {
    let (folder, binding) = DataFolder::take(data, &genesis.hash(), owner)?;
    folder.refuse_fork()?;
    if !only_look {
        folder.settle()?;
    }
    let mut found =
        Examined { genesis, config, folder, parts: Vec::new(), head: None, has_records: false, lacks_batches: false };
    let store = found.store(only_look, progress)?;
    let (votes, batches) = match owner {
        Owner::Validator(_) => (Some(found.votes(&binding)?), Some(found.batches(&binding)?)),
        Owner::Observer(_) => (None, None),
    };
    let is_ours = match owner {
        Owner::Validator(_) => found.has_records || matches!(batches, Some(State::Whole(_))),
        Owner::Observer(_) => found.head.is_some(),
    };
    let version = version(&found.folder, binding, is_ours)?;
    let parts =
        [(Part::Version, Some(version)), (Part::Store, Some(store)), (Part::Votes, votes), (Part::Batches, batches)];
    found.parts = parts.into_iter().filter_map(|(part, state)| Some((part, state?))).collect();
    Ok(found)
}

/// How the version file was found. One that says something else is damaged where the logs, whose every segment is
/// bound to chain and key, show that the folder is this node's; else the folder is another's, and refused.
fn version(folder: &DataFolder, binding: Binding, is_ours: bool) -> Result<State, DataError> {
    match binding {
        Binding::Fits => Ok(State::Whole("it names this chain and this node".to_owned())),
        Binding::Missing if is_ours => Ok(State::Missing),
        Binding::Missing => Err(DataError::NotBegun { folder: folder.path().to_owned() }),
        // A number is another version's, unless nothing else could have written it.
        Binding::Differs(DataError::Version { folder, found, known }) if found.parse::<u32>().is_ok() => {
            Err(DataError::Version { folder, found, known })
        }
        Binding::Differs(error) if is_ours => Ok(State::Damaged(error.to_string())),
        Binding::Differs(error) => Err(error),
    }
}

impl Examined<'_> {
    /// Whether nothing has to be done.
    pub fn is_whole(&self) -> bool {
        !self.parts.iter().any(|(_, state)| state.is_bad())
    }

    /// Does what can be done without anybody else, and makes room for what others have.
    ///
    /// # Errors
    ///
    /// [`RepairError::Alone`], [`RepairError::Votes`] and [`RepairError::Unwitnessed`] before anything is changed; else what the
    /// disk says. Repairing again goes on from there.
    pub fn repair(self, word: Word) -> Result<Repaired, RepairError> {
        let gives_up = self.must_forget(word)?;
        let mut done = Repaired::default();
        if self.is_bad(Part::Version) {
            self.set_aside(Part::Version, &mut done)?;
        }
        if self.is_bad(Part::Store) {
            self.empty_store(&mut done)?;
        }
        if let Owner::Validator(key) = self.folder.owner() {
            if self.is_bad(Part::Votes) && !self.has_records {
                self.set_aside(Part::Votes, &mut done)?;
            }
            if self.is_bad(Part::Batches) {
                self.set_aside(Part::Batches, &mut done)?;
                done.lost_batches = true;
            }
            if gives_up {
                done.recovery = Some(recover_in(&self.folder, self.genesis, &key, self.config)?);
            }
            let _begun = open_log(BATCHES, &self.folder, self.genesis, &key)?;
        }
        self.folder.bind(&self.genesis.hash())?;
        if word.discards {
            for path in done.set_aside.drain(..) {
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(|source| DataError::Io { action: "remove", path, source })?;
            }
        }
        Ok(done)
    }

    /// Whether the votes have to be given up.
    fn must_forget(&self, word: Word) -> Result<bool, RepairError> {
        let Owner::Validator(_) = self.folder.owner() else { return Ok(false) };
        let bad = [Part::Store, Part::Votes, Part::Batches].into_iter().find(|part| self.is_bad(*part));
        let Some(bad) = bad else { return Ok(false) };
        if self.genesis.validators().len() == 1 {
            return Err(RepairError::Alone { part: self.folder.path().join(bad.name()) });
        }
        let is_emptied = self.is_bad(Part::Store);
        let may_repeat = if self.is_bad(Part::Batches) {
            is_emptied || !self.keeps_lane_silent()
        } else {
            is_emptied && self.lacks_batches
        };
        let why = if self.is_bad(Part::Votes) {
            "the log of votes is lost"
        } else if may_repeat {
            "batches that this validator signed are lost, and nothing would keep it from signing others in their place"
        } else if is_emptied && self.head.is_none() && !word.vouches_for_logs {
            return if word.gives_votes_up { Ok(true) } else { Err(RepairError::Unwitnessed) };
        } else {
            return Ok(false);
        };
        if word.gives_votes_up { Ok(true) } else { Err(RepairError::Votes { why }) }
    }

    /// Whether a mempool with this ledger and an empty log knows that it lacks batches of its own (D6).
    fn keeps_lane_silent(&self) -> bool {
        self.committed_tip().is_some_and(|(_, tip)| tip.seq > 0)
    }

    /// The newest batch of this validator that its ledger has, of the epoch of the next block.
    fn committed_tip(&self) -> Option<(Epoch, LaneTip)> {
        let (Owner::Validator(key), Some(head)) = (self.folder.owner(), &self.head) else { return None };
        let me = u32::from(self.genesis.validator_set().index_of(&key)?.get());
        let tip = head.cut.iter().find(|tip| tip.lane == me)?;
        Some((head.header.epoch_above(), *tip))
    }

    fn is_bad(&self, part: Part) -> bool {
        self.parts.iter().any(|(found, state)| *found == part && state.is_bad())
    }

    /// Puts an empty ledger in the place of the store, which is set aside. The new one is whole before the old one moves.
    fn empty_store(&self, done: &mut Repaired) -> Result<(), RepairError> {
        self.folder.forget_fresh()?;
        let store =
            RocksStore::open(&self.folder.fresh(), SPACES, RocksOptions::default()).map_err(StartError::from)?;
        let ledger = althing_ledger::Ledger::open(Arc::new(store.clone()), self.genesis).map_err(StartError::from)?;
        store.flush().map_err(StartError::from)?;
        drop((ledger, store));
        self.set_aside(Part::Store, done)?;
        self.folder.take_fresh()?;
        done.is_emptied = true;
        Ok(())
    }

    fn set_aside(&self, part: Part, done: &mut Repaired) -> Result<(), RepairError> {
        done.set_aside.extend(self.folder.set_aside(part.name())?);
        Ok(())
    }

    /// How the ledger's store was found. Its head is remembered if it can be read.
    fn store(
        &mut self,
        only_look: bool,
        progress: impl FnMut(usize, usize, &StoreContent),
    ) -> Result<State, StartError> {
        let db = self.folder.db();
        if only_look && !db.exists() && self.folder.is_between_stores()? {
            return Ok(State::Whole(
                "one store was about to take the place of another; the next start ends that".to_owned(),
            ));
        }
        if !self.folder.has_ledger()? {
            return Ok(State::Missing);
        }
        if RocksStore::ends_torn(&db)? {
            if only_look {
                let what = "a power failure, or damage, cut its last record short: the next start, or `althing repair` \
                            without --check, drops that and shows how the rest is";
                return Ok(State::Damaged(what.to_owned()));
            }
            // As the next start would. What it cannot open shows below.
            drop(RocksStore::open(&db, SPACES, RocksOptions::default()));
        }
        let opened = RocksStore::open_read_only(&db, SPACES, RocksOptions::default());
        let store = match opened.map_err(LedgerError::from) {
            Ok(store) => Arc::new(store),
            Err(error) => return damaged(error),
        };
        let reader = match Reader::open(store.clone(), &self.genesis.hash()) {
            Ok(reader) => reader,
            Err(error) => return damaged(error),
        };
        let head = reader.head();
        self.head = Some(head.clone());
        let read = store.read_all(progress).map_err(LedgerError::from);
        match read.and_then(|content| refuse_missing(&reader, head.header.height).map(|()| content)) {
            Ok(StoreContent { entries, bytes }) => {
                Ok(State::Whole(format!("height {}, {entries} entries of {bytes} bytes read", head.header.height)))
            }
            Err(error) => damaged(error),
        }
    }

    fn votes(&mut self, binding: &Binding) -> Result<State, StartError> {
        let records: Vec<Record> = match self.records(Tag::VoteLog, VOTES, &self.folder.votes(), binding)? {
            Ok(records) => records,
            Err(state) => return Ok(state),
        };
        if records.is_empty() {
            return Ok(State::Damaged("not even its beginning is there".to_owned()));
        }
        self.has_records = true;
        let behind = self.head.as_ref().map(|head| {
            refuse_log_behind(&records, head.header.epoch_above(), head.view).map_err(|error| error.to_string())
        });
        match behind {
            Some(Err(why)) => Ok(State::Damaged(format!("{why}: it was cut off, or is an older copy"))),
            _ => Ok(State::Whole(format!("{} records", records.len()))),
        }
    }

    fn batches(&mut self, binding: &Binding) -> Result<State, StartError> {
        let records = self.records::<SignedBatch>(Tag::BatchLog, BATCHES, &self.folder.batches(), binding)?;
        let batches = match records {
            Ok(batches) => batches,
            Err(state) => return Ok(state),
        };
        self.lacks_batches = self.committed_tip().is_some_and(|(epoch, tip)| {
            let own = batches.iter().filter(|signed| (signed.batch.epoch, signed.batch.lane) == (epoch, tip.lane));
            own.map(|signed| signed.batch.seq).max().unwrap_or(0) < tip.seq
        });
        Ok(State::Whole(format!("{} batches", batches.len())))
    }

    /// The records of a log, or how it was found.
    fn records<T: borsh::BorshDeserialize + borsh::BorshSerialize>(
        &self,
        tag: Tag,
        name: &'static str,
        path: &Path,
        binding: &Binding,
    ) -> Result<Result<Vec<T>, State>, StartError> {
        let identity = *Hash::to_sign(tag, &self.genesis.hash(), self.folder.owner().key()).as_bytes();
        let records = match SegmentedLog::read(path, &identity) {
            Ok(Some(records)) => records,
            Ok(None) => return Ok(Err(State::Missing)),
            Err(error @ LogError::Corrupt { .. }) => return Ok(Err(State::Damaged(error.to_string()))),
            // Another's log in a folder of this node.
            Err(error @ LogError::WrongIdentity { .. }) if matches!(binding, Binding::Fits) => {
                return Ok(Err(State::Damaged(error.to_string())));
            }
            Err(error) => return Err(StartError::Log { name, error }),
        };
        Ok(decoded(name, &records).map_err(|error| State::Damaged(error.to_string())))
    }
}

/// Whether an error of the store means that it is damaged. Another version or chain, a process that uses it and a disk that
/// does not let us in are none.
fn damaged(error: LedgerError) -> Result<State, StartError> {
    let is_damage = match &error {
        LedgerError::Corrupt { .. } | LedgerError::Store(StoreError::Corrupt { .. }) => true,
        LedgerError::Store(error @ StoreError::Io { .. }) => {
            let text = error.to_string();
            UNREADABLE.iter().any(|what| text.contains(what))
        }
        _ => false,
    };
    match error {
        error if is_damage => Ok(State::Damaged(error.to_string())),
        LedgerError::Store(error) => Err(error.into()),
        error => Err(error.into()),
    }
}

/// Fails if a block that must be kept, or what came of it, is not there or not linked to the next one.
fn refuse_missing(reader: &Reader<RocksStore>, head: Height) -> Result<(), LedgerError> {
    let mut height = reader.earliest().max(Height::ZERO.next());
    let mut below = None;
    while height <= head {
        let block = reader.block(height)?.ok_or(LedgerError::Corrupt { what: "a block is missing" })?;
        if below.is_some_and(|below| below != block.header.parent) {
            return Err(LedgerError::Corrupt { what: "a block does not follow the one below it" });
        }
        if reader.stored_results(height)?.is_none() {
            return Err(LedgerError::Corrupt { what: "the results of a block are missing" });
        }
        below = Some(block.header.id());
        height = height.next();
    }
    Ok(())
}
