//! The safety rules, restated without the code that they check: they look at what leaves a validator, at what its disks
//! hold and at what its ledger says, never into a machine.

mod certificates;
mod durable;
mod model;
mod promises;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_consensus::{Alarm, Envelope, Message as ConsensusMessage, Standing};
use althing_genesis::Genesis;
use althing_ledger::{Committed, Reader};
use althing_mempool::{CheckedBatch, DataMessage};
use althing_replica::{Contact, Message, Note};
use althing_storage::FaultyStore;
use althing_types::{
    Block, Certificate, Epoch, Finality, Finalization, Hash, Header, Height, Notarize, SignedVote, Summary, View, Vote,
};

use self::certificates::Certificates;
use self::durable::{Abstention, Durable};
use self::model::Model;
use self::promises::Promises;
use super::epochs::Epochs;
use super::keys::SimulatedKeys;
use super::node::Disk;

/// What an honest validator sent in one view, over all its lives.
#[derive(Clone, Debug, Default)]
struct Sent {
    notarized: BTreeSet<(View, Hash)>,
    nullified: BTreeSet<Option<Hash>>,
    finalized: BTreeSet<Hash>,
}

/// What the checker needs to know of a block.
#[derive(Clone, Debug)]
struct Known {
    epoch: Epoch,
    ends_epoch: bool,
    height: Height,
    parent: Hash,
    /// The tips of the lanes that it names: lane, number, digest.
    lanes: Vec<(u32, u64, Hash)>,
}

/// What the checker needs to know of a batch.
#[derive(Clone, Copy, Debug)]
struct Link {
    seq: u64,
    previous: Hash,
}

/// Everything that was seen so far.
pub(crate) struct Checker {
    epochs: Arc<Epochs>,
    keys: SimulatedKeys,
    /// Who is at each place.
    contacts: Vec<Contact>,
    /// Nodes that lie, or have two instances.
    byzantine: BTreeSet<Contact>,
    /// Honest nodes whose disks may be lost.
    forgetful: BTreeSet<Contact>,
    /// Nodes of whose keys there are two votes, as they may notice.
    doubled: BTreeSet<Contact>,
    /// The highest view of each epoch in which a node had voted when its disks were lost.
    lost: BTreeMap<(Contact, Epoch), View>,
    sent: BTreeMap<(Contact, Epoch, View), Sent>,
    /// What is durable at each place.
    durable: Vec<Durable>,
    /// Votes that were ever durable anywhere.
    cast: BTreeSet<SignedVote>,
    /// Blocks and batches that were ever durable anywhere.
    blocks: BTreeMap<Hash, Known>,
    batches: BTreeMap<Hash, Link>,
    /// The final block of each height.
    chain: BTreeMap<Height, Hash>,
    /// The result of each height.
    results: BTreeMap<Height, Summary>,
    /// The height that the ledger of each place was seen to have committed.
    committed: Vec<Height>,
    /// The height that was last handed over at each place, in its present life.
    handed: Vec<Height>,
    promises: Promises,
    /// Headers of final blocks, and of genesis.
    headers: BTreeMap<Height, Header>,
    /// K of rules X1 and X2.
    k: usize,
    fast: u64,
    certificates: Certificates,
    pub(crate) model: Model,
    pub(crate) failure: Option<String>,
}

impl Checker {
    pub(crate) fn new(
        genesis: &Genesis,
        epochs: Arc<Epochs>,
        keys: SimulatedKeys,
        contacts: Vec<Contact>,
        byzantine: impl IntoIterator<Item = Contact>,
    ) -> Self {
        let places = contacts.len();
        Self {
            epochs,
            keys,
            contacts,
            byzantine: byzantine.into_iter().collect(),
            forgetful: BTreeSet::new(),
            doubled: BTreeSet::new(),
            lost: BTreeMap::new(),
            sent: BTreeMap::new(),
            durable: vec![Durable::default(); places],
            cast: BTreeSet::new(),
            blocks: BTreeMap::new(),
            batches: BTreeMap::new(),
            chain: BTreeMap::new(),
            results: BTreeMap::new(),
            committed: vec![Height::ZERO; places],
            handed: vec![Height::ZERO; places],
            promises: Promises::new(places),
            headers: BTreeMap::from([(Height::ZERO, genesis.header())]),
            k: usize::from(genesis.params().consensus.k),
            fast: 0,
            certificates: Certificates::default(),
            model: Model::new(genesis),
            failure: None,
        }
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    pub(crate) fn is_honest(&self, contact: Contact) -> bool {
        !self.byzantine.contains(&contact)
    }

    fn is_honest_place(&self, place: usize) -> bool {
        self.is_honest(self.contacts[place])
    }

    /// The highest height that anyone knows to be final.
    pub(crate) fn height(&self) -> u64 {
        self.chain.last_key_value().map_or(0, |(height, _)| height.get())
    }

    /// Notes what became durable in the logs of a place. `anew` if they may hold something else than before.
    pub(crate) fn synced(&mut self, place: usize, disk: &Disk, anew: bool) {
        let news = self.durable[place].read(disk, self.contacts[place], anew, &self.epochs);
        self.cast.extend(news.votes);
        self.blocks.extend(news.blocks);
        self.batches.extend(news.batches);
        if !self.is_honest_place(place) {
            return;
        }
        let durable = &self.durable[place];
        if let Abstention::UpTo(epoch, to) = durable.abstention {
            let of_epoch = durable.certified.range(..=(epoch, View::new(u64::MAX))).next_back();
            let certified = of_epoch.filter(|(of, _)| *of == epoch).map_or(View::ZERO, |(_, view)| *view);
            let proven = to <= certified.max(durable.floor(epoch)).plus(3);
            self.require(proven, || format!("place {place} abstains up to view {to}, and knows of view {certified}"));
        }
        for certificate in news.certificates {
            if let Err(what) = self.add_certificate(&certificate) {
                self.fail(format!("the log of place {place} holds {what}"));
            }
        }
    }

    fn add_certificate(&mut self, certificate: &Certificate) -> Result<(), String> {
        let Self { certificates, epochs, byzantine, cast, keys, .. } = self;
        let is_liar = |vote: &SignedVote| {
            epochs.contact(vote.vote.epoch(), vote.signer).is_some_and(|contact| byzantine.contains(&contact))
        };
        let was_cast = |vote: &SignedVote| is_liar(vote) || cast.contains(vote);
        certificates.add(certificate, epochs.committee(certificate.epoch()), keys, was_cast)
    }

    /// The disks of these may be lost.
    pub(crate) fn expect_losses(&mut self, forgetful: impl IntoIterator<Item = Contact>) {
        self.forgetful.extend(forgetful);
    }

    /// This one may find that another one signs with its key.
    #[cfg(test)]
    pub(crate) fn expect_doubled(&mut self, contact: Contact) {
        self.doubled.insert(contact);
    }

    /// Whether a node may break what only whole disks can keep.
    pub(crate) fn is_excused(&self, contact: Contact) -> bool {
        self.byzantine.contains(&contact) || self.forgetful.contains(&contact)
    }

    /// The height that the ledger of a place was seen to have committed.
    pub(crate) fn committed(&self, place: usize) -> Height {
        self.committed[place]
    }

    /// A validator lost its disks, or so much of them that its ledger has committed no more than this height.
    pub(crate) fn wiped(&mut self, place: usize, left: Height) {
        let contact = self.contacts[place];
        for (_, epoch, view) in self.sent.keys().filter(|(signer, _, _)| *signer == contact) {
            self.lost.insert((contact, *epoch), *view);
        }
        self.promises.lost(place);
        self.durable[place] = Durable::default();
        (self.committed[place], self.handed[place]) = (left, left);
    }

    /// Final blocks that were certified by the fast path where they were handed over first.
    pub(crate) const fn fast(&self) -> u64 {
        self.fast
    }

    // ---- what leaves a validator ----

    /// A message leaves a place.
    pub(crate) fn sends(&mut self, place: usize, message: &Message) {
        if !self.is_honest_place(place) {
            let me = self.contacts[place];
            let own = own_vote(message).filter(|vote| self.signs_as(vote) == Some(me));
            self.cast.extend(own);
            return;
        }
        match message {
            Message::Consensus(envelope) => self.sends_envelope(place, envelope),
            Message::Data(message) => self.sends_data(place, message),
        }
        if let Some(vote) = own_vote(message) {
            self.sends_vote(place, &vote);
        }
    }

    /// Who a vote says signed it.
    fn signs_as(&self, vote: &SignedVote) -> Option<Contact> {
        self.epochs.contact(vote.vote.epoch(), vote.signer)
    }

    /// The hints of an envelope speak of durable certificates only (D7).
    fn sends_envelope(&mut self, place: usize, envelope: &Envelope) {
        let durable = &self.durable[place];
        let (epoch, known) = (envelope.epoch, durable.floor(envelope.epoch));
        let floor = envelope.floor == View::ZERO || known >= envelope.floor;
        let opened = envelope.view.previous();
        let entered = opened == View::ZERO || known >= opened || durable.certified.contains(&(epoch, opened));
        self.require(floor && entered, || {
            format!("place {place} announces view {} and floor {} too early", envelope.view, envelope.floor)
        });
    }

    fn sends_data(&mut self, place: usize, message: &DataMessage) {
        let claimed: Vec<Hash> = match message {
            DataMessage::Batch(batch) => vec![batch.batch.digest()],
            DataMessage::Batches(batches) => batches.iter().map(|batch| batch.batch.digest()).collect(),
            DataMessage::Acks(acks) => {
                let executed = acks.executed <= self.committed[place];
                self.require(executed, || format!("place {place} reports height {} too early", acks.executed));
                acks.tips.iter().map(|tip| tip.tip).filter(|tip| *tip != Hash::ZERO).collect()
            }
            DataMessage::GetBatches { .. } => Vec::new(),
        };
        let lacking = claimed.into_iter().find(|digest| !self.holds(place, digest));
        self.require(lacking.is_none(), || format!("place {place} shows a batch that it does not hold: {message:?}"));
    }

    /// A vote leaves a place: it must be durable there, with its block and all batches below it, and must not contradict
    /// anything that this validator ever sent.
    fn sends_vote(&mut self, place: usize, vote: &SignedVote) {
        let (epoch, view, abstention) = (vote.vote.epoch(), vote.vote.view(), self.durable[place].abstention);
        let opened = epoch == Epoch::ZERO || self.durable[place].opened.contains(&epoch);
        self.require(opened, || {
            format!("place {place} voted in an epoch before its log says how that began: {vote:?}")
        });
        let may = abstention.permits(epoch, view);
        self.require(may, || format!("place {place} abstains: {abstention:?}, and sent {vote:?}"));
        let lost = self.lost.get(&(self.contacts[place], epoch)).copied().unwrap_or_default();
        self.require(view > lost, || format!("place {place} had voted in view {lost}, forgot it and sent {vote:?}"));
        let durable = self.durable[place].votes.contains(vote);
        self.require(durable, || format!("place {place} sent a vote that is not durable: {vote:?}"));
        if let Vote::Notarize(notarize) = vote.vote {
            let justified = self.is_justified(place, &notarize);
            self.require(justified, || format!("place {place} notarized what is not justified: {vote:?}"));
        }
        if let Vote::Notarize(notarize) = vote.vote
            && !self.durable[place].complete.contains(&notarize.digest)
        {
            match self.lacks(place, notarize.digest) {
                Some(what) => self.fail(format!("place {place} notarized too early: {what}: {vote:?}")),
                None => {
                    self.durable[place].complete.insert(notarize.digest);
                }
            }
        }
        let own = self.signs_as(vote) == Some(self.contacts[place]);
        self.require(own, || format!("place {place} sent the vote of another: {vote:?}"));
        self.sends_consistently(vote);
    }

    /// A block stands on one that was certified in its parent view, and every view between is certified to be skipped
    /// (V3). The certificates came into the log before the vote did.
    fn is_justified(&self, place: usize, vote: &Notarize) -> bool {
        let durable = &self.durable[place];
        let Some(block) = self.blocks.get(&vote.digest) else { return false };
        let (epoch, at) = (vote.epoch, vote.parent_view);
        let certified = if at == View::ZERO {
            self.begins(epoch, &block.parent)
        } else {
            // A boundary block may stand on itself (E2), and nothing else may stand on it in its epoch.
            let again = block.ends_epoch && durable.built_on.contains(&(epoch, at, vote.digest));
            let is_boundary = self.blocks.get(&block.parent).is_some_and(|it| it.ends_epoch && it.epoch == epoch);
            again || (durable.built_on.contains(&(epoch, at, block.parent)) && !is_boundary)
        };
        let between = at.next().get()..vote.view.get();
        certified && between.map(View::new).all(|view| durable.skipped.contains(&(epoch, view)))
    }

    fn sends_consistently(&mut self, vote: &SignedVote) {
        let Some(signer) = self.signs_as(vote) else { return };
        let sent = self.sent.entry((signer, vote.vote.epoch(), vote.vote.view())).or_default();
        if let Vote::Notarize(it) = vote.vote
            && !sent.notarized.contains(&(it.parent_view, it.digest))
            && sent.finalized.iter().any(|finalized| *finalized != it.digest)
        {
            self.failure
                .get_or_insert(format!("validator {} notarizes beside what it finalized: {vote:?}", vote.signer));
        }
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

    // ---- what is held ----

    /// Whether a batch is on the disks of a place: in its log, or in its ledger.
    fn holds(&self, place: usize, digest: &Hash) -> bool {
        let in_ledger = || self.model.ordered_at(digest).is_some_and(|height| height <= self.committed[place]);
        self.durable[place].batches.contains(digest) || in_ledger()
    }

    /// What is missing at a place of a block and of all blocks below it that its ledger does not have.
    fn lacks(&self, place: usize, digest: Hash) -> Option<String> {
        let mut next = digest;
        loop {
            let Some(block) = self.blocks.get(&next) else {
                return (!self.is_genesis(&next)).then(|| format!("the block {next} is nowhere durable"));
            };
            if block.height <= self.committed[place] {
                return None;
            }
            if !self.durable[place].blocks.contains(&next) {
                return Some(format!("the block {next} at height {} is not durable", block.height));
            }
            if let Some(batch) = self.batches_of(block).into_iter().find(|batch| !self.holds(place, batch)) {
                return Some(format!("the batch {batch} of height {} is not durable", block.height));
            }
            next = block.parent;
        }
    }

    /// Whether an epoch begins above a block.
    fn begins(&self, epoch: Epoch, digest: &Hash) -> bool {
        let ends_before = |block: &Known| block.ends_epoch && block.epoch.next() == epoch;
        if epoch == Epoch::ZERO { self.is_genesis(digest) } else { self.blocks.get(digest).is_some_and(ends_before) }
    }

    fn is_genesis(&self, digest: &Hash) -> bool {
        *digest == self.model.genesis()
    }

    /// The digests of the batches that a block orders, as far as they were ever durable anywhere.
    fn batches_of(&self, block: &Known) -> Vec<Hash> {
        let mut digests = Vec::new();
        for (lane, top, tip) in &block.lanes {
            let below = self.tip_below(block.parent, block.epoch, *lane);
            let (mut seq, mut digest) = (*top, *tip);
            while seq > below {
                digests.push(digest);
                let Some(link) = self.batches.get(&digest).filter(|link| link.seq == seq) else { break };
                (seq, digest) = (seq - 1, link.previous);
            }
        }
        digests
    }

    /// The number of a lane's tip after a block, in an epoch.
    fn tip_below(&self, digest: Hash, epoch: Epoch, lane: u32) -> u64 {
        let mut next = digest;
        while let Some(block) = self.blocks.get(&next).filter(|block| block.epoch == epoch) {
            if let Some((_, seq, _)) = block.lanes.iter().find(|(of, _, _)| *of == lane) {
                return *seq;
            }
            next = block.parent;
        }
        0
    }

    // ---- what is final ----

    /// A block is handed over as final: nobody may know another one at its height, its certificate must hold, enough
    /// disks must have its batches, and the place itself must have everything.
    pub(crate) fn finalized(
        &mut self,
        place: usize,
        block: &Block,
        finalization: &Finalization,
        batches: &[CheckedBatch],
    ) {
        let (height, digest) = (block.header.height, block.header.id());
        if !self.is_honest_place(place) {
            return;
        }
        let last = std::mem::replace(&mut self.handed[place], height);
        self.require(height == last.next(), || format!("place {place} handed over height {height} after {last}"));
        let is_fast = matches!(finalization.finality, Finality::Fast { .. });
        self.fast += u64::from(is_fast && !self.chain.contains_key(&height));
        let known = *self.chain.entry(height).or_insert(digest);
        self.require(known == digest, || format!("fork at height {height}: {known} and {digest}"));
        let below = self.chain.get(&height.previous()).copied();
        let linked = below.is_none_or(|below| below == block.header.parent);
        self.require(linked, || format!("the block at height {height} is not the child of the one below"));
        if let Some(what) = self.breaks_a_rule(block) {
            self.fail(format!("the block at height {height} {what}"));
        }
        self.headers.insert(height, block.header.clone());
        if let Some(what) = self.lacks(place, digest) {
            self.fail(format!("place {place} handed over height {height} too early: {what}"));
        }
        if let Err(what) = self.add_certificate(&Certificate::Finalization(finalization.clone())) {
            self.fail(format!("place {place} hands over with {what}"));
        }
        let certified = self.durable[place].floor(finalization.vote.epoch) >= finalization.vote.view;
        self.require(certified, || {
            format!("place {place} handed over height {height} before its certificate was durable")
        });
        self.is_on_enough_disks(height, digest, block.header.epoch);
        for summary in &block.body.results {
            let known = self.results.get(&summary.height);
            let same = known == Some(summary);
            self.require(same, || format!("height {height} carries {summary:?}, which nobody computed"));
        }
        if let Err(what) = self.model.execute(block, batches) {
            self.fail(format!("height {height} as handed over at place {place}: {what}"));
        }
    }

    /// What is wrong with a final block beside the one below it (V1, V3, V4, X1, X2).
    fn breaks_a_rule(&self, block: &Block) -> Option<&'static str> {
        let (header, body) = (&block.header, &block.body);
        let below = self.headers.get(&header.height.previous())?;
        let lag = header.height.get() - header.executed_height.get().min(header.height.get());
        let carried = header.executed_height.get().checked_sub(below.executed_height.get());
        let carried_up_to = self.headers.get(&header.executed_height)?;
        let set_hash = self.epochs.has(header.epoch).then(|| self.epochs.committee(header.epoch).set.hash());
        let ends = self.epochs.has(header.epoch).then(|| self.epochs.next_validators(header, carried_up_to));
        let of_epoch = header.epoch == below.epoch_above();
        let rules = [
            (header.time > below.time, "is not later than its parent"),
            (header.chain == below.chain && of_epoch, "is of another chain or epoch"),
            (set_hash == Some(header.validators) && header.params == below.params, "names other validators"),
            (ends == Some(header.next_validators), "ends its epoch, or does not, against the state"),
            (header.ext.is_empty(), "holds what no rule gives a meaning"),
            (header.proposer.get() < self.epochs.committee(header.epoch).set.count(), "is of nobody"),
            (header.executed_height < header.height, "carries the result of itself"),
            (carried == Some(body.results.len() as u64), "carries results with a gap"),
            (body.results.len() <= self.k, "carries too many results"),
            (lag <= self.k as u64 || (body.lanes.is_empty() && body.evidence.is_empty()), "orders too much too early"),
            (body.lanes.is_sorted_by(|a, b| a.lane < b.lane), "names its lanes in disorder"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what)
    }

    /// At least f + 1 honest disks hold what is final, as long as there are no more of them than f (L4).
    fn is_on_enough_disks(&mut self, height: Height, digest: Hash, epoch: Epoch) {
        let faulty = usize::from(self.epochs.committee(epoch).set.quorums().f());
        let belongs = |contact: &Contact| self.epochs.index_of(epoch, *contact).is_some();
        let hurt = self.byzantine.iter().chain(&self.forgetful).filter(|contact| belongs(contact));
        if hurt.count() > faulty {
            return;
        }
        let Some(block) = self.blocks.get(&digest) else { return };
        let batches = self.batches_of(block);
        let honest = (0..self.contacts.len()).filter(|place| self.is_honest_place(*place));
        let holders = honest.filter(|place| batches.iter().all(|batch| self.holds(*place, batch))).count();
        let needed = faulty + 1;
        self.require(holders >= needed, || format!("only {holders} disks hold the batches of height {height}"));
    }

    /// A height was executed: everybody must come to the same result, and to that of the model.
    pub(crate) fn executed(&mut self, place: usize, committed: &Committed, reader: &Reader<FaultyStore>) {
        let summary = committed.summary;
        let height = summary.height;
        self.committed[place] = height;
        if !self.is_honest_place(place) {
            return;
        }
        let known = *self.results.entry(height).or_insert(summary);
        self.require(known == summary, || format!("two results at height {height}: {known:?} and {summary:?}"));
        let named = self.chain.get(&height) == Some(&summary.block);
        self.require(named, || format!("place {place} executed another block than the final one at height {height}"));
        if let Err(what) = self.model.compare(committed) {
            self.fail(format!("place {place} at height {height}: {what}"));
        }
        if height.get().is_multiple_of(16) {
            self.compare_state(place, reader);
        }
    }

    /// The balances at a place must be those of the model.
    pub(crate) fn compare_state(&mut self, place: usize, reader: &Reader<FaultyStore>) {
        if let Err(what) = self.model.compare_state(reader) {
            self.fail(format!("the state at place {place}: {what}"));
        }
    }

    /// A ledger was opened again: it holds all that it was seen to hold, and at most the block that was under way.
    pub(crate) fn reopened(&mut self, place: usize, reader: &Reader<FaultyStore>) {
        let head = reader.head();
        let (height, before) = (head.header.height, self.committed[place]);
        let kept = height == before || height == before.next();
        self.require(kept, || format!("place {place} had committed height {before} and restarts at {height}"));
        (self.committed[place], self.handed[place]) = (height, height);
        self.promises.restarted(place);
        if self.epochs.index_of(head.header.epoch_above(), self.contacts[place]).is_none() {
            self.promises.left(place, &self.model);
        }
        if self.is_honest_place(place) && height > Height::ZERO {
            let same = self.chain.get(&height) == Some(&head.id);
            self.require(same, || format!("place {place} restarts with another block at height {height}"));
            let known = self.results.entry(height).or_insert(head.summary);
            let same = *known == head.summary;
            self.require(same, || format!("place {place} restarts with another result at height {height}"));
        }
    }

    // ---- what is said to clients and operators ----

    /// A validator says something that nothing depends on.
    pub(crate) fn noted(&mut self, place: usize, note: &Note) {
        if !self.is_honest_place(place) {
            return;
        }
        let blamed = match note {
            Note::Evidence(evidence) => {
                let committee = self.epochs.committee(evidence.epoch());
                let proven = evidence.verify(&self.keys, committee).is_ok();
                let culprit = self.epochs.contact(evidence.epoch(), evidence.culprit());
                self.require(proven, || format!("evidence that proves nothing: {evidence:?}"));
                culprit.is_none_or(|culprit| self.is_honest(culprit))
            }
            Note::Misbehaved(peer, _) => self.is_honest(*peer),
            Note::Alarm(alarm) => match &**alarm {
                // A lying leader may carry results of its own.
                Alarm::ResultsDiffer { .. } => self.byzantine.is_empty(),
                Alarm::Diverged { .. }
                | Alarm::Fork { .. }
                | Alarm::OtherValidators { .. }
                // The replica says whom by a note of its own.
                | Alarm::Misbehaved { .. } => true,
            },
            Note::Silent => !self.is_excused(self.contacts[place]),
            Note::Standing(standing) => self.is_wrong_about_itself(place, standing),
            _ => false,
        };
        if let Note::Epoch(epoch) = note
            && self.epochs.index_of(*epoch, self.contacts[place]).is_none()
        {
            self.promises.left(place, &self.model);
        }
        self.require(!blamed, || format!("false alarm at place {place}: {note:?}"));
        let told = self.promises.noted(place, note, &self.durable[place], &self.model);
        if let Err(what) = told {
            self.fail(format!("place {place}: {what}"));
        }
    }

    /// A validator says what it knows of its past: only who lost its disks abstains, and nobody else signs with the key of
    /// an honest one.
    fn is_wrong_about_itself(&self, place: usize, standing: &Standing) -> bool {
        match standing {
            Standing::Abstaining { .. } | Standing::Settled { .. } => !self.is_excused(self.contacts[place]),
            Standing::Doubled { .. } => !self.doubled.contains(&self.contacts[place]),
            Standing::Whole { .. } | Standing::Recovering { .. } => true,
        }
    }

    /// Nothing is left to do: what was promised must have been kept.
    pub(crate) fn rests(&mut self, place: usize, pooled: usize) {
        if let Err(what) = self.promises.kept(place, pooled, &self.model) {
            self.fail(format!("at rest, place {place}: {what}"));
        }
    }

    /// A validator submitted a transaction that it takes, for the tally.
    pub(crate) fn accepted(&self) -> usize {
        self.promises.accepted_count()
    }
}

/// The vote that a message carries in its sender's name.
fn own_vote(message: &Message) -> Option<SignedVote> {
    let Message::Consensus(envelope) = message else { return None };
    match &envelope.message {
        ConsensusMessage::Vote(vote) => Some(*vote),
        ConsensusMessage::Proposal(proposal) => Some(proposal.vote),
        _ => None,
    }
}
