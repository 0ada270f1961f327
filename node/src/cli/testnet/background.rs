//! A network in a process of its own: `up --detach` starts it, hears how far it is, and leaves it alone when it is
//! ready.
//!
//! The process speaks lines of JSON on its standard output until the network is ready. It says something several times
//! a second; when nobody listens any more, nobody wants the network, and it takes it down.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::Args;
use serde_json::{Value, json};

use super::failure;
use super::up::{Shape, Told, explain, view_of};
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::testnet::{self, Interrupts, Progress, Supervisor, TestnetError, View};

#[derive(Debug, Args)]
pub(crate) struct Supervise {
    /// The folder of the network; none for a temporary one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Remove everything at the end
    #[arg(long)]
    ephemeral: bool,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct Guard {
    /// The number of the node's process
    #[arg(long, value_name = "N")]
    pid: u32,
    /// When that process started
    #[arg(long, value_name = "TEXT")]
    started: String,
}

impl Guard {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        testnet::guard(self.pid, self.started).map_err(|error| failed(&error.to_string()))?;
        Ok(Exit::Done)
    }
}

/// Starts a network in a process of its own, and returns when it is ready.
pub(super) fn start(shape: &Shape, dir: Option<PathBuf>, is_ephemeral: bool, output: &Output) -> Result<View, Failure> {
    let program = shape.options(None, is_ephemeral)?.program;
    let mut command = Command::new(&program);
    command.args(["testnet", "supervise"]).args(shape.arguments());
    if is_ephemeral {
        command.arg("--ephemeral");
    }
    if let Some(dir) = dir {
        let dir = std::path::absolute(&dir);
        command.arg("--dir").arg(dir.map_err(|error| failed(&format!("cannot find the folder: {error}")))?);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| failed(&format!("cannot start {}: {error}", program.display())))?;
    listen(child, output)
}

fn listen(mut child: Child, output: &Output) -> Result<View, Failure> {
    let mut told = Told::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(view) = view_of(&message["view"]) {
                return Ok(view);
            }
            if let Some(error) = message["error"].as_object() {
                let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
                let log: Vec<String> = serde_json::from_value(message["log"].clone()).unwrap_or_default();
                explain(&log, output);
                // It ends by itself; its ports are free when it has.
                let _ended = child.wait();
                let symbol = text("symbol").unwrap_or_else(|| "INTERNAL".to_owned());
                return Err(failure(symbol, text("message").unwrap_or_default(), text("hint")));
            }
            let count = |name: &str| message[name].as_u64().and_then(|count| usize::try_from(count).ok());
            if let (Some(ready), Some(of)) = (count("ready"), count("of")) {
                told.tell(Progress { ready, of }, output);
            }
        }
    }
    let how = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    Err(failed(&format!("the process that should run the testnet ended: {how}")))
}

impl Supervise {
    /// Runs the network. What it has to say goes to the process that started it.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        // One that was started by hand may be the first of its group already, and stays in its session.
        let _already = rustix::process::setsid();
        let mut supervisor = match self.supervisor() {
            Ok(supervisor) => supervisor,
            Err(error) => {
                let (symbol, message, hint) = (error.symbol(), error.to_string(), error.hint());
                say(&json!({ "error": { "symbol": symbol, "message": message, "hint": hint }, "log": error.log() }));
                return Ok(failure(symbol.to_owned(), message, None).exit());
            }
        };
        let view = supervisor.testnet().view();
        // Once it has said that the network is ready, it is on its own: what that takes comes before.
        let mut parent = match keep_quiet(&view) {
            Ok(parent) => parent,
            Err(error) => {
                supervisor.down()?;
                let message = format!("cannot write {}: {error}", log(&view).display());
                let hint = "look at the disk and at the permissions of the folder";
                say(&json!({ "error": { "symbol": "IO", "message": message, "hint": hint } }));
                return Ok(Exit::Failed);
            }
        };
        if !tell(&mut parent, &json!({ "view": view })) {
            supervisor.down()?;
            return Ok(Exit::Interrupted);
        }
        drop(parent);
        supervisor.serve()?;
        Ok(Exit::Done)
    }

    fn supervisor(&self) -> Result<Supervisor, TestnetError> {
        let options = self.shape.options(self.dir.clone(), self.ephemeral).map_err(|failure| TestnetError::System {
            what: "the nodes",
            source: io::Error::other(failure.message().to_owned()),
        })?;
        let interrupts = Interrupts::listen()?;
        Supervisor::start(options, interrupts, &mut |Progress { ready, of }| say(&json!({ "ready": ready, "of": of })))
    }
}

/// Says something to the process that started this one; whether it listens.
fn say(message: &Value) -> bool {
    tell(&mut io::stdout().lock(), message)
}

fn tell(parent: &mut impl io::Write, message: &Value) -> bool {
    parent.write_all(format!("{message}\n").as_bytes()).and_then(|()| parent.flush()).is_ok()
}

/// From here on what this process has to say goes to a file. Gives the way to the process that started it, which is
/// still open.
fn keep_quiet(view: &View) -> io::Result<File> {
    let log = File::options().create(true).append(true).open(log(view))?;
    let parent = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(&log)?;
    rustix::stdio::dup2_stderr(&log)?;
    Ok(parent.into())
}

fn log(view: &View) -> PathBuf {
    view.dir.join("supervisor.log")
}

fn failed(message: &str) -> Failure {
    Failure::new(Exit::Failed, "IO", message)
}
