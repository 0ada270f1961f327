//! Reading a store from one end to the other, so that damage shows which nobody would meet for years.

use rocksdb::ReadOptions;

use super::{RocksStore, fault};
use crate::StoreError;

/// After so many entries whoever waits is told how far it is.
const TOLD_EVERY: u64 = 4_096;

/// What a store was found to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreContent {
    /// Entries of all keyspaces.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl RocksStore {
    /// Reads every entry of every keyspace, with its checksum verified, and keeps nothing of it. `progress` is told now and
    /// then how many keyspaces of how many are read, and what was found so far.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] at the first damage, and as [`crate::OrderedStore::scan`].
    pub fn read_all(&self, mut progress: impl FnMut(usize, usize, &StoreContent)) -> Result<StoreContent, StoreError> {
        let mut content = StoreContent::default();
        let names = &self.shared.names;
        for (place, name) in names.iter().enumerate() {
            progress(place, names.len(), &content);
            let mut options = ReadOptions::default();
            options.set_verify_checksums(true);
            options.fill_cache(false);
            let mut cursor = self.shared.db.raw_iterator_cf_opt(self.shared.family_named(name), options);
            cursor.seek_to_first();
            while let Some((key, value)) = cursor.item() {
                content.entries += 1;
                content.bytes += (key.len() + value.len()) as u64;
                if content.entries % TOLD_EVERY == 0 {
                    progress(place, names.len(), &content);
                }
                cursor.next();
            }
            // A cursor that meets damage ends like one that meets the end.
            cursor.status().map_err(fault::engine("read", self.folder()))?;
        }
        progress(names.len(), names.len(), &content);
        Ok(content)
    }
}
