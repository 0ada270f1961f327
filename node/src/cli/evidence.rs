//! `althing evidence`: who provably misbehaved, by a node's word, and by the statements themselves.
//!
//! `verify` needs the genesis document and no node. It takes what `list` and `show` write with `--output json`, the
//! canonical bytes of one piece, and the file that a node writes when it finds a fork.

use std::path::{Path, PathBuf};

use althing_genesis::Genesis;
use althing_types::{
    Committee, DecodeError, Ed25519, Evidence, EvidenceKind, FORK_PROOF_BYTES_MAX, ForkProof, SignedVote,
    ValidatorIndex, Vote, decode,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::account::plain;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, list, table};
use crate::cli::remote::{Remote, Trust};
use crate::files;

/// Bytes of a file with evidence at most: a page of 500 pieces takes about 1 MiB.
const FILE_BYTES_MAX: usize = 8 << 20;
/// Bytes of one piece at most; it takes about 400.
const PIECE_BYTES_MAX: usize = 4_096;
/// Pages that `show` reads at most.
const PAGES_MAX: usize = 64;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the evidence that a node holds and that final blocks hold
    #[command(after_help = "Examples:
  althing evidence list
  althing evidence list --output json > evidence.json")]
    List(List),
    /// Show everything that accuses a validator, statement by statement
    #[command(after_help = "Examples:
  althing evidence show org-3
  althing evidence show 2 --output json > org-3.json")]
    Show(Show),
    /// Verify evidence, or the proof of a fork, with the genesis document alone
    #[command(after_help = "Examples:
  althing evidence verify org-3.json --genesis genesis.json
  althing evidence verify data/fork-evidence-812.json --genesis genesis.json

Exit codes: 0 every piece verifies, 6 no such file, 10 a piece does not verify or is none, 78 invalid genesis document.")]
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    remote: Remote,
    /// How many of final blocks at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Go on where an earlier answer ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The validator: its name, or its place in the set
    validator: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
}

/// Something in a file that names culprits.
enum Proof {
    Piece(Box<Evidence>),
    Fork(Box<ForkProof>),
}

pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::List(list) => list.run(output),
        Command::Show(show) => show.run(output),
        Command::Verify(verify) => verify.run(home, output),
    }
}

impl List {
    fn run(self, output: &Output) -> Result<Exit, Failure> {
        let answer = self.remote.ask("evidence_list", json!({ "limit": self.limit, "cursor": self.cursor }))?;
        let human = || {
            let pieces = ["pending", "items"].iter().flat_map(|name| answer[*name].as_array().into_iter().flatten());
            let rows: Vec<Vec<String>> = pieces.map(row).collect();
            let more = answer["nextCursor"].as_str().map(|cursor| format!("more: --cursor {cursor}\n"));
            let none = if rows.is_empty() { "no evidence\n" } else { "" };
            let rows = table(&["validator", "name", "what it signed", "where", "final in block"], &rows);
            format!("{rows}{none}{}", more.unwrap_or_default())
        };
        output.either(human, answer.clone())?;
        Ok(Exit::Done)
    }
}

fn row(piece: &Value) -> Vec<String> {
    vec![plain(&piece["culprit"]), plain(&piece["name"]), plain(&piece["kind"]), place(piece), block(piece)]
}

fn place(piece: &Value) -> String {
    match (piece["view"].as_str(), piece["laneSeq"].as_str()) {
        (Some(view), _) => format!("view {view}"),
        (None, Some(seq)) => format!("batch {seq} of its lane"),
        (None, None) => "-".to_owned(),
    }
}

fn block(piece: &Value) -> String {
    piece["height"].as_str().map_or_else(|| "not yet".to_owned(), str::to_owned)
}

impl Show {
    fn run(self, output: &Output) -> Result<Exit, Failure> {
        let validators = self.remote.ask("validators_list", json!({}))?;
        let known = validators["validators"].as_array().into_iter().flatten();
        let wanted = known.into_iter().find(|it| {
            it["name"] == self.validator.as_str()
                || self.validator.parse::<u64>().is_ok_and(|index| it["index"] == index)
        });
        let Some(validator) = wanted.map(|it| it["index"].clone()) else {
            return Err(Failure::new(Exit::NotFound, "NOT_A_VALIDATOR", format!("no validator {}", self.validator))
                .hint("althing query validators lists them"));
        };
        let (mut pieces, mut cursor) = (Vec::new(), Value::Null);
        for _ in 0..PAGES_MAX {
            let question = json!({ "validator": validator, "limit": 500, "cursor": cursor });
            let mut page = self.remote.ask("evidence_list", question)?;
            for name in ["pending", "items"] {
                pieces.extend(page[name].as_array_mut().map(std::mem::take).unwrap_or_default());
            }
            cursor = page["nextCursor"].take();
            if cursor.is_null() {
                break;
            }
        }
        let human = || match pieces.as_slice() {
            [] => format!("nothing accuses validator {validator}\n"),
            pieces => pieces.iter().map(shown).collect::<Vec<_>>().join("\n"),
        };
        output.either(human, json!({ "items": pieces }))?;
        Ok(if pieces.is_empty() { Exit::NotFound } else { Exit::Done })
    }
}

/// A piece with both of its statements.
fn shown(piece: &Value) -> String {
    let decoded = piece["evidence"].as_str().and_then(bytes).and_then(|bytes| decode(&bytes, PIECE_BYTES_MAX).ok());
    let statements = decoded.as_ref().map_or_else(Vec::new, statements);
    let mut pairs = vec![
        ("validator", format!("{} {}", plain(&piece["culprit"]), plain(&piece["name"]))),
        ("signed", plain(&piece["kind"])),
        ("where", place(piece)),
        ("final in block", block(piece)),
    ];
    pairs.extend(["first", "second"].into_iter().zip(statements));
    list(&pairs)
}

fn statements(evidence: &Evidence) -> Vec<String> {
    match evidence {
        Evidence::Votes(a, b) => [a, b].map(statement).into(),
        Evidence::Batches(a, b) => {
            [a, b].map(|(head, _)| format!("batch {} of lane {}: {}", head.seq, head.lane, head.digest)).into()
        }
    }
}

fn statement(signed: &SignedVote) -> String {
    match signed.vote {
        Vote::Notarize(vote) => {
            format!("notarize {} in view {} above view {}", vote.digest, vote.view, vote.parent_view)
        }
        Vote::Finalize(vote) => format!("finalize {} in view {}", vote.digest, vote.view),
        Vote::Nullify(vote) => {
            let report = vote.report.map_or_else(|| "no notarize".to_owned(), |digest| format!("notarize {digest}"));
            format!("nullify view {}, reporting {report}", vote.view)
        }
    }
}

impl Verify {
    fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let home = crate::cli::home_or_default(home).ok();
        let chain = self.trust.own(home.as_deref())?.ok_or_else(|| {
            Failure::usage("evidence is verified with your own genesis document").hint("give --genesis FILE")
        })?;
        let bytes = files::read(&self.file, FILE_BYTES_MAX)?;
        let proofs = proofs_in(&bytes).ok_or_else(|| unverified(&self.file, "it holds no evidence"))?;
        let committee = chain.genesis.committee();
        let results: Result<Vec<(Value, Vec<ValidatorIndex>)>, String> =
            proofs.iter().map(|proof| verified(proof, &committee, &chain.genesis)).collect();
        let results = results.map_err(|why| unverified(&self.file, &why))?;
        let mut culprits: Vec<ValidatorIndex> = results.iter().flat_map(|(_, culprits)| culprits.clone()).collect();
        culprits.sort();
        culprits.dedup();
        let human = || {
            let named = culprits.iter().map(|it| format!("{} {}", it.get(), name(&chain.genesis, *it)));
            let named = named.collect::<Vec<_>>().join(", ");
            let what = results.iter().map(|(piece, _)| plain(&piece["says"])).collect::<Vec<_>>().join("\n");
            format!("verified with genesis {}\n{what}\nculprits: {named}\n", chain.genesis.hash())
        };
        let numbers: Vec<u16> = culprits.iter().map(|culprit| culprit.get()).collect();
        let pieces: Vec<&Value> = results.iter().map(|(piece, _)| piece).collect();
        let genesis = chain.genesis.hash().to_string();
        output.either(
            human,
            json!({ "verified": true, "genesisHash": genesis, "culprits": numbers, "pieces": pieces }),
        )?;
        Ok(Exit::Done)
    }
}

fn unverified(file: &Path, why: &str) -> Failure {
    Failure::new(Exit::Unverified, "UNVERIFIED", format!("{}: {why}", file.display()))
        .hint("is the genesis document the one of the chain that the evidence is about?")
}

/// What a proof says and whom it names, if it verifies.
fn verified(proof: &Proof, committee: &Committee, genesis: &Genesis) -> Result<(Value, Vec<ValidatorIndex>), String> {
    match proof {
        Proof::Piece(evidence) => {
            evidence.verify(&Ed25519, committee).map_err(|error| error.to_string())?;
            let (culprit, kind) = (evidence.culprit(), evidence.kind().map_or("", EvidenceKind::words));
            let says = format!("validator {} {} signed {kind}", culprit.get(), name(genesis, culprit));
            let statements = statements(evidence);
            let piece = json!({ "says": says, "culprit": culprit.get(), "kind": kind, "statements": statements });
            Ok((piece, vec![culprit]))
        }
        Proof::Fork(fork) => {
            let culprits = fork.verify(&Ed25519, committee).map_err(|error| error.to_string())?;
            let (view, block) = (fork.view(), fork.finalization().vote.digest);
            let says = format!("view {view}: block {block} is final, and certificates of this view contradict it");
            let pieces = fork.evidence(committee);
            let pieces: Vec<Value> = pieces
                .iter()
                .map(|it| {
                    json!({ "culprit": it.culprit().get(), "kind": it.kind().map(EvidenceKind::words),
                            "statements": statements(it) })
                })
                .collect();
            Ok((json!({ "says": says, "view": view.get().to_string(), "pieces": pieces }), culprits))
        }
    }
}

fn name(genesis: &Genesis, index: ValidatorIndex) -> String {
    genesis.validators().get(index.to_usize()).map(|validator| validator.name.clone()).unwrap_or_default()
}

/// Every piece and proof in a file: JSON that holds them as hexadecimal text, or the canonical bytes of one.
fn proofs_in(bytes: &[u8]) -> Option<Vec<Proof>> {
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else {
        let piece = decode::<Evidence>(bytes, PIECE_BYTES_MAX).map(Box::new).map(Proof::Piece);
        let fork = || decode::<ForkProof>(bytes, FORK_PROOF_BYTES_MAX).map(Box::new).map(Proof::Fork);
        return piece.or_else(|_: DecodeError| fork()).ok().map(|proof| vec![proof]);
    };
    let lists = ["pending", "items"].iter().filter_map(|name| document[*name].as_array()).flatten();
    let found: Option<Vec<Proof>> = std::iter::once(&document).chain(lists).filter_map(proof_in).collect();
    found.filter(|found| !found.is_empty())
}

/// The proof that an object holds; nothing if it holds none, and none if what it holds is no proof.
fn proof_in(object: &Value) -> Option<Option<Proof>> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    if let Some(text) = text("forkProof") {
        let proof = bytes(text).and_then(|bytes| decode(&bytes, FORK_PROOF_BYTES_MAX).ok());
        return Some(proof.map(Box::new).map(Proof::Fork));
    }
    let piece = |text: &str| bytes(text).and_then(|bytes| decode(&bytes, PIECE_BYTES_MAX).ok());
    text("evidence").map(|text| piece(text).map(Box::new).map(Proof::Piece))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    const_hex::decode(text.strip_prefix("0x")?).ok()
}

#[cfg(test)]
mod tests;
