//! Executes the transactions of a block in their order and gathers what follows from it. Writes nothing.

use std::collections::BTreeSet;

use althing_contracts::{BlockContext, Execution, Outcome, execute, touched_accounts};
use althing_storage::OrderedStore;
use althing_types::{Action, Address, Hash, SignedTransaction, StateKey, encode, leaf_hash, merkle_root};

use crate::block::{Included, OrderedBatch, PassedOver, Skipped};
use crate::error::LedgerError;
use crate::overlay::{BlockState, Changes};
use crate::record::Place;
use crate::space::TX_AT;

/// What the transactions of a block came to.
pub(crate) struct Executed {
    pub(crate) included: Vec<Included>,
    /// What is stored of each included transaction, in the same order.
    pub(crate) traces: Vec<Trace>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) changes: Changes,
    pub(crate) tx_root: Hash,
    pub(crate) receipts_root: Hash,
    pub(crate) gas_used: u64,
}

/// What is stored of an executed transaction.
pub(crate) struct Trace {
    pub(crate) place: Place,
    /// Its encoded receipt.
    pub(crate) receipt: Vec<u8>,
    /// The accounts that it names, each once.
    pub(crate) accounts: Vec<Address>,
}

/// Executes batches in the order given.
pub(crate) fn execute_batches<S: OrderedStore>(
    store: &S,
    context: &BlockContext,
    batches: &[&OrderedBatch],
) -> Result<Executed, LedgerError> {
    let mut run = Run::begin(store, context, batches)?;
    for batch in batches {
        let Place { lane, seq, .. } = Place { lane: batch.signed.batch.lane, seq: batch.signed.batch.seq, index: 0 };
        let bytes = &batch.signed.batch.transactions;
        let transactions = batch.transactions.iter().zip(batch.ids.iter()).zip(bytes).zip(0u32..);
        for (((transaction, id), bytes), index) in transactions {
            run.execute(transaction, *id, bytes, Place { lane, seq, index })?;
        }
    }
    Ok(run.end())
}

/// A block under execution.
struct Run<'a, S> {
    context: &'a BlockContext,
    state: BlockState<'a, S>,
    /// Ids that were executed in a block below.
    executed_below: BTreeSet<Hash>,
    /// Ids that were executed in this block. A transaction that was skipped is not among them: with other signatures
    /// the same id may stand in the block again, and may then be good (rule A2).
    executed_here: BTreeSet<Hash>,
    included: Vec<Included>,
    traces: Vec<Trace>,
    skipped: Vec<Skipped>,
    transaction_leaves: Vec<Hash>,
    receipt_leaves: Vec<Hash>,
    gas_used: u64,
}

impl<'a, S: OrderedStore> Run<'a, S> {
    /// Reads at once what is known to be needed.
    fn begin(store: &'a S, context: &'a BlockContext, batches: &[&OrderedBatch]) -> Result<Self, LedgerError> {
        let state = BlockState::new(store);
        let transactions = batches.iter().flat_map(|batch| batch.transactions.iter());
        let mut keys: Vec<StateKey> = transactions.flat_map(expected_reads).collect();
        keys.sort_unstable();
        keys.dedup();
        state.warm(keys)?;
        Ok(Self {
            context,
            state,
            executed_below: executed_below(store, batches)?,
            executed_here: BTreeSet::new(),
            included: Vec::new(),
            traces: Vec::new(),
            skipped: Vec::new(),
            transaction_leaves: Vec::new(),
            receipt_leaves: Vec::new(),
            gas_used: 0,
        })
    }

    fn execute(
        &mut self,
        transaction: &SignedTransaction,
        id: Hash,
        bytes: &[u8],
        place: Place,
    ) -> Result<(), LedgerError> {
        let outcome = if self.executed_below.contains(&id) || self.executed_here.contains(&id) {
            Err(PassedOver::Duplicate)
        } else {
            match execute(transaction, id, self.context, &self.state)? {
                Outcome::Executed(execution) => Ok(execution),
                Outcome::Skipped(reason) => Err(PassedOver::Refused(reason)),
            }
        };
        match outcome {
            Ok(execution) => {
                let accounts = touched_accounts(transaction);
                self.include(id, leaf_hash(bytes), place, accounts, execution)?;
            }
            Err(reason) => self.skipped.push(Skipped { id, lane: place.lane, reason }),
        }
        Ok(())
    }

    fn include(
        &mut self,
        id: Hash,
        leaf: Hash,
        place: Place,
        accounts: Vec<Address>,
        execution: Execution,
    ) -> Result<(), LedgerError> {
        let Execution { receipt, writes } = execution;
        self.state.apply(writes)?;
        // A block holds far fewer transactions than 2^32: its caps are judged before (rule L7).
        let index = u32::try_from(self.included.len()).expect("a block holds fewer than 2^32 transactions");
        self.included.push(Included { id, index, status: receipt.status });
        self.gas_used = self.gas_used.saturating_add(receipt.gas_used);
        self.executed_here.insert(id);
        let receipt = encode(&receipt);
        self.transaction_leaves.push(leaf);
        self.receipt_leaves.push(leaf_hash(&receipt));
        self.traces.push(Trace { place, receipt, accounts });
        Ok(())
    }

    fn end(self) -> Executed {
        Executed {
            included: self.included,
            traces: self.traces,
            skipped: self.skipped,
            changes: self.state.into_changes(),
            tx_root: merkle_root(&self.transaction_leaves),
            receipts_root: merkle_root(&self.receipt_leaves),
            gas_used: self.gas_used,
        }
    }
}

/// Those of the batches' ids that were executed in a block below.
fn executed_below<S: OrderedStore>(store: &S, batches: &[&OrderedBatch]) -> Result<BTreeSet<Hash>, LedgerError> {
    let ids: Vec<Hash> = batches.iter().flat_map(|batch| batch.ids.iter().copied()).collect();
    let keys: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    let found = store.get_many(TX_AT, &keys)?;
    Ok(ids.into_iter().zip(found).filter_map(|(id, found)| found.map(|_| id)).collect())
}

/// Places in the state that a transaction is known to read. It may read others, and need not read all of these.
fn expected_reads(transaction: &SignedTransaction) -> Vec<StateKey> {
    let body = transaction.body();
    let mut keys = vec![StateKey::Account(body.sender)];
    let mut add = |action: &Action| {
        if let Action::Transfer { asset, to, .. } = action {
            keys.push(StateKey::Asset(*asset));
            keys.push(StateKey::Balance(body.sender, *asset));
            keys.push(StateKey::Balance(*to, *asset));
        }
    };
    match &body.action {
        Action::Batch(actions) => actions.iter().for_each(add),
        action => add(action),
    }
    keys
}
