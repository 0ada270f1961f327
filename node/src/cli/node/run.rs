//! `althing node run`: configuration, genesis and key are read and compared; then the node runs until it is told to
//! stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use althing_genesis::{DOCUMENT_BYTES_MAX, Genesis};
use althing_types::{PublicKey, SecretKey};
use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::node::why;
use crate::cli::output::Output;
use crate::cli::{Exit, home_or_default, password};
use crate::config::{Config, History, Join, LogFormat};
use crate::files;
use crate::keys;
use crate::shell::{Identity, Node, NodeOptions, Reason};

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The genesis document [default: HOME/config/genesis.json]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The validator's key [default: HOME/config/validator_key.pem]
    #[arg(long, value_name = "FILE", conflicts_with = "observer")]
    validator_key: Option<PathBuf>,
    /// Follow the chain without voting: the node key is that of an observer in the genesis document
    #[arg(long)]
    observer: bool,
    /// The node's key, its identity on the network [default: HOME/config/node_key.pem]
    #[arg(long, value_name = "FILE")]
    node_key: Option<PathBuf>,
    /// A file whose one line is the password of the keys
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Where the node keeps its data [default: HOME/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where JSON-RPC, health and metrics are served; port 0 takes a free one [default: 127.0.0.1:26600]
    #[arg(long, value_name = "ADDRESS:PORT")]
    rpc_addr: Option<SocketAddr>,
    /// Where other nodes connect to; port 0 takes a free one [default: the port of the validator's address in the
    /// genesis document, on loopback if that address is, else on all interfaces; an observer: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    p2p_addr: Option<SocketAddr>,
    /// How much of the past is kept: archive, window:BLOCKS, window (100,000 blocks) or latest. What is removed can only
    /// be had back from a node that keeps more [default: window]
    #[arg(long, value_name = "MODE")]
    history: Option<History>,
    /// How to get to the end of the chain where it is far: replay every block, or fetch a snapshot of the state and no past
    /// [default: replay with archive, else snapshot]
    #[arg(long, value_name = "HOW")]
    join: Option<Join>,
    /// A configuration file [default: HOME/config/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which events are written to standard error: a level, or directives such as info,althing_node=debug
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
    /// How events are written [default: human]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Serve a development network, whose keys are public, to other machines
    #[arg(long)]
    i_know_this_is_a_devnet: bool,
    /// End when standard input closes, as it does when the process behind it ends
    #[arg(long)]
    until_stdin_closes: bool,
}

impl Run {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let home = home_or_default(home)?;
        let config = self.configuration(&home)?;
        let genesis_path = home.join(&config.files.genesis);
        let genesis = read_genesis(&genesis_path)?;
        self.refuse_public_devnet(&genesis, config.rpc.addr)?;
        let (identity, key_path) = self.identity(&home, &config, &genesis)?;
        let data = home.join(&config.files.data);
        let (chain_id, genesis_hash) = (genesis.chain_id().to_owned(), genesis.hash());
        let options = NodeOptions { genesis, identity, data, config };
        let node = Node::start(options).map_err(|error| why::not_started(&error, &key_path))?;
        if self.until_stdin_closes {
            node.end_with_stdin();
        }
        let rpc = format!("http://{}", node.rpc_addr());
        let p2p = node.p2p_addr().map(|addr| addr.to_string());
        let ready = json!({
            "rpc": rpc, "p2p": p2p, "pid": std::process::id(), "chainId": chain_id, "genesisHash": genesis_hash.to_string(),
        });
        output.either(|| format!("ready: {rpc}/rpc, chain {chain_id}, genesis {genesis_hash}\n"), ready)?;
        match node.wait() {
            Reason::Asked => Ok(Exit::Done),
            reason => Err(why::ended(reason)),
        }
    }

    /// What the node is, with its keys, and where the key is that says so.
    fn identity(&self, home: &Path, config: &Config, genesis: &Genesis) -> Result<(Identity, PathBuf), Failure> {
        let password = config.files.password.as_deref().map(|path| home.join(path));
        let node_key_path = home.join(&config.files.node_key);
        if self.observer {
            let node_key = read_node_key(&node_key_path, password, genesis)?;
            return Ok((Identity::Observer { node_key: node_key.into() }, node_key_path));
        }
        let path = home.join(&config.files.validator_key);
        let key = read_key(&path, password.clone(), genesis).map_err(|failure| {
            let is_observers_home = !path.exists() && node_key_path.exists() && !genesis.observers().is_empty();
            match failure.remedy() {
                _ if is_observers_home => failure.hint("give --observer to follow the chain without voting"),
                Some(_) => failure,
                None => failure.hint("give --validator-key FILE: the key whose public half the genesis document names"),
            }
        })?;
        // A node that has nobody to meet needs no identity on the network.
        let others = genesis.validators().len() + genesis.observers().len() - 1;
        let node_key =
            if others == 0 { None } else { Some(Box::new(read_node_key(&node_key_path, password, genesis)?)) };
        Ok((Identity::Validator { key: key.into(), node_key }, path))
    }

    /// The configuration with the options in place.
    fn configuration(&self, home: &Path) -> Result<Config, Failure> {
        let mut config = configuration_at(self.config.as_ref(), home)?;
        let here = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let paths = &mut config.files;
        paths.genesis = self.genesis.as_ref().map_or_else(|| paths.genesis.clone(), here);
        paths.validator_key = self.validator_key.as_ref().map_or_else(|| paths.validator_key.clone(), here);
        paths.node_key = self.node_key.as_ref().map_or_else(|| paths.node_key.clone(), here);
        paths.data = self.data.as_ref().map_or_else(|| paths.data.clone(), here);
        paths.password = self.password_file.as_ref().map(here).or_else(|| paths.password.clone());
        config.rpc.addr = self.rpc_addr.unwrap_or(config.rpc.addr);
        config.p2p.addr = self.p2p_addr.or(config.p2p.addr);
        config.storage.history = self.history.unwrap_or(config.storage.history);
        config.storage.join = self.join.or(config.storage.join);
        config.log.format = self.log_format.unwrap_or(config.log.format);
        if let Some(filter) = &self.log_filter {
            config.log.filter.clone_from(filter);
        }
        Ok(config)
    }

    /// The accounts of a development network belong to everybody who reads its seed.
    fn refuse_public_devnet(&self, genesis: &Genesis, addr: SocketAddr) -> Result<(), Failure> {
        if !genesis.is_dev() || addr.ip().is_loopback() || self.i_know_this_is_a_devnet {
            return Ok(());
        }
        let message =
            format!("{} is a development network with public keys, and {addr} is not loopback", genesis.chain_id());
        Err(Failure::new(Exit::Configuration, "DEV_NETWORK", message)
            .hint("serve it on 127.0.0.1, or give --i-know-this-is-a-devnet"))
    }
}

/// The configuration of a file, which need not be there unless it is named, and of the environment.
pub(super) fn configuration_at(file: Option<&PathBuf>, home: &Path) -> Result<Config, Failure> {
    let path = file.cloned().unwrap_or_else(|| home.join("config/config.toml"));
    if file.is_some() && !path.exists() {
        return Err(files::FileError::Missing { path }.into());
    }
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(&path, variables).map_err(|error| why::bad_configuration(&error))
}

/// The public half of a key. Where the file does not say it, the key is opened.
pub(super) fn read_public_key(path: &Path, password: Option<PathBuf>, genesis: &Genesis) -> Result<PublicKey, Failure> {
    match keys::load(path)?.public_key() {
        Some(key) => Ok(key),
        None => Ok(read_key(path, password, genesis)?.public_key()),
    }
}

pub(in crate::cli) fn read_genesis(path: &Path) -> Result<Genesis, Failure> {
    let bytes = files::read(path, DOCUMENT_BYTES_MAX).map_err(|error| {
        Failure::from(error)
            .with_exit(Exit::Configuration)
            .hint("give --genesis FILE, or put the document at HOME/config/genesis.json")
    })?;
    Genesis::parse(&bytes).map_err(|error| Failure::genesis(path, &error))
}

fn read_key(path: &Path, password: Option<PathBuf>, genesis: &Genesis) -> Result<SecretKey, Failure> {
    let file = keys::load(path)?;
    file.check_chain(genesis.is_dev()).map_err(|error| Failure::of_key(path, &error))?;
    let password = password::for_opening(&file, path, password.as_deref())?;
    file.open(password.as_ref()).map_err(|error| Failure::of_key(path, &error))
}

/// The key of the node itself, which whoever runs a first validator may not know to be another file.
fn read_node_key(path: &Path, password: Option<PathBuf>, genesis: &Genesis) -> Result<SecretKey, Failure> {
    read_key(path, password, genesis).map_err(|failure| match failure.remedy() {
        Some(_) => failure,
        None => failure.hint("give --node-key FILE: the node's identity on the network, beside the key that votes"),
    })
}
