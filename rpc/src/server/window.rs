//! What all connections share: the backend, the threads that read, those who wait, and the feed of blocks.

use std::future::Future;
use std::sync::Arc;

use metrics::gauge;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::feed::Feed;
use super::limits::Limits;
use super::reads::Reads;
use crate::api::{ApiError, ErrorCode, Notation};
use crate::backend::{Backend, HeadRecord};

/// When somebody who found no room to wait should ask again, in milliseconds.
const WAITERS_RETRY_MS: u64 = 1_000;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Window<B> {
    pub(super) backend: Arc<B>,
    pub(super) limits: Limits,
    pub(super) feed: Feed,
    reads: Reads,
    waiters: Arc<Semaphore>,
}

/// Room for callers that wait. It is free again when this goes away.
#[derive(Debug)]
pub(super) struct Waiting {
    permit: OwnedSemaphorePermit,
}

impl<B: Backend> Window<B> {
    /// A window of which nobody has asked anything yet.
    pub(super) fn new(backend: Arc<B>, limits: Limits) -> Self {
        Self {
            feed: Feed::new(backend.head().header.height),
            reads: Reads::new(&limits),
            waiters: Arc::new(Semaphore::new(limits.waiters_max)),
            backend,
            limits,
        }
    }

    /// How the chain writes its values.
    pub(super) fn notation(&self) -> &Notation {
        &self.backend.chain().notation
    }

    /// The last executed block.
    pub(super) fn head(&self) -> HeadRecord {
        self.backend.head()
    }

    /// Reads something from the backend that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&B) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let backend = self.backend.clone();
        self.reads.run(move || read(&backend)).await
    }

    /// Asks the backend something that it answers by itself, within the time of a read.
    pub(super) async fn ask<T>(&self, answer: impl Future<Output = Result<T, ApiError>> + Send) -> Result<T, ApiError> {
        let late = |_| Err(ApiError::new(ErrorCode::QueryTimeout, "the answer took too long"));
        timeout(self.limits.read_time, answer).await.unwrap_or_else(late)
    }

    /// Makes room for so many to wait.
    pub(super) fn wait_for(&self, transactions: usize) -> Result<Waiting, ApiError> {
        let full = || {
            ApiError::new(ErrorCode::Overloaded, "as many callers wait for transactions as may wait")
                .with("max", self.limits.waiters_max)
                .retry_after_ms(WAITERS_RETRY_MS)
        };
        let count = u32::try_from(transactions).map_err(|_| full())?;
        let permit = self.waiters.clone().try_acquire_many_owned(count).map_err(|_| full())?;
        gauge!("althing_rpc_waiters").increment(f64::from(count));
        Ok(Waiting { permit })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let count = u32::try_from(self.permit.num_permits()).unwrap_or(u32::MAX);
        gauge!("althing_rpc_waiters").decrement(f64::from(count));
    }
}

/// An answer as JSON.
pub(super) fn answer(shape: &impl Serialize) -> Result<Box<RawValue>, ApiError> {
    to_raw_value(shape).map_err(|error| {
        tracing::error!(%error, "an answer is no JSON");
        ApiError::new(ErrorCode::Internal, "the node failed to write its answer")
    })
}
