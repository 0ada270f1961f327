//! Hearing of blocks as they become final, over a WebSocket, and asking about them on the same connection.
//!
//! A feed is one connection to one node. When it ends, whoever follows opens another one from the height after the last
//! that it heard of; nothing is repeated here.

use std::time::Duration;

use althing_rpc::api::{BlockAnswer, BlockNews, Decimal, Detail, GetBlockParams, Method, SubscribeBlocksParams};
use althing_types::Height;
use jsonrpsee_core::client::{ClientT as _, Subscription, SubscriptionClientT as _};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};

use crate::connection::{CONNECT_TIMEOUT, Named, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, address, failed};
use crate::error::ClientError;

/// How long an answer on a feed may take. No method that waits is asked there.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Blocks that wait for the reader at most; beyond it the feed ends.
const BLOCKS_MAX: usize = 1_024;

/// The blocks of a chain as one node makes them known: in order, without a gap, each once it is final, executed and on
/// the node's disk.
#[derive(Debug)]
pub struct BlockFeed {
    url: String,
    client: WsClient,
    news: Subscription<BlockNews>,
}

impl BlockFeed {
    /// Opens a feed at an endpoint such as `http://HOST:PORT`. The first block is that of `from`, or without it the one
    /// after the node's latest.
    pub async fn open(endpoint: &str, from: Option<Height>) -> Result<Self, ClientError> {
        let address = address(endpoint)?;
        let url = format!("http://{address}");
        let parameters = Named::of(SubscribeBlocksParams { from_height: from.map(Decimal) });
        let parameters =
            parameters.map_err(|error| ClientError::Malformed { endpoint: url.clone(), reason: error.to_string() })?;
        let client: WsClient = WsClientBuilder::default()
            .max_request_size(REQUEST_BYTES_MAX)
            .max_response_size(RESPONSE_BYTES_MAX)
            .request_timeout(TIMEOUT)
            .connection_timeout(CONNECT_TIMEOUT)
            .max_buffer_capacity_per_subscription(BLOCKS_MAX)
            .build(format!("ws://{address}/rpc"))
            .await
            .map_err(|error| failed(&url, error, CONNECT_TIMEOUT))?;
        let (subscribe, unsubscribe) = (Method::ChainSubscribeBlocks.name(), Method::ChainUnsubscribeBlocks.name());
        let news = client.subscribe(subscribe, parameters, unsubscribe).await;
        let news = news.map_err(|error| failed(&url, error, TIMEOUT))?;
        Ok(Self { url, client, news })
    }

    /// Waits for the next news. An error ends the feed: the connection is gone, or the reader was too slow.
    pub async fn next(&mut self) -> Result<BlockNews, ClientError> {
        let endpoint = self.url.clone();
        match self.news.next().await {
            Some(Ok(news)) => Ok(news),
            Some(Err(error)) => Err(ClientError::Malformed { endpoint, reason: error.to_string() }),
            None => {
                let reason = "the feed of blocks ended".to_owned();
                Err(ClientError::Unreachable { endpoint, reason, maybe_sent: true })
            }
        }
    }

    /// A block of the feed, in so much detail.
    pub async fn block(&self, height: Height, detail: Detail) -> Result<BlockAnswer, ClientError> {
        let question =
            GetBlockParams { height: Some(Decimal(height)), detail: Some(detail), ..GetBlockParams::default() };
        let parameters = Named::of(question)
            .map_err(|error| ClientError::Malformed { endpoint: self.url.clone(), reason: error.to_string() })?;
        let answer = self.client.request(Method::ChainGetBlock.name(), parameters).await;
        answer.map_err(|error| failed(&self.url, error, TIMEOUT))
    }
}
