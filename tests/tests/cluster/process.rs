//! A node as a process of its own: started, asked, killed, started again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::mounts::Mounts;
use super::streets::Namespace;

/// How long a node may take to be ready, or to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a node's files are.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    /// The genesis document.
    pub(crate) genesis: PathBuf,
    /// The validator's key; an observer has none.
    pub(crate) key: Option<PathBuf>,
    /// The node's key, where there are several validators.
    pub(crate) node_key: PathBuf,
    /// The node's own folder.
    pub(crate) folder: PathBuf,
    /// Where its public window is.
    pub(crate) rpc: SocketAddr,
    /// Where its data are, if not in its folder.
    pub(crate) data: Option<PathBuf>,
    /// Where the disk that its data lie on is mounted, if it is one of the test's own.
    pub(crate) mounts: Option<Arc<Mounts>>,
    /// The network namespace that it lives in, if it is one of the test's own.
    pub(crate) namespace: Option<Arc<Namespace>>,
}

/// A running node. It is killed when this goes away.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where its public window is.
    pub(crate) rpc: SocketAddr,
    /// Where other nodes connect to; none of a chain of one validator.
    pub(crate) p2p: Option<SocketAddr>,
}

/// The program under test.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_althing-under-test"));
    command.env_remove("ALTHING_HOME").env("NO_COLOR", "1");
    command
}

/// Begins the data folder of a validator that never ran, as its operator does once. A note in its home says that it is
/// done, because the data may lie where this process does not see them.
pub(crate) fn begin(home: &Home) -> Result<(), ExitStatus> {
    let done = home.folder.join("begun");
    let Some(key) = home.key.as_ref().filter(|_| !done.exists()) else { return Ok(()) };
    let status = offline(home, "init", key).stderr(open_log(home)).status().expect("the program can be started");
    if !status.success() {
        return Err(status);
    }
    std::fs::write(done, "").expect("the note can be written");
    Ok(())
}

/// A command of `althing node` that works on the data folder of a validator that does not run.
pub(crate) fn offline(home: &Home, name: &str, key: &std::path::Path) -> Command {
    let mut program = program();
    program.args(["node", name, "--output", "json", "--home"]).arg(&home.folder);
    program.arg("--genesis").arg(&home.genesis).arg("--validator-key").arg(key);
    if let Some(data) = &home.data {
        program.arg("--data").arg(data);
    }
    let mut command = match &home.mounts {
        Some(mounts) => mounts.within(&program),
        None => program,
    };
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The file that a node writes what it has to say to.
fn open_log(home: &Home) -> File {
    std::fs::create_dir_all(&home.folder).expect("the folder can be made");
    let log = OpenOptions::new().create(true).append(true).open(home.folder.join("stderr.log"));
    log.expect("the log can be written")
}

/// The command, run in these namespaces of a process.
pub(crate) fn entered(holder: u32, namespaces: &[&str], program: &Command) -> Command {
    let mut command = Command::new("nsenter");
    command.arg("--target").arg(holder.to_string()).args(namespaces);
    command.arg("--").arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

impl Process {
    /// Starts a node and waits until it is ready.
    pub(crate) fn start(home: &Home) -> Self {
        match Self::try_start(home) {
            Ok(process) => process,
            Err(status) => panic!("the node ended with {status}: {}", log_of(home)),
        }
    }

    /// Starts a node and waits until it is ready; the exit status if it ends instead.
    pub(crate) fn try_start(home: &Home) -> Result<Self, ExitStatus> {
        begin(home)?;
        Self::try_run(Self::command(home))
    }

    /// Starts a node and does not wait until it is ready.
    pub(crate) fn begin_to_start(home: &Home) -> Child {
        begin(home).unwrap_or_else(|status| panic!("the node is not begun: {status}"));
        Self::command(home).spawn().expect("the program can be started")
    }

    /// Starts a node that says what it has to say somewhere else than in its log, and as much as it can.
    pub(crate) fn start_talking_to(home: &Home, stderr: Stdio) -> Self {
        begin(home).unwrap_or_else(|status| panic!("the node is not begun: {status}"));
        let mut command = Self::command(home);
        command.args(["--log-filter", "trace"]).stderr(stderr);
        Self::try_run(command).unwrap_or_else(|status| panic!("the node ended with {status}"))
    }

    fn try_run(mut command: Command) -> Result<Self, ExitStatus> {
        let mut child = command.spawn().expect("the program can be started");
        let stdout = child.stdout.take().expect("it is piped");
        let mut ready = String::new();
        let mut reader = BufReader::new(stdout);
        // The object is written over several lines; it ends with the first line that closes it, or with the process.
        while reader.read_line(&mut ready).is_ok_and(|read| read > 0) && !ready.ends_with("}\n") {}
        if !ready.ends_with("}\n") {
            return Err(child.wait().expect("it can be waited for"));
        }
        let ready: Value = serde_json::from_str(&ready).expect("the ready line is JSON");
        let rpc = ready["rpc"].as_str().and_then(|url| url.strip_prefix("http://")).expect("it names its window");
        let p2p = ready["p2p"].as_str().map(|addr| addr.parse().expect("an address"));
        Ok(Self { rpc: rpc.parse().expect("an address"), p2p, child })
    }

    /// What starts a node. What it says goes to a file in its folder.
    fn command(home: &Home) -> Command {
        let log = open_log(home);
        let mut command = home.mounts.as_ref().map_or_else(program, |mounts| mounts.within(&program()));
        command.args(["node", "run", "--output", "json", "--rpc-addr"]).arg(home.rpc.to_string());
        command.arg("--home").arg(&home.folder);
        command.arg("--genesis").arg(&home.genesis);
        if let Some(data) = &home.data {
            command.arg("--data").arg(data);
        }
        match &home.key {
            Some(key) => command.arg("--validator-key").arg(key),
            None => command.arg("--observer"),
        };
        command.arg("--node-key").arg(&home.node_key);
        if let Some(namespace) = &home.namespace {
            command = namespace.within(&command);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the node.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is a child of ours");
    }

    /// Kills the node without a warning, as a power failure or an impatient operator would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Asks the node to end, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until the node has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(now() < deadline, "the node did not end within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Runs a command that must end by itself. One that does not in time is killed, and what it wrote until then is there.
pub(crate) fn finished(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let deadline = now() + PATIENCE;
    while child.try_wait().expect("it can be waited for").is_none() {
        if now() > deadline {
            child.kill().expect("it can be killed");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("it can be waited for")
}

/// The time of a clock that never goes back.
#[expect(clippy::disallowed_methods, reason = "real processes need real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The end of what a node wrote to standard error.
pub(crate) fn log_of(home: &Home) -> String {
    let mut text = String::new();
    let read = File::open(home.folder.join("stderr.log")).and_then(|mut file| file.read_to_string(&mut text));
    let lines: Vec<&str> = text.lines().rev().take(20).collect();
    read.map_or_else(|error| error.to_string(), |_| lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
}
