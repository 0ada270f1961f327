//! `althing node peers`: who a node is connected to, and what keeps the others away.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Exit;
use crate::cli::account::plain;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, table};
use crate::cli::remote::Remote;

#[derive(Debug, Args)]
pub(crate) struct Peers {
    #[command(flatten)]
    remote: Remote,
}

impl Peers {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let peers = self.remote.ask("node_peers", json!({}))?;
        let human = || {
            let rows: Vec<Vec<String>> = peers.as_array().into_iter().flatten().map(row).collect();
            table(&["name", "role", "connected", "for", "round trip", "address", "why not"], &rows)
        };
        output.either(human, peers.clone())?;
        Ok(Exit::Done)
    }
}

fn row(peer: &Value) -> Vec<String> {
    let connected = peer["connected"] == true;
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let round_trip = number(&peer["roundTripUs"]).filter(|_| connected);
    vec![
        plain(&peer["name"]),
        plain(&peer["role"]),
        if connected { "yes" } else { "no" }.to_owned(),
        number(&peer["sinceMs"]).map(span).unwrap_or_default(),
        round_trip.map(|micros| format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)).unwrap_or_default(),
        text(&peer["address"]),
        text(&peer["why"]),
    ]
}

fn number(value: &Value) -> Option<u64> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// A span of time as people say it, in its two largest units at most.
fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_two_largest_units() {
        let told = [999, 61_000, 3_600_000, 90_000_000].map(span);
        assert_eq!(told, ["0 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]);
    }

    #[test]
    fn a_peer_that_is_away_is_shown_with_the_reason() {
        let peer = json!({
            "name": "validator-1", "role": "validator", "connected": false, "sinceMs": "5000", "roundTripUs": "90",
            "address": "127.0.0.1:1", "why": "connection refused",
        });
        let expected = ["validator-1", "validator", "no", "5 s", "", "127.0.0.1:1", "connection refused"];
        assert_eq!(row(&peer), expected);
    }
}
