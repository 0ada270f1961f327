//! The second epoch of an exploration: which views belong to it, what its validators are told when they enter it, and
//! what was executed before.
//!
//! A change of the set is pending from the start, in the state of the block that everything stands on. The next set has
//! the same members: so every signature of one epoch would do in the other, if epochs were not part of what is signed.

use althing_consensus::{Anchor, Config, Input, Opening};
use althing_types::{
    Committee, Epoch, Finalization, Hash, Header, Height, LaneSeq, Summary, ValidatorIndex, View, Work, leaf_hash,
};

use super::label::BlockId;
use super::stage::Stage;

/// The second epoch.
pub(super) const NEXT: Epoch = Epoch::new(1);

impl Stage {
    /// Whether the change is pending in a view: in all of the first epoch, where there is one.
    pub(super) const fn has_change(&self, view: u64) -> bool {
        self.has_next && view <= self.first_views
    }

    /// The epoch and the view in it of a view that is counted through the epochs.
    pub(super) const fn at(&self, view: u64) -> (Epoch, View) {
        match view.checked_sub(self.first_views) {
            Some(of_next) if of_next > 0 && self.has_next => (NEXT, View::new(of_next)),
            _ => (Epoch::ZERO, View::new(view)),
        }
    }

    /// The last view that is explored of an epoch.
    pub(super) fn last_view(&self, epoch: Epoch) -> u64 {
        if epoch == Epoch::ZERO { self.first_views } else { self.views - self.first_views }
    }

    /// A view, counted through the epochs; none if it is not explored.
    pub(super) fn counted(&self, epoch: Epoch, view: View) -> Option<u64> {
        let before = if epoch == Epoch::ZERO { 0 } else { self.first_views };
        (epoch <= NEXT && view.get() <= self.last_view(epoch)).then(|| before + view.get())
    }

    /// The views in which something may be proposed above a block: those after it in its epoch, and above one that ends
    /// its epoch all of the next.
    pub(super) fn views_above(&self, parent: Option<BlockId>) -> impl Iterator<Item = u64> + use<> {
        let view = parent.map_or(0, |parent| self.block(parent).view);
        let (epoch, _) = self.at(view);
        let last = if epoch == Epoch::ZERO { self.first_views } else { self.views };
        let ends = parent.is_some_and(|parent| {
            let made = self.block(parent);
            made.block.header.ends_epoch() && !made.again
        });
        let next = (self.first_views + 1..=self.views).filter(move |_| ends);
        (view + 1..=last).chain(next)
    }

    /// Whether no honest validator may notarize a block above this one, whatever the view (E1, E2).
    pub(super) fn is_wrong(&self, block: &althing_types::Block, parent: Option<BlockId>) -> bool {
        let header = &block.header;
        let below = parent.map(|parent| &self.block(parent).block.header);
        let of_epoch = |below: &&Header| below.epoch == header.epoch;
        let is_child_of_end = below.filter(of_epoch).is_some_and(Header::ends_epoch);
        let carried = below.map_or(Height::ZERO, |below| below.executed_height);
        let due = self.has_next && header.epoch == Epoch::ZERO && header.executed_height > carried;
        is_child_of_end || due != header.ends_epoch()
    }

    /// The validators of an epoch.
    pub(super) fn committee_of(&self, epoch: Epoch) -> Committee {
        Committee { epoch, ..self.committee.clone() }
    }

    /// What the execution of a block came to.
    pub(super) fn summary(header: &Header) -> Summary {
        let root = leaf_hash(header.id().as_bytes());
        let (block, state_root, tx_root, receipts_root) = (header.id(), root, root, root);
        let height = header.height;
        Summary { height, block, state_root, tx_root, receipts_root, tx_count: 0, gas_used: 0, vm: 1 }
    }

    /// What a validator is told once, in the first epoch or in the one that a Finalization opened.
    pub(super) fn config(&self, me: u16, opened: Option<&(BlockId, Finalization)>) -> Config {
        let opening = opened.map(|(boundary, finalization)| Opening {
            height: self.block(*boundary).block.header.height,
            finalization: finalization.clone(),
            previous: self.committee.clone(),
        });
        let epoch = if opened.is_some() { NEXT } else { Epoch::ZERO };
        Config {
            committee: self.committee_of(epoch),
            guests: 0,
            opening,
            me: ValidatorIndex::new(me),
            params: self.params.consensus,
            params_hash: self.params.hash(),
            log_bytes_max: 8 << 20,
        }
    }

    /// The block that an epoch begins above.
    pub(super) fn anchor(&self, opened: Option<&(BlockId, Finalization)>) -> Anchor {
        let above = |(boundary, _): &(BlockId, Finalization)| Anchor {
            header: self.block(*boundary).block.header.clone(),
            cut: Vec::new(),
        };
        opened.map_or_else(|| self.genesis.clone(), above)
    }

    /// What a validator's ledger tells it of blocks that it executed: of those above what the first block of the epoch
    /// carries, up to a block.
    pub(super) fn executed(&self, up_to: Option<BlockId>) -> Vec<Input> {
        if !self.has_next {
            return Vec::new();
        }
        let path = up_to.map_or(0, |id| self.path(id));
        let above = self.block_ids().filter(|id| path >> id & 1 == 1).map(|id| &self.block(id).block.header);
        let mut headers: Vec<&Header> = std::iter::once(&self.genesis.header).chain(above).collect();
        headers.sort_by_key(|header| header.height);
        headers.into_iter().map(|header| Input::Executed(Self::summary(header))).collect()
    }

    /// What a validator learns when it begins or enters an epoch: what is pending and executed, and that everybody else
    /// has executed as much. It knows of a batch that is not ordered yet for as long as it lives, so its timers run
    /// whenever the parent of a block would be here.
    pub(super) fn beginning(&self, me: u16, opened: Option<&(BlockId, Finalization)>) -> Vec<Input> {
        let mut inputs = Vec::new();
        if self.has_next {
            let height = self.anchor(opened).header.height;
            if opened.is_none() {
                inputs.push(Input::SetChange { height, set: self.next_set() });
            }
            inputs.extend(self.executed(opened.map(|(boundary, _)| *boundary)));
            let others = (0..self.count()).filter(|index| *index != me).map(ValidatorIndex::new);
            inputs.extend(others.map(|from| Input::Reported { from, executed: height }));
        }
        inputs.push(Input::Work(work(false)));
        inputs
    }

    fn next_set(&self) -> Hash {
        self.committee.set.hash()
    }
}

/// A batch that no block ever orders; the leader is told of it only when it is to propose.
pub(super) fn work(lead: bool) -> Work {
    let batch = vec![LaneSeq { lane: 0, seq: 1_000_000 }];
    Work { lead: if lead { batch.clone() } else { Vec::new() }, timer: batch }
}
