//! `althing bench tx` against real networks: every transfer of a calm run is final, and whatever becomes of the nodes,
//! a run ends by itself and says what became of every transfer.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use althing_node::testnet::{Options, Testnet};
use serde_json::Value;

use super::process::{now, program};

/// How long a run may take beyond the time that it was told: preparation, the wait for stragglers, a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn network(validators: u16) -> Testnet {
    Testnet::up(Options::temporary(env!("CARGO_BIN_EXE_althing-under-test"), validators)).expect("ready")
}

fn urls(testnet: &mut Testnet) -> String {
    let nodes = testnet.nodes();
    nodes.iter().map(|node| node.rpc.clone()).collect::<Vec<String>>().join(",")
}

/// A run with few accounts, in a home of its own.
fn bench(home: &Path, urls: &str, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(["bench", "tx", "--rpc", urls, "--accounts", "100"]).args(arguments).arg("--home").arg(home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a run writes that must end well.
fn figures(home: &Path, urls: &str, arguments: &[&str]) -> Value {
    let output = bench(home, urls, &[arguments, &["--output", "json"]].concat()).output().expect("it can be started");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON value")
}

/// The exit code and the symbol of a run that must not begin.
fn refusal(home: &Path, urls: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = bench(home, urls, &[arguments, &["--output", "json"]].concat()).output().expect("it can be started");
    let error: Value = serde_json::from_slice(&output.stderr).expect("one JSON value");
    (output.status.code(), error["error"]["symbol"].as_str().unwrap_or("(none)").to_owned())
}

fn number(figures: &Value, name: &str) -> u64 {
    figures[name].as_u64().unwrap_or_else(|| panic!("no {name} in {figures}"))
}

/// Starts a run that writes what it does, and returns once transfers are final.
fn begun(home: &Path, urls: &str, arguments: &[&str]) -> Child {
    let mut child = bench(home, urls, arguments).spawn().expect("it can be started");
    let mut notes = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains(" s  ") {
        line.clear();
        assert!(notes.read_line(&mut line).is_ok_and(|read| read > 0), "it ended before it began");
    }
    // The rest is read to its end, so that nothing holds the run up.
    std::thread::spawn(move || for _line in notes.lines() {});
    child
}

/// Waits for a run that must end by itself.
fn ended(mut child: Child) -> Output {
    let deadline = now() + PATIENCE;
    while child.try_wait().expect("ours").is_none() {
        if now() >= deadline {
            child.kill().expect("ours");
            panic!("the run did not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("ours")
}

#[test]
fn every_transfer_of_a_calm_run_is_final() {
    let (home, mut testnet) = (tempfile::tempdir().expect("a folder"), network(1));
    let urls = urls(&mut testnet);
    let run = figures(home.path(), &urls, &["--rate", "200", "--duration", "2s"]);
    assert_eq!((number(&run, "submitted"), number(&run, "finalized"), number(&run, "failed")), (400, 400, 0), "{run}");
    assert_eq!((number(&run, "unfinished"), number(&run, "unsent"), &run["ended"]), (0, 0, &"done".into()), "{run}");
    let series = run["perSecond"].as_array().expect("a list").iter().filter_map(Value::as_u64);
    assert_eq!(series.sum::<u64>(), 400, "{run}");
    let latency = |name: &str| run["latencyMs"][name].as_f64().expect("a number");
    assert!(latency("p50") > 0.0 && latency("p50") <= latency("p90"), "{run}");
    assert!(latency("p90") <= latency("p99") && latency("p99") <= latency("max"), "{run}");
    let seconds = run["seconds"].as_f64().expect("a number");
    let average = run["finalizedPerSecond"].as_f64().expect("a number");
    assert!(seconds >= 2.0 && average > 0.0 && average <= 200.0, "{run}");
    assert!(run["generatorCpuSeconds"].as_f64().is_some_and(|cpu| cpu > 0.0), "{run}");
    // The accounts are found again: nobody has to be paid, and the same transfers are other transactions.
    let lone = figures(home.path(), &urls, &["--rate", "10", "--duration", "1s"]);
    assert_eq!((number(&lone, "submitted"), number(&lone, "finalized")), (10, 10), "{lone}");
    assert_eq!(lone["finalityBy"], "call", "{lone}");
    let most = figures(home.path(), &urls, &["--rate", "max", "--in-flight", "64", "--duration", "1s"]);
    assert_eq!(number(&most, "finalized"), number(&most, "submitted"), "{most}");
    assert!(number(&most, "finalized") > 64, "{most}");
}

#[test]
fn a_run_goes_on_without_a_node_that_was_killed() {
    let (home, mut testnet) = (tempfile::tempdir().expect("a folder"), network(4));
    let urls = urls(&mut testnet);
    // The node that the blocks are heard from, and that every fourth call goes to.
    let child = begun(home.path(), &urls, &["--rate", "100", "--duration", "6s", "--wait", "5s"]);
    testnet.kill(0).expect("it runs");
    let output = ended(child);
    let text = String::from_utf8_lossy(&output.stdout);
    let count = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {text}"));
        line.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{line}"))
    };
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!((count("submitted"), count("unsent")), (600, 0), "{text}");
    assert_eq!(count("submitted"), count("finalized ") + count("failed") + count("unfinished"), "{text}");
    // What the node took and told nobody is lost, and is said to be; all else is final.
    assert!(count("finalized ") >= 500, "{text}");
}

#[test]
fn a_run_ends_when_the_whole_network_is_gone() {
    let (home, mut testnet) = (tempfile::tempdir().expect("a folder"), network(1));
    let urls = urls(&mut testnet);
    let child = begun(home.path(), &urls, &["--rate", "100", "--duration", "50s", "--wait", "1s"]);
    testnet.kill(0).expect("it runs");
    let before = now();
    let output = ended(child);
    assert!(before.elapsed() < Duration::from_secs(30), "it did not wait for the end of the run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no node answered any more") && text.contains("UNREACHABLE"), "{text}");
}

#[test]
fn what_was_due_while_the_network_stood_still_counts_from_when_it_was_due() {
    let (home, mut testnet) = (tempfile::tempdir().expect("a folder"), network(1));
    let urls = urls(&mut testnet);
    let child = begun(home.path(), &urls, &["--rate", "100", "--duration", "6s"]);
    testnet.pause(0).expect("it runs");
    std::thread::sleep(Duration::from_secs(2));
    testnet.resume(0).expect("it runs");
    let output = ended(child);
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {text}"));
        let number = line[name.len()..].trim().trim_end_matches(" ms");
        number.parse().unwrap_or_else(|_| panic!("{line}"))
    };
    assert!((figure("submitted"), figure("finalized ")) == (600.0, 600.0), "{text}");
    // A third of all was due in those two seconds. Counted from when each was sent, only those would be late that the
    // node had in its hands.
    let (p50, p90, max) = (figure("latency p50"), figure("latency p90"), figure("latency max"));
    assert!(p90 > 1_000.0 && max >= 1_900.0 && p50 < p90, "{text}");
}

#[test]
fn a_run_that_cannot_begin_says_why() {
    let (home, mut testnet, mut other) = (tempfile::tempdir().expect("a folder"), network(1), network(1));
    let (one, two) = (urls(&mut testnet), urls(&mut other));
    let short = ["--rate", "10", "--duration", "1s"];
    assert_eq!(refusal(home.path(), &format!("{one},{two}"), &short), (Some(2), "USAGE".to_owned()));
    other.kill(0).expect("it runs");
    assert_eq!(refusal(home.path(), &format!("{one},{two}"), &short), (Some(8), "UNREACHABLE".to_owned()));
    assert_eq!(refusal(home.path(), &one, &["--rate", "0"]), (Some(2), "USAGE".to_owned()));
    assert_eq!(refusal(home.path(), &one, &["--rate", "10", "--duration", "5ms"]), (Some(2), "USAGE".to_owned()));
    // A key that is no account's: a validator's of the same network.
    let key = testnet.dir().join("keys/DEV-validator-0.pem");
    let poor = [&short[..], &["--key", key.to_str().expect("text")]].concat();
    assert_eq!(refusal(home.path(), &one, &poor), (Some(1), "NO_FUNDS".to_owned()));
}
