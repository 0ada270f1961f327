//! What the logs of one validator hold, read from the disks themselves.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Record, Standing};
use althing_replica::Contact;
use althing_storage::RECORD_BYTES_MAX;
use althing_types::{Certificate, Epoch, Hash, Header, SignedBatch, SignedTransaction, SignedVote, View, decode};

use super::certificates::{Says, says};
use super::{Known, Link};
use crate::epochs::Epochs;
use crate::node::Disk;

/// What is durable at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    /// Votes that were ever durable.
    pub(super) votes: BTreeSet<SignedVote>,
    /// Views of which a certificate was ever durable, and by epoch the view of the highest Finalization.
    pub(super) certified: BTreeSet<(Epoch, View)>,
    floors: BTreeMap<Epoch, View>,
    /// Blocks that may be built on, with the view of the certificate that says so, and views that may be passed over.
    pub(super) built_on: BTreeSet<(Epoch, View, Hash)>,
    pub(super) skipped: BTreeSet<(Epoch, View)>,
    /// Blocks and batches that the logs hold now.
    pub(super) blocks: BTreeSet<Hash>,
    pub(super) batches: BTreeSet<Hash>,
    /// Transactions that were ever durable in batches of the validator's own.
    pub(super) own_transactions: BTreeSet<Hash>,
    /// Blocks of which everything was found to be here when they were notarized.
    pub(super) complete: BTreeSet<Hash>,
    /// Epochs of which the log ever said how they began.
    pub(super) opened: BTreeSet<Epoch>,
    /// In which views it must not sign.
    pub(super) abstention: Abstention,
    /// Records that were looked at.
    votes_read: usize,
    batches_read: usize,
}

/// Views in which a validator must not sign, because it forgot what it signed there (D10).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Abstention {
    /// It signs.
    #[default]
    None,
    /// It signs above this view of this epoch.
    UpTo(Epoch, View),
    /// It signs nowhere.
    Everywhere,
}

impl Abstention {
    pub(super) fn permits(self, epoch: Epoch, view: View) -> bool {
        match self {
            Self::None => true,
            Self::UpTo(of, to) => (epoch, view) > (of, to),
            Self::Everywhere => false,
        }
    }

    /// What was forgotten may be of the next epoch as well.
    const fn in_next_epoch(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::UpTo(..) | Self::Everywhere => Self::Everywhere,
        }
    }
}

/// What was found in the logs.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) votes: Vec<SignedVote>,
    pub(super) blocks: Vec<(Hash, Known)>,
    pub(super) batches: Vec<(Hash, Link)>,
    pub(super) certificates: Vec<Certificate>,
}

impl Durable {
    /// The view of the highest Finalization of an epoch that was ever durable.
    pub(super) fn floor(&self, epoch: Epoch) -> View {
        self.floors.get(&epoch).copied().unwrap_or_default()
    }

    /// Reads what was added since the last time, or everything.
    pub(super) fn read(&mut self, disk: &Disk, me: Contact, anew: bool, epochs: &Epochs) -> News {
        if anew {
            (self.votes_read, self.batches_read) = (0, 0);
            self.batches.clear();
            self.blocks.clear();
            self.complete.clear();
        }
        let mut news = News::default();
        let (votes, batches) = (disk.votes.durable_records(), disk.batches.durable_records());
        for bytes in votes.get(self.votes_read..).unwrap_or_default() {
            self.vote_record(decode(bytes, RECORD_BYTES_MAX).expect("a record of ours"), epochs, &mut news);
        }
        for bytes in batches.get(self.batches_read..).unwrap_or_default() {
            self.batch(&decode(bytes, RECORD_BYTES_MAX).expect("a batch of ours"), me, epochs, &mut news);
        }
        (self.votes_read, self.batches_read) = (votes.len(), batches.len());
        news
    }

    fn vote_record(&mut self, record: Record, epochs: &Epochs, news: &mut News) {
        match record {
            Record::Vote(vote) => {
                self.votes.insert(vote);
                news.votes.push(vote);
            }
            Record::Block(block) => {
                let digest = block.header.id();
                let lanes = block.body.lanes.iter().map(|tip| (tip.lane, tip.seq, tip.tip)).collect();
                let Header { epoch, height, parent, .. } = block.header;
                let known = Known { epoch, height, parent, ends_epoch: block.header.ends_epoch(), lanes };
                self.blocks.insert(digest);
                news.blocks.push((digest, known));
            }
            Record::Certificate(certificate) => {
                if let Certificate::Finalization(finalization) = &certificate {
                    let floor = self.floors.entry(finalization.vote.epoch).or_default();
                    *floor = finalization.vote.view.max(*floor);
                }
                let (epoch, view) = (certificate.epoch(), certificate.view());
                match says(&certificate, epochs.committee(epoch)) {
                    Says::Block(digest, _) => self.built_on.insert((epoch, view, digest)),
                    Says::Skip => self.skipped.insert((epoch, view)),
                };
                self.certified.insert((epoch, view));
                news.certificates.push(certificate);
            }
            // Nothing that a validator says depends on it.
            Record::Evidence(_) => {}
            // What was lost may be of the new epoch as well.
            Record::Epoch(opening) => {
                self.abstention = self.abstention.in_next_epoch();
                self.opened.insert(opening.epoch);
            }
            Record::Standing(standing) => {
                self.abstention = match standing {
                    Standing::Whole { .. } | Standing::Settled { .. } => Abstention::None,
                    Standing::Abstaining { epoch, to, .. } => Abstention::UpTo(epoch, to),
                    Standing::Recovering { .. } | Standing::Doubled { .. } => Abstention::Everywhere,
                };
            }
        }
    }

    fn batch(&mut self, signed: &SignedBatch, me: Contact, epochs: &Epochs, news: &mut News) {
        let batch = &signed.batch;
        let digest = batch.digest();
        self.batches.insert(digest);
        news.batches.push((digest, Link { seq: batch.seq, previous: batch.previous }));
        let own_lane = epochs.index_of(batch.epoch, me).map(|index| u32::from(index.get()));
        if own_lane == Some(batch.lane) {
            let decoded = batch.transactions.iter().map(|bytes| decode::<SignedTransaction>(bytes, RECORD_BYTES_MAX));
            self.own_transactions.extend(decoded.flatten().map(|transaction| transaction.id()));
        }
    }
}
