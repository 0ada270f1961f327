//! Native actions: transfers, and changes of an account's policy. No contract runs for them.
//!
//! Each returns the status with which the transaction fails, or nothing; what it wrote is pending in the overlay, and
//! the caller drops it when an action fails.

use althing_types::{Account, Action, Address, AssetId, AuthPolicy, List, StateKey, Status, encode};

use crate::authority::stored_account;
use crate::events::EventLog;
use crate::overlay::{Overlay, StateRead};
use crate::record::{decode_balance, encode_balance};

/// Why a transaction does not go on.
#[derive(Debug)]
pub(crate) enum Stop<E> {
    /// It fails with this status.
    Failed(Status),
    /// The state cannot be read, so there is no outcome.
    State(E),
}

/// The ends and the amount of a transfer.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    from: Address,
    to: Address,
    asset: AssetId,
    amount: u128,
}

/// Runs one action of the sender. An action that this version does not know by content is not active.
pub(crate) fn run<S: StateRead>(
    action: &Action,
    sender: Address,
    overlay: &mut Overlay<'_, S>,
    events: &mut EventLog,
) -> Result<(), Stop<S::Error>> {
    match action {
        Action::Transfer { asset, to, amount } => {
            let transfer = Transfer { from: sender, to: *to, asset: *asset, amount: *amount };
            move_amount(transfer, overlay)?;
            events.transfer(sender, *to, *asset, *amount).map_err(Stop::Failed)
        }
        Action::SetPolicy { policy } => {
            replace_policy(sender, policy, overlay).map_err(Stop::State)?;
            events.set_policy(sender, policy).map_err(Stop::Failed)
        }
        Action::Batch(_)
        | Action::Call { .. }
        | Action::Deploy { .. }
        | Action::Upgrade { .. }
        | Action::Role(_)
        | Action::Govern(_) => Err(Stop::Failed(Status::NotActive)),
    }
}

/// Moves an amount from one balance to another (N1). Nothing is read of the recipient but its balance: an account needs
/// no record to receive, and a frozen one receives like any other.
fn move_amount<S: StateRead>(transfer: Transfer, overlay: &mut Overlay<'_, S>) -> Result<(), Stop<S::Error>> {
    let Transfer { from, to, asset, amount } = transfer;
    if overlay.read(&StateKey::Asset(asset)).map_err(Stop::State)?.is_none() {
        return Err(Stop::Failed(Status::NoAsset));
    }
    let paid = balance(from, asset, overlay).map_err(Stop::State)?;
    let paid = paid.checked_sub(amount).ok_or(Stop::Failed(Status::Insufficient))?;
    if from == to {
        return Ok(());
    }
    let received = balance(to, asset, overlay).map_err(Stop::State)?;
    let received = received.checked_add(amount).ok_or(Stop::Failed(Status::Overflow))?;
    overlay.write(StateKey::Balance(from, asset), encode_balance(paid));
    overlay.write(StateKey::Balance(to, asset), encode_balance(received));
    Ok(())
}

/// How much of an asset an account holds; nothing is stored for zero (N2).
fn balance<S: StateRead>(account: Address, asset: AssetId, overlay: &Overlay<'_, S>) -> Result<u128, S::Error> {
    let stored = overlay.read(&StateKey::Balance(account, asset))?;
    // A balance that does not decode was not written by this room or by genesis: the state is broken.
    Ok(stored.map_or(0, |bytes| decode_balance(&bytes).expect("only u128 values are stored as balances")))
}

/// Replaces the policy in an account's record and keeps the rest of it; makes a record if there is none (N3).
fn replace_policy<S: StateRead>(
    account: Address,
    policy: &AuthPolicy,
    overlay: &mut Overlay<'_, S>,
) -> Result<(), S::Error> {
    let key = StateKey::Account(account);
    let recorded = overlay.read(&key)?.map(|bytes| stored_account(&bytes));
    let (lanes, flags) = match recorded {
        Some(Account::V1 { lanes, flags, .. }) => (lanes, flags),
        None => (List::empty(), 0),
    };
    overlay.write(key, Some(encode(&Account::V1 { policy: policy.clone(), lanes, flags })));
    Ok(())
}
