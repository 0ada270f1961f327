//! Tasks of the runtime that must not die unseen: one that panics is counted, named in the log, and begun again.
//!
//! A task here holds nothing that a panic could leave half changed and that others rely on, so it goes on from where it
//! stands. Threads that hold state are not for this file: a panic there ends the process. The network counts the panics
//! of its own tasks.

use std::time::Duration;

use metrics::counter;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;

/// The pause before a task that panicked begins again, so that one that always does costs little.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends by itself; if it panics, it begins again. Must be called within the runtime, and ends with
/// it. `name` is one of a few words.
pub(super) fn keep<T>(name: &'static str, begin: impl FnMut() -> T + Send + 'static) -> JoinHandle<()>
where
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(run(name, PAUSE, begin))
}

/// Runs a task once; it does not begin again, because whoever waits for it learns that it is gone.
pub(super) fn once(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = tokio::spawn(task).await {
            broke(name, &error);
        }
    });
}

/// Counts a task that did not end by itself, and says so. One that ended with the runtime is none.
pub(super) fn broke(name: &'static str, error: &JoinError) {
    if error.is_panic() {
        counter!("althing_task_panics_total", "task" => name).increment(1);
        tracing::error!(task = name, %error, "a task panicked; please report it");
    }
}

async fn run<T>(name: &'static str, pause: Duration, mut begin: impl FnMut() -> T + Send + 'static)
where
    T: Future<Output = ()> + Send + 'static,
{
    // In a task of its own, so that a panic comes back as a value.
    while let Err(error) = tokio::spawn(begin()).await {
        broke(name, &error);
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_task_that_panics_begins_again_until_it_ends_by_itself() {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = begun.clone();
        let begin = move || {
            let nth = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(nth == 2, "number {nth} breaks") }
        };
        run("test", Duration::ZERO, begin).await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_task_that_ends_is_not_begun_again() {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = begun.clone();
        let begin = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {}
        };
        keep("test", begin).await.expect("it ends");
        assert_eq!(begun.load(Ordering::Relaxed), 1);
    }
}
