//! Peers that are listed and do too much of what is allowed: gossip, requests, connections.

use super::log::Log;
use super::raw::Raw;
use super::wire::Wire;
use super::*;
use crate::REQUESTS_PER_PEER_MAX;
use crate::requests::Answer;

/// What a flooding peer sends between two looks at its own connections: half of what its queue holds.
const BURST: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_floods_gossip_is_cut_off_and_others_are_heard_meanwhile() {
    let roles = [Role::Observer; 3];
    let node = Node::start(with_roles(validator(0, 0, &[None; 3]), &roles)).await;
    let port = node.network.listen_addr().port();
    let honest = Node::start(with_roles(validator(2, 0, &[Some(port), None, None]), &roles)).await;
    honest.connects(key(0)).await;
    let mut raw = Raw::new(&secret(1), key(0), Role::Observer);
    raw.dial(port);
    raw.until("it is let in", |raw| raw.established.len() == 1).await;
    raw.run_for(Duration::from_millis(700)).await;
    let start = Instant::now();
    let mut sent = 0_u64;
    while raw.closed.is_empty() && start.elapsed() < PATIENCE {
        for _ in 0..BURST {
            raw.publish(Topic::Heads, sent.to_le_bytes().to_vec());
            sent += 1;
        }
        raw.run_for(Duration::from_millis(1)).await;
    }
    let took = start.elapsed();
    assert_eq!(raw.closed.len(), 1, "it is cut off");
    let PeerState::Unreachable { why, .. } = node.state(key(1)) else { panic!("it is cut off") };
    assert!(why.contains("one packet of gossip after the other"), "{why}");
    let judged = node.owner.gossip.lock().unwrap().iter().filter(|(from, ..)| *from == key(1)).count();
    println!("a flood of gossip was cut off after {took:?} and {sent} messages, {judged} of them judged");
    let allowed = 45 + usize::try_from(took.as_millis()).unwrap() / 50;
    assert!((1..=allowed).contains(&judged), "{judged} messages were judged");
    honest.network.handle().publish(Topic::Heads, b"honest".to_vec());
    let heard = || node.owner.gossip.lock().unwrap().contains(&(key(2), Topic::Heads, b"honest".to_vec()));
    until("an honest peer is heard", heard).await;
    assert_eq!(node.owner.changes_of(key(2)), [true], "its connection held");
    node.network.stop().await;
    honest.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_repeats_one_message_is_cut_off_too() {
    let roles = [Role::Observer; 2];
    let node = Node::start(with_roles(validator(0, 0, &[None; 2]), &roles)).await;
    let mut raw = Raw::new(&secret(1), key(0), Role::Observer);
    raw.dial(node.network.listen_addr().port());
    raw.until("it is let in", |raw| raw.established.len() == 1).await;
    raw.run_for(Duration::from_millis(700)).await;
    let start = Instant::now();
    while raw.closed.is_empty() && start.elapsed() < PATIENCE {
        // The library sends no message twice, but what is about the mesh it does.
        for _ in 0..BURST {
            raw.toggle(Topic::Heads);
        }
        raw.run_for(Duration::from_millis(1)).await;
    }
    assert_eq!(raw.closed.len(), 1, "it is cut off");
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_passes_on_what_must_be_rejected_is_cut_off_and_its_words_go_no_further() {
    let roles = [Role::Observer; 3];
    let node = Node::start(with_roles(validator(0, 0, &[None; 3]), &roles)).await;
    let port = Some(node.network.listen_addr().port());
    let liar = Node::start(with_roles(validator(1, 0, &[port, None, None]), &roles)).await;
    let other = Node::start(with_roles(validator(2, 0, &[port, None, None]), &roles)).await;
    for number in [1, 2] {
        node.connects(key(number)).await;
    }
    liar.connects(key(0)).await;
    other.connects(key(0)).await;
    sleep(Duration::from_millis(1_000)).await;
    liar.network.handle().publish(Topic::Heads, b"bad".to_vec());
    until("it is cut off", || !node.is_connected(key(1))).await;
    let PeerState::Unreachable { why, .. } = node.state(key(1)) else { panic!("it is cut off") };
    assert!(why.starts_with("it sent a message on head/v1 that no honest node passes on"), "{why}");
    sleep(Duration::from_millis(300)).await;
    assert!(other.owner.gossip.lock().unwrap().is_empty() && node.is_connected(key(2)));
    for node in [node, liar, other] {
        node.network.stop().await;
    }
}

#[tokio::test]
async fn a_peer_that_connects_again_and_again_is_let_in_rarely_and_fills_no_log() {
    let log = Log::open();
    let node = Node::start(validator(0, 0, &[None, None])).await;
    let port = node.network.listen_addr().port();
    let mut raw = Raw::new(&secret(1), key(0), Role::Validator);
    let (start, mut dials) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(2) {
        raw.dial(port);
        dials += 1;
        raw.run_for(Duration::from_millis(10)).await;
    }
    raw.run_for(Duration::from_millis(500)).await;
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap() + 1;
    let changes = node.owner.changes_of(key(1)).len();
    let lines = log.count("a peer is connected") + log.count("a peer is not connected any more");
    println!("{dials} dials in 2 s: {} let in, {changes} changes, {lines} lines", raw.established.len());
    assert!(dials > 25, "{dials} dials are no flood");
    assert!((3..=2 * (8 + seconds)).contains(&changes), "{changes} changes");
    assert!((2..=9).contains(&lines), "{lines} lines");
    assert_eq!(log.count("two nodes seem to use its node key"), 1);
    assert_eq!(log.count("it connects again and again"), 1, "the refusals are one line");
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_faster_than_its_rate_is_answered_later_and_not_refused() {
    let (first, second) = pair().await;
    let handle = first.network.handle();
    let start = Instant::now();
    for _ in 0..130 {
        assert_eq!(handle.request(&key(1), b"x".to_vec()).await, Ok(b"x, 1 bytes".to_vec()));
    }
    let took = start.elapsed();
    println!("130 requests one after the other took {took:?}");
    // A hundred at once, and twenty in a second.
    assert!((Duration::from_millis(1_400)..Duration::from_secs(8)).contains(&took), "{took:?}");
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_much_has_sixteen_megabytes_a_second() {
    let (first, second) = pair().await;
    let handle = first.network.handle();
    let ask = |count: usize| {
        let handle = handle.clone();
        async move {
            for _ in 0..count {
                let answer = handle.request(&key(1), b"one MiB".to_vec()).await;
                assert_eq!(answer.map(|answer| answer.len()), Ok(1_024 * 1_024));
            }
        }
    };
    let took = time(async { drop(futures::future::join_all((0..4).map(|_| ask(10))).await) }).await;
    println!("40 MiB of answers took {took:?}");
    // 16 at once, and 24 in a second and a half.
    assert!((Duration::from_millis(1_400)..Duration::from_secs(8)).contains(&took), "{took:?}");
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_free_again_only_when_the_answer_is_on_its_way() {
    let node = Node::start(validator(0, 0, &[None, None])).await;
    // Eight megabytes take four seconds.
    let wire = Wire::slow(node.network.listen_addr().port(), 2_000).await;
    let mut raw = Raw::new(&secret(1), key(0), Role::Validator);
    raw.dial(wire.port);
    raw.until("it is taken in use", |raw| raw.streams_of_target == Class::COUNT).await;
    raw.run_for(Duration::from_millis(200)).await;
    for _ in 0..REQUESTS_PER_PEER_MAX {
        raw.ask(b"one MiB");
    }
    raw.until("all are handed over", |_| node.owner.asked.load(Ordering::Relaxed) == REQUESTS_PER_PEER_MAX).await;
    raw.ask(b"one more");
    raw.until("all came back", |raw| raw.answers.len() == REQUESTS_PER_PEER_MAX + 1).await;
    let busy = raw.answers.iter().filter(|answer| **answer == Answer::Busy).count();
    assert_eq!(busy, 1, "eight answers were waiting to be written");
    raw.ask(b"later");
    raw.until("there is room", |raw| raw.answers.contains(&Answer::Bytes(b"later, 5 bytes".to_vec()))).await;
    assert_eq!(node.owner.asked.load(Ordering::Relaxed), REQUESTS_PER_PEER_MAX + 1);
    node.network.stop().await;
}
