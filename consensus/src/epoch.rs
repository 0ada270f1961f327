//! Epochs: how a validator set ends with a boundary block, and how the next one begins (rules E1 to E4).
//!
//! A core agrees in one epoch. When its boundary block is final and committed, [`Core::succeed`] makes the core of the
//! next one, which keeps the log, the results and the evidence. It deliberately does not know why a set changes: that the
//! executed state holds a change is an input.

use althing_types::canary::{Canary, seeded};
use althing_types::{
    Certificate, Committee, Epoch, Evidence, Finalization, Hash, Header, Height, Notarize, SignedVote, ValidatorIndex,
    ValidatorSet, View,
};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::chain::Anchor;
use crate::config::{Config, Keys};
use crate::core::{Context, Core, Floor};
use crate::message::Message;
use crate::record::{Lsn, Record, Standing};
use crate::recover::RecoverError;
use crate::round::Offer;

/// How an epoch other than 0 began.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opening {
    /// The height of the boundary block of the epoch before.
    pub height: Height,
    /// Its Finalization.
    pub finalization: Finalization,
    /// The validators of the epoch before, by whom evidence of that epoch is checked.
    pub previous: Committee,
}

/// How an epoch began, as the log keeps it (E3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Its validators.
    pub set: ValidatorSet,
    /// What made the boundary block of the epoch before final.
    pub boundary: Finalization,
}

/// A change of the validator set that the executed state holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    /// The lowest height whose state holds it.
    height: Height,
    /// Hash of the next set.
    set: Hash,
}

impl Config {
    /// The height that the epoch begins above: its own blocks, and states from this height on, belong to it.
    fn start(&self) -> Height {
        self.opening.as_ref().map_or(Height::ZERO, |opening| opening.height)
    }

    /// A log that says neither how this epoch began nor how the one before ended was lost, or is an older copy (D10). One
    /// that was begun anew says so.
    pub(crate) fn lacks_the_end_before(&self, records: &[Record]) -> Option<RecoverError> {
        let opening = self.opening.as_ref()?;
        let boundary = opening.finalization.vote;
        let knows = |record: &Record| match record {
            Record::Certificate(Certificate::Finalization(it)) => it.vote.digest == boundary.digest,
            Record::Epoch(it) => it.epoch >= self.committee.epoch,
            Record::Standing(Standing::Recovering { .. } | Standing::Abstaining { .. } | Standing::Doubled { .. }) => {
                true
            }
            _ => false,
        };
        let lacks = !records.iter().any(knows);
        lacks.then_some(RecoverError::LogBehind { log: View::ZERO, ledger: boundary.view })
    }

    /// The records that still say something in this epoch: its own, and evidence of the one before.
    pub(crate) fn records_of_epoch(&self, records: Vec<Record>) -> Result<Vec<Record>, RecoverError> {
        let ours = self.committee.epoch;
        if let Some(log) = records.iter().map(Record::epoch).max().filter(|log| *log > ours) {
            return Err(RecoverError::LedgerBehind { log, ledger: ours });
        }
        let before = Epoch::new(ours.get().saturating_sub(1));
        let says_something = |record: &Record| match record {
            Record::Evidence(evidence) => evidence.epoch() >= before,
            Record::Standing(_) => true,
            record => record.epoch() == ours,
        };
        Ok(records.into_iter().filter(says_something).collect())
    }
}

impl Record {
    fn epoch(&self) -> Epoch {
        match self {
            Self::Vote(SignedVote { vote, .. }) => vote.epoch(),
            Self::Certificate(certificate) => certificate.epoch(),
            Self::Block(block) => block.header.epoch,
            Self::Evidence(evidence) => evidence.epoch(),
            Self::Epoch(opening) => opening.epoch,
            // What it says of the past outlasts its epoch; the last one counts.
            Self::Standing(_) => Epoch::ZERO,
        }
    }
}

impl Core {
    /// The core of the epoch above this one's boundary block, which the ledger committed. The log goes on: places in it
    /// are counted on, and what was appended last is how the new epoch began (E3). Execution results above what the
    /// boundary block carries stay, because the new epoch carries them. Peers have to be told anew.
    #[must_use]
    pub fn succeed(self, config: Config, boundary: Anchor) -> Self {
        let digest = boundary.header.id();
        let before = self.committee().epoch;
        let validators = config.committee.set.count();
        let floor = Floor { view: View::ZERO, digest, finalization: None, lsn: Lsn::ZERO };
        let mut core = Self::with_floor(config, boundary, floor);
        core.journal = self.journal.into_next_epoch();
        core.results = self.results.into_next_epoch(validators);
        if let Some(executed) = core.results.computed() {
            core.results.reported(core.me(), executed);
        }
        core.accusations = self.accusations.into_next_epoch(before);
        core.halted = self.halted;
        core.past = self.past;
        core.past.enter_epoch();
        core
    }

    /// Whether the boundary block of this epoch was handed over: there is nothing left to agree on.
    pub fn is_over(&self) -> bool {
        let base = &self.chain.base().header;
        base.epoch == self.committee().epoch && base.ends_epoch()
    }

    /// Whether this validator may sign in a view: it belongs to the set, it did not stop, the epoch goes on, and it knows
    /// what it signed (D10).
    pub(crate) fn may_sign(&self, view: View) -> bool {
        let belongs = self.me().get() < self.quorums().n();
        let goes_on = self.halted.is_none() && !self.is_boundary(&self.floor.digest);
        belongs && goes_on && self.past.licence().permits(view)
    }

    /// Whether a block of the tree ends this epoch.
    pub(crate) fn is_boundary(&self, digest: &Hash) -> bool {
        let header = self.chain.as_parent(digest).map(|parent| parent.header);
        header.is_some_and(|header| self.ends_this_epoch(header))
    }

    /// Whether a block with this header ends this epoch.
    pub(crate) fn ends_this_epoch(&self, header: &Header) -> bool {
        header.ends_epoch() && header.epoch == self.committee().epoch && !seeded(Canary::ChildOfBoundary)
    }

    /// The executed state holds a change of the set.
    pub(crate) fn on_set_change(&mut self, height: Height, set: Hash) {
        if height >= self.config.start() {
            self.change.get_or_insert(Change { height, set });
        }
    }

    /// What a block must say of the next set (E1); none while the state that decides it was not executed here. The block
    /// stands in the tree.
    pub(crate) fn next_validators(&self, header: &Header) -> Option<Hash> {
        let parent = self.chain.as_parent(&header.parent)?;
        self.next_validators_at(header.executed_height, parent.header)
    }

    /// The same for a block that carries results up to this height. Nothing ends where nothing new is carried: the parent
    /// would have ended the epoch. States below the epoch's start belong to the one before.
    pub(crate) fn next_validators_at(&self, carried: Height, parent: &Header) -> Option<Hash> {
        if carried < self.config.start() || carried == parent.executed_height {
            return Some(Hash::ZERO);
        }
        let executed = self.results.computed().is_some_and(|executed| executed >= carried);
        let pending = self.change.filter(|change| change.height <= carried && !seeded(Canary::EpochNeverEnds));
        executed.then(|| pending.map_or(Hash::ZERO, |change| change.set))
    }

    /// What a vote's block stands on at the vote's parent view: its parent, or itself if it is a boundary block that is
    /// proposed again (E2). None while the block is not here.
    pub(crate) fn stands_on(&self, vote: &Notarize) -> Option<Hash> {
        let parent = self.chain.block(&vote.digest)?.header.parent;
        Some(if self.is_proposed_again(vote) { vote.digest } else { parent })
    }

    /// Whether a vote is for a boundary block that is certified at the vote's parent view (E2).
    pub(crate) fn is_proposed_again(&self, vote: &Notarize) -> bool {
        let ends = self.chain.block(&vote.digest).is_some_and(|block| block.header.ends_epoch());
        let certified = self.rounds.get(&vote.parent_view).map(|round| round.block_certified().collect::<Vec<_>>());
        ends && certified.is_some_and(|certified| certified.contains(&vote.digest))
    }

    /// Proposes the boundary block, which is the tip and not final, once more (E2).
    pub(crate) fn propose_again<K: Keys>(&mut self, cx: &mut Context<'_, K>, parent_view: View, digest: Hash) {
        if parent_view <= self.floor.view {
            return;
        }
        let vote = Notarize { epoch: self.committee().epoch, view: self.view, parent_view, digest };
        self.turn_died = false;
        self.round_mut(vote.view).offer = Some(Offer { vote, justified: true });
        self.notarize(cx, vote);
    }

    /// Whether a pending change is work: a block above the tip can bring the epoch nearer to its end (I1).
    pub(crate) fn change_work(&self) -> bool {
        let (_, tip) = self.tip();
        let parent = self.chain.as_parent(&tip).filter(|_| self.change.is_some() && !self.is_boundary(&tip));
        parent.is_some_and(|parent| self.ready_above(&parent) > parent.header.executed_height)
    }

    /// The validators of this epoch or of the one before.
    pub(crate) fn committee_of(&self, epoch: Epoch) -> Option<&Committee> {
        let previous = self.config.opening.as_ref().map(|opening| &opening.previous);
        let mut known = [Some(self.committee()), previous].into_iter().flatten();
        known.find(|committee| committee.epoch == epoch)
    }

    /// Whether evidence proves what it says, of this epoch or the one before (E4).
    pub(crate) fn proves(&self, keys: &impl Keys, evidence: &Evidence) -> bool {
        self.committee_of(evidence.epoch()).is_some_and(|committee| evidence.verify(keys, committee).is_ok())
    }

    /// A peer is in a later epoch. What shows how mine ended is taken; otherwise it learns where I am, and then shows it
    /// (E4).
    pub(crate) fn on_later_epoch<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, message: Message) {
        let ours = self.committee().epoch;
        match message {
            Message::Certificates(certificates) if certificates.iter().any(|it| it.epoch() == ours) => {
                return self.on_certificates(cx, from, certificates.into_inner());
            }
            Message::Run(run) => return self.on_run(cx, from, *run),
            Message::Fork(proof) => return self.on_fork(cx, from, *proof),
            _ => {}
        }
        self.tell_status(cx, from);
    }

    /// Writes down how this epoch began, before anything else of it (E3).
    pub(crate) fn log_opening<K>(&mut self, cx: &mut Context<'_, K>) {
        if !self.is_opening_logged
            && !seeded(Canary::OpeningNotLogged)
            && let Some(record) = self.opening_record()
        {
            self.journal.append(record, cx.out);
            self.is_opening_logged = true;
        }
    }

    /// How this epoch began, as the log keeps it; none in epoch 0.
    pub(crate) fn opening_record(&self) -> Option<Record> {
        let opening = self.config.opening.as_ref()?;
        let Committee { epoch, set, .. } = self.committee().clone();
        Some(Record::Epoch(Box::new(EpochRecord { epoch, set, boundary: opening.finalization.clone() })))
    }
}
