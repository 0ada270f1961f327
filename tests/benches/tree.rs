//! Our state tree against the one by the crate `jmt`, over the same changes: `make bench-tree`.
//!
//! For a number of keys and changes of a block: processor time of a change, hashing and encoding included and the store
//! not, then bytes and entries that a change stores, the processor time of storing them on disk with all that the store's own
//! threads do meanwhile, and how much memory our pages take. Without
//! arguments every size is measured; `--keys N --batch N` measures one. The last line is the last
//! size as JSON.
//!
//! Changes are spread evenly over the keys. Both trees read what they do not remember from a store in memory, and each
//! runs on one thread. The smallest time of some rounds counts, because everything else on the machine only adds.

use std::io::Write as _;
use std::time::Duration;

use althing_ledger::{JmtTree, PagedTree, SPACES, StateChange, StateTree, TreeOptions};
use althing_storage::{FaultyStore, OrderedStore, RocksOptions, RocksStore, StoreFaultPlan, WriteBatch};
use althing_types::{Address, AssetId, StateKey, encode, leaf_hash};
use rustix::time::{ClockId, clock_gettime};

/// All sizes: keys of the tree, and changes of a block.
const SIZES: [(u64, u64); 8] = [
    (100_000, 1),
    (100_000, 100),
    (100_000, 1_000),
    (100_000, 10_000),
    (1_000_000, 1),
    (1_000_000, 100),
    (1_000_000, 1_000),
    (1_000_000, 10_000),
];
/// Changes that are measured for each size, about, in as many blocks as that takes.
const MEASURED: u64 = 50_000;
/// Into so many parts the blocks are divided; the quickest part counts.
const PARTS: u64 = 5;
/// Keys that are set in one block when a tree is filled.
const FILLED_AT_ONCE: u64 = 50_000;

/// What one change cost.
struct Cost {
    micros: Hundredths,
    bytes: u64,
    entries: Hundredths,
    disk_micros: Hundredths,
}

/// A number with two places behind the point.
struct Hundredths(u128);

impl Hundredths {
    /// Microseconds that each of so many took.
    fn micros(time: Duration, of: u64) -> Self {
        Self(time.as_nanos() / 10 / u128::from(of))
    }
}

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = given.iter().position(|argument| argument == name)?;
        given.get(at + 1)?.parse::<u64>().ok().filter(|number| *number > 0)
    };
    let sizes = match (number("--keys"), number("--batch")) {
        (None, None) => SIZES.to_vec(),
        (keys, batch) => vec![(keys.unwrap_or(1_000_000), batch.unwrap_or(1_000))],
    };
    say("      keys   batch | ours: us  bytes  puts  disk us  memory MB | jmt: us  bytes  puts  disk us");
    let mut last = String::new();
    for (keys, batch) in sizes {
        let options = TreeOptions { threads: 1, ..TreeOptions::default() };
        let mut ours = Filled::new(PagedTree::new(options), keys);
        let cost = ours.measure(keys, batch);
        let memory = ours.tree.memory_bytes();
        drop(ours);
        let jmt = Filled::new(JmtTree::default(), keys).measure(keys, batch);
        say(&format!(
            "{keys:>10} {batch:>7} | {:>8} {:>6} {:>5} {:>8} {:>10} | {:>7} {:>6} {:>5} {:>8}",
            cost.micros,
            cost.bytes,
            cost.entries,
            cost.disk_micros,
            memory >> 20,
            jmt.micros,
            jmt.bytes,
            jmt.entries,
            jmt.disk_micros,
        ));
        last = format!(
            r#"{{"keys":{keys},"batch":{batch},"ours_us_per_update":{},"jmt_us_per_update":{}}}"#,
            cost.micros, jmt.micros
        );
    }
    say(&last);
}

/// A tree with its stores: one in memory, which it reads, and one on disk, which shows what writing takes.
struct Filled<T> {
    tree: T,
    store: FaultyStore,
    disk: RocksStore,
    _folder: tempfile::TempDir,
    version: u64,
}

impl<T: StateTree> Filled<T> {
    fn new(tree: T, keys: u64) -> Self {
        // Beside the build products, because a folder for temporary files may be in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let disk = RocksStore::open(folder.path(), SPACES, RocksOptions::default()).expect("a fresh store");
        let store = FaultyStore::new(SPACES, StoreFaultPlan::default());
        let mut filled = Self { tree, store, disk, _folder: folder, version: 0 };
        for first in (0..keys).step_by(usize::try_from(FILLED_AT_ONCE).expect("small")) {
            filled.block(first..keys.min(first + FILLED_AT_ONCE), keys);
        }
        filled
    }

    /// One block that changes the keys of these numbers: the time of the tree, the time of the disk, bytes, entries.
    fn block(&mut self, numbers: std::ops::Range<u64>, keys: u64) -> (Duration, Duration, usize, usize) {
        let changes: Vec<StateChange> = numbers.map(|number| change(number, keys, self.version)).collect();
        let mut batch = WriteBatch::default();
        let begun = own_time();
        self.tree.grow(&self.store, self.version, &changes, &mut batch).expect("a good store");
        let grown = own_time();
        let (bytes, entries) = (batch.bytes(), batch.len());
        self.store.commit(batch.clone()).expect("a good store");
        let committing = own_time();
        self.disk.commit(batch).expect("a good store");
        let committed = own_time();
        self.tree.keep();
        self.version += 1;
        (grown - begun, committed - committing, bytes, entries)
    }

    fn measure(&mut self, keys: u64, batch: u64) -> Cost {
        let blocks = (MEASURED / batch / PARTS).clamp(2, 2_000);
        let (mut best, mut disk, mut bytes, mut entries) = (Duration::MAX, Duration::ZERO, 0, 0);
        let mut next = 1;
        let others = other_threads();
        for _ in 0..PARTS {
            let mut part = Duration::ZERO;
            for _ in 0..blocks {
                let (grown, written, more_bytes, more_entries) = self.block(next..next + batch, keys);
                part += grown;
                disk += written;
                bytes += more_bytes;
                entries += more_entries;
                next += batch;
            }
            best = best.min(part);
        }
        disk += other_threads().saturating_sub(others);
        let changes = blocks * batch;
        let all = changes * PARTS;
        Cost {
            micros: Hundredths::micros(best, changes),
            bytes: bytes as u64 / all,
            entries: Hundredths(entries as u128 * 100 / u128::from(all)),
            disk_micros: Hundredths::micros(disk, all),
        }
    }
}

/// A balance of one of so many accounts. Neighbours in number are anywhere in the tree.
fn change(number: u64, keys: u64, version: u64) -> StateChange {
    let asset = AssetId::of_genesis(&"ALT".parse().expect("a symbol"));
    let address = Address::new(*leaf_hash(&(number % keys).to_be_bytes()).as_bytes());
    (StateKey::Balance(address, asset), Some(encode(&u128::from(version))))
}

/// Time that this thread has run.
fn own_time() -> Duration {
    processor_time(ClockId::ThreadCPUTime)
}

/// Time that the threads of the store on disk have run.
fn other_threads() -> Duration {
    processor_time(ClockId::ProcessCPUTime).saturating_sub(own_time())
}

fn processor_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).expect("positive"), u32::try_from(time.tv_nsec).expect("below a second"))
}

fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).expect("somebody reads");
}
