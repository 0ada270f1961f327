//! What handles ask for, the answers of peers, and gossip: a message that comes in goes to the receiver in a task of
//! its own, within limits for each peer, and on from there if it was accepted. All of it is for peers that are
//! connected and have shown our genesis, and for nobody else.

use std::sync::Arc;

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::request_response::{Event, Message, OutboundFailure};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::{Engine, Report};
use crate::commands::Command;
use crate::gossip::GossipEvent;
use crate::receiver::{Receiver, Topic, Verdict};
use crate::requests::{Answer, REQUEST_TIMEOUT, RequestError};
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
            Command::Misbehaved(peer, why) => {
                if let Ok(id) = identity::peer_id(&peer) {
                    self.on_misbehaviour(&id, &why);
                }
            }
            #[cfg(test)]
            Command::Panic => panic!("a test asked for it"),
            #[cfg(test)]
            Command::PanicInTask(peer) => {
                let id = identity::peer_id(&peer).expect("a good key");
                let connection = self.peers[&id].link.as_ref().expect("it is connected").connection;
                self.run_task(
                    "test",
                    async { panic!("a test asked for it") },
                    move |result: Result<(), super::Panicked>| {
                        result.expect_err("it panicked");
                        Report::Panicked(id, connection)
                    },
                );
            }
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
            Event::Message { peer, connection_id, message: Message::Request { request_id, request, channel } } => {
                return self.on_request((peer, connection_id), request_id, request, channel);
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
            Event::InboundFailure { request_id, error, .. } => {
                tracing::debug!(%error, "an answer was not delivered");
                return self.on_request_over(request_id);
            }
            Event::ResponseSent { request_id, .. } => return self.on_request_over(request_id),
        };
        if let Some(waiting) = self.waiting.remove(&request) {
            // Who does not wait any more does not mind.
            let _ = waiting.send(result);
        }
    }

    fn publish(&mut self, topic: Topic, bytes: Vec<u8>) {
        // Peers would cut us off if we sent what they do not expect of anybody.
        if !self.published[topic.index()].take(1, Instant::now()) {
            return figures::unpublished(topic);
        }
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(topic, bytes) {
            figures::unpublished(topic);
            tracing::debug!(%error, topic = topic.name(), "a message was not published");
        }
    }

    /// A message of gossip came in, or something else happened to gossip.
    pub(super) fn on_gossip(&mut self, event: GossipEvent) {
        let (source, message_id, message) = match event {
            GossipEvent::Of(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                (propagation_source, message_id, message)
            }
            GossipEvent::Of(_) => return,
            GossipEvent::Flood(peer) => return self.on_misbehaviour(&peer, "one packet of gossip after the other"),
        };
        let is_room = self.judging < JUDGING_MAX;
        let topic = gossip::topic(&message.topic).filter(|_| is_room);
        let known = topic.and_then(|topic| {
            let entry = self.peers.get_mut(&source)?;
            entry.may_have_judged(topic, message.data.len()).then_some((topic, entry.shared.peer.key))
        });
        let Some((topic, key)) = known else {
            figures::not_passed_on("limits");
            return self.swarm.behaviour_mut().gossip.report(&message_id, &source, MessageAcceptance::Ignore);
        };
        self.judging += 1;
        let receiver = Arc::clone(&self.receiver);
        let judge = async move { timeout(REQUEST_TIMEOUT, receiver.gossip(&key, topic, message.data)).await };
        self.run_task("gossip", judge, move |verdict| {
            let verdict = verdict.map_or(Verdict::Ignore, |verdict| verdict.unwrap_or(Verdict::Ignore));
            Report::Judged(source, message_id, topic, verdict)
        });
    }

    /// The receiver judged a message.
    pub(super) fn on_judged(&mut self, source: &PeerId, message: &MessageId, topic: Topic, verdict: Verdict) {
        self.judging = self.judging.saturating_sub(1);
        let acceptance = match verdict {
            Verdict::Accept if self.passed_on[topic.index()].take(1, Instant::now()) => MessageAcceptance::Accept,
            Verdict::Accept => {
                figures::not_passed_on("rate");
                MessageAcceptance::Ignore
            }
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => {
                figures::not_passed_on("rejected");
                MessageAcceptance::Reject
            }
        };
        self.swarm.behaviour_mut().gossip.report(message, source, acceptance);
        if verdict == Verdict::Reject {
            self.on_misbehaviour(source, &format!("a message on {} that no honest node passes on", topic.name()));
        }
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
