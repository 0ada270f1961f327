//! Bad input of every kind that a whole node meets: a clear error with a remedy each time, nothing lost, and the node
//! serves on. What one transaction may have wrong with it stands in `window.rs`; this is about bytes, files, folders,
//! ports, other chains, and too much of what is good.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use althing_genesis::Genesis;
use althing_types::{
    Action, Address, AuthPolicy, AuthProof, BATCH_ACTIONS_MAX, List, PublicKey, Signature, SignedTransaction,
    TransactionBody,
};
use serde_json::{Value, json};

use super::network::{Network, sign, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, is_final, transfer};
use super::process::{Home, Process, begin, finished, log_of, program};
use super::rpc::{CallError, announce, call};

/// Accounts that fill a pool together: one sender may take an eighth of it.
const SENDERS: u16 = 14;
/// Transactions in one call: they fill most of a request.
const MANY: u64 = 150;
/// Calls after which a pool of 64 MiB and a lane's window of 16 MiB are full for certain.
const ROUNDS_MAX: u64 = 200;
/// Connections of a stranger to the port of the validators: more than may wait to introduce themselves.
const STRANGERS: usize = 80;

/// The exit code, the symbol, the message and the remedy of a node that must not start. It runs with the files of
/// `home` and these options.
fn refused_start(home: &Home, options: &[&str]) -> (Option<i32>, String, String, String) {
    let mut command = program();
    command.args(["node", "run", "--output", "json"]).args(options);
    let given = |option: &str| options.contains(&option);
    for (option, value) in [
        ("--home", Some(&home.folder)),
        ("--genesis", Some(&home.genesis)),
        ("--validator-key", home.key.as_ref()),
        ("--node-key", Some(&home.node_key)),
    ] {
        if let Some(value) = value.filter(|_| !given(option)) {
            command.arg(option).arg(value);
        }
    }
    if !given("--rpc-addr") {
        command.args(["--rpc-addr", "127.0.0.1:0"]);
    }
    let output = finished(command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.starts_with("{\"error\"")).unwrap_or_else(|| panic!("no error: {text}"));
    let error: Value = serde_json::from_str(line).expect("JSON");
    let part = |name: &str| error["error"][name].as_str().unwrap_or_default().to_owned();
    (output.status.code(), part("symbol"), part("message"), part("hint"))
}

/// Checks a refusal: code and symbol, a word that the message must hold, and that there is a remedy.
fn check_refusal(home: &Home, options: &[&str], code: i32, symbol: &str, word: &str) {
    let (found, name, message, hint) = refused_start(home, options);
    assert_eq!((found, name.as_str()), (Some(code), symbol), "{message}");
    assert!(message.contains(word), "{message} lacks {word}");
    assert!(!hint.is_empty(), "{message} comes without a remedy");
}

#[test]
fn a_node_that_cannot_start_says_what_is_wrong_and_what_to_do() {
    let network = Network::new(VALIDATORS);
    let (home, other) = (network.home(0), network.home(1));
    let node = Process::start(&home);
    let mut second = home.clone();
    second.folder = home.folder.with_extension("second");
    begin(&second).expect("it is new");

    check_refusal(&home, &[], 75, "DATA_IN_USE", "in use");
    let p2p = node.p2p.expect("there are others").to_string();
    check_refusal(&second, &["--p2p-addr", &p2p], 75, "PORT_IN_USE", &p2p);
    let rpc = node.rpc.to_string();
    check_refusal(&second, &["--p2p-addr", "127.0.0.1:0", "--rpc-addr", &rpc], 75, "PORT_IN_USE", &rpc);
    assert!(node.stop().success());

    let version = home.folder.join("data/version");
    let text = fs::read_to_string(&version).expect("it is there");
    fs::write(&version, text.replace("version: 1\n", "version: 2\n")).expect("it can be written");
    check_refusal(&home, &[], 78, "DATA_VERSION", "layout version 2");
    fs::write(&version, text).expect("it can be written");
    check_refusal(&Home { folder: home.folder.clone(), ..other }, &[], 78, "DATA_FOLDER", "belongs to the validator");

    let missing = home.folder.join("none.json").display().to_string();
    check_refusal(&home, &["--genesis", &missing], 78, "FILE_NOT_FOUND", "none.json");
    let broken = home.folder.join("broken.json");
    let document = fs::read_to_string(&home.genesis).expect("it is there");
    for (from, to, word) in [
        ("{", "", "broken.json"),
        ("\"deltaMs\": 250", "\"deltaMs\": 0", "deltaMs"),
        ("\"nodeKey\"", "\"nodeKeys\"", "nodeKeys"),
    ] {
        assert!(document.contains(from), "the document has no {from}");
        fs::write(&broken, document.replacen(from, to, 1)).expect("it can be written");
        check_refusal(&home, &["--genesis", &broken.display().to_string()], 78, "GENESIS_INVALID", word);
    }
    // The same keys at another time are another chain.
    let later = with_other_time(&network, &home.folder.join("later.json"));
    check_refusal(&home, &["--genesis", &later.display().to_string()], 78, "DATA_FOLDER", "genesis");

    let key = home.key.clone().expect("a validator has one");
    for (path, option) in [(&key, "--validator-key"), (&home.node_key, "--node-key")] {
        fs::set_permissions(path, Permissions::from_mode(0o644)).expect("it is ours");
        check_refusal(&home, &[], 7, "KEY_PERMISSIONS", "others may read");
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
        check_refusal(&home, &[option, &missing], 6, "FILE_NOT_FOUND", "none.json");
    }
    check_refusal(&second, &["--validator-key", &other_key(&network)], 7, "NODE_KEY_NOT_IN_GENESIS", "node key");

    let node = Process::start(&home);
    assert!(node.stop().success(), "with all put right it starts");
}

/// The key of another validator.
fn other_key(network: &Network) -> String {
    network.home(2).key.expect("a validator has one").display().to_string()
}

/// A document that differs in its time alone, and so is another chain.
fn with_other_time(network: &Network, path: &Path) -> std::path::PathBuf {
    let document = fs::read_to_string(&network.home(0).genesis).expect("it is there");
    let mut document: Value = serde_json::from_str(&document).expect("JSON");
    document["genesisTime"] = json!("2026-01-02T03:04:05Z");
    let bytes = serde_json::to_vec_pretty(&document).expect("JSON");
    let other = Genesis::parse(&bytes).expect("it is valid");
    assert_ne!(other.hash(), network.genesis.hash());
    fs::write(path, bytes).expect("it can be written");
    path.to_path_buf()
}

#[test]
fn a_validator_of_another_genesis_is_refused_with_a_sentence_and_the_others_go_on() {
    let network = Network::new(VALIDATORS);
    let mut homes: Vec<Home> = (0..VALIDATORS).map(|index| network.home(index)).collect();
    let stray =
        Home { genesis: with_other_time(&network, &homes[0].genesis.with_file_name("other.json")), ..homes[3].clone() };
    let right = homes.pop().expect("there are four");
    let mut nodes = Nodes::start_at(homes);
    let node = Process::start(&stray);
    let receiver = Address::new([51; 32]);
    transfer(&network, nodes.rpc(0), receiver, 0);

    let ours = network.genesis.hash().to_string();
    // Each side names the other's genesis, in its answers and in its log.
    let why = |node: SocketAddr, name: &str| {
        let peers = call(node, "node_peers", &json!({})).expect("it answers");
        let peers = peers.as_array().expect("a list").clone();
        let peer = peers.into_iter().find(|peer| peer["name"] == name).expect("it is known");
        assert_eq!(peer["connected"], false);
        peer["why"].as_str().unwrap_or_default().to_owned()
    };
    let name = |index: usize| format!("validator-{index}");
    let is_told = || why(nodes.rpc(0), &name(3)).contains("with genesis") && why(node.rpc, &name(0)).contains(&ours);
    assert!(eventually(PATIENCE, is_told), "{} / {}", why(nodes.rpc(0), &name(3)), why(node.rpc, &name(0)));
    assert!(log_of(&stray).contains("genesis"), "{}", log_of(&stray));
    node.kill();

    // With the right document, and a folder that is bound to no other chain, it is one of them.
    fs::remove_dir_all(&right.folder).expect("it is there");
    nodes.add(right);
    nodes.wait_connected();
    transfer(&network, nodes.rpc(3), receiver, 1);
    nodes.check_agreement();
}

#[test]
fn garbage_on_the_port_of_the_validators_hurts_nobody() {
    let network = Network::new(VALIDATORS);
    let nodes = Nodes::start(&network);
    let receiver = Address::new([52; 32]);
    let mut open = Vec::new();
    for number in 0..STRANGERS {
        let node = nodes.p2p(number % usize::from(VALIDATORS));
        let Ok(mut stream) = TcpStream::connect(node) else { continue };
        let noise: Vec<u8> =
            (0..4_096).map(|place: usize| u8::try_from((place * 31 + number * 7) % 251).expect("small")).collect();
        // Nothing, noise, a web page, the right first words and then noise, a cut connection.
        let _sent = match number % 5 {
            0 => Ok(()),
            1 => stream.write_all(&noise),
            2 => stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            3 => stream.write_all(b"\x13/multistream/1.0.0\n\x07/noise\n").and_then(|()| stream.write_all(&noise)),
            _ => stream.shutdown(Shutdown::Write),
        };
        open.push(stream);
    }
    transfer(&network, nodes.rpc(0), receiver, 0);
    // They are let go, those that say nothing as well.
    for mut stream in open {
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "a stranger is not let go"),
        }
    }
    nodes.wait_connected();
    transfer(&network, nodes.rpc(1), receiver, 1);
    nodes.check_agreement();
}

#[test]
fn what_is_too_large_and_keys_that_are_none_are_refused_by_name() {
    let network = Network::new(1);
    let node = Process::start(&network.home(0));
    let receiver = Address::new([53; 32]);
    let submit_bytes = |bytes: &[u8]| call(node.rpc, "tx_submit", &json!({ "tx": hex(bytes) }));
    let error = submit_bytes(&vec![0; 400 * 1_024]).expect_err("it is too large");
    assert_eq!(error.symbol(), "TX_TOO_LARGE", "{error}");
    let error = announce(node.rpc, 2 * 1_024 * 1_024 + 1).expect_err("it is too large");
    assert_eq!(error.symbol(), "REQUEST_TOO_LARGE", "{error}");
    let mut small_order = [0; 32];
    small_order[0] = 1;
    // y = p + 1: the point with y = 1 in other bytes.
    let mut not_canonical = [0xff; 32];
    (not_canonical[0], not_canonical[31]) = (0xee, 0x7f);
    for (bytes, what) in [(small_order, "small order"), (not_canonical, "canonical")] {
        let key = PublicKey::Ed25519(bytes);
        let (owned, signed) = (owned_by(&network, key, receiver), signed_by(&network, key, receiver));
        let error = submit(node.rpc, &owned, "none").expect_err("nobody can own an account by this key");
        assert_eq!(error.symbol(), "TX_POLICY", "{error}");
        assert!(error.to_string().contains(what), "{error} does not speak of {what}");
        let error = submit(node.rpc, &signed, "none").expect_err("nobody can sign with this key");
        assert_eq!(error.symbol(), "TX_BAD_SIGNATURE", "{error}");
    }
    submit(node.rpc, &network.transfer(0, receiver, AMOUNT, 1), "finalized").expect("the good one is taken");
    assert_eq!(network.balance(node.rpc, receiver), AMOUNT);
}

/// A transfer from the account that a key alone would own. With a key of small order, zeros are a signature that some
/// libraries accept.
fn owned_by(network: &Network, key: PublicKey, to: Address) -> SignedTransaction {
    let policy = AuthPolicy::Key(key);
    let body = TransactionBody { sender: Address::of_policy(&policy), ..network.transfer_body(0, to, AMOUNT, 1) };
    with_proof(body, policy, key)
}

/// A transfer from a funded account, signed with another key.
fn signed_by(network: &Network, key: PublicKey, to: Address) -> SignedTransaction {
    let policy = AuthPolicy::Key(Network::account_key(0).public_key());
    with_proof(network.transfer_body(0, to, AMOUNT, 1), policy, key)
}

fn with_proof(body: TransactionBody, policy: AuthPolicy, key: PublicKey) -> SignedTransaction {
    let sigs = List::truncated(vec![(key, Signature::new([0; 64]))]);
    let proof = AuthProof { who: body.sender, reveal: Some(policy), sigs };
    SignedTransaction::V1 { body, auth: List::truncated(vec![proof]) }
}

#[test]
fn a_full_pool_refuses_with_a_time_and_takes_the_same_bytes_when_it_has_room() {
    let network = Network::with_accounts(VALIDATORS, SENDERS);
    let mut homes: Vec<Home> = (0..VALIDATORS).map(|index| network.home(index)).collect();
    // One of four takes transactions in and can make none final.
    let others = homes.split_off(1);
    let mut nodes = Nodes::start_at(homes);
    let receiver = Address::new([54; 32]);
    let mut refusals: Vec<(Value, String)> = Vec::new();
    let mut accepted = 0;
    for round in 0_u64.. {
        assert!(round < ROUNDS_MAX, "{accepted} large transactions were taken");
        let sender = u32::try_from(round % u64::from(SENDERS)).expect("small");
        let salts = (0..MANY).map(|number| round << 32 | number);
        let txs: Vec<String> = salts.map(|salt| hex(&large(&network, sender, receiver, salt).to_bytes())).collect();
        let answer = call(nodes.rpc(0), "tx_submitMany", &json!({ "txs": txs })).expect("it answers");
        for (item, tx) in answer["items"].as_array().expect("a list").iter().zip(txs) {
            match item.get("error").filter(|error| !error.is_null()) {
                Some(error) => refusals.push((error.clone(), tx)),
                None => accepted += 1,
            }
        }
        // The pool is full; which of the two it is depends on whether the lane could go on.
        let is_full =
            |error: &Value| ["MEMPOOL_FULL", "LANE_BUSY"].iter().any(|symbol| error["data"]["symbol"] == *symbol);
        if refusals.iter().any(|(error, _)| is_full(error)) {
            break;
        }
    }
    println!("{accepted} were taken, {} refused", refusals.len());
    for (error, _) in &refusals {
        assert_eq!(error["data"]["retryable"], true, "{error}");
        assert!(error["data"]["retryAfterMs"].as_u64().is_some_and(|ms| (1..=60_000).contains(&ms)), "{error}");
    }
    // It still answers, and when the others come all goes its way.
    call(nodes.rpc(0), "node_status", &json!({})).expect("it answers");
    others.into_iter().for_each(|home| nodes.add(home));
    let (_, refused) = refusals.last().expect("some were refused").clone();
    let mut last = String::new();
    let is_taken = || match call(nodes.rpc(0), "tx_submit", &json!({ "tx": refused, "waitUntil": "accepted" })) {
        Ok(answer) => answer["txId"].as_str().map(|id| last = id.to_owned()).is_some(),
        Err(CallError::Refused(error)) => {
            assert_eq!(error["data"]["retryable"], true, "{error}");
            false
        }
        Err(error) => panic!("{error}"),
    };
    assert!(eventually(PATIENCE, is_taken), "it is not taken with room in the pool");
    let id = last.parse().expect("an id");
    assert!(eventually(3 * PATIENCE, || is_final(nodes.rpc(0), &id)), "it was taken and is not final");
}

/// A transaction of nearly 5 KiB: as many transfers as one may hold.
fn large(network: &Network, sender: u32, to: Address, salt: u64) -> SignedTransaction {
    let mut body = network.transfer_body(sender, to, 1, salt);
    body.action = Action::Batch(List::truncated(vec![body.action; BATCH_ACTIONS_MAX]));
    body.gas_limit = 1_000_000;
    sign(body, &Network::account_key(sender))
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", const_hex::encode(bytes))
}
