//! Who is connected: a table of sockets by address, bounded in all and per address.
//!
//! Sockets are counted, not requests, because an idle socket costs memory as well. A permit lives as long as its
//! socket, also after the socket has become a WebSocket.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::gauge;

use super::limits::Limits;

/// The sockets that are open.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// Why a socket is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There are as many as there may be.
    All,
    /// The address has as many as one may have.
    Address,
}

/// The right to keep a socket open. The place is free again when this goes away.
#[derive(Debug)]
pub(super) struct Permit {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Connections {
    /// Nobody is connected.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            open: Mutex::new(Open::default()),
        }
    }

    /// Lets a socket of this address in.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Full> {
        let address = counted(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.count >= self.max {
            return Err(Full::All);
        }
        if let Some(address) = address {
            let of_address = open.by_address.entry(address).or_default();
            if *of_address >= self.per_address_max {
                return Err(Full::Address);
            }
            *of_address += 1;
        }
        open.count += 1;
        gauge!("althing_rpc_connections").set(u32::try_from(open.count).unwrap_or(u32::MAX));
        Ok(Permit { connections: self.clone(), address })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.count = open.count.saturating_sub(1);
        gauge!("althing_rpc_connections").set(u32::try_from(open.count).unwrap_or(u32::MAX));
        let Some(address) = self.address else { return };
        if let Some(of_address) = open.by_address.get_mut(&address) {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

/// The address under which a peer is counted: none for loopback, and of IPv6 the network of 64 bits, because whoever
/// has one address there has them all.
fn counted(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(IpAddr::V4(address)),
        IpAddr::V6(address) => Some(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(all: usize, per_address: usize) -> Arc<Connections> {
        let limits = Limits { connections_max: all, connections_per_address_max: per_address, ..Limits::default() };
        Arc::new(Connections::new(&limits))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let connections = connections(10, 2);
        let first = connections.enter(ip("192.0.2.1")).expect("room");
        let _second = connections.enter(ip("::ffff:192.0.2.1")).expect("room");
        assert_eq!(connections.enter(ip("192.0.2.1")).err(), Some(Full::Address));
        assert!(connections.enter(ip("192.0.2.2")).is_ok());
        drop(first);
        assert!(connections.enter(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn loopback_is_bounded_by_the_whole_only() {
        let connections = connections(3, 1);
        let _held: Vec<Permit> = (0..3).map(|_| connections.enter(ip("127.0.0.1")).expect("room")).collect();
        assert_eq!(connections.enter(ip("::1")).err(), Some(Full::All));
    }

    #[test]
    fn a_network_of_64_bits_counts_as_one() {
        let connections = connections(10, 1);
        let _held = connections.enter(ip("2001:db8:0:1::1")).expect("room");
        assert_eq!(connections.enter(ip("2001:db8:0:1:ffff::2")).err(), Some(Full::Address));
        assert!(connections.enter(ip("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn the_table_forgets_who_left() {
        let connections = connections(10, 1);
        drop(connections.enter(ip("192.0.2.1")));
        let open = connections.open.lock().expect("not poisoned");
        assert!(open.by_address.is_empty() && open.count == 0);
    }
}
