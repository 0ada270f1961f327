//! Four validators as four processes: they agree over real sockets, go on without one, wait without two, and whoever was
//! away catches up and votes again.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use althing_types::{Address, Hash};
use serde_json::{Value, json};

use super::network::{Network, status, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, is_final, state_at, transfer};
use super::process::{finished, now, program};
use super::rpc::call;

/// How long four validators without one may take until a transfer is final: three times the figure of two seconds.
const FAILOVER_MAX: Duration = Duration::from_secs(6);
/// How long they may take once the third of four is back: three times the figure of five seconds.
const RETURN_MAX: Duration = Duration::from_secs(15);

#[test]
fn four_validators_agree_on_a_transfer_and_on_the_state_after_it() {
    let network = Network::new(VALIDATORS);
    let nodes = Nodes::start(&network);
    let receiver = Address::new([7; 32]);
    // At each node one, so that each lane and each leader has its turn.
    for (salt, node) in (0..).zip(nodes.all()) {
        transfer(&network, node, receiver, salt);
    }
    let height = nodes.all().into_iter().map(height_of).max().expect("there are nodes");
    let states = nodes.all().into_iter().map(|node| state_at(node, height)).collect::<Vec<_>>();
    assert!(states.iter().all(|state| *state == states[0]), "the nodes hold different states: {states:?}");
    for node in nodes.all() {
        assert_eq!(network.balance(node, receiver), AMOUNT * u128::from(VALIDATORS));
        let peers = call(node, "node_peers", &json!({})).expect("it answers");
        let peers = peers.as_array().expect("a list");
        assert_eq!(peers.len(), usize::from(VALIDATORS) - 1);
        assert!(peers.iter().all(|peer| peer["connected"] == true && peer["bytesIn"] != "0"), "{peers:?}");
    }
}

#[test]
fn the_same_bytes_at_four_nodes_are_executed_once() {
    let network = Network::new(VALIDATORS);
    let nodes = Nodes::start(&network);
    let receiver = Address::new([8; 32]);
    let transaction = network.transfer(0, receiver, AMOUNT, 1);
    let answers: Vec<Value> = thread::scope(|scope| {
        let submit_at = |number: usize| {
            let node = nodes.rpc(number % usize::from(VALIDATORS));
            let transaction = &transaction;
            scope.spawn(move || submit(node, transaction, "finalized").expect("it is a good transfer"))
        };
        let calls: Vec<_> = (0..100).map(submit_at).collect();
        calls.into_iter().map(|call| call.join().expect("it does not panic")).collect()
    });
    assert!(answers.iter().all(|answer| answer["status"] == "finalized"), "{answers:?}");
    assert!(answers.iter().all(|answer| answer["height"] == answers[0]["height"]), "{answers:?}");
    assert!(answers.iter().all(|answer| answer["receipt"] == answers[0]["receipt"]), "{answers:?}");
    for node in nodes.all() {
        assert!(eventually(PATIENCE, || network.balance(node, receiver) == AMOUNT), "executed other than once");
    }
}

#[test]
fn three_go_on_without_the_fourth_which_catches_up_and_votes_again() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([9; 32]);
    transfer(&network, nodes.rpc(0), receiver, 0);
    nodes.kill(3);
    let killed_at = now();
    transfer(&network, nodes.rpc(0), receiver, 1);
    assert!(killed_at.elapsed() < FAILOVER_MAX, "without one of four it took {:?}", killed_at.elapsed());
    // More blocks than one answer to a node that catches up can hold.
    for salt in 2..82 {
        transfer(&network, nodes.rpc(usize::try_from(salt % 3).expect("small")), receiver, salt);
    }
    nodes.restart(3);
    let goal = height_of(nodes.rpc(0));
    assert!(goal > 64, "the chain is only {goal} high: too little to catch up with");
    assert!(eventually(PATIENCE, || height_of(nodes.rpc(3)) >= goal), "it stays behind {goal}: {}", nodes.log(3));
    assert_eq!(state_at(nodes.rpc(3), goal), state_at(nodes.rpc(0), goal));
    // Now the others need its vote.
    nodes.wait_connected();
    nodes.kill(0);
    transfer(&network, nodes.rpc(3), receiver, 82);
    assert_eq!(network.balance(nodes.rpc(3), receiver), AMOUNT * 83);
}

#[test]
fn two_of_four_make_nothing_final_and_go_on_as_soon_as_a_third_is_back() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([10; 32]);
    transfer(&network, nodes.rpc(0), receiver, 0);
    nodes.kill(2);
    nodes.kill(3);
    let height = height_of(nodes.rpc(0)).max(height_of(nodes.rpc(1)));
    let waiting = network.transfer(1, receiver, AMOUNT, 1);
    let answer = submit(nodes.rpc(0), &waiting, "none").expect("it is taken in");
    assert_ne!(answer["status"], "finalized");
    thread::sleep(Duration::from_secs(3));
    for node in nodes.all() {
        // What two had final already may reach the other of them; nothing new may.
        assert!(height_of(node) <= height + 1, "two of four made a block final");
        assert_ne!(status(node, &waiting.id()).ok().map(|status| status["status"] == "finalized"), Some(true));
    }
    check_patience(&network, nodes.rpc(0), receiver);
    nodes.restart(2);
    let returned_at = now();
    let is_final = || is_final(nodes.rpc(0), &waiting.id());
    assert!(eventually(RETURN_MAX, is_final), "nothing is final {:?} after the return", returned_at.elapsed());
    nodes.restart(3);
    let goal = height_of(nodes.rpc(0));
    assert!(eventually(PATIENCE, || height_of(nodes.rpc(3)) >= goal), "{}", nodes.log(3));
    assert_eq!(state_at(nodes.rpc(3), goal), state_at(nodes.rpc(0), goal));
}

/// Whoever sends where nothing becomes final waits as long as he said and no longer, and learns that it is open.
fn check_patience(network: &Network, node: SocketAddr, to: Address) {
    let (home, began) = (network.home(0), now());
    let mut command = program();
    command.args(["send", "--amount", "1", "--timeout", "2s", "--output", "json", "--rpc", &format!("http://{node}")]);
    command.arg("--to").arg(network.text(to)).arg("--genesis").arg(&home.genesis);
    let output = finished({
        command.arg("--key").arg(home.genesis.with_file_name("keys").join("DEV-account-2.pem"));
        command
    });
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let took = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_millis(3_800)).contains(&took), "it waited {took:?} of 2 s");
}

#[test]
fn all_four_are_killed_at_once_and_nothing_acknowledged_is_lost() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([11; 32]);
    let acknowledged: Vec<Hash> = (0..12).map(|salt| transfer(&network, nodes.rpc(0), receiver, salt)).collect();
    let accepted = network.transfer(1, receiver, AMOUNT, 99);
    submit(nodes.rpc(1), &accepted, "accepted").expect("it is taken in");
    nodes.kill_all();
    nodes.restart_all();
    nodes.wait_connected();
    for node in nodes.all() {
        for id in acknowledged.iter().chain([&accepted.id()]) {
            assert!(eventually(PATIENCE, || is_final(node, id)), "{id} was acknowledged and is lost");
        }
        assert_eq!(network.balance(node, receiver), AMOUNT * 13);
    }
    let height = nodes.all().into_iter().map(height_of).min().expect("there are nodes");
    let states = nodes.all().into_iter().map(|node| state_at(node, height)).collect::<Vec<_>>();
    assert!(states.iter().all(|state| *state == states[0]), "the nodes hold different states: {states:?}");
}
