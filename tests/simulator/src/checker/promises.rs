//! What validators told clients, and whether it was kept: an accepted transaction comes into a block, and an admitted one
//! is accepted or let go for a reason that holds.

use std::collections::{BTreeMap, BTreeSet};

use althing_mempool::DropReason;
use althing_replica::Note;
use althing_types::Hash;

use super::durable::Durable;
use super::model::Model;

/// What was told so far.
#[derive(Debug)]
pub(super) struct Promises {
    /// Transactions that each place took in and has said nothing of since, in its present life.
    admitted: Vec<BTreeSet<Hash>>,
    /// Where each transaction was accepted first.
    accepted: BTreeMap<Hash, usize>,
}

impl Promises {
    pub(super) fn new(places: usize) -> Self {
        Self { admitted: vec![BTreeSet::new(); places], accepted: BTreeMap::new() }
    }

    pub(super) fn restarted(&mut self, place: usize) {
        self.admitted[place].clear();
    }

    /// A place left the validators: what it accepted and no block of the epoch ordered is let go, and clients were told.
    pub(super) fn left(&mut self, place: usize, model: &Model) {
        self.accepted.retain(|id, at| *at != place || model.is_decided(id));
    }

    /// The disks of a place are gone, and with them what was accepted there and nowhere else.
    pub(super) fn lost(&mut self, place: usize) {
        self.restarted(place);
        self.accepted.retain(|_, at| *at != place);
    }

    pub(super) fn accepted_count(&self) -> usize {
        self.accepted.len()
    }

    pub(super) fn noted(&mut self, place: usize, note: &Note, durable: &Durable, model: &Model) -> Result<(), String> {
        match note {
            Note::Admitted(id) => {
                self.admitted[place].insert(*id);
            }
            Note::Accepted(ids) => {
                for id in ids.iter() {
                    self.admitted[place].remove(id);
                    self.accepted.entry(*id).or_insert(place);
                    if !durable.own_transactions.contains(id) {
                        return Err(format!("accepted {id}, which no durable batch holds"));
                    }
                }
            }
            Note::Dropped(ids, reason) => {
                for id in ids {
                    self.admitted[place].remove(id);
                    if *reason == DropReason::Decided && !model.is_decided(id) {
                        return Err(format!("dropped {id} as decided, which no block held"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `pooled` transactions wait in the pool still.
    pub(super) fn kept(&self, place: usize, pooled: usize, model: &Model) -> Result<(), String> {
        let forgotten = self.accepted.iter().find(|(id, at)| **at == place && !model.is_decided(id));
        if let Some((id, _)) = forgotten {
            return Err(format!("accepted {id}, and no block holds it"));
        }
        let waiting = self.admitted[place].len();
        if waiting != pooled {
            return Err(format!(
                "{waiting} transactions were admitted and not heard of again, {pooled} are in the pool"
            ));
        }
        Ok(())
    }
}
