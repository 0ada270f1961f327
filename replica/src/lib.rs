//! Consensus and mempool composed into one machine without I/O: events in, actions out.
//!
//! The replica carries questions of one room to the other and back until neither has anything to say, and hands what
//! concerns disks, peers, the ledger and those who wait to its surroundings. A node does that with threads, the
//! simulator with a seed. Invariants:
//!
//! 1. Actions are carried out in their order. Messages among them depend only on what was reported durable.
//! 2. Final blocks are handed to the ledger in the order of their heights, each with all batches that it orders.
//! 3. The same events give the same actions.
//!
//! It deliberately keeps nothing that one of its rooms keeps already, and does not know the ledger's state.

mod action;
pub mod archive;
mod epoch;
mod event;
mod route;
mod seats;
pub mod wire;

#[cfg(test)]
mod tests;

pub use action::{Action, Message, Note};
pub use event::{Event, Outcome};
pub use seats::Contact;

use epoch::Passage;
use seats::Seats;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use althing_consensus::{Anchor, Config as ConsensusConfig, Core, LaneLicence, Now, Opening, Record, RecoverError};
use althing_mempool::{Config as MempoolConfig, Mempool, RecoverError as BatchRecoverError};
use althing_types::{
    ChainParams, Committee, Epoch, Hash, Header, Height, LaneTip, Monotonic, PublicKey, SignedBatch, Summary,
    ValidatorIndex, ValidatorSet, View,
};

/// After how much a replica asks for its logs to be replaced. It changes what a restart reads, never what is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of consensus' log.
    pub vote_bytes_max: u64,
    /// Bytes of the batch log that nobody needs any more.
    pub batch_garbage_bytes_max: u64,
}

impl LogLimits {
    /// What a node uses: a restart reads little, and replacing is rare.
    pub const DEFAULT: Self = Self { vote_bytes_max: 8 << 20, batch_garbage_bytes_max: 64 << 20 };
}

/// What a replica is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain, the epoch and its validators.
    pub committee: Committee,
    /// The validator keys of all nodes that this one may meet: validators of this epoch and of others, and its own.
    pub directory: Vec<PublicKey>,
    /// Which of them this one is.
    pub me: Contact,
    /// The chain's parameters.
    pub params: ChainParams,
    /// The header of the block that the epoch begins above: genesis, or the boundary block of the epoch before.
    pub start: Header,
    /// How the epoch began; none in epoch 0.
    pub opening: Option<Opening>,
    /// The validators of earlier epochs, the newest [`EARLIER_MAX`] of them, ascending: as far back as the batch log may
    /// hold batches of ours that no block ordered.
    pub earlier: Vec<Committee>,
}

/// Earlier epochs that a replica knows the validators of. More than that cannot end while one sync of the batch log takes.
pub const EARLIER_MAX: usize = 16;

impl Config {
    /// What a validator of a chain's first epoch is told, which knows the validators of genesis.
    pub fn at_genesis(committee: Committee, me: ValidatorIndex, params: ChainParams, genesis: Header) -> Self {
        let directory = committee.set.validators().iter().map(|validator| validator.key).collect();
        Self {
            committee,
            directory,
            me: Contact::new(me.get()),
            params,
            start: genesis,
            opening: None,
            earlier: Vec::new(),
        }
    }

    /// What the rooms are told of it.
    fn of_rooms(&self, seats: &Seats, logs: LogLimits) -> (ConsensusConfig, MempoolConfig) {
        let nobody = ValidatorIndex::new(u16::MAX);
        let me = seats.index_of(self.me).unwrap_or(nobody);
        let guests = seats.guests();
        let earlier = self.earlier.iter().map(|committee| {
            let seats = Seats::new(&self.directory, &committee.set);
            (committee.clone(), seats.index_of(self.me).unwrap_or(nobody))
        });
        let consensus = ConsensusConfig {
            committee: self.committee.clone(),
            me,
            guests,
            opening: self.opening.clone(),
            params: self.params.consensus,
            params_hash: self.params.hash(),
            log_bytes_max: logs.vote_bytes_max,
        };
        let mempool = MempoolConfig {
            committee: self.committee.clone(),
            me,
            guests,
            earlier: earlier.collect(),
            params: self.params,
            log_garbage_bytes_max: logs.batch_garbage_bytes_max,
        };
        (consensus, mempool)
    }
}

/// What the disks held when a replica starts.
#[derive(Clone, Debug)]
pub struct Found {
    /// The header of the last block that the ledger committed.
    pub header: Header,
    /// The tips of all lanes after it.
    pub cut: Vec<LaneTip>,
    /// The view of the Finalization that came with it; 0 for height 0, and of no meaning for a boundary block.
    pub view: View,
    /// The ledger's results above the height that this header carries, ascending.
    pub summaries: Vec<Summary>,
    /// The validators of this epoch and of the one before that a committed block accuses (rule R9).
    pub accused: Vec<(Epoch, ValidatorIndex)>,
    /// The pending change of the validator set that the committed state holds, and the lowest height whose state does.
    pub change: Option<(Height, ValidatorSet)>,
    /// The log of consensus.
    pub votes: Vec<Record>,
    /// The log of batches.
    pub batches: Vec<Arc<SignedBatch>>,
}

/// Why a replica cannot go on from what the disks held.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log of consensus does not fit the ledger or this validator.
    #[error(transparent)]
    Votes(#[from] RecoverError),
    /// The log of batches does not fit.
    #[error(transparent)]
    Batches(#[from] BatchRecoverError),
    /// The configuration is for another epoch than the one above the ledger's last block.
    #[error("the ledger's last block is followed by epoch {ledger}, and the validators of epoch {given} are given")]
    Epoch {
        /// The epoch above the ledger's last block.
        ledger: Epoch,
        /// The one that is configured.
        given: Epoch,
    },
}

/// What signs: one key for votes and for batches.
pub trait Keys: althing_consensus::Keys + althing_mempool::Signer {}

impl<T: althing_consensus::Keys + althing_mempool::Signer> Keys for T {}

/// Consensus and mempool of one validator.
#[derive(Clone, Debug)]
pub struct Replica {
    core: Core,
    mempool: Mempool,
    config: Config,
    /// The validators of the epoch, as those get them who check batches.
    committee: Arc<Committee>,
    logs: LogLimits,
    seats: Seats,
    /// Who can be reached.
    connected: BTreeSet<Contact>,
    passage: Passage,
    /// The tips of all lanes after the last block that was handed to the ledger.
    handed_over: Vec<LaneTip>,
    /// The height of the last block that the ledger committed.
    committed: Height,
    /// Whether batches of the own lane may be signed, as the mempool knows it.
    lane: LaneLicence,
    /// What one room has to tell the other, in the order in which it came up.
    pending: VecDeque<Pending>,
}

/// Something that one of the two machines must be told.
#[derive(Clone, Debug)]
enum Pending {
    Consensus(althing_consensus::Input),
    Mempool(althing_mempool::Input),
}

impl Replica {
    /// A replica that goes on from what the disks held; for a new validator that is the genesis block and two empty
    /// logs. Nothing was sent yet: the first step is the first that may send.
    pub fn start(config: Config, found: Found) -> Result<Self, StartError> {
        Self::start_with(config, LogLimits::DEFAULT, found)
    }

    /// The same with other limits of the logs, for simulations that want them replaced often.
    pub fn start_with(config: Config, logs: LogLimits, found: Found) -> Result<Self, StartError> {
        let above = found.header.epoch_above();
        if above != config.committee.epoch {
            return Err(StartError::Epoch { ledger: above, given: config.committee.epoch });
        }
        let seats = Seats::new(&config.directory, &config.committee.set);
        let (consensus, mempool) = config.of_rooms(&seats, logs);
        let committed = found.header.height;
        let view = if found.header.ends_epoch() { View::ZERO } else { found.view };
        let anchor = Anchor { header: found.header, cut: found.cut.clone() };
        let core = Core::recover(consensus, config.start_id(), anchor, view, found.votes)?;
        let core = core.with_accused(found.accused.iter().copied());
        let mempool = Mempool::recover(mempool, committed, &found.cut, found.batches)?;
        let change = found.change.as_ref().map(|(height, set)| (*height, set.hash()));
        let change =
            change.map(|(height, set)| Pending::Consensus(althing_consensus::Input::SetChange { height, set }));
        let executed = found.summaries.into_iter().map(althing_consensus::Input::Executed).map(Pending::Consensus);
        let of_epoch = found.accused.into_iter().filter(|(epoch, _)| *epoch == config.committee.epoch);
        let accused = Pending::Mempool(althing_mempool::Input::Accused(of_epoch.map(|(_, index)| index).collect()));
        let lane = core.lane_licence();
        // Before all else: nothing may be signed for a lane that may have been used.
        let licence = Pending::Mempool(route::lane_input(lane));
        let pending = std::iter::once(licence).chain(change).chain(executed).chain([accused]).collect();
        let passage = Passage::with_change(found.change);
        let (connected, handed_over) = (BTreeSet::new(), found.cut);
        let committee = Arc::new(config.committee.clone());
        Ok(Self {
            core,
            mempool,
            config,
            committee,
            logs,
            seats,
            connected,
            passage,
            handed_over,
            committed,
            lane,
            pending,
        })
    }

    /// Takes one event and says what to do. Actions are carried out in their order.
    pub fn step(&mut self, keys: &impl Keys, now: Now, event: Event, out: &mut Vec<Action>) {
        self.take(event, now.monotonic, out);
        self.settle(keys, now, out);
        if self.passage.boundary.is_some() {
            self.pass_on(now.monotonic, out);
            self.settle(keys, now, out);
        }
    }

    /// Carries what one room has to tell the other until neither has anything to say.
    fn settle(&mut self, keys: &impl Keys, now: Now, out: &mut Vec<Action>) {
        while let Some(pending) = self.pending.pop_front() {
            match pending {
                Pending::Consensus(input) => self.step_consensus(keys, now, input, out),
                Pending::Mempool(input) => self.step_mempool(keys, now, input, out),
            }
        }
    }

    /// The epoch that this replica agrees in.
    pub const fn epoch(&self) -> Epoch {
        self.config.committee.epoch
    }

    /// When [`Replica::step`] wants to be called with [`Event::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Monotonic> {
        [self.core.deadline(), self.mempool.deadline()].into_iter().flatten().min()
    }

    /// What agreement looks like now.
    pub fn consensus(&self) -> althing_consensus::Snapshot {
        self.core.snapshot()
    }

    /// What the mempool holds.
    pub fn mempool(&self) -> althing_mempool::Snapshot {
        self.mempool.snapshot()
    }

    /// Where a transaction is that no block holds yet.
    pub fn whereabouts(&self, id: &Hash) -> Option<althing_mempool::Known> {
        self.mempool.known(id)
    }

    /// The height of the last block that the ledger committed.
    pub const fn committed(&self) -> Height {
        self.committed
    }
}
