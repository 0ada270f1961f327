//! A chain of one validator survives whatever happens to its process: what was acknowledged is there, nothing is there
//! twice, and the state is that of the acknowledged transactions.

use std::fs::File;
use std::io::PipeReader;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use althing_types::{Address, Hash};
use serde_json::json;

use super::network::{Network, status, submit};
use super::process::Process;
use super::rpc::{CallError, call};

/// Kills in the long test.
const KILLS: u64 = 100;
/// The longest that a node lives in it, in microseconds after it was ready.
const LIFE_MICROS_MAX: u64 = 120_000;
/// Transfers that must become final in all these lives, so that the test shows something; a quick machine makes many
/// more.
const FINALS_MIN: usize = 25;
/// Transfers after which a node at the lowest level has said more than a pipe holds.
const SAID_MIN: u64 = 60;
/// What every transfer moves.
const AMOUNT: u128 = 7;

/// Transactions whose fate is known, and those that were sent into the void.
#[derive(Debug, Default)]
struct Ledger {
    final_at: Vec<(Hash, String)>,
    unknown: Vec<Hash>,
}

#[test]
fn a_chain_of_one_validator_survives_a_hundred_kills() {
    let network = Network::new(1);
    let home = network.home(0);
    let receiver = Address::new([9; 32]);
    let mut ledger = Ledger::default();
    let mut lives = 0x5eed_u64;
    let mut height = 0;
    for kill in 0..KILLS {
        let node = Process::start(&home);
        assert!(height_of(node.rpc) >= height, "kill {kill}: the chain went back");
        height = spend_a_life(&network, &node, receiver, kill, life_micros(&mut lives), &mut ledger).max(height);
        node.kill();
    }
    let node = Process::start(&home);
    check_acknowledged(node.rpc, &ledger);
    check_balances(&network, node.rpc, receiver, &ledger);
    let finals = ledger.final_at.len();
    assert!(finals >= FINALS_MIN, "only {finals} transfers became final in a hundred lives: too few to show anything");
    assert!(node.stop().success(), "it ends in order when it is asked to");
}

#[test]
fn a_node_that_is_asked_to_end_as_soon_as_it_is_ready_ends_in_order() {
    let network = Network::new(1);
    for start in 0..12 {
        let status = Process::start(&network.home(0)).stop();
        assert!(status.success(), "after start {start}: {status}");
    }
}

#[test]
fn a_node_goes_on_whose_log_cannot_be_written_or_is_read_by_nobody() {
    let network = Network::new(1);
    let home = network.home(0);
    let receiver = Address::new([10; 32]);
    let (unread, _never_read) = pipe();
    let (broken, gone) = pipe();
    drop(gone);
    let full = File::options().write(true).open("/dev/full").expect("this system has one");
    let places = [("a full disk", Stdio::from(full)), ("an unread pipe", unread), ("a broken pipe", broken)];
    for (salt, (place, stderr)) in (0..).zip(places) {
        let node = Process::start_talking_to(&home, stderr);
        for number in 0..SAID_MIN {
            let transfer = network.transfer(0, receiver, AMOUNT, salt << 32 | number);
            submit(node.rpc, &transfer, "finalized").unwrap_or_else(|error| panic!("with {place}: {error}"));
        }
        assert!(node.stop().success(), "with {place} it ends in order");
    }
    let node = Process::start(&home);
    assert_eq!(network.balance(node.rpc, receiver), 3 * u128::from(SAID_MIN) * AMOUNT);
}

/// A pipe: its writing end, and its reading end.
fn pipe() -> (Stdio, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("there is room for a pipe");
    (writer.into(), reader)
}

/// Sends transfers until the node is about to be killed. Returns the highest height that was acknowledged.
fn spend_a_life(
    network: &Network,
    node: &Process,
    receiver: Address,
    kill: u64,
    life_micros: u64,
    ledger: &mut Ledger,
) -> u64 {
    let over = AtomicBool::new(false);
    let mut height = 0;
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = Vec::new();
            for number in 0..u64::MAX {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let from = u32::try_from(number % 3).expect("small");
                let transaction = network.transfer(from, receiver, AMOUNT, kill << 32 | number);
                sent.push((transaction.id(), submit(node.rpc, &transaction, "finalized")));
            }
            sent
        });
        thread::sleep(Duration::from_micros(life_micros));
        over.store(true, Ordering::Relaxed);
        // The sender's last call may still be under way when the process is killed: that is what is tested.
        let pid = rustix::process::Pid::from_raw(i32::try_from(node.id()).expect("a process id")).expect("not 0");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it can be killed");
        for (id, answer) in sender.join().expect("it does not panic") {
            height = height.max(note(id, answer, ledger));
        }
    });
    height
}

/// Notes what an answer says, and returns the height that it names.
fn note(id: Hash, answer: Result<serde_json::Value, CallError>, ledger: &mut Ledger) -> u64 {
    match answer {
        Ok(answer) if answer["status"] == "finalized" => {
            let height = answer["height"].as_str().expect("a height").to_owned();
            ledger.final_at.push((id, height.clone()));
            height.parse().expect("a number")
        }
        Ok(_) | Err(CallError::Gone(_)) => {
            ledger.unknown.push(id);
            0
        }
        Err(CallError::Refused(error)) if error["data"]["symbol"] == "SHUTTING_DOWN" => {
            ledger.unknown.push(id);
            0
        }
        Err(refused) => panic!("a good transfer was refused: {refused}"),
    }
}

/// Whatever was acknowledged as final is final, at the height that was said, and succeeded.
fn check_acknowledged(node: SocketAddr, ledger: &Ledger) {
    for (id, height) in &ledger.final_at {
        let now = status(node, id).expect("it answers");
        assert_eq!(now["status"], "finalized", "{id} was acknowledged and is lost");
        assert_eq!(now["height"].as_str(), Some(height.as_str()), "{id} stands elsewhere now");
        assert_eq!(now["receipt"]["status"], "ok", "{id} failed");
    }
}

/// The receiver holds what final transfers moved: each acknowledged one once, and those of the others that made it.
fn check_balances(network: &Network, node: SocketAddr, receiver: Address, ledger: &Ledger) {
    let made_it = |id: &&Hash| status(node, id).is_ok_and(|status| status["status"] == "finalized");
    let late = ledger.unknown.iter().filter(made_it).count();
    let transfers = u128::try_from(ledger.final_at.len() + late).expect("small");
    assert_eq!(network.balance(node, receiver), transfers * AMOUNT);
}

fn height_of(node: SocketAddr) -> u64 {
    let head = call(node, "chain_getHead", &json!({})).expect("it answers");
    head["height"].as_str().expect("a height").parse().expect("a number")
}

/// How long the next life is. The numbers follow from a seed; what the machine makes of them does not.
fn life_micros(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % LIFE_MICROS_MAX
}
