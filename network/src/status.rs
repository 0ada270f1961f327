//! How a peer is, for operators: connected or not, since when, and why not.

use std::time::Duration;

use althing_types::{Hash, PublicKey};
use tokio::time::Instant;

use crate::options::{Address, Role};

/// One peer, as seen at one moment.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Its node key.
    pub key: PublicKey,
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Where we dial it, if anywhere.
    pub address: Option<Address>,
    /// Whether we are connected.
    pub state: PeerState,
    /// Bytes of frames that came from it since the start, without their lengths.
    pub bytes_in: u64,
    /// Bytes of frames that were written to it since the start, without their lengths.
    pub bytes_out: u64,
    /// Frames to it that were dropped since the start because too much waited, or because the connection went.
    pub frames_dropped: u64,
    /// The newest round trip, measured every two seconds while connected.
    pub round_trip: Option<Duration>,
}

/// Whether a peer can be used, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// It can: it is on our chain and streams to it are open.
    Connected {
        /// Since how long.
        for_: Duration,
        /// The address of its side of the connection, as host and port.
        remote: String,
        /// What it calls itself.
        agent: String,
    },
    /// We have no connection that can be used.
    Unreachable {
        /// Since how long.
        for_: Duration,
        /// How often we tried since then.
        attempts: u32,
        /// Whether we were connected at any time since we started.
        was_connected: bool,
        /// What kind of thing went wrong last.
        trouble: Trouble,
        /// What went wrong last, as one sentence.
        why: String,
        /// When we dial again; nothing if a dial is running, or if it has no address.
        next_try_in: Option<Duration>,
    },
    /// It answers, and it runs another genesis document.
    OtherChain {
        /// The genesis hash that it showed.
        genesis: Hash,
        /// The name of its chain.
        chain_id: String,
        /// How long ago it showed them last.
        seen: Duration,
    },
    /// We never heard of it, and it has no address: it must dial us.
    Waiting,
}

/// What kind of thing keeps a peer away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody has tried yet.
    Untried,
    /// Its name has no address.
    NoAddress,
    /// Nothing answers at its address.
    NoAnswer,
    /// A node with another key answers there, or we do ourselves.
    OtherNode,
    /// It hung up before it said which chain it is on, as a node does that does not have us in its genesis document.
    HungUp,
    /// There was a connection, and it broke, fell silent or did not come up in time.
    Lost,
    /// It runs a program that does not go with ours.
    OtherProgram,
    /// We keep it out for a while, because of what it sent.
    KeptOut,
}

/// What the network remembers of a [`PeerState`]: moments instead of durations.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    /// See [`PeerState::Connected`].
    Connected {
        /// Since when.
        since: Instant,
        /// Host and port.
        remote: String,
        /// What it calls itself.
        agent: String,
    },
    /// See [`PeerState::Unreachable`].
    Unreachable {
        /// Since when.
        since: Instant,
        /// Attempts since then.
        attempts: u32,
        /// Whether it was ever connected.
        was_connected: bool,
        /// The kind of the last reason.
        trouble: Trouble,
        /// The last reason.
        why: String,
        /// The next dial.
        next: Option<Instant>,
    },
    /// See [`PeerState::OtherChain`].
    OtherChain {
        /// Its genesis hash.
        genesis: Hash,
        /// Its chain.
        chain_id: String,
        /// When it showed them.
        seen: Instant,
    },
    /// See [`PeerState::Waiting`].
    Waiting,
}

impl Status {
    /// How this looks now.
    pub(crate) fn to_state(&self) -> PeerState {
        let now = Instant::now();
        match self.clone() {
            Self::Connected { since, remote, agent } => PeerState::Connected { for_: now - since, remote, agent },
            Self::Unreachable { since, attempts, was_connected, trouble, why, next } => PeerState::Unreachable {
                for_: now - since,
                attempts,
                was_connected,
                trouble,
                why,
                next_try_in: next.map(|next| next.saturating_duration_since(now)),
            },
            Self::OtherChain { genesis, chain_id, seen } => {
                PeerState::OtherChain { genesis, chain_id, seen: now - seen }
            }
            Self::Waiting => PeerState::Waiting,
        }
    }
}
