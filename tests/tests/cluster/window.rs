//! What a user, a clumsy program and a hostile one meet at a node's public window: clear errors, nothing lost, nothing
//! executed twice, and answers that hold against the genesis validators.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use althing_types::{
    Action, Address, AssetId, Replay, SecretKey, Signature, SignedTransaction, TimeMs, TransactionBody,
};
use serde_json::{Value, json};

use super::network::{Network, sign, status, submit, wall_ms};
use super::process::{Home, Process, begin, finished, program};
use super::rpc::{call, get};

/// How often the same bytes are sent.
const REPETITIONS: usize = 100;

/// A network of one validator that is running.
fn running() -> (Network, Process) {
    let network = Network::new(1);
    let node = Process::start(&network.home(0));
    (network, node)
}

/// The symbol with which a transaction is refused.
fn refusal(node: &Process, transaction: &SignedTransaction) -> String {
    match submit(node.rpc, transaction, "finalized") {
        Ok(answer) => panic!("it was taken: {answer}"),
        Err(error) => error.symbol().to_owned(),
    }
}

#[test]
fn a_transaction_is_final_and_the_balance_is_there() {
    let (network, node) = running();
    let receiver = Address::new([7; 32]);
    let answer = submit(node.rpc, &network.transfer(0, receiver, 1_250, 1), "finalized").expect("it is taken");
    assert_eq!(answer["status"], "finalized");
    assert_eq!(answer["duplicate"], false);
    assert_eq!(answer["receipt"]["status"], "ok");
    assert_eq!(network.balance(node.rpc, receiver), 1_250);
    let head = call(node.rpc, "chain_getHead", &json!({})).expect("it answers");
    assert!(head["height"].as_str().is_some_and(|height| height != "0"));
    assert_eq!(get(node.rpc, "/livez").expect("it answers").0, 200);
    assert_eq!(get(node.rpc, "/readyz").expect("it answers").0, 200);
    let metrics = get(node.rpc, "/metrics").expect("it answers").1;
    assert!(metrics.contains("althing_ledger_transactions_total{result=\"ok\"} 1"), "{metrics}");
}

#[test]
fn the_same_bytes_a_hundred_times_are_executed_once_and_answered_alike() {
    let (network, node) = running();
    let receiver = Address::new([7; 32]);
    let transaction = network.transfer(0, receiver, 5, 1);
    let answers: Vec<Value> = thread::scope(|scope| {
        let calls: Vec<_> = (0..REPETITIONS)
            .map(|_| scope.spawn(|| submit(node.rpc, &transaction, "finalized").expect("it is taken")))
            .collect();
        calls.into_iter().map(|call| call.join().expect("it does not panic")).collect()
    });
    for answer in &answers {
        assert_eq!(answer["status"], "finalized");
        assert_eq!(answer["height"], answers[0]["height"]);
        assert_eq!(answer["receipt"], answers[0]["receipt"]);
    }
    let first = answers.iter().filter(|answer| answer["duplicate"] == false).count();
    assert_eq!(first, 1, "one of them was the first");
    assert_eq!(network.balance(node.rpc, receiver), 5);
}

#[test]
fn every_bad_transaction_is_refused_by_name() {
    let (network, node) = running();
    let (receiver, key) = (Address::new([7; 32]), Network::account_key(0));
    let with = |change: &dyn Fn(&mut TransactionBody)| {
        let mut body = network.transfer_body(0, receiver, 5, 1);
        change(&mut body);
        sign(body, &key)
    };
    let until = |ms: u64| Replay::Expiring { valid_until: TimeMs::new(ms), salt: 1 };
    let other_asset = AssetId::of_genesis(&"XYZ".parse().expect("a symbol"));
    let transfer = |asset, amount| Action::Transfer { asset, to: receiver, amount };
    let cases: Vec<(SignedTransaction, &str)> = vec![
        (with(&|body| body.chain = althing_types::Hash::new([9; 32])), "TX_WRONG_CHAIN"),
        (with(&|body| body.replay = until(wall_ms() - 1_000)), "TX_EXPIRED"),
        (with(&|body| body.replay = until(wall_ms() + 3_600_000)), "TX_TOO_FAR_AHEAD"),
        (with(&|body| body.action = transfer(other_asset, 5)), "TX_UNKNOWN_ASSET"),
        (with(&|body| body.action = transfer(network.asset(), u128::MAX)), "TX_INSUFFICIENT_BALANCE"),
        (with(&|body| body.action = transfer(network.asset(), 0)), "TX_MALFORMED"),
        (with(&|body| body.gas_limit = 1), "TX_OUT_OF_GAS"),
        (with(&|body| body.gas_limit = u64::MAX), "TX_GAS_LIMIT"),
        (with(&|body| body.replay = Replay::Sequence { lane: 0, seq: 1_000 }), "TX_SEQUENCE_AHEAD"),
        (sign(network.transfer_body(0, receiver, 5, 1), &SecretKey::from_seed(&[1; 32])), "TX_POLICY"),
        (with_signature(&network, receiver, |bytes| bytes[0] ^= 1), "TX_BAD_SIGNATURE"),
        // s above the order of the group: no canonical signature.
        (with_signature(&network, receiver, |bytes| bytes[63] |= 0xf0), "TX_BAD_SIGNATURE"),
    ];
    for (transaction, symbol) in &cases {
        assert_eq!(refusal(&node, transaction), *symbol, "{transaction:?}");
    }
    assert_eq!(network.balance(node.rpc, receiver), 0);
    submit(node.rpc, &network.transfer(0, receiver, 5, 1), "finalized").expect("a good one is taken all the same");
    assert_eq!(network.balance(node.rpc, receiver), 5);
}

/// A transfer whose signature was changed.
fn with_signature(network: &Network, receiver: Address, change: impl Fn(&mut [u8; 64])) -> SignedTransaction {
    let SignedTransaction::V1 { body, auth } = network.transfer(0, receiver, 5, 1);
    let mut auth = auth.into_inner();
    let mut sigs = std::mem::take(&mut auth[0].sigs).into_inner();
    let mut bytes = *sigs[0].1.as_bytes();
    change(&mut bytes);
    sigs[0].1 = Signature::new(bytes);
    auth[0].sigs = althing_types::List::truncated(sigs);
    SignedTransaction::V1 { body, auth: althing_types::List::truncated(auth) }
}

#[test]
fn bytes_that_are_no_transaction_and_garbage_on_the_port_hurt_nobody() {
    let (network, node) = running();
    let good = network.transfer(0, Address::new([7; 32]), 5, 1).to_bytes();
    let hex = |bytes: &[u8]| format!("0x{}", const_hex::encode(bytes));
    let malformed = [hex(&[]), hex(&good[..good.len() - 1]), hex(&[&good[..], &[0]].concat()), hex(&[0xff; 300])];
    for bytes in &malformed {
        let error = call(node.rpc, "tx_submit", &json!({ "tx": bytes })).expect_err("no transaction");
        assert_eq!(error.symbol(), "TX_MALFORMED", "{error}");
    }
    for parameters in [json!({ "tx": "zz" }), json!({ "tx": 7 }), json!({}), json!({ "tx": "0x", "what": 1 })] {
        let error = call(node.rpc, "tx_submit", &parameters).expect_err("wrong parameters");
        assert!(["INVALID_PARAMS", "TX_MALFORMED"].contains(&error.symbol()), "{parameters}: {error}");
    }
    assert_eq!(call(node.rpc, "no_suchMethod", &json!({})).expect_err("unknown").symbol(), "METHOD_NOT_FOUND");
    for garbage in [
        &b"\0\xff\x13garbage\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(node.rpc).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it can be set");
        stream.write_all(garbage).expect("it can be written");
        let mut answer = Vec::new();
        // It may answer with an error or hang up; it must do one of the two.
        let _refused = stream.read_to_end(&mut answer);
    }
    submit(node.rpc, &network.transfer(0, Address::new([7; 32]), 5, 1), "finalized").expect("it still works");
}

#[test]
fn a_second_node_another_chain_and_a_port_in_use_are_refused_with_a_remedy() {
    let (network, node) = running();
    let run = |data: &std::path::Path, network: &Network, rpc: &str| {
        let home = network.home(0);
        let mut command = program();
        command.args(["node", "run", "--output", "json", "--rpc-addr", rpc, "--data"]).arg(data);
        command.arg("--genesis").arg(&home.genesis).arg("--validator-key").args(&home.key);
        let output = finished(command);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find(|line| line.starts_with("{\"error\"")).unwrap_or_default().to_owned();
        let error: Value = serde_json::from_str(&line).unwrap_or_default();
        (output.status.code(), error["error"]["symbol"].as_str().unwrap_or(&text).to_owned())
    };
    let data = network.home(0).folder.join("data");
    submit(node.rpc, &network.transfer(0, Address::new([7; 32]), 5, 1), "finalized").expect("it is taken");
    assert_eq!(run(&data, &network, "127.0.0.1:0"), (Some(75), "DATA_IN_USE".to_owned()));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let second =
        Home { folder: elsewhere.path().to_owned(), data: Some(elsewhere.path().join("data")), ..network.home(0) };
    assert_eq!(run(&elsewhere.path().join("data"), &network, "127.0.0.1:0"), (Some(78), "DATA_MISSING".to_owned()));
    begin(&second).expect("it is new");
    let port = node.rpc.to_string();
    assert_eq!(run(&elsewhere.path().join("data"), &network, &port), (Some(75), "PORT_IN_USE".to_owned()));
    assert!(node.stop().success());
    // The same keys at another time are another chain.
    let other = Network::new(1);
    assert_eq!(run(&data, &other, "127.0.0.1:0"), (Some(78), "DATA_FOLDER".to_owned()));
    for part in ["votes", "batches", "db"] {
        let (here, away) = (data.join(part), data.join("away"));
        std::fs::rename(&here, &away).expect("it is there");
        assert_eq!(run(&data, &network, "127.0.0.1:0"), (Some(78), "DATA_LOST".to_owned()), "without {part}");
        std::fs::rename(&away, &here).expect("it can be brought back");
    }
    let node = Process::start(&network.home(0));
    assert_eq!(network.balance(node.rpc, Address::new([7; 32])), 5, "with all parts back it goes on");
}

#[test]
fn proofs_hold_for_the_genesis_validators_and_a_changed_answer_does_not() {
    let (network, node) = running();
    let receiver = Address::new([7; 32]);
    let transaction = network.transfer(0, receiver, 1_250, 1);
    submit(node.rpc, &transaction, "finalized").expect("it is taken");
    let genesis = network.home(0).genesis;
    let rpc = format!("http://{}", node.rpc);
    let verify = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).args(["--rpc", &rpc, "--verify", "--output", "json", "--genesis"]).arg(&genesis);
        let output = command.output().expect("it can be started");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let account = verify(&["account", "show", &network.text(receiver)]);
    assert_eq!(account["balances"][network.symbol()], "1250");
    assert!(account["verified"]["stateRoot"].as_str().is_some_and(|root| root.starts_with("0x")));
    let nobody = verify(&["account", "show", &network.text(Address::new([8; 32]))]);
    assert_eq!(nobody["balances"], json!({}), "that an account holds nothing is proven as well");
    assert_eq!(verify(&["tx", "status", &transaction.id().to_string()])["status"], "finalized");
    assert_eq!(verify(&["query", "block", "1"])["verified"]["height"], "1");
    assert_eq!(status(node.rpc, &transaction.id()).expect("it answers")["status"], "finalized");
}

#[test]
fn sending_without_waiting_succeeds_once_the_node_took_it_and_what_is_waited_for_is_final() {
    let (network, node) = running();
    let (genesis, rpc) = (network.home(0).genesis, format!("http://{}", node.rpc));
    let key = genesis.with_file_name("keys").join("DEV-account-0.pem");
    let send = |more: &[&str]| {
        let mut command = program();
        command.args(["send", "--amount", "5", "--output", "json", "--rpc", &rpc]).args(more);
        command.arg("--to").arg(network.text(Address::new([7; 32]))).arg("--key").arg(&key);
        let output = command.arg("--genesis").arg(&genesis).output().expect("it can be started");
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let (code, answer) = send(&["--no-wait"]);
    assert_eq!(code, Some(0), "{answer}");
    assert_ne!(answer["status"], "finalized", "nobody waited");
    let (code, answer) = send(&[]);
    assert_eq!((code, &answer["status"]), (Some(0), &Value::from("finalized")), "{answer}");
    assert_eq!(network.balance(node.rpc, Address::new([7; 32])), 10, "{answer}");
}
