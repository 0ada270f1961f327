//! Whether the write-ahead log goes on where the tables end.
//!
//! The engine gives every change a number, without gaps. Its record of files says up to which number the tables hold
//! everything, and what was committed since stands in the write-ahead log, from the next number on. The engine checks each
//! record of that log for itself and takes any log for the right one. Where another one lies in its place, that of another
//! node or an older one, whole commits are missing in the middle, or older values cover later ones, and nothing says so.
//!
//! So the numbers are held against each other before the engine opens the store. What cannot be read here is left for the
//! engine to report. A log that ends early is no matter of this file: what is at the head of `options::guard` holds for it.

use std::fs;
use std::path::Path;

use super::tail::{FIRST, LAST, MIDDLE, WHOLE, aligned, logs, piece_at, record_of_files};
use crate::StoreError;

/// Bytes of a record that are looked at: all that stands before the list of files in the longest record of files.
const HEAD_BYTES: usize = 256;
/// The fields of a record of files that stand before the last number, as the engine numbers them: those with a number each,
const NUMBERS: [u64; 5] = [2, 3, 9, 10, 203];
/// and those with a text.
const TEXTS: [u64; 2] = [1, (1 << 13) + 1];
/// The field with the last number that the tables hold.
const LAST_NUMBER: u64 = 4;

/// Fails if the write-ahead log does not go on where the tables end. The folder is locked, and the engine has not opened it.
pub(super) fn refuse_gap(folder: &Path) -> Result<(), StoreError> {
    let Some(path) = record_of_files(folder)? else { return Ok(()) };
    let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
    let in_tables = records(&bytes).iter().filter_map(|edit| last_number(edit)).max().unwrap_or(0);
    let mut reached = in_tables;
    let mut newest_ends = None;
    for path in logs(folder)? {
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        newest_ends = None;
        for (first, last) in records(&bytes).iter().map_while(|batch| numbers(batch)) {
            newest_ends = Some(last);
            // What is in tables already may lie in a log that nobody has deleted yet.
            if last <= in_tables {
                continue;
            }
            let goes_on = if reached == in_tables { first <= reached + 1 } else { first == reached + 1 };
            if !goes_on {
                let name = path.display();
                let reason = format!("{name} goes on with change {first}, and what is before it ends with {reached}");
                return Err(StoreError::Corrupt { folder: folder.to_path_buf(), reason });
            }
            reached = last;
        }
    }
    match newest_ends {
        Some(end) if end < in_tables => {
            let reason =
                format!("the write-ahead log ends with change {end}, and the tables hold changes up to {in_tables}");
            Err(StoreError::Corrupt { folder: folder.to_path_buf(), reason })
        }
        _ => Ok(()),
    }
}

/// The beginnings of the records of a log, up to the first piece that is not whole.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut begun, mut found) = (0, Vec::new(), Vec::new());
    while let Some(piece) = piece_at(bytes, at) {
        let (Some(kind), Some(next)) = (piece.kind, piece.next) else { break };
        if matches!(kind, WHOLE | FIRST) {
            begun.clear();
        }
        let room = HEAD_BYTES.saturating_sub(begun.len());
        begun.extend(piece.payload(bytes, at).iter().take(room));
        match kind {
            WHOLE | LAST => found.push(std::mem::take(&mut begun)),
            FIRST | MIDDLE => {}
            _ => break,
        }
        at = aligned(next);
    }
    found
}

/// The numbers of the first and the last change of a batch; the last one stands before the first if there is none.
fn numbers(batch: &[u8]) -> Option<(u64, u64)> {
    let (first, rest) = batch.split_first_chunk::<8>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    let (first, count) = (u64::from_le_bytes(*first), u64::from(u32::from_le_bytes(*count)));
    Some((first, first.checked_add(count)?.saturating_sub(1)))
}

/// The last number that the tables hold by this record of files, if it says so.
fn last_number(edit: &[u8]) -> Option<u64> {
    let mut rest = edit;
    loop {
        let field = number(&mut rest)?;
        if field == LAST_NUMBER {
            return number(&mut rest);
        } else if NUMBERS.contains(&field) {
            number(&mut rest)?;
        } else if TEXTS.contains(&field) {
            let length = usize::try_from(number(&mut rest)?).ok()?;
            rest = rest.get(length..)?;
        } else {
            return None;
        }
    }
}

/// A number in seven bits a byte, the lowest first.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
