//! What is looked at to judge why nothing becomes final: snapshots of one moment, taken by the shell.

use althing_consensus::{Now, Snapshot as Consensus};
use althing_mempool::Snapshot as Mempool;
use althing_network::PeerStatus;
use althing_types::{Hash, Height, PublicKey, Quorums, TimeMs, ValidatorIndex};

use super::pulse::Pulse;

/// Everything that a judgement follows from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The present moment. The steady clock began with the process.
    pub now: Now,
    /// The name of this node by the genesis document.
    pub name: String,
    /// What does not change.
    pub chain: Chain,
    /// All peers, as the network knows them.
    pub peers: Vec<PeerStatus>,
    /// The last block that the ledger has.
    pub head: Head,
    /// How the ledger has grown of late.
    pub pulse: Pulse,
    /// The disks.
    pub disks: Disks,
    /// What this node is.
    pub place: Place,
}

/// What does not change about a chain.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The hash of the genesis document.
    pub genesis: Hash,
    /// The validators, by index.
    pub validators: Vec<Member>,
    /// How many votes decide.
    pub quorums: Quorums,
    /// Δ in milliseconds.
    pub delta_ms: u32,
    /// How far a block's time may be ahead of a voter's clock, in milliseconds.
    pub clock_skew_ms: u32,
    /// Results that may be outstanding (rule X2).
    pub k: u16,
}

/// A validator by the genesis document.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The key of its node.
    pub node_key: PublicKey,
}

/// The last block that the ledger has.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Its height.
    pub height: Height,
    /// Its time.
    pub time: TimeMs,
}

/// What the node's disks hold.
#[derive(Clone, Copy, Debug)]
pub struct Disks {
    /// Bytes of the vote log.
    pub votes_bytes: u64,
    /// Bytes of the batch log.
    pub batches_bytes: u64,
    /// Bytes of a log at which the node ends.
    pub log_bytes_max: u64,
    /// Bytes that are left for the data folder, if the system says so.
    pub free_bytes: Option<u64>,
}

/// What this node is.
#[derive(Clone, Debug)]
pub enum Place {
    /// It votes; none if the thread that decides does not answer.
    Validator(Option<Box<Validator>>),
    /// It follows.
    Observer {
        /// How high certificates show the chain to be.
        horizon: Height,
        /// Transactions that it handed to validators and that are not final.
        handed_over: usize,
    },
}

/// What a validator knows.
#[derive(Clone, Debug)]
pub struct Validator {
    /// Which one it is.
    pub me: ValidatorIndex,
    /// Agreement.
    pub consensus: Consensus,
    /// Its pool and the lanes.
    pub mempool: Mempool,
}

/// Whether something waits that a block should bring on: transactions that may leave the pool, batches that a quorum
/// holds, a tip that is not final, or whatever else agreement counts as work. A batch that its owner showed to a few is
/// none: nobody owes a vote for it.
pub fn has_work(consensus: &Consensus, mempool: &Mempool) -> bool {
    let mut lanes = mempool.lanes.iter().filter(|lane| !lane.is_tainted);
    mempool.ready_count > 0
        || mempool.in_flight_count > 0
        || lanes.any(|lane| lane.quorum_seq > lane.final_seq)
        || consensus.tip > consensus.floor
        || consensus.work_since.is_some()
}

impl Facts {
    /// The steady clock in microseconds.
    pub(super) const fn now_us(&self) -> u64 {
        self.now.monotonic.get()
    }

    /// The name of a validator.
    pub(super) fn name_of(&self, index: ValidatorIndex) -> &str {
        self.chain.validators.get(index.to_usize()).map_or("?", |member| &member.name)
    }

    /// What the network knows of a validator.
    pub(super) fn peer(&self, index: ValidatorIndex) -> Option<&PeerStatus> {
        let member = self.chain.validators.get(index.to_usize())?;
        self.peers.iter().find(|peer| peer.key == member.node_key)
    }
}
