//! `althing testnet logs`: the end of what a node wrote, and what it writes from now on.

use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::Place;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::testnet::{Interrupts, control, log};

/// How often it is looked for news.
const PAUSE: Duration = Duration::from_millis(100);
/// Lines at most.
const LINES_MAX: i64 = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The node: its name, such as validator-0, or its number
    #[arg(value_name = "NODE")]
    node: String,
    #[command(flatten)]
    place: Place,
    /// How many lines from the end
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = lines())]
    lines: u32,
    /// Go on with what the node writes, until Ctrl-C; with --output json a line of JSON each
    #[arg(long, short = 'f')]
    follow: bool,
}

fn lines() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=LINES_MAX)
}

impl Logs {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let path = control::log(&self.place.dir, &self.node)?;
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Failed, "IO", format!("cannot read {}: {error}", path.display()))
        };
        let (lines, mut position) =
            log::tail(&path, usize::try_from(self.lines).unwrap_or(usize::MAX)).map_err(failed)?;
        if !self.follow {
            let human = || lines.iter().map(|line| format!("{line}\n")).collect();
            output.either(human, json!({ "node": self.node, "path": path.display().to_string(), "lines": lines }))?;
            return Ok(Exit::Done);
        }
        let interrupts = Interrupts::listen()?;
        let write = |lines: &mut dyn Iterator<Item = &str>| {
            let shown = |line: &str| {
                if output.is_json() { format!("{}\n", json!({ "line": line })) } else { format!("{line}\n") }
            };
            output.data(&lines.map(shown).collect::<String>())
        };
        write(&mut lines.iter().map(String::as_str))?;
        while !interrupts.is_asked() {
            let (news, end) = log::news(&path, position).map_err(failed)?;
            position = end;
            if news.is_empty() {
                thread::sleep(PAUSE);
            } else {
                write(&mut news.lines())?;
            }
        }
        Ok(Exit::Done)
    }
}
