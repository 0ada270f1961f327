//! One of four validators is an enemy that says as much as its connections carry: votes of future views, forks, forged
//! certificates, batches of junk, questions without end, and at last bytes that are no messages. The others use no more
//! memory for it than their bounds allow, and their blocks come nearly as fast as beside one that says nothing.
//!
//! The enemy uses the room `network` and the keys of the last validator; no node is changed for it.

mod enemy;

use std::env;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use althing_types::Address;
use serde_json::{Value, json};

use self::enemy::Enemy;
use super::load::Load;
use super::network::Network;
use super::nodes::{Nodes, VALIDATORS, height_of};
use super::process::now;
use super::rpc::call;

/// The variable that says for how many seconds the enemy talks.
const SECONDS: &str = "ALTHING_FLOOD_SECONDS";
/// For how many it does when nobody says so.
const SECONDS_SHORT: u64 = 10;
/// What a node may use more under the flood than before it, in KiB.
const GROWTH_KIB_MAX: u64 = 256 * 1_024;
/// How much longer blocks may take under the flood: three times the figure of two, because the enemy and other tests
/// work on the same processors.
const SLOWDOWN_MAX: u64 = 3 * 2;
/// Intervals below this are not compared, in milliseconds: the timers of a view are longer.
const INTERVAL_MS_MIN: u64 = 250;
/// How many clients send at the same time, and how long each rests after a transfer.
const CLIENTS: usize = 4;
const REST: Duration = Duration::from_millis(20);
/// Bytes that arrive at a node in a second, if it is a flood: many times what an honest validator says here.
const HEARD_MIN: u64 = 100 * 1_024;
/// The time between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What was measured over some time.
#[derive(Debug)]
struct Measured {
    blocks: u64,
    /// Of the times that stand in headers of adjacent blocks.
    interval_ms_p50: u64,
    interval_ms_p99: u64,
    /// The most that any node used, in KiB.
    resident_kib_max: u64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, interval_ms_p50, interval_ms_p99, resident_kib_max } = self;
        write!(f, "{blocks} blocks, p50 {interval_ms_p50} ms, p99 {interval_ms_p99} ms, {resident_kib_max} KiB")
    }
}

/// Looks at blocks and memory for so long.
fn measure(nodes: &Nodes, lasts: Duration) -> Measured {
    let from = height_of(nodes.rpc(0));
    let (began, mut resident_kib_max) = (now(), 0);
    while began.elapsed() < lasts {
        resident_kib_max = resident_kib_max.max(resident_kib(nodes));
        thread::sleep(LOOK_EVERY);
    }
    let to = height_of(nodes.rpc(0));
    let times: Vec<u64> = (from..=to).map(|height| time_of(nodes.rpc(0), height)).collect();
    let mut intervals: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    intervals.sort_unstable();
    assert!(!intervals.is_empty(), "no block became final in {lasts:?}: {}", nodes.log(0));
    let part = |percent: usize| intervals[(intervals.len() - 1) * percent / 100];
    Measured { blocks: to - from, interval_ms_p50: part(50), interval_ms_p99: part(99), resident_kib_max }
}

/// What a node says about its connection with the enemy.
fn enemy_at(nodes: &Nodes, index: usize) -> Value {
    let peers = call(nodes.rpc(index), "node_peers", &json!({})).expect("it answers");
    let name = format!("validator-{}", VALIDATORS - 1);
    let peers = peers.as_array().expect("a list").iter();
    peers.into_iter().find(|peer| peer["name"] == name.as_str()).expect("it is known").clone()
}

/// The most that arrived of it at any of the nodes, in bytes.
fn heard_of_it(nodes: &Nodes) -> u64 {
    let heard = |index: usize| enemy_at(nodes, index)["bytesIn"].as_str().and_then(|bytes| bytes.parse().ok());
    (0..usize::from(VALIDATORS) - 1).filter_map(heard).max().expect("a number")
}

/// The most that any of the nodes uses now, in KiB.
fn resident_kib(nodes: &Nodes) -> u64 {
    let resident = |index: usize| {
        let status = fs::read_to_string(format!("/proc/{}/status", nodes.process_id(index))).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system says so");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    (0..usize::from(VALIDATORS) - 1).map(resident).max().expect("there are some")
}

/// The time in the header of a block, in milliseconds.
fn time_of(node: SocketAddr, height: u64) -> u64 {
    let block = call(node, "chain_getBlock", &json!({ "height": height.to_string() })).expect("it has it");
    block["header"]["time"].as_str().and_then(|time| time.parse().ok()).unwrap_or_else(|| panic!("no time: {block}"))
}

#[test]
fn a_validator_that_floods_the_others_costs_them_neither_memory_nor_much_time() {
    let network = Arc::new(Network::new(VALIDATORS));
    let honest = VALIDATORS - 1;
    let nodes = Nodes::start_at((0..honest).map(|index| network.home(index)).collect());
    let seconds = env::var(SECONDS).map_or(SECONDS_SHORT, |text| text.parse().expect("a whole number of seconds"));
    let lasts = Duration::from_secs(seconds);
    let receiver = Address::new([81; 32]);
    let load = Load::start_at_ease(&network, &nodes.all(), CLIENTS, receiver, REST);
    let (is_loud, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let enemy = Enemy::start(&network, honest, is_loud.clone(), is_over.clone());

    thread::sleep(Duration::from_secs(2));
    let quiet = measure(&nodes, lasts);
    println!("beside one that is connected and silent: {quiet}");
    is_loud.store(true, Ordering::Relaxed);
    let flooded = measure(&nodes, lasts);
    println!("beside one that floods: {flooded}");
    is_over.store(true, Ordering::Relaxed);
    let heard = heard_of_it(&nodes);
    let said = enemy.end();
    println!("it put {said:?} into its queues, and {heard} bytes of that arrived at one node");
    let after = measure(&nodes, Duration::from_secs(3));
    println!("after it: {after}");

    let promises = load.settle(&network, &nodes);
    println!("{} transfers were final", promises.finals());
    assert!(heard > HEARD_MIN * seconds, "that was no flood: {heard} bytes");
    let log = |index: u16| fs::read_to_string(network.home(index).folder.join("stderr.log")).expect("it is there");
    assert!((0..honest).all(|index| log(index).contains("it sent ")), "it was not shut out");
    let grown = flooded.resident_kib_max.max(after.resident_kib_max).saturating_sub(quiet.resident_kib_max);
    assert!(grown < GROWTH_KIB_MAX, "a node uses {grown} KiB more: {quiet}; {flooded}");
    let allowed = SLOWDOWN_MAX * quiet.interval_ms_p99.max(INTERVAL_MS_MIN);
    assert!(flooded.interval_ms_p99 <= allowed, "blocks are slow: {quiet}; {flooded}");
}
