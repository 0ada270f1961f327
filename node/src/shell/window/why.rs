//! Where the facts come from that a judgement of stalls follows from: the replica, the network, the ledger, the disks.
//!
//! Beside that a task notes once in a second how high the ledger is and whether work waits, because a snapshot of one
//! moment does not say since when.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use althing_genesis::Genesis;
use althing_network::Handle;
use althing_rpc::api::{ApiError, WhyAnswer};
use althing_storage::TOTAL_BYTES_DEFAULT;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::{Place, Window};
use crate::shell::data_folder::DataFolder;
use crate::shell::entrance::Pool;
use crate::shell::refusal::internal;
use crate::shell::stop::locked;
use crate::why::{self, Chain, Disks, Facts, Head, Member, Validator, has_work};

/// How often the pulse is noted.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// How long the thread that decides may take for an answer. It takes milliseconds, under load some more.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Where a node's disks are looked at.
#[derive(Clone, Debug)]
pub(in crate::shell) struct Folders {
    data: PathBuf,
    votes: PathBuf,
    batches: PathBuf,
}

impl Folders {
    /// Those of a data folder. An observer has no logs, and what is not there has no bytes.
    pub(in crate::shell) fn of(folder: &DataFolder) -> Self {
        Self { data: folder.path().to_owned(), votes: folder.votes(), batches: folder.batches() }
    }

    fn measure(&self) -> Disks {
        let free = rustix::fs::statvfs(&self.data).ok();
        Disks {
            votes_bytes: bytes_in(&self.votes),
            batches_bytes: bytes_in(&self.batches),
            log_bytes_max: TOTAL_BYTES_DEFAULT,
            free_bytes: free.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        }
    }
}

/// Bytes of the files in a folder. A log has few of them; one that goes meanwhile counts as nothing.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// What does not change about a chain.
pub(super) fn chain(genesis: &Genesis) -> Chain {
    let set = genesis.validator_set();
    let member = |validator: &althing_genesis::GenesisValidator| Member {
        name: validator.name.clone(),
        node_key: validator.node_key,
    };
    let params = genesis.params().consensus;
    Chain {
        genesis: genesis.hash(),
        validators: genesis.validators().iter().map(member).collect(),
        quorums: set.quorums(),
        delta_ms: params.delta_ms,
        clock_skew_ms: params.max_clock_skew_ms,
        k: params.k,
    }
}

impl Window {
    /// What `node_why` says.
    pub(super) async fn node_why(&self) -> Result<WhyAnswer, ApiError> {
        let place = match &self.parts.place {
            Place::Validator(pool) => why::Place::Validator(look(pool).await.map(Box::new)),
            Place::Observer { horizon, forwarding } => {
                why::Place::Observer { horizon: horizon.height(), handed_over: forwarding.load().0 }
            }
        };
        let folders = self.parts.folders.clone();
        let disks = spawn_blocking(move || folders.measure()).await;
        let disks = disks.map_err(|error| internal("the disks were not looked at", &error))?;
        let head = self.reader().head();
        Ok(why::judge(&Facts {
            now: self.parts.clock.now(),
            name: self.parts.name.clone(),
            chain: self.members.clone(),
            peers: self.parts.network.as_ref().map(Handle::peers).unwrap_or_default(),
            head: Head { height: head.header.height, time: head.header.time },
            pulse: locked(&self.pulse).clone(),
            disks,
            place,
        }))
    }

    /// Notes the pulse until the node ends.
    pub(super) async fn keep_pulse(self: Arc<Self>) {
        while !self.parts.stop.is_set() {
            let looked = match &self.parts.place {
                Place::Validator(pool) => {
                    let here = look(pool).await;
                    here.map(|here| (here.consensus.reported, has_work(&here.consensus, &here.mempool)))
                }
                Place::Observer { horizon, forwarding } => Some((horizon.height(), forwarding.load().0 > 0)),
            };
            let (now, height) = (self.parts.clock.now().monotonic, *self.parts.heads.borrow());
            if let Some((known, waits)) = looked {
                locked(&self.pulse).note(now, height, known, waits);
            }
            sleep(NOTE_EVERY).await;
        }
    }
}

/// Looks at the replica; none if it does not answer.
async fn look(pool: &Pool) -> Option<Validator> {
    let me = pool.me;
    let look = pool.look(move |replica| Validator { me, consensus: replica.consensus(), mempool: replica.mempool() });
    timeout(ANSWER_MAX, look).await.ok()?.ok()
}
