//! Four validators under load, and what happens to machines: one is killed, one or two stand still. Blocks go on as
//! long as three of four can, nothing that was promised is lost, and nothing forks.
//!
//! The figures of the promises are 2 s and 5 s; the tests allow three times as much, because the machine that runs them
//! may run other tests beside. What was measured is printed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use althing_types::Address;

use super::load::Load;
use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, VALIDATORS, eventually, is_final, transfer};
use super::process::now;

/// How many clients send at the same time.
const CLIENTS: usize = 8;
/// How long blocks may stand still when one of four goes: three times the figure.
const GAP_MAX: Duration = Duration::from_secs(6);
/// How long it may take until something is final after a quorum is back: three times the figure.
const RETURN_MAX: Duration = Duration::from_secs(15);
/// How long after a misfortune the longest gap is looked for.
const WATCHED: Duration = Duration::from_secs(8);

fn running(receiver: u8) -> (Arc<Network>, Nodes, Address) {
    let network = Arc::new(Network::new(VALIDATORS));
    let nodes = Nodes::start(&network);
    (network, nodes, Address::new([receiver; 32]))
}

/// Waits until a new transfer is final, and returns how long that took.
fn next_final(network: &Network, node: SocketAddr, receiver: Address, salt: u64) -> Duration {
    let began = now();
    transfer(network, node, receiver, salt);
    began.elapsed()
}

#[test]
fn under_load_each_of_four_is_killed_in_turn_and_blocks_go_on() {
    let (network, mut nodes, receiver) = running(31);
    let load = Load::start(&network, &nodes.all(), CLIENTS, receiver);
    let mut killed: Vec<Instant> = Vec::new();
    for index in 0..usize::from(VALIDATORS) {
        thread::sleep(Duration::from_millis(500));
        // The one before is back, and the others need its vote as soon as this one is gone.
        nodes.kill(index);
        killed.push(now());
        thread::sleep(Duration::from_millis(1_500));
        nodes.restart(index);
        nodes.wait_connected();
        nodes.catch_up(index, (index + 1) % usize::from(VALIDATORS));
    }
    let promises = load.settle(&network, &nodes);
    let gaps: Vec<Duration> = killed.iter().map(|at| promises.longest_gap(*at, WATCHED)).collect();
    println!("{} transfers were final; after each kill the longest time without one: {gaps:?}", promises.finals());
    assert!(gaps.iter().all(|gap| *gap < GAP_MAX), "blocks stood still for {gaps:?}");
}

#[test]
fn under_load_one_of_four_stands_still_and_goes_on_later() {
    let (network, nodes, receiver) = running(34);
    let all = nodes.all();
    // Nobody talks to the node that will stand still, or the load would stand still with it.
    let load = Load::start(&network, &all[..3], CLIENTS, receiver);
    thread::sleep(Duration::from_millis(500));
    nodes.pause(3);
    let paused_at = now();
    // Longer than it takes to notice a silent connection.
    thread::sleep(Duration::from_secs(12));
    nodes.resume(3);
    nodes.catch_up(3, 0);
    nodes.wait_connected();
    let promises = load.settle(&network, &nodes);
    let gap = promises.longest_gap(paused_at, WATCHED);
    println!("{} transfers were final; the longest time without one: {gap:?}", promises.finals());
    assert!(gap < GAP_MAX, "blocks stood still for {gap:?}");
    next_final(&network, nodes.rpc(3), Address::new([35; 32]), 1);
}

#[test]
fn with_two_of_four_standing_still_nothing_is_final_until_one_goes_on() {
    let (network, nodes, receiver) = running(36);
    transfer(&network, nodes.rpc(0), receiver, 0);
    nodes.pause(2);
    nodes.pause(3);
    let waiting = network.transfer(1, receiver, AMOUNT, 1);
    submit(nodes.rpc(0), &waiting, "none").expect("it is taken in");
    thread::sleep(Duration::from_secs(3));
    assert!(!is_final(nodes.rpc(0), &waiting.id()), "two of four made something final");
    nodes.resume(2);
    let resumed_at = now();
    let returned = eventually(RETURN_MAX, || is_final(nodes.rpc(0), &waiting.id()));
    println!("final {:?} after the third went on", resumed_at.elapsed());
    assert!(returned, "nothing is final {:?} after the third went on", resumed_at.elapsed());
    nodes.resume(3);
    nodes.catch_up(3, 0);
    nodes.check_agreement();
}
