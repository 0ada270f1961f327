//! What a check has to say: where, what is wrong, and what to do instead. A check returns all its complaints, so that
//! one run shows everything that there is to put right.

use std::fmt;

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    path: String,
    line: usize,
    text: String,
}

impl Complaint {
    /// A complaint about a line (counted from 1). The text says what is wrong and what to do instead.
    pub(crate) fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// Fails the calling test with every complaint on a line of its own, unless there is none.
pub(crate) fn report(complaints: &[Complaint]) {
    let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} broken house rules\n{}\n", lines.len(), lines.join("\n"));
}

/// Asserts that a check, fed a bad sample, complains once for each pair of place and words, in this order.
pub(crate) fn assert_complaints(complaints: &[Complaint], expected: &[(&str, &str)]) {
    let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), expected.len(), "not the expected number of complaints:\n{}", lines.join("\n"));
    for (line, (place, words)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{place}: ")), "expected a complaint at {place}, got: {line}");
        assert!(line.contains(words), "expected a complaint about '{words}', got: {line}");
    }
}

#[test]
fn a_report_names_file_line_and_remedy() {
    let caught = std::panic::catch_unwind(|| report(&[Complaint::new("a/b.rs", 7, "bad word; use a good one")]));
    let message = caught.expect_err("a complaint fails the test");
    let message = message.downcast_ref::<String>().expect("the message of assert! is a String");
    assert!(message.contains("a/b.rs:7: bad word; use a good one"), "{message}");
    report(&[]);
}
