//! Real nodes under a hostile network: each lives in a network namespace of its own, and the test itself is the network
//! between them. It loses, delays, doubles and reorders packets, and cuts the way of any node to any other.
//!
//! It needs the right to make network namespaces and TUN devices. Where that is missing, these tests say that they were
//! skipped and why. No rule of a firewall and no traffic control of the kernel is needed.

mod audit;
mod cuts;
mod delays;
mod device;
mod namespace;
mod soak;
mod switch;
mod window;

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

pub(crate) use namespace::Namespace;
pub(crate) use switch::Switch;

use super::network::Network;
use super::nodes::Nodes;
use super::process::Home;
use window::Window;

/// The port at which each node meets the others; their addresses differ.
const P2P_PORT: u16 = 26_700;

/// Validators that run, and the network between them. All of it is gone with this, however the test ends.
pub(crate) struct Streets {
    /// What they agree on.
    pub(crate) network: Arc<Network>,
    /// The validators. Their public windows are reached from the test as those of other tests are, past the switch.
    pub(crate) nodes: Nodes,
    /// What is between them.
    pub(crate) switch: Switch,
    _windows: Vec<Window>,
}

impl Streets {
    /// Starts so many validators, and waits until they are connected. Nothing if this machine has not what it takes;
    /// then that is said. What happens to packets is drawn from the seed.
    pub(crate) fn start(validators: u16, seed: u64) -> Option<Self> {
        Self::start_with(Network::new(validators), seed)
    }

    /// The same for a network that was made before.
    pub(crate) fn start_with(network: Network, seed: u64) -> Option<Self> {
        Self::try_start(network, seed).map_err(|why| crate::skipped(&why)).ok()
    }

    fn try_start(network: Network, seed: u64) -> Result<Self, String> {
        let validators = u16::try_from(network.genesis.validators().len()).expect("few");
        let (mut homes, mut devices, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..validators {
            let (namespace, device) = Namespace::make(address(index))?;
            let home = Home { namespace: Some(Arc::new(namespace)), ..network.home(index) };
            configure(&home, index, validators);
            let namespace = home.namespace.as_ref().expect("it was just made");
            windows.push(Window::open(namespace, home.rpc)?);
            homes.push(home);
            devices.push(device);
        }
        let switch = Switch::start(devices, seed);
        Ok(Self { network: Arc::new(network), nodes: Nodes::start_at(homes), switch, _windows: windows })
    }
}

/// The address of a node within its namespace; no node has the one that stands for all.
fn address(index: u16) -> Ipv4Addr {
    let [high, low] = (index + 1).to_be_bytes();
    Ipv4Addr::new(10, 77, high, low)
}

/// Says in a node's configuration where it is met and where it meets the others.
fn configure(home: &Home, index: u16, validators: u16) {
    let folder = home.folder.join("config");
    fs::create_dir_all(&folder).expect("the folder can be made");
    let line = |other: u16| format!("validator-{other} = \"/ip4/{}/tcp/{P2P_PORT}\"\n", address(other));
    let peers: String = (0..validators).filter(|other| *other != index).map(line).collect();
    let text = format!("[p2p]\naddr = \"{}:{P2P_PORT}\"\n[p2p.peers]\n{peers}", address(index));
    fs::write(folder.join("config.toml"), text).expect("it can be written");
}
