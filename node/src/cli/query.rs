//! `althing query`: blocks, transactions and validators.

use std::path::PathBuf;

use althing_client::AskedBlock;
use althing_genesis::time_text;
use althing_types::{Height, TimeMs};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::account::plain;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, list, table};
use crate::cli::remote::{Remote, Trust};
use crate::cli::verifying::{Trusted, Verified, verified_block};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a block: the latest one, or that of a height or hash
    #[command(after_help = "Examples:
  althing query block
  althing query block 42 --genesis genesis.json --verify     # header and results, which the proof covers
  althing query block 0x… --full --output json")]
    Block(Block),
    /// List blocks, the newest first
    Blocks(Blocks),
    /// Show a transaction with what it says
    Tx(Transaction),
    /// List the validators
    Validators(Validators),
}

#[derive(Debug, Args)]
pub(crate) struct Block {
    /// Its height, or its hash [default: the latest]
    block: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    trust: Trust,
    /// With its transactions and receipts
    #[arg(long)]
    full: bool,
    /// Check the answer against the validators in the genesis document
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Blocks {
    #[command(flatten)]
    remote: Remote,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// Go on where an earlier answer ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Transaction {
    /// Its id
    id: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct Validators {
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Block(block) => block.run(home, output),
        Command::Blocks(blocks) => blocks.run(output),
        Command::Tx(transaction) => transaction.run(output),
        Command::Validators(validators) => validators.run(output),
    }
}

impl Block {
    fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let asked = self.asked()?;
        let (height, hash) = match asked {
            AskedBlock::Latest => (None, None),
            AskedBlock::Height(height) => (Some(height.to_string()), None),
            AskedBlock::Hash(hash) => (None, Some(hash.to_string())),
        };
        let detail = if self.full { "full" } else { "hashes" };
        let question = json!({ "height": height, "hash": hash, "detail": detail, "prove": self.verify });
        let trusted = if self.verify {
            let home = crate::cli::home_or_default(home).ok();
            Some(Trusted::of(self.trust.own(home.as_deref())?)?)
        } else {
            None
        };
        let mut answer = self.remote.ask("chain_getBlock", question)?;
        let verified = trusted.map(|trusted| verified_block(&mut answer, asked, &trusted)).transpose()?;
        if let (Some(fields), Some(verified)) = (answer.as_object_mut(), &verified) {
            fields.insert("verified".to_owned(), verified.to_json());
        }
        let human = || block_text(&answer) + &verified.as_ref().map(Verified::to_text).unwrap_or_default();
        output.either(human, answer.clone())?;
        Ok(Exit::Done)
    }

    fn asked(&self) -> Result<AskedBlock, Failure> {
        let Some(text) = &self.block else { return Ok(AskedBlock::Latest) };
        let hash = text.parse().map(AskedBlock::Hash).ok();
        let height = text.parse().map(Height::new).map(AskedBlock::Height).ok();
        hash.or(height).ok_or_else(|| Failure::usage(format!("{text} is neither a height nor a block's hash")))
    }
}

fn block_text(answer: &Value) -> String {
    let (header, result) = (&answer["header"], &answer["result"]);
    let ids = answer["txIds"].as_array().into_iter().flatten().map(plain);
    let of_full = answer["transactions"]["items"].as_array().into_iter().flatten();
    let ids = ids.chain(of_full.map(|item| plain(&item["transaction"]["txId"])));
    let mut pairs = vec![
        ("height", plain(&header["height"])),
        ("block", plain(&header["blockHash"])),
        ("parent", plain(&header["parentHash"])),
        ("time", time_of(&header["time"])),
        ("proposer", plain(&header["proposer"])),
        ("state root", plain(&result["stateRoot"])),
        ("transactions", plain(&result["txCount"])),
        ("gas used", plain(&result["gasUsed"])),
    ];
    pairs.extend(ids.map(|id| ("", id)));
    list(&pairs)
}

/// A time as people read it.
fn time_of(value: &Value) -> String {
    let ms = value.as_str().and_then(|text| text.parse().ok());
    ms.map_or_else(|| plain(value), |ms| time_text(TimeMs::new(ms)))
}

impl Blocks {
    fn run(self, output: &Output) -> Result<Exit, Failure> {
        let answer = self.remote.ask("chain_listBlocks", json!({ "limit": self.limit, "cursor": self.cursor }))?;
        let human = || {
            let names = ["height", "txCount", "gasUsed", "proposer", "time", "blockHash"];
            let rows = answer["items"].as_array().into_iter().flatten();
            let cell = |item: &Value, name| if name == "time" { time_of(&item[name]) } else { plain(&item[name]) };
            let rows: Vec<Vec<String>> = rows.map(|item| names.map(|name| cell(item, name)).to_vec()).collect();
            let more = answer["nextCursor"].as_str().map(|cursor| format!("more: --cursor {cursor}\n"));
            table(&["height", "txs", "gas", "proposer", "time", "block"], &rows) + &more.unwrap_or_default()
        };
        output.either(human, answer.clone())?;
        Ok(Exit::Done)
    }
}

impl Transaction {
    fn run(self, output: &Output) -> Result<Exit, Failure> {
        let answer = self.remote.ask("tx_get", json!({ "txId": self.id }))?;
        let human = || {
            let (body, receipt) = (&answer["transaction"], &answer["receipt"]);
            list(&[
                ("id", plain(&answer["txId"])),
                ("status", plain(&answer["status"])),
                ("height", plain(&answer["height"])),
                ("sender", plain(&body["sender"])),
                ("action", plain(&body["action"])),
                ("result", plain(&receipt["status"])),
                ("gas used", plain(&receipt["gasUsed"])),
            ])
        };
        output.either(human, answer.clone())?;
        Ok(if answer["status"] == "unknown" { Exit::NotFound } else { Exit::Done })
    }
}

impl Validators {
    fn run(self, output: &Output) -> Result<Exit, Failure> {
        let answer = self.remote.ask("validators_list", json!({}))?;
        let human = || {
            let names = ["index", "name", "key"];
            let rows = answer["validators"].as_array().into_iter().flatten();
            let rows: Vec<Vec<String>> = rows.map(|item| names.map(|name| plain(&item[name])).to_vec()).collect();
            table(&names, &rows)
        };
        output.either(human, answer.clone())?;
        Ok(Exit::Done)
    }
}
