//! The newest blocks as JSON, read and written out once for all who subscribed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use althing_types::Height;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::window::{Window, answer};
use crate::api::{ApiError, BlockItem, BlockNews, Order};
use crate::backend::{Backend, BlockRecord};

/// Blocks that are kept. Whoever is further behind reads them from the store.
const KEPT_MAX: usize = 256;

/// The newest blocks.
#[derive(Debug)]
pub(super) struct Feed {
    kept: Mutex<VecDeque<(Height, Arc<RawValue>)>>,
    published: watch::Sender<Height>,
}

impl Feed {
    /// A feed whose next block is the one above this height.
    pub(super) fn new(head: Height) -> Self {
        Self { kept: Mutex::new(VecDeque::new()), published: watch::Sender::new(head) }
    }

    /// Changes with every block, to its height.
    pub(super) fn published(&self) -> watch::Receiver<Height> {
        self.published.subscribe()
    }

    /// Follows the chain until the backend is gone.
    pub(super) async fn follow<B: Backend>(window: Arc<Window<B>>) {
        let mut heads = window.backend.heads();
        loop {
            let head = *heads.borrow_and_update();
            if let Err(error) = window.feed.catch_up(&window, head).await {
                // Subscribers read for themselves what is missing here.
                tracing::warn!(%error, height = head.get(), "blocks for subscribers cannot be read");
                window.feed.publish(Vec::new(), head);
            }
            if heads.changed().await.is_err() {
                return;
            }
        }
    }

    /// News of the blocks from a height on: those that are kept, else read from the store. Never empty while the height
    /// is published.
    pub(super) async fn from<B: Backend>(
        &self,
        window: &Window<B>,
        from: Height,
    ) -> Result<Vec<Arc<RawValue>>, ApiError> {
        let kept = self.kept_from(from);
        if !kept.is_empty() {
            return Ok(kept);
        }
        let blocks = window.read(move |backend| backend.blocks(from, KEPT_MAX / 4, Order::Asc)).await?;
        blocks.iter().map(|block| Ok(news(block)?.1)).collect()
    }

    fn kept_from(&self, from: Height) -> Vec<Arc<RawValue>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Heights are contiguous, so that the first one says where the wanted one is.
        let place = kept.iter().position(|(height, _)| *height == from);
        place.map_or_else(Vec::new, |place| kept.iter().skip(place).map(|(_, news)| news.clone()).collect())
    }

    async fn catch_up<B: Backend>(&self, window: &Window<B>, head: Height) -> Result<(), ApiError> {
        let published = *self.published.borrow();
        if head <= published {
            return Ok(());
        }
        let kept_max = u64::try_from(KEPT_MAX).unwrap_or(u64::MAX);
        let from = published.next().max(Height::new(head.get().saturating_sub(kept_max).saturating_add(1)));
        let blocks = window.read(move |backend| backend.blocks(from, KEPT_MAX, Order::Asc)).await?;
        let news = blocks.iter().map(news).collect::<Result<Vec<_>, _>>()?;
        self.publish(news, head);
        Ok(())
    }

    fn publish(&self, news: Vec<(Height, Arc<RawValue>)>, head: Height) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_next = |(first, _): &(Height, _)| kept.back().is_none_or(|(last, _)| last.next() == *first);
        if !news.first().is_some_and(is_next) {
            kept.clear();
        }
        let last = news.last().map_or(head, |(height, _)| *height);
        kept.extend(news);
        while kept.len() > KEPT_MAX {
            kept.pop_front();
        }
        drop(kept);
        self.published.send_if_modified(|published| {
            let grows = last > *published;
            *published = last.max(*published);
            grows
        });
    }
}

fn news(block: &BlockRecord) -> Result<(Height, Arc<RawValue>), ApiError> {
    let news = answer(&BlockNews::Block(BlockItem::of(&block.header, &block.summary)))?;
    Ok((block.header.height, Arc::from(news)))
}
