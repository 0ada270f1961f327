//! `althing snapshot`: the state of a node that runs in one file, and an observer and a validator that begin with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use althing_types::Address;
use serde_json::Value;

use super::dice::Dice;
use super::joining::{configure, pruned, shows_what_it_has};
use super::network::Network;
use super::nodes::{AMOUNT, VALIDATORS, transfer};
use super::process::{Home, Process, begin, finished, program};

/// Runs `althing snapshot` with these arguments.
fn snapshot(arguments: &[&str]) -> Output {
    let mut command = program();
    command.args(["--output", "json", "snapshot"]).args(arguments);
    finished(command)
}

pub(super) fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// The exit code and the symbol of a refusal.
pub(super) fn refusal(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    let error: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_default();
    let symbol = error["error"]["symbol"].as_str().or(error["symbol"].as_str()).unwrap_or(&text).to_owned();
    (output.status.code().expect("it ended by itself"), symbol)
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

fn restore(home: &Home, file: &Path) -> Output {
    let mut arguments = vec!["restore", "--home", text(&home.folder), "--genesis", text(&home.genesis)];
    arguments.extend(["--from", text(file)]);
    match &home.key {
        Some(key) => arguments.extend(["--validator-key", text(key)]),
        None => arguments.extend(["--observer", "--node-key", text(&home.node_key)]),
    }
    snapshot(&arguments)
}

#[test]
fn a_snapshot_of_a_running_node_begins_an_observer_and_a_validator() {
    let network = Network::with_window_and(VALIDATORS, 3_000, 1, 200);
    let receiver = Address::new([71; 32]);
    let (mut nodes, sent) = pruned(&network, VALIDATORS - 1, receiver);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.snapshot");
    let of = network.home(0);
    let data = of.folder.join("data");
    let create =
        |out: &Path| snapshot(&["create", "--data", text(&data), "--genesis", text(&of.genesis), "--out", text(out)]);
    let written = json(&create(&file));
    assert_eq!(written["entries"].as_str().and_then(|count| count.parse::<u64>().ok()), Some(205));
    assert_eq!(refusal(&create(&file)).1, "FILE_EXISTS");
    transfer(&network, nodes.rpc(0), receiver, 50_000);
    let listed = json(&snapshot(&["list", "--dir", text(folder.path())]));
    assert_eq!(listed["snapshots"][0]["stateRoot"], written["stateRoot"]);
    damaged_copies_are_refused(&network, &file);

    let home = network.observer_home(0);
    configure(&home, "history = \"latest\"\njoin = \"replay\"");
    let restored = json(&restore(&home, &file));
    assert_eq!(restored["stateRoot"], written["stateRoot"]);
    let observer = Process::start(&home);
    shows_what_it_has(&network, observer.rpc, nodes.rpc(1), receiver, AMOUNT * (sent + 1));
    assert!(observer.stop().success());
    assert_eq!(refusal(&restore(&home, &file)), (1, "NOT_AHEAD".to_owned()));

    let home = network.home(VALIDATORS - 1);
    configure(&home, "history = \"latest\"\njoin = \"replay\"");
    assert_eq!(refusal(&restore(&home, &file)).0, 78, "nobody said that it never voted");
    fs::remove_dir_all(home.folder.join("data")).expect("it holds a lock");
    begin(&home).expect("it is begun");
    json(&restore(&home, &file));
    nodes.add(network.home(VALIDATORS - 1));
    nodes.wait_connected();
    nodes.kill(0);
    let newcomer = nodes.rpc(usize::from(VALIDATORS - 1));
    transfer(&network, newcomer, receiver, 60_000);
    shows_what_it_has(&network, newcomer, nodes.rpc(1), receiver, AMOUNT * (sent + 2));
}

/// A snapshot must not make an older copy of a vote log, or a new one, look like one that goes on (D10).
#[test]
fn a_snapshot_is_refused_where_the_vote_log_is_an_older_copy_or_gone() {
    let network = Network::with_window_and(VALIDATORS, 3_000, 0, 0);
    let receiver = Address::new([72; 32]);
    let (mut nodes, _) = pruned(&network, VALIDATORS, receiver);
    let home = network.home(0);
    let votes = home.folder.join("data/votes");
    nodes.kill(0);
    let folder = tempfile::tempdir().expect("a folder");
    let older = folder.path().join("votes");
    copy(&votes, &older);
    nodes.restart(0);
    nodes.wait_connected();
    for salt in 0..5 {
        transfer(&network, nodes.rpc(0), receiver, 70_000 + salt);
    }
    nodes.kill(0);
    for salt in 0..10 {
        transfer(&network, nodes.rpc(1), receiver, 80_000 + salt);
    }
    let file = folder.path().join("state.snapshot");
    let (data, genesis) = (network.home(1).folder.join("data"), home.genesis.clone());
    json(&snapshot(&["create", "--data", text(&data), "--genesis", text(&genesis), "--out", text(&file)]));
    let whole = folder.path().join("whole");
    fs::rename(&votes, &whole).expect("it is there");
    assert_eq!(refusal(&restore(&home, &file)), (78, "DATA_LOST".to_owned()), "it is gone");
    assert!(!votes.exists(), "a new one was begun");
    copy(&older, &votes);
    assert_eq!(refusal(&restore(&home, &file)), (78, "DATA_LOST".to_owned()), "it is an older copy");
    fs::remove_dir_all(&votes).expect("it is there");
    fs::rename(&whole, &votes).expect("it is there");
    json(&restore(&home, &file));
    nodes.restart(0);
    nodes.wait_connected();
    transfer(&network, nodes.rpc(0), receiver, 90_000);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("readable").path();
        fs::copy(&path, to.join(path.file_name().expect("it has a name"))).expect("copied");
    }
}

/// Each with one thing changed; none is taken, and nothing of it is left.
fn damaged_copies_are_refused(network: &Network, file: &Path) {
    let home = network.observer_home(0);
    let good = fs::read(file).expect("it is there");
    let copy: PathBuf = file.with_extension("damaged");
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&copy, bytes).expect("it can be written");
        let output = restore(&home, &copy);
        assert_eq!(refusal(&output), (10, "UNVERIFIED".to_owned()), "{what}");
        assert!(!home.folder.join("data/db").exists() && !home.folder.join("data/db.joining").exists(), "{what}");
    };
    let mut dice = Dice::new(7);
    let mut anywhere = |from: usize, to: usize| from + usize::try_from(dice.below((to - from) as u64)).expect("small");
    // Anywhere, and in what the last record says of height, state, entries and digest.
    let end = good.len() - 80;
    let mut places: Vec<usize> = (0..10).map(|_| anywhere(0, end - 32)).collect();
    places.extend([
        anywhere(end, end + 8),
        anywhere(end + 8, end + 40),
        anywhere(end + 40, end + 48),
        anywhere(end + 48, end + 80),
    ]);
    for place in places {
        let mut bytes = good.clone();
        bytes[place] ^= 1 << (place % 8);
        refused(&bytes, &format!("byte {place} of {}", good.len()));
    }
    refused(&good[..good.len() / 2], "the first half");
    refused(&good[..good.len() - 1], "all but the last byte");
    refused(&[], "nothing");
    let other = Network::with_observers(1, 1);
    let output = restore(&other.observer_home(0), file);
    assert_eq!(refusal(&output), (78, "OTHER_CHAIN".to_owned()));
}
