//! Locks on files that the system gives back however a process ends, and that hold although the files can be removed.
//!
//! Whoever waits for a lock with the file open gets it also when the holder removed the file meanwhile: the lock of a
//! file that nobody finds any more. So a lock counts only while its file is the one that the name leads to, and whoever
//! waits opens the file anew each time.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// How long a process may take between its fork and its program. Until then it holds copies of our files, also of locks
/// that were given back; it is not somebody else.
pub(super) const STARTING_MAX: Duration = Duration::from_millis(500);

/// The open file of this name with its lock, if nobody else has it and others will find it. It is given back when the
/// last copy of the file is closed, also one that another process was given.
///
/// # Errors
///
/// If the system cannot lock the file at all.
pub(super) fn take(file: File, path: &Path) -> io::Result<Option<File>> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(is_at(&file, path).then_some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the name leads to this file, and not to a later one or to none.
fn is_at(file: &File, path: &Path) -> bool {
    let both = file.metadata().and_then(|held| Ok((held, fs::metadata(path)?)));
    both.is_ok_and(|(held, there)| (held.dev(), held.ino()) == (there.dev(), there.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_lock_until_the_last_copy_is_closed() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("lock");
        let open = || File::options().create(true).append(true).open(&path).expect("ours");
        let held = take(open(), &path).expect("a lock").expect("nobody has it");
        let copy = held.try_clone().expect("a copy");
        assert!(take(open(), &path).expect("a lock").is_none());
        drop(held);
        assert!(take(open(), &path).expect("a lock").is_none(), "the copy holds it");
        drop(copy);
        assert!(take(open(), &path).expect("a lock").is_some());
    }

    #[test]
    fn the_lock_of_a_file_that_was_removed_or_replaced_is_none() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("lock");
        let open = || File::options().create(true).append(true).open(&path).expect("ours");
        let waiting = open();
        fs::remove_file(&path).expect("ours");
        assert!(take(waiting.try_clone().expect("a copy"), &path).expect("a lock").is_none(), "it is gone");
        let later = open();
        assert!(take(waiting, &path).expect("a lock").is_none(), "there is another one");
        assert!(take(later, &path).expect("a lock").is_some());
    }
}
