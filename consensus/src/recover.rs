//! Starting and restarting: the log is replayed whole before anything else happens (rule D9).

use althing_types::{Certificate, Epoch, Hash, SignedVote, View};

use althing_types::canary::{Canary, seeded};

use crate::chain::Anchor;
use crate::config::Config;
use crate::core::{Core, Floor};
use crate::record::{Lsn, Record, Standing};
use crate::round::Added;

/// Why a core cannot be restarted from what it is given. Voting on would risk a second vote in a view (D10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The ledger committed a block that became final in a later view than any that the log knows of: the log was
    /// lost, or is an older copy.
    #[error(
        "the vote log ends at the finalization of view {log}, the ledger holds one of view {ledger}: the log was lost or is an older copy"
    )]
    LogBehind {
        /// The view of the log's highest Finalization.
        log: View,
        /// The view of the Finalization of the ledger's last block.
        ledger: View,
    },
    /// The log speaks of a later epoch than the ledger: the ledger is an older copy.
    #[error("the vote log is in epoch {log}, the ledger in epoch {ledger}: the ledger is an older copy")]
    LedgerBehind {
        /// The epoch of a record.
        log: Epoch,
        /// The epoch above the ledger's last block.
        ledger: Epoch,
    },
    /// The log says that this epoch has other validators.
    #[error("the vote log names other validators for this epoch than the ledger")]
    OtherSet,
    /// The log holds votes of another validator.
    #[error("the vote log belongs to another validator")]
    OtherValidator,
}

/// Whether a log may end below what the ledger has: it says that the one before it was lost, and nothing was signed since
/// of which it could lack anything.
fn may_be_behind(records: &[Record], ours: Epoch, ledger: View) -> bool {
    let standings = records.iter().rev().filter_map(|record| match record {
        Record::Standing(standing) => Some(*standing),
        _ => None,
    });
    match standings.into_iter().next() {
        Some(Standing::Recovering { .. }) => true,
        Some(Standing::Abstaining { epoch, to, .. }) => epoch < ours || ledger <= to,
        _ => false,
    }
}

/// Whether a log may be gone on from, beside a ledger whose last block became final in this view of this epoch (D10). For
/// whoever is about to put another ledger in that one's place: afterwards nobody could tell.
///
/// # Errors
///
/// [`RecoverError::LogBehind`] as [`Core::recover`].
pub fn refuse_log_behind(records: &[Record], epoch: Epoch, ledger: View) -> Result<(), RecoverError> {
    let finalized = records.iter().filter_map(|record| match record {
        Record::Certificate(Certificate::Finalization(finalization)) if finalization.vote.epoch == epoch => {
            Some(finalization.vote.view)
        }
        _ => None,
    });
    let log = finalized.max().unwrap_or_default();
    if ledger > log && !may_be_behind(records, epoch, ledger) {
        return Err(RecoverError::LogBehind { log, ledger });
    }
    Ok(())
}

impl Core {
    /// A core that begins an epoch: nothing was ever signed by this validator in it. `genesis` is the epoch's first
    /// block, which nobody votes on.
    pub fn new(config: Config, genesis: Anchor) -> Self {
        let digest = genesis.header.id();
        Self::with_floor(config, genesis, Floor { view: View::ZERO, digest, finalization: None, lsn: Lsn::ZERO })
    }

    /// A core that goes on from its log. `anchor` is the last block that the ledger committed, `anchor_view` the view
    /// of the Finalization that came with it (0 for genesis), `genesis` the id of the epoch's first block. After this
    /// the ledger's results above `anchor.header.executed_height` are given as inputs, ascending (D9), and whom its
    /// blocks accuse with [`Core::with_accused`].
    pub fn recover(
        config: Config,
        genesis: Hash,
        anchor: Anchor,
        anchor_view: View,
        records: Vec<Record>,
    ) -> Result<Self, RecoverError> {
        if let Some(error) = config.lacks_the_end_before(&records) {
            return Err(error);
        }
        let records = config.records_of_epoch(records)?;
        let finalizations = records.iter().filter_map(|record| match record {
            Record::Certificate(Certificate::Finalization(finalization)) => Some(finalization),
            _ => None,
        });
        let highest = finalizations.max_by_key(|finalization| finalization.vote.view).cloned();
        let mut floor = Floor {
            view: highest.as_ref().map_or(View::ZERO, |finalization| finalization.vote.view),
            digest: highest.as_ref().map_or(genesis, |finalization| finalization.vote.digest),
            finalization: highest,
            lsn: Lsn::ZERO,
        };
        refuse_log_behind(&records, config.committee.epoch, anchor_view)?;
        let is_behind = anchor_view > floor.view;
        if is_behind {
            // The ledger's last block is final, by a certificate that the log lost; it will be new here when it comes.
            floor =
                Floor { view: anchor_view.previous(), digest: anchor.header.id(), finalization: None, lsn: Lsn::ZERO };
        }
        let mut core = Self::with_floor(config, anchor, floor);
        for record in records {
            core.replay(record)?;
        }
        if let Some(finalization) = core.floor.finalization.clone() {
            let quorums = core.quorums();
            core.history.keep(Certificate::Finalization(finalization), &quorums);
        }
        if core.floor.digest == core.chain.base_id() {
            core.history.stand(core.floor.view);
        } else {
            core.history.await_block(core.floor.view, core.floor.digest);
        }
        if core.config.opening.is_some() && !core.is_opening_logged {
            core.past.enter_epoch();
        }
        core.look_back();
        // What no certificate in the log shows is not announced (D7).
        core.announced = if is_behind { (View::ZERO.next(), View::ZERO) } else { (core.view, core.floor.view) };
        Ok(core)
    }

    /// Takes one record back in. Records below the floor say nothing any more.
    fn replay(&mut self, record: Record) -> Result<(), RecoverError> {
        match record {
            Record::Certificate(certificate) => self.replay_certificate(certificate),
            Record::Vote(vote) => self.replay_vote(vote)?,
            Record::Block(block) => self.chain.replay(*block),
            Record::Evidence(evidence) => self.accusations.replay(evidence),
            Record::Epoch(opening) if opening.set.hash() == self.set_hash => {
                self.is_opening_logged = true;
                self.past.enter_epoch();
            }
            Record::Epoch(_) => return Err(RecoverError::OtherSet),
            Record::Standing(standing) => self.past.replay(standing),
        }
        Ok(())
    }

    fn replay_certificate(&mut self, certificate: Certificate) {
        let (view, quorums) = (certificate.view(), self.quorums());
        if !self.is_above_floor(view) {
            // It may still prove a fork (R10).
            return self.history.keep(certificate, &quorums);
        }
        self.round_mut(view).keep(certificate.clone(), &quorums);
        if view.next() > self.view {
            self.view = view.next();
            self.entry = Some(certificate);
        }
    }

    /// A vote in the log is a fact, and may have been sent.
    fn replay_vote(&mut self, vote: SignedVote) -> Result<(), RecoverError> {
        if vote.signer != self.me() {
            return Err(RecoverError::OtherValidator);
        }
        let view = vote.vote.view();
        if self.is_above_floor(view) && !seeded(Canary::VotesNotReplayed) {
            self.round_mut(view).facts.record(&vote.vote);
            self.round_mut(view).own.push(vote);
            let added = self.round_mut(view).add(vote);
            assert!(!matches!(added, Added::Conflict(_)), "the log holds two votes that contradict each other");
            self.view = self.view.max(view);
        }
        Ok(())
    }
}
