//! Reads of the store: on threads that may block, a bounded number at once, and not for longer than is bearable.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::limits::Limits;
use crate::api::{ApiError, ErrorCode};

/// When somebody who found all threads busy should ask again, in milliseconds.
const BUSY_RETRY_MS: u64 = 500;

/// The right to block, a bounded number of times at once.
#[derive(Clone, Debug)]
pub(super) struct Reads {
    slots: Arc<Semaphore>,
    time: Duration,
}

impl Reads {
    /// Nothing is being read.
    pub(super) fn new(limits: &Limits) -> Self {
        Self { slots: Arc::new(Semaphore::new(limits.reads_max)), time: limits.read_time }
    }

    /// Runs something that blocks. Who gives up waiting leaves it running; its slot is taken until it ends.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let slot = timeout(self.time, self.slots.clone().acquire_owned()).await;
        let Ok(Ok(slot)) = slot else {
            let busy = ApiError::new(ErrorCode::Overloaded, "too many reads are under way");
            return Err(busy.retry_after_ms(BUSY_RETRY_MS));
        };
        let task = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            read()
        });
        match timeout(self.time, task).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                super::listener::count_panic(&error);
                Err(ApiError::new(ErrorCode::Internal, "the node failed to answer"))
            }
            Err(_) => Err(ApiError::new(ErrorCode::QueryTimeout, "the answer took too long")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    fn reads(reads_max: usize, time_ms: u64) -> Reads {
        Reads::new(&Limits { reads_max, read_time: Duration::from_millis(time_ms), ..Limits::default() })
    }

    #[tokio::test]
    async fn a_read_that_takes_too_long_is_given_up_and_holds_its_slot() {
        let reads = reads(1, 50);
        let (release, held) = sync_channel::<()>(0);
        let slow = reads.run(move || held.recv().map_err(|_| ApiError::new(ErrorCode::Internal, "gone"))).await;
        assert_eq!(slow.expect_err("too long").code, ErrorCode::QueryTimeout);
        let next = reads.run(|| Ok(1)).await.expect_err("no slot");
        assert_eq!((next.code, next.retry_after_ms), (ErrorCode::Overloaded, Some(BUSY_RETRY_MS)));
        release.send(()).expect("it waits");
        assert_eq!(reads.run(|| Ok(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_one_call() {
        let reads = reads(1, 1_000);
        let failed = reads.run(|| -> Result<(), ApiError> { panic!("a broken store") }).await;
        let error = failed.expect_err("it panicked");
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(!error.message.contains("broken store"));
        assert_eq!(reads.run(|| Ok(1)).await, Ok(1));
    }
}
