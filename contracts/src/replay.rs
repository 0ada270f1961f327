//! How a second execution is refused: by time (TX1), or by the numbered lanes of the sender's account (TX2).

use althing_types::{Account, AccountLane, List, Replay, TimeMs, encode};

use crate::execute::BlockContext;
use crate::skip::SkipReason;

/// Whether an expiring transaction may be executed in a block of this time (TX1).
pub(crate) fn check_window(replay: Replay, context: &BlockContext) -> Result<(), SkipReason> {
    let Replay::Expiring { valid_until, .. } = replay else { return Ok(()) };
    let window_ms = u64::from(context.params.transactions.max_window_ms);
    let last: TimeMs = context.time.plus(window_ms);
    if valid_until < context.time {
        Err(SkipReason::Expired)
    } else if valid_until > last {
        Err(SkipReason::TooFarAhead)
    } else {
        Ok(())
    }
}

/// The account's stored bytes after it used this number, or none if the transaction uses no number (TX2).
pub(crate) fn advance(replay: Replay, account: Account) -> Result<Option<Vec<u8>>, SkipReason> {
    let Replay::Sequence { lane, seq } = replay else { return Ok(None) };
    let Account::V1 { policy, lanes, flags } = account;
    let mut lanes = lanes.into_inner();
    let place = lanes.binary_search_by_key(&lane, |entry| entry.lane);
    let next = place.ok().and_then(|place| lanes.get(place)).map_or(0, |entry| entry.next);
    let after = AccountLane { lane, next: next_number(next, seq)? };
    match place {
        Ok(place) => lanes.iter_mut().skip(place).take(1).for_each(|entry| *entry = after),
        Err(place) => lanes.insert(place, after),
    }
    // The bound of the list is the number of lanes that an account may have.
    let lanes = List::new(lanes).map_err(|_| SkipReason::LanesFull)?;
    Ok(Some(encode(&Account::V1 { policy, lanes, flags })))
}

/// What a lane that expects `next` expects after `seq`.
const fn next_number(next: u64, seq: u64) -> Result<u64, SkipReason> {
    if seq < next {
        return Err(SkipReason::SequenceUsed { next });
    }
    if seq > next {
        return Err(SkipReason::SequenceAhead { next });
    }
    match seq.checked_add(1) {
        Some(after) => Ok(after),
        None => Err(SkipReason::LaneEnded),
    }
}
