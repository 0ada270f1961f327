//! Before a node starts: whether it is so far from the end of the chain that it fetches a snapshot, and fetching it.
//!
//! Nothing of the node runs meanwhile but its network, through which it asks; it answers nobody, shows no window and signs
//! nothing. The snapshot is built in a folder beside the ledger's, which takes the ledger's place once it is whole. Whatever ends
//! the process in between, the next start goes on from there.
//!
//! A node asks if it is configured to, and if the last block that it has, be it that of genesis, is older than peers that prune
//! must keep.
//! If nobody has a snapshot that is far enough ahead, or nobody helps for a while, it starts with what it has.

mod fetching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use althing_consensus::{Record, refuse_log_behind};
use althing_genesis::Genesis;
use althing_ledger::{Head, Ledger, LedgerError, Reader, Restored, SPACES};
use althing_network::{Class, Misbehaviour, Network, Options, Receiver, Topic, Verdict};
use althing_storage::{AppendLog as _, RocksOptions, RocksStore, StoreError};
use althing_types::{Certificate, Finalization, Hash, Height, PublicKey, encode};
use tokio::runtime::Runtime;

use self::fetching::{Ended, Fetching};
use super::clock::Clock;
use super::company::Company;
use super::data_folder::{DataError, DataFolder, Owner};
use super::follow::{Source, Sources};
use super::p2p;
use super::start::{StartError, VOTES, decoded, open_log, sources};
use crate::audit::{Archive, Source as _};
use crate::backup::{self, Backup, BackupError};
use crate::config::{Config, Join};
use crate::snapshot::{self, SnapshotError, SnapshotFile};

/// How long a node without a ledger waits for somebody to ask.
const NEW_PATIENCE: Duration = Duration::from_secs(5);
/// How long one with a ledger does.
const OLD_PATIENCE: Duration = Duration::from_secs(2);
/// How often fetching is begun anew before the node starts with what it has: more often than there are likely to be liars.
const TRIES: usize = 16;

/// What is in the folder of a ledger.
enum Found {
    /// No store.
    Nothing,
    /// A store that cannot be read as it is. Whoever opens it to go on mends it, or says what is wrong.
    Unclear,
    /// A ledger with this head.
    Ledger(Arc<Head>),
}

/// What joining needs of a node that is about to start.
pub(super) struct Joining<'a> {
    pub(super) genesis: &'a Genesis,
    pub(super) folder: &'a DataFolder,
    pub(super) config: &'a Config,
    /// The validator's key, if it is one: its log learns what makes the snapshot's height final.
    pub(super) validator: Option<PublicKey>,
}

impl Joining<'_> {
    /// Fetches a snapshot if the node is to have one. When this returns, the ledger's folder is the one to start with.
    /// `network` says with what the node appears on the network, if it has anybody to meet; it is taken down again.
    ///
    /// # Errors
    ///
    /// If a disk fails or the network cannot be set up. Peers that lie or vanish cost time.
    pub(super) fn before_start(
        &self,
        network: impl FnOnce() -> Result<Option<Options>, StartError>,
    ) -> Result<(), StartError> {
        if self.config.storage.join() == Join::Replay {
            // What was begun under another configuration would only grow old.
            return Ok(self.folder.forget_joining()?);
        }
        let clock = Clock::start();
        let Some(height) = self.far_from_the_end(clock)? else { return Ok(self.folder.forget_joining()?) };
        let Some(options) = network()? else { return Ok(()) };
        let runtime = super::start::runtime()?;
        let joined = self.join(&runtime, options, clock, height);
        runtime.shutdown_timeout(Duration::from_secs(2));
        joined
    }

    /// The height of the ledger, if the node may be far from the end of the chain.
    fn far_from_the_end(&self, clock: Clock) -> Result<Option<Height>, StartError> {
        let (height, time) = match self.found()? {
            Found::Nothing => (Height::ZERO, self.genesis.header().time),
            Found::Unclear => return Ok(None),
            Found::Ledger(head) => (head.header.height, head.header.time),
        };
        let kept_ms = 2 * u64::from(self.genesis.params().transactions.max_window_ms);
        let is_old = time.get().saturating_add(kept_ms) < clock.now().wall.get();
        // Of a chain that is younger than that everybody keeps everything: nodes that begin it together wait for nobody.
        Ok(is_old.then_some(height))
    }

    /// What is in the ledger's folder, which is not changed by looking.
    fn found(&self) -> Result<Found, StartError> {
        if !self.folder.has_ledger()? {
            return Ok(Found::Nothing);
        }
        let store = match RocksStore::open_read_only(&self.folder.db(), SPACES, RocksOptions::default()) {
            Err(StoreError::Corrupt { .. }) => return Ok(Found::Unclear),
            store => store?,
        };
        match Reader::open(Arc::new(store), &self.genesis.hash()) {
            Err(LedgerError::Corrupt { .. }) => Ok(Found::Unclear),
            reader => {
                let head = reader?.head();
                self.refuse_old_log(&head)?;
                Ok(Found::Ledger(head))
            }
        }
    }

    /// Refuses a validator's log that is empty, or that the ledger shows to be lost or an older copy (D10): once another ledger is in
    /// this one's place, nobody could tell any more.
    fn refuse_old_log(&self, head: &Head) -> Result<(), StartError> {
        let Some(key) = &self.validator else { return Ok(()) };
        let (_, records) = open_log(VOTES, self.folder, self.genesis, key)?;
        if records.is_empty() {
            return Err(StartError::LostVotes { folder: self.folder.votes() });
        }
        let records: Vec<Record> = decoded(VOTES, &records)?;
        let checked = refuse_log_behind(&records, head.header.epoch_above(), head.view);
        checked.map_err(|error| StartError::Votes(error.into()))
    }

    fn join(&self, runtime: &Runtime, options: Options, clock: Clock, height: Height) -> Result<(), StartError> {
        let company = Arc::new(Company::new());
        let sources = sources(&options);
        let network = runtime.block_on(p2p::start(options, Asking { company: company.clone() }))?;
        let joined = self.fetch(runtime, &network, &company, sources, clock, height);
        runtime.block_on(network.stop());
        match joined? {
            None => {
                tracing::info!(
                    height = height.get(),
                    "no snapshot is needed, or none is to be had; blocks are fetched instead"
                );
                Ok(())
            }
            Some(restored) => {
                self.take(&restored.finalization)?;
                tracing::info!(
                    height = restored.height.get(),
                    state_root = %restored.state_root,
                    entries = restored.entries,
                    bytes = restored.bytes,
                    "joined by a snapshot"
                );
                Ok(())
            }
        }
    }

    fn fetch(
        &self,
        runtime: &Runtime,
        network: &Network,
        company: &Arc<Company>,
        sources: Vec<Source>,
        clock: Clock,
        height: Height,
    ) -> Result<Option<Restored>, StartError> {
        let patience = if height == Height::ZERO { NEW_PATIENCE } else { OLD_PATIENCE };
        let mut fetching = Fetching {
            genesis: self.genesis,
            committee: Arc::new(self.genesis.committee()),
            handle: network.handle(),
            company: company.clone(),
            sources: Sources::new(sources),
            clock,
            least: height.plus(self.config.storage.join_behind.max(1)),
        };
        for _ in 0..TRIES {
            let store = match self.open_store() {
                Err(StoreError::Corrupt { .. } | StoreError::WrongSchema { .. }) => {
                    self.folder.forget_joining()?;
                    self.open_store()?
                }
                store => store?,
            };
            let why = match runtime.block_on(fetching.run(&Arc::new(store.clone()), patience)) {
                Ok(Ended::Built(restored)) => {
                    store.flush()?;
                    return Ok(Some(restored));
                }
                Ok(Ended::NothingToFetch) => {
                    drop(store);
                    self.folder.forget_joining()?;
                    return Ok(None);
                }
                Ok(Ended::Nobody) => {
                    tracing::warn!("nobody helps to fetch the snapshot; the next start goes on with it");
                    return Ok(None);
                }
                Ok(Ended::BeginAnew(why)) => why,
                Err(LedgerError::Corrupt { what }) => what,
                Err(LedgerError::Store(StoreError::Corrupt { .. })) => "what was built is damaged",
                Err(error) => return Err(error.into()),
            };
            tracing::warn!(why, "the snapshot cannot be had to its end; another one is begun");
            drop(store);
            self.folder.forget_joining()?;
        }
        tracing::warn!(times = TRIES, "no snapshot could be had");
        Ok(None)
    }

    /// The store that is built.
    fn open_store(&self) -> Result<RocksStore, StoreError> {
        RocksStore::open(&self.folder.joining(), SPACES, self.store_options())
    }

    fn store_options(&self) -> RocksOptions {
        let cache_bytes = usize::try_from(u64::from(self.config.storage.cache_mib) << 20).unwrap_or(usize::MAX);
        RocksOptions { cache_bytes, ..RocksOptions::default() }
    }

    /// Puts what was built in the ledger's place. The vote log learns first what makes it final: a log that ends below the
    /// ledger would be taken for an older copy (D10), while a ledger that ends below its log catches up.
    fn take(&self, finalization: &Finalization) -> Result<(), StartError> {
        if let Some(key) = &self.validator {
            let failed = |error| StartError::Log { name: VOTES, error };
            let (mut log, records) = open_log(VOTES, self.folder, self.genesis, key)?;
            if records.is_empty() {
                // Whoever wrote into it would make a lost log look like one that is whole.
                return Err(StartError::LostVotes { folder: self.folder.votes() });
            }
            let finalization = Record::Certificate(Certificate::Finalization(finalization.clone()));
            log.append(&encode(&finalization)).and_then(|_| log.sync()).map_err(failed)?;
        }
        Ok(self.folder.take_joined()?)
    }
}

/// The receiver of a node that only asks. What the protocol sends to a validator meanwhile is sent to one that is not there yet:
/// it is dropped, and comes again with the next connection.
struct Asking {
    company: Arc<Company>,
}

impl Receiver for Asking {
    async fn frame(&self, _: &PublicKey, _: Class, _: Vec<u8>) -> Result<(), Misbehaviour> {
        Ok(())
    }

    fn connected(&self, peer: &PublicKey, is_connected: bool) {
        self.company.note(peer, is_connected);
    }

    async fn request(&self, _: &PublicKey, _: Vec<u8>) -> Option<Vec<u8>> {
        None
    }

    async fn gossip(&self, _: &PublicKey, _: Topic, _: Vec<u8>) -> Verdict {
        Verdict::Ignore
    }
}

/// Restores a node's ledger from a snapshot in a file, while the node is stopped.
///
/// # Errors
///
/// If the file does not verify or is not ahead of the ledger, if the folder is not this node's or in use, or if the disk fails.
pub fn restore_snapshot(
    genesis: &Genesis,
    owner: Owner,
    data: &Path,
    config: &Config,
    file: SnapshotFile,
    progress: impl FnMut(u64, u64),
) -> Result<Restored, RestoreFailure> {
    let given = file.summary().height;
    rebuild(genesis, owner, data, config, given, |store| {
        let restored = snapshot::restore(store, genesis, file, progress)?;
        Ok((restored.finalization.clone(), restored))
    })
}

/// What a node's ledger was brought to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredTo {
    /// The last height.
    pub height: Height,
    /// The root of the state after it.
    pub state_root: Hash,
}

/// Restores a node's ledger from a backup, while the node is stopped: the state that it begins with, if there is one, and all
/// blocks, which are executed. `progress` hears of each height, and of the last one.
///
/// # Errors
///
/// As [`restore_snapshot`].
pub fn restore_backup(
    genesis: &Genesis,
    owner: Owner,
    data: &Path,
    config: &Config,
    backup: &Backup,
    mut progress: impl FnMut(Height, Height),
) -> Result<RestoredTo, RestoreFailure> {
    let given = backup.last().map(|(height, _)| height);
    let given = given.ok_or_else(|| BackupError::Nothing { path: backup.folder().to_owned() })?;
    rebuild(genesis, owner, data, config, given, |store| {
        let unverified = |what: String| BackupError::Unverified(what);
        let mut finalization = None;
        if let Some(base) = &backup.base {
            let file = SnapshotFile::open(&base.path, genesis)?;
            let restored = snapshot::restore(store.clone(), genesis, file, |_, _| progress(base.height, given))?;
            finalization = Some(restored.finalization);
        }
        let mut ledger = Ledger::open(store, genesis).map_err(StartError::from)?;
        for segment in &backup.segments {
            let mut archive = Archive::open(&segment.path, genesis).map_err(BackupError::from)?;
            if (archive.first(), archive.last()) != (segment.first, segment.last) {
                let (first, last) = (archive.first(), archive.last());
                let what = format!("{} holds the heights {first} to {last}", segment.path.display());
                return Err(unverified(what).into());
            }
            let last = backup::replay(&mut ledger, &mut archive, genesis, |height| progress(height, given))?;
            finalization = last.or(finalization);
        }
        let head = ledger.head();
        let height = head.header.height;
        let finalization = finalization.filter(|_| height == given);
        let finalization = finalization.ok_or_else(|| unverified(format!("it ends at height {height}")))?;
        Ok((finalization, RestoredTo { height, state_root: head.summary.state_root }))
    })
}

/// Builds another ledger for a stopped node, which takes the place of its own once it is whole, if it ends above that.
fn rebuild<T>(
    genesis: &Genesis,
    owner: Owner,
    data: &Path,
    config: &Config,
    given: Height,
    build: impl FnOnce(Arc<RocksStore>) -> Result<(Finalization, T), RestoreFailure>,
) -> Result<T, RestoreFailure> {
    let folder = DataFolder::open(data, &genesis.hash(), owner).map_err(StartError::from)?;
    let validator = match owner {
        Owner::Validator(key) => {
            folder.refuse_fork().map_err(StartError::from)?;
            folder.refuse_not_begun().map_err(StartError::from)?;
            folder.refuse_lost_logs().map_err(StartError::from)?;
            Some(key)
        }
        Owner::Observer(_) => None,
    };
    let joining = Joining { genesis, folder: &folder, config, validator };
    let ours = match joining.found()? {
        Found::Ledger(head) => head.header.height,
        // Without a ledger nothing shows whether a validator's log is whole; an observer has none.
        Found::Nothing | Found::Unclear if validator.is_some() => {
            return Err(StartError::from(DataError::Lost { folder: data.to_owned(), part: folder.db() }).into());
        }
        Found::Nothing | Found::Unclear => Height::ZERO,
    };
    if given <= ours {
        return Err(SnapshotError::NotAhead { ours, given }.into());
    }
    folder.forget_joining().map_err(StartError::from)?;
    // Whatever ends the process in between, it is begun anew; so nothing is synced before the end.
    let store = RocksStore::open_scratch(&folder.joining(), SPACES, joining.store_options());
    let store = store.map_err(StartError::from)?;
    let built = build(Arc::new(store.clone()));
    let (finalization, built) = match built {
        Ok(built) => built,
        Err(error) => {
            drop(store);
            folder.forget_joining().map_err(StartError::from)?;
            return Err(error);
        }
    };
    store.flush().map_err(StartError::from)?;
    drop(store);
    joining.take(&finalization)?;
    folder.bind(&genesis.hash()).map_err(StartError::from)?;
    Ok(built)
}

/// Why a snapshot in a file, or a backup, was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreFailure {
    /// The backup, or what stands in it.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The file, or what stands in it.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The folder, or the disk.
    #[error(transparent)]
    Start(#[from] StartError),
}
