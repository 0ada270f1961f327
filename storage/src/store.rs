//! The door of the ordered store: what every store of this room promises, and the shape of what is written to it.
//!
//! Deliberately absent: snapshots (whoever writes keeps versions under keys of their own), transactions that read
//! before they write (one thread writes), and any knowledge of what a key or a value means.

mod error;
#[cfg(test)]
pub(crate) mod tests;

pub use self::error::StoreError;

/// Entries that one scan returns at most, whatever its caller asks for.
pub const SCAN_ENTRIES_MAX: usize = 100_000;

/// One of a store's keyspaces: its place in the list that the store was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space(pub u8);

/// How a keyspace is used, so that a store can lay it out. Two stores of one kind are opened with the same list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceOptions {
    /// Its name on disk. Never reused for something else.
    pub name: &'static str,
    /// Whether most reads ask for one key, which may be absent.
    pub point_reads: bool,
    /// Whether values repeat themselves enough to be worth compressing; hashes and signatures do not.
    pub compress: bool,
    /// Whether values are usually longer than a few kilobytes and are kept apart from their keys.
    pub large_values: bool,
}

/// In which order a scan returns entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the lowest key up.
    Ascending,
    /// From the highest key down.
    Descending,
}

/// What a scan covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan<'a> {
    /// The lowest key that belongs to it.
    pub from: &'a [u8],
    /// The first key above it; none to go to the end of the space.
    pub to: Option<&'a [u8]>,
    /// The order of the entries.
    pub order: Order,
    /// Entries at most; more than [`SCAN_ENTRIES_MAX`] counts as that many.
    pub limit: usize,
}

/// A key with its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Changes that take effect together or not at all, in the order in which they were added.
///
/// Their bytes stand one behind the other in one buffer, because a block makes thousands of short keys and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    bytes: Vec<u8>,
    changes: Vec<Kept>,
}

/// One change, without the bytes that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    kind: Kind,
    space: Space,
    /// Bytes of the key or of the lower bound. They stand behind those of the change before.
    first: usize,
    /// Bytes of the value or of the upper bound, behind the first.
    second: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Put,
    Delete,
    DeleteRange,
}

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Put {
        space: Space,
        key: &'a [u8],
        value: &'a [u8],
    },
    Delete {
        space: Space,
        key: &'a [u8],
    },
    /// Every key from `from` up to, and without, `to`.
    DeleteRange {
        space: Space,
        from: &'a [u8],
        to: &'a [u8],
    },
}

impl WriteBatch {
    /// Sets a value.
    pub fn put(&mut self, space: Space, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.add(Kind::Put, space, key.as_ref(), value.as_ref());
    }

    /// Removes a key; one that is not there is no error.
    pub fn delete(&mut self, space: Space, key: impl AsRef<[u8]>) {
        self.add(Kind::Delete, space, key.as_ref(), &[]);
    }

    /// Removes every key from `from` up to, and without, `to`. If `to` is not above `from` it removes nothing.
    pub fn delete_range(&mut self, space: Space, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) {
        self.add(Kind::DeleteRange, space, from.as_ref(), to.as_ref());
    }

    fn add(&mut self, kind: Kind, space: Space, first: &[u8], second: &[u8]) {
        self.bytes.extend_from_slice(first);
        self.bytes.extend_from_slice(second);
        self.changes.push(Kept { kind, space, first: first.len(), second: second.len() });
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Bytes of all keys, values and bounds.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The keyspace of each change.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = Space> + '_ {
        self.changes.iter().map(|kept| kept.space)
    }

    /// The changes, in their order.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let mut rest = &self.bytes[..];
        self.changes.iter().map(move |Kept { kind, space, first, second }| {
            let (one, behind) = rest.split_at(*first);
            let (other, behind) = behind.split_at(*second);
            rest = behind;
            let space = *space;
            match kind {
                Kind::Put => Change::Put { space, key: one, value: other },
                Kind::Delete => Change::Delete { space, key: one },
                Kind::DeleteRange => Change::DeleteRange { space, from: one, to: other },
            }
        })
    }
}

impl Change<'_> {
    pub(crate) const fn space(&self) -> Space {
        match self {
            Self::Put { space, .. } | Self::Delete { space, .. } | Self::DeleteRange { space, .. } => *space,
        }
    }
}

/// An ordered store of bytes, with one writer and any number of readers.
///
/// After a [`OrderedStore::commit`] has failed the store is poisoned: every later commit returns
/// [`StoreError::Poisoned`], and the caller must stop the process. Reads may go on; they show what was committed.
pub trait OrderedStore: Send + Sync {
    /// The value under a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The values under many keys of one space, in the order of the keys.
    fn get_many(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// The entries that a scan covers.
    fn scan(&self, space: Space, scan: Scan<'_>) -> Result<Vec<Entry>, StoreError>;

    /// Applies a batch atomically; it is durable when this returns.
    fn commit(&self, batch: WriteBatch) -> Result<(), StoreError>;

    /// Asks for the room of what was removed between two keys, `to` left out. What it does to the disk, and whether it
    /// does anything, is the store's affair; what can be read is the same after it. It may take seconds and lets others read and
    /// commit meanwhile.
    fn reclaim(&self, space: Space, from: &[u8], to: &[u8]) -> Result<(), StoreError>;
}
