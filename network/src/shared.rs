//! What the event loop, the tasks of streams and the handles of other threads share: a fixed table of peers.
//!
//! The table never changes; each peer's queues, counters and status have locks of their own that are held for a few
//! instructions. So a handle works on any thread, without a runtime, and while the event loop is being restarted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use althing_types::PublicKey;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use crate::class::Class;
use crate::commands::{Command, Commands, NotTaken};
use crate::figures::Figures;
use crate::identity;
use crate::options::{Peer, Role};
use crate::queue::{Frame, Queue, SendError};
use crate::requests::{REQUEST_BYTES_MAX, REQUESTS_PER_PEER_MAX, RequestError};
use crate::status::{PeerStatus, Status, Trouble};

/// Characters of an accusation at most: a sentence.
const WHY_CHARS_MAX: usize = 256;

/// Everything that is shared.
pub(crate) struct Shared {
    /// All peers, by key.
    pub(crate) peers: BTreeMap<PublicKey, Arc<PeerShared>>,
    /// The counters of frames.
    pub(crate) figures: Figures,
    /// What waits for the event loop.
    pub(crate) commands: Commands,
}

/// What is shared about one peer.
#[derive(Debug)]
pub(crate) struct PeerShared {
    /// Who it is.
    pub(crate) peer: Peer,
    /// Whether we share streams with it, by class.
    pub(crate) shares: [bool; Class::COUNT],
    /// What waits for it.
    pub(crate) queues: [Queue; Class::COUNT],
    /// Bytes of frames that came from it.
    pub(crate) bytes_in: AtomicU64,
    /// Bytes of frames that were written to it.
    pub(crate) bytes_out: AtomicU64,
    /// Requests to it that may still begin.
    asking: Semaphore,
    status: Mutex<Status>,
    heard: Mutex<Instant>,
    round_trip: Mutex<Option<Duration>>,
}

impl Shared {
    /// The table for a node of this role.
    pub(crate) fn new(role: Role, peers: &[Peer]) -> Self {
        let peers = peers.iter().map(|peer| (peer.key, Arc::new(PeerShared::new(role, peer.clone())))).collect();
        Self { peers, figures: Figures::new(), commands: Commands::default() }
    }

    /// Puts a frame into a queue.
    pub(crate) fn send(&self, to: &PublicKey, class: Class, frame: Frame) -> Result<(), SendError> {
        let peer = self.peers.get(to).ok_or(SendError::NotConnected)?;
        let (result, dropped) = peer.queues[class.index()].push(frame);
        self.figures.dropped(class, dropped);
        result
    }

    /// Asks a peer. Its place among the requests under way is free again when the future is done or dropped.
    pub(crate) async fn request(&self, to: &PublicKey, bytes: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        let peer = self.peers.get(to).ok_or(RequestError::NotConnected)?;
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLong);
        }
        if !peer.with_status(|status| matches!(status, Status::Connected { .. })) {
            return Err(RequestError::NotConnected);
        }
        let _place = peer.asking.try_acquire().map_err(|_| RequestError::TooMany)?;
        let (waiting, answer) = oneshot::channel();
        self.commands.push(Command::Request(*to, bytes, waiting)).map_err(|not_taken| match not_taken {
            NotTaken::Full => RequestError::TooMany,
            NotTaken::Closed => RequestError::NotConnected,
        })?;
        answer.await.unwrap_or_else(|_| Err(RequestError::Failed { why: "the connection closed".to_owned() }))
    }

    /// Accuses a peer, if it is one. A sentence for a log line is cut to what fits into one.
    pub(crate) fn accuse(&self, peer: &PublicKey, why: &str) {
        if self.peers.contains_key(peer) {
            self.commands.accuse(*peer, identity::shown_up_to(why, WHY_CHARS_MAX));
        }
    }

    /// How all peers are, by key.
    pub(crate) fn statuses(&self) -> Vec<PeerStatus> {
        self.peers.values().map(|peer| peer.status()).collect()
    }

    /// Lets no frames to this peer in any more.
    pub(crate) fn close_queues(&self, peer: &PeerShared) {
        for class in Class::ALL {
            self.figures.dropped(class, peer.queues[class.index()].close());
        }
    }
}

impl PeerShared {
    fn new(ours: Role, peer: Peer) -> Self {
        let now = Instant::now();
        let status = if peer.address.is_some() {
            let why = "we have not reached it since we started".to_owned();
            let (was_connected, trouble) = (false, Trouble::Untried);
            Status::Unreachable { since: now, attempts: 0, was_connected, trouble, why, next: None }
        } else {
            Status::Waiting
        };
        Self {
            shares: Class::ALL.map(|class| ours.shares(peer.role, class)),
            peer,
            queues: Class::ALL.map(Queue::new),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            asking: Semaphore::new(REQUESTS_PER_PEER_MAX),
            status: Mutex::new(status),
            heard: Mutex::new(now),
            round_trip: Mutex::new(None),
        }
    }

    /// The classes of streams that we share with it.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class> + use<> {
        let shares = self.shares;
        Class::ALL.into_iter().filter(move |class| shares[class.index()])
    }

    /// Notes that it gave a sign of life.
    pub(crate) fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When it last gave a sign of life.
    pub(crate) fn heard(&self) -> Instant {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does not count a time in which we did not listen.
    pub(crate) fn forgive(&self, missed: Duration) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) += missed;
    }

    /// Notes how long a ping took; nothing when the connection is gone.
    pub(crate) fn set_round_trip(&self, took: Option<Duration>) {
        *self.round_trip.lock().unwrap_or_else(PoisonError::into_inner) = took;
    }

    /// Looks at the status, and changes it, under its lock.
    pub(crate) fn with_status<T>(&self, change: impl FnOnce(&mut Status) -> T) -> T {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn status(&self) -> PeerStatus {
        PeerStatus {
            key: self.peer.key,
            name: self.peer.name.clone(),
            role: self.peer.role,
            address: self.peer.address.clone(),
            state: self.with_status(|status| status.to_state()),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            frames_dropped: self.queues.iter().map(Queue::dropped).sum(),
            round_trip: *self.round_trip.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}
