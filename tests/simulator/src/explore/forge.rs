//! Certificates as the real code sees them: which numbers of votes it takes for a certificate, and a sample of each.
//!
//! Whether a certificate is enough is asked of the code that is explored, so that a quorum that is too small there shows
//! as a fork here. What must hold is counted elsewhere, in `properties`, with numbers from the specification.

use std::collections::BTreeMap;

use althing_types::{
    Certificate, Epoch, Finality, Finalization, Finalize, Hash, Notarization, Notarize, Nullification, SignedVote,
    Verdict, View, Vote,
};

use super::label::{Label, Labels};
use super::stage::Stage;

/// The least numbers of votes that the real code takes for a certificate, and samples.
pub(super) struct Forge {
    notarize: u32,
    finalize: u32,
    fast: Option<u32>,
    /// What Nullifications say that some Nullify votes of a view allow to form: the votes as (number, how many).
    verdicts: BTreeMap<(Vec<(u8, u8)>, bool), Labels>,
    samples: BTreeMap<u8, Certificate>,
}

impl Forge {
    pub(super) fn new(stage: &Stage) -> Self {
        let block = leaf();
        let least = |certificate: fn(&Stage, Hash, u16) -> Option<Certificate>| {
            let counts = 1..=stage.count();
            let mut enough = counts.filter(|count| {
                certificate(stage, block, *count).is_some_and(|it| it.verify(&Stage::keys(0), &stage.committee).is_ok())
            });
            enough.next().map(u32::from)
        };
        Self {
            notarize: least(|stage, digest, count| notarization(stage, notarize(digest), count)).unwrap_or(u32::MAX),
            finalize: least(|stage, digest, count| finalization(stage, finalize(digest), count)).unwrap_or(u32::MAX),
            fast: least(|stage, digest, count| fast_finalization(stage, notarize(digest), count)),
            verdicts: BTreeMap::new(),
            samples: BTreeMap::new(),
        }
    }

    /// Notarize votes that make a Notarization.
    pub(super) const fn notarize(&self) -> u32 {
        self.notarize
    }

    /// Finalize votes that make a Finalization.
    pub(super) const fn finalize(&self) -> u32 {
        self.finalize
    }

    /// Notarize votes that make a fast Finalization; none where there is no fast path.
    pub(super) const fn fast(&self) -> Option<u32> {
        self.fast
    }

    /// The certificate of this label. It names the first validators, whoever signed: what a core makes of a
    /// certificate that verifies depends on what was voted only.
    pub(super) fn certificate(&mut self, stage: &Stage, label: Label) -> Option<Certificate> {
        let count = |least: u32| u16::try_from(least).ok();
        match label {
            Label::Notarization(block) => {
                notarization(stage, stage.vote(Stage::notarize(block)), count(self.notarize)?)
            }
            Label::Finalization(block) => {
                finalization(stage, stage.vote(Stage::finalize(block)), count(self.finalize)?)
            }
            Label::FastFinalization(block) => {
                fast_finalization(stage, stage.vote(Stage::notarize(block)), count(self.fast?)?)
            }
            Label::Recover(_) | Label::Skip(_) => self.samples.get(&label.number()).cloned(),
            _ => None,
        }
    }

    /// The label of a certificate, which is its sample from now on if there was none.
    pub(super) fn label(&mut self, stage: &Stage, certificate: Certificate) -> Option<Label> {
        let view = stage.counted(certificate.epoch(), certificate.view())?;
        let label = match &certificate {
            Certificate::Notarization(it) => Label::Notarization(stage.find_notarized(&it.vote)?),
            Certificate::Finalization(it) => match it.finality {
                Finality::Slow => Label::Finalization(stage.find_in(&it.vote.digest, view)?),
                Finality::Fast { parent_view } => {
                    let Finalize { epoch, view, digest } = it.vote;
                    Label::FastFinalization(stage.find_notarized(&Notarize { epoch, view, parent_view, digest })?)
                }
            },
            Certificate::Nullification(it) => match it.verdict(&stage.committee.set.quorums()) {
                Verdict::Skip => Label::Skip(u8::try_from(view).ok()?),
                Verdict::Recover(digest) => Label::Recover(stage.find_in(&digest, view)?),
            },
        };
        self.samples.entry(label.number()).or_insert(certificate);
        Some(label)
    }

    /// What Nullifications of this view say that can be formed of these Nullify votes, and one more of any kind if
    /// somebody lies.
    pub(super) fn verdicts(&mut self, stage: &Stage, view: u64, votes: Vec<(u8, u8)>, lies: bool) -> Labels {
        let key = (votes, lies);
        if let Some(known) = self.verdicts.get(&key) {
            return *known;
        }
        let mut found = Labels::default();
        for reports in combinations(&key.0) {
            let lying = stage.block_ids().filter(|block| stage.block(*block).view == view).map(Stage::reported);
            let lying: Vec<u8> = lying.chain([Stage::nothing(view)]).filter(|_| lies).collect();
            for lie in std::iter::once(None).chain(lying.into_iter().map(Some)) {
                let reports: Vec<u8> = reports.iter().copied().chain(lie).collect();
                if let Some((label, sample)) = nullification(stage, view, &reports) {
                    self.samples.entry(label.number()).or_insert(sample);
                    found.insert(label);
                }
            }
        }
        self.verdicts.insert(key, found);
        found
    }
}

/// Every choice of some of these votes.
fn combinations(votes: &[(u8, u8)]) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for (number, count) in votes {
        all = (0..=*count)
            .flat_map(|take| {
                all.iter().map(move |chosen: &Vec<u8>| {
                    chosen.iter().copied().chain(std::iter::repeat_n(*number, usize::from(take))).collect()
                })
            })
            .collect();
    }
    all
}

fn leaf() -> Hash {
    Hash::new([7; 32])
}

fn notarize(digest: Hash) -> Vote {
    let (view, parent_view) = (View::new(1), View::ZERO);
    Vote::Notarize(Notarize { epoch: Epoch::ZERO, view, parent_view, digest })
}

fn finalize(digest: Hash) -> Vote {
    Vote::Finalize(Finalize { epoch: Epoch::ZERO, view: View::new(1), digest })
}

fn votes(stage: &Stage, vote: Vote, count: u16) -> Vec<SignedVote> {
    (0..count).map(|signer| stage.signed(signer, vote)).collect()
}

fn notarization(stage: &Stage, vote: Vote, count: u16) -> Option<Certificate> {
    let Vote::Notarize(notarize) = vote else { return None };
    Notarization::of(notarize, &stage.committee_of(notarize.epoch), &votes(stage, vote, count))
        .map(Certificate::Notarization)
}

fn finalization(stage: &Stage, vote: Vote, count: u16) -> Option<Certificate> {
    let Vote::Finalize(finalize) = vote else { return None };
    Finalization::slow(finalize, &stage.committee_of(finalize.epoch), &votes(stage, vote, count))
        .map(Certificate::Finalization)
}

fn fast_finalization(stage: &Stage, vote: Vote, count: u16) -> Option<Certificate> {
    let Vote::Notarize(notarize) = vote else { return None };
    Finalization::fast(notarize, &stage.committee_of(notarize.epoch), &votes(stage, vote, count))
        .map(Certificate::Finalization)
}

/// The Nullification of these reports, if the real code takes it for one, and what it says.
fn nullification(stage: &Stage, view: u64, reports: &[u8]) -> Option<(Label, Certificate)> {
    if reports.len() > usize::from(stage.count()) {
        return None;
    }
    let signers = 0..stage.count();
    let votes: Vec<SignedVote> =
        signers.zip(reports).map(|(by, number)| stage.signed(by, stage.vote(*number))).collect();
    let (epoch, of_epoch) = stage.at(view);
    let committee = stage.committee_of(epoch);
    let made = Nullification::of(epoch, of_epoch, &committee, &votes)?;
    made.verify(&Stage::keys(0), &committee).ok()?;
    let label = match made.verdict(&stage.committee.set.quorums()) {
        Verdict::Skip => Label::Skip(u8::try_from(view).ok()?),
        Verdict::Recover(digest) => Label::Recover(stage.find_in(&digest, view)?),
    };
    Some((label, Certificate::Nullification(made)))
}
