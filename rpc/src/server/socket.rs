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
    is_given_up: bool,
    /// Whether the last poll read something. The next one then lets others run first: what was read becomes calls on
    /// tasks of their own, and only once these have begun are they counted.
    has_read: bool,
    _permit: Permit,
}

impl Socket {
    /// A socket whose peer has so long to take an answer.
    pub(super) const fn new(stream: TcpStream, flow: Arc<Flow>, write_time: Duration, permit: Permit) -> Self {
        Self { stream, flow, write_time, patience: None, is_given_up: false, has_read: false, _permit: permit }
    }

    /// The peer made us wait. An error once it has done so for too long.
    fn wait_for_peer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flow.set_blocked(true);
        let write_time = self.write_time;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(write_time)));
        ready!(patience.as_mut().poll(cx));
        // Whoever reads must learn of it too, or the connection would last as long as the peer keeps it.
        self.is_given_up = true;
        self.flow.set_blocked(false);
        Poll::Ready(Err(given_up()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_given_up {
            return Poll::Ready(Err(given_up()));
        }
        if !this.flow.may_read(cx) {
            return Poll::Pending;
        }
        if std::mem::take(&mut this.has_read) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buffer));
        this.has_read = true;
        Poll::Ready(read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_given_up {
            return Poll::Ready(Err(given_up()));
        }
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

fn given_up() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer takes no answers")
}
