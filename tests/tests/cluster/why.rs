//! Networks of real processes that stall, and what `althing why` says: cause, who, since when, and what to do.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use althing_types::Address;
use serde_json::{Value, json};

use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, transfer};
use super::observer::running;
use super::process::{Home, Process, finished, program};
use super::rpc::call;

/// How long a stall may take until it is told: a node that stands still is given up after 8 s.
const TOLD_MAX: Duration = Duration::from_secs(40);

/// What a node says.
fn why(node: SocketAddr) -> Value {
    call(node, "node_why", &json!({})).expect("it answers")
}

/// Waits until a node says that this is the cause, and returns what it says then.
fn told(node: SocketAddr, cause: &str) -> Value {
    let mut last = Value::Null;
    let is_told = || {
        last = why(node);
        last["cause"] == cause
    };
    assert!(eventually(TOLD_MAX, is_told), "{cause} is not told, but {last:#}");
    last
}

/// Whom an answer names, in its order.
fn named(answer: &Value) -> Vec<&str> {
    let who = answer["who"].as_array().expect("a list").iter();
    who.map(|party| party["name"].as_str().expect("a name")).collect()
}

/// The names of these validators in the order in which answers have them.
fn names(network: &Network, numbers: &[usize]) -> Vec<String> {
    let all = network.genesis.validators().iter().map(|validator| validator.name.clone());
    all.filter(|name| numbers.iter().any(|number| *name == format!("validator-{number}"))).collect()
}

/// Runs `althing why` about some nodes.
fn command(nodes: &[SocketAddr], arguments: &[&str]) -> Output {
    let urls: Vec<String> = nodes.iter().map(|node| format!("http://{node}")).collect();
    let mut command = program();
    command.args(["why", "--rpc", &urls.join(",")]).args(arguments);
    finished(command)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn two_of_four_are_killed_and_named_with_their_addresses_until_they_are_back() {
    let network = Network::new(VALIDATORS);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([51; 32]);
    transfer(&network, nodes.rpc(0), receiver, 0);
    assert!(eventually(PATIENCE, || why(nodes.rpc(0))["cause"] == "idle"), "{:#}", why(nodes.rpc(0)));
    // The block that closes the first may still be on its way.
    let is_idle = |idle: &Output| idle.status.success() && stdout(idle).contains("there is nothing to do");
    let says_idle = || is_idle(&command(&[nodes.rpc(0)], &[]));
    assert!(eventually(PATIENCE, says_idle), "{}", stdout(&command(&[nodes.rpc(0)], &[])));

    let address = nodes.p2p(2).to_string();
    nodes.kill(2);
    nodes.kill(3);
    submit(nodes.rpc(0), &network.transfer(1, receiver, AMOUNT, 1), "none").expect("it is taken in");
    let answer = told(nodes.rpc(0), "noQuorum");
    assert_eq!(named(&answer), names(&network, &[2, 3]));
    assert_eq!((&answer["state"], &answer["who"][0]["reason"]), (&json!("stalled"), &json!("unreachable")));
    let sentence = answer["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("need 3 of 4 validators, have 2") && sentence.contains(&address), "{sentence}");

    let both = command(&[nodes.rpc(0), nodes.rpc(2)], &["--output", "json"]);
    assert_eq!(both.status.code(), Some(9), "{}", stderr(&both));
    let shown: Value = serde_json::from_str(&stdout(&both)).expect("it is JSON");
    assert_eq!(shown["nodes"][0]["why"]["cause"], "noQuorum", "{shown:#}");
    assert_eq!(shown["nodes"][1]["error"]["symbol"], "UNREACHABLE", "{shown:#}");
    let status = program().args(["node", "status", "--rpc", &format!("http://{}", nodes.rpc(0))]).output();
    let status = status.expect("the program can be started");
    assert!(stdout(&status).contains("stalled: ask `althing why`"), "{}", stdout(&status));
    let gone = command(&[nodes.rpc(2)], &[]);
    assert_eq!(gone.status.code(), Some(8));
    assert!(stderr(&gone).contains("the last line of its log says why"), "{}", stderr(&gone));

    nodes.restart(2);
    nodes.restart(3);
    nodes.wait_connected();
    told(nodes.rpc(0), "idle");
    assert!(command(&nodes.all(), &[]).status.success());
}

#[test]
fn two_of_four_that_stand_still_are_named_first_as_silent_and_then_as_away() {
    let network = Network::new(VALIDATORS);
    let nodes = Nodes::start(&network);
    let receiver = Address::new([52; 32]);
    transfer(&network, nodes.rpc(0), receiver, 0);
    nodes.pause(2);
    nodes.pause(3);
    submit(nodes.rpc(0), &network.transfer(1, receiver, AMOUNT, 1), "none").expect("it is taken in");
    let answer = told(nodes.rpc(0), "votesMissing");
    assert_eq!(named(&answer), names(&network, &[2, 3]));
    assert!(answer["remedy"].as_str().is_some_and(|remedy| remedy.contains("stand still")), "{answer:#}");
    let answer = told(nodes.rpc(0), "noQuorum");
    assert!(answer["sentence"].as_str().is_some_and(|text| text.contains("no sign of life")), "{answer:#}");
    let still = command(&[nodes.rpc(2)], &[]);
    assert_eq!(still.status.code(), Some(8));
    assert!(stderr(&still).contains("it stands still or its machine is overloaded"), "{}", stderr(&still));
    nodes.resume(2);
    nodes.resume(3);
    told(nodes.rpc(0), "idle");
}

#[test]
fn a_validator_on_another_genesis_is_told_apart_from_one_that_never_came() {
    let network = Network::new(VALIDATORS);
    let ports = network.genesis.validators().iter().map(|validator| validator.p2p_addr.port());
    let first = ports.min().expect("there are some");
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other");
    let mut command = program();
    command.args(["genesis", "new", "--dev", "--seed", "cluster", "--validators", "4", "--chain-id", "other"]);
    command.args(["--p2p-base-port", &first.to_string(), "--dir"]).arg(&other);
    let made = finished(command);
    assert!(made.status.success(), "{}", stderr(&made));
    let stray = Home { genesis: other.join("genesis.json"), ..network.home(3) };
    let here = [0, 1].map(|index| Process::start(&network.home(index)));
    let _stray = Process::start(&stray);

    let mut answer = Value::Null;
    let is_told = || {
        answer = why(here[0].rpc);
        let who = answer["who"].as_array().into_iter().flatten();
        let mut reasons: Vec<&str> = who.filter_map(|party| party["reason"].as_str()).collect();
        reasons.sort_unstable();
        reasons == ["neverReached", "otherGenesis"]
    };
    assert!(eventually(TOLD_MAX, is_told), "{answer:#}");
    println!("{}\n  to do: {}", answer["sentence"], answer["remedy"]);
    assert_eq!(answer["cause"], "noQuorum");
    assert_eq!(named(&answer), names(&network, &[2, 3]));
    let sentence = answer["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("validator-3 is up at") && sentence.contains("of chain other"), "{sentence}");
    assert!(answer["remedy"].as_str().is_some_and(|remedy| remedy.contains("althing genesis diff")), "{answer:#}");
}

#[test]
fn of_three_the_one_that_is_gone_holds_up_the_view_that_it_leads() {
    let network = Network::new(3);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([53; 32]);
    transfer(&network, nodes.rpc(0), receiver, 0);
    nodes.kill(2);
    // The other two make blocks until it would be the turn of the one that is gone.
    let mut salt = 1;
    let is_told = || {
        salt += 1;
        let _waiting = submit(nodes.rpc(0), &network.transfer(1, receiver, AMOUNT, salt), "none");
        why(nodes.rpc(0))["cause"] == "leaderUnreachable"
    };
    assert!(eventually(TOLD_MAX, is_told), "{:#}", why(nodes.rpc(0)));
    let answer = told(nodes.rpc(0), "leaderUnreachable");
    assert_eq!(named(&answer), names(&network, &[2]));
    nodes.restart(2);
    told(nodes.rpc(0), "idle");
}

#[test]
fn an_observer_whose_validators_are_gone_says_that_it_follows_nobody() {
    let (network, mut nodes, observer) = running();
    transfer(&network, observer.rpc, Address::new([54; 32]), 0);
    assert!(eventually(PATIENCE, || why(observer.rpc)["state"] == "ok"), "{:#}", why(observer.rpc));
    nodes.kill_all();
    let answer = told(observer.rpc, "observerAlone");
    assert_eq!(named(&answer), names(&network, &[0, 1, 2, 3]));
    assert_eq!((&answer["role"], &answer["state"]), (&json!("observer"), &json!("stalled")));
    assert_eq!(command(&[observer.rpc], &[]).status.code(), Some(9));
    nodes.restart_all();
    assert!(eventually(TOLD_MAX, || why(observer.rpc)["state"] == "ok"), "{:#}", why(observer.rpc));
}
