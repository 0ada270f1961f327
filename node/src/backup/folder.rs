//! What is in the folder of a backup. The names of its files say which heights they hold, and how the id of the last block
//! begins; what they say is verified when they are read.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use althing_types::{Hash, Height};
use rustix::fs::{FlockOperation, flock};

use super::BackupError;

/// How the names begin and end.
const BASE: (&str, &str) = ("base-", ".snapshot");
const BLOCKS: (&str, &str) = ("blocks-", ".althing");
/// The file that is held while something is added.
const LOCK: &str = "LOCK";
/// Digits of a height in a name, and of an id.
const HEIGHT_DIGITS: usize = 20;
const ID_DIGITS: usize = 16;

/// The state that a backup begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The height.
    pub height: Height,
    /// How the id of its block begins, sixteen digits.
    pub id: String,
    /// The snapshot.
    pub path: PathBuf,
}

/// Blocks that were added at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first height.
    pub first: Height,
    /// The last height.
    pub last: Height,
    /// How the id of the last block begins, sixteen digits.
    pub id: String,
    /// The archive.
    pub path: PathBuf,
}

/// A backup: blocks without a gap, from the first one on or above a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    folder: PathBuf,
    /// The state below the first block, if that is not the chain's first.
    pub base: Option<Base>,
    /// The blocks, ascending.
    pub segments: Vec<Segment>,
}

impl Backup {
    /// Looks at a folder, which need not be there. Files that are no part of a backup are passed over.
    ///
    /// # Errors
    ///
    /// [`BackupError::Gap`] if files are missing or overlap, and what the disk says.
    pub fn open(folder: &Path) -> Result<Self, BackupError> {
        let mut backup = Self { folder: folder.to_owned(), base: None, segments: Vec::new() };
        let io = |source| BackupError::Io { action: "list", path: folder.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(backup),
            entries => entries.map_err(io)?,
        };
        let mut bases = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(([height], id)) = heights(name, BASE) {
                bases.push(Base { height, id, path });
            } else if let Some(([first, last], id)) = heights(name, BLOCKS) {
                backup.segments.push(Segment { first, last, id, path });
            }
        }
        bases.sort_by_key(|base| base.height);
        backup.segments.sort_by_key(|segment| segment.first);
        if let Some(second) = bases.get(1) {
            let expected = bases.first().map_or(Height::ZERO, |base| base.height.next());
            return Err(backup.gap(expected, second.height));
        }
        backup.base = bases.pop();
        let mut due = backup.base.as_ref().map_or(Height::ZERO, |base| base.height).next();
        for segment in &backup.segments {
            if segment.first != due || segment.last < segment.first {
                return Err(backup.gap(due, segment.first));
            }
            due = segment.last.next();
        }
        Ok(backup)
    }

    fn gap(&self, expected: Height, found: Height) -> BackupError {
        BackupError::Gap { path: self.folder.clone(), expected, found }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last height, and how the id of its block begins; none if there is no backup yet.
    pub fn last(&self) -> Option<(Height, &str)> {
        let blocks = self.segments.last().map(|segment| (segment.last, segment.id.as_str()));
        blocks.or(self.base.as_ref().map(|base| (base.height, base.id.as_str())))
    }

    /// Where a state of this height goes.
    pub fn base_path(&self, height: Height, id: &Hash) -> PathBuf {
        self.folder.join(format!("{}{:020}-{}{}", BASE.0, height.get(), begin(id), BASE.1))
    }

    /// Where blocks of these heights go.
    pub fn segment_path(&self, first: Height, last: Height, id: &Hash) -> PathBuf {
        let (first, last) = (first.get(), last.get());
        self.folder.join(format!("{}{first:020}-{last:020}-{}{}", BLOCKS.0, begin(id), BLOCKS.1))
    }
}

/// Held by whoever adds to a backup.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the folder if it is not there, locks it, and removes what an earlier process left unfinished.
    ///
    /// # Errors
    ///
    /// [`BackupError::InUse`], and what the disk says.
    pub fn take(folder: &Path) -> Result<Self, BackupError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| BackupError::Io { action, path, source }
        };
        make(folder).map_err(io("make the folder", folder))?;
        let path = folder.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(BackupError::InUse { path: folder.to_owned() }),
            Err(error) => return Err(io("lock", &path)(error.into())),
        }
        for entry in fs::read_dir(folder).map_err(io("list", folder))? {
            let path = entry.map_err(io("list", folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let begins = |prefix: &str| name.strip_prefix('.').is_some_and(|name| name.starts_with(prefix));
            if name.ends_with(".new") && (begins(BASE.0) || begins(BLOCKS.0)) {
                fs::remove_file(&path).map_err(io("remove", &path))?;
            }
        }
        Ok(Self { _file: file })
    }
}

/// Makes a folder and those above it, durably.
fn make(folder: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    fs::create_dir_all(folder)?;
    for folder in missing {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// How an id begins, as it stands in names.
pub(super) fn begin(id: &Hash) -> String {
    const_hex::encode(id.as_bytes()).chars().take(ID_DIGITS).collect()
}

/// The heights in a name, and how the id begins.
fn heights<const N: usize>(name: &str, (prefix, suffix): (&str, &str)) -> Option<([Height; N], String)> {
    let mut parts = name.strip_prefix(prefix)?.strip_suffix(suffix)?.split('-');
    let mut found = [Height::ZERO; N];
    for height in &mut found {
        let is_number = |digits: &&str| digits.len() == HEIGHT_DIGITS && digits.bytes().all(|it| it.is_ascii_digit());
        *height = Height::new(parts.next().filter(is_number)?.parse().ok()?);
    }
    let is_id =
        |digits: &&str| digits.len() == ID_DIGITS && digits.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let id = parts.next().filter(is_id)?.to_owned();
    parts.next().is_none().then_some((found, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Hash = Hash::new([0xab; 32]);

    fn folder(names: &[(u64, Option<u64>)]) -> (tempfile::TempDir, Result<Backup, BackupError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let empty = Backup::open(folder.path()).expect("it is empty");
        assert!(empty.last().is_none());
        for (first, last) in names {
            let path = match last {
                None => empty.base_path(Height::new(*first), &ID),
                Some(last) => empty.segment_path(Height::new(*first), Height::new(*last), &ID),
            };
            fs::write(path, "").expect("written");
        }
        fs::write(folder.path().join("blocks-1-2.althing"), "").expect("no part of it");
        let opened = Backup::open(folder.path());
        (folder, opened)
    }

    #[test]
    fn files_without_a_gap_are_a_backup_and_others_are_not() {
        let last = |names: &[_]| {
            let (_folder, backup) = folder(names);
            backup.expect("a backup").last().map(|(height, id)| {
                assert_eq!(id, "abababababababab");
                height.get()
            })
        };
        assert_eq!(last(&[]), None);
        assert_eq!(last(&[(1, Some(9)), (10, Some(10)), (11, Some(300))]), Some(300));
        assert_eq!(last(&[(50, None)]), Some(50));
        assert_eq!(last(&[(51, Some(60)), (50, None)]), Some(60));
        let gap = |names: &[_]| match folder(names).1 {
            Err(BackupError::Gap { expected, found, .. }) => (expected.get(), found.get()),
            other => panic!("{other:?}"),
        };
        assert_eq!(gap(&[(2, Some(9))]), (1, 2));
        assert_eq!(gap(&[(1, Some(9)), (11, Some(12))]), (10, 11));
        assert_eq!(gap(&[(1, Some(9)), (9, Some(12))]), (10, 9));
        assert_eq!(gap(&[(50, None), (50, Some(60))]), (51, 50));
        assert_eq!(gap(&[(50, None), (70, None)]), (51, 70));
        assert_eq!(gap(&[(9, Some(1))]), (1, 9));
    }

    #[test]
    fn one_process_adds_at_a_time_and_removes_what_another_one_left() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("a/b");
        let lock = Lock::take(&folder).expect("it is free");
        let (left, other) = (folder.join(".blocks-1.7.new"), folder.join(".note.new"));
        fs::write(&left, "").expect("written");
        fs::write(&other, "").expect("written");
        assert!(matches!(Lock::take(&folder), Err(BackupError::InUse { .. })));
        assert!(left.exists(), "it may be written just now");
        drop(lock);
        let _lock = Lock::take(&folder).expect("it is free again");
        assert!(!left.exists() && other.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_holds_no_backup() {
        let nowhere = tempfile::tempdir().expect("a folder").path().join("none");
        assert!(Backup::open(&nowhere).expect("nothing").last().is_none());
    }
}
