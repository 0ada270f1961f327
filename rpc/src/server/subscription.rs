//! `chain_subscribeBlocks`: every block from a height on, in order and without a gap.
//!
//! A reader that takes nothing for a while is told where it may resume, and nothing more: it must not make the node
//! remember for it.

use std::sync::Arc;

use althing_types::Height;
use jsonrpsee::RpcModule;
use jsonrpsee::core::server::{PendingSubscriptionSink, SubscriptionSink, TrySendError};
use jsonrpsee::types::Params;
use metrics::gauge;
use serde_json::value::RawValue;
use tokio::time::{Duration, Instant, sleep};

use super::answers::error_object;
use super::parameters::parse;
use super::window::{Window, answer};
use crate::api::{ApiError, BlockNews, Decimal, ErrorCode, Method, SubscribeBlocksParams};
use crate::backend::Backend;

/// What notifications are called.
const NOTIFICATION: &str = "chain_blocks";
/// Places in a connection's buffer that blocks leave to `lagged` and to the answers of calls.
const RESERVED: usize = 16;
/// How often a full buffer is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What became of a message.
enum Delivery {
    Sent,
    Slow,
    Gone,
}

/// The methods that the library carries out itself.
pub(super) fn module<B: Backend>(window: Arc<Window<B>>) -> RpcModule<Arc<Window<B>>> {
    let mut module = RpcModule::new(window);
    module
        .register_subscription(
            Method::ChainSubscribeBlocks.name(),
            NOTIFICATION,
            Method::ChainUnsubscribeBlocks.name(),
            |params, pending, window, _| async move { subscribe(&window, &params, pending).await },
        )
        .expect("both names are registered once");
    module
}

async fn subscribe<B: Backend>(window: &Arc<Window<B>>, params: &Params<'_>, pending: PendingSubscriptionSink) {
    let from = match first_height(window, params).await {
        Ok(from) => from,
        Err(error) => return pending.reject(error_object(&error)).await,
    };
    let Ok(sink) = pending.accept().await else { return };
    gauge!("althing_rpc_subscriptions").increment(1);
    let _counted = Counted;
    tokio::select! {
        () = deliver(window, sink.clone(), from) => {}
        () = sink.closed() => {}
    }
}

/// Where a subscription begins. What the node no longer keeps is refused here rather than later.
async fn first_height<B: Backend>(window: &Window<B>, params: &Params<'_>) -> Result<Height, ApiError> {
    let raw = params.as_str().map(|text| RawValue::from_string(text.to_owned())).transpose();
    let raw = raw.map_err(|_| ApiError::new(ErrorCode::ParseError, "the parameters are not JSON"))?;
    let SubscribeBlocksParams { from_height } = parse(Method::ChainSubscribeBlocks, raw.as_deref())?;
    let head = *window.feed.published().borrow();
    let Some(Decimal(from)) = from_height else { return Ok(head.next()) };
    if from <= head {
        window.feed.from(window, from).await?;
    }
    Ok(from)
}

async fn deliver<B: Backend>(window: &Window<B>, mut sink: SubscriptionSink, from: Height) {
    let mut published = window.feed.published();
    let mut next = from;
    loop {
        while next <= *published.borrow_and_update() {
            let news = match window.feed.from(window, next).await {
                Ok(news) if !news.is_empty() => news,
                // A reader of the store that is behind for long can find it pruned, or too busy.
                _ => return say_lagged(&mut sink, next),
            };
            for item in news {
                match send(window, &mut sink, &item).await {
                    Delivery::Sent => next = next.next(),
                    Delivery::Slow => return say_lagged(&mut sink, next),
                    Delivery::Gone => return,
                }
            }
        }
        if published.changed().await.is_err() {
            return;
        }
    }
}

async fn send<B: Backend>(window: &Window<B>, sink: &mut SubscriptionSink, item: &RawValue) -> Delivery {
    let reserved = RESERVED.min(sink.max_capacity() / 2);
    let deadline = Instant::now() + window.limits.lag_time;
    loop {
        if sink.is_closed() {
            return Delivery::Gone;
        }
        if sink.capacity() > reserved {
            match sink.try_send(item.to_owned()) {
                Ok(()) => return Delivery::Sent,
                Err(TrySendError::Closed(_)) => return Delivery::Gone,
                Err(TrySendError::Full(_)) => {}
            }
        }
        if Instant::now() >= deadline {
            return Delivery::Slow;
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn say_lagged(sink: &mut SubscriptionSink, resume_from: Height) {
    metrics::counter!("althing_rpc_lagged_total").increment(1);
    if let Ok(lagged) = answer(&BlockNews::Lagged { resume_from: Decimal(resume_from) }) {
        // Where even the reserved places are taken, the connection ends soon by itself.
        let _told = sink.try_send(lagged);
    }
}

/// Counts a subscription for as long as it lives.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!("althing_rpc_subscriptions").decrement(1);
    }
}
