//! Carries length-limited frames between the nodes that one genesis document names, over libp2p.
//!
//! A peer is a node key. Whoever cannot prove one of the listed keys is cut off after the Noise handshake; whoever runs
//! another genesis document is told so and not used. Connections come back by themselves for as long as the network
//! runs. Frames are carried in the order of their class or not at all: what is dropped is counted and never said again,
//! because the machines above know what is still worth saying.
//!
//! The room deliberately does not know what is in a frame, keeps nothing on disk, finds no peers by itself, and reads
//! no configuration. After a restart of the process it knows what [`Options`] say and nothing else.

mod backoff;
mod bucket;
mod class;
mod commands;
mod engine;
mod figures;
mod gate;
mod gossip;
mod identity;
mod lines;
mod network;
mod options;
mod owner;
mod penalty;
mod queue;
mod reader;
mod receiver;
mod requests;
mod shared;
mod status;
mod streams;
mod tasks;
#[cfg(test)]
mod tests;
mod transport;
mod writer;

pub use class::Class;
pub use gossip::GOSSIP_BYTES_MAX;
pub use network::{Handle, Network, NetworkError};
pub use options::{Address, NAME_BYTES_MAX, Options, OptionsError, PEERS_MAX, Peer, Role};
pub use queue::{Frame, SendError};
pub use receiver::{Misbehaviour, Receiver, Topic, Verdict};
pub use requests::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX, REQUESTS_PER_PEER_MAX, RequestError};
pub use status::{PeerState, PeerStatus, Trouble};
