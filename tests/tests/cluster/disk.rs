//! A small disk of a test's own: a file system in memory, mounted in a mount namespace that only the test's processes
//! enter. Nothing outside sees the mount, and it is gone with the last process in it, however the test ends.
//!
//! It needs `unshare` and `nsenter`, and root or user namespaces. Where they are missing there is no disk, and a test
//! says that it was skipped and why.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::process::entered;

/// What is run in the new namespace: it mounts, says so, and stays until its standard input closes.
const HOLD: &str = r#"mount -t tmpfs -o "size=$2" none "$1" && echo mounted && exec cat"#;
/// What fills the disk, but for so many bytes. What fills it is not the node's, as on the disks of operators.
const FILL: &str = r#"rm -f "$1/ballast" && room=$(($(stat -f -c '%a * %S' "$1"))) && \
[ "$room" -gt "$2" ] && head -c "$((room - $2))" /dev/zero > "$1/ballast""#;
/// What makes room again.
const FREE: &str = r#"rm "$1/ballast""#;

/// A disk of a few MiB.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    holder: Child,
    folder: PathBuf,
    /// Whether the namespace is a user namespace as well, which whoever is not root needs.
    in_user_namespace: bool,
}

impl SmallDisk {
    /// Mounts a disk of so many MiB at a folder; why not, if that cannot be done here.
    pub(crate) fn mount(folder: &Path, mib: u32) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        Self::try_mount(folder, mib, false).or_else(|_| Self::try_mount(folder, mib, true))
    }

    fn try_mount(folder: &Path, mib: u32, in_user_namespace: bool) -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.args(if in_user_namespace { &["--user", "--map-root-user", "--mount"][..] } else { &["--mount"] });
        command.args(["sh", "-c", HOLD, "sh"]).arg(folder).arg(format!("{mib}m"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let stdout = holder.stdout.take().expect("it is piped");
        let mut line = String::new();
        let said = BufReader::new(stdout).read_line(&mut line);
        let disk = Self { holder, folder: folder.to_path_buf(), in_user_namespace };
        match said {
            Ok(_) if line == "mounted\n" => Ok(disk),
            _ => Err("no mount namespace with a file system in memory can be made here".to_owned()),
        }
    }

    /// The command, run where the disk is.
    pub(crate) fn within(&self, program: Command) -> Command {
        let user: &[&str] = if self.in_user_namespace { &["--user", "--preserve-credentials"] } else { &[] };
        entered(self.holder.id(), &[&["--mount"], user].concat(), &program)
    }

    /// Fills the disk, so that only so many KiB are left.
    pub(crate) fn fill(&self, left_kib: u64) {
        self.shell(FILL, &(left_kib << 10).to_string());
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        self.shell(FREE, "");
    }

    fn shell(&self, script: &str, argument: &str) {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(&self.folder).arg(argument);
        let status = self.within(shell).status().expect("it can be started");
        assert!(status.success(), "{script} {argument}: {status}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone = self.holder.kill();
        let _gone = self.holder.wait();
    }
}
