//! What handles ask of the event loop: a bounded queue that outlives the loop, so that handles do too.
//!
//! Accusations stand apart, one for each peer, so that there is always room for one. When the network has stopped for
//! good the queue is closed, and nobody waits for an answer that cannot come.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use althing_types::PublicKey;
use tokio::sync::{Notify, oneshot};

use crate::receiver::Topic;
use crate::requests::RequestError;

/// Commands that wait at most. With messages of gossip they hold 40 MiB.
const COMMANDS_MAX: usize = 256;

/// Something to do for the loop.
#[derive(Debug)]
pub(crate) enum Command {
    /// Ask a peer.
    Request(PublicKey, Vec<u8>, oneshot::Sender<Result<Vec<u8>, RequestError>>),
    /// Publish a message.
    Publish(Topic, Vec<u8>),
    /// Cut a peer off, because it sent this.
    Misbehaved(PublicKey, String),
    /// Break, so that a test sees what happens then.
    #[cfg(test)]
    Panic,
    /// Break in a task of the connection with this peer.
    #[cfg(test)]
    PanicInTask(PublicKey),
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Too much waits.
    Full,
    /// The network has stopped for good.
    Closed,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    inner: Mutex<Inner>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Command>,
    accused: BTreeMap<PublicKey, String>,
    is_closed: bool,
}

impl Commands {
    /// Puts a command in, if there is room.
    pub(crate) fn push(&self, command: Command) -> Result<(), NotTaken> {
        let mut inner = self.lock();
        if inner.is_closed {
            return Err(NotTaken::Closed);
        }
        if inner.waiting.len() >= COMMANDS_MAX {
            return Err(NotTaken::Full);
        }
        inner.waiting.push_back(command);
        self.arrived.notify_one();
        Ok(())
    }

    /// Accuses a peer, which must be a known one: their number is what bounds this. Of several accusations that wait
    /// the first counts, because what follows is often its consequence.
    pub(crate) fn accuse(&self, peer: PublicKey, why: String) {
        let mut inner = self.lock();
        if !inner.is_closed {
            inner.accused.entry(peer).or_insert(why);
            self.arrived.notify_one();
        }
    }

    /// Waits for a command. Accusations come first.
    pub(crate) async fn next(&self) -> Command {
        loop {
            if let Some(command) = self.lock().pop() {
                return command;
            }
            self.arrived.notified().await;
        }
    }

    /// Drops what waits, so that nobody waits for its answer.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Drops what waits, and takes nothing any more.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.clear();
        inner.is_closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn pop(&mut self) -> Option<Command> {
        match self.accused.pop_first() {
            Some((peer, why)) => Some(Command::Misbehaved(peer, why)),
            None => self.waiting.pop_front(),
        }
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.accused.clear();
    }
}

#[cfg(test)]
mod tests {
    use althing_types::SecretKey;
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn accusations_are_one_for_each_peer_and_find_room_when_the_queue_is_full() {
        let commands = Commands::default();
        while commands.push(Command::Publish(Topic::Heads, Vec::new())).is_ok() {}
        let keys = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public_key());
        for _ in 0..10_000 {
            for key in keys {
                commands.accuse(key, "a first lie".to_owned());
                commands.accuse(key, "another".to_owned());
            }
        }
        for _ in 0..2 {
            let Command::Misbehaved(_, why) = block_on(commands.next()) else { panic!("accusations come first") };
            assert_eq!(why, "a first lie");
        }
        assert!(matches!(block_on(commands.next()), Command::Publish(..)), "there were two peers");
    }

    #[test]
    fn a_closed_queue_takes_nothing_and_answers_those_who_wait() {
        let commands = Commands::default();
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let (waiting, answer) = oneshot::channel();
        assert_eq!(commands.push(Command::Request(key, Vec::new(), waiting)), Ok(()));
        commands.close();
        assert!(block_on(answer).is_err(), "its sender is gone");
        let (waiting, answer) = oneshot::channel();
        assert_eq!(commands.push(Command::Request(key, Vec::new(), waiting)), Err(NotTaken::Closed));
        assert!(block_on(answer).is_err(), "and so is that of a late one");
    }
}
