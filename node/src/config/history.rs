//! How much of the past a node keeps, as an operator writes it: `archive`, `window:100000`, `window`, `latest`.

use std::fmt;
use std::str::FromStr;

use althing_ledger::{RETAINED_BLOCKS_MIN, Retention, WINDOW_BLOCKS_DEFAULT};
use serde::Deserialize;

/// How much of the past a node keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct History(Retention);

impl History {
    /// What the ledger is told.
    pub const fn retention(self) -> Retention {
        self.0
    }
}

impl Default for History {
    /// A window: whoever needs all of the past says so, and disks of the others do not fill.
    fn default() -> Self {
        Self(Retention::Window(WINDOW_BLOCKS_DEFAULT))
    }
}

impl FromStr for History {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let retention = match text.split_once(':') {
            None if text == "archive" => Retention::Archive,
            None if text == "latest" => Retention::Latest,
            None if text == "window" => Retention::Window(WINDOW_BLOCKS_DEFAULT),
            Some(("window", blocks)) => {
                let blocks = blocks.parse().ok().filter(|blocks| *blocks >= RETAINED_BLOCKS_MIN);
                let least = || format!("a window keeps {RETAINED_BLOCKS_MIN} blocks or more, as in window:100000");
                Retention::Window(blocks.ok_or_else(least)?)
            }
            _ => return Err(format!("`{text}` is none of archive, window, window:BLOCKS and latest")),
        };
        Ok(Self(retention))
    }
}

impl TryFrom<String> for History {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Retention::Archive => f.write_str("archive"),
            Retention::Window(blocks) => write!(f, "window:{blocks}"),
            Retention::Latest => f.write_str("latest"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_and_written_alike_and_everything_else_is_refused_with_the_forms() {
        for text in ["archive", "window:64", "window:100000", "latest"] {
            assert_eq!(text.parse::<History>().expect(text).to_string(), text);
        }
        assert_eq!("window".parse::<History>().expect("the default").to_string(), "window:100000");
        assert_eq!(History::default().to_string(), "window:100000");
        for text in ["", "Archive", "window:", "window:63", "window:-1", "window:x", "latest:5", "all"] {
            let refused = text.parse::<History>().expect_err(text);
            assert!(refused.contains("window"), "{refused}");
        }
    }
}
