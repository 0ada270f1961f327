//! What a set of changes makes of a tree: new pages from the changed leaves up, and which pages they replace.
//!
//! Pages are never changed. Those on the way to a change are made anew and share all others with the version before,
//! so a version that is not committed is dropped and leaves no trace.

use std::sync::Arc;

use althing_storage::OrderedStore;
use althing_types::{Hash, LeafReference};

use super::page::{Below, Child, Leaf, PLACES, Page, Places};
use super::stored::{load_page, nibble, stored_key};
use crate::error::LedgerError;

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
    fn leaf(&self) -> Option<Leaf> {
        self.value.map(|value| Leaf::new(LeafReference { key: self.key, value }))
    }
}

/// What growing came to, beside the pages themselves.
#[derive(Debug, Default)]
pub(super) struct Grown {
    /// Keys and bytes of the pages to be stored.
    pub(super) written: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys of the pages that later versions do not have. How they are ordered depends on who did which share.
    pub(super) stale: Vec<Vec<u8>>,
    /// Bytes of memory of the pages that came in, and of those that they replace.
    pub(super) entered: usize,
    pub(super) left: usize,
}

impl Grown {
    fn join(&mut self, other: Self) {
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
    place: usize,
    child: Option<Child>,
    changes: &'c [Change],
}

impl<'a, S: OrderedStore> Growth<'a, S> {
    pub(super) fn new(store: &'a S, version: u64) -> Self {
        Self { store, version, grown: Grown::default() }
    }

    /// The topmost page after the changes, which ascend by their keys, each key once. `threads` share the work.
    pub(super) fn grow(&mut self, root: &Page, changes: &[Change], threads: usize) -> Result<Page, LedgerError> {
        let mut places = root.places();
        let branches: Vec<Branch<'_>> = changes
            .chunk_by(|a, b| nibble(&a.key, 0) == nibble(&b.key, 0))
            .filter_map(|changes| {
                let place = usize::from(nibble(&changes.first()?.key, 0));
                Some(Branch { place, child: places.get_mut(place)?.take(), changes })
            })
            .collect();
        let threads = if changes.len() < SHARED_FROM { 1 } else { threads };
        let mut changed = 0;
        for (place, child, is_new) in self.grow_branches(branches, threads)? {
            changed |= bit(place, is_new);
            if let Some(slot) = places.get_mut(place) {
                *slot = child;
            }
        }
        Ok(Page::of(places, Some(root), changed, self.version))
    }

    fn grow_branches(
        &mut self,
        mut branches: Vec<Branch<'_>>,
        threads: usize,
    ) -> Result<Vec<(usize, Option<Child>, bool)>, LedgerError> {
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

    fn grow_share(&mut self, branches: Vec<Branch<'_>>) -> Result<Vec<(usize, Option<Child>, bool)>, LedgerError> {
        let one = |Branch { place, child, changes }: Branch<'_>| {
            self.child(child, 1, changes).map(|(child, is_new)| (place, child, is_new))
        };
        branches.into_iter().map(one).collect()
    }

    /// A page after changes below it, and in which places it differs. `depth` is the number of nibbles above it.
    fn page(&mut self, before: &Page, depth: usize, changes: &[Change]) -> Result<(Page, u16), LedgerError> {
        let mut places = before.places();
        let mut changed = 0;
        for group in changes.chunk_by(|a, b| nibble(&a.key, depth) == nibble(&b.key, depth)) {
            let place = group.first().map_or(0, |first| usize::from(nibble(&first.key, depth)));
            let Some(slot) = places.get_mut(place) else { continue };
            let (child, is_new) = self.child(slot.take(), depth.saturating_add(1), group)?;
            *slot = child;
            changed |= bit(place, is_new);
        }
        Ok((Page::of(places, Some(before), changed, self.version), changed))
    }

    /// What stands in a place after changes below it, and whether it is another than before. `depth` is the number of
    /// nibbles above what hangs there.
    fn child(
        &mut self,
        before: Option<Child>,
        depth: usize,
        changes: &[Change],
    ) -> Result<(Option<Child>, bool), LedgerError> {
        match before {
            None => {
                let leaves: Vec<Leaf> = changes.iter().filter_map(Change::leaf).collect();
                let is_new = !leaves.is_empty();
                Ok((self.build(&leaves, depth), is_new))
            }
            Some(Child::Leaf(known)) => {
                let leaves = merged(known, changes);
                let is_new = leaves != [known];
                Ok((self.build(&leaves, depth), is_new))
            }
            Some(Child::Page(below)) => self.below(below, depth, changes),
        }
    }

    fn below(&mut self, below: Below, depth: usize, changes: &[Change]) -> Result<(Option<Child>, bool), LedgerError> {
        let Below { hash, version, page } = below;
        let Some(key) = changes.first().map(|change| change.key) else {
            return Ok((Some(Child::Page(Below { hash, version, page })), false));
        };
        let page = match page {
            Some(page) => page,
            None => {
                let page = load_page(self.store, version, &key, depth, Some(hash))?;
                self.grown.entered = self.grown.entered.saturating_add(page.cost());
                Arc::new(page)
            }
        };
        let (next, changed) = self.page(&page, depth, changes)?;
        self.grown.left = self.grown.left.saturating_add(page.cost());
        if changed == 0 {
            // Pages below may have been read.
            self.grown.entered = self.grown.entered.saturating_add(next.cost());
            return Ok((Some(Child::Page(Below { hash, version, page: Some(Arc::new(next)) })), false));
        }
        self.grown.stale.push(stored_key(version, &key, depth));
        if next.is_empty() {
            return Ok((None, true));
        }
        let child = next.lone_leaf().map_or_else(|| self.write(next, depth, &key), Child::Leaf);
        Ok((Some(child), true))
    }

    /// A subtree of these leaves, which ascend by their keys.
    fn build(&mut self, leaves: &[Leaf], depth: usize) -> Option<Child> {
        let (first, others) = leaves.split_first()?;
        if others.is_empty() {
            return Some(Child::Leaf(*first));
        }
        let mut places: Places = [const { None }; PLACES];
        for group in leaves.chunk_by(|a, b| nibble(&a.reference.key, depth) == nibble(&b.reference.key, depth)) {
            let place = group.first().map_or(0, |first| usize::from(nibble(&first.reference.key, depth)));
            if let Some(slot) = places.get_mut(place) {
                *slot = self.build(group, depth.saturating_add(1));
            }
        }
        Some(self.write(Page::of(places, None, u16::MAX, self.version), depth, &first.reference.key))
    }

    fn write(&mut self, page: Page, depth: usize, key: &Hash) -> Child {
        let (hash, version) = (page.hash(), self.version);
        self.grown.written.push((stored_key(version, key, depth), page.encode(version)));
        self.grown.entered = self.grown.entered.saturating_add(page.cost());
        Child::Page(Below { hash, version, page: Some(Arc::new(page)) })
    }
}

/// The leaves of a place in which one stood, after changes.
fn merged(known: Leaf, changes: &[Change]) -> Vec<Leaf> {
    let key = known.reference.key;
    let kept = changes.iter().all(|change| change.key != key).then_some(known);
    let mut leaves: Vec<Leaf> = changes
        .iter()
        .filter_map(|change| match change.value {
            Some(value) if change.key == key && value == known.reference.value => Some(known),
            _ => change.leaf(),
        })
        .chain(kept)
        .collect();
    leaves.sort_unstable_by_key(|leaf| leaf.reference.key);
    leaves
}

/// The bit of a place that changed.
fn bit(place: usize, changed: bool) -> u16 {
    u32::try_from(place).ok().and_then(|place| u16::from(changed).checked_shl(place)).unwrap_or(0)
}
