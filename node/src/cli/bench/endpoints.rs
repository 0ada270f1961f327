//! The nodes that a run talks to: one after the other, none with too many calls at a time, and none that was away a
//! moment ago while another one answers.

use std::time::{Duration, Instant};

use althing_client::Connection;
use althing_genesis::Genesis;
use althing_rpc::api::StatusAnswer;
use althing_types::Height;
use serde_json::{Value, json};

use super::arguments::Plan;
use super::clock;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::cli::remote::Chain;

/// Calls under way at one node at most. A node takes 16 connections of one address (`decisions.md` section 2), and a
/// call needs one for as long as it lasts; the rest is for other tools.
const CALLS_MAX: usize = 8;
/// Calls under way at one node at most where each waits until its transaction is final.
const LONE_CALLS_MAX: usize = 12;
/// How long a node that could not be reached is left alone.
const AWAY: Duration = Duration::from_secs(1);
/// How often, and for two seconds each time, a node is asked whether it has reached a height.
const HEIGHT_TRIES: u32 = 15;

/// The nodes.
pub(super) struct Endpoints {
    nodes: Vec<Endpoint>,
    calls_max: usize,
    turn: usize,
    /// When a node last answered, whatever it said.
    answered: Instant,
}

struct Endpoint {
    url: String,
    connection: Connection,
    calls: usize,
    away_until: Option<Instant>,
}

impl Endpoints {
    /// The nodes at these places. Nothing is sent yet.
    pub(super) fn new(urls: &[String], plan: &Plan) -> Result<Self, Failure> {
        let node = |url: &String| -> Result<Endpoint, Failure> {
            let connection = Connection::new([url.as_str()])?;
            Ok(Endpoint { url: url.clone(), connection, calls: 0, away_until: None })
        };
        let nodes: Result<Vec<Endpoint>, Failure> = urls.iter().map(node).collect();
        let calls_max = if plan.rate.is_lone() { LONE_CALLS_MAX } else { CALLS_MAX };
        Ok(Self { nodes: nodes?, calls_max, turn: 0, answered: clock() })
    }

    /// Asks every node for its chain. All must be there, and on the same chain.
    pub(super) async fn check(&self, chain: &Chain) -> Result<(), Failure> {
        for node in &self.nodes {
            let status: StatusAnswer = node.connection.call("node_status", json!({})).await?;
            same_chain(&node.url, &status, &chain.genesis)?;
        }
        Ok(())
    }

    /// The connections, to be asked in turn.
    pub(super) fn connections(&self) -> Vec<Connection> {
        self.nodes.iter().map(|node| node.connection.clone()).collect()
    }

    /// Waits until every node has reached a height, so that all of them know what was paid there.
    pub(super) async fn reach(&self, height: Height, address: &str) -> Result<(), Failure> {
        let question = json!({ "address": address, "minHeight": height.get().to_string() });
        'nodes: for node in &self.nodes {
            for _ in 0..HEIGHT_TRIES {
                match node.connection.call::<Value>("account_get", &question).await {
                    Ok(_) => continue 'nodes,
                    Err(error) if error.symbol() == Some("NODE_BEHIND") => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let message = format!("{} has not reached height {height}", node.url);
            return Err(Failure::new(Exit::Unhealthy, "NODE_BEHIND", message)
                .hint("see `althing node status`, or leave this node out of --rpc"));
        }
        Ok(())
    }

    /// The next node that can be called, and its place. The call is counted until [`Endpoints::ended`].
    pub(super) fn call(&mut self, now: Instant) -> Option<(usize, Connection)> {
        let count = self.nodes.len();
        let mut places = (0..count).map(|step| (self.turn + step) % count);
        let is_free = |node: &Endpoint| node.calls < self.calls_max && !node.is_away(now);
        let place = places.find(|place| self.nodes.get(*place).is_some_and(is_free))?;
        self.turn = place + 1;
        let node = self.nodes.get_mut(place)?;
        node.calls += 1;
        Some((place, node.connection.clone()))
    }

    /// Whether a node can be called.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        self.nodes.iter().any(|node| node.calls < self.calls_max && !node.is_away(now))
    }

    /// A call ended, with an answer or without.
    pub(super) fn ended(&mut self, place: usize, is_answered: bool, now: Instant) {
        if let Some(node) = self.nodes.get_mut(place) {
            node.calls = node.calls.saturating_sub(1);
            node.away_until = (!is_answered).then(|| now + AWAY);
        }
        if is_answered {
            self.answered = now;
        }
    }

    /// Whether no node has answered for so long, and none is expected to.
    pub(super) fn are_lost(&self, for_long: Duration, now: Instant) -> bool {
        let all_away = self.nodes.iter().all(|node| node.is_away(now));
        all_away && now.saturating_duration_since(self.answered) > for_long
    }

    /// The run begins: until now nobody had anything to answer.
    pub(super) fn begin(&mut self, now: Instant) {
        self.answered = now;
    }
}

impl Endpoint {
    fn is_away(&self, now: Instant) -> bool {
        self.away_until.is_some_and(|until| now < until)
    }
}

fn same_chain(url: &str, status: &StatusAnswer, genesis: &Genesis) -> Result<(), Failure> {
    if status.genesis_hash.0 == genesis.hash() {
        return Ok(());
    }
    let message = format!(
        "{url} serves the chain {} with genesis {}, not {} with genesis {}",
        status.chain_id,
        status.genesis_hash.0,
        genesis.chain_id(),
        genesis.hash()
    );
    Err(Failure::usage(message).hint("name nodes of one chain with --rpc"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::pace::Rate;

    fn endpoints(count: usize) -> Endpoints {
        let plan = Plan {
            rate: Rate::Max,
            duration_ms: 1_000,
            wait_ms: 1_000,
            accounts: 2,
            in_flight: 1,
            seed: String::new(),
            endpoints: count,
        };
        let urls: Vec<String> = (0..count).map(|port| format!("http://127.0.0.1:{}", 1_000 + port)).collect();
        Endpoints::new(&urls, &plan).expect("good URLs")
    }

    #[test]
    fn nodes_take_turns_and_have_bounds() {
        let mut endpoints = endpoints(2);
        let now = clock();
        let places: Vec<usize> =
            (0..2 * CALLS_MAX).filter_map(|_| endpoints.call(now)).map(|(place, _)| place).collect();
        assert_eq!(places, [0, 1].repeat(CALLS_MAX));
        assert!(endpoints.call(now).is_none() && !endpoints.has_room(now));
        endpoints.ended(1, true, now);
        assert_eq!(endpoints.call(now).map(|(place, _)| place), Some(1));
    }

    #[test]
    fn a_node_that_is_away_is_left_alone_for_a_while() {
        let mut endpoints = endpoints(2);
        let now = clock();
        endpoints.begin(now);
        assert_eq!(endpoints.call(now).map(|(place, _)| place), Some(0));
        endpoints.ended(0, false, now);
        assert_eq!([endpoints.call(now), endpoints.call(now)].map(|call| call.map(|(place, _)| place)), [Some(1); 2]);
        assert!(!endpoints.are_lost(Duration::ZERO, now + Duration::from_millis(1)));
        endpoints.ended(1, false, now);
        assert!(endpoints.call(now).is_none());
        assert!(endpoints.are_lost(Duration::ZERO, now + Duration::from_millis(1)));
        assert!(!endpoints.are_lost(Duration::from_secs(1), now + Duration::from_millis(1)));
        assert!(endpoints.call(now + AWAY).is_some());
    }
}
