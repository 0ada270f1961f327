//! Which process is meant: its number together with the moment at which it started, because numbers are used again.
//!
//! Nothing here signals a process whose start differs from the recorded one. A process that has ended and is not yet
//! collected by its parent counts as gone.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// Places in `/proc/PID/stat`, counted from the state, which follows the name (proc(5): fields 20, 22 and 3).
const THREADS_AFTER_STATE: usize = 17;
/// The same.
const START_AFTER_STATE: usize = 19;

/// A process, this one and no later one with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    /// Its number.
    pub(super) pid: u32,
    /// When it started: the name of the boot and ticks since then, or what `ps` says. Only compared.
    pub(super) started: String,
}

impl ProcessId {
    /// The process with this number, if there is one now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let (started, is_over) = started(pid)?;
        (!is_over).then_some(Self { pid, started })
    }

    /// This process.
    pub(super) fn own() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or(Self { pid, started: String::new() })
    }

    /// Whether it still runs. One that is stopped by a signal runs.
    pub(super) fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now == *self)
    }

    /// Sends a signal, if the process is still the one that was meant.
    ///
    /// # Errors
    ///
    /// What the system says. A process that is gone is no error.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match pid.filter(|_| self.is_alive()).map(|pid| kill_process(pid, signal)) {
            Some(Err(rustix::io::Errno::SRCH) | Ok(())) | None => Ok(()),
            Some(Err(errno)) => Err(errno.into()),
        }
    }
}

/// When a process started, and whether it is over and only waits to be collected.
fn started(pid: u32) -> Option<(String, bool)> {
    if !Path::new("/proc/self/stat").exists() {
        return started_by_ps(pid);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also spaces and parentheses, and ends with the last of them.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let is_ended = fields.first().is_some_and(|state| matches!(*state, "Z" | "X"));
    // The first thread may be over while others still hold the sockets and locks of the process.
    let is_over = is_ended && fields.get(THREADS_AFTER_STATE).is_none_or(|threads| matches!(*threads, "0" | "1"));
    let ticks = fields.get(START_AFTER_STATE)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some((format!("{}:{ticks}", boot.trim()), is_over))
}

/// The same on systems without `/proc`.
fn started_by_ps(pid: u32) -> Option<(String, bool)> {
    let mut command = Command::new("ps");
    command.args(["-o", "state=,lstart=", "-p", &pid.to_string()]).env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (state, started) = text.split_once(' ')?;
    Some((started.trim().to_owned(), state.starts_with('Z')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    fn sleeper() -> std::process::Child {
        Command::new("sleep").arg("60").spawn().expect("there is a program that sleeps")
    }

    #[test]
    fn a_process_is_itself_until_it_ends() {
        let mut child = sleeper();
        let id = ProcessId::of(child.id()).expect("it runs");
        assert!(id.is_alive());
        id.signal(Signal::KILL).expect("ours");
        child.wait().expect("it ended");
        assert!(!id.is_alive());
        id.signal(Signal::KILL).expect("gone is no error");
    }

    #[test]
    fn a_process_that_nobody_collected_is_gone() {
        let mut child = sleeper();
        let id = ProcessId::of(child.id()).expect("it runs");
        child.kill().expect("ours");
        while id.is_alive() {
            std::thread::yield_now();
        }
        child.wait().expect("it is collected here only");
    }

    #[test]
    fn another_process_with_the_same_number_is_not_signalled() {
        let mut child = sleeper();
        let real = ProcessId::of(child.id()).expect("it runs");
        let earlier = ProcessId { started: "an earlier boot:1".to_owned(), ..real.clone() };
        assert!(!earlier.is_alive());
        earlier.signal(Signal::KILL).expect("nothing is sent");
        // Had the first signal been sent, the process would have ended by that one.
        real.signal(Signal::TERM).expect("ours");
        assert_eq!(child.wait().expect("it ended").signal(), Some(Signal::TERM.as_raw()));
    }

    #[test]
    fn a_start_is_read_the_same_way_twice_also_by_ps() {
        assert_eq!(ProcessId::own(), ProcessId::own());
        let pid = std::process::id();
        if let Some(by_ps) = started_by_ps(pid) {
            assert_eq!(started_by_ps(pid), Some(by_ps));
        }
    }
}
