//! A node's configuration: what may differ from one node to the next without changing what the chain means.
//!
//! A value comes from the command line, else from the environment, else from the file, else it is the built-in one.
//! The file is TOML. A key that is not known is an error, so that a misspelt one does not pass in silence.

mod history;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use althing_ledger::Retention;
use serde::Deserialize;

pub use self::history::History;
use crate::files::{self, FileError};

/// Bytes of a configuration file at most.
const CONFIG_BYTES_MAX: usize = 256 * 1024;
/// What every variable of the environment begins with that stands for a configuration value.
pub const ENVIRONMENT_PREFIX: &str = "ALTHING_";

/// The address of the public window unless something else is said.
const RPC_ADDR_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 26_600);

/// A node's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Files that a node needs. Relative paths are relative to the home folder.
    pub files: FilesConfig,
    /// The public window.
    pub rpc: RpcConfig,
    /// The network between the nodes.
    pub p2p: P2pConfig,
    /// The ledger's store and the logs.
    pub storage: StorageConfig,
    /// What is written to standard error.
    pub log: LogConfig,
}

/// Files that a node needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesConfig {
    /// The genesis document.
    pub genesis: PathBuf,
    /// The validator's key.
    pub validator_key: PathBuf,
    /// The node's key: its identity on the network. A chain of one validator needs none.
    pub node_key: PathBuf,
    /// A file with the password of the keys, if they are encrypted.
    pub password: Option<PathBuf>,
    /// The data folder.
    pub data: PathBuf,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            genesis: "config/genesis.json".into(),
            validator_key: "config/validator_key.pem".into(),
            node_key: "config/node_key.pem".into(),
            password: None,
            data: "data".into(),
        }
    }
}

/// The public window.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpcConfig {
    /// Where it listens. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// Names under which browsers may reach it, beside loopback and the address itself.
    pub allowed_hosts: Vec<String>,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self { addr: RPC_ADDR_DEFAULT, allowed_hosts: Vec::new() }
    }
}

/// The network between the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct P2pConfig {
    /// Where other nodes connect to. Without it, the port of the validator's own address in the genesis document: on
    /// loopback where that address is loopback, else on all interfaces. Port 0 takes a free one.
    pub addr: Option<SocketAddr>,
    /// Where other nodes are reached, by their names in the genesis document, where that differs from the document:
    /// `/ip4/192.0.2.7/tcp/26700` or `/dns/host.example/tcp/26700`.
    pub peers: BTreeMap<String, String>,
}

/// The ledger's store and the logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// Memory that the store uses to keep what was read lately, in MiB. 8 to 65,536; default 64.
    pub cache_mib: u32,
    /// How much of the past is kept: `archive`, `window:BLOCKS`, `window` or `latest`. Default `window`.
    pub history: History,
    /// How a node gets to the chain's end that is far from it: `replay` or `snapshot`. Default: `replay` for an archive, which
    /// has to have the past, else `snapshot`.
    pub join: Option<Join>,
    /// By how many blocks another node must be ahead for a snapshot to be fetched. Default 1,000.
    pub join_behind: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { cache_mib: 64, history: History::default(), join: None, join_behind: 1_000 }
    }
}

impl StorageConfig {
    /// How a node gets to the chain's end that is far from it.
    pub fn join(&self) -> Join {
        let by_history = if self.history.retention() == Retention::Archive { Join::Replay } else { Join::Snapshot };
        self.join.unwrap_or(by_history)
    }
}

/// How a node gets to the end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// It fetches and executes every block.
    Replay,
    /// It fetches the state of a certified height, and executes the blocks above it. What is below it never has.
    Snapshot,
}

/// What is written to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Which events: a level, or directives such as `info,althing_node=debug`.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        // What strangers and peers do wrong on the ports is counted, and is no event of this node. A directive holds
        // for all targets that begin with it, so the second is for every crate of libp2p.
        let filter = "info,libp2p=error,libp2p_gossipsub=off,jsonrpsee_core=error,jsonrpsee_server=error";
        Self { filter: filter.to_owned(), format: LogFormat::Human }
    }
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text each.
    Human,
    /// A JSON object each.
    Json,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no configuration.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A variable of the environment is no valid value.
    #[error("the variable {name} of the environment: {message}")]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A value is out of its range.
    #[error("{key} is {given}, it must be {range}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        given: String,
        /// What is allowed.
        range: &'static str,
    },
}

impl Config {
    /// Reads the file, if there is one, and then the environment. `variables` are the environment's; those that begin
    /// with [`ENVIRONMENT_PREFIX`] and hold a double underscore stand for values: `ALTHING_RPC__ADDR` is `rpc.addr`.
    pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut table = match files::read(path, CONFIG_BYTES_MAX) {
            Ok(bytes) => parse(path, &bytes)?,
            Err(FileError::Missing { .. }) => toml::Table::new(),
            Err(error) => return Err(error.into()),
        };
        for (name, value) in variables {
            insert_variable(&mut table, &name, &value)?;
        }
        let config: Self = table.try_into().map_err(|error: toml::de::Error| syntax(path, &error))?;
        config.check()
    }

    /// The configuration, if every value is within its range.
    pub fn check(self) -> Result<Self, ConfigError> {
        if !(8..=65_536).contains(&self.storage.cache_mib) {
            let given = self.storage.cache_mib.to_string();
            return Err(ConfigError::Range { key: "storage.cache_mib", given, range: "8 to 65536" });
        }
        Ok(self)
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<toml::Table, ConfigError> {
    let not_text = |_| ConfigError::Syntax { path: path.to_owned(), message: "this is no text".to_owned() };
    let text = str::from_utf8(bytes).map_err(not_text)?;
    // Reading it as a configuration first gives errors with their line.
    toml::from_str::<Config>(text).map_err(|error| syntax(path, &error))?;
    toml::from_str(text).map_err(|error| syntax(path, &error))
}

fn syntax(path: &Path, error: &toml::de::Error) -> ConfigError {
    ConfigError::Syntax { path: path.to_owned(), message: error.to_string().trim_end().to_owned() }
}

/// Puts a variable of the environment in its place. Others than `ALTHING_<SECTION>__<KEY>` are not ours.
fn insert_variable(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some((section, key)) = name.strip_prefix(ENVIRONMENT_PREFIX).and_then(|rest| rest.split_once("__")) else {
        return Ok(());
    };
    // A value is TOML where it can be, so that numbers and lists work, and else a text.
    let document: Result<toml::Table, _> = toml::from_str(&format!("value = {value}"));
    let parsed = document.ok().and_then(|mut document| document.remove("value"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let section = table.entry(section.to_ascii_lowercase()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let section = section.as_table_mut().ok_or_else(|| ConfigError::Environment {
        name: name.to_owned(),
        message: "the file holds a value where a section should be".to_owned(),
    })?;
    section.insert(key.to_ascii_lowercase(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("config.toml");
        std::fs::write(&path, text).expect("it can be written");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(&path, variables.collect::<Vec<_>>().into_iter())
    }

    #[test]
    fn without_a_file_every_value_is_the_built_in_one() {
        let config = Config::load(Path::new("/nonexistent/config.toml"), std::iter::empty()).expect("valid");
        assert_eq!(config, Config::default());
        assert_eq!(config.rpc.addr.to_string(), "127.0.0.1:26600");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = "[rpc]\naddr = \"127.0.0.1:1\"\nallowed_hosts = [\"a.example\"]\n[storage]\ncache_mib = 16\n";
        let variables = [
            ("ALTHING_RPC__ADDR", "127.0.0.1:2"),
            ("ALTHING_LOG__FORMAT", "json"),
            ("ALTHING_HOME", "/elsewhere"),
            ("PATH", "/bin"),
        ];
        let config = load(text, &variables).expect("valid");
        assert_eq!(config.rpc.addr.to_string(), "127.0.0.1:2");
        assert_eq!(config.rpc.allowed_hosts, ["a.example"]);
        assert_eq!(config.storage.cache_mib, 16);
        assert_eq!(config.log.format, LogFormat::Json);
        let config = load("", &[("ALTHING_STORAGE__CACHE_MIB", "32")]).expect("valid");
        assert_eq!(config.storage.cache_mib, 32);
    }

    #[test]
    fn a_misspelt_key_a_wrong_value_and_one_out_of_range_are_refused_by_name() {
        let cases = [
            ("[rpc]\nadr = \"127.0.0.1:1\"\n", "adr"),
            ("[rpcs]\naddr = \"127.0.0.1:1\"\n", "rpcs"),
            ("[rpc]\naddr = \"nowhere\"\n", "addr"),
            ("[rpc\n", "line 1"),
            ("[storage]\ncache_mib = 1\n", "storage.cache_mib"),
            ("[storage]\nhistory = \"window:1\"\n", "64 blocks or more"),
        ];
        for (text, named) in cases {
            let error = load(text, &[]).expect_err(text).to_string();
            assert!(error.contains(named), "{text:?} gives {error}");
        }
        assert!(load("", &[("ALTHING_RPC__ADR", "x")]).expect_err("misspelt").to_string().contains("adr"));
    }
}
