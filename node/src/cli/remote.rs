//! Talking to a node: where it is, what chain it serves, and what its refusals mean to a user.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use althing_client::{ClientError, Connection, Refusal};
use althing_genesis::{Asset, DOCUMENT_BYTES_MAX, Genesis};
use althing_types::{Address, AssetId};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::files;

/// Where a node is unless something else is said.
const RPC_DEFAULT: &str = "http://127.0.0.1:26600";
/// How often a proof that is not there yet is asked for again, and with what pause: 2 s in all.
const PROOF_TRIES: u32 = 20;
/// The pause.
const PROOF_PAUSE: Duration = Duration::from_millis(100);
/// The variable that names it.
const RPC_VARIABLE: &str = "ALTHING_RPC_URL";

/// Which node is asked.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The node, or several of one chain separated by commas [env: ALTHING_RPC_URL] [default: http://127.0.0.1:26600]
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
}

/// Which chain it must be.
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// The genesis document [default: HOME/config/genesis.json, else what the node says]
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
}

/// The chain that a command works on.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Its genesis document.
    pub(crate) genesis: Genesis,
    /// Whether the document came from a file of the user's, and not from the node.
    is_own: bool,
}

impl Remote {
    /// A connection to the node.
    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        Ok(Connection::new(self.urls().iter().map(String::as_str))?)
    }

    /// Where the nodes are.
    pub(crate) fn urls(&self) -> Vec<String> {
        let variable = std::env::var(RPC_VARIABLE).ok().filter(|value| !value.is_empty());
        let urls = self.rpc.clone().or(variable).unwrap_or_else(|| RPC_DEFAULT.to_owned());
        urls.split(',').map(|url| url.trim().to_owned()).collect()
    }

    /// Asks one question. A certificate follows the results that it covers a moment later, so a proof that is not there
    /// yet is asked for again for a while.
    pub(crate) fn ask(&self, method: &str, parameters: Value) -> Result<Value, Failure> {
        let connection = self.connect()?;
        wait_for(async {
            for _ in 0..PROOF_TRIES {
                match connection.call(method, &parameters).await {
                    Err(error) if error.symbol() == Some("PROOF_UNAVAILABLE") => tokio::time::sleep(PROOF_PAUSE).await,
                    answer => return Ok(answer?),
                }
            }
            Ok(connection.call(method, &parameters).await?)
        })
    }
}

impl Trust {
    /// The chain by the user's own document; none if there is no such file and none was named.
    pub(crate) fn own(&self, home: Option<&Path>) -> Result<Option<Chain>, Failure> {
        let path = match (&self.genesis, home.map(|home| home.join("config/genesis.json"))) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) if path.exists() => path,
            (None, _) => return Ok(None),
        };
        let bytes = files::read(&path, DOCUMENT_BYTES_MAX)?;
        let genesis = Genesis::parse(&bytes).map_err(|error| Failure::genesis(&path, &error))?;
        Ok(Some(Chain { genesis, is_own: true }))
    }

    /// The chain by the user's own document, else by the node's word.
    pub(crate) fn chain(&self, home: Option<&Path>, remote: &Remote, output: &Output) -> Result<Chain, Failure> {
        if let Some(chain) = self.own(home)? {
            return Ok(chain);
        }
        let answer = remote.ask("node_genesis", json!({}))?;
        let document = match &answer["document"] {
            Value::String(text) => text.clone(),
            document => document.to_string(),
        };
        let genesis = Genesis::parse(document.as_bytes()).map_err(|error| {
            Failure::new(Exit::Network, "MALFORMED_ANSWER", format!("the node's genesis document is invalid: {error}"))
        })?;
        output.note(&format!("chain {} by the node's word, genesis {}", genesis.chain_id(), genesis.hash()));
        Ok(Chain { genesis, is_own: false })
    }
}

impl Chain {
    /// An address as a user writes it.
    pub(crate) fn address(&self, text: &str) -> Result<Address, Failure> {
        Address::from_text(text, self.genesis.prefix()).map_err(|error| Failure::usage(format!("{text}: {error}")))
    }

    /// An address as users read it.
    pub(crate) fn text(&self, address: Address) -> String {
        address.to_text(self.genesis.prefix())
    }

    /// The asset with a symbol, or the first one.
    pub(crate) fn asset(&self, symbol: Option<&str>) -> Result<(&Asset, AssetId), Failure> {
        let assets = self.genesis.assets();
        if symbol.is_none() && !self.is_own && assets.len() > 1 {
            // The genesis hash does not cover the order of the assets, so a node could choose the first one.
            return Err(Failure::usage("the chain has several assets, and the document is the node's")
                .hint("name the asset, or give your own genesis document with --genesis"));
        }
        let asset = match symbol {
            Some(symbol) => assets.iter().find(|asset| asset.symbol.as_str() == symbol),
            None => self.genesis.first_asset(),
        };
        let asset = asset.ok_or_else(|| {
            let known: Vec<&str> = assets.iter().map(|asset| asset.symbol.as_str()).collect();
            let asked = symbol.unwrap_or("(none)");
            Failure::usage(format!("the chain has no asset {asked}"))
                .hint(format!("its assets are: {}", known.join(", ")))
        })?;
        Ok((asset, AssetId::of_genesis(&asset.symbol)))
    }
}

/// Runs a conversation with a node to its end.
pub(crate) fn wait_for<T>(conversation: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(until_interrupted(conversation))
}

/// What conversations run on: one thread is enough for a command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Failed, "IO", format!("no runtime: {error}")))
}

/// Ends a conversation with Ctrl-C.
pub(crate) async fn until_interrupted<T>(conversation: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        result = conversation => result,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "INTERRUPTED", "interrupted")),
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Endpoint { .. } => Self::usage(message).hint("give --rpc http://HOST:PORT"),
            ClientError::Unreachable { .. } => Self::new(Exit::Network, "UNREACHABLE", message)
                .hint("is the node running? give its address with --rpc http://HOST:PORT"),
            ClientError::Malformed { .. } => Self::new(Exit::Network, "MALFORMED_ANSWER", message)
                .hint("is this an Althing node, of a version that goes with this one?"),
            ClientError::Refused(refusal) => refused(*refusal, message),
        }
    }
}

fn refused(refusal: Refusal, message: String) -> Failure {
    let exit = match refusal.code {
        1_201 | 1_202 | 3_000..=3_999 => Exit::Temporary,
        1_000..=1_999 => Exit::Rejected,
        2_001 => Exit::NotFound,
        4_000..=4_999 => Exit::Key,
        _ => Exit::Failed,
    };
    let failure = Failure::refused(exit, refusal.symbol, message);
    match refusal.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
