//! The transactions that name an account, page by page.

use althing_storage::{Order, OrderedStore, Scan};
use althing_types::{Address, Hash, Height};

use super::{PAGE_MAX, Reader};
use crate::error::LedgerError;
use crate::record::decoded;
use crate::space::{HISTORY, by_account};

/// A place in the order of all executed transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryCursor {
    /// The height.
    pub height: Height,
    /// The place in the order of execution.
    pub index: u32,
}

/// A transaction that names an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Where it was executed.
    pub at: HistoryCursor,
    /// Its replay id.
    pub id: Hash,
}

/// A part of an account's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The transactions, in the order that was asked for.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins, which leaves this place out; none if there is nothing more.
    pub next: Option<HistoryCursor>,
}

impl<S: OrderedStore> Reader<S> {
    /// The executed transactions that name an account, at most `limit` and [`PAGE_MAX`]. `cursor` is where the page
    /// before ended, or any other place; it is left out. Descending pages of one walk never show a transaction twice
    /// and leave out what was committed after the first of them, and end where what is kept ends.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Pruned`] if an ascending walk would go on at a height that is not kept: it would leave out what is
    /// gone.
    pub fn history(
        &self,
        address: &Address,
        cursor: Option<HistoryCursor>,
        order: Order,
        limit: usize,
    ) -> Result<HistoryPage, LedgerError> {
        let mut from = by_account(address, self.earliest(), 0);
        let mut to = by_account(address, self.head().header.height.next(), 0);
        if let Some(HistoryCursor { height, index }) = cursor {
            let place = by_account(address, height, index);
            match order {
                // The first key above this one.
                Order::Ascending => from = self.kept(height, Ok([&place[..], &[0]].concat()))?,
                Order::Descending => to = place.min(to),
            }
        }
        let limit = limit.min(PAGE_MAX);
        let scan = Scan { from: &from, to: Some(&to), order, limit: limit.saturating_add(1) };
        let found = self.store.scan(HISTORY, scan)?;
        let is_more = found.len() > limit;
        let entries: Vec<HistoryEntry> =
            found.iter().take(limit).map(|(key, id)| entry(key, id)).collect::<Result<_, _>>()?;
        let next = entries.last().map(|entry| entry.at).filter(|_| is_more);
        Ok(HistoryPage { entries, next })
    }
}

fn entry(key: &[u8], id: &[u8]) -> Result<HistoryEntry, LedgerError> {
    let broken = || LedgerError::corrupt("the history of an account");
    let (rest, index) = key.split_last_chunk::<4>().ok_or_else(broken)?;
    let (_, height) = rest.split_last_chunk::<8>().ok_or_else(broken)?;
    let at = HistoryCursor { height: Height::new(u64::from_be_bytes(*height)), index: u32::from_be_bytes(*index) };
    Ok(HistoryEntry { at, id: decoded(id, "the history of an account")? })
}
