//! What a network is started with: our identity, our chain, where we listen, and everyone who may connect.
//!
//! Nothing here has a default, and nothing here is read from a file: the node decides. What can be wrong with it is
//! said once, before a socket is opened.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use althing_types::{Hash, PublicKey, SecretKey};

use crate::class::Class;

/// Peers at most: twice the validators that a committee may have, for observers.
pub const PEERS_MAX: usize = 512;
/// Bytes of a chain id, an agent or a peer's name at most; they stand in messages of the handshake (4 KiB in identify).
pub const NAME_BYTES_MAX: usize = 128;

/// Everything that a network needs to know.
#[derive(Debug)]
pub struct Options {
    /// The display name of the chain; it stands in protocol names and in the sentence about another chain.
    pub chain_id: String,
    /// The hash of our genesis document. A peer that shows another one is not used.
    pub genesis: Hash,
    /// What we call ourselves, as `althing/0.1.0`. Peers show it to their operators and decide nothing by it.
    pub agent: String,
    /// Our node key. It is not the key that votes.
    pub key: SecretKey,
    /// Where we listen. Port 0 lets the system pick one; [`crate::Network::listen_addr`] says which. `[::]` stands for
    /// all addresses of both families, `0.0.0.0` for those of IPv4.
    pub listen: SocketAddr,
    /// What we are.
    pub role: Role,
    /// All who may connect, without ourselves. The list does not change while the network runs.
    pub peers: Vec<Peer>,
}

/// What a node is on its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Votes, and therefore shares all classes of streams with other validators.
    Validator,
    /// Follows. It shares requests and gossip, and no streams.
    Observer,
}

/// A node that may connect.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its node key, which it proves in the Noise handshake.
    pub key: PublicKey,
    /// What people call it.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Where we dial it. Without one we wait for it to dial us.
    pub address: Option<Address>,
}

/// Where a peer listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// An IP literal or a DNS name. It is resolved anew for each dial, so a peer may move.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A text is empty or too long, or has characters that do not belong into the name of a protocol.
    #[error("{what} must have 1 to {NAME_BYTES_MAX} bytes without spaces and control characters; give it another one")]
    Text {
        /// Which one.
        what: &'static str,
    },
    /// More peers than [`PEERS_MAX`].
    #[error("{count} peers are given, at most {PEERS_MAX} are allowed; remove observers from the genesis document")]
    TooManyPeers {
        /// How many there are.
        count: usize,
    },
    /// Our own key is among the peers.
    #[error("the peer {name} has our own node key; give each node a key of its own")]
    Ourselves {
        /// The name of that peer.
        name: String,
    },
    /// Two peers have the same key.
    #[error("the node key of the peer {name} occurs twice; give each node a key of its own")]
    Twice {
        /// The name of the second.
        name: String,
    },
    /// A key names no point of the curve.
    #[error("the node key of {name} cannot be used: {why}; make a new one")]
    Key {
        /// Whose.
        name: String,
        /// The reason of the library.
        why: String,
    },
}

impl Role {
    /// Whether nodes of these two roles share a stream of this class. It is the same in both directions.
    pub const fn shares(self, other: Self, class: Class) -> bool {
        match class {
            Class::Votes | Class::Proposals | Class::Data | Class::Sync => {
                matches!((self, other), (Self::Validator, Self::Validator))
            }
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Options {
    /// Finds what would go wrong later, and less clearly.
    pub(crate) fn validate(&self) -> Result<(), OptionsError> {
        check_text("the chain id", &self.chain_id)?;
        check_text("the agent", &self.agent)?;
        if self.peers.len() > PEERS_MAX {
            return Err(OptionsError::TooManyPeers { count: self.peers.len() });
        }
        let ours = self.key.public_key();
        let mut seen = BTreeSet::new();
        for peer in &self.peers {
            check_text("the name of a peer", &peer.name)?;
            if peer.key == ours {
                return Err(OptionsError::Ourselves { name: peer.name.clone() });
            }
            if !seen.insert(peer.key) {
                return Err(OptionsError::Twice { name: peer.name.clone() });
            }
        }
        Ok(())
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), OptionsError> {
    let is_plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !is_plain { Err(OptionsError::Text { what }) } else { Ok(()) }
}
