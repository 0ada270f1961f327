//! Requests and gossip.

use super::*;
use crate::{GOSSIP_BYTES_MAX, REQUEST_BYTES_MAX, REQUESTS_PER_PEER_MAX, RequestError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_answered_or_refused_with_its_reason() {
    let (first, second) = pair().await;
    let handle = first.network.handle();
    let ask = |bytes: &[u8]| {
        let (handle, bytes) = (handle.clone(), bytes.to_vec());
        async move { handle.request(&key(1), bytes).await }
    };
    assert_eq!(ask(b"hello").await, Ok(b"hello, 5 bytes".to_vec()));
    assert_eq!(ask(b"nothing").await, Err(RequestError::NoAnswer));
    assert_eq!(ask(b"panic").await, Err(RequestError::NoAnswer), "a panic is no answer");
    assert_eq!(ask(b"too much").await, Err(RequestError::NoAnswer), "an answer above the cap is not sent");
    assert_eq!(ask(b"one MiB").await.map(|answer| answer.len()), Ok(1_024 * 1_024));
    let long = ask(&vec![1; REQUEST_BYTES_MAX]).await.expect("the cap is allowed");
    assert!(long.ends_with(b", 524288 bytes"));
    assert_eq!(ask(&vec![1; REQUEST_BYTES_MAX + 1]).await, Err(RequestError::TooLong));
    assert_eq!(handle.request(&key(9), Vec::new()).await, Err(RequestError::NotConnected));
    let slow: Vec<_> = (0..REQUESTS_PER_PEER_MAX).map(|_| tokio::spawn(ask(b"slow"))).collect();
    until("they are under way", || second.owner.asked.load(Ordering::Relaxed) >= 6 + REQUESTS_PER_PEER_MAX).await;
    assert_eq!(ask(b"one more").await, Err(RequestError::TooMany));
    for slow in slow {
        assert_eq!(slow.await.unwrap(), Ok(b"slow, 4 bytes".to_vec()));
    }
    assert_eq!(ask(b"later").await, Ok(b"later, 5 bytes".to_vec()), "there is room again");
    second.network.stop().await;
    until("it is gone", || !first.is_connected(key(1))).await;
    assert_eq!(ask(b"hello").await, Err(RequestError::NotConnected));
    first.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_is_passed_on_when_it_was_accepted_and_only_then() {
    // An observer in the middle: the two others do not know each other's address.
    let roles = [Role::Validator, Role::Observer, Role::Observer];
    let middle = Node::start(with_roles(validator(1, 0, &[None, None, None]), &roles)).await;
    let port = Some(middle.network.listen_addr().port());
    let first = Node::start(with_roles(validator(0, 0, &[None, port, None]), &roles)).await;
    let last = Node::start(with_roles(validator(2, 0, &[None, port, None]), &roles)).await;
    first.connects(key(1)).await;
    last.connects(key(1)).await;
    // Subscriptions and the mesh take a heartbeat or two.
    sleep(Duration::from_millis(1_500)).await;
    let handle = first.network.handle();
    handle.publish(Topic::Transactions, b"good".to_vec());
    handle.publish(Topic::Transactions, b"good".to_vec());
    handle.publish(Topic::Transactions, b"old".to_vec());
    handle.publish(Topic::Heads, vec![1; GOSSIP_BYTES_MAX + 1]);
    handle.publish(Topic::Heads, vec![1; GOSSIP_BYTES_MAX]);
    let at = |node: &Node| {
        let mut all = node.owner.gossip.lock().unwrap().clone();
        all.sort();
        all
    };
    let good = (key(1), Topic::Transactions, b"good".to_vec());
    until("the last has it", || at(&last).contains(&good)).await;
    until("a long one arrives", || at(&last).len() == 2).await;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(at(&middle).len(), 3, "once each, and none above the cap");
    assert_eq!(
        at(&last),
        [good, (key(1), Topic::Heads, vec![1; GOSSIP_BYTES_MAX])],
        "what was not accepted is not passed on"
    );
    assert!(at(&first).is_empty(), "nothing comes back");
    for node in [first, middle, last] {
        node.network.stop().await;
    }
}
