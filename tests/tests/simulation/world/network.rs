//! The network of the simulated world: frames on streams, or each on its own way.

use althing_consensus::Message as ConsensusMessage;
use althing_node::replica::wire::{self, Class, Frame};
use althing_node::replica::{Event as ReplicaEvent, Message, Recipients};
use althing_types::ValidatorIndex;

use super::{Event, World, fold};
use crate::simulation::liar;

impl World {
    /// Sends a message to everybody it is for.
    pub(super) fn send(&mut self, place: usize, to: &Recipients, message: &Message) {
        self.note_activity(place);
        let from = self.nodes[place].index;
        let lies = self.options.lies && !self.checker.is_honest(from);
        self.checker.sends(place, message);
        let (class, frame) = wire::to_frame(message);
        self.outcome.trace = fold(self.outcome.trace, &[frame.len() as u64]);
        for receiver in 0..self.nodes.len() {
            let index = self.nodes[receiver].index;
            let addressed = match to {
                Recipients::All => true,
                Recipients::Some(to) => to.contains(&index),
            };
            if !addressed || index == from {
                continue;
            }
            if !lies {
                self.transmit(place, receiver, class, frame.clone());
                continue;
            }
            for said in liar::distort(&mut self.random, &self.nodes[place], &self.genesis.committee(), message) {
                self.checker.sends(place, &said);
                let (class, frame) = wire::to_frame(&said);
                self.transmit(place, receiver, class, frame);
            }
        }
    }

    fn transmit(&mut self, from: usize, to: usize, class: Class, bytes: Frame) {
        if bytes.len() > class.frame_bytes_max() {
            self.checker.fail(format!("place {from} sends a frame of {} bytes on {class:?}", bytes.len()));
        }
        if !self.passes(from, to) {
            if self.options.streams && self.hears(from, to) {
                // What a stream loses is lost with its connection.
                self.disconnect(from, to);
            }
            return;
        }
        let copies = match self.options.streams {
            true => 1,
            false if self.random.chance(self.options.loss) => 0,
            false if self.random.chance(self.options.duplication) => 2,
            false => 1,
        };
        for _ in 0..copies {
            let mut at = self.time + self.delay();
            if self.options.streams {
                let last = self.arrivals.entry((from, to, class)).or_default();
                at = at.max(*last);
                *last = at;
            }
            let session = self.session(from, to);
            self.schedule_at(at, Event::Deliver { from, to, session, class, bytes: bytes.clone() });
        }
    }

    fn delay(&mut self) -> u64 {
        let (low, high) = self.options.delay_us;
        let straggler = self.random.chance(self.options.straggler);
        if straggler { self.random.between(low, 2_000_000) } else { self.random.between(low, high) }
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, session: u64, class: Class, bytes: &[u8]) {
        if self.options.streams && session != self.session(from, to) {
            return;
        }
        let message = match wire::from_frame(class, bytes) {
            Ok(message) => message,
            Err(error) => {
                self.checker.fail(format!("a frame of place {from} on {class:?} does not decode: {error}"));
                return;
            }
        };
        self.remember(to, &message);
        let from = self.nodes[from].index;
        let event = match message {
            Message::Consensus(envelope) => ReplicaEvent::Consensus { from, envelope },
            Message::Data(message) => ReplicaEvent::Data { from, message },
        };
        self.step(to, event);
    }

    /// Liars remember what was proposed.
    fn remember(&mut self, receiver: usize, message: &Message) {
        if self.checker.is_honest(self.nodes[receiver].index) {
            return;
        }
        if let Message::Consensus(envelope) = message
            && let ConsensusMessage::Proposal(proposal) = &envelope.message
        {
            let header = proposal.block.header.clone();
            self.nodes[receiver].seen.insert(header.id(), (header, proposal.vote.vote.view()));
        }
    }

    /// Whether anything can pass from one place to another.
    pub(super) fn passes(&self, from: usize, to: usize) -> bool {
        self.hears(from, to) && !self.blocked.contains(&(from, to)) && self.nodes[from].running.is_some()
    }

    /// A listener hears one of two twins.
    fn hears(&self, from: usize, to: usize) -> bool {
        let n = usize::from(self.options.validators);
        let twin_of = |place: usize| place >= n || !self.checker.is_honest(self.nodes[place].index);
        !twin_of(from) || self.sides[to] == (from >= n)
    }

    fn session(&self, a: usize, b: usize) -> u64 {
        self.sessions.get(&(a.min(b), a.max(b))).copied().unwrap_or_default()
    }

    /// The connection between two places ends, with all that is on its way.
    pub(super) fn disconnect(&mut self, a: usize, b: usize) {
        *self.sessions.entry((a.min(b), a.max(b))).or_default() += 1;
        for class in Class::ALL {
            self.arrivals.remove(&(a, b, class));
            self.arrivals.remove(&(b, a, class));
        }
    }

    /// Both ends of a connection notice its state after a while.
    pub(super) fn notice(&mut self, a: usize, b: usize) {
        if self.nodes[a].index != self.nodes[b].index {
            for (place, other) in [(a, b), (b, a)] {
                let life = self.nodes[place].life;
                let after = self.random.between(100, 20_000);
                self.schedule(after, Event::Notice { place, life, index: self.nodes[other].index });
            }
        }
    }

    /// A validator notices whether another can be reached; one with two instances can while one of them can. A
    /// connection that was lost meanwhile and is there again was lost first.
    pub(super) fn noticed(&mut self, place: usize, index: ValidatorIndex) {
        let cut = |other| self.blocked.contains(&(place, other)) || self.blocked.contains(&(other, place));
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| self.nodes[*other].index == index).collect();
        let noticed = self.options.partition_noticed;
        let connected = others.iter().any(|other| self.nodes[*other].running.is_some() && !(noticed && cut(*other)));
        let session = others.iter().map(|other| self.session(place, *other)).sum();
        let (was_connected, known) = self.told.insert((place, index), (connected, session)).unwrap_or((false, session));
        if was_connected && connected && known != session {
            self.step(place, ReplicaEvent::Peer { index, connected: false });
        }
        self.step(place, ReplicaEvent::Peer { index, connected });
    }

    pub(super) fn notice_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..a {
                self.notice(a, b);
            }
        }
    }
}
