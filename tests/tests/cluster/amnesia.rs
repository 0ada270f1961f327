//! Validators that lost what they voted, as their operators meet them: a missing folder is refused, a lost log is
//! recovered, a second beginning and a second process are found out (rule D10).

use std::fs;
use std::process::Output;
use std::time::Duration;

use althing_types::Address;
use serde_json::{Value, json};

use super::network::Network;
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, transfer};
use super::process::{Home, Process, begin, finished, log_of, offline};
use super::rpc::call;

/// How long a validator may take to recover: a few messages, and views that end by their timers while another one is away.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// Runs a command on the data folder of a validator that does not run.
fn on_folder(home: &Home, arguments: &[&str]) -> Output {
    let key = home.key.as_ref().expect("a validator has one");
    let mut command = offline(home, arguments[0], key);
    command.args(&arguments[1..]);
    finished(command)
}

/// The exit code and symbol of a refusal, and its remedy.
fn refusal(output: &Output) -> (Option<i32>, String, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.starts_with("{\"error\"")).unwrap_or_else(|| panic!("no error: {text}"));
    let error: Value = serde_json::from_str(line).expect("JSON");
    let part = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
    (output.status.code(), part("symbol"), part("hint"))
}

/// The causes that a node names, the gravest first.
fn causes(nodes: &Nodes, index: usize) -> Vec<String> {
    let Ok(why) = call(nodes.rpc(index), "node_why", &json!({})) else { return Vec::new() };
    let also = why["also"].as_array().cloned().unwrap_or_default();
    let all = std::iter::once(why).chain(also);
    all.filter_map(|finding| finding["cause"].as_str().map(str::to_owned)).collect()
}

pub(super) fn names(nodes: &Nodes, index: usize, cause: &str) -> bool {
    causes(nodes, index).iter().any(|named| named == cause)
}

/// Four transfers while validator 2 is away, so that each certificate holds the vote of each of the others.
fn vote_with_everybody_else(network: &Network, nodes: &mut Nodes, receiver: Address) {
    nodes.kill(2);
    for salt in 1..=4 {
        transfer(network, nodes.rpc(0), receiver, salt);
    }
    nodes.restart(2);
    nodes.wait_connected();
}

#[test]
fn a_wiped_validator_is_refused_recovers_and_its_votes_are_needed_again() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([61; 32]);
    for salt in 1..=5 {
        transfer(&network, nodes.rpc(0), receiver, salt);
    }
    nodes.kill(2);
    let home = network.home(2);
    fs::remove_dir_all(home.folder.join("data")).expect("it is there");
    assert!(Process::try_start(&home).is_err_and(|status| status.code() == Some(78)), "{}", log_of(&home));
    assert!(log_of(&home).contains("DATA_MISSING") && log_of(&home).contains("recover-vote-log"), "{}", log_of(&home));

    let (code, symbol, hint) = refusal(&on_folder(&home, &["recover-vote-log"]));
    assert_eq!((code, symbol.as_str()), (Some(2), "NOT_CONFIRMED"), "{hint}");
    assert!(on_folder(&home, &["recover-vote-log", "--yes"]).status.success());
    nodes.restart(2);
    nodes.wait_connected();
    // It follows, and leaves the views behind in which it may have voted.
    let done = |salt: &mut u64| {
        *salt += 1;
        transfer(&network, nodes.rpc(0), receiver, *salt);
        !names(&nodes, 2, "votesLost")
    };
    let mut salt = 100;
    assert!(eventually(LONG, || done(&mut salt)), "{:?}", call(nodes.rpc(2), "node_why", &json!({})));
    assert!(log_of(&home).contains("votes again above this view"), "{}", log_of(&home));
    assert!(names(&nodes, 2, "laneSilent"), "{:?}", causes(&nodes, 2));

    // Without another one its votes are needed.
    nodes.kill(3);
    transfer(&network, nodes.rpc(0), receiver, 9_000);
    transfer(&network, nodes.rpc(1), receiver, 9_001);
    nodes.restart(3);
    nodes.wait_connected();
    nodes.check_agreement();

    // What it lost stays lost after a restart, and what it voted since does not.
    nodes.kill(2);
    nodes.restart(2);
    nodes.wait_connected();
    nodes.kill(3);
    transfer(&network, nodes.rpc(0), receiver, 9_002);
    nodes.restart(3);
    nodes.wait_connected();
    nodes.check_agreement();
}

#[test]
fn a_validator_is_begun_once_and_a_second_beginning_after_a_loss_votes_no_more() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([62; 32]);
    let home = network.home(1);
    let (code, symbol, _) = refusal(&on_folder(&home, &["init"]));
    assert_eq!((code, symbol.as_str()), (Some(75), "DATA_IN_USE"));
    vote_with_everybody_else(&network, &mut nodes, receiver);
    nodes.kill(1);
    let (code, symbol, hint) = refusal(&on_folder(&home, &["init"]));
    assert_eq!((code, symbol.as_str()), (Some(78), "DATA_BEGUN"));
    assert!(hint.contains("recover-vote-log"), "{hint}");

    fs::remove_dir_all(home.folder.join("data")).expect("it is there");
    fs::remove_file(home.folder.join("begun")).expect("it is there");
    begin(&home).expect("nobody on this machine knows better");
    nodes.restart(1);
    assert!(eventually(PATIENCE, || names(&nodes, 1, "keyDoubled")), "{}", log_of(&home));
    assert!(log_of(&home).contains("that it did not cast"), "{}", log_of(&home));
    transfer(&network, nodes.rpc(0), receiver, 5);

    // A restart changes nothing; the operator does.
    nodes.kill(1);
    nodes.restart(1);
    assert!(names(&nodes, 1, "keyDoubled"));
    nodes.kill(1);
    assert!(on_folder(&home, &["recover-vote-log", "--yes"]).status.success());
    nodes.restart(1);
    nodes.wait_connected();
    let mut salt = 200;
    let done = |salt: &mut u64| {
        *salt += 1;
        transfer(&network, nodes.rpc(0), receiver, *salt);
        !names(&nodes, 1, "votesLost")
    };
    assert!(eventually(LONG, || done(&mut salt)), "{:?}", causes(&nodes, 1));
    nodes.check_agreement();
}

#[test]
fn of_two_processes_with_one_key_the_second_learns_of_the_first_and_nobody_forks() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([63; 32]);
    vote_with_everybody_else(&network, &mut nodes, receiver);
    let mut twin = network.home(3);
    twin.folder = twin.folder.with_extension("twin");
    twin.rpc = "127.0.0.1:0".parse().expect("an address");
    begin(&twin).expect("its folder is a new one");
    // It takes the other's place in the network as soon as that is away for a moment.
    nodes.kill(3);
    let second = Process::start(&twin);
    let told = || {
        let why = call(second.rpc, "node_why", &json!({})).unwrap_or_default();
        why.to_string().contains("keyDoubled")
    };
    assert!(eventually(PATIENCE, told), "{}", log_of(&twin));
    second.kill();
    nodes.restart(3);
    nodes.wait_connected();
    transfer(&network, nodes.rpc(0), receiver, 5);
    nodes.check_agreement();
    assert_eq!(network.balance(nodes.rpc(3), receiver), AMOUNT * 5);
}
