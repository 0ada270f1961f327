//! What is too much, too long or too slow.

use std::io::{self, Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::fake::{account, transfer};
use super::http::{connect, exchange, get, post, read_answer, request};
use super::{Limits, Served, check_error};
use crate::api::{ErrorCode, Hex};
use crate::backend::Backend as _;

fn call(id: usize, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method })
}

#[test]
fn a_batch_holds_a_hundred_calls_and_costs_no_more() {
    let served = Served::new();
    let batch = |count: usize, method: &str| Value::Array((0..count).map(|id| call(id, method)).collect());
    let answers = served.ask(&batch(100, "node_status"));
    let ids: Vec<u64> = answers.as_array().expect("a list").iter().filter_map(|answer| answer["id"].as_u64()).collect();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    check_error(&served.ask(&batch(101, "node_status"))["error"], ErrorCode::BatchTooLarge);
    assert!(served.ask(&batch(20, "node_genesis")).is_array());
    check_error(&served.ask(&batch(21, "node_genesis"))["error"], ErrorCode::BatchTooLarge);
    let mixed =
        json!([call(1, "node_status"), { "hello": 1 }, call(2, "nothing"), { "jsonrpc": "2.0", "method": "x" }]);
    let answers = served.ask(&mixed);
    assert_eq!(answers.as_array().map(Vec::len), Some(3), "a notification has no answer");
    check_error(&answers[1]["error"], ErrorCode::InvalidRequest);
    check_error(&answers[2]["error"], ErrorCode::MethodNotFound);
}

#[test]
fn a_request_of_two_mebibytes_is_read_and_one_byte_more_is_not() {
    let served = Served::new();
    let frame = |length: usize| {
        let empty = r#"{"jsonrpc":"2.0","id":1,"method":"tx_submit","params":{"tx":""}}"#;
        let filling = "0".repeat(length - empty.len());
        empty.replace(r#""tx":"""#, &format!(r#""tx":"{filling}""#))
    };
    let (status, body) = post(served.address, &frame(2 << 20));
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("INVALID_PARAMS"), "{body}");
    let (status, body) = post(served.address, &frame((2 << 20) + 1));
    assert_eq!(status, 413);
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    check_error(&answer["error"], ErrorCode::RequestTooLarge);
}

#[test]
fn an_answer_that_is_too_long_is_an_error() {
    let served = Served::with(Limits { response_bytes_max: 500, ..Limits::default() });
    served.err("rpc_methods", json!({}), ErrorCode::ResponseTooLarge);
    served.ok("chain_getHead", json!({}));
    let batch = Value::Array((0..3).map(|id| call(id, "chain_getHead")).collect());
    check_error(&served.ask(&batch)["error"], ErrorCode::BatchResponseTooLarge);
}

#[test]
fn of_three_hundred_connections_all_beyond_the_bound_are_told_so() {
    let served = Served::new();
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..300 {
        let mut stream = connect(served.address);
        // Whoever is let in is answered; whoever is not is told so without asking.
        let asked = format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", served.address);
        let _may_be_closed = stream.write_all(asked.as_bytes());
        let mut start = [0; 12];
        match stream.read_exact(&mut start) {
            Ok(()) if start.ends_with(b"200") => held.push(stream),
            Ok(()) => {
                assert!(start.ends_with(b"503"), "{}", String::from_utf8_lossy(&start));
                refused += 1;
            }
            // A reset can overtake the refusal.
            Err(_) => refused += 1,
        }
    }
    assert_eq!((held.len(), refused), (256, 44));
    drop(held);
    // A place is free as soon as the server has noticed; until then it says that there is none.
    let is_served = || {
        exchange(served.address, &request(served.address, "GET", "/livez", "", ""))
            .is_ok_and(|(status, _)| status == 200)
    };
    assert!((0..10_000).any(|_| is_served()));
}

/// Sends a byte whenever nothing came for a moment, until the server ends the connection. Counts the bytes.
fn trickle(served: &Served, start: &str) -> usize {
    let mut stream = connect(served.address);
    stream.write_all(start.as_bytes()).expect("it is open");
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
    let mut sent = 0;
    let mut piece = [0; 1_024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return sent,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                sent += 1;
                assert!(sent < 500, "the connection is never cut");
                if stream.write_all(b"{").is_err() {
                    return sent;
                }
            }
            Err(_) => return sent,
        }
    }
}

#[test]
fn whoever_sends_a_header_or_a_body_too_slowly_is_cut() {
    let time = Duration::from_millis(200);
    let served = Served::with(Limits { header_time: time, body_time: time, ..Limits::default() });
    assert!(trickle(&served, "GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ") > 2);
    let head =
        "POST /rpc HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    assert!(trickle(&served, head) > 2);
    let mut idle = connect(served.address);
    assert_eq!(idle.read(&mut [0; 16]).expect("it is closed in order"), 0);
    let mut kept = connect(served.address);
    kept.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("it is open");
    assert_eq!(read_answer(&mut kept).expect("an answer, and then the end").0, 200);
}

#[test]
fn garbage_on_the_port_hurts_nobody() {
    let served = Served::new();
    let garbage: [&[u8]; 5] =
        [b"\0\x01\x02", b"\x16\x03\x01\x02\0\x01\0", b"GET", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[b'A'; 100_000]];
    for bytes in garbage {
        let mut stream = connect(served.address);
        let _cut = stream.write_all(bytes);
        let _cut = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(get(served.address, "/livez").0, 200);
}

#[test]
fn as_many_wait_as_may_and_others_are_refused_before_anything_was_taken() {
    let served = Served::with(Limits { waiters_max: 3, ..Limits::default() });
    served.backend.finalizes.send_replace(false);
    let address = served.address;
    let submit = move |salt: u64, timeout_ms: u32| {
        let params = json!({ "tx": Hex(transfer(salt).to_bytes()), "timeoutMs": timeout_ms });
        post(address, &json!({ "jsonrpc": "2.0", "id": 1, "method": "tx_submit", "params": params }).to_string()).1
    };
    let waiting: Vec<_> = (0..3).map(|salt| thread::spawn(move || submit(100 + salt, 30_000))).collect();
    while served.backend.waiting.load(Ordering::Relaxed) < 3 {
        thread::yield_now();
    }
    let params = json!({ "tx": Hex(transfer(200).to_bytes()) });
    let error = served.err("tx_submit", params, ErrorCode::Overloaded);
    assert!(error["data"]["retryAfterMs"].is_u64());
    served.err("tx_get", json!({ "txId": transfer(200).id().to_string() }), ErrorCode::NotFound);
    served.ok("tx_submit", json!({ "tx": Hex(transfer(201).to_bytes()), "waitUntil": "none" }));
    served.backend.finalizes.send_replace(true);
    for thread in waiting {
        assert!(thread.join().expect("an answer").contains("\"finalized\""));
    }
    served.ok("tx_wait", json!({ "txId": transfer(201).id().to_string(), "timeoutMs": 0 }));
}

#[test]
fn reads_that_block_do_not_block_anything_else() {
    let served = Served::with(Limits { reads_max: 8, ..Limits::default() });
    let barrier = Arc::new(Barrier::new(5));
    *served.backend.barrier.lock().expect("not poisoned") = Some(barrier.clone());
    let address = served.address;
    let params = json!({ "address": served.backend.chain().notation.address(&account()) });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "account_get", "params": params }).to_string();
    let blocked: Vec<_> = (0..4)
        .map(|_| {
            let body = body.clone();
            thread::spawn(move || post(address, &body).0)
        })
        .collect();
    // There are two threads for the reactor and four reads that wait.
    assert_eq!(get(address, "/livez").0, 200);
    served.ok("node_status", json!({}));
    barrier.wait();
    for thread in blocked {
        assert_eq!(thread.join().expect("an answer"), 200);
    }
}

#[test]
fn the_server_stops_though_somebody_waits() {
    let served = Served::with(Limits { stop_time: Duration::from_millis(100), ..Limits::default() });
    served.backend.finalizes.send_replace(false);
    let mut stream = connect(served.address);
    let params = json!({ "tx": Hex(transfer(100).to_bytes()) });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tx_submit", "params": params }).to_string();
    let head = "content-type: application/json\r\n";
    stream.write_all(request(served.address, "POST", "/rpc", head, &body).as_bytes()).expect("it is open");
    while served.backend.waiting.load(Ordering::Relaxed) < 1 {
        thread::yield_now();
    }
    let address = served.address;
    served.stop();
    assert!(std::net::TcpStream::connect(address).is_err());
}
