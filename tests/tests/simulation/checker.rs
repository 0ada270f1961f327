//! The safety rules, restated without the code that they check: they look at what leaves a validator and at what its
//! disk holds, never into a core.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::Record;
use althing_types::{
    Block, Committee, Finalization, Hash, Height, SignedVote, Summary, ValidatorIndex, View, Vote, decode,
};

use super::keys::SimulatedKeys;
use super::node::Node;

/// What an honest validator sent in one view, over all its lives.
#[derive(Clone, Debug, Default)]
struct Sent {
    notarized: BTreeSet<(View, Hash)>,
    nullified: BTreeSet<Option<Hash>>,
    finalized: BTreeSet<Hash>,
}

/// Everything that was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    sent: BTreeMap<(ValidatorIndex, View), Sent>,
    /// Votes and blocks that were ever durable, by node.
    durable_votes: BTreeSet<(usize, SignedVote)>,
    durable_blocks: BTreeSet<(usize, Hash)>,
    /// Votes that were ever durable anywhere.
    cast: BTreeSet<SignedVote>,
    /// Records of each node's log that were looked at.
    looked_at: BTreeMap<usize, usize>,
    /// The final block of each height.
    chain: BTreeMap<Height, Hash>,
    /// The result of each height.
    results: BTreeMap<Height, Summary>,
    /// Validators with two instances.
    twins: BTreeSet<ValidatorIndex>,
    pub(crate) failure: Option<String>,
}

impl Checker {
    pub(crate) fn new(twins: impl IntoIterator<Item = ValidatorIndex>) -> Self {
        Self { twins: twins.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    pub(crate) fn is_honest(&self, index: ValidatorIndex) -> bool {
        !self.twins.contains(&index)
    }

    /// The highest height that anyone knows to be final.
    pub(crate) fn height(&self) -> Height {
        self.chain.last_key_value().map_or(Height::ZERO, |(height, _)| *height)
    }

    /// Notes what became durable at a node.
    pub(crate) fn synced(&mut self, place: usize, node: &Node) {
        let records = node.disk.log.durable_records();
        let looked_at = self.looked_at.insert(place, records.len()).unwrap_or_default();
        for bytes in records.get(looked_at..).unwrap_or_default() {
            match decode::<Record>(bytes, usize::MAX) {
                Ok(Record::Vote(vote)) => {
                    self.durable_votes.insert((place, vote));
                    self.cast.insert(vote);
                }
                Ok(Record::Block(block)) => {
                    self.durable_blocks.insert((place, block.header.id()));
                }
                Ok(Record::Certificate(_)) => {}
                Err(error) => self.fail(format!("a durable record does not decode: {error}")),
            }
        }
    }

    /// A node replaced its log: everything in it is looked at anew.
    pub(crate) fn replaced(&mut self, place: usize) {
        self.looked_at.remove(&place);
    }

    /// A vote leaves a node: it must be durable there, with its block and that block's batches, and must not
    /// contradict anything that this validator ever sent.
    pub(crate) fn sends(&mut self, place: usize, node: &Node, vote: &SignedVote) {
        if !self.is_honest(node.index) {
            self.cast.insert(*vote);
            return;
        }
        let durable = self.durable_votes.contains(&(place, *vote));
        self.require(durable, || format!("node {place} sent a vote that is not durable: {vote:?}"));
        if let Vote::Notarize(notarize) = vote.vote {
            let kept = self.durable_blocks.contains(&(place, notarize.digest));
            self.require(kept, || format!("node {place} notarized a block that is not durable: {vote:?}"));
        }
        self.require(vote.signer == node.index, || format!("node {place} sent the vote of another: {vote:?}"));
        self.sends_consistently(vote);
    }

    fn sends_consistently(&mut self, vote: &SignedVote) {
        let sent = self.sent.entry((vote.signer, vote.vote.view())).or_default();
        match vote.vote {
            Vote::Notarize(it) => sent.notarized.insert((it.parent_view, it.digest)),
            Vote::Nullify(it) => sent.nullified.insert(it.report),
            Vote::Finalize(it) => sent.finalized.insert(it.digest),
        };
        let one_each = sent.notarized.len() <= 1 && sent.nullified.len() <= 1 && sent.finalized.len() <= 1;
        let exclusive = sent.nullified.is_empty() || sent.finalized.is_empty();
        let notarized = sent.notarized.first().map(|(_, digest)| *digest);
        // A notarize that was signed and never sent may be reported, but one that was sent must be.
        let truthful = sent.nullified.first().is_none_or(|report| notarized.is_none() || *report == notarized);
        let told = format!("validator {} contradicts itself in view {}: {sent:?}", vote.signer, vote.vote.view());
        self.require(one_each && exclusive && truthful, || told);
    }

    /// A block is handed over as final: nobody may know another one at its height, its certificate must hold, enough
    /// disks must have its batches, and the node itself must have the block.
    pub(crate) fn finalized(
        &mut self,
        place: usize,
        nodes: &[Node],
        committee: &Committee,
        block: &Block,
        finalization: &Finalization,
    ) {
        let (height, digest) = (block.header.height, block.header.id());
        if !self.is_honest(nodes[place].index) {
            return;
        }
        let known = *self.chain.entry(height).or_insert(digest);
        self.require(known == digest, || format!("fork at height {height}: {known} and {digest}"));
        let below = self.chain.get(&height.previous()).copied();
        let linked = below.is_none_or(|below| below == block.header.parent);
        self.require(linked, || format!("the block at height {height} is not the child of the one below"));
        let kept = self.durable_blocks.contains(&(place, digest));
        self.require(kept, || format!("node {place} acknowledged height {height} before it was durable"));
        let holders = nodes.iter().filter(|node| self.is_honest(node.index) && node.holds(block)).count();
        let needed = usize::from(committee.set.quorums().f()) + 1;
        self.require(holders >= needed, || format!("only {holders} disks hold the batches of height {height}"));
        self.certifies(&nodes[place].keys, committee, finalization);
    }

    /// A certificate holds a quorum of distinct validators, and the honest ones among them really voted so.
    fn certifies(&mut self, keys: &SimulatedKeys, committee: &Committee, finalization: &Finalization) {
        let votes = finalization.votes(committee);
        let signers: BTreeSet<ValidatorIndex> = votes.iter().map(|vote| vote.signer).collect();
        let (n, f) = (usize::from(committee.set.count()), usize::from(committee.set.quorums().f()));
        self.require(signers.len() == (n + f) / 2 + 1, || format!("a certificate of {} signers", signers.len()));
        for vote in votes {
            self.require(vote.verify(keys, committee), || "a certificate with a bad signature".to_owned());
            let signed = self.cast.contains(&vote);
            self.require(signed, || format!("a certificate with a vote that nobody cast: {vote:?}"));
        }
    }

    /// A height was executed: everybody must come to the same result.
    pub(crate) fn executed(&mut self, index: ValidatorIndex, summary: &Summary) {
        if self.is_honest(index) {
            let known = *self.results.entry(summary.height).or_insert(*summary);
            self.require(known == *summary, || format!("two results at height {}", summary.height));
        }
    }
}
