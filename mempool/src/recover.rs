//! Starting and restarting from the batch log (D6).

use std::sync::Arc;

use althing_types::{Height, LaneTip, SignedBatch, encoded_len};

use crate::batch::{BatchError, CheckedBatch};
use crate::config::Config;
use crate::journal::Lsn;
use crate::state::Mempool;

/// Why a mempool cannot be restarted from its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The log holds something that was never appended to it.
    #[error("the batch log holds an invalid batch {seq} of lane {lane}: {error}")]
    Invalid {
        /// Its lane.
        lane: u32,
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        error: BatchError,
    },
    /// The log holds two batches of our own for one place: another process used the same key.
    #[error("the batch log holds two batches {seq} of our own lane")]
    Forked {
        /// Their number.
        seq: u64,
    },
}

impl Mempool {
    /// A mempool that goes on from its log, given in its order; an empty log begins the epoch. `committed` is the height
    /// of the last block that the ledger committed, `cut` the tips of all lanes after it in this epoch. Of
    /// earlier epochs, transactions in batches of ours are taken over (E3); other batches of other epochs are passed over. The first step, [`crate::Input::Tick`] if nothing else, announces how far the lanes reach.
    ///
    /// Our lane goes on above its highest batch in the log. If the log does not reach up to the committed tip, or has
    /// a gap above it, batches were lost, and the lane is silent until the next epoch. A log that was lost before any
    /// batch of ours was committed cannot be told from a new one here: the shell must not make a new log beside a
    /// store that is not new.
    pub fn recover(
        config: Config,
        committed: Height,
        cut: &[LaneTip],
        logged: Vec<Arc<SignedBatch>>,
    ) -> Result<Self, RecoverError> {
        let bytes = logged.iter().map(|batch| u64::try_from(encoded_len(&**batch)).unwrap_or(u64::MAX));
        let bytes = bytes.fold(0u64, u64::saturating_add);
        let mut mempool = Self::with_cut(config, committed, cut, bytes);
        for signed in logged {
            mempool.replay(signed)?;
        }
        mempool.check_own();
        let (me, quorum) = (mempool.config.me.to_usize(), mempool.config.quorums().notarize());
        for lane in &mut mempool.lanes {
            lane.sync(Lsn::ZERO);
            lane.recount(me, quorum);
        }
        mempool.touched.clear();
        Ok(mempool)
    }

    /// Takes one batch back in. Those that the ledger committed say nothing any more, but for our newest.
    fn replay(&mut self, signed: Arc<SignedBatch>) -> Result<(), RecoverError> {
        let (lane, seq) = (signed.batch.lane, signed.batch.seq);
        if signed.batch.epoch != self.config.committee.epoch {
            return self.replay_earlier(signed);
        }
        let own = lane == self.config.own_lane();
        if self.lane(lane).is_none_or(|lane| seq <= lane.committed()) {
            if own {
                self.note_ordered(&signed);
                self.note_newest(LaneTip { lane, seq, tip: signed.batch.digest() }, &signed);
            }
            return Ok(());
        }
        let batch = CheckedBatch::from_log(signed, &self.config.committee, &self.config.params.limits)
            .map_err(|error| RecoverError::Invalid { lane, seq, error })?;
        if self.lane(lane).is_some_and(|known| known.held(seq, batch.digest()).is_some()) {
            return Ok(());
        }
        if own {
            if self.own().is_some_and(|known| known.rival(&batch).is_some()) {
                return Err(RecoverError::Forked { seq });
            }
            self.carried.note_batched(batch.ids());
            for (id, transaction) in batch.ids().iter().zip(batch.transactions().iter()) {
                if self.in_flight.insert(*id, seq).is_none() {
                    self.pool.note_in_flight(transaction.body().sender, transaction.body().replay);
                }
            }
        }
        self.place(batch, Lsn::ZERO);
        Ok(())
    }

    /// Whether our lane is whole: the log reaches its committed tip, and what stands above is linked to it.
    fn check_own(&mut self) {
        let Some(lane) = self.own() else { return };
        let newest = self.newest_own.as_ref().map_or(0, |(newest, _)| newest.seq);
        let committed = lane.final_tip();
        let same =
            self.newest_own.as_ref().is_none_or(|(newest, _)| newest.seq != committed.seq || *newest == committed);
        self.is_silent = newest < lane.committed() || lane.tip().seq < newest || !same;
    }
}
