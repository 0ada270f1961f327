//! The one test binary that sees every room. The path of a module is its category: `tidy` holds the house rules
//! against the repository itself. What a single room can test alone stays in that room.

mod cluster;
mod conformance;
mod tidy;

/// Says on a line of its own why a test was skipped, past the capture of test output; `.ci/run` counts such lines as
/// skipped and not as passed.
pub(crate) fn skipped(why: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "\nskipped: {why}").expect("standard error can be written");
}
