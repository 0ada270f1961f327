//! Gossip for those who are not in the full mesh of validators: transactions on their way, and newest final blocks.
//!
//! Messages are anonymous, because what is in them is signed where that matters; a message is passed on only when the
//! receiver accepted it; and there are two topics, so that nobody makes us keep more. The figures suit a few dozen
//! nodes: what we publish goes to all of them at once.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, IdentityTransform, Message, MessageAuthenticity, MessageId, TopicHash,
    ValidationMode, Version, WhitelistSubscriptionFilter,
};
use sha2::{Digest as _, Sha256};

use crate::identity::Chain;
use crate::receiver::Topic;

/// Bytes of a message at most: a transaction of the largest common kind.
pub const GOSSIP_BYTES_MAX: usize = 160 * 1_024;
/// Bytes around a message on the wire.
const ENVELOPE_BYTES: usize = 1_024;
/// Bytes of a message id, as other networks have them.
const ID_BYTES: usize = 20;
/// How often the mesh is looked after, and when first.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long a message that was seen is known again: longer than a transaction is on its way.
const SEEN: Duration = Duration::from_secs(60);

/// Gossip that takes part in our topics only.
pub(crate) type Gossip = Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// The behaviour of gossip on a chain, subscribed to all topics.
#[expect(clippy::disallowed_types, reason = "the library's filter wants a hash set; its order is never looked at")]
pub(crate) fn behaviour(chain: &Chain) -> Gossip {
    let config = ConfigBuilder::default()
        .protocol_id(chain.protocol("gossip").to_string(), Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(GOSSIP_BYTES_MAX + ENVELOPE_BYTES)
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(HEARTBEAT)
        .mesh_n_low(6)
        .mesh_n(8)
        .mesh_n_high(12)
        .flood_publish(true)
        .duplicate_cache_time(SEEN)
        .build()
        .expect("these figures fit together, as every start of a network shows");
    let ours: HashSet<TopicHash> = Topic::ALL.into_iter().map(|topic| ident(topic).hash()).collect();
    let filter = WhitelistSubscriptionFilter(ours);
    let mut gossip = Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
        .expect("anonymous messages and their validation fit together");
    for topic in Topic::ALL {
        gossip.subscribe(&ident(topic)).expect("the filter lets our topics through, and nothing is sent yet");
    }
    gossip
}

/// A topic as the library names it.
pub(crate) fn ident(topic: Topic) -> IdentTopic {
    IdentTopic::new(topic.name())
}

/// Which of our topics this is.
pub(crate) fn topic(hash: &TopicHash) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| topic.name() == hash.as_str())
}

fn message_id(message: &Message) -> MessageId {
    let mut hasher = Sha256::new();
    hasher.update(message.topic.as_str());
    hasher.update(&message.data);
    MessageId::new(&hasher.finalize()[..ID_BYTES])
}
