//! Calls and subscriptions over a WebSocket, by a client of a few lines that can also misbehave.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::fake::transfer;
use super::http::{connect, get};
use super::{Limits, Served, check_error};
use crate::api::{ErrorCode, Hex};

/// The least of a WebSocket client (RFC 6455). Its mask is zero, so that what it sends is what is on the wire.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn open(served: &Served) -> Self {
        let (status, client) = Self::try_open(served, "");
        assert_eq!(status, "101");
        client
    }

    fn try_open(served: &Served, header: &str) -> (String, Self) {
        let mut stream = connect(served.address);
        let upgrade = format!(
            "GET /rpc HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{header}\r\n",
            served.address
        );
        stream.write_all(upgrade.as_bytes()).expect("it is open");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        (head.split(' ').nth(1).expect("a status").to_owned(), Self { stream })
    }

    fn send(&mut self, message: &str) {
        self.stream.write_all(&frame(message)).expect("it is open");
    }

    fn call(&mut self, id: u64, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
    }

    /// The next message; none once the connection ended.
    fn next(&mut self) -> Option<Value> {
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).ok()?;
            let length = match head[1] {
                126 => u64::from(u16::from_be_bytes(self.bytes()?)),
                127 => u64::from_be_bytes(self.bytes()?),
                short => u64::from(short),
            };
            let mut message = vec![0; usize::try_from(length).ok()?];
            self.stream.read_exact(&mut message).ok()?;
            match head[0] & 0x0f {
                1 => return Some(serde_json::from_slice(&message).expect("JSON")),
                8 => return None,
                _ => {}
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn subscribe(&mut self, params: &Value) -> Value {
        self.call(1, "chain_subscribeBlocks", params);
        self.next().expect("an answer")["result"].clone()
    }

    /// The next item of a subscription.
    fn item(&mut self) -> Value {
        let message = self.next().expect("a notification");
        assert_eq!(message["method"], "chain_blocks", "{message}");
        message["params"]["result"].clone()
    }
}

fn frame(message: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(message.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length as u8),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((message.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(message.as_bytes());
    frame
}

#[test]
fn calls_are_answered_over_a_web_socket() {
    let served = Served::new();
    let mut client = Client::open(&served);
    client.call(7, "chain_getHead", &json!([]));
    let answer = client.next().expect("an answer");
    assert_eq!((&answer["id"], &answer["result"]["height"]), (&json!(7), &json!("10")));
    client.call(8, "nothing", &json!([]));
    check_error(&client.next().expect("an answer")["error"], ErrorCode::MethodNotFound);
    client.send("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node_status\"}]");
    check_error(&client.next().expect("an answer")["error"], ErrorCode::Transport);
}

#[test]
fn a_subscription_brings_old_blocks_and_then_new_ones_without_a_gap() {
    let served = Served::new();
    let mut client = Client::open(&served);
    let id = client.subscribe(&json!({ "fromHeight": "8" }));
    served.backend.grow_to(11);
    served.backend.grow_to(400);
    for height in 8..=400 {
        let item = client.item();
        assert_eq!((&item["type"], &item["height"]), (&json!("block"), &json!(height.to_string())));
    }
    client.call(2, "chain_unsubscribeBlocks", &json!([id]));
    assert_eq!(client.next().expect("an answer")["result"], true);
    served.backend.grow_to(401);
    client.call(3, "chain_getHead", &json!([]));
    assert_eq!(client.next().expect("an answer")["id"], 3, "nothing comes after the end of a subscription");
}

#[test]
fn a_subscription_without_a_height_begins_with_the_next_block() {
    let served = Served::new();
    let mut client = Client::open(&served);
    client.subscribe(&json!([]));
    served.backend.grow_to(11);
    assert_eq!(client.item()["height"], "11");
}

#[test]
fn a_subscription_may_begin_with_a_block_that_is_still_to_come() {
    let served = Served::new();
    let mut client = Client::open(&served);
    client.subscribe(&json!(["12"]));
    served.backend.grow_to(13);
    assert_eq!(client.item()["height"], "12");
}

#[test]
fn a_reader_that_takes_nothing_is_told_where_to_resume() {
    let served = Served::with(Limits { lag_time: Duration::from_millis(100), ..Limits::default() });
    let mut client = Client::open(&served);
    client.subscribe(&json!({ "fromHeight": "0" }));
    // More than the buffers of both systems hold.
    served.backend.grow_to(200_000);
    // Others are served meanwhile.
    let mut other = Client::open(&served);
    other.call(1, "chain_getHead", &json!([]));
    assert_eq!(other.next().expect("an answer")["id"], 1);
    // The server has given up on the reader once it has read nothing more for it in five times the patience.
    let lists_read = || served.backend.lists_read.load(Ordering::Relaxed);
    loop {
        let before = lists_read();
        wait(Duration::from_millis(500));
        if lists_read() == before {
            break;
        }
    }
    let mut expected = 0u64;
    loop {
        let item = client.item();
        if item["type"] == "lagged" {
            assert_eq!(item["resumeFrom"], expected.to_string());
            break;
        }
        assert_eq!(item["height"], expected.to_string());
        expected += 1;
    }
    assert!((1..200_000).contains(&expected), "{expected}");
    let id = client.subscribe(&json!({ "fromHeight": expected.to_string() }));
    assert!(id.is_string());
    assert_eq!(client.item()["height"], expected.to_string());
}

/// Lets time pass without a clock: nothing ever comes on this connection.
fn wait(time: Duration) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut stream = connect(listener.local_addr().expect("an address"));
    stream.set_read_timeout(Some(time)).expect("a socket");
    assert!(stream.read(&mut [0]).is_err());
}

#[test]
fn a_flood_of_calls_whose_answers_are_not_taken_stops_being_read() {
    let served = Served::with(Limits { write_time: Duration::from_millis(500), ..Limits::default() });
    let mut client = Client::open(&served);
    client.stream.set_write_timeout(Some(Duration::from_millis(300))).expect("a socket");
    let call = frame(&json!({ "jsonrpc": "2.0", "id": 1, "method": "rpc_methods" }).to_string());
    let thousand = call.repeat(1_000);
    let sent = (0..1_000).take_while(|_| client.stream.write_all(&thousand).is_ok()).count();
    assert!(sent < 1_000, "the server read a million calls of which it delivered no answer");
    assert_eq!(get(served.address, "/livez").0, 200);
    // After its time the connection is cut.
    wait(Duration::from_millis(800));
    while client.next().is_some() {}
    assert_eq!(client.stream.read(&mut [0]).ok(), Some(0), "the connection lives on");
}

#[test]
fn no_more_calls_are_read_than_may_be_in_flight() {
    let served = Served::with(Limits { socket_calls_max: 4, ..Limits::default() });
    served.backend.finalizes.send_replace(false);
    let mut client = Client::open(&served);
    let mut other = Client::open(&served);
    // Each call fills what is read at once, so that the bound is nearly exact.
    for salt in 0..10 {
        let padding = " ".repeat(70_000);
        let call = json!({ "jsonrpc": "2.0", "id": salt, "method": "tx_submit",
            "params": { "tx": Hex(transfer(100 + salt).to_bytes()), "timeoutMs": 30_000 } });
        client.send(&call.to_string().replacen('{', &format!("{{{padding}"), 1));
    }
    other.call(1, "chain_getHead", &json!([]));
    assert_eq!(other.next().expect("others are not held up")["id"], 1);
    wait(Duration::from_millis(300));
    let waiting = served.backend.waiting.load(Ordering::Relaxed);
    assert!((4..8).contains(&waiting), "{waiting} calls are in flight");
    served.backend.finalizes.send_replace(true);
    for _ in 0..10 {
        assert_eq!(client.next().expect("an answer")["result"]["status"], "finalized");
    }
}

#[test]
fn subscriptions_are_bounded() {
    let served = Served::with(Limits { socket_subscriptions_max: 2, ..Limits::default() });
    let mut client = Client::open(&served);
    for _ in 0..2 {
        assert!(client.subscribe(&json!([])).is_string());
    }
    client.call(1, "chain_subscribeBlocks", &json!([]));
    check_error(&client.next().expect("an answer")["error"], ErrorCode::TooManySubscriptions);
}

#[test]
fn a_wrong_subscription_is_refused_with_a_complete_error() {
    let served = Served::new();
    let mut client = Client::open(&served);
    client.call(1, "chain_subscribeBlocks", &json!({ "from": "1" }));
    check_error(&client.next().expect("an answer")["error"], ErrorCode::InvalidParams);
}

#[test]
fn pages_of_others_cannot_open_a_web_socket() {
    let served = Served::new();
    assert_eq!(Client::try_open(&served, "origin: http://evil.example\r\n").0, "403");
    assert_eq!(Client::try_open(&served, "origin: https://node.example\r\n").0, "101");
    assert_eq!(Client::try_open(&served, &format!("origin: http://{}\r\n", served.address)).0, "101");
}

#[test]
fn a_web_socket_ends_when_the_server_stops() {
    let served = Served::new();
    let mut client = Client::open(&served);
    client.subscribe(&json!([]));
    served.stop();
    assert!(client.next().is_none());
}
