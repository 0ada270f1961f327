//! What a command writes: data to standard output, notes and errors to standard error.
//!
//! A reader that went away ends the output quietly, as with other tools in a pipeline.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use crate::cli::failure::Failure;

/// The form of JSON outputs. It rises when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// How data and errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text and tables for people
    Human,
    /// One JSON value, and errors as JSON
    Json,
}

/// Where a command writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    is_quiet: bool,
}

impl Output {
    pub(crate) const fn new(format: Format, is_quiet: bool) -> Self {
        Self { format, is_quiet }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub(crate) const fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Writes data as it is.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let message = format!("cannot write to standard output: {error}");
                Err(Failure::new(crate::cli::Exit::Failed, "IO", message))
            }
            _ => Ok(()),
        }
    }

    /// Writes an object that contains the version of its form, or the text for people.
    pub(crate) fn either(&self, human: impl FnOnce() -> String, fields: Value) -> Result<(), Failure> {
        if !self.is_json() {
            return self.data(&human());
        }
        let mut object = json!({ "schemaVersion": SCHEMA_VERSION });
        if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
            object.extend(fields);
        }
        self.data(&format!("{object:#}\n"))
    }

    /// Writes a note for people to standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_quiet && !self.is_json() {
            complain(&format!("{text}\n"));
        }
    }

    /// Writes a failure to standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        let text = if self.is_json() {
            let (symbol, message, hint) = (failure.symbol(), failure.message(), failure.remedy());
            format!("{}\n", json!({ "error": { "symbol": symbol, "message": message, "hint": hint } }))
        } else {
            let help = failure.remedy().map_or_else(String::new, |hint| format!("help: {hint}\n"));
            format!("error: {}\n{help}", failure.message())
        };
        complain(&text);
    }
}

/// Writes to standard error. If nobody listens there, nobody can be told.
fn complain(text: &str) {
    let _ignored = io::stderr().lock().write_all(text.as_bytes());
}

/// A table: framed on a terminal, aligned columns otherwise.
pub(crate) fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    if io::stdout().is_terminal() { framed(titles, rows) } else { aligned(titles, rows) }
}

/// Names and values below each other.
pub(crate) fn list(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    pairs.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

fn framed(titles: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_header(titles.to_vec());
    table.add_rows(rows.iter().cloned());
    format!("{table}\n")
}

fn aligned(titles: &[&str], rows: &[Vec<String>]) -> String {
    let titles: Vec<String> = titles.iter().map(|title| title.to_uppercase()).collect();
    let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    std::iter::once(&titles).chain(rows).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        let rows = [vec!["é".to_owned(), "1".to_owned()], vec!["long".to_owned(), String::new()]];
        assert_eq!(aligned(&["a", "bc"], &rows), "A     BC\né     1\nlong\n");
        assert!(framed(&["a", "bc"], &rows).contains("long"));
    }

    #[test]
    fn lists_align_their_values() {
        assert_eq!(list(&[("a", "1".to_owned()), ("bcd", "2".to_owned())]), "a    1\nbcd  2\n");
    }
}
