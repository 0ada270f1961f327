//! An observer when things go wrong around it: a validator that is cut off from the others, strangers that ask without
//! end, and a link that is slow.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use althing_types::{Address, Hash, SignedTransaction};
use serde_json::json;

use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, is_final, state_at, transfer};
use super::observer::{running, wait_connected};
use super::process::{Home, Process, log_of, now};
use super::rpc::{call, get};

/// A port where nobody listens.
const NOWHERE: u16 = 1;

/// Says in a node's configuration where it reaches others.
fn configure(home: &Home, peers: &[(u16, u16)]) {
    let folder = home.folder.join("config");
    fs::create_dir_all(&folder).expect("the folder can be made");
    let line = |(validator, port): &(u16, u16)| format!("validator-{validator} = \"/ip4/127.0.0.1/tcp/{port}\"\n");
    let text = format!("[p2p.peers]\n{}", peers.iter().map(line).collect::<String>());
    fs::write(folder.join("config.toml"), text).expect("it can be written");
}

/// The place of a validator in the genesis document, which orders them by key.
fn place(network: &Network, number: u16) -> usize {
    let name = format!("validator-{number}");
    network.genesis.validators().iter().position(|validator| validator.name == name).expect("it is there")
}

/// A transfer whose id chooses this validator at an observer.
fn transfer_for(network: &Network, validator: u16, from: u32, to: Address) -> SignedTransaction {
    let place = place(network, validator);
    let is_chosen = |transaction: &SignedTransaction| {
        let id = transaction.id();
        let number = id.as_bytes()[..4].iter().fold(0usize, |number, byte| number << 8 | usize::from(*byte));
        number % usize::from(VALIDATORS) == place
    };
    (0..10_000).map(|salt| network.transfer(from, to, AMOUNT, salt)).find(is_chosen).expect("one of them does")
}

#[test]
fn a_validator_that_is_cut_off_keeps_no_transaction_of_an_observer_and_refuses_none() {
    let network = Network::with_observers(VALIDATORS, 1);
    configure(&network.home(0), &[(1, NOWHERE), (2, NOWHERE), (3, NOWHERE)]);
    (1..VALIDATORS).for_each(|index| configure(&network.home(index), &[(0, NOWHERE)]));
    let nodes: Vec<Process> = (0..VALIDATORS).map(|index| Process::start(&network.home(index))).collect();
    let observer = Process::start(&network.observer_home(0));
    wait_connected(&observer, &network.observer_home(0), usize::from(VALIDATORS));
    // Nobody has this account until the others have made a block, and the validator that is cut off never has it.
    let (poor, receiver) = (Network::account(50), Address::new([31; 32]));
    transfer(&network, nodes[1].rpc, poor, 0);
    assert_eq!(height_of(nodes[0].rpc), 0, "it is not cut off");
    assert!(eventually(PATIENCE, || network.balance(observer.rpc, poor) == AMOUNT), "the observer does not follow");

    let swallowed = transfer_for(&network, 0, 1, receiver);
    let refused = transfer_for(&network, 0, 50, receiver);
    for transaction in [&swallowed, &refused] {
        let answer = submit(observer.rpc, transaction, "finalized").expect("it is a good transfer");
        assert_eq!(answer["status"], "finalized", "{answer}");
    }
    assert!(is_final(nodes[1].rpc, &swallowed.id()));
    assert_eq!(network.balance(observer.rpc, receiver), 2 * AMOUNT);
    assert_eq!(height_of(nodes[0].rpc), 0, "it is not cut off");
}

/// How many requests of a kind a validator has answered to observers.
fn answered(node: SocketAddr, kind: &str) -> u64 {
    let (_, metrics) = get(node, "/metrics").expect("it answers");
    let name = format!("althing_requests_answered_total{{kind=\"{kind}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[test]
fn strangers_that_ask_an_observer_for_unknown_transactions_cost_the_validators_little() {
    let (network, nodes, observer) = running();
    let (receiver, began) = (Address::new([32; 32]), now());
    let is_over = AtomicBool::new(false);
    let asked: u64 = thread::scope(|scope| {
        let ask = |stranger: u8| {
            let (is_over, node) = (&is_over, observer.rpc);
            move || {
                let mut asked = 0u64;
                while !is_over.load(Ordering::Relaxed) {
                    let mut bytes = [stranger; 32];
                    bytes[..8].copy_from_slice(&asked.to_be_bytes());
                    let question = json!({ "txId": Hash::new(bytes).to_string() });
                    let error = call(node, "tx_get", &question).expect_err("nobody knows it");
                    assert_eq!(error.symbol(), "NOT_FOUND");
                    asked += 1;
                }
                asked
            }
        };
        let strangers: Vec<_> = (0..4).map(|stranger| scope.spawn(ask(stranger))).collect();
        for salt in 0..8 {
            transfer(&network, observer.rpc, receiver, salt);
        }
        is_over.store(true, Ordering::Relaxed);
        strangers.into_iter().map(|stranger| stranger.join().expect("it does not panic")).sum()
    });
    assert_eq!(network.balance(observer.rpc, receiver), 8 * AMOUNT);
    let allowed = 20 + 10 * began.elapsed().as_secs();
    for node in nodes.all() {
        let answered = answered(node, "whereabouts");
        assert!(answered <= allowed, "{answered} of {asked} questions went to one validator");
    }
    assert!(asked > 2 * allowed * u64::from(VALIDATORS), "only {asked} questions: that shows nothing");
}

/// A link that carries so many bytes in a second towards the observer, whoever sends them.
struct SlowLink {
    free_at: Mutex<Instant>,
    bytes_per_second: u32,
}

impl SlowLink {
    const CHUNK: usize = 4_096;

    /// Waits until the link has carried a chunk.
    fn carry(&self, bytes: usize) {
        let until = {
            let mut free_at = self.free_at.lock().expect("nobody panics");
            let took = Duration::from_secs(1) * u32::try_from(bytes).expect("small") / self.bytes_per_second;
            *free_at = now().max(*free_at) + took;
            *free_at
        };
        thread::sleep(until.saturating_duration_since(now()));
    }

    /// Takes connections for a validator, and returns where. Ends with the process.
    fn before(self: &Arc<Self>, validator: SocketAddr) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let link = self.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(validator) else { continue };
                let link = link.clone();
                let (Ok(from_near), Ok(to_far)) = (near.try_clone(), far.try_clone()) else { continue };
                thread::spawn(move || pipe(from_near, to_far, |_| {}));
                thread::spawn(move || pipe(far, near, |bytes| link.carry(bytes)));
            }
        });
        port
    }
}

/// Carries bytes from one socket to the other until one of them closes.
fn pipe(mut from: TcpStream, mut to: TcpStream, carry: impl Fn(usize)) {
    let mut chunk = [0; SlowLink::CHUNK];
    let mut step = || -> io::Result<bool> {
        let read = from.read(&mut chunk)?;
        carry(read);
        to.write_all(&chunk[..read])?;
        Ok(read > 0)
    };
    while step().unwrap_or(false) {}
    let _closed = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn an_observer_behind_a_slow_link_catches_up() {
    let network = Network::with_observers(VALIDATORS, 1);
    let nodes = Nodes::start(&network);
    let receiver = Address::new([33; 32]);
    // Some 700 kB of batches in four lanes. Four answers of them at once take longer than two seconds on this link.
    for (index, node) in (0..).zip(nodes.all()) {
        let bytes = |salt: u64| format!("0x{}", const_hex::encode(network.transfer(0, receiver, 1, salt).to_bytes()));
        let txs: Vec<String> = (0..500).map(|salt| bytes(index * 1_000 + salt)).collect();
        call(node, "tx_submitMany", &json!({ "txs": txs })).expect("it takes them");
    }
    assert!(eventually(PATIENCE, || network.balance(nodes.rpc(0), receiver) == 2_000), "they are not final");
    let goal = height_of(nodes.rpc(0));

    let link = Arc::new(SlowLink { free_at: Mutex::new(now()), bytes_per_second: 100_000 });
    let port = |number: u16| {
        let validator = &network.genesis.validators()[place(&network, number)];
        link.before(SocketAddr::from((Ipv4Addr::LOCALHOST, validator.p2p_addr.port())))
    };
    let home = network.observer_home(0);
    configure(&home, &(0..VALIDATORS).map(|number| (number, port(number))).collect::<Vec<_>>());
    let observer = Process::start(&home);
    let is_there = || height_of(observer.rpc) >= goal;
    assert!(eventually(4 * PATIENCE, is_there), "it is at {} of {goal}: {}", height_of(observer.rpc), log_of(&home));
    assert_eq!(state_at(observer.rpc, goal), state_at(nodes.rpc(0), goal));
}
