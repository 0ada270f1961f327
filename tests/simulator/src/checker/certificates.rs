//! Certificates in the logs of honest validators, counted anew: quorums, signatures, and what may stand beside a final
//! block (sections 4 and 15 of the protocol).

use std::collections::{BTreeMap, BTreeSet};

use althing_types::{Certificate, Committee, Epoch, Finality, Hash, SignedVote, ValidatorIndex, View, Vote};

use crate::keys::SimulatedKeys;

/// What a certificate says of its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// This block may be built on; whether it is final.
    Block(Hash, bool),
    /// The view may be passed over.
    Skip,
}

/// The certificates that were seen so far.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    known: BTreeSet<Certificate>,
    /// Votes whose signatures were verified: many certificates hold the same.
    verified: BTreeSet<SignedVote>,
    skipped: BTreeSet<(Epoch, View)>,
    blocks: BTreeMap<(Epoch, View), BTreeSet<Hash>>,
    final_blocks: BTreeMap<(Epoch, View), Hash>,
}

impl Certificates {
    /// Notes a certificate; what is wrong with it, or with it beside the others. `cast` says whether an honest
    /// validator's vote in it was really cast.
    pub(super) fn add(
        &mut self,
        certificate: &Certificate,
        committee: &Committee,
        keys: &SimulatedKeys,
        cast: impl Fn(&SignedVote) -> bool,
    ) -> Result<(), String> {
        if self.known.contains(certificate) {
            return Ok(());
        }
        let votes = certificate.votes(committee);
        let signers: BTreeSet<ValidatorIndex> = votes.iter().map(|vote| vote.signer).collect();
        let enough = is_quorum(certificate, signers.len(), committee);
        if !enough || signers.len() != votes.len() {
            return Err(format!("a certificate of {} signers: {certificate:?}", signers.len()));
        }
        let is_bad = |vote: &&SignedVote| !self.verified.contains(*vote) && !vote.verify(keys, committee);
        if let Some(vote) = votes.iter().find(is_bad) {
            return Err(format!("a certificate with a bad signature: {vote:?}"));
        }
        if let Some(vote) = votes.iter().find(|vote| !cast(vote)) {
            return Err(format!("a certificate with a vote that nobody cast: {vote:?}"));
        }
        self.known.insert(certificate.clone());
        self.verified.extend(votes);
        self.stands_beside((certificate.epoch(), certificate.view()), says(certificate, committee))
    }

    /// Beside a final block of a view there is no other block-cert and no skip-cert (15.5).
    fn stands_beside(&mut self, view: (Epoch, View), says: Says) -> Result<(), String> {
        match says {
            Says::Skip => {
                self.skipped.insert(view);
            }
            Says::Block(digest, is_final) => {
                self.blocks.entry(view).or_default().insert(digest);
                if is_final && *self.final_blocks.entry(view).or_insert(digest) != digest {
                    return Err(format!("two final blocks in view {}", view.1));
                }
            }
        }
        let Some(last) = self.final_blocks.get(&view) else { return Ok(()) };
        let others = self.blocks.get(&view).is_some_and(|blocks| blocks.iter().any(|digest| digest != last));
        if self.skipped.contains(&view) || others {
            let (_, view) = view;
            return Err(format!("view {view} has a final block, and a certificate to pass it over or build beside it"));
        }
        Ok(())
    }
}

/// What a certificate says, by the arithmetic of the protocol's text: a Nullification of m reports demands a digest that
/// at least m − f − p of them name, while the fast path is on.
pub(super) fn says(certificate: &Certificate, committee: &Committee) -> Says {
    match certificate {
        Certificate::Notarization(it) => Says::Block(it.vote.digest, false),
        Certificate::Finalization(it) => Says::Block(it.vote.digest, true),
        Certificate::Nullification(it) => {
            let (_, f, p, is_fast) = sizes(committee);
            let votes = it.votes(committee);
            let reports = votes.iter().filter_map(|vote| match vote.vote {
                Vote::Nullify(nullify) => nullify.report,
                _ => None,
            });
            let mut counts: BTreeMap<Hash, usize> = BTreeMap::new();
            reports.for_each(|digest| *counts.entry(digest).or_default() += 1);
            let recovered = counts.into_iter().find(|(_, count)| is_fast && count + f + p >= votes.len());
            recovered.map_or(Says::Skip, |(digest, _)| Says::Block(digest, false))
        }
    }
}

/// n, f, p, and whether the fast path is on.
fn sizes(committee: &Committee) -> (usize, usize, usize, bool) {
    let quorums = committee.set.quorums();
    let (n, f) = (usize::from(quorums.n()), usize::from(quorums.f()));
    (n, f, (n - 3 * f - 1) / 2, quorums.fast().is_some())
}

fn is_quorum(certificate: &Certificate, signers: usize, committee: &Committee) -> bool {
    let (n, f, p, is_fast) = sizes(committee);
    let quorum = (n + f) / 2 + 1;
    match certificate {
        Certificate::Notarization(_) => signers == quorum,
        Certificate::Nullification(_) => signers >= n - f,
        Certificate::Finalization(it) => match it.finality {
            Finality::Slow => signers == quorum,
            Finality::Fast { .. } => is_fast && signers == n - p,
        },
    }
}
