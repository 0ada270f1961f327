//! Bounds: sizes of frames, what may wait, who waits for whom, and how long a vote is on its way among bulk.

use std::sync::atomic::AtomicUsize;

use super::raw::Raw;
use super::wire::Wire;
use super::*;
use crate::{SendError, Trouble};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_of_the_cap_is_carried_and_one_above_it_is_refused() {
    let (first, second) = pair().await;
    for class in Class::ALL {
        let cap = class.frame_bytes_max();
        let too_long = first.network.handle().send(&key(1), class, vec![1; cap + 1].into());
        assert_eq!(too_long, Err(SendError::TooLong { bytes_max: cap }));
        let frame: Vec<u8> = (0..cap).map(|n| n.to_le_bytes()[1]).collect();
        first.network.handle().send(&key(1), class, frame.clone().into()).expect("there is room");
        first.network.handle().send(&key(1), class, Arc::from([])).expect("there is room");
        until("both frames arrive", || second.owner.count_of(key(0), class) == 2).await;
        assert_eq!(second.owner.frames_of(key(0), class), [frame, Vec::new()]);
    }
    let unknown = first.network.handle().send(&key(9), Class::Votes, Arc::from([1]));
    assert_eq!(unknown, Err(SendError::NotConnected));
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_announces_a_frame_above_the_cap_is_cut_off_and_kept_out_for_a_while() {
    let node = Node::start(validator(0, 0, &[None, None])).await;
    let port = node.network.listen_addr().port();
    let mut raw = Raw::new(&secret(1), key(0), Role::Validator);
    raw.dial(port);
    raw.until("it is let in", |raw| raw.established.len() == 1).await;
    raw.open(Class::Votes);
    raw.until("the stream opens", |raw| raw.opened.len() == 1).await;
    raw.write(&65_537_u32.to_le_bytes()).await.expect("it can be written");
    raw.until("it is cut off", |raw| raw.closed.len() == 1).await;
    let PeerState::Unreachable { why, trouble, .. } = node.state(key(1)) else { panic!("it is not connected") };
    assert!(why.contains("a frame of 65537 bytes"), "{why}");
    assert_eq!(trouble, Trouble::KeptOut);
    raw.dial(port);
    raw.until("it is cut off again", |raw| raw.closed.len() == 2 || raw.failed_dials == 1).await;
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_takes_no_data_of_one_peer_holds_up_nothing_else() {
    let third = Node::start(validator(2, 0, &[None, None, None])).await;
    let port = Some(third.network.listen_addr().port());
    let first = Node::start(validator(0, 0, &[None, None, port])).await;
    let second = Node::start(validator(1, 0, &[None, None, port])).await;
    for (node, other) in [(&first, 2), (&second, 2), (&third, 0), (&third, 1)] {
        node.connects(key(other)).await;
    }
    third.owner.set_shut(key(0), Class::Data, true);
    let handle = first.network.handle();
    let block: Arc<[u8]> = vec![3; 512 * 1_024].into();
    let wait_full = || handle.send(&key(2), Class::Data, Arc::clone(&block)) == Err(SendError::Full);
    until("the queue is full", wait_full).await;
    assert!(first.status(key(2)).frames_dropped > 0, "what was refused is counted");
    let others = [(&first, Class::Votes), (&first, Class::Proposals), (&first, Class::Sync), (&second, Class::Data)];
    for (node, class) in others {
        for _ in 0..50 {
            node.network.handle().send(&key(2), class, vec![1; 20_000].into()).expect("there is room");
        }
    }
    let took = time(async {
        for (from, class) in [(0, Class::Votes), (0, Class::Proposals), (0, Class::Sync), (1, Class::Data)] {
            until("the others arrive", || third.owner.count_of(key(from), class) == 50).await;
        }
    })
    .await;
    assert!(took < Duration::from_secs(2), "held up for {took:?}");
    assert_eq!(third.owner.count_of(key(0), Class::Data), 0, "the receiver takes none");
    third.owner.set_shut(key(0), Class::Data, false);
    until("the data goes on", || third.owner.count_of(key(0), Class::Data) >= 32).await;
    for node in [first, second, third] {
        node.network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_does_not_wait_behind_bulk() {
    let (first, second) = pair().await;
    second.owner.keeps.store(false, Ordering::Relaxed);
    let idle = vote_times(&first, &second, 0).await;
    let handle = first.network.handle();
    let block: Arc<[u8]> = vec![3; 512 * 1_024].into();
    let bulk = tokio::spawn(async move {
        loop {
            for class in [Class::Data, Class::Sync] {
                while handle.send(&key(1), class, Arc::clone(&block)).is_ok() {}
            }
            sleep(Duration::from_millis(2)).await;
        }
    });
    sleep(Duration::from_millis(500)).await;
    let before = first.status(key(1)).bytes_out;
    let start = Instant::now();
    let busy = vote_times(&first, &second, 300).await;
    let rate = (first.status(key(1)).bytes_out - before) / u64::try_from(start.elapsed().as_millis()).unwrap() / 1_000;
    bulk.abort();
    println!("votes among bulk of {rate} MB/s: {busy:?}; without: {idle:?} (median, 99 %, longest)");
    // On a machine that is busy with something else, votes without bulk say how busy.
    assert!(busy[1] < Duration::from_millis(150) + 3 * idle[1], "99 of 100 votes within {:?}", busy[1]);
    assert!(rate > 5, "bulk was carried meanwhile, {rate} MB/s");
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_wire_holds_little_bulk_in_front_of_a_vote() {
    let first = Node::start(validator(0, 0, &[None, None])).await;
    let wire = Wire::slow(first.network.listen_addr().port(), 10_000).await;
    let second = Node::start(validator(1, 0, &[Some(wire.port), None])).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    second.owner.keeps.store(false, Ordering::Relaxed);
    let block: Arc<[u8]> = vec![3; 512 * 1_024].into();
    let mut times = Vec::new();
    for n in 0..60 {
        while first.network.handle().send(&key(1), Class::Data, Arc::clone(&block)).is_ok() {}
        sleep(Duration::from_millis(if n == 0 { 500 } else { 10 })).await;
        first.network.handle().send(&key(1), Class::Votes, vec![1; 200].into()).expect("there is room");
        let start = Instant::now();
        until("the vote arrives", || second.owner.count_of(key(0), Class::Votes) > n).await;
        times.push(start.elapsed());
    }
    times.sort();
    println!("votes behind bulk on 10 MB/s: {:?}, {:?}, {:?} (median, 95 %, longest)", times[30], times[56], times[59]);
    assert!(times[30] < Duration::from_millis(80), "less than 800 KB in front: {:?}", times[30]);
    first.network.stop().await;
    second.network.stop().await;
}

/// Median, 99th percentile and maximum of how long 300 votes are on their way, one after the other.
async fn vote_times(from: &Node, to: &Node, already: usize) -> [Duration; 3] {
    let mut times = Vec::new();
    for n in 0..300 {
        let start = Instant::now();
        from.network.handle().send(&key(1), Class::Votes, vec![1; 200].into()).expect("there is room");
        while to.owner.count_of(key(0), Class::Votes) <= already + n {
            tokio::task::yield_now().await;
        }
        times.push(start.elapsed());
        sleep(Duration::from_millis(3)).await;
    }
    times.sort();
    [times[150], times[297], times[299]]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn big_frames_in_both_directions_never_stall() {
    let (first, second) = pair().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for (node, to) in [(&first, key(1)), (&second, key(0))] {
        node.owner.keeps.store(false, Ordering::Relaxed);
        let (handle, stop) = (node.network.handle(), Arc::clone(&stop));
        senders.push(std::thread::spawn(move || {
            let block: Arc<[u8]> = vec![5; 512 * 1_024].into();
            while !stop.load(Ordering::Relaxed) {
                for class in Class::ALL.into_iter().filter(|class| *class != Class::Votes) {
                    // Full is what is wanted here.
                    let _ = handle.send(&to, class, Arc::clone(&block));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
    }
    let counts = || [first.owner.frames.lock().unwrap().len(), second.owner.frames.lock().unwrap().len()];
    let (start, mut last) = (Instant::now(), counts());
    let begun = last;
    while start.elapsed() < Duration::from_secs(2) {
        sleep(Duration::from_millis(500)).await;
        let now = counts();
        assert!(now[0] > last[0] && now[1] > last[1], "both directions go on: {last:?}, then {now:?}");
        last = now;
    }
    println!(
        "blocks of 512 KiB per second in each direction: {}, {}",
        (last[0] - begun[0]) / 2,
        (last[1] - begun[1]) / 2
    );
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(first.owner.changes_of(key(1)), [true], "the connection held");
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_can_be_sent_from_threads_without_a_runtime() {
    let (first, second) = pair().await;
    let handle = first.network.handle();
    let sent = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    handle.send(&key(1), Class::Data, Arc::from([1; 100])).expect("there is room");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    until("all arrive", || second.owner.count_of(key(0), Class::Data) == sent.load(Ordering::Relaxed)).await;
    first.network.stop().await;
    second.network.stop().await;
    assert_eq!(handle.send(&key(1), Class::Data, Arc::from([1])), Err(SendError::NotConnected), "after the end");
}
