//! How the engine is set up: what it may use of memory and disk, and how each keyspace is laid out.
//!
//! Guarantees that memory, open files, threads and the engine's own log are bounded whatever the size of the data, and
//! that what is read is checked. The settings change performance only: a folder may be opened with any of them.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LruCacheOptions, Options,
    WriteBufferManager,
};

use crate::SpaceOptions;

/// Bits of filter for each key: about one absent key in a hundred is looked for in vain.
const FILTER_BITS_PER_KEY: f64 = 10.0;
/// Values shorter than this, in bytes, stay with their keys also where most are kept apart: a file of their own would
/// cost a second read and save little rewriting.
const BLOB_BYTES_MIN: u64 = 2 << 10;
/// The size of a file of large values, in bytes. A file goes as a whole, so that smaller ones give space back earlier.
const BLOB_FILE_BYTES: u64 = 64 << 20;
/// A file of large values is rewritten when more than this part of the oldest ones is garbage.
const BLOB_GARBAGE_MAX: f64 = 0.5;
/// The size of a table file on the first levels, in bytes: what one compaction holds in memory is a few of them.
const TABLE_FILE_BYTES: u64 = 16 << 20;
/// What a keyspace takes from memory at once, in bytes. A dozen keyspaces that hold little each must stay small.
const ARENA_BLOCK_BYTES: usize = 256 << 10;
/// Write-ahead log for every byte of write buffer: large values take about as much in one as in the other, so that a
/// flush is caused by the buffers, and this holds only if their count misleads.
const WAL_PER_BUFFER: u64 = 2;
/// The engine's record of its files is begun anew at this size, in bytes, which bounds what opening has to read.
const MANIFEST_BYTES_MAX: usize = 16 << 20;
/// The engine's own log: this many files of this many bytes are kept, enough for the hours before a failure.
const LOG_FILES_MAX: usize = 4;
const LOG_FILE_BYTES: usize = 1 << 20;
/// Dirty pages are handed to the disk after this many bytes, so that the sync of a commit does not wait for them all.
const BYTES_PER_SYNC: u64 = 1 << 20;
/// With this many unmerged tables in one keyspace commits wait until there are fewer. Each read may have to look into
/// all of them.
const UNMERGED_TABLES_MAX: i32 = 32;
/// One thread flushes, one compacts.
const BACKGROUND_JOBS: i32 = 2;

/// The cache is cut into two to the power of this many parts, each with a lock of its own. Left to itself the engine makes parts of
/// half a MiB, and the filter of a table of a million keys (1.25 MiB) fits none: it was read and checked anew for each key.
const CACHE_SHARD_BITS: i32 = 2;

/// What a store may use. It may differ from one opening to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Memory for what was read lately, indices and filters included, in bytes. Write buffers are counted against it:
    /// while they fill, it shrinks.
    pub cache_bytes: usize,
    /// Memory for what was committed and is not in a table yet, over all keyspaces, in bytes. While one set of buffers
    /// is flushed the next one fills, so that twice as much may be in use for a moment. It also bounds, up to a small
    /// factor, the write-ahead log and so the time that opening takes after a crash.
    pub write_buffer_bytes: usize,
    /// Files held open at most.
    pub open_files_max: u16,
}

impl Default for RocksOptions {
    /// For a validator on a small machine: the store stays within about 100 MB of memory.
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, write_buffer_bytes: 32 << 20, open_files_max: 512 }
    }
}

/// The settings of the whole store, and the keyspaces with theirs, the engine's own among them.
pub(super) fn layout(options: RocksOptions, spaces: &[SpaceOptions]) -> (Options, Vec<ColumnFamilyDescriptor>) {
    let mut shards = LruCacheOptions::default();
    shards.set_capacity(options.cache_bytes);
    shards.set_num_shard_bits(CACHE_SHARD_BITS);
    let cache = Cache::new_lru_cache_opts(&shards);
    let unused = SpaceOptions {
        name: rocksdb::DEFAULT_COLUMN_FAMILY_NAME,
        point_reads: false,
        compress: false,
        large_values: false,
    };
    let families = spaces.iter().chain([&unused]);
    let families = families.map(|space| ColumnFamilyDescriptor::new(space.name, family(options, &cache, space)));
    (database(options, &cache), families.collect())
}

/// The settings of the whole store.
fn database(options: RocksOptions, cache: &Cache) -> Options {
    let mut database = Options::default();
    database.create_if_missing(true);
    database.create_missing_column_families(true);
    guard(&mut database);
    // Without stalling: a commit that waits for a flush must wait for tables to be merged, never for memory alone.
    let buffers =
        WriteBufferManager::new_write_buffer_manager_with_cache(options.write_buffer_bytes, false, cache.clone());
    database.set_write_buffer_manager(&buffers);
    database.set_max_total_wal_size(WAL_PER_BUFFER.saturating_mul(options.write_buffer_bytes as u64));
    database.set_max_open_files(i32::from(options.open_files_max));
    database.set_max_background_jobs(BACKGROUND_JOBS);
    database.set_bytes_per_sync(BYTES_PER_SYNC);
    database.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
    database.set_keep_log_file_num(LOG_FILES_MAX);
    database.set_max_log_file_size(LOG_FILE_BYTES);
    database.set_stats_dump_period_sec(0);
    database.set_stats_persist_period_sec(0);
    database
}

/// What keeps a commit whole and damage visible.
///
/// One commit writes to many keyspaces and one write-ahead log, so that they are flushed together (`atomic_flush`).
///
/// Of the ways to read the log after a crash, the one that accepts an unfinished record at its end and nothing else is
/// taken: the process may die while it writes a record, and that commit was not reported. The strictest way would
/// refuse to start after each such crash. The engine's default stops at the first damage and goes on without the rest,
/// commits included that were reported durable. After a power failure the last record may also be there with its whole
/// length and not all of its sectors; [`super::tail`] cuts that off beforehand. What remains: damage to the length of a
/// record, close to the end of the newest log file, or zeros in the last record look like an unfinished one. Whoever
/// commits must compare the height found on opening with a record of its own.
fn guard(database: &mut Options) {
    database.set_atomic_flush(true);
    database.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // Reused log files end in old records, which this way of recovery could not tell from damage.
    database.set_recycle_log_file_num(0);
    database.set_track_and_verify_wals_in_manifest(true);
    database.set_paranoid_checks(true);
}

/// The settings of a keyspace.
fn family(options: RocksOptions, cache: &Cache, space: &SpaceOptions) -> Options {
    let mut family = Options::default();
    // The manager of all buffers decides when to flush; a single keyspace may fill what it allows.
    family.set_write_buffer_size(options.write_buffer_bytes);
    family.set_arena_block_size(ARENA_BLOCK_BYTES);
    family.set_target_file_size_base(TABLE_FILE_BYTES);
    // Commits wait or go on: a write that is merely slowed down would be refused like one that is stopped.
    family.set_level_zero_slowdown_writes_trigger(UNMERGED_TABLES_MAX);
    family.set_level_zero_stop_writes_trigger(UNMERGED_TABLES_MAX);
    family.set_soft_pending_compaction_bytes_limit(0);
    let compression = if space.compress { DBCompressionType::Lz4 } else { DBCompressionType::None };
    family.set_compression_type(compression);
    family.set_block_based_table_factory(&table(cache, space));
    if space.large_values {
        family.set_enable_blob_files(true);
        family.set_min_blob_size(BLOB_BYTES_MIN);
        family.set_blob_file_size(BLOB_FILE_BYTES);
        family.set_blob_compression_type(compression);
        family.set_enable_blob_gc(true);
        family.set_blob_gc_force_threshold(BLOB_GARBAGE_MAX);
    }
    family
}

/// The settings of a table file. Indices and filters live in the cache, so that they are within its bound.
fn table(cache: &Cache, space: &SpaceOptions) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    if space.point_reads {
        table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
        table.set_whole_key_filtering(true);
        table.set_optimize_filters_for_memory(true);
    }
    table
}
