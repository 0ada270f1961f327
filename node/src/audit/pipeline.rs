//! Reading, verifying and executing beside each other: one thread reads, some verify, the caller takes the heights in their
//! order. What is under way is bounded by the two queues: at most [`AHEAD_PER_THREAD`] heights for each thread.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use althing_types::{Hash, Height};

use super::check::{Checked, Checker};
use super::fault::AuditError;
use super::source::{Entry, Source};

/// Heights that are read ahead for each thread that verifies. A height takes a few times the bytes of its batches.
const AHEAD_PER_THREAD: usize = 4;

/// Where an earlier audit got to: the height, and the digest there.
pub(super) type Begun = (Height, Hash);

/// A height to verify, and where the answer goes.
type Job = (Entry, SyncSender<Checked>);

/// Hands the heights above `begun` to `take`, verified, in their order, until it refuses or there is none left. The first
/// thing that is wrong in the order of heights is what comes back. Returns the source.
pub(super) fn run<S: Source>(
    source: S,
    begun: Begun,
    checker: &Checker,
    threads: usize,
    mut take: impl FnMut(Checked) -> Result<(), AuditError>,
) -> Result<S, AuditError> {
    let threads = threads.max(1);
    let (jobs_in, jobs_out) = sync_channel::<Job>(threads);
    let (order_in, order_out) = sync_channel::<Receiver<Checked>>(threads.saturating_mul(AHEAD_PER_THREAD));
    // The threads alone own it, so that nobody waits for them once they are gone.
    let jobs_out = Arc::new(Mutex::new(jobs_out));
    thread::scope(|scope| {
        let reader = scope.spawn(move || read(source, begun, &jobs_in, &order_in));
        for _ in 0..threads {
            let jobs_out = jobs_out.clone();
            scope.spawn(move || verify(checker, &jobs_out));
        }
        drop(jobs_out);
        for slot in order_out {
            // A thread that panicked ends the scope with its panic.
            let Ok(checked) = slot.recv() else { break };
            take(checked)?;
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Reads to the end, or until nobody listens any more.
fn read<S: Source>(
    mut source: S,
    (height, digest): Begun,
    jobs: &SyncSender<Job>,
    order: &SyncSender<Receiver<Checked>>,
) -> Result<S, AuditError> {
    let mut has_begun = height == Height::ZERO || source.first() == height.next();
    while let Some(entry) = source.next_entry()? {
        let at = entry.block.header.height;
        if at <= height {
            if at == height {
                has_begun = entry.digest == digest;
            }
            continue;
        }
        if !has_begun {
            return Err(AuditError::OtherSource { height });
        }
        let (answer, slot) = sync_channel(1);
        if order.send(slot).is_err() || jobs.send((entry, answer)).is_err() {
            return Ok(source);
        }
    }
    if has_begun { Ok(source) } else { Err(AuditError::OtherSource { height }) }
}

fn verify(checker: &Checker, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((entry, answer)) = job else { return };
        // Nobody waits for it once something below was wrong.
        let _unheard = answer.send(checker.check(entry));
    }
}
