//! Clients that keep a network busy while things go wrong: each sends one transfer after the other, goes to the next
//! node when one fails it, and remembers what it was promised.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use althing_types::{Address, Hash, SignedTransaction};

use super::network::{Network, submit};
use super::nodes::{AMOUNT, eventually, is_final};
use super::process::now;
use super::rpc::CallError;

/// How long a client waits before it tries the next node.
const PAUSE: Duration = Duration::from_millis(20);
/// How long what was promised may take to be there on every node after all is well again.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// What a client was told about a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    /// It is final at this height.
    Final(u64),
    /// It is durable in the lane of the node that said so.
    Accepted,
}

/// A transfer that was promised something.
#[derive(Clone, Copy, Debug)]
struct Promised {
    id: Hash,
    promise: Promise,
    at: Instant,
}

/// What a client did.
#[derive(Debug, Default)]
struct Diary {
    promised: Vec<Promised>,
    /// The last transfer, if its fate is not known.
    unknown: Option<Hash>,
}

/// Clients that are at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Diary>>,
    receiver: Address,
}

/// What the clients were promised.
pub(crate) struct Promises {
    diaries: Vec<Diary>,
    receiver: Address,
}

impl Load {
    /// Starts so many clients, which spread over these nodes. Every fourth is content with a transfer that is accepted;
    /// the others wait until theirs is final.
    pub(crate) fn start(network: &Arc<Network>, nodes: &[SocketAddr], clients: usize, receiver: Address) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: usize| {
            let client = Client {
                network: network.clone(),
                nodes: nodes.to_vec(),
                number,
                receiver,
                stop: stop.clone(),
                diary: Diary::default(),
            };
            thread::spawn(move || client.run())
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, clients, receiver }
    }

    /// Ends the load, and returns what was promised.
    pub(crate) fn end(self) -> Promises {
        self.stop.store(true, Ordering::Relaxed);
        let diaries = self.clients.into_iter().map(|client| client.join().expect("it does not panic")).collect();
        Promises { diaries, receiver: self.receiver }
    }
}

struct Client {
    network: Arc<Network>,
    nodes: Vec<SocketAddr>,
    number: usize,
    receiver: Address,
    stop: Arc<AtomicBool>,
    diary: Diary,
}

impl Client {
    fn run(mut self) -> Diary {
        let accounts = 3;
        for salt in 0_u64.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let account = u32::try_from(self.number % accounts).expect("small");
            let salt = u64::try_from(self.number).expect("small") << 32 | salt;
            let transaction = self.network.transfer(account, self.receiver, AMOUNT, salt);
            self.send(&transaction);
        }
        self.diary
    }

    /// Sends the same bytes to one node after the other until one of them makes a promise.
    fn send(&mut self, transaction: &SignedTransaction) {
        let wait_until = if self.number % 4 == 3 { "accepted" } else { "finalized" };
        for attempt in self.number.. {
            let answer = submit(self.nodes[attempt % self.nodes.len()], transaction, wait_until);
            let promise = match &answer {
                Ok(answer) if answer["status"] == "finalized" => {
                    let height = answer["height"].as_str().expect("a height").parse().expect("a number");
                    Some(Promise::Final(height))
                }
                Ok(answer) if wait_until == "accepted" && answer["status"] == "accepted" => Some(Promise::Accepted),
                Ok(_) | Err(CallError::Gone(_)) => None,
                Err(CallError::Refused(error)) if error["data"]["retryable"] == true => None,
                Err(refused) => panic!("a good transfer was refused: {refused}"),
            };
            if let Some(promise) = promise {
                self.diary.promised.push(Promised { id: transaction.id(), promise, at: now() });
                return;
            }
            if self.stop.load(Ordering::Relaxed) {
                self.diary.unknown = Some(transaction.id());
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Promises {
    /// Transfers that were final before the load ended.
    pub(crate) fn finals(&self) -> usize {
        self.final_instants().len()
    }

    /// The longest time without a final transfer that began within so long after an instant.
    pub(crate) fn longest_gap(&self, from: Instant, within: Duration) -> Duration {
        let instants = self.final_instants();
        let after = instants.iter().filter(|at| **at >= from);
        let starts = std::iter::once(&from).chain(after.clone());
        starts
            .zip(after)
            .filter(|(start, _)| **start < from + within)
            .map(|(start, end)| *end - *start)
            .max()
            .expect("something was final after it")
    }

    fn final_instants(&self) -> Vec<Instant> {
        let promised = self.diaries.iter().flat_map(|diary| &diary.promised);
        let finals = promised.filter(|promised| promised.promise != Promise::Accepted);
        let mut instants: Vec<Instant> = finals.map(|promised| promised.at).collect();
        instants.sort();
        instants
    }

    /// Checks on these nodes that all that was promised is true: each transfer is final, at the height that was named,
    /// and executed once.
    pub(crate) fn check(&self, network: &Network, nodes: &[SocketAddr]) {
        let promised = self.diaries.iter().flat_map(|diary| &diary.promised).count();
        for node in nodes {
            let mut executed = promised;
            for diary in &self.diaries {
                for promised in &diary.promised {
                    check_promise(*node, promised);
                }
                executed += diary.unknown.iter().filter(|id| is_final(*node, id)).count();
            }
            let moved = AMOUNT * u128::try_from(executed).expect("small");
            let balance = || network.balance(*node, self.receiver);
            assert!(eventually(SETTLE_MAX, || balance() == moved), "{} was moved, {moved} should be", balance());
        }
    }
}

fn check_promise(node: SocketAddr, promised: &Promised) {
    let id = promised.id;
    assert!(eventually(SETTLE_MAX, || is_final(node, &id)), "{id} was promised {:?} and is lost", promised.promise);
    let status = super::network::status(node, &id).expect("it answers");
    assert_eq!(status["receipt"]["status"], "ok", "{id} failed");
    if let Promise::Final(height) = promised.promise {
        assert_eq!(status["height"].as_str(), Some(height.to_string().as_str()), "{id} stands elsewhere now");
    }
}
