//! What a store takes of disk and memory, for metrics.
//!
//! The figures are read one after the other while the store works, so that they need not fit together exactly.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::Path;

use rocksdb::DB;

use super::fault;
use crate::StoreError;

/// The files of the write-ahead log end like this; the engine's own log does not.
const WAL_SUFFIX: &str = "log";

const SST: &CStr = c"rocksdb.live-sst-files-size";
const BLOB: &CStr = c"rocksdb.live-blob-file-size";
const COMPACTION_PENDING: &CStr = c"rocksdb.estimate-pending-compaction-bytes";
const CACHE: &CStr = c"rocksdb.block-cache-usage";
const BUFFERS: &CStr = c"rocksdb.cur-size-all-mem-tables";
const BUFFERS_TO_FLUSH: &CStr = c"rocksdb.num-immutable-mem-table";
const BACKGROUND_ERRORS: &CStr = c"rocksdb.background-errors";

/// What a store takes. All figures are bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreUsage {
    /// Table files that hold live data.
    pub sst_bytes: u64,
    /// Files of large values that hold live data.
    pub blob_bytes: u64,
    /// Files of the write-ahead log.
    pub wal_bytes: u64,
    /// What has to be rewritten before all levels have their size; a figure that keeps growing means that the disk is
    /// too slow for what is committed.
    pub compaction_pending_bytes: u64,
    /// Memory of the cache, with the write buffers that are counted against it.
    pub cache_bytes: u64,
    /// Memory of the write buffers.
    pub write_buffer_bytes: u64,
}

impl StoreUsage {
    /// Reads the figures of the keyspaces named.
    pub(super) fn read(db: &DB, folder: &Path, names: &[&str]) -> Result<Self, StoreError> {
        let mut usage = Self { wal_bytes: wal_bytes(folder)?, ..Self::default() };
        for name in names {
            usage.sst_bytes += figure(db, folder, name, SST)?;
            usage.blob_bytes += figure(db, folder, name, BLOB)?;
            usage.compaction_pending_bytes += figure(db, folder, name, COMPACTION_PENDING)?;
            usage.write_buffer_bytes += figure(db, folder, name, BUFFERS)?;
            // One cache serves all.
            usage.cache_bytes = figure(db, folder, name, CACHE)?;
        }
        Ok(usage)
    }
}

/// How often work in the background has failed since the store was opened.
pub(super) fn background_errors(db: &DB, folder: &Path) -> Result<u64, StoreError> {
    figure(db, folder, rocksdb::DEFAULT_COLUMN_FAMILY_NAME, BACKGROUND_ERRORS)
}

/// How many buffers of these keyspaces wait to be flushed.
pub(super) fn buffers_to_flush(db: &DB, folder: &Path, names: &[&str]) -> Result<u64, StoreError> {
    names.iter().map(|name| figure(db, folder, name, BUFFERS_TO_FLUSH)).sum()
}

fn figure(db: &DB, folder: &Path, name: &str, property: &CStr) -> Result<u64, StoreError> {
    let family = db.cf_handle(name).expect("every keyspace named was opened");
    let value = db.property_int_value_cf(family, property).map_err(fault::engine("measure", folder))?;
    // An engine that does not know a figure has nothing to say about it.
    Ok(value.unwrap_or(0))
}

/// The sizes of the files of the write-ahead log. One that is deleted meanwhile is not counted.
fn wal_bytes(folder: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        if entry.path().extension().is_some_and(|suffix| suffix == WAL_SUFFIX) {
            bytes += match entry.metadata() {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(StoreError::io("measure", &entry.path())(error)),
            };
        }
    }
    Ok(bytes)
}
