//! Commands from other processes to the one that runs a network: one line of JSON each way on a Unix socket in the
//! network's folder, which belongs to its owner alone.
//!
//! Commands are carried out one after the other. Where nobody runs the network, what can be told without is told.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::error::TestnetError;
use super::folder::{Layout, Record, io_error};
use super::identity::ProcessId;
use super::log;
use super::naming;
use super::patience::Patience;
use super::ports::local;
use super::view::{NodeState, NodeStatus, NodeView, View};

/// Bytes of a request at most.
const REQUEST_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a reply at most; the largest lists a thousand accounts.
const REPLY_BYTES_MAX: u64 = 4 << 20;
/// How long a command may take: as long as several restarts that do not succeed.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// How long the process that runs a network may take to be gone when it was asked to. It waits 10 s for its nodes.
const GONE_MAX: Duration = Duration::from_secs(15);

/// How long it may take from the moment at which such a process hangs up to the one at which it is gone.
const HANGING_UP_MAX: Duration = Duration::from_secs(1);

/// What a process that runs a network is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "command", deny_unknown_fields)]
pub enum Request {
    /// What the network is.
    View,
    /// How its nodes are.
    Status,
    /// End a node without a warning.
    Kill {
        /// Its name or number.
        node: String,
    },
    /// Start a node again.
    Restart {
        /// Its name or number.
        node: String,
    },
    /// Stop a node where it stands.
    Pause {
        /// Its name or number.
        node: String,
    },
    /// Let a paused node go on.
    Resume {
        /// Its name or number.
        node: String,
    },
    /// Take the network down.
    Down,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// The network.
    View(View),
    /// All of its nodes.
    Status(Vec<NodeStatus>),
    /// Something was done to a node.
    Node {
        /// The node as it is now.
        status: Box<NodeStatus>,
        /// What did not succeed beside it, as a sentence.
        warning: Option<String>,
    },
    /// The network is down.
    Down,
    /// It was not done.
    Refused {
        /// What scripts look for.
        symbol: String,
        /// One sentence.
        message: String,
        /// What can be done.
        hint: Option<String>,
    },
}

impl From<&TestnetError> for Reply {
    fn from(error: &TestnetError) -> Self {
        Self::Refused { symbol: error.symbol().to_owned(), message: error.to_string(), hint: error.hint() }
    }
}

/// Whether a process runs the network in this folder.
///
/// # Errors
///
/// If there is no network, or its files cannot be read.
pub fn is_running(dir: &Path) -> Result<bool, TestnetError> {
    Ok(Layout::existing(dir)?.running()?.is_some())
}

/// Asks the process that runs the network in this folder.
///
/// # Errors
///
/// If there is no network, nobody runs it, or it refuses.
pub fn ask(dir: &Path, request: &Request) -> Result<Reply, TestnetError> {
    let layout = Layout::existing(dir)?;
    let record = layout.running()?.ok_or_else(|| not_running(&layout))?;
    let Some(socket) = &record.control else { return Err(busy(&layout, "starting")) };
    match exchange(socket, request).map_err(|error| unanswered(&layout, &record.supervisor, socket, error))? {
        Reply::Refused { symbol, message, hint } => Err(TestnetError::Refused { symbol, message, hint }),
        reply => Ok(reply),
    }
}

/// Takes the network in this folder down, and returns when no process of it is left. Says whether it was running; nodes
/// that a process left behind when it was killed are ended too.
///
/// # Errors
///
/// If there is no network, or it cannot be taken down.
pub fn down(dir: &Path) -> Result<bool, TestnetError> {
    let layout = Layout::existing(dir)?;
    let Some(record) = layout.running()? else {
        layout.clean()?;
        return Ok(false);
    };
    if ask(dir, &Request::Down).is_err() && !is_ending(&record) {
        // It is starting, and takes no commands. One that ends already would take a signal for impatience.
        record.supervisor.signal(Signal::TERM).map_err(io_error("end the process of", layout.path()))?;
    }
    if !gone(&record.supervisor) && record.control.is_some() {
        // It hangs. What it leaves behind is ended below.
        record.supervisor.signal(Signal::KILL).map_err(io_error("end the process of", layout.path()))?;
        gone(&record.supervisor);
    }
    if layout.path().exists() {
        layout.clean()?;
    }
    Ok(true)
}

/// How the nodes of the network in this folder are, also if nobody runs it.
///
/// # Errors
///
/// If there is no network, or its files cannot be read.
pub fn status(dir: &Path) -> Result<Vec<NodeStatus>, TestnetError> {
    match ask(dir, &Request::Status) {
        Ok(Reply::Status(nodes)) => Ok(nodes),
        Ok(_) | Err(TestnetError::NotRunning { .. }) => stopped(&Layout::existing(dir)?),
        Err(error) => Err(error),
    }
}

/// The log of a node of the network in this folder.
///
/// # Errors
///
/// If there is no network or no such node.
pub fn log(dir: &Path, node: &str) -> Result<PathBuf, TestnetError> {
    let layout = Layout::existing(dir)?;
    let description = layout.description()?;
    let nodes = description.map_or(0, |description| usize::from(description.validators));
    Ok(log::path(&layout.home(naming::index_of(node, nodes)?)))
}

fn not_running(layout: &Layout) -> TestnetError {
    TestnetError::NotRunning { folder: layout.path().to_path_buf() }
}

/// The network is neither up nor down.
fn busy(layout: &Layout, state: &str) -> TestnetError {
    TestnetError::Refused {
        symbol: "TESTNET_IN_USE".to_owned(),
        message: format!("the testnet in {} is {state}", layout.path().display()),
        hint: Some("try again in a few seconds".to_owned()),
    }
}

/// Whether the process that runs a network took commands and takes none any more: that is the first thing of its end.
fn is_ending(record: &Record) -> bool {
    record.control.as_ref().is_some_and(|socket| socket.try_exists().is_ok_and(|exists| !exists))
}

/// Why a process that was recorded as running did not answer: mostly because it is about to end.
fn unanswered(layout: &Layout, supervisor: &ProcessId, socket: &Path, source: io::Error) -> TestnetError {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    match source.kind() {
        NotFound | ConnectionRefused if supervisor.is_alive() => busy(layout, "ending"),
        // It ends at this moment, or ended just now.
        NotFound | ConnectionRefused => not_running(layout),
        BrokenPipe | ConnectionReset | UnexpectedEof
            if Patience::of(HANGING_UP_MAX).until(|| !supervisor.is_alive()) =>
        {
            not_running(layout)
        }
        _ => TestnetError::Io { action: "ask the process behind", path: socket.to_path_buf(), source },
    }
}

fn gone(supervisor: &ProcessId) -> bool {
    Patience::of(GONE_MAX).until(|| !supervisor.is_alive())
}

/// The nodes of a network that nobody runs, with the ports that they had or will have.
fn stopped(layout: &Layout) -> Result<Vec<NodeStatus>, TestnetError> {
    let Some(description) = layout.description()? else {
        return Err(TestnetError::NoTestnet { folder: layout.path().to_path_buf() });
    };
    let record: Option<Record> = layout.record()?;
    let node = |index: u16| {
        let recorded = record.as_ref().and_then(|record| record.nodes.get(usize::from(index)));
        let from_base = |offset: u16| match description.base_port {
            0 => 0,
            base => base.saturating_add(offset).saturating_add(index),
        };
        let (rpc, p2p) = recorded.map_or_else(|| (from_base(0), from_base(100)), |node| (node.rpc, node.p2p));
        let node = NodeView {
            name: naming::node_name(usize::from(index)),
            role: "validator".to_owned(),
            rpc: format!("http://{}", local(rpc)),
            p2p: local(p2p),
            pid: None,
            home: layout.home(usize::from(index)),
        };
        NodeStatus { node, state: NodeState::Stopped, exit_code: None, exit_signal: None, answer: None }
    };
    Ok((0..description.validators).map(node).collect())
}

fn exchange(socket: &Path, request: &Request) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(&serde_json::to_vec(request)?)?;
    stream.shutdown(Shutdown::Write)?;
    let mut bytes = Vec::new();
    stream.take(REPLY_BYTES_MAX).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before it answered"));
    }
    Ok(serde_json::from_slice(&bytes)?)
}

/// Reads what another process asks, to its end, which must come within `patience`, however often it says something.
pub(super) fn read(mut stream: &UnixStream, patience: Patience) -> io::Result<Request> {
    let mut bytes = vec![0; REQUEST_BYTES_MAX];
    let mut length = 0;
    loop {
        stream.set_read_timeout(Some(patience.left().ok_or(io::ErrorKind::TimedOut)?))?;
        // A request that fills all the room is not valid JSON, or ends with it.
        match stream.read(bytes.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(serde_json::from_slice(&bytes)?)
}

/// Answers, if the one who asked takes all of it within `patience`. Whoever asked may be gone.
pub(super) fn answer(mut stream: &UnixStream, reply: &Reply, patience: Patience) -> io::Result<()> {
    let bytes = serde_json::to_vec(reply)?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(patience.left().ok_or(io::ErrorKind::TimedOut)?))?;
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const SHORT: Duration = Duration::from_millis(300);

    /// Writes bytes one by one, four in that short time, and says when nobody listens any more.
    fn dribble(mut stream: UnixStream, bytes: Vec<u8>) -> thread::JoinHandle<bool> {
        thread::spawn(move || {
            let written = bytes.iter().try_for_each(|byte| {
                thread::sleep(SHORT / 4);
                stream.write_all(&[*byte])
            });
            written.is_err()
        })
    }

    #[test]
    fn a_request_is_read_whole_although_it_comes_in_pieces() {
        let (caller, stream) = UnixStream::pair().expect("a pair");
        let dribbling = dribble(caller, br#"{"command":"view"}"#.to_vec());
        let request = read(&stream, Patience::of(Duration::from_secs(60))).expect("it comes");
        assert_eq!(request, Request::View);
        assert!(!dribbling.join().expect("no panic"));
    }

    #[test]
    fn a_caller_who_is_silent_or_dribbles_is_heard_for_one_time_in_all() {
        for is_silent in [true, false] {
            let (caller, stream) = UnixStream::pair().expect("a pair");
            let silent = is_silent.then(|| caller.try_clone().expect("a copy"));
            let dribbling = dribble(caller, if is_silent { Vec::new() } else { vec![b' '; 400] });
            let generous = Patience::of(SHORT * 10);
            let refused = read(&stream, Patience::of(SHORT)).expect_err("it never ends");
            assert!(matches!(refused.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{refused:?}");
            assert!(!generous.is_over(), "it took far longer than the time");
            drop((stream, silent));
            assert_eq!(dribbling.join().expect("no panic"), !is_silent);
        }
    }

    #[test]
    fn a_request_is_bounded() {
        let (mut caller, stream) = UnixStream::pair().expect("a pair");
        caller.write_all(&vec![b' '; REQUEST_BYTES_MAX + 1]).expect("the system takes it");
        let refused = read(&stream, Patience::of(Duration::from_secs(60))).expect_err("it is no request");
        assert!(!matches!(refused.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{refused:?}");
    }

    #[test]
    fn an_answer_that_nobody_takes_is_given_up() {
        let (caller, stream) = UnixStream::pair().expect("a pair");
        let reply = Reply::Refused { symbol: "x".repeat(4 << 20), message: String::new(), hint: None };
        let refused = answer(&stream, &reply, Patience::of(SHORT)).expect_err("nobody reads");
        assert!(matches!(refused.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock), "{refused:?}");
        drop(caller);
    }
}
