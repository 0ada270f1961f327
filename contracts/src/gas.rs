//! Gas: the price of work, and the meter that counts it. One gas is about one nanosecond of one core of the reference
//! machine (`decisions.md` 1.21).
//!
//! The price of every native action is known before it runs. So one comparison at the start decides whether the limit
//! suffices, and no native action runs out of gas half-way.

use althing_types::{Action, Replay, SignedTransaction, Status, TransactionBody, encoded_len};

/// Gas for the verification of one signature: 18.1 µs were measured in a batch of 256.
pub const GAS_PER_SIGNATURE: u64 = 20_000;
/// Gas for one byte of the encoded body: carrying, hashing and keeping it.
pub const GAS_PER_BODY_BYTE: u64 = 10;
/// Gas for a transfer, its two balances and its event included.
pub const GAS_PER_TRANSFER: u64 = 5_000;
/// Gas for reading one value from the state.
pub const GAS_PER_READ: u64 = 4_000;
/// Gas for writing one value, its place in the state tree included.
pub const GAS_PER_WRITE: u64 = 12_000;

/// The least gas limit with which a transaction that is signed like this one can succeed. What is charged in the end is
/// this or less (G2): less only if more keys signed than the policy needs at least.
pub fn gas_required(transaction: &SignedTransaction) -> u64 {
    let signatures = transaction.auth().iter().map(|proof| count(proof.sigs.len())).fold(0, u64::saturating_add);
    known_gas(transaction.body(), signatures)
}

/// What a body costs with so many signatures, as far as it is known before it runs (G1). Clients set the gas limit with
/// it before anybody signs: the value of the limit does not change the result.
pub fn known_gas(body: &TransactionBody, signatures: u64) -> u64 {
    let actions = actions(&body.action).iter().map(action_gas).fold(0, u64::saturating_add);
    base_gas(body, signatures).saturating_add(actions)
}

/// What a transaction costs before its first action: signatures, the body's bytes and the sequence number (G1).
pub(crate) fn base_gas(body: &TransactionBody, signatures: u64) -> u64 {
    let bytes = GAS_PER_BODY_BYTE.saturating_mul(count(encoded_len(body)));
    let replay = match body.replay {
        Replay::Expiring { .. } => 0,
        Replay::Sequence { .. } => GAS_PER_READ.saturating_add(GAS_PER_WRITE),
    };
    GAS_PER_SIGNATURE.saturating_mul(signatures).saturating_add(bytes).saturating_add(replay)
}

/// What one action costs, as far as it is known before it runs (G1). A batch costs nothing beside its actions, and
/// reserved actions do nothing.
pub(crate) const fn action_gas(action: &Action) -> u64 {
    match action {
        Action::Transfer { .. } => GAS_PER_TRANSFER,
        Action::SetPolicy { .. } => GAS_PER_READ.saturating_add(GAS_PER_WRITE),
        Action::Batch(_)
        | Action::Call { .. }
        | Action::Deploy { .. }
        | Action::Upgrade { .. }
        | Action::Role(_)
        | Action::Govern(_) => 0,
    }
}

/// The actions that are run one after the other: those of a batch, or the single one.
pub(crate) fn actions(action: &Action) -> &[Action] {
    match action {
        Action::Batch(actions) => actions,
        single => std::slice::from_ref(single),
    }
}

/// A number of things as gas counts them.
pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Counts what a transaction used. Never above its limit.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: u64,
    used: u64,
}

impl Meter {
    /// A meter that nothing was charged to.
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// What was charged so far.
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    /// Charges the whole limit.
    pub(crate) const fn exhaust(&mut self) {
        self.used = self.limit;
    }

    /// Charges what something is about to use. If the limit does not cover it, the whole limit is charged (G3).
    pub(crate) const fn charge(&mut self, gas: u64) -> Result<(), Status> {
        match self.used.checked_add(gas) {
            Some(used) if used <= self.limit => {
                self.used = used;
                Ok(())
            }
            _ => {
                self.exhaust();
                Err(Status::OutOfGas)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_stops_at_its_limit_and_charges_all_of_it() {
        let mut meter = Meter::new(10);
        assert_eq!((meter.charge(4), meter.used()), (Ok(()), 4));
        assert_eq!((meter.charge(6), meter.used()), (Ok(()), 10));
        assert_eq!((meter.charge(1), meter.used()), (Err(Status::OutOfGas), 10));
        let mut meter = Meter::new(u64::MAX);
        assert_eq!((meter.charge(5), meter.charge(u64::MAX)), (Ok(()), Err(Status::OutOfGas)));
        let mut meter = Meter::new(10);
        assert_eq!((meter.charge(11), meter.used()), (Err(Status::OutOfGas), 10));
    }
}
