//! The blocks above the last one that was handed to the application, as a tree.
//!
//! A block stands in the tree once its parent does, because its lane tips can be checked only beside the parent's
//! cut. Blocks that arrive before their parent wait as orphans, at most [`ORPHANS_MAX`] of them. Only blocks that a
//! view's leader proposed first or that a certificate names get here, so the tree is bounded by the views that are
//! open.

use std::collections::{BTreeMap, BTreeSet};

use althing_types::{Block, Hash, Header, Height, LaneTip};

use crate::record::Lsn;

/// Blocks that wait for their parent at most. A run of catch-up and one proposal per open view fit.
const ORPHANS_MAX: usize = 512;

/// The last block that the application has: its ledger's tip at the start, later the last block that was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// The block's header.
    pub header: Header,
    /// The tips of all lanes after the block, ascending by lane.
    pub cut: Vec<LaneTip>,
}

/// What is known of the batches that a block orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Data {
    /// The data plane was asked, or found some missing.
    Missing,
    /// All are here and durable.
    Held,
    /// One of them can never be valid.
    Invalid,
}

/// A block whose parent is in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) block: Block,
    /// The tips of all lanes after the block.
    pub(crate) cut: Vec<LaneTip>,
    /// Whether it obeys every rule that is a function of its bytes and its parent's.
    pub(crate) sound: bool,
    pub(crate) data: Data,
    /// Where the log holds it.
    pub(crate) lsn: Option<Lsn>,
}

/// The tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Chain {
    base: Anchor,
    base_id: Hash,
    entries: BTreeMap<Hash, Entry>,
    orphans: BTreeMap<Hash, Block>,
    /// Blocks that the log held at the start and that are no part of the tree yet.
    logged: BTreeSet<Hash>,
}

/// What a new block builds on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) header: &'a Header,
    pub(crate) cut: &'a [LaneTip],
}

impl Chain {
    pub(crate) fn new(base: Anchor) -> Self {
        let base_id = base.header.id();
        Self { base, base_id, entries: BTreeMap::new(), orphans: BTreeMap::new(), logged: BTreeSet::new() }
    }

    /// The last block that the application has.
    pub(crate) const fn base(&self) -> &Anchor {
        &self.base
    }

    /// Its id.
    pub(crate) const fn base_id(&self) -> Hash {
        self.base_id
    }

    pub(crate) fn get(&self, id: &Hash) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &Hash) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    /// A block of the tree or among the orphans.
    pub(crate) fn block(&self, id: &Hash) -> Option<&Block> {
        self.entries.get(id).map(|entry| &entry.block).or_else(|| self.orphans.get(id))
    }

    /// The blocks of the tree in no particular order of heights, but the same order everywhere.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Hash, &Entry)> {
        self.entries.iter()
    }

    /// What a child of this block would build on.
    pub(crate) fn as_parent(&self, id: &Hash) -> Option<Parent<'_>> {
        if *id == self.base_id {
            return Some(Parent { header: &self.base.header, cut: &self.base.cut });
        }
        self.entries.get(id).map(|entry| Parent { header: &entry.block.header, cut: &entry.cut })
    }

    /// Whether the block is the base or in the tree.
    pub(crate) fn holds(&self, id: &Hash) -> bool {
        *id == self.base_id || self.entries.contains_key(id)
    }

    /// Takes a block in to wait for its parent. Blocks at or below the base are of no use. Where there is no room the
    /// highest block gives way: the lowest are the next that the tree can take.
    pub(crate) fn add_orphan(&mut self, id: Hash, block: Block) {
        let height = block.header.height;
        let above = height > self.base.header.height || block.header.parent == self.base_id;
        if !above || self.holds(&id) {
            return;
        }
        if self.orphans.len() >= ORPHANS_MAX && !self.orphans.contains_key(&id) {
            let highest = self.orphans.iter().max_by_key(|(_, orphan)| orphan.header.height);
            let Some(highest) = highest.filter(|it| it.1.header.height > height).map(|it| *it.0) else { return };
            self.orphans.remove(&highest);
        }
        self.orphans.insert(id, block);
    }

    /// Takes a block of the log back in: it is durable already, and stays in the log (D8).
    pub(crate) fn replay(&mut self, block: Block) {
        let id = block.header.id();
        self.logged.insert(id);
        self.add_orphan(id, block);
    }

    /// Forgets every orphan that is none of these blocks and that none of them stands on.
    pub(crate) fn keep_orphans(&mut self, named: impl IntoIterator<Item = Hash>) {
        let mut kept = BTreeMap::new();
        for mut at in named {
            while let Some((id, block)) = self.orphans.remove_entry(&at) {
                at = block.header.parent;
                kept.insert(id, block);
            }
        }
        self.orphans = kept;
    }

    /// Removes and returns an orphan whose parent stands in the tree.
    pub(crate) fn next_ready(&mut self) -> Option<(Hash, Block)> {
        let ready = self.orphans.iter().find(|(_, block)| self.holds(&block.header.parent)).map(|(id, _)| *id)?;
        self.orphans.remove_entry(&ready)
    }

    /// Puts a block whose parent stands in the tree there. False if its lane tips do not fit its header beside that
    /// parent: then the body is a forgery and the block must be fetched anew (V5).
    pub(crate) fn attach(&mut self, id: Hash, block: Block, sound: bool) -> bool {
        let Some(parent) = self.as_parent(&block.header.parent) else { return false };
        let Some(cut) = block.cut_above(parent.cut) else { return false };
        let lsn = self.logged.remove(&id).then_some(Lsn::ZERO);
        self.entries.insert(id, Entry { block, cut, sound, data: Data::Missing, lsn });
        true
    }

    /// Counts places in the log from this one on.
    pub(crate) fn rebase(&mut self, durable: Lsn) {
        for entry in self.entries.values_mut() {
            entry.lsn = entry.lsn.map(|lsn| lsn.above(durable));
        }
    }

    /// The block at or below this one that is not here, if that keeps it from standing in the tree.
    pub(crate) fn missing_below(&self, id: &Hash) -> Option<Hash> {
        let mut at = *id;
        while let Some(block) = self.orphans.get(&at) {
            at = block.header.parent;
        }
        (!self.holds(&at)).then_some(at)
    }

    /// The ids from above the base up to this block, or none if the block does not stand above the base.
    pub(crate) fn path_to(&self, id: &Hash) -> Option<Vec<Hash>> {
        let mut path = Vec::new();
        let mut at = *id;
        while at != self.base_id {
            path.push(at);
            at = self.entries.get(&at)?.block.header.parent;
        }
        path.reverse();
        Some(path)
    }

    /// Makes a child of the base the new base, and forgets every block that does not stand above it.
    pub(crate) fn advance(&mut self, id: &Hash) -> Option<Block> {
        let entry = self.entries.remove(id).filter(|entry| entry.block.header.parent == self.base_id)?;
        self.base = Anchor { header: entry.block.header.clone(), cut: entry.cut };
        self.base_id = *id;
        let height = self.base.header.height;
        self.orphans.retain(|_, block| block.header.height > height);
        self.forget_dead_branches();
        Some(entry.block)
    }

    fn forget_dead_branches(&mut self) {
        let mut by_height: Vec<(Height, Hash, Hash)> = self
            .entries
            .iter()
            .map(|(id, entry)| (entry.block.header.height, *id, entry.block.header.parent))
            .collect();
        by_height.sort();
        for (_, id, parent) in by_height {
            if !self.holds(&parent) {
                self.entries.remove(&id);
            }
        }
    }
}
