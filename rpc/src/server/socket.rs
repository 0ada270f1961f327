//! A socket that knows its place in the table, reads only when it may, and gives up on a peer that takes no answers.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connections::Permit;
use super::flow::Flow;

/// A connection's socket. The layers above keep it until the connection ends, also as a WebSocket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    flow: Arc<Flow>,
    write_time: Duration,
    /// Runs from when the peer first made us wait until everything that was to be written is.
    patience: Option<Pin<Box<Sleep>>>,
    _permit: Permit,
}

impl Socket {
    /// A socket whose peer has so long to take an answer.
    pub(super) const fn new(stream: TcpStream, flow: Arc<Flow>, write_time: Duration, permit: Permit) -> Self {
        Self { stream, flow, write_time, patience: None, _permit: permit }
    }

    /// The peer made us wait. An error once it has done so for too long.
    fn wait_for_peer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.set_blocked(true);
        let write_time = self.write_time;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(write_time)));
        ready!(patience.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no answers")))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.flow.may_read(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                this.flow.set_blocked(false);
                Poll::Ready(written)
            }
            Poll::Pending => this.wait_for_peer(cx).map_ok(|()| 0),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Whoever flushes has written everything before.
        this.patience = None;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
