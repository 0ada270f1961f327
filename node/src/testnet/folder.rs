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
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::dev_keys;
use super::error::TestnetError;
use super::identity::ProcessId;
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
/// Bytes of the path of a Unix socket that every system takes (104 on macOS, 108 on Linux).
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// How long a process may take between its fork and its program.
const STARTING_MAX: Duration = Duration::from_millis(500);

const DESCRIPTION: &str = "testnet.json";
const LOCK: &str = "testnet.lock";
const RECORD: &str = "run.json";
const GENESIS: &str = "genesis.json";
const KEYS: &str = "keys";

/// What a network is. It does not change, but for its ports.
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
        let layout = Layout(match &options.dir {
            Some(dir) => std::path::absolute(dir).map_err(io_error("find", dir))?,
            None => temporary()?,
        });
        files::create_folder(&layout.0, Access::Secret)?;
        layout.refuse_foreign()?;
        let lock = layout.lock()?;
        let taken = Self::prepare(&layout, options, lock);
        if taken.is_err() && !layout.at(DESCRIPTION).exists() {
            // Of a network that could not be made nothing stays. A folder that holds more than our lock does.
            let _kept = fs::remove_file(layout.at(LOCK)).and_then(|()| fs::remove_dir(&layout.0));
        }
        taken
    }

    fn prepare(layout: &Layout, options: &Options, lock: File) -> Result<Self, TestnetError> {
        layout.sweep()?;
        let kept = layout.description()?;
        let is_new = kept.is_none();
        let description = kept.map_or_else(|| Ok(new(options)), |kept| resumed(layout, kept, options))?;
        let ports = ports::choose(description.base_port, description.validators)?;
        let genesis = if is_new { layout.make(&description, &ports)? } else { layout.moved_genesis(&ports)? };
        layout.write(DESCRIPTION, &description)?;
        Ok(Self { layout: layout.clone(), description, genesis, ports, _lock: lock })
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
        let gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        if self.description.is_ephemeral {
            return gone(fs::remove_dir_all(&self.layout.0)).map_err(io_error("remove", &self.layout.0));
        }
        let record = self.layout.at(RECORD);
        gone(fs::remove_file(&record)).map_err(io_error("remove", &record))
    }
}

impl Layout {
    /// The folder of a network that exists.
    pub(super) fn existing(dir: &Path) -> Result<Self, TestnetError> {
        let path = std::path::absolute(dir).map_err(io_error("find", dir))?;
        if path.join(DESCRIPTION).exists() || path.join(LOCK).exists() {
            return Ok(Self(path));
        }
        Err(TestnetError::NoTestnet { folder: path })
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
        let _lock = self.lock()?;
        self.sweep()?;
        if self.description()?.is_some_and(|description| description.is_ephemeral) {
            fs::remove_dir_all(&self.0).map_err(io_error("remove", &self.0))?;
        }
        Ok(())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn refuse_foreign(&self) -> Result<(), TestnetError> {
        let mut entries = fs::read_dir(&self.0).map_err(io_error("list", &self.0))?;
        if entries.next().is_some() && !self.at(DESCRIPTION).exists() && !self.at(LOCK).exists() {
            return Err(TestnetError::Foreign { folder: self.0.clone() });
        }
        Ok(())
    }

    fn lock(&self) -> Result<File, TestnetError> {
        let path = self.at(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        // A process that another thread is just starting holds copies of our files for a moment, also of a lock that
        // was given back; it is not somebody else.
        let mut taken = Ok(());
        Patience::of(STARTING_MAX).until(|| {
            taken = flock(&file, FlockOperation::NonBlockingLockExclusive);
            taken != Err(rustix::io::Errno::WOULDBLOCK)
        });
        match taken {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(TestnetError::InUse { folder: self.0.clone() }),
            Err(errno) => Err(io_error("lock", &path)(errno.into())),
        }
    }

    /// Ends the nodes of a supervisor that is gone. They end by themselves when it does; those that do not are killed.
    fn sweep(&self) -> Result<(), TestnetError> {
        let Some(record) = self.record()? else { return Ok(()) };
        let orphans: Vec<&ProcessId> = record.nodes.iter().filter_map(|node| node.process.as_ref()).collect();
        let gone = || orphans.iter().all(|orphan| !orphan.is_alive());
        if !Patience::of(ORPHANS_MAX).until(gone) {
            for orphan in &orphans {
                orphan.signal(Signal::KILL).map_err(io_error("end the processes of", &self.0))?;
            }
            Patience::of(ORPHANS_MAX).until(gone);
        }
        for path in [Some(self.at(RECORD)), record.control].into_iter().flatten() {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &path)(error)),
                _ => {}
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
        self.write_genesis(network.builder().build()?.document().clone(), ports)
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

fn temporary() -> Result<PathBuf, TestnetError> {
    let made = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir();
    Ok(made.map_err(io_error("make a folder in", &std::env::temp_dir()))?.keep())
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
        base_port: options.base_port.unwrap_or(BASE_PORT_DEFAULT),
        is_ephemeral: options.is_ephemeral,
    }
}

/// The network that is there, if it is the one that was asked for. Only ports may differ.
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
    if options.is_ephemeral && !kept.is_ephemeral {
        return Err(differs("data", &"that is kept", &"removed at the end"));
    }
    Ok(Description { base_port: options.base_port.unwrap_or(kept.base_port), ..kept })
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TestnetError {
    move |source| TestnetError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
