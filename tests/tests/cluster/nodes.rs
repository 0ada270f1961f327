//! The validators of one network as processes, and what the tests ask of them again and again.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use althing_types::{Address, Hash};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::network::{Network, status, submit};
use super::process::{Home, Process, log_of, now};
use super::rpc::{CallError, call};

/// The validators of these tests.
pub(crate) const VALIDATORS: u16 = 4;
/// What every transfer moves.
pub(crate) const AMOUNT: u128 = 5;
/// How long something may take that takes milliseconds on a machine with nothing else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Processes of one network, by validator. Each keeps its addresses for all its lives.
pub(crate) struct Nodes {
    homes: Vec<Home>,
    running: Vec<Option<Process>>,
}

impl Nodes {
    /// Starts all validators of a network, and waits until they are connected.
    pub(crate) fn start(network: &Network) -> Self {
        let validators = u16::try_from(network.genesis.validators().len()).expect("few");
        Self::start_at((0..validators).map(|index| network.home(index)).collect())
    }

    /// Starts validators with these homes, and waits until they are connected.
    pub(crate) fn start_at(homes: Vec<Home>) -> Self {
        let running = homes.iter().map(|_| None).collect();
        let mut nodes = Self { homes, running };
        nodes.restart_all();
        nodes.wait_connected();
        nodes
    }

    /// Where a node's public window is, whether it runs or not.
    pub(crate) fn rpc(&self, index: usize) -> SocketAddr {
        self.homes[index].rpc
    }

    /// Where other nodes connect to a node that runs.
    pub(crate) fn p2p(&self, index: usize) -> SocketAddr {
        self.running[index].as_ref().and_then(|process| process.p2p).expect("it runs, and has others to meet")
    }

    /// Starts one more, and returns when it is ready.
    pub(crate) fn add(&mut self, home: Home) {
        self.running.push(Some(Process::start(&home)));
        self.homes.push(home);
    }

    /// The process of a node that runs.
    pub(crate) fn process_id(&self, index: usize) -> u32 {
        self.running[index].as_ref().expect("it runs").id()
    }

    /// The windows of those that run.
    pub(crate) fn all(&self) -> Vec<SocketAddr> {
        self.running.iter().flatten().map(|process| process.rpc).collect()
    }

    /// Kills a node without a warning.
    pub(crate) fn kill(&mut self, index: usize) {
        self.running[index].take().expect("it runs").kill();
    }

    /// Asks a node to end, and waits until it has ended in order.
    pub(crate) fn stop(&mut self, index: usize) {
        let status = self.running[index].take().expect("it runs").stop();
        assert!(status.success(), "it ended with {status}: {}", self.log(index));
    }

    /// Kills all nodes that run at once.
    pub(crate) fn kill_all(&mut self) {
        let running: Vec<usize> = (0..self.running.len()).filter(|index| self.running[*index].is_some()).collect();
        self.kill_these(&running);
    }

    /// Kills these at once: each signal is sent before anybody is waited for.
    pub(crate) fn kill_these(&mut self, indices: &[usize]) {
        let killed = indices.iter().map(|index| self.running[*index].take().expect("it runs")).collect::<Vec<_>>();
        killed.iter().for_each(|process| process.signal(Signal::KILL));
        killed.into_iter().for_each(Process::kill);
    }

    /// Starts a node again, and waits until it is ready.
    pub(crate) fn restart(&mut self, index: usize) {
        self.running[index] = Some(Process::start(&self.homes[index]));
    }

    /// Starts all nodes that do not run, at the same time, and waits until they are ready.
    pub(crate) fn restart_all(&mut self) {
        thread::scope(|scope| {
            for (place, home) in self.running.iter_mut().zip(&self.homes).filter(|(place, _)| place.is_none()) {
                scope.spawn(move || *place = Some(Process::start(home)));
            }
        });
    }

    /// Stops a node where it stands: its sockets stay open and silent.
    pub(crate) fn pause(&self, index: usize) {
        self.running[index].as_ref().expect("it runs").signal(Signal::STOP);
    }

    /// Lets a stopped node go on.
    pub(crate) fn resume(&self, index: usize) {
        self.running[index].as_ref().expect("it runs").signal(Signal::CONT);
    }

    /// Waits until a node has ended by itself.
    pub(crate) fn ended(&mut self, index: usize) -> ExitStatus {
        self.running[index].take().expect("it runs").wait()
    }

    /// Waits until each that runs is connected to all others that run.
    pub(crate) fn wait_connected(&self) {
        let others = self.all().len() - 1;
        for (index, node) in self.all().into_iter().enumerate() {
            let connected =
                || call(node, "node_status", &json!({})).expect("it answers")["peers"]["connected"].as_u64();
            let is_connected = || connected() >= u64::try_from(others).ok();
            assert!(eventually(PATIENCE, is_connected), "node {index} met {:?}: {}", connected(), self.log(index));
        }
    }

    /// The end of what a node wrote to standard error.
    pub(crate) fn log(&self, index: usize) -> String {
        log_of(&self.homes[index])
    }

    /// Waits until a node has the height that another one has now.
    pub(crate) fn catch_up(&self, behind: usize, ahead: usize) {
        let goal = height_of(self.rpc(ahead));
        let caught_up = || height_of(self.rpc(behind)) >= goal;
        assert!(eventually(PATIENCE, caught_up), "node {behind} stays below {goal}: {}", self.log(behind));
    }

    /// Waits until all that run have the highest block of any of them, and compares the state after it.
    pub(crate) fn check_agreement(&self) {
        let height = self.all().into_iter().map(height_of).max().expect("there are nodes");
        let states = self.all().into_iter().map(|node| state_at(node, height)).collect::<Vec<_>>();
        assert!(states.iter().all(|state| *state == states[0]), "the nodes hold different states: {states:?}");
    }
}

/// A transfer that is final when this returns.
pub(crate) fn transfer(network: &Network, node: SocketAddr, to: Address, salt: u64) -> Hash {
    let transaction = network.transfer(u32::try_from(salt % 3).expect("small"), to, AMOUNT, salt);
    match submit(node, &transaction, "finalized") {
        Ok(answer) => assert_eq!(answer["status"], "finalized", "{answer}"),
        Err(CallError::Refused(error)) => panic!("a good transfer was refused: {error}"),
        Err(CallError::Gone(error)) => panic!("the node went away: {error}"),
    }
    transaction.id()
}

/// Whether a node says that a transaction is final.
pub(crate) fn is_final(node: SocketAddr, id: &Hash) -> bool {
    status(node, id).is_ok_and(|status| status["status"] == "finalized")
}

/// The height of a node's last block.
pub(crate) fn height_of(node: SocketAddr) -> u64 {
    let head = call(node, "chain_getHead", &json!({})).expect("it answers");
    head["height"].as_str().expect("a height").parse().expect("a number")
}

/// The id and the state root of a height, as soon as the node has it.
pub(crate) fn state_at(node: SocketAddr, height: u64) -> (Value, Value) {
    assert!(eventually(PATIENCE, || height_of(node) >= height), "the node stays below {height}");
    let block = call(node, "chain_getBlock", &json!({ "height": height.to_string() })).expect("it has it");
    let (id, root) = (block["header"]["blockHash"].clone(), block["result"]["stateRoot"].clone());
    assert!(id.is_string() && root.is_string(), "{block}");
    (id, root)
}

/// Whether something becomes true in time.
pub(crate) fn eventually(within: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline: Instant = now() + within;
    loop {
        if holds() {
            return true;
        }
        if now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
