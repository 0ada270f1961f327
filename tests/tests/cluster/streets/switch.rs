//! The network between nodes in namespaces: one thread that holds the other end of every node's device, reads the packets
//! that a node sends, and does with them what the way to their destination has come to.
//!
//! It is no model of any cable. Each way, from one node to one other, is cut or not, loses and doubles so many of a
//! hundred packets, and takes so long; a time that varies lets packets overtake each other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::device::Device;
use super::namespace::PACKET_BYTES_MAX;
use crate::cluster::dice::Dice;
use crate::cluster::process::now;

/// Packets that are on their way at most; more are lost, as in any network. It is 90 MiB.
const ON_THE_WAY_MAX: usize = 65_536;
/// Packets that are read from one device before the others have their turn.
const TURN: usize = 64;
/// How long the switch sleeps at most, so that it notices its end.
const NAP: Duration = Duration::from_millis(50);
/// Where the destination stands in a packet of IPv4, and how long its header is at least.
const DESTINATION: std::ops::Range<usize> = 16..20;

/// What happens to packets from one node to another. By default they arrive at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Nothing arrives.
    pub(crate) is_cut: bool,
    /// So many of a hundred packets are lost.
    pub(crate) lost_percent: u8,
    /// So many of a hundred packets arrive twice.
    pub(crate) doubled_percent: u8,
    /// How long a packet takes.
    pub(crate) delay: Duration,
    /// How much longer it may take.
    pub(crate) jitter: Duration,
}

/// The handle of a running switch. It ends when this goes away.
pub(crate) struct Switch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// By sender and receiver.
    ways: Mutex<Vec<Vec<Way>>>,
    carried: AtomicU64,
    lost: AtomicU64,
    is_over: AtomicBool,
}

/// A packet on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    /// What was read first arrives first, among what arrives at the same time.
    number: u64,
    to: usize,
    packet: Vec<u8>,
}

struct Carrier {
    devices: Vec<Device>,
    shared: Arc<Shared>,
    dice: Dice,
    due: BinaryHeap<Reverse<Due>>,
    number: u64,
}

impl Switch {
    /// Starts carrying between these devices.
    pub(crate) fn start(devices: Vec<Device>, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            ways: Mutex::new(vec![vec![Way::default(); devices.len()]; devices.len()]),
            carried: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let carrier =
            Carrier { devices, shared: shared.clone(), dice: Dice::new(seed), due: BinaryHeap::new(), number: 0 };
        Self { shared, thread: Some(thread::spawn(move || carrier.run())) }
    }

    /// Changes the way of each of these to each of those; nobody has a way to himself.
    pub(crate) fn change(&self, from: &[usize], to: &[usize], change: impl Fn(&mut Way)) {
        let mut ways = self.shared.ways();
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            change(&mut ways[from][to]);
        }
    }

    /// Changes all ways.
    pub(crate) fn change_all(&self, change: impl Fn(&mut Way)) {
        self.shared.ways().iter_mut().flatten().for_each(change);
    }

    /// Cuts all ways between these and those, in both directions.
    pub(crate) fn cut(&self, these: &[usize], those: &[usize]) {
        self.change(these, those, |way| way.is_cut = true);
        self.change(those, these, |way| way.is_cut = true);
    }

    /// Makes all ways good again. What was on its way arrives when it was to.
    pub(crate) fn heal(&self) {
        self.change_all(|way| *way = Way::default());
    }

    /// How many packets were carried until now, and how many were lost or cut off.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.shared.carried.load(Ordering::Relaxed), self.shared.lost.load(Ordering::Relaxed))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn ways(&self) -> MutexGuard<'_, Vec<Vec<Way>>> {
        self.ways.lock().expect("nobody panics with it")
    }
}

impl Carrier {
    fn run(mut self) {
        let mut packet = [0; PACKET_BYTES_MAX as usize];
        while !self.shared.is_over.load(Ordering::Relaxed) {
            self.deliver();
            self.wait();
            for from in 0..self.devices.len() {
                for _ in 0..TURN {
                    let Ok(read) = self.devices[from].receive(&mut packet) else { break };
                    self.take(from, &packet[..read]);
                }
            }
        }
    }

    /// Waits until there is a packet to read or to deliver.
    fn wait(&self) {
        let next = self.due.peek().map(|Reverse(due)| due.at.saturating_duration_since(now()));
        let nap = next.map_or(NAP, |next| next.min(NAP));
        let nap = Timespec::try_from(nap).expect("it is short");
        let mut devices: Vec<PollFd<'_>> =
            self.devices.iter().map(|device| PollFd::new(device, PollFlags::IN)).collect();
        // A signal ends the nap early, which hurts nobody.
        let _ready = poll(&mut devices, Some(&nap));
    }

    /// Decides what becomes of a packet.
    fn take(&mut self, from: usize, packet: &[u8]) {
        let Some(to) = self.destination(packet) else { return };
        let way = self.shared.ways()[from][to];
        if way.is_cut || self.dice.percent(way.lost_percent) {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let copies = if self.dice.percent(way.doubled_percent) { 2 } else { 1 };
        for _ in 0..copies {
            let takes = way.delay + self.dice.up_to(way.jitter);
            if takes.is_zero() {
                self.hand_over(to, packet);
            } else if self.due.len() < ON_THE_WAY_MAX {
                self.number += 1;
                let due = Due { at: now() + takes, number: self.number, to, packet: packet.to_vec() };
                self.due.push(Reverse(due));
            } else {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The node that a packet of IPv4 is for. Whatever else a kernel says is for nobody.
    fn destination(&self, packet: &[u8]) -> Option<usize> {
        let is_ipv4 = packet.first().is_some_and(|first| first >> 4 == 4);
        let [10, 77, high, low] = *packet.get(DESTINATION).filter(|_| is_ipv4)? else { return None };
        let index = usize::from(u16::from_be_bytes([high, low])).checked_sub(1)?;
        (index < self.devices.len()).then_some(index)
    }

    /// Hands over what is due.
    fn deliver(&mut self) {
        let now = now();
        while self.due.peek().is_some_and(|Reverse(due)| due.at <= now) {
            let Some(Reverse(due)) = self.due.pop() else { return };
            self.hand_over(due.to, &due.packet);
        }
    }

    fn hand_over(&self, to: usize, packet: &[u8]) {
        let count = match self.devices[to].send(packet) {
            Ok(_) => &self.shared.carried,
            Err(_) => &self.shared.lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
