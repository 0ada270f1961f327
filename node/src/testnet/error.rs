//! Why a development network cannot do what it was asked: one sentence, a symbol for scripts, and a remedy.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use althing_genesis::GenesisError;

use crate::keys::{FileError, KeyStoreError};

/// Why a development network cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TestnetError {
    /// A number is out of its bounds.
    #[error("{what} is {given}, it must be {range}")]
    Range {
        /// What it counts.
        what: &'static str,
        /// The number.
        given: u64,
        /// What is allowed.
        range: String,
    },
    /// The folder is somebody else's.
    #[error("{} holds files and is no testnet", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// The path of the folder cannot be written to the network's files and answers, which are JSON.
    #[error("the path {} is no text in UTF-8", path.display())]
    NoText {
        /// The path.
        path: PathBuf,
    },
    /// There is no network in the folder.
    #[error("there is no testnet in {}", folder.display())]
    NoTestnet {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds a network that was made otherwise.
    #[error("{} holds a testnet with {what} {kept}, not {given}", folder.display())]
    Differs {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the network was made with.
        kept: String,
        /// What was asked for.
        given: String,
    },
    /// Another process runs the network.
    #[error("another process runs the testnet in {}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A node of an earlier supervisor goes on, and nobody recorded which process it is.
    #[error("a process that was left behind still uses {}", home.display())]
    Left {
        /// The node's home folder.
        home: PathBuf,
    },
    /// Nobody runs the network.
    #[error("the testnet in {} is not running", folder.display())]
    NotRunning {
        /// The folder.
        folder: PathBuf,
    },
    /// A port is taken.
    #[error("port {port}, {purpose}, is in use by another process")]
    PortInUse {
        /// The port.
        port: u16,
        /// What it is for.
        purpose: String,
    },
    /// A port cannot be used for another reason.
    #[error("cannot listen on port {port}, {purpose}: {source}")]
    Port {
        /// The port.
        port: u16,
        /// What it is for.
        purpose: String,
        /// What the system said.
        source: io::Error,
    },
    /// No free ports were found.
    #[error("no {needed} free ports were found")]
    NoPorts {
        /// How many are needed.
        needed: usize,
    },
    /// There is no such node.
    #[error("there is no node {asked}; the nodes are {}", names.join(", "))]
    UnknownNode {
        /// What was asked for.
        asked: String,
        /// Those that there are.
        names: Vec<String>,
    },
    /// The node is in a state in which this makes no sense.
    #[error("{node} {state}")]
    NodeState {
        /// The node.
        node: String,
        /// What it is, as the end of a sentence.
        state: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A node ended while it should have become ready.
    #[error("{node} ended with {how} before it was ready")]
    Ended {
        /// The node.
        node: String,
        /// How it ended.
        how: String,
        /// The end of what it wrote.
        log: Vec<String>,
        /// Where all of it is.
        path: PathBuf,
    },
    /// Some nodes did not become ready in time.
    #[error("after {} s, not ready: {}", patience.as_secs(), waiting.join(", "))]
    NotReady {
        /// How long they had.
        patience: Duration,
        /// Those nodes, with what is missing.
        waiting: Vec<String>,
        /// The end of what the first of them wrote.
        log: Vec<String>,
    },
    /// Whoever asked wants it no longer.
    #[error("interrupted; the testnet is down")]
    Interrupted,
    /// A file of the network holds what we did not write.
    #[error("{}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The genesis document of the network is not valid.
    #[error("the genesis document of the testnet: {0}")]
    Genesis(#[from] GenesisError),
    /// A key of the network cannot be written.
    #[error("a key of the testnet: {0}")]
    Key(#[from] KeyStoreError),
    /// A file of the network cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no room for what we need.
    #[error("cannot start {what}: {source}")]
    System {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The process that runs the network refused, or ended.
    #[error("{message}")]
    Refused {
        /// Its symbol.
        symbol: String,
        /// Its sentence.
        message: String,
        /// Its remedy.
        hint: Option<String>,
    },
}

impl TestnetError {
    /// What scripts look for; `docs/cli.md` lists these.
    pub fn symbol(&self) -> &str {
        match self {
            Self::Range { .. } | Self::Differs { .. } | Self::NoText { .. } => "USAGE",
            Self::Foreign { .. } => "NOT_A_TESTNET",
            Self::NoTestnet { .. } => "TESTNET_NOT_FOUND",
            Self::InUse { .. } | Self::Left { .. } => "TESTNET_IN_USE",
            Self::NotRunning { .. } => "TESTNET_NOT_RUNNING",
            Self::PortInUse { .. } => "PORT_IN_USE",
            Self::Port { .. } | Self::NoPorts { .. } => "LISTEN",
            Self::UnknownNode { .. } => "UNKNOWN_NODE",
            Self::NodeState { .. } => "NODE_STATE",
            Self::Ended { .. } => "NODE_ENDED",
            Self::NotReady { .. } => "NODE_NOT_READY",
            Self::Interrupted => "INTERRUPTED",
            Self::Malformed { .. } => "TESTNET_INVALID",
            Self::Genesis(_) => "GENESIS_INVALID",
            Self::Key(_) | Self::File(_) | Self::Io { .. } | Self::System { .. } => "IO",
            Self::Refused { symbol, .. } => symbol,
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Foreign { .. } => "give --dir with an empty folder, or with one that `testnet up` made",
            Self::NoText { .. } => "give --dir with a folder whose whole path is UTF-8",
            Self::NoTestnet { .. } => "make one with `althing testnet up`, or give its folder with --dir",
            Self::Differs { .. } => "leave the option out to resume that testnet, or give another --dir for a new one",
            Self::InUse { .. } => "see `althing testnet status`, or give another --dir for a second testnet",
            Self::Left { .. } => "wait until it has ended, or end it: its command line names that folder",
            Self::NotRunning { .. } => "start it with `althing testnet up`",
            Self::PortInUse { .. } | Self::Port { .. } => {
                "stop what listens there, or give another --base-port; --base-port 0 takes free ones"
            }
            Self::NoPorts { .. } => "stop some of the programs that listen on this machine, or give --base-port",
            Self::UnknownNode { .. } => "name a node by its name or by its number",
            Self::NodeState { remedy, .. } => remedy,
            Self::Ended { path, .. } => return Some(format!("all that it wrote is in {}", path.display())),
            Self::NotReady { .. } => "try again with a longer --ready-timeout; a machine that is busy may need it",
            Self::Malformed { .. } => "remove the folder and start a new testnet",
            Self::Key(_) | Self::File(_) | Self::Io { .. } => "look at the disk and at the permissions of the folder",
            Self::Refused { hint, .. } => return hint.clone(),
            Self::Range { .. } | Self::Interrupted | Self::Genesis(_) | Self::System { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// The last lines that a node wrote, where they explain the failure.
    pub fn log(&self) -> &[String] {
        match self {
            Self::Ended { log, .. } | Self::NotReady { log, .. } => log,
            _ => &[],
        }
    }
}
