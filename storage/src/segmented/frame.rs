//! The bytes of a segment: one header, then frames. Encoding and decoding only; no file is touched here.
//!
//! # Layout (version 1, all numbers little-endian)
//!
//! Header, 128 bytes: magic (8), version (4), flags (4, bit 0: base segment), identity (32), segment index (8),
//! position of the first record (8), position up to which records were durable before the file got its name (8), salt
//! (8), zeros (44), CRC-32C of all that precedes (4). Magic, length and place of the checksum are the same in every
//! version, so that a damaged version field is told from a newer version.
//!
//! Frame: word (4: kind in the top byte, payload length in the rest), CRC-32C (4), payload. The checksum covers salt,
//! position, word and payload. The word of a frame is never zero, and a zero word ends the segment, because the file
//! is extended with zeros before it is written.
//!
//! - Kind 1, record. Its position is that of the preceding record plus one; it is in the checksum, not in the frame,
//!   so that a record at the wrong place is a damaged one.
//! - Kind 2, mark: position of the last record before it (8) and the offset of the mark itself (8).
//!
//! # What a mark proves
//!
//! A mark is written only after a sync of everything before it has returned. So when a valid mark is found, all bytes
//! before it had been durable, and damage there is corruption. The salt is random for each segment and leaves this
//! process only through the file, so nobody who supplies payloads can place bytes that pass for a mark.

use crate::{Lsn, RECORD_BYTES_MAX};

/// The format version that this code reads and writes.
pub(super) const VERSION: u32 = 1;
/// The length of a segment header, in every version.
pub(super) const HEADER_BYTES: usize = 128;
/// What a record costs beyond its payload.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 8;
/// The length of a mark with its frame.
pub(super) const MARK_BYTES: usize = RECORD_OVERHEAD_BYTES + MARK_PAYLOAD_BYTES;

const MAGIC: [u8; 8] = *b"ALTHLOG\n";
const FLAG_BASE: u32 = 1;
const CRC_OFFSET: usize = HEADER_BYTES - 4;
const MARK_PAYLOAD_BYTES: usize = 16;
const KIND_SHIFT: u32 = 24;
const LENGTH_MASK: u32 = (1 << KIND_SHIFT) - 1;
const KIND_RECORD: u32 = 1;
const KIND_MARK: u32 = 2;
const MARK_WORD: u32 = KIND_MARK << KIND_SHIFT | MARK_PAYLOAD_BYTES as u32;

const _: () = assert!(RECORD_BYTES_MAX <= LENGTH_MASK as usize, "the length of a record must fit under its kind");

/// What the header of a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether the segment begins a log: nothing before it counts.
    pub(super) base: bool,
    /// Whose log it is.
    pub(super) identity: [u8; 32],
    /// The number of the segment, also in its file name.
    pub(super) index: u64,
    /// The position of the first record.
    pub(super) first: Lsn,
    /// Records up to here were durable before the file got its name.
    pub(super) sealed: Lsn,
    /// Random, mixed into every checksum of the segment.
    pub(super) salt: u64,
}

/// Why a header is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Corrupt(&'static str),
    Version(u32),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let flags = if self.base { FLAG_BASE } else { 0 };
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&self.identity);
        for number in [self.index, self.first.get(), self.sealed.get(), self.salt] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.resize(CRC_OFFSET, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.try_into().expect("the fields above add up to the length of a header")
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(HeaderError::Corrupt("the file is shorter than its header"))?;
        if array::<8>(header, 0) != Some(MAGIC) {
            return Err(HeaderError::Corrupt("the file does not begin like a log segment"));
        }
        if read_u32(header, CRC_OFFSET) != Some(crc32c::crc32c(&header[..CRC_OFFSET])) {
            return Err(HeaderError::Corrupt("the checksum of the header is wrong"));
        }
        Self::fields(header).ok_or(HeaderError::Corrupt("the header has fields of another format"))?
    }

    /// The position before the first record.
    pub(super) fn before(&self) -> Lsn {
        Lsn::new(self.first.get().saturating_sub(1))
    }

    /// Reads the fields of a header whose checksum is right; nothing when they make no sense in this version.
    fn fields(header: &[u8]) -> Option<Result<Self, HeaderError>> {
        let version = read_u32(header, 8)?;
        if version != VERSION {
            return Some(Err(HeaderError::Version(version)));
        }
        let flags = read_u32(header, 12)?;
        let first = Lsn::new(read_u64(header, 56)?);
        if flags & !FLAG_BASE != 0 || first == Lsn::ZERO {
            return None;
        }
        Some(Ok(Self {
            base: flags & FLAG_BASE != 0,
            identity: array(header, 16)?,
            index: read_u64(header, 48)?,
            first,
            sealed: Lsn::new(read_u64(header, 64)?),
            salt: read_u64(header, 72)?,
        }))
    }
}

/// What stands at an offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// The next record.
    Record(&'a [u8]),
    /// A mark for all records so far.
    Mark,
    /// A zero word or the end of the file.
    End,
    /// Bytes that are none of these, with the reason.
    Bad(&'static str),
}

/// Appends the frame of a record to `out`.
pub(super) fn encode_record(out: &mut Vec<u8>, salt: u64, lsn: Lsn, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("the size of a record is checked before it is encoded");
    assert!(length <= LENGTH_MASK, "the size of a record is checked before it is encoded");
    let word = KIND_RECORD << KIND_SHIFT | length;
    out.extend_from_slice(&word.to_le_bytes());
    out.extend_from_slice(&checksum(salt, lsn, word, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The mark that says, at `offset`, that all records up to `lsn` are durable.
pub(super) fn encode_mark(salt: u64, lsn: Lsn, offset: u64) -> [u8; MARK_BYTES] {
    let mut payload = [0; MARK_PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&lsn.get().to_le_bytes());
    payload[8..].copy_from_slice(&offset.to_le_bytes());
    let mut mark = [0; MARK_BYTES];
    mark[..4].copy_from_slice(&MARK_WORD.to_le_bytes());
    mark[4..8].copy_from_slice(&checksum(salt, lsn, MARK_WORD, &payload).to_le_bytes());
    mark[8..].copy_from_slice(&payload);
    mark
}

/// Reads the frame at `offset`, where `last` is the position of the last record before it.
pub(super) fn decode(segment: &[u8], offset: usize, salt: u64, last: Lsn) -> Frame<'_> {
    let rest = segment.get(offset..).unwrap_or_default();
    if rest.iter().take(4).all(|byte| *byte == 0) {
        return Frame::End;
    }
    let Some(word) = read_u32(rest, 0) else { return Frame::Bad("the file ends inside a frame") };
    match (word >> KIND_SHIFT, (word & LENGTH_MASK) as usize) {
        (KIND_RECORD, length) if length <= RECORD_BYTES_MAX => decode_record(rest, word, length, salt, last),
        (KIND_MARK, MARK_PAYLOAD_BYTES) => match mark_at(segment, offset, salt) {
            Some(marked) if marked == last => Frame::Mark,
            Some(_) => Frame::Bad("a mark does not agree with the records before it"),
            None => Frame::Bad("the checksum of a mark is wrong"),
        },
        _ => Frame::Bad("a frame has an unknown kind or an impossible length"),
    }
}

/// Where the first valid mark at or after `offset` begins. Any mark there proves that the bytes before it were durable.
pub(super) fn find_mark(segment: &[u8], offset: usize, salt: u64) -> Option<usize> {
    let word = MARK_WORD.to_le_bytes();
    let rest = segment.get(offset..).unwrap_or_default();
    let candidates = rest.windows(word.len()).enumerate().filter(|(_, window)| *window == word);
    candidates.map(|(index, _)| offset + index).find(|found| mark_at(segment, *found, salt).is_some())
}

fn decode_record(rest: &[u8], word: u32, length: usize, salt: u64, last: Lsn) -> Frame<'_> {
    let payload = rest.get(RECORD_OVERHEAD_BYTES..RECORD_OVERHEAD_BYTES + length);
    let Some(payload) = payload else { return Frame::Bad("the file ends inside a record") };
    if read_u32(rest, 4) == Some(checksum(salt, last.next(), word, payload)) {
        Frame::Record(payload)
    } else {
        Frame::Bad("the checksum of a record is wrong")
    }
}

/// The position in the mark at `offset`, when it is a whole mark, of this segment and of this place.
fn mark_at(segment: &[u8], offset: usize, salt: u64) -> Option<Lsn> {
    let mark: [u8; MARK_BYTES] = array(segment, offset)?;
    let lsn = Lsn::new(read_u64(&mark, RECORD_OVERHEAD_BYTES)?);
    (mark == encode_mark(salt, lsn, u64::try_from(offset).ok()?)).then_some(lsn)
}

fn checksum(salt: u64, lsn: Lsn, word: u32, payload: &[u8]) -> u32 {
    let mut prefix = [0; 20];
    prefix[..8].copy_from_slice(&salt.to_le_bytes());
    prefix[8..16].copy_from_slice(&lsn.get().to_le_bytes());
    prefix[16..].copy_from_slice(&word.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&prefix), payload)
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}
