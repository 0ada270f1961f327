//! `althing backup` and `althing restore`: a folder that grows by what a node has new, and a node that is begun with it.

use std::fs::OpenOptions;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use althing_genesis::Genesis;
use althing_ledger::LedgerError;
use althing_types::{Hash, Height};
use clap::Args;
use serde_json::json;

use crate::audit::{Archive, AuditError, Fault, StoreSource};
use crate::backup::{Backup as Folder, BackupError, Lock};
use crate::cli::Exit;
use crate::cli::export::{Temporary, at_fault, chain_of, failed, write_archive};
use crate::cli::failure::Failure;
use crate::cli::node::{Subject, Whose, not_started};
use crate::cli::output::{Output, list};
use crate::cli::progress::Progress;
use crate::cli::snapshot;
use crate::shell::{self, RestoreFailure};
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotWriter};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing backup --home /var/lib/althing --to /backup/althing       # again and again, from cron for example
  althing backup --data net/node-0/data --genesis net/genesis.json --to backup --output json

The node may run and does not notice. The first time everything is written: all blocks, or, if the node has removed its first
ones, the newest certified state. From then on what is new is added, in a file of its own; a file that is there is never
changed. Keys and votes are not in it: keep the keys elsewhere, and votes nowhere, because old votes are worse than none.

Exit codes: 0 written, or nothing is new; 1 the disk failed, 6 there is no such folder, nothing to write yet, or a gap, 10 the
store is damaged, 75 another process adds to the backup, 78 the store or the backup is of another chain or version.")]
pub(crate) struct Backup {
    /// The data folder of the node [default: HOME/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The genesis document [default: HOME/config/genesis.json]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The folder of the backup; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing node recover-vote-log --home /var/lib/althing --yes       # first, for a validator whose data are lost
  althing restore --home /var/lib/althing --from /backup/althing
  althing restore --home observer --observer --from /backup/althing

Every certificate, batch and result in the backup is held against the genesis document, every block is executed, and the
ledger takes the place of the old one at the end. What came after the backup the node fetches from the others once it runs.

Exit codes: 0 restored, 1 the disk failed or the node is as far already, 6 there is no backup, 7 key or password, 10 the
backup does not verify, 75 the data folder is in use, 78 it does not fit.")]
pub(crate) struct Restore {
    #[command(flatten)]
    whose: Whose,
    /// The folder of the backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The node is an observer, whose key is given with --node-key
    #[arg(long, conflicts_with = "validator_key")]
    observer: bool,
    /// The observer's node key [default: HOME/config/node_key.pem]
    #[arg(long, value_name = "FILE", requires = "observer")]
    node_key: Option<PathBuf>,
}

impl Backup {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let (data, genesis) = chain_of(self.data.as_deref(), self.genesis.as_deref(), home)?;
        let _lock = Lock::take(&self.to).map_err(|error| why(&data, error))?;
        let before = Folder::open(&self.to).map_err(|error| why(&data, error))?;
        refuse_other_chain(&before, &genesis).map_err(|error| why(&data, error))?;
        let source = StoreSource::open_beside(&data.join("db"), &genesis).map_err(|error| failed(&data, error))?;
        let mut added = Vec::new();
        let is_first_gone = source.reader().earliest() > Height::new(1);
        if before.last().is_none() && is_first_gone {
            added.push(write_base(&before, &data, &genesis, &source, output)?);
        }
        let now = Folder::open(&self.to).map_err(|error| why(&data, error))?;
        let (first, last) = span(&now, &source).map_err(|error| why(&data, error))?;
        if first <= last {
            added.push(write_segment(&now, &data, &genesis, source, (first, last), output)?);
        }
        if before.last().is_none() && added.is_empty() {
            return Err(why(&data, BackupError::Snapshot(SnapshotError::Nothing)));
        }
        let new: u64 = added.iter().map(|(_, bytes)| bytes).sum();
        let files: Vec<&PathBuf> = added.iter().map(|(path, _)| path).collect();
        let from = now.base.as_ref().map_or(Height::new(1), |base| base.height);
        let fields = json!({
            "folder": self.to, "genesisHash": genesis.hash().to_string(), "chainId": genesis.chain_id(),
            "from": from.to_string(), "to": last.to_string(), "added": files, "addedBytes": new.to_string(),
        });
        let human = || {
            list(&[
                ("backup", self.to.display().to_string()),
                ("chain", format!("{}, genesis {}", genesis.chain_id(), genesis.hash())),
                ("heights", format!("{from} to {last}")),
                ("added", if added.is_empty() { "nothing is new".to_owned() } else { format!("{new} bytes") }),
            ])
        };
        output.either(human, fields)?;
        Ok(Exit::Done)
    }
}

/// The heights that come next: up to the last one with a certificate. None if the first is above the last.
fn span(backup: &Folder, source: &StoreSource) -> Result<(Height, Height), BackupError> {
    let reader = source.reader();
    let certified = reader.certified_below(reader.head().header.height)?.unwrap_or_default();
    let earliest = reader.earliest();
    let Some((last, kept)) = backup.last() else {
        let (first, last) = (Height::new(1), Height::ZERO);
        return if earliest > first { Err(BackupError::Pruned { last, earliest }) } else { Ok((first, certified)) };
    };
    if certified < last {
        return Err(BackupError::Behind { last });
    }
    // The next block stands on the last one, and on the lanes as they are after it.
    let cut = match reader.cut(last) {
        Err(LedgerError::Pruned { .. }) => None,
        cut => cut?,
    };
    let header = if cut.is_some() { reader.header(last)? } else { None };
    match header {
        Some(header) if !const_hex::encode(header.id().as_bytes()).starts_with(kept) => {
            Err(BackupError::OtherBlocks { height: last, kept: kept.to_owned(), ours: header.id() })
        }
        None if last < certified => Err(BackupError::Pruned { last, earliest }),
        _ => Ok((last.next(), certified)),
    }
}

/// Refuses a backup whose last file is of another chain.
fn refuse_other_chain(backup: &Folder, genesis: &Genesis) -> Result<(), BackupError> {
    if let Some(segment) = backup.segments.last() {
        Archive::open(&segment.path, genesis)?;
    } else if let Some(base) = &backup.base {
        SnapshotFile::open(&base.path, genesis)?;
    }
    Ok(())
}

/// Writes the state that the backup begins with. Returns where, and its bytes.
fn write_base(
    backup: &Folder,
    data: &Path,
    genesis: &Genesis,
    source: &StoreSource,
    output: &Output,
) -> Result<(PathBuf, u64), Failure> {
    // Its name says its height, which is known once it is written.
    let temporary = Temporary::beside(&backup.base_path(Height::ZERO, &Hash::ZERO))?;
    let failed = |error: SnapshotError| why(data, error.into());
    let io = |source| SnapshotError::Io { action: "write", path: temporary.path().to_owned(), source };
    let file = OpenOptions::new().write(true).create_new(true).open(temporary.path());
    let buffer = BufWriter::with_capacity(1 << 20, file.map_err(|error| failed(io(error)))?);
    let mut progress = Progress::begin(output);
    let written = SnapshotWriter::write(buffer, temporary.path(), genesis, source.reader(), |done| {
        progress.show(u64::from(done), u64::from(u16::MAX), |_| "the state".to_owned());
    });
    progress.end();
    let (buffer, summary) = written.map_err(failed)?;
    let file = buffer.into_inner().map_err(|error| failed(io(error.into_error())))?;
    let bytes = file.sync_all().and_then(|()| file.metadata()).map_err(|error| failed(io(error)))?.len();
    let id = id_at(source, summary.height).map_err(|error| why(data, error))?;
    let path = backup.base_path(summary.height, &id);
    temporary.take_name(&path)?;
    Ok((path, bytes))
}

/// The id of a block that the node has.
fn id_at(source: &StoreSource, height: Height) -> Result<Hash, BackupError> {
    let header = source.reader().header(height)?;
    Ok(header.ok_or(LedgerError::Corrupt { what: "a header" })?.id())
}

/// Writes the blocks of these heights. Returns where, and their bytes.
fn write_segment(
    backup: &Folder,
    data: &Path,
    genesis: &Genesis,
    source: StoreSource,
    (first, last): (Height, Height),
    output: &Output,
) -> Result<(PathBuf, u64), Failure> {
    let id = id_at(&source, last).map_err(|error| why(data, error))?;
    let path = backup.segment_path(first, last, &id);
    let temporary = Temporary::beside(&path)?;
    let written = write_archive(&temporary, source, genesis, (first, last), output);
    let (_, _, bytes) = written.map_err(|error| failed(data, error))?;
    temporary.take_name(&path)?;
    Ok((path, bytes))
}

impl Restore {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let subject =
            if self.observer { self.whose.observer(home, self.node_key)? } else { self.whose.validator(home)?.0 };
        let Subject { genesis, owner, key_path, data, config } = subject;
        let backup = Folder::open(&self.from).map_err(|error| why(&data, error))?;
        let mut progress = Progress::begin(output);
        let restored = shell::restore_backup(&genesis, owner, &data, &config, &backup, |height, last| {
            progress.show(height.get(), last.get(), |_| format!("height {height} of {last}"));
        });
        progress.end();
        let restored = restored.map_err(|error| match error {
            RestoreFailure::Backup(error) => why(&data, error),
            RestoreFailure::Snapshot(error) => why(&data, error.into()),
            RestoreFailure::Start(error) => not_started(&error, &key_path),
        })?;
        let fields = json!({
            "data": data, "height": restored.height.to_string(), "stateRoot": restored.state_root.to_string(),
        });
        let human = || {
            list(&[
                ("restored", data.display().to_string()),
                ("height", restored.height.to_string()),
                ("state root", restored.state_root.to_string()),
            ])
        };
        output.either(human, fields)?;
        Ok(Exit::Done)
    }
}

/// Why a backup was not made or restored.
pub(super) fn why(data: &Path, error: BackupError) -> Failure {
    let message = error.to_string();
    match error {
        BackupError::Ledger(error) => failed(data, error.into()),
        BackupError::Archive(AuditError::Fault(fault)) => of_archive(&fault),
        BackupError::Archive(error) => failed(data, error),
        BackupError::Snapshot(error) => snapshot::why(data, error),
        BackupError::Io { .. } => Failure::new(Exit::Failed, "IO", message),
        BackupError::Nothing { .. } => Failure::new(Exit::NotFound, "NO_BACKUP", message)
            .hint("name the folder that was given to `althing backup --to`"),
        BackupError::Gap { .. } => Failure::new(Exit::NotFound, "BACKUP_GAP", message).hint(
            "put the missing file back, or remove one of two that hold the same; or begin a new backup elsewhere",
        ),
        BackupError::InUse { .. } => Failure::new(Exit::Temporary, "BACKUP_IN_USE", message)
            .hint("wait until it is done; nothing has to be removed if it was killed"),
        BackupError::OtherBlocks { .. } => Failure::new(Exit::Configuration, "OTHER_CHAIN", message)
            .hint("the backup is of another beginning of this chain; begin a new backup in another folder"),
        BackupError::Pruned { .. } => Failure::new(Exit::NotFound, "PRUNED", message)
            .hint("begin a new backup in another folder, and back up more often than the node removes blocks"),
        BackupError::Behind { .. } => Failure::new(Exit::NotFound, "NO_BLOCKS", message)
            .hint("wait until the node has caught up, or name the node that the backup was made of"),
        BackupError::Unverified(_) => Failure::new(Exit::Unverified, "UNVERIFIED", message)
            .hint("nothing of it was kept; take another copy of the backup, or let the node fetch from the others"),
        BackupError::Contradiction(_) | BackupError::Results { .. } => {
            Failure::new(Exit::Unverified, "DIVERGED", message).hint(
                "no other copy helps: use the version of the program that the validators run, and tell them if it is",
            )
        }
    }
}

/// What is wrong with a file of blocks.
fn of_archive(fault: &Fault) -> Failure {
    match fault {
        Fault::OtherChain { .. } => Failure::new(Exit::Configuration, "OTHER_CHAIN", fault.to_string())
            .hint("give the genesis document of the chain that the backup is of"),
        fault => at_fault(fault).hint("nothing of it was kept; take another copy of the backup"),
    }
}
