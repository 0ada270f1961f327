//! Nodes that join a chain whose validators have forgotten its beginning: they fetch a snapshot, go on from it, serve proofs,
//! and vote; and a kill in the middle costs no more than what was under way.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use althing_client::{AskedAccount, verify_account};
use althing_rpc::api::AccountAnswer;
use althing_types::Address;
use serde_json::json;

use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, state_at, transfer};
use super::process::{Home, Process};
use super::pruning::earliest;
use super::rpc::call;

/// For how long a transaction can be ordered, in milliseconds: blocks that are not much older are kept by everybody.
const WINDOW_MS: u32 = 3_000;

/// Writes a node's configuration file.
pub(super) fn configure(home: &Home, storage: &str) {
    let folder = home.folder.join("config");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.toml"), format!("[storage]\n{storage}\n")).expect("written");
}

/// The first validators of a network, which keep as little as they can and have pruned the beginning.
pub(super) fn pruned(network: &Network, running: u16, receiver: Address) -> (Nodes, u128) {
    let homes: Vec<Home> = (0..running).map(|index| network.home(index)).collect();
    homes.iter().for_each(|home| configure(home, "history = \"latest\"\njoin = \"replay\""));
    let nodes = Nodes::start_at(homes);
    let mut sent = 0;
    let is_pruned = || {
        let at = nodes.rpc(usize::try_from(sent).expect("small") % usize::from(running));
        transfer(network, at, receiver, u64::try_from(sent).expect("small"));
        sent += 1;
        nodes.all().into_iter().all(|node| earliest(node) > 20)
    };
    assert!(eventually(6 * PATIENCE, is_pruned), "nothing is pruned: {}", nodes.log(0));
    (nodes, sent)
}

fn whole_log(home: &Home) -> String {
    fs::read_to_string(home.folder.join("stderr.log")).expect("it has a log")
}

fn joined(home: &Home) -> usize {
    whole_log(home).matches("joined by a snapshot").count()
}

pub(super) fn shows_what_it_has(
    network: &Network,
    node: SocketAddr,
    like: SocketAddr,
    receiver: Address,
    amount: u128,
) {
    // Before the first block above the snapshot there is nothing that it can show.
    let is_above = || call(node, "node_status", &json!({})).is_ok() && height_of(node) >= earliest(node);
    assert!(eventually(PATIENCE, is_above), "it does not follow");
    assert!(eventually(PATIENCE, || network.balance(node, receiver) == amount), "it does not follow");
    let height = height_of(node);
    assert!(eventually(PATIENCE, || height_of(like) >= height));
    assert_eq!(state_at(node, height), state_at(like, height));
    let question = json!({ "address": network.text(receiver), "prove": true });
    let mut answer = None;
    let is_proven = || {
        answer = call(node, "account_get", &question).ok();
        answer.is_some()
    };
    assert!(eventually(PATIENCE, is_proven), "it proves nothing");
    let answer: AccountAnswer = serde_json::from_value(answer.expect("it came")).expect("it has the shape");
    let assets = [(network.symbol().to_owned(), network.asset())];
    let asked = AskedAccount { address: receiver, prefix: network.genesis.prefix(), at: None, assets: &assets };
    verify_account(&answer, &asked, &network.genesis.committee()).expect("the proof holds");
    let gone = call(node, "chain_getBlock", &json!({ "height": "3" })).expect_err("it never had it");
    assert_eq!(gone.symbol(), "PRUNED", "{gone}");
}

#[test]
fn an_observer_joins_validators_that_have_forgotten_the_beginning() {
    let network = Network::with_window_and(VALIDATORS, WINDOW_MS, 2, 0);
    let receiver = Address::new([61; 32]);
    let (nodes, sent) = pruned(&network, VALIDATORS, receiver);
    let home = network.observer_home(0);
    configure(&home, "history = \"window:100\"\njoin_behind = 1");
    let observer = Process::start(&home);
    assert_eq!(joined(&home), 1, "{}", whole_log(&home));
    let height = earliest(observer.rpc);
    assert!(height > 20, "{height}");
    shows_what_it_has(&network, observer.rpc, nodes.rpc(1), receiver, AMOUNT * sent);
    for salt in 0..5 {
        transfer(&network, observer.rpc, receiver, 10_000 + salt);
    }
    shows_what_it_has(&network, observer.rpc, nodes.rpc(2), receiver, AMOUNT * (sent + 5));

    // It goes on from there, and needs no other snapshot.
    assert!(observer.stop().success());
    let observer = Process::start(&home);
    assert_eq!(joined(&home), 1, "{}", whole_log(&home));
    assert!(earliest(observer.rpc) >= height);
    shows_what_it_has(&network, observer.rpc, nodes.rpc(3), receiver, AMOUNT * (sent + 5));

    // Whoever was told to replay every block waits for somebody who has them, and says nothing else.
    let home = network.observer_home(1);
    configure(&home, "join = \"replay\"");
    let replaying = Process::start(&home);
    thread::sleep(Duration::from_secs(1));
    assert_eq!((height_of(replaying.rpc), joined(&home)), (0, 0));
}

#[test]
fn a_validator_that_never_ran_joins_and_votes() {
    let network = Network::with_window_and(VALIDATORS, WINDOW_MS, 0, 0);
    let receiver = Address::new([62; 32]);
    let (mut nodes, sent) = pruned(&network, VALIDATORS - 1, receiver);
    let home = network.home(VALIDATORS - 1);
    configure(&home, "history = \"latest\"\njoin_behind = 1");
    let newcomer = usize::from(VALIDATORS - 1);
    nodes.add(network.home(VALIDATORS - 1));
    assert_eq!(joined(&home), 1, "{}", whole_log(&home));
    nodes.wait_connected();
    shows_what_it_has(&network, nodes.rpc(newcomer), nodes.rpc(1), receiver, AMOUNT * sent);
    // Without its vote there is no quorum from here on.
    nodes.kill(0);
    for salt in 0..5 {
        let final_at_last = network.transfer(0, receiver, AMOUNT, 20_000 + salt);
        submit(nodes.rpc(newcomer), &final_at_last, "finalized").expect("it is a good transfer");
    }
    shows_what_it_has(&network, nodes.rpc(newcomer), nodes.rpc(2), receiver, AMOUNT * (sent + 5));
    // It is killed and remembers.
    nodes.kill(newcomer);
    nodes.restart(newcomer);
    nodes.restart(0);
    nodes.wait_connected();
    assert_eq!(joined(&home), 1, "{}", whole_log(&home));
    transfer(&network, nodes.rpc(newcomer), receiver, 30_000);
    shows_what_it_has(&network, nodes.rpc(newcomer), nodes.rpc(1), receiver, AMOUNT * (sent + 6));
}

#[test]
fn a_node_that_is_killed_while_it_joins_goes_on_where_it_was() {
    let network = Network::with_window_and(1, WINDOW_MS, 1, 20_000);
    let receiver = Address::new([63; 32]);
    let (nodes, sent) = pruned(&network, 1, receiver);
    let home = network.observer_home(0);
    configure(&home, "history = \"latest\"\njoin_behind = 1");
    let mut lives = 0usize;
    let begun = || {
        let log = whole_log(&home);
        log.matches("fetching a snapshot height").count() + log.matches("going on with a snapshot").count()
    };
    // Killed a little later each time after it began to fetch, until it is done before that.
    for delay in (0u64..20).map(|step| Duration::from_millis(8 * step)) {
        let mut child = Process::begin_to_start(&home);
        assert!(eventually(PATIENCE, || begun() > lives), "it fetches nothing: {}", whole_log(&home));
        lives += 1;
        thread::sleep(delay);
        child.kill().expect("it is a child of ours");
        child.wait().expect("it can be waited for");
        if joined(&home) > 0 {
            break;
        }
    }
    let observer = Process::start(&home);
    assert_eq!(joined(&home), 1, "{}", whole_log(&home));
    let resumed = whole_log(&home).matches("going on with a snapshot").count();
    assert!(lives > 2 && resumed > 0, "{lives} lives, {resumed} went on");
    shows_what_it_has(&network, observer.rpc, nodes.rpc(0), receiver, AMOUNT * sent);
    assert!(!home.folder.join("data/db.joining").exists() && !home.folder.join("data/db.before").exists());
}
