//! The process that owns a network: it keeps the nodes' leashes, looks after their logs, and carries out commands,
//! until it is asked to end. It restarts nothing by itself.
//!
//! However it ends, the nodes end with it. A first signal takes the network down in order, a second one kills what is
//! left, a third one ends this process where it stands.

use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::control::{self, Reply, Request};
use super::error::TestnetError;
use super::folder::io_error;
use super::network::{Progress, Testnet};
use super::options::Options;
use super::patience::Patience;

/// How often signals are looked for while nobody asks anything.
const TICK: Duration = Duration::from_millis(100);
/// How often the logs are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Commands that may wait; more callers wait on their sockets.
const WAITING_MAX: usize = 16;
/// How long a caller may take in all to say what it wants, and as long again to take the answer. Others wait meanwhile.
const CALLER_MAX: Duration = Duration::from_secs(2);
/// What a shell says of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Signals that ask this process to end: Ctrl-C, SIGTERM, and the terminal that goes away.
#[derive(Clone, Debug)]
pub struct Interrupts {
    count: Arc<AtomicUsize>,
}

/// A process that runs a network for others.
#[derive(Debug)]
pub struct Supervisor {
    testnet: Testnet,
    interrupts: Interrupts,
    socket: PathBuf,
    asked: Receiver<(Request, UnixStream)>,
}

impl Interrupts {
    /// Counts such signals from now on. They no longer end the process by themselves, but for the third.
    ///
    /// # Errors
    ///
    /// If the system has no room for it.
    pub fn listen() -> Result<Self, TestnetError> {
        let failed = |source| TestnetError::System { what: "listening to signals", source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let guard = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        drop(guard);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let listen = move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    if counted.fetch_add(1, Ordering::SeqCst) >= 2 {
                        std::process::exit(INTERRUPTED);
                    }
                }
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(failed)?;
        Ok(Self { count })
    }

    /// Whether there was one.
    pub fn is_asked(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Whether there was more than one.
    pub fn is_impatient(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 1
    }
}

impl Supervisor {
    /// Brings a network up and takes commands for it. `goes_on` is told how far it is.
    ///
    /// # Errors
    ///
    /// See [`TestnetError`]. Nothing is left running.
    pub fn start(
        options: Options,
        interrupts: Interrupts,
        goes_on: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Self, TestnetError> {
        let mut both = |progress| goes_on(progress) && !interrupts.is_asked();
        let mut testnet = Testnet::up_watched(options, &mut both)?;
        let socket = testnet.socket();
        let asked = listen(&socket)?;
        testnet.announce(socket.clone())?;
        Ok(Self { testnet, interrupts, socket, asked })
    }

    /// The network.
    pub fn testnet(&mut self) -> &mut Testnet {
        &mut self.testnet
    }

    /// Carries out commands until one of them, or a signal, takes the network down.
    ///
    /// # Errors
    ///
    /// If the network's folder cannot be tidied.
    pub fn serve(mut self) -> Result<(), TestnetError> {
        let mut until_look = Patience::of(LOOK);
        let mut last_caller = None;
        while !self.interrupts.is_asked() {
            if until_look.is_over() {
                // A log that cannot be bounded now is tried again; the network goes on.
                let _tried_again = self.testnet.tend();
                until_look = Patience::of(LOOK);
            }
            match self.asked.recv_timeout(TICK) {
                Ok((Request::Down, stream)) => {
                    last_caller = Some(stream);
                    break;
                }
                Ok((request, stream)) => {
                    let reply = self.carry_out(&request);
                    let reply = reply.unwrap_or_else(|error| Reply::from(&error));
                    // A caller that went away has the state of the network to look at.
                    let _told = control::answer(&stream, &reply, Patience::of(CALLER_MAX));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.end(last_caller)
    }

    /// Takes the network down.
    ///
    /// # Errors
    ///
    /// If its folder cannot be tidied.
    pub fn down(self) -> Result<(), TestnetError> {
        self.end(None)
    }

    fn end(self, caller: Option<UnixStream>) -> Result<(), TestnetError> {
        // Nobody new is let in; where the folder is removed, this went with it.
        let _gone = fs::remove_file(&self.socket);
        let interrupts = self.interrupts;
        let down = self.testnet.down_unless(&mut || interrupts.is_impatient());
        if let Some(stream) = caller {
            let reply = down.as_ref().map_or_else(Reply::from, |()| Reply::Down);
            let _told = control::answer(&stream, &reply, Patience::of(CALLER_MAX));
        }
        down
    }

    fn carry_out(&mut self, request: &Request) -> Result<Reply, TestnetError> {
        let testnet = &mut self.testnet;
        let index = match request {
            Request::View | Request::Down => return Ok(Reply::View(testnet.view())),
            Request::Status => return Ok(Reply::Status(testnet.status())),
            Request::Kill { node } => {
                let index = testnet.index_of(node)?;
                testnet.kill(index)?;
                index
            }
            Request::Restart { node } => {
                let (index, interrupts) = (testnet.index_of(node)?, &self.interrupts);
                testnet.restart_watched(index, &mut |_| !interrupts.is_asked())?;
                index
            }
            Request::Pause { node } => {
                let index = testnet.index_of(node)?;
                testnet.pause(index)?;
                index
            }
            Request::Resume { node } => {
                let index = testnet.index_of(node)?;
                testnet.resume(index)?;
                index
            }
        };
        let Some(status) = testnet.status().into_iter().nth(index) else { return Ok(Reply::View(testnet.view())) };
        Ok(Reply::Node { status: Box::new(status), warning: testnet.warning() })
    }
}

/// Takes commands on a thread of its own, which ends with the process.
fn listen(socket: &Path) -> Result<Receiver<(Request, UnixStream)>, TestnetError> {
    // One that a killed process left behind; we hold the lock.
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("replace", socket)(error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(io_error("listen on", socket))?;
    let (sender, receiver) = sync_channel(WAITING_MAX);
    let accept = move || {
        for stream in listener.incoming().flatten() {
            if !admit(stream, &sender) {
                return;
            }
        }
    };
    let spawned = thread::Builder::new().name("control".to_owned()).spawn(accept);
    spawned.map_err(|source| TestnetError::System { what: "taking commands", source })?;
    Ok(receiver)
}

/// Hears a caller out. Says whether anybody still carries out commands.
fn admit(stream: UnixStream, sender: &SyncSender<(Request, UnixStream)>) -> bool {
    match control::read(&stream, Patience::of(CALLER_MAX)) {
        Ok(request) => sender.send((request, stream)).is_ok(),
        Err(error) => {
            let message = format!("the command cannot be read: {error}");
            let hint = Some("use the same version of the program for all commands".to_owned());
            // A caller that went away is told nothing.
            let reply = Reply::Refused { symbol: "USAGE".to_owned(), message, hint };
            let _told = control::answer(&stream, &reply, Patience::of(CALLER_MAX));
            true
        }
    }
}
