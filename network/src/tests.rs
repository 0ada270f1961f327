//! What the network does among real sockets on loopback. Nodes are started in this process, on ports that the system
//! picks, and stopped at the end of each test.

mod bounds;
mod company;
mod floods;
mod links;
mod log;
mod mesh;
mod raw;
mod strangers;
mod talk;
mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use althing_types::{Hash, PublicKey, SecretKey};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::{Address, Class, Misbehaviour, Network, Options, Peer, PeerState, Receiver, Role, Topic, Verdict};

/// How long a test waits for something that must happen; much longer than it takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// One node of a test.
struct Node {
    network: Network,
    owner: Arc<Owner>,
}

/// What a test's node remembers.
#[derive(Debug)]
struct Owner {
    frames: Mutex<Vec<(PublicKey, Class, Vec<u8>)>>,
    changes: Mutex<Vec<(PublicKey, bool)>>,
    shut: watch::Sender<BTreeMap<(PublicKey, &'static str), bool>>,
    keeps: AtomicBool,
    asked: AtomicUsize,
    gossip: Mutex<Vec<(PublicKey, Topic, Vec<u8>)>>,
}

impl Owner {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            frames: Mutex::default(),
            changes: Mutex::default(),
            shut: watch::Sender::new(BTreeMap::new()),
            keeps: AtomicBool::new(true),
            asked: AtomicUsize::new(0),
            gossip: Mutex::default(),
        })
    }

    /// Takes no frames of this peer and class until told otherwise.
    fn set_shut(&self, peer: PublicKey, class: Class, is_shut: bool) {
        self.shut.send_modify(|shut| {
            shut.insert((peer, class.name()), is_shut);
        });
    }

    fn frames_of(&self, peer: PublicKey, class: Class) -> Vec<Vec<u8>> {
        let frames = self.frames.lock().unwrap();
        frames.iter().filter(|(p, c, _)| *p == peer && *c == class).map(|(.., bytes)| bytes.clone()).collect()
    }

    fn count_of(&self, peer: PublicKey, class: Class) -> usize {
        self.frames.lock().unwrap().iter().filter(|(p, c, _)| *p == peer && *c == class).count()
    }

    fn changes_of(&self, peer: PublicKey) -> Vec<bool> {
        self.changes.lock().unwrap().iter().filter(|(p, _)| *p == peer).map(|(_, up)| *up).collect()
    }
}

impl Receiver for Owner {
    async fn frame(&self, from: &PublicKey, class: Class, bytes: Vec<u8>) -> Result<(), Misbehaviour> {
        match bytes.as_slice() {
            b"panic" => panic!("a test asked for it"),
            b"liar" => return Err(Misbehaviour::new("a lie")),
            _ => {}
        }
        let mut shut = self.shut.subscribe();
        let is_open =
            |shut: &BTreeMap<(PublicKey, &'static str), bool>| !shut.get(&(*from, class.name())).unwrap_or(&false);
        shut.wait_for(is_open).await.expect("the owner outlives its frames");
        let kept = if self.keeps.load(Ordering::Relaxed) { bytes } else { Vec::new() };
        self.frames.lock().unwrap().push((*from, class, kept));
        Ok(())
    }

    fn connected(&self, peer: &PublicKey, is_connected: bool) {
        self.changes.lock().unwrap().push((*peer, is_connected));
    }

    async fn request(&self, _: &PublicKey, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match bytes.as_slice() {
            b"nothing" => return None,
            b"panic" => panic!("a test asked for it"),
            b"too much" => return Some(vec![0; 1_024 * 1_024 + 1]),
            b"one MiB" => return Some(vec![0; 1_024 * 1_024]),
            b"slow" => sleep(Duration::from_millis(500)).await,
            _ => {}
        }
        let length = bytes.len();
        bytes.extend_from_slice(format!(", {length} bytes").as_bytes());
        Some(bytes)
    }

    async fn gossip(&self, from: &PublicKey, topic: Topic, bytes: Vec<u8>) -> Verdict {
        let verdict = match bytes.as_slice() {
            b"bad" => Verdict::Reject,
            b"old" => Verdict::Ignore,
            _ => Verdict::Accept,
        };
        self.gossip.lock().unwrap().push((*from, topic, bytes));
        verdict
    }
}

impl Node {
    async fn start(options: Options) -> Self {
        let owner = Owner::new();
        let network = Network::start(options, Arc::clone(&owner)).await.expect("it starts");
        Self { network, owner }
    }

    fn state(&self, peer: PublicKey) -> PeerState {
        self.status(peer).state
    }

    fn status(&self, peer: PublicKey) -> crate::PeerStatus {
        self.network.handle().peers().into_iter().find(|status| status.key == peer).expect("a known peer")
    }

    fn is_connected(&self, peer: PublicKey) -> bool {
        matches!(self.state(peer), PeerState::Connected { .. })
    }

    async fn connects(&self, peer: PublicKey) {
        until("the peers connect", || self.is_connected(peer)).await;
    }
}

/// The node key of the node with this number.
fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number + 1; 32])
}

/// The public node key of the node with this number.
fn key(number: u8) -> PublicKey {
    secret(number).public_key()
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The validator `number`, which listens on the port of its number, and knows those with a port to dial.
fn validator(number: u8, listen: u16, ports: &[Option<u16>]) -> Options {
    let peers = (0_u8..).zip(ports).filter(|(other, _)| *other != number).map(|(other, port)| Peer {
        key: key(other),
        name: format!("validator-{other}"),
        role: Role::Validator,
        address: port.map(|port| Address { host: "127.0.0.1".to_owned(), port }),
    });
    Options {
        chain_id: "test".to_owned(),
        genesis: Hash::new([7; 32]),
        agent: format!("althing/{number}"),
        key: secret(number),
        listen: local(listen),
        role: Role::Validator,
        peers: peers.collect(),
    }
}

/// The same options for nodes that have these roles, by their numbers.
fn with_roles(mut options: Options, roles: &[Role]) -> Options {
    for (number, role) in (0_u8..).zip(roles) {
        if options.key.public_key() == key(number) {
            options.role = *role;
        }
        for peer in options.peers.iter_mut().filter(|peer| peer.key == key(number)) {
            peer.role = *role;
        }
    }
    options
}

/// Two validators that are connected; only the second has an address of the other.
async fn pair() -> (Node, Node) {
    let first = Node::start(validator(0, 0, &[None, None])).await;
    let port = first.network.listen_addr().port();
    let second = Node::start(validator(1, 0, &[Some(port), None])).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    (first, second)
}

/// Waits until something is so, and fails with what was waited for.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "it did not happen in time: {what}");
}

/// How long something takes.
async fn time(work: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    work.await;
    start.elapsed()
}
