//! What goes wrong inside a node, in the words of the catalogue of errors. Details that are the operator's business go
//! to the log; the caller learns a code and one sentence.

use std::fmt::Display;

use althing_contracts::SkipReason;
use althing_ledger::LedgerError;
use althing_mempool::AdmitError;
use althing_rpc::api::{ApiError, ErrorCode, refusal_of};
use althing_storage::StoreError;
use althing_types::Height;

use crate::shell::intake::Rejected;
use crate::shell::mailbox::Refused;
use crate::shell::stop::Stop;

/// How long whoever meets a full queue should wait, in milliseconds.
const RETRY_MS: u64 = 100;
/// How long whoever meets a node that catches up should wait, in milliseconds.
const SYNCING_MS: u64 = 1_000;

/// The ledger has no answer, or cannot be read. A disk that cannot be read ends the node, whoever asked: what it votes
/// on next may lie on the same disk. Damage to what was asked for, an old block perhaps, is logged and never served; the
/// node goes on, or whoever asks for it again and again could keep it down.
pub(super) fn ledger_failed(stop: &Stop, error: LedgerError) -> ApiError {
    let message = error.to_string();
    match error {
        LedgerError::Store(error) => {
            if !matches!(error, StoreError::Corrupt { .. }) {
                stop.disk_failed("the ledger", &error);
            }
            internal("the ledger cannot be read", &error)
        }
        LedgerError::ProofUnavailable { .. } => ApiError::new(ErrorCode::ProofUnavailable, message),
        LedgerError::HeightInFuture { height, head } => ApiError::new(ErrorCode::HeightInFuture, message)
            .with_number("height", height.get())
            .with_number("latest", head.get()),
        LedgerError::Pruned { height, earliest } => ApiError::new(ErrorCode::Pruned, message)
            .with_number("height", height.get())
            .with_number("earliest", earliest.get()),
        LedgerError::TooMany { .. } => ApiError::new(ErrorCode::InvalidParams, message),
        error => internal("the ledger cannot be read", &error),
    }
}

/// Something that should not happen. The caller learns no more than that.
pub(super) fn internal(what: &'static str, error: &impl Display) -> ApiError {
    tracing::error!(%error, "{what}");
    ApiError::new(ErrorCode::Internal, what)
}

/// A queue is full, or the node is about to end.
pub(super) fn busy(refused: Refused) -> ApiError {
    match refused {
        Refused::Full => {
            ApiError::new(ErrorCode::Overloaded, "the node has more to do than it can").retry_after_ms(RETRY_MS)
        }
        Refused::Closed => ApiError::new(ErrorCode::ShuttingDown, "the node is about to end"),
    }
}

/// A transaction did not pass the doors.
pub(super) fn rejected(stop: &Stop, rejected: Rejected) -> ApiError {
    match rejected {
        Rejected::Transaction(error) => error.into(),
        Rejected::Included(_) => {
            ApiError::new(ErrorCode::Internal, "the transaction is on the chain and was not found")
        }
        Rejected::Skipped(_, reason) => skipped(reason),
        Rejected::Fails(receipt) => refusal_of(&receipt),
        Rejected::Ledger(error) => ledger_failed(stop, error),
        Rejected::Busy(refused) => busy(refused),
    }
}

/// The state by which a transaction would be refused is an old one.
pub(super) fn syncing(height: Height, reported: Height) -> ApiError {
    let message = "the node is catching up, and by its old state it cannot refuse the transaction";
    ApiError::new(ErrorCode::Syncing, message)
        .with_number("height", height.get())
        .with_number("targetHeight", reported.get())
        .retry_after_ms(SYNCING_MS)
}

fn skipped(reason: SkipReason) -> ApiError {
    let message = reason.to_string();
    let (code, number) = match reason {
        SkipReason::Expired => (ErrorCode::TxExpired, None),
        SkipReason::TooFarAhead => (ErrorCode::TxTooFarAhead, None),
        SkipReason::Unauthorized => (ErrorCode::TxUnauthorized, None),
        SkipReason::SequenceUsed { next } => (ErrorCode::TxSequenceUsed, Some(("next", next))),
        SkipReason::SequenceAhead { next } => (ErrorCode::TxSequenceAhead, Some(("next", next))),
        SkipReason::LanesFull | SkipReason::LaneEnded => (ErrorCode::TxLanesFull, None),
        SkipReason::GasLimit { max } => (ErrorCode::TxGasLimit, Some(("max", max))),
        SkipReason::SurplusSignatures { required } => (ErrorCode::TxOutOfGas, Some(("required", required))),
    };
    let error = ApiError::new(code, message);
    match number {
        Some((name, value)) => error.with_number(name, value),
        None => error,
    }
}

/// The pool did not take a transaction.
pub(super) fn refused_by_pool(error: &AdmitError) -> ApiError {
    let of = |code| ApiError::new(code, error.to_string());
    match *error {
        AdmitError::Full { retry_after_ms } => of(ErrorCode::MempoolFull).retry_after_ms(retry_after_ms),
        AdmitError::LaneBusy { retry_after_ms } => of(ErrorCode::LaneBusy).retry_after_ms(retry_after_ms),
        AdmitError::Silent => of(ErrorCode::LaneSilent),
        AdmitError::SenderQuota { retry_after_ms } => of(ErrorCode::SenderQuota).retry_after_ms(retry_after_ms),
        AdmitError::Expired { valid_until, now } => {
            of(ErrorCode::TxExpired).with_number("validUntil", valid_until).with_number("now", now)
        }
        AdmitError::TooFarAhead { valid_until, max } => {
            of(ErrorCode::TxTooFarAhead).with_number("validUntil", valid_until).with_number("max", max)
        }
        AdmitError::GasLimit { gas_limit, max } => {
            of(ErrorCode::TxGasLimit).with_number("given", gas_limit).with_number("max", max)
        }
        AdmitError::TooLarge { .. } => of(ErrorCode::TxTooLarge),
        AdmitError::SequenceUsed { given, next } => {
            of(ErrorCode::TxSequenceUsed).with_number("given", given).with_number("next", next)
        }
        AdmitError::SequenceTooFar { given, next } => {
            of(ErrorCode::TxSequenceAhead).with_number("given", given).with_number("next", next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::stop::Reason;

    #[test]
    fn a_disk_that_cannot_be_read_ends_the_node_and_what_it_does_not_have_does_not() {
        let stop = Stop::new();
        let absent = ledger_failed(&stop, LedgerError::ProofUnavailable { height: Height::new(7) });
        assert_eq!((absent.code, stop.now()), (ErrorCode::ProofUnavailable, None));
        let damaged =
            StoreError::Corrupt { folder: "db".into(), reason: "a block does not match its checksum".to_owned() };
        let answer = ledger_failed(&stop, LedgerError::Store(damaged));
        assert_eq!(
            (answer.code, stop.now()),
            (ErrorCode::Internal, None),
            "one old block is no lever against the node"
        );
        let source = std::io::Error::other("Input/output error");
        let broken = StoreError::Io { operation: "read", path: "ledger".into(), source };
        let answer = rejected(&stop, Rejected::Ledger(LedgerError::Store(broken)));
        assert_eq!((answer.code, &*answer.message), (ErrorCode::Internal, "the ledger cannot be read"));
        let reason = "the ledger: cannot read ledger: Input/output error".to_owned();
        assert_eq!(stop.now(), Some(Reason::Disk(reason)));
    }
}
