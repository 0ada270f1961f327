//! The commands about transactions where no node answers: offline, and when the node is away, lies or hangs up.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// An address that nobody listens on: the discard port of loopback.
const NOBODY: &str = "http://127.0.0.1:9";

fn althing(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_althing"));
    command.args(arguments).current_dir(home).env_remove("ALTHING_HOME").env_remove("ALTHING_RPC_URL");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    // A command that reads nothing may have ended already.
    let _unread = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)))
}

/// The symbol of an error that was written as JSON.
fn symbol(output: &Output) -> String {
    let line = text(&output.stderr);
    let error: Value = serde_json::from_str(line.lines().last().unwrap_or_default()).unwrap_or_default();
    error["error"]["symbol"].as_str().unwrap_or(&line).to_owned()
}

/// A folder with a development network, and the address of its first account.
fn devnet() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let made = althing(folder.path(), &["genesis", "new", "--dev", "--validators", "1", "--dir", "."], "");
    assert!(made.status.success(), "{}", text(&made.stderr));
    let shown =
        althing(folder.path(), &["key", "show", "keys/DEV-account-0.pem", "--prefix", "talt", "--output", "json"], "");
    let address = json(&shown)["address"].as_str().expect("it has one").to_owned();
    (folder, address)
}

fn build(folder: &Path, from: &str, more: &[&str]) -> Output {
    let transfer = format!("{from}=12.50");
    let mut arguments = vec!["tx", "build", "--genesis", "genesis.json", "--from", from, "--transfer", &transfer];
    arguments.extend(more);
    althing(folder, &arguments, "")
}

#[test]
fn a_transaction_is_built_signed_and_decoded_without_a_node() {
    let (folder, address) = devnet();
    let built = build(folder.path(), &address, &["--memo", "rent"]);
    assert!(built.status.success(), "{}", text(&built.stderr));
    let unsigned = text(&built.stdout);
    let decode = ["tx", "decode", "-", "--genesis", "genesis.json", "--output", "json"];
    let decoded = althing(folder.path(), &decode, &unsigned);
    assert_eq!(decoded.status.code(), Some(10), "nobody signed yet");

    let sign = ["tx", "sign", "-", "--genesis", "genesis.json", "--key", "keys/DEV-account-0.pem"];
    let signed = althing(folder.path(), &sign, &unsigned);
    assert!(signed.status.success(), "{}", text(&signed.stderr));
    let decoded = althing(folder.path(), &decode, &text(&signed.stdout));
    assert!(decoded.status.success());
    let said = json(&decoded);
    assert_eq!((&said["form"], &said["signatures"]), (&Value::from("good"), &Value::from("good")));
    assert_eq!(said["action"], format!("transfer 12.50 USD to {address}"));
    let without_genesis = althing(folder.path(), &["tx", "decode", "-", "--home", "."], &text(&signed.stdout));
    assert!(without_genesis.status.success());
    assert!(text(&without_genesis.stdout).contains("transfer 1250 of asset 0x"));
}

#[test]
fn signing_again_changes_nothing_and_a_strangers_signature_is_refused_when_decoding() {
    let (folder, address) = devnet();
    let unsigned = text(&build(folder.path(), &address, &[]).stdout);
    let sign = |input: &str, key: &str| {
        let arguments = ["tx", "sign", "-", "--genesis", "genesis.json", "--key", key];
        althing(folder.path(), &arguments, input)
    };
    let once = sign(&unsigned, "keys/DEV-account-0.pem");
    let twice = sign(&text(&once.stdout), "keys/DEV-account-0.pem");
    assert_eq!(once.stdout, twice.stdout);
    let arguments =
        ["tx", "sign", "-", "--genesis", "genesis.json", "--key", "keys/DEV-account-1.pem", "--from", "0x00"];
    assert_eq!(althing(folder.path(), &arguments, &unsigned).status.code(), Some(2), "no address");
}

#[test]
fn bad_arguments_are_refused_with_a_remedy_before_anything_is_sent() {
    let (folder, address) = devnet();
    let long = "m".repeat(257);
    let (good, https) = (["genesis.json", NOBODY], ["genesis.json", "https://127.0.0.1:9"]);
    let missing = ["missing.json", NOBODY];
    let cases = [
        (good, vec!["--to", &address, "--amount", "1.234"], 2, "USAGE"),
        (good, vec!["--to", &address, "--amount", "0"], 2, "USAGE"),
        (good, vec!["--to", "talt1nonsense", "--amount", "1"], 2, "USAGE"),
        (good, vec!["--to", &address, "--amount", "1", "--asset", "EUR"], 2, "USAGE"),
        (good, vec!["--to", &address, "--amount", "1", "--memo", &long], 2, "USAGE"),
        (good, vec!["--to", &address, "--amount", "1"], 8, "UNREACHABLE"),
        (https, vec!["--to", &address, "--amount", "1"], 2, "USAGE"),
        (missing, vec!["--to", &address, "--amount", "1"], 6, "FILE_NOT_FOUND"),
    ];
    for ([genesis, rpc], more, code, expected) in cases {
        let mut arguments = vec!["send", "--key", "keys/DEV-account-0.pem", "--output", "json"];
        arguments.extend(["--genesis", genesis, "--rpc", rpc]);
        arguments.extend(&more);
        let output = althing(folder.path(), &arguments, "");
        assert_eq!((output.status.code(), symbol(&output).as_str()), (Some(code), expected), "{more:?}");
    }
}

#[test]
fn a_transfer_whose_answer_got_lost_is_pending_and_not_unreachable() {
    let (folder, address) = devnet();
    let node = hangs_up_after_reading();
    let rpc = format!("http://{node}");
    let arguments = [
        "send",
        "--genesis",
        "genesis.json",
        "--key",
        "keys/DEV-account-0.pem",
        "--rpc",
        &rpc,
        "--to",
        &address,
        "--amount",
        "1",
        "--timeout",
        "1s",
        "--output",
        "json",
    ];
    let output = althing(folder.path(), &arguments, "");
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    let answer = json(&output);
    assert_eq!(answer["status"], "pending");
    assert!(answer["txId"].as_str().is_some_and(|id| id.starts_with("0x") && id.len() == 66), "{answer}");
}

/// A node that takes questions and gives no answers. It lives as long as the test.
fn hangs_up_after_reading() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut question = [0; 4_096];
            let _read = stream.read(&mut question);
        }
    });
    address
}

#[test]
fn verifying_needs_a_genesis_document_of_ones_own() {
    let (folder, address) = devnet();
    let arguments = ["account", "show", &address, "--home", "nowhere", "--rpc", NOBODY, "--verify", "--output", "json"];
    let output = althing(folder.path(), &arguments, "");
    assert_eq!((output.status.code(), symbol(&output).as_str()), (Some(2), "USAGE"));
}
