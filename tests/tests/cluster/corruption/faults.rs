//! The files that are damaged, and how.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::dice::Dice;

/// A page of a disk, in bytes.
const PAGE: usize = 4_096;

/// The kinds of file in a validator's data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table of the store.
    Table,
    /// The store's write-ahead log.
    Ahead,
    /// The store's record of its files.
    Manifest,
    /// The name of that record.
    Current,
    /// The log of votes.
    Votes,
    /// The log of batches.
    Batches,
    /// What binds the folder to its chain and node.
    Version,
}

impl Kind {
    pub(super) const ALL: [Self; 7] =
        [Self::Table, Self::Ahead, Self::Manifest, Self::Current, Self::Votes, Self::Batches, Self::Version];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Table => "table (.sst)",
            Self::Ahead => "write-ahead log",
            Self::Manifest => "MANIFEST",
            Self::Current => "CURRENT",
            Self::Votes => "log of votes",
            Self::Batches => "log of batches",
            Self::Version => "version",
        }
    }

    /// The files of the kind in a data folder, the largest first, of logs the newest first.
    pub(super) fn files(self, data: &Path) -> Vec<PathBuf> {
        let (folder, is_meant): (PathBuf, fn(&str) -> bool) = match self {
            Self::Table => (data.join("db"), |name| name.ends_with(".sst")),
            Self::Ahead => (data.join("db"), |name| name.ends_with(".log")),
            Self::Manifest => (data.join("db"), |name| name.starts_with("MANIFEST-")),
            Self::Current => (data.join("db"), |name| name == "CURRENT"),
            Self::Votes => (data.join("votes"), |name| name.starts_with("segment-")),
            Self::Batches => (data.join("batches"), |name| name.starts_with("segment-")),
            Self::Version => (data.to_owned(), |name| name == "version"),
        };
        let entries = fs::read_dir(&folder).expect("it can be listed").map(|entry| entry.expect("an entry").path());
        let mut found: Vec<PathBuf> = entries.filter(|path| is_meant(&name(path))).collect();
        found.sort();
        found.reverse();
        if self == Self::Table {
            found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).expect("it is there").len()));
        }
        found
    }
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A bit is another one.
    Flip,
    /// A page holds zeros.
    Zero,
    /// The file ends early.
    Cut,
    /// Another file of the same kind is in its place: of another node, or an older one of its own.
    Swap,
}

/// Which part of the file is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its first quarter; another node's file.
    Head,
    /// Its last quarter; an older file of its own.
    Tail,
}

impl Place {
    pub(super) const ALL: [Self; 2] = [Self::Head, Self::Tail];

    /// A place among so many bytes.
    fn draw(self, length: usize, dice: &mut Dice) -> usize {
        let quarter = (length / 4).max(1);
        let within = usize::try_from(dice.below(quarter as u64)).expect("small");
        match self {
            Self::Head => within,
            Self::Tail => length.saturating_sub(1 + within),
        }
    }
}

impl Fault {
    pub(super) const ALL: [Self; 4] = [Self::Flip, Self::Zero, Self::Cut, Self::Swap];

    pub(super) const fn name(self, place: Place) -> &'static str {
        match (self, place) {
            (Self::Flip, Place::Head) => "bit flipped, head",
            (Self::Flip, Place::Tail) => "bit flipped, tail",
            (Self::Zero, Place::Head) => "page of zeros, head",
            (Self::Zero, Place::Tail) => "page of zeros, tail",
            (Self::Cut, Place::Head) => "cut off, head",
            (Self::Cut, Place::Tail) => "cut off, tail",
            (Self::Swap, Place::Head) => "swapped, another node's",
            (Self::Swap, Place::Tail) => "swapped, an older one",
        }
    }
}

/// Folders that files are swapped with.
pub(super) struct Others {
    /// Of another node of the same chain.
    pub(super) foreign: PathBuf,
    /// Of the same node, some blocks ago.
    pub(super) older: PathBuf,
    /// Of the same node, when it had few tables.
    pub(super) first: PathBuf,
}

/// Damages a file of a data folder, in place, and says how.
pub(super) fn damage(data: &Path, others: &Others, kind: Kind, fault: Fault, place: Place, dice: &mut Dice) -> String {
    let files = kind.files(data);
    // Of tables one of the larger half, of others the newest.
    let pick = if kind == Kind::Table { dice.below(1 + files.len() as u64 / 2) } else { 0 };
    let path = files.get(usize::try_from(pick).expect("small")).expect("there is one");
    let before = fs::read(path).expect("it can be read");
    // What follows in a log is reserved and empty.
    let used = before.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let at = place.draw(used, dice);
    let mut bytes = before.clone();
    let what = match fault {
        Fault::Flip => {
            bytes[at] ^= 1 << dice.below(8);
            format!("byte {at} of {used}")
        }
        Fault::Zero => {
            let from = if used <= PAGE { 0 } else { at / PAGE * PAGE };
            let to = used.min(from + PAGE);
            bytes[from..to].fill(0);
            format!("bytes {from} to {to} of {used}")
        }
        Fault::Cut => {
            bytes.truncate(at);
            format!("{at} of {used} bytes left")
        }
        Fault::Swap => {
            let other = other(path, others, kind, place);
            bytes = fs::read(&other).expect("it can be read");
            format!("{} in its place", name(&other))
        }
    };
    let is_same = if bytes == before { ", the same bytes" } else { "" };
    // The same file with other bytes, as a process sees it that has it open.
    fs::write(path, bytes).expect("it can be written");
    format!("{}: {what}{is_same}", name(path))
}

/// What is put in a file's place.
fn other(path: &Path, others: &Others, kind: Kind, place: Place) -> PathBuf {
    let folder = match (place, kind) {
        (Place::Head, _) => &others.foreign,
        // The record of files and its name change when a node starts, the others while it runs.
        (Place::Tail, Kind::Manifest | Kind::Current | Kind::Table) => &others.first,
        (Place::Tail, _) => &others.older,
    };
    let files = kind.files(folder);
    // A table of another content, also where the one of the same name is still the same.
    let differs = |other: &&PathBuf| kind != Kind::Table || name(other) != name(path) || place == Place::Head;
    let same_name = files.iter().filter(differs).find(|other| name(other) == name(path));
    same_name.or_else(|| files.iter().find(differs)).expect("there is one").clone()
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().expect("it has a name").to_string_lossy().into_owned()
}
