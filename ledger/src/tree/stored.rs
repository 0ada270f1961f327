//! Where pages of the state tree are stored: by version, then by path.

use althing_storage::{OrderedStore, WriteBatch};
use althing_types::Hash;

use super::page::Page;
use crate::error::LedgerError;
use crate::space::{NODE, NODE_STALE};

/// Nibbles of a tree key.
pub(super) const NIBBLES: usize = 64;

/// A nibble of a tree key, the highest of the first byte being number 0.
pub(super) fn nibble(key: &Hash, place: usize) -> u8 {
    let byte = key.as_bytes().get(place >> 1).copied().unwrap_or(0);
    if place & 1 == 0 { byte >> 4 } else { byte & 0x0f }
}

/// Bytes of the longest stored key: version, length, and a path of 63 nibbles.
const KEY_BYTES_MAX: usize = 41;

/// The stored key of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PageKey {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
}

impl PageKey {
    /// The version that made the page, how many nibbles of the tree keys below it are its path, and these, two in a byte. So
    /// pages are appended in the order of versions.
    pub(super) fn new(version: u64, key: &Hash, depth: usize) -> Self {
        let mut bytes = [0; KEY_BYTES_MAX];
        // A path has fewer than 64 nibbles.
        let depth_byte = u8::try_from(depth).unwrap_or(u8::MAX);
        let path = key.as_bytes().iter().copied().take(depth >> 1);
        let last = (depth & 1 == 1).then(|| nibble(key, depth.saturating_sub(1)) << 4);
        let all = version.to_be_bytes().into_iter().chain([depth_byte]).chain(path).chain(last);
        let mut length = 0usize;
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = byte;
            length = length.saturating_add(1);
        }
        Self { bytes, length }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

/// The keys of the pages that a version replaced, the topmost of the one before among them, each behind its length. Pruning
/// removes them.
pub(super) fn stale_record(version: u64, stale: &[PageKey]) -> Vec<u8> {
    let topmost = PageKey::new(version.saturating_sub(1), &Hash::ZERO, 0);
    let mut record = Vec::new();
    for key in std::iter::once(&topmost).chain(stale) {
        record.push(u8::try_from(key.length).unwrap_or(u8::MAX));
        record.extend(key.as_bytes());
    }
    record
}

/// The keys in a record of stale pages.
pub(crate) fn stale_keys(record: &[u8]) -> Result<Vec<&[u8]>, LedgerError> {
    let broken = || LedgerError::corrupt("the record of replaced pages");
    let (mut keys, mut rest) = (Vec::new(), record);
    while let Some((length, behind)) = rest.split_first() {
        let (key, behind) = behind.split_at_checked(usize::from(*length)).ok_or_else(broken)?;
        keys.push(key);
        rest = behind;
    }
    Ok(keys)
}

/// Removes the pages that a version replaced, and the record of them: for who keeps one version.
pub(crate) fn forget_replaced<S: OrderedStore>(
    store: &S,
    version: u64,
    batch: &mut WriteBatch,
) -> Result<(), LedgerError> {
    let key = version.to_be_bytes();
    let Some(record) = store.get(NODE_STALE, &key)? else { return Ok(()) };
    for page in stale_keys(&record)? {
        batch.delete(NODE, page);
    }
    batch.delete(NODE_STALE, key);
    Ok(())
}

/// Reads a page on the way to `key`, and holds it against the hash that is known of it. The hash does not say in which place of
/// an otherwise empty part of the page a leaf stands; its own key does.
pub(super) fn load_page<S: OrderedStore>(
    store: &S,
    version: u64,
    key: &Hash,
    depth: usize,
    hash: Option<Hash>,
) -> Result<Page, LedgerError> {
    let bytes = store.get(NODE, PageKey::new(version, key, depth).as_bytes())?;
    let page = bytes.and_then(|bytes| Page::decode(&bytes, version));
    let page = page.filter(|page| page.leaves().all(|(place, leaf)| nibble(&leaf.key, depth) == place));
    let whole = page.filter(|page| hash.is_none_or(|hash| page.hash() == hash));
    whole.ok_or_else(|| LedgerError::corrupt("a page of the state tree"))
}
