//! A disk of the test's own whose power can be cut, and which can be told to fail: ext4 on a loop device on one file
//! that the test itself serves. What was written and not flushed is lost in part when the power goes, sector by sector.
//!
//! It needs root, `/dev/fuse`, loop devices, and the programs `mkfs.ext4`, `mount`, `unshare` and `nsenter`. Everything
//! is mounted in a namespace of its own. When the disk goes away it is unmounted and the loop device is free again; if
//! the test's process is killed, the kernel does the same, because nobody serves the file any more and nobody is left
//! in the namespace.

mod device;
mod served;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use device::Device;
pub(crate) use device::{Counts, Mood};

use super::dice::Dice;
use super::mounts::Mounts;
use super::nodes::eventually;

/// Makes the file system in a file. Nothing of it is left for later, when it would look like somebody's writing.
const MAKE: [&str; 6] = ["-q", "-F", "-b", "4096", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
/// Mounts the disk, as a machine does that starts again: what cannot be mounted is checked first.
const MOUNT: &str = r#"mount -t ext4 -o loop "$1/device/$2" "$1/disk" 2>/dev/null && exit 0
e2fsck -fy "$1/device/$2" >/dev/null; mount -t ext4 -o loop "$1/device/$2" "$1/disk" && echo checked"#;
/// Unmounts the disk, which nobody uses any more.
const UNMOUNT: &str = r#"umount "$1/disk""#;
/// Unmounts what is there when the test is over.
const LEAVE: &str = r#"umount "$1/disk" 2>/dev/null || umount -l "$1/disk" 2>/dev/null; umount -l "$1/device""#;
/// Writes a line to a file that is never synced.
const JOT: &str = r#"echo "$2" >> "$1/disk/control""#;
/// Reads that file.
const JOTTED: &str = r#"[ ! -e "$1/disk/control" ] || cat "$1/disk/control""#;
/// Makes the kernel forget what it has read of the files under a folder, so that they are read from the disk again.
const FORGET: &str = r#"find "$1/disk/$2" -type f -exec dd if={} iflag=nocache count=0 status=none \;"#;
/// How long the kernel may take for what it does at once on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a cut waits for the write or flush that it hits.
const HIT_MAX: Duration = Duration::from_millis(300);
/// Writes and flushes that pass before a cut, at most.
const PASSING_MAX: u64 = 24;
/// How many of a hundred sectors that are not flushed a cut keeps, one of these each time.
const KEPT_PERCENT: [u8; 4] = [0, 30, 60, 90];

/// A disk whose power can be cut.
#[derive(Debug)]
pub(crate) struct CutDisk {
    /// Where it is mounted.
    pub(crate) mounts: Arc<Mounts>,
    folder: PathBuf,
    device: Arc<Mutex<Device>>,
    dice: Dice,
    server: Option<JoinHandle<()>>,
    /// How often the file system had to be checked before it could be mounted.
    pub(crate) checks: u64,
}

impl CutDisk {
    /// Makes a disk of so many MiB in a folder; why not, if that cannot be done here. What it loses follows from the
    /// seed.
    pub(crate) fn make(folder: &Path, mib: u64, seed: u64) -> Result<Self, String> {
        refuse_without_rights()?;
        let io = |error: io::Error| format!("no disk can be made: {error}");
        for part in ["device", "disk"] {
            fs::create_dir_all(folder.join(part)).map_err(io)?;
        }
        let safe = formatted(&folder.join("safe"), mib)?;
        let device = Arc::new(Mutex::new(Device::new(safe, seed).map_err(io)?));
        let mounts = Arc::new(Mounts::make("true", folder, true)?);
        let (shared, place) = (device.clone(), folder.join("device"));
        let session = mounts.run(move || served::mount(shared, &place)).map_err(|error| format!("no FUSE: {error}"))?;
        let server = thread::spawn(move || drop(session.run()));
        let (folder, dice) = (folder.to_path_buf(), Dice::new(seed));
        let mut disk = Self { mounts, folder, device, dice, server: Some(server), checks: 0 };
        disk.mount()?;
        Ok(disk)
    }

    /// The folder on the disk; only whoever lives in its namespace sees it.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// What happened to it.
    pub(crate) fn counts(&self) -> Counts {
        self.device().counts
    }

    /// Cuts the power in the midst of what is being written. From now on all requests fail and nothing changes.
    pub(crate) fn cut(&mut self) {
        let kept = KEPT_PERCENT[usize::try_from(self.dice.below(4)).expect("small")];
        let requests = self.dice.below(PASSING_MAX);
        self.device().cut_after(requests, kept);
        let is_off = || self.device().mood() == Mood::Off;
        if !eventually(HIT_MAX, is_off) {
            self.device().cut_now().expect("the safe sectors can be written");
        }
    }

    /// Fails from now on as it is told.
    pub(crate) fn fail(&self, mood: Mood) {
        self.device().fail(mood, 0);
    }

    /// Fails to read after so many reads.
    pub(crate) fn fail_reads_after(&self, passing: u64) {
        self.device().fail(Mood::FailsReads, passing);
    }

    /// Starts again with power and without failures, from what is safe. Nobody may use the disk.
    pub(crate) fn restart(&mut self) {
        self.unmount();
        self.device().mend().expect("the safe sectors can be written");
        self.mount().unwrap_or_else(|error| panic!("the disk cannot be mounted again: {error}"));
    }

    /// Fails to read what the kernel does not know yet, and makes it forget what it has read of the files in a folder.
    pub(crate) fn fail_reads_of(&self, part: &str) {
        self.shell(FORGET, part);
        self.fail(Mood::FailsReads);
    }

    /// Writes a line to a file on the disk, and nobody syncs it.
    pub(crate) fn jot(&self, line: &str) {
        self.shell(JOT, line);
    }

    /// The lines of that file that are there.
    pub(crate) fn jotted(&self) -> Vec<String> {
        self.shell(JOTTED, "").lines().map(str::to_owned).collect()
    }

    /// Runs a script where the disk is; it finds the folder with the disk in `$1`.
    pub(crate) fn shell(&self, script: &str, argument: &str) -> String {
        self.mounts.shell(script, &self.folder, argument).unwrap_or_else(|error| panic!("{error}"))
    }

    fn device(&self) -> MutexGuard<'_, Device> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mount(&mut self) -> Result<(), String> {
        let said = self.mounts.shell(MOUNT, &self.folder, served::NAME)?;
        self.checks += u64::from(said.contains("checked"));
        Ok(())
    }

    /// Unmounts the disk, and waits until the loop device is free, so that nothing is written late.
    fn unmount(&self) {
        let unmounted = eventually(PATIENCE, || self.mounts.shell(UNMOUNT, &self.folder, "").is_ok());
        assert!(unmounted, "somebody still uses the disk");
        assert!(eventually(PATIENCE, || self.device().users == 0), "the loop device stays");
    }
}

impl Drop for CutDisk {
    fn drop(&mut self) {
        // What is left to be written must not be waited for.
        self.device().fail(Mood::Off, 0);
        let left = self.mounts.shell(LEAVE, &self.folder, "");
        let server = self.server.take().expect("it is there until now");
        let is_gone = eventually(PATIENCE, || server.is_finished());
        assert!(is_gone || thread::panicking(), "the disk is still mounted: {left:?}");
    }
}

/// Says what is missing for such disks here, if anything is.
fn refuse_without_rights() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("a disk whose power can be cut needs root".to_owned());
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        File::options().read(true).write(true).open(device).map_err(|error| format!("{device}: {error}"))?;
    }
    Ok(())
}

/// A file of so many MiB with an empty file system in it.
fn formatted(path: &Path, mib: u64) -> Result<File, String> {
    let file = File::options().create(true).truncate(true).read(true).write(true).open(path);
    let file = file.map_err(|error| error.to_string())?;
    file.set_len(mib << 20).map_err(|error| error.to_string())?;
    let made = Command::new("mkfs.ext4").args(MAKE).arg(path).stdin(Stdio::null()).output();
    let made = made.map_err(|error| format!("mkfs.ext4: {error}"))?;
    if !made.status.success() {
        return Err(format!("mkfs.ext4: {}", String::from_utf8_lossy(&made.stderr).trim()));
    }
    Ok(file)
}

#[test]
fn what_is_synced_survives_a_power_cut_and_what_is_not_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut disk = match CutDisk::make(folder.path(), 32, 1) {
        Ok(disk) => disk,
        Err(why) => return crate::skipped(&why),
    };
    for round in 0..4 {
        disk.shell(r#"echo "$2" > "$1/disk/synced-$2" && sync "$1/disk/synced-$2""#, &round.to_string());
        disk.jot(&round.to_string());
        disk.cut();
        assert!(disk.mounts.shell(r#"sync "$1/disk/control""#, folder.path(), "").is_err(), "there is no power");
        disk.restart();
        for earlier in 0..=round {
            let read = disk.shell(r#"cat "$1/disk/synced-$2""#, &earlier.to_string());
            assert_eq!(read.trim(), earlier.to_string(), "what was synced is lost");
        }
        assert_eq!(disk.jotted(), Vec::<String>::new(), "what nobody synced is there");
    }
    // In order nothing is lost.
    disk.jot("in order");
    disk.restart();
    assert_eq!(disk.jotted(), ["in order"]);
}
