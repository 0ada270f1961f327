//! Pages: lists that a server hands out in pieces.

use serde::{Deserialize, Serialize};

/// Items of a page at most (`decisions.md` section 2).
pub const PAGE_ITEMS_MAX: u32 = 500;
/// Items of a page unless the caller says otherwise.
pub const PAGE_ITEMS_DEFAULT: u32 = 50;

/// A piece of a list. It may hold fewer items than were asked for, even none, and still not be the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What the next call gives as `cursor`; none once the list ended. Its content means nothing to the caller.
    pub next_cursor: Option<String>,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// The oldest first.
    Asc,
    /// The newest first.
    #[default]
    Desc,
}
