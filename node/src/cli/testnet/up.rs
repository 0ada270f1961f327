//! `althing testnet up`: in the foreground until Ctrl-C, or in a process of its own that stays.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::Value;

use super::{DIR_DEFAULT, background, report};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::signing::parse_duration;
use crate::testnet::control::{self, Reply, Request};
use crate::testnet::{
    ACCOUNTS_MAX, BASE_PORT_MAX, BASE_PORT_MIN, Interrupts, Options, Progress, Supervisor, TestnetError,
    VALIDATORS_MAX, View,
};

/// How the nodes may be waited for at most.
const READY_TIMEOUT_DEFAULT: &str = "60s";

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where the network is kept [default: testnet, with --ephemeral a temporary folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Leave the network running and return when it is ready
    #[arg(long)]
    detach: bool,
    /// Remove everything at the end
    #[arg(long)]
    ephemeral: bool,
    #[command(flatten)]
    shape: Shape,
}

/// What a network is like.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shape {
    /// Validators, 1 to 16 [default: 4]
    #[arg(long, short = 'n', value_name = "N", value_parser = validators())]
    validators: Option<u16>,
    /// Funded accounts, 1 to 1000 [default: 4]
    #[arg(long, value_name = "N", value_parser = accounts())]
    accounts: Option<u16>,
    /// Whether a block is final after two message delays when all validators answer: consensus.fastPath of genesis
    /// [default: on]
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on",
        value_parser = PossibleValuesParser::new(["on", "off"]).map(|word| word == "on"))]
    fast_path: Option<bool>,
    /// The text that all keys are derived from; it is no secret [default: dev]
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// The first node's JSON-RPC port, from 1024 to 65420; 0 takes free ones [default: 26600]
    #[arg(long, value_name = "PORT", value_parser = parse_base_port)]
    base_port: Option<u16>,
    /// How long the nodes may take to be ready: a number with ms, s or m
    #[arg(long, value_name = "TIME", default_value = READY_TIMEOUT_DEFAULT, value_parser = parse_duration)]
    ready_timeout: u64,
}

impl Up {
    pub(super) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let dir = self.dir.or_else(|| (!self.ephemeral).then(|| PathBuf::from(DIR_DEFAULT)));
        if let Some(view) = dir.as_deref().and_then(|dir| running(dir).transpose()).transpose()? {
            output.note("the testnet runs already");
            report::network(&view, false, output)?;
            return Ok(Exit::Done);
        }
        if self.detach {
            let view = background::start(&self.shape, dir, self.ephemeral, output)?;
            report::network(&view, true, output)?;
            output.note(&report::hints(&view));
            return Ok(Exit::Done);
        }
        let (mut supervisor, _) = foreground(self.shape.options(dir, self.ephemeral)?, output)?;
        let view = supervisor.testnet().view();
        report::network(&view, true, output)?;
        output.note(&report::hints(&view));
        output.note("Ctrl-C takes the testnet down");
        supervisor.serve()?;
        output.note("the testnet is down");
        Ok(Exit::Done)
    }
}

impl Shape {
    /// The options of a network with this shape.
    pub(super) fn options(&self, dir: Option<PathBuf>, is_ephemeral: bool) -> Result<Options, Failure> {
        let unknown = |error: std::io::Error| {
            Failure::new(Exit::Failed, "IO", format!("this program does not know where it is: {error}"))
        };
        let program = std::env::current_exe().map_err(unknown)?;
        Ok(Options {
            program,
            is_ephemeral,
            dir,
            validators: self.validators,
            accounts: self.accounts,
            fast_path: self.fast_path,
            seed: self.seed.clone(),
            base_port: self.base_port,
            ready_timeout: Duration::from_millis(self.ready_timeout),
        })
    }

    /// The same as arguments, for another process.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--ready-timeout".to_owned(), format!("{}ms", self.ready_timeout)];
        let numbers =
            [("--validators", self.validators), ("--accounts", self.accounts), ("--base-port", self.base_port)];
        for (name, value) in numbers {
            arguments.extend(value.map(|value| format!("{name}={value}")));
        }
        arguments.extend(self.fast_path.map(|is_on| format!("--fast-path={}", if is_on { "on" } else { "off" })));
        arguments.extend(self.seed.as_ref().map(|seed| format!("--seed={seed}")));
        arguments
    }
}

/// Brings a network up in this process, and tells how far it is.
pub(super) fn foreground(options: Options, output: &Output) -> Result<(Supervisor, Interrupts), Failure> {
    let interrupts = Interrupts::listen()?;
    let mut told = Told::default();
    let supervisor = Supervisor::start(options, interrupts.clone(), &mut |progress| {
        told.tell(progress, output);
        true
    });
    let supervisor = supervisor.inspect_err(|error| explain(error.log(), output))?;
    Ok((supervisor, interrupts))
}

/// The end of a node's log, before the error that it explains.
pub(super) fn explain(log: &[String], output: &Output) {
    for line in log {
        output.note(&format!("  | {line}"));
    }
}

/// What the user knows of a start.
#[derive(Debug, Default)]
pub(super) struct Told {
    last: Option<Progress>,
}

impl Told {
    /// Says how far a start is, if that is news.
    pub(super) fn tell(&mut self, progress: Progress, output: &Output) {
        if self.last != Some(progress) {
            output.note(&format!("{} of {} ready", progress.ready, progress.of));
            self.last = Some(progress);
        }
    }
}

/// The network that a process runs in this folder now.
fn running(dir: &std::path::Path) -> Result<Option<View>, TestnetError> {
    match control::ask(dir, &Request::View) {
        Ok(Reply::View(view)) => Ok(Some(view)),
        Ok(_) | Err(TestnetError::NoTestnet { .. } | TestnetError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn validators() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(VALIDATORS_MAX))
}

fn accounts() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(ACCOUNTS_MAX))
}

fn parse_base_port(text: &str) -> Result<u16, String> {
    let port = text.parse::<u16>().ok().filter(|port| *port == 0 || (BASE_PORT_MIN..=BASE_PORT_MAX).contains(port));
    port.ok_or_else(|| format!("a base port is 0 or {BASE_PORT_MIN} to {BASE_PORT_MAX}"))
}

/// The view in an object that another process wrote.
pub(super) fn view_of(value: &Value) -> Option<View> {
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        shape: Shape,
    }

    fn parsed(arguments: &[String]) -> Result<Shape, clap::Error> {
        Line::try_parse_from(std::iter::once(&"up".to_owned()).chain(arguments)).map(|line| line.shape)
    }

    #[test]
    fn another_process_is_given_the_same_shape() {
        let given = "--validators=7 --accounts=9 --fast-path=off --seed=-odd --base-port=0 --ready-timeout=5s";
        let given: Vec<String> = given.split(' ').map(str::to_owned).collect();
        let shape = parsed(&given).expect("valid");
        assert_eq!(shape.seed.as_deref(), Some("-odd"));
        let again = parsed(&shape.arguments()).expect("valid");
        assert_eq!(format!("{shape:?}"), format!("{again:?}"));
        let open = parsed(&[]).expect("valid");
        assert_eq!(
            (open.validators, open.fast_path, open.base_port),
            (None, None, None),
            "what is left open stays open"
        );
        let bare = parsed(&["--fast-path".to_owned()]).expect("valid");
        assert_eq!((shape.fast_path, bare.fast_path), (Some(false), Some(true)));
        assert_eq!(format!("{open:?}"), format!("{:?}", parsed(&open.arguments()).expect("valid")));
    }

    #[test]
    fn what_is_out_of_bounds_is_no_argument() {
        let bad = ["--validators=0", "--validators=17", "--accounts=0", "--accounts=1001", "--base-port=80"];
        for bad in bad.iter().chain(&["--base-port=65421", "--base-port=x", "--fast-path=maybe", "--ready-timeout=5"]) {
            assert!(parsed(&[(*bad).to_owned()]).is_err(), "{bad}");
        }
        for good in ["--validators=16", "--accounts=1000", "--base-port=65420", "--base-port=1024"] {
            assert!(parsed(&[good.to_owned()]).is_ok(), "{good}");
        }
    }
}
