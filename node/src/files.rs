//! Files written whole or not at all, and secrets that nobody else may read.
//!
//! A file appears under its name only once its bytes are synced, so that a crash leaves the old content or the new. A
//! file that exists is replaced only where the caller says so. Secrets live in files without permissions for group and
//! others, and are refused when that is not so: somebody may have read them already.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use zeroize::Zeroizing;

/// Who may read a file that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its owner only: mode 0600.
    Secret,
    /// Everybody, within the process's umask.
    Public,
}

/// What to do about a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Refuse.
    Keep,
    /// Replace it.
    Replace,
}

impl Existing {
    /// From a flag such as `--force`.
    pub(crate) const fn from_force(force: bool) -> Self {
        if force { Self::Replace } else { Self::Keep }
    }
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("there is no file {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is there, and may not be replaced.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than anything that we read from such a file.
    #[error("{} is larger than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that would be read.
        max: usize,
    },
    /// It holds a secret, and others may read it.
    #[error("others may read the secret in {} (mode {mode:04o})", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a file of at most `max` bytes.
pub(crate) fn read(path: &Path, max: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read_open(&open(path)?, path, max)
}

/// Reads a file of at most `max` bytes, and whether others may read or write it.
pub(crate) fn read_noting_access(path: &Path, max: usize) -> Result<(Zeroizing<Vec<u8>>, SecretMode), FileError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(|source| io_error("read", path, source))?;
    let bytes = read_open(&file, path, max)?;
    Ok((bytes, SecretMode { path: path.to_owned(), mode: metadata.permissions().mode() & 0o7777 }))
}

/// The permissions of a file that turned out to hold a secret.
pub(crate) struct SecretMode {
    path: PathBuf,
    mode: u32,
}

impl SecretMode {
    /// Refuses a secret that others may read or change.
    pub(crate) fn check(self) -> Result<(), FileError> {
        if self.mode & 0o077 == 0 { Ok(()) } else { Err(FileError::Open { path: self.path, mode: self.mode }) }
    }
}

/// Writes a file whole: a temporary file beside it, synced, takes its name. A file that is replaced keeps its
/// permissions, unless they would show a secret to others, and stays where symbolic links lead.
pub(crate) fn write(path: &Path, bytes: &[u8], access: Access, existing: Existing) -> Result<(), FileError> {
    let replaced = if existing == Existing::Replace { replaced(path)? } else { None };
    let (path, mode) = replaced.as_ref().map_or((path, None), |(real, mode)| (real.as_path(), Some(*mode)));
    let mode = mode.filter(|mode| access == Access::Public || mode & 0o077 == 0);
    let name = path.file_name().ok_or_else(|| {
        io_error("write", path, io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = folder.join(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let written = write_temporary(&temporary, bytes, access, mode).and_then(|()| take_name(&temporary, path, existing));
    if written.is_err() {
        // The error that we report is the first one; what is left over is only in the way.
        let _ignored = fs::remove_file(&temporary);
    }
    written?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| io_error("sync the folder of", path, source))
}

/// Makes a folder and those above it that are missing. New ones belong to their owner only if they hold secrets.
pub(crate) fn create_folder(path: &Path, access: Access) -> Result<(), FileError> {
    let mode = if access == Access::Secret { 0o700 } else { 0o777 };
    let created = DirBuilder::new().recursive(true).mode(mode).create(path);
    created.map_err(|source| io_error("create the folder", path, source))
}

fn open(path: &Path) -> Result<File, FileError> {
    // A FIFO that nobody writes to would keep us waiting before it is opened; this way it is empty.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = file.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.to_owned() },
        _ => io_error("open", path, source),
    })?;
    let is_folder = file.metadata().is_ok_and(|metadata| metadata.is_dir());
    if is_folder {
        return Err(io_error("read", path, io::Error::from(io::ErrorKind::IsADirectory)));
    }
    // Somebody who writes to it may take his time.
    let blocking = fcntl_getfl(&file).and_then(|flags| fcntl_setfl(&file, flags - OFlags::NONBLOCK));
    blocking.map_err(|errno| io_error("open", path, errno.into()))?;
    Ok(file)
}

fn read_open(file: &File, path: &Path, max: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // The buffer is reserved at once: one that grows would leave copies of a secret behind.
    let length = file.metadata().map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(usize::MAX));
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.min(max) + 1));
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|source| io_error("read", path, source))?;
    if bytes.len() > max { Err(FileError::TooLarge { path: path.to_owned(), max }) } else { Ok(bytes) }
}

/// The file that is there, after all symbolic links, and its permissions. Only a regular file can be replaced.
fn replaced(path: &Path) -> Result<Option<(PathBuf, u32)>, FileError> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let refuse = |source| io_error("replace", path, source);
    let real = fs::canonicalize(path).map_err(refuse)?;
    let metadata = fs::metadata(&real).map_err(refuse)?;
    if metadata.is_file() {
        Ok(Some((real, metadata.permissions().mode() & 0o777)))
    } else {
        Err(refuse(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")))
    }
}

fn write_temporary(path: &Path, bytes: &[u8], access: Access, kept: Option<u32>) -> Result<(), FileError> {
    let mode = if access == Access::Secret { 0o600 } else { 0o666 };
    // One left over by a crash of a process with the same number.
    let _ignored = fs::remove_file(path);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|source| io_error("create", path, source))?;
    if let Some(mode) = kept {
        let changed = file.set_permissions(fs::Permissions::from_mode(mode));
        changed.map_err(|source| io_error("write", path, source))?;
    }
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|source| io_error("write", path, source))
}

/// A link refuses a name that is taken, a rename does not.
fn take_name(temporary: &Path, path: &Path, existing: Existing) -> Result<(), FileError> {
    match existing {
        Existing::Replace => fs::rename(temporary, path).map_err(|source| io_error("write", path, source)),
        Existing::Keep => {
            fs::hard_link(temporary, path).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => FileError::Exists { path: path.to_owned() },
                _ => io_error("write", path, source),
            })?;
            fs::remove_file(temporary).map_err(|source| io_error("tidy up after", path, source))
        }
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> FileError {
    FileError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_whole_and_replaced_only_when_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        write(&path, b"one", Access::Secret, Existing::Keep).expect("new");
        assert!(matches!(write(&path, b"two", Access::Secret, Existing::Keep), Err(FileError::Exists { .. })));
        assert_eq!(read(&path, 100).expect("there").as_slice(), b"one");
        write(&path, b"two", Access::Secret, Existing::Replace).expect("replaced");
        assert_eq!(read(&path, 3).expect("there").as_slice(), b"two");
        assert!(matches!(read(&path, 2), Err(FileError::TooLarge { max: 2, .. })));
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1, "nothing temporary is left");
    }

    #[test]
    fn secrets_are_private_and_open_ones_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        write(&path, b"secret", Access::Secret, Existing::Keep).expect("new");
        let (_, mode) = read_noting_access(&path, 100).expect("there");
        assert_eq!(mode.mode, 0o600);
        assert!(mode.check().is_ok());
        for bits in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).expect("ours");
            let (_, mode) = read_noting_access(&path, 100).expect("there");
            assert!(matches!(mode.check(), Err(FileError::Open { mode, .. }) if mode == bits), "{bits:o}");
        }
    }

    fn fifo(path: &Path) {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).expect("new");
    }

    #[test]
    fn a_fifo_that_nobody_writes_to_is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        fifo(&path);
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || sender.send(read(&path, 10).expect("open").to_vec()));
        let bytes = receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("it does not wait");
        assert_eq!(bytes, b"");
    }

    #[test]
    fn only_regular_files_are_replaced_and_where_links_lead() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let replace = |name: &str, access| write(&at(name), b"new", access, Existing::Replace);
        fs::create_dir(at("sub")).expect("new");
        fs::write(at("sub/file"), "old").expect("new");
        std::os::unix::fs::symlink("sub/file", at("link")).expect("new");
        std::os::unix::fs::symlink("nowhere", at("dangling")).expect("new");
        fifo(&at("fifo"));
        replace("link", Access::Public).expect("a file in the end");
        assert!(fs::symlink_metadata(at("link")).expect("there").is_symlink());
        assert_eq!(fs::read(at("sub/file")).expect("there"), b"new");
        for bad in ["fifo", "sub", "dangling"] {
            assert!(matches!(replace(bad, Access::Public), Err(FileError::Io { action: "replace", .. })), "{bad}");
        }
        assert!(!fs::metadata(at("fifo")).expect("there").is_file() && at("sub").is_dir());
        let mode = |name: &str| fs::metadata(at(name)).expect("there").permissions().mode() & 0o777;
        for (access, before, after) in [
            (Access::Public, 0o600, 0o600),
            (Access::Public, 0o664, 0o664),
            (Access::Secret, 0o400, 0o400),
            (Access::Secret, 0o644, 0o600),
        ] {
            fs::set_permissions(at("sub/file"), fs::Permissions::from_mode(before)).expect("ours");
            replace("sub/file", access).expect("a file");
            assert_eq!(mode("sub/file"), after, "{before:o}");
        }
    }

    #[test]
    fn what_is_missing_or_a_folder_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(read(&folder.path().join("none"), 1), Err(FileError::Missing { .. })));
        assert!(matches!(read(folder.path(), 1), Err(FileError::Io { .. })));
        assert!(write(Path::new("/"), b"", Access::Public, Existing::Keep).is_err());
        let private = folder.path().join("a/b");
        create_folder(&private, Access::Secret).expect("new");
        assert_eq!(fs::metadata(&private).expect("there").permissions().mode() & 0o777, 0o700);
    }
}
