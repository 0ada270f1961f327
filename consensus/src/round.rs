//! One view: its proposal, its votes, its certificates, and what this validator signed in it.

use std::collections::{BTreeMap, BTreeSet};

use althing_types::{
    Certificate, Committee, Evidence, Finalization, Finalize, Hash, Notarization, Notarize, Nullification, Quorums,
    SignedVote, ValidatorIndex, Verdict, View, Vote, VoteKind,
};

use crate::safety::Facts;

/// The first proposal of a view's leader (rule V2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Offer {
    /// The leader's Notarize.
    pub(crate) vote: Notarize,
    /// Whether certificates for its parent and for every view passed over are held.
    pub(crate) justified: bool,
}

/// What became of a vote that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It counts.
    New,
    /// It was here already.
    Known,
    /// Its signer voted otherwise before: the first one counts, both are evidence.
    Conflict(Box<Evidence>),
}

/// One view above the floor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Round {
    /// What this validator signed.
    pub(crate) facts: Facts,
    /// The leader's first proposal.
    pub(crate) offer: Option<Offer>,
    /// My own signed votes: what the facts say, as it travels. Kept until the floor passes the view.
    pub(crate) own: Vec<SignedVote>,
    /// One vote per signer and kind.
    votes: BTreeMap<(VoteKind, ValidatorIndex), SignedVote>,
    /// Validators whose first contradiction was told; the others would tell nothing new.
    accused: BTreeSet<ValidatorIndex>,
    /// The view's Notarization.
    pub(crate) notarization: Option<Notarization>,
    /// A Nullification that lets the view be passed over.
    pub(crate) skip: Option<Nullification>,
    /// Nullifications that demand a block to be recovered, one for each block. A leader that proposes twice can bring
    /// about several: each of them has an honest reporter, so there are at most as many as validators.
    pub(crate) recover: BTreeMap<Hash, Nullification>,
}

impl Round {
    /// The vote of this kind by this signer.
    pub(crate) fn vote(&self, kind: VoteKind, signer: ValidatorIndex) -> Option<&SignedVote> {
        self.votes.get(&(kind, signer))
    }

    /// How many gave the view up.
    pub(crate) fn nullify_count(&self) -> usize {
        self.votes_of(VoteKind::Nullify).count()
    }

    /// Every vote that counts.
    pub(crate) fn votes(&self) -> impl Iterator<Item = &SignedVote> {
        self.votes.values()
    }

    fn votes_of(&self, kind: VoteKind) -> impl Iterator<Item = &SignedVote> {
        self.votes.iter().filter(move |((of, _), _)| *of == kind).map(|(_, vote)| vote)
    }

    /// Adds a verified vote. The first of a kind counts (R9).
    pub(crate) fn add(&mut self, vote: SignedVote) -> Added {
        let key = (vote.vote.kind(), vote.signer);
        match self.votes.get(&key) {
            Some(known) if known.vote == vote.vote => return Added::Known,
            Some(known) => return self.accuse(Evidence::of_votes(*known, vote), Added::Known),
            None => {}
        }
        let others = [VoteKind::Notarize, VoteKind::Nullify, VoteKind::Finalize];
        let conflict = others
            .iter()
            .filter_map(|kind| self.votes.get(&(*kind, vote.signer)))
            .find_map(|known| Evidence::of_votes(*known, vote));
        self.votes.insert(key, vote);
        self.accuse(conflict, Added::New)
    }

    /// Whether a contradiction of this validator in this view was told.
    pub(crate) fn accuses(&self, signer: ValidatorIndex) -> bool {
        self.accused.contains(&signer)
    }

    /// Forgets whose contradictions were told: they would be told again.
    pub(crate) fn forget_accusations(&mut self) {
        self.accused.clear();
    }

    fn accuse(&mut self, evidence: Option<Evidence>, otherwise: Added) -> Added {
        let news = evidence.filter(|evidence| self.accused.insert(evidence.culprit()));
        news.map_or(otherwise, |evidence| Added::Conflict(Box::new(evidence)))
    }

    /// Takes a validator's votes out of the tables: they are counted and sent no more.
    pub(crate) fn withhold(&mut self, signer: ValidatorIndex) {
        self.votes.retain(|(_, of), _| *of != signer);
    }

    /// Forgets the votes of a view whose outcome is certified and long past; facts and certificates stay.
    pub(crate) fn forget_votes(&mut self) {
        self.votes.clear();
    }

    /// Whether votes of this kind could still form a certificate that is not held.
    pub(crate) fn wants(&self, kind: VoteKind, quorums: &Quorums) -> bool {
        match kind {
            VoteKind::Notarize => self.notarization.is_none() || quorums.fast().is_some(),
            VoteKind::Nullify => self.skip.is_none() && self.recover.is_empty(),
            VoteKind::Finalize => true,
        }
    }

    /// The certificates that the votes form and that are not held yet.
    pub(crate) fn formed(&self, view: View, committee: &Committee) -> Vec<Certificate> {
        let quorums = committee.set.quorums();
        let mut formed = Vec::new();
        if self.notarization.is_none() {
            formed.extend(self.formed_notarization(committee).map(Certificate::Notarization));
        }
        if self.wants(VoteKind::Nullify, &quorums) {
            let votes = self.votes_of(VoteKind::Nullify);
            let nullification = Nullification::of(committee.epoch, view, committee, votes);
            formed.extend(nullification.map(Certificate::Nullification));
        }
        let finalization = self.formed_finalization(committee).or_else(|| self.formed_fast(committee));
        formed.extend(finalization.map(Certificate::Finalization));
        formed
    }

    /// The Notarize that most voted for with one body; votes count together only if they are the same (C2).
    fn leading_notarize(&self) -> Option<Notarize> {
        let mut counts: BTreeMap<Notarize, usize> = BTreeMap::new();
        for signed in self.votes_of(VoteKind::Notarize) {
            if let Vote::Notarize(vote) = signed.vote {
                let count = counts.entry(vote).or_default();
                *count = count.saturating_add(1);
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(vote, _)| vote)
    }

    fn formed_notarization(&self, committee: &Committee) -> Option<Notarization> {
        let vote = self.leading_notarize()?;
        let same = self.votes_of(VoteKind::Notarize).filter(|signed| signed.vote == Vote::Notarize(vote));
        Notarization::of(vote, committee, same)
    }

    /// The fast path: all but p notarize votes are the same (F1).
    fn formed_fast(&self, committee: &Committee) -> Option<Finalization> {
        committee.set.quorums().fast()?;
        let vote = self.leading_notarize()?;
        let same = self.votes_of(VoteKind::Notarize).filter(|signed| signed.vote == Vote::Notarize(vote));
        Finalization::fast(vote, committee, same)
    }

    fn formed_finalization(&self, committee: &Committee) -> Option<Finalization> {
        let digests = self.votes_of(VoteKind::Finalize).filter_map(|signed| match signed.vote {
            Vote::Finalize(vote) => Some(vote),
            _ => None,
        });
        let candidates: BTreeSet<Finalize> = digests.collect();
        candidates.into_iter().find_map(|vote| {
            let same = self.votes_of(VoteKind::Finalize).filter(|signed| signed.vote == Vote::Finalize(vote));
            Finalization::slow(vote, committee, same)
        })
    }

    /// Keeps a verified certificate; false if one that says the same is held already. Finalizations are not kept here: they
    /// raise the floor (C3).
    pub(crate) fn keep(&mut self, certificate: Certificate, quorums: &Quorums) -> bool {
        match certificate {
            Certificate::Notarization(certificate) if self.notarization.is_none() => {
                self.notarization = Some(certificate);
                true
            }
            Certificate::Nullification(certificate) => match certificate.verdict(quorums) {
                Verdict::Skip if self.skip.is_none() => {
                    self.skip = Some(certificate);
                    true
                }
                Verdict::Recover(digest) if !self.recover.contains_key(&digest) => {
                    self.recover.insert(digest, certificate);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a certificate that says the same is held, so that another need not be verified.
    pub(crate) fn holds(&self, certificate: &Certificate, quorums: &Quorums) -> bool {
        match certificate {
            Certificate::Notarization(_) => self.notarization.is_some(),
            Certificate::Nullification(certificate) => match certificate.verdict(quorums) {
                Verdict::Skip => self.skip.is_some(),
                Verdict::Recover(digest) => self.recover.contains_key(&digest),
            },
            Certificate::Finalization(_) => false,
        }
    }

    /// The digests that may be built on at this view; a Notarization is preferred (R1, F2).
    pub(crate) fn block_certified(&self) -> impl Iterator<Item = Hash> {
        let notarized = self.notarization.as_ref().map(|certificate| certificate.vote.digest);
        notarized.into_iter().chain(self.recover.keys().copied())
    }

    /// The certificate that lets a block with this digest be built on at this view.
    pub(crate) fn block_certificate(&self, digest: &Hash) -> Option<Certificate> {
        let notarization = self.notarization.as_ref().filter(|certificate| certificate.vote.digest == *digest);
        let recover = self.recover.get(digest);
        notarization
            .map(|certificate| Certificate::Notarization(certificate.clone()))
            .or_else(|| recover.cloned().map(Certificate::Nullification))
    }

    /// Every certificate of the view. The skip stands before what may be many, so that an answer has room for it.
    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        let notarization = self.notarization.clone().map(Certificate::Notarization);
        let recover = self.recover.values().cloned().map(Certificate::Nullification);
        let skip = self.skip.clone().map(Certificate::Nullification);
        notarization.into_iter().chain(skip).chain(recover).collect()
    }

    /// Whether the view has any certificate.
    pub(crate) fn is_certified(&self) -> bool {
        self.notarization.is_some() || self.skip.is_some() || !self.recover.is_empty()
    }
}
