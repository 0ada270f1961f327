//! Forks: more than f validators broke the rules, and whoever sees both sides proves it, tells it and stops (rule R10).
//!
//! A certificate is looked at only if it contradicts one that is held of the same view. With at most f faulty validators
//! such a one never verifies, so its sender lies; with more the proof is there.

use std::collections::BTreeSet;

use althing_types::{Certificate, Evidence, ForkProof, Hash, List, SignedVote, ValidatorIndex, View, contradict};

use crate::config::Keys;
use crate::core::{Context, Core};
use crate::message::{Message, fitting};
use crate::output::{Alarm, Output, Recipient};

impl Core {
    /// A certificate that agreement has no use for: its view is closed, or one of its kind is held. False if it would
    /// show a fork and does not verify.
    pub(crate) fn examine<K: Keys>(
        &mut self,
        cx: &mut Context<'_, K>,
        from: ValidatorIndex,
        certificate: Certificate,
    ) -> bool {
        if self.fork_proof().is_some() || !self.contradicts(&certificate) {
            return true;
        }
        if certificate.verify(cx.keys, self.committee()).is_err() {
            self.misbehaved(cx, from, "a certificate that does not verify");
            return false;
        }
        self.witness(cx, certificate);
        true
    }

    /// Whether a certificate says something new that contradicts one that is held of its view.
    pub(crate) fn contradicts(&self, certificate: &Certificate) -> bool {
        let (quorums, held) = (self.quorums(), self.certificates_of(certificate.view()));
        !held.contains(certificate) && held.iter().any(|known| contradict(known, certificate, &quorums))
    }

    /// Keeps a verified certificate that contradicts another one: everybody who signed both is accused (R9), and if a
    /// block is final in its view, that is a fork.
    pub(crate) fn witness<K>(&mut self, cx: &mut Context<'_, K>, certificate: Certificate) {
        let view = certificate.view();
        let known = self.certificates_of(view);
        let known: Vec<SignedVote> = known.iter().flat_map(|known| known.votes(self.committee())).collect();
        for evidence in Evidence::among(&known, &certificate.votes(self.committee())) {
            self.accuse(cx, evidence);
        }
        let mut all = self.certificates_of(view);
        all.push(certificate.clone());
        self.history.keep(certificate, &self.quorums());
        if let Some(proof) = ForkProof::among(&all, self.committee()) {
            self.fork(cx, proof);
        }
    }

    /// Every certificate that is held of a view, whether it is closed or not.
    fn certificates_of(&self, view: View) -> Vec<Certificate> {
        let open = self.rounds.get(&view).map(|round| round.certificates()).unwrap_or_default();
        self.history.of(view).iter().cloned().chain(open).collect()
    }

    /// Keeps what is known of the views that a Finalization closes.
    pub(crate) fn retire(&mut self, view: View) {
        let quorums = self.quorums();
        let closed = self.rounds.range(..=view).flat_map(|(_, round)| round.certificates());
        for certificate in closed.collect::<Vec<_>>() {
            self.history.keep(certificate, &quorums);
        }
        if let Some(finalization) = self.floor.finalization.clone() {
            self.history.keep(Certificate::Finalization(finalization), &quorums);
        }
        if self.floor.digest != self.chain.base_id() {
            self.history.await_block(self.floor.view, self.floor.digest);
        }
    }

    /// A block was handed over; `certified` is the view of its own Finalization. A block that became final before and is
    /// not below it is on another branch.
    pub(crate) fn follow_chain<K>(&mut self, cx: &mut Context<'_, K>, id: &Hash, certified: Option<View>) {
        if let Some((view, theirs)) = self.history.handed_over(id, certified) {
            self.fork_without_proof(cx, *id, theirs, view);
        }
    }

    /// Two final blocks contradict each other, and which certificates show who did it is not known here: what I hold of
    /// the view is told, because whoever is on the other branch holds the certificate that contradicts it.
    pub(crate) fn fork_without_proof<K>(&mut self, cx: &mut Context<'_, K>, ours: Hash, theirs: Hash, view: View) {
        self.halt(cx, Alarm::Fork { ours, theirs, proof: None });
        for view in BTreeSet::from([view, self.history.standing()]) {
            if let Some(message) = self.branch_at(view) {
                self.send(cx, Recipient::All, message);
            }
        }
    }

    /// The proof of a fork: I stop voting, and everybody is told.
    pub(crate) fn fork<K>(&mut self, cx: &mut Context<'_, K>, proof: ForkProof) {
        if self.fork_proof().is_some() {
            return;
        }
        let (ours, theirs) = (self.chain.base_id(), proof.finalization().vote.digest);
        let alarm = Alarm::Fork { ours, theirs, proof: Some(Box::new(proof.clone())) };
        // The alarm comes first: whoever carries it out makes the proof durable before it leaves.
        cx.out.push(Output::Alarm(alarm.clone()));
        self.halted = Some(alarm);
        self.send(cx, Recipient::All, Message::Fork(Box::new(proof)));
    }

    /// A peer's proof of a fork. It needs no view and no block of mine.
    pub(crate) fn on_fork<K: Keys>(&mut self, cx: &mut Context<'_, K>, from: ValidatorIndex, proof: ForkProof) {
        if self.fork_proof().is_some() {
            return;
        }
        // One of the epoch before is as good; of others the validators are not known here, and nothing follows from it.
        let Some(committee) = self.committee_of(proof.finalization().vote.epoch).cloned() else { return };
        if proof.verify(cx.keys, &committee).is_err() {
            return self.misbehaved(cx, from, "a proof of a fork that proves nothing");
        }
        for evidence in proof.evidence(&committee) {
            self.accuse(cx, evidence);
        }
        self.fork(cx, proof);
    }

    /// Why I stopped, if it was a fork that is proven.
    pub(crate) fn fork_proof(&self) -> Option<&ForkProof> {
        match &self.halted {
            Some(Alarm::Fork { proof, .. }) => proof.as_deref(),
            _ => None,
        }
    }

    /// Whether I stopped because of a fork: then I take no final block from either side any more.
    pub(crate) const fn is_forked(&self) -> bool {
        matches!(self.halted, Some(Alarm::Fork { .. }))
    }

    /// Shows a peer on which branch I stand: with a connection that begins, and with each question for final blocks.
    /// Whoever is on another branch holds a certificate of that view which contradicts it.
    pub(crate) fn show_branch<K>(&self, cx: &mut Context<'_, K>, to: ValidatorIndex) {
        let message = match self.fork_proof() {
            Some(proof) => Some(Message::Fork(Box::new(proof.clone()))),
            None => self.branch_at(self.history.standing()),
        };
        if let Some(message) = message {
            self.send(cx, Recipient::One(to), message);
        }
    }

    /// The certificates of a view in which a block is final: what shows a fork to the other side.
    fn branch_at(&self, view: View) -> Option<Message> {
        let certificates = self.history.of(view);
        let is_final = certificates.iter().any(|it| matches!(it, Certificate::Finalization(_)));
        let shown: List<Certificate, _> = fitting(certificates.iter().cloned());
        is_final.then_some(Message::Certificates(shown))
    }
}
