//! Clients that keep a network busy while things go wrong: each sends one transfer after the other, goes to the next
//! node when one fails it, and remembers what it was promised.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use althing_types::{Address, Hash, SignedTransaction};

use super::network::{Network, status, submit};
use super::nodes::{AMOUNT, Nodes, eventually, is_final};
use super::process::now;
use super::rpc::CallError;

/// How long a client waits before it tries the next node.
const PAUSE: Duration = Duration::from_millis(20);
/// How long what was promised may take to be there on every node after all is well again.
const SETTLE_MAX: Duration = Duration::from_secs(30);
/// Broken promises that are named; all are counted.
const BROKEN_MAX: usize = 10;

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
    kept: Arc<AtomicU64>,
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
        Self::start_at_ease(network, nodes, clients, receiver, Duration::ZERO)
    }

    /// The same with clients that rest so long after each transfer.
    pub(crate) fn start_at_ease(
        network: &Arc<Network>,
        nodes: &[SocketAddr],
        clients: usize,
        receiver: Address,
        rest: Duration,
    ) -> Self {
        let (stop, kept) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |number: usize| {
            let client = Client {
                network: network.clone(),
                nodes: nodes.to_vec(),
                number,
                receiver,
                rest,
                stop: stop.clone(),
                kept: kept.clone(),
                diary: Diary::default(),
            };
            thread::spawn(move || client.run())
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, kept, clients, receiver }
    }

    /// How many transfers were promised something until now.
    pub(crate) fn promised(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Ends the load, and returns what was promised.
    pub(crate) fn end(self) -> Promises {
        self.stop.store(true, Ordering::Relaxed);
        let diaries = self.clients.into_iter().map(|client| client.join().expect("it does not panic")).collect();
        Promises { diaries, receiver: self.receiver }
    }

    /// Ends the load, and checks at all nodes what it was promised, and that they agree.
    pub(crate) fn settle(self, network: &Network, nodes: &Nodes) -> Promises {
        let promises = self.end();
        promises.check(network, &nodes.all());
        nodes.check_agreement();
        promises
    }
}

struct Client {
    network: Arc<Network>,
    nodes: Vec<SocketAddr>,
    number: usize,
    receiver: Address,
    rest: Duration,
    stop: Arc<AtomicBool>,
    kept: Arc<AtomicU64>,
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
            thread::sleep(self.rest);
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
                self.kept.fetch_add(1, Ordering::Relaxed);
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

    /// Transfers that were promised anything.
    pub(crate) fn count(&self) -> usize {
        self.diaries.iter().map(|diary| diary.promised.len()).sum()
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
        let broken = self.broken(network, nodes);
        assert!(broken.is_none(), "{broken}");
    }

    /// What was promised and is not true on one of these nodes.
    pub(crate) fn broken(&self, network: &Network, nodes: &[SocketAddr]) -> Broken {
        thread::scope(|scope| {
            let at_each = |node: &SocketAddr| {
                let node = *node;
                scope.spawn(move || self.broken_at(network, node))
            };
            let found: Vec<_> = nodes.iter().map(at_each).collect();
            let mut broken = Broken::default();
            for at_one in found {
                broken.add(at_one.join().expect("it does not panic"));
            }
            broken
        })
    }

    fn broken_at(&self, network: &Network, node: SocketAddr) -> Broken {
        let promised = || self.diaries.iter().flat_map(|diary| &diary.promised);
        let mut broken = Broken::default();
        // Nodes that just started may lack the last blocks; all promises have the same time to come true.
        let deadline = now() + SETTLE_MAX;
        for promised in promised() {
            if let Some(what) = broken_promise(node, promised, deadline) {
                broken.transfers.insert(promised.id);
                broken.sentences.push(format!("{node}: {what}"));
            }
        }
        // A transfer whose fate is not known may become final while we look.
        let moved = || {
            let unknown = self.diaries.iter().flat_map(|diary| &diary.unknown);
            let executed = promised().count() + unknown.filter(|id| is_final(node, id)).count();
            AMOUNT * u128::try_from(executed).expect("small")
        };
        let balance = || network.balance(node, self.receiver);
        if !eventually(SETTLE_MAX, || balance() == moved()) {
            broken.sentences.push(format!("{node}: {} was moved, {} should be", balance(), moved()));
        }
        broken
    }
}

/// What was promised and is not true.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    /// The transfers that were promised something else.
    transfers: BTreeSet<Hash>,
    /// What is wrong with them, and with all of them together, at each node.
    sentences: Vec<String>,
}

impl Broken {
    /// Whether all that was promised is true.
    pub(crate) fn is_none(&self) -> bool {
        self.sentences.is_empty()
    }

    /// How many transfers were promised something that is not true at one of the nodes at least.
    pub(crate) fn lost(&self) -> usize {
        self.transfers.len()
    }

    fn add(&mut self, other: Self) {
        self.transfers.extend(other.transfers);
        self.sentences.extend(other.sentences);
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.sentences.iter().take(BROKEN_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
        write!(f, "{} broken promises: {named}", self.sentences.len())
    }
}

/// What of a promise is not true, if anything.
fn broken_promise(node: SocketAddr, promised: &Promised, deadline: Instant) -> Option<String> {
    let id = promised.id;
    let mut answer = status(node, &id);
    let mut is_final = || {
        let is_final = answer.as_ref().is_ok_and(|status| status["status"] == "finalized");
        if !is_final {
            answer = status(node, &id);
        }
        is_final
    };
    if !eventually(deadline.saturating_duration_since(now()), &mut is_final) {
        return Some(format!("{id} was promised {:?} and is lost", promised.promise));
    }
    let status = answer.ok()?;
    if status["receipt"]["status"] != "ok" {
        return Some(format!("{id} failed"));
    }
    match promised.promise {
        Promise::Final(height) if status["height"].as_str() != Some(height.to_string().as_str()) => {
            Some(format!("{id} stands elsewhere now, not at {height}"))
        }
        Promise::Final(_) | Promise::Accepted => None,
    }
}
