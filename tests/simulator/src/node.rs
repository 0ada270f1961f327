//! A simulated validator: a real replica, a real ledger and real records, on disks that forget what was not synced.
//!
//! The threads that a node has around its replica are models here: two log writers, the executor, and the one that
//! checks batches. Disks survive a crash, everything else is lost with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use althing_consensus::{Message as ConsensusMessage, Opening, Proposal, Record, Standing};
use althing_genesis::Genesis;
use althing_ledger::{FinalBlock, Ledger, LedgerError, Reader, SPACES};
use althing_replica::{Config, Contact, Found, LogLimits, Message, Outcome, Replica, StartError, archive};
use althing_storage::{FaultyStore, RECORD_BYTES_MAX, StoreFaultPlan};
use althing_types::{Epoch, Hash, Height, SignedBatch, View, decode, encode, leaf_hash};

use super::epochs::Epochs;
use super::keys::SimulatedKeys;
use super::random::Random;
use super::writer::{DiskLog, Writer};

/// The disks of a validator.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) votes: DiskLog,
    pub(crate) batches: DiskLog,
    pub(crate) store: FaultyStore,
}

impl Disk {
    fn empty() -> Self {
        let store = FaultyStore::new(SPACES, StoreFaultPlan::default());
        Self { votes: DiskLog::new(), batches: DiskLog::new(), store }
    }

    /// What a copy holds that is made while the node is down.
    fn copy(&self) -> Self {
        let holding = |log: &DiskLog| DiskLog::holding(log.durable_records());
        Self { votes: holding(&self.votes), batches: holding(&self.batches), store: self.store.copy() }
    }
}

/// What a node that is down loses, and what its operator says about it (D10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The whole folder; it recovers.
    Folder,
    /// Both logs; the ledger is kept, and it recovers.
    Logs,
    /// The log of votes; the batches and the ledger are kept, and it recovers.
    VoteLog,
    /// The folder is replaced by the older copy, if there is one; it recovers.
    Newer,
    /// The whole folder of one that was no validator yet; it begins anew.
    Unused,
}

/// What a validator has in memory.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) replica: Replica,
    pub(crate) ledger: Ledger<FaultyStore>,
    pub(crate) votes: Writer<althing_consensus::Lsn>,
    pub(crate) batches: Writer<althing_mempool::Lsn>,
    /// Final blocks that wait for execution. The first may be under way.
    pub(crate) blocks: VecDeque<FinalBlock>,
    pub(crate) executing: bool,
    /// When the last batch of each sender is checked.
    pub(crate) checked_at: BTreeMap<Contact, u64>,
    /// When the next wake-up is scheduled.
    pub(crate) wake: Option<u64>,
    /// The epoch in which it was started, and the number of its newest batch then.
    pub(crate) began_with: (Epoch, u64),
}

/// A simulated validator.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) index: Contact,
    pub(crate) keys: SimulatedKeys,
    pub(crate) disk: Disk,
    /// None while it is down.
    pub(crate) running: Option<Running>,
    /// Counts its lives; what was scheduled in an earlier one is void.
    pub(crate) life: u64,
    /// How far its clock is off.
    pub(crate) skew_ms: i64,
    /// Actions after which the power goes.
    pub(crate) power: Option<u64>,
    /// A copy of its disks that its operator made while it was down, with the height that they had committed.
    pub(crate) copy: Option<(Disk, Height)>,
    /// Whether it was ever a validator of an epoch that it was in.
    pub(crate) was_seated: bool,
    /// Proposals that reached it or left it, by block; only Byzantine validators remember them.
    pub(crate) heard: BTreeMap<Hash, Proposal>,
    /// The last messages that it meant to send; only Byzantine validators remember them.
    pub(crate) said: VecDeque<Message>,
}

/// Messages that a Byzantine validator remembers.
const SAID_MAX: usize = 256;

impl Node {
    pub(crate) fn new(index: Contact, keys: SimulatedKeys, skew_ms: i64) -> Self {
        Self {
            index,
            keys,
            disk: Disk::empty(),
            running: None,
            life: 0,
            skew_ms,
            power: None,
            copy: None,
            was_seated: false,
            heard: BTreeMap::new(),
            said: VecDeque::new(),
        }
    }

    /// Remembers a message that came or went, as Byzantine validators do.
    pub(crate) fn remember(&mut self, message: &Message, own: bool) {
        if let Message::Consensus(envelope) = message
            && let ConsensusMessage::Proposal(proposal) = &envelope.message
        {
            self.heard.insert(proposal.block.header.id(), (**proposal).clone());
        }
        if own {
            self.said.push_back(message.clone());
            if self.said.len() > SAID_MAX {
                self.said.pop_front();
            }
        }
    }

    /// The first proposal of a view that it remembers.
    pub(crate) fn proposed_in(&self, view: View) -> Option<&Proposal> {
        self.heard.values().find(|proposal| proposal.vote.vote.view() == view)
    }

    /// Begins its vote log: it signed nothing yet. A liar's log says nothing of its past, so that nothing stops it.
    pub(crate) fn begin(&mut self) {
        self.disk.votes = begun(Standing::Whole { question: question(self.index, self.life) });
    }

    /// Loses what its disks hold, and is told so by its operator. Says how much its ledger had committed of what is left,
    /// given how much it had of everything.
    pub(crate) fn forget(&mut self, loss: Loss, committed: Height) -> Height {
        let mut left = Height::ZERO;
        match loss {
            Loss::Unused => {
                self.wipe();
                self.begin();
                return left;
            }
            Loss::Folder => self.wipe(),
            Loss::Logs | Loss::VoteLog => {
                left = committed;
                self.disk.votes = DiskLog::new();
                if loss == Loss::Logs {
                    self.disk.batches = DiskLog::new();
                }
            }
            Loss::Newer => match &self.copy {
                Some((disk, height)) => (self.disk, left) = (disk.copy(), *height),
                None => self.wipe(),
            },
        }
        self.recover();
        left
    }

    /// What `althing node recover-vote-log` does: its own votes are forgotten, and what the log has of others stays.
    fn recover(&mut self) {
        let records: Vec<Record> = self.disk.votes.durable_records().iter().map(|bytes| vote_record(bytes)).collect();
        let above = records.iter().map(voted_in).max().unwrap_or_default();
        let standing = Record::Standing(Standing::Recovering { question: question(self.index, self.life), above });
        let of_others = records.into_iter().filter(|record| !matches!(record, Record::Vote(_) | Record::Standing(_)));
        let kept: Vec<Vec<u8>> = std::iter::once(standing).chain(of_others).map(|record| encode(&record)).collect();
        self.disk.votes = DiskLog::holding(&kept);
    }

    /// Copies what its disks hold, while it is down.
    pub(crate) fn keep_copy(&mut self, committed: Height) {
        self.copy = Some((self.disk.copy(), committed));
    }

    /// Loses everything that its disks hold.
    pub(crate) fn wipe(&mut self) {
        self.disk = Disk::empty();
    }

    /// Pulls the plug. The commit that is under way may happen or not.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        self.life += 1;
        self.power = None;
        let Some(running) = self.running.take() else { return };
        let Running { votes, batches, mut blocks, executing, mut ledger, .. } = running;
        votes.crash(&mut self.disk.votes, random);
        batches.crash(&mut self.disk.batches, random);
        if let Some(block) = blocks.pop_front().filter(|_| executing && random.chance(300)) {
            let fail_commit = Some(self.disk.store.commits() + 1);
            self.disk.store.set_plan(StoreFaultPlan { fail_commit, fail_read: None });
            assert!(archive::commit(&mut ledger, block).is_err(), "the plan says so");
        }
        self.disk.store.crash(random.next());
        self.disk.store.set_plan(StoreFaultPlan::default());
    }

    /// Opens the disks again, as a process does when it starts.
    pub(crate) fn start(&mut self, genesis: &Genesis, epochs: &Epochs, logs: LogLimits) -> Result<(), StartError> {
        self.disk.store.reopen();
        let votes = self.disk.votes.reopen();
        let batches = self.disk.batches.reopen();
        let ledger = Ledger::open(Arc::new(self.disk.store.clone()), genesis).expect("the ledger is whole");
        let found = found(&ledger, epochs, &votes, &batches).expect("the ledger can be read");
        let config = config(genesis, epochs, self.index, &ledger.reader()).expect("the ledger can be read");
        let replica = Replica::start_with(config, logs, found)?;
        let began_with = (replica.epoch(), replica.mempool().own_seq);
        self.running = Some(Running {
            replica,
            ledger,
            votes: Writer::default(),
            batches: Writer::default(),
            blocks: VecDeque::new(),
            executing: false,
            checked_at: BTreeMap::new(),
            wake: None,
            began_with,
        });
        Ok(())
    }

    /// The epoch that it is in; the first while it is down.
    pub(crate) fn epoch(&self) -> Epoch {
        self.running.as_ref().map_or(Epoch::ZERO, |running| running.replica.epoch())
    }

    /// The height of the last block that the ledger of a running node committed.
    pub(crate) fn height(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| running.ledger.head().header.height.get())
    }

    /// Executes and commits the first block that waits.
    pub(crate) fn commit(
        &mut self,
        epochs: &Epochs,
    ) -> Option<Result<(althing_ledger::Committed, Outcome), LedgerError>> {
        let running = self.running.as_mut()?;
        let block = running.blocks.pop_front()?;
        let header = block.block.header.clone();
        let committed = archive::commit(&mut running.ledger, block);
        Some(committed.map(|(committed, outcome)| {
            let change = epochs.pending_after(&header).cloned();
            (committed, Outcome { change, ..outcome })
        }))
    }
}

/// What a node reads from its ledger when it starts: which epoch it is in, and how that began.
fn config(
    genesis: &Genesis,
    epochs: &Epochs,
    me: Contact,
    reader: &Reader<FaultyStore>,
) -> Result<Config, LedgerError> {
    let epoch = reader.head().header.epoch_above();
    let committee = epochs.committee(epoch).clone();
    let start = epochs.start(reader, epoch);
    let before = epoch.get().checked_sub(1).map(Epoch::new);
    let opening = match before {
        None => None,
        Some(before) => reader.boundary(before)?.map(|finalization| Opening {
            height: start,
            finalization,
            previous: epochs.committee(before).clone(),
        }),
    };
    let start = reader.header(start)?.expect("the block that an epoch begins above is committed");
    let directory = epochs.directory().to_vec();
    let earlier = (0..epoch.get()).map(|number| epochs.committee(Epoch::new(number)).clone()).collect();
    Ok(Config { committee, directory, me, params: *genesis.params(), start, opening, earlier })
}

fn begun(standing: Standing) -> DiskLog {
    DiskLog::holding([&encode(&Record::Standing(standing))])
}

fn vote_record(bytes: &[u8]) -> Record {
    decode(bytes, RECORD_BYTES_MAX).expect("a record of ours")
}

/// The highest view in which a record says that its owner may have voted.
const fn voted_in(record: &Record) -> View {
    match record {
        Record::Vote(signed) | Record::Standing(Standing::Doubled { vote: Some(signed) }) => signed.vote.view(),
        Record::Standing(Standing::Abstaining { to, .. }) => *to,
        Record::Standing(Standing::Recovering { above, .. }) => *above,
        _ => View::ZERO,
    }
}

/// What a validator asks with in a life.
fn question(contact: Contact, life: u64) -> Hash {
    leaf_hash(&encode(&(contact.get(), life)))
}

fn found(
    ledger: &Ledger<FaultyStore>,
    epochs: &Epochs,
    votes: &[Vec<u8>],
    batches: &[Vec<u8>],
) -> Result<Found, LedgerError> {
    let head = ledger.head();
    let mut accused = Vec::new();
    for epoch in [head.header.epoch_above(), head.header.epoch_above().previous()] {
        accused.extend(ledger.reader().accused(epoch)?.into_iter().map(|index| (epoch, index)));
    }
    let batch = |bytes: &Vec<u8>| decode::<SignedBatch>(bytes, RECORD_BYTES_MAX).expect("a batch of ours");
    Ok(Found {
        header: head.header.clone(),
        cut: head.cut.clone(),
        view: head.view,
        summaries: ledger.reader().summaries_above(head.header.executed_height)?,
        accused,
        change: epochs.pending_at(&ledger.reader()),
        votes: votes.iter().map(|bytes| vote_record(bytes)).collect(),
        batches: batches.iter().map(batch).map(Arc::new).collect(),
    })
}
