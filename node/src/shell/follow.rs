//! The loop of a node that follows: it asks for final blocks above its last one, verifies them, fetches their batches
//! and hands them to the thread that owns the ledger.
//!
//! One portion is committed while the next is fetched, and no more: that bounds the memory. Peers are asked in turn,
//! validators first; one that does not answer is passed over for a while, one that lies for a minute, and its name goes
//! to the log. News of a higher block makes the loop ask at once; without news it asks every few seconds. Blocks that
//! are verified wait for their batches, from whoever has them and for as long as it takes; after a restart it goes on
//! from the ledger.

mod pace;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use althing_ledger::FinalBlock;
use althing_network::{Handle, RequestError};
use althing_types::{Committee, Ed25519, Height, encode};
use metrics::counter;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

pub(super) use self::pace::{LANES_MAX, Pace};
use self::sources::MOMENT;
pub(super) use self::sources::{Source, Sources};
use super::asking::{Answer, Request};
use super::clock::Clock;
use super::company::Company;
use super::heads::Horizon;
use super::mailbox::Mailbox;
use super::stop::Stop;
use super::tasks;
use crate::following::{FollowError, Portion, Tip, verify_run};

/// How often is asked without news.
const POLL_EVERY: Duration = Duration::from_secs(3);

/// The loop's parts.
pub(super) struct Follower {
    /// The last block that the ledger has or is about to get.
    pub(super) tip: Tip,
    pub(super) handle: Handle,
    pub(super) company: Arc<Company>,
    pub(super) horizon: Arc<Horizon>,
    pub(super) committee: Arc<Committee>,
    /// Everybody in the genesis document but this node.
    pub(super) sources: Sources,
    pub(super) pace: Pace,
    /// The way to the ledger.
    pub(super) blocks: Arc<Mailbox<FinalBlock>>,
    /// The height of the last committed block.
    pub(super) height: watch::Receiver<Height>,
    pub(super) clock: Clock,
    pub(super) stop: Stop,
}

/// Why a step forward was not made.
enum Halt {
    /// Nobody that is connected could help; later somebody may.
    Nobody,
    /// The node ends.
    Ending,
}

/// What one peer's answer came to.
enum Failure {
    /// None yet: it is asked too often, or does not have what was asked for.
    NotYet(String),
    /// None came, or not in time.
    Silence(String),
    /// It was a lie.
    Lie(String),
    /// This node and a quorum contradict each other.
    Contradiction(String),
}

impl Follower {
    /// Follows until the node ends.
    pub(super) async fn run(&mut self) {
        loop {
            match self.advance().await {
                Ok(true) => {}
                Ok(false) => self.wait_for_news().await,
                Err(Halt::Nobody) => {
                    sleep(MOMENT).await;
                    self.wait_for_news().await;
                }
                Err(Halt::Ending) => return,
            }
            if self.stop.is_set() {
                return;
            }
        }
    }

    /// Waits until there may be a block above the tip: because a certificate shows it, because somebody came, or because
    /// it is time to ask anyway.
    async fn wait_for_news(&self) {
        let (mut horizon, mut company) = (self.horizon.subscribe(), self.company.subscribe());
        tokio::select! {
            _ = horizon.wait_for(|height| *height > self.tip.height) => {}
            _ = company.changed() => {}
            () = sleep(POLL_EVERY) => {}
            _ = self.stop.reason() => {}
        }
    }

    /// Fetches one run and hands its blocks to the ledger. Says whether there was one.
    async fn advance(&mut self) -> Result<bool, Halt> {
        let source = self.pick().ok_or(Halt::Nobody)?;
        let portions = match self.ask_for_run(&source).await {
            Ok(Some((portions, certified))) => {
                self.horizon.raise(certified);
                self.sources.helped(&source);
                portions
            }
            // It may not have committed yet what another one told of: then the next one is asked.
            Ok(None) if self.horizon.height() > self.tip.height => {
                let failure = Failure::NotYet("it has no higher block".to_owned());
                return self.failed(&source, failure).map(|()| true);
            }
            Ok(None) => return Ok(false),
            Err(failure) => return self.failed(&source, failure).map(|()| true),
        };
        for portion in portions {
            let portion = self.fill(portion, &source).await?;
            let end = portion.tip().clone();
            let Some(blocks) = portion.into_blocks() else { return Err(Halt::Nobody) };
            // The portion before is committed first, so that no more than two are in memory.
            let before = self.tip.height;
            self.height.wait_for(|height| *height >= before).await.map_err(|_| Halt::Ending)?;
            blocks.into_iter().for_each(|block| self.blocks.post(block));
            self.tip = end;
        }
        Ok(true)
    }

    async fn ask_for_run(&mut self, source: &Source) -> Result<Option<(Vec<Portion>, Height)>, Failure> {
        let above = self.tip.height;
        let answers = self.ask_all(source, vec![((), Request::Blocks { above })]).await;
        let Some(((), answer)) = answers.into_iter().next() else { return Ok(None) };
        let run = match answer? {
            Answer::Blocks(Some(run)) => run,
            Answer::Blocks(None) => return Ok(None),
            _ => return Err(Failure::Lie("an answer to another question".to_owned())),
        };
        let (tip, committee) = (self.tip.clone(), self.committee.clone());
        let verified = spawn_blocking(move || verify_run(*run, &tip, &committee, &Ed25519)).await;
        let verified = verified.map_err(|error| {
            tasks::broke("follower", &error);
            Failure::Silence("its blocks could not be verified".to_owned())
        })?;
        verified.map(Some).map_err(|error| Failure::of(&error))
    }

    /// Fetches all batches of a portion: first from the peer that gave the blocks, which has them, then from one after
    /// the other.
    async fn fill(&mut self, mut portion: Portion, first: &Source) -> Result<Portion, Halt> {
        let is_usable = self.company.has(&first.key) && !self.sources.is_aside(first, self.clock.uptime());
        let mut first = is_usable.then(|| first.clone());
        loop {
            let (epoch, missing) = portion.missing();
            if missing.is_empty() {
                return Ok(portion);
            }
            let source = match first.take() {
                Some(source) => source,
                None => self.somebody().await?,
            };
            let missing = missing.into_iter().take(self.pace.lanes());
            let questions = missing.map(|range| (range.lane, Request::Batches { epoch, range }));
            let answers = self.ask_all(&source, questions.collect()).await;
            let committee = self.committee.clone();
            let taken = spawn_blocking(move || {
                let taken = take_all(&mut portion, answers, &committee);
                (portion, taken)
            });
            let (filled, taken) = taken.await.map_err(|error| {
                tasks::broke("follower", &error);
                Halt::Nobody
            })?;
            portion = filled;
            match taken {
                Ok(()) => self.sources.helped(&source),
                Err(failure) => self.failed(&source, failure)?,
            }
        }
    }

    /// Somebody to ask, as soon as there is one.
    async fn somebody(&mut self) -> Result<Source, Halt> {
        loop {
            if let Some(source) = self.pick() {
                return Ok(source);
            }
            tokio::select! {
                () = sleep(MOMENT) => {}
                _ = self.stop.reason() => return Err(Halt::Ending),
            }
        }
    }

    /// Asks a peer several questions at once, and waits for all answers. Each goes with what it was asked for.
    async fn ask_all<T: Send + 'static>(
        &mut self,
        source: &Source,
        questions: Vec<(T, Request)>,
    ) -> Vec<(T, Result<Answer, Failure>)> {
        let (began, patience) = (self.clock.uptime(), self.pace.patience());
        let mut tasks = JoinSet::new();
        for (about, request) in questions {
            let (handle, key) = (self.handle.clone(), source.key);
            tasks.spawn(async move { (about, timeout(patience, handle.request(&key, encode(&request))).await) });
        }
        let answers = tasks.join_all().await;
        if answers.iter().any(|(_, answer)| answer.is_err()) {
            self.pace.late();
        } else if answers.iter().any(|(_, answer)| matches!(answer, Ok(Ok(_)))) {
            self.pace.answered(self.clock.uptime().saturating_sub(began));
        }
        let silence = || Failure::Silence("no answer came in time".to_owned());
        let read = |answer: Result<_, _>| answer.map_err(|_| silence()).and_then(read);
        answers.into_iter().map(|(about, answer)| (about, read(answer))).collect()
    }

    /// The connected peer whose turn it is: a validator if there is one.
    fn pick(&mut self) -> Option<Source> {
        let company = &self.company;
        self.sources.pick(self.clock.uptime(), |key| company.has(key))
    }

    /// Notes a failure; an error if the node has to end.
    fn failed(&mut self, source: &Source, failure: Failure) -> Result<(), Halt> {
        let now = self.clock.uptime();
        match failure {
            Failure::NotYet(why) => {
                tracing::debug!(peer = source.name, why, "a peer does not help to follow yet; another one is asked");
                self.sources.set_aside(source, now);
                Ok(())
            }
            Failure::Silence(why) => {
                tracing::debug!(peer = source.name, why, "a peer did not help to follow; another one is asked");
                self.sources.silent(source, now);
                Ok(())
            }
            Failure::Lie(what) => {
                counter!("althing_follow_lies_total").increment(1);
                tracing::warn!(
                    peer = source.name,
                    what,
                    "a peer sent what no honest one does; it is asked no more for a while"
                );
                self.sources.lied(source, now);
                Ok(())
            }
            Failure::Contradiction(what) => {
                self.stop.chain_failed(what);
                Err(Halt::Ending)
            }
        }
    }
}

impl Failure {
    fn of(error: &FollowError) -> Self {
        if error.is_contradiction() { Self::Contradiction(error.to_string()) } else { Self::Lie(error.to_string()) }
    }

    /// The one that matters more.
    fn worse(self, other: Self) -> Self {
        let rank = |failure: &Self| match failure {
            Self::NotYet(_) => 0,
            Self::Silence(_) => 1,
            Self::Lie(_) => 2,
            Self::Contradiction(_) => 3,
        };
        if rank(&other) > rank(&self) { other } else { self }
    }
}

/// Reads what came back.
fn read(answer: Result<Vec<u8>, RequestError>) -> Result<Answer, Failure> {
    match answer {
        Ok(bytes) => {
            Answer::from_bytes(&bytes).map_err(|error| Failure::Lie(format!("an answer that is none: {error}")))
        }
        // An honest peer says so to whoever asks much; it is no less ready for that.
        Err(error @ (RequestError::Busy | RequestError::TooMany | RequestError::NotConnected)) => {
            Err(Failure::NotYet(error.to_string()))
        }
        Err(error) => Err(Failure::Silence(error.to_string())),
    }
}

/// Takes the answers about several lanes. What is verified stays, whatever else is wrong.
fn take_all(
    portion: &mut Portion,
    answers: Vec<(u32, Result<Answer, Failure>)>,
    committee: &Committee,
) -> Result<(), Failure> {
    let mut worst: Result<(), Failure> = Ok(());
    for (lane, answer) in answers {
        let taken = answer.and_then(|answer| match answer {
            Answer::Batches(batches) if batches.is_empty() => {
                Err(Failure::NotYet(format!("it has no batch of lane {lane}")))
            }
            Answer::Batches(batches) => {
                portion.take(lane, batches.into_inner(), committee, &Ed25519).map_err(|error| Failure::of(&error))
            }
            _ => Err(Failure::Lie("an answer to another question".to_owned())),
        });
        if let Err(failure) = taken {
            worst = Err(match worst {
                Ok(()) => failure,
                Err(before) => before.worse(failure),
            });
        }
    }
    worst
}

#[cfg(test)]
mod tests;
