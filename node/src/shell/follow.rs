//! The loop of a node that follows: it asks for final blocks above its last one, verifies them, fetches their batches
//! and hands them to the thread that owns the ledger.
//!
//! One portion is committed while the next is fetched, and no more: that bounds the memory. Peers are asked in turn,
//! validators first; one that does not answer is passed over for a moment, one that lies for a minute, and its name goes
//! to the log. News of a higher block makes the loop ask at once; without news it asks every few seconds. What is
//! verified is never asked for again, and after a restart it goes on from the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use althing_ledger::FinalBlock;
use althing_mempool::Range;
use althing_network::{Handle, Role};
use althing_types::{Committee, Ed25519, Epoch, Height, PublicKey, encode};
use metrics::counter;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::asking::{Answer, Request};
use super::clock::Clock;
use super::company::Company;
use super::heads::Horizon;
use super::mailbox::Mailbox;
use super::stop::Stop;
use crate::replica::following::{FollowError, Portion, Tip, verify_run};

/// How long a peer may take to answer before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often is asked without news.
const POLL_EVERY: Duration = Duration::from_secs(3);
/// The pause after nobody could help.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a peer that did not answer is passed over.
const SILENT_FOR: Duration = Duration::from_secs(2);
/// How long a peer that lied is passed over.
const LIAR_FOR: Duration = Duration::from_secs(60);
/// Lanes that are asked for at the same time; each answer holds at most 1 MiB.
const QUESTIONS_MAX: usize = 4;

/// A node that may be asked.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) key: PublicKey,
    pub(super) name: String,
    pub(super) role: Role,
}

/// The loop's parts.
pub(super) struct Follower {
    /// The last block that the ledger has or is about to get.
    pub(super) tip: Tip,
    pub(super) handle: Handle,
    pub(super) company: Arc<Company>,
    pub(super) horizon: Arc<Horizon>,
    pub(super) committee: Arc<Committee>,
    /// Everybody in the genesis document but this node.
    pub(super) sources: Vec<Source>,
    /// The way to the ledger.
    pub(super) blocks: Arc<Mailbox<FinalBlock>>,
    /// The height of the last committed block.
    pub(super) height: watch::Receiver<Height>,
    pub(super) clock: Clock,
    pub(super) stop: Stop,
    pub(super) aside: Aside,
}

/// Whose turn it is, and who is passed over until when.
#[derive(Debug, Default)]
pub(super) struct Aside {
    until: BTreeMap<PublicKey, Duration>,
    turn: usize,
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
                    sleep(PAUSE).await;
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
                portions
            }
            // It may not have committed yet what another one told of: then the next one is asked.
            Ok(None) if self.horizon.height() > self.tip.height => {
                self.set_aside(&source, PAUSE);
                return Ok(true);
            }
            Ok(None) => return Ok(false),
            Err(failure) => return self.failed(&source, failure).map(|()| true),
        };
        for portion in portions {
            let portion = self.fill(portion).await?;
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

    async fn ask_for_run(&self, source: &Source) -> Result<Option<(Vec<Portion>, Height)>, Failure> {
        let run = match self.ask(source, &Request::Blocks { above: self.tip.height }).await? {
            Answer::Blocks(Some(run)) => run,
            Answer::Blocks(None) => return Ok(None),
            _ => return Err(Failure::Lie("an answer to another question".to_owned())),
        };
        let (tip, committee) = (self.tip.clone(), self.committee.clone());
        let verified = spawn_blocking(move || verify_run(*run, &tip, &committee, &Ed25519)).await;
        let verified = verified.map_err(|error| Failure::Silence(error.to_string()))?;
        verified.map(Some).map_err(|error| Failure::of(&error))
    }

    /// Fetches all batches of a portion, from one peer after the other.
    async fn fill(&mut self, mut portion: Portion) -> Result<Portion, Halt> {
        loop {
            let (epoch, missing) = portion.missing();
            if missing.is_empty() {
                return Ok(portion);
            }
            let source = self.pick().ok_or(Halt::Nobody)?;
            let answers = self.ask_for_batches(&source, epoch, missing).await;
            let committee = self.committee.clone();
            let taken = spawn_blocking(move || {
                let taken = take_all(&mut portion, answers, &committee);
                (portion, taken)
            });
            let Ok((filled, taken)) = taken.await else { return Err(Halt::Nobody) };
            portion = filled;
            if let Err(failure) = taken {
                self.failed(&source, failure)?;
            }
        }
    }

    async fn ask_for_batches(
        &self,
        source: &Source,
        epoch: Epoch,
        missing: Vec<Range>,
    ) -> Vec<(u32, Result<Answer, Failure>)> {
        let mut tasks = JoinSet::new();
        for range in missing.into_iter().take(QUESTIONS_MAX) {
            let (handle, key) = (self.handle.clone(), source.key);
            let request = Request::Batches { epoch, range };
            tasks.spawn(async move { (range.lane, ask(&handle, &key, &request).await) });
        }
        tasks.join_all().await
    }

    async fn ask(&self, source: &Source, request: &Request) -> Result<Answer, Failure> {
        ask(&self.handle, &source.key, request).await
    }

    /// The connected peer whose turn it is: a validator if there is one.
    fn pick(&mut self) -> Option<Source> {
        let now = self.clock.uptime();
        self.aside.until.retain(|_, until| *until > now);
        let usable = |role: Role| {
            let of_role = self.sources.iter().filter(move |source| source.role == role);
            let here = of_role.filter(|source| self.company.has(&source.key));
            here.filter(|source| !self.aside.until.contains_key(&source.key)).collect::<Vec<_>>()
        };
        let validators = usable(Role::Validator);
        let usable = if validators.is_empty() { usable(Role::Observer) } else { validators };
        let place = self.aside.turn.checked_rem(usable.len())?;
        let picked = usable.get(place).map(|source| (*source).clone());
        self.aside.turn = self.aside.turn.wrapping_add(1);
        picked
    }

    fn set_aside(&mut self, source: &Source, how_long: Duration) {
        self.aside.until.insert(source.key, self.clock.uptime() + how_long);
    }

    /// Notes a failure; an error if the node has to end.
    fn failed(&mut self, source: &Source, failure: Failure) -> Result<(), Halt> {
        match failure {
            Failure::Silence(why) => {
                tracing::debug!(peer = source.name, why, "a peer did not help to follow; another one is asked");
                self.set_aside(source, SILENT_FOR);
                Ok(())
            }
            Failure::Lie(what) => {
                counter!("althing_follow_lies_total").increment(1);
                tracing::warn!(
                    peer = source.name,
                    what,
                    "a peer sent what no honest one does; it is asked no more for a while"
                );
                self.set_aside(source, LIAR_FOR);
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
}

/// One question and its answer.
async fn ask(handle: &Handle, key: &PublicKey, request: &Request) -> Result<Answer, Failure> {
    match timeout(PATIENCE, handle.request(key, encode(request))).await {
        Ok(Ok(bytes)) => {
            Answer::from_bytes(&bytes).map_err(|error| Failure::Lie(format!("an answer that is none: {error}")))
        }
        Ok(Err(error)) => Err(Failure::Silence(error.to_string())),
        Err(_) => Err(Failure::Silence("no answer came in time".to_owned())),
    }
}

/// Takes the answers about several lanes. What is verified stays, whatever else is wrong.
fn take_all(
    portion: &mut Portion,
    answers: Vec<(u32, Result<Answer, Failure>)>,
    committee: &Committee,
) -> Result<(), Failure> {
    let mut worst = Ok(());
    for (lane, answer) in answers {
        let taken = answer.and_then(|answer| match answer {
            Answer::Batches(batches) if batches.is_empty() => {
                Err(Failure::Silence(format!("it has no batch of lane {lane}")))
            }
            Answer::Batches(batches) => {
                portion.take(lane, batches.into_inner(), committee, &Ed25519).map_err(|error| Failure::of(&error))
            }
            _ => Err(Failure::Lie("an answer to another question".to_owned())),
        });
        match (&worst, &taken) {
            (_, Ok(())) | (Err(Failure::Contradiction(_) | Failure::Lie(_)), Err(Failure::Silence(_))) => {}
            _ => worst = taken,
        }
    }
    worst
}
