//! The folder of a network: what it is, its keys and its document, who runs it, and the lock that one process holds.
//!
//! A network is made once; its file `testnet.json` is written last, so that a folder with it is complete. Whoever runs
//! the network holds `testnet.lock`, which the system releases however that process ends, and records the processes in
//! `run.json`. Whoever takes the lock next ends what an earlier one left behind: by the recorded start, never by number
//! alone.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use althing_genesis::{DOCUMENT_BYTES_MAX, DevNetwork, DevRole, Document, Genesis, Host, P2pAddress};
use althing_types::TimeMs;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::dev_keys;
use super::error::TestnetError;
use super::identity::ProcessId;
use super::lock::{self, STARTING_MAX};
use super::log;
use super::options::{
    ACCOUNTS_DEFAULT, ACCOUNTS_MAX, BASE_PORT_DEFAULT, Options, SEED_BYTES_MAX, SEED_DEFAULT, VALIDATORS_DEFAULT,
    VALIDATORS_MAX,
};
use super::patience::Patience;
use super::ports::{self, Ports};
use crate::files::{self, Access, Existing, FileError};

/// The form of the files. It rises when a field changes its meaning or goes away.
const FORM: u32 = 1;
/// Bytes of such a file at most; the largest holds a few lines for each of [`VALIDATORS_MAX`] nodes.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// The name of the chain.
const CHAIN_ID: &str = "dev";
/// What the names of temporary folders begin with.
const TEMPORARY_PREFIX: &str = "althing-testnet-";
/// How long nodes that lost their supervisor may take to end by themselves before they are killed. They end when their
/// input closes, which was at that moment.
const ORPHANS_MAX: Duration = Duration::from_secs(5);
/// How long one may take that was not recorded, so that it cannot be killed: it ends where it stands 15 s after its input
/// closed (`shell/leash.rs`), and until it looks at its input it may still have to start.
const UNKNOWN_MAX: Duration = Duration::from_secs(20);
/// Bytes of the path of a Unix socket that every system takes (104 on macOS, 108 on Linux).
const SOCKET_PATH_BYTES_MAX: usize = 100;

const DESCRIPTION: &str = "testnet.json";
const LOCK: &str = "testnet.lock";
const RECORD: &str = "run.json";
const GENESIS: &str = "genesis.json";
const KEYS: &str = "keys";

/// What a network is. It does not change, but for its ports, and that it may be kept after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Description {
    form: u32,
    /// The text that all keys are derived from.
    pub(super) seed: String,
    /// Validators.
    pub(super) validators: u16,
    /// Funded accounts.
    pub(super) accounts: u16,
    /// Whether all but p notarize votes make a block final.
    #[serde(default)]
    pub(super) fast_path: bool,
    /// The port of the first node's JSON-RPC; 0 for free ones at each start.
    pub(super) base_port: u16,
    /// Whether the folder is removed at the end.
    pub(super) is_ephemeral: bool,
}

/// Who runs a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Record {
    form: u32,
    /// The process that holds the lock.
    pub(super) supervisor: ProcessId,
    /// Where it takes commands, once it does.
    pub(super) control: Option<PathBuf>,
    /// The nodes, by index.
    pub(super) nodes: Vec<NodeRecord>,
}

/// A node that runs or ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NodeRecord {
    /// Its JSON-RPC port.
    pub(super) rpc: u16,
    /// Its p2p port.
    pub(super) p2p: u16,
    /// Its process, if it has one.
    pub(super) process: Option<ProcessId>,
}

/// The folder of a network that this process runs. The lock goes with the process, however it ends.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) layout: Layout,
    pub(super) description: Description,
    pub(super) genesis: Genesis,
    pub(super) ports: Vec<Ports>,
    _lock: File,
}

/// What is where in the folder of a network.
#[derive(Clone, Debug)]
pub(super) struct Layout(PathBuf);

impl Folder {
    /// Takes the folder and makes the network, or resumes the one that is there. Ends processes that an earlier
    /// supervisor left behind.
    pub(super) fn take(options: &Options) -> Result<Self, TestnetError> {
        check(options)?;
        let Some(dir) = &options.dir else {
            // A temporary folder goes with this value, unless a network came of it; then it goes with the network.
            let temporary = temporary()?;
            let taken = Self::take_at(temporary.path(), options)?;
            let _dir = temporary.keep();
            return Ok(taken);
        };
        Self::take_at(dir, options)
    }

    fn take_at(dir: &Path, options: &Options) -> Result<Self, TestnetError> {
        let layout = Layout::of(dir)?;
        let lock = layout.lock(&|| {
            files::create_folder(&layout.0, Access::Secret)?;
            layout.refuse_foreign()
        })?;
        let prepared = Self::prepare(&layout, options);
        if prepared.is_err() && layout.at(DESCRIPTION).try_exists().is_ok_and(|exists| !exists) {
            layout.unmake();
        }
        let (description, ports, genesis) = prepared?;
        Ok(Self { layout, description, genesis, ports, _lock: lock })
    }

    fn prepare(layout: &Layout, options: &Options) -> Result<(Description, Vec<Ports>, Genesis), TestnetError> {
        layout.sweep()?;
        let kept = layout.description()?;
        let is_new = kept.is_none();
        let description = kept.map_or_else(|| Ok(new(options)), |kept| resumed(layout, kept, options))?;
        let ports = ports::choose(description.base_port, description.validators)?;
        let genesis = if is_new { layout.make(&description, &ports)? } else { layout.moved_genesis(&ports)? };
        layout.write(DESCRIPTION, &description)?;
        Ok((description, ports, genesis))
    }

    /// Records who runs the network, for those who come later.
    pub(super) fn record(&self, control: Option<&Path>, processes: &[Option<ProcessId>]) -> Result<(), TestnetError> {
        let nodes = self.ports.iter().zip(processes);
        let nodes =
            nodes.map(|(ports, process)| NodeRecord { rpc: ports.rpc, p2p: ports.p2p, process: process.clone() });
        let record = Record {
            form: FORM,
            supervisor: ProcessId::own(),
            control: control.map(Path::to_path_buf),
            nodes: nodes.collect(),
        };
        self.layout.write(RECORD, &record)
    }

    /// Nobody runs the network any more. What is to be removed at the end is removed.
    pub(super) fn close(&self) -> Result<(), TestnetError> {
        if self.description.is_ephemeral {
            return self.layout.remove();
        }
        let record = self.layout.at(RECORD);
        gone(fs::remove_file(&record)).map_err(io_error("remove", &record))
    }
}

impl Layout {
    /// What is where in this folder, whether there is a network or not.
    fn of(dir: &Path) -> Result<Self, TestnetError> {
        let path = std::path::absolute(dir).map_err(io_error("find", dir))?;
        if path.to_str().is_some() { Ok(Self(path)) } else { Err(TestnetError::NoText { path }) }
    }

    /// The folder of a network that exists.
    pub(super) fn existing(dir: &Path) -> Result<Self, TestnetError> {
        let layout = Self::of(dir)?;
        if layout.at(DESCRIPTION).exists() || layout.at(LOCK).exists() {
            return Ok(layout);
        }
        Err(TestnetError::NoTestnet { folder: layout.0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn genesis(&self) -> PathBuf {
        self.at(GENESIS)
    }

    /// The home folder of a node.
    pub(super) fn home(&self, index: usize) -> PathBuf {
        self.0.join(format!("node-{index}"))
    }

    /// The key of a validator, a node or an account.
    pub(super) fn key(&self, role: DevRole, index: u16) -> PathBuf {
        dev_keys::path(&self.at(KEYS), role, index)
    }

    /// Where the process that runs the network takes commands. The path of a socket is short by nature, so that of a
    /// folder with a long name is elsewhere.
    pub(super) fn socket(&self) -> PathBuf {
        let here = self.at("control.sock");
        if here.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return here;
        }
        std::env::temp_dir().join(format!("{TEMPORARY_PREFIX}{}.sock", std::process::id()))
    }

    pub(super) fn description(&self) -> Result<Option<Description>, TestnetError> {
        self.read(DESCRIPTION, |description: &Description| description.form)
    }

    /// Who runs the network, or ran it and ended without a word.
    pub(super) fn record(&self) -> Result<Option<Record>, TestnetError> {
        self.read(RECORD, |record: &Record| record.form)
    }

    /// Who runs the network now.
    pub(super) fn running(&self) -> Result<Option<Record>, TestnetError> {
        Ok(self.record()?.filter(|record| record.supervisor.is_alive()))
    }

    /// Ends what a supervisor that is gone left behind. Does nothing while one is there.
    pub(super) fn clean(&self) -> Result<(), TestnetError> {
        let _lock = match self.lock(&|| Ok(())) {
            // Whoever had the lock removed it with all the rest.
            Err(_) if !self.0.exists() => return Ok(()),
            lock => lock?,
        };
        self.sweep()?;
        match self.description()? {
            Some(description) if description.is_ephemeral => self.remove(),
            _ => Ok(()),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn refuse_foreign(&self) -> Result<(), TestnetError> {
        // Of one listing: a network that is being removed has its lock until nothing else is left.
        let entries = match fs::read_dir(&self.0) {
            // It was removed at this moment; whoever opens the lock sees that, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(io_error("list", &self.0))?,
        };
        let mut is_empty = true;
        for entry in entries {
            let name = entry.map_err(io_error("list", &self.0))?.file_name();
            if name == DESCRIPTION || name == LOCK {
                return Ok(());
            }
            is_empty = false;
        }
        if !is_empty {
            return Err(TestnetError::Foreign { folder: self.0.clone() });
        }
        Ok(())
    }

    /// Takes the lock. What must be so before each attempt is left to the caller, because who held it may have removed
    /// all that is here.
    fn lock(&self, before: &dyn Fn() -> Result<(), TestnetError>) -> Result<File, TestnetError> {
        let path = self.at(LOCK);
        let attempt = || {
            before()?;
            let file = match File::options().create(true).truncate(false).write(true).open(&path) {
                // The folder was removed at this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened.map_err(io_error("open", &path))?,
            };
            lock::take(file, &path).map_err(io_error("lock", &path))
        };
        let mut taken = Ok(None);
        Patience::of(STARTING_MAX).until(|| {
            taken = attempt();
            !matches!(taken, Ok(None))
        });
        taken?.ok_or_else(|| TestnetError::InUse { folder: self.0.clone() })
    }

    /// Removes what was begun of a network that could not be made; what cannot be removed is replaced by the next
    /// attempt. The lock goes last, and stays where anything else does: without it the folder would be somebody else's.
    /// Where a node has run there was a network once, and its document stays.
    fn unmake(&self) {
        if self.home(0).exists() {
            return;
        }
        let _left = fs::remove_dir_all(self.at(KEYS));
        let _left = fs::remove_file(self.at(GENESIS));
        let entries = fs::read_dir(&self.0).map(|entries| entries.flatten().filter(|entry| entry.file_name() != LOCK));
        if entries.is_ok_and(|mut others| others.next().is_none()) {
            // The folder stays if somebody begins anew in it at this moment, or if a disk is mounted there.
            let _left = fs::remove_file(self.at(LOCK)).and_then(|()| fs::remove_dir(&self.0));
        }
    }

    /// Removes the network, the lock last: whoever waits for that must not find half of a network.
    fn remove(&self) -> Result<(), TestnetError> {
        use io::ErrorKind::{DirectoryNotEmpty, NotADirectory, ResourceBusy};
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(io_error("list", &self.0))?,
        };
        for entry in entries {
            let entry = entry.map_err(io_error("list", &self.0))?;
            let (path, is_folder) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
            if entry.file_name() != LOCK {
                let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                gone(removed).map_err(io_error("remove", &path))?;
            }
        }
        gone(fs::remove_file(self.at(LOCK))).map_err(io_error("remove", &self.at(LOCK)))?;
        match fs::remove_dir(&self.0) {
            // Somebody began anew in it at this moment, a disk is mounted there, or a link leads there.
            Err(error) if matches!(error.kind(), DirectoryNotEmpty | ResourceBusy | NotADirectory) => Ok(()),
            removed => gone(removed).map_err(io_error("remove", &self.0)),
        }
    }

    /// Ends the nodes of a supervisor that is gone. They end by themselves when it does; those that do not are killed.
    fn sweep(&self) -> Result<(), TestnetError> {
        let record = self.record()?;
        let nodes = record.iter().flat_map(|record| &record.nodes);
        let orphans: Vec<&ProcessId> = nodes.filter_map(|node| node.process.as_ref()).collect();
        let all_ended = || orphans.iter().all(|orphan| !orphan.is_alive());
        if !Patience::of(ORPHANS_MAX).until(all_ended) {
            for orphan in &orphans {
                orphan.signal(Signal::KILL).map_err(io_error("end the processes of", &self.0))?;
            }
            Patience::of(ORPHANS_MAX).until(all_ended);
        }
        self.wait_for_unknown(UNKNOWN_MAX)?;
        let control = record.and_then(|record| record.control);
        for path in [Some(self.at(RECORD)), control].into_iter().flatten() {
            gone(fs::remove_file(&path)).map_err(io_error("remove", &path))?;
        }
        Ok(())
    }

    /// Waits for nodes that were started and not recorded, because their supervisor was killed in between. Their logs
    /// show them.
    fn wait_for_unknown(&self, patience: Duration) -> Result<(), TestnetError> {
        for home in (0..usize::from(VALIDATORS_MAX)).map(|index| self.home(index)) {
            let path = log::path(&home);
            if path.exists() && log::hold(&home, patience).map_err(io_error("open", &path))?.is_none() {
                return Err(TestnetError::Left { home });
            }
        }
        Ok(())
    }

    /// Makes the keys and the document of a new network.
    fn make(&self, description: &Description, ports: &[Ports]) -> Result<Genesis, TestnetError> {
        let network = DevNetwork {
            chain_id: CHAIN_ID.to_owned(),
            seed: description.seed.clone(),
            validators: description.validators,
            accounts: description.accounts,
            observers: 0,
            p2p_base_port: ports.first().map_or(0, |ports| ports.p2p),
            time: TimeMs::new(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()),
        };
        dev_keys::write(&network, &self.at(KEYS), Existing::Replace)?;
        self.write_genesis(network.builder().fast_path(description.fast_path).build()?.document().clone(), ports)
    }

    /// The document of a network that exists, with the ports of this time. The genesis hash does not cover them.
    fn moved_genesis(&self, ports: &[Ports]) -> Result<Genesis, TestnetError> {
        let document = Document::parse(&files::read(&self.genesis(), DOCUMENT_BYTES_MAX)?)?;
        self.write_genesis(document, ports)
    }

    fn write_genesis(&self, mut document: Document, ports: &[Ports]) -> Result<Genesis, TestnetError> {
        let localhost = Host::Ip4(std::net::Ipv4Addr::LOCALHOST);
        for (entry, ports) in document.validators.iter_mut().zip(ports) {
            if let Some(address) = P2pAddress::new(localhost.clone(), ports.p2p) {
                entry.p2p_addr = address.to_string();
            }
        }
        let genesis = Genesis::new(document)?;
        let text = genesis.document().to_json();
        files::write(&self.genesis(), text.as_bytes(), Access::Public, Existing::Replace)?;
        Ok(genesis)
    }

    fn read<T: DeserializeOwned>(&self, name: &str, form: impl Fn(&T) -> u32) -> Result<Option<T>, TestnetError> {
        let path = self.at(name);
        let bytes = match files::read(&path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(FileError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let malformed = |message: String| TestnetError::Malformed { path: path.clone(), message };
        let value = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        match form(&value) {
            FORM => Ok(Some(value)),
            other => Err(malformed(format!("it has form {other}, this program knows form {FORM}"))),
        }
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), TestnetError> {
        let path = self.at(name);
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| TestnetError::Malformed { path: path.clone(), message: error.to_string() })?;
        Ok(files::write(&path, format!("{text}\n").as_bytes(), Access::Public, Existing::Replace)?)
    }
}

fn temporary() -> Result<TempDir, TestnetError> {
    let made = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir();
    made.map_err(io_error("make a folder in", &std::env::temp_dir()))
}

/// What was to be removed and is not there is removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn check(options: &Options) -> Result<(), TestnetError> {
    let counts = [("--validators", options.validators, VALIDATORS_MAX), ("--accounts", options.accounts, ACCOUNTS_MAX)];
    for (what, given, max) in counts {
        if let Some(given) = given.filter(|given| !(1..=max).contains(given)) {
            return Err(TestnetError::Range { what, given: given.into(), range: format!("1 to {max}") });
        }
    }
    match options.seed.as_ref().map(String::len).filter(|bytes| *bytes > SEED_BYTES_MAX) {
        Some(bytes) => Err(TestnetError::Range {
            what: "the length of --seed",
            given: u64::try_from(bytes).unwrap_or(u64::MAX),
            range: format!("at most {SEED_BYTES_MAX} bytes"),
        }),
        None => Ok(()),
    }
}

fn new(options: &Options) -> Description {
    Description {
        form: FORM,
        seed: options.seed.clone().unwrap_or_else(|| SEED_DEFAULT.to_owned()),
        validators: options.validators.unwrap_or(VALIDATORS_DEFAULT),
        accounts: options.accounts.unwrap_or(ACCOUNTS_DEFAULT),
        fast_path: options.fast_path.unwrap_or(true),
        base_port: options.base_port.unwrap_or(BASE_PORT_DEFAULT),
        is_ephemeral: options.is_ephemeral,
    }
}

/// The network that is there, if it is the one that was asked for. Only ports may differ. One that was to be removed at
/// the end, and was left behind when its supervisor was killed, is kept from now on unless it is asked for as such: what
/// somebody resumes without a word about its end may be needed.
fn resumed(layout: &Layout, kept: Description, options: &Options) -> Result<Description, TestnetError> {
    let differs = |what, kept: &dyn ToString, given: &dyn ToString| TestnetError::Differs {
        folder: layout.0.clone(),
        what,
        kept: kept.to_string(),
        given: given.to_string(),
    };
    if let Some(given) = options.validators.filter(|given| *given != kept.validators) {
        return Err(differs("--validators", &kept.validators, &given));
    }
    if let Some(given) = options.accounts.filter(|given| *given != kept.accounts) {
        return Err(differs("--accounts", &kept.accounts, &given));
    }
    if let Some(given) = options.seed.as_ref().filter(|given| **given != kept.seed) {
        return Err(differs("--seed", &kept.seed, given));
    }
    if let Some(given) = options.fast_path.filter(|given| *given != kept.fast_path) {
        let word = |is_on| if is_on { "on" } else { "off" };
        return Err(differs("--fast-path", &word(kept.fast_path), &word(given)));
    }
    if options.is_ephemeral && !kept.is_ephemeral {
        return Err(differs("data", &"that is kept", &"removed at the end"));
    }
    let base_port = options.base_port.unwrap_or(kept.base_port);
    Ok(Description { base_port, is_ephemeral: options.is_ephemeral, ..kept })
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TestnetError {
    move |source| TestnetError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
