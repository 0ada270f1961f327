//! Validators that keep windows of history beside one that keeps all of it: they agree, say what is not kept, and go on
//! pruning after a kill.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use althing_types::Address;
use serde_json::json;

use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, state_at, transfer};
use super::rpc::call;

/// For how long a transaction can be ordered, in milliseconds: blocks that are younger are kept by everybody.
const WINDOW_MS: u32 = 4_000;
/// The validator that keeps everything.
const ARCHIVE: usize = 3;

pub(super) fn earliest(node: SocketAddr) -> u64 {
    let status = call(node, "node_status", &json!({})).expect("it answers");
    status["earliestHeight"].as_str().expect("a height").parse().expect("a number")
}

/// Puts what a node keeps into its configuration file.
fn keeps(network: &Network, index: u16, history: &str) {
    let folder = network.home(index).folder.join("config");
    fs::create_dir_all(&folder).expect("a folder");
    // They begin together: nobody has a snapshot that could be waited for.
    let text = format!("[storage]\nhistory = \"{history}\"\njoin = \"replay\"\n");
    fs::write(folder.join("config.toml"), text).expect("written");
}

#[test]
fn validators_that_prune_agree_with_one_that_does_not_and_say_what_is_gone() {
    let network = Network::with_window(VALIDATORS, WINDOW_MS);
    for (index, history) in (0u16..).zip(["latest", "window:80", "latest", "archive"]) {
        keeps(&network, index, history);
    }
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([41; 32]);
    let first = network.transfer(0, receiver, AMOUNT, 1_000);
    submit(nodes.rpc(0), &first, "finalized").expect("it is taken in");
    // One block for each transfer: more than are kept.
    let mut sent = 1u128;
    let mut send_until = |nodes: &Nodes, enough: &dyn Fn() -> bool| {
        assert!(
            eventually(4 * PATIENCE, || {
                transfer(
                    &network,
                    nodes.rpc(usize::try_from(sent % 4).expect("small")),
                    receiver,
                    u64::try_from(sent).expect("small"),
                );
                sent += 1;
                enough()
            }),
            "nothing is pruned: {}",
            nodes.log(0)
        );
        sent
    };
    let pruning: Vec<SocketAddr> = (0..ARCHIVE).map(|index| nodes.rpc(index)).collect();
    send_until(&nodes, &|| pruning.iter().all(|node| earliest(*node) > 20));

    for node in &pruning {
        let gone = call(*node, "chain_getBlock", &json!({ "height": "3" })).expect_err("it is not kept");
        assert_eq!(gone.symbol(), "PRUNED", "{gone}");
        let old = call(*node, "tx_get", &json!({ "txId": first.id().to_string() })).expect_err("it is not kept");
        assert_eq!(old.symbol(), "NOT_FOUND", "{old}");
        let again = submit(*node, &first, "none").expect_err("its time is over");
        assert_eq!(again.symbol(), "TX_EXPIRED", "{again}");
    }
    assert!(call(nodes.rpc(ARCHIVE), "chain_getBlock", &json!({ "height": "3" })).is_ok());
    assert_eq!(earliest(nodes.rpc(ARCHIVE)), 0);

    // A kill in the middle of it: what was reached is not gone back on, and more is removed.
    let before = earliest(nodes.rpc(0));
    nodes.kill(0);
    nodes.restart(0);
    nodes.wait_connected();
    nodes.catch_up(0, 1);
    assert!(earliest(nodes.rpc(0)) + 16 >= before, "{} after {before}", earliest(nodes.rpc(0)));
    thread::sleep(Duration::from_millis(100));
    let node = nodes.rpc(0);
    let sent = send_until(&nodes, &|| earliest(node) > before + 16);
    let height = (0..usize::from(VALIDATORS)).map(|index| height_of(nodes.rpc(index))).max().expect("four");
    let states: Vec<_> = nodes.all().into_iter().map(|node| state_at(node, height)).collect();
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
    assert_eq!(network.balance(node, receiver), AMOUNT * sent);
}
