//! The test's end of a TUN device: what the kernel sends over the device is read here, and what is written here the kernel
//! receives from it. A read or a write is one packet of IP.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// Bytes of the kernel's `struct ifreq`, and those of the name at its beginning.
const REQUEST_BYTES: usize = 40;
const NAME_BYTES: usize = 16;
/// `IFF_TUN | IFF_NO_PI` of `linux/if_tun.h`: packets of IP, with nothing before them.
const FLAGS: i16 = 0x0001 | 0x1000;
/// `TUNSETIFF` of `linux/if_tun.h`.
const ATTACH: Opcode = opcode::write::<i32>(b'T', 202);

/// An open device. Nothing waits: a read without a packet and a write without room fail.
#[derive(Debug)]
pub(crate) struct Device(File);

impl Device {
    /// Opens the device of this name in the namespace of the thread.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let no_waiting = OFlags::NONBLOCK.bits().cast_signed();
        let device = OpenOptions::new().read(true).write(true).custom_flags(no_waiting).open("/dev/net/tun")?;
        let mut request = [0_u8; REQUEST_BYTES];
        assert!(name.len() < NAME_BYTES, "{name} is too long for a device");
        request[..name.len()].copy_from_slice(name.as_bytes());
        request[NAME_BYTES..NAME_BYTES + 2].copy_from_slice(&FLAGS.to_ne_bytes());
        attach(&device, &mut request)?;
        Ok(Self(device))
    }

    /// Reads a packet.
    pub(crate) fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(into)
    }

    /// Writes a packet.
    pub(crate) fn send(&self, packet: &[u8]) -> io::Result<usize> {
        (&self.0).write(packet)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes the file the other end of the device that the request names.
#[expect(unsafe_code, reason = "no library that we use knows this request of the kernel, and those that do are large")]
fn attach(device: &File, request: &mut [u8; REQUEST_BYTES]) -> io::Result<()> {
    // SAFETY: the kernel reads and writes one `struct ifreq` there, which has so many bytes and may hold any.
    unsafe { ioctl(device, Updater::<ATTACH, _>::new(request))? };
    Ok(())
}
