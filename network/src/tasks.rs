//! The tasks of the network: all are known, all end when it stops, and none dies unseen.
//!
//! What libp2p spawns goes through here as well. A panic in one of its tasks leaves the swarm waiting for that task for
//! ever, so it is reported and the swarm is built anew. Tasks of ours bring their results, and panics, to the event
//! loop themselves.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use libp2p::swarm::Executor;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use crate::figures;

/// All tasks of one swarm. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    running: Mutex<JoinSet<()>>,
    is_broken: AtomicBool,
    broke: Notify,
}

impl Tasks {
    /// Runs a task of ours, which catches its panics. It may be ended at any await.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(task)
    }

    /// Makes [`Tasks::broken`] return, because the swarm is of no use any more.
    pub(crate) fn break_down(&self) {
        self.0.is_broken.store(true, Ordering::Release);
        self.0.broke.notify_one();
    }

    /// Waits until a task of libp2p has panicked.
    pub(crate) async fn broken(&self) {
        while !self.0.is_broken.load(Ordering::Acquire) {
            self.0.broke.notified().await;
        }
    }

    /// Ends all tasks and waits until they have ended.
    pub(crate) async fn shut_down(&self) {
        let mut running = std::mem::take(&mut *self.0.running.lock().unwrap_or_else(PoisonError::into_inner));
        running.shutdown().await;
    }
}

impl Executor for Tasks {
    fn exec(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let tasks = Self(Arc::clone(&self.0));
        self.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                figures::panicked("libp2p");
                tasks.break_down();
            }
        });
    }
}
