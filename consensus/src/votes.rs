//! Votes and certificates: what is counted, what a quorum forms, and how this validator votes.

use althing_types::{
    Certificate, Evidence, Finality, Finalization, Finalize, Notarize, SignedVote, ValidatorIndex, View, Vote, VoteKind,
};

use althing_types::canary::{Canary, seeded};

use crate::config::Keys;
use crate::core::{Context, Core};
use crate::journal::Pending;
use crate::message::{Message, Proposal};
use crate::output::Recipient;
use crate::record::{Lsn, Record};
use crate::round::{Added, Offer};

impl Core {
    /// A vote is taken from its signer only, so nobody can fill another validator's place (C2).
    pub(crate) fn on_vote<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, vote: SignedVote) {
        if vote.signer == from && self.is_open(vote.vote.view()) {
            self.add_vote(cx, vote);
        }
    }

    /// Verifies and counts a vote. Signatures that could change nothing are not verified.
    fn add_vote<K: Keys>(&mut self, cx: &mut Context<'_, K>, vote: SignedVote) -> bool {
        let quorums = self.quorums();
        let view = vote.vote.view();
        if let Some(round) = self.rounds.get(&view) {
            let kinds = [VoteKind::Notarize, VoteKind::Nullify, VoteKind::Finalize];
            let mut known = kinds.iter().filter_map(|kind| round.vote(*kind, vote.signer));
            let same = round.vote(vote.vote.kind(), vote.signer);
            if same.is_some_and(|known| known.vote == vote.vote) {
                return true;
            }
            let news = !round.accuses(vote.signer) && known.any(|known| Evidence::of_votes(*known, vote).is_some());
            if !news && (same.is_some() || !round.wants(vote.vote.kind(), &quorums)) {
                return false;
            }
        }
        if !vote.verify(cx.keys, self.committee()) && !seeded(Canary::VoteUnverified) {
            self.misbehaved(cx, vote.signer, "a vote whose signature does not verify");
            return false;
        }
        let added = self.round_mut(view).add(vote);
        let counted = matches!(added, Added::New | Added::Known);
        if let Added::Conflict(evidence) = added {
            self.accuse(cx, *evidence);
        }
        self.certify(cx, view);
        counted
    }

    /// Forms every certificate that the votes of a view suffice for.
    pub(crate) fn certify<K: Keys>(&mut self, cx: &mut Context<'_, K>, view: View) {
        let formed = self.rounds.get(&view).map(|round| round.formed(view, self.committee())).unwrap_or_default();
        for certificate in formed {
            self.store(cx, certificate);
        }
    }

    /// Certificates that a peer pushed or that were asked for.
    pub(crate) fn on_certificates<K: Keys>(
        &mut self,
        cx: &mut Context<'_, K>,
        from: ValidatorIndex,
        certificates: Vec<Certificate>,
    ) {
        // What ended an earlier epoch may come late (E4).
        let ours = self.committee().epoch;
        for certificate in certificates.into_iter().filter(|certificate| certificate.epoch() == ours) {
            if !self.accept(cx, from, certificate) {
                return;
            }
        }
        self.tell_status(cx, from);
    }

    /// Verifies and stores a certificate unless its kind is held already; then it may still show a fork (R10). False if it
    /// does not verify.
    pub(crate) fn accept<K: Keys>(
        &mut self,
        cx: &mut Context<'_, K>,
        from: ValidatorIndex,
        certificate: Certificate,
    ) -> bool {
        let view = certificate.view();
        let held = self.rounds.get(&view).is_some_and(|round| round.holds(&certificate, &self.quorums()));
        if view <= self.floor.view || held {
            return self.examine(cx, from, certificate);
        }
        if certificate.verify(cx.keys, self.committee()).is_err() && !seeded(Canary::CertificateUnverified) {
            self.misbehaved(cx, from, "a certificate that does not verify");
            return false;
        }
        self.find_own(cx, &certificate);
        self.compare_votes(cx, &certificate);
        self.store(cx, certificate);
        true
    }

    /// Stores a verified certificate and does what it demands, in this order (R3, R5, R6, R0).
    pub(crate) fn store<K: Keys>(&mut self, cx: &mut Context<'_, K>, certificate: Certificate) {
        let (view, quorums) = (certificate.view(), self.quorums());
        if view <= self.floor.view {
            return;
        }
        if self.contradicts(&certificate) {
            self.witness(cx, certificate.clone());
            if self.is_forked() {
                return;
            }
        }
        let (tip_before, _) = self.tip();
        if let Certificate::Finalization(finalization) = &certificate {
            let lsn = self.journal.append(Record::Certificate(certificate.clone()), cx.out);
            if matches!(finalization.finality, Finality::Fast { .. }) {
                // It counts as a Notarization, and this is the last moment at which the view's facts are here (F3).
                self.finalize(cx, finalization.vote);
            }
            self.raise_floor(cx, finalization.clone(), lsn);
        } else if self.round_mut(view).keep(certificate.clone(), &quorums) {
            self.journal.append(Record::Certificate(certificate.clone()), cx.out);
        } else {
            return;
        }
        if self.tip().0 > tip_before {
            self.timers.tip_since = cx.monotonic();
        }
        if let Certificate::Notarization(notarization) = &certificate {
            let Notarize { epoch, view, digest, .. } = notarization.vote;
            self.finalize(cx, Finalize { epoch, view, digest });
            self.compare_certified(cx, &digest);
        }
        self.enter(cx, view.next(), certificate);
    }

    /// Votes to finalize a notarized block, whether this validator notarized it or not (rule R3).
    pub(crate) fn finalize<K: Keys>(&mut self, cx: &mut Context<'_, K>, vote: Finalize) {
        let floor = self.floor.view;
        let may = self.round_mut(vote.view).facts.may_finalize(vote.view, floor);
        if may && self.may_sign(vote.view) {
            self.cast(cx, Vote::Finalize(vote));
        }
    }

    /// Signs a vote, makes it a fact, and holds it back until its record is durable (D3, D4, D9).
    pub(crate) fn cast<K: Keys>(&mut self, cx: &mut Context<'_, K>, vote: Vote) {
        let licence = self.past.licence();
        self.round_mut(vote.view()).facts.commit(&vote, licence);
        let signature = cx.keys.sign(&vote.sign_hash(&self.committee().chain));
        let signed = SignedVote { vote, signer: self.me(), signature };
        self.round_mut(vote.view()).own.push(signed);
        self.journal.append(Record::Vote(signed), cx.out);
        if seeded(Canary::VoteBeforeSync) {
            return self.release(cx, signed);
        }
        self.journal.after_all(Pending::Vote(signed));
    }

    /// What waited for the log goes on.
    pub(crate) fn on_durable<K: Keys>(&mut self, cx: &mut Context<'_, K>, lsn: Lsn) {
        for pending in self.journal.durable(lsn) {
            match pending {
                Pending::Announce { view, floor } => self.announced = (view, floor),
                Pending::Vote(vote) => self.release(cx, vote),
                Pending::Evidence(evidence) => self.tell_evidence(cx, evidence),
            }
        }
    }

    /// Counts and sends a durable vote of mine. One of a view that is final by now is of no use to anyone (D1, D9), but
    /// for a Finalize beside a fast Finalization: others may lack a notarize vote for the same (F3).
    fn release<K: Keys>(&mut self, cx: &mut Context<'_, K>, vote: SignedVote) {
        let view = vote.vote.view();
        if !self.past.licence().permits(view) {
            // Since it was signed, another vote of my key was seen (D10).
            return;
        }
        if view <= self.floor.view {
            if self.floor.finalization.as_ref().is_some_and(|it| completes(it, &vote)) {
                self.send(cx, Recipient::All, Message::Vote(vote));
            }
            return;
        }
        self.round_mut(view).add(vote);
        self.timers.repeat_at = self.timers.repeat_at.max(cx.monotonic().plus(self.config.delta_quarters(4)));
        let message = self.vote_message(vote);
        self.send(cx, Recipient::All, message);
        self.certify(cx, view);
    }

    /// A vote of mine as it travels: a leader's Notarize is its proposal.
    pub(crate) fn vote_message(&self, vote: SignedVote) -> Message {
        match vote.vote {
            Vote::Notarize(notarize) if self.leader(notarize.view) == self.me() => {
                self.proposal(vote, &notarize).map_or(Message::Vote(vote), |it| Message::Proposal(Box::new(it)))
            }
            _ => Message::Vote(vote),
        }
    }

    fn proposal(&self, vote: SignedVote, notarize: &Notarize) -> Option<Proposal> {
        let block = self.chain.block(&notarize.digest)?.clone();
        let stands_on = self.stands_on(notarize).unwrap_or(block.header.parent);
        let justification = self.justification(notarize.view, notarize.parent_view, &stands_on);
        Some(Proposal { vote, block, justification })
    }

    /// A proposal: the leader's vote, a block that the vote names, and certificates (rules V1, V2).
    pub(crate) fn on_proposal<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, proposal: Proposal) {
        let Proposal { vote: signed, block, justification } = proposal;
        let Vote::Notarize(vote) = signed.vote else { return };
        let leads = signed.signer == from && self.leader(vote.view) == from;
        if !leads || !self.is_open(vote.view) {
            return;
        }
        let digest = block.header.id();
        if digest != vote.digest || !block.body_matches_header() {
            return self.misbehaved(cx, from, "a proposal whose block is not the one that is signed");
        }
        for certificate in justification.into_inner() {
            if !self.accept(cx, from, certificate) {
                return;
            }
        }
        // Certificates may have raised the floor past the proposal's view.
        if !self.is_open(vote.view) {
            return;
        }
        let counted = self.add_vote(cx, signed);
        let round = self.round_mut(vote.view);
        if counted && round.offer.is_none() {
            round.offer = Some(Offer { vote, justified: false });
        }
        let offered = round.offer.is_some_and(|offer| offer.vote == vote);
        if offered || round.block_certified().any(|certified| certified == digest) {
            self.chain.add_orphan(digest, block);
        }
    }
}

/// Whether a vote says slowly what this certificate says by the fast path.
fn completes(finalization: &Finalization, vote: &SignedVote) -> bool {
    matches!(finalization.finality, Finality::Fast { .. }) && vote.vote == Vote::Finalize(finalization.vote)
}
