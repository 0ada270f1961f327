//! What keeps an observer from following: it is alone, it catches up, or the validators are stalled themselves.

use althing_network::{PeerState, Role};
use althing_rpc::api::{Decimal, WhyCause, WhyFinding};
use althing_types::ValidatorIndex;

use super::absent;
use super::facts::{Facts, Place};
use super::validator::{catching_up, well};
use super::words::{ago_ms, span, this_node};

/// How long what an observer handed over may wait before the validators are asked: more than it takes them to pass a
/// few views over.
const PATIENCE_MS: u64 = 10_000;

/// What is to be said of an observer, the gravest first; never nothing.
pub(super) fn findings(facts: &Facts) -> Vec<WhyFinding> {
    let Place::Observer { horizon, handed_over } = facts.place else { return Vec::new() };
    if let Some(alone) = alone(facts) {
        return vec![alone];
    }
    if let Some(behind) = catching_up(facts, horizon, "its peers") {
        return vec![behind];
    }
    let waited_ms = facts.pulse.work_since().filter(|_| handed_over > 0).map_or(0, |since| ago_ms(facts, since));
    if waited_ms >= PATIENCE_MS {
        return vec![WhyFinding {
            cause: WhyCause::ValidatorsStalled,
            sentence: format!(
                "{handed_over} transactions that this observer handed to the validators have waited for {} without a \
                 new block",
                span(waited_ms)
            ),
            who: vec![this_node(facts, "waits for the validators")],
            since_ms: Some(Decimal(waited_ms)),
            remedy: Some(
                "ask a validator: `althing why --rpc URL` with its address; an observer does not see agreement"
                    .to_owned(),
            ),
        }];
    }
    vec![well(facts, handed_over > 0)]
}

/// Nobody is connected.
fn alone(facts: &Facts) -> Option<WhyFinding> {
    if facts.peers.iter().any(|peer| matches!(peer.state, PeerState::Connected { .. })) {
        return None;
    }
    let validators = facts.peers.iter().filter(|peer| peer.role == Role::Validator).count();
    let indices: Vec<ValidatorIndex> =
        (0..).zip(&facts.chain.validators).map(|(index, _)| ValidatorIndex::new(index)).collect();
    let who = absent::parties(facts, &indices);
    Some(WhyFinding {
        cause: WhyCause::ObserverAlone,
        sentence: format!(
            "this observer follows nobody: none of {validators} validators is connected: {}",
            absent::described(&who)
        ),
        remedy: Some(absent::remedy(facts, &who)),
        since_ms: who.iter().filter_map(|party| party.since_ms).min_by_key(|ms| ms.0),
        who,
    })
}
