//! The end of a log of the engine after a power failure: the record that was being written, of which the disk has some
//! sectors and not others.
//!
//! A file system may make the new length of a file durable before what was written there, for instance because somebody
//! syncs another file. Sectors that never came read as zeros then, so that the last record has its whole length and a
//! wrong checksum. The engine takes that for damage and refuses to open. It was not reported durable, so it is cut off.
//!
//! Nothing else is touched: a record behind the wrong one that is whole, or a wrong one without a sector of zeros, means
//! damage, which is the engine's to report. The same form is used for the write-ahead log and for the record of files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Pieces of records do not cross blocks of so many bytes.
const BLOCK: usize = 32 << 10;
/// A checksum, a length, and a kind.
const HEADER: usize = 4 + 2 + 1;
/// The kinds of pieces: a whole record, or the first one of several, those between, and the last one.
pub(super) const WHOLE: u8 = 1;
pub(super) const FIRST: u8 = 2;
pub(super) const MIDDLE: u8 = 3;
pub(super) const LAST: u8 = 4;
/// The file that names the newest record of files.
const CURRENT: &str = "CURRENT";

/// Cuts off the record that was being written when the power failed, in the newest write-ahead log and in the record of
/// files. Durable when it returns. The folder is locked, and the engine has not opened it.
pub(super) fn mend(folder: &Path) -> Result<(), StoreError> {
    for (path, end) in torn(folder)? {
        let file = File::options().write(true).open(&path).map_err(StoreError::io("open", &path))?;
        file.set_len(end as u64).map_err(StoreError::io("cut", &path))?;
        file.sync_all().map_err(StoreError::io("sync", &path))?;
    }
    Ok(())
}

/// The files that end in such a record, and where it begins.
pub(super) fn torn(folder: &Path) -> Result<Vec<(PathBuf, usize)>, StoreError> {
    let mut found = Vec::new();
    for path in logs(folder)?.pop().into_iter().chain(record_of_files(folder)?) {
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        found.extend(torn_at(&bytes).map(|end| (path, end)));
    }
    Ok(found)
}

/// The write-ahead logs, by their numbers.
pub(super) fn logs(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        let number: Option<u64> = path.file_stem().and_then(OsStr::to_str).and_then(|stem| stem.parse().ok());
        logs.extend(number.filter(|_| path.extension() == Some(OsStr::new("log"))).map(|number| (number, path)));
    }
    logs.sort();
    Ok(logs.into_iter().map(|(_, path)| path).collect())
}

/// The record of files that the engine will read, if there is one.
pub(super) fn record_of_files(folder: &Path) -> Result<Option<PathBuf>, StoreError> {
    let current = folder.join(CURRENT);
    if !current.try_exists().map_err(StoreError::io("look for", &current))? {
        return Ok(None);
    }
    let name = fs::read(&current).map_err(StoreError::io("read", &current))?;
    let path = folder.join(String::from_utf8_lossy(&name).trim_end());
    Ok(path.is_file().then_some(path))
}

/// A piece of a record, as it is found on disk.
pub(super) struct Piece {
    /// What it is, if its checksum is right.
    pub(super) kind: Option<u8>,
    /// Where the next one is; none if its header does not say so.
    pub(super) next: Option<usize>,
}

impl Piece {
    /// What it carries, where it was found.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8], at: usize) -> &'a [u8] {
        self.next.and_then(|next| bytes.get(at + HEADER..next)).unwrap_or_default()
    }
}

/// Where the record begins that was being written, if some of its sectors are missing.
fn torn_at(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut began) = (0, None);
    while let Some(piece) = piece_at(bytes, at) {
        match (piece.kind, piece.next) {
            (Some(kind), Some(next)) => {
                began = match kind {
                    FIRST => Some(at),
                    MIDDLE => began,
                    _ => None,
                };
                at = aligned(next);
            }
            _ => return (lacks_a_sector(bytes, at) && is_end(bytes, at)).then_some(began.unwrap_or(at)),
        }
    }
    None
}

/// Whether no record begins behind a wrong piece. Where the header of a piece is lost, the next one may be anywhere in the
/// rest of its block.
fn is_end(bytes: &[u8], wrong: usize) -> bool {
    let begins_at = |at: usize| {
        let kind = piece_at(bytes, at).and_then(|piece| piece.kind);
        kind.is_some_and(|kind| !matches!(kind, MIDDLE | LAST))
    };
    let mut at = wrong;
    while let Some(piece) = piece_at(bytes, at) {
        let next = piece.next.unwrap_or_else(|| block_end(at));
        let places = if piece.next.is_some() { at..at + 1 } else { at..next };
        if places.into_iter().any(begins_at) {
            return false;
        }
        at = aligned(next);
    }
    true
}

/// Whether a sector holds nothing but zeros from here on.
fn lacks_a_sector(bytes: &[u8], from: usize) -> bool {
    let (rest, first) = (bytes.get(from..).unwrap_or_default(), SECTOR - from % SECTOR);
    let (begun, sectors) = rest.split_at(first.min(rest.len()));
    let is_empty = |sector: &[u8]| !sector.is_empty() && sector.iter().all(|byte| *byte == 0);
    is_empty(begun) || sectors.chunks(SECTOR).any(is_empty)
}

/// Where the next piece can begin: what is left of a block may be too short for a header.
pub(super) const fn aligned(at: usize) -> usize {
    if BLOCK - at % BLOCK < HEADER { at.next_multiple_of(BLOCK) } else { at }
}

const fn block_end(at: usize) -> usize {
    (at + 1).next_multiple_of(BLOCK)
}

/// The piece at a place; none at the end.
pub(super) fn piece_at(bytes: &[u8], at: usize) -> Option<Piece> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let lost = Some(Piece { kind: None, next: None });
    let Some((checksum, [low, high, kind, ..])) = rest.split_first_chunk::<4>() else { return lost };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    let next = at + HEADER + length;
    // Zeros are no piece, and a piece ends within its block.
    if *kind == 0 || next > block_end(at) {
        return lost;
    }
    let is_right = |checked: &[u8]| masked(crc32c::crc32c(checked)) == u32::from_le_bytes(*checksum);
    let is_right = rest.get(HEADER - 1..HEADER + length).is_some_and(is_right);
    // Other kinds than those of records stand at the beginning of a log; a wrong one is a header that is lost.
    let is_known = matches!(*kind, WHOLE | FIRST | MIDDLE | LAST);
    Some(Piece { kind: is_right.then_some(*kind), next: (is_right || is_known).then_some(next) })
}

/// The form in which the engine writes a checksum.
const fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with records of these lengths, as the engine writes it, and where each begins.
    fn written(lengths: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let (mut log, mut begins) = (Vec::new(), Vec::new());
        for length in lengths {
            let (mut left, mut is_first) = (*length, true);
            while is_first || left > 0 {
                log.resize(aligned(log.len()), 0);
                if is_first {
                    begins.push(log.len());
                }
                let now = left.min(BLOCK - log.len() % BLOCK - HEADER);
                let kind = match (is_first, now == left) {
                    (true, true) => WHOLE,
                    (true, false) => FIRST,
                    (false, true) => LAST,
                    (false, false) => MIDDLE,
                };
                let checked: Vec<u8> = [kind].into_iter().chain((0..now).map(|byte| (byte % 251) as u8 + 1)).collect();
                log.extend(masked(crc32c::crc32c(&checked)).to_le_bytes());
                log.extend(u16::try_from(now).expect("less than a block").to_le_bytes());
                log.extend(checked);
                (left, is_first) = (left - now, false);
            }
        }
        (log, begins)
    }

    /// The log without these sectors of what follows a place.
    fn without(log: &[u8], from: usize, is_lost: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut log = log.to_vec();
        let first = from / SECTOR;
        for (at, byte) in log.iter_mut().enumerate().skip(from) {
            if is_lost(at / SECTOR - first) {
                *byte = 0;
            }
        }
        log
    }

    #[test]
    fn whatever_sectors_of_the_last_record_are_missing_it_is_cut_off_and_nothing_else() {
        for before in [vec![], vec![100, 700], vec![100, 32_000], vec![40_000, 3]] {
            let (log, begins) = written(&[&before[..], &[3_000]].concat());
            let begin = *begins.last().expect("there is one");
            assert_eq!(torn_at(&log), None, "it is whole");
            let sectors = log.len().div_ceil(SECTOR) - begin / SECTOR;
            for lost in 1_u32..1 << sectors {
                let torn = without(&log, begin, |sector| lost >> sector & 1 == 1);
                assert_eq!(torn_at(&torn), Some(begin), "{before:?}, without {lost:b}");
            }
        }
    }

    #[test]
    fn a_record_over_many_blocks_is_cut_off_as_a_whole() {
        let (log, begins) = written(&[500, 200_000]);
        for lost in 0..(log.len() - begins[1]).div_ceil(SECTOR) {
            assert_eq!(torn_at(&without(&log, begins[1], |sector| sector == lost)), Some(begins[1]), "sector {lost}");
            assert_eq!(torn_at(&without(&log, begins[1], |sector| sector >= lost)), Some(begins[1]), "from {lost} on");
        }
    }

    #[test]
    fn what_is_damaged_before_the_last_record_stays_for_the_engine_to_report() {
        let (log, begins) = written(&[2_000, 40_000, 700]);
        // Sectors that the last record has no part in, and that are not the beginning of the file.
        for lost in 1..begins[2] / SECTOR {
            assert_eq!(torn_at(&without(&log, 0, |sector| sector == lost)), None, "sector {lost}");
        }
    }

    #[test]
    fn a_flipped_bit_is_no_missing_sector() {
        let (log, _) = written(&[2_000, 3_000]);
        for at in 0..log.len() {
            let mut flipped = log.clone();
            flipped[at] ^= 0x40;
            assert_eq!(torn_at(&flipped), None, "byte {at}");
        }
    }

    #[test]
    fn a_log_that_just_ends_is_the_engines() {
        let (log, begins) = written(&[100, 3_000]);
        assert_eq!(torn_at(&[]), None);
        for length in begins[1]..log.len() {
            assert_eq!(torn_at(&log[..length]), None, "{length} bytes");
        }
    }
}
