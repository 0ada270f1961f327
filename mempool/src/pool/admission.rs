//! Whether a transaction may enter the pool.

use althing_types::{DEPLOY_BYTES_MAX, Hash, Monotonic, Replay, TimeMs};

use super::{BATCH_FRAME_BYTES, Entry, ITEM_FRAME_BYTES, Pool};
use crate::candidate::{AdmitError, Candidate, DropReason};
use crate::config::{POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX, SENDER_PART, SENDER_SEQUENCES_MAX, Share};

/// The terms of admission at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The steady clock.
    pub(crate) now: Monotonic,
    /// Wall time, which stands in for the time of the block that will execute the transaction.
    pub(crate) wall: TimeMs,
    /// How far ahead the end of a transaction's time may lie, and how long one may wait for another.
    pub(crate) window_ms: u64,
    /// What a batch of ours may take.
    pub(crate) batch: Share,
    /// The most gas of a transaction.
    pub(crate) gas_max: u64,
    /// When a retry makes sense.
    pub(crate) retry_after_ms: u64,
}

impl Pool {
    /// Admits a transaction that is not here yet, or says why not. Returns the transactions that the sender's state,
    /// as the candidate tells it, shows to be useless.
    pub(crate) fn admit(&mut self, candidate: Candidate, terms: &Terms) -> Result<Vec<(Hash, DropReason)>, AdmitError> {
        check_size(&candidate, terms)?;
        let body = candidate.transaction.body();
        let (address, replay) = (body.sender, body.replay);
        match replay {
            Replay::Expiring { valid_until, .. } => {
                check_time(valid_until, terms)?;
                self.check_expiring_quota(&candidate, terms)?;
            }
            Replay::Sequence { lane, seq } => {
                self.check_sequence((address, lane), seq, candidate.next_sequence)?;
                self.check_sequence_quota(&candidate, terms)?;
            }
        }
        self.check_room(&candidate, terms)?;
        Ok(self.insert(candidate, terms))
    }

    fn check_expiring_quota(&self, candidate: &Candidate, terms: &Terms) -> Result<(), AdmitError> {
        let sender = self.senders.get(&candidate.transaction.body().sender);
        let (bytes, count) = sender.map_or((0, 0), |sender| (sender.expiring_bytes, sender.expiring_count));
        let within =
            count < part(POOL_TRANSACTIONS_MAX) && bytes.saturating_add(candidate.bytes) <= part(POOL_BYTES_MAX);
        if within { Ok(()) } else { Err(AdmitError::SenderQuota { retry_after_ms: terms.retry_after_ms }) }
    }

    fn check_sequence_quota(&self, candidate: &Candidate, terms: &Terms) -> Result<(), AdmitError> {
        let sender = self.senders.get(&candidate.transaction.body().sender);
        let within = sender.is_none_or(|sender| sender.sequence_count < SENDER_SEQUENCES_MAX);
        if within { Ok(()) } else { Err(AdmitError::SenderQuota { retry_after_ms: terms.retry_after_ms }) }
    }

    fn check_room(&self, candidate: &Candidate, terms: &Terms) -> Result<(), AdmitError> {
        let within =
            self.entries.len() < POOL_TRANSACTIONS_MAX && self.bytes.saturating_add(candidate.bytes) <= POOL_BYTES_MAX;
        if within { Ok(()) } else { Err(AdmitError::Full { retry_after_ms: terms.retry_after_ms }) }
    }

    fn insert(&mut self, candidate: Candidate, terms: &Terms) -> Vec<(Hash, DropReason)> {
        let Candidate { transaction, id, bytes, next_sequence } = candidate;
        let body = transaction.body();
        let (address, replay) = (body.sender, body.replay);
        let wait_ends = terms.now.plus_ms(terms.window_ms);
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries.insert(id, Entry { transaction, bytes, ticket: None, wait_ends });
        let sender = self.senders.entry(address).or_default();
        match replay {
            Replay::Expiring { valid_until, .. } => {
                sender.expiring_bytes = sender.expiring_bytes.saturating_add(bytes);
                sender.expiring_count = sender.expiring_count.saturating_add(1);
                self.ends.insert((valid_until, id));
                self.make_ready(&id);
                Vec::new()
            }
            Replay::Sequence { lane, seq } => {
                sender.sequence_count = sender.sequence_count.saturating_add(1);
                self.waits.insert((wait_ends, id));
                let numbers = self.sequences.entry((address, lane)).or_default();
                numbers.learn(next_sequence);
                numbers.waiting.insert(seq, id);
                let next = numbers.next;
                self.advance(address, lane, next)
            }
        }
    }
}

/// The part of the pool that one sender may take.
fn part(whole: usize) -> usize {
    whole.checked_div(SENDER_PART).unwrap_or(whole)
}

/// Refuses what no batch of ours could ever hold.
fn check_size(candidate: &Candidate, terms: &Terms) -> Result<(), AdmitError> {
    let gas_limit = candidate.transaction.body().gas_limit;
    let gas_max = terms.gas_max.min(terms.batch.gas);
    if gas_limit > gas_max {
        return Err(AdmitError::GasLimit { gas_limit, max: gas_max });
    }
    let room = terms.batch.bytes.saturating_sub(BATCH_FRAME_BYTES).saturating_sub(ITEM_FRAME_BYTES);
    let max = usize::try_from(room).unwrap_or(usize::MAX).min(DEPLOY_BYTES_MAX);
    if candidate.bytes > max {
        return Err(AdmitError::TooLarge { bytes: candidate.bytes, max });
    }
    Ok(())
}

fn check_time(valid_until: TimeMs, terms: &Terms) -> Result<(), AdmitError> {
    let max = terms.wall.plus(terms.window_ms);
    if valid_until < terms.wall {
        Err(AdmitError::Expired { valid_until: valid_until.get(), now: terms.wall.get() })
    } else if valid_until > max {
        Err(AdmitError::TooFarAhead { valid_until: valid_until.get(), max: max.get() })
    } else {
        Ok(())
    }
}
