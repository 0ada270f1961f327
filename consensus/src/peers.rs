//! What is known of the other validators: whether they can be reached, and how far they say that they are.

use althing_types::{Monotonic, ValidatorIndex, View};

/// Answers to requests of one peer within Δ at most; further ones are dropped and asked again.
const ANSWERS_MAX: u32 = 32;

/// One other validator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Peer {
    /// Whether messages to it can arrive.
    pub(crate) connected: bool,
    /// Since when it is connected or not.
    pub(crate) since: Monotonic,
    /// The view that it announced since it was connected.
    pub(crate) view: View,
    /// The floor that it announced since it was connected.
    pub(crate) floor: View,
    /// Not before this moment certificates are pushed to it again.
    pub(crate) push_at: Monotonic,
    /// Not before this moment another Status is sent to it.
    pub(crate) nudge_at: Monotonic,
    /// When the current window of answers ends.
    window_ends: Monotonic,
    /// Answers given within the window.
    answers: u32,
}

impl Peer {
    /// The peer after its connection began or ended: what it had announced is forgotten, what it was answered is not,
    /// so that a reconnection buys no further answers.
    pub(crate) fn anew(&self, connected: bool, since: Monotonic) -> Self {
        Self { connected, since, window_ends: self.window_ends, answers: self.answers, ..Self::default() }
    }

    /// Whether one more request may be answered now.
    pub(crate) fn may_answer(&mut self, now: Monotonic, window: u64) -> bool {
        if now >= self.window_ends {
            self.window_ends = now.plus(window);
            self.answers = 0;
        }
        self.answers = self.answers.saturating_add(1);
        self.answers <= ANSWERS_MAX
    }
}

/// All validators by index, then the guests; the entry of this one is unused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peers {
    all: Vec<Peer>,
    validators: u16,
}

impl Peers {
    pub(crate) fn new(validators: u16, guests: u16) -> Self {
        let count = usize::from(validators.saturating_add(guests));
        Self { all: vec![Peer::default(); count], validators }
    }

    /// Nobody was reachable before this moment.
    pub(crate) fn begin(&mut self, now: Monotonic) {
        for peer in &mut self.all {
            peer.since = peer.since.max(now);
        }
    }

    /// Every connection began or ended now, and what the peers announced since is still known.
    pub(crate) fn begin_anew(&mut self, now: Monotonic) {
        for peer in &mut self.all {
            let Peer { connected, view, floor, .. } = *peer;
            *peer = Peer { connected, view, floor, since: now, ..Peer::default() };
        }
    }

    pub(crate) fn get(&self, index: ValidatorIndex) -> Option<&Peer> {
        self.all.get(index.to_usize())
    }

    pub(crate) fn get_mut(&mut self, index: ValidatorIndex) -> Option<&mut Peer> {
        self.all.get_mut(index.to_usize())
    }

    /// The reachable validators and guests, ascending.
    pub(crate) fn connected(&self) -> impl Iterator<Item = (ValidatorIndex, &Peer)> {
        let indexed = (0..u16::MAX).map(ValidatorIndex::new).zip(&self.all);
        indexed.filter(|(_, peer)| peer.connected)
    }

    /// The reachable validators of the epoch, ascending.
    pub(crate) fn connected_validators(&self) -> impl Iterator<Item = ValidatorIndex> {
        self.connected().map(|(index, _)| index).filter(|index| index.get() < self.validators)
    }

    /// Validators that take part as far as we know, this one included.
    pub(crate) fn active(&self) -> usize {
        self.connected_validators().count().saturating_add(1)
    }
}
