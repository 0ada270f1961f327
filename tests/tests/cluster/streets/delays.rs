//! Seven real validators 25 ms apart, a round trip of 50 ms: how long a lone transfer takes until it is final, in message
//! delays, with the fast path off and on.

use std::env;
use std::time::Duration;

use serde_json::Value;

use super::Streets;
use crate::cluster::network::Network;
use crate::cluster::process::{finished, program};

/// The validators, and how long a packet takes from each to each.
const VALIDATORS: u16 = 7;
const DELAY: Duration = Duration::from_millis(25);
/// The variable that says for how many seconds transfers are sent, and for how many they are when nobody says so.
const SECONDS: &str = "ALTHING_DELAYS_SECONDS";
const SECONDS_SHORT: u64 = 5;
/// The fewest message delays that anything can be final in: two on the fast path.
const DELAYS_MIN: u32 = 2;
/// The most that half of the transfers may take: three times what a transfer takes that another validator than the leader
/// was given, because other tests run beside.
const DELAYS_MAX: u32 = 3 * 4;

/// How long lone transfers took until they were final, in milliseconds; nothing if this machine has not what it takes.
fn latency_ms(fast_path: bool) -> Option<Value> {
    let streets = Streets::start_with(Network::with_fast_path(VALIDATORS, fast_path), 1)?;
    streets.switch.change_all(|way| way.delay = DELAY);
    let seconds = env::var(SECONDS).map_or(SECONDS_SHORT, |text| text.parse().expect("a whole number of seconds"));
    let urls: Vec<String> = streets.nodes.all().iter().map(|node| format!("http://{node}")).collect();
    let home = streets.network.home(0);
    let mut command = program();
    command.args(["bench", "tx", "--rate", "5", "--accounts", "100", "--duration", &format!("{seconds}s")]);
    command.args(["--rpc", &urls.join(","), "--output", "json", "--home"]).arg(&home.folder);
    command.arg("--key").arg(home.genesis.with_file_name("keys").join("DEV-account-0.pem"));
    let output = finished(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut figures: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert_eq!(figures["finalized"].as_u64(), Some(5 * seconds), "{figures}");
    Some(figures["latencyMs"].take())
}

#[test]
fn seven_validators_that_are_far_apart_make_a_transfer_final_within_a_few_message_delays() {
    for fast_path in [false, true] {
        let Some(latency) = latency_ms(fast_path) else { return };
        println!("fast path {fast_path}: {latency}");
        let median = latency["p50"].as_f64().expect("a number");
        let (least, most) = ((DELAY * DELAYS_MIN).as_secs_f64() * 1e3, (DELAY * DELAYS_MAX).as_secs_f64() * 1e3);
        assert!((least..most).contains(&median), "fast path {fast_path}: {median} ms, not {least} to {most}");
    }
}
