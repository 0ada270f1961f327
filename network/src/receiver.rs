//! What the network asks of its owner: take frames in, answer requests, judge gossip.
//!
//! The methods are called from tasks of the network. A method that panics is counted and reported, and costs the frame
//! or request that it was about; it never ends the network.

use althing_types::PublicKey;

use crate::class::Class;

/// The owner of a network.
pub trait Receiver: Send + Sync + 'static {
    /// A frame of a peer. Frames of one peer and class come one at a time and in their order; there is no order between
    /// classes. The stream is read on only when the future is done, which is back-pressure on this peer in this class
    /// and on nobody else. An error closes the connection, and the peer is let in again after a pause, as after
    /// [`crate::Handle::misbehaved`]. Frames come only between a true and the next false of [`Receiver::connected`], or
    /// a moment after that false.
    fn frame(
        &self,
        from: &PublicKey,
        class: Class,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<(), Misbehaviour>> + Send;

    /// Whether frames that are sent to the peer now have a way out. It is true once it has shown our genesis and our
    /// streams to it are open. Calls come from one task, in order; true and false alternate for each peer. Must return
    /// at once: the connections of all peers wait for it.
    fn connected(&self, peer: &PublicKey, is_connected: bool);

    /// Answers a request of a peer or observer; nothing if there is no answer, and the peer sees a failed request.
    fn request(&self, from: &PublicKey, bytes: Vec<u8>) -> impl Future<Output = Option<Vec<u8>>> + Send;

    /// A message on a gossip topic, which `from` passed on; who wrote it, if that matters, is in the bytes. Of one peer
    /// about twenty heads and fifty transactions a second are judged; what is above that is dropped.
    fn gossip(&self, from: &PublicKey, topic: Topic, bytes: Vec<u8>) -> impl Future<Output = Verdict> + Send;
}

/// What no honest peer sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Misbehaviour {
    /// What it was, for the operator, as the rest of a sentence after "it sent ".
    pub why: String,
}

impl Misbehaviour {
    /// Misbehaviour that is described as the rest of a sentence after "it sent ".
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

/// What gossip is about. There are no other topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Transactions on their way to a validator.
    Transactions,
    /// The newest final block.
    Heads,
}

impl Topic {
    /// How many topics there are.
    pub const COUNT: usize = 2;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Transactions, Self::Heads];

    /// The name that the topic has among peers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transactions => "tx/v1",
            Self::Heads => "head/v1",
        }
    }

    /// Its place in [`Topic::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Transactions => 0,
            Self::Heads => 1,
        }
    }
}

/// What becomes of a message of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is passed on.
    Accept,
    /// It is not passed on; nobody is to blame.
    Ignore,
    /// It is not passed on, and who passed it to us should have known: that peer is cut off, as after
    /// [`crate::Handle::misbehaved`].
    Reject,
}
