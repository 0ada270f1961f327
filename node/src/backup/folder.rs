//! What is in the folder of a backup. The names of its files say which heights they hold; what they say is verified when
//! they are read.

use std::fs;
use std::path::{Path, PathBuf};

use althing_types::Height;

use super::BackupError;

/// How the names begin and end.
const BASE: (&str, &str) = ("base-", ".snapshot");
const BLOCKS: (&str, &str) = ("blocks-", ".althing");

/// The state that a backup begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The height.
    pub height: Height,
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
            if let Some([height]) = heights(name, BASE) {
                bases.push(Base { height, path });
            } else if let Some([first, last]) = heights(name, BLOCKS) {
                backup.segments.push(Segment { first, last, path });
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

    /// The last height; none if there is no backup yet.
    pub fn last(&self) -> Option<Height> {
        let blocks = self.segments.last().map(|segment| segment.last);
        blocks.or(self.base.as_ref().map(|base| base.height))
    }

    /// Where a state of this height goes.
    pub fn base_path(&self, height: Height) -> PathBuf {
        self.folder.join(format!("{}{:020}{}", BASE.0, height.get(), BASE.1))
    }

    /// Where blocks of these heights go.
    pub fn segment_path(&self, first: Height, last: Height) -> PathBuf {
        self.folder.join(format!("{}{:020}-{:020}{}", BLOCKS.0, first.get(), last.get(), BLOCKS.1))
    }
}

/// The heights in a name, each of twenty digits.
fn heights<const N: usize>(name: &str, (prefix, suffix): (&str, &str)) -> Option<[Height; N]> {
    let mut parts = name.strip_prefix(prefix)?.strip_suffix(suffix)?.split('-');
    let mut found = [Height::ZERO; N];
    for height in &mut found {
        let digits =
            parts.next().filter(|digits| digits.len() == 20 && digits.bytes().all(|it| it.is_ascii_digit()))?;
        *height = Height::new(digits.parse().ok()?);
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[(u64, Option<u64>)]) -> (tempfile::TempDir, Result<Backup, BackupError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let empty = Backup::open(folder.path()).expect("it is empty");
        assert_eq!(empty.last(), None);
        for (first, last) in names {
            let path = match last {
                None => empty.base_path(Height::new(*first)),
                Some(last) => empty.segment_path(Height::new(*first), Height::new(*last)),
            };
            fs::write(path, "").expect("written");
        }
        fs::write(folder.path().join("blocks-1-2.althing"), "").expect("no part of it");
        let opened = Backup::open(folder.path());
        (folder, opened)
    }

    #[test]
    fn files_without_a_gap_are_a_backup_and_others_are_not() {
        let last = |names: &[_]| folder(names).1.expect("a backup").last().map(Height::get);
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
    fn a_folder_that_is_not_there_holds_no_backup() {
        let nowhere = tempfile::tempdir().expect("a folder").path().join("none");
        assert_eq!(Backup::open(&nowhere).expect("nothing").last(), None);
    }
}
