//! Fetching a snapshot: whom to ask for what, and what becomes of whoever lies.
//!
//! Several parts are under way at once, from several peers. Each is verified before it is kept, so that one that lies or dies
//! costs the time of its answer, and is passed over for a while. That the height is final is verified before anything else.
//! Where its blocks begin cannot be before the first of them are here: if that was a lie, all begins anew without whoever told it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use althing_genesis::Genesis;
use althing_ledger::{LedgerError, Restoration, RestoreError, Restored, SnapshotBase};
use althing_network::{Handle, RequestError};
use althing_storage::OrderedStore;
use althing_types::{Committee, Ed25519, Hash, Height, encode};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::following::{Tip, verify_base, verify_blocks};
use crate::shell::asking::{Answer, Request};
use crate::shell::clock::Clock;
use crate::shell::company::Company;
use crate::shell::follow::{Source, Sources};

/// Parts that are under way at once; each has at most 1 MiB.
const UNDER_WAY_MAX: usize = 4;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long all who were asked may have nothing before the snapshot counts as gone.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// How long nothing may arrive at all.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How often it is said how far the building is.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// How long to wait where nobody can be asked.
const PAUSE: Duration = Duration::from_millis(50);
/// How long to wait for others once the first one answered.
const GRACE: Duration = Duration::from_secs(1);

/// How fetching ended.
pub(super) enum Ended {
    /// The store is a ledger now.
    Built(Restored),
    /// Nobody has a snapshot that is of use.
    NothingToFetch,
    /// Nobody helped for a while. What is built stays.
    Nobody,
    /// What was begun cannot be had to its end.
    BeginAnew(&'static str),
}

/// Whom to ask, and how.
pub(super) struct Fetching<'a> {
    pub(super) genesis: &'a Genesis,
    pub(super) committee: Arc<Committee>,
    pub(super) handle: Handle,
    pub(super) company: Arc<Company>,
    pub(super) sources: Sources,
    pub(super) clock: Clock,
    /// The lowest height that is of use.
    pub(super) least: Height,
}

/// A part that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Blocks(Height),
    Receipts((Height, u32), Height),
    Chunk(Hash, Hash),
}

/// What an answer came to.
enum Taken {
    /// It was kept.
    Kept,
    /// The peer does not have it.
    Nothing,
    /// The peer answers nobody now, or is asked too often.
    Busy,
    /// No answer.
    Silence(String),
    /// A lie.
    Lie(String),
    /// The base was a lie.
    FalseBase(String),
}

impl Fetching<'_> {
    /// Fetches a snapshot into a store, or goes on with one that was begun there.
    pub(super) async fn run<S: OrderedStore>(
        &mut self,
        store: &Arc<S>,
        patience: Duration,
    ) -> Result<Ended, LedgerError> {
        let begun = Restoration::resume(store.clone(), self.genesis)?;
        if let Some(building) = begun {
            if building.height() < self.least {
                return Ok(Ended::BeginAnew("the one that was begun is too old"));
            }
            tracing::info!(height = building.height().get(), "going on with a snapshot");
            return self.build(building, None).await;
        }
        let Some((base, source)) = self.find_base(patience).await else { return Ok(Ended::NothingToFetch) };
        tracing::info!(height = base.height().get(), peer = source.name, "fetching a snapshot");
        match Restoration::begin(store.clone(), self.genesis, &base) {
            Ok(building) => self.build(building, Some(source)).await,
            Err(RestoreError::Ledger(error)) => Err(error),
            Err(error) => {
                self.lied(&source, &error.to_string());
                Ok(Ended::BeginAnew("its beginning was a lie"))
            }
        }
    }

    /// Asks everybody who is connected, and takes the highest snapshot that somebody offers.
    async fn find_base(&mut self, patience: Duration) -> Option<(SnapshotBase, Source)> {
        let (mut asked, mut answered_at) = (BTreeSet::new(), None);
        let mut best: Option<(SnapshotBase, Source)> = None;
        let mut asking: JoinSet<(Source, Taken, Option<SnapshotBase>)> = JoinSet::new();
        let until = self.clock.uptime() + patience;
        loop {
            let (company, now) = (self.company.clone(), self.clock.uptime());
            let is_usable = |source: &&Source| company.has(&source.key) && !self.sources.is_aside(source, now);
            for source in self.sources.all().filter(is_usable) {
                if asked.insert(source.key) {
                    let (handle, source) = (self.handle.clone(), source.clone());
                    asking.spawn(async move {
                        let answer = ask(&handle, &source, &Request::Snapshot).await;
                        match answer {
                            Ok(Answer::Snapshot(base)) => (source, Taken::Kept, base.map(|base| *base)),
                            Ok(_) => (source, Taken::Lie("an answer to another question".to_owned()), None),
                            Err(taken) => (source, taken, None),
                        }
                    });
                }
            }
            if let Ok(Some(Ok((source, mut taken, base)))) = timeout(PAUSE, asking.join_next()).await {
                answered_at = answered_at.or(Some(self.clock.uptime()));
                if let Some(base) = &base
                    && let Err(error) = verify_base(base, &self.committee, &Ed25519)
                {
                    taken = Taken::Lie(error.to_string());
                }
                self.note(&source, &taken);
                let base = base.filter(|base| matches!(taken, Taken::Kept) && base.height() >= self.least);
                let is_better =
                    |base: &SnapshotBase| best.as_ref().is_none_or(|(known, _)| known.height() < base.height());
                best = base.filter(is_better).map(|base| (base, source)).or(best);
            } else if asking.is_empty() {
                sleep(PAUSE).await;
            }
            let now = self.clock.uptime();
            // Nobody else can come, or nobody did for a moment.
            let is_enough =
                asked.len() == self.sources.all().count() || answered_at.is_some_and(|at| now >= at + GRACE);
            if (asking.is_empty() && answered_at.is_some() && is_enough) || now >= until {
                return best;
            }
        }
    }

    async fn build<S: OrderedStore>(
        &mut self,
        mut building: Restoration<S>,
        base_from: Option<Source>,
    ) -> Result<Ended, LedgerError> {
        let mut asking: JoinSet<(Part, Source, Result<Answer, Taken>)> = JoinSet::new();
        let mut under_way = BTreeSet::new();
        let (mut kept_at, mut reported_at) = (self.clock.uptime(), self.clock.uptime());
        let (mut refused, mut receipts_from): (BTreeSet<_>, Option<Source>) = (BTreeSet::new(), None);
        while !building.is_complete() {
            while asking.len() < UNDER_WAY_MAX
                && let Some(mut part) = next_part(&building, &under_way)
                && let Some(mut source) = self.pick()
            {
                if let Part::Receipts((height, index), last) = part {
                    // Receipts of one height are one peer's: none can be told from the others.
                    match &receipts_from {
                        Some(same) if index > 0 && self.company.has(&same.key) => source = same.clone(),
                        _ => {
                            building.forget_receipts();
                            part = Part::Receipts((height, 0), last);
                        }
                    }
                    receipts_from = Some(source.clone());
                }
                under_way.insert(part);
                let (handle, request) = (self.handle.clone(), part.request(building.height()));
                asking.spawn(async move {
                    let answer = ask(&handle, &source, &request).await;
                    (part, source, answer)
                });
            }
            let answered = match asking.join_next().await {
                None => {
                    sleep(PAUSE).await;
                    None
                }
                // A task that panicked asked for something; all of it is asked for again.
                Some(Err(_)) => {
                    asking = JoinSet::new();
                    under_way.clear();
                    None
                }
                Some(Ok(answered)) => Some(answered),
            };
            let now = self.clock.uptime();
            if let Some((part, source, answer)) = answered {
                under_way.remove(&part);
                let taken = match answer {
                    Ok(answer) => self.take(&mut building, part, answer)?,
                    Err(taken) => taken,
                };
                self.note(&source, &taken);
                match taken {
                    Taken::Kept => {
                        kept_at = now;
                        refused.clear();
                    }
                    Taken::Busy => {}
                    Taken::FalseBase(what) => {
                        if let Some(source) = &base_from {
                            self.lied(source, &what);
                        }
                        return Ok(Ended::BeginAnew("its beginning was a lie"));
                    }
                    Taken::Nothing | Taken::Silence(_) | Taken::Lie(_) => {
                        if matches!(part, Part::Receipts(..)) {
                            receipts_from = None;
                        }
                        refused.insert(source.key);
                    }
                }
            }
            let company = self.company.clone();
            let mut here = self.sources.all().filter(|source| company.has(&source.key)).peekable();
            let is_gone = here.peek().is_some() && here.all(|source| refused.contains(&source.key));
            if is_gone && now >= kept_at + GONE_AFTER {
                return Ok(Ended::BeginAnew("nobody keeps what belongs to it any more"));
            }
            if now >= kept_at + IDLE_MAX {
                return Ok(Ended::Nobody);
            }
            if now >= reported_at + REPORT_EVERY {
                reported_at = now;
                report(&building, self.sources.all().filter(|source| company.has(&source.key)).count());
            }
        }
        report(&building, self.sources.all().filter(|source| self.company.has(&source.key)).count());
        match building.finish() {
            Ok(restored) => Ok(Ended::Built(restored)),
            Err(RestoreError::Ledger(error)) => Err(error),
            Err(RestoreError::Foreign(_) | RestoreError::Chunk(_)) => Ok(Ended::BeginAnew("a part of it is missing")),
        }
    }

    /// Takes an answer. What is wrong with it is never an error of this node's, but where its disk fails.
    fn take<S: OrderedStore>(
        &self,
        building: &mut Restoration<S>,
        part: Part,
        answer: Answer,
    ) -> Result<Taken, LedgerError> {
        let taken = match (part, answer) {
            (Part::Blocks(asked), Answer::Blocks(Some(run))) => {
                let Some((id, height, cut)) = building.blocks_above() else { return Ok(Taken::Kept) };
                if height != asked {
                    return Ok(Taken::Kept);
                }
                let tip = Tip { id, height, cut: cut.to_vec() };
                if let Err(error) = verify_blocks(&run, &tip, &self.committee, &Ed25519) {
                    // What a quorum certified stands on something else than the base says.
                    let is_base = error.is_contradiction() && building.is_at_floor();
                    let what = error.to_string();
                    return Ok(if is_base { Taken::FalseBase(what) } else { Taken::Lie(what) });
                }
                match building.take_blocks(&run.blocks, &run.finalization) {
                    Err(RestoreError::Foreign(what)) => return Ok(Taken::FalseBase(what.to_owned())),
                    taken => taken,
                }
            }
            (Part::Receipts(..), Answer::SnapshotReceipts(Some(receipts))) if !receipts.is_empty() => {
                building.take_receipts(&receipts)
            }
            (Part::Chunk(from, _), Answer::SnapshotChunk(Some(chunk))) => building.take_chunk(&from, &chunk),
            (Part::Blocks(_), Answer::Blocks(None))
            | (Part::Receipts(..), Answer::SnapshotReceipts(_))
            | (Part::Chunk(..), Answer::SnapshotChunk(None)) => return Ok(Taken::Nothing),
            _ => return Ok(Taken::Lie("an answer to another question".to_owned())),
        };
        match taken {
            Ok(()) => Ok(Taken::Kept),
            Err(RestoreError::Ledger(error)) => Err(error),
            Err(error) => Ok(Taken::Lie(error.to_string())),
        }
    }

    fn pick(&mut self) -> Option<Source> {
        let company = &self.company;
        self.sources.pick(self.clock.uptime(), |key| company.has(key))
    }

    fn note(&mut self, source: &Source, taken: &Taken) {
        let now = self.clock.uptime();
        match taken {
            Taken::Kept => self.sources.helped(source),
            Taken::Nothing | Taken::Busy => self.sources.set_aside(source, now),
            Taken::Silence(why) => {
                tracing::debug!(
                    peer = source.name,
                    why,
                    "a peer did not help to fetch the snapshot; another one is asked"
                );
                self.sources.silent(source, now);
            }
            Taken::Lie(what) => self.lied(source, what),
            // Whoever gave what showed it did no wrong.
            Taken::FalseBase(_) => {}
        }
    }

    fn lied(&mut self, source: &Source, what: &str) {
        tracing::warn!(
            peer = source.name,
            what,
            "a peer sent what no honest one does; it is asked no more for a while"
        );
        self.sources.lied(source, self.clock.uptime());
    }
}

impl Part {
    const fn request(self, height: Height) -> Request {
        match self {
            Self::Blocks(above) => Request::Blocks { above },
            Self::Receipts(from, last) => Request::SnapshotReceipts { from, last },
            Self::Chunk(from, to) => Request::SnapshotChunk { height, from, to },
        }
    }
}

/// What to ask for next, beside what is under way: blocks and receipts one after the other, ranges of the state side by side.
fn next_part<S: OrderedStore>(building: &Restoration<S>, under_way: &BTreeSet<Part>) -> Option<Part> {
    let blocks = building.blocks_above().map(|(_, height, _)| Part::Blocks(height));
    if blocks.is_some() {
        return blocks.filter(|part| !under_way.contains(part));
    }
    let is_receipt = |part: &Part| matches!(part, Part::Receipts(..));
    let receipts = building.receipts_from().map(|(from, last)| Part::Receipts(from, last));
    let receipts = receipts.filter(|_| !under_way.iter().any(is_receipt));
    let chunks = building.missing().iter().map(|(from, to)| Part::Chunk(*from, *to));
    receipts.into_iter().chain(chunks).find(|part| !under_way.contains(part))
}

async fn ask(handle: &Handle, source: &Source, request: &Request) -> Result<Answer, Taken> {
    let answer = timeout(PATIENCE, handle.request(&source.key, encode(request))).await;
    match answer {
        Err(_) => Err(Taken::Silence("no answer came in time".to_owned())),
        Ok(Ok(bytes)) => {
            Answer::from_bytes(&bytes).map_err(|error| Taken::Lie(format!("an answer that is none: {error}")))
        }
        // An honest peer says so to whoever asks much, and while it starts.
        Ok(Err(RequestError::Busy | RequestError::TooMany | RequestError::NotConnected | RequestError::NoAnswer)) => {
            Err(Taken::Busy)
        }
        Ok(Err(error)) => Err(Taken::Silence(error.to_string())),
    }
}

fn report<S: OrderedStore>(building: &Restoration<S>, peers: usize) {
    let ((entries, bytes), millionths) = (building.counted(), building.progress());
    let percent = format!("{}.{}", millionths / 10_000, millionths / 1_000 % 10);
    let what = match (building.blocks_above(), building.receipts_from()) {
        (Some((_, height, _)), _) => format!("blocks, the last one is {height}"),
        (None, Some(((height, _), last))) => format!("the state, and receipts of {height} of {last}"),
        (None, None) => "the state".to_owned(),
    };
    tracing::info!(height = building.height().get(), percent, entries, bytes, peers, "fetching a snapshot: {what}");
}

#[cfg(test)]
mod tests;
