//! A mount namespace of a test's own: what is mounted in it nobody outside sees, and it is gone with the last process
//! in it, however the test ends. Disks that a test makes live in one, and so do the nodes on them.
//!
//! It needs `unshare` and `nsenter`, and root or user namespaces.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::process::entered;

/// What is run in the new namespace: it does what it is told, says so, and stays until its standard input closes.
const HOLD: &str = r#"eval "$1" && echo made && exec cat"#;

/// A mount namespace, and the process that keeps it.
#[derive(Debug)]
pub(crate) struct Mounts {
    holder: Child,
    /// Whether the namespace is a user namespace as well, which whoever is not root needs.
    in_user_namespace: bool,
}

impl Mounts {
    /// Makes a namespace and runs a script in it, which finds the folder in `$2`; why not, if that cannot be done here.
    /// Without `as_root` it is a user namespace as well.
    pub(crate) fn make(script: &str, folder: &Path, as_root: bool) -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.args(if as_root { &["--mount"][..] } else { &["--user", "--map-root-user", "--mount"] });
        command.args(["sh", "-c", HOLD, "sh", script]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let stdout = holder.stdout.take().expect("it is piped");
        let mut line = String::new();
        let said = BufReader::new(stdout).read_line(&mut line);
        let mounts = Self { holder, in_user_namespace: !as_root };
        match said {
            Ok(_) if line == "made\n" => Ok(mounts),
            _ => Err("no mount namespace can be made here, or nothing can be mounted in it".to_owned()),
        }
    }

    /// The command, run in the namespace.
    pub(crate) fn within(&self, program: &Command) -> Command {
        let user: &[&str] = if self.in_user_namespace { &["--user", "--preserve-credentials"] } else { &[] };
        entered(self.holder.id(), &[&["--mount"], user].concat(), program)
    }

    /// Runs a script in the namespace, which finds the folder in `$1` and the argument in `$2`, and returns what it
    /// says; what it complains about, if it fails.
    pub(crate) fn shell(&self, script: &str, folder: &Path, argument: &str) -> Result<String, String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(folder).arg(argument);
        let output = self.within(&shell).stdin(Stdio::null()).output().map_err(|error| format!("nsenter: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("{script} {argument}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
        }
    }

    /// Runs something in the namespace, on a thread that ends with it. It must be one that root has made.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = File::open(format!("/proc/{}/ns/mnt", self.holder.id()))?;
        let thread = thread::spawn(move || {
            leave_shared_folder()?;
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Mount))?;
            work()
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _gone = self.holder.kill();
        let _gone = self.holder.wait();
    }
}

/// Gives the thread a working folder of its own; with that of the process it may not go into another namespace.
#[expect(unsafe_code, reason = "the kernel asks for it before a thread enters a mount namespace")]
fn leave_shared_folder() -> io::Result<()> {
    // SAFETY: file descriptors stay shared; a working folder and a mask of its own cannot make them dangle.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS)? };
    Ok(())
}
