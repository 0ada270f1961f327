//! A network namespace of a test's own. All that it has is a loopback and one TUN device, and the test holds the other
//! end of that. Nothing outside sees it, and it is gone with the last process and thread in it, however the test ends.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::device::Device;
use crate::cluster::process::entered;

/// What is run in the new namespace: it opens the loopback, makes the device, says so, and stays until its standard input
/// closes.
const HOLD: &str = r#"ip link set lo up && ip tuntap add dev street mode tun && \
ip link set dev street mtu "$3" txqueuelen "$4" && ip addr add "$1/$2" dev street && ip link set street up && \
echo made && exec cat"#;
/// Bits of an address that are the same for all nodes.
const PREFIX: u8 = 16;
/// Bytes of a packet at most: what an Ethernet carries.
pub(crate) const PACKET_BYTES_MAX: u16 = 1_500;
/// Packets that wait in the kernel for the switch; more are lost, as in any device.
const WAITING_MAX: u32 = 4_000;

/// A network namespace with one way out.
#[derive(Debug)]
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    /// Makes a namespace in which this is the own address, and returns the other end of the way out of it; why not, if
    /// that cannot be done here.
    pub(crate) fn make(address: Ipv4Addr) -> Result<(Self, Device), String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", HOLD, "sh"]).arg(address.to_string());
        command.args([PREFIX.to_string(), PACKET_BYTES_MAX.to_string(), WAITING_MAX.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let stdout = holder.stdout.take().expect("it is piped");
        let mut line = String::new();
        let said = BufReader::new(stdout).read_line(&mut line);
        let namespace = Self { holder };
        if said.is_err() || line != "made\n" {
            let why = "no network namespace with a TUN device can be made here; that needs root, `unshare` and `ip`";
            return Err(why.to_owned());
        }
        let device = namespace.run(|| Device::open("street"));
        let device = device.map_err(|error| format!("no TUN device can be opened here: {error}"))?;
        Ok((namespace, device))
    }

    /// The command, run in the namespace.
    pub(crate) fn within(&self, program: &Command) -> Command {
        entered(self.holder.id(), &["--net"], program)
    }

    /// Runs something in the namespace, on a thread that ends with it. Sockets that it makes stay there for good.
    fn run<T: Send + 'static>(&self, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        self.spawn(work)?.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
    }

    /// Starts a thread in the namespace.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<thread::JoinHandle<io::Result<T>>> {
        let place = File::open(format!("/proc/{}/ns/net", self.holder.id()))?;
        Ok(thread::spawn(move || {
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        }))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _gone = self.holder.kill();
        let _gone = self.holder.wait();
    }
}
