//! Links: which connection is kept, who is not used, what ends one, and what survives a panic.

use super::log::Log;
use super::raw::Raw;
use super::wire::Wire;
use super::*;
use crate::Trouble;
use crate::commands::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_on_another_genesis_is_told_so_on_both_sides_and_nobody_spins() {
    let first = Node::start(validator(0, 0, &[None, None])).await;
    let wire = Wire::to(first.network.listen_addr().port()).await;
    let mut options = validator(1, 0, &[Some(wire.port), None]);
    (options.genesis, options.chain_id) = (Hash::new([9; 32]), "other".to_owned());
    let second = Node::start(options).await;
    let sees = |node: &Node, peer: u8, genesis: u8, chain: &str| {
        matches!(node.state(key(peer)), PeerState::OtherChain { genesis: theirs, chain_id, .. }
            if theirs == Hash::new([genesis; 32]) && chain_id == chain)
    };
    until("the first knows", || sees(&first, 1, 9, "other")).await;
    until("the second knows", || sees(&second, 0, 7, "test")).await;
    sleep(Duration::from_secs(2)).await;
    assert!(wire.accepted() <= 2, "{} connections in two seconds", wire.accepted());
    assert!(sees(&first, 1, 9, "other") && sees(&second, 0, 7, "test"), "they still know");
    let sent = first.network.handle().send(&key(1), Class::Votes, Arc::from([1]));
    assert_eq!(sent, Err(crate::SendError::NotConnected));
    assert!(first.owner.changes_of(key(1)).is_empty() && second.owner.changes_of(key(0)).is_empty());
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test]
async fn each_change_of_a_peer_is_one_line_in_the_log() {
    let log = Log::open();
    let port = free_port();
    let first = Node::start(validator(0, port, &[None, None])).await;
    let mut options = validator(1, 0, &[Some(port), None]);
    (options.genesis, options.chain_id) = (Hash::new([9; 32]), "other".to_owned());
    let second = Node::start(options).await;
    let by_first = "validator-1 is on genesis 09090909… of chain other, we run 07070707… of chain test: \
                    one of the two has the wrong genesis document";
    let by_second = "validator-0 is on genesis 07070707… of chain test, we run 09090909… of chain other: \
                     one of the two has the wrong genesis document";
    until("both say so", || log.count(by_first) == 1 && log.count(by_second) == 1).await;
    second.network.stop().await;
    // It is put right, and let in after a short pause.
    let second = Node::start(validator(1, 0, &[Some(port), None])).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    assert_eq!(log.count("a peer is connected"), 2);
    let unreachable = log.count("a peer cannot be reached");
    first.network.stop().await;
    // Several dials fail before the line.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(log.count("a peer is not connected any more"), 2, "one by each, and none for each dial");
    assert_eq!(log.count("a peer cannot be reached"), unreachable, "that it is gone was said");
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_is_cut_without_a_word_is_noticed_and_a_mended_one_is_used_again() {
    let first = Node::start(validator(0, 0, &[None, None])).await;
    let wire = Wire::to(first.network.listen_addr().port()).await;
    let second = Node::start(validator(1, 0, &[Some(wire.port), None])).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    until("a ping came back", || second.status(key(0)).round_trip.is_some()).await;
    wire.set_cut(true);
    let took = time(async {
        until("the first notices", || !first.is_connected(key(1))).await;
        until("the second notices", || !second.is_connected(key(0))).await;
    })
    .await;
    println!("a cut wire was noticed on both sides after {took:?}");
    assert!(took < Duration::from_secs(11), "noticed after {took:?}");
    let PeerState::Unreachable { why, trouble, was_connected, .. } = first.state(key(1)) else {
        panic!("it is not connected")
    };
    assert!(why.contains("no sign of life"), "{why}");
    assert_eq!((trouble, was_connected), (Trouble::Lost, true));
    assert_eq!(second.status(key(0)).round_trip, None, "no round trip without a connection");
    wire.set_cut(false);
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_connections_that_one_peer_dialled_the_newer_is_kept() {
    let node = Node::start(validator(0, 0, &[None, None])).await;
    let port = node.network.listen_addr().port();
    let mut raw = Raw::new(&secret(1), key(0), Role::Validator);
    for made in 1..=4 {
        raw.dial(port);
        raw.until("it is taken in use", |raw| raw.streams_of_target == made * Class::COUNT).await;
        raw.until("the older one goes", |raw| raw.closed.len() == made - 1).await;
    }
    raw.run_for(Duration::from_millis(300)).await;
    assert_eq!(raw.closed, raw.established[..3], "the newest is left");
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_connections_by_different_diallers_that_of_the_smaller_key_is_kept() {
    for (node_number, raw_number) in [(0, 1), (1, 0)] {
        let mut raw = Raw::new(&secret(raw_number), key(node_number), Role::Validator);
        let mut ports = [None, None];
        ports[usize::from(raw_number)] = Some(raw.listen().await);
        let node = Node::start(validator(node_number, 0, &ports)).await;
        raw.until("the node dials", |raw| raw.established.len() == 1).await;
        raw.dial(node.network.listen_addr().port());
        raw.until("both are made", |raw| raw.established.len() == 2).await;
        raw.until("one is closed", |raw| raw.closed.len() == 1).await;
        raw.run_for(Duration::from_millis(300)).await;
        assert_eq!((raw.established.len(), raw.closed.len()), (2, 1), "the other one stays");
        let is_raws_closed = raw.dialled_by_it == raw.closed;
        assert_eq!(is_raws_closed, key(node_number) < key(raw_number), "the dial of the smaller key is kept");
        node.network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_panics_costs_one_frame_and_a_lie_costs_the_connection() {
    let (first, second) = pair().await;
    let handle = first.network.handle();
    for frame in [&b"one"[..], b"panic", b"two"] {
        handle.send(&key(1), Class::Votes, frame.into()).expect("there is room");
    }
    until("the others arrive", || second.owner.count_of(key(0), Class::Votes) == 2).await;
    assert_eq!(second.owner.frames_of(key(0), Class::Votes), [b"one", b"two"]);
    assert_eq!(second.owner.changes_of(key(0)), [true], "the connection held");
    handle.send(&key(1), Class::Data, b"liar"[..].into()).expect("there is room");
    until("it is cut off", || !second.is_connected(key(0)) && !first.is_connected(key(1))).await;
    let PeerState::Unreachable { why, next_try_in, .. } = second.state(key(0)) else { panic!("it is cut off") };
    assert!(why.contains("it sent a lie"), "{why}");
    assert!(next_try_in > Some(Duration::from_secs(8)), "a pause of {next_try_in:?}");
    sleep(Duration::from_secs(2)).await;
    assert!(!second.is_connected(key(0)), "it is not let in again at once");
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_accused_from_above_is_cut_off_once_however_often_it_is_said() {
    let (first, second) = pair().await;
    let handle = second.network.handle();
    handle.misbehaved(&key(9), "nothing, because nobody knows it");
    assert!(handle.request(&key(0), b"x".to_vec()).await.is_ok(), "all goes on");
    std::thread::spawn(move || {
        for _ in 0..10_000 {
            handle.misbehaved(&key(0), "a batch that nobody signed\n");
        }
    })
    .join()
    .expect("it needs no runtime and never waits");
    until("it is cut off", || !second.is_connected(key(0)) && !first.is_connected(key(1))).await;
    let PeerState::Unreachable { why, next_try_in, .. } = second.state(key(0)) else { panic!("it is cut off") };
    assert_eq!(why, "it sent a batch that nobody signed?; it is let in again after 10 seconds");
    second.network.handle().misbehaved(&key(0), "another one");
    sleep(Duration::from_millis(500)).await;
    let PeerState::Unreachable { next_try_in: later, .. } = second.state(key(0)) else { panic!("it is still out") };
    assert!(next_try_in > Some(Duration::from_secs(5)) && later < next_try_in, "one pause: {next_try_in:?}, {later:?}");
    assert_eq!(second.owner.changes_of(key(0)), [true, false]);
    first.network.stop().await;
    second.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_panics_costs_its_connection_which_comes_back() {
    let (first, second) = pair().await;
    first.network.handle().command(Command::PanicInTask(key(1)));
    until("the loss is told", || first.owner.changes_of(key(1)) == [true, false]).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    first.network.stop().await;
    second.network.stop().await;
}

#[test]
fn nobody_waits_for_an_answer_when_the_runtime_of_the_network_is_gone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = runtime.block_on(pair());
    let handle = first.network.handle();
    drop(runtime);
    let asked = std::thread::spawn(move || futures::executor::block_on(handle.request(&key(1), b"late".to_vec())));
    for _ in 0..500 {
        if asked.is_finished() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(asked.is_finished(), "it waits for ever");
    assert_eq!(asked.join().unwrap(), Err(crate::RequestError::NotConnected));
    drop((first, second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_connection_yields_to_a_newcomer_that_would_lose_against_a_living_one() {
    // The dial of the node wins, because its key is the smaller one.
    let (small, large) = if key(0) < key(1) { (0, 1) } else { (1, 0) };
    let mut raw = Raw::new(&secret(large), key(small), Role::Validator);
    let wire = Wire::to(raw.listen().await).await;
    let mut ports = [None, None];
    ports[usize::from(large)] = Some(wire.port);
    let node = Node::start(validator(small, 0, &ports)).await;
    raw.until("it is taken in use", |raw| raw.streams_of_target == Class::COUNT).await;
    until("it is up", || node.is_connected(key(large))).await;
    wire.set_cut(true);
    sleep(Duration::from_millis(5_000)).await;
    assert!(node.is_connected(key(large)), "the silence is not yet long enough to give it up");
    let mut again = Raw::new(&secret(large), key(small), Role::Validator);
    again.dial(node.network.listen_addr().port());
    again.until("it is taken in use", |raw| raw.streams_of_target == Class::COUNT).await;
    until("it is up", || node.owner.changes_of(key(large)) == [true, false, true]).await;
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_loop_that_panics_starts_again_on_its_port() {
    let (first, second) = pair().await;
    let address = first.network.listen_addr();
    let handle = first.network.handle();
    handle.command(Command::Panic);
    until("the loss is told", || first.owner.changes_of(key(1)) == [true, false]).await;
    first.connects(key(1)).await;
    second.connects(key(0)).await;
    assert_eq!(first.network.listen_addr(), address);
    handle.send(&key(1), Class::Votes, b"again"[..].into()).expect("an old handle is still good");
    until("it arrives", || second.owner.count_of(key(0), Class::Votes) == 1).await;
    first.network.stop().await;
    second.network.stop().await;
}

#[test]
fn a_stopped_network_leaves_no_task_and_no_port() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (first, second) = pair().await;
        let ports = [first.network.listen_addr(), second.network.listen_addr()];
        let block: Arc<[u8]> = vec![5; 512 * 1_024].into();
        second.owner.set_shut(key(0), Class::Data, true);
        while first.network.handle().send(&key(1), Class::Data, Arc::clone(&block)).is_ok() {}
        let took = time(async {
            first.network.stop().await;
            second.network.stop().await;
        })
        .await;
        assert!(took < Duration::from_secs(1), "it took {took:?} to stop");
        // The last task wakes us a moment before the runtime lets go of it.
        until("no task is left", || tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
        for port in ports {
            drop(std::net::TcpListener::bind(port).expect("the port is free again"));
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_and_bad_options_are_said_clearly() {
    let node = Node::start(validator(0, 0, &[None, None])).await;
    let port = node.network.listen_addr().port();
    let taken = Network::start(validator(1, port, &[None, None]), Owner::new()).await;
    let sentence = taken.expect_err("the port is taken").to_string();
    let expected = format!(
        "cannot listen for peers on 127.0.0.1:{port}: another process listens there; stop it or choose another port"
    );
    assert_eq!(sentence, expected);
    let mut options = validator(2, 0, &[None, None]);
    options.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let everywhere = Node::start(options).await;
    assert_ne!(everywhere.network.listen_addr().port(), 0, "the system picked one");
    drop(std::net::TcpStream::connect(local(everywhere.network.listen_addr().port())).expect("it listens here too"));
    everywhere.network.stop().await;
    let mut options = validator(2, 0, &[None, None]);
    options.listen = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
    let everywhere = Node::start(options).await;
    let port = everywhere.network.listen_addr().port();
    for address in [local(port), SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port))] {
        drop(std::net::TcpStream::connect(address).expect("it listens on both"));
    }
    everywhere.network.stop().await;
    let mut options = validator(0, 0, &[None, None]);
    options.peers[0].key = key(0);
    let sentence = Network::start(options, Owner::new()).await.expect_err("it is ourselves").to_string();
    assert!(sentence.contains("validator-1 has our own node key"), "{sentence}");
    node.network.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_another_node_answers_is_said_and_tried_again() {
    let first = Node::start(validator(0, 0, &[None, None, None])).await;
    let port = first.network.listen_addr().port();
    // Where it expects validator 2 it finds validator 0.
    let second = Node::start(validator(1, 0, &[None, None, Some(port)])).await;
    let tried = || match second.state(key(2)) {
        PeerState::Unreachable { attempts, .. } => attempts,
        _ => 0,
    };
    until("it was tried", || tried() >= 2).await;
    let PeerState::Unreachable { why, trouble, was_connected, .. } = second.state(key(2)) else {
        panic!("it is not connected")
    };
    assert_eq!((trouble, was_connected), (Trouble::OtherNode, false));
    assert!(why.contains("answers a node with another key") && why.contains(&key(0).to_string()), "{why}");
    assert_eq!(second.state(key(0)), PeerState::Waiting, "nobody dials a peer without an address");
    first.network.stop().await;
    second.network.stop().await;
}
