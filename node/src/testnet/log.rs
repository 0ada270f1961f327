//! What a node writes, in a file of bounded size, and the end of it for people.
//!
//! The node writes to the file itself, so that it never waits for whoever looks after it. A file that has grown too
//! large is copied beside and emptied; what is written in the moment between is lost.
//!
//! The file that the node was given is locked, and the system gives the lock back when the last process that has it is
//! gone. So a node that nobody recorded is seen by its log, from the moment at which it was started.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock;
use super::patience::Patience;

/// Bytes of a log at which it is put aside. One older log is kept beside it.
pub const LOG_BYTES_MAX: u64 = 16 << 20;
/// Bytes of the end that are looked at for lines.
const TAIL_BYTES_MAX: u64 = 4 << 20;

/// Where a node with this home folder writes.
pub fn path(home: &Path) -> PathBuf {
    home.join("log.txt")
}

/// Opens the log for one node, so that whoever writes continues it, also after it was emptied; none if another process
/// still has it when so much time is over.
pub(super) fn hold(home: &Path, patience: Duration) -> io::Result<Option<File>> {
    let path = path(home);
    let mut held = Ok(None);
    Patience::of(patience).until(|| {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        held = file.and_then(|file| lock::take(file, &path));
        !matches!(held, Ok(None))
    });
    held
}

/// Puts a log aside that has grown too large.
pub(super) fn bound(home: &Path, max: u64) -> io::Result<()> {
    let path = path(home);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > max) {
        fs::copy(&path, home.join("log.1.txt"))?;
        OpenOptions::new().write(true).open(&path)?.set_len(0)?;
    }
    Ok(())
}

/// The last lines of a log, at most so many, and where it ended; none if there is no log.
///
/// # Errors
///
/// What the system says about the file.
pub fn tail(path: &Path, lines: usize) -> io::Result<(Vec<String>, u64)> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        opened => opened?,
    };
    let end = file.metadata()?.len();
    let start = end.saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut last: Vec<String> = text.lines().rev().take(lines).map(str::to_owned).collect();
    last.reverse();
    Ok((last, end))
}

/// What was written after `position`, at most a few mebibytes, and the new position. A log that was put aside begins
/// again.
///
/// # Errors
///
/// What the system says about the file.
pub fn news(path: &Path, position: u64) -> io::Result<(String, u64)> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((String::new(), 0)),
        opened => opened?,
    };
    let end = file.metadata()?.len();
    let start = if end < position { 0 } else { position };
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX.min(end - start)).read_to_end(&mut bytes)?;
    // Only whole lines; the rest is read when it is complete. One without an end is passed on as it is.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let whole = if whole == 0 && u64::try_from(bytes.len()).is_ok_and(|read| read == TAIL_BYTES_MAX) {
        bytes.len()
    } else {
        whole
    };
    bytes.truncate(whole);
    let read = u64::try_from(whole).unwrap_or_default();
    Ok((String::from_utf8_lossy(&bytes).into_owned(), start + read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_log_that_grew_too_large_is_put_aside_and_continued() {
        let home = tempfile::tempdir().expect("a folder");
        let mut log = hold(home.path(), Duration::ZERO).expect("new").expect("ours alone");
        log.write_all(b"one\ntwo\n").expect("ours");
        bound(home.path(), 8).expect("not too large");
        assert!(!home.path().join("log.1.txt").exists());
        bound(home.path(), 7).expect("too large");
        log.write_all(b"three\n").expect("ours");
        assert_eq!(fs::read_to_string(home.path().join("log.1.txt")).expect("there"), "one\ntwo\n");
        assert_eq!(fs::read_to_string(path(home.path())).expect("there"), "three\n");
    }

    #[test]
    fn a_log_belongs_to_one_process_until_that_is_gone() {
        let home = tempfile::tempdir().expect("a folder");
        let log = hold(home.path(), Duration::ZERO).expect("new").expect("ours alone");
        let mut command = std::process::Command::new("sleep");
        let mut process = command.arg("60").stdout(log).spawn().expect("there is a program that sleeps");
        // What was to become its output is a copy here.
        drop(command);
        let is_held = || hold(home.path(), Duration::from_millis(50)).expect("there").is_none();
        assert!(is_held());
        process.kill().expect("ours");
        process.wait().expect("ours");
        assert!(!is_held());
    }

    #[test]
    fn the_last_lines_are_the_last_ones() {
        let home = tempfile::tempdir().expect("a folder");
        let path = path(home.path());
        assert_eq!(tail(&path, 3).expect("no log is no error"), (Vec::new(), 0));
        fs::write(&path, "a\nb\nc\n").expect("ours");
        assert_eq!(tail(&path, 2).expect("there"), (vec!["b".to_owned(), "c".to_owned()], 6));
        assert_eq!(tail(&path, 9).expect("there").0.len(), 3);
    }

    #[test]
    fn news_are_whole_lines_and_a_log_that_was_emptied_begins_again() {
        let home = tempfile::tempdir().expect("a folder");
        let path = path(home.path());
        let mut log = hold(home.path(), Duration::ZERO).expect("new").expect("ours alone");
        log.write_all(b"a\nb").expect("ours");
        let (text, position) = news(&path, 0).expect("there");
        assert_eq!((text.as_str(), position), ("a\n", 2));
        log.write_all(b"c\n").expect("ours");
        let (text, position) = news(&path, position).expect("there");
        assert_eq!((text.as_str(), position), ("bc\n", 5));
        bound(home.path(), 1).expect("too large");
        log.write_all(b"d\n").expect("ours");
        assert_eq!(news(&path, position).expect("there"), ("d\n".to_owned(), 2));
    }
}
