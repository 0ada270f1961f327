//! A running network: started, asked, stopped, and set going again by itself when it breaks.
//!
//! One task owns the event loop. If it panics, or a task of libp2p does, that is counted and logged, everything is torn
//! down, and the loop starts again on the same port: peers see a short disconnect, and handles stay valid.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use althing_types::PublicKey;
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::class::Class;
use crate::commands::Command;
use crate::engine::{Engine, Why};
use crate::figures;
use crate::gossip::GOSSIP_BYTES_MAX;
use crate::options::{Options, OptionsError};
use crate::queue::{Frame, SendError};
use crate::receiver::{Receiver, Topic};
use crate::requests::RequestError;
use crate::shared::Shared;
use crate::status::PeerStatus;

/// The pause before a broken event loop is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Why a network cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The options make no sense.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The listener cannot be opened.
    #[error("cannot listen for peers on {address}: {}", listen_reason(source))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said. That the port is taken is `AddrInUse`.
        source: io::Error,
    },
    /// The library refuses our key.
    #[error("the node key cannot be used for Noise: {why}; make a new one")]
    Noise {
        /// What it says.
        why: String,
    },
}

/// A network that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Network {
    listen: SocketAddr,
    handle: Handle,
    stop: watch::Sender<()>,
    running: JoinHandle<()>,
}

/// The way into a running network for any thread. Clones are cheap. After the network has stopped nobody is connected.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Network {
    /// Starts listening and dialling. When it returns, peers can connect. Must be called within a tokio runtime with
    /// time and I/O, on which all tasks then run.
    pub async fn start<R: Receiver>(options: Options, receiver: Arc<R>) -> Result<Self, NetworkError> {
        options.validate()?;
        let shared = Arc::new(Shared::new(options.role, &options.peers));
        let wanted = options.listen;
        let options = Arc::new(options);
        let engine = Engine::start(Arc::clone(&options), Arc::clone(&shared), Arc::clone(&receiver), wanted).await?;
        let listen = engine.listen();
        let (stop, stopped) = watch::channel(());
        let handle = Handle { shared: Arc::clone(&shared) };
        let keeper = Keeper { options, shared, receiver, listen, stopped };
        Ok(Self { listen, handle, stop, running: tokio::spawn(keeper.run(engine)) })
    }

    /// Where we listen, with the port that the system picked if it was to.
    pub const fn listen_addr(&self) -> SocketAddr {
        self.listen
    }

    /// The way in.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Closes all connections and the listener. When it returns, no task and no socket of the network is left.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the network did not stop in order");
        }
    }
}

impl Handle {
    /// Puts a frame into the queue of a peer, on any thread and without waiting. That it was taken does not say that
    /// it arrives. Votes and proposals push out older ones of their class when too many wait.
    pub fn send(&self, to: &PublicKey, class: Class, frame: Frame) -> Result<(), SendError> {
        self.shared.send(to, class, frame)
    }

    /// Asks a peer and waits for its answer, ten seconds at most. Needs no runtime of its own, and may be dropped.
    pub async fn request(&self, to: &PublicKey, bytes: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        self.shared.request(to, bytes).await
    }

    /// Gives a message to all peers that follow the topic. Nobody is told if there are none, if it is longer than
    /// [`crate::GOSSIP_BYTES_MAX`] or if too much waits; the last two are counted. The same bytes are published once in
    /// a minute at most.
    pub fn publish(&self, topic: Topic, bytes: Vec<u8>) {
        let fits = bytes.len() <= GOSSIP_BYTES_MAX;
        if !fits || !self.shared.commands.push(Command::Publish(topic, bytes)) {
            figures::unpublished(topic);
        }
    }

    /// Gives the loop any command.
    #[cfg(test)]
    pub(crate) fn command(&self, command: Command) {
        assert!(self.shared.commands.push(command), "there is room");
    }

    /// How all peers are, by key.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.shared.statuses()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("peers", &self.shared.peers.len()).finish()
    }
}

fn listen_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there; stop it or choose another port".to_owned(),
        io::ErrorKind::PermissionDenied => "the system does not permit it; choose a port above 1023".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address; choose another one".to_owned(),
        _ => format!("{error}; choose another address"),
    }
}

/// What keeps the event loop going.
struct Keeper<R> {
    options: Arc<Options>,
    shared: Arc<Shared>,
    receiver: Arc<R>,
    listen: SocketAddr,
    stopped: watch::Receiver<()>,
}

impl<R: Receiver> Keeper<R> {
    async fn run(mut self, mut engine: Engine<R>) {
        loop {
            let ended = AssertUnwindSafe(engine.run(&mut self.stopped)).catch_unwind().await;
            engine.shut_down().await;
            match ended {
                Ok(Why::Stopped) => return,
                Ok(Why::Broken) => {}
                Err(_) => figures::panicked("loop"),
            }
            tracing::error!("a task of the network panicked; all connections are closed and made again");
            match self.start_again().await {
                Some(next) => engine = next,
                None => return,
            }
        }
    }

    /// Nothing if the network is stopped meanwhile.
    async fn start_again(&mut self) -> Option<Engine<R>> {
        loop {
            tokio::select! {
                () = sleep(RESTART_PAUSE) => {}
                _ = self.stopped.changed() => return None,
            }
            let (options, shared) = (Arc::clone(&self.options), Arc::clone(&self.shared));
            match Engine::start(options, shared, Arc::clone(&self.receiver), self.listen).await {
                Ok(engine) => return Some(engine),
                Err(error) => tracing::error!(%error, "the network cannot be started again yet"),
            }
        }
    }
}
