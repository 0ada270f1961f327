//! What the logs of one validator hold, read from the disks themselves.

use std::collections::BTreeSet;

use althing_consensus::{Record, Standing};
use althing_storage::RECORD_BYTES_MAX;
use althing_types::{Certificate, Committee, Hash, SignedBatch, SignedTransaction, SignedVote, View, decode};

use super::certificates::{Says, says};
use super::{Known, Link};
use crate::node::Disk;

/// What is durable at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    /// Votes that were ever durable.
    pub(super) votes: BTreeSet<SignedVote>,
    /// Views of which a certificate was ever durable, and the view of the highest Finalization.
    pub(super) certified: BTreeSet<View>,
    pub(super) floor: View,
    /// Blocks that may be built on, with the view of the certificate that says so, and views that may be passed over.
    pub(super) built_on: BTreeSet<(View, Hash)>,
    pub(super) skipped: BTreeSet<View>,
    /// Blocks and batches that the logs hold now.
    pub(super) blocks: BTreeSet<Hash>,
    pub(super) batches: BTreeSet<Hash>,
    /// Transactions that were ever durable in batches of the validator's own.
    pub(super) own_transactions: BTreeSet<Hash>,
    /// Blocks of which everything was found to be here when they were notarized.
    pub(super) complete: BTreeSet<Hash>,
    /// The view up to which it must not sign; the highest there is while it must not sign at all.
    pub(super) abstains_to: View,
    /// Records that were looked at.
    votes_read: usize,
    batches_read: usize,
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
    /// Reads what was added since the last time, or everything.
    pub(super) fn read(&mut self, disk: &Disk, own_lane: u32, anew: bool, committee: &Committee) -> News {
        if anew {
            (self.votes_read, self.batches_read) = (0, 0);
            self.batches.clear();
            self.blocks.clear();
            self.complete.clear();
        }
        let mut news = News::default();
        let (votes, batches) = (disk.votes.durable_records(), disk.batches.durable_records());
        for bytes in votes.get(self.votes_read..).unwrap_or_default() {
            self.vote_record(decode(bytes, RECORD_BYTES_MAX).expect("a record of ours"), committee, &mut news);
        }
        for bytes in batches.get(self.batches_read..).unwrap_or_default() {
            self.batch(&decode(bytes, RECORD_BYTES_MAX).expect("a batch of ours"), own_lane, &mut news);
        }
        (self.votes_read, self.batches_read) = (votes.len(), batches.len());
        news
    }

    fn vote_record(&mut self, record: Record, committee: &Committee, news: &mut News) {
        match record {
            Record::Vote(vote) => {
                self.votes.insert(vote);
                news.votes.push(vote);
            }
            Record::Block(block) => {
                let digest = block.header.id();
                let lanes = block.body.lanes.iter().map(|tip| (tip.lane, tip.seq, tip.tip)).collect();
                let known = Known { height: block.header.height, parent: block.header.parent, lanes };
                self.blocks.insert(digest);
                news.blocks.push((digest, known));
            }
            Record::Certificate(certificate) => {
                if let Certificate::Finalization(finalization) = &certificate {
                    self.floor = self.floor.max(finalization.vote.view);
                }
                match says(&certificate, committee) {
                    Says::Block(digest, _) => self.built_on.insert((certificate.view(), digest)),
                    Says::Skip => self.skipped.insert(certificate.view()),
                };
                self.certified.insert(certificate.view());
                news.certificates.push(certificate);
            }
            // Nothing that a validator says depends on it.
            Record::Evidence(_) => {}
            Record::Standing(standing) => {
                self.abstains_to = match standing {
                    Standing::Whole { .. } => View::ZERO,
                    Standing::Abstaining { to, .. } => to,
                    Standing::Recovering { .. } | Standing::Doubled { .. } => View::new(u64::MAX),
                };
            }
        }
    }

    fn batch(&mut self, signed: &SignedBatch, own_lane: u32, news: &mut News) {
        let batch = &signed.batch;
        let digest = batch.digest();
        self.batches.insert(digest);
        news.batches.push((digest, Link { seq: batch.seq, previous: batch.previous }));
        if batch.lane == own_lane {
            let decoded = batch.transactions.iter().map(|bytes| decode::<SignedTransaction>(bytes, RECORD_BYTES_MAX));
            self.own_transactions.extend(decoded.flatten().map(|transaction| transaction.id()));
        }
    }
}
