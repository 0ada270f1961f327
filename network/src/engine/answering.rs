//! Requests of peers: each goes to the receiver in a task of its own, and its answer goes back.
//!
//! A peer has a few places. One is taken from the arrival of a request until its answer is written or lost, so that a
//! peer which asks and does not read holds up itself. A peer that asks, or is answered, faster than its rate waits for
//! its turn in its places, which costs it time and no answer; only one without a free place is told to come later.

use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::request_response::{InboundRequestId, ResponseChannel};
use libp2p::swarm::ConnectionId;
use tokio::time::{Instant, sleep, timeout};

use super::entry::Phase;
use super::{Engine, Report};
use crate::figures;
use crate::receiver::Receiver;
use crate::requests::{ANSWER_BYTES_MAX, Answer, REQUEST_TIMEOUT, REQUESTS_PER_PEER_MAX};

/// A request that came in.
#[derive(Debug)]
pub(super) struct Early {
    request: InboundRequestId,
    bytes: Vec<u8>,
    channel: ResponseChannel<Answer>,
}

/// The place of a request. It is free again when both sides are done with it.
#[derive(Debug)]
pub(super) struct Place {
    peer: PeerId,
    is_answered: bool,
    is_over: bool,
}

impl<R: Receiver> Engine<R> {
    /// A request came in.
    pub(super) fn on_request(
        &mut self,
        (id, connection): (PeerId, ConnectionId),
        request: InboundRequestId,
        bytes: Vec<u8>,
        channel: ResponseChannel<Answer>,
    ) {
        let entry = self.peers.get_mut(&id).filter(|entry| entry.answering < REQUESTS_PER_PEER_MAX);
        let link = entry.and_then(|entry| {
            let link = entry.link.as_mut().filter(|link| link.connection == connection)?;
            (!matches!(link.phase, Phase::Refused(_))).then_some((&mut entry.answering, link))
        });
        let Some((answering, link)) = link else {
            figures::request_refused();
            // A channel that is closed has nobody at its other end.
            let _ = self.swarm.behaviour_mut().requests.send_response(channel, Answer::Busy);
            return;
        };
        *answering += 1;
        self.places.insert(request, Place { peer: id, is_answered: false, is_over: false });
        let early = Early { request, bytes, channel };
        if link.phase == Phase::Up {
            self.take_in(&id, early);
        } else {
            // It knows us already, and we do not know it yet: it learned our chain a moment before we learned its.
            link.early.push(early);
        }
    }

    /// Takes in what came before the link was used.
    pub(super) fn take_in_early(&mut self, id: &PeerId) {
        let link = self.peers.get_mut(id).and_then(|entry| entry.link.as_mut());
        for early in link.map(|link| std::mem::take(&mut link.early)).unwrap_or_default() {
            self.take_in(id, early);
        }
    }

    /// Forgets what came before the link was used, because it never will be.
    pub(super) fn forget(&mut self, early: Vec<Early>) {
        for Early { request, channel, .. } in early {
            drop(channel);
            self.note(request, |place| place.is_answered = true);
        }
    }

    fn take_in(&mut self, id: &PeerId, early: Early) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let Early { request, bytes, channel } = early;
        let turn = entry.request_rate.charge(1, Instant::now());
        let (key, receiver) = (entry.shared.peer.key, Arc::clone(&self.receiver));
        let work = async move {
            sleep(turn).await;
            timeout(REQUEST_TIMEOUT, receiver.request(&key, bytes)).await.unwrap_or(None)
        };
        self.run_task("request", work, move |answer| Report::Answered(request, channel, answer.unwrap_or(None)));
    }

    /// The receiver answered a request. The answer is written when its bytes are paid for.
    pub(super) fn on_answered(
        &mut self,
        request: InboundRequestId,
        channel: ResponseChannel<Answer>,
        answer: Option<Vec<u8>>,
    ) {
        let answer = match answer {
            Some(bytes) if bytes.len() > ANSWER_BYTES_MAX => {
                tracing::error!(bytes = bytes.len(), "an answer is longer than allowed and is not sent");
                Answer::None
            }
            Some(bytes) => Answer::Bytes(bytes),
            None => Answer::None,
        };
        let turn = self.charge(request, &answer);
        if turn.is_zero() {
            self.on_paid(request, channel, answer);
        } else {
            self.run_task("answer", sleep(turn), move |_| Report::Paid(request, channel, answer));
        }
    }

    fn charge(&mut self, request: InboundRequestId, answer: &Answer) -> Duration {
        let Answer::Bytes(bytes) = answer else { return Duration::ZERO };
        let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let entry = self.places.get(&request).and_then(|place| self.peers.get_mut(&place.peer));
        entry.map_or(Duration::ZERO, |entry| entry.answer_bytes.charge(bytes, Instant::now()))
    }

    /// An answer may be written.
    pub(super) fn on_paid(&mut self, request: InboundRequestId, channel: ResponseChannel<Answer>, answer: Answer) {
        // A channel that is closed has nobody at its other end, and its request is over.
        let _ = self.swarm.behaviour_mut().requests.send_response(channel, answer);
        self.note(request, |place| place.is_answered = true);
    }

    /// The answer to a request was written, or can never be.
    pub(super) fn on_request_over(&mut self, request: InboundRequestId) {
        self.note(request, |place| place.is_over = true);
    }

    fn note(&mut self, request: InboundRequestId, what: impl FnOnce(&mut Place)) {
        let Some(place) = self.places.get_mut(&request) else { return };
        what(place);
        if place.is_answered && place.is_over {
            let entry = self.places.remove(&request).and_then(|place| self.peers.get_mut(&place.peer));
            if let Some(entry) = entry {
                entry.answering = entry.answering.saturating_sub(1);
            }
        }
    }
}
