//! The run itself: what is due is sent, what is refused for the moment is sent again, and what becomes final is counted.
//!
//! One thread does all of it, because it shares the machine with the network that it measures. Everything that waits is
//! bounded: calls by the endpoints, transactions under way by the rate and the length of a run or by `--in-flight`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use althing_types::Hash;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::arguments::Plan;
use super::clock;
use super::endpoints::Endpoints;
use super::figures::{Figures, micros};
use super::follow::Seen;
use super::load::Load;
use super::pace::Pace;
use super::submit::{Fate, Item, Outcome, UNREACHABLE, lone, many};
use crate::cli::Exit;
use crate::cli::output::Output;
use althing_rpc::api::SUBMIT_MANY_MAX;

/// How often what is due is sent: longer means fewer calls and less work for everybody, and adds to every latency half
/// of itself.
const TICK: Duration = Duration::from_millis(5);
/// How often the run looks at its clock when nothing is due.
const IDLE: Duration = Duration::from_millis(50);
/// Without a rate: transactions of one call at most, so that all nodes have work.
const SATURATION_CHUNK: usize = 250;
/// Transactions that wait to be sent again at most; beyond it no new ones are taken. Those become late, or stay unsent.
const RETRIES_MAX: usize = 65_536;
/// How long a transaction is under way at least before its place is given to another one, in milliseconds.
const STALE_MS_MIN: u64 = 10_000;
/// How long a run stays without any node at least before it gives up, in milliseconds.
const LOST_MS_MIN: u64 = 2_000;
/// How long a run stays without any node, in milliseconds, before it gives up, where stragglers are waited for longer.
const LOST_MS_MAX: u64 = 10_000;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything was sent and is decided.
    Done,
    /// The wait for stragglers is over.
    TimeOver,
    /// The user wanted it.
    Interrupted,
    /// No node answered any more.
    Unreachable,
}

impl Ended {
    /// The word for scripts.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::TimeOver => "timeOver",
            Self::Interrupted => "interrupted",
            Self::Unreachable => "unreachable",
        }
    }

    /// What a script learns.
    pub(super) const fn exit(self, finalized: u64) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            _ if finalized > 0 => Exit::Done,
            Self::Unreachable => Exit::Network,
            Self::Done | Self::TimeOver => Exit::Failed,
        }
    }
}

/// A run.
pub(super) struct Engine<'a> {
    plan: &'a Plan,
    /// When transactions are due; none where there is no rate.
    pace: Option<Pace>,
    endpoints: Endpoints,
    load: Load,
    news: mpsc::Receiver<Seen>,
    calls: JoinSet<Outcome>,
    start: Instant,
    /// How many transactions were taken from the load.
    taken: u64,
    /// Those of which the end is not known, with the time at which they were due.
    flights: BTreeMap<Hash, u64>,
    /// Those of them that have been under way for so long that they are lost, as far as one can see.
    stale: usize,
    /// What is sent again, by time. The second number keeps those of one time apart.
    retries: BTreeMap<(u64, u64), Item>,
    retry_number: u64,
    figures: Figures,
}

impl<'a> Engine<'a> {
    /// A run of which everything is prepared.
    pub(super) fn new(plan: &'a Plan, endpoints: Endpoints, load: Load, news: mpsc::Receiver<Seen>) -> Self {
        Self {
            plan,
            pace: Pace::new(plan.rate, plan.duration_ms),
            endpoints,
            load,
            news,
            calls: JoinSet::new(),
            start: clock(),
            taken: 0,
            flights: BTreeMap::new(),
            stale: 0,
            retries: BTreeMap::new(),
            retry_number: 0,
            figures: Figures::new(),
        }
    }

    /// Runs to the end. The figures, and why it ended.
    pub(super) async fn run(mut self, output: &Output) -> (Figures, Ended) {
        self.start = clock();
        self.endpoints.begin(self.start);
        self.figures.begin();
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        let ended = loop {
            self.send();
            if let Some(ended) = self.ended() {
                break ended;
            }
            let wake = tokio::time::Instant::from_std(self.wake());
            tokio::select! {
                biased;
                _ = &mut interrupt => break Ended::Interrupted,
                Some(seen) = self.news.recv() => self.on_block(seen),
                Some(Ok(outcome)) = self.calls.join_next(), if !self.calls.is_empty() => self.on_outcome(outcome),
                _ = second.tick() => self.on_second(output),
                () = tokio::time::sleep_until(wake) => {}
            }
        };
        self.close(ended);
        (self.figures, ended)
    }

    fn elapsed(&self) -> Duration {
        clock().saturating_duration_since(self.start)
    }

    /// Sends what is due, as far as nodes can be called.
    fn send(&mut self) {
        while self.endpoints.has_room(clock()) {
            let items = self.due();
            if items.is_empty() {
                return;
            }
            let Some((place, node)) = self.endpoints.call(clock()) else { return };
            let mut items = items.into_iter();
            match (self.plan.rate.is_lone(), items.len(), items.next()) {
                (true, 1, Some(item)) => self.calls.spawn(lone(place, node, item)),
                (_, _, first) => self.calls.spawn(many(place, node, first.into_iter().chain(items).collect())),
            };
        }
    }

    /// What is to be sent now, for one call: first what is sent again.
    fn due(&mut self) -> Vec<Item> {
        let now_us = micros(self.elapsed());
        let most = if self.plan.rate.is_lone() { 1 } else { SUBMIT_MANY_MAX };
        let mut items = Vec::new();
        while items.len() < most
            && let Some(first) = self.retries.first_entry()
            && first.key().0 <= now_us
        {
            let item = first.remove();
            // An answer may have been lost and the transaction be final all the same.
            if self.flights.contains_key(&item.signed.id) {
                items.push(item);
            }
        }
        if !items.is_empty() {
            return items;
        }
        let room = self.room(now_us).min(most);
        for signed in self.load.take(room) {
            let due_us = self.pace.map_or(now_us, |pace| pace.due_us(self.taken));
            self.taken += 1;
            self.flights.insert(signed.id, due_us);
            self.figures.submitted += 1;
            items.push(Item { signed, refusal: None });
        }
        items
    }

    /// How many new transactions are to be sent now.
    fn room(&self, now_us: u64) -> usize {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        if self.retries.len() >= RETRIES_MAX {
            return 0;
        }
        match self.pace {
            Some(pace) => count(pace.due(Duration::from_micros(now_us)).saturating_sub(self.taken)),
            None if now_us >= self.plan.duration_ms.saturating_mul(1_000) => 0,
            None => {
                let bound = count(u64::from(self.plan.in_flight));
                let chunk = (bound / self.plan.endpoints.max(1) / 2).clamp(1, SATURATION_CHUNK);
                let free = bound.saturating_add(self.stale).saturating_sub(self.flights.len());
                if free < chunk { 0 } else { chunk }
            }
        }
    }

    /// Whether everything that the run has was taken.
    fn is_all_taken(&self) -> bool {
        match self.pace {
            Some(pace) => self.taken >= pace.total(),
            None => micros(self.elapsed()) >= self.plan.duration_ms.saturating_mul(1_000),
        }
    }

    fn ended(&self) -> Option<Ended> {
        let (now, elapsed) = (clock(), self.elapsed());
        if self.is_all_taken() && self.flights.is_empty() {
            return Some(Ended::Done);
        }
        if self.endpoints.are_lost(Duration::from_millis(self.plan.wait_ms.clamp(LOST_MS_MIN, LOST_MS_MAX)), now) {
            return Some(Ended::Unreachable);
        }
        let most = Duration::from_millis(self.plan.duration_ms.saturating_add(self.plan.wait_ms));
        (elapsed >= most).then_some(Ended::TimeOver)
    }

    /// When the run looks again, unless something happens before.
    fn wake(&self) -> Instant {
        let now = clock();
        let new = self.pace.filter(|_| !self.is_all_taken()).map(|pace| {
            let due = self.start + Duration::from_micros(pace.due_us(self.taken));
            if self.plan.rate.is_lone() { due } else { due.max(now + TICK) }
        });
        let again = self.retries.keys().next().map(|(due_us, _)| self.start + Duration::from_micros(*due_us));
        // What is due already waits for a call to end, not for a time.
        let least = now + Duration::from_millis(1);
        [new, again].into_iter().flatten().map(|time| time.max(least)).min().unwrap_or(now + IDLE).min(now + IDLE)
    }

    fn on_block(&mut self, seen: Seen) {
        let at = seen.at.saturating_duration_since(self.start);
        for (place, id) in seen.ids.iter().enumerate() {
            match seen.failed.get(&place) {
                Some(status) => self.fail(id, status),
                None => self.finalize(id, at),
            }
        }
    }

    fn on_outcome(&mut self, outcome: Outcome) {
        self.endpoints.ended(outcome.place, outcome.is_answered, clock());
        let at = self.elapsed();
        for (mut item, fate) in outcome.items {
            let id = item.signed.id;
            match fate {
                Fate::Taken => {}
                Fate::Final => self.finalize(&id, at),
                Fate::Failed(reason) => self.fail(&id, &reason),
                Fate::Again(pause_ms, refusal) => {
                    self.figures.retries += u64::from(refusal.is_some());
                    item.refusal = refusal;
                    self.retry_number += 1;
                    let due_us = micros(at).saturating_add(pause_ms.saturating_mul(1_000));
                    self.retries.insert((due_us, self.retry_number), item);
                }
            }
        }
    }

    fn on_second(&mut self, output: &Output) {
        let elapsed = self.elapsed();
        let old = micros(elapsed).saturating_sub(self.plan.wait_ms.max(STALE_MS_MIN).saturating_mul(1_000));
        self.stale = self.flights.values().filter(|due_us| **due_us < old).count();
        if elapsed >= Duration::from_secs(1) {
            output.note(&self.figures.progress(elapsed, self.flights.len()));
        }
    }

    fn finalize(&mut self, id: &Hash, at: Duration) {
        if let Some(due_us) = self.flights.remove(id) {
            self.figures.finalize(due_us, micros(at));
        }
    }

    fn fail(&mut self, id: &Hash, reason: &str) {
        if self.flights.remove(id).is_some() {
            self.figures.fail(reason);
        }
    }

    /// Settles what is open: what nobody took has failed for the reason that was given last, and what was due and not
    /// sent is said.
    fn close(&mut self, ended: Ended) {
        let elapsed = self.elapsed();
        for item in std::mem::take(&mut self.retries).into_values() {
            if let Some(reason) = item.refusal {
                self.fail(&item.signed.id, &reason);
            }
        }
        if ended == Ended::Unreachable {
            self.calls.abort_all();
            for _ in std::mem::take(&mut self.flights) {
                self.figures.fail(UNREACHABLE);
            }
        }
        self.figures.unfinished = self.flights.len() as u64;
        self.figures.unsent = self.pace.map_or(0, |pace| pace.due(elapsed).saturating_sub(self.taken));
        let whole_us = self.plan.duration_ms.saturating_mul(1_000);
        // A run with a rate ends with its last transaction, which is due a little before the end of the time.
        let due_us = if ended == Ended::Done { whole_us } else { micros(elapsed).min(whole_us) };
        self.figures.end(due_us);
    }
}
