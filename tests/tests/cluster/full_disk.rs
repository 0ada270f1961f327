//! The disk of a validator runs full: the node ends by itself with a sentence that says so, the others go on, and with
//! room it comes back whole and votes. So it does when there was no room for a start.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use althing_types::Address;
use serde_json::json;

use super::disk::SmallDisk;
use super::load::Load;
use super::network::{Network, submit};
use super::nodes::{AMOUNT, Nodes, PATIENCE, VALIDATORS, eventually, height_of, transfer};
use super::process::{Home, Process, log_of};
use super::rpc::call;

/// The disk, in MiB: it holds what both logs and the store reserve at first, and as much again.
const DISK_MIB: u32 = 160;
/// Transfers in one call of those that fill the disk.
const MANY: u64 = 500;
/// What is left when the disk is filled, in KiB: enough for a few blocks.
const LEFT_KIB: u64 = 2_048;
/// What is left for starts that must fail, in KiB: nothing, a store, a store and a log.
const TOO_LITTLE_KIB: [u64; 5] = [0, 16, 512, 12_000, 20_000];

/// A validator's home on a small disk; why not, if there can be none.
fn home_on_disk(network: &Network, index: u16) -> Result<(Home, SmallDisk), String> {
    let mut home = network.home(index);
    let folder = home.folder.join("disk");
    let disk = SmallDisk::mount(&folder, DISK_MIB)?;
    home.data = Some(folder.join("data"));
    home.mounts = Some(disk.mounts.clone());
    Ok((home, disk))
}

/// Checks that a node said that its disk is full, and that a failure is told as one.
fn check_farewell(home: &Home, code: Option<i32>) {
    let log = log_of(home);
    let error = log.lines().rev().find(|line| line.starts_with("{\"error\"")).unwrap_or_default();
    assert!(error.contains("DISK_FULL"), "the node did not say why it ended: {log}");
    assert_eq!(code, Some(75), "whoever supervises the node may try again later: {log}");
    assert!(!log.contains("panicked"), "{log}");
}

/// Sends as many transfers as a node takes, until the disk of another is full.
fn flood(network: &Network, node: SocketAddr, is_over: &AtomicBool) {
    let receiver = Address::new([44; 32]);
    for round in 1_u64.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let sender = u32::try_from(round % 3).expect("small");
        let transfer = |number: u64| network.transfer(sender, receiver, 1, 1 << 60 | round << 16 | number);
        let txs = (0..MANY).map(|number| format!("0x{}", const_hex::encode(transfer(number).to_bytes())));
        let txs: Vec<String> = txs.collect();
        // What it has no room for is not needed either.
        let _taken = call(node, "tx_submitMany", &json!({ "txs": txs }));
    }
}

#[test]
fn a_disk_runs_full_under_load_and_the_node_comes_back_whole_with_more_room() {
    let network = Arc::new(Network::new(VALIDATORS));
    let (home, disk) = match home_on_disk(&network, 3) {
        Ok(place) => place,
        Err(why) => return crate::skipped(&why),
    };
    let mut homes: Vec<Home> = (0..VALIDATORS - 1).map(|index| network.home(index)).collect();
    homes.push(home.clone());
    let mut nodes = Nodes::start_at(homes);
    let (receiver, probe) = (Address::new([41; 32]), Address::new([42; 32]));
    transfer(&network, nodes.rpc(3), probe, 0);
    let load = Load::start(&network, &nodes.all(), 4, receiver);
    disk.fill(LEFT_KIB);
    let is_over = AtomicBool::new(false);
    let status = thread::scope(|scope| {
        let (first, is_over, network) = (nodes.rpc(0), &is_over, &network);
        scope.spawn(move || flood(network, first, is_over));
        let status = nodes.ended(3);
        is_over.store(true, Ordering::Relaxed);
        status
    });
    check_farewell(&home, status.code());
    transfer(&network, nodes.rpc(0), probe, 1);

    disk.free();
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
fn a_node_without_room_for_its_start_says_so_and_starts_when_there_is_room() {
    let network = Network::new(1);
    let (home, disk) = match home_on_disk(&network, 0) {
        Ok(place) => place,
        Err(why) => return crate::skipped(&why),
    };
    for left in TOO_LITTLE_KIB {
        disk.fill(left);
        match Process::try_start(&home) {
            Ok(node) => panic!("{left} KiB were enough for a start: {:?}", node.stop()),
            Err(status) => check_farewell(&home, status.code()),
        }
        fs::remove_file(home.folder.join("stderr.log")).expect("it is there");
    }
    disk.free();
    let node = Process::start(&home);
    let receiver = Address::new([43; 32]);
    submit(node.rpc, &network.transfer(0, receiver, AMOUNT, 1), "finalized").expect("it is a good transfer");
    assert_eq!(network.balance(node.rpc, receiver), AMOUNT);
    // The same with a past.
    assert!(node.stop().success());
    disk.fill(0);
    let status = Process::try_start(&home).err();
    disk.free();
    if let Some(status) = status {
        check_farewell(&home, status.code());
    }
    let node = Process::start(&home);
    assert_eq!(network.balance(node.rpc, receiver), AMOUNT);
}
