//! How far a long command is: a line on the terminal that is written over, and nothing where there is no terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::cli::output::Output;

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(200);

/// The line, and when the work began.
#[derive(Debug)]
pub(crate) struct Progress {
    began: Instant,
    shown: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Begins to count time. Nothing is shown yet.
    pub(crate) fn begin(output: &Output) -> Self {
        let is_shown = !output.is_json() && !output.is_quiet() && io::stderr().is_terminal();
        Self { began: now(), shown: None, is_shown }
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.began)
    }

    /// Shows how much of the whole is done, if it is time to.
    pub(crate) fn show(&mut self, done: u64, whole: u64, text: impl FnOnce(Duration) -> String) {
        let now = now();
        let is_early = self.shown.is_some_and(|shown| now.saturating_duration_since(shown) < EVERY);
        if !self.is_shown || (is_early && done < whole) {
            return;
        }
        self.shown = Some(now);
        let line = line(done, whole, &text(now.saturating_duration_since(self.began)));
        // If nobody listens there, nobody can be told.
        let _ignored = write!(io::stderr().lock(), "\r\x1b[2K{line}");
    }

    /// Takes the line away.
    pub(crate) fn end(&mut self) {
        if self.shown.take().is_some() {
            let _ignored = write!(io::stderr().lock(), "\r\x1b[2K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// So many in a second; 0 while no time has passed.
pub(crate) fn per_second(count: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    count.saturating_mul(1_000).checked_div(millis).unwrap_or(0)
}

/// A bar of twenty places, the percentage, and the text.
fn line(done: u64, whole: u64, text: &str) -> String {
    let percent = done.saturating_mul(100).checked_div(whole).unwrap_or(100).min(100);
    let full = usize::try_from(percent / 5).unwrap_or(0);
    format!("[{}{}] {percent:>3} %  {text}", "=".repeat(full), " ".repeat(20_usize.saturating_sub(full)))
}

#[expect(clippy::disallowed_methods, reason = "the user is told how long it takes")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_and_never_beyond_its_end() {
        assert_eq!(line(0, 10, "a"), "[                    ]   0 %  a");
        assert_eq!(line(5, 10, "a"), "[==========          ]  50 %  a");
        assert_eq!(line(11, 10, "a"), "[====================] 100 %  a");
        assert_eq!(line(0, 0, "a"), "[====================] 100 %  a");
    }

    #[test]
    fn rates_need_time() {
        assert_eq!(per_second(500, Duration::ZERO), 0);
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
    }
}
