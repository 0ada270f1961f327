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

/// Options of validator 0 and of an observer with number 1 that dials it.
fn with_observer(port: u16) -> (Options, Options) {
    let mut validator_options = validator(0, port, &[None, None]);
    validator_options.peers[0].role = Role::Observer;
    let mut observer = validator(1, 0, &[Some(port), None]);
    observer.role = Role::Observer;
    (validator_options, observer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_shares_streams_of_sync_and_no_others() {
    let (options, observer) = with_observer(free_port());
    let node = Node::start(options).await;
    let observer = Node::start(observer).await;
    node.connects(key(1)).await;
    observer.connects(key(0)).await;
    for (from, to, number) in [(&node, &observer, 0), (&observer, &node, 1)] {
        let handle = from.network.handle();
        for class in [Class::Votes, Class::Proposals, Class::Data] {
            let sent = handle.send(&key(1 - number), class, Arc::from([1]));
            assert_eq!(sent, Err(crate::SendError::NotConnected), "{}", class.name());
        }
        handle.send(&key(1 - number), Class::Sync, Arc::from([1])).expect("there is room");
        until("it arrives", || to.owner.count_of(key(number), Class::Sync) == 1).await;
    }
    node.network.stop().await;
    observer.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_that_opens_a_stream_of_votes_is_refused_it() {
    let port = free_port();
    let (options, _) = with_observer(port);
    let node = Node::start(options).await;
    // It believes itself to be a validator.
    let mut raw = Raw::new(&secret(1), key(0), Role::Validator);
    raw.dial(port);
    raw.until("it is let in", |raw| raw.established.len() == 1).await;
    for (refused, class) in [(1, Class::Votes), (2, Class::Proposals), (3, Class::Data)] {
        raw.open(class);
        raw.until("it is refused", |raw| raw.refused_streams == refused).await;
    }
    raw.open(Class::Sync);
    raw.until("sync is not", |raw| raw.opened.len() == 1).await;
    node.network.stop().await;
}
