//! The disk of a validator begins to fail: writes, flushes or reads end with an error. The node ends by itself and says
//! why, the others go on, and with a disk that works it comes back with all that was acknowledged.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use althing_types::Address;
use serde_json::json;

use super::cut_disk::Mood;
use super::load::Load;
use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, transfer};
use super::power::home_on_disk;
use super::process::{Home, Process, log_of};
use super::rpc::call;

/// How many clients send at the same time.
const CLIENTS: usize = 4;
/// Reads of the device that pass in a start before all fail: the first of them, and some further on.
const READS: [u64; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 28, 36];

/// Checks that a node said that its disk failed, what to do about it, and nothing worse.
fn check_farewell(home: &Home, code: Option<i32>) {
    let log = log_of(home);
    let error = log.lines().rev().find(|line| line.starts_with("{\"error\"")).unwrap_or_default();
    let error: serde_json::Value = serde_json::from_str(error).unwrap_or_default();
    assert_eq!(error["error"]["symbol"], "DISK", "the node did not say why it ended: {log}");
    let hint = error["error"]["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("look at the disk"), "it does not say what to do: {log}");
    assert_eq!(code, Some(1), "another start does not mend it: {log}");
    assert!(!log.contains("panicked") && !log.contains("broken invariant"), "{log}");
}

/// Lets the disk of one of four fail under load, checks how its node ends, and mends it again.
fn fail_under_load(mood: Mood, seed: u64) {
    let network = Arc::new(Network::new(VALIDATORS));
    let (home, mut disk) = match home_on_disk(&network, 3, seed) {
        Ok(place) => place,
        Err(why) => return crate::skipped(&why),
    };
    let mut homes: Vec<Home> = (0..VALIDATORS - 1).map(|index| network.home(index)).collect();
    homes.push(home.clone());
    let mut nodes = Nodes::start_at(homes);
    let (receiver, probe) = (Address::new([61; 32]), Address::new([62; 32]));
    transfer(&network, nodes.rpc(3), probe, 0);
    let load = Load::start(&network, &nodes.all(), CLIENTS, receiver);
    thread::sleep(Duration::from_millis(500));
    disk.fail(mood);
    let status = nodes.ended(3);
    check_farewell(&home, status.code());
    assert!(disk.counts().failed > 0, "it ended for another reason");
    transfer(&network, nodes.rpc(0), probe, 1);
    // As long as the disk fails so does a start, in the same words.
    if let Err(status) = Process::try_start(&home) {
        check_farewell(&home, status.code());
    } else {
        panic!("it started on a disk that fails");
    }

    disk.restart();
    nodes.restart(3);
    nodes.wait_connected();
    let goal = height_of(nodes.rpc(0));
    assert!(eventually(PATIENCE, || height_of(nodes.rpc(3)) >= goal), "it stays below {goal}: {}", nodes.log(3));
    load.end().check(&network, &nodes.all());
    nodes.check_agreement();
    // Now the others need its vote.
    nodes.kill(0);
    transfer(&network, nodes.rpc(3), probe, 2);
    assert_eq!(network.balance(nodes.rpc(3), probe), AMOUNT * 3);
}

#[test]
fn a_node_whose_writes_fail_ends_by_itself_and_comes_back_whole() {
    fail_under_load(Mood::FailsWrites, 1);
}

#[test]
fn a_node_whose_flushes_fail_ends_by_itself_and_comes_back_whole() {
    fail_under_load(Mood::FailsFlushes, 2);
}

#[test]
fn a_node_that_cannot_read_what_it_is_asked_for_ends_by_itself_and_comes_back_whole() {
    let network = Network::new(1);
    let (home, mut disk) = match home_on_disk(&network, 0, 3) {
        Ok(place) => place,
        Err(why) => return crate::skipped(&why),
    };
    let receiver = Address::new([63; 32]);
    let begun = Process::start(&home);
    for salt in 0..20 {
        submit(begun.rpc, &network.transfer(0, receiver, AMOUNT, salt), "finalized").expect("it is a good transfer");
    }
    // A clean stop writes tables, so that blocks are read from the disk afterwards and not from memory.
    assert!(begun.stop().success());
    disk.restart();
    let mut node = Process::start(&home);
    disk.fail_reads_of("data");
    let blocks = |node: &Process| call(node.rpc, "chain_listBlocks", &json!({ "order": "asc", "limit": 20 }));
    let answer = blocks(&node);
    assert!(answer.is_err(), "it answered what it cannot have read: {answer:?}");
    check_farewell(&home, node.wait().code());
    assert!(disk.counts().failed > 0, "it ended for another reason");

    disk.restart();
    let node = Process::start(&home);
    assert!(blocks(&node).is_ok());
    assert_eq!(network.balance(node.rpc, receiver), AMOUNT * 20);
}

#[test]
fn a_start_that_cannot_read_its_disk_to_the_end_takes_nothing_for_lost() {
    let network = Network::new(1);
    let (home, mut disk) = match home_on_disk(&network, 0, 4) {
        Ok(place) => place,
        Err(why) => return crate::skipped(&why),
    };
    let receiver = Address::new([64; 32]);
    let begun = Process::start(&home);
    submit(begun.rpc, &network.transfer(0, receiver, AMOUNT, 1), "finalized").expect("it is a good transfer");
    begun.kill();
    let mut refused = 0;
    for reads in READS {
        disk.restart();
        let failed = disk.counts().failed;
        disk.fail_reads_after(reads);
        match Process::try_start(&home) {
            Ok(node) => drop(node),
            Err(status) => {
                refused += 1;
                check_farewell(&home, status.code());
                assert!(disk.counts().failed > failed, "after {reads} reads it did not start for another reason");
            }
        }
    }
    println!("{refused} of {} starts ended because a read failed", READS.len());
    assert!(refused > READS.len() / 2, "only {refused} starts met a read that failed: too few to show anything");
    disk.restart();
    let node = Process::start(&home);
    assert_eq!(network.balance(node.rpc, receiver), AMOUNT);
}
