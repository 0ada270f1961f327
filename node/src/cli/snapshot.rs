//! `althing snapshot`: the state of a node in one file, and a node that begins with one.

use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use althing_genesis::Genesis;
use althing_ledger::{Reader, SPACES};
use althing_storage::{RocksOptions, RocksStore};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit::AuditError;
use crate::cli::Exit;
use crate::cli::backup;
use crate::cli::export::{Temporary, chain_of, failed};
use crate::cli::failure::Failure;
use crate::cli::node::{Subject, Whose, not_started};
use crate::cli::output::{Output, list, table};
use crate::cli::progress::Progress;
use crate::files::FileError;
use crate::shell::{self, RestoreFailure};
use crate::snapshot::{self, SnapshotError, SnapshotFile, SnapshotWriter, Summary};

/// Bytes that are written to the file at once.
const BUFFER_BYTES: usize = 1 << 20;
/// How the end of the names of snapshots is written.
const SUFFIX: &str = "snapshot";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the newest certified state of a node to one file; the node may run
    #[command(after_help = "Examples:
  althing snapshot create --home /var/lib/althing
  althing snapshot create --data net/node-0/data --genesis net/genesis.json --out state.snapshot

The node goes on while its store is read, and does not notice. The file holds the state after one height, the last blocks up
to it, and what shows that validators certified both; docs/spec/snapshot.md has its form.

Exit codes: 0 written, 1 the file exists or the disk failed, 6 there is no such folder or nothing to write yet, 78 the store
is of another chain or version.")]
    Create(Create),
    /// Show the snapshots in a folder
    #[command(after_help = "Examples:
  althing snapshot list --home /var/lib/althing
  althing snapshot list --dir backups --output json

Shown is what the files say about themselves. Whether it is true shows when one is restored.")]
    List(List),
    /// Begin a stopped node with a snapshot, every part of which is verified
    #[command(after_help = "Examples:
  althing node init --home /var/lib/althing      # once, for a validator that never ran
  althing snapshot restore --home /var/lib/althing --from state.snapshot
  althing snapshot restore --home observer --observer --from state.snapshot

Certificates, blocks, receipts and the whole state are held against the genesis document, and the ledger takes the place of
the old one at the end. What is below the snapshot's height the node does not have. A validator remembers its votes.

Exit codes: 0 restored, 1 the disk failed or the node is as far already, 6 there is no such file, 7 key or password, 10 the
snapshot does not verify, 75 the data folder is in use, 78 it does not fit.")]
    Restore(Box<Restore>),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The data folder of the node [default: HOME/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The genesis document [default: HOME/config/genesis.json]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The file to write; one that exists is not replaced [default: DATA/snapshots/HEIGHT.snapshot]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The folder [default: HOME/data/snapshots]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    whose: Whose,
    /// The snapshot
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The node is an observer, whose key is given with --node-key
    #[arg(long, conflicts_with = "validator_key")]
    observer: bool,
    /// The observer's node key [default: HOME/config/node_key.pem]
    #[arg(long, value_name = "FILE", requires = "observer")]
    node_key: Option<PathBuf>,
}

/// Carries out a command.
pub(crate) fn run(command: Command, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
    match command {
        Command::Create(create) => create.run(home, output),
        Command::List(list) => list.run(home, output),
        Command::Restore(restore) => restore.run(home, output),
    }
}

impl Create {
    fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let (data, genesis) = chain_of(self.data.as_deref(), self.genesis.as_deref(), home)?;
        let reader = open(&data, &genesis).map_err(|error| failed(&data, error))?;
        let out = match self.out {
            Some(out) => out,
            None => {
                let folder = data.join("snapshots");
                fs::create_dir_all(&folder).map_err(|source| FileError::Io {
                    action: "make the folder",
                    path: folder.clone(),
                    source,
                })?;
                let height = reader.head().certified.unwrap_or_default().previous();
                folder.join(format!("{height}.{SUFFIX}"))
            }
        };
        if fs::symlink_metadata(&out).is_ok() {
            return Err(FileError::Exists { path: out }.into());
        }
        let temporary = Temporary::beside(&out)?;
        let (summary, bytes) = write(temporary.path(), &genesis, &reader, output).map_err(|error| why(&data, error))?;
        temporary.take_name(&out)?;
        let fields = fields(&out, &summary, bytes);
        let human = || {
            list(&[
                ("written", out.display().to_string()),
                ("chain", format!("{}, genesis {}", genesis.chain_id(), genesis.hash())),
                ("height", summary.height.to_string()),
                ("state root", summary.state_root.to_string()),
                ("entries", summary.entries.to_string()),
                ("bytes", bytes.to_string()),
            ])
        };
        output.either(human, fields)?;
        Ok(Exit::Done)
    }
}

fn open(data: &Path, genesis: &Genesis) -> Result<Reader<RocksStore>, AuditError> {
    let store = RocksStore::open_beside(&data.join("db"), SPACES, RocksOptions::default());
    let store = store.map_err(althing_ledger::LedgerError::from)?;
    Ok(Reader::open(Arc::new(store), &genesis.hash())?)
}

fn write(
    path: &Path,
    genesis: &Genesis,
    reader: &Reader<RocksStore>,
    output: &Output,
) -> Result<(Summary, u64), SnapshotError> {
    let io = |source| SnapshotError::Io { action: "write", path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(io)?;
    let mut progress = Progress::begin(output);
    let buffer = BufWriter::with_capacity(BUFFER_BYTES, file);
    let written = SnapshotWriter::write(buffer, path, genesis, reader, |done| {
        progress.show(u64::from(done), u64::from(u16::MAX), |_| "the state".to_owned());
    });
    progress.end();
    let (buffer, summary) = written?;
    let file = buffer.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)?;
    Ok((summary, file.metadata().map_err(io)?.len()))
}

impl List {
    fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let dir = match self.dir {
            Some(dir) => dir,
            None => crate::cli::home_or_default(home)?.join("data/snapshots"),
        };
        let io = |source| FileError::Io { action: "list", path: dir.clone(), source };
        let mut found = Vec::new();
        match fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries.map_err(io)? {
                    let path = entry.map_err(io)?.path();
                    if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
                        found.push(path);
                    }
                }
            }
        }
        found.sort();
        let mut rows = Vec::new();
        for path in found {
            let bytes = fs::metadata(&path).map(|metadata| metadata.len()).unwrap_or_default();
            match snapshot::summary(&path) {
                Ok(summary) => rows.push((path, summary, bytes)),
                // The others are shown all the same.
                Err(error) => output.note(&error.to_string()),
            }
        }
        rows.sort_by_key(|(_, summary, _)| summary.height);
        let items: Vec<Value> = rows.iter().map(|(path, summary, bytes)| fields(path, summary, *bytes)).collect();
        let human = || {
            let line = |(path, summary, bytes): &(PathBuf, Summary, u64)| {
                vec![
                    summary.height.to_string(),
                    summary.entries.to_string(),
                    bytes.to_string(),
                    summary.state_root.to_string(),
                    path.display().to_string(),
                ]
            };
            let lines: Vec<Vec<String>> = rows.iter().map(line).collect();
            table(&["height", "entries", "bytes", "state root", "file"], &lines)
        };
        output.either(human, json!({ "snapshots": items }))?;
        Ok(Exit::Done)
    }
}

impl Restore {
    fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let subject =
            if self.observer { self.whose.observer(home, self.node_key)? } else { self.whose.validator(home)?.0 };
        let Subject { genesis, owner, key_path, data, config } = subject;
        let file = SnapshotFile::open(&self.from, &genesis).map_err(|error| why(&data, error))?;
        let mut progress = Progress::begin(output);
        let restored = shell::restore_snapshot(&genesis, owner, &data, &config, file, |read, bytes| {
            progress.show(read, bytes, |_| "verified and taken in".to_owned());
        });
        progress.end();
        let restored = restored.map_err(|error| match error {
            RestoreFailure::Snapshot(error) => why(&data, error),
            RestoreFailure::Backup(error) => backup::why(&data, error),
            RestoreFailure::Start(error) => not_started(&error, &key_path),
        })?;
        let fields = json!({
            "data": data, "height": restored.height.to_string(), "stateRoot": restored.state_root.to_string(),
            "entries": restored.entries.to_string(), "bytes": restored.bytes.to_string(),
        });
        let human = || {
            list(&[
                ("restored", data.display().to_string()),
                ("height", restored.height.to_string()),
                ("state root", restored.state_root.to_string()),
                ("entries", restored.entries.to_string()),
            ])
        };
        output.either(human, fields)?;
        Ok(Exit::Done)
    }
}

fn fields(path: &Path, summary: &Summary, bytes: u64) -> Value {
    json!({
        "file": path, "chain": summary.chain.to_string(), "height": summary.height.to_string(),
        "stateRoot": summary.state_root.to_string(), "entries": summary.entries.to_string(), "bytes": bytes.to_string(),
    })
}

/// Why a snapshot was not written, read or restored.
pub(super) fn why(data: &Path, error: SnapshotError) -> Failure {
    let message = error.to_string();
    match error {
        SnapshotError::Ledger(error) => failed(data, error.into()),
        SnapshotError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure::new(Exit::NotFound, "FILE_NOT_FOUND", message)
        }
        SnapshotError::Io { .. } => Failure::new(Exit::Failed, "IO", message),
        SnapshotError::Malformed { .. } | SnapshotError::Unverified(_) => {
            Failure::new(Exit::Unverified, "UNVERIFIED", message)
                .hint("nothing of it was kept; take another copy, or a snapshot of another node")
        }
        SnapshotError::OtherChain { .. } => Failure::new(Exit::Configuration, "OTHER_CHAIN", message)
            .hint("give the genesis document of the chain that the snapshot is of"),
        SnapshotError::NotAhead { .. } => {
            Failure::new(Exit::Failed, "NOT_AHEAD", message).hint("start the node: it goes on from where it is")
        }
        SnapshotError::Nothing => Failure::new(Exit::NotFound, "NO_SNAPSHOT", message)
            .hint("try again once blocks have been made for a while, or at a node that keeps more"),
    }
}
