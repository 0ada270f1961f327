//! News of the newest final block, for those who follow: validators publish it, observers believe its certificate.
//!
//! A head is a hint how high the chain is, and nothing more: blocks are fetched and verified by themselves. A lost one
//! costs a follower a moment, because it asks anyway from time to time.

use std::time::Duration;

use althing_ledger::{LedgerError, Reader};
use althing_network::{GOSSIP_BYTES_MAX, Handle, Topic, Verdict};
use althing_storage::RocksStore;
use althing_types::{Committee, Ed25519, Finalization, Header, Height, decode, encode};
use borsh::{BorshDeserialize, BorshSerialize};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::stop::Stop;
use super::tasks;
use crate::replica::following::verify_head;

/// The least time between two heads of one node.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// Blocks below the newest one among which one with a certificate of its own is looked for.
const LOOKED_AT_MAX: u64 = 16;

/// A final block's header and what makes it final.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Head {
    header: Header,
    finalization: Finalization,
}

/// Publishes the newest block that has a certificate, whenever there is a newer one and at most once in
/// [`PUBLISH_EVERY`]; the last before silence is always published. Ends with the ledger's thread.
pub(super) async fn announce(
    handle: Handle,
    reader: Reader<RocksStore>,
    mut heights: watch::Receiver<Height>,
    stop: Stop,
) {
    let mut published = Height::ZERO;
    loop {
        let height = *heights.borrow_and_update();
        let reader = reader.clone();
        match spawn_blocking(move || newest(&reader, height)).await {
            Ok(Ok(Some(head))) if head.header.height > published => {
                published = head.header.height;
                handle.publish(Topic::Heads, encode(&head));
            }
            Ok(Err(LedgerError::Store(error))) => return stop.disk_failed("the ledger", &error),
            Ok(Err(error)) => return stop.chain_failed(error.to_string()),
            Ok(Ok(_)) => {}
            Err(error) => tasks::broke("heads", &error),
        }
        tokio::time::sleep(PUBLISH_EVERY).await;
        if heights.changed().await.is_err() {
            return;
        }
    }
}

fn newest(reader: &Reader<RocksStore>, height: Height) -> Result<Option<Head>, LedgerError> {
    let lowest = height.get().saturating_sub(LOOKED_AT_MAX).max(1);
    for height in (lowest..=height.get()).rev().map(Height::new) {
        if let (Some(header), Some(finalization)) = (reader.header(height)?, reader.finalization(height)?) {
            return Ok(Some(Head { header, finalization }));
        }
    }
    Ok(None)
}

/// How high the chain is, as far as certificates show.
#[derive(Debug)]
pub(super) struct Horizon {
    committee: Committee,
    height: watch::Sender<Height>,
}

impl Horizon {
    /// At the start it is as high as what is here.
    pub(super) fn new(committee: Committee, height: Height) -> Self {
        Self { committee, height: watch::Sender::new(height) }
    }

    /// The height.
    pub(super) fn height(&self) -> Height {
        *self.height.borrow()
    }

    /// Changes when the height does.
    pub(super) fn subscribe(&self) -> watch::Receiver<Height> {
        self.height.subscribe()
    }

    /// Notes a height that a certificate was verified for.
    pub(super) fn raise(&self, to: Height) {
        self.height.send_if_modified(|height| {
            let is_higher = to > *height;
            *height = to.max(*height);
            is_higher
        });
    }

    /// Judges a head that somebody passed on. Only what is new is verified and passed on.
    pub(super) fn judge(&self, bytes: &[u8]) -> Verdict {
        let Ok(head) = decode::<Head>(bytes, GOSSIP_BYTES_MAX) else { return Verdict::Reject };
        if head.header.height <= self.height() {
            return Verdict::Ignore;
        }
        if verify_head(&head.header, &head.finalization, &self.committee, &Ed25519).is_err() {
            return Verdict::Reject;
        }
        self.raise(head.header.height);
        Verdict::Accept
    }
}
