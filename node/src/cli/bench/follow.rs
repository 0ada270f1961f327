//! Hearing what became final: the blocks of one node, with the ids of their transactions and those that failed.
//!
//! A transaction counts as final when the answer with its block has arrived here. Where the node goes away, or says
//! nothing for a while, the next one is followed from the next block on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use althing_client::{BlockFeed, ClientError};
use althing_rpc::api::{BlockNews, Detail};
use althing_types::{Hash, Height};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::arguments::Plan;
use super::clock;

/// Blocks that wait to be counted at most; then the node is not read any more until some are.
const SEEN_MAX: usize = 64;
/// How long a node may be silent before another one is asked.
const SILENCE: Duration = Duration::from_secs(3);
/// The pause before the next node is tried.
const PAUSE: Duration = Duration::from_millis(200);

/// A block that arrived.
#[derive(Debug)]
pub(super) struct Seen {
    /// When.
    pub(super) at: Instant,
    /// Its transactions.
    pub(super) ids: Vec<Hash>,
    /// Those that failed: their places, and how they ended.
    pub(super) failed: BTreeMap<usize, String>,
}

/// Follows the nodes from the block after a height. Where each transaction is waited for by itself, nothing is followed.
pub(super) fn start(plan: &Plan, urls: &[String], height: Height) -> mpsc::Receiver<Seen> {
    let (sender, receiver) = mpsc::channel(SEEN_MAX);
    if !plan.rate.is_lone() {
        tokio::spawn(follow(urls.to_vec(), height.next(), sender));
    }
    receiver
}

async fn follow(urls: Vec<String>, mut next: Height, seen: mpsc::Sender<Seen>) {
    for url in urls.iter().cycle() {
        // What is wrong with a node does not matter here: the run shows what it did not hear of.
        let _error = follow_one(url, &mut next, &seen).await;
        if seen.is_closed() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Follows one node until it fails, falls silent, or nobody listens any more.
async fn follow_one(url: &str, next: &mut Height, seen: &mpsc::Sender<Seen>) -> Result<(), ClientError> {
    let Ok(feed) = timeout(SILENCE, BlockFeed::open(url, Some(*next))).await else { return Ok(()) };
    let mut feed = feed?;
    while let Ok(news) = timeout(SILENCE, feed.next()).await {
        let BlockNews::Block(item) = news? else { return Ok(()) };
        let height = item.height.0;
        if height != *next {
            return Ok(());
        }
        if item.tx_count > 0 {
            let Ok(block) = timeout(SILENCE, feed.block(height, Detail::Hashes)).await else { return Ok(()) };
            let (at, block) = (clock(), block?);
            // A node that leaves out what was asked for, or answers with another block, is no witness.
            let (Some(ids), Some(failed), true) = (block.tx_ids, block.failed, block.header.height.0 == height) else {
                return Ok(());
            };
            let ids = ids.into_iter().map(|id| id.0).collect();
            let failed = failed.into_iter().map(|failed| (failed.index as usize, failed.status)).collect();
            if seen.send(Seen { at, ids, failed }).await.is_err() {
                return Ok(());
            }
        }
        *next = height.next();
    }
    Ok(())
}
