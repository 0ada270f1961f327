//! The disk as the kernel sees it: a file system with one file, which the test serves over `/dev/fuse`. A flush of the
//! block device that lies on the file arrives as a sync of the file.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, Session, WriteFlags,
};

use super::device::{Device, SECTOR};

/// The name of the file.
pub(crate) const NAME: &str = "sectors";
/// Its number; the folder has the first.
const FILE: INodeNo = INodeNo(2);
/// How long the kernel may remember what it was told about names and sizes, which never change.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// A disk that is shared between the test and the thread that serves it.
#[derive(Debug)]
struct Served(Arc<Mutex<Device>>);

/// Mounts the file at a folder in the namespace of the thread. It is served once the session runs.
pub(crate) fn mount(device: Arc<Mutex<Device>>, folder: &Path) -> io::Result<Session<impl Filesystem + use<>>> {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("cut-disk".to_owned())];
    Session::new(Served(device), folder, &config)
}

impl Served {
    /// Does something with the disk.
    fn ask<T>(&self, work: impl FnOnce(&mut Device) -> io::Result<T>) -> Result<T, Errno> {
        let mut device = self.0.lock().map_err(|_| Errno::EIO)?;
        work(&mut device).map_err(|_| Errno::EIO)
    }

    fn attributes(&self, inode: INodeNo) -> Result<FileAttr, Errno> {
        let size = self.ask(|device| Ok(device.bytes()))?;
        let (kind, size) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0),
            FILE => (FileType::RegularFile, size),
            _ => return Err(Errno::ENOENT),
        };
        Ok(FileAttr {
            ino: inode,
            size,
            blocks: size / SECTOR as u64,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4_096,
            flags: 0,
        })
    }
}

impl Filesystem for Served {
    fn lookup(&self, _request: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let known = if name == NAME { self.attributes(FILE) } else { Err(Errno::ENOENT) };
        match known {
            Ok(attributes) => reply.entry(&REMEMBERED, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _file: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.ask(|device| {
            device.users += 1;
            Ok(())
        }) {
            // The kernel must keep nothing of it: a cut changes the file, and reads that fail must be asked for.
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _file: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let _closed = self.ask(|device| {
            device.users = device.users.saturating_sub(1);
            Ok(())
        });
        reply.ok();
    }

    fn read(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _file: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let length = usize::try_from(size).expect("64 bits");
        match self.ask(|device| device.read(offset, length)) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _file: FileHandle,
        offset: u64,
        data: &[u8],
        _how: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.ask(|device| device.write(offset, data)) {
            Ok(()) => reply.written(u32::try_from(data.len()).expect("the kernel sends less")),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _request: &Request, _inode: INodeNo, _file: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        match self.ask(Device::flush) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _request: &Request, _inode: INodeNo, _file: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        // The file is closed, which makes nothing safe.
        reply.ok();
    }
}
