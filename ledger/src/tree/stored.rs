//! Where pages of the state tree are stored: by version, then by path.

use althing_storage::OrderedStore;
use althing_types::Hash;

use super::page::Page;
use crate::error::LedgerError;
use crate::space::NODE;

/// Nibbles of a tree key.
pub(super) const NIBBLES: usize = 64;

/// A nibble of a tree key, the highest of the first byte being number 0.
pub(super) fn nibble(key: &Hash, place: usize) -> u8 {
    let byte = key.as_bytes().get(place >> 1).copied().unwrap_or(0);
    if place & 1 == 0 { byte >> 4 } else { byte & 0x0f }
}

/// The stored key of a page: the version that made it, how many nibbles of the tree keys below it are its path, and
/// these, two in a byte. So pages are appended in the order of versions.
pub(super) fn stored_key(version: u64, key: &Hash, depth: usize) -> Vec<u8> {
    let mut stored = version.to_be_bytes().to_vec();
    // A path has fewer than 64 nibbles.
    stored.push(u8::try_from(depth).unwrap_or(u8::MAX));
    stored.extend(key.as_bytes().iter().take(depth >> 1));
    if depth & 1 == 1 {
        stored.push(nibble(key, depth.saturating_sub(1)) << 4);
    }
    stored
}

/// The keys of the pages that a version replaced, the topmost of the one before among them, each behind its length. Nothing
/// removes them yet: pruning will.
pub(super) fn stale_record(version: u64, stale: &[Vec<u8>]) -> Vec<u8> {
    let topmost = stored_key(version.saturating_sub(1), &Hash::ZERO, 0);
    let mut record = Vec::new();
    for key in std::iter::once(&topmost).chain(stale) {
        record.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        record.extend(key);
    }
    record
}

/// Reads a page on the way to `key`, and holds it against the hash that is known of it.
pub(super) fn load_page<S: OrderedStore>(
    store: &S,
    version: u64,
    key: &Hash,
    depth: usize,
    hash: Option<Hash>,
) -> Result<Page, LedgerError> {
    let bytes = store.get(NODE, &stored_key(version, key, depth))?;
    let page = bytes.and_then(|bytes| Page::decode(&bytes, version, version));
    let whole = page.filter(|page| hash.is_none_or(|hash| page.hash() == hash));
    whole.ok_or_else(|| LedgerError::corrupt("a page of the state tree"))
}
