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
mod event;
mod route;
pub mod wire;

#[cfg(test)]
mod tests;

pub use action::{Action, Message, Note, Recipients};
pub use event::{Event, Outcome};

use std::collections::VecDeque;
use std::sync::Arc;

use althing_consensus::{Anchor, Config as ConsensusConfig, Core, LaneLicence, Now, Record, RecoverError};
use althing_mempool::{Config as MempoolConfig, Mempool, RecoverError as BatchRecoverError};
use althing_types::{
    ChainParams, Committee, Epoch, Hash, Header, Height, LaneTip, Monotonic, SignedBatch, Summary, ValidatorIndex, View,
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
    /// Which of them this one is.
    pub me: ValidatorIndex,
    /// The chain's parameters.
    pub params: ChainParams,
    /// The header of height 0.
    pub genesis: Header,
}

/// What the disks held when a replica starts.
#[derive(Clone, Debug)]
pub struct Found {
    /// The header of the last block that the ledger committed.
    pub header: Header,
    /// The tips of all lanes after it.
    pub cut: Vec<LaneTip>,
    /// The view of the Finalization that came with it; 0 for height 0.
    pub view: View,
    /// The ledger's results above the height that this header carries, ascending.
    pub summaries: Vec<Summary>,
    /// The validators of this epoch that a committed block accuses (rule R9).
    pub accused: Vec<ValidatorIndex>,
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
}

/// What signs: one key for votes and for batches.
pub trait Keys: althing_consensus::Keys + althing_mempool::Signer {}

impl<T: althing_consensus::Keys + althing_mempool::Signer> Keys for T {}

/// Consensus and mempool of one validator.
#[derive(Clone, Debug)]
pub struct Replica {
    core: Core,
    mempool: Mempool,
    epoch: Epoch,
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
        let consensus = ConsensusConfig {
            committee: config.committee.clone(),
            me: config.me,
            params: config.params.consensus,
            params_hash: config.params.hash(),
            log_bytes_max: logs.vote_bytes_max,
        };
        let mempool = MempoolConfig {
            committee: config.committee,
            me: config.me,
            params: config.params,
            log_garbage_bytes_max: logs.batch_garbage_bytes_max,
        };
        let (committed, epoch) = (found.header.height, consensus.committee.epoch);
        let anchor = Anchor { header: found.header, cut: found.cut.clone() };
        let core = Core::recover(consensus, config.genesis.id(), anchor, found.view, found.votes)?;
        let core = core.with_accused(found.accused.iter().copied());
        let mempool = Mempool::recover(mempool, committed, &found.cut, found.batches)?;
        let executed = found.summaries.into_iter().map(althing_consensus::Input::Executed).map(Pending::Consensus);
        let accused = Pending::Mempool(althing_mempool::Input::Accused(found.accused));
        let lane = core.lane_licence();
        // Before all else: nothing may be signed for a lane that may have been used.
        let licence = Pending::Mempool(route::lane_input(lane));
        let pending = std::iter::once(licence).chain(executed).chain([accused]).collect();
        Ok(Self { core, mempool, epoch, lane, handed_over: found.cut, committed, pending })
    }

    /// Takes one event and says what to do. Actions are carried out in their order.
    pub fn step(&mut self, keys: &impl Keys, now: Now, event: Event, out: &mut Vec<Action>) {
        self.take(event, out);
        while let Some(pending) = self.pending.pop_front() {
            match pending {
                Pending::Consensus(input) => self.step_consensus(keys, now, input, out),
                Pending::Mempool(input) => self.step_mempool(keys, now, input, out),
            }
        }
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
