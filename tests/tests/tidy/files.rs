//! What every source file owes its reader: a head that says what it is, a name that says where to look, no unfinished
//! work, and a size that fits in the head.

use super::complaint::Complaint;
use super::source::{Source, find_phrase, functions, line_of};

/// The production part of a file may have this many lines; beyond it a reader loses the thread.
const FILE_LINES_MAX: usize = 800;

/// A function outside tests may have this many lines: about one screen.
const FUNCTION_LINES_MAX: usize = 70;

/// The first sentence of a module doc has at least so many characters; less says nothing.
const FIRST_SENTENCE_CHARS_MIN: usize = 20;

/// Functions that may be longer than the limit: (file, function, why). The list may only shrink, so an entry that is no
/// longer needed fails as well.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "manager"];

/// Words for unfinished work that are wrong wherever they stand outside strings.
const UNFINISHED_WORDS: &[&str] = &["FIXME", "XXX"];

/// Code that must not be committed, and what to do instead.
const BANNED_CODE: &[(&str, &str)] = &[
    ("todo!(", "finish it, or leave the caller out too"),
    ("unimplemented!(", "finish it, or leave the caller out too"),
    ("#[ignore", "make the test fast and sure, or delete it"),
    ("#[should_panic", "call the function that decides, or catch the panic and look at its message"),
];

/// Whether a whole file is test code: the `tests` room, and files and folders named `tests` inside a room.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Complains about a source file that does not say at its head what it is.
pub(crate) fn check_head(path: &str, text: &str) -> Vec<Complaint> {
    if !text.starts_with("//!") {
        return vec![Complaint::new(path, 1, "no module doc on the first line; start with `//!` and say what this is")];
    }
    let doc = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph = doc.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    let paragraph = paragraph.collect::<Vec<_>>().join(" ");
    let sentence = paragraph.split_once(". ").map_or(paragraph.as_str(), |(sentence, _)| sentence);
    if sentence.chars().count() < FIRST_SENTENCE_CHARS_MIN {
        let text = format!("the module doc starts with '{sentence}'; say in a full sentence what this file is");
        return vec![Complaint::new(path, 1, text)];
    }
    Vec::new()
}

/// Complains about file names that tell the reader nothing, and about `mod.rs`.
pub(crate) fn check_name(path: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if path.ends_with("/mod.rs") {
        complaints.push(Complaint::new(path, 1, "mod.rs hides its own name; use `<folder>.rs` beside the folder"));
    }
    for part in path.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        if EMPTY_NAMES.contains(&stem) {
            let text = format!("the name '{stem}' says nothing; name it after its main type or its task");
            complaints.push(Complaint::new(path, 1, text));
        }
    }
    complaints
}

/// Complains about words for unfinished work and code that must not be committed, in a Rust file.
pub(crate) fn check_finished(path: &str, text: &str) -> Vec<Complaint> {
    let source = Source::of(text);
    let mut complaints = unfinished_words(path, &source.comments);
    complaints.extend(unfinished_words(path, &source.code));
    for (banned, instead) in BANNED_CODE {
        for at in find_phrase(&source.code, banned) {
            complaints.push(Complaint::new(path, line_of(&source.code, at), format!("`{banned}`: {instead}")));
        }
    }
    complaints
}

/// Complains about words for unfinished work, in any text.
pub(crate) fn unfinished_words(path: &str, text: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for word in UNFINISHED_WORDS {
        let lines = find_phrase(text, word).map(|at| line_of(text, at));
        complaints
            .extend(lines.map(|line| Complaint::new(path, line, format!("`{word}`: mend it before it is merged"))));
    }
    for at in find_phrase(text, "TODO") {
        if !has_issue_number(&text[at + "TODO".len()..]) {
            let text_of_rule = "a TODO without an issue; write TODO(#<number>), or do it";
            complaints.push(Complaint::new(path, line_of(text, at), text_of_rule));
        }
    }
    complaints
}

fn has_issue_number(after: &str) -> bool {
    let number = after.strip_prefix("(#").and_then(|rest| rest.split_once(')')).map(|(number, _)| number);
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// Complains about a module named `tests` that is compiled into the product: its file would escape the other checks.
pub(crate) fn check_test_modules(path: &str, text: &str) -> Vec<Complaint> {
    let code = Source::of(text).production_code();
    let stray = find_phrase(&code, "mod tests").filter(|_| !is_test_file(path));
    let text = "a module named tests outside `#[cfg(test)]`; put the attribute on it, or name it otherwise";
    stray.map(|at| Complaint::new(path, line_of(&code, at), text)).collect()
}

/// Complains about a file or a function that is too long.
pub(crate) fn check_sizes(path: &str, text: &str) -> Vec<Complaint> {
    check_sizes_but(LONG_FUNCTIONS, path, text)
}

fn check_sizes_but(exceptions: &[(&str, &str, &str)], path: &str, text: &str) -> Vec<Complaint> {
    if is_test_file(path) {
        return Vec::new();
    }
    let source = Source::of(text);
    let mut complaints = Vec::new();
    if source.production_lines() > FILE_LINES_MAX {
        let text = format!("{} lines outside tests, above {FILE_LINES_MAX}; split it", source.production_lines());
        complaints.push(Complaint::new(path, 1, text));
    }
    for function in functions(&source.production_code()) {
        let excepted = exceptions.iter().any(|(file, name, _)| *file == path && *name == function.name);
        if function.lines > FUNCTION_LINES_MAX && !excepted {
            let (name, lines) = (&function.name, function.lines);
            let text = format!("`{name}` has {lines} lines, above {FUNCTION_LINES_MAX}; give its parts names");
            complaints.push(Complaint::new(path, function.line, text));
        }
    }
    complaints
}

/// Complains about entries in the list of long functions that are no longer needed. `text_of` reads a file.
pub(crate) fn check_ratchet<'a>(text_of: impl Fn(&str) -> Option<&'a str>) -> Vec<Complaint> {
    check_ratchet_of(LONG_FUNCTIONS, text_of)
}

fn check_ratchet_of<'a>(
    exceptions: &[(&str, &str, &str)],
    text_of: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, name, _) in exceptions {
        let code = text_of(path).map(|text| Source::of(text).production_code()).unwrap_or_default();
        let needed = functions(&code).iter().any(|found| found.name == *name && found.lines > FUNCTION_LINES_MAX);
        if !needed {
            let text = format!("`{name}` needs no exception any more; take it off the list of long functions");
            complaints.push(Complaint::new(path, 1, text));
        }
    }
    complaints
}

#[cfg(test)]
mod tests;
