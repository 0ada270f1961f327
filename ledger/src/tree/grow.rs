//! What a set of changes makes of a tree: new pages from the changed leaves up, and which pages they replace.
//!
//! Pages in memory are changed where they are: what was in memory of the version before is not there any more. Who does not
//! commit the new version drops both, and reads the old one from the store.

use althing_storage::{OrderedStore, WriteBatch};
use althing_types::{Hash, LeafReference};

use super::page::{At, Below, Child, Page};
use super::stored::{PageKey, load_page, nibble};
use crate::error::LedgerError;
use crate::space::NODE;

/// Changes from which on several threads share the work: fewer are done before a thread has begun.
const SHARED_FROM: usize = 256;

/// A leaf to be set or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The tree key.
    pub(super) key: Hash,
    /// The hash of the new value; none if the leaf is removed.
    pub(super) value: Option<Hash>,
}

impl Change {
    fn leaf(&self) -> Option<LeafReference> {
        self.value.map(|value| LeafReference { key: self.key, value })
    }
}

/// What growing came to, beside the pages themselves.
#[derive(Debug, Default)]
pub(super) struct Grown {
    /// The pages to be stored, one behind the other, and the key and the length of each.
    bytes: Vec<u8>,
    written: Vec<(PageKey, usize)>,
    /// Keys of the pages that later versions do not have. How they are ordered depends on who did which share.
    pub(super) stale: Vec<PageKey>,
    /// Bytes of memory of the pages that came in, and of those that they replace.
    pub(super) entered: usize,
    pub(super) left: usize,
}

impl Grown {
    /// Adds the pages to a batch.
    pub(super) fn store(&self, batch: &mut WriteBatch) {
        let mut rest = &self.bytes[..];
        for (key, length) in &self.written {
            let (page, behind) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            batch.put(NODE, key.as_bytes(), page);
            rest = behind;
        }
    }

    fn join(&mut self, other: Self) {
        self.bytes.extend(other.bytes);
        self.written.extend(other.written);
        self.stale.extend(other.stale);
        self.entered = self.entered.saturating_add(other.entered);
        self.left = self.left.saturating_add(other.left);
    }
}

/// One version in the making.
pub(super) struct Growth<'a, S> {
    store: &'a S,
    version: u64,
    pub(super) grown: Grown,
}

/// A place of the topmost page, what stood there, and the changes below it.
struct Branch<'c> {
    place: u8,
    child: Option<Child>,
    changes: &'c [Change],
}

impl<'a, S: OrderedStore> Growth<'a, S> {
    pub(super) fn new(store: &'a S, version: u64) -> Self {
        Self { store, version, grown: Grown::default() }
    }

    /// Brings changes into the topmost page and below it. They ascend by their keys, each key once. `threads` share the
    /// work.
    pub(super) fn grow(&mut self, root: &mut Page, changes: &[Change], threads: usize) -> Result<(), LedgerError> {
        let branches: Vec<Branch<'_>> = changes
            .chunk_by(|a, b| nibble(&a.key, 0) == nibble(&b.key, 0))
            .filter_map(|changes| {
                let place = nibble(&changes.first()?.key, 0);
                Some(Branch { place, child: root.take(place), changes })
            })
            .collect();
        let threads = if changes.len() < SHARED_FROM { 1 } else { threads };
        for (place, child) in self.grow_branches(branches, threads)? {
            root.set(place, child);
        }
        root.used = self.version;
        root.rehash(u16::MAX);
        self.write(root, 0, &Hash::ZERO);
        Ok(())
    }

    fn grow_branches(
        &mut self,
        mut branches: Vec<Branch<'_>>,
        threads: usize,
    ) -> Result<Vec<(u8, Option<Child>)>, LedgerError> {
        let share = branches.len().div_ceil(threads.max(1));
        if share >= branches.len() {
            return self.grow_share(branches);
        }
        let (store, version) = (self.store, self.version);
        let mut others = Vec::new();
        while branches.len() > share {
            others.push(branches.split_off(branches.len().saturating_sub(share)));
        }
        std::thread::scope(|scope| {
            let begun = others.into_iter().map(|share| {
                scope.spawn(move || {
                    let mut growth = Self::new(store, version);
                    growth.grow_share(share).map(|places| (places, growth.grown))
                })
            });
            let begun: Vec<_> = begun.collect();
            let mut places = self.grow_share(branches)?;
            for thread in begun {
                let (more, grown) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                places.extend(more);
                self.grown.join(grown);
            }
            Ok(places)
        })
    }

    fn grow_share(&mut self, branches: Vec<Branch<'_>>) -> Result<Vec<(u8, Option<Child>)>, LedgerError> {
        let one = |Branch { place, child, changes }: Branch<'_>| {
            let child = match child {
                None => self.build(&changes.iter().filter_map(Change::leaf).collect::<Vec<_>>(), 1),
                Some(Child::Leaf(known)) => self.build(&merged(known, changes), 1),
                Some(Child::Page(mut below)) => match self.below(&mut below, 1, changes)? {
                    After::Page { .. } => Some(Child::Page(below)),
                    After::Leaf(leaf) => Some(Child::Leaf(leaf)),
                    After::Nothing => None,
                },
            };
            Ok((place, child))
        };
        branches.into_iter().map(one).collect()
    }

    /// Brings changes into a page, and says in which places it is another. `depth` is the number of nibbles above it.
    fn page(&mut self, page: &mut Page, depth: usize, changes: &[Change]) -> Result<u16, LedgerError> {
        let mut changed = 0;
        for group in changes.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let Some(place) = group.first().map(|first| nibble(&first.key, depth)) else { continue };
            let is_new = match page.at(place) {
                At::Nothing => {
                    let leaves: Vec<LeafReference> = group.iter().filter_map(Change::leaf).collect();
                    page.set(place, self.build(&leaves, depth.saturating_add(1)));
                    !leaves.is_empty()
                }
                At::Leaf(known) => {
                    let leaves = merged(known, group);
                    let is_new = leaves != [known];
                    if is_new {
                        page.set(place, self.build(&leaves, depth.saturating_add(1)));
                    }
                    is_new
                }
                At::Page(below) => match self.below(below, depth.saturating_add(1), group)? {
                    After::Page { is_new } => is_new,
                    After::Leaf(leaf) => {
                        page.set(place, Some(Child::Leaf(leaf)));
                        true
                    }
                    After::Nothing => {
                        page.set(place, None);
                        true
                    }
                },
            };
            changed |= bit(place, is_new);
        }
        page.used = self.version;
        if changed != 0 {
            page.rehash(changed);
        }
        Ok(changed)
    }

    /// Brings changes into a page below another, which is read if it is not in memory.
    fn below(&mut self, below: &mut Below, depth: usize, changes: &[Change]) -> Result<After, LedgerError> {
        let Some(key) = changes.first().map(|change| change.key) else { return Ok(After::Page { is_new: false }) };
        let mut page = match below.page.take() {
            Some(page) => {
                self.grown.left = self.grown.left.saturating_add(page.cost());
                page
            }
            None => Box::new(load_page(self.store, below.version, &key, depth, Some(below.hash))?),
        };
        let changed = self.page(&mut page, depth, changes)?;
        if changed != 0 {
            self.grown.stale.push(PageKey::new(below.version, &key, depth));
            if page.is_empty() {
                return Ok(After::Nothing);
            }
            if let Some(leaf) = page.lone_leaf() {
                return Ok(After::Leaf(leaf));
            }
            below.hash = page.hash();
            below.version = self.version;
            self.write(&page, depth, &key);
        }
        self.grown.entered = self.grown.entered.saturating_add(page.cost());
        below.page = Some(page);
        Ok(After::Page { is_new: changed != 0 })
    }

    /// A subtree of these leaves, which ascend by their keys.
    fn build(&mut self, leaves: &[LeafReference], depth: usize) -> Option<Child> {
        let (first, others) = leaves.split_first()?;
        if others.is_empty() {
            return Some(Child::Leaf(*first));
        }
        let mut page = Page::default();
        page.used = self.version;
        for group in leaves.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let Some(place) = group.first().map(|first| nibble(&first.key, depth)) else { continue };
            page.set(place, self.build(group, depth.saturating_add(1)));
        }
        page.rehash(u16::MAX);
        let (hash, version) = (page.hash(), self.version);
        self.write(&page, depth, &first.key);
        self.grown.entered = self.grown.entered.saturating_add(page.cost());
        Some(Child::Page(Below { hash, version, page: Some(Box::new(page)) }))
    }

    fn write(&mut self, page: &Page, depth: usize, key: &Hash) {
        let before = self.grown.bytes.len();
        page.encode(self.version, &mut self.grown.bytes);
        let length = self.grown.bytes.len().saturating_sub(before);
        self.grown.written.push((PageKey::new(self.version, key, depth), length));
    }
}

/// What a page came to.
enum After {
    /// It is there, as it was or new.
    Page { is_new: bool },
    /// This leaf is all that is left.
    Leaf(LeafReference),
    /// Nothing is left.
    Nothing,
}

/// The leaves of a place in which one stood, after changes.
fn merged(known: LeafReference, changes: &[Change]) -> Vec<LeafReference> {
    let kept = changes.iter().all(|change| change.key != known.key).then_some(known);
    let mut leaves: Vec<LeafReference> = changes.iter().filter_map(Change::leaf).chain(kept).collect();
    leaves.sort_unstable_by_key(|leaf| leaf.key);
    leaves
}

/// The bit of a place that changed.
fn bit(place: u8, changed: bool) -> u16 {
    u16::from(changed).checked_shl(u32::from(place)).unwrap_or(0)
}
