//! How a node ends: asked to, or because something failed that it must not survive.
//!
//! Every thread holds a [`Stop`]. The first reason wins; the main thread waits for it, closes the doors in order and
//! reports it. A panic on a thread that holds state ends the process at once: what it would have done next is unknown.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{io, process};

use tokio::sync::watch;

use super::log_lines;

/// Why a node ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was asked to, by a signal or by its owner.
    Asked,
    /// A disk failed. The text says where and how.
    Disk(String),
    /// A disk, or the quota of its user, is full. The text says where.
    DiskFull(String),
    /// The chain and what this node holds contradict each other. The text says how.
    Chain(String),
    /// More than f validators broke the rules, and the proof is written. The text says where.
    Fork(String),
}

/// The reason to end, once there is one.
#[derive(Clone, Debug)]
pub struct Stop {
    reason: Arc<watch::Sender<Option<Reason>>>,
}

impl Stop {
    /// No reason yet.
    pub fn new() -> Self {
        Self { reason: Arc::new(watch::Sender::new(None)) }
    }

    /// Asks the node to end.
    pub fn ask(&self) {
        self.end(Reason::Asked);
    }

    /// Ends the node because a disk failed, or is full.
    pub(crate) fn disk_failed(&self, what: &str, error: &(dyn Error + 'static)) {
        let text = format!("{what}: {error}");
        self.end(if is_disk_full(error) { Reason::DiskFull(text) } else { Reason::Disk(text) });
    }

    /// Ends the node because what it holds contradicts the chain.
    pub(crate) fn chain_failed(&self, what: impl Into<String>) {
        self.end(Reason::Chain(what.into()));
    }

    /// Ends the node because a fork is proven.
    pub(crate) fn forked(&self, what: impl Into<String>) {
        self.end(Reason::Fork(what.into()));
    }

    /// Whether there is a reason.
    pub fn is_set(&self) -> bool {
        self.reason.borrow().is_some()
    }

    /// The reason, if there is one.
    pub fn now(&self) -> Option<Reason> {
        self.reason.borrow().clone()
    }

    /// Waits for the reason.
    pub async fn reason(&self) -> Reason {
        let mut receiver = self.reason.subscribe();
        let reason = receiver.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or(Reason::Asked)
    }

    fn end(&self, reason: Reason) {
        self.reason.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(reason);
            }
            first
        });
    }
}

/// Whether an error, or what caused it, is that there is no room on the disk.
pub(crate) fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts a thread that holds state. If it panics, the process ends.
///
/// # Panics
///
/// If the system has no room for another thread; this happens at the start only.
pub(crate) fn spawn(name: &'static str, stop: Stop, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let guarded = move || {
        let guard = AbortOnPanic { name };
        work();
        drop(guard);
        // A thread that ends while nobody asked for it leaves the node without a limb.
        stop.ask();
    };
    thread::Builder::new().name(name.to_owned()).spawn(guarded).expect("the system has room for the node's threads")
}

/// Ends the process when it is dropped by a panic.
struct AbortOnPanic {
    name: &'static str,
}

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!(thread = self.name, "a broken invariant: the process ends");
            log_lines::flush();
            process::abort();
        }
    }
}

/// The content of a slot, also after a panic elsewhere: every write to a slot is one step.
pub(crate) fn locked<T>(slot: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
