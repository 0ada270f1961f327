//! The loop beside validators that are actors: they have blocks and batches of a chain, or do not have them yet, and
//! count what they are asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use althing_network::{Class, Misbehaviour, Network, Receiver, Topic, Verdict};
use althing_types::{List, PublicKey};

use super::*;
use crate::following::tests::Chain;
use crate::shell::forwarding::tests::{listening, observing};
use crate::shell::mailbox::Mail;
use crate::shell::start::inner_mailbox;

const BLOCKS: usize = 3;

/// A validator.
struct Actor {
    chain: Arc<Chain>,
    /// Whether it has committed the blocks.
    has_blocks: bool,
    /// To how many questions for batches it has no answer yet.
    withheld: AtomicUsize,
    asked_for_blocks: AtomicUsize,
    asked_for_batches: AtomicUsize,
}

impl Actor {
    fn new(chain: &Arc<Chain>, has_blocks: bool, withheld: usize) -> Arc<Self> {
        let (asked_for_blocks, asked_for_batches) = (0.into(), 0.into());
        Arc::new(Self {
            chain: chain.clone(),
            has_blocks,
            withheld: withheld.into(),
            asked_for_blocks,
            asked_for_batches,
        })
    }

    fn asked_for_blocks(&self) -> usize {
        self.asked_for_blocks.load(Ordering::Relaxed)
    }

    fn asked_for_batches(&self) -> usize {
        self.asked_for_batches.load(Ordering::Relaxed)
    }
}

impl Receiver for Actor {
    async fn frame(&self, _: &PublicKey, _: Class, _: Vec<u8>) -> Result<(), Misbehaviour> {
        Ok(())
    }

    fn connected(&self, _: &PublicKey, _: bool) {}

    async fn request(&self, _: &PublicKey, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let answer = match Request::from_bytes(&bytes).expect("an observer sends nothing else") {
            Request::Blocks { above } => {
                self.asked_for_blocks.fetch_add(1, Ordering::Relaxed);
                let has_more = self.has_blocks && above == Height::ZERO;
                Answer::Blocks(has_more.then(|| Box::new(self.chain.run(BLOCKS, BLOCKS - 1))))
            }
            Request::Batches { range, .. } => {
                self.asked_for_batches.fetch_add(1, Ordering::Relaxed);
                let fewer = |withheld: usize| withheld.checked_sub(1);
                let is_withheld = self.withheld.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok();
                let batches = if is_withheld || !self.has_blocks { Vec::new() } else { self.chain.answer(&range) };
                Answer::Batches(List::truncated(batches))
            }
            _ => return None,
        };
        Some(encode(&answer))
    }

    async fn gossip(&self, _: &PublicKey, _: Topic, _: Vec<u8>) -> Verdict {
        Verdict::Ignore
    }
}

/// Follows these validators, who are asked in this order, until all blocks are on their way to the ledger. Returns how
/// long it took.
async fn follow(chain: &Chain, actors: &[Arc<Actor>]) -> Duration {
    let (company, clock) = (Arc::new(Company::new()), Clock::start());
    let horizon = Arc::new(Horizon::new(chain.committee.clone(), Height::ZERO));
    let (networks, peers) = listening(actors).await;
    let source = |peer: &althing_network::Peer| Source { key: peer.key, name: peer.name.clone(), role: peer.role };
    let sources = Sources::new(peers.iter().map(source).collect());
    let network: Network = observing(peers, &company, &horizon).await;
    // A head told of the last block.
    horizon.raise(Height::new(3));
    let (blocks, (committed, height)) = (inner_mailbox(), watch::channel(Height::ZERO));
    let mut follower = Follower {
        tip: chain.genesis(),
        handle: network.handle(),
        company,
        horizon,
        committee: Arc::new(chain.committee.clone()),
        sources,
        pace: Pace::new(),
        blocks: blocks.clone(),
        height,
        clock,
        stop: Stop::new(),
    };
    let began = clock.uptime();
    let following = tokio::spawn(async move { follower.run().await });
    let arrived = spawn_blocking(move || {
        let mut arrived = Vec::new();
        while arrived.len() < BLOCKS {
            let Mail::Some(blocks) = blocks.take(Some(Duration::from_secs(20)), BLOCKS) else { break };
            // As the ledger's thread would.
            committed.send_replace(blocks.last().map_or(Height::ZERO, |block| block.block.header.height));
            arrived.extend(blocks);
        }
        arrived
    });
    let arrived = arrived.await.expect("it does not panic");
    let took = clock.uptime().saturating_sub(began);
    assert_eq!(arrived.len(), BLOCKS, "they did not all arrive");
    assert!(arrived.iter().zip(1u64..).all(|(block, height)| block.block.header.height == Height::new(height)));
    following.abort();
    drop(networks);
    took
}

#[tokio::test]
async fn batches_are_asked_first_of_whoever_gave_the_blocks() {
    let chain = Arc::new(Chain::new(3, 2));
    let actors = [false, true, false, false].map(|has_blocks| Actor::new(&chain, has_blocks, 0));
    follow(&chain, &actors).await;
    let asked = actors.each_ref().map(|actor| actor.asked_for_batches());
    assert_eq!(asked, [0, 2, 0, 0], "one question for each of two lanes");
}

#[tokio::test]
async fn verified_blocks_wait_for_batches_that_nobody_has_yet() {
    let chain = Arc::new(Chain::new(3, 2));
    let actors = [Actor::new(&chain, true, 8)];
    let took = follow(&chain, &actors).await;
    assert!(actors[0].asked_for_batches() > 8, "it did not withhold any");
    assert_eq!(actors[0].asked_for_blocks(), 1, "what was verified was asked for again");
    assert!(took < Duration::from_secs(5), "one that does not have them yet was taken for a silent one: {took:?}");
}
