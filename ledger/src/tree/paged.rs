//! Our state tree: pages in memory as far as they are used, all of them in the store.
//!
//! What is in memory decides what a change costs, and nothing else: roots, stored bytes and errors of a whole store are the same
//! with any bound and any number of threads.

use althing_storage::{OrderedStore, WriteBatch};
use althing_types::{Hash, StateProof};
use sha2::{Digest as _, Sha256};

use super::grow::{Change, Growth};
use super::page::Page;
use super::range::{self, Range};
use super::stored::{load_page, stale_record};
use super::{StateTree, proof};
use crate::error::LedgerError;
use crate::overlay::StateChange;
use crate::space::NODE_STALE;

/// What a tree may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOptions {
    /// Bytes of memory for pages, about. One block may exceed it by the pages that it makes. Default 256 MiB, which
    /// holds all pages of about a million keys.
    pub memory_bytes: usize,
    /// Threads that share the work of a block that changes much. Default 2.
    pub threads: usize,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self { memory_bytes: 256 << 20, threads: 2 }
    }
}

/// The state tree, with the pages that were lately used.
#[derive(Debug, Default)]
pub struct PagedTree {
    options: TreeOptions,
    /// The version that is in memory, if any is.
    root: Option<Root>,
    /// Whether that version is committed.
    is_kept: bool,
    /// No page in memory was last used before this version.
    used_from: u64,
}

/// A version in memory.
#[derive(Debug)]
struct Root {
    version: u64,
    page: Page,
    /// Bytes of all pages below it that are in memory.
    bytes: usize,
}

impl PagedTree {
    /// A tree with bounds of its own.
    pub fn new(options: TreeOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// The tree of a store, at a version of which the root is known.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`] if the topmost page is not there, is damaged, or has another hash.
    pub(crate) fn open<S: OrderedStore>(store: &S, version: u64, root: Hash) -> Result<Self, LedgerError> {
        let page = load_page(store, version, &Hash::ZERO, 0, Some(root))?;
        Ok(Self { root: Some(Root { version, page, bytes: 0 }), is_kept: true, ..Self::default() })
    }

    /// Bytes of memory that its pages take, about.
    pub fn memory_bytes(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.bytes)
    }

    /// What [`PagedTree::memory_bytes`] should be.
    #[cfg(test)]
    pub(super) fn counted(&self) -> usize {
        self.root.as_ref().map_or(0, |root| cost_of(&root.page) - root.page.cost())
    }

    /// The path to a tree key in a version with this root: what stands there, or that nothing does.
    pub(crate) fn prove<S: OrderedStore>(
        store: &S,
        version: u64,
        root: Hash,
        key: &Hash,
    ) -> Result<StateProof, LedgerError> {
        proof::prove(store, version, root, key)
    }

    /// The first leaves of a version with this root from one tree key to another, both included, and what shows that there
    /// are no others.
    pub(crate) fn prove_range<S: OrderedStore>(
        store: &S,
        version: u64,
        root: Hash,
        range: (&Hash, &Hash),
        limit: usize,
    ) -> Result<Range, LedgerError> {
        range::prove(store, version, root, range, limit)
    }

    /// The version below `version`, from memory or from the store. Below version 0 there is nothing. A version in memory
    /// that was not committed is forgotten with all of its pages.
    fn below<S: OrderedStore>(&mut self, store: &S, version: u64) -> Result<Root, LedgerError> {
        let Some(below) = version.checked_sub(1) else {
            return Ok(Root { version: 0, page: Page::default(), bytes: 0 });
        };
        match self.root.take().filter(|root| self.is_kept && root.version == below) {
            Some(root) => Ok(root),
            None => {
                let page = load_page(store, below, &Hash::ZERO, 0, None)?;
                Ok(Root { version: below, page, bytes: 0 })
            }
        }
    }

    /// Forgets the pages that were not used for the longest time, if too many are in memory.
    fn forget(&mut self) {
        let most = self.options.memory_bytes;
        let Some(root) = self.root.as_mut().filter(|root| root.bytes > most) else { return };
        // Room for some blocks, so that not each of them has to look for more.
        let enough = most.saturating_sub(most / 4);
        let mut from = self.used_from;
        while root.bytes > enough && from < root.version {
            // The older half of the versions in which pages were used.
            from = from.midpoint(root.version).max(from.saturating_add(1));
            root.bytes = root.bytes.saturating_sub(forget_below(&mut root.page, from));
        }
        if root.bytes > enough {
            root.bytes = root.bytes.saturating_sub(forget_below(&mut root.page, u64::MAX));
        }
        self.used_from = from;
    }
}

impl StateTree for PagedTree {
    fn grow<S: OrderedStore>(
        &mut self,
        store: &S,
        version: u64,
        changes: &[StateChange],
        batch: &mut WriteBatch,
    ) -> Result<Hash, LedgerError> {
        let mut root = self.below(store, version)?;
        let mut changes: Vec<Change> = changes
            .iter()
            .map(|(key, value)| Change { key: key.tree_key(), value: value.as_deref().map(hash_of) })
            .collect();
        changes.sort_unstable_by_key(|change| change.key);
        if changes.array_windows().any(|[one, next]| one.key == next.key) {
            return Err(LedgerError::corrupt("the changes of a block, which name a key twice,"));
        }
        let mut growth = Growth::new(store, version);
        growth.grow(&mut root.page, &changes, self.options.threads)?;
        let mut grown = growth.grown;
        grown.stale.sort_unstable();
        root.version = version;
        root.bytes = root.bytes.saturating_add(grown.entered).saturating_sub(grown.left);
        let hash = root.page.hash();
        grown.store(batch);
        if version > 0 {
            batch.put(NODE_STALE, version.to_be_bytes(), stale_record(version, &grown.stale));
        }
        (self.root, self.is_kept) = (Some(root), false);
        Ok(hash)
    }

    fn keep(&mut self) {
        self.is_kept = true;
        self.forget();
    }
}

fn hash_of(value: &[u8]) -> Hash {
    Hash::new(Sha256::digest(value).into())
}

/// Forgets the pages below a page that were last used before a version; how many bytes that freed.
fn forget_below(page: &mut Page, used_from: u64) -> usize {
    let mut freed = 0usize;
    for below in page.pages_mut() {
        let Some(known) = &mut below.page else { continue };
        if known.used < used_from {
            freed = freed.saturating_add(cost_of(known));
            below.page = None;
        } else {
            freed = freed.saturating_add(forget_below(known, used_from));
        }
    }
    freed
}

/// Bytes of a page and of all below it that are in memory.
fn cost_of(page: &Page) -> usize {
    let below = page.pages().iter().filter_map(|below| below.page.as_deref()).map(cost_of);
    below.fold(page.cost(), usize::saturating_add)
}
