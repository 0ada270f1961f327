//! A validator whole but for its threads: a real replica over a real ledger, with logs that write when they are told
//! to.
//!
//! Whatever it does is checked: what it sends is decoded again and travels on one stream, its votes were durable before
//! they left and never contradict each other, over all its lives, and its lane holds one batch for each place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use althing_consensus::{Message as ConsensusMessage, Now, Record};
use althing_ledger::{FinalBlock, Ledger, SPACES};
use althing_mempool::{DataMessage, LANE_BATCHES_MAX, POOL_TRANSACTIONS_MAX, SharedBatch, check_batch};
use althing_replica::{Action, Config, Contact, Event, Found, LogLimits, Message, Replica, archive, wire};
use althing_storage::{FaultyStore, StoreFaultPlan};
use althing_types::{Evidence, Hash, Monotonic, SignedBatch, SignedVote, TimeMs, ValidatorIndex};

use super::{Chain, Disk, WALL_MS, keys};
use crate::keys::LooseKeys;

/// Where the steady clock begins, in microseconds.
const START_US: u64 = 1_000_000;
/// Small logs, so that they are replaced often.
const LOGS: LogLimits = LogLimits { vote_bytes_max: 6_000, batch_garbage_bytes_max: 4_000 };
/// Actions of one step at most.
const ACTIONS_MAX: usize = 2_000;

/// Messages that a validator wants to send.
pub(crate) type Said = Vec<(Vec<Contact>, Message)>;

/// A validator.
pub(crate) struct Validator {
    chain: &'static Chain,
    me: ValidatorIndex,
    keys: LooseKeys,
    pub(crate) replica: Replica,
    ledger: Ledger<FaultyStore>,
    store: FaultyStore,
    pub(crate) votes: Disk<althing_consensus::Lsn, Record>,
    pub(crate) batches: Disk<althing_mempool::Lsn, Arc<SignedBatch>>,
    /// Final blocks that wait for execution.
    blocks: VecDeque<FinalBlock>,
    /// Batches that wait for their check.
    checks: VecDeque<(Contact, SharedBatch)>,
    now: Now,
    /// Votes of mine that were ever durable, and those that left.
    durable: BTreeSet<SignedVote>,
    sent: Vec<SignedVote>,
    /// The batches of my lane that left, by their numbers.
    lane: BTreeMap<u64, Hash>,
    /// Whether the ledger refused what all others certified; a node ends there.
    pub(crate) has_stopped: bool,
}

impl Validator {
    /// A validator at genesis.
    pub(crate) fn new(chain: &'static Chain, me: ValidatorIndex) -> Self {
        let store = FaultyStore::new(SPACES, StoreFaultPlan::default());
        let ledger = Ledger::open(Arc::new(store.clone()), &chain.genesis).expect("a new ledger");
        let (votes, batches) = (Disk::default(), Disk::default());
        Self {
            chain,
            me,
            keys: keys(me.get()),
            replica: start(chain, me, &ledger, &votes, &batches),
            ledger,
            store,
            votes,
            batches,
            blocks: VecDeque::new(),
            checks: VecDeque::new(),
            now: Now { monotonic: Monotonic::new(START_US), wall: TimeMs::new(WALL_MS) },
            durable: BTreeSet::new(),
            sent: Vec::new(),
            lane: BTreeMap::new(),
            has_stopped: false,
        }
    }

    /// Something happens; what the validator says.
    pub(crate) fn step(&mut self, event: Event) -> Said {
        let mut actions = Vec::new();
        self.replica.step(&self.keys, self.now, event, &mut actions);
        assert!(actions.len() < ACTIONS_MAX, "{} actions of one step", actions.len());
        let past = self.replica.deadline().filter(|at| *at <= self.now.monotonic);
        assert_eq!(past, None, "a deadline in the past spins");
        let mut said = Vec::new();
        for action in actions {
            self.carry_out(action, &mut said);
        }
        said.iter().for_each(|(_, message)| self.check(message));
        said
    }

    fn carry_out(&mut self, action: Action, said: &mut Said) {
        match action {
            Action::AppendVote { lsn, record } => self.votes.append(lsn, *record),
            Action::CompactVotes { lsn, records } => self.votes.replace(lsn, records),
            Action::AppendBatch { lsn, batch } => self.batches.append(lsn, batch),
            Action::CompactBatches { lsn, batches } => self.batches.replace(lsn, batches),
            Action::Send { to, message } => said.push((to, message)),
            Action::CheckBatch { from, batch, .. } => self.checks.push_back((from, batch)),
            Action::Execute { block, finalization, batches } => {
                self.blocks.push_back(archive::final_block(*block, *finalization, batches));
            }
            Action::ServeBlocks { to, above, hints } => {
                let answer = archive::blocks_above(&self.ledger.reader(), *hints, above).expect("the disk can be read");
                said.extend(answer.map(|message| (vec![to], message)));
            }
            Action::ServeEnd { to, epoch, hints } => {
                let answer = archive::end_of_epoch(&self.ledger.reader(), *hints, epoch).expect("the disk can be read");
                said.extend(answer.map(|message| (vec![to], message)));
            }
            Action::ServeBatches { to, epoch, range } => {
                let answer = archive::batches_down(&self.ledger.reader(), epoch, &range).expect("the disk can be read");
                said.extend(answer.map(|message| (vec![to], message)));
            }
            Action::Note(_) => {}
        }
    }

    /// What leaves is a message of its class, and no word against an earlier one.
    fn check(&mut self, message: &Message) {
        let (class, frame) = wire::to_frame(message);
        let arrived = wire::from_frame(class, &frame);
        assert!(arrived.as_ref() == Ok(message), "{message:?} arrives as {arrived:?}");
        match message {
            Message::Consensus(envelope) => match &envelope.message {
                ConsensusMessage::Vote(vote) => self.check_vote(*vote),
                ConsensusMessage::Proposal(proposal) => self.check_vote(proposal.vote),
                _ => {}
            },
            Message::Data(DataMessage::Batch(batch)) => self.check_lane(batch),
            Message::Data(DataMessage::Batches(batches)) => batches.iter().for_each(|batch| self.check_lane(batch)),
            Message::Data(_) => {}
        }
    }

    fn check_vote(&mut self, vote: SignedVote) {
        assert_eq!(vote.signer, self.me, "a vote in another's name");
        assert!(self.durable.contains(&vote), "{vote:?} left and was not durable");
        let against = self.sent.iter().find_map(|sent| Evidence::of_votes(*sent, vote));
        assert_eq!(against, None, "a vote against an earlier one");
        if !self.sent.contains(&vote) {
            self.sent.push(vote);
        }
    }

    fn check_lane(&mut self, batch: &SharedBatch) {
        if batch.batch.lane == u32::from(self.me.get()) {
            let digest = batch.batch.digest();
            let first = *self.lane.entry(batch.batch.seq).or_insert(digest);
            assert_eq!(first, digest, "a second batch {} of my lane", batch.batch.seq);
        }
    }

    /// Both clocks move on.
    pub(crate) fn pass(&mut self, us: u64) {
        self.now.monotonic = self.now.monotonic.plus(us);
        self.now.wall = TimeMs::new(WALL_MS + self.now.monotonic.above(Monotonic::new(START_US)) / 1_000);
    }

    /// Writes so much of what waits for the log of votes.
    pub(crate) fn sync_votes(&mut self, count: usize) -> Said {
        let durable = self.votes.write(count);
        self.learn_votes();
        durable.map(|lsn| self.step(Event::VotesDurable(lsn))).unwrap_or_default()
    }

    fn learn_votes(&mut self) {
        let votes = self.votes.records().iter().filter_map(|record| match record {
            Record::Vote(vote) => Some(*vote),
            _ => None,
        });
        self.durable.extend(votes);
    }

    /// Writes so much of what waits for the log of batches.
    pub(crate) fn sync_batches(&mut self, count: usize) -> Said {
        let durable = self.batches.write(count);
        durable.map(|lsn| self.step(Event::BatchesDurable(lsn))).unwrap_or_default()
    }

    /// Checks the batch that waits longest.
    pub(crate) fn check_next(&mut self) -> Option<Said> {
        let (from, batch) = self.checks.pop_front()?;
        let limits = &self.chain.genesis.params().limits;
        let checked = check_batch(batch.0, &self.chain.committee, limits, &self.keys);
        Some(self.step(Event::Batch { from, checked }))
    }

    /// Executes the block that waits longest. What all others certified together need not be something that can be
    /// executed: then the ledger says so, and the node stops.
    pub(crate) fn commit_next(&mut self) -> Option<Said> {
        let block = self.blocks.pop_front()?;
        let committed = archive::commit(&mut self.ledger, block);
        self.has_stopped = committed.is_err();
        committed.ok().map(|(_, outcome)| self.step(Event::Committed(Box::new(outcome))))
    }

    /// The power goes, after so much more was written to each log, and comes back.
    pub(crate) fn crash(&mut self, votes: usize, batches: usize) {
        self.votes.crash(votes);
        self.batches.crash(batches);
        self.learn_votes();
        self.store.crash(0);
        self.store.reopen();
        self.blocks.clear();
        self.checks.clear();
        self.ledger = Ledger::open(Arc::new(self.store.clone()), &self.chain.genesis).expect("a ledger of ours");
        self.replica = start(self.chain, self.me, &self.ledger, &self.votes, &self.batches);
    }

    /// What it holds is bounded.
    pub(crate) fn check_bounds(&self) {
        let held = self.replica.mempool();
        assert!(held.pool_count <= POOL_TRANSACTIONS_MAX && held.own_batches <= LANE_BATCHES_MAX, "{held:?}");
    }

    /// The ledger's height.
    pub(crate) fn height(&self) -> u64 {
        self.ledger.head().header.height.get()
    }

    /// The validator's ledger, when it is needed no more.
    pub(crate) fn into_ledger(self) -> Ledger<FaultyStore> {
        self.ledger
    }
}

fn start(
    chain: &Chain,
    me: ValidatorIndex,
    ledger: &Ledger<FaultyStore>,
    votes: &Disk<althing_consensus::Lsn, Record>,
    batches: &Disk<althing_mempool::Lsn, Arc<SignedBatch>>,
) -> Replica {
    let (head, reader) = (ledger.head(), ledger.reader());
    let accused = reader.accused(head.header.epoch).expect("the disk can be read");
    let found = Found {
        header: head.header.clone(),
        cut: head.cut.clone(),
        view: head.view,
        summaries: reader.summaries_above(head.header.executed_height).expect("the disk can be read"),
        accused: accused.into_iter().map(|index| (head.header.epoch, index)).collect(),
        change: None,
        votes: votes.records().to_vec(),
        batches: batches.records().to_vec(),
    };
    let config = Config::at_genesis(chain.committee.clone(), me, *chain.genesis.params(), chain.genesis.header());
    Replica::start_with(config, LOGS, found).expect("its own logs and ledger")
}
