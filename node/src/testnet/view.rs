//! A network and its nodes as callers see them; the same in the library, on the control socket and in JSON.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Its folder.
    pub dir: PathBuf,
    /// The chain's name.
    pub chain_id: String,
    /// The hash of its genesis document.
    pub genesis_hash: String,
    /// The genesis document.
    pub genesis: PathBuf,
    /// Its nodes, by index.
    pub nodes: Vec<NodeView>,
    /// Its funded accounts, by index.
    pub accounts: Vec<AccountView>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// What it is: `validator`.
    pub role: String,
    /// Where it is asked: `http://127.0.0.1:PORT`.
    pub rpc: String,
    /// Where other nodes reach it.
    pub p2p: SocketAddr,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Its folder.
    pub home: PathBuf,
}

/// A funded account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// Its address.
    pub address: String,
    /// The file with its key.
    pub key: PathBuf,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Which node.
    #[serde(flatten)]
    pub node: NodeView,
    /// Whether its process runs.
    pub state: NodeState,
    /// The exit code, if it ended with one.
    pub exit_code: Option<i32>,
    /// The number of the signal, if it ended by one and was not killed.
    pub exit_signal: Option<i32>,
    /// What it says of itself; none if it does not answer.
    #[serde(flatten)]
    pub answer: Option<NodeAnswer>,
}

/// Whether a node's process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeState {
    /// It runs.
    Running,
    /// It is stopped by a signal and can go on.
    Paused,
    /// It was killed.
    Killed,
    /// It ended by itself, or by another signal, as a process does that aborts.
    Exited,
    /// The network is down.
    Stopped,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAnswer {
    /// The last height that it executed, as a decimal number.
    pub height: String,
    /// The root of the state after it.
    pub state_root: String,
    /// Peers that it is connected to.
    pub peers: u32,
    /// Peers that there should be.
    pub peers_expected: u32,
}

impl NodeState {
    /// The state as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Killed => "killed",
            Self::Exited => "exited",
            Self::Stopped => "stopped",
        }
    }
}
