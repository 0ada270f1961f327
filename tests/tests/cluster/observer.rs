//! An observer beside four validators: it follows with proofs that hold, hands transactions over, catches up after it
//! was away, and is nobody without its place in the genesis document.

use std::net::SocketAddr;
use std::process::Output;
use std::thread;

use althing_client::{AskedAccount, verify_account, verify_transaction};
use althing_rpc::api::{AccountAnswer, TransactionAnswer};
use althing_types::{Address, SignedTransaction};
use serde_json::{Value, json};

use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, is_final, state_at, transfer};
use super::process::{Home, Process, log_of, program};
use super::rpc::{call, get};

/// A network with one observer, all running and connected.
pub(super) fn running() -> (Network, Nodes, Process) {
    let network = Network::with_observers(VALIDATORS, 1);
    let nodes = Nodes::start(&network);
    let observer = Process::start(&network.observer_home(0));
    wait_connected(&observer, &network.observer_home(0), usize::from(VALIDATORS));
    (network, nodes, observer)
}

pub(super) fn wait_connected(observer: &Process, home: &Home, validators: usize) {
    let connected =
        || call(observer.rpc, "node_status", &json!({})).expect("it answers")["peers"]["connected"].as_u64();
    let is_connected = || connected() >= u64::try_from(validators).ok();
    assert!(eventually(PATIENCE, is_connected), "the observer met {:?}: {}", connected(), log_of(home));
}

/// The answer with a proof, as soon as a certificate covers it.
fn proven(node: SocketAddr, method: &str, question: &Value) -> Value {
    let mut answer = None;
    let is_proven = || {
        answer = call(node, method, question).ok();
        answer.is_some()
    };
    assert!(eventually(PATIENCE, is_proven), "no proof came");
    answer.expect("it came")
}

#[test]
fn an_observer_follows_and_its_proofs_hold() {
    let (network, nodes, observer) = running();
    let receiver = Address::new([21; 32]);
    let transaction = network.transfer(0, receiver, AMOUNT, 1);
    submit(nodes.rpc(0), &transaction, "finalized").expect("it is a good transfer");
    assert!(eventually(PATIENCE, || is_final(observer.rpc, &transaction.id())), "the observer has not followed");
    let height = height_of(observer.rpc);
    assert_eq!(state_at(observer.rpc, height), state_at(nodes.rpc(1), height));

    let committee = network.genesis.committee();
    let question = json!({ "txId": transaction.id().to_string(), "prove": true });
    let answer: TransactionAnswer =
        serde_json::from_value(proven(observer.rpc, "tx_get", &question)).expect("it has the shape");
    verify_transaction(&answer, transaction.id(), &committee).expect("the proof holds");
    let question = json!({ "address": network.text(receiver), "prove": true });
    let answer: AccountAnswer =
        serde_json::from_value(proven(observer.rpc, "account_get", &question)).expect("it has the shape");
    let assets = [(network.symbol().to_owned(), network.asset())];
    let asked = AskedAccount { address: receiver, prefix: network.genesis.prefix(), at: None, assets: &assets };
    verify_account(&answer, &asked, &committee).expect("the proof holds");

    let status = call(observer.rpc, "node_status", &json!({})).expect("it answers");
    assert_eq!((&status["role"], &status["sync"]["state"]), (&json!("observer"), &json!("synced")), "{status}");
    let refused = call(observer.rpc, "consensus_state", &json!({})).expect_err("it takes no part");
    assert_eq!(refused.symbol(), "NOT_A_VALIDATOR");
    let shown = program().args(["node", "status", "--rpc", &format!("http://{}", observer.rpc)]).output();
    let shown = shown.expect("the program can be started");
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("observer"), "it does not say what it is");
    assert_eq!(get(observer.rpc, "/readyz").expect("it answers").0, 200);
}

#[test]
fn a_transfer_at_an_observer_becomes_final_with_one_validator_gone() {
    let (network, mut nodes, observer) = running();
    let receiver = Address::new([22; 32]);
    transfer(&network, observer.rpc, receiver, 0);
    let accepted = submit(observer.rpc, &network.transfer(1, receiver, AMOUNT, 1), "accepted").expect("it is good");
    assert!(["accepted", "finalized"].map(Value::from).contains(&accepted["status"]), "{accepted}");
    nodes.kill(2);
    // Ids choose all four validators, the one that is gone too.
    for salt in 2..14 {
        transfer(&network, observer.rpc, receiver, salt);
    }
    assert_eq!(network.balance(observer.rpc, receiver), AMOUNT * 14);
    assert!(eventually(PATIENCE, || network.balance(nodes.rpc(0), receiver) == AMOUNT * 14));
}

#[test]
fn the_same_bytes_at_an_observer_and_at_validators_are_executed_once() {
    let (network, nodes, observer) = running();
    let receiver = Address::new([23; 32]);
    let transaction = network.transfer(0, receiver, AMOUNT, 1);
    let at = |number: usize| if number.is_multiple_of(2) { observer.rpc } else { nodes.rpc(number % 4) };
    let answers: Vec<Value> = thread::scope(|scope| {
        let submit_at = |number: usize| {
            let (node, transaction) = (at(number), &transaction);
            scope.spawn(move || submit(node, transaction, "finalized").expect("it is a good transfer"))
        };
        let calls: Vec<_> = (0..100).map(submit_at).collect();
        calls.into_iter().map(|call| call.join().expect("it does not panic")).collect()
    });
    assert!(answers.iter().all(|answer| answer["status"] == "finalized"), "{answers:?}");
    assert!(answers.iter().all(|answer| answer["height"] == answers[0]["height"]), "{answers:?}");
    assert!(eventually(PATIENCE, || network.balance(observer.rpc, receiver) == AMOUNT), "executed other than once");
    // Nothing of it is left to be handed over again.
    let waiting = || call(observer.rpc, "node_status", &json!({})).expect("it answers")["mempool"]["txs"].clone();
    assert!(eventually(PATIENCE, || waiting() == 0), "{} wait", waiting());
}

#[test]
fn a_refusal_at_an_observer_is_the_validators() {
    let (network, nodes, observer) = running();
    let receiver = Address::new([24; 32]);
    let symbol = |node: SocketAddr, transaction: &SignedTransaction| {
        let refused = submit(node, transaction, "finalized").expect_err("it is refused");
        refused.symbol().to_owned()
    };
    let too_much = network.transfer(0, receiver, u128::MAX, 1);
    assert_eq!(symbol(observer.rpc, &too_much), "TX_INSUFFICIENT_BALANCE");
    assert_eq!(symbol(observer.rpc, &too_much), symbol(nodes.rpc(0), &too_much));
    let mut other = network.transfer(0, receiver, 1, 2).to_bytes();
    let last = other.last_mut().expect("it has bytes");
    *last ^= 1;
    let bytes = format!("0x{}", const_hex::encode(other));
    let refused = call(observer.rpc, "tx_submit", &json!({ "tx": bytes })).expect_err("its signature is broken");
    assert_eq!(refused.symbol(), "TX_BAD_SIGNATURE");
}

#[test]
fn an_observer_that_was_away_catches_up_over_many_blocks_and_goes_on_from_its_ledger() {
    let (network, nodes, observer) = running();
    let (receiver, home) = (Address::new([25; 32]), network.observer_home(0));
    transfer(&network, observer.rpc, receiver, 0);
    observer.kill();
    for salt in 1..82 {
        transfer(&network, nodes.rpc(usize::try_from(salt % 4).expect("small")), receiver, salt);
    }
    let goal = height_of(nodes.rpc(0));
    assert!(goal > 64, "the chain is only {goal} high: too little to catch up with");
    let observer = Process::start(&home);
    assert!(eventually(PATIENCE, || height_of(observer.rpc) >= goal), "it stays behind: {}", log_of(&home));
    assert_eq!(state_at(observer.rpc, goal), state_at(nodes.rpc(0), goal));
    assert_eq!(network.balance(observer.rpc, receiver), AMOUNT * 82);
    let reached = height_of(observer.rpc);
    assert!(observer.stop().success(), "it does not end in order: {}", log_of(&home));
    let observer = Process::start(&home);
    assert!(height_of(observer.rpc) >= reached, "it began anew: {}", log_of(&home));
}

#[test]
fn an_observer_without_validators_says_so_and_goes_on_when_they_are_back() {
    let (network, mut nodes, observer) = running();
    let receiver = Address::new([26; 32]);
    transfer(&network, observer.rpc, receiver, 0);
    (0..usize::from(VALIDATORS)).for_each(|index| nodes.kill(index));
    let transaction = network.transfer(0, receiver, AMOUNT, 1);
    let is_refused = || submit(observer.rpc, &transaction, "none").is_err_and(|error| error.symbol() == "NO_VALIDATOR");
    assert!(eventually(PATIENCE, is_refused), "nobody is there and it is taken");
    assert_eq!(get(observer.rpc, "/readyz").expect("it answers").0, 503);
    assert_eq!(network.balance(observer.rpc, receiver), AMOUNT);
    (0..usize::from(VALIDATORS)).for_each(|index| nodes.restart(index));
    let is_taken =
        || submit(observer.rpc, &transaction, "finalized").is_ok_and(|answer| answer["status"] == "finalized");
    assert!(eventually(PATIENCE, is_taken), "{}", log_of(&network.observer_home(0)));
    assert_eq!(network.balance(observer.rpc, receiver), AMOUNT * 2);
}

#[test]
fn a_single_validator_has_observers_too() {
    let network = Network::with_observers(1, 2);
    let validator = Process::start(&network.home(0));
    let observers = [0, 1].map(|index| Process::start(&network.observer_home(index)));
    let receiver = Address::new([27; 32]);
    for (salt, observer) in (0..).zip(&observers) {
        wait_connected(observer, &network.observer_home(0), 1);
        transfer(&network, observer.rpc, receiver, salt);
    }
    for node in observers.iter().chain([&validator]) {
        assert!(eventually(PATIENCE, || network.balance(node.rpc, receiver) == AMOUNT * 2));
    }
}

/// Runs a node that is expected to end at once.
fn refused(home: &Home, arguments: &[&str]) -> Output {
    let mut command = program();
    command.args(["node", "run", "--rpc-addr", "127.0.0.1:0", "--home"]).arg(&home.folder);
    command.arg("--genesis").arg(&home.genesis).arg("--node-key").arg(&home.node_key).args(arguments);
    command.output().expect("the program can be started")
}

#[test]
fn whoever_is_no_observer_of_the_document_is_refused_with_a_sentence() {
    let network = Network::with_observers(1, 1);
    let strangers = Network::with_observers(1, 2);
    let said = |home: &Home, arguments: &[&str]| {
        let ended = refused(home, arguments);
        assert!(!ended.status.success());
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let stranger = Home { genesis: network.observer_home(0).genesis, ..strangers.observer_home(1) };
    let text = said(&stranger, &["--observer"]);
    assert!(text.contains("is not that of an observer in the genesis document"), "{text}");
    let validator = network.home(0);
    let text = said(&validator, &["--observer"]);
    assert!(text.contains("is that of the validator validator-0"), "{text}");
    let key = validator.key.as_ref().and_then(|key| key.to_str()).expect("it is text");
    let text = said(&validator, &["--observer", "--validator-key", key]);
    assert!(text.contains("cannot be used with"), "{text}");
    let text = said(&network.observer_home(0), &[]);
    assert!(text.contains("--observer"), "{text}");
    assert!(!stranger.folder.join("data").exists(), "a refused node made a data folder");
}
