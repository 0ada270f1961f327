//! Writes the frames of one queue to one stream, and lets more urgent classes pass.
//!
//! A frame is its length in four bytes, the least significant first, and then itself. Bulk is written in pieces; before
//! each piece a writer looks whether something more urgent waits for the same peer, and if so waits a moment. What was
//! written lies in a few bounded places below: a command queue of Yamux per stream, which are served in turn; one
//! buffer of Noise; and at most [`crate::transport::UNSENT_BYTES_MAX`] in the kernel. So a vote has about that much in
//! front of it, however much bulk waits.
//!
//! A class that is held up by its own reader is noticed, and then holds up nobody else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::class::Class;
use crate::queue::{Frame, Queue};
use crate::shared::{PeerShared, Shared};

/// Bytes that are written without looking for something more urgent: one frame of Yamux.
const PIECE_BYTES: usize = 16 * 1_024;
/// Bytes of small frames that are written together, so that many votes cost one frame of Yamux and not one each.
const TOGETHER_BYTES_MAX: usize = 64 * 1_024;
/// How long a piece waits for more urgent ones at most. It bounds how far Sync can starve: 16 KiB in that time.
const PATIENCE: Duration = Duration::from_millis(20);

/// Who is writing on one connection.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    writing: [AtomicBool; Class::COUNT],
    stalled: [AtomicBool; Class::COUNT],
    moved: Notify,
}

impl Turns {
    /// Waits while something more urgent than `class` is on its way, but not for ever.
    async fn let_pass(&self, class: Class, peer: &PeerShared) {
        let wait = async {
            loop {
                let moved = self.moved.notified();
                if self.urgent(class, peer).is_none() {
                    return;
                }
                moved.await;
            }
        };
        if self.urgent(class, peer).is_some()
            && timeout(PATIENCE, wait).await.is_err()
            && let Some(other) = self.urgent(class, peer)
        {
            // It will be unmarked as soon as it gets something written.
            self.stalled[other.index()].store(true, Ordering::Relaxed);
        }
    }

    fn urgent(&self, class: Class, peer: &PeerShared) -> Option<Class> {
        Class::ALL.into_iter().take_while(|other| *other < class).find(|other| {
            let is_busy = self.writing[other.index()].load(Ordering::Relaxed) || !peer.queues[other.index()].is_empty();
            is_busy && !self.stalled[other.index()].load(Ordering::Relaxed)
        })
    }

    fn start(&self, class: Class) {
        self.writing[class.index()].store(true, Ordering::Relaxed);
    }

    fn got_through(&self, class: Class) {
        self.stalled[class.index()].store(false, Ordering::Relaxed);
    }

    fn finish(&self, class: Class) {
        self.writing[class.index()].store(false, Ordering::Relaxed);
        self.moved.notify_waiters();
    }
}

/// One stream that we write to.
pub(crate) struct Writer<S> {
    /// The stream.
    pub(crate) stream: S,
    /// Its class.
    pub(crate) class: Class,
    /// Whom we write to.
    pub(crate) peer: Arc<PeerShared>,
    /// The turns on the connection.
    pub(crate) turns: Arc<Turns>,
    /// Where it is counted.
    pub(crate) shared: Arc<Shared>,
}

impl<S: AsyncWrite + Unpin> Writer<S> {
    /// Writes until the stream breaks, and says why it did. Frames in hand are lost with it.
    pub(crate) async fn run(mut self) -> io::Error {
        loop {
            let frames = self.queue().take(TOGETHER_BYTES_MAX).await;
            self.turns.start(self.class);
            let result = self.write(&frames).await;
            self.turns.finish(self.class);
            if let Err(error) = result {
                return error;
            }
            self.count(&frames);
        }
    }

    fn queue(&self) -> &Queue {
        &self.peer.queues[self.class.index()]
    }

    async fn write(&mut self, frames: &[Frame]) -> io::Result<()> {
        if let [frame] = frames
            && frame.len() > PIECE_BYTES
        {
            self.write_piece(&length(frame)).await?;
            for piece in frame.chunks(PIECE_BYTES) {
                self.write_piece(piece).await?;
            }
        } else {
            let mut together = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 4).sum());
            for frame in frames {
                together.extend_from_slice(&length(frame));
                together.extend_from_slice(frame);
            }
            for piece in together.chunks(PIECE_BYTES) {
                self.write_piece(piece).await?;
            }
        }
        self.stream.flush().await
    }

    async fn write_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        self.turns.let_pass(self.class, &self.peer).await;
        self.stream.write_all(piece).await?;
        self.turns.got_through(self.class);
        Ok(())
    }

    fn count(&self, frames: &[Frame]) {
        let bytes = frames.iter().map(|frame| u64::try_from(frame.len()).unwrap_or(u64::MAX)).sum();
        self.peer.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        self.shared.figures.frames_out(self.class, u64::try_from(frames.len()).unwrap_or(u64::MAX), bytes);
    }
}

/// The four bytes in front of a frame.
fn length(frame: &Frame) -> [u8; 4] {
    u32::try_from(frame.len()).expect("a queue takes no frame above one MiB").to_le_bytes()
}
