//! Links: which of two connections is kept, when one may be used, and what happens when it goes.
//!
//! Of two connections of the same dialler the newer is kept, because whoever dials again has lost the older one. Of two
//! by different diallers the one of the smaller key is kept. Both sides know both facts, so both keep the same. A
//! connection that has been silent for two pings is likely to be dead, and yields to any other.

use std::sync::Arc;
use std::time::Duration;

use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionError, ConnectionId};
use libp2p::{PeerId, Stream, identify};
use tokio::time::Instant;

use super::dial::root;
use super::entry::{Entry, Link, Phase, Running, SILENCE, Stage, Told};
use super::{Engine, Panicked, Report};
use crate::backoff::{LONGEST, STABLE};
use crate::class::Class;
use crate::figures;
use crate::identity::{Chain, shown};
use crate::reader::{End, Reader};
use crate::receiver::Receiver;
use crate::shared::PeerShared;
use crate::status::{Status, Trouble};
use crate::streams::{StreamEvent, What};
use crate::transport::{PING_EVERY, socket_address};
use crate::writer::Writer;

/// How long a connection to a node of another chain stays open, so that it learns the same of us.
const PARTING: Duration = Duration::from_secs(1);
/// How long a node of another chain is not let in: a few handshakes a minute harm nobody, and once it is put right it
/// should not wait long.
const OTHER_CHAIN_PAUSE: Duration = Duration::from_secs(5);
/// A link without a sign of life for so long yields to a newcomer: two pings, and the time that one takes.
const STALE: Duration = PING_EVERY.saturating_mul(2).saturating_add(Duration::from_millis(500));
/// The pause before a stream that broke is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(250);
/// A stream that broke so often takes the connection with it.
const STREAM_FAILURES_MAX: u32 = 8;
/// Streams of frames that a peer may open on one connection: it needs one for each class, and a few more after failures
/// of its own. One that opens more misbehaves.
const OPENED_BY_PEER_MAX: u32 = 256;

impl<R: Receiver> Engine<R> {
    /// Takes a new connection as the link of its peer, or closes it.
    pub(super) fn on_established(&mut self, id: &PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let Some(entry) = self.peers.get_mut(id) else {
            self.swarm.close_connection(connection);
            return;
        };
        if entry.running == Some(Running::Dialling(connection)) {
            entry.running = None;
        }
        let (is_ours, now) = (endpoint.is_dialer(), Instant::now());
        let remote = socket_address(endpoint.get_remote_address()).map(|it| it.to_string()).unwrap_or_default();
        // It may have misbehaved while we dialled it.
        if entry.penalty.until(now).is_some() || !entry.prefers(is_ours, now) {
            self.swarm.close_connection(connection);
            return;
        }
        if entry.link.is_some() {
            entry.suspect_twins(is_ours, &remote, now);
            self.drop_link(id, Trouble::Lost, "a newer connection took its place");
        }
        let Some(entry) = self.peers.get_mut(id) else { return };
        entry.shared.hear();
        entry.next = None;
        entry.show_next();
        entry.link = Some(Link::new(connection, is_ours, remote));
    }

    /// Notes that a connection is gone.
    pub(super) fn on_closed(&mut self, id: &PeerId, connection: ConnectionId, cause: Option<ConnectionError>) {
        let Some(link) = self.peers.get_mut(id).and_then(|entry| entry.link_on(connection)) else { return };
        let reason = cause.map_or_else(|| "it closed the connection".to_owned(), |cause| root(&cause));
        let (trouble, why) = match link.phase {
            Phase::New => (
                Trouble::HungUp,
                format!("it hung up before it said which chain it is on, as if it did not know us: {reason}"),
            ),
            _ => (Trouble::Lost, format!("the connection broke: {reason}")),
        };
        self.drop_link(id, trouble, &why);
    }

    /// Ends the link of a peer, if it has one: closes the connection, ends the tasks, tells whom it concerns, and plans
    /// the next dial.
    pub(super) fn drop_link(&mut self, id: &PeerId, trouble: Trouble, why: &str) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let Some(mut link) = entry.link.take() else { return };
        let early = std::mem::take(&mut link.early);
        self.swarm.close_connection(link.connection);
        link.end_tasks();
        if link.since.elapsed() >= STABLE {
            entry.backoff.reset();
        }
        if link.phase == Phase::Up {
            self.shared.close_queues(&entry.shared);
            entry.shared.set_round_trip(None);
            entry.schedule();
            let (since, next, reason) = (Instant::now(), entry.next, why.to_owned());
            entry.shared.with_status(|status| {
                *status = Status::Unreachable { since, attempts: 0, was_connected: true, trouble, why: reason, next };
            });
            entry.told = Told::Unreachable;
            if entry.may_say() {
                tracing::warn!(peer = entry.shared.peer.name, why, "a peer is not connected any more");
            }
        } else if matches!(link.phase, Phase::Refused(_)) {
            entry.dial_at(Instant::now() + LONGEST);
        } else {
            entry.failed(trouble, why.to_owned());
        }
        self.forget(early);
        if link.phase == Phase::Up
            && let Some(entry) = self.peers.get(id)
        {
            self.tell_connected(entry, false);
        }
    }

    /// Compares chains. The same one is used; another one is told of, and closed a moment later.
    pub(super) fn on_identified(&mut self, id: &PeerId, connection: ConnectionId, info: &identify::Info) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let classes = entry.shared.classes();
        let Some(link) = entry.link_on(connection).filter(|link| link.phase == Phase::New) else { return };
        let theirs = Chain::from_version(&info.protocol_version);
        if theirs.as_ref() == Some(&self.chain) {
            link.phase = Phase::Verified(shown(&info.agent_version));
            for class in classes {
                link.outbound[class.index()].stage = Stage::Opening;
                self.swarm.behaviour_mut().streams.open(*id, connection, class);
            }
            // Without streams to wait for it can be used at once.
            return self.bring_up(id);
        }
        match theirs {
            Some(theirs) => self.refuse_chain(id, theirs),
            None => {
                let what = shown(&info.protocol_version);
                let why = format!("it is no Althing node of this version, it says \"{what}\": update it");
                self.drop_link(id, Trouble::OtherProgram, &why);
            }
        }
    }

    /// Parts from a node of another chain.
    fn refuse_chain(&mut self, id: &PeerId, theirs: Chain) {
        let now = Instant::now();
        self.swarm.behaviour_mut().gate.pause(id, now + PARTING + OTHER_CHAIN_PAUSE);
        figures::refused("other_chain");
        let ours = &self.chain;
        let Some(entry) = self.peers.get_mut(id) else { return };
        let is_new = entry.shared.with_status(|status| {
            let is_new = !matches!(status, Status::OtherChain { genesis, chain_id, .. }
                if *genesis == theirs.genesis && *chain_id == theirs.chain_id);
            *status = Status::OtherChain { genesis: theirs.genesis, chain_id: theirs.chain_id.clone(), seen: now };
            is_new
        });
        let is_new = is_new || entry.told != Told::OtherChain;
        entry.told = Told::OtherChain;
        if is_new && entry.may_say() {
            tracing::warn!(
                peer = entry.shared.peer.name,
                "{} is on genesis {}… of chain {}, we run {}… of chain {}: \
                 one of the two has the wrong genesis document",
                entry.shared.peer.name,
                theirs.short_genesis(),
                theirs.chain_id,
                ours.short_genesis(),
                ours.chain_id,
            );
        }
        if let Some(link) = &mut entry.link {
            link.phase = Phase::Refused(now + PARTING);
        }
    }

    /// Looks at what should have happened by now.
    pub(super) fn look_at_link(&mut self, id: &PeerId, now: Instant) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let heard = entry.shared.heard();
        let Some(link) = &mut entry.link else { return };
        let connection = link.connection;
        match link.phase {
            Phase::New if link.since.elapsed() >= super::entry::SETUP => {
                return self.drop_link(id, Trouble::Lost, "it did not say in time which chain it is on");
            }
            Phase::Verified(_) if link.since.elapsed() >= super::entry::SETUP => {
                return self.drop_link(id, Trouble::Lost, "its streams were not opened in time");
            }
            Phase::Up if heard.max(link.since) + SILENCE <= now => {
                return self.drop_link(id, Trouble::Lost, "it gave no sign of life for 8 seconds");
            }
            Phase::Refused(at) if at <= now => return self.drop_link(id, Trouble::Lost, "it is on another chain"),
            _ => {}
        }
        for class in Class::ALL {
            let outbound = &mut link.outbound[class.index()];
            if matches!(outbound.stage, Stage::Again(at) if at <= now) {
                outbound.stage = Stage::Opening;
                self.swarm.behaviour_mut().streams.open(*id, connection, class);
            }
        }
    }

    /// A ping came back.
    pub(super) fn on_ping(&mut self, id: &PeerId, connection: ConnectionId, took: Duration) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        if entry.link_on(connection).is_some() {
            entry.shared.hear();
            entry.shared.set_round_trip(Some(took));
            self.shared.figures.round_trip(took);
        }
    }

    /// A stream was opened, by either side, or was not.
    pub(super) fn on_stream(&mut self, event: StreamEvent) {
        let StreamEvent { peer, connection, class, what } = event;
        match what {
            What::Inbound(stream) => self.on_inbound(&peer, connection, class, stream),
            What::Outbound(stream) => self.write(&peer, connection, class, stream),
            What::Failed(why) => self.on_no_stream(&peer, connection, class, &why),
        }
    }

    fn on_inbound(&mut self, id: &PeerId, connection: ConnectionId, class: Class, stream: Stream) {
        let Some(link) = self.peers.get_mut(id).and_then(|entry| entry.link_on(connection)) else { return };
        link.opened_by_peer += 1;
        if link.opened_by_peer > OPENED_BY_PEER_MAX {
            return self.on_misbehaviour(id, "one new stream after the other");
        }
        match link.phase {
            Phase::New | Phase::Verified(_) => link.inbound[class.index()].waiting = Some(stream),
            Phase::Up => self.read(id, class, stream),
            Phase::Refused(_) => {}
        }
    }

    /// Reads a stream in a task of its own, in place of an older one.
    fn read(&mut self, id: &PeerId, class: Class, stream: Stream) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let Some(link) = &mut entry.link else { return };
        let inbound = &mut link.inbound[class.index()];
        if let Some(older) = inbound.reader.take() {
            older.abort();
        }
        let peer = Arc::clone(&entry.shared);
        let reader = Reader { class, peer, receiver: Arc::clone(&self.receiver), shared: Arc::clone(&self.shared) };
        let (turn, id, connection) = (Arc::clone(&inbound.turn), *id, link.connection);
        let work = async move {
            let _turn = turn.lock().await;
            reader.run(stream).await
        };
        let task = self.run_task("reader", work, move |end| match end {
            Ok(end) => Report::ReaderEnded(id, connection, class, end),
            Err(Panicked) => Report::Panicked(id, connection),
        });
        if let Some(link) = self.peers.get_mut(&id).and_then(|entry| entry.link.as_mut()) {
            link.inbound[class.index()].reader = Some(task);
        }
    }

    /// Writes to a stream in a task of its own. When it is the last that was missing, the peer is connected.
    fn write(&mut self, id: &PeerId, connection: ConnectionId, class: Class, stream: Stream) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let (peer, shared) = (Arc::clone(&entry.shared), Arc::clone(&self.shared));
        let Some(link) = entry.link_on(connection) else { return };
        let writer = Writer { stream, class, peer, turns: Arc::clone(&link.turns), shared };
        let id = *id;
        let task = self.run_task("writer", writer.run(), move |why| match why {
            Ok(why) => Report::WriterEnded(id, connection, class, why.to_string()),
            Err(Panicked) => Report::Panicked(id, connection),
        });
        let Some(link) = self.peers.get_mut(&id).and_then(|entry| entry.link.as_mut()) else { return };
        if let Stage::Open(older) = std::mem::replace(&mut link.outbound[class.index()].stage, Stage::Open(task)) {
            older.abort();
        }
        self.bring_up(&id);
    }

    fn bring_up(&mut self, id: &PeerId) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let classes = entry.shared.classes();
        let Some(link) = &mut entry.link else { return };
        let (Phase::Verified(agent), true) = (&link.phase, link.has_all_streams(classes)) else { return };
        let (agent, remote) = (agent.clone(), link.remote.clone());
        link.phase = Phase::Up;
        entry.told = Told::Connected;
        if entry.may_say() {
            tracing::info!(peer = entry.shared.peer.name, remote, agent, "a peer is connected");
        }
        entry.shared.with_status(|status| *status = Status::Connected { since: Instant::now(), remote, agent });
        open_queues(&entry.shared);
        let waiting = entry.link.as_mut().map(|link| {
            let waiting = Class::ALL.map(|class| link.inbound[class.index()].waiting.take());
            Class::ALL.into_iter().zip(waiting)
        });
        if let Some(entry) = self.peers.get(id) {
            self.tell_connected(entry, true);
        }
        // Only now: whoever hears a peer must know already that it is there.
        for (class, stream) in waiting.into_iter().flatten() {
            if let Some(stream) = stream {
                self.read(id, class, stream);
            }
        }
        self.take_in_early(id);
    }

    /// A stream to write to was not opened, or broke.
    pub(super) fn on_no_stream(&mut self, id: &PeerId, connection: ConnectionId, class: Class, why: &str) {
        let Some(link) = self.peers.get_mut(id).and_then(|entry| entry.link_on(connection)) else { return };
        let outbound = &mut link.outbound[class.index()];
        outbound.failures += 1;
        outbound.stage = Stage::Again(Instant::now() + REOPEN_PAUSE);
        if outbound.failures > STREAM_FAILURES_MAX {
            let class = class.name();
            let why = format!("the stream of {class} to it breaks again and again: {why}");
            self.drop_link(id, Trouble::Lost, &why);
        }
    }

    /// A stream is not read any more. The peer opens another one if it has more to say.
    pub(super) fn on_reader_ended(&mut self, id: &PeerId, connection: ConnectionId, class: Class, end: End) {
        let Some(link) = self.peers.get_mut(id).and_then(|entry| entry.link_on(connection)) else { return };
        match end {
            End::Closed(error) => {
                let remote = &link.remote;
                tracing::debug!(remote, class = class.name(), %error, "a stream of a peer ended");
            }
            End::Misbehaviour(misbehaviour) => self.on_misbehaviour(id, &misbehaviour.why),
        }
    }

    /// A task of a connection panicked: what it would have carried is lost, so the connection is made anew.
    pub(super) fn on_panicked(&mut self, id: &PeerId, connection: ConnectionId) {
        if self.peers.get_mut(id).is_some_and(|entry| entry.link_on(connection).is_some()) {
            self.drop_link(id, Trouble::Lost, "a task of ours panicked");
        }
    }

    /// A peer sent what no honest one sends. It is cut off, and let in again after a pause.
    pub(super) fn on_misbehaviour(&mut self, id: &PeerId, what: &str) {
        let now = Instant::now();
        let Some(entry) = self.peers.get_mut(id) else { return };
        // While a pause runs it is not connected, and what is known of it is from before.
        let Some(pause) = entry.penalty.impose(now) else { return };
        figures::refused("misbehaviour");
        self.swarm.behaviour_mut().gate.pause(id, now + pause);
        let why = format!("it sent {what}; it is let in again after {} seconds", pause.as_secs());
        if !entry.is_up() && entry.may_say() {
            tracing::warn!(peer = entry.shared.peer.name, why, "a peer is not let in");
        }
        if entry.link.is_some() {
            self.drop_link(id, Trouble::KeptOut, &why);
        } else {
            entry.failed(Trouble::KeptOut, why);
        }
        if let Some(entry) = self.peers.get_mut(id) {
            entry.dial_at(now + pause);
            entry.show_next();
        }
    }
}

impl Entry {
    /// Whether a new connection is better than the one that there is.
    fn prefers(&self, is_ours: bool, now: Instant) -> bool {
        self.link.as_ref().is_none_or(|old| {
            let is_newer_of_two = old.is_dialled_by_us == is_ours || is_ours == self.is_ours_first;
            is_newer_of_two || self.shared.heard() + STALE <= now
        })
    }

    /// Whoever dials while its connection lives is not the one that has it. Once that is a mishap; if it goes on, two
    /// nodes have one key, and each throws out the other.
    fn suspect_twins(&mut self, is_ours: bool, remote: &str, now: Instant) {
        let is_alive = self.shared.heard() + STALE > now;
        let Some(old) = self.link.as_ref().filter(|old| old.is_dialled_by_us == is_ours && is_alive) else { return };
        if !self.replacements.take(1, now) && self.twins.say(now).is_some() {
            tracing::error!(
                peer = self.shared.peer.name,
                key = %self.shared.peer.key,
                from = old.remote,
                and_from = remote,
                "a peer connects again and again while it is connected: two nodes seem to use its node key; \
                 give each node a key of its own"
            );
        }
    }
}

impl Link {
    fn end_tasks(&self) {
        for outbound in &self.outbound {
            if let Stage::Open(task) = &outbound.stage {
                task.abort();
            }
        }
        for task in self.inbound.iter().filter_map(|inbound| inbound.reader.as_ref()) {
            task.abort();
        }
    }
}

fn open_queues(peer: &PeerShared) {
    for class in peer.classes() {
        peer.queues[class.index()].open();
    }
}
