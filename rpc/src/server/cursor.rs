//! Cursors: where the next page begins, as a text that means nothing to the caller.
//!
//! A cursor names the last item of a page, which the next page does not repeat, and the list that it belongs to. It
//! holds no secret and no memory of the server's, so it is good for as long as the data is.

use althing_types::Height;

use crate::api::{ApiError, ErrorCode, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX};

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// In the list of blocks: at this height.
    Blocks(Height),
    /// In an account's history: at this height and place.
    History(Height, u32),
    /// Among a block's transactions: at this place.
    Transactions(u32),
    /// In the list of evidence: at this height and place.
    Evidence(Height, u32),
}

impl Cursor {
    /// The text for the caller.
    pub(super) fn to_text(self) -> String {
        let mut bytes = Vec::new();
        match self {
            Self::Blocks(height) => {
                bytes.push(b'b');
                bytes.extend(height.get().to_be_bytes());
            }
            Self::History(height, index) => {
                bytes.push(b'h');
                bytes.extend(height.get().to_be_bytes());
                bytes.extend(index.to_be_bytes());
            }
            Self::Evidence(height, index) => {
                bytes.push(b'e');
                bytes.extend(height.get().to_be_bytes());
                bytes.extend(index.to_be_bytes());
            }
            Self::Transactions(index) => {
                bytes.push(b't');
                bytes.extend(index.to_be_bytes());
            }
        }
        const_hex::encode(bytes)
    }

    /// Reads a cursor of whatever list.
    fn from_text(text: &str) -> Option<Self> {
        let bytes = const_hex::decode(text).ok()?;
        let (kind, rest) = bytes.split_first()?;
        match kind {
            b'b' => Some(Self::Blocks(Height::new(u64::from_be_bytes(rest.try_into().ok()?)))),
            b't' => Some(Self::Transactions(u32::from_be_bytes(rest.try_into().ok()?))),
            b'h' => place(rest).map(|(height, index)| Self::History(height, index)),
            b'e' => place(rest).map(|(height, index)| Self::Evidence(height, index)),
            _ => None,
        }
    }

    /// Where the list of blocks goes on.
    pub(super) fn blocks(text: Option<&str>) -> Result<Option<Height>, ApiError> {
        read(text, |cursor| match cursor {
            Self::Blocks(height) => Some(height),
            _ => None,
        })
    }

    /// Where an account's history goes on.
    pub(super) fn history(text: Option<&str>) -> Result<Option<(Height, u32)>, ApiError> {
        read(text, |cursor| match cursor {
            Self::History(height, index) => Some((height, index)),
            _ => None,
        })
    }

    /// Where the list of evidence goes on.
    pub(super) fn evidence(text: Option<&str>) -> Result<Option<(Height, u32)>, ApiError> {
        read(text, |cursor| match cursor {
            Self::Evidence(height, index) => Some((height, index)),
            _ => None,
        })
    }

    /// Where a block's transactions go on.
    pub(super) fn transactions(text: Option<&str>) -> Result<Option<u32>, ApiError> {
        read(text, |cursor| match cursor {
            Self::Transactions(index) => Some(index),
            _ => None,
        })
    }
}

/// A height and a place behind it, and nothing else.
fn place(bytes: &[u8]) -> Option<(Height, u32)> {
    let (height, index) = bytes.split_first_chunk::<8>()?;
    Some((Height::new(u64::from_be_bytes(*height)), u32::from_be_bytes(index.try_into().ok()?)))
}

fn read<T>(text: Option<&str>, of_list: impl Fn(Cursor) -> Option<T>) -> Result<Option<T>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let found = Cursor::from_text(text).and_then(of_list);
    let invalid = || ApiError::new(ErrorCode::CursorInvalid, "the cursor is not one that this method gave");
    found.map(Some).ok_or_else(invalid)
}

/// How many items a page holds.
pub(super) fn page_items(limit: Option<u32>) -> Result<usize, ApiError> {
    let limit = limit.unwrap_or(PAGE_ITEMS_DEFAULT);
    if !(1..=PAGE_ITEMS_MAX).contains(&limit) {
        let message = format!("limit is {limit}, it must be 1 to {PAGE_ITEMS_MAX}");
        return Err(ApiError::new(ErrorCode::InvalidParams, message).with("field", "limit"));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let blocks = Cursor::Blocks(Height::new(7)).to_text();
        let history = Cursor::History(Height::new(7), 3).to_text();
        let transactions = Cursor::Transactions(9).to_text();
        assert_eq!(Cursor::blocks(Some(&blocks)), Ok(Some(Height::new(7))));
        assert_eq!(Cursor::history(Some(&history)), Ok(Some((Height::new(7), 3))));
        assert_eq!(Cursor::transactions(Some(&transactions)), Ok(Some(9)));
        let evidence = Cursor::Evidence(Height::new(7), 3).to_text();
        assert_eq!(Cursor::evidence(Some(&evidence)), Ok(Some((Height::new(7), 3))));
        assert!(Cursor::evidence(Some(&history)).is_err() && Cursor::history(Some(&evidence)).is_err());
        assert_eq!(Cursor::blocks(None), Ok(None));
        let wrong = [history.as_str(), &transactions, "", "zz", "62", &blocks[1..], "0x62"];
        for text in wrong {
            let error = Cursor::blocks(Some(text)).expect_err(text);
            assert_eq!(error.code, ErrorCode::CursorInvalid, "{text}");
        }
    }

    #[test]
    fn a_page_has_one_to_five_hundred_items() {
        assert_eq!(page_items(None), Ok(50));
        assert_eq!(page_items(Some(500)), Ok(500));
        for limit in [0, 501] {
            assert_eq!(page_items(Some(limit)).expect_err("out of range").code, ErrorCode::InvalidParams);
        }
    }
}
