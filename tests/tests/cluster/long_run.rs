//! Runs that last as long as whoever started them says: the numbers in the environment that ask for one, and its lines
//! of progress. Without such a number a test does little and says little.

use std::env;
use std::io::{self, Write as _};

/// A number in a variable of the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}; give a whole number")))
}

/// Writes a line past the capture of test output, if somebody asked for a long run with this variable.
pub(crate) fn say(variable: &str, line: &str) {
    if env::var_os(variable).is_some() {
        writeln!(io::stdout(), "{line}").expect("standard output can be written");
    }
}
