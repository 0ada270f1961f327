//! `althing repair`: a validator, an observer, whose files are damaged get from the others what those have, keep what nobody else
//! has, and say what is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use althing_types::{Address, Hash};
use serde_json::{Value, json};

use super::joining::{configure, pruned, shows_what_it_has};
use super::network::Network;
use super::nodes::{AMOUNT, Nodes, VALIDATORS, eventually, is_final, transfer};
use super::process::{Home, Process, finished, log_of, program};
use super::rpc::call;

/// How long a validator may take to recover its votes.
const LONG: Duration = Duration::from_secs(60);
/// The validator whose files are damaged.
const SUBJECT: usize = 3;

/// Runs `althing repair` on the data folder of a node.
pub(super) fn repair(home: &Home, arguments: &[&str]) -> Output {
    let mut command = program();
    command.args(["repair", "--output", "json", "--home"]).arg(&home.folder).arg("--genesis").arg(&home.genesis);
    match &home.key {
        Some(key) => command.arg("--validator-key").arg(key),
        None => command.arg("--observer").arg("--node-key").arg(&home.node_key),
    };
    command.args(arguments);
    finished(command)
}

/// What a command wrote, and its exit code.
fn told(output: &Output) -> (i32, Value) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = if output.stdout.is_empty() { err } else { out };
    let told = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (output.status.code().expect("it ended by itself"), told)
}

/// The states of the parts that are not whole.
fn bad(told: &Value) -> Vec<(String, String)> {
    let text = |part: &Value, name: &str| part[name].as_str().expect("a text").to_owned();
    let parts = told["parts"].as_array().expect("a list").iter();
    parts.map(|part| (text(part, "part"), text(part, "state"))).filter(|(_, state)| state != "whole").collect()
}

fn damaged(part: &str) -> Vec<(String, String)> {
    vec![(part.to_owned(), "damaged".to_owned())]
}

/// Refused without a change: the exit code and the symbol.
fn refused(home: &Home, arguments: &[&str]) -> (i32, String) {
    let before = content(&home.folder.join("data"));
    let (code, told) = told(&repair(home, arguments));
    assert!(content(&home.folder.join("data")) == before, "it changed something: {told}");
    assert!(told["error"]["hint"].is_string(), "{told}");
    (code, told["error"]["symbol"].as_str().expect("a symbol").to_owned())
}

/// All files of a folder with their bytes.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("readable"));
        }
    }
    found
}

/// The files of a part that begin or end like this, the largest first.
fn files(home: &Home, folder: &str, like: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.folder.join("data").join(folder)).expect("it is there");
    let name = |path: &PathBuf| path.file_name().expect("it has one").to_string_lossy().into_owned();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    found.retain(|path| name(path).starts_with(like) || name(path).ends_with(like));
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).expect("it is there").len()));
    found
}

/// Flips a bit in the middle of what is in a file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("it holds something");
    bytes[used / 2] ^= 4;
    fs::write(path, bytes).expect("it can be written");
}

/// Four validators with tables and logs, of which the last one was killed; and all transactions.
fn begun(network: &Network, receiver: Address) -> (Nodes, Vec<Hash>) {
    let mut nodes = Nodes::start(network);
    let mut ids = Vec::new();
    for round in 0..2 {
        for salt in round * 8..round * 8 + 8 {
            ids.push(transfer(network, nodes.rpc(usize::try_from(salt % 4).expect("small")), receiver, salt));
        }
        if round == 0 {
            nodes.stop(SUBJECT);
            nodes.restart(SUBJECT);
            nodes.wait_connected();
        }
    }
    nodes.kill(SUBJECT);
    (nodes, ids)
}

/// It starts, gets everything back, and its vote is needed and given.
fn comes_back(network: &Network, nodes: &mut Nodes, ids: &[Hash], receiver: Address, salt: u64) {
    nodes.restart(SUBJECT);
    nodes.wait_connected();
    nodes.catch_up(SUBJECT, 0);
    assert!(ids.iter().all(|id| is_final(nodes.rpc(SUBJECT), id)), "it lacks a transaction: {}", nodes.log(SUBJECT));
    nodes.check_agreement();
    // Now the others need its vote.
    nodes.kill(0);
    transfer(network, nodes.rpc(1), receiver, salt);
    nodes.restart(0);
    nodes.wait_connected();
    nodes.check_agreement();
    assert_eq!(network.balance(nodes.rpc(SUBJECT), receiver), AMOUNT * (ids.len() as u128 + 1));
    let evidence = call(nodes.rpc(1), "evidence_list", &json!({})).expect("it answers");
    assert_eq!((&evidence["pending"], &evidence["items"]), (&json!([]), &json!([])), "it contradicted itself");
}

fn causes(nodes: &Nodes) -> String {
    call(nodes.rpc(SUBJECT), "node_why", &json!({})).unwrap_or_default().to_string()
}

#[test]
fn a_validator_with_damaged_tables_gets_the_chain_back_and_votes() {
    let network = Network::new(VALIDATORS);
    let receiver = Address::new([81; 32]);
    let (mut nodes, mut ids) = begun(&network, receiver);
    let home = network.home(VALIDATORS - 1);
    let data = home.folder.join("data");
    let (code, whole) = told(&repair(&home, &["--check"]));
    assert_eq!((code, bad(&whole)), (0, Vec::new()), "{whole}");

    flip(&files(&home, "db", ".sst")[0]);
    let before = content(&data);
    let (code, looked) = told(&repair(&home, &["--check"]));
    assert_eq!((code, bad(&looked)), (1, damaged("db")), "{looked}");
    assert!(content(&data) == before, "looking changed something");
    let (code, done) = told(&repair(&home, &[]));
    assert_eq!((code, &done["emptied"], &done["votesGivenUp"]), (0, &json!(true), &json!(false)), "{done}");
    assert_eq!(done["setAside"], json!([data.join("db.damaged-1")]));
    let kept = |(path, bytes): (&PathBuf, &Vec<u8>)| {
        let path = path.strip_prefix(data.join("db")).map_or(path.clone(), |name| data.join("db.damaged-1").join(name));
        fs::read(path).is_ok_and(|found| found == *bytes)
    };
    assert!(before.iter().all(kept), "something is gone");
    // They go on meanwhile.
    ids.push(transfer(&network, nodes.rpc(0), receiver, 1_000));
    comes_back(&network, &mut nodes, &ids, receiver, 1_001);

    nodes.stop(SUBJECT);
    let before = content(&data);
    let (code, whole) = told(&repair(&home, &[]));
    assert_eq!((code, &whole["whole"], &whole["repaired"]), (0, &json!(true), &json!(false)), "{whole}");
    assert!(content(&data) == before, "nothing was damaged, and something changed");
}

#[test]
fn where_the_last_block_cannot_be_read_an_operator_vouches_for_the_logs() {
    let network = Network::new(VALIDATORS);
    let receiver = Address::new([82; 32]);
    let (mut nodes, ids) = begun(&network, receiver);
    let home = network.home(VALIDATORS - 1);
    flip(&files(&home, "db", "MANIFEST-")[0]);
    assert!(Process::try_start(&home).is_err_and(|status| status.code() == Some(1)), "{}", log_of(&home));
    assert!(log_of(&home).contains("althing repair"), "{}", log_of(&home));
    assert_eq!(refused(&home, &[]), (2, "NOT_CONFIRMED".to_owned()));
    let (code, done) = told(&repair(&home, &["--logs-are-current", "--discard"]));
    assert_eq!((code, &done["emptied"], &done["votesGivenUp"]), (0, &json!(true), &json!(false)), "{done}");
    assert!(!home.folder.join("data/db.damaged-1").exists(), "it was to be deleted");
    comes_back(&network, &mut nodes, &ids, receiver, 1_000);
}

#[test]
fn votes_that_are_damaged_are_given_up_if_the_operator_says_so() {
    let network = Network::new(VALIDATORS);
    let receiver = Address::new([83; 32]);
    let (mut nodes, ids) = begun(&network, receiver);
    let home = network.home(VALIDATORS - 1);
    flip(&files(&home, "votes", "segment-")[0]);
    assert!(Process::try_start(&home).is_err_and(|status| status.code() == Some(1)), "{}", log_of(&home));
    assert_eq!(bad(&told(&repair(&home, &["--check"])).1), damaged("votes"));
    assert_eq!(refused(&home, &[]), (2, "NOT_CONFIRMED".to_owned()));
    let (code, done) = told(&repair(&home, &["--yes"]));
    assert_eq!((code, &done["emptied"], &done["votesGivenUp"]), (0, &json!(false), &json!(true)), "{done}");
    assert!(home.folder.join("data/votes.damaged-1").exists(), "nothing is deleted");
    nodes.restart(SUBJECT);
    nodes.wait_connected();
    let mut salt = 1_000;
    let recovered = || {
        salt += 1;
        transfer(&network, nodes.rpc(0), receiver, salt);
        !causes(&nodes).contains("votesLost")
    };
    assert!(eventually(LONG, recovered), "{}", causes(&nodes));
    nodes.kill(0);
    transfer(&network, nodes.rpc(1), receiver, 5_000);
    assert!(ids.iter().all(|id| is_final(nodes.rpc(SUBJECT), id)));
    nodes.check_agreement();
}

#[test]
fn batches_that_are_damaged_are_begun_anew_and_the_lane_is_silent() {
    let network = Network::new(VALIDATORS);
    let receiver = Address::new([84; 32]);
    let (mut nodes, ids) = begun(&network, receiver);
    let home = network.home(VALIDATORS - 1);
    flip(&files(&home, "batches", "segment-")[0]);
    flip(&home.folder.join("data/version"));
    let (code, done) = told(&repair(&home, &[]));
    assert_eq!((code, &done["batchesLost"], &done["votesGivenUp"]), (0, &json!(true), &json!(false)), "{done}");
    let states = [("version", "damaged"), ("batches", "damaged")];
    assert_eq!(bad(&done), states.map(|(part, state)| (part.to_owned(), state.to_owned())));
    comes_back(&network, &mut nodes, &ids, receiver, 1_000);
    assert!(causes(&nodes).contains("laneSilent"), "{}", causes(&nodes));
}

#[test]
fn without_store_and_batches_nothing_shows_which_batches_were_signed() {
    let network = Network::new(VALIDATORS);
    let receiver = Address::new([85; 32]);
    let (nodes, _) = begun(&network, receiver);
    let home = network.home(VALIDATORS - 1);
    flip(&files(&home, "batches", "segment-")[0]);
    flip(&files(&home, "db", ".sst")[0]);
    assert_eq!(refused(&home, &[]), (2, "NOT_CONFIRMED".to_owned()));
    assert_eq!(refused(&home, &["--logs-are-current"]), (2, "NOT_CONFIRMED".to_owned()));
    // A folder of another node is refused, whatever is wrong with it; one that is in use, and none, are as well.
    let mut other = network.home(VALIDATORS - 1);
    other.key = network.home(0).key;
    assert_eq!(refused(&other, &[]), (78, "DATA_FOLDER".to_owned()));
    assert_eq!(told(&repair(&network.home(0), &["--check"])).0, 75);
    other.folder = other.folder.with_extension("none");
    assert_eq!(told(&repair(&other, &[])).0, 78);
    drop(nodes);

    let alone = Network::new(1);
    let node = Process::start(&alone.home(0));
    transfer(&alone, node.rpc, receiver, 1);
    assert!(node.stop().success());
    flip(&files(&alone.home(0), "db", "MANIFEST-")[0]);
    assert_eq!(refused(&alone.home(0), &["--logs-are-current", "--yes"]), (78, "DATA_LOST".to_owned()));
}

#[test]
fn a_repaired_node_joins_by_a_snapshot_where_the_others_have_forgotten_the_beginning() {
    let network = Network::with_window_and(VALIDATORS, 3_000, 1, 0);
    let receiver = Address::new([86; 32]);
    let observer = network.observer_home(0);
    configure(&observer, "history = \"latest\"\njoin_behind = 1");
    let (mut nodes, sent) = pruned(&network, VALIDATORS, receiver);
    assert!(Process::start(&observer).stop().success());
    nodes.stop(SUBJECT);
    let home = network.home(VALIDATORS - 1);
    for home in [&home, &observer] {
        flip(&files(home, "db", ".sst")[0]);
        let (code, done) = told(&repair(home, &["--logs-are-current"]));
        assert_eq!((code, &done["emptied"], bad(&done)), (0, &json!(true), damaged("db")), "{done}");
    }
    configure(&home, "history = \"latest\"\njoin_behind = 1");
    nodes.restart(SUBJECT);
    nodes.wait_connected();
    let follower = Process::start(&observer);
    nodes.kill(0);
    transfer(&network, nodes.rpc(SUBJECT), receiver, 50_000);
    for node in [nodes.rpc(SUBJECT), follower.rpc] {
        shows_what_it_has(&network, node, nodes.rpc(1), receiver, AMOUNT * (sent + 1));
    }
    nodes.check_agreement();
}
