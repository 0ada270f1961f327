//! What the loop remembers of one peer: its link, if it has one, and when it is dialled next.

use std::sync::Arc;

use althing_types::PublicKey;
use libp2p::Stream;
use libp2p::swarm::ConnectionId;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant};

use super::answering::Early;
use crate::backoff::Backoff;
use crate::bucket::Bucket;
use crate::class::Class;
use crate::gossip;
use crate::lines::Lines;
use crate::penalty::Penalty;
use crate::receiver::Topic;
use crate::shared::PeerShared;
use crate::writer::Turns;

/// How long the side with the larger key waits for the other to dial. Both sides may dial, so that one address is
/// enough; that they do not do it at once keeps duplicates rare. It is half of the time in which a peer that was
/// restarted must be connected again.
pub(super) const COURTESY: Duration = Duration::from_secs(1);
/// How long a connection may take until it shows its genesis and all streams are open.
pub(super) const SETUP: Duration = Duration::from_secs(5);
/// A connection without a sign of life for so long is given up. Pings come every two seconds.
pub(super) const SILENCE: Duration = Duration::from_secs(8);

/// Requests of one peer in a second. A follower asks for runs of blocks and for their batches in turn, each with up to
/// a megabyte of answer; one that needs more waits for its turn.
const REQUESTS_PER_SECOND: u32 = 20;
/// Requests at once: those of several seconds.
const REQUESTS_AT_ONCE: u32 = 5 * REQUESTS_PER_SECOND;
/// Bytes of answers to one peer in a second, and at once. More than a follower can commit, and a hundredth of what this
/// machine could be made to read from its disk.
const ANSWER_BYTES_PER_SECOND: u32 = 16 * 1_024 * 1_024;
/// Bytes of gossip from one peer in a second: several times what heads of a large committee need.
const GOSSIP_BYTES_PER_SECOND: u32 = 2 * 1_024 * 1_024;
/// How often a living connection of a peer may be replaced by a newer one in a minute, and at once, before that is
/// taken for two nodes with one key. Each of the two waits longer each time, so they are found out in the first minute.
const REPLACEMENTS: (u32, u32) = (2, 3);

/// One peer.
#[derive(Debug)]
pub(super) struct Entry {
    /// What others see of it.
    pub(super) shared: Arc<PeerShared>,
    /// Whether our key is the smaller one: then we dial first, and our dial wins.
    pub(super) is_ours_first: bool,
    /// The connection that is used or about to be.
    pub(super) link: Option<Link>,
    /// The dial that is running.
    pub(super) running: Option<Running>,
    /// When to dial next, unless there is a link or a dial is running.
    pub(super) next: Option<Instant>,
    /// The pauses between dials.
    pub(super) backoff: Backoff,
    /// What was last said about it in the log, so that each change is said once.
    pub(super) told: Told,
    /// Requests of it that are being answered.
    pub(super) answering: usize,
    /// How often it may ask.
    pub(super) request_rate: Bucket,
    /// How many bytes of answers it may have.
    pub(super) answer_bytes: Bucket,
    /// How many messages of gossip it may have judged, by topic.
    pub(super) gossip_rates: [Bucket; Topic::COUNT],
    /// How many bytes of gossip it may have judged.
    pub(super) gossip_bytes: Bucket,
    /// How long it is not let in after it misbehaved.
    pub(super) penalty: Penalty,
    /// Lines of the log about it.
    pub(super) lines: Lines,
    /// How often a living connection of it may be replaced.
    pub(super) replacements: Bucket,
    /// Lines about two nodes with its key.
    pub(super) twins: Lines,
    /// Held by the lookup of its name that is running. A name server that hangs holds up one lookup for each peer.
    pub(super) lookup: Arc<Semaphore>,
}

/// A dial that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// Its name is being resolved.
    Resolving,
    /// A connection is being made.
    Dialling(ConnectionId),
}

/// What the log last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// That it is connected.
    Connected,
    /// That it is not.
    Unreachable,
    /// That it is on another chain.
    OtherChain,
}

/// A connection with a peer.
#[derive(Debug)]
pub(super) struct Link {
    /// Its name in the swarm.
    pub(super) connection: ConnectionId,
    /// Who made it.
    pub(super) is_dialled_by_us: bool,
    /// Host and port of the other side.
    pub(super) remote: String,
    /// When it was made.
    pub(super) since: Instant,
    /// How far it is.
    pub(super) phase: Phase,
    /// The streams that we write to, by class.
    pub(super) outbound: [Outbound; Class::COUNT],
    /// The streams that we read from, by class.
    pub(super) inbound: [Inbound; Class::COUNT],
    /// Streams that the peer opened.
    pub(super) opened_by_peer: u32,
    /// Requests that came before it was used; they are answered when it is.
    pub(super) early: Vec<Early>,
    /// Who may write now.
    pub(super) turns: Arc<Turns>,
}

/// How far a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not shown its genesis.
    New,
    /// It is on our chain, and our streams are being opened. Holds what it calls itself.
    Verified(String),
    /// It is used.
    Up,
    /// It is on another chain, and closed at that moment: by then it has learned the same of us.
    Refused(Instant),
}

/// A stream that we write to.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// Where it is.
    pub(super) stage: Stage,
    /// How often it could not be opened or broke on this connection.
    pub(super) failures: u32,
}

/// Where a stream is.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nobody asked for it.
    #[default]
    Closed,
    /// It is being opened.
    Opening,
    /// It is opened again at that moment.
    Again(Instant),
    /// It is written to.
    Open(AbortHandle),
}

/// A stream that we read from.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// One that waits until the link is used.
    pub(super) waiting: Option<Stream>,
    /// The task that reads.
    pub(super) reader: Option<AbortHandle>,
    /// Held by the task that reads, so that the next begins only when it has ended.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

impl Entry {
    /// A peer at the start, as seen by the node with the key `ours`.
    pub(super) fn new(ours: PublicKey, shared: Arc<PeerShared>) -> Self {
        let is_ours_first = ours < shared.peer.key;
        let courtesy = if is_ours_first { Duration::ZERO } else { COURTESY };
        let next = shared.peer.address.as_ref().map(|_| Instant::now() + courtesy);
        Self {
            shared,
            is_ours_first,
            link: None,
            running: None,
            next,
            backoff: Backoff::new(),
            told: Told::Nothing,
            answering: 0,
            request_rate: Bucket::per_second(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE),
            answer_bytes: Bucket::per_second(ANSWER_BYTES_PER_SECOND, ANSWER_BYTES_PER_SECOND),
            gossip_rates: Topic::ALL.map(gossip::judged_rate),
            gossip_bytes: Bucket::per_second(GOSSIP_BYTES_PER_SECOND, 2 * GOSSIP_BYTES_PER_SECOND),
            penalty: Penalty::new(),
            lines: Lines::new(),
            replacements: Bucket::per_minute(REPLACEMENTS.0, REPLACEMENTS.1),
            twins: Lines::sparse(),
            lookup: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether a line about it may be written to the log now. Says how many were left out before.
    pub(super) fn may_say(&mut self) -> bool {
        let unsaid = self.lines.say(Instant::now());
        if let Some(unsaid @ 1..) = unsaid {
            tracing::warn!(peer = self.shared.peer.name, unsaid, "lines about a peer came too fast and were left out");
        }
        unsaid.is_some()
    }

    /// Whether one message of gossip with so many bytes may be judged.
    pub(super) fn may_have_judged(&mut self, topic: Topic, bytes: usize) -> bool {
        let (bytes, now) = (u32::try_from(bytes).unwrap_or(u32::MAX), Instant::now());
        self.is_up() && self.gossip_rates[topic.index()].take(1, now) && self.gossip_bytes.take(bytes, now)
    }

    /// Plans the next dial, if there is an address; not before it is let in again.
    pub(super) fn dial_at(&mut self, at: Instant) {
        let at = self.penalty.until(Instant::now()).map_or(at, |until| until.max(at));
        self.next = self.shared.peer.address.as_ref().map(|_| at);
    }

    /// Whether frames can be sent.
    pub(super) fn is_up(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.phase == Phase::Up)
    }

    /// The link, if it is this connection.
    pub(super) fn link_on(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        self.link.as_mut().filter(|link| link.connection == connection)
    }

    /// When something must be done about it, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (&self.link, self.running) {
            (Some(link), _) => Some(link.deadline(self.shared.heard())),
            (None, Some(_)) => None,
            (None, None) => self.next,
        }
    }
}

impl Link {
    /// A connection that was just made.
    pub(super) fn new(connection: ConnectionId, is_dialled_by_us: bool, remote: String) -> Self {
        Self {
            connection,
            is_dialled_by_us,
            remote,
            since: Instant::now(),
            phase: Phase::New,
            outbound: Default::default(),
            inbound: Default::default(),
            opened_by_peer: 0,
            early: Vec::new(),
            turns: Arc::default(),
        }
    }

    /// Whether all streams of these classes are open.
    pub(super) fn has_all_streams(&self, mut classes: impl Iterator<Item = Class>) -> bool {
        classes.all(|class| matches!(self.outbound[class.index()].stage, Stage::Open(_)))
    }

    fn deadline(&self, heard: Instant) -> Instant {
        let again = self.outbound.iter().filter_map(|outbound| match outbound.stage {
            Stage::Again(at) => Some(at),
            _ => None,
        });
        let phase = match self.phase {
            Phase::New | Phase::Verified(_) => self.since + SETUP,
            Phase::Up => heard.max(self.since) + SILENCE,
            Phase::Refused(at) => at,
        };
        again.fold(phase, Instant::min)
    }
}
