//! A chain in one file, as `docs/spec/archive.md` defines it byte by byte: records that are written and read as a stream.

mod read;
mod write;

pub use read::Archive;
pub use write::ArchiveWriter;

use althing_genesis::DOCUMENT_BYTES_MAX;
use althing_types::{BATCH_BYTES_MAX, Hash, Height};
use borsh::{BorshDeserialize, BorshSerialize};

use super::source::Part;

/// What every archive begins with.
pub const MAGIC: &[u8; 16] = b"althing archive\n";
/// The form that this version writes and reads.
pub const ARCHIVE_VERSION: u32 = 1;

/// The kinds of records that are not part of a height.
const GENESIS: u8 = 1;
const RANGE: u8 = 2;
const END: u8 = 7;

/// Bytes of a header at most: what its extension fields may hold, and room for the rest.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Bytes of a body at most: 128 lane tips, 256 summaries and 64 pieces of evidence, rounded up.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Bytes of a certificate at most: 128 signatures, rounded up.
const FINALIZATION_BYTES_MAX: usize = 16 << 10;
/// Bytes of the records that frame the heights.
const RANGE_BYTES: usize = 48;
const END_BYTES: usize = 48;

/// Which heights an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Range {
    chain: Hash,
    first: Height,
    last: Height,
}

/// What stands at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct End {
    blocks: u64,
    batches: u64,
    digest: Hash,
}

/// Bytes of a record at most; none if there is no such kind.
fn bytes_max(kind: u8) -> Option<usize> {
    match kind {
        GENESIS => Some(DOCUMENT_BYTES_MAX),
        RANGE => Some(RANGE_BYTES),
        END => Some(END_BYTES),
        _ if kind == Part::Header.number() => Some(HEADER_BYTES_MAX),
        _ if kind == Part::Body.number() => Some(BODY_BYTES_MAX),
        _ if kind == Part::Finalization.number() => Some(FINALIZATION_BYTES_MAX),
        _ if kind == Part::Batch.number() => Some(BATCH_BYTES_MAX),
        _ => None,
    }
}
