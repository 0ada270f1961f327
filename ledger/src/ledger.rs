//! The writer: opens a store for a chain, and commits final blocks to it one after the other.
//!
//! # Invariants
//!
//! 1. One commit of the store for each block. The head is published after it, never before.
//! 2. Nothing that a commit changes in memory survives its failure.
//! 3. A block is committed only on top of its parent, with exactly the batches that it orders.

mod replay;

use std::sync::{Arc, PoisonError, RwLock};

use althing_contracts::BlockContext;
use althing_genesis::Genesis;
use althing_storage::{OrderedStore, WriteBatch};
use althing_types::{Block, Body, ChainParams, Hash, Height, LaneTip, Summary, View, encode, merkle_root};

use crate::block::{Committed, FinalBlock, Included, PassedOver, Skipped};
use crate::commit::{write_block, write_cut, write_frame, write_head, write_raw_keys, write_state};
use crate::error::LedgerError;
use crate::execute::{Executed, execute_batches};
use crate::genesis_state;
use crate::head::Head;
use crate::order::arrange;
use crate::overlay::{Changes, StateChange};
use crate::prune::{Earliest, PrunedRecord, Pruner, Retention};
use crate::reader::Reader;
use crate::record::load;
use crate::space::{HEADER, META, META_CHAIN, META_SCHEMA, SCHEMA_VERSION, by_height};
use crate::tree::{PagedTree, StateTree};

pub use self::replay::{Replayed, replay_spaces};

/// The version of the execution rules, in every summary.
const VM: u16 = 1;

/// The writer of a ledger. There is one for a store.
#[derive(Debug)]
pub struct Ledger<S> {
    store: Arc<S>,
    tree: PagedTree,
    chain: Hash,
    params: ChainParams,
    /// Shared with the readers; replaced after each commit.
    head: Arc<RwLock<Arc<Head>>>,
    /// Shared with the readers and the pruner.
    earliest: Earliest,
}

impl<S: OrderedStore> Ledger<S> {
    /// Opens the ledger in a store that was opened with [`crate::SPACES`]. In an empty store it is created from
    /// `genesis` in one commit; a creation that was cut short did not happen, and opening it again repeats it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Version`] or [`LedgerError::OtherChain`] if the store is not this version's or not this chain's,
    /// [`LedgerError::Corrupt`] if what it continues from is missing or does not fit together, and what the store says.
    pub fn open(store: Arc<S>, genesis: &Genesis) -> Result<Self, LedgerError> {
        match load::<u32, S>(&store, META, META_SCHEMA, "the form of the store")? {
            None => create(&*store, genesis)?,
            Some(SCHEMA_VERSION) => {}
            Some(found) => return Err(LedgerError::Version { found, expected: SCHEMA_VERSION }),
        }
        let missing = || LedgerError::corrupt("the name of the chain");
        let found: Hash = load(&*store, META, META_CHAIN, "the name of the chain")?.ok_or_else(missing)?;
        if found != genesis.hash() {
            return Err(LedgerError::OtherChain { found, expected: genesis.hash() });
        }
        let head = Head::load(&*store)?;
        let tree = PagedTree::open(&*store, head.tree_version, head.summary.state_root)?;
        let head = Arc::new(RwLock::new(Arc::new(head)));
        let earliest = Earliest::new(PrunedRecord::load(&*store)?.earliest);
        Ok(Self { store, tree, chain: found, params: *genesis.params(), head, earliest })
    }

    /// The last committed block.
    pub fn head(&self) -> Arc<Head> {
        self.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One who reads beside this writer.
    pub fn reader(&self) -> Reader<S> {
        Reader::new(self.store.clone(), self.head.clone(), self.earliest.clone())
    }

    /// One who removes what need not be kept, beside this writer. There must be no more than one.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Corrupt`] if it cannot be told how far the store is pruned, and what the store says.
    pub fn pruner(&self, retention: Retention) -> Result<Pruner<S>, LedgerError> {
        Pruner::new(self.store.clone(), self.reader(), retention, &self.params, self.earliest.clone())
    }

    /// Executes a final block and commits it; it is durable when this returns. A block that was committed before is
    /// answered again and nothing is written; why its transactions were skipped is then not known any more.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Store`]: after a failed write every later commit fails as well, and the process has to stop.
    /// All others leave the ledger as it was: [`LedgerError::Fork`] and [`LedgerError::OtherChain`] if the block is not
    /// of this chain, [`LedgerError::Gap`], [`LedgerError::Body`] and [`LedgerError::Batches`] if the caller did not
    /// hand over what was due.
    pub fn commit(&mut self, given: FinalBlock) -> Result<Committed, LedgerError> {
        let head = self.head();
        let id = given.block.header.id();
        if given.block.header.height <= head.header.height {
            return self.recall(&given, id);
        }
        let mut cut = self.cut_above(&head, &given.block)?;
        if given.block.header.ends_epoch() {
            // Lanes begin anew (E3).
            cut.clear();
        }
        let height = given.block.header.height;
        let batches =
            arrange(&given.block, &head.cut, &given.batches).map_err(|fault| LedgerError::Batches { height, fault })?;
        let context = BlockContext { height, time: given.block.header.time, params: self.params };
        let executed = execute_batches(&*self.store, &context, &batches)?;

        let mut batch = WriteBatch::default();
        let (state_root, tree_version) = self.grow_tree(&head, &executed.changes.all, &mut batch)?;
        let summary = summarise(height, id, state_root, &executed);
        let next = Head {
            id,
            view: given.finalization.vote.view,
            cut,
            summary,
            certified: certified_after(&head, &given, id),
            tree_version,
            header: given.block.header.clone(),
        };
        write_block(&mut batch, &given, &executed, &next);
        self.store.commit(batch)?;
        self.tree.keep();
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(Committed { summary, included: executed.included, skipped: executed.skipped })
    }

    /// The cut above a block, which must be the next one of this chain.
    fn cut_above(&self, head: &Head, block: &Block) -> Result<Vec<LaneTip>, LedgerError> {
        let header = &block.header;
        let expected = head.header.height.next();
        if header.height != expected {
            return Err(LedgerError::Gap { given: header.height, expected });
        }
        if header.chain != self.chain {
            return Err(LedgerError::OtherChain { found: header.chain, expected: self.chain });
        }
        if header.parent != head.id {
            let height = head.header.height;
            return Err(LedgerError::Fork { height, committed: head.id, given: header.parent });
        }
        let cut = block.cut_above(&head.cut).filter(|_| block.body_matches_header());
        cut.ok_or(LedgerError::Body { height: header.height })
    }

    /// Adds the tree's new nodes to a batch. Returns the root and the tree's version after it; a block that changes
    /// nothing has the root and the version of its parent.
    fn grow_tree(
        &mut self,
        head: &Head,
        changes: &[StateChange],
        batch: &mut WriteBatch,
    ) -> Result<(Hash, u64), LedgerError> {
        if changes.is_empty() {
            return Ok((head.summary.state_root, head.tree_version));
        }
        let version = head.tree_version.saturating_add(1);
        let root = self.tree.grow(&*self.store, version, changes, batch)?;
        Ok((root, version))
    }

    /// The answer for a block that was committed before.
    fn recall(&self, given: &FinalBlock, id: Hash) -> Result<Committed, LedgerError> {
        let height = given.block.header.height;
        let reader = self.reader();
        let committed = reader.header(height)?.ok_or_else(|| LedgerError::corrupt("a header"))?.id();
        if committed != id {
            return Err(LedgerError::Fork { height, committed, given: id });
        }
        let summary = reader.summary(height)?.ok_or_else(|| LedgerError::corrupt("a summary"))?;
        let receipts = reader.receipts(height)?;
        let included: Vec<Included> = receipts
            .iter()
            .zip(0u32..)
            .map(|(receipt, index)| Included { id: receipt.tx_id, index, status: receipt.status })
            .collect();
        let executed: std::collections::BTreeSet<Hash> = included.iter().map(|included| included.id).collect();
        let skipped = given.batches.iter().flat_map(|batch| {
            let lane = batch.signed.batch.lane;
            let left = batch.ids.iter().filter(|id| !executed.contains(*id));
            left.map(move |id| Skipped { id: *id, lane, reason: PassedOver::Earlier })
        });
        Ok(Committed { summary, skipped: skipped.collect(), included })
    }
}

/// Writes the state of genesis and height 0 into an empty store.
fn create<S: OrderedStore>(store: &S, genesis: &Genesis) -> Result<(), LedgerError> {
    if store.get(HEADER, &by_height(Height::ZERO))?.is_some() {
        return Err(LedgerError::corrupt("the form of the store"));
    }
    let header = genesis.header();
    let id = header.id();
    let changes = genesis_state::entries(genesis);
    let mut batch = WriteBatch::default();
    let state_root = PagedTree::default().grow(store, 0, &changes, &mut batch)?;
    let nothing = Executed {
        included: Vec::new(),
        traces: Vec::new(),
        skipped: Vec::new(),
        changes: Changes::default(),
        tx_root: merkle_root(&[]),
        receipts_root: merkle_root(&[]),
        gas_used: 0,
    };
    let summary = summarise(Height::ZERO, id, state_root, &nothing);
    let head = Head { header, id, view: View::ZERO, cut: Vec::new(), summary, certified: None, tree_version: 0 };
    write_frame(&mut batch, &Block { header: head.header.clone(), body: Body::default() }, id);
    write_state(&mut batch, &changes, Height::ZERO);
    write_raw_keys(&mut batch, changes.iter().map(|(key, _)| key));
    write_cut(&mut batch, Height::ZERO, &head.cut);
    write_head(&mut batch, &head);
    batch.put(META, META_SCHEMA, encode(&SCHEMA_VERSION));
    batch.put(META, META_CHAIN, encode(&genesis.hash()));
    store.commit(batch)?;
    Ok(())
}

fn summarise(height: Height, block: Hash, state_root: Hash, executed: &Executed) -> Summary {
    Summary {
        height,
        block,
        state_root,
        tx_root: executed.tx_root,
        receipts_root: executed.receipts_root,
        tx_count: u32::try_from(executed.included.len()).expect("a block holds fewer than 2^32 transactions"),
        gas_used: executed.gas_used,
        vm: VM,
    }
}

/// The highest height whose summary a certificate covers, once this block stands above `head`.
fn certified_after(head: &Head, given: &FinalBlock, id: Hash) -> Option<Height> {
    let executed = given.block.header.executed_height;
    let covers = given.finalization.vote.digest == id && executed > Height::ZERO;
    if covers { Some(executed) } else { head.certified }
}
