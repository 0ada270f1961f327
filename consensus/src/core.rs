//! The state of agreement, and what others may ask of it.

use std::collections::{BTreeMap, VecDeque};

use althing_types::{
    Certificate, Committee, Finalization, Hash, Height, Monotonic, Quorums, ValidatorIndex, View, Work,
};

use crate::amnesia::Past;
use crate::chain::{Anchor, Chain};
use crate::config::{Config, Now, VIEWS_AHEAD_MAX};
use crate::epoch::Change;
use crate::evidence::Accusations;
use crate::fetch::{Fetch, RunEnd, Want};
use crate::history::History;
use crate::journal::Journal;
use crate::message::{Envelope, Message};
use crate::output::{Alarm, Output, Recipient};
use crate::peers::Peers;
use crate::record::Lsn;
use crate::results::Results;
use crate::round::Round;
use crate::timers::Timers;
use crate::view::VOTES_KEPT;

/// What every step works with.
pub(crate) struct Context<'a, K> {
    pub(crate) keys: &'a K,
    pub(crate) now: Now,
    pub(crate) out: &'a mut Vec<Output>,
}

impl<K> Context<'_, K> {
    /// The steady clock.
    pub(crate) const fn monotonic(&self) -> Monotonic {
        self.now.monotonic
    }
}

/// The highest Finalization that is known. Nothing is ever signed for its view or below.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Floor {
    pub(crate) view: View,
    pub(crate) digest: Hash,
    /// None only at the start of the epoch.
    pub(crate) finalization: Option<Finalization>,
    /// Where the log holds the Finalization.
    pub(crate) lsn: Lsn,
}

/// The state of agreement of one validator in one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Core {
    pub(crate) config: Config,
    pub(crate) set_hash: Hash,
    pub(crate) view: View,
    /// The certificate that opened the view; none at the start of the epoch.
    pub(crate) entry: Option<Certificate>,
    pub(crate) floor: Floor,
    /// The views above the floor of which anything is known.
    pub(crate) rounds: BTreeMap<View, Round>,
    pub(crate) chain: Chain,
    /// Runs of catch-up that stand in the tree and were not handed over yet, each above the one before (S1).
    pub(crate) runs: VecDeque<RunEnd>,
    /// Blocks that were handed over and that the ledger has not committed yet.
    pub(crate) uncommitted: BTreeMap<Height, althing_types::Block>,
    pub(crate) results: Results,
    /// The change of the validator set that the executed state holds (E1).
    pub(crate) change: Option<Change>,
    /// Whether the log says how this epoch began (E3).
    pub(crate) is_opening_logged: bool,
    pub(crate) accusations: Accusations,
    pub(crate) history: History,
    /// What this validator knows of its own past (D10).
    pub(crate) past: Past,
    pub(crate) journal: Journal,
    /// What envelopes say: the view and floor whose certificates are durable.
    pub(crate) announced: (View, View),
    pub(crate) peers: Peers,
    pub(crate) work: Work,
    pub(crate) timers: Timers,
    pub(crate) fetches: BTreeMap<Want, Fetch>,
    /// Questions asked so far; decides whom the next one goes to.
    pub(crate) asked: u16,
    /// The view for which the data plane was asked to choose lanes.
    pub(crate) building: Option<View>,
    /// A view that this validator led died with its proposal in it, and it has not proposed since.
    pub(crate) turn_died: bool,
    /// When a proposal's time comes within the clock's bound.
    pub(crate) clock_wake: Option<Monotonic>,
    pub(crate) wake: Option<Monotonic>,
    pub(crate) started: bool,
    /// Why this validator stopped voting for good.
    pub(crate) halted: Option<Alarm>,
}

impl Core {
    pub(crate) fn with_floor(config: Config, anchor: Anchor, floor: Floor) -> Self {
        let validators = config.committee.set.count();
        Self {
            set_hash: config.committee.set.hash(),
            view: floor.view.next(),
            entry: floor.finalization.clone().map(Certificate::Finalization),
            rounds: BTreeMap::new(),
            chain: Chain::new(anchor),
            runs: VecDeque::new(),
            uncommitted: BTreeMap::new(),
            results: Results::new(validators),
            change: None,
            is_opening_logged: false,
            accusations: Accusations::default(),
            history: History::default(),
            past: Past::default(),
            journal: Journal::default(),
            announced: (floor.view.next(), floor.view),
            peers: Peers::new(validators, config.guests),
            work: Work::default(),
            timers: Timers::default(),
            fetches: BTreeMap::new(),
            asked: 0,
            building: None,
            turn_died: false,
            clock_wake: None,
            wake: None,
            started: false,
            halted: None,
            floor,
            config,
        }
    }

    /// When [`Core::step`] wants to be called with [`crate::Input::Tick`] at the latest; none while nothing waits for
    /// time to pass. After a step it is always in the future.
    pub const fn deadline(&self) -> Option<Monotonic> {
        self.wake
    }

    /// The last block that was handed to the application.
    pub const fn anchor(&self) -> &Anchor {
        self.chain.base()
    }

    /// A message with this validator's hints, for those who answer [`Output::Serve`].
    pub fn envelope(&self, message: Message) -> Envelope {
        let (view, floor) = self.announced;
        Envelope { epoch: self.committee().epoch, view, floor, message }
    }

    pub(crate) const fn committee(&self) -> &Committee {
        &self.config.committee
    }

    pub(crate) fn quorums(&self) -> Quorums {
        self.config.quorums()
    }

    pub(crate) const fn me(&self) -> ValidatorIndex {
        self.config.me
    }

    pub(crate) fn leader(&self, view: View) -> ValidatorIndex {
        self.committee().set.leader(self.committee().epoch, view)
    }

    pub(crate) fn round_mut(&mut self, view: View) -> &mut Round {
        self.rounds.entry(view).or_default()
    }

    /// The highest view whose block may be built on, and that block (the tip).
    pub(crate) fn tip(&self) -> (View, Hash) {
        let certified = self
            .rounds
            .iter()
            .rev()
            .find_map(|(view, round)| round.block_certified().next().map(|digest| (*view, digest)));
        certified.unwrap_or((self.floor.view, self.floor.digest))
    }

    /// Whether a message about this view is worth keeping: above the floor, not too far ahead and not long past.
    pub(crate) fn is_open(&self, view: View) -> bool {
        let near = view <= self.view.plus(VIEWS_AHEAD_MAX) && view.plus(VOTES_KEPT) >= self.view;
        view > self.floor.view && near
    }

    pub(crate) fn send<K>(&self, cx: &mut Context<'_, K>, to: Recipient, message: Message) {
        let envelope = self.envelope(message);
        cx.out.push(Output::Send { to, envelope });
    }

    /// Stops voting for good and says why.
    pub(crate) fn halt<K>(&mut self, cx: &mut Context<'_, K>, alarm: Alarm) {
        if self.halted.is_none() {
            cx.out.push(Output::Alarm(alarm.clone()));
            self.halted = Some(alarm);
        }
    }

    /// Stops voting for good because of what only the surroundings can see.
    pub fn stop(&mut self, alarm: Alarm) {
        self.halted.get_or_insert(alarm);
    }

    pub(crate) fn misbehaved<K>(&self, cx: &mut Context<'_, K>, peer: ValidatorIndex, what: &'static str) {
        cx.out.push(Output::Alarm(Alarm::Misbehaved { peer, what }));
    }
}
