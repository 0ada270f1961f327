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

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};

    use althing_types::{PublicKey, SecretKey};

    use super::*;
    use crate::options::{Peer, Role};
    use crate::receiver::{Topic, Verdict};

    /// Gives bytes in pieces, and then is silent or ends.
    struct Script {
        bytes: Vec<u8>,
        piece: usize,
        ends: bool,
    }

    impl AsyncRead for Script {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
            let length = into.len().min(self.piece).min(self.bytes.len());
            if length == 0 && !self.ends {
                return Poll::Pending;
            }
            let rest = self.bytes.split_off(length);
            into[..length].copy_from_slice(&self.bytes);
            self.bytes = rest;
            Poll::Ready(Ok(length))
        }
    }

    #[derive(Default)]
    struct Taken(Mutex<Vec<Vec<u8>>>);

    impl Receiver for Taken {
        async fn frame(&self, _: &PublicKey, _: Class, bytes: Vec<u8>) -> Result<(), Misbehaviour> {
            self.0.lock().unwrap().push(bytes);
            Ok(())
        }

        fn connected(&self, _: &PublicKey, _: bool) {}

        async fn request(&self, _: &PublicKey, _: Vec<u8>) -> Option<Vec<u8>> {
            None
        }

        async fn gossip(&self, _: &PublicKey, _: Topic, _: Vec<u8>) -> Verdict {
            Verdict::Ignore
        }
    }

    /// Reads a script to its end and says what was taken and how it ended.
    fn check(bytes: Vec<u8>, piece: usize) -> (Vec<Vec<u8>>, End) {
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let peer = Peer { key, name: "peer".to_owned(), role: Role::Validator, address: None };
        let shared = Arc::new(Shared::new(Role::Validator, &[peer]));
        let receiver = Arc::new(Taken::default());
        let peer = Arc::clone(&shared.peers[&key]);
        let reader = Reader { class: Class::Votes, peer, receiver: Arc::clone(&receiver), shared };
        let end = futures::executor::block_on(reader.run(Script { bytes, piece, ends: true }));
        let taken = std::mem::take(&mut *receiver.0.lock().unwrap());
        (taken, end)
    }

    fn framed(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    #[test]
    fn frames_arrive_whole_however_they_are_cut_on_the_way() {
        let long = vec![9; Class::Votes.frame_bytes_max()];
        let frames: [&[u8]; 4] = [b"one", b"", &long, b"two"];
        for piece in [1, 2, 3, 5, 1_000, usize::MAX] {
            let (taken, end) = check(framed(&frames), piece);
            assert_eq!(taken, frames, "in pieces of {piece}");
            assert!(matches!(end, End::Closed(_)), "the stream ended");
        }
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_gives_what_was_whole() {
        let mut bytes = framed(&[b"one", b"two"]);
        bytes.pop();
        let (taken, end) = check(bytes, 7);
        assert_eq!(taken, [b"one"]);
        assert!(matches!(end, End::Closed(_)));
    }

    #[test]
    fn a_length_above_the_cap_ends_it_before_any_byte_of_the_frame() {
        for length in [Class::Votes.frame_bytes_max() + 1, usize::try_from(u32::MAX).unwrap()] {
            let mut bytes = framed(&[b"one"]);
            bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
            let (taken, end) = check(bytes, usize::MAX);
            assert_eq!(taken, [b"one"]);
            let End::Misbehaviour(misbehaviour) = end else { panic!("it is no honest mistake") };
            assert!(misbehaviour.why.contains(&length.to_string()), "{misbehaviour}");
        }
    }

    #[test]
    fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let peer = Peer { key, name: "peer".to_owned(), role: Role::Validator, address: None };
        let shared = Arc::new(Shared::new(Role::Validator, &[peer]));
        let reader = Reader {
            class: Class::Proposals,
            peer: Arc::clone(&shared.peers[&key]),
            receiver: Arc::new(Taken::default()),
            shared,
        };
        let mut largest = 0;
        let mut bytes = u32::try_from(Class::Proposals.frame_bytes_max()).unwrap().to_le_bytes().to_vec();
        bytes.extend([1; 1_000]);
        let script = Script { bytes, piece: usize::MAX, ends: false };
        let mut seen = Watch { script, largest: &mut largest };
        let mut reading = Box::pin(reader.next(&mut seen));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(reading.as_mut().poll(&mut context).is_pending(), "it waits for the rest");
        drop(reading);
        assert!(largest <= STEP_BYTES, "{largest} bytes were reserved for 1,000");
    }

    /// Notes the largest buffer that it was given to fill.
    struct Watch<'a> {
        script: Script,
        largest: &'a mut usize,
    }

    impl AsyncRead for Watch<'_> {
        fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
            *self.largest = (*self.largest).max(into.len());
            Pin::new(&mut self.script).poll_read(context, into)
        }
    }
}
