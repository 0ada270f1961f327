//! What handles ask of the event loop: a bounded queue that outlives the loop, so that handles do too.

use std::collections::VecDeque;
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
    /// Break, so that a test sees what happens then.
    #[cfg(test)]
    Panic,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    waiting: Mutex<VecDeque<Command>>,
    arrived: Notify,
}

impl Commands {
    /// Puts a command in; says whether there was room.
    pub(crate) fn push(&self, command: Command) -> bool {
        let mut waiting = self.lock();
        if waiting.len() >= COMMANDS_MAX {
            return false;
        }
        waiting.push_back(command);
        self.arrived.notify_one();
        true
    }

    /// Waits for a command.
    pub(crate) async fn next(&self) -> Command {
        loop {
            if let Some(command) = self.lock().pop_front() {
                return command;
            }
            self.arrived.notified().await;
        }
    }

    /// Drops what waits, so that nobody waits for its answer.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
