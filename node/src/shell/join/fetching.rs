//! Fetching a snapshot: whom to ask for what, and what becomes of whoever lies.
//!
//! Several parts are under way at once, from several peers. Each is verified before it is kept, so that one that lies or dies
//! costs the time of its answer, and is passed over for a while. That the height is final is verified before anything else.
//! Where its blocks begin cannot be before the first of them are here: if that was a lie, all begins anew without whoever told it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use althing_genesis::Genesis;
use althing_ledger::{LedgerError, RECEIPTS_MAX, Restoration, RestoreError, Restored, SnapshotBase};
use althing_network::{Handle, RequestError};
use althing_storage::OrderedStore;
use althing_types::{Committee, Ed25519, Hash, Height, PublicKey, encode};
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
/// How long a node that goes on with a snapshot waits until anybody is connected.
const ALONE_MAX: Duration = Duration::from_secs(5);
/// Bytes of receipts that are enough for an answer, though the height of the first goes on: a peer leaves out at most one that
/// does not fit.
const RECEIPTS_BYTES_LEAST: usize = 200 << 10;
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
                // One that starts itself, or is busy, says nothing about the others.
                answered_at = answered_at.or(base.as_ref().map(|_| self.clock.uptime()));
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
            if (asking.is_empty() && is_enough) || now >= until {
                return best;
            }
        }
    }

    async fn build<S: OrderedStore>(
        &mut self,
        mut building: Restoration<S>,
        base_from: Option<Source>,
    ) -> Result<Ended, LedgerError> {
        let mut work = Work::begin(self.clock.uptime());
        while !building.is_complete() {
            self.ask_more(&mut building, &mut work);
            let answered = work.next().await;
            let now = self.clock.uptime();
            if let Some((part, source, answer)) = answered {
                let taken = match answer {
                    Ok(answer) => self.take(&mut building, part, answer)?,
                    Err(taken) => taken,
                };
                self.note(&source, &taken);
                if let Taken::FalseBase(what) = &taken {
                    if let Some(source) = &base_from {
                        self.lied(source, what);
                    }
                    return Ok(Ended::BeginAnew("its beginning was a lie"));
                }
                work.note(part, &source, &taken, now);
            }
            let here: Vec<&Source> = self.sources.all().filter(|source| self.company.has(&source.key)).collect();
            if let Some(ended) = work.is_over(&here, now) {
                return Ok(ended);
            }
            if now >= work.reported_at + REPORT_EVERY {
                work.reported_at = now;
                report(&building, here.len());
            }
        }
        report(&building, self.sources.all().filter(|source| self.company.has(&source.key)).count());
        match building.finish() {
            Ok(restored) => Ok(Ended::Built(restored)),
            Err(RestoreError::Ledger(error)) => Err(error),
            Err(RestoreError::Foreign(_) | RestoreError::Chunk(_)) => Ok(Ended::BeginAnew("a part of it is missing")),
        }
    }

    /// Asks for as many parts as may be under way.
    fn ask_more<S: OrderedStore>(&mut self, building: &mut Restoration<S>, work: &mut Work) {
        while work.asking.len() < UNDER_WAY_MAX
            && let Some(mut part) = next_part(building, &work.under_way)
            && let Some(mut source) = self.pick()
        {
            if let Part::Receipts((height, index), last) = part {
                // Receipts of one height are one peer's: none can be told from the others.
                let now = self.clock.uptime();
                let is_usable = |same: &&Source| self.company.has(&same.key) && !self.sources.is_aside(same, now);
                match work.receipts_from.as_ref().filter(is_usable) {
                    Some(same) if index > 0 => source = same.clone(),
                    _ => {
                        building.forget_receipts();
                        part = Part::Receipts((height, 0), last);
                    }
                }
                work.receipts_from = Some(source.clone());
            }
            work.under_way.insert(part);
            let (handle, request) = (self.handle.clone(), part.request(building.height()));
            work.asking.spawn(async move {
                let answer = ask(&handle, &source, &request).await;
                (part, source, answer)
            });
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
            (Part::Receipts((first, _), _), Answer::SnapshotReceipts(Some(receipts))) if !receipts.is_empty() => {
                let taken = building.take_receipts(&receipts);
                let goes_on = building.receipts_from().is_some_and(|((height, index), _)| height == first && index > 0);
                let bytes: usize = receipts.iter().map(|receipt| receipt.bytes.len()).sum();
                if taken.is_ok() && goes_on && bytes < RECEIPTS_BYTES_LEAST && receipts.len() < RECEIPTS_MAX {
                    // A few at a time would keep everybody waiting for ever.
                    building.forget_receipts();
                    return Ok(Taken::Lie("fewer receipts than fit an answer".to_owned()));
                }
                taken
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

/// What is under way, and how it goes.
struct Work {
    asking: JoinSet<(Part, Source, Result<Answer, Taken>)>,
    under_way: BTreeSet<Part>,
    /// Who gave the receipts that are here of a height that is not whole.
    receipts_from: Option<Source>,
    /// Who did not have what belongs to it, since something was kept last.
    refused: BTreeSet<PublicKey>,
    began: Duration,
    kept_at: Duration,
    reported_at: Duration,
}

impl Work {
    fn begin(now: Duration) -> Self {
        Self {
            asking: JoinSet::new(),
            under_way: BTreeSet::new(),
            receipts_from: None,
            refused: BTreeSet::new(),
            began: now,
            kept_at: now,
            reported_at: now,
        }
    }

    /// The next answer; none after a moment in which nothing was under way.
    async fn next(&mut self) -> Option<(Part, Source, Result<Answer, Taken>)> {
        match self.asking.join_next().await {
            None => sleep(PAUSE).await,
            // A task that panicked asked for something; all of it is asked for again.
            Some(Err(_)) => {
                self.asking = JoinSet::new();
                self.under_way.clear();
            }
            Some(Ok(answered)) => {
                self.under_way.remove(&answered.0);
                return Some(answered);
            }
        }
        None
    }

    fn note(&mut self, part: Part, source: &Source, taken: &Taken, now: Duration) {
        if matches!(taken, Taken::Kept) {
            self.kept_at = now;
            self.refused.clear();
            return;
        }
        if matches!(part, Part::Receipts(..)) {
            self.receipts_from = None;
        }
        if matches!(taken, Taken::Nothing | Taken::Lie(_)) {
            self.refused.insert(source.key);
        }
    }

    /// Whether there is no use in going on, with these connected.
    fn is_over(&self, here: &[&Source], now: Duration) -> Option<Ended> {
        let is_gone = !here.is_empty() && here.iter().all(|source| self.refused.contains(&source.key));
        if is_gone && now >= self.kept_at + GONE_AFTER {
            return Some(Ended::BeginAnew("nobody keeps what belongs to it any more"));
        }
        if now >= self.kept_at + IDLE_MAX {
            let is_refused = !self.refused.is_empty();
            return Some(if is_refused { Ended::BeginAnew("who answers has it no more") } else { Ended::Nobody });
        }
        let is_alone = here.is_empty() && self.kept_at == self.began;
        (is_alone && now >= self.began + ALONE_MAX).then_some(Ended::Nobody)
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
