//! Requests: bytes there, bytes back, one stream each, bounded in size, time, number and rate.
//!
//! The codec carries raw bytes up to their cap; an answer has one byte in front that says whether there is one. Nothing
//! is tried again here: the caller knows whether, and whom, to ask again.

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response::{Behaviour, Codec, Config, ProtocolSupport};

use crate::identity::Chain;

/// Bytes of a request at most.
pub const REQUEST_BYTES_MAX: usize = 512 * 1_024;
/// Bytes of an answer at most: a chunk for those who are behind.
pub const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;
/// Requests that are under way with one peer in one direction. A peer answers about twenty in a second, after a hundred
/// at once, and sixteen megabytes of answers in a second; what is faster waits.
pub const REQUESTS_PER_PEER_MAX: usize = 8;
/// How long an answer may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams of requests on one connection: both directions, and as many that are just ending.
const STREAMS_MAX: usize = 4 * REQUESTS_PER_PEER_MAX;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no connection to the peer, or nobody knows it.
    #[error("the peer is not connected; ask again when it is, or ask another one")]
    NotConnected,
    /// The request is longer than [`REQUEST_BYTES_MAX`].
    #[error("the request is longer than {REQUEST_BYTES_MAX} bytes; split it")]
    TooLong,
    /// [`REQUESTS_PER_PEER_MAX`] requests to the peer are under way, or too much waits in this process.
    #[error("too many requests to the peer are under way; wait for one of them")]
    TooMany,
    /// The peer has as many requests of ours as it answers at once.
    #[error("the peer is asked too often; ask again later, or ask another one")]
    Busy,
    /// The peer has no answer.
    #[error("the peer has no answer; ask another one")]
    NoAnswer,
    /// The request or its answer was lost. It may have been carried out.
    #[error("the request failed: {why}; ask again, or ask another one")]
    Failed {
        /// What happened.
        why: String,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The bytes that were asked for.
    Bytes(Vec<u8>),
    /// There are none.
    None,
    /// We have as many requests of the peer as we answer at once.
    Busy,
}

/// The behaviour of requests on a chain.
pub(crate) fn behaviour(chain: &Chain) -> Behaviour<RawCodec> {
    let config = Config::default().with_request_timeout(REQUEST_TIMEOUT).with_max_concurrent_streams(STREAMS_MAX);
    Behaviour::new([(chain.protocol("request"), ProtocolSupport::Full)], config)
}

/// Raw bytes until the end of the stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawCodec;

impl Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_up_to(io, REQUEST_BYTES_MAX).await
    }

    async fn read_response<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut kind = [0];
        io.read_exact(&mut kind).await?;
        match kind {
            [0] => Ok(Answer::None),
            [1] => read_up_to(io, ANSWER_BYTES_MAX).await.map(Answer::Bytes),
            [2] => Ok(Answer::Busy),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is of no known kind")),
        }
    }

    async fn write_request<T>(&mut self, _: &Self::Protocol, io: &mut T, request: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&request).await
    }

    async fn write_response<T>(&mut self, _: &Self::Protocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match answer {
            Answer::None => io.write_all(&[0]).await,
            Answer::Bytes(bytes) => {
                io.write_all(&[1]).await?;
                io.write_all(&bytes).await
            }
            Answer::Busy => io.write_all(&[2]).await,
        }
    }
}

/// Reads until the end, with memory that grows as bytes arrive, and fails above `bytes_max`.
async fn read_up_to(io: &mut (impl AsyncRead + Unpin + Send), bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    io.take(limit).read_to_end(&mut bytes).await?;
    if bytes.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than allowed"));
    }
    Ok(bytes)
}
