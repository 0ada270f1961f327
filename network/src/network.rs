//! A running network: started, asked, stopped, and set going again by itself when it breaks.
//!
//! One task owns the event loop. If it panics, or a task of libp2p does, that is counted and logged, everything is torn
//! down, and the loop starts again on the same port: peers see a short disconnect, and handles stay valid. What tears
//! down and starts again may panic as well; if even its keeper does, the process ends, because nobody would notice.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use althing_types::PublicKey;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::class::Class;
use crate::commands::Command;
use crate::engine::{Engine, Why};
use crate::figures;
use crate::gossip::GOSSIP_BYTES_MAX;
use crate::options::{Options, OptionsError};
use crate::owner::Owner;
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
        Self::start_for(options, Arc::new(Owner::new(receiver))).await
    }

    /// The same for any owner. What this returns is made in this room.
    fn start_for(options: Options, receiver: Arc<Owner>) -> BoxFuture<'static, Result<Self, NetworkError>> {
        Self::start_engine(options, receiver).boxed()
    }

    async fn start_engine(options: Options, receiver: Arc<Owner>) -> Result<Self, NetworkError> {
        options.validate()?;
        let shared = Arc::new(Shared::new(options.role, &options.peers));
        let wanted = options.listen;
        let options = Arc::new(options);
        let engine = Engine::start(Arc::clone(&options), Arc::clone(&shared), Arc::clone(&receiver), wanted).await?;
        let listen = engine.listen();
        let (stop, stopped) = watch::channel(());
        let handle = Handle { shared: Arc::clone(&shared) };
        let keeper = Keeper { options, shared, receiver, listen, stopped };
        let running = tokio::spawn(async move {
            if AssertUnwindSafe(keeper.run(engine)).catch_unwind().await.is_err() {
                figures::panicked("keeper");
                tracing::error!("what keeps the network going panicked; the process ends, start it again");
                std::process::abort();
            }
        });
        Ok(Self { listen, handle, stop, running })
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

    /// Asks a peer and waits for its answer, ten seconds at most. Needs no runtime of its own, and may be dropped. When
    /// the network stops, who waits is told so.
    pub async fn request(&self, to: &PublicKey, bytes: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        self.shared.request(to, bytes).await
    }

    /// Gives a message to all peers that follow the topic. Nobody is told if there are none, if it is longer than
    /// [`crate::GOSSIP_BYTES_MAX`], if too much waits, or if it is above the rate: twenty heads and fifty transactions
    /// a second, and twice that at once. The last three are counted. The same bytes are published once in ten seconds
    /// at most. Where neither this node nor one of its peers is an observer, nobody listens and nothing is published.
    pub fn publish(&self, topic: Topic, bytes: Vec<u8>) {
        let fits = bytes.len() <= GOSSIP_BYTES_MAX;
        if !fits || self.shared.commands.push(Command::Publish(topic, bytes)).is_err() {
            figures::unpublished(topic);
        }
    }

    /// Says that a peer sent what no honest one sends, on any thread and without waiting. `why` is for the operator, as
    /// the rest of a sentence after "it sent ", of 256 characters at most. The connection is closed, and the peer is
    /// let in again after a pause: ten seconds, twice as long each time up to ten minutes, and ten seconds again once
    /// it has behaved for half an hour. It is the same as [`crate::Misbehaviour`] from the receiver. While a pause runs
    /// nothing more happens, so it may be said for each message of many. About a key that is not a peer's nothing
    /// happens.
    pub fn misbehaved(&self, key: &PublicKey, why: impl Into<String>) {
        self.shared.accuse(key, &why.into());
    }

    /// Gives the loop any command.
    #[cfg(test)]
    pub(crate) fn command(&self, command: Command) {
        assert_eq!(self.shared.commands.push(command), Ok(()), "there is room");
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
            let tasks = engine.tasks();
            if AssertUnwindSafe(engine.shut_down()).catch_unwind().await.is_err() {
                figures::panicked("shut_down");
                tracing::error!("the network panicked while it was taken down");
                tasks.shut_down().await;
            }
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
        let mut is_told = false;
        loop {
            tokio::select! {
                () = sleep(RESTART_PAUSE) => {}
                _ = self.stopped.changed() => return None,
            }
            let (options, shared) = (Arc::clone(&self.options), Arc::clone(&self.shared));
            let start = Engine::start(options, shared, Arc::clone(&self.receiver), self.listen);
            let error = match AssertUnwindSafe(start).catch_unwind().await {
                Ok(Ok(engine)) => return Some(engine),
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    figures::panicked("start");
                    "it panicked".to_owned()
                }
            };
            if !is_told {
                is_told = true;
                tracing::error!(error, "the network cannot be started again yet; we keep trying");
            }
        }
    }
}

impl<R> Drop for Keeper<R> {
    /// However it ends, whoever still asks must not wait.
    fn drop(&mut self) {
        self.shared.commands.close();
    }
}
