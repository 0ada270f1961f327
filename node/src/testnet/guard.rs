//! A process that lets a paused node go on when nobody else can: the one that paused it is gone.
//!
//! The node then sees that its own pipe is closed, and ends. POSIX has the system hang up stopped processes whose parent
//! ended, but Linux does not always do so where the parent had several threads; so nothing rests on that.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::Signal;

use super::identity::ProcessId;

/// A guard of one node. It ends when this is dropped, and the node goes on.
#[derive(Debug)]
pub(super) struct Guard {
    child: Child,
    /// The guard acts when this closes.
    leash: Option<ChildStdin>,
}

impl Guard {
    /// Starts a guard for this process.
    pub(super) fn start(program: &Path, guarded: &ProcessId) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["testnet", "guard", "--pid", &guarded.pid.to_string(), "--started", &guarded.started]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let leash = child.stdin.take();
        Ok(Self { child, leash })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.leash = None;
        // It is waited for, so that what it does cannot undo the next pause.
        let _ended = self.child.wait();
    }
}

/// Waits until standard input closes, and lets the process go on that has this number and start.
///
/// # Errors
///
/// What the system says. A process that is gone is no error.
pub fn guard(pid: u32, started: String) -> io::Result<()> {
    let mut ignored = [0; 64];
    while io::stdin().read(&mut ignored)? > 0 {}
    ProcessId { pid, started }.signal(Signal::CONT)
}
