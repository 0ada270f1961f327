//! Reads the frames of one stream and hands them over one by one.
//!
//! The length is compared with the cap of the class before anything is allocated, and memory grows with the bytes that
//! arrive, so that a peer which announces a long frame and sends nothing costs nothing. While a frame is being handed
//! over the stream is not read, which is how back-pressure reaches the peer.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::io::BufReader;
use futures::{AsyncRead, AsyncReadExt as _, FutureExt as _};

use crate::class::Class;
use crate::figures;
use crate::receiver::{Misbehaviour, Receiver};
use crate::shared::{PeerShared, Shared};

/// Bytes that memory for a frame grows by at most beyond what has arrived.
const STEP_BYTES: usize = 64 * 1_024;
/// Bytes that are read at once where frames are small.
const BUFFER_BYTES: usize = 16 * 1_024;

/// Why a stream is not read any more.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed it, or the connection went.
    Closed(io::Error),
    /// The peer sent what no honest one sends.
    Misbehaviour(Misbehaviour),
}

/// One stream that we read from.
pub(crate) struct Reader<R> {
    /// Its class.
    pub(crate) class: Class,
    /// Who writes to it.
    pub(crate) peer: Arc<PeerShared>,
    /// Who takes the frames.
    pub(crate) receiver: Arc<R>,
    /// Where they are counted.
    pub(crate) shared: Arc<Shared>,
}

impl<R: Receiver> Reader<R> {
    /// Reads until the stream ends, and says how it did.
    pub(crate) async fn run(self, stream: impl AsyncRead + Unpin) -> End {
        let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        loop {
            let frame = match self.next(&mut stream).await {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            let bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
            self.peer.hear();
            self.peer.bytes_in.fetch_add(bytes, Ordering::Relaxed);
            self.shared.figures.frame_in(self.class, bytes);
            if let Err(misbehaviour) = self.hand_over(frame).await {
                return End::Misbehaviour(misbehaviour);
            }
        }
    }

    async fn next(&self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, End> {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.map_err(End::Closed)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > self.class.frame_bytes_max() {
            let class = self.class.name();
            let why = format!("a frame of {length} bytes in the class {class}, which is above the cap");
            return Err(End::Misbehaviour(Misbehaviour { why }));
        }
        let mut frame = Vec::new();
        while frame.len() < length {
            let from = frame.len();
            frame.resize(length.min(from + STEP_BYTES), 0);
            stream.read_exact(&mut frame[from..]).await.map_err(End::Closed)?;
            self.peer.hear();
        }
        Ok(frame)
    }

    async fn hand_over(&self, frame: Vec<u8>) -> Result<(), Misbehaviour> {
        let taken = async { self.receiver.frame(&self.peer.peer.key, self.class, frame).await };
        let Ok(result) = AssertUnwindSafe(taken).catch_unwind().await else {
            figures::panicked("frame");
            let (peer, class) = (&self.peer.peer.name, self.class.name());
            tracing::error!(peer, class, "the handler of a frame panicked; the frame is dropped");
            return Ok(());
        };
        result
    }
}
