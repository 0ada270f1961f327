//! The network of a node: who is who by the genesis document, and where each is reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use althing_genesis::{Genesis, Host, P2pAddress};
use althing_network::{Address, Network, NetworkError, Options, Peer, Receiver, Role};
use althing_types::{PublicKey, SecretKey, ValidatorIndex};

use crate::config::P2pConfig;

/// Why the network cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// The node key is not the one that the genesis document binds to the validator.
    #[error("the node key {given} is not the one of {name} in the genesis document, which is {expected}")]
    OtherNodeKey {
        /// The key that was given.
        given: PublicKey,
        /// The validator's name.
        name: String,
        /// The key in the document.
        expected: PublicKey,
    },
    /// The configuration names an address for somebody who is not in the genesis document.
    #[error("p2p.peers names {name:?}, and the genesis document does not")]
    UnknownPeer {
        /// The name.
        name: String,
    },
    /// An address in the configuration is malformed.
    #[error("p2p.peers.{name}: {reason}")]
    Address {
        /// The peer's name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The network cannot be started.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Which node of the genesis document this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// The validator with this index.
    Validator(ValidatorIndex),
    /// The observer at this place in the document's list.
    Observer(usize),
}

/// Where an observer listens unless something else is said: it dials the validators and need not be reachable.
const OBSERVER_LISTENS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What the network is started with: everybody in the genesis document but ourselves.
pub(super) fn options(genesis: &Genesis, own: Own, key: SecretKey, config: &P2pConfig) -> Result<Options, P2pError> {
    let validators = genesis.validators();
    let (name, node_key, listen, role) = match own {
        Own::Validator(me) => {
            let entry = validators.get(me.to_usize()).expect("the validator was found in this document");
            (&entry.name, entry.node_key, listen_by_default(&entry.p2p_addr), Role::Validator)
        }
        Own::Observer(place) => {
            let entry = genesis.observers().get(place).expect("the observer was found in this document");
            (&entry.name, entry.node_key, OBSERVER_LISTENS, Role::Observer)
        }
    };
    if node_key != key.public_key() {
        return Err(P2pError::OtherNodeKey { given: key.public_key(), name: name.clone(), expected: node_key });
    }
    let known = |name: &String| {
        validators.iter().any(|validator| validator.name == *name)
            || genesis.observers().iter().any(|observer| observer.name == *name)
    };
    if let Some(name) = config.peers.keys().find(|name| !known(name)) {
        return Err(P2pError::UnknownPeer { name: name.clone() });
    }
    let mut peers = Vec::new();
    for validator in validators.iter().filter(|validator| validator.node_key != node_key) {
        let address = configured(config, &validator.name)?.unwrap_or_else(|| address(&validator.p2p_addr));
        let (key, name) = (validator.node_key, validator.name.clone());
        peers.push(Peer { key, name, role: Role::Validator, address: Some(address) });
    }
    for observer in genesis.observers().iter().filter(|observer| observer.node_key != node_key) {
        // An observer comes to us.
        let address = configured(config, &observer.name)?;
        let (key, name) = (observer.node_key, observer.name.clone());
        peers.push(Peer { key, name, role: Role::Observer, address });
    }
    Ok(Options {
        chain_id: genesis.chain_id().to_owned(),
        genesis: genesis.hash(),
        agent: format!("althing/{}", env!("CARGO_PKG_VERSION")),
        key,
        listen: config.addr.unwrap_or(listen),
        role,
        peers,
    })
}

/// Starts the network. When this returns, it listens.
pub(super) async fn start<R: Receiver>(options: Options, receiver: R) -> Result<Network, P2pError> {
    Ok(Network::start(options, Arc::new(receiver)).await?)
}

fn configured(config: &P2pConfig, name: &str) -> Result<Option<Address>, P2pError> {
    let Some(text) = config.peers.get(name) else { return Ok(None) };
    let parsed = P2pAddress::parse(text);
    let parsed = parsed.map_err(|fault| P2pError::Address { name: name.to_owned(), reason: fault.to_string() })?;
    Ok(Some(address(&parsed)))
}

fn address(address: &P2pAddress) -> Address {
    let host = match address.host() {
        Host::Ip4(ip) => ip.to_string(),
        Host::Ip6(ip) => ip.to_string(),
        Host::Dns(name) => name.clone(),
    };
    Address { host, port: address.port() }
}

/// The port of a node's own address: on loopback if the address is loopback, else on all interfaces, because a
/// machine often does not have the address under which it is reached.
fn listen_by_default(own: &P2pAddress) -> SocketAddr {
    let ip: IpAddr = match own.host() {
        Host::Ip4(ip) if ip.is_loopback() => (*ip).into(),
        Host::Ip6(ip) if ip.is_loopback() => (*ip).into(),
        Host::Ip6(_) => Ipv6Addr::UNSPECIFIED.into(),
        Host::Ip4(_) | Host::Dns(_) => Ipv4Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, own.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_genesis::{DevNetwork, DevRole, dev_key};
    use althing_types::TimeMs;

    fn genesis() -> Genesis {
        let network = DevNetwork {
            chain_id: "p2p-test".to_owned(),
            seed: "p2p".to_owned(),
            validators: 4,
            observers: 1,
            accounts: 1,
            p2p_base_port: 26_700,
            time: TimeMs::new(1_790_000_000_000),
        };
        network.build().expect("it is valid")
    }

    /// The place of the validator whose name ends in this number; indices go by keys.
    fn place_of(genesis: &Genesis, number: u32) -> Own {
        let name = DevNetwork::validator_name(number);
        let place = genesis.validators().iter().position(|validator| validator.name == name).expect("it is there");
        Own::Validator(ValidatorIndex::new(u16::try_from(place).expect("small")))
    }

    fn node_key(number: u32) -> SecretKey {
        dev_key("p2p", DevRole::Node, number)
    }

    fn configured_with(peers: &[(&str, &str)]) -> P2pConfig {
        let entry = |(name, address): &(&str, &str)| ((*name).to_owned(), (*address).to_owned());
        P2pConfig { addr: None, peers: peers.iter().map(entry).collect() }
    }

    #[test]
    fn everybody_but_the_node_itself_is_a_peer_at_the_address_in_the_document() {
        let genesis = genesis();
        let options =
            options(&genesis, place_of(&genesis, 2), node_key(2), &P2pConfig::default()).expect("it is its own key");
        assert_eq!(options.listen.to_string(), "127.0.0.1:26702");
        let (observers, validators): (Vec<&Peer>, Vec<&Peer>) =
            options.peers.iter().partition(|peer| peer.role == Role::Observer);
        let [observer] = observers[..] else { panic!("there is one observer") };
        assert_eq!((observer.name.as_str(), &observer.address), ("observer-0", &None));
        let mut peers: Vec<_> = validators
            .iter()
            .map(|peer| (peer.name.as_str(), peer.address.as_ref().map(ToString::to_string).expect("it has one")))
            .collect();
        peers.sort();
        let expected = [(0, 26_700), (1, 26_701), (3, 26_703)]
            .map(|(number, port): (u32, u16)| (DevNetwork::validator_name(number), format!("127.0.0.1:{port}")));
        assert!(peers.iter().map(|(name, address)| (*name, address)).eq(expected.iter().map(|(n, a)| (n.as_str(), a))));
    }

    #[test]
    fn an_observer_meets_all_validators_and_need_not_be_reachable() {
        let genesis = genesis();
        let key = dev_key("p2p", DevRole::Observer, 0);
        let options = options(&genesis, Own::Observer(0), key, &P2pConfig::default()).expect("it is its own key");
        assert_eq!((options.role, options.listen), (Role::Observer, "127.0.0.1:0".parse().expect("an address")));
        assert_eq!(options.peers.len(), 4);
        assert!(options.peers.iter().all(|peer| peer.role == Role::Validator && peer.address.is_some()));
        let refused = super::options(&genesis, Own::Observer(0), node_key(0), &P2pConfig::default());
        let refused = refused.map(|_| ()).expect_err("it is another node's key").to_string();
        assert!(refused.contains("is not the one of observer-0"), "{refused}");
    }

    #[test]
    fn the_configuration_moves_a_peer() {
        let (genesis, name) = (genesis(), DevNetwork::validator_name(1));
        let config = configured_with(&[(&name, "/dns/elsewhere.example/tcp/9")]);
        let options = options(&genesis, place_of(&genesis, 0), node_key(0), &config).expect("it is valid");
        let moved = options.peers.iter().find(|peer| peer.name == name).expect("it is a peer");
        let expected = Address { host: "elsewhere.example".to_owned(), port: 9 };
        assert_eq!(moved.address, Some(expected));
    }

    #[test]
    fn another_node_key_an_unknown_name_and_a_malformed_address_are_refused_by_name() {
        let genesis = genesis();
        let refusal = |key, peers: &[(&str, &str)]| {
            let refused = options(&genesis, place_of(&genesis, 0), key, &configured_with(peers));
            refused.map(|_| ()).expect_err("it is wrong").to_string()
        };
        let name = DevNetwork::validator_name(0);
        assert!(refusal(node_key(1), &[]).contains(&format!("is not the one of {name}")));
        assert!(refusal(node_key(0), &[("nobody", "/ip4/127.0.0.1/tcp/1")]).contains("\"nobody\""));
        let name = DevNetwork::validator_name(1);
        assert!(refusal(node_key(0), &[(&name, "127.0.0.1:1")]).contains(&format!("p2p.peers.{name}")));
    }

    #[test]
    fn a_node_listens_on_all_interfaces_unless_its_address_is_loopback() {
        let cases = [
            ("/ip4/127.0.0.1/tcp/1", "127.0.0.1:1"),
            ("/ip6/::1/tcp/2", "[::1]:2"),
            ("/ip4/192.0.2.7/tcp/3", "0.0.0.0:3"),
            ("/ip6/2001:db8::7/tcp/4", "[::]:4"),
            ("/dns/host.example/tcp/5", "0.0.0.0:5"),
        ];
        for (own, expected) in cases {
            let own = P2pAddress::parse(own).expect("it is an address");
            assert_eq!(listen_by_default(&own).to_string(), expected);
        }
    }
}
