//! Those who have no business here: unknown keys, garbage, sockets that say nothing, observers who want to vote.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::raw::Raw;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_is_cut_off_right_after_the_handshake() {
    let (first, second) = pair().await;
    let mut raw = Raw::new(&secret(9), key(0), Role::Validator);
    for tries in 1..=3 {
        raw.dial(first.network.listen_addr().port());
        raw.until("it is cut off", |raw| raw.closed.len() + raw.failed_dials == tries).await;
    }
    assert!(raw.opened.is_empty());
    assert!(first.is_connected(key(1)) && second.is_connected(key(0)), "the others do not notice");
    assert_eq!(first.network.handle().peers().len(), 1, "it is not on any list");
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_silence_on_the_port_harm_nobody() {
    let first = Node::start(validator(0, 0, &[None, None, None])).await;
    let port = first.network.listen_addr().port();
    let second = Node::start(validator(1, 0, &[Some(port), None, None])).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    let mut silent = Vec::new();
    for n in 0..200_u8 {
        let mut socket = TcpStream::connect(local(port)).expect("the port is open");
        let garbage: Vec<u8> = (0..n).map(|byte| byte.wrapping_mul(n)).collect();
        // It may be cut off while it writes.
        let _ = socket.write_all(&garbage);
        silent.push(socket);
    }
    for n in 0..100_u32 {
        first.network.handle().send(&key(1), Class::Votes, Arc::from(n.to_le_bytes())).expect("there is room");
    }
    until("votes arrive meanwhile", || second.owner.count_of(key(0), Class::Votes) == 100).await;
    let third = Node::start(validator(2, 0, &[Some(port), None, None])).await;
    let took = time(third.connects(key(0))).await;
    println!("a newcomer from the address of 200 silent sockets was let in after {took:?}");
    assert!(took < Duration::from_secs(12), "let in after {took:?}");
    let ends = tokio::task::spawn_blocking(|| {
        for mut socket in silent {
            // An error is an end as well.
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    assert!(timeout(PATIENCE, ends).await.is_ok(), "silent sockets are closed");
    assert_eq!(first.owner.changes_of(key(1)), [true]);
    for node in [first, second, third] {
        node.network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_let_in_at_once_while_strangers_hold_all_their_places() {
    let closed = free_port();
    // It dials the peer in vain, and so knows where it comes from.
    let first = Node::start(validator(0, 0, &[None, Some(closed)])).await;
    let port = first.network.listen_addr().port();
    until("it was dialled", || matches!(first.state(key(1)), PeerState::Unreachable { attempts: 1.., .. })).await;
    let mut silent = Vec::new();
    for host in 2..=9 {
        for _ in 0..16 {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).expect("all of 127/8 is loopback");
            silent.push(socket.connect(local(port)).await.expect("the port is open"));
        }
    }
    sleep(Duration::from_millis(200)).await;
    let would_block = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    let held = silent.iter().filter(|socket| socket.try_read(&mut [0; 64]).is_err_and(would_block)).count();
    assert!((60..=64).contains(&held), "{held} strangers hold places");
    let second = Node::start(validator(1, 0, &[Some(port), None])).await;
    let took = time(second.connects(key(0))).await;
    println!("a peer was let in after {took:?} while {held} silent sockets were open");
    assert!(took < Duration::from_secs(2), "let in after {took:?}");
    drop(silent);
    first.network.stop().await;
    second.network.stop().await;
}
