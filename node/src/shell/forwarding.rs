//! The way of a transaction from an observer to a validator: to one that its id chooses, and to the next when that one
//! is away, too busy, or silent for a second. What passed the doors here is refused only if f + 1 validators say the same.
//!
//! Transactions to one validator share requests, and few requests are under way, so that many callers do not exceed what
//! a validator answers one peer. What was handed over is remembered within bounds until it is committed here, and handed
//! over again from time to time, each time to another one first: so a validator that took it in and failed, or lied,
//! costs seconds, and the same bytes again cost nothing, because a transaction is executed once. After a restart nothing
//! is remembered; a validator still knows.

mod courier;
mod enquiries;
mod table;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use althing_ledger::Committed;
use althing_network::{Handle, RequestError};
use althing_rpc::api::{ApiError, ErrorCode};
use althing_rpc::{Progress, Submission};
use althing_types::{Hash, Height, PublicKey, encode};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::courier::Courier;
use self::enquiries::Enquiries;
use self::table::{Due, Table};
use self::tally::{Outcome, Tally, Word};
use super::asking::{Answer, Request, Taken};
use super::clock::Clock;
use super::company::Company;
use super::heads::Horizon;
use super::stop::locked;
use super::tasks;
use super::tracker::{News, Tracker};

/// How long a validator may take before the next one is asked (`decisions.md` section 3).
const PATIENCE: Duration = Duration::from_secs(1);
/// How often what was not committed yet is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many are handed over again at each look.
const AGAIN_MAX: usize = 64;

/// The way.
pub(super) struct Forwarding {
    parts: ForwardingParts,
    couriers: BTreeMap<PublicKey, Courier>,
    table: Mutex<Table>,
    enquiries: Enquiries,
}

/// What the way is made of.
pub(super) struct ForwardingParts {
    pub(super) handle: Handle,
    pub(super) company: Arc<Company>,
    /// How high the chain is.
    pub(super) horizon: Arc<Horizon>,
    /// The node keys of all validators, by index.
    pub(super) validators: Vec<PublicKey>,
    /// How many of them may be faulty.
    pub(super) faulty_max: u16,
    pub(super) tracker: Arc<Tracker>,
    pub(super) clock: Clock,
    /// Whether a transaction is on the chain, as far as it is here.
    pub(super) is_included: IsIncluded,
}

/// Looks a transaction up in the ledger's index.
pub(super) type IsIncluded = Box<dyn Fn(&Hash) -> bool + Send + Sync>;

/// What came of handing a transaction over.
enum Handed {
    /// A validator took it, or had it.
    Over { duplicate: bool, progress: Progress },
    /// Nobody did.
    Not(Outcome),
}

impl Forwarding {
    /// The way to the validators with these node keys. Must be called within the runtime.
    pub(super) fn new(parts: ForwardingParts) -> Self {
        let courier = |key: &PublicKey| (*key, Courier::start(parts.handle.clone(), *key));
        let couriers = parts.validators.iter().map(courier).collect();
        Self { parts, couriers, table: Mutex::new(Table::default()), enquiries: Enquiries::default() }
    }

    /// How high certificates show the chain to be.
    pub(super) fn horizon(&self) -> Height {
        self.parts.horizon.height()
    }

    /// Hands a transaction over that passed the doors here.
    pub(super) async fn submit(&self, id: Hash, bytes: Vec<u8>) -> Result<Submission, ApiError> {
        if let Some(progress) = self.pending(&id) {
            return Ok(Submission { id, duplicate: true, progress });
        }
        let bytes = Arc::new(bytes);
        let (duplicate, progress) = match self.hand_over(&id, &bytes, 0).await {
            Handed::Over { duplicate, progress } => (duplicate, progress),
            Handed::Not(Outcome::Perhaps) => (false, Progress::Pending),
            Handed::Not(Outcome::Believed(word)) => (true, word.into_answer()?),
            Handed::Not(Outcome::Nobody(error)) => return Err(error),
        };
        if matches!(progress, Progress::Pending | Progress::Accepted) {
            locked(&self.table).note(id, &bytes, &progress, self.parts.clock.uptime());
            // Its block may have come while its answer was on the way; nobody would forget it then.
            if (self.parts.is_included)(&id) {
                locked(&self.table).forget(&id);
            }
        }
        if progress == Progress::Accepted {
            self.parts.tracker.accepted(&id);
        }
        Ok(Submission { id, duplicate, progress })
    }

    /// How far a transaction has come that is remembered here.
    pub(super) fn pending(&self, id: &Hash) -> Option<Progress> {
        locked(&self.table).progress(id)
    }

    /// How far a transaction has come by the word of the validator that its id chooses; unknown if it does not answer,
    /// or is asked too much already.
    pub(super) async fn ask(&self, id: Hash) -> Progress {
        let Some(key) = self.order(&id, 0).find(|key| self.parts.company.has(key)) else { return Progress::Unknown };
        let Some(turn) = self.enquiries.begin(&id, key, self.parts.clock.uptime()) else { return Progress::Unknown };
        let answer = async {
            // It is never closed.
            let _turn = turn.acquire().await.ok();
            self.parts.handle.request(&key, encode(&Request::Whereabouts { id })).await.ok()
        };
        let answer = timeout(PATIENCE, answer).await.ok().flatten();
        let progress = match answer.as_deref().map(Answer::from_bytes) {
            Some(Ok(Answer::Whereabouts(standing))) => standing.into_progress(),
            _ => Progress::Unknown,
        };
        if progress == Progress::Unknown {
            self.enquiries.note_unknown(id, self.parts.clock.uptime());
        }
        progress
    }

    /// Forgets what a block decided.
    pub(super) fn committed(&self, committed: &Committed) {
        let mut table = locked(&self.table);
        if table.is_empty() {
            return;
        }
        let included = committed.included.iter().map(|included| &included.id);
        included.chain(committed.skipped.iter().map(|skipped| &skipped.id)).for_each(|id| table.forget(id));
    }

    /// Transactions and bytes that are remembered.
    pub(super) fn load(&self) -> (usize, usize) {
        locked(&self.table).load()
    }

    /// Hands over again what was not committed for a while, until the node ends.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            sleep(LOOK_EVERY).await;
            let due = locked(&self.table).due(self.parts.clock.uptime(), AGAIN_MAX);
            let mut under_way = JoinSet::new();
            for due in due {
                let forwarding = self.clone();
                under_way.spawn(async move { forwarding.again(due).await });
            }
            while let Some(ended) = under_way.join_next().await {
                if let Err(error) = ended {
                    tasks::broke("forwarding", &error);
                }
            }
        }
    }

    async fn again(&self, Due { id, bytes, round }: Due) {
        match self.hand_over(&id, &bytes, round).await {
            Handed::Over { progress: Progress::Accepted, .. } => {
                locked(&self.table).update(&id, &Progress::Accepted);
                self.parts.tracker.accepted(&id);
            }
            Handed::Not(Outcome::Believed(word)) => {
                if let Some(news) = word.into_news() {
                    self.gone(&id, &news);
                }
            }
            Handed::Over { .. } | Handed::Not(Outcome::Perhaps | Outcome::Nobody(_)) => {}
        }
    }

    /// Enough validators say that it will not come to be executed. A block on its way here may know better, and then
    /// says so to whoever asks.
    fn gone(&self, id: &Hash, news: &News) {
        locked(&self.table).forget(id);
        self.parts.tracker.dropped(id, news);
    }

    /// Offers a transaction to one validator after the other until one takes it. Each round begins with another one:
    /// whoever took it before may be cut off, or lie. The first time, at round 0, enough refusals end it; later
    /// somebody may have it, so everybody is asked before those are believed who refuse.
    async fn hand_over(&self, id: &Hash, bytes: &Arc<Vec<u8>>, round: u32) -> Handed {
        let mut tally = Tally::new(self.parts.faulty_max);
        for key in self.order(id, round) {
            let Some(courier) = self.couriers.get(&key).filter(|_| self.parts.company.has(&key)) else { continue };
            let answer = timeout(PATIENCE, courier.carry(bytes)).await;
            if let Some(over) = weigh(answer.ok(), &mut tally) {
                return over;
            }
            if let Some(word) = tally.believed().filter(|_| round == 0) {
                return Handed::Not(Outcome::Believed(word));
            }
        }
        Handed::Not(tally.into_outcome())
    }

    /// All validators, beginning with the one that the id chooses, or one further in each round.
    fn order(&self, id: &Hash, round: u32) -> impl Iterator<Item = PublicKey> {
        let first = chosen(id, round, self.parts.validators.len());
        let (before, after) = self.parts.validators.split_at(first);
        after.iter().chain(before).copied()
    }
}

/// Notes what a validator says that does not take a transaction; none if it said nothing in time. Returns it if it does.
fn weigh(answer: Option<Result<Taken, RequestError>>, tally: &mut Tally) -> Option<Handed> {
    match answer {
        Some(Ok(Taken::Yes { duplicate, standing })) => match standing.into_progress() {
            Progress::Unknown => tally.is_lost(),
            Progress::Expired => tally.says(Word::Expired),
            Progress::Dropped { reason } => tally.says(Word::Dropped(reason)),
            progress => return Some(Handed::Over { duplicate, progress }),
        },
        Some(Ok(Taken::No(refusal))) => {
            let error = ApiError::from(refusal);
            if is_better_elsewhere(error.code) {
                tally.is_busy(error);
            } else {
                tally.says(Word::Refused(error));
            }
        }
        Some(Err(RequestError::NotConnected | RequestError::NoAnswer | RequestError::TooLong)) => {}
        Some(Err(RequestError::Busy | RequestError::TooMany)) => {
            let message = "the validators have more to do than they can";
            tally.is_busy(ApiError::new(ErrorCode::Overloaded, message).retry_after_ms(500));
        }
        Some(Err(RequestError::Failed { .. })) | None => tally.is_lost(),
    }
    None
}

/// The place of the validator that an id chooses among so many in a round.
fn chosen(id: &Hash, round: u32, validators: usize) -> usize {
    let number = id.as_bytes().iter().take(4).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let number = number.saturating_add(u64::from(round));
    let place = number.checked_rem(u64::try_from(validators).unwrap_or(u64::MAX)).unwrap_or(0);
    usize::try_from(place).unwrap_or(0)
}

/// Whether another validator may take what this one does not.
const fn is_better_elsewhere(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Internal
            | ErrorCode::MempoolFull
            | ErrorCode::LaneBusy
            | ErrorCode::LaneSilent
            | ErrorCode::Syncing
            | ErrorCode::ShuttingDown
            | ErrorCode::Overloaded
            | ErrorCode::NotAValidator
    )
}

#[cfg(test)]
pub(super) mod tests;
