//! A small disk of a test's own: a file system in memory, mounted in a namespace of its own. It is gone with that.
//!
//! It needs `unshare` and `nsenter`, and root or user namespaces. Where they are missing there is no disk, and a test
//! says that it was skipped and why.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::mounts::Mounts;

/// What fills the disk, but for so many bytes. What fills it is not the node's, as on the disks of operators.
const FILL: &str = r#"rm -f "$1/ballast" && room=$(($(stat -f -c '%a * %S' "$1"))) && \
[ "$room" -gt "$2" ] && head -c "$((room - $2))" /dev/zero > "$1/ballast""#;
/// What makes room again.
const FREE: &str = r#"rm "$1/ballast""#;

/// A disk of a few MiB.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    /// Where it is mounted.
    pub(crate) mounts: Arc<Mounts>,
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of so many MiB at a folder; why not, if that cannot be done here.
    pub(crate) fn mount(folder: &Path, mib: u32) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let script = format!(r#"mount -t tmpfs -o size={mib}m none "$2""#);
        let mounts = Mounts::make(&script, folder, true).or_else(|_| Mounts::make(&script, folder, false))?;
        Ok(Self { mounts: Arc::new(mounts), folder: folder.to_path_buf() })
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
        self.mounts.shell(script, &self.folder, argument).unwrap_or_else(|error| panic!("{error}"));
    }
}
