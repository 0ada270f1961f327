//! `althing backup` of nodes that run, and `althing restore`: a validator that lost its disk, and observers, begin with a backup
//! and go on; damaged copies are refused and leave nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use althing_types::Address;
use serde_json::{Value, json};

use super::amnesia::{LONG, names};
use super::joining::{configure, pruned, shows_what_it_has};
use super::network::Network;
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, is_final, state_at, transfer};
use super::process::{Home, Process, begin, finished, offline, program};
use super::rpc::call;
use super::snapshots::{json, refusal, text};

/// Backs a node up.
fn backup(of: &Home, to: &Path) -> Output {
    let mut command = program();
    command.args(["--output", "json", "backup", "--data", text(&of.folder.join("data"))]);
    command.args(["--genesis", text(&of.genesis), "--to", text(to)]);
    finished(command)
}

fn restore(home: &Home, from: &Path) -> Output {
    let mut command = program();
    command.args(["--output", "json", "restore", "--home", text(&home.folder), "--genesis", text(&home.genesis)]);
    command.args(["--from", text(from)]);
    match &home.key {
        Some(key) => command.args(["--validator-key", text(key)]),
        None => command.args(["--observer", "--node-key", text(&home.node_key)]),
    };
    finished(command)
}

/// Backs a node up until its blocks up to a height are in it. Returns what it says.
fn backed_up(of: &Home, to: &Path, height: u64) -> Value {
    let mut said = Value::Null;
    let is_there = || {
        said = json(&backup(of, to));
        said["to"].as_str().and_then(|to| to.parse::<u64>().ok()).is_some_and(|to| to >= height)
    };
    assert!(eventually(PATIENCE, is_there), "it does not get so far");
    said
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("readable").path());
    let mut files: Vec<PathBuf> = all.filter(|path| path.file_name().is_some_and(|name| name != "LOCK")).collect();
    files.sort();
    files
}

#[test]
fn a_validator_that_lost_its_disk_and_an_observer_begin_with_a_backup_that_grew() {
    let network = Network::with_observers(VALIDATORS, 1);
    let mut nodes = Nodes::start(&network);
    let receiver = Address::new([73; 32]);
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    let mut first = None;
    for round in 0..3 {
        for salt in 0..10 {
            let id = transfer(&network, nodes.rpc(0), receiver, round * 100 + salt);
            first.get_or_insert(id);
        }
        let said = backed_up(&network.home(0), &to, height_of(nodes.rpc(0)).saturating_sub(1));
        assert_eq!(said["from"], "1");
    }
    let kept: Vec<Vec<u8>> = files(&to).iter().map(|file| fs::read(file).expect("readable")).collect();
    assert!(kept.len() >= 3, "each time a file was added: {:?}", files(&to));
    let said = json(&backup(&network.home(0), &to));
    assert!(files(&to).iter().zip(&kept).all(|(file, before)| fs::read(file).expect("readable") == *before));

    nodes.kill(3);
    let home = network.home(3);
    fs::remove_dir_all(home.folder.join("data")).expect("it is there");
    assert_eq!(refusal(&restore(&home, &to)).0, 78, "nobody said what became of its votes");
    let recovered = finished({
        let mut command = offline(&home, "recover-vote-log", home.key.as_ref().expect("a validator"));
        command.arg("--yes");
        command
    });
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    let restored = json(&restore(&home, &to));
    assert_eq!(restored["height"], said["to"]);
    let height: u64 = restored["height"].as_str().and_then(|height| height.parse().ok()).expect("a height");
    assert_eq!(restored["stateRoot"], state_at(nodes.rpc(0), height).1);
    assert_eq!(refusal(&restore(&home, &to)), (1, "NOT_AHEAD".to_owned()));
    nodes.restart(3);
    nodes.wait_connected();
    assert!(is_final(nodes.rpc(3), &first.expect("one was sent")), "it has the whole past");
    // It leaves the views behind in which it may have voted, and then its votes are needed.
    let mut sent = 30u128;
    let mut is_done = || {
        transfer(&network, nodes.rpc(1), receiver, u64::try_from(1_000 + sent).expect("small"));
        sent += 1;
        !names(&nodes, 3, "votesLost")
    };
    assert!(eventually(LONG, &mut is_done), "it does not vote again: {}", nodes.log(3));
    nodes.kill(0);
    transfer(&network, nodes.rpc(1), receiver, 9_000);
    let amount = AMOUNT * (sent + 1);
    assert!(eventually(PATIENCE, || network.balance(nodes.rpc(3), receiver) == amount));

    let observer = network.observer_home(0);
    configure(&observer, "history = \"archive\"");
    damaged_backups_are_refused(&observer, &to);
    json(&restore(&observer, &to));
    let running = Process::start(&observer);
    assert!(is_final(running.rpc, &first.expect("one was sent")));
    assert!(eventually(PATIENCE, || network.balance(running.rpc, receiver) == amount), "it does not follow");
}

/// What became of a file in a copy of a backup.
type Change = fn(&Path);

/// Each copy has one thing changed; none is taken, and nothing of it is left.
fn damaged_backups_are_refused(home: &Home, good: &Path) {
    let copy = good.with_file_name("damaged");
    let refused = |change: Change, place: usize| {
        let _ignored = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).expect("a folder");
        for file in files(good) {
            fs::copy(&file, copy.join(file.file_name().expect("it has a name"))).expect("copied");
        }
        change(&files(&copy)[place]);
        let refused = refusal(&restore(home, &copy));
        assert!(!home.folder.join("data/db").exists() && !home.folder.join("data/db.joining").exists(), "{refused:?}");
        refused
    };
    let changed: Change = |file| {
        let mut bytes = fs::read(file).expect("readable");
        let middle = bytes.len() * 2 / 3;
        bytes[middle] ^= 4;
        fs::write(file, bytes).expect("written");
    };
    let cut: Change = |file| {
        let bytes = fs::read(file).expect("readable");
        fs::write(file, &bytes[..bytes.len() - 9]).expect("written");
    };
    let swapped: Change = |file| {
        let other = files(file.parent().expect("a folder")).into_iter().find(|other| other != file).expect("another");
        fs::copy(other, file).expect("copied");
    };
    let gone: Change = |file| fs::remove_file(file).expect("it was there");
    let last = files(good).len() - 1;
    for place in [0, last] {
        for change in [changed, cut, swapped] {
            assert_eq!(refused(change, place), (10, "UNVERIFIED".to_owned()), "file {place}");
        }
    }
    assert_eq!(refused(gone, 0), (6, "BACKUP_GAP".to_owned()));
    fs::remove_dir_all(&copy).expect("it is there");
    assert_eq!(refusal(&restore(home, &copy)), (6, "NO_BACKUP".to_owned()));
    let other = Network::with_observers(1, 1);
    assert_eq!(refusal(&restore(&other.observer_home(0), good)), (78, "OTHER_CHAIN".to_owned()));
    let (before, validator) = (files(good), other.home(0));
    begin(&validator).expect("it is begun");
    assert_eq!(refusal(&backup(&validator, good)), (78, "OTHER_CHAIN".to_owned()));
    assert_eq!(files(good), before, "nothing of another chain is added");
}

#[test]
fn a_backup_of_a_node_that_forgot_the_beginning_begins_with_a_state() {
    let network = Network::with_window_and(VALIDATORS, 8_000, 1, 200);
    let receiver = Address::new([74; 32]);
    let (nodes, mut sent) = pruned(&network, VALIDATORS, receiver);
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("backup");
    let begun = json(&backup(&network.home(0), &to));
    assert_ne!(begun["from"], "1");
    for salt in 0..5 {
        transfer(&network, nodes.rpc(1), receiver, 50_000 + salt);
        sent += 1;
    }
    let said = backed_up(&network.home(0), &to, height_of(nodes.rpc(0)).saturating_sub(1));
    let home = network.observer_home(0);
    configure(&home, "history = \"latest\"\njoin = \"replay\"");
    let restored = json(&restore(&home, &to));
    assert_eq!(restored["height"], said["to"]);
    let observer = Process::start(&home);
    shows_what_it_has(&network, observer.rpc, nodes.rpc(1), receiver, AMOUNT * sent);
    assert!(observer.stop().success());

    // Whoever backs up too rarely is told so.
    let is_gone = || {
        transfer(&network, nodes.rpc(0), receiver, u64::try_from(60_000 + sent).expect("small"));
        sent += 1;
        let status = call(nodes.rpc(0), "node_status", &json!({})).expect("it answers");
        let earliest = status["earliestHeight"].as_str().and_then(|height| height.parse::<u64>().ok());
        let last = said["to"].as_str().and_then(|height| height.parse::<u64>().ok());
        earliest > last
    };
    assert!(eventually(6 * PATIENCE, is_gone), "nothing is removed");
    let before = files(&to);
    assert_eq!(refusal(&backup(&network.home(0), &to)), (6, "PRUNED".to_owned()));
    assert_eq!(files(&to), before);
}
