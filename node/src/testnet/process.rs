//! One node as a process of its own, which does not outlive this one.
//!
//! The node holds the reading end of a pipe whose writing end is here, and ends when that closes: also when this
//! process is killed. It is in a process group of its own, so that Ctrl-C on a terminal reaches only this process, which
//! then ends the nodes in order. A stopped node cannot notice a closed pipe, so it has a guard.

use std::fs;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use althing_genesis::DevRole;
use rustix::process::Signal;

use super::error::TestnetError;
use super::folder::{Folder, io_error};
use super::guard::Guard;
use super::identity::ProcessId;
use super::lock::STARTING_MAX;
use super::log;
use super::naming;
use super::ports::local;

/// A node that was started.
#[derive(Debug)]
pub(super) struct NodeProcess {
    child: Child,
    /// The node ends when this closes.
    leash: Option<ChildStdin>,
    id: Option<ProcessId>,
    /// While it is paused.
    guard: Option<Guard>,
    program: PathBuf,
    ended: Option<ExitStatus>,
}

impl NodeProcess {
    /// Starts the node with this index.
    pub(super) fn start(program: &Path, folder: &Folder, index: usize) -> Result<Self, TestnetError> {
        let home = folder.layout.home(index);
        fs::create_dir_all(&home).map_err(io_error("make the folder", &home))?;
        begin(program, folder, index)?;
        let log = log::hold(&home, STARTING_MAX).map_err(io_error("open", &log::path(&home)))?;
        let log = log.ok_or_else(|| TestnetError::Left { home: home.clone() })?;
        let also = log.try_clone().map_err(io_error("open", &log::path(&home)))?;
        let mut command = command(program, folder, index);
        command.stdin(Stdio::piped()).stdout(also).stderr(log).process_group(0);
        let mut child = command.spawn().map_err(io_error("start", program))?;
        let (leash, id) = (child.stdin.take(), ProcessId::of(child.id()));
        Ok(Self { child, leash, id, guard: None, program: program.to_path_buf(), ended: None })
    }

    /// The process, while there is one.
    pub(super) fn id(&mut self) -> Option<ProcessId> {
        if self.ended().is_some() { None } else { self.id.clone() }
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.guard.is_some()
    }

    /// Asks the node to end in order. A stopped one is continued, or it would not hear.
    pub(super) fn ask_to_end(&mut self) {
        self.leash = None;
        if self.is_paused() {
            // One that cannot be continued is killed when its time is over.
            let _continued = self.resume();
        }
    }

    /// Ends the node without a warning.
    pub(super) fn kill(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        self.child.kill()?;
        let status = self.child.wait()?;
        (self.ended, self.guard) = (Some(status), None);
        Ok(status)
    }

    /// Stops the node where it stands.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        if let Some(id) = self.id() {
            self.guard = Some(Guard::start(&self.program, &id)?);
        }
        self.signal(Signal::STOP)
    }

    /// Lets a stopped node go on.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.guard = None;
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        match self.id() {
            Some(id) => id.signal(signal),
            None => Ok(()),
        }
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It is gone already, or there is nobody left to tell.
        let _ended = self.kill();
    }
}

/// How a process ended, as the end of a sentence.
pub(super) fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

/// Begins the data of a node that never ran: it has no log of its own yet either. One that lost its data is not begun
/// again, because it may have voted (rule D10); its start says what to do.
fn begin(program: &Path, folder: &Folder, index: usize) -> Result<(), TestnetError> {
    let home = folder.layout.home(index);
    if log::path(&home).exists() || home.join("data/version").exists() {
        return Ok(());
    }
    let mut command = Command::new(program);
    command.args(["node", "init", "--home"]).arg(&home).arg("--genesis").arg(folder.layout.genesis());
    let number = u16::try_from(index).unwrap_or(u16::MAX);
    command.arg("--validator-key").arg(folder.layout.key(DevRole::Validator, number)).stdin(Stdio::null());
    let output = command.output().map_err(io_error("start", program))?;
    let told = || String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
    if output.status.success() {
        return Ok(());
    }
    Err(TestnetError::Ended { node: naming::node_name(index), how: how(output.status), log: told(), path: home })
}

fn command(program: &Path, folder: &Folder, index: usize) -> Command {
    let layout = &folder.layout;
    let mut command = Command::new(program);
    command.args(["node", "run", "--until-stdin-closes", "--home"]).arg(layout.home(index));
    command.arg("--genesis").arg(layout.genesis());
    // There are at most `VALIDATORS_MAX` nodes; a number beyond would name a file that does not exist.
    let number = u16::try_from(index).unwrap_or(u16::MAX);
    command.arg("--validator-key").arg(layout.key(DevRole::Validator, number));
    command.arg("--node-key").arg(layout.key(DevRole::Node, number));
    if let Some(ports) = folder.ports.get(index) {
        command.args(["--rpc-addr", &local(ports.rpc).to_string(), "--p2p-addr", &local(ports.p2p).to_string()]);
    }
    command
}
