//! The network of the simulated world: frames on streams, or each on its own way.

use althing_consensus::Message as ConsensusMessage;
use althing_replica::wire::{self, Class, Frame};
use althing_replica::{Contact, Event as ReplicaEvent, Message};
use althing_types::ValidatorIndex;

use super::{Event, Phase, World, fold};
use crate::byzantine::{self, Scene, Strategy, Utterance};

impl World {
    /// Sends a message to everybody it is for.
    pub(super) fn send(&mut self, place: usize, to: &[Contact], message: &Message) {
        self.note_activity(place);
        let from = self.nodes[place].index;
        let strategy = self.strategy(place).filter(|strategy| *strategy != Strategy::Twin);
        self.checker.sends(place, message);
        if self.strategy(place).is_some() {
            self.nodes[place].remember(message, true);
        }
        let (class, frame) = wire::to_frame(message);
        self.outcome.trace = fold(self.outcome.trace, &[frame.len() as u64]);
        for receiver in 0..self.nodes.len() {
            let index = self.nodes[receiver].index;
            let addressed = to.contains(&index);
            let lost = self.loses.is_some_and(|loses| loses(place, receiver, message));
            if !addressed || index == from || lost {
                continue;
            }
            match strategy {
                None => self.transmit(place, receiver, 0, class, frame.clone()),
                Some(strategy) => {
                    self.act(place, receiver, |scene| byzantine::respond(strategy, scene, message));
                }
            }
        }
    }

    fn strategy(&self, place: usize) -> Option<Strategy> {
        self.options.actor(self.nodes[place].index.get()).map(|actor| actor.strategy)
    }

    /// Lets a Byzantine validator say something to one receiver.
    fn act(&mut self, place: usize, receiver: usize, words: impl FnOnce(&mut Scene<'_>) -> Vec<Utterance>) {
        let node = &self.nodes[place];
        let (epoch, nobody) = (node.epoch(), ValidatorIndex::new(u16::MAX));
        let seat = |contact| self.epochs.index_of(epoch, contact).unwrap_or(nobody);
        let (me, receiver_seat) = (seat(node.index), seat(self.nodes[receiver].index));
        let committee = self.epochs.committee(epoch);
        let said = words(&mut Scene { random: &mut self.random, node, committee, me, receiver: receiver_seat });
        for Utterance { after_us, class, bytes, message } in said {
            if let Some(message) = message {
                self.checker.sends(place, &message);
            }
            self.transmit(place, receiver, after_us, class, bytes);
        }
    }

    /// A Byzantine validator speaks by itself, and will again.
    pub(super) fn speak(&mut self, place: usize) {
        let Some(strategy) = self.strategy(place).filter(|_| self.phase != Phase::Silence) else { return };
        for receiver in 0..self.nodes.len() {
            if self.nodes[receiver].index != self.nodes[place].index {
                self.act(place, receiver, |scene| byzantine::speak(strategy, scene));
            }
        }
        let (life, after) = (self.nodes[place].life, self.random.between(20_000, 150_000));
        self.schedule(after, Event::Speak { place, life });
    }

    fn transmit(&mut self, from: usize, to: usize, after_us: u64, class: Class, bytes: Frame) {
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
            let mut at = self.time + after_us + self.delay();
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
            Err(_) if self.strategy(from).is_some() => return,
            Err(error) => {
                self.checker.fail(format!("a frame of place {from} on {class:?} does not decode: {error}"));
                return;
            }
        };
        if let Some(strategy) = self.strategy(to) {
            self.nodes[to].remember(&message, false);
            self.overhear(strategy, to, &message);
        }
        let from = self.nodes[from].index;
        let event = match message {
            Message::Consensus(envelope) => ReplicaEvent::Consensus { from, envelope },
            Message::Data(message) => ReplicaEvent::Data { from, message },
        };
        self.step(to, event);
    }

    /// A Byzantine validator may answer a proposal at once.
    fn overhear(&mut self, strategy: Strategy, place: usize, message: &Message) {
        let Message::Consensus(envelope) = message else { return };
        let ConsensusMessage::Proposal(proposal) = &envelope.message else { return };
        if self.nodes[place].running.is_none() {
            return;
        }
        for receiver in 0..self.nodes.len() {
            if self.nodes[receiver].index != self.nodes[place].index {
                self.act(place, receiver, |scene| byzantine::hear(strategy, scene, proposal));
            }
        }
    }

    /// Whether anything can pass from one place to another.
    pub(super) fn passes(&self, from: usize, to: usize) -> bool {
        self.hears(from, to) && !self.blocked.contains(&(from, to)) && self.nodes[from].running.is_some()
    }

    /// A listener hears one of two twins: the one on its side of a script's partition, else the one it chose.
    fn hears(&self, from: usize, to: usize) -> bool {
        let n = usize::from(self.options.validators);
        let index = self.nodes[from].index;
        let Some(other) = (0..self.nodes.len()).find(|place| *place != from && self.nodes[*place].index == index)
        else {
            return true;
        };
        let second = from >= n;
        match self.round {
            Some(sides) => {
                let same = |place: usize| (sides >> place & 1) == (sides >> to & 1);
                same(from) && (!same(other) || !second)
            }
            None => self.sides[to] == second,
        }
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
                self.schedule(after, Event::Notice { place, life, contact: self.nodes[other].index });
            }
        }
    }

    /// A validator notices whether another can be reached; one with two instances can while one of them can. A
    /// connection that was lost meanwhile and is there again was lost first.
    pub(super) fn noticed(&mut self, place: usize, contact: Contact) {
        let cut = |other| self.blocked.contains(&(place, other)) || self.blocked.contains(&(other, place));
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| self.nodes[*other].index == contact).collect();
        let noticed = self.options.partition_noticed;
        let connected = others.iter().any(|other| self.nodes[*other].running.is_some() && !(noticed && cut(*other)));
        let session = others.iter().map(|other| self.session(place, *other)).sum();
        let (was_connected, known) =
            self.told.insert((place, contact), (connected, session)).unwrap_or((false, session));
        if was_connected && connected && known != session {
            self.step(place, ReplicaEvent::Peer { contact, connected: false });
        }
        self.step(place, ReplicaEvent::Peer { contact, connected });
    }

    pub(super) fn notice_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..a {
                self.notice(a, b);
            }
        }
    }
}
