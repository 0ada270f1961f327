//! `althing export`: the chain of a node in one file, which `althing verify` and others can check.

use std::fs::{self, File, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use althing_genesis::Genesis;
use althing_ledger::LedgerError;
use althing_storage::StoreError;
use althing_types::{Hash, Height};
use clap::Args;
use serde_json::json;

use crate::audit::{ArchiveWriter, AuditError, Fault, Source as _, StoreSource};
use crate::cli::failure::Failure;
use crate::cli::node::read_genesis;
use crate::cli::output::{Output, list};
use crate::cli::progress::Progress;
use crate::cli::{Exit, home_or_default};
use crate::files::FileError;

/// Bytes that are written to the file at once.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  althing export --home /var/lib/althing --out chain.althing
  althing export --data net/node-0/data --genesis net/genesis.json --out chain.althing
  althing export --data data --genesis genesis.json --from 200001 --out chain-2.althing

The node may run and does not notice. Its folder is read and not changed. The file ends with a block that has a certificate
of its own; docs/spec/archive.md has its form, byte by byte.

Exit codes: 0 written, 1 the file exists or the disk failed, 6 there is no such folder, no such height or no certificate
yet, 10 the store is damaged, 78 the store is of another chain or version.")]
pub(crate) struct Export {
    /// The data folder of the node [default: HOME/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The genesis document [default: HOME/config/genesis.json]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The file to write; one that exists is not replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The first height
    #[arg(long, value_name = "HEIGHT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// The last height; the file goes on to the next block with a certificate [default: the last such block]
    #[arg(long, value_name = "HEIGHT")]
    to: Option<u64>,
}

impl Export {
    pub(crate) fn run(self, home: Option<PathBuf>, output: &Output) -> Result<Exit, Failure> {
        let (data, genesis) = chain_of(self.data.as_deref(), self.genesis.as_deref(), home)?;
        if fs::symlink_metadata(&self.out).is_ok() {
            return Err(FileError::Exists { path: self.out }.into());
        }
        let source = StoreSource::open_beside(&data.join("db"), &genesis).map_err(|error| failed(&data, error))?;
        let (first, last) = (Height::new(self.from), self.last(&source).map_err(|error| failed(&data, error))?);
        let head = source.last();
        let last = last.filter(|last| *last >= first).ok_or_else(|| nothing(first, head))?;
        let temporary = Temporary::beside(&self.out)?;
        let written = write_archive(&temporary, source, &genesis, (first, last), output);
        let (blocks, digest, bytes) = written.map_err(|error| failed(&data, error))?;
        temporary.take_name(&self.out)?;
        if last < head && self.to.is_none() {
            output.note(&format!("heights {} to {head} are left out: no certificate of theirs is here", last.next()));
        }
        let fields = json!({
            "out": self.out, "genesisHash": genesis.hash().to_string(), "chainId": genesis.chain_id(),
            "from": first.to_string(), "to": last.to_string(), "blocks": blocks.to_string(),
            "digest": digest.to_string(), "bytes": bytes.to_string(),
        });
        let human = || {
            list(&[
                ("written", self.out.display().to_string()),
                ("chain", format!("{}, genesis {}", genesis.chain_id(), genesis.hash())),
                ("heights", format!("{first} to {last}")),
                ("bytes", bytes.to_string()),
                ("digest", digest.to_string()),
            ])
        };
        output.either(human, fields)?;
        Ok(Exit::Done)
    }

    /// The last height to be written: one with a certificate of its own.
    fn last(&self, source: &StoreSource) -> Result<Option<Height>, AuditError> {
        let (reader, head) = (source.reader(), source.last());
        match self.to.map(Height::new) {
            Some(to) if to > head => Ok(None),
            Some(to) => match reader.certified_from(to)? {
                Some(height) => Ok(Some(height)),
                None => Ok(reader.certified_below(to)?),
            },
            None => Ok(reader.certified_below(head)?),
        }
    }
}

/// The data folder and the genesis document that were named, or those of the home folder.
pub(super) fn chain_of(
    data: Option<&Path>,
    genesis: Option<&Path>,
    home: Option<PathBuf>,
) -> Result<(PathBuf, Genesis), Failure> {
    let home = if data.is_some() && genesis.is_some() { None } else { Some(home_or_default(home)?) };
    let within = |name: &str| home.as_ref().map(|home| home.join(name)).unwrap_or_default();
    let data = data.map_or_else(|| within("data"), Path::to_owned);
    if !data.join("db").is_dir() {
        let message = format!("there is no store of a node in {}", data.display());
        return Err(Failure::new(Exit::NotFound, "DATA_MISSING", message)
            .hint("give --data DIR, the folder that holds `db`, or the node's --home DIR"));
    }
    let genesis = genesis.map_or_else(|| within("config/genesis.json"), Path::to_owned);
    Ok((data, read_genesis(&genesis)?))
}

/// Writes the archive into a file that is not there yet under its name. Returns its blocks, digest and bytes.
pub(super) fn write_archive(
    temporary: &Temporary,
    source: StoreSource,
    genesis: &Genesis,
    (first, last): (Height, Height),
    output: &Output,
) -> Result<(u64, Hash, u64), AuditError> {
    let io = |source| AuditError::Io { action: "write", path: temporary.path.clone(), source };
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary.path).map_err(io)?;
    let mut source = source.only(first, last)?;
    let buffer = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut writer = ArchiveWriter::begin(buffer, genesis, first, last).map_err(io)?;
    let mut progress = Progress::begin(output);
    let whole = last.above(first).saturating_add(1);
    let mut blocks = 0u64;
    while let Some(entry) = source.next_entry()? {
        let height = entry.block.header.height;
        writer.entry(&entry).map_err(io)?;
        blocks = blocks.saturating_add(1);
        progress.show(blocks, whole, |_| format!("height {height} of {last}"));
    }
    progress.end();
    let (buffer, digest) = writer.finish().map_err(io)?;
    let file = buffer.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    Ok((blocks, digest, bytes))
}

/// A file that goes away unless it takes its name.
pub(super) struct Temporary {
    path: PathBuf,
}

impl Temporary {
    pub(super) fn beside(out: &Path) -> Result<Self, Failure> {
        let name = out.file_name().ok_or_else(|| Failure::usage("--out names no file"))?;
        let path = out.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
        // One left over by a crash of a process with the same number.
        let _ignored = fs::remove_file(&path);
        Ok(Self { path })
    }

    /// Where it is written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A link refuses a name that is taken, a rename does not.
    pub(super) fn take_name(self, out: &Path) -> Result<(), Failure> {
        fs::hard_link(&self.path, out).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => FileError::Exists { path: out.to_owned() },
            _ => FileError::Io { action: "write", path: out.to_owned(), source },
        })?;
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(synced.map_err(|source| FileError::Io { action: "sync the folder of", path: out.to_owned(), source })?)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ignored = fs::remove_file(&self.path);
    }
}

fn nothing(first: Height, head: Height) -> Failure {
    let message = format!("there is nothing from height {first} on to write: the last height is {head}");
    Failure::new(Exit::NotFound, "NO_BLOCKS", message)
        .hint("heights are written once a certificate at or above them is here; give lower ones with --from and --to")
}

/// Why a node's store cannot be read, or a file not written.
pub(super) fn failed(data: &Path, error: AuditError) -> Failure {
    let message = error.to_string();
    let ledger = match error {
        AuditError::Fault(fault) => return at_fault(&fault),
        AuditError::Interrupted { .. } => return Failure::new(Exit::Interrupted, "INTERRUPTED", message),
        AuditError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            return Failure::new(Exit::NotFound, "FILE_NOT_FOUND", message);
        }
        AuditError::Io { .. } => return Failure::new(Exit::Failed, "IO", message),
        AuditError::Gap { .. } | AuditError::OtherSource { .. } => {
            return Failure::new(Exit::Failed, "WORK_FOLDER", message);
        }
        AuditError::Ledger(error) => error,
    };
    match ledger {
        LedgerError::Store(StoreError::InUse { .. }) => {
            Failure::new(Exit::Temporary, "DATA_IN_USE", format!("{} is in use by a running node", data.display()))
                .hint("stop the node, or use a copy of its folder that was made while it was stopped")
        }
        LedgerError::OtherChain { .. } | LedgerError::Version { .. } => {
            Failure::new(Exit::Configuration, "DATA_FOLDER", format!("{}: {message}", data.display()))
                .hint("give the genesis document of this chain, and the program of the version that wrote the store")
        }
        LedgerError::Store(StoreError::WrongSchema { .. }) => Failure::new(Exit::Configuration, "DATA_FOLDER", message)
            .hint("run the version that wrote the store; a work folder of `althing verify` is no data folder"),
        LedgerError::Pruned { .. } => Failure::new(Exit::NotFound, "PRUNED", message).hint(
            "take the folder, or an export, of a node that keeps everything: `storage.history` says what is kept",
        ),
        LedgerError::Corrupt { .. } | LedgerError::Store(StoreError::Corrupt { .. }) => {
            Failure::new(Exit::Unverified, "UNVERIFIED", format!("{}: {message}", data.display()))
                .hint("check the disk; use the data of another node")
        }
        _ => Failure::new(Exit::Failed, "IO", message),
    }
}

/// Something that is wrong with the chain.
pub(super) fn at_fault(fault: &Fault) -> Failure {
    Failure::new(Exit::Unverified, "UNVERIFIED", fault.to_string())
}
