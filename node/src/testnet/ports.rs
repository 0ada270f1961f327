//! The ports of a network on one machine: counted from a base, or free ones; and whether anybody else has them.
//!
//! Free ones are looked for below those that the system gives to outgoing connections, so that nobody takes one by
//! accident between the moment it was found free and the moment a node listens there.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::error::TestnetError;
use super::naming::node_name;
use super::options::{BASE_PORT_MAX, BASE_PORT_MIN};

/// How far the p2p ports are from those of JSON-RPC.
const P2P_OFFSET: u16 = 100;
/// Where free ports are looked for: below 32,768, where Linux begins to hand out ports for outgoing connections.
const FREE_FIRST: u16 = 20_000;
/// How many ports there are to look at.
const FREE_COUNT: u16 = 12_000;
/// How often one is drawn for each that is needed.
const TRIES: usize = 200;

/// The ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    /// JSON-RPC, health and metrics.
    pub(super) rpc: u16,
    /// Other nodes.
    pub(super) p2p: u16,
}

/// The ports of so many nodes: from a base, or free ones if it is 0. All of them were free a moment ago.
pub(super) fn choose(base: u16, nodes: u16) -> Result<Vec<Ports>, TestnetError> {
    if base == 0 { free(nodes) } else { counted(base, nodes) }
}

/// An address on this machine that nobody else reaches.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

fn counted(base: u16, nodes: u16) -> Result<Vec<Ports>, TestnetError> {
    if !(BASE_PORT_MIN..=BASE_PORT_MAX).contains(&base) {
        let range = format!("0 or {BASE_PORT_MIN} to {BASE_PORT_MAX}");
        return Err(TestnetError::Range { what: "--base-port", given: base.into(), range });
    }
    let ports: Vec<Ports> =
        (0..nodes).map(|index| Ports { rpc: base + index, p2p: base + P2P_OFFSET + index }).collect();
    for (index, ports) in ports.iter().enumerate() {
        for (port, use_of_it) in [(ports.rpc, "the JSON-RPC port"), (ports.p2p, "the p2p port")] {
            let purpose = || format!("{use_of_it} of {}", node_name(index));
            match TcpListener::bind(local(port)) {
                Ok(_free) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(TestnetError::PortInUse { port, purpose: purpose() });
                }
                Err(source) => return Err(TestnetError::Port { port, purpose: purpose(), source }),
            }
        }
    }
    Ok(ports)
}

fn free(nodes: u16) -> Result<Vec<Ports>, TestnetError> {
    let needed = usize::from(nodes) * 2;
    // They are held until all are found, so that none is found twice.
    let mut held: Vec<(u16, TcpListener)> = Vec::with_capacity(needed);
    for _ in 0..needed * TRIES {
        if held.len() == needed {
            break;
        }
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes)
            .map_err(|error| TestnetError::System { what: "the drawing of ports", source: io::Error::other(error) })?;
        let port = FREE_FIRST + u16::from_be_bytes(bytes) % FREE_COUNT;
        if is_default(port) {
            continue;
        }
        held.extend(TcpListener::bind(local(port)).ok().map(|listener| (port, listener)));
    }
    if held.len() < needed {
        return Err(TestnetError::NoPorts { needed });
    }
    let (rpc, p2p) = held.split_at(usize::from(nodes));
    Ok(rpc.iter().zip(p2p).map(|((rpc, _), (p2p, _))| Ports { rpc: *rpc, p2p: *p2p }).collect())
}

/// Whether a network that chooses nothing would want this port.
fn is_default(port: u16) -> bool {
    let first = super::options::BASE_PORT_DEFAULT;
    (first..first + 2 * P2P_OFFSET).contains(&port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_counted_from_the_base() {
        // The ports beside a free one may be taken; then another is tried.
        let base = (0..50)
            .map(|_| free(1).expect("there are free ports")[0].rpc)
            .find(|base| counted(*base, 3).is_ok())
            .expect("some run of ports is free");
        let ports = choose(base, 3).expect("free");
        assert_eq!(ports[0], Ports { rpc: base, p2p: base + 100 });
        assert_eq!(ports[2], Ports { rpc: base + 2, p2p: base + 102 });
    }

    #[test]
    fn a_port_in_use_is_named_with_its_purpose() {
        let taken = TcpListener::bind(local(0)).expect("a free port");
        let port = taken.local_addr().expect("it has one").port();
        match choose(port.min(BASE_PORT_MAX), 1) {
            Err(error @ TestnetError::PortInUse { .. }) => {
                let text = error.to_string();
                assert!(text.contains(&port.to_string()) && text.contains("validator-0"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn free_ports_are_all_different_and_leave_the_default_ones_alone() {
        let ports = choose(0, 16).expect("there are free ports");
        let all: BTreeSet<u16> = ports.iter().flat_map(|ports| [ports.rpc, ports.p2p]).collect();
        assert_eq!(all.len(), 32);
        assert!(all.iter().all(|port| !(26_600..26_800).contains(port) && *port < 32_768));
    }

    #[test]
    fn a_base_that_leaves_no_room_is_refused() {
        for base in [1, 80, 1023, BASE_PORT_MAX + 1, u16::MAX] {
            assert!(matches!(choose(base, 1), Err(TestnetError::Range { .. })), "{base}");
        }
        assert_eq!(u32::from(BASE_PORT_MAX) + 100 + 15, 65_535, "the last port of the last node is the last port");
    }
}
