//! Evidence that this validator holds: kept durably, told to everybody, and put into a block by a leader (rule R9).
//!
//! 1. At most one piece is held for each culprit and kind of pair, so at most six for each validator.
//! 2. A piece is told, is work, and goes into a block only once its record is durable.
//! 3. A culprit that a final block of this epoch accuses is done with: its pieces are dropped, and no more are taken.
//!
//! Nothing here verifies twice: what is held or of no use is passed over before a signature is looked at.

use std::collections::{BTreeMap, BTreeSet};

use althing_types::{
    BLOCK_EVIDENCE_MAX, Block, Certificate, Epoch, Evidence, EvidenceKind, Hash, List, SignedVote, ValidatorIndex,
};

use crate::config::Keys;
use crate::core::{Context, Core};
use crate::journal::Pending;
use crate::message::Message;
use crate::output::{Output, Recipient};
use crate::record::{Lsn, Record};

/// A validator of this epoch or of the one before.
pub(crate) type Accused = (Epoch, ValidatorIndex);

/// What is held against whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Accusations {
    held: BTreeMap<(Accused, EvidenceKind), (Evidence, Lsn)>,
    /// Who is accused in a final block.
    done: BTreeSet<Accused>,
}

impl Accusations {
    /// Whether a piece says anything new: its culprit is not done with, and no piece of its kind is held.
    fn wants(&self, evidence: &Evidence, kind: EvidenceKind) -> bool {
        let culprit = accused(evidence);
        !self.done.contains(&culprit) && !self.held.contains_key(&(culprit, kind))
    }

    /// What stays of it in an epoch: only evidence of the epoch before is taken (E4).
    pub(crate) fn into_next_epoch(mut self, before: Epoch) -> Self {
        self.held.retain(|((epoch, _), _), _| *epoch >= before);
        self.done.retain(|(epoch, _)| *epoch >= before);
        self
    }

    /// Takes a piece of the log back in.
    pub(crate) fn replay(&mut self, evidence: Evidence) {
        self.keep(evidence, Lsn::ZERO);
    }

    fn keep(&mut self, evidence: Evidence, lsn: Lsn) {
        if let Some(kind) = evidence.kind().filter(|kind| self.wants(&evidence, *kind)) {
            self.held.insert((accused(&evidence), kind), (evidence, lsn));
        }
    }

    /// A final block accuses these.
    pub(crate) fn finish(&mut self, culprits: impl IntoIterator<Item = Accused>) {
        self.done.extend(culprits);
        self.held.retain(|(culprit, _), _| !self.done.contains(culprit));
    }

    /// Every piece that is held, ascending by culprit and kind.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Evidence> {
        self.held.values().map(|(evidence, _)| evidence)
    }
}

impl Core {
    /// Tells the core who is accused in the blocks that the ledger committed, of this epoch and the one before. Given once, before the
    /// first step; a leader would else accuse them again after a restart.
    #[must_use]
    pub fn with_accused(mut self, culprits: impl IntoIterator<Item = (Epoch, ValidatorIndex)>) -> Self {
        self.accusations.finish(culprits);
        self
    }

    /// Keeps verified evidence, unless it says nothing new (R9).
    pub(crate) fn accuse<K>(&mut self, cx: &mut Context<'_, K>, evidence: Evidence) {
        self.find_accused(cx, &evidence);
        if evidence.kind().is_some_and(|kind| self.accusations.wants(&evidence, kind)) {
            let lsn = self.journal.append(Record::Evidence(evidence), cx.out);
            self.accusations.keep(evidence, lsn);
            self.journal.after_all(Pending::Evidence(evidence));
        }
    }

    /// Evidence that a peer tells of. What says nothing new is not looked at; the first piece that proves nothing ends
    /// the message, and is the sender's fault: an honest one verified what it tells.
    pub(crate) fn on_evidence<K: Keys>(
        &mut self,
        cx: &mut Context<'_, K>,
        from: ValidatorIndex,
        pieces: Vec<Evidence>,
    ) {
        for evidence in pieces {
            let news = evidence.kind().is_none_or(|kind| self.accusations.wants(&evidence, kind));
            if news && !self.proves(cx.keys, &evidence) {
                return self.misbehaved(cx, from, "evidence that proves nothing");
            }
            self.accuse(cx, evidence);
        }
    }

    /// Evidence that the data plane found (L9). It is verified here as well, so that nothing is told that others would
    /// refuse.
    pub(crate) fn on_found<K: Keys>(&mut self, cx: &mut Context<'_, K>, evidence: Evidence) {
        if self.proves(cx.keys, &evidence) {
            self.accuse(cx, evidence);
        }
    }

    /// Durable evidence is told to the operator and to everybody. Whoever learns of it tells it on, once.
    pub(crate) fn tell_evidence<K>(&mut self, cx: &mut Context<'_, K>, evidence: Evidence) {
        cx.out.push(Output::Evidence(evidence));
        self.timers.repeat_at = self.timers.repeat_at.max(cx.monotonic().plus(self.config.delta_quarters(4)));
        self.send(cx, Recipient::All, Message::Evidence(List::truncated(vec![evidence])));
    }

    /// Tells a peer whose connection begins what is held and in no final block yet: it may have missed it.
    pub(crate) fn tell_all_evidence<K>(&self, cx: &mut Context<'_, K>, to: ValidatorIndex) {
        let pieces = self.one_for_each(&BTreeSet::new());
        if !pieces.is_empty() {
            self.send(cx, Recipient::One(to), Message::Evidence(List::truncated(pieces)));
        }
    }

    /// Compares the votes in a verified certificate with those that are held of its view: a vote that its signer showed
    /// to others only may contradict the one that it showed here (R9).
    pub(crate) fn compare_votes<K>(&mut self, cx: &mut Context<'_, K>, certificate: &Certificate) {
        let Some(round) = self.rounds.get(&certificate.view()) else { return };
        let held: Vec<SignedVote> = round.votes().copied().collect();
        for evidence in Evidence::among(&held, &certificate.votes(self.committee())) {
            self.accuse(cx, evidence);
        }
    }

    /// What a block above `parent` should hold: durable evidence against those whom no final block and no block from
    /// the base up to the parent accuses, one piece for each, ascending.
    pub(crate) fn includable(&self, parent: &Hash) -> Vec<Evidence> {
        if self.accusations.held.is_empty() {
            return Vec::new();
        }
        let path = self.chain.path_to(parent).unwrap_or_default();
        let below = path.iter().filter_map(|id| self.chain.block(id));
        self.one_for_each(&below.flat_map(culprits).collect())
    }

    /// One durable piece against each culprit that is not among `but`, ascending, at most as many as a block holds.
    fn one_for_each(&self, but: &BTreeSet<Accused>) -> Vec<Evidence> {
        let mut first: BTreeMap<Accused, Evidence> = BTreeMap::new();
        for ((culprit, _), (evidence, lsn)) in &self.accusations.held {
            if self.journal.is_durable(*lsn) && !but.contains(culprit) {
                first.entry(*culprit).or_insert(*evidence);
            }
        }
        let mut pieces: Vec<Evidence> = first.into_values().collect();
        pieces.sort();
        pieces.truncate(BLOCK_EVIDENCE_MAX);
        pieces
    }

    /// Evidence that is work for a leader now: a block above the tip can hold it, and rule X2 allows it (I1).
    pub(crate) fn evidence_work(&self) -> Vec<Evidence> {
        let (_, tip) = self.tip();
        let allowed = || self.chain.as_parent(&tip).is_some_and(|parent| self.may_carry_lanes(&parent));
        if self.accusations.held.is_empty() || !allowed() { Vec::new() } else { self.includable(&tip) }
    }
}

/// Whom a block accuses.
pub(crate) fn culprits(block: &Block) -> impl Iterator<Item = Accused> + '_ {
    block.body.evidence.iter().map(accused)
}

/// Whom a piece accuses.
fn accused(evidence: &Evidence) -> Accused {
    (evidence.epoch(), evidence.culprit())
}
