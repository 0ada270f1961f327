//! The execution of one transaction: skipped without a trace, or executed with a receipt (TX3).

use althing_types::{ChainParams, Hash, Height, Receipt, SignedTransaction, StateKey, Status, TimeMs, TransactionBody};

use crate::authority::{Authority, authorize};
use crate::events::EventLog;
use crate::gas::{Meter, action_gas, actions, base_gas, gas_required, known_gas};
use crate::native::{self, Stop};
use crate::overlay::{Overlay, StateRead, WriteSet};
use crate::replay::{advance, check_window};
use crate::skip::SkipReason;

/// What a transaction may know of the block that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// The block's height.
    pub height: Height,
    /// The block's time.
    pub time: TimeMs,
    /// The chain parameters of the block's epoch.
    pub params: ChainParams,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was executed, with success or not. The caller applies the writes, files the receipt, and must not execute the
    /// same id again.
    Executed(Execution),
    /// It leaves no trace: no receipt, no write, and its id is not used up.
    Skipped(SkipReason),
}

/// The result of an executed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its receipt.
    pub receipt: Receipt,
    /// What it writes. Of a transaction that failed only the sequence number that it used is left.
    pub writes: WriteSet,
}

/// Runs a transaction whose form was checked with [`SignedTransaction::check_form`] and whose signatures were verified;
/// both are the caller's duty, and nothing of either is repeated here. `id` is [`SignedTransaction::id`], which callers
/// have at hand. Whether this id was executed before is the caller's to know too.
///
/// # Errors
///
/// Only if the state cannot be read. There is no outcome then; a transaction that fails has a receipt.
///
/// # Panics
///
/// If a stored account or balance does not decode: the state is broken, whatever the transaction holds.
pub fn execute<S: StateRead>(
    transaction: &SignedTransaction,
    id: Hash,
    context: &BlockContext,
    state: &S,
) -> Result<Outcome, S::Error> {
    let admission = match admit(transaction, context, state)? {
        Ok(admission) => admission,
        Err(reason) => return Ok(Outcome::Skipped(reason)),
    };
    let mut run = Run::new(transaction.body(), state, admission);
    let status = match run.carry_out() {
        Ok(()) => Status::Ok,
        Err(Stop::Failed(status)) => status,
        Err(Stop::State(error)) => return Err(error),
    };
    Ok(Outcome::Executed(run.finish(id, status)))
}

/// What is known of a transaction that is not skipped.
#[derive(Debug)]
struct Admission {
    /// The sender's stored account after the sequence number was used, if one was.
    advanced: Option<Vec<u8>>,
    /// The fewest signatures that satisfy the policies.
    signatures_least: u64,
    /// Whether the sender or the sponsor is frozen.
    frozen: bool,
}

/// Decides whether a transaction is skipped (TX1, TX2, TX4, A1 and G4). Only this looks at the signatures: what follows
/// is handed nothing that depends on them (A2).
fn admit<S: StateRead>(
    transaction: &SignedTransaction,
    context: &BlockContext,
    state: &S,
) -> Result<Result<Admission, SkipReason>, S::Error> {
    let body = transaction.body();
    let max = context.params.limits.transaction_gas_max;
    if body.gas_limit > max {
        return Ok(Err(SkipReason::GasLimit { max }));
    }
    if let Err(reason) = check_window(body.replay, context) {
        return Ok(Err(reason));
    }
    let authority = match authorize(transaction, state)? {
        Ok(authority) => authority,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(admit_authorized(transaction, authority))
}

/// The part of [`admit`] that needs no further reads (G4 and TX2).
fn admit_authorized(transaction: &SignedTransaction, authority: Authority) -> Result<Admission, SkipReason> {
    let body = transaction.body();
    let Authority { sender, signatures_least, frozen } = authority;
    let required = gas_required(transaction);
    if body.gas_limit < required && body.gas_limit >= known_gas(body, signatures_least) {
        return Err(SkipReason::SurplusSignatures { required });
    }
    Ok(Admission { advanced: advance(body.replay, sender)?, signatures_least, frozen })
}

/// A transaction that is being executed.
struct Run<'a, S> {
    body: &'a TransactionBody,
    signatures_least: u64,
    frozen: bool,
    overlay: Overlay<'a, S>,
    meter: Meter,
    events: EventLog,
}

impl<'a, S: StateRead> Run<'a, S> {
    /// Begins an execution. From here on the sequence number is used, whatever happens (TX2).
    fn new(body: &'a TransactionBody, state: &'a S, admission: Admission) -> Self {
        let Admission { advanced, signatures_least, frozen } = admission;
        let mut overlay = Overlay::new(state);
        if let Some(account) = advanced {
            overlay.write(StateKey::Account(body.sender), Some(account));
            overlay.keep();
        }
        Self { body, signatures_least, frozen, overlay, meter: Meter::new(body.gas_limit), events: EventLog::default() }
    }

    /// Charges and runs everything in its order, up to the first failure (G2, G3, A3 and TX3).
    fn carry_out(&mut self) -> Result<(), Stop<S::Error>> {
        // The whole price is known, so a limit below it is used up before anything is done.
        if self.body.gas_limit < known_gas(self.body, self.signatures_least) {
            self.meter.exhaust();
            return Err(Stop::Failed(Status::OutOfGas));
        }
        self.meter.charge(base_gas(self.body, self.signatures_least)).map_err(Stop::Failed)?;
        if self.frozen {
            return Err(Stop::Failed(Status::Denied));
        }
        for action in actions(&self.body.action) {
            self.meter.charge(action_gas(action)).map_err(Stop::Failed)?;
            native::run(action, self.body.sender, &mut self.overlay, &mut self.events)?;
        }
        Ok(())
    }

    /// The receipt and the writes. Unless all went well, what the actions wrote and announced is dropped (TX3).
    fn finish(mut self, id: Hash, status: Status) -> Execution {
        if status == Status::Ok {
            self.overlay.keep();
        } else {
            self.overlay.discard();
            self.events = EventLog::default();
        }
        let (gas_used, events) = (self.meter.used(), self.events.into_list());
        let receipt = Receipt { tx_id: id, status, gas_used, fee: 0, return_hash: Hash::ZERO, events };
        Execution { receipt, writes: self.overlay.into_writes() }
    }
}

#[cfg(test)]
mod tests;
