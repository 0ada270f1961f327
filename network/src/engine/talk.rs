//! Requests and gossip: what comes in goes to the receiver in tasks of their own, within limits for each peer; what
//! comes back goes out. Both are for peers that are connected and have shown our genesis, and for nobody else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId, PublishError};
use libp2p::request_response::{Event, Message, OutboundFailure, ResponseChannel};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::{Engine, Report};
use crate::commands::Command;
use crate::receiver::{Receiver, Topic, Verdict};
use crate::requests::{ANSWER_BYTES_MAX, Answer, REQUEST_TIMEOUT, REQUESTS_PER_PEER_MAX, RequestError};
use crate::{figures, gossip, identity};

/// Messages of gossip that are judged at once; beyond it they are not passed on.
const JUDGING_MAX: usize = 256;

/// Who waits for an answer.
pub(super) type Waiting = oneshot::Sender<Result<Vec<u8>, RequestError>>;

impl<R: Receiver> Engine<R> {
    /// Does what a handle asked for.
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Request(to, bytes, waiting) => self.ask(&to, bytes, waiting),
            Command::Publish(topic, bytes) => self.publish(topic, bytes),
            #[cfg(test)]
            Command::Panic => panic!("a test asked for it"),
        }
    }

    fn ask(&mut self, to: &althing_types::PublicKey, bytes: Vec<u8>, waiting: Waiting) {
        let id = identity::peer_id(to).ok();
        let Some(id) = id.filter(|id| self.peers.get(id).is_some_and(super::Entry::is_up)) else {
            // Who does not wait any more does not mind.
            let _ = waiting.send(Err(RequestError::NotConnected));
            return;
        };
        let request = self.swarm.behaviour_mut().requests.send_request(&id, bytes);
        self.waiting.insert(request, waiting);
    }

    /// Something happened to a request.
    pub(super) fn on_request_event(&mut self, event: Event<Vec<u8>, Answer>) {
        let (request, result) = match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                return self.on_request(&peer, request, channel);
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                let result = match response {
                    Answer::Bytes(bytes) => Ok(bytes),
                    Answer::None => Err(RequestError::NoAnswer),
                    Answer::Busy => Err(RequestError::Busy),
                };
                (request_id, result)
            }
            Event::OutboundFailure { request_id, error, .. } => (request_id, Err(request_error(&error))),
            Event::InboundFailure { error, .. } => return tracing::debug!(%error, "an answer was not delivered"),
            Event::ResponseSent { .. } => return,
        };
        if let Some(waiting) = self.waiting.remove(&request) {
            // Who does not wait any more does not mind.
            let _ = waiting.send(result);
        }
    }

    fn on_request(&mut self, id: &PeerId, bytes: Vec<u8>, channel: ResponseChannel<Answer>) {
        let Some(entry) = self.peers.get_mut(id) else { return };
        let is_allowed =
            entry.is_up() && entry.answering < REQUESTS_PER_PEER_MAX && entry.request_rate.take(1, Instant::now());
        if !is_allowed {
            figures::request_refused();
            // A channel that is closed has nobody at its other end.
            let _ = self.swarm.behaviour_mut().requests.send_response(channel, Answer::Busy);
            return;
        }
        entry.answering += 1;
        let (key, receiver, reporter, id) =
            (entry.shared.peer.key, Arc::clone(&self.receiver), self.reporter.clone(), *id);
        self.tasks.spawn(async move {
            let answer = async { timeout(REQUEST_TIMEOUT, receiver.request(&key, bytes)).await.unwrap_or(None) };
            let answer = match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(answer) => answer,
                Err(_) => {
                    figures::panicked("request");
                    tracing::error!("the handler of a request panicked; there is no answer");
                    None
                }
            };
            // Without a loop nobody is left to answer.
            let _ = reporter.send(Report::Answered(id, channel, answer)).await;
        });
    }

    /// The receiver answered a request.
    pub(super) fn on_answered(&mut self, id: &PeerId, channel: ResponseChannel<Answer>, answer: Option<Vec<u8>>) {
        if let Some(entry) = self.peers.get_mut(id) {
            entry.answering = entry.answering.saturating_sub(1);
        }
        let answer = match answer {
            Some(bytes) if bytes.len() > ANSWER_BYTES_MAX => {
                tracing::error!(bytes = bytes.len(), "an answer is longer than allowed and is not sent");
                Answer::None
            }
            Some(bytes) => Answer::Bytes(bytes),
            None => Answer::None,
        };
        // A channel that is closed has nobody at its other end.
        let _ = self.swarm.behaviour_mut().requests.send_response(channel, answer);
    }

    fn publish(&mut self, topic: Topic, bytes: Vec<u8>) {
        match self.swarm.behaviour_mut().gossip.publish(gossip::ident(topic), bytes) {
            Ok(_) | Err(PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic) => {}
            Err(error) => {
                figures::unpublished(topic);
                tracing::debug!(%error, topic = topic.name(), "a message was not published");
            }
        }
    }

    /// A message of gossip came in, or something else happened to gossip.
    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: source, message_id, message } = event else { return };
        let is_room = self.judging < JUDGING_MAX;
        let known = self.peers.get_mut(&source).and_then(|entry| {
            let bytes = u32::try_from(message.data.len()).unwrap_or(u32::MAX);
            let now = Instant::now();
            let is_within =
                is_room && entry.is_up() && entry.gossip_rate.take(1, now) && entry.gossip_bytes.take(bytes, now);
            is_within.then_some(entry.shared.peer.key)
        });
        let (Some(key), Some(topic)) = (known, gossip::topic(&message.topic)) else {
            figures::not_passed_on("limits");
            return self.report_verdict(&message_id, &source, Verdict::Ignore);
        };
        self.judging += 1;
        let (receiver, reporter) = (Arc::clone(&self.receiver), self.reporter.clone());
        self.tasks.spawn(async move {
            let judge = async { receiver.gossip(&key, topic, message.data).await };
            let judge = AssertUnwindSafe(timeout(REQUEST_TIMEOUT, judge)).catch_unwind();
            let verdict = match judge.await {
                Ok(verdict) => verdict.unwrap_or(Verdict::Ignore),
                Err(_) => {
                    figures::panicked("gossip");
                    tracing::error!("the handler of gossip panicked; the message is not passed on");
                    Verdict::Ignore
                }
            };
            // Without a loop nobody is left to pass it on.
            let _ = reporter.send(Report::Judged(source, message_id, verdict)).await;
        });
    }

    /// The receiver judged a message.
    pub(super) fn on_judged(&mut self, source: &PeerId, message: &MessageId, verdict: Verdict) {
        self.judging = self.judging.saturating_sub(1);
        self.report_verdict(message, source, verdict);
    }

    fn report_verdict(&mut self, message: &MessageId, source: &PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => {
                figures::not_passed_on("rejected");
                MessageAcceptance::Reject
            }
        };
        // False only says that the library forgot the message meanwhile.
        let _ = self.swarm.behaviour_mut().gossip.report_message_validation_result(message, source, acceptance);
    }
}

fn request_error(error: &OutboundFailure) -> RequestError {
    let why = match error {
        OutboundFailure::DialFailure => return RequestError::NotConnected,
        OutboundFailure::Timeout => "no answer came in time".to_owned(),
        OutboundFailure::ConnectionClosed => "the connection closed".to_owned(),
        OutboundFailure::UnsupportedProtocols => "the peer does not take requests of this version".to_owned(),
        OutboundFailure::Io(error) => error.to_string(),
    };
    RequestError::Failed { why }
}
