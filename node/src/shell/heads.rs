//! News of the newest final block, for those who follow: validators publish it, observers believe its certificate.
//!
//! A head is a hint how high the chain is, and nothing more: blocks are fetched and verified by themselves. A lost one
//! costs a follower a moment, because it asks anyway from time to time.

use std::sync::atomic::{AtomicU64, Ordering};
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
use crate::following::verify_head;

/// The least time between two heads of one node.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// Blocks below the newest one among which one with a certificate of its own is looked for.
const LOOKED_AT_MAX: u64 = 16;
/// Blocks that a node may be behind what others report without counting as one that catches up: reports travel while
/// blocks are executed.
const BEHIND_MAX: u64 = 16;

/// Whether a node lacks what has been final for a while.
pub(super) fn is_behind(height: Height, reported: Height) -> bool {
    reported.get().saturating_sub(height.get()) > BEHIND_MAX
}

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
        match (reader.header(height), reader.finalization(height)) {
            (Ok(Some(header)), Ok(Some(finalization))) => return Ok(Some(Head { header, finalization })),
            // The height that is looked at may be an old one by now.
            (Err(LedgerError::Pruned { .. }), _) | (_, Err(LedgerError::Pruned { .. })) => return Ok(None),
            (Err(error), _) | (_, Err(error)) => return Err(error),
            (Ok(_), Ok(_)) => {}
        }
    }
    Ok(None)
}

/// How high the chain is, as far as certificates show.
#[derive(Debug)]
pub(super) struct Horizon {
    committee: Committee,
    height: watch::Sender<Height>,
    /// The highest head that was passed on. A run of blocks may have shown the height before the head came; those who
    /// follow this node have not seen that run.
    passed_on: AtomicU64,
}

impl Horizon {
    /// At the start it is as high as what is here.
    pub(super) fn new(committee: Committee, height: Height) -> Self {
        let passed_on = AtomicU64::new(height.get());
        Self { committee, height: watch::Sender::new(height), passed_on }
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

    /// Judges a head that somebody passed on. Only what is as high as anything known, and was not passed on, is
    /// verified and passed on.
    pub(super) fn judge(&self, bytes: &[u8]) -> Verdict {
        let Ok(head) = decode::<Head>(bytes, GOSSIP_BYTES_MAX) else { return Verdict::Reject };
        let height = head.header.height;
        if height < self.height() || height.get() <= self.passed_on.load(Ordering::Relaxed) {
            return Verdict::Ignore;
        }
        if verify_head(&head.header, &head.finalization, &self.committee, &Ed25519).is_err() {
            return Verdict::Reject;
        }
        self.raise(height);
        // Of two that are judged at once one is passed on.
        let before = self.passed_on.fetch_max(height.get(), Ordering::Relaxed);
        if before < height.get() { Verdict::Accept } else { Verdict::Ignore }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_types::{
        Epoch, Finalize, Hash, SecretKey, TimeMs, Validator, ValidatorSet, View, Vote, genesis_header,
    };

    const CHAIN: Hash = Hash::new([9; 32]);

    /// A chain of one validator, which certifies what it is told to.
    struct Chain {
        key: SecretKey,
        committee: Committee,
    }

    impl Chain {
        fn new() -> Self {
            let (key, node_key) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]).public_key());
            let set = ValidatorSet::new(vec![Validator { key: key.public_key(), node_key }], 0, false);
            let committee = Committee { chain: CHAIN, epoch: Epoch::ZERO, set: set.expect("a good set") };
            Self { key, committee }
        }

        fn head(&self, height: u64) -> Head {
            let genesis = genesis_header(CHAIN, TimeMs::new(1), Hash::ZERO, Hash::ZERO);
            let header = Header { height: Height::new(height), ..genesis };
            let vote = Finalize { epoch: Epoch::ZERO, view: View::new(height), digest: header.id() };
            let index = self.committee.set.indices().next().expect("there is one");
            let signed = Vote::Finalize(vote).sign(&CHAIN, index, &self.key);
            let finalization = Finalization::slow(vote, &self.committee, &[signed]).expect("a quorum");
            Head { header, finalization }
        }

        fn horizon(&self) -> Horizon {
            Horizon::new(self.committee.clone(), Height::new(3))
        }
    }

    #[test]
    fn a_head_is_passed_on_once_and_raises_the_horizon() {
        let chain = Chain::new();
        let horizon = chain.horizon();
        assert_eq!(horizon.judge(&encode(&chain.head(3))), Verdict::Ignore, "it was here at the start");
        assert_eq!(horizon.judge(&encode(&chain.head(5))), Verdict::Accept);
        assert_eq!(horizon.height(), Height::new(5));
        assert_eq!(horizon.judge(&encode(&chain.head(5))), Verdict::Ignore);
        assert_eq!(horizon.judge(&encode(&chain.head(4))), Verdict::Ignore);
    }

    #[test]
    fn a_head_that_a_run_came_before_is_still_passed_on() {
        let chain = Chain::new();
        let horizon = chain.horizon();
        horizon.raise(Height::new(5));
        assert_eq!(horizon.judge(&encode(&chain.head(4))), Verdict::Ignore, "there is a higher one");
        assert_eq!(horizon.judge(&encode(&chain.head(5))), Verdict::Accept);
        assert_eq!(horizon.judge(&encode(&chain.head(5))), Verdict::Ignore);
    }

    #[test]
    fn a_head_without_a_certificate_of_its_own_is_rejected() {
        let chain = Chain::new();
        let horizon = chain.horizon();
        let forged = Head { finalization: chain.head(6).finalization, ..chain.head(7) };
        assert_eq!(horizon.judge(&encode(&forged)), Verdict::Reject);
        assert_eq!(horizon.judge(&[1, 2, 3]), Verdict::Reject);
        assert_eq!(horizon.height(), Height::new(3));
    }
}
