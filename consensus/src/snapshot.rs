//! What others may see of agreement: where it stands, whose votes are here, and what it waits for.
//!
//! It is made from the state whenever it is asked for, and nothing depends on it. What a fact means, and since when
//! it has been so, is for whoever looks.

use althing_types::{Evidence, Hash, Height, Monotonic, TimeMs, ValidatorIndex, View, VoteKind};

use crate::chain::Data;
use crate::core::Core;
use crate::message::Memory;
use crate::output::Alarm;
use crate::record::Standing;
use crate::results::Comparison;
use crate::round::Offer;

/// What a node tells its operator about agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The current view.
    pub view: View,
    /// Who leads it.
    pub leader: ValidatorIndex,
    /// When it was entered.
    pub entered: Monotonic,
    /// Since when there is work in it that its timers run for.
    pub work_since: Option<Monotonic>,
    /// The view of the highest Finalization.
    pub floor: View,
    /// The block that it made final.
    pub final_block: Hash,
    /// The height of the last block that was handed to the ledger.
    pub height: Height,
    /// The highest height that f + 1 validators say they executed, so that at least one honest one did.
    pub reported: Height,
    /// The view of the tip. Above the floor the tip is certified and not final.
    pub tip: View,
    /// Validators whose vote to make the tip final is here, if it is not final.
    pub tip_voted: Vec<ValidatorIndex>,
    /// Whether a proposal of the current view's leader is here, and the time of its block if that is here as well.
    pub offer: Option<Option<TimeMs>>,
    /// What is missing here for a vote on that proposal, or for a proposal of this validator where it leads.
    pub lack: Option<Lack>,
    /// Whether results are so far behind that no block with batches may follow the tip (rule X2).
    pub is_held_back: bool,
    /// The height up to which the tip and the blocks below it carry results.
    pub carried: Height,
    /// The height that this validator executed.
    pub executed: Height,
    /// Whether something that was appended to the log is not durable yet.
    pub is_unsynced: bool,
    /// Validators whose votes of each kind in the current view are here.
    pub voted: Vec<(VoteKind, ValidatorIndex)>,
    /// Validators that cannot be reached.
    pub missing: Vec<ValidatorIndex>,
    /// What the others say of themselves, ascending.
    pub peers: Vec<PeerSnapshot>,
    /// Evidence that is held and in no final block yet, ascending by culprit.
    pub evidence: Vec<Evidence>,
    /// What this validator knows of its own past, if its log says so (rule D10).
    pub standing: Option<Standing>,
    /// Whether it signs nothing because too few others have answered since it started.
    pub is_asking: bool,
    /// Who answered, and what it knows of its own past.
    pub answers: Vec<(ValidatorIndex, Memory)>,
    /// How many answers that count end the waiting.
    pub answers_needed: usize,
    /// Why this validator stopped voting, if it did.
    pub halted: Option<Alarm>,
}

/// What another validator says of itself. Nobody checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Who.
    pub index: ValidatorIndex,
    /// The view that it announced since it was connected.
    pub view: View,
    /// How far it executed.
    pub executed: Height,
}

/// What is missing for a vote or a proposal (rule V1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The certificate of a view.
    Certificate(View),
    /// A block below the one in question.
    Block,
    /// Batches that the block or one below it orders.
    Batches,
    /// The execution of a height.
    Result(Height),
}

impl Core {
    /// What a node tells its operator.
    pub fn snapshot(&self) -> Snapshot {
        let round = self.rounds.get(&self.view);
        let kinds = [VoteKind::Notarize, VoteKind::Nullify, VoteKind::Finalize];
        let set = &self.committee().set;
        let voted = set.indices().flat_map(|signer| kinds.map(|kind| (kind, signer)));
        let others = || set.indices().filter(|index| *index != self.config.me);
        let peer = |index| {
            let view = self.peers.get(index).map_or(View::ZERO, |peer| peer.view);
            PeerSnapshot { index, view, executed: self.results.of(index) }
        };
        let (tip, digest) = self.tip();
        let parent = self.chain.as_parent(&digest);
        Snapshot {
            view: self.view,
            leader: self.leader(self.view),
            entered: self.timers.entered,
            work_since: self.timers.work_since,
            floor: self.floor.view,
            final_block: self.floor.digest,
            height: self.chain.base().header.height,
            reported: self.results.reported_by(self.quorums().f().saturating_add(1)),
            tip,
            tip_voted: set.indices().filter(|signer| self.has_finalized(tip, *signer)).collect(),
            offer: round.and_then(|round| round.offer).map(|offer| self.offered_time(&offer)),
            lack: self.lack(),
            is_held_back: parent.as_ref().is_some_and(|parent| !self.may_carry_lanes(parent)),
            carried: parent.map_or(Height::ZERO, |parent| parent.header.executed_height),
            executed: self.results.mine(self.me()),
            is_unsynced: !self.journal.is_synced(),
            voted: voted.filter(|(kind, by)| round.is_some_and(|round| round.vote(*kind, *by).is_some())).collect(),
            missing: others().filter(|index| self.peers.get(*index).is_some_and(|peer| !peer.connected)).collect(),
            peers: others().map(peer).collect(),
            evidence: self.accusations.pieces().copied().collect(),
            standing: self.past.standing(),
            is_asking: self.past.is_asking(),
            answers: self.past.answers().collect(),
            answers_needed: self.answers_needed(),
            halted: self.halted.clone(),
        }
    }

    fn has_finalized(&self, view: View, signer: ValidatorIndex) -> bool {
        self.rounds.get(&view).is_some_and(|round| round.vote(VoteKind::Finalize, signer).is_some())
    }

    fn offered_time(&self, offer: &Offer) -> Option<TimeMs> {
        self.chain.block(&offer.vote.digest).map(|block| block.header.time)
    }

    /// What is missing for a vote in the current view, or for a proposal where this validator leads it.
    fn lack(&self) -> Option<Lack> {
        let offer = self.rounds.get(&self.view).and_then(|round| round.offer);
        match offer {
            Some(offer) => self.lack_of_offer(&offer),
            None if self.leader(self.view) == self.me() => match self.parent_for(self.view) {
                Err(view) => Some(Lack::Certificate(view)),
                Ok((_, parent)) => self.lack_of_data(&parent),
            },
            None => None,
        }
    }

    fn lack_of_offer(&self, offer: &Offer) -> Option<Lack> {
        let digest = &offer.vote.digest;
        let Some(block) = self.chain.block(digest) else { return Some(Lack::Block) };
        if !offer.justified {
            let missing = self.justified(offer.vote.view, offer.vote.parent_view, &block.header.parent);
            return missing.view().map(Lack::Certificate);
        }
        let unknown = block.body.results.iter().find(|theirs| self.results.compare(theirs) == Comparison::Unknown);
        self.lack_of_data(digest).or_else(|| unknown.map(|theirs| Lack::Result(theirs.height)))
    }

    /// What is missing of a block and of those below it, above the last that was handed over.
    fn lack_of_data(&self, digest: &Hash) -> Option<Lack> {
        let Some(path) = self.chain.path_to(digest) else { return Some(Lack::Block) };
        let mut entries = path.iter().filter_map(|id| self.chain.get(id));
        entries.any(|entry| entry.data == Data::Missing).then_some(Lack::Batches)
    }
}
