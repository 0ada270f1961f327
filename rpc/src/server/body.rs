//! A request's body with a time by which all of it must have come.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body that fails when its time is over.
#[derive(Debug)]
pub(super) struct TimedBody {
    body: Body,
    time: Pin<Box<Sleep>>,
}

/// Why a body did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// Its time was over.
    #[error("the body took too long")]
    Late,
    /// The connection failed.
    #[error(transparent)]
    Broken(#[from] axum::Error),
}

impl TimedBody {
    /// A body that must come within this time.
    pub(super) fn new(body: Body, time: Duration) -> Self {
        Self { body, time: Box::pin(sleep(time)) }
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from))),
            Poll::Pending => this.time.as_mut().poll(cx).map(|()| Some(Err(BodyError::Late))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}
