//! Which accounts a transaction belongs to, for an index of their history.

use std::collections::BTreeSet;

use althing_types::{Action, Address, SignedTransaction};

use crate::gas::actions;

/// The sender, the sponsor and the recipients of transfers: ascending, each once, at most two and one per action. It
/// depends on the body only, so a transaction that failed belongs to the same accounts as one that succeeded.
pub fn touched_accounts(transaction: &SignedTransaction) -> Vec<Address> {
    let body = transaction.body();
    let recipients = actions(&body.action).iter().filter_map(|action| match action {
        Action::Transfer { to, .. } => Some(*to),
        _ => None,
    });
    let payer = body.sponsor.map(|sponsor| sponsor.payer);
    let accounts: BTreeSet<Address> = recipients.chain(payer).chain([body.sender]).collect();
    accounts.into_iter().collect()
}
